"""Referrals that need no story: a confirmation, after a submission at most, and nothing else by the moment.

Rules kept here:
* such a referral is what its confirmation says: the submission before it set facts that the confirmation replaced;
* its domain counts by itself where no other referral names it, none leads to it and no caution host covers it: then
  nothing is merged, and the row of the domain follows from the row of the confirmation;
* every other referral is left to `register` and `flagging`, which say what a referral and a flagged domain are; a
  property test holds both ways together.

Works on rows of `alike`, which are not held, not retracted and lead nowhere.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from merchantscreen.domains import registrable_domain
from merchantscreen.policy.model import EvidenceModel
from merchantscreen.referrals.alike import Events, events_of
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.tables import FlaggedDomains, schema_of
from merchantscreen.vocabulary import (
    Assurance,
    CounterEvidence,
    Dedicated,
    MatchScope,
    ReferralEventKind,
    ReferralStatus,
)

NANO_PER_PERCENT: Final = 10_000_000
FULL_CONFIDENCE: Final = 100
"""Confidence of a confirmation that states none: c = 1, as the method takes it."""

_KEY: Final = ("reporting_hotline_id", "referral_id")
_GONE: Final = (ReferralStatus.REMOVED, ReferralStatus.UNAVAILABLE)
_IS_CONFIRMATION: Final = pl.col("event") == ReferralEventKind.CONFIRMED
_IS_WHOLE_SITE: Final = pl.col("match_scope") != MatchScope.HOST


@dataclass(frozen=True, slots=True)
class Settled:
    """Settled referrals, and the events of all others.

    Attributes:
        rows: alike.ROWS of the confirmations, with `registrable`, which is never null, and `counts_as`, the name
            under which the domain counts.
        others: Every event of every other referral.
    """

    rows: pl.DataFrame
    others: tuple[ReferralEvent, ...]


def settle(events: Events, as_of: datetime) -> Settled:
    """Tell referrals that need no story from all others.

    Args:
        events: All events.
        as_of: The moment of the register.
    """
    rows, single = events.rows, [(one.reporting_hotline_id, one.referral_id) for _, one in events.single]
    elsewhere = pl.DataFrame(single, schema=dict.fromkeys(_KEY, pl.String), orient="row")
    confirmed_at = pl.col("issued_at").filter(_IS_CONFIRMATION)
    simple = (
        rows.group_by(_KEY)
        .agg(
            confirmations=_IS_CONFIRMATION.sum(),
            submissions=(~_IS_CONFIRMATION).sum(),
            is_in_order=pl.col("issued_at").max() == confirmed_at.first(),
            last=pl.col("issued_at").max(),
        )
        .filter("is_in_order", confirmations=1)
        .filter(pl.col("submissions") <= 1, pl.col("last") <= as_of)
    )
    hosts = rows.select(pl.col("domain").unique())
    known = hosts.with_columns(
        registrable=pl.Series([registrable_domain(host) for host in hosts["domain"]], dtype=pl.String)
    )
    named = known.filter(pl.col("registrable").is_not_null())
    settled = (
        rows.filter(_IS_CONFIRMATION)
        .join(simple.select(_KEY), on=_KEY, how="semi")
        .join(elsewhere, on=_KEY, how="anti")
        .join(named, on="domain")
        .with_columns(counts_as=pl.when(_IS_WHOLE_SITE).then("registrable").otherwise("domain"))
    )
    others = rows.join(settled, on=_KEY, how="anti")
    return Settled(settled, (*(event for _, event in events.single), *events_of(others)))


def by_itself(rows: pl.DataFrame, named: Collection[str], caution: Collection[str]) -> pl.DataFrame:
    """Keep the settled referrals whose domain nothing else bears on.

    Args:
        rows: Rows of `Settled`.
        named: Hosts that any other referral is about or leads to, and their registrable domains.
        caution: Hosts of the caution list.
    """
    only = rows.filter(pl.col("counts_as").is_unique())
    free = only.filter(~pl.col("counts_as").is_in(list(named)))
    return free.filter(~_is_under(free.get_column("domain"), caution))


def _is_under(hosts: pl.Series, parents: Collection[str]) -> pl.Series:
    """Tell which hosts are one of some names, or stand under one."""
    rest, found = hosts, pl.repeat(value=False, n=hosts.len(), eager=True)
    while rest.is_not_null().any():
        found |= rest.is_in(list(parents)).fill_null(value=False)
        rest = rest.str.splitn(".", 2).struct.field("field_1")
    return found


def domain_rows(rows: pl.DataFrame, model: EvidenceModel, as_of: datetime) -> pl.DataFrame:
    """Write the flagged domain of each settled referral that counts by itself.

    Returns:
        tables.FlaggedDomains, in no particular order.
    """
    is_dedicated = pl.col("domain_dedicated") == Dedicated.YES
    label = pl.col("registrable").str.split(".").list.first()
    registrable, host = pl.col("registrable"), pl.col("domain")
    is_site = _IS_WHOLE_SITE | (host == registrable) | (host == pl.concat_str(pl.lit("www."), registrable))
    has_label = is_dedicated & is_site & (label.str.len_chars() >= model.label_min_length)
    first = pl.min_horizontal("valid_from", "observed_at", "confirmed_at")
    return rows.select(
        domain="counts_as",
        match_scope="match_scope",
        registrable="registrable",
        label=pl.when(has_label).then(label),
        confidence_nano=pl.col("confidence").fill_null(FULL_CONFIDENCE) * NANO_PER_PERCENT,
        confirmed=pl.lit(value=True),
        dedicated="domain_dedicated",
        window_from_at=first - timedelta(days=model.lookback_days),
        window_until_at="valid_until",
        referral_ids=pl.concat_list("referral_id"),
        hotlines=pl.concat_list("reporting_hotline_id"),
        assurance=pl.lit(Assurance.UNSIGNED.value),
        caveats=_caveats(is_dedicated, as_of),
        held=pl.lit(value=False),
        first_confirmed_at="confirmed_at",
    ).cast(schema_of(FlaggedDomains))


def _caveats(is_dedicated: pl.Expr, as_of: datetime) -> pl.Expr:
    """List what speaks for caution, in order of name; one referral is always one hotline alone."""
    holds = {
        CounterEvidence.SINGLE_HOTLINE: pl.lit(value=True),
        CounterEvidence.EXPIRED: pl.col("valid_until") <= as_of,
        CounterEvidence.SITE_DOWN: pl.col("status").is_in(_GONE),
        CounterEvidence.NOT_DEDICATED: ~is_dedicated,
    }
    words = (pl.when(applies).then(pl.lit(caveat.value)) for caveat, applies in sorted(holds.items()))
    return pl.concat_list(*words).list.drop_nulls()
