"""The accepted transactions of one file, a column at a time: staged, or in a Parquet file that stays where it is.

Rules kept here:
* a column is read in spans, so that memory is bounded by what is kept of it;
* what is made of texts is made of each distinct text, once;
* the order is that of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from merchantscreen.identifiers import KEY_COLUMNS
from merchantscreen.intake.inplace import NAMED_COLUMNS, PlainFile, unchanged
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.parquet import prepared
from merchantscreen.intake.transactions import SOURCE_COLUMNS, account_ids

PLACE: Final = SOURCE_COLUMNS[1]
"""The line of each row, from 1: one of the columns."""
SPAN_ROWS: Final = 2_500_000
"""Rows of a column of a file in place that are read at once, 16 bytes each."""


class Columns(Protocol):
    """Accepted rows of a file, column by column: those of tables.Transactions, and `PLACE`."""

    @property
    def span_count(self) -> int:
        """Return the number of spans that the rows are read in."""

    def account_ids(self, span: int) -> pl.Series:
        """Read the account of each row of a span."""

    def stored(self, name: str, span: int) -> pl.Series:
        """Read another column of a span: its values, or the texts that stand for them."""

    def values(self, name: str, texts: pl.Series) -> pl.Series | None:
        """Say what distinct texts of a column stand for, one after the other; None if they stand for themselves."""

    def held(self) -> AbstractContextManager[None]:
        """Hold what is read meanwhile to what was judged."""


@dataclass(frozen=True, slots=True)
class StagedColumns:
    """Rows that were staged.

    Attributes:
        parts: Their parts, in the order of the file.
    """

    parts: Sequence[Path]

    @property
    def span_count(self) -> int:
        """Return the number of parts."""
        return len(self.parts)

    def account_ids(self, span: int) -> pl.Series:
        """Read the account of each row of a part."""
        return self.stored("account_id", span)

    def stored(self, name: str, span: int) -> pl.Series:
        """Read another column of a part."""
        return pl.read_parquet(self.parts[span], columns=[name], glob=False)[name]

    def values(self, name: str, texts: pl.Series) -> pl.Series | None:  # noqa: ARG002  # staged texts are the values
        """Say nothing: staged texts are the values."""
        return None

    def held(self) -> AbstractContextManager[None]:
        """Hold nothing: parts are ours."""
        return nullcontext()


@dataclass(frozen=True, slots=True)
class ColumnsInPlace:
    """Rows of a file that is read where it is.

    Attributes:
        file: The file.
        row_count: Its rows, also those that are left out.
    """

    file: PlainFile
    row_count: int

    @property
    def span_count(self) -> int:
        """Return the number of spans."""
        return -(-self.row_count // SPAN_ROWS)

    def account_ids(self, span: int) -> pl.Series:
        """Make the account of each row of a span."""
        has = self.file.has
        fields = [prepared(name, self.file.types[name]) if has(name) else _missing(name) for name in KEY_COLUMNS]
        return account_ids(self._rows(span).select(fields).collect(engine="streaming"))

    def stored(self, name: str, span: int) -> pl.Series:
        """Read another column of a span; of a name the text that it is made of."""
        rows, field = self._rows(span), NAMED_COLUMNS.get(name)
        if name == PLACE:
            read = rows.select(pl.col(LINE).cast(pl.Int64).alias(PLACE))
        elif field is None:
            read = self.file.transactions(rows, [name], LINE)
        else:
            text = prepared(field, self.file.types[field]) if self.file.has(field) else _missing(field)
            read = rows.select(LINE, text.alias(name))
        return read.collect(engine="streaming")[name]

    def values(self, name: str, texts: pl.Series) -> pl.Series | None:
        """Look up the names of texts that were made out when the file was judged."""
        if name not in NAMED_COLUMNS:
            return None
        asked = pl.LazyFrame({"raw": texts}).with_row_index("place")
        known = self.file.table("names").filter(pl.col("field") == NAMED_COLUMNS[name])
        found = asked.join(known, on="raw").select("place", "name").unique("place").collect(engine="streaming")
        names = pl.Series(name, [None], pl.String).new_from_index(0, texts.len())
        return names.scatter(found["place"], found["name"])

    def held(self) -> AbstractContextManager[None]:
        """Hold the file to its state when it was judged."""
        return unchanged([self.file])

    def _rows(self, span: int) -> pl.LazyFrame:
        return self.file.rows(numbered=True, start=span * SPAN_ROWS, count=SPAN_ROWS)


def _missing(name: str) -> pl.Expr:
    return pl.lit(None, pl.String).alias(name)
