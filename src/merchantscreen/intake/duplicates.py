"""Repeated transaction ids within an account, over all files, found in bounded memory.

Rules kept here:
* identical rows count once: one is kept, the others are rejected as repetitions;
* rows that differ are all rejected, as nobody can know which is right; so the result does not
  depend on the order of rows or files;
* rows without a transaction id are never compared.

Candidates are found by 64-bit hashes of (account, id), eight bytes a row and in passes of bounded
size; the few that collide are then compared exactly, and only the parts they lie in are rewritten.
Entries of the index bring their hashes along; one that shares a hash with anything else is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from merchantscreen.intake.inplace import PlainFile
from merchantscreen.intake.keys import HASH, key_hash
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.transactions import COLUMNS, SOURCE_COLUMNS, write_part

HASHES_PER_PASS: Final = 48_000_000
"""About 400 MB of hashes, and as much again while they are sorted."""
ROWS_PER_CHECK: Final = 1_000_000
"""Candidates that are compared at once."""
KEY: Final = "key"

IDENTICAL, CONFLICTING = "MS-KEY-004", "MS-KEY-003"
_REJECTED: Final = {"source_file": pl.Int32, "source_line": pl.Int64, "code": pl.String}


class Source(Protocol):
    """Some accepted rows, whose keys are compared with those of others."""

    def hashes(self) -> pl.Series:
        """Hash the keys of its rows that have a transaction id: unsigned, in any order."""

    def rows(self, hashes: pl.Series) -> pl.DataFrame:
        """Fetch the rows with one of some hashes: tables.Transactions with their places."""


@dataclass(frozen=True, slots=True)
class StagedPart:
    """A staged part as a source."""

    path: Path

    def hashes(self) -> pl.Series:
        """Hash the keys of its rows."""
        return pl.read_parquet(self.path, columns=[HASH], glob=False)[HASH].drop_nulls()

    def rows(self, hashes: pl.Series) -> pl.DataFrame:
        """Fetch the rows with one of some hashes."""
        rows = pl.scan_parquet(self.path, glob=False).filter(pl.col(HASH).is_in(hashes.implode()))
        return rows.drop(HASH).collect(engine="streaming")


@dataclass(frozen=True, slots=True)
class FileInPlace:
    """A file that is read in place as a source, at its place among all files."""

    file: PlainFile
    number: int

    def hashes(self) -> pl.Series:
        """Give the hashes that were made when it was judged."""
        return self.file.table("hashes").collect().to_series()

    def rows(self, hashes: pl.Series) -> pl.DataFrame:
        """Fetch the rows with one of some hashes."""
        if not self.hashes().is_in(hashes.implode()).any():
            return self.file.placed(self.number).head(0).collect()
        own = key_hash(self.file.columns)
        wanted = self.file.rows(numbered=True).filter(own.is_in(hashes.implode()))
        lines = wanted.select(LINE).collect(engine="streaming")[LINE]
        placed = self.file.placed(self.number).filter(pl.col(SOURCE_COLUMNS[1]).is_in(lines.implode()))
        return placed.collect(engine="streaming")


def find_repeated(sources: Sequence[Source], row_count: int) -> pl.DataFrame:
    """Find the transactions that repeat or contradict others.

    Returns:
        One row per rejected transaction: source_file, source_line, code; sorted.
    """
    passes = row_count // HASHES_PER_PASS + 1
    found = [_check(sources, hashes) for number in range(passes) for hashes in _repeated(sources, number, passes)]
    return pl.concat([pl.DataFrame(schema=_REJECTED), *found]).sort(SOURCE_COLUMNS)


def drop_from(parts: Sequence[Path], rejected: pl.DataFrame) -> None:
    """Take rejected rows out of the staged parts they lie in."""
    for part in parts if rejected.height else ():
        _rewrite(part, rejected)


def key_hashes(sources: Sequence[Source]) -> pl.Series:
    """List the distinct hashes of the keys in sources, sorted, as signed integers that every reader knows."""
    hashes = pl.concat([pl.Series(dtype=pl.UInt64), *(source.hashes() for source in sources)])
    return hashes.unique().sort().reinterpret(signed=True).alias(KEY)


def sharing(keys: Mapping[str, Path]) -> set[frozenset[str]]:
    """Pair the files of keys (a column `KEY`, each key once in a file) that have a key in common.

    Args:
        keys: Files by name.
    """
    rows = pl.scan_parquet(list(keys.values()), glob=False).select(pl.len()).collect().item() if keys else 0
    passes = rows // HASHES_PER_PASS + 1
    return {pair for number in range(passes) for pair in _sharing(keys, number, passes)}


def _sharing(keys: Mapping[str, Path], number: int, passes: int) -> Iterator[frozenset[str]]:
    own = (pl.col(KEY).reinterpret(signed=False) % passes == number) if passes > 1 else pl.lit(value=True)
    found = [
        pl.scan_parquet(path, glob=False).filter(own).select(KEY, file=pl.lit(index, pl.Int32)).collect()
        for index, path in enumerate(keys.values())
    ]
    together = pl.concat([pl.DataFrame(schema={KEY: pl.Int64, "file": pl.Int32}), *found])
    several = together.filter(pl.col(KEY).is_duplicated())
    pairs = several.join(several, on=KEY).filter(pl.col("file") < pl.col("file_right"))
    names = list(keys)
    for one, other in pairs.select("file", "file_right").unique().iter_rows():
        yield frozenset((names[one], names[other]))


def holding(keys: Mapping[str, Path], wanted: pl.Series) -> frozenset[str]:
    """Name the files of keys that hold one of some keys."""
    return frozenset(
        name
        for name, path in keys.items()
        if wanted.len() and pl.scan_parquet(path, glob=False).filter(pl.col(KEY).is_in(wanted.implode())).head(1)
        .collect().height
    )  # fmt: skip


def _repeated(sources: Sequence[Source], number: int, passes: int) -> Iterator[pl.Series]:
    """Yield the hashes that occur more than once, in groups that stand for a bounded number of rows."""
    found = [_of_pass(source.hashes(), number, passes) for source in sources]
    hashes = pl.concat(found) if found else pl.Series(dtype=pl.UInt64)
    ordered = hashes.sort()
    repeats = ordered.filter(ordered == ordered.shift(1))
    counted = repeats.value_counts(name="rows").sort(repeats.name)
    groups = counted.select(pl.col(repeats.name), group=(pl.col("rows") + 1).cum_sum() // ROWS_PER_CHECK)
    for group in groups.partition_by("group", maintain_order=True):
        yield group.to_series()


def _of_pass(hashes: pl.Series, number: int, passes: int) -> pl.Series:
    return hashes.filter(hashes % passes == number) if passes > 1 else hashes


def _check(sources: Sequence[Source], hashes: pl.Series) -> pl.DataFrame:
    """Compare the rows behind repeated hashes exactly, and say which of them are rejected."""
    return refused(pl.concat([source.rows(hashes) for source in sources]))


def refused(rows: pl.DataFrame) -> pl.DataFrame:
    """Say which of some rows to refuse, all rows of an account and id among them: their places, and a code."""
    ordered = rows.sort(SOURCE_COLUMNS)
    kept = ["account_id", "transaction_id"]
    rest = [name for name in COLUMNS if name not in kept]
    judged = ordered.with_columns(
        alike=pl.struct(rest).n_unique().over(kept) == 1,
        first=pl.int_range(pl.len()).over(kept) == 0,
        alone=pl.len().over(kept) == 1,
    )
    code = pl.when("alike").then(pl.lit(IDENTICAL)).otherwise(pl.lit(CONFLICTING))
    wrong = judged.filter(~pl.col("alone") & ~(pl.col("alike") & pl.col("first")))
    return wrong.select(*SOURCE_COLUMNS, code=code)


def _rewrite(part: Path, rejected: pl.DataFrame) -> None:
    """Take rejected rows out of one part, if it has any."""
    rows = pl.read_parquet(part, glob=False)
    left = rows.join(rejected, on=SOURCE_COLUMNS, how="anti", maintain_order="left")
    if left.height < rows.height:
        write_part(left, part)
