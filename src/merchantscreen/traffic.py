"""The accepted transactions of a run, asked for by what is looked for.

The method never reads all transactions: it asks for distinct names, for the rows that hold some
of them, for the holders of an identifier, for the rows of some accounts. How that is answered
depends on where the rows lie, so rows come in parts of one kind each, and `Traffic` puts the
answers of its parts together. Rules kept here:

* every part gives the same rows for the same question, whatever its kind: evidence cannot depend
  on how rows are stored;
* nothing later than the moment of the run is in any answer but the count of what is later;
* a question names the columns it needs, and no other is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Final, Protocol

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen.engines import Engine, Frame
from merchantscreen.features import COMPARED, PAYMENTS, added, compared_stages, moment_literal
from merchantscreen.intake.merged import Merged, each_once
from merchantscreen.tables import Transactions, empty

_MANY: Final = 100_000
"""Accounts beyond which looking them up one by one costs more than reading all rows."""


class Taken(Protocol):
    """Transactions of some accounts that were taken out and lie on their own: questions about them cost little."""

    def rows(self, columns: Sequence[str], accounts: pl.Series) -> Frame:
        """Give some columns of the rows of some of the accounts."""

    def naming(self, *columns: str) -> Frame:
        """Give the `account_id` of each row with a known value in one of some columns."""

    def compared(self, accounts: pl.Series) -> dict[str, Frame]:
        """Count what some of the accounts are compared by: features.compared_stages."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What will be asked of transactions that are taken out.

    Attributes:
        rows: Which columns, `account_id` among them, of the rows of which accounts.
        compared: Accounts that are only compared with.
    """

    rows: Mapping[tuple[str, ...], pl.Series]
    compared: pl.Series

    def all_rows(self) -> dict[tuple[str, ...], pl.Series]:
        """Say of which rows which columns are needed, where nobody has counted what accounts are compared by."""
        paid = [*(accounts for columns, accounts in self.rows.items() if columns == PAYMENTS), self.compared]
        return {**self.rows, PAYMENTS: pl.concat(paid).unique()}


class Part(Protocol):
    """Transactions of one kind of storage. Columns are those of tables.Transactions."""

    def values(self, column: str, signs: Sequence[str]) -> pl.Series:
        """List the distinct known texts of a column that contain one of some signs; all of them without signs."""

    def rows_with(self, column: str, values: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows that hold one of some values."""

    def rows_of(self, accounts: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows of some accounts."""

    def take(self, asked: Asked, name: str) -> Taken:
        """Take rows out; `name` is used for nothing else."""

    def holders(self, column: str, values: pl.Series) -> Frame:
        """List who holds which of some values: `value, account_id`, perhaps several times."""

    def accounts(self) -> pl.Series:
        """List the accounts with transactions, perhaps several times."""

    def late_count(self) -> int:
        """Count the rows after the moment of the run."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Parts that together are the transactions of a run.

    Attributes:
        engine: Where the data is.
        parts: The parts, of any kind.
        in_merged: The accounts of all parts that are merged tables, sorted, where somebody has listed them.
    """

    engine: Engine
    parts: tuple[Part, ...]
    in_merged: pl.Series | None = None
    _known: dict[tuple[str, tuple[str, ...]], pl.Series] = field(default_factory=dict)

    def values(self, column: str, signs: Sequence[str] = ()) -> pl.Series:
        """List the distinct known texts of a column that contain one of some signs, sorted; looked for once."""
        key = (column, tuple(signs))
        if key not in self._known:
            found = [part.values(column, signs) for part in self.parts]
            self._known[key] = _together(found, column).unique().sort()
        return self._known[key]

    def rows_with(self, column: str, values: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows that hold one of some values in a column."""
        return self._rows(columns, lambda part: part.rows_with(column, values, columns))

    def rows_of(self, accounts: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows of some accounts."""
        return self._rows(columns, lambda part: part.rows_of(accounts, columns))

    def take(self, asked: Asked, name: str) -> Taken:
        """Take rows out for the questions that are left; what was taken out under the name before is gone."""
        taken = [part.take(asked, f"{name}-{place}") for place, part in enumerate(self.parts)]
        if taken:
            return TakenTogether(taken)
        return TakenTables(self.engine, {columns: self._nothing(columns) for columns in asked.all_rows()})

    def holders(self, column: str, values: pl.Series) -> Frame:
        """List who holds which of some values: `value, account_id`, each pair once."""
        found = [part.holders(column, values) for part in self.parts]
        nobody = pl.DataFrame(schema={"value": pl.String, "account_id": pl.String})
        return (nw.concat(found) if found else self.engine.load(nobody)).unique()

    def accounts(self) -> pl.Series:
        """List the accounts with transactions, each once."""
        known, parts = self.in_merged, self.parts
        if known is None:
            known = pl.Series("account_id", [], pl.String)
        else:
            parts = tuple(part for part in parts if not isinstance(part, MergedTables))
        if not parts:
            return known
        # most parts list them in order
        listed = [known, *(part.accounts().alias(known.name).sort() for part in parts)]
        return each_once([one.to_frame().lazy() for one in listed]).collect(engine="streaming")[known.name]

    def late_count(self) -> int:
        """Count the rows after the moment of the run, which are in no other answer."""
        return sum(part.late_count() for part in self.parts)

    def _rows(self, columns: Sequence[str], ask: Callable[[Part], Frame]) -> Frame:
        found = [ask(part) for part in self.parts]
        return nw.concat(found) if found else self._nothing(columns)

    def _nothing(self, columns: Sequence[str]) -> Frame:
        return self.engine.load(empty(Transactions).select(columns))


class TakenTogether:
    """What was taken out of several parts.

    Args:
        parts: What was taken out of each.
    """

    def __init__(self, parts: Sequence[Taken]) -> None:
        self._parts = parts

    def rows(self, columns: Sequence[str], accounts: pl.Series) -> Frame:
        """Give some columns of the rows of some of the accounts."""
        return nw.concat([part.rows(columns, accounts) for part in self._parts])

    def naming(self, *columns: str) -> Frame:
        """Give the `account_id` of each row with a known value in one of some columns."""
        return nw.concat([part.naming(*columns) for part in self._parts])

    def compared(self, accounts: pl.Series) -> dict[str, Frame]:
        """Count what some of the accounts are compared by."""
        return added([part.compared(accounts) for part in self._parts])


class TakenTables:
    """What was taken out, in one table for each set of columns.

    Args:
        engine: Where the tables are.
        tables: The tables, by their columns.
    """

    def __init__(self, engine: Engine, tables: Mapping[tuple[str, ...], Frame]) -> None:
        self._engine, self._tables = engine, tables

    def rows(self, columns: Sequence[str], accounts: pl.Series) -> Frame:
        """Give some columns of the rows of some of the accounts."""
        return self._engine.among(self._holding(columns), "account_id", accounts).select(*columns)

    def naming(self, *columns: str) -> Frame:
        """Give the `account_id` of each row with a known value in one of some columns."""
        known = (~nw.col(column).is_null() for column in columns)
        return self._holding(columns).filter(reduce(or_, known)).select("account_id")

    def compared(self, accounts: pl.Series) -> dict[str, Frame]:
        """Count what some of the accounts are compared by."""
        return compared_stages(self.rows(PAYMENTS, accounts))

    def _holding(self, columns: Sequence[str]) -> Frame:
        return next(table for held, table in self._tables.items() if set(columns) <= set(held))


class TakenAndKept:
    """What was taken out, beside the counts of accounts of which none had to be, as these are kept.

    Args:
        engine: Where the tables are.
        taken: The rows that were taken out.
        kept: features.compared_stages by name, of the accounts that are counted and perhaps of others.
        counted: Accounts all of whose rows are in these.
    """

    def __init__(self, engine: Engine, taken: Taken, kept: Mapping[str, Frame], counted: pl.Series) -> None:
        self._engine, self._taken, self._kept, self._counted = engine, taken, kept, counted

    def rows(self, columns: Sequence[str], accounts: pl.Series) -> Frame:
        """Give some columns of the rows of some of the accounts."""
        return self._taken.rows(columns, accounts)

    def naming(self, *columns: str) -> Frame:
        """Give the `account_id` of each row with a known value in one of some columns."""
        return self._taken.naming(*columns)

    def compared(self, accounts: pl.Series) -> dict[str, Frame]:
        """Count what some of the accounts are compared by."""
        is_counted = accounts.is_in(self._counted.implode())
        own = accounts.filter(is_counted)
        found = {stage: self._engine.among(kept, "account_id", own) for stage, kept in self._kept.items()}
        return added([found, self._taken.compared(accounts.filter(~is_counted))])


def _taken(engine: Engine, part: Part, asked: Asked, name: str) -> Taken:
    """Save each set of columns on its own, one after the other: together the scan would keep more in memory at once."""
    rows = {columns: part.rows_of(accounts, columns) for columns, accounts in asked.all_rows().items()}
    saved = {columns: engine.save(some, f"{name}-{place}") for place, (columns, some) in enumerate(rows.items())}
    return TakenTables(engine, saved)


def _together(parts: Iterable[pl.Series], name: str) -> pl.Series:
    return pl.concat([pl.Series(name, [], pl.String), *(part.alias(name) for part in parts)])


def has_sign(column: str, signs: Sequence[str]) -> list[nw.Expr]:
    """Say that a text contains one of some signs, as conditions; none without signs."""
    pattern = sign_pattern(signs)
    return [nw.col(column).str.contains(pattern)] if pattern else []


def sign_pattern(signs: Sequence[str]) -> str:
    """Write signs as one regular expression that every engine reads alike: ASCII, everything but words escaped."""
    return "|".join(re.sub(r"([^A-Za-z0-9])", r"\\\1", sign) for sign in sorted(set(signs)))


class WholeTable:
    """Transactions that lie in one table in no order: every question is a scan of the columns it is about.

    Args:
        engine: Where the table is.
        rows: tables.Transactions.
        as_of: The moment of the run.
    """

    def __init__(self, engine: Engine, rows: Frame, as_of: datetime) -> None:
        self._engine = engine
        self._all = rows
        self._is_late = nw.col("occurred_at") > moment_literal(as_of)
        self._rows = rows.filter(~self._is_late)

    def values(self, column: str, signs: Sequence[str]) -> pl.Series:
        """List the distinct known texts of a column that contain one of some signs."""
        wanted = self._rows.filter(~nw.col(column).is_null(), *has_sign(column, signs))
        return self._engine.collect(wanted.select(column).unique())[column]

    def rows_with(self, column: str, values: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows that hold one of some values."""
        return self._engine.among(self._rows, column, values).select(*columns)

    def rows_of(self, accounts: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows of some accounts."""
        return self.rows_with("account_id", accounts, columns)

    def take(self, asked: Asked, name: str) -> Taken:
        """Take rows out."""
        return _taken(self._engine, self, asked, name)

    def holders(self, column: str, values: pl.Series) -> Frame:
        """List who holds which of some values."""
        found = self.rows_with(column, values, [column, "account_id"])
        return found.select(nw.col(column).alias("value"), nw.col("account_id"))

    def accounts(self) -> pl.Series:
        """List the accounts with transactions."""
        return self._engine.collect(self._rows.select("account_id").unique())["account_id"]

    def late_count(self) -> int:
        """Count the rows after the moment of the run."""
        late = self._all.filter(self._is_late).select(nw.len().alias("count"))
        return int(self._engine.collect(late)["count"].item())


class IndexedTables:
    """Transactions in the tables of the index: rows by account, and small tables that say whose rows to look at.

    Args:
        engine: Where the tables are.
        tables: `rows`, `pairs` and `days`, see intake.reducing; nothing in them is later than the run.
    """

    def __init__(self, engine: Engine, tables: Mapping[str, Frame]) -> None:
        self._engine = engine
        self._rows, self._pairs, self._days = tables["rows"], tables["pairs"], tables["days"]

    def values(self, column: str, signs: Sequence[str]) -> pl.Series:
        """List the distinct known texts of a column that contain one of some signs."""
        wanted = self._pairs.filter(nw.col("column") == column, *has_sign("value", signs))
        return self._engine.collect(wanted.select("value").unique())["value"]

    def rows_with(self, column: str, values: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows that hold one of some values."""
        holders = self._engine.collect(self.holders(column, values).select("account_id").unique())["account_id"]
        own = self._rows if holders.len() > _MANY else self._engine.among(self._rows, "account_id", holders)
        return self._engine.among(own, column, values).select(*columns)

    def rows_of(self, accounts: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows of some accounts."""
        return self._engine.among(self._rows, "account_id", accounts).select(*columns)

    def take(self, asked: Asked, name: str) -> Taken:
        """Take rows out."""
        return _taken(self._engine, self, asked, name)

    def holders(self, column: str, values: pl.Series) -> Frame:
        """List who holds which of some values."""
        named = self._pairs.filter(nw.col("column") == column)
        return self._engine.among(named, "value", values).select("value", "account_id")

    def accounts(self) -> pl.Series:
        """List the accounts with transactions."""
        return self._engine.collect(self._days.select("account_id").unique())["account_id"]

    def late_count(self) -> int:
        """Count the rows after the moment of the run: none, by what the tables may hold."""
        return 0


class MergedTables:
    """Transactions in the merged tables of the index: a directory says in which few blocks the rows of an account are.

    Args:
        engine: Where the tables are.
        merged: The tables; nothing in them is later than the run.
    """

    def __init__(self, engine: Engine, merged: Merged) -> None:
        self._engine, self._merged = engine, merged
        self._bounds = engine.collect(engine.scan([merged.bounds]))

    def values(self, column: str, signs: Sequence[str]) -> pl.Series:
        """List the distinct known texts of a column that contain one of some signs."""
        wanted = self._pairs(column).filter(~nw.col("value").is_null(), *has_sign("value", signs))
        return self._engine.collect(wanted.select("value").unique())["value"]

    def rows_with(self, column: str, values: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows that hold one of some values."""
        holders = self._engine.collect(self.holders(column, values).select("account_id").unique())["account_id"]
        return self._engine.among(self._rows(holders), column, values).select(*columns)

    def rows_of(self, accounts: pl.Series, columns: Sequence[str]) -> Frame:
        """Give some columns of the rows of some accounts."""
        return self._rows(accounts).select(*columns)

    def take(self, asked: Asked, name: str) -> Taken:
        """Take rows out, but of the accounts whose counts are kept."""
        kept = {stage: self._engine.scan([self._merged.compared(stage)]) for stage in COMPARED}
        # whoever has rows has totals, and the rows of an account are counted all or not at all
        known = self._engine.among(kept["totals"], "account_id", asked.compared).select("account_id").unique()
        counted = self._engine.collect(known)["account_id"]
        rest = replace(asked, compared=asked.compared.filter(~asked.compared.is_in(counted.implode()))).all_rows()
        # in one pass: what is left is little, and to open its blocks is the most of reading it
        columns = tuple(dict.fromkeys(column for columns in rest for column in columns))
        rows = self._engine.save(self.rows_of(pl.concat([*rest.values()]), columns), name)
        return TakenAndKept(self._engine, TakenTables(self._engine, {columns: rows}), kept, counted)

    def holders(self, column: str, values: pl.Series) -> Frame:
        """List who holds which of some values."""
        return self._engine.among(self._pairs(column), "value", values)

    def accounts(self) -> pl.Series:
        """List the accounts with transactions."""
        return self._engine.collect(self._engine.scan([self._merged.accounts]))["account_id"]

    def late_count(self) -> int:
        """Count the rows after the moment of the run: none, by what the tables may hold."""
        return 0

    def _pairs(self, column: str) -> Frame:
        return self._engine.scan([self._merged.pairs(column)])

    def _rows(self, accounts: pl.Series) -> Frame:
        """Give the rows of some accounts out of the blocks that can hold them."""
        first, last = self._bounds.get_columns()
        ids = accounts.unique()
        ids = ids.filter(ids <= last.max()) if last.len() else ids.clear()
        place = last.search_sorted(ids)
        blocks = [self._merged.block(number) for number in place.filter(first.gather(place) <= ids).unique().sort()]
        if not blocks:
            return self._engine.load(empty(Transactions))
        return self._engine.among(self._engine.scan(blocks), "account_id", accounts)
