"""Counts, windows, volumes, gaps and bursts of an account, all from the one compact stage `days`.

Rules kept here:

* an account that is in `days` has transactions: what did not happen in a window is 0 there, and
  what no transaction says anything about is null;
* windows are calendar days in UTC, the day of the run included;
* amounts are added in the currency that counts for the account: its own, or the only one of its
  purchases; never across currencies.

Source: exact integers after docs/method.md; the ideas stand with each feature in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final

import polars as pl

from merchantscreen.features.catalogue import WINDOWS

MONTH_DAYS: Final = 30
"""Days of a month, the unit of volumes and of comparisons over time."""
_MICROSECONDS_PER_DAY: Final = 86_400_000_000

_SUMS: Final = (
    "transaction_count", "purchase_count", "refund_count", "chargeback_count", "declined_count", "product_known_count",
    "prepaid_count", "entry_known_count", "card_present_count", "ecommerce_known_count", "ecommerce_count",
)  # fmt: skip
_PAID: Final = ("account_id", "occurred_on", "currency", "purchase_count", "purchase_minor")
"""What volumes are made of: `days` are millions of rows, and are not copied with all their columns."""
_WINDOWED: Final = ("purchase_count", "refund_count", "chargeback_count", "declined_count")


def measure_activity(
    days: pl.DataFrame, accounts: pl.DataFrame, day: date, unit_currencies: Iterable[str]
) -> pl.DataFrame:
    """Measure what happened when.

    Args:
        days: The stage of that name.
        accounts: tables.Accounts, for the currency and what was declared in it.
        day: Day of the run.
        unit_currencies: Currencies in which micro amounts are told.

    Returns:
        One row per account with transactions.
    """
    codes = _codes(days, accounts, unit_currencies)
    ordered = _coded(days, codes).sort("account_id", "occurred_on")
    active = accounts.filter(pl.col("account_id").is_in(codes["account_id"].categories))
    own = _coded(active.select("account_id", "currency"), codes).rename({"currency": "own_currency"})
    parts = (
        _windows(ordered, day),
        _volumes(ordered, own, day),
        _since_gap(ordered),
        _since_burst(ordered, unit_currencies),
    )
    measures = _totals(ordered)
    for part in parts:
        measures = measures.join(part, on="account_id", how="left")
    return measures.with_columns(_known_volumes()).cast({pl.Enum: pl.String})


def measure_totals(totals: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Measure what accounts are compared by, and no more.

    Args:
        totals: The stage of that name.
        accounts: tables.Accounts, for the currency.

    Returns:
        One row per account with transactions: the columns of `measure_activity` that are compared with peers.
    """
    counts = totals.group_by("account_id").agg(pl.col("purchase_count", "refund_count").sum())
    own = accounts.select("account_id", own_currency="currency")
    bought = _that_count(totals.filter(pl.col("purchase_count") > 0).join(own, on="account_id", how="left"))
    volumes = bought.group_by("account_id").agg(*_whole_volume())
    return counts.join(volumes, on="account_id", how="left")


def _coded(rows: pl.DataFrame, codes: Mapping[str, pl.Enum]) -> pl.DataFrame:
    return rows.with_columns(pl.col(name).cast(code) for name, code in codes.items())


def _codes(days: pl.DataFrame, accounts: pl.DataFrame, currencies: Iterable[str]) -> dict[str, pl.Enum]:
    """Number accounts and currencies in their order: to group by numbers is a tenth of the work, and done often."""
    known = pl.concat([days["currency"], accounts["currency"], pl.Series("", sorted(currencies), dtype=pl.String)])
    return {
        "account_id": pl.Enum(days["account_id"].unique().sort()),
        "currency": pl.Enum(known.drop_nulls().unique().sort()),
    }


# --------------------------------------------------------------------------- totals and windows


