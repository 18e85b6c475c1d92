"""Accepted transactions become the tables of an index entry: rows by account, pairs by name, days by account.

Rules kept here:
* nothing is summed up that a later screen would have to take apart: rows stay whole, and the small tables
  only say in which of them to look;
* a bucket holds all rows of its accounts, so that every table of it is complete for them;
* one bucket is in memory at a time.

Sorted by account, the rows of a few accounts are found from the bounds of row groups alone; sorted by name,
so are the holders of a few names.

Source: engine measurements, sections 2.5 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen.intake.transactions import COLUMNS
from merchantscreen.tables import Transactions, schema_of
from merchantscreen.vocabulary import TransactionOutcome, TransactionType

BUCKET_ROWS: Final = 1_000_000
"""Rows of a bucket: about 600 MB while it is made."""
ROW_GROUP_ROWS: Final = 8_192
"""Rows per row group: small, as a few accounts or names are looked for in many rows. Source: measured."""
NAMES: Final = ("requestor_host", "acceptor_host", "descriptor", "terminal", "device_token", "ip_token")
"""Columns by which accounts are found."""
LINE: Final = "source_line"
TABLES: Final = ("rows", "pairs", "days")
_NOTHING: Final = pl.LazyFrame(schema={**schema_of(Transactions), LINE: pl.Int64()})
"""What was accepted of a file all of whose rows were rejected."""

_ON: Final = pl.col("occurred_at").dt.date().alias("occurred_on")
_IS_PURCHASE: Final = (pl.col("transaction_type") == TransactionType.PURCHASE.value) & (
    pl.col("outcome") == TransactionOutcome.APPROVED.value
)
_COUNTED: Final = (
    pl.len().cast(pl.Int64).alias("transaction_count"),
    pl.when(_IS_PURCHASE).then("amount_minor").sum().alias("purchase_minor"),
    pl.col("occurred_at").min().alias("first_at"),
    pl.col("occurred_at").max().alias("last_at"),
)


def bucket_count(row_count: int) -> int:
    """Say over how many buckets rows are spread."""
    return max(1, -(-row_count // BUCKET_ROWS))


def buckets(parts: Sequence[Path], count: int, done: Sequence[int] = ()) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the rows of each bucket that is not done, sorted by account.

    Args:
        parts: Staged transactions with their places.
        count: Buckets.
        done: Buckets that exist from an earlier attempt.

    Yields:
        Number of the bucket and its rows: tables.Transactions with `source_line`.
    """
    for number in (bucket for bucket in range(count) if bucket not in done):
        rows = (pl.scan_parquet(list(parts), glob=False) if parts else _NOTHING).select(*COLUMNS, LINE)
        own = rows.filter(pl.col("account_id").hash(seed=0) % count == number) if count > 1 else rows
        yield number, own.collect(engine="streaming").sort("account_id", LINE)


def tables_of(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Make the tables of a bucket out of its rows.

    Returns:
        `rows`, as they are. `pairs`, one row per (column, value, account_id, currency): who was seen with
        which name. `days`, one row per (account_id, occurred_on, currency), with the first line of them.
        Both count transactions, add up approved purchases in minor units, and say when first and last.
    """
    return {"rows": rows, "pairs": _pairs(rows), "days": _days(rows)}


def _pairs(rows: pl.DataFrame) -> pl.DataFrame:
    found = [_of_column(rows, column) for column in NAMES]
    return pl.concat(found).sort("column", "value", "account_id", "currency")


def _of_column(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    known = rows.lazy().filter(pl.col(column).is_not_null())
    counted = known.group_by(pl.col(column).alias("value"), "account_id", "currency").agg(*_COUNTED)
    return counted.select(pl.lit(column).alias("column"), pl.all()).collect()


def _days(rows: pl.DataFrame) -> pl.DataFrame:
    counted = rows.lazy().group_by("account_id", _ON, "currency").agg(*_COUNTED, pl.col(LINE).min().alias("first_line"))
    return counted.sort("account_id", "occurred_on", "currency").collect()


def write_table(rows: pl.DataFrame, path: Path) -> None:
    """Write one table, with the bounds of its row groups, by which readers find their way."""
    rows.write_parquet(path, compression="lz4", statistics=True, row_group_size=ROW_GROUP_ROWS)
