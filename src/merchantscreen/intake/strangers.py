"""Accounts with transactions that the merchant files do not hold: kept, and named with their first row.

An undeclared account is the very thing a screen looks for, so its rows are not rejected
(docs/adr/0009). A missing merchant row may as well be a mistake in an export, so the first
such accounts are reported like problems, with place and fix.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen.errors import Problem
from merchantscreen.intake.problems import PROBLEMS

NAMED: Final = 20
"""Accounts that are named; all are counted among the blind spots of the screen."""


def unknown_accounts(parts: Sequence[Path], accounts: pl.DataFrame, files: Sequence[str]) -> tuple[Problem, ...]:
    """Name the first accounts that have transactions but no merchant row.

    Args:
        parts: Staged transactions with their places.
        accounts: tables.Accounts.
        files: Names of the transaction files, in the order of `source_file`.

    Returns:
        One problem per account at its first row, in order of place; nothing is quoted.
    """
    if not parts:
        return ()
    rows = pl.scan_parquet(list(parts), glob=False).group_by("account_id", "source_file")
    seen = rows.agg(pl.col("source_line").min(), pl.len()).collect(engine="streaming")
    strange = seen.join(accounts, on="account_id", how="anti").sort("source_file", "source_line")
    named = strange.group_by("account_id", maintain_order=True).agg(
        pl.col("source_file", "source_line").first(), pl.col("len").sum()
    )
    kind = PROBLEMS["MS-KEY-005"]
    return tuple(
        kind.at(files[file], line, "card_acceptor_id", found=f"{kind.title} (rows: {count:,})")
        for file, line, count in named.head(NAMED).select("source_file", "source_line", "len").iter_rows()
    )
