"""The frames of a bundle, cut up by account once, so that two thousand cases need no search each.

Rules kept here: a view, nothing is computed; what is under a law-enforcement hold is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.report.figures import Row
from merchantscreen.vocabulary import EvidenceFamily, RuleOutcome

Rows = Mapping[str, Sequence[Row]]
_OF_RULES: Final = ("account_id", "rule_id", "outcome", "exception_id", "reason")
"""What a page tells of a rule."""
_OF_DOMAINS: Final = ("subject", "counterpart")
"""What a page tells of a link between domains."""


@dataclass(frozen=True, slots=True)
class Index:
    """Rows of a bundle by account, for the accounts that get a case page.

    Attributes:
        tiers: Tier of every ranked account.
        items: Items of the final round, the kind with most points first.
        direct: Domains by account that it is linked to in the final round, of every account.
        domain_items: Items of round 0, by domain: `_OF_DOMAINS`.
        links: Account links, those outside validity included.
        rules: Results of rules in use that say something: `_OF_RULES`. Most of some sixty are no hit, and only counted.
        clean_counts: How many rules in use were no hit.
        observed: What its rules in use observed, whatever came out, as they wrote it.
        drafts: Hits of rules in draft, as `rules`.
        draft_counts: How many rules in draft there were.
        facts: What the tier was decided on.
        domains: Flagged domains by name.
        history: Decisions about the account, the oldest first.
        changes: What became of it since the run before, of every account.
    """

    tiers: Mapping[str, str]
    items: Rows
    direct: Mapping[str, Sequence[str]]
    domain_items: Rows
    links: Rows
    rules: Rows
    clean_counts: Mapping[str, int]
    observed: Mapping[str, Sequence[str]]
    drafts: Rows
    draft_counts: Mapping[str, int]
    facts: Mapping[str, Row]
    domains: Mapping[str, Row]
    history: Rows
    changes: Rows


def index_of(bundle: Bundle, accounts: Sequence[str]) -> Index:
    """Cut a bundle up for these accounts."""
    final = bundle.ledger.filter(pl.col("round") == bundle.manifest.model["account_rounds"])
    ordered = final.filter(pl.col("subject").is_in(accounts)).sort(
        ["subject", "kind_points_nano", "family", "kind", "points_nano", "counterpart"],
        descending=[False, True, False, False, True, False],
    )
    links = final.filter(pl.col("family") == EvidenceFamily.LINK).group_by("subject")
    direct = links.agg(pl.col("counterpart").unique().sort()).iter_rows()
    rules, drafts = (frame.filter(pl.col("account_id").is_in(accounts)) for frame in (bundle.rules, bundle.shadow))
    is_clean = (pl.col("outcome") == RuleOutcome.NO_HIT) & pl.col("exception_id").is_null()
    return Index(
        tiers=dict(bundle.ranking.select("account_id", "tier").iter_rows()),
        items=_grouped(ordered, "subject"),
        direct=dict(direct),
        domain_items=_grouped(
            bundle.ledger.filter(pl.col("round") == 0).sort("subject", "kind", "counterpart").select(_OF_DOMAINS),
            "subject",
        ),
        links=_of(bundle.links, accounts, "domain", "kind", "in_window"),
        rules=_of(rules.filter(~is_clean).select(_OF_RULES), accounts, "rule_id"),
        clean_counts=_counts(rules.filter(is_clean)),
        observed=dict(rules.group_by("account_id").agg("observed").iter_rows()),
        drafts=_of(drafts.filter(pl.col("outcome") == RuleOutcome.HIT).select(_OF_RULES), accounts, "rule_id"),
        draft_counts=_counts(drafts),
        facts={name: rows[0] for name, rows in _of(bundle.facts, accounts).items()},
        domains={row["domain"]: row for row in bundle.domains.filter(~pl.col("held")).to_dicts()},
        history=_grouped(bundle.history, "account_id"),
        changes=_grouped(bundle.changes, "account_id"),
    )


def _of(frame: pl.DataFrame, accounts: Sequence[str], *order: str) -> Rows:
    wanted = frame.filter(pl.col("account_id").is_in(accounts)).sort("account_id", *order)
    return _grouped(wanted, "account_id")


def _counts(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame.group_by("account_id").len().iter_rows())


def _grouped(frame: pl.DataFrame, key: str) -> Rows:
    grouped: dict[str, list[Row]] = {}
    rows: Iterable[Row] = frame.iter_rows(named=True)
    for row in rows:
        grouped.setdefault(row[key], []).append(row)
    return grouped
