"""All measures of an account joined to one row, and from it one column per row of the catalogue.

Rules kept here:

* accounts that only transactions know have a row too, and so do accounts without transactions;
* every part is joined by account and adds nothing but its own columns, so no order matters;
* a number that is not finite cannot arise: nothing is divided by zero, and no float is summed.

Who is measured, and what is fetched for that, is left to measuring.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from merchantscreen.features.activity import measure_activity, measure_totals
from merchantscreen.features.around import Crowds, measure_around, measure_crowds
from merchantscreen.features.catalogue import CATALOGUE
from merchantscreen.features.changes import DATED, dated, measure_changes, referral_moments
from merchantscreen.features.listings import measure_listings
from merchantscreen.features.payers import measure_corridors, measure_nights
from merchantscreen.features.peers import measure_peers
from merchantscreen.features.prices import measure_prices, measure_units
from merchantscreen.features.referred import direct_links, measure_referred
from merchantscreen.features.siblings import measure_price_overlap, measure_siblings
from merchantscreen.features.sites import known_sites, measure_sites
from merchantscreen.features.stages import naive_utc
from merchantscreen.policy.model import EvidenceModel, Measures
from merchantscreen.tables import COLUMN_DTYPES


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of the accounts beside their transactions.

    Attributes:
        accounts: tables.Accounts: the wanted accounts, their siblings and the peer sample.
        declared: tables.DeclaredIdentifiers of the same accounts.
        links: tables.AccountLinks.
        domains: tables.FlaggedDomains.
        clues: tables.PaymentClues.
        contacts: tables.Holdings of medium identifiers that are not widely shared.
        crowds: How many of each intermediary's accounts are linked.
    """

    accounts: pl.DataFrame
    declared: pl.DataFrame
    links: pl.DataFrame
    domains: pl.DataFrame
    clues: pl.DataFrame
    contacts: pl.DataFrame
    crowds: Crowds


@dataclass(frozen=True, slots=True)
class Numbers:
    """The part of a policy that features are measured with.

    Attributes:
        evidence: Peer counts, and from which number of holders an identifier ties nobody.
        measures: Bounds, periods and code lists.
        caution_hosts: Hosts that many parties share; observing them or a host below them says nothing.
    """

    evidence: EvidenceModel
    measures: Measures
    caution_hosts: frozenset[str]


def assemble(
    payments: Iterable[Mapping[str, pl.DataFrame]],
    compared: Iterable[Mapping[str, pl.DataFrame]],
    names: Mapping[str, pl.DataFrame],
    around: Surroundings,
    numbers: Numbers,
    as_of: datetime,
) -> pl.DataFrame:
    """Join the measures of accounts with all that is known of them.

    Args:
        payments: The collected `payment_stages` of some accounts after the other, none of them twice: only what
            is made of them is kept. At least those of nobody.
        compared: The collected `compared_stages` of accounts that these are only compared with, likewise.
        names: The collected `name_stages`.
        around: What is known beside transactions.
        numbers: What the policy says about measuring.
        as_of: Moment of the run.

    Returns:
        One row per account declared or measured, sorted: account_id and a column per catalogue entry.
        Features of names, siblings and linked accounts hold for accounts whose names, siblings and
        contacts are all present, so for the wanted ones; those of accounts only compared with are no use.
    """
    moment = naive_utc(as_of)
    direct = direct_links(around.links, around.domains)
    parts = [_of_payments(stages, around.accounts, direct, numbers.measures, moment.date()) for stages in payments]
    told = {name: pl.concat([part[name] for part in parts]) for name in parts[0]}
    peers = [_of_compared(stages, around.accounts, numbers.measures) for stages in compared]
    measured = pl.concat([told["measures"], *peers], how="diagonal")
    base = around.accounts.join(measured, on="account_id", how="full", coalesce=True)
    sites = known_sites(names["hosts"], around.declared, numbers.caution_hosts)
    for part in (
        measure_sites(names["hosts"], around.declared, sites),
        measure_listings(around.accounts, numbers.measures),
        *_of_siblings(told["prices"], around, numbers, base, moment.date()),
        *_of_links(told["days"], {**names, "sites": sites}, around, numbers, base, moment),
        measure_peers(base, numbers.evidence, numbers.measures),
    ):
        base = base.join(part, on="account_id", how="left")
    base = base.with_columns(_age(moment.date()))
    features = [feature.value.cast(COLUMN_DTYPES[feature.type]).alias(feature.name) for feature in CATALOGUE]
    return base.select("account_id", *features).sort("account_id")


def _of_payments(
    stages: Mapping[str, pl.DataFrame], accounts: pl.DataFrame, direct: pl.DataFrame, measures: Measures, day: date
) -> dict[str, pl.DataFrame]:
    """Reduce the stages of some accounts to `measures`, one row per account, and to what is compared with others.

    That is `days` of linked accounts, and `prices`.
    """
    activity = measure_activity(stages["days"], accounts, day, measures.unit_currencies)
    priced = activity.join(measure_prices(stages["prices"], measures), on="account_id", how="left")
    measured = _with_payers(priced, stages, accounts, measures)
    linked = stages["days"].select(DATED).join(direct, on="account_id", how="semi")
    return {"measures": measured, "days": linked, "prices": stages["prices"]}


def _of_compared(stages: Mapping[str, pl.DataFrame], accounts: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Reduce the stages of some accounts to what they are compared by, one row per account."""
    totals = measure_totals(stages["totals"], accounts)
    priced = totals.join(measure_units(stages["prices"], measures), on="account_id", how="left")
    return _with_payers(priced, stages, accounts, measures)


def _with_payers(
    measured: pl.DataFrame, stages: Mapping[str, pl.DataFrame], accounts: pl.DataFrame, measures: Measures
) -> pl.DataFrame:
    """Put beside the measures of accounts what their payers' countries and hours say."""
    corridors = measure_corridors(stages["corridors"], accounts)
    nights = measure_nights(stages["quarters"], measures)
    return measured.join(corridors, on="account_id", how="left").join(nights, on="account_id", how="left")


def _of_siblings(
    prices: pl.DataFrame, around: Surroundings, numbers: Numbers, base: pl.DataFrame, day: date
) -> tuple[pl.DataFrame, ...]:
    model, measures = numbers.evidence, numbers.measures
    return (
        measure_siblings(base, around.declared, day, model, measures),
        measure_price_overlap(base, around.declared, prices, model.widely_shared_count, measures.compared_price_count),
    )


def _of_links(
    days: pl.DataFrame,
    names: Mapping[str, pl.DataFrame],
    around: Surroundings,
    numbers: Numbers,
    base: pl.DataFrame,
    moment: datetime,
) -> tuple[pl.DataFrame, ...]:
    """Measure what rests on links to referred domains."""
    direct = direct_links(around.links, around.domains)
    linked = direct.select("account_id").unique()
    widely_shared, change_days = numbers.evidence.widely_shared_count, numbers.measures.referral_change_days
    return (
        measure_around(base, around.declared, around.contacts, names["met"], linked, widely_shared),
        measure_crowds(around.accounts, around.declared, linked, around.crowds),
        measure_referred(base, around.links, around.domains, around.declared, names, around.clues),
        measure_changes(referral_moments(direct, moment), days, dated(names), moment, change_days),
    )


def _age(day: date) -> pl.Expr:
    age = (pl.lit(day) - pl.col("opened_on")).dt.total_days()
    return pl.when(age >= 0).then(age).alias("account_age_days")
