"""A Parquet file whose accepted rows are read where they are: its rows as tables.Transactions, nothing copied.

Rules kept here:
* only a file that was judged as a whole is read like this, every row and field of it, by the process that may
  die of it; this one reads the same bytes again, and a file that has changed since is an error;
* rejected rows are left out by their line;
* the card token is no column of tables.Transactions, so it is never read again.

What is asked of a file is put as a condition on its own columns, so that Parquet's dictionaries answer it;
what is made of the columns is made for the rows that are left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from merchantscreen.errors import InputError
from merchantscreen.identifiers import KEY_COLUMNS, account_id_expression
from merchantscreen.intake.hosts import HOST_COLUMNS, plain_host
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.parquet import prepared
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.intake.transactions import COLUMNS, SOURCE_COLUMNS, plain_descriptor
from merchantscreen.tables import TransactionRows, schema_of
from merchantscreen.vocabulary import TransactionOutcome, TransactionType

NAMED_COLUMNS: Final = {**{host: url for url, host in HOST_COLUMNS.items()}, "descriptor": "descriptor"}
"""Columns of tables.Transactions that are names, and the fields they are made of."""
_TYPES: Final = schema_of(TransactionRows)
_EXCEPTED: Final = "(excepted)"
_DEFAULTS: Final = {
    "transaction_type": TransactionType.PURCHASE.value, "outcome": TransactionOutcome.APPROVED.value,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A judged file that is read in place, or several alike that are read as one.

    Attributes:
        paths: The file, or the files.
        columns: Our field to its column.
        types: The type of each of these columns.
        tables: Parquet files by what they hold: `accounts` (mark, account_id, card_acceptor_id), `held`, those of
            them with rows in this file (mark, first_line), `names` (field, raw, name; the name null where none
            could be made out), `exceptions`, the names that the short way of reading would not give, and
            `hashes` of its keys. Accounts, names and exceptions may be those of other files as well.
        first_at: Earliest accepted transaction; None without any.
        last_at: Latest one.
        states: Size, time of change and inode of each file when it was judged.
        rejected_lines: Rows of a single file that are left out, from 1.
        is_thinned: Whether rows are left out that its accounts were still made of.
    """

    paths: tuple[Path, ...]
    columns: Mapping[str, str]
    types: Mapping[str, pl.DataType]
    tables: Mapping[str, tuple[Path, ...]]
    first_at: datetime | None
    last_at: datetime | None
    states: tuple[tuple[int, int, int], ...]
    rejected_lines: tuple[int, ...] = field(default=())
    is_thinned: bool = False

    def without(self, lines: Sequence[int]) -> PlainFile:
        """Leave more rows out."""
        return replace(self, rejected_lines=tuple(sorted({*self.rejected_lines, *lines})))

    def without_repeated(self, lines: Sequence[int]) -> PlainFile:
        """Leave rows out that repeat or contradict others, and list the accounts of those that are left."""
        if not lines:
            return self
        left = self.without(lines)
        rows = left.transactions(left.rows(numbered=True), ["account_id"], LINE)
        firsts = rows.group_by("account_id").agg(first_line=pl.col(LINE).min().cast(pl.Int64))
        held = self.accounts().join(firsts, on="account_id").select("mark", "first_line")
        path = self.tables["held"][0].with_suffix(".left.parquet")
        held.collect(engine="streaming").write_parquet(path, compression="lz4")
        return replace(left, tables={**self.tables, "held": (path,)}, is_thinned=True)

    def accounts(self) -> pl.LazyFrame:
        """List the accounts of the file, and perhaps of others: mark, account_id, card_acceptor_id."""
        return self.table("accounts").unique("mark")

    def counted(self, account_ids: pl.Series) -> pl.DataFrame:
        """Count the rows of a few accounts: `account_id, rows`."""
        is_asked = pl.col("account_id").is_in(account_ids.implode())
        acceptors = self.accounts().filter(is_asked).select("card_acceptor_id").collect(engine="streaming").to_series()
        rows = self.rows().filter(pl.col("card_acceptor_id").is_in(acceptors.implode()))
        asked = self.transactions(rows, ["account_id"]).filter(is_asked)
        return asked.group_by("account_id").agg(rows=pl.len().cast(pl.Int64)).collect(engine="streaming")

    def table(self, name: str) -> pl.LazyFrame:
        """Open one of the tables about the file."""
        return pl.scan_parquet(list(self.tables[name]), glob=False)

    @property
    def changed(self) -> list[Path]:
        """List the files that are no longer those that were judged."""
        return [path for path, state in zip(self.paths, self.states, strict=True) if _state_now(path) != state]

    # ----------------------------------------------------------------------- rows

    def rows(self, *, numbered: bool = False, start: int = 0, count: int | None = None) -> pl.LazyFrame:
        """Open the rows under the names of our fields, not yet made anything of; rejected ones are left out.

        Args:
            numbered: Whether their lines come along, as `LINE`.
            start: Rows to pass over, the rejected among them.
            count: Rows to read then, the rejected among them; all when None.
        """
        name = LINE if numbered or self.rejected_lines else None
        # bounds that a file states of itself are not believed: rows could be hidden behind them
        rows = pl.scan_parquet(list(self.paths), glob=False, hive_partitioning=False, cache=False, use_statistics=False,
                               row_index_name=name, row_index_offset=1, extra_columns="ignore")  # fmt: skip
        some = rows if count is None else rows.slice(start, count)
        left = some.filter(~pl.col(LINE).is_in(list(self.rejected_lines))) if self.rejected_lines else some
        renamed = (pl.col(theirs).alias(ours) for ours, theirs in self.columns.items())
        return left.select(*([LINE] if numbered else []), *renamed)

    def has(self, column: str) -> bool:
        """Tell whether the file fills a field."""
        return column in self.columns

    def happened(self) -> pl.Expr:
        """Read the moment of a row as `rows` gives it."""
        return prepared("occurred_at", self.types["occurred_at"])

    def transactions(
        self, rows: pl.LazyFrame, columns: Sequence[str], *kept: str, ready: Collection[str] = ()
    ) -> pl.LazyFrame:
        """Make columns of tables.Transactions of rows as `rows` gives them.

        Args:
            rows: The rows.
            columns: What to make.
            kept: Columns that are carried along.
            ready: Columns that need not be made: `rows` holds them, each under the name that `aside` gives it.
        """
        schema, fields = self.types, _fields_of_all([name for name in columns if name not in ready])
        typed = rows.select(
            *kept,
            *map(aside, ready),
            *(
                prepared(name, schema[name]).cast(_TYPES[name]) if name in schema
                else pl.lit(None, _TYPES[name]).alias(name)
                for name in fields
            ),
        )  # fmt: skip
        for column in (name for name in columns if name in NAMED_COLUMNS and name not in ready):
            typed = self._with_name(typed, column)
        made = (pl.col(aside(name)).alias(name) if name in ready else _made(name, self.columns) for name in columns)
        return typed.select(*kept, *made)

    def with_account(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Put the account of each row beside its fields, as `aside` names it."""
        present = [name for name in KEY_COLUMNS if self.has(name)]
        ready = rows.with_columns(prepared(name, self.types[name]) for name in present)
        return ready.with_columns(account_id_expression(present).alias(aside("account_id")))

    def fields(self, columns: Iterable[str]) -> list[str]:
        """Name the fields of the file that some columns are made of."""
        return [name for name in _fields_of_all(list(columns)) if self.has(name)]

    def is_known(self, column: str, lost: pl.Series) -> pl.Expr:
        """Tell the rows, as `rows` gives them, with a value in a column that is no name, or a name but for some texts.

        Args:
            column: Column of tables.Transactions.
            lost: Texts of which no name can be made.
        """
        *_, field = _fields_of(column)  # what a terminal has beside it is never missing
        if not self.has(field):
            return pl.lit(value=False)
        value = prepared(field, self.types[field])
        return value.is_not_null() & ~value.is_in(lost.implode())

    def once(self, rows: pl.LazyFrame, columns: Iterable[str], ready: Collection[str] = ()) -> pl.LazyFrame:
        """Keep what some columns are made of, each combination of values once; `ready` as for `transactions`."""
        fields = self.fields(name for name in columns if name not in ready)
        return rows.select(*map(aside, ready), *fields).unique()

    def placed(self, number: int) -> pl.LazyFrame:
        """Open all rows as tables.Transactions with their places, for comparing some of them."""
        made = self.transactions(self.rows(numbered=True), COLUMNS, LINE)
        line = pl.col(LINE).cast(pl.Int64).alias(SOURCE_COLUMNS[1])
        return made.select(*COLUMNS, pl.lit(number, pl.Int32).alias(SOURCE_COLUMNS[0]), line)

    def _with_name(self, rows: pl.LazyFrame, column: str) -> pl.LazyFrame:
        """Put the name of each text beside it: a text that is no exception is known to be plain."""
        source, name = NAMED_COLUMNS[column], aside(column)
        if not self.has(source):
            return rows.with_columns(pl.lit(None, pl.String).alias(name))
        text = pl.col(source)
        short = plain_descriptor(text) if source == "descriptor" else plain_host(text)
        exceptions = self.table("exceptions").filter(pl.col("field") == source).unique("raw").collect()
        if exceptions.is_empty():
            return rows.with_columns(short.alias(name))
        known = exceptions.lazy().select(
            pl.col("raw").alias(source), pl.col("name").alias(name), pl.lit(value=True).alias(_EXCEPTED)
        )
        joined = rows.join(known, on=source, how="left")
        return joined.with_columns(pl.when(_EXCEPTED).then(name).otherwise(short).alias(name)).drop(_EXCEPTED)


def aside(column: str) -> str:
    """Name the place of a column of tables.Transactions beside the fields, some of which have the same name."""
    return f"({column})"


def joined(files: Sequence[PlainFile]) -> list[PlainFile]:
    """Read files alike as one, all of whose rows were accepted; the others stay on their own."""
    whole = [file for file in files if not file.rejected_lines]
    alike: dict[tuple[object, ...], list[PlainFile]] = {}
    for file in whole:
        alike.setdefault((tuple(file.columns.items()), tuple(file.types.items())), []).append(file)
    return [*map(_as_one, alike.values()), *(file for file in files if file.rejected_lines)]


def _as_one(files: Sequence[PlainFile]) -> PlainFile:
    firsts = [file.first_at for file in files if file.first_at]
    lasts = [file.last_at for file in files if file.last_at]
    return PlainFile(
        paths=tuple(path for file in files for path in file.paths),
        columns=files[0].columns,
        types=files[0].types,
        tables={name: tables_of(files, name) for name in files[0].tables},
        first_at=min(firsts, default=None),
        last_at=max(lasts, default=None),
        states=tuple(state for file in files for state in file.states),
    )


def tables_of(files: Iterable[PlainFile], name: str) -> tuple[Path, ...]:
    """List the tables of one kind about some files, each once: files may share tables of names, or have none yet."""
    return tuple(dict.fromkeys(path for file in files for path in file.tables.get(name, ())))


@contextmanager
def unchanged(files: Sequence[PlainFile]) -> Iterator[None]:
    """Hold files to what they were when they were judged, until the end of what is done with them.

    Raises:
        InputError: Some were changed, replaced or removed; it stands for whatever else that led to.
    """
    try:
        yield
    finally:
        changed = tuple(PROBLEMS["MS-FILE-014"].at(path.name) for file in files for path in file.changed)
        if changed:
            raise InputError(f"{len(changed)} input files have changed", changed)


def plain_file(
    path: Path, columns: Mapping[str, str], surveyed: Mapping[str, Any], state: tuple[int, int, int]
) -> PlainFile:
    """Make the record of a file out of what its survey came to, see `survey.Surveyor.survey`."""
    first, last = (surveyed[name] and datetime.fromisoformat(surveyed[name]) for name in ("first_at", "last_at"))
    tables = {name: tuple(map(Path, paths)) for name, paths in surveyed["tables"].items()}
    stored = pl.read_parquet_schema(path)
    types = {ours: stored[theirs] for ours, theirs in columns.items()}
    return PlainFile((path,), columns, types, tables, first or None, last or None, (state,))


def sharing(files: Mapping[int, PlainFile]) -> dict[int, PlainFile]:
    """Give files that were surveyed one after the other all names and accounts: each brought along what was new."""
    together = {name: tables_of(files.values(), name) for name in ("names", "exceptions", "accounts")}
    return {number: replace(file, tables={**file.tables, **together}) for number, file in files.items()}


def _state_now(path: Path) -> tuple[int, int, int] | None:
    try:
        return state_of(path)
    except OSError:
        return None


def state_of(path: Path) -> tuple[int, int, int]:
    """Return size, time of change and inode of a file."""
    found = path.lstat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _fields_of(column: str) -> tuple[str, ...]:
    """Name the fields of tables.TransactionRows that a column of tables.Transactions is made of."""
    match column:
        case "account_id":
            return KEY_COLUMNS
        case "terminal":
            return "acquirer_id", "terminal_id"
        case _:
            return (NAMED_COLUMNS.get(column, column),)


def _fields_of_all(columns: Sequence[str]) -> list[str]:
    return sorted({name for column in columns for name in _fields_of(column)})


def _made(column: str, present: Mapping[str, str]) -> pl.Expr:
    """Make one column of tables.Transactions of typed fields."""
    match column:
        case "account_id":
            return account_id_expression([name for name in KEY_COLUMNS if name in present]).alias(column)
        case "terminal":
            return pl.concat_str("acquirer_id", pl.lit("/"), "terminal_id").alias(column)
        case _ if column in NAMED_COLUMNS:
            return pl.col(aside(column)).alias(column)
        case _ if column in _DEFAULTS:
            return pl.col(column).fill_null(_DEFAULTS[column])
        case _:
            return pl.col(column)
