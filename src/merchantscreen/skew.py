"""Where cases fall, beside where all accounts are: so that a policy that singles out a trade is seen to.

Rules kept here:
* told, never corrected: no number here reaches a score or a tier;
* counts stand beside every share, because cases are few and shares of few jump;
* accounts of which a value is not known are a row of their own, not left out.

Source: EBA guidance on de-risking; outcomes analysis as model-risk guidance asks for it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import polars as pl

from merchantscreen.nano import NANO
from merchantscreen.tables import Skew, conform, empty
from merchantscreen.vocabulary import Tier

DIMENSIONS: Final = ("mcc", "country", "payment_facilitator_id")
"""What cases are counted by. An account without facilitator is a row of its own."""
CASE_TIERS: Final = (Tier.T1.value, Tier.T2.value, Tier.T3.value)


def skew(accounts: pl.DataFrame, ranking: pl.DataFrame) -> pl.DataFrame:
    """Count accounts and cases by trade, country and facilitator.

    Args:
        accounts: tables.Accounts of everything that was read.
        ranking: tables.Ranking.

    Returns:
        tables.Skew: one row per value with at least one case, most cases first, and per dimension.
    """
    cases = ranking.filter(pl.col("tier").is_in(CASE_TIERS)).select("account_id", *DIMENSIONS)
    parts = [_dimension(name, accounts, cases) for name in DIMENSIONS]
    return conform(pl.concat(parts), Skew)


def _dimension(name: str, accounts: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    """Count one dimension; an account known by its transactions only counts among the not known."""
    hit = cases.group_by(value=name).agg(case_count=pl.len().cast(pl.Int64))
    counted = accounts.lazy().group_by(value=name).agg(account_count=pl.len().cast(pl.Int64))
    everyone = counted.collect(engine="streaming")
    joined = hit.join(everyone, on="value", how="left", nulls_equal=True).with_columns(
        pl.col("account_count").fill_null(0)
    )
    rows = [_row(name, row, accounts.height, cases.height) for row in joined.to_dicts()]
    told = pl.DataFrame(rows, schema=empty(Skew).schema)
    return told.sort("case_count", "value", descending=[True, False], nulls_last=True)


def _row(name: str, row: dict[str, Any], all_accounts: int, all_cases: int) -> dict[str, Any]:
    """Work out the shares of one value, exactly and rounded once, half to even."""
    count, cases = row["account_count"], row["case_count"]
    known = count > 0
    return {
        "dimension": name,
        **row,
        "account_share_nano": _nano(count, all_accounts),
        "case_share_nano": _nano(cases, all_cases),
        "expected_count_nano": _nano(all_cases * count, all_accounts),
        "lift_nano": _nano(cases * all_accounts, count * all_cases) if known else None,
    }


def _nano(part: int, whole: int) -> int:
    return round(Fraction(NANO * part, max(1, whole)))
