"""Accepted transaction rows are staged as Parquet parts of bounded size, as tables.Transactions.

Rules kept here:
* URLs are reduced to hosts and the card token is dropped before anything touches the disk;
* memory is bounded: rows leave for the disk as soon as a part is full;
* every staged row carries its place (`source_file`, `source_line`), so that a repetition found
  later can be named; these two columns are never evidence.

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
from merchantscreen.intake.lines import LINE
from merchantscreen.tables import Transactions, schema_of
from merchantscreen.vocabulary import TransactionOutcome, TransactionType

PART_ROWS: Final = 1_000_000
"""Rows per part: a compromise between few files and little memory."""
SOURCE_COLUMNS: Final = ("source_file", "source_line")
COLUMNS: Final = tuple(schema_of(Transactions))
_NO_IDS: Final = pl.Series("account_id", [], dtype=pl.String)
ROW_GROUP_ROWS: Final = 32_768
"""Rows per row group: scans keep whole groups in memory, several at once."""


def stage(accepted: pl.DataFrame, file_index: int, losses: Losses) -> pl.DataFrame:
    """Turn accepted rows (`LINE` and tables.TransactionRows) into tables.Transactions with their places."""
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
    ).select(*COLUMNS, *SOURCE_COLUMNS)


def account_ids(rows: pl.DataFrame) -> pl.Series:
    """Return the account key of each row; key columns without any value need no work."""
    used = [name for name in KEY_COLUMNS if rows[name].null_count() < rows.height]
    plain = [name for name in used if not rows[name].str.contains(f"[{ESCAPED}]").any()]
    # an expression of literals alone has length one, also over no rows
    return rows.select(account_id=account_id_expression(used, plain)).to_series() if rows.height else _NO_IDS


def _descriptors(column: pl.Series, losses: Losses) -> pl.Series:
    """Normalise descriptors, each distinct one once; one that is empty afterwards is null."""
    known = _folded(column.drop_nulls().unique().alias("raw"))
    cut = known.filter("cut")["raw"]
    lost = int(column.is_in(cut.implode()).sum()) if cut.len() else 0
    rows = pl.DataFrame({"raw": column}).join(known.drop("cut"), on="raw", how="left", maintain_order="left")
    losses.stripped.update({column.name: lost} if lost else {})
    return rows["descriptor"]


def _folded(distinct: pl.Series) -> pl.DataFrame:
    """Return raw, descriptor and whether an address was cut out of it.

    Plain ASCII goes the fast way. For the rest Python alone decides: the engine may know another
    version of Unicode, and a descriptor must not depend on that.
    """
    texts = distinct.to_frame().with_columns(cut=pl.col("raw").str.contains(HAS_ADDRESS))
    is_plain = pl.col("raw").str.len_bytes() == pl.col("raw").str.len_chars()
    plain = texts.filter(is_plain).with_columns(folded=descriptor_expression(pl.col("raw")))
    rest = texts.filter(~is_plain)
    read = pl.Series("folded", [normalise_descriptor(text) for text in rest["raw"]], dtype=pl.String)
    folded = pl.col("folded")
    return pl.concat([plain, rest.with_columns(read)]).select(
        "raw", "cut", descriptor=pl.when(folded != "").then(folded)
    )


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
        self.parts: list[Path] = []
        self.present: set[str] = set()

    def add(self, rows: pl.DataFrame) -> None:
        """Take staged rows; write a part when enough are waiting."""
        self.present |= {name for name in COLUMNS if rows[name].null_count() < rows.height}
        self._waiting.append(rows)
        if sum(frame.height for frame in self._waiting) >= PART_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        rows = pl.concat(self._waiting) if self._waiting else pl.DataFrame()
        self._waiting = []
        if rows.height:
            path = self._folder / f"{self._prefix}-{len(self.parts):05d}.parquet"
            write_part(rows, path)
            self.parts.append(path)


def write_part(rows: pl.DataFrame, path: Path) -> None:
    """Write one part; light compression, as it is read again within the run."""
    rows.write_parquet(path, compression="lz4", statistics=False, row_group_size=ROW_GROUP_ROWS)
