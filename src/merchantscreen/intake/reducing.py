"""Accepted transactions become the tables of an index entry: rows by account, pairs by name, days by account.

Rules kept here:
* nothing is summed up that a later screen would have to take apart: rows stay whole, and the small tables
  only say in which of them to look;
* a bucket holds all rows of its accounts, so that every table of it is complete for them; the accounts of a
  bucket come before those of the next;
* a file is read once for as many buckets as fit in memory together.

Sorted by account, the rows of a few accounts are found from the bounds of row groups alone; sorted by name,
so are the holders of a few names. Texts are kept as numbers in the order of the texts: numbers are what is
sorted and grouped, and each text is written out once more at the end.

Source: engine measurements, sections 2.5 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen.intake.columns import PLACE, Columns
from merchantscreen.intake.transactions import COLUMNS
from merchantscreen.tables import Transactions, schema_of
from merchantscreen.vocabulary import TransactionOutcome, TransactionType

BUCKET_ROWS: Final = 1_000_000
"""Rows of a bucket: about 400 MB while it is made."""
KEPT_ROWS: Final = 3_000_000
"""Rows of buckets that are read together, about 200 bytes each."""
ROW_GROUP_ROWS: Final = 8_192
"""Rows per row group: small, as a few accounts or names are looked for in many rows. Source: measured."""
NAMES: Final = ("requestor_host", "acceptor_host", "descriptor", "terminal", "device_token", "ip_token")
"""Columns by which accounts are found."""
TABLES: Final = ("rows", "pairs", "days")

_TYPES: Final = {**schema_of(Transactions), PLACE: pl.Int64()}
_NUMBERED: Final = frozenset({"account_id", "currency", *NAMES})
"""Texts that are kept as numbers: rows are sorted or grouped by them."""
_IS_PURCHASE: Final = (pl.col("transaction_type") == TransactionType.PURCHASE.value) & (
    pl.col("outcome") == TransactionOutcome.APPROVED.value
)
_COUNTED: Final = (
    pl.len().cast(pl.Int64).alias("transaction_count"),
    pl.col("purchase_minor").sum(),
    pl.col("occurred_at").min().alias("first_at"),
    pl.col("occurred_at").max().alias("last_at"),
)
_COUNTS: Final = [column.meta.output_name() for column in _COUNTED]


@dataclass(frozen=True, slots=True)
class Bucket:
    """The rows of some accounts, sorted by account and line.

    Attributes:
        rows: tables.Transactions with `source_line`; a column of `texts` holds the number of each text.
        texts: The distinct texts of a column, sorted.
    """

    rows: pl.DataFrame
    texts: Mapping[str, pl.Series]

    @property
    def present(self) -> frozenset[str]:
        """Return the columns of tables.Transactions with at least one value."""
        return frozenset(name for name in COLUMNS if self.rows[name].null_count() < self.rows.height)

    def written_out(self) -> pl.DataFrame:
        """Give the rows with their texts."""
        return pl.DataFrame([self.text(name, self.rows[name]) for name in _TYPES])

    def text(self, column: str, numbers: pl.Series) -> pl.Series:
        """Write numbers of a column out as texts."""
        texts = self.texts.get(column)
        return numbers if texts is None else texts.gather(numbers).alias(numbers.name)


def bucket_count(row_count: int) -> int:
    """Say over how many buckets rows are spread."""
    return max(1, -(-row_count // BUCKET_ROWS))


def buckets(source: Columns, count: int, done: Sequence[int] = ()) -> Iterator[tuple[int, Bucket]]:
    """Yield each bucket that is not done.

    Args:
        source: Accepted rows of a file.
        count: Buckets.
        done: Buckets that exist from an earlier attempt.

    Yields:
        The number of a bucket and its rows.

    Raises:
        InputError: The file has changed; what was read of it is not yielded.
    """
    with source.held():
        accounts = _accounts(source, count)
    waiting = [number for number in range(count) if number not in done]
    for numbers in _together(waiting, accounts.sizes):
        with source.held():
            kept = _kept(source, accounts, numbers)
        start = 0
        for number in numbers:
            yield number, Bucket(kept.rows.slice(start, accounts.sizes[number]), kept.texts)
            start += accounts.sizes[number]


# --------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class _Accounts:
    """Whose the rows are.

    Attributes:
        ids: All accounts of the file, sorted.
        numbers: Of each span, the account of each row, by its place among `ids`.
        buckets: The bucket of each account.
        sizes: The rows of each bucket.
    """

    ids: pl.Series
    numbers: Sequence[pl.Series]
    buckets: pl.Series
    sizes: Sequence[int]


def _accounts(source: Columns, count: int) -> _Accounts:
    """Number the accounts, and spread them over buckets of about as many rows each."""
    met = _Numbering()
    codes = [met.codes(source.account_ids(span)) for span in range(source.span_count)]
    places, ids = met.in_order()
    numbers = [places.gather(some) for some in codes]
    together = pl.concat([pl.Series(dtype=pl.UInt32), *numbers]).alias("account").to_frame()
    counted = together.group_by("account").agg(pl.len()).sort("account")
    rows = pl.col("len").cast(pl.Int64)
    before = rows.cum_sum() - rows
    # the last account of a bucket may be a large one; then the next bucket has fewer rows, or none
    spread = counted.select(rows, bucket=before * count // max(together.height, 1))
    sizes = dict(spread.group_by("bucket").agg(pl.col("len").sum()).iter_rows())
    return _Accounts(ids, numbers, spread["bucket"], [sizes.get(bucket, 0) for bucket in range(count)])


def _together(waiting: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Put buckets together as long as their rows fit in memory."""
    found: list[int] = []
    for number in waiting:
        if found and sum(sizes[one] for one in [*found, number]) > KEPT_ROWS:
            yield found
            found = []
        found.append(number)
    if found:
        yield found


