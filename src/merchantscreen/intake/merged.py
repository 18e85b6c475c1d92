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
from functools import reduce
from pathlib import Path
from typing import Final, Literal

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen.features import PAYMENTS, compared_stages
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

FORMAT: Final = 3
"""Another one as well when features.compared_stages count anything else."""
GROUP_ENTRIES: Final = 20
"""Entries of a group. A screen of some of them alone asks these one by one, as a window that slides by days does with
the group at its end; so groups are small beside a window of half a year."""
GROUP_ROWS: Final = 50_000_000
"""Rows from which on fewer entries are a group."""
PASS_ROWS: Final = 2_000_000
"""Rows that are put in order at once, in about a gigabyte."""
FIRST_ACCOUNTS: Final = 20_000
"""Accounts that are counted beforehand: all that stand for their trade, if it has one account in a hundred."""
BLOCK_ROWS: Final = 32_768
"""Rows of a block, which is a file: as few as there can be without too many files. Source: measured."""
_PAGE_BYTES: Final = 16 * 1024
"""Size of a page of a block: one without a wanted row is passed over, and a few accounts are what is wanted. A third
less than groups of rows, each of which has a head of its own for every column. Source: measured."""
_PAIR_ROWS: Final = 65_536
"""Rows of a group of pairs: of these names are looked for by the hundred, and every group is opened."""
_ACCOUNT: Final = "account_id"
_ACCOUNTS: Final = "accounts.parquet"
_BOUNDS: Final = "bounds.parquet"


class MergedFacts(FolderFacts):
    """What is known of a merged table without opening it.

    Attributes:
        format: Version of this form.
        entries: Names of the entries that it was merged from, sorted.
    """

    format: Literal[3]
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
        """Return the accounts with rows: `account_id`, each once, sorted."""
        return self.folder / _ACCOUNTS

    @property
    def bounds(self) -> Path:
        """Return the directory: `first_account, last_account`, one row per block; blocks are in order of accounts."""
        return self.folder / _BOUNDS

    def pairs(self, column: str) -> Path:
        """Return who was seen with which name in a column of reducing.NAMES: `value, account_id`, by value."""
        return self.folder / _pairs_file(column)

    def compared(self, stage: str) -> Path:
        """Return one of features.compared_stages: of the accounts that are drawn first, of each over all its rows."""
        return self.folder / _compared_file(stage)

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


def accounts_in(merged: Sequence[Merged]) -> pl.Series:
    """List the accounts with rows in some merged tables, each once, sorted."""
    every = each_once([pl.scan_parquet(one.accounts, glob=False) for one in merged])
    return every.collect(engine="streaming")[_ACCOUNT]


