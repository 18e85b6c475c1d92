"""What changed at an account around the first confirmation of a domain it is linked to.

Rules kept here:

* the moment is the earliest confirmation among the domains the account is linked to directly;
* purchases are compared over as many whole days before as after, and only once these are over;
* something is new only where something else of its kind was seen before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from merchantscreen.features.sites import sites_first_seen

DATED: Final = ("account_id", "occurred_on", "purchase_count")
"""What is compared: the purchases of a day."""


def referral_moments(direct: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return `account_id, confirmed_at`: the earliest confirmation among direct links, up to the run."""
    known = direct.filter(pl.col("first_confirmed_at") <= as_of)
    return known.group_by("account_id").agg(pl.col("first_confirmed_at").min().alias("confirmed_at"))


def measure_changes(
    moments: pl.DataFrame,
    days: pl.DataFrame,
    seen: dict[str, pl.DataFrame],
    as_of: datetime,
    change_days: int,
) -> pl.DataFrame:
    """Compare the time before a referral with the time after it.

    Args:
        moments: What `referral_moments` returns.
        days: The columns DATED of the stage of that name.
        seen: `account_id, first_at` and the thing itself, by the name of the feature.
        as_of: Moment of the run.
        change_days: Days that are compared.

    Returns:
        One row per account with a moment.
    """
    day = as_of.date()
    measured = moments.with_columns((pl.lit(day) - pl.col("confirmed_at").dt.date()).dt.total_days()
                                    .alias("referral_age_days"))  # fmt: skip
    parts = [_purchases(moments, days, change_days), *(_new(moments, rows, name, change_days) for name, rows in
                                                        seen.items())]  # fmt: skip
    for part in parts:
        measured = measured.join(part, on="account_id", how="left")
    is_over = pl.col("referral_age_days") >= change_days
    return measured.drop("confirmed_at").with_columns(
        pl.when(is_over).then("purchases_after_referral").alias("purchases_after_referral")
    )


def dated(names: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """List what was first seen when, by the feature that counts the new among it.

    Args:
        names: The name stages, and under `sites` what `known_sites` says of their hosts.
    """
    return {
        "new_site_after_referral_count": sites_first_seen(names["hosts"], names["sites"]),
        "new_mcc_after_referral_count": names["mccs"],
        "new_descriptor_after_referral_count": names["descriptors"],
    }


def _purchases(moments: pl.DataFrame, days: pl.DataFrame, change_days: int) -> pl.DataFrame:
    """Count purchases from the day of the confirmation on, and before it."""
    joined = days.join(moments, on="account_id", how="inner")
    apart = (pl.col("occurred_on") - pl.col("confirmed_at").dt.date()).dt.total_days()
    count = pl.col("purchase_count")
    return joined.group_by("account_id").agg(
        count.filter((apart >= -change_days) & (apart < 0)).sum().alias("purchases_before_referral"),
        count.filter((apart >= 0) & (apart < change_days)).sum().alias("purchases_after_referral"),
    )


def _new(moments: pl.DataFrame, rows: pl.DataFrame, name: str, change_days: int) -> pl.DataFrame:
    """Count what was first seen soon after the confirmation; null where nothing was seen before."""
    first, moment = pl.col("first_at"), pl.col("confirmed_at")
    counted = rows.join(moments, on="account_id", how="inner").group_by("account_id").agg(
        (first <= moment).any().alias("has_before"),
        ((first > moment) & (first <= moment + timedelta(days=change_days))).sum().cast(pl.Int64).alias(name),
    )  # fmt: skip
    return counted.select("account_id", pl.when("has_before").then(name).alias(name))
