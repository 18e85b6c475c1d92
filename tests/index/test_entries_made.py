"""The tables of an entry: what its rows come to, whether the file was read in place or staged, in one go or not."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from index.worlds import decode_here, drawn, indexed
from polars.testing import assert_frame_equal

from merchantscreen.errors import FileAccessError, InputError
from merchantscreen.intake import columns, reducing, take_in
from merchantscreen.intake.columns import ColumnsInPlace
from merchantscreen.intake.entries import Entry
from merchantscreen.intake.index import Index
from merchantscreen.intake.mapping import ColumnMapping
from merchantscreen.intake.reading import OpenFile, Reader, Rows
from merchantscreen.intake.reducing import NAMES, TABLES
from merchantscreen.intake.transactions import COLUMNS

SEEDS: Final = range(4)
KEYS: Final = {
    "rows": ["account_id", "source_line"],
    "pairs": ["column", "value", "account_id", "currency"],
    "days": ["account_id", "occurred_on", "currency"],
}
"""Order of each table within a bucket."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the processes that decode, and have few rows fill several spans, buckets and readings."""
    decode_here(monkeypatch)
    monkeypatch.setattr(columns, "SPAN_ROWS", 9)
    monkeypatch.setattr(reducing, "BUCKET_ROWS", 10)
    monkeypatch.setattr(reducing, "KEPT_ROWS", 25)


@dataclass
class Ways:
    """How the files of an index were read: in place or not, one after the other."""

    in_place: list[bool] = field(default_factory=list)

    def watch(self, patch: pytest.MonkeyPatch, *, staged: bool = False) -> None:
        """Note what becomes of each file; have all of them staged if so wanted."""
        meant = Reader.in_place

        def noted(reader: Reader, file: OpenFile, number: int) -> Rows | None:
            found = None if staged else meant(reader, file, number)
            self.in_place.append(found is not None)
            return found

        patch.setattr(Reader, "in_place", noted)