def each_once(listed: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Put lists of `account_id` together that are sorted, each account once.

    Sorted, equal ones meet: a quarter of looking for them anywhere.
    """
    every = reduce(lambda one, other: one.merge_sorted(other, key=_ACCOUNT), listed)
    return every.filter(pl.col(_ACCOUNT).ne_missing(pl.col(_ACCOUNT).shift()))


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
    for number, rows in _blocks(group, directory):
        rows.write_parquet(place / _block_file(number), compression="lz4", data_page_size=_PAGE_BYTES)
    reducing.write_table(directory.select("account_id"), place / _ACCOUNTS)
    reducing.write_table(_bounds(directory), place / _BOUNDS)
    for stage, counted in _compared(group, directory["account_id"], work):
        reducing.write_table(counted, place / _compared_file(stage))
    for column in reducing.NAMES:
        pairs = _pairs(group, column)
        pairs.write_parquet(place / _pairs_file(column), compression="lz4", row_group_size=_PAIR_ROWS)
    for path in place.iterdir():
        sync(path)
    facts = MergedFacts(format=FORMAT, entries=tuple(names), files=facts_of_files(place))
    replace_file(place / FACTS, sealed(facts.model_dump(mode="json")))
    place.rename(folder / hashlib.sha256(json.dumps([FORMAT, *names]).encode()).hexdigest())
    sync(folder)


def _directory(group: Sequence[Entry]) -> pl.DataFrame:
    """Give every account its block: `account_id, pass, block`, in the order of the accounts."""
    counted = _scan(group, "days").group_by("account_id").agg(rows=pl.col("transaction_count").sum()).collect()
    before = pl.col("rows").cum_sum() - pl.col("rows")
    # numbered anew, as a large account leaves a gap
    passed = counted.sort("account_id").with_columns((before // PASS_ROWS).rle_id().alias("pass"))
    block = pl.struct("pass", within=before.over("pass") // BLOCK_ROWS).rle_id().cast(pl.Int64)
    return passed.select("account_id", "pass", block=block)


def _bounds(directory: pl.DataFrame) -> pl.DataFrame:
    ids = pl.col("account_id")
    spans = directory.group_by("block", maintain_order=True).agg(first_account=ids.first(), last_account=ids.last())
    return spans.drop("block")


def _blocks(group: Sequence[Entry], directory: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the blocks of the directory, each with its rows in the order of the accounts.

    Entries are sorted by account, so a pass is one piece of each of their files, and no row is read twice.
    """
    bounds = directory.group_by("pass").agg(pl.col("account_id").min()).sort("pass")["account_id"]
    files = [file for entry in group for file in _files(entry, bounds)]
    for number in range(bounds.len()):
        pieces = [file.piece(number) for file in files]
        own = directory.filter(pl.col("pass") == number)
        yield from _cut(*_in_order([piece for piece in pieces if piece is not None], own))


@dataclass(frozen=True, slots=True)
class _File:
    """Rows of an entry, sorted by account.

    Attributes:
        rows: The file.
        starts: Where the rows of each pass begin, and where the last end.
    """

    rows: pl.LazyFrame
    starts: Sequence[int]

    def piece(self, number: int) -> pl.LazyFrame | None:
        """Give the rows of a pass; None without any."""
        start, end = self.starts[number : number + 2]
        return self.rows.slice(start, end - start) if end > start else None


def _files(entry: Entry, bounds: pl.Series) -> Iterator[_File]:
    """Open the files of an entry.

    Args:
        entry: The entry.
        bounds: The first account of each pass.
    """
    for rows, days in zip(entry.table("rows"), entry.table("days"), strict=True):
        counted = pl.read_parquet(days, columns=["account_id", "transaction_count"], glob=False)
        ends = pl.concat([pl.Series([0]), counted["transaction_count"].cum_sum()])
        starts = ends.gather(counted["account_id"].search_sorted(bounds, "left"))
        yield _File(pl.scan_parquet(rows, glob=False).select(COLUMNS), [*starts, ends[-1]])


def _in_order(pieces: Sequence[pl.LazyFrame], accounts: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Read rows of some accounts, and put them into the order of the directory; give them, and the block of each."""
    columns = pl.concat(pieces).collect(engine="streaming").get_columns()
    places = accounts.with_row_index("place")
    placed = columns[0].to_frame().join(places, on="account_id", how="left", maintain_order="left")
    order = placed.select("place", "block").with_row_index("row").sort("place", maintain_order=True)
    ordered = []
    while columns:  # one after the other, so that none is in memory twice; in one piece, as that is what is quick
        ordered.append(columns.pop().rechunk().gather(order["row"]))
    return pl.DataFrame(ordered).select(COLUMNS), order["block"]


def _cut(rows: pl.DataFrame, blocks: pl.Series) -> Iterator[tuple[int, pl.DataFrame]]:
    """Cut rows where the next block begins."""
    start = 0
    for length, number in blocks.rle().struct.unnest().iter_rows():
        yield number, rows.slice(start, length)
        start += length


def _pairs(group: Sequence[Entry], column: str) -> pl.DataFrame:
    own = _scan(group, "pairs").filter(pl.col("column") == column).select("value", "account_id")
    return own.unique().sort("value", "account_id").collect(engine="streaming")


def _compared(group: Sequence[Entry], accounts: pl.Series, work: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    """Count the rows of the accounts by which trades are measured first, as every screen would.

    These stand for their trade by lot, so the same ones are measured over and over; a hub among them has millions
    of rows.
    """
    first = accounts.gather(draws(accounts).arg_sort().head(FIRST_ACCOUNTS))
    rows = _scan(group, "rows").select(PAYMENTS).filter(pl.col("account_id").is_in(first.implode()))
    waiting = work / "compared.parquet"
    rows.sink_parquet(waiting, compression="lz4")
    for stage, counts in compared_stages(nw.from_native(pl.scan_parquet(waiting, glob=False))).items():
        counted = counts.to_native().collect(engine="streaming")
        yield stage, counted.sort(counted.columns)
    waiting.unlink()


def _scan(group: Sequence[Entry], table: str) -> pl.LazyFrame:
    return pl.scan_parquet([path for entry in group for path in entry.table(table)], glob=False)


def _block_file(number: int) -> str:
    return f"rows-{number:05d}.parquet"


def _compared_file(stage: str) -> str:
    return f"compared-{stage}.parquet"


def _pairs_file(column: str) -> str:
    return f"pairs-{column}.parquet"
