"""Transactions in Parquet files that stay where they are: a part of the traffic for the embedded engine.

Each question becomes a condition on one column of the files' own: the texts behind a name, the card acceptor ids
behind an account. What that lets through is joined to what these texts stand for, so that an account id or a
name is made once for each text, and not for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen.engines import Engine, Frame
from merchantscreen.features import PAYMENTS, compared_stages, naive_utc
from merchantscreen.intake.accountbook import MARK
from merchantscreen.intake.inplace import NAMED_COLUMNS, PlainFile, aside, joined, tables_of
from merchantscreen.traffic import Asked, Taken, sign_pattern

_OF_SEVERAL_FIELDS: Final = ("account_id", "terminal")
_ACCOUNT: Final = aside("account_id")
_NO_TEXTS: Final = pl.Series(dtype=pl.String)


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
        named = self._names(column).filter(pl.col("name").is_not_null())
        wanted = named.filter(pl.col("name").str.contains(sign_pattern(signs))) if signs else named
        return self._collected(wanted.select("name").unique())["name"]

    def rows_with(self, column: str, values: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows that hold one of some values."""
        if column == "account_id":
            return self.rows_of(values, columns)
        parts, texts = [], self._texts(column, values)
        for file in self._files:
            rows, ready = self._holding(file, column, texts)
            made = file.transactions(rows, sorted({*columns, column}), ready=ready)
            parts.append(_exactly(column, values, made))
        return _together(parts, columns)

    def rows_of(self, accounts: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows of some accounts."""
        found = [(file, rows) for file, parts in self._of_accounts(accounts) for rows in parts]
        return _together([file.transactions(rows, columns, ready=["account_id"]) for file, rows in found], columns)

    def take(self, asked: Asked, name: str) -> Taken:
        """Take rows out as they are, in one pass: names are made of them when somebody asks for these."""
        rows_of = asked.all_rows()
        accounts = pl.concat([*rows_of.values()]).unique()
        columns = {column for columns in rows_of for column in columns if column != "account_id"}
        taken = []
        for number, (file, parts) in enumerate(self._of_accounts(accounts)):
            fields = _ACCOUNT, *file.fields(columns)
            rows = pl.concat([rows.select(fields) for rows in parts])
            saved: pl.LazyFrame = self._engine.save(nw.from_native(rows), f"{name}-{number}").to_native()
            taken.append((file, saved))
        return _TakenInPlace(taken, self._nameless)

    def holders(self, column: str, values: pl.Series) -> Frame:
        """List who holds which of some values."""
        wanted, parts, texts = (column, "account_id"), [], self._texts(column, values)
        for file in self._files:
            rows, ready = self._holding(file, column, texts)
            # account ids are made of texts that differ: a hub's rows are many, and its holders are few
            once = file.once(rows, wanted, ready)
            parts.append(_exactly(column, values, file.transactions(once, wanted, ready=ready)))
        return _together(parts, wanted).select(nw.col(column).alias("value"), nw.col("account_id"))

    def accounts(self) -> pl.Series:
        """List the accounts with transactions, some perhaps twice: each process that read files named its own."""
        whole = [file for file in self._files if not self._cuts(file)]
        cut = [file for file in self._files if self._cuts(file)]
        found = [file.transactions(self._in_time(file, file.rows()), ["account_id"]).unique() for file in cut]
        if whole:
            listed = _tables(whole, "accounts")
            # what files have in common may name accounts whose rows are all in files that are cut, or were left out
            is_exact = not cut and not any(file.is_thinned for file in whole)
            held = listed if is_exact else listed.join(_tables(whole, "held"), on=MARK, how="semi")
            found.append(held.select("account_id"))
        return self._collected(pl.concat(found))["account_id"]

    def late_count(self) -> int:
        """Count the rows after the moment of the run."""
        late = (file.rows().filter(file.happened() > self._until) for file in self._files if self._cuts(file))
        return sum(int(self._collected(rows.select(pl.len()))["len"].item()) for rows in late)

    # ----------------------------------------------------------------------- rows by a condition on one column

    def _holding(self, file: PlainFile, column: str, texts: pl.DataFrame) -> tuple[pl.LazyFrame, tuple[str, ...]]:
        """Give the rows with one of the `_texts` of a column, and say whether the column is already beside them."""
        field = texts.columns[0]
        if not file.has(field):
            return file.rows().filter(pl.lit(value=False)), ()
        rows = self._where(file, field, texts[field])
        return (rows.join(texts.lazy(), on=field), (column,)) if column in NAMED_COLUMNS else (rows, ())

    def _of_accounts(self, accounts: pl.Series) -> Iterator[tuple[PlainFile, list[pl.LazyFrame]]]:
        """Give the rows of some accounts, these beside them: by card acceptor id, or by key where accounts share it."""
        field, held = "card_acceptor_id", self._accounts.select("account_id", "card_acceptor_id")
        own = self._collected(held.filter(pl.col("account_id").is_in(accounts.implode())).select(field).unique())[field]
        alike = self._collected(held.filter(pl.col(field).is_in(own.implode())).unique())
        only = alike.filter(pl.col(field).is_unique()).rename({"account_id": _ACCOUNT})
        shared = alike.filter(~pl.col(field).is_unique())[field]
        for file in self._files:
            rows = [self._where(file, field, only[field]).join(only.lazy(), on=field)]
            if shared.len():
                rows.append(_among(_ACCOUNT, accounts, file.with_account(self._where(file, field, shared))))
            yield file, rows

    def _where(self, file: PlainFile, field: str, texts: pl.Series) -> pl.LazyFrame:
        """Open the rows up to the moment that have one of some texts in a field."""
        return self._in_time(file, file.rows().filter(pl.col(field).is_in(texts.unique().implode())))

    def _in_time(self, file: PlainFile, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(file.happened() <= self._until) if self._cuts(file) else rows

    def _cuts(self, file: PlainFile) -> bool:
        """Tell whether the moment of the run leaves some rows of a file out."""
        return file.last_at is not None and file.last_at > self._until

    # ----------------------------------------------------------------------- what texts stand for

    def _names(self, column: str) -> pl.LazyFrame:
        """Open the names of a column, some perhaps several times: `raw, name`."""
        return _tables(self._files, "names").filter(pl.col("field") == NAMED_COLUMNS[column]).select("raw", "name")

    def _texts(self, column: str, values: pl.Series) -> pl.DataFrame:
        """List what a field can hold where a column has one of some values: the field, and of names the name beside."""
        if column not in NAMED_COLUMNS:
            return _endings(values).to_frame("terminal_id") if column == "terminal" else values.to_frame(column)
        wanted = self._names(column).filter(pl.col("name").is_in(values.implode())).unique("raw")
        return self._collected(
            wanted.select(pl.col("raw").alias(NAMED_COLUMNS[column]), pl.col("name").alias(aside(column)))
        )

    @property
    def _accounts(self) -> pl.LazyFrame:
        """List the accounts of all files, some perhaps several times."""
        return _tables(self._files, "accounts")

    def _nameless(self, column: str) -> pl.Series:
        """List the texts of which no name of a column can be made."""
        return self._collected(self._names(column).filter(pl.col("name").is_null()).select("raw").unique())["raw"]

    def _collected(self, rows: pl.LazyFrame) -> pl.DataFrame:
        return self._engine.collect(nw.from_native(rows))


def _tables(files: Sequence[PlainFile], name: str) -> pl.LazyFrame:
    """Open tables of one kind about some files, those that files share once."""
    return pl.scan_parquet(list(tables_of(files, name)), glob=False)


class _TakenInPlace:
    """Rows that were taken out of files as they are.

    Args:
        taken: The rows of each file: its fields, and the account beside them.
        nameless: Lists the texts of which no name of a column can be made.
    """

    def __init__(self, taken: Sequence[tuple[PlainFile, pl.LazyFrame]], nameless: Callable[[str], pl.Series]) -> None:
        self._taken, self._nameless = taken, nameless

    def rows(self, columns: Sequence[str], accounts: pl.Series) -> Frame:
        """Give some columns of the rows of some of the accounts."""
        own = pl.col(_ACCOUNT).is_in(accounts.implode())
        parts = [file.transactions(rows.filter(own), columns, ready=["account_id"]) for file, rows in self._taken]
        return _together(parts, columns)

    def naming(self, *columns: str) -> Frame:
        """Give the `account_id` of each row with a known value in one of some columns."""
        lost = {column: self._nameless(column) if column in NAMED_COLUMNS else _NO_TEXTS for column in columns}
        parts = [
            rows.filter(pl.any_horizontal(file.is_known(*each) for each in lost.items())).select(account_id=_ACCOUNT)
            for file, rows in self._taken
        ]
        return _together(parts, ["account_id"])

    def compared(self, accounts: pl.Series) -> dict[str, Frame]:
        """Count what some of the accounts are compared by."""
        return compared_stages(self.rows(PAYMENTS, accounts))


def _exactly(column: str, values: pl.Series, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Drop what a condition let through that does not hold one of the values: columns made of several fields alone."""
    return _among(column, values, rows) if column in _OF_SEVERAL_FIELDS else rows


def _among(column: str, values: pl.Series, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the rows that hold one of some values in a made column."""
    # a join and no condition: that would be asked of every row, beside the one that spares them
    return rows.join(pl.LazyFrame({column: values.unique()}), on=column, how="semi")


def _together(parts: Sequence[pl.LazyFrame], columns: Sequence[str]) -> Frame:
    frame: Frame = nw.from_native(pl.concat([part.select(columns) for part in parts]))
    return frame


def _endings(values: pl.Series) -> pl.Series:
    """List what can be the terminal in `acquirer/terminal`: an acquirer id may hold a slash of its own."""
    split = [value.split("/") for value in values]
    found = {"/".join(parts[place:]) for parts in split for place in range(1, len(parts))}
    return pl.Series(sorted(found), dtype=pl.String)
