"""What the other accounts of the same business did: opened, closed, stopped, were listed.

Siblings share a settlement account, tax id or principal. Rules kept here:

* an account is never its own sibling, and counts once however many identifiers tie it;
* widely shared values, such as a nominee's, tie nobody;
* no sibling makes a count 0; siblings of whom nothing is known make it null.

Sibling measures hold for accounts whose siblings are all at hand; measuring.py sees to that.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from merchantscreen.features.prices import by_frequency
from merchantscreen.identifiers import kinds_of
from merchantscreen.policy.model import EvidenceModel, Measures
from merchantscreen.vocabulary import Specificity

_DETAILS = ("processor", "opened_on", "closed_on", "listing_codes", "first_at", "last_at")


def sibling_pairs(declared: pl.DataFrame, widely_shared: int) -> pl.DataFrame:
    """Pair the holders of a hard identifier, both ways: `account_id, sibling_id`, once each.

    Args:
        declared: tables.DeclaredIdentifiers with every holder of the identifiers in question.
        widely_shared: From this many holders on, a value ties nobody.
    """
    hard = _hard(declared)
    narrow = hard.filter(pl.len().over("kind", "value") < widely_shared)
    others = narrow.select("kind", "value", pl.col("account_id").alias("sibling_id"))
    pairs = narrow.join(others, on=["kind", "value"], how="inner")
    return pairs.filter(pl.col("account_id") != pl.col("sibling_id")).select("account_id", "sibling_id").unique()


def measure_siblings(
    base: pl.DataFrame, declared: pl.DataFrame, day: date, model: EvidenceModel, measures: Measures
) -> pl.DataFrame:
    """Compare accounts with their siblings.

    Args:
        base: tables.Accounts with first_at and last_at, siblings included.
        declared: tables.DeclaredIdentifiers of the same accounts.
        day: Day of the run.
        model: When a value is widely shared, and how long an opening is recent.
        measures: How close openings are together.

    Returns:
        One row per account with a hard identifier.
    """
    details = base.with_columns(_processor()).select("account_id", *_DETAILS)
    pairs = _described(sibling_pairs(declared, model.widely_shared_count), details)
    counted = pairs.group_by("account_id").agg(*_openings(day, model, measures), *_endings(day))
    holders = _hard(declared).select("account_id").unique().join(details, on="account_id", how="inner")
    opened = pl.col("opened_on").is_not_null()
    return holders.join(counted, on="account_id", how="left").select(
        "account_id",
        pl.col("sibling_count").fill_null(0),
        _null_if_all_unknown("sibling_acquirer_change_count", "dated_count"),
        pl.when(opened).then(_null_if_all_unknown("sibling_opening_count", "dated_count")),
        pl.when(opened).then(pl.col("closed_sibling_count").fill_null(0)).alias("closed_sibling_count"),
        (pl.col("opened_on") - pl.col("last_closed_on")).dt.total_days().alias("days_since_sibling_closed"),
        pl.when(pl.col("first_at").is_not_null()).then(
            _null_if_all_unknown("stopped_sibling_count", "active_sibling_count")
        ),
        (pl.col("first_at").dt.date() - pl.col("last_stopped_at").dt.date())
        .dt.total_days()
        .alias("days_since_sibling_stopped"),
        _null_if_all_unknown("sibling_listing_count", "listed_count"),
    )


def measure_price_overlap(
    base: pl.DataFrame, declared: pl.DataFrame, prices: pl.DataFrame, widely_shared: int, compared: int
) -> pl.DataFrame:
    """Count the purchases at the usual prices of a sibling that stopped before the account began.

    Args:
        base: tables.Accounts with first_at and last_at.
        declared: tables.DeclaredIdentifiers.
        prices: The stage of that name.
        widely_shared: From this many holders on, a value ties nobody.
        compared: How many of the sibling's most frequent prices are usual.

    Returns:
        `account_id, overlapping_count`, the largest over such siblings with prices.
    """
    details = base.select("account_id", "first_at", "last_at")
    pairs = _described(sibling_pairs(declared, widely_shared), details).filter(_stopped_before())
    of_siblings = prices.join(pairs, left_on="account_id", right_on="sibling_id", how="semi")
    usual = by_frequency(of_siblings).group_by("account_id", maintain_order=True).head(compared)
    offered = pairs.select("account_id", "sibling_id").join(
        usual.select(pl.col("account_id").alias("sibling_id"), "amount_minor", "currency"), on="sibling_id", how="inner"
    )
    matched = offered.join(prices, on=["account_id", "amount_minor", "currency"], how="left")
    per_sibling = matched.group_by("account_id", "sibling_id").agg(pl.col("price_count").sum())
    return per_sibling.group_by("account_id").agg(pl.col("price_count").max().alias("overlapping_count"))


def _hard(declared: pl.DataFrame) -> pl.DataFrame:
    return declared.filter(pl.col("kind").is_in(kinds_of(Specificity.HARD)))


def _processor() -> pl.Expr:
    """Name who processes for an account: its acquirer, and its facilitator where it has one."""
    facilitator = pl.col("payment_facilitator_id").fill_null("")
    return pl.concat_str([pl.col("acquirer_id"), facilitator], separator="\x1f").alias("processor")


def _described(pairs: pl.DataFrame, details: pl.DataFrame) -> pl.DataFrame:
    own = pairs.join(details, on="account_id", how="inner")
    return own.join(details, left_on="sibling_id", right_on="account_id", how="inner", suffix="_sibling")


def _openings(day: date, model: EvidenceModel, measures: Measures) -> list[pl.Expr]:
    """Count siblings, their openings and their listings."""
    opened = pl.col("opened_on_sibling")
    is_recent = opened.is_between(pl.lit(day - timedelta(days=model.sibling_opening_days)), pl.lit(day))
    is_elsewhere = pl.col("processor_sibling") != pl.col("processor")
    apart = (opened - pl.col("opened_on")).dt.total_days().abs()
    is_together = (apart <= measures.sibling_opening_window_days) & (opened <= day)
    return [
        pl.len().cast(pl.Int64).alias("sibling_count"),
        opened.count().cast(pl.Int64).alias("dated_count"),
        pl.col("processor_sibling")
        .filter(is_recent & is_elsewhere)
        .n_unique()
        .cast(pl.Int64)
        .alias("sibling_acquirer_change_count"),
        is_together.sum().cast(pl.Int64).alias("sibling_opening_count"),
        _is_listed().sum().cast(pl.Int64).alias("sibling_listing_count"),
        _is_listed().sum().cast(pl.Int64).alias("listed_count"),
    ]


def _endings(day: date) -> list[pl.Expr]:
    """Find the siblings that had closed, and those that had stopped, when the account began."""
    closed = pl.col("closed_on_sibling")
    had_closed = (closed <= pl.col("opened_on")) & (closed <= pl.lit(day))
    return [
        had_closed.sum().cast(pl.Int64).alias("closed_sibling_count"),
        closed.filter(had_closed).max().alias("last_closed_on"),
        pl.col("last_at_sibling").count().cast(pl.Int64).alias("active_sibling_count"),
        _stopped_before().sum().cast(pl.Int64).alias("stopped_sibling_count"),
        pl.col("last_at_sibling").filter(_stopped_before()).max().alias("last_stopped_at"),
    ]


def _stopped_before() -> pl.Expr:
    return pl.col("last_at_sibling") < pl.col("first_at")


def _is_listed() -> pl.Expr:
    return pl.col("listing_codes_sibling").is_not_null() & (pl.col("listing_codes_sibling") != "")


def _null_if_all_unknown(column: str, known_count: str) -> pl.Expr:
    """Keep a count unless siblings exist and nothing is known of any; no sibling makes it 0."""
    some_known = pl.col(known_count).is_null() | (pl.col(known_count) > 0)
    return pl.when(some_known).then(pl.col(column).fill_null(0)).alias(column)
