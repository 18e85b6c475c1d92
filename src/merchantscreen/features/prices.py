"""How an account's prices spread: few or many, even or not, high or low.

A price is an exact amount in a currency. Whether an amount is even or low is asked only in
`unit_currencies`, whose unit is worth about the same.
"""

from __future__ import annotations

import polars as pl

from merchantscreen.policy.model import Measures
from merchantscreen.vocabulary import minor_per_unit


def measure_prices(prices: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Measure the stage `prices`; one row per account with approved purchases."""
    spread = prices.group_by("account_id").agg(
        pl.col("price_count").sum().alias("priced_count"),
        pl.col("price_count").top_k(3).sum().alias("top3_price_count"),
        pl.len().cast(pl.Int64).alias("distinct_price_count"),
    )
    return spread.join(measure_units(prices, measures), on="account_id", how="left")


def by_frequency(prices: pl.DataFrame) -> pl.DataFrame:
    """Sort prices per account, the most frequent first; among equals the lowest."""
    key = ["account_id", "price_count", "amount_minor", "currency"]
    return prices.sort(key, descending=[False, True, False, False])


def measure_units(prices: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Count even and low amounts in currencies of which one unit is worth about the same; one row per account."""
    currencies = sorted(measures.unit_currencies)
    factors = pl.DataFrame(
        {"currency": currencies, "unit_minor": [minor_per_unit(currency) for currency in currencies]},
        schema={"currency": pl.String, "unit_minor": pl.Int64},
    )
    amount, unit, count = pl.col("amount_minor"), pl.col("unit_minor"), pl.col("price_count")
    within = amount.is_between(unit * measures.even_amount_from_units, unit * measures.even_amount_until_units)
    is_even = within & (amount % (unit * measures.even_amount_step_units) == 0)
    is_low = amount < unit * measures.low_value_below_units
    known = prices.join(factors, on="currency", how="inner")
    return known.group_by("account_id").agg(
        count.sum().alias("unit_price_count"),
        count.filter(is_even).sum().alias("even_amount_count"),
        count.filter(is_low).sum().alias("low_value_count"),
    )
