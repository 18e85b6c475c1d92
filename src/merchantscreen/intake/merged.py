"""Tables over a group of entries: what each holds for itself, put together so that one small read answers a question.

A screen that asks forty entries opens each of them for every question, and finds an account's rows in forty places.
Here they lie in one. Rules kept here:

* nothing is in a merged table that is not in its entries, and the entries alone give the same answers;
* a group is merged once and never changed; it has its name once all of it is on the disk;
* a table that was merged from an entry that is gone is no longer used, and cleared away.

Source: engine measurements, section 2.5 (rows in blocks by account); ADR 26.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from merchantscreen.features.peers import draws
from merchantscreen.intake import reducing
from merchantscreen.intake.entries import (
    FACTS,
    Entry,
    FolderFacts,
    altered_files,
    facts_of_files,
    read_facts,
    replace_file,
    sealed,
    sync,
)
from merchantscreen.intake.transactions import COLUMNS

FORMAT: Final = 1
GROUP_ENTRIES: Final = 20
"""Entries of a group. A screen of some of them alone asks these one by one, as a window that slides by days does with
the group at its end; so groups are small beside a window of half a year."""
GROUP_ROWS: Final = 50_000_000
"""Rows from which on fewer entries are a group."""
PASS_ROWS: Final = 2_000_000
"""Rows that are put in order at once, in about a gigabyte."""
BLOCK_ROWS: Final = 32_768
"""Rows of a block, which is a file: as few as there can be without too many files. Source: measured."""
_ACCOUNTS: Final = "accounts.parquet"


class MergedFacts(FolderFacts):
    """What is known of a merged table without opening it.

    Attributes:
        format: Version of this form.
        entries: Names of the entries that it was merged from, sorted.
    """

    format: Literal[1]
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged tables of a group.

    Attributes:
        folder: Where they are.
        facts: What is known of them.
    """

    folder: Path
    facts: MergedFacts

    @property
    def entries(self) -> frozenset[str]:
        """Return the names of the entries that it stands for."""
        return frozenset(self.facts.entries)

    @property
    def accounts(self) -> Path:
        """Return the directory: `account_id, block`, one row per account."""
        return self.folder / _ACCOUNTS

    def pairs(self, column: str) -> Path:
        """Return who was seen with which name in a column of reducing.NAMES: `value, account_id`, by value."""
        return self.folder / _pairs_file(column)

    def block(self, number: int) -> Path:
        """Return the rows of the accounts of a block: tables.Transactions."""
        return self.folder / _block_file(number)

    def altered(self) -> Iterator[str]:
        """Yield the names of files that are not as they were written; reads all of them."""
        return altered_files(self.folder, self.facts.files)


def find_all(folder: Path) -> list[Merged]:
    """List every whole merged table in a folder."""
    found = [open_merged(mark.parent) for mark in sorted(folder.glob(f"*/{FACTS}"))]
    return [one for one in found if one is not None]


def open_merged(place: Path) -> Merged | None:
    """Open what was merged into a folder; None where it is not whole."""
    facts = read_facts(place, MergedFacts)
    return Merged(place, facts) if facts else None


def clear(folder: Path, names: Collection[str]) -> None:
    """Remove what is not whole, or holds what was an entry and is none now.

    Args:
        folder: Folder of merged tables, held for writing.
        names: Entries that are there.
    """
    for place in folder.iterdir():
        merged = open_merged(place)
        if merged is None or not merged.entries <= set(names):
            shutil.rmtree(place)


def groups(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield full groups of entries with rows, in order of time; what is left over waits for more."""
    group: list[Entry] = []
    dated = [(one.facts.first_at, one.name, one) for one in entries if one.facts.first_at is not None]
    for _, _, entry in sorted(dated):
        group.append(entry)
        if len(group) == GROUP_ENTRIES or sum(one.facts.row_count for one in group) >= GROUP_ROWS:
            yield group
            group = []


# --------------------------------------------------------------------------- merging


def merge(folder: Path, group: Sequence[Entry], work: Path) -> None:
    """Merge the tables of a group.

    Args:
        folder: Folder of merged tables, held for writing.
        group: Entries of files that have no transaction in common.
        work: Folder to work in, on the same disk.
    """
    names = sorted(entry.name for entry in group)
    place = work / "merged"
    place.mkdir()
    directory = _directory(group)
    for part in directory.partition_by("pass", maintain_order=True):
        for number, rows in _blocks(group, part):
            reducing.write_table(rows, place / _block_file(number))
    reducing.write_table(directory.select("account_id", "block").sort("account_id"), place / _ACCOUNTS)
    for column in reducing.NAMES:
        reducing.write_table(_pairs(group, column), place / _pairs_file(column))
    for path in place.iterdir():
        sync(path)
    facts = MergedFacts(format=FORMAT, entries=tuple(names), files=facts_of_files(place))
    replace_file(place / FACTS, sealed(facts.model_dump(mode="json")))
    place.rename(folder / hashlib.sha256(json.dumps([FORMAT, *names]).encode()).hexdigest())
    sync(folder)


def _directory(group: Sequence[Entry]) -> pl.DataFrame:
    """Give every account its block: `account_id, pass, block`, in the order of the rows.

    First come accounts that can stand for their trade, by the very order in which these are chosen: every screen
    measures them, and finds them in a few blocks. The rest are in order of their ids, as they are in the entries.
    """
    counted = _scan(group, "days").group_by("account_id").agg(rows=pl.col("transaction_count").sum()).collect()
    drawn = counted.with_columns(draw=draws(counted["account_id"])).sort("draw", "account_id")
    first = drawn.filter(pl.col("rows").cum_sum() <= PASS_ROWS)
    rest = drawn.join(first, on="account_id", how="anti").sort("account_id")
    before = pl.col("rows").cum_sum() - pl.col("rows")
    ordered = pl.concat(
        [first.with_columns(pl.lit(0, pl.Int64).alias("pass")),
         rest.with_columns((1 + before // PASS_ROWS).alias("pass"))]
    )  # fmt: skip
    within = before.over("pass") // BLOCK_ROWS
    block = pl.struct("pass", within=within).rle_id().cast(pl.Int64)
    return ordered.select("account_id", "pass", block=block)


def _blocks(group: Sequence[Entry], part: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the blocks of a part of the directory, each with its rows in the order of the accounts."""
    accounts = part["account_id"]
    # the bounds spare row groups, the list tells accounts between them that are elsewhere
    between = pl.col("account_id").is_between(pl.lit(accounts.min()), pl.lit(accounts.max()))
    own = between & pl.col("account_id").is_in(accounts.implode())
    # in one piece, as picking rows out of hundreds of pieces takes three times as long
    rows = _scan(group, "rows").select(COLUMNS).filter(own).collect(engine="streaming").rechunk()
    places = part.select("account_id", "block").with_row_index("place")
    order = rows.select("account_id").with_row_index("row").join(places, on="account_id").sort("place", "row")
    for number, block in order.group_by("block", maintain_order=True):
        yield int(str(number[0])), rows[block["row"]]


def _pairs(group: Sequence[Entry], column: str) -> pl.DataFrame:
    own = _scan(group, "pairs").filter(pl.col("column") == column).select("value", "account_id")
    return own.unique().sort("value", "account_id").collect(engine="streaming")


def _scan(group: Sequence[Entry], table: str) -> pl.LazyFrame:
    return pl.scan_parquet([path for entry in group for path in entry.table(table)], glob=False)


def _block_file(number: int) -> str:
    return f"rows-{number:05d}.parquet"


def _pairs_file(column: str) -> str:
    return f"pairs-{column}.parquet"
