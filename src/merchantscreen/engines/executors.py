"""What Spark's executors run of this package: Arrow batches in, Arrow batches out.

Rules kept here:
* the checks are those of files and are the same functions: types (`intake.parquet`), fields and card numbers
  (`intake.fields`), staging (`intake.transactions`), repeated ids (`intake.duplicates`);
* what is refused leaves no value behind, only its place and the reason;
* a place is one number, made of the partition of the read and the row in it, from 1: a table has no lines;
* nothing is counted beside the rows, so that an executor that does its work twice is not counted twice.

The package has to be installed on the executors, in the same version: `versions` tells.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from merchantscreen import __version__
from merchantscreen.intake import duplicates, parquet
from merchantscreen.intake.fields import judge
from merchantscreen.intake.hosts import Losses
from merchantscreen.intake.keys import HASH
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.mapping import ColumnPlan
from merchantscreen.intake.problems import REJECT_ROW_SCHEMA
from merchantscreen.intake.transactions import SOURCE_COLUMNS, stage
from merchantscreen.tables import TransactionRows, Transactions, schema_of

ROW_BITS: Final = 33
"""Bits of a place that number the row; the partition is above them. Source: Spark numbers rows alike."""
PARTITION: Final = "(partition)"
TOLD: Final = "told"
"""Column with what became of a batch, as JSON, on a row of its own."""
_REASON: Final = tuple(name for name in REJECT_ROW_SCHEMA if name != "line")
JUDGED: Final[dict[str, pl.DataType]] = {
    **schema_of(Transactions), **dict.fromkeys(SOURCE_COLUMNS, pl.Int64()),
    **dict.fromkeys((*_REASON, TOLD), pl.String()),
}  # fmt: skip
"""Accepted rows, the reasons of refused ones (which have no account) and what became of the batch, in one stage."""
REPEATED: Final[dict[str, pl.DataType]] = {**dict.fromkeys(SOURCE_COLUMNS, pl.Int64()), "code": pl.String()}
VERSIONS: Final[dict[str, pl.DataType]] = {"package": pl.String(), "python": pl.String()}


@dataclass(frozen=True, slots=True)
class Judging:
    """Checks every row of a source and stages the accepted ones.

    Attributes:
        source: Number of the source.
        plan: Which column fills which field.
    """

    source: int
    plan: ColumnPlan

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Turn the batches of one partition into rows of `JUDGED`."""
        row = 1
        for frame in map(_frame, batches):
            if frame.height:
                yield from _batches(self._judged(frame, row), JUDGED)
                row += frame.height

    def _judged(self, frame: pl.DataFrame, row: int) -> pl.DataFrame:
        start = (int(frame.item(0, PARTITION)) << ROW_BITS) + row
        place = pl.int_range(start, start + frame.height, dtype=pl.Int64, eager=True).alias(LINE)
        filled = self.plan.apply(frame.with_columns(place), LINE)
        fields = filled.with_columns(parquet.prepared(*field) for field in filled.schema.items() if field[0] != LINE)
        judged, losses = judge(fields, TransactionRows), Losses()
        accepted = stage(judged.accepted, self.source, losses).drop(HASH)
        refused = judged.rejected.select(pl.col("line").alias("source_line"), *_REASON)
        told = {"rows": frame.height, "stripped": dict(losses.stripped), "unreadable": dict(losses.unreadable)}
        facts = pl.DataFrame({TOLD: [json.dumps(told)]})
        typed = accepted.with_columns(pl.col("source_file").cast(pl.Int64))
        return pl.concat([typed, refused, facts], how="diagonal")


def repeated(batches: Iterator[Any]) -> Iterator[Any]:
    """Say which of the rows of a partition to refuse; all rows of an account and id have to be in it.

    Yields:
        Rows of `REPEATED`.
    """
    frames = [frame for frame in map(_frame, batches) if frame.height]
    if frames:
        yield from _batches(duplicates.refused(pl.concat(frames)), REPEATED)


def versions(batches: Iterator[Any]) -> Iterator[Any]:
    """Say for each batch which package and which Python are at work.

    Yields:
        Rows of `VERSIONS`.
    """
    for _ in batches:
        yield from _batches(pl.DataFrame([own_versions()]), VERSIONS)


def own_versions() -> dict[str, str]:
    """Return the version of this package and of Python where this runs."""
    return {"package": __version__, "python": platform.python_version()}


def _frame(batch: Any) -> pl.DataFrame:
    found = pl.from_arrow(batch)
    if not isinstance(found, pl.DataFrame):
        raise TypeError("a batch without columns")
    return found


def _batches(frame: pl.DataFrame, schema: dict[str, pl.DataType]) -> Iterator[Any]:
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    whole = frame.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    yield from whole.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()