def files_of(seed: int, folder: Path) -> list[Path]:
    """Draw Parquet files with refused and repeated rows, and write the first once more as CSV."""
    folder.mkdir()
    paths = list(drawn(seed, folder).transactions)
    rows = pl.read_parquet(paths[0]).with_columns(pl.col("occurred_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    rows.with_columns(pl.all().cast(pl.String)).write_csv(folder / "first.csv")
    return [*paths, folder / "first.csv"]


def entries_of(folder: Path, name: str, paths: list[Path]) -> dict[Path, Entry]:
    """Index files."""
    return indexed(folder / name, folder / f"{name}-work", paths).entries(paths, ColumnMapping())


def table(entry: Entry, name: str) -> pl.DataFrame:
    """Read a table of an entry, bucket after bucket."""
    return pl.concat([pl.read_parquet(path) for path in entry.table(name)])


def expected_of(path: Path, folder: Path) -> Mapping[str, pl.DataFrame]:
    """Make the tables of a file the plain way, of its rows as a screen stages them."""
    folder.mkdir()
    (folder / "m.csv").write_text("acquirer_id,card_acceptor_id\n400001,M1\n", encoding="utf-8")
    parts = take_in([folder / "m.csv"], [path], folder / "work").transaction_files
    rows = pl.concat([pl.read_parquet(part) for part in parts]).select(*COLUMNS, "source_line")
    is_purchase = (pl.col("transaction_type") == "purchase") & (pl.col("outcome") == "approved")
    counted = (
        pl.len().cast(pl.Int64).alias("transaction_count"),
        pl.col("amount_minor").filter(is_purchase).sum().alias("purchase_minor"),
        pl.col("occurred_at").min().alias("first_at"),
        pl.col("occurred_at").max().alias("last_at"),
    )
    pairs = [
        rows.filter(pl.col(name).is_not_null())
        .group_by(pl.lit(name).alias("column"), pl.col(name).alias("value"), "account_id", "currency")
        .agg(counted)
        for name in NAMES
    ]
    on = pl.col("occurred_at").dt.date().alias("occurred_on")
    days = rows.group_by("account_id", on, "currency").agg(*counted, pl.col("source_line").min().alias("first_line"))
    return {"rows": rows, "pairs": pl.concat(pairs), "days": days}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_entry_is_the_same_in_place_and_staged(tmp_path: Path, seed: int) -> None:
    """Every byte of it, facts and refused rows among them; what is CSV is staged either way."""
    paths, ways = files_of(seed, tmp_path / "t"), (Ways(), Ways())
    with pytest.MonkeyPatch.context() as patch:
        ways[0].watch(patch)
        plain = entries_of(tmp_path, "plain", paths)
    with pytest.MonkeyPatch.context() as patch:
        ways[1].watch(patch, staged=True)
        staged = entries_of(tmp_path, "staged", paths)
    assert sorted(ways[0].in_place) == [False, *[True] * (len(paths) - 1)]
    assert not any(ways[1].in_place)
    assert {path: entry.facts for path, entry in plain.items()} == {path: one.facts for path, one in staged.items()}
    assert {path for path in paths if plain[path].facts.row_count < plain[path].facts.rows_read}
    assert max(entry.facts.bucket_count for entry in plain.values()) > 2


@pytest.mark.parametrize("seed", SEEDS)
def test_its_tables_say_what_its_rows_are(tmp_path: Path, seed: int) -> None:
    """Rows whole, pairs and days counted, in their order; an account is in one bucket, which comes before the next."""
    for number, (path, entry) in enumerate(entries_of(tmp_path, "i", files_of(seed, tmp_path / "t")).items()):
        expected = expected_of(path, tmp_path / f"expected-{number}")
        for name in TABLES:
            wanted = expected[name].sort(KEYS[name])
            assert_frame_equal(table(entry, name).sort(KEYS[name]), wanted, check_exact=True)
            for bucket in (pl.read_parquet(file) for file in entry.table(name)):
                assert bucket.equals(bucket.sort(KEYS[name]))
        rows = table(entry, "rows")
        assert rows.equals(rows.sort(KEYS["rows"]))
        assert set(entry.facts.present) == {name for name in COLUMNS if rows[name].null_count() < rows.height}
        held = [pl.read_parquet(file)["account_id"].unique() for file in entry.table("rows")]
        assert sum(accounts.len() for accounts in held) == rows["account_id"].n_unique()


def until_full(count: int) -> Iterator[None]:
    """Let some tables be written, and then none."""
    yield from [None] * count
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("count", [3, 4, 8])
def test_an_entry_that_is_gone_on_with_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Also what it says of all rows: columns with values, the first and the last moment."""
    entries = entries_of(tmp_path, "whole", files_of(1, tmp_path / "t"))
    path, whole = max(entries.items(), key=lambda entry: entry[1].facts.bucket_count)
    assert whole.facts.bucket_count > 2
    write, left = reducing.write_table, until_full(count)

    def counted(rows: pl.DataFrame, target: Path) -> None:
        next(left)
        write(rows, target)

    with monkeypatch.context() as full:
        full.setattr(reducing, "write_table", counted)
        with pytest.raises(FileAccessError):
            entries_of(tmp_path, "stopped", [path])
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.glob("stopped/transactions/*/*-000.parquet")}
    assert len(kept) == len(TABLES)
    gone_on = entries_of(tmp_path, "stopped", [path])[path]
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert gone_on.facts == whole.facts


def test_a_file_that_changes_while_it_is_reduced_leaves_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of it may be neither what was judged nor what the digest stands for."""
    (path, *_), stored = files_of(0, tmp_path / "t"), ColumnsInPlace.stored

    def disturbed(source: ColumnsInPlace, *asked: Any) -> pl.Series:
        read = stored(source, *asked)
        os.utime(path, ns=(1, 1))
        return read

    monkeypatch.setattr(ColumnsInPlace, "stored", disturbed)
    with pytest.raises(InputError) as refused:
        entries_of(tmp_path, "i", [path])
    assert [problem.code for problem in refused.value.problems] == ["MS-FILE-014"]
    assert Index(tmp_path / "i").all_entries() == []
    assert not list((tmp_path / "i" / "transactions").rglob("*.parquet"))