def _kept(source: Columns, accounts: _Accounts, numbers: Sequence[int]) -> Bucket:
    """Read the rows of some buckets, one column after the other, into the order of the accounts."""
    is_own = accounts.buckets.is_in(numbers)
    chosen = [is_own.gather(span).arg_true() for span in accounts.numbers]
    own = [span.gather(some) for span, some in zip(accounts.numbers, chosen, strict=True)]
    # rows come in the order of their lines, which a stable sort keeps
    ordered = _put_together("account_id", own, pl.UInt32()).to_frame().with_row_index("row")
    ordered = ordered.sort("account_id", maintain_order=True)
    kept, texts = {"account_id": ordered["account_id"]}, {"account_id": accounts.ids}
    for name in (name for name in _TYPES if name != "account_id"):
        parts = [_picked(source.stored(name, span), some) for span, some in enumerate(chosen) if some.len()]
        column = _put_together(name, parts, _TYPES[name])
        if name in _NUMBERED:
            column, texts[name] = _numbered(source, column)
        kept[name] = column.gather(ordered["row"])
    return Bucket(pl.DataFrame(kept), texts)


def _picked(values: pl.Series, places: pl.Series) -> pl.Series:
    return values if places.len() == values.len() else values.gather(places)


def _put_together(name: str, parts: Sequence[pl.Series], dtype: pl.DataType) -> pl.Series:
    # in one piece, as picking rows out of many takes three times as long
    return pl.concat([pl.Series(name, [], dtype), *(part.alias(name) for part in parts)], rechunk=True)


