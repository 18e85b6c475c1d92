"""Where an account's cards come from, and at what hour of their own day.

Rules kept here:

* a corridor is counted only where both of its ends are known;
* night is claimed only where it was night everywhere in the payer's country, for all its time
  zones and all year; countries without a clock are passed over.
"""

from __future__ import annotations

import polars as pl

from merchantscreen.features.stages import QUARTER_MINUTES
from merchantscreen.policy.model import Measures

_DAY_MINUTES = 24 * 60


def measure_corridors(corridors: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Count purchases across a border, seen from the account's country, or the message's where it is not known.

    Args:
        corridors: The stage of that name.
        accounts: tables.Accounts, for the country.

    Returns:
        One row per account with an approved purchase whose issuer country is known.
    """
    homes = corridors.join(accounts.select("account_id", "country"), on="account_id", how="left")
    known = homes.with_columns(pl.coalesce("country", "merchant_country").alias("home"))
    count, issuer, home = pl.col("corridor_count"), pl.col("issuer_country"), pl.col("home")
    per_country = corridors.group_by("account_id", "issuer_country").agg(pl.col("corridor_count").sum())
    spread = per_country.group_by("account_id").agg(
        pl.col("corridor_count").sum().alias("issuer_known_count"),
        pl.col("corridor_count").max().alias("top_issuer_country_count"),
        pl.len().cast(pl.Int64).alias("issuer_country_count"),
    )
    border = known.filter(home.is_not_null()).group_by("account_id").agg(
        count.sum().alias("cross_border_known_count"),
        count.filter(issuer != home).sum().alias("cross_border_count"),
        count.filter(issuer == home).sum().alias("home_issuer_count"),
    )  # fmt: skip
    return spread.join(border, on="account_id", how="left")


def measure_nights(quarters: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Count the purchases made when it was night everywhere in the payer's country.

    Args:
        quarters: The stage of that name.
        measures: Clocks and the bounds of the night.

    Returns:
        One row per account with purchases from countries with a clock.
    """
    clocks = pl.DataFrame(
        [(country, *offsets) for country, offsets in sorted(measures.payer_clocks.items())],
        schema={"issuer_country": pl.String, "earliest": pl.Int64, "latest": pl.Int64},
        orient="row",
    )
    night = (measures.night_until_hour - measures.night_from_hour) % 24 * 60
    local = pl.col("quarter") * QUARTER_MINUTES + pl.col("earliest") - measures.night_from_hour * 60
    into_night = (local % _DAY_MINUTES + _DAY_MINUTES) % _DAY_MINUTES
    until = into_night + (pl.col("latest") - pl.col("earliest")) + QUARTER_MINUTES
    counted = quarters.join(clocks, on="issuer_country", how="inner").group_by("account_id")
    return counted.agg(
        pl.col("quarter_count").sum().alias("clocked_count"),
        pl.col("quarter_count").filter(until <= night).sum().alias("night_count"),
    )
