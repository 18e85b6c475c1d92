"""Accounts with transactions that the merchant files do not hold: kept, and named with their first row.

An undeclared account is the very thing a screen looks for, so its rows are not rejected
(docs/adr/0009). A missing merchant row may as well be a mistake in an export, so the first
such accounts are reported like problems, with place and fix.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from merchantscreen.errors import Problem
from merchantscreen.intake.accountbook import MARK
from merchantscreen.intake.entries import Entry
from merchantscreen.intake.inplace import PlainFile, joined, unchanged
from merchantscreen.intake.merged import Merged, each_once
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.intake.reading import Rows

_SEEN: Final = pl.Schema(
    {"account_id": pl.String(), "source_file": pl.Int32(), "source_line": pl.Int64(), "rows": pl.Int64()}
)
NAMED: Final = 20
"""Accounts that are named; all are counted among the blind spots of the screen."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Where the transactions of a run are.

    Attributes:
        rows: The transactions that were read.
        entries: Entries of the index that stand for files, by the place of the file.
        merged: Tables that stand for several of these.
        in_merged: The accounts with rows in these, each once; None without such tables.
    """

    rows: Rows
    entries: Mapping[int, Entry]
    merged: tuple[Merged, ...]
    in_merged: pl.Series | None


def unknown_accounts(seen: Seen, accounts: pl.DataFrame, files: Sequence[str]) -> tuple[Problem, ...]:
    """Name the first accounts that have transactions but no merchant row.

    Args:
        seen: The transactions.
        accounts: tables.Accounts.
        files: Names of the transaction files, in the order of `source_file`.

    Returns:
        One problem per account at its first row, in order of place; nothing is quoted.
    """
    known = accounts.select("account_id")
    found = [pl.DataFrame(schema=_SEEN), *_in_parts(seen.rows.parts, known.lazy()),
             *_in_files(seen.rows.plain, known.lazy()), *_in_entries(seen, known)]  # fmt: skip
    strange = pl.concat(found).sort("source_file", "source_line")
    named = strange.group_by("account_id", maintain_order=True).agg(
        pl.col("source_file", "source_line").first(), pl.col("rows").sum()
    )
    kind = PROBLEMS["MS-KEY-005"]
    return tuple(
        kind.at(files[file], line, "card_acceptor_id", found=f"{kind.title} (rows: {count:,})")
        for file, line, count in _counted(named.head(NAMED), seen.rows.plain.values())
    )


def _counted(named: pl.DataFrame, files: Collection[PlainFile]) -> Iterator[tuple[int, int, int]]:
    """Count what lies in files that are read in place as well, and give file, line and rows of each account."""
    with unchanged(tuple(files)):
        more = [file.counted(named["account_id"]) for file in joined(tuple(files))] if named.height else []
    every = pl.concat([named.select("account_id", "rows"), *more]).group_by("account_id").agg(pl.col("rows").sum())
    counted = named.drop("rows").join(every, on="account_id", maintain_order="left")
    yield from counted.select("source_file", "source_line", "rows").iter_rows()


def _in_parts(parts: Sequence[Path], known: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    if parts:
        unknown = pl.scan_parquet(list(parts), glob=False).join(known, on="account_id", how="anti")
        seen = unknown.group_by("account_id", "source_file").agg(
            pl.col("source_line").min(), pl.len().cast(pl.Int64).alias("rows")
        )
        yield seen.select(_SEEN.names()).collect(engine="streaming")


def _in_files(files: Mapping[int, PlainFile], known: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Find strangers in files that are read in place; their rows are left to be counted for those that are named."""
    unknown: dict[tuple[Path, ...], pl.DataFrame] = {}
    for number, file in files.items():
        shared = file.tables["accounts"]
        if shared not in unknown:
            unknown[shared] = file.accounts().join(known, on="account_id", how="anti").collect(engine="streaming")
        if unknown[shared].height:
            held = file.table("held").join(unknown[shared].lazy(), on=MARK)
            place = pl.lit(number, pl.Int32).alias("source_file"), pl.col("first_line").alias("source_line")
            seen = held.select("account_id", *place, pl.lit(0, pl.Int64).alias("rows"))
            yield seen.select(_SEEN.names()).collect(engine="streaming")


def _in_entries(seen: Seen, known: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Find strangers in entries: those of merged tables are looked for among all that are in any of these, at once."""
    strange = known.clear()
    if seen.in_merged is not None and _has_others(seen.in_merged, known):
        strange = seen.in_merged.to_frame().join(known, on="account_id", how="anti")
    merged = {name for one in seen.merged for name in one.entries}
    for file, entry in seen.entries.items():
        if entry.name not in merged:
            yield _strange_days(file, entry, known, "anti")
        elif strange.height:
            yield _strange_days(file, entry, strange, "semi")


def _has_others(accounts: pl.Series, known: pl.DataFrame) -> bool:
    """Tell whether any of some accounts is not known; both sorted, that costs half of looking for it."""
    every = each_once([known.lazy(), accounts.to_frame().lazy()])
    return int(every.select(pl.len()).collect(engine="streaming").item()) > known.height


def _strange_days(file: int, entry: Entry, accounts: pl.DataFrame, how: Literal["anti", "semi"]) -> pl.DataFrame:
    """Count the rows of the accounts of an entry that are among some accounts, or that are not."""
    unknown = pl.scan_parquet(entry.table("days"), glob=False).join(accounts.lazy(), on="account_id", how=how)
    seen = unknown.group_by("account_id").agg(
        pl.lit(file, pl.Int32).first().alias("source_file"),
        pl.col("first_line").min().alias("source_line"),
        pl.col("transaction_count").sum().alias("rows"),
    )
    return seen.select(_SEEN.names()).collect(engine="streaming")