def _numbered(source: Columns, stored: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Number the values that stored texts stand for, in their order; give the numbers, and the values."""
    texts, values = _Numbering(), _Numbering()
    codes = texts.codes(stored)
    meant = source.values(stored.name, texts.listed())
    if meant is None:
        places, found = texts.in_order()
    else:
        of_texts = values.codes(meant)
        places, found = values.in_order()
        places = places.gather(of_texts)
    return places.gather(codes).alias(stored.name), found


class _Numbering:
    """Numbers texts from 0, in the order in which they come."""

    def __init__(self) -> None:
        # the engine forgets the texts with the last column that holds some of them, so this one stays
        self._nothing = pl.Series(dtype=pl.Categorical(pl.Categories.random()))
        self._count = 0

    def codes(self, texts: pl.Series) -> pl.Series:
        """Number texts; null stays null."""
        codes = texts.cast(self._nothing.dtype).to_physical()
        last = codes.max()
        self._count = max(self._count, last + 1 if isinstance(last, int) else 0)
        return codes

    def listed(self) -> pl.Series:
        """List the texts by their numbers."""
        return pl.int_range(self._count, dtype=pl.UInt32, eager=True).cat.to(self._nothing.dtype).cast(pl.String)

    def in_order(self) -> tuple[pl.Series, pl.Series]:
        """Sort the texts: give the place of each number among them, and the texts."""
        # numbered once more, as texts are sorted in a quarter of the time in which their order is found
        texts = self.listed().sort()
        places = pl.int_range(self._count, dtype=pl.UInt32, eager=True)
        return pl.zeros(self._count, pl.UInt32, eager=True).scatter(self.codes(texts), places), texts


# --------------------------------------------------------------------------- the tables


def tables_of(bucket: Bucket) -> dict[str, pl.DataFrame]:
    """Make the tables of a bucket.

    Returns:
        `rows`, as they are. `pairs`, one row per (column, value, account_id, currency): who was seen with
        which name. `days`, one row per (account_id, occurred_on, currency), with the first line of them.
        Both count transactions, add up approved purchases in minor units, and say when first and last.
    """
    return {"rows": bucket.written_out(), "pairs": _pairs(bucket), "days": _days(bucket)}


def _pairs(bucket: Bucket) -> pl.DataFrame:
    return pl.concat([_of_column(bucket, column) for column in sorted(NAMES)])


def _of_column(bucket: Bucket, column: str) -> pl.DataFrame:
    found = _grouped(bucket, {column: pl.col(column), "account_id": pl.col("account_id")})
    name = pl.lit(column).alias("column")
    return found.select(name, pl.col(column).alias("value"), "account_id", "currency", *_COUNTS)


def _days(bucket: Bucket) -> pl.DataFrame:
    day = pl.col("occurred_at").dt.date().to_physical()
    first = bucket.rows.select(day.min()).item() or 0
    parts = {"account_id": pl.col("account_id"), "occurred_on": day - first}
    found = _grouped(bucket, parts, pl.col(PLACE).min().alias("first_line"))
    on = (pl.col("occurred_on").cast(pl.Int32) + first).cast(pl.Date)
    return found.select("account_id", on, "currency", *_COUNTS, "first_line")


def _grouped(bucket: Bucket, parts: Mapping[str, pl.Expr], *more: pl.Expr) -> pl.DataFrame:
    """Count the rows for each combination of some numbers and the currency, in their order.

    Args:
        bucket: The rows.
        parts: The numbers, the most important first; rows without one of them do not count.
        more: What else to aggregate.
    """
    numbers = {**parts, "currency": pl.col("currency")}
    ends = bucket.rows.select(column.max().alias(name) for name, column in numbers.items()).row(0, named=True)
    sizes = {name: (end or 0) + 1 for name, end in ends.items()}
    key = pl.lit(0, pl.UInt64)  # one number for all of them: texts and currencies are too few for it to overflow
    for name, column in numbers.items():
        key = key * sizes[name] + column.cast(pl.UInt64)
    rows = bucket.rows.lazy().with_columns(key=key, purchase_minor=pl.when(_IS_PURCHASE).then("amount_minor"))
    grouped = rows.filter(pl.col("key").is_not_null()).group_by("key").agg(*_COUNTED, *more).sort("key").collect()
    for name, size in reversed(sizes.items()):
        grouped = grouped.with_columns((pl.col("key") % size).alias(name), key=pl.col("key") // size)
    return grouped.with_columns(bucket.text(name, grouped[name]) for name in numbers)


def write_table(rows: pl.DataFrame, path: Path) -> None:
    """Write one table, with the bounds of its row groups, by which readers find their way."""
    rows.write_parquet(path, compression="lz4", statistics=True, row_group_size=ROW_GROUP_ROWS)