def _totals(days: pl.DataFrame) -> pl.DataFrame:
    totals = days.group_by("account_id").agg(
        *(pl.col(name).sum() for name in _SUMS), pl.col("first_at").min(), pl.col("last_at").max()
    )
    span = (pl.col("last_at") - pl.col("first_at")).dt.total_microseconds() // _MICROSECONDS_PER_DAY
    return totals.with_columns(
        (pl.col("purchase_count") + pl.col("declined_count")).alias("attempt_count"), span.alias("days_first_to_last")
    )


def _windows(days: pl.DataFrame, day: date) -> pl.DataFrame:
    counts = [
        pl.col(name).filter(_within(day, window)).sum().alias(f"{name}_{window}d")
        for window in WINDOWS
        for name in _WINDOWED
    ]
    attempts = [
        (pl.col(f"purchase_count_{window}d") + pl.col(f"declined_count_{window}d")).alias(f"attempt_count_{window}d")
        for window in WINDOWS
    ]
    return days.group_by("account_id").agg(*counts).with_columns(*attempts)


def _within(day: date, window: int) -> pl.Expr:
    """Tell the last days up to and including a day."""
    return pl.col("occurred_on").is_between(day - timedelta(days=window - 1), day)


# --------------------------------------------------------------------------- volumes


def _volumes(days: pl.DataFrame, own: pl.DataFrame, day: date) -> pl.DataFrame:
    """Add up amounts per account in the currency that counts for it; `own` is `account_id, own_currency`."""
    paid = days.lazy().filter(pl.col("purchase_count") > 0).select(_PAID).collect()
    bought = paid.join(own, on="account_id", how="left")
    started = days.group_by("account_id").agg(pl.col("occurred_on").min().alias("first_on"))
    counted = _that_count(bought).join(started, on="account_id", how="inner")
    volumes = counted.group_by("account_id").agg(*_sums_of_volume(day))
    measured = volumes.with_columns(*_tickets())
    foreign = bought.filter(pl.col("own_currency").is_not_null()).group_by("account_id").agg(
        pl.col("purchase_count").sum().alias("own_currency_known_count"),
        pl.col("purchase_count").filter(pl.col("currency") != pl.col("own_currency")).sum()
        .alias("foreign_currency_count"),
    )  # fmt: skip
    return foreign.join(measured, on="account_id", how="full", coalesce=True)


