"""Transactions in Parquet files that stay where they are: a part of the traffic for the embedded engine.

Each question becomes a condition on the files' own columns: the texts behind a name, the card acceptor ids
behind an account. What that lets through is made into tables.Transactions and held against the question again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen.engines import Engine, Frame
from merchantscreen.features import naive_utc
from merchantscreen.intake.inplace import NAMED_COLUMNS, PlainFile, joined
from merchantscreen.traffic import sign_pattern


class FilesInPlace:
    """Judged files, read where they are.

    Args:
        engine: The embedded engine.
        files: The files.
        as_of: The moment of the run.
    """

    def __init__(self, engine: Engine, files: Sequence[PlainFile], as_of: datetime) -> None:
        self._engine = engine
        self._until = naive_utc(as_of)
        cut = [file for file in files if self._cuts(file)]
        self._files = (*joined([file for file in files if not self._cuts(file)]), *cut)

    def values(self, column: str, signs: Sequence[str]) -> pl.Series:
        """List the distinct known texts of a column that contain one of some signs; also of rows after the moment."""
        if column not in NAMED_COLUMNS:
            raise ValueError(f"no names are kept of {column}")
        own = (pl.col("field") == NAMED_COLUMNS[column]) & pl.col("name").is_not_null()
        named = pl.concat([file.table("names").filter(own) for file in self._files])
        wanted = named.filter(pl.col("name").str.contains(sign_pattern(signs))) if signs else named
        return self._collected(wanted.select("name").unique())["name"]

    def rows_with(self, column: str, values: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows that hold one of some values."""
        return self._rows(column, values, columns, [self._condition(file, column, values) for file in self._files])

    def rows_of(self, accounts: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows of some accounts."""
        return self.rows_with("account_id", accounts, columns)

    def holders(self, column: str, values: pl.Series) -> Frame:
        """List who holds which of some values."""
        found = self.rows_with(column, values, [column, "account_id"])
        return found.select(nw.col(column).alias("value"), nw.col("account_id"))

    def accounts(self) -> pl.Series:
        """List the accounts with transactions."""
        found = [
            file.transactions(self._in_time(file, file.rows()), ["account_id"])
            if self._cuts(file)
            else file.table("accounts").select("account_id")
            for file in self._files
        ]
        return self._collected(pl.concat(found).unique())["account_id"]

    def late_count(self) -> int:
        """Count the rows after the moment of the run."""
        late = (file.rows().filter(file.happened() > self._until) for file in self._files if self._cuts(file))
        return sum(int(self._collected(rows.select(pl.len()))["len"].item()) for rows in late)

    # ----------------------------------------------------------------------- conditions

    def _rows(self, column: str, values: pl.Series, columns: Sequence[str], conditions: Sequence[pl.Expr]) -> Frame:
        wanted = list(dict.fromkeys([*columns, column]))
        parts = [
            file.transactions(self._in_time(file, file.rows().filter(condition)), wanted)
            for file, condition in zip(self._files, conditions, strict=True)
        ]
        # a join and no condition: that would be asked of every row, beside the one that spares them
        exact = pl.concat(parts).join(pl.LazyFrame({column: values.unique()}), on=column, how="semi")
        frame: Frame = nw.from_native(exact.select(columns))
        return frame

    def _condition(self, file: PlainFile, column: str, values: pl.Series) -> pl.Expr:
        """Say in the file's own columns which rows can hold one of some values."""
        name, texts = self._texts(file, column, values)
        return pl.col(name).is_in(texts.implode()) if file.has(name) else pl.lit(value=False)

    def _texts(self, file: PlainFile, column: str, values: pl.Series) -> tuple[str, pl.Series]:
        """Give a field of the file and its texts that can stand behind some values of a column."""
        if column in NAMED_COLUMNS:
            own = file.table("names").filter(
                (pl.col("field") == NAMED_COLUMNS[column]) & pl.col("name").is_in(values.implode())
            )
            return NAMED_COLUMNS[column], self._collected(own.select("raw").unique())["raw"]
        if column == "account_id":
            own = file.table("accounts").filter(pl.col("account_id").is_in(values.implode()))
            return "card_acceptor_id", self._collected(own.select("card_acceptor_id").unique())["card_acceptor_id"]
        if column == "terminal":
            return "terminal_id", pl.Series(sorted(set(_endings(values))), dtype=pl.String)
        return column, values

    def _in_time(self, file: PlainFile, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(file.happened() <= self._until) if self._cuts(file) else rows

    def _cuts(self, file: PlainFile) -> bool:
        """Tell whether the moment of the run leaves some rows of a file out."""
        return file.last_at is not None and file.last_at > self._until

    def _collected(self, rows: pl.LazyFrame) -> pl.DataFrame:
        return self._engine.collect(nw.from_native(rows))


def _endings(values: pl.Series) -> Iterator[str]:
    """Yield what can be the terminal in `acquirer/terminal`: an acquirer id may hold a slash of its own."""
    for value in values:
        parts = value.split("/")
        yield from ("/".join(parts[place:]) for place in range(1, len(parts)))
