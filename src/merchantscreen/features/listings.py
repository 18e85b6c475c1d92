"""Earlier listings of an account in MATCH or VMSS, counted by what they were for.

No code given is not known, never "not listed": most senders have no column for an inquiry
that found nothing. A code of no class counts among the others, so none is lost.
"""

from __future__ import annotations

import polars as pl

from merchantscreen.policy.model import Measures
from merchantscreen.vocabulary import ListingClass

SEPARATOR = ";"


def measure_listings(accounts: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Count the different codes of tables.Accounts; one row per account with any."""
    codes = accounts.select("account_id", pl.col("listing_codes").str.split(SEPARATOR).alias("code")).explode("code")
    folded = codes.with_columns(pl.col("code").str.strip_chars().str.to_uppercase())
    known = folded.filter(pl.col("code").is_not_null() & (pl.col("code") != "")).unique()
    named = [group for group in ListingClass if group is not ListingClass.OTHER]
    classes = {code: group.value for group in named for code in measures.listing_codes.get(group, frozenset())}
    classed = known.with_columns(
        pl.col("code").replace_strict(classes, default=ListingClass.OTHER.value, return_dtype=pl.String).alias("class")
    )
    counts = [
        (pl.col("class") == group.value).sum().cast(pl.Int64).alias(f"listing_{group.value}_count")
        for group in ListingClass
    ]
    return classed.group_by("account_id").agg(pl.len().cast(pl.Int64).alias("listing_count"), *counts)
