"""Repeated transaction ids within an account, over all files, found in bounded memory.

Rules kept here:
* identical rows count once: one is kept, the others are rejected as repetitions;
* rows that differ are all rejected, as nobody can know which is right; so the result does not
  depend on the order of rows or files;
* rows without a transaction id are never compared.

Candidates are found by 64-bit hashes of (account, id), eight bytes a row and in passes of bounded
size; the few that collide are then compared exactly, and only the parts they lie in are rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen.intake.transactions import COLUMNS, SOURCE_COLUMNS, write_part

HASHES_PER_PASS: Final = 24_000_000
"""About 200 MB of hashes, and as much again while they are sorted."""
ROWS_PER_CHECK: Final = 1_000_000
"""Candidates that are compared at once."""

IDENTICAL, CONFLICTING = "MS-KEY-004", "MS-KEY-003"
_HASH: Final = pl.struct("account_id", "transaction_id").hash(seed=0)


def drop_repeated(parts: Sequence[Path], row_count: int) -> pl.DataFrame:
    """Take repeated transactions out of the staged parts.

    Returns:
        One row per rejected transaction: source_file, source_line, code; sorted.
    """
    passes = row_count // HASHES_PER_PASS + 1
    found = [_check(parts, hashes) for number in range(passes) for hashes in _repeated(parts, number, passes)]
    schema = {"source_file": pl.Int32, "source_line": pl.Int64, "code": pl.String}
    rejected = pl.concat([pl.DataFrame(schema=schema), *found]).sort(SOURCE_COLUMNS)
    if rejected.height:
        for part in parts:
            _rewrite(part, rejected)
    return rejected


def _repeated(parts: Sequence[Path], number: int, passes: int) -> Iterator[pl.Series]:
    """Yield the hashes that occur more than once, in groups that stand for a bounded number of rows."""
    hashes = pl.concat([_hashes(part, number, passes) for part in parts]) if parts else pl.Series(dtype=pl.UInt64)
    ordered = hashes.sort()
    repeats = ordered.filter(ordered == ordered.shift(1))
    counted = repeats.value_counts(name="rows").sort(repeats.name)
    groups = counted.select(pl.col(repeats.name), group=(pl.col("rows") + 1).cum_sum() // ROWS_PER_CHECK)
    for group in groups.partition_by("group", maintain_order=True):
        yield group.to_series()


def _hashes(part: Path, number: int, passes: int) -> pl.Series:
    frame = pl.read_parquet(part, columns=["account_id", "transaction_id"], glob=False).drop_nulls("transaction_id")
    hashes = frame.select(hash=_HASH).to_series()
    return hashes.filter(hashes % passes == number) if passes > 1 else hashes


def _check(parts: Sequence[Path], hashes: pl.Series) -> pl.DataFrame:
    """Compare the rows behind repeated hashes exactly, and say which of them are rejected."""
    rows = pl.concat([_candidates(part, hashes) for part in parts]).sort(SOURCE_COLUMNS)
    kept = ["account_id", "transaction_id"]
    rest = [name for name in COLUMNS if name not in kept]
    judged = rows.with_columns(
        alike=pl.struct(rest).n_unique().over(kept) == 1,
        first=pl.int_range(pl.len()).over(kept) == 0,
        alone=pl.len().over(kept) == 1,
    )
    refused = judged.filter(~pl.col("alone") & ~(pl.col("alike") & pl.col("first")))
    code = pl.when("alike").then(pl.lit(IDENTICAL)).otherwise(pl.lit(CONFLICTING))
    return refused.select(*SOURCE_COLUMNS, code=code)


def _candidates(part: Path, hashes: pl.Series) -> pl.DataFrame:
    frame = pl.read_parquet(part, columns=["account_id", "transaction_id"], glob=False)
    wanted = frame.select((_HASH.is_in(hashes.implode())) & pl.col("transaction_id").is_not_null()).to_series()
    return (
        pl.read_parquet(part, glob=False).filter(wanted)
        if wanted.any()
        else pl.read_parquet(part, n_rows=0, glob=False)
    )


def _rewrite(part: Path, rejected: pl.DataFrame) -> None:
    """Take rejected rows out of one part, if it has any."""
    rows = pl.read_parquet(part, glob=False)
    left = rows.join(rejected, on=SOURCE_COLUMNS, how="anti", maintain_order="left")
    if left.height < rows.height:
        write_part(left, part)
