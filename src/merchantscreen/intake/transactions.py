"""Accepted transaction rows are staged as Parquet parts of bounded size, as tables.Transactions.

Rules kept here:
* URLs are reduced to hosts and the card token is dropped before anything touches the disk;
* memory is bounded: rows leave for the disk as soon as a part is full;
* every staged row carries its place (`source_file`, `source_line`) and a hash of its key, so that a
  repetition can be found and named; these three columns are never evidence.

Repeated transaction ids are left to `duplicates`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen.contacts import HAS_ADDRESS
from merchantscreen.identifiers import (
    ESCAPED,
    KEY_COLUMNS,
    account_id_expression,
    descriptor_expression,
    normalise_descriptor,
)
from merchantscreen.intake.hosts import Losses, to_hosts
from merchantscreen.intake.keys import key_hash
from merchantscreen.intake.lines import LINE
from merchantscreen.tables import Transactions, schema_of
from merchantscreen.vocabulary import TransactionOutcome, TransactionType

PART_ROWS: Final = 1_000_000
"""Rows per part: a compromise between few files and little memory."""
SOURCE_COLUMNS: Final = ("source_file", "source_line")
COLUMNS: Final = tuple(schema_of(Transactions))
_NO_IDS: Final = pl.Series("account_id", [], dtype=pl.String)
_HAS_ADDRESS: Final = pl.col("raw").str.contains(HAS_ADDRESS)
_FULL: Final = r"^$|^ | $|  |[@:/\\?#\t]|[0-9](?:[ ()./-]{0,2}[0-9]){5}"
"""What a descriptor has in it of which something may be taken out: see identifiers.descriptor_expression."""
ROW_GROUP_ROWS: Final = 32_768
"""Rows per row group: scans keep whole groups in memory, several at once."""


def stage(accepted: pl.DataFrame, file_index: int, losses: Losses) -> pl.DataFrame:
    """Turn accepted rows (`LINE` and tables.TransactionRows) into tables.Transactions with places and hashes."""
    keyed = accepted.with_columns(
        account_ids(accepted),
        to_hosts(accepted["requestor_url"], losses).alias("requestor_host"),
        to_hosts(accepted["acceptor_url"], losses).alias("acceptor_host"),
        _descriptors(accepted["descriptor"], losses),
    )
    terminal = pl.concat_str("acquirer_id", pl.lit("/"), "terminal_id")
    return keyed.with_columns(
        pl.col("transaction_type").fill_null(TransactionType.PURCHASE.value),
        pl.col("outcome").fill_null(TransactionOutcome.APPROVED.value),
        terminal=terminal,
        source_file=pl.lit(file_index, pl.Int32),
        source_line=pl.col(LINE),
    ).select(*COLUMNS, *SOURCE_COLUMNS, key_hash(accepted.columns))


def with_values(rows: pl.LazyFrame) -> set[str]:
    """Name the columns of tables.Transactions in which rows have a value."""
    counts = rows.select(pl.col(COLUMNS).count()).collect(engine="streaming").row(0, named=True)
    return {name for name, count in counts.items() if count}


def account_ids(rows: pl.DataFrame) -> pl.Series:
    """Return the account key of each row; key columns without any value need no work."""
    used = [name for name in KEY_COLUMNS if rows[name].null_count() < rows.height]
    plain = [name for name in used if not rows[name].str.contains(f"[{ESCAPED}]").any()]
    # an expression of literals alone has length one, also over no rows
    return rows.select(account_id=account_id_expression(used, plain)).to_series() if rows.height else _NO_IDS


def _descriptors(column: pl.Series, losses: Losses) -> pl.Series:
    """Normalise descriptors, each distinct one once; one that is empty afterwards is null."""
    known = descriptors_of(column.drop_nulls().unique())
    cut = known.filter("cut")["raw"]
    lost = int(column.is_in(cut.implode()).sum()) if cut.len() else 0
    rows = pl.DataFrame({"raw": column}).join(known.select("raw", "name"), on="raw", how="left", maintain_order="left")
    losses.stripped.update({column.name: lost} if lost else {})
    return rows["name"].alias(column.name)


def descriptors_of(distinct: pl.Series) -> pl.DataFrame:
    """Normalise distinct descriptors.

    Returns:
        `raw`, `name` (null where nothing is left), `cut` (an address was in it), `is_plain` (`plain_descriptor`
        reads it).

    Plain ASCII goes the fast way, and where nothing is to be taken out of it only becomes capitals. For the rest
    Python alone decides: the engine may know another version of Unicode, and a descriptor must not depend on that.
    """
    raw = pl.col("raw")
    texts = distinct.alias("raw").to_frame().with_columns(is_plain=_is_ascii(raw), is_full=raw.str.contains(_FULL))
    bare = texts.filter(pl.col("is_plain") & ~pl.col("is_full")).with_columns(name=raw.str.to_uppercase(), cut=False)
    # lazily, so that what the expression repeats is done once
    full = texts.lazy().filter(pl.col("is_plain") & pl.col("is_full"))
    read_full = full.with_columns(name=plain_descriptor(raw), cut=_HAS_ADDRESS).collect()
    rest = texts.filter(~pl.col("is_plain")).with_columns(cut=_HAS_ADDRESS)
    read = pl.Series("name", [normalise_descriptor(text) or None for text in rest["raw"]], dtype=pl.String)
    parts = (bare, read_full, rest.with_columns(read))
    return pl.concat([part.select("raw", "name", "cut", "is_plain") for part in parts])


def plain_descriptor(column: pl.Expr) -> pl.Expr:
    """Normalise descriptors of plain ASCII; null where nothing is left, and for all others."""
    folded = descriptor_expression(column)
    return pl.when(_is_ascii(column) & (folded != "")).then(folded)


def is_emptied(column: pl.Expr) -> pl.Expr:
    """Tell the descriptors of plain ASCII of which nothing is left."""
    return _is_ascii(column) & (descriptor_expression(column) == "")


def _is_ascii(column: pl.Expr) -> pl.Expr:
    return column.str.len_bytes() == column.str.len_chars()


class Stage:
    """Collects staged rows and writes them as parts.

    Args:
        folder: Where the parts go; it must exist.
        prefix: Start of the parts' names, different for every writer.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder = folder
        self._prefix = prefix
        self._waiting: list[pl.DataFrame] = []
        self._parts: list[Path] = []
        self._present: set[str] = set()
        self._written = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take staged rows; write a part when enough are waiting."""
        self._present |= {name for name in COLUMNS if rows[name].null_count() < rows.height}
        self._waiting.append(rows)
        if sum(frame.height for frame in self._waiting) >= PART_ROWS:
            self._flush()

    def take(self) -> tuple[list[Path], set[str]]:
        """Write what is waiting, give the parts and the columns with values, and begin anew."""
        self._flush()
        taken = self._parts, self._present
        self._parts, self._present = [], set()
        return taken

    def _flush(self) -> None:
        rows = pl.concat(self._waiting) if self._waiting else pl.DataFrame()
        self._waiting = []
        if rows.height:
            path = self._folder / f"{self._prefix}-{self._written:05d}.parquet"
            write_part(rows, path)
            self._parts.append(path)
            self._written += 1


def write_part(rows: pl.DataFrame, path: Path) -> None:
    """Write one part; light compression, as it is read again within the run."""
    rows.write_parquet(path, compression="lz4", statistics=False, row_group_size=ROW_GROUP_ROWS)