def _that_count(bought: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows in the currency that counts for an account."""
    is_own = (pl.col("currency") == pl.col("own_currency")).fill_null(value=False)
    is_only = pl.col("own_currency").is_null() & (pl.col("currency").n_unique().over("account_id") == 1)
    return bought.filter(is_own | is_only)


def _whole_volume() -> list[pl.Expr]:
    """Add up all volumes and purchases."""
    return [
        pl.col("currency").first().alias("volume_currency"),
        pl.col("purchase_minor").sum().alias("volume_minor"),
        pl.col("purchase_count").sum().alias("volume_count"),
    ]


def _sums_of_volume(day: date) -> list[pl.Expr]:
    """Add up volumes and purchases, all and per period."""
    on, first = pl.col("occurred_on"), pl.col("first_on")
    before = on.is_between(day - timedelta(days=2 * MONTH_DAYS - 1), day - timedelta(days=MONTH_DAYS))
    beginning = on < first + timedelta(days=MONTH_DAYS)
    minor, count = pl.col("purchase_minor"), pl.col("purchase_count")
    return [
        *_whole_volume(),
        pl.col("own_currency").first().is_not_null().alias("is_own_currency"),
        (first.first() + timedelta(days=MONTH_DAYS) <= day - timedelta(days=MONTH_DAYS - 1)).alias("has_two_months"),
        *(minor.filter(_within(day, window)).sum().alias(f"volume_minor_{window}d") for window in WINDOWS),
        count.filter(_within(day, MONTH_DAYS)).sum().alias("volume_count_30d"),
        minor.filter(before).sum().alias("volume_minor_30d_before"),
        minor.filter(beginning).sum().alias("first_volume_minor"),
        count.filter(beginning).sum().alias("first_volume_count"),
    ]


def _tickets() -> list[pl.Expr]:
    """Divide volumes by purchases, rounding down."""
    recent = _average("volume_minor_30d", "volume_count_30d")
    own = pl.col("is_own_currency")
    return [
        recent.alias("average_ticket_minor_30d"),
        _average("first_volume_minor", "first_volume_count").alias("first_ticket_minor"),
        pl.when("has_two_months").then(recent).alias("drifted_ticket_minor"),
        pl.when(own).then(_average("volume_minor", "volume_count")).alias("own_ticket_minor"),
        pl.when(own).then("volume_minor").alias("own_volume_minor"),
    ]


def _average(minor: str, count: str) -> pl.Expr:
    return pl.when(pl.col(count) > 0).then(pl.col(minor) // pl.col(count))


def _known_volumes() -> list[pl.Expr]:
    """Say 0 for accounts that had transactions but no purchase at all; scale the own volume to a month.

    Periods shorter than a month are not scaled up.
    """
    windows = [f"volume_minor_{window}d" for window in WINDOWS]
    period = pl.max_horizontal(pl.col("days_first_to_last") + 1, pl.lit(MONTH_DAYS))
    return [
        *(pl.when(pl.col("purchase_count") == 0).then(0).otherwise(pl.col(name)).alias(name) for name in windows),
        (pl.col("own_volume_minor") * MONTH_DAYS // period).alias("monthly_volume_minor"),
    ]


# --------------------------------------------------------------------------- gaps


def _since_gap(days: pl.DataFrame) -> pl.DataFrame:
    """Find the longest run of idle days between two active ones, the last of several, and count the purchases after it.

    The days of an account come one after the other, a day in several currencies several times.
    """
    on = pl.col("occurred_on")
    follows = pl.col("account_id") == pl.col("account_id").shift()
    idle = pl.when(follows).then((on - on.shift()).dt.total_days() - 1).fill_null(0).clip(0)
    rows = days.select("account_id", "purchase_count", on, longest_gap_days=idle)
    longest = rows.group_by("account_id").agg(pl.col("longest_gap_days").max())
    resumed = rows.join(longest, on=longest.columns, how="semi").group_by("account_id").agg(resumed_on=on.max())
    after = rows.join(resumed, on="account_id").filter(on >= pl.col("resumed_on"))
    counted = longest.join(after.group_by("account_id").agg(since=pl.col("purchase_count").sum()), on="account_id")
    return counted.select(
        "account_id",
        "longest_gap_days",
        pl.when(pl.col("longest_gap_days") > 0).then("since").alias("purchase_count_since_gap"),
    )


# --------------------------------------------------------------------------- bursts of micro amounts


def _since_burst(days: pl.DataFrame, unit_currencies: Iterable[str]) -> pl.DataFrame:
    """Find the day with most micro amounts, the first of several, and count purchases before and after it."""
    attempted = pl.col("purchase_count") + pl.col("declined_count")
    told = days.lazy().filter(pl.col("currency").is_in(sorted(unit_currencies)) & (attempted > 0))
    daily = told.group_by("account_id", "occurred_on").agg(pl.col("micro_count").sum()).collect()
    most = daily.sort("account_id", "micro_count", "occurred_on", descending=[False, True, False])
    burst = most.group_by("account_id", maintain_order=True).agg(
        pl.col("micro_count").first().alias("micro_burst_count"), pl.col("occurred_on").first().alias("burst_on")
    )
    on, burst_on, month = pl.col("occurred_on"), pl.col("burst_on"), timedelta(days=MONTH_DAYS)
    around = days.select("account_id", "occurred_on", "purchase_count").join(
        burst.filter(pl.col("micro_burst_count") > 0), on="account_id", how="inner"
    )
    until = (on > burst_on - month) & (on <= burst_on)
    after = (on > burst_on) & (on <= burst_on + month)
    counted = around.group_by("account_id").agg(
        pl.col("purchase_count").filter(until).sum().alias("purchases_until_burst"),
        pl.col("purchase_count").filter(after).sum().alias("purchases_after_burst"),
    )
    return burst.select("account_id", "micro_burst_count").join(counted, on="account_id", how="left")
