"""Judges a Parquet file that stays where it is, column by column, and tells what has to be known of it.

Rules kept here:
* a file is read in place only where its columns have our types already; all others are staged;
* every value is judged, and judged by the rules of `fields`; rows with a value that could break one are judged
  once more as whole rows, which alone says what is wrong with them;
* nothing of a rejected value is kept, and of no row more than its account, its names, and a hash of its key.

A condition on a single column is answered by the decoder once for each distinct value of a row group, so that
is how everything is asked here: rows are not put together for it. Bounds that a file states of itself are not
believed.

A file with too many distinct names is staged as well: its list of names would be another copy of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

import polars as pl

from merchantscreen.identifiers import KEY_COLUMNS
from merchantscreen.intake import fields, parquet, soundness
from merchantscreen.intake.accountbook import AccountBook
from merchantscreen.intake.hosts import HOST_COLUMNS
from merchantscreen.intake.keys import HASH, key_hash, or_null
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.mapping import ColumnPlan
from merchantscreen.intake.naming import NAMED, CrowdedError, NameBook
from merchantscreen.intake.problems import REJECT_ROW_SCHEMA
from merchantscreen.tables import TransactionRows, Transactions, schema_of

__all__ = ["CrowdedError", "Surveyor", "is_plain"]

MOST_TEXTS: Final = 4_000_000
"""Distinct texts of one field up to which a file is read in place: about half a gigabyte."""
_TYPES: Final = schema_of(TransactionRows)
_NO_LINES: Final = pl.Series(LINE, [], pl.Int64)
_SIDE_BY_SIDE: Final = 2
"""Questions that are asked of a file at once: between scans, which keep all cores busy, one does what only one can."""
_SPAN_ROWS: Final = 2_500_000
"""Rows that are hashed at once, 32 bytes each."""
Tell = Callable[[int, pl.DataFrame], None]
"""Told of rows that were read, and of those among them that are rejected (problems.REJECT_ROW_SCHEMA)."""


def is_plain(schema: Mapping[str, pl.DataType], plan: ColumnPlan) -> bool:
    """Tell whether the columns of a file can be used as they are: one for each field, of its type."""
    return (
        not plan.constants
        and not plan.values
        and all(_fits(schema[theirs], _TYPES[ours]) for ours, theirs in plan.columns.items())
    )


def _fits(theirs: pl.DataType, ours: pl.DataType) -> bool:
    match ours:
        case pl.Int64():
            return theirs.is_integer()
        case pl.Datetime():
            return isinstance(theirs, pl.Datetime)
        case _:
            return theirs == ours


@dataclass(frozen=True, slots=True)
class _Stored:
    """A file as it is stored.

    Attributes:
        path: The file.
        plan: The column of each field.
        row_count: Its rows.
        rejected: Lines of the rows that are left out.
    """

    path: Path
    plan: ColumnPlan
    row_count: int
    rejected: pl.Series = field(default_factory=_NO_LINES.clone)

    def where(self, name: str, condition: Callable[[pl.Expr], pl.Expr]) -> pl.LazyFrame:
        """Give the rows, all but the rejected, whose value of a field meets a condition."""
        return self._left(self._all().filter(condition(pl.col(self.plan.columns[name]))))

    def lines(self, name: str, condition: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
        """List the lines of such rows."""
        return self.where(name, condition).select(pl.col(LINE).cast(pl.Int64)).collect(engine="streaming")[LINE]

    def count(self, name: str, condition: Callable[[pl.Expr], pl.Expr]) -> int:
        """Count such rows."""
        return int(self.where(name, condition).select(pl.len()).collect(engine="streaming").item())

    def has(self, name: str, condition: Callable[[pl.Expr], pl.Expr]) -> bool:
        """Tell whether there is such a row; the search ends with the first."""
        return bool(self.where(name, condition).select(LINE).head(1).collect(engine="streaming").height)

    def rows(self, *names: str, start: int = 0, count: int | None = None) -> pl.LazyFrame:
        """Give rows, all of some or of the file but the rejected: `LINE` and some fields under our names."""
        columns = (pl.col(self.plan.columns[name]).alias(name) for name in names)
        some = self._all() if count is None else self._all().slice(start, count)
        return self._left(some).select(pl.col(LINE).cast(pl.Int64), *columns)

    def _all(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.path, glob=False, hive_partitioning=False, cache=False, use_statistics=False,
                               row_index_name=LINE, row_index_offset=1)  # fmt: skip

    def _left(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(~pl.col(LINE).is_in(self.rejected.implode())) if self.rejected.len() else rows


class Surveyor:
    """Surveys one file after the other, and remembers what most of them have in common.

    Args:
        folder: Where tables go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = NameBook()
        self._accounts = AccountBook()
        self._present: set[str] = set()

    def survey(self, path: Path, plan: ColumnPlan, row_count: int, name: str, tell: Tell) -> dict[str, Any]:
        """Judge a file and say what has to be known of it.

        Args:
            path: The file.
            plan: The column of each field; `is_plain` holds.
            row_count: Its rows.
            name: Start of the names of its tables.
            tell: Told of the rows as they are judged.

        Returns:
            `tables`, the files of each, those of names and accounts only with what no earlier file had; `stripped` and
            `unreadable`, rows per field; `present`, columns of tables.Transactions with values, those of earlier
            files among them; `first_at` and `last_at`, ISO 8601, None without rows.

        Raises:
            CrowdedError: The file is to be staged instead.
        """
        whole = _Stored(path, plan, row_count)
        steps = _Steps(row_count, sum(1 + (column in NAMED) for column in plan.columns), tell)
        # what meets texts holds the interpreter, so nothing else is done meanwhile
        texts = {column: steps.after(_met(whole, column)) for column in NAMED if column in plan.columns}
        doubtful = [steps.after(_of_open(whole, column)) for column in plan.columns if _is_open(column)]
        rest = [column for column in plan.columns if not _is_open(column)]
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
            each = threads.map(lambda column: self._doubtful(whole, column, texts), rest)
            doubtful += [steps.after(lines) for lines in each]
            file = replace(whole, rejected=_rejected(whole, pl.concat(doubtful).unique(), tell))
            others = threads.submit(self._tables, file, name)
            named = self._names.add(texts, self._folder / name)
            self._note_present(file)
            facts = {"present": sorted(self._columns_present()), **self._losses(file), **_span(file)}
        return {"tables": {**others.result(), **named}, **facts}

    def _doubtful(self, file: _Stored, name: str, texts: dict[str, pl.Series]) -> pl.Series:
        """List the lines with a value of a field that could break a rule.

        Args:
            file: The file.
            name: A field, none of `_is_open`.
            texts: What was met in the fields of names; of this one only what is new and well is left.
        """
        if name in NAMED:
            values = self._names.new(name, texts[name])
            marks = fields.doubtful_values(values.alias(name), TransactionRows)
            texts[name] = values.filter(~marks)
            return _lines_of(file, name, values.filter(marks))
        if _TYPES[name] == pl.String:
            return _lines_of(file, name, _bad(_unsure(file, name).alias(name)))
        if _TYPES[name] == pl.Datetime and _is_within_years(file, name):
            return _NO_LINES
        return file.lines(name, partial(soundness.doubt, name, TransactionRows))

    # ----------------------------------------------------------------------- what is known of a judged file

    def _tables(self, file: _Stored, name: str) -> dict[str, list[str]]:
        """Write the hashes of the keys and the accounts."""
        present, hashes = tuple(file.plan.columns), []
        for start in range(0, max(1, file.row_count), _SPAN_ROWS):
            span = file.rows(*present, start=start, count=_SPAN_ROWS)
            rows = span.select(LINE, key_hash(present), self._accounts.mark(present)).collect(engine="streaming")
            path = self._folder / f"{name}-hashes-{start}.parquet"
            rows.select(hash=HASH).drop_nulls().write_parquet(path, compression="uncompressed", statistics=False)
            hashes.append(str(path))
            self._accounts.note(rows)
        keys = [column for column in KEY_COLUMNS if column in present]
        accounts = file.rows(*keys).select(LINE, *(or_null(column, keys) for column in KEY_COLUMNS))
        return {"hashes": hashes, **self._accounts.take(accounts, self._folder / name)}

    def _note_present(self, file: _Stored) -> None:
        """Look for a value in the fields in which none was found before; a name has to be made out to count."""
        for name in set(file.plan.columns) - self._present:
            if file.has(name, partial(self._is_value, name)):
                self._present.add(name)

    def _is_value(self, name: str, values: pl.Expr) -> pl.Expr:
        is_text = _TYPES[name] == pl.String
        there = values.is_not_null() & (values != "") if is_text else values.is_not_null()
        return there & ~self._names.is_lost(name, values) if name in NAMED else there

    def _columns_present(self) -> set[str]:
        """Name the columns of tables.Transactions with values."""
        derived = {"terminal_id": "terminal", **HOST_COLUMNS}
        always = {"account_id", "transaction_type", "outcome"} if self._present else set()
        return ({derived.get(name, name) for name in self._present} | always) & set(schema_of(Transactions))

    def _losses(self, file: _Stored) -> dict[str, dict[str, int]]:
        """Count the rows of whose text only a part was kept, and those of whose text no host could be made."""
        book, named = self._names, [name for name in NAMED if name in file.plan.columns]
        stripped = {name: self._cut_count(file, name) for name in named if book.has_cut(name)}
        unreadable = {
            name: file.count(name, partial(book.is_lost, name))
            for name in named
            if name in HOST_COLUMNS and book.has_lost(name)
        }
        return {
            "stripped": {name: count for name, count in stripped.items() if count},
            "unreadable": {name: count for name, count in unreadable.items() if count},
        }

    def _cut_count(self, file: _Stored, name: str) -> int:
        """Count the rows of whose text only a part was kept; rows that a condition lets through cost, so the fewer."""
        if not self._names.is_mostly_cut(name):
            return file.count(name, partial(self._names.is_cut, name))
        whole = file.count(name, lambda column: ~self._names.is_cut(name, column))
        return file.count(name, lambda column: column.is_not_null()) - whole


def _is_within_years(file: _Stored, name: str) -> bool:
    """Tell from the ends alone that all moments are there and sound: reading the year of each would take longer."""
    years = pl.min("at").dt.year().alias("first"), pl.max("at").dt.year().alias("last")
    ends = file.rows(name).select(at=name).select(*years, missing=pl.col("at").null_count())
    first, last, missing = ends.collect(engine="streaming").row(0)
    return not missing and first is not None and soundness.are_sound_years(first, last)


def _is_open(name: str) -> bool:
    """Tell a field of texts of no set shape that are no names: all of them have to be looked at."""
    return _TYPES[name] == pl.String and name not in NAMED and not soundness.is_shaped(name, TransactionRows)


def _of_open(file: _Stored, name: str) -> pl.Series:
    """List the lines with a text of such a field that could break a rule."""
    return _lines_of(file, name, _bad(_met(file, name).unique().alias(name)))


def _bad(values: pl.Series) -> pl.Series:
    return values.filter(fields.doubtful_values(values, TransactionRows))


def _lines_of(file: _Stored, name: str, bad: pl.Series) -> pl.Series:
    """List the lines that hold a bad text, or none where there has to be one."""
    is_required = not TransactionRows.columns()[name].nullable
    if bad.is_empty() and not is_required:
        return _NO_LINES
    return file.lines(name, lambda column: _is_bad(column, bad, is_required=is_required))


def _unsure(file: _Stored, name: str) -> pl.Series:
    """List the texts of a field with a set shape that are not surely well.

    Raises:
        CrowdedError: There are too many to have them in memory.
    """
    doubted = file.where(name, partial(soundness.doubt, name, TransactionRows)).select(file.plan.columns[name])
    _check_crowd(file, doubted)
    return doubted.unique().collect(engine="streaming").to_series()


def _met(file: _Stored, name: str) -> pl.Series:
    """List the texts of a field, perhaps several times.

    Raises:
        CrowdedError: There are too many to have them in memory.
    """
    met = _Met()
    file.count(name, lambda column: column.map_batches(met, return_dtype=pl.Boolean, is_elementwise=True))
    return met.texts()


class _Met:
    """Meets the texts that the decoder comes across, of a dictionary once for each group of rows.

    It is called from the threads of the engine, which must not be made to wait for the engine: series alone are
    handled here, no expression.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._found = [pl.Series(dtype=pl.String)]
        self._count = 0
        self._is_crowded = False

    def __call__(self, values: pl.Series) -> pl.Series:
        """Note some texts, and say of each row that it is not wanted."""
        with self._lock:
            if not self._is_crowded:
                self._note(values.drop_nulls().alias(""))
        return pl.Series([False]).new_from_index(0, values.len())

    def texts(self) -> pl.Series:
        """Give all texts, perhaps several times.

        Raises:
            CrowdedError: There were too many.
        """
        if self._is_crowded:
            raise CrowdedError
        found = pl.concat(self._found)
        return found.filter(found != "")

    def _note(self, texts: pl.Series) -> None:
        self._found.append(texts)
        self._count += texts.len()
        if self._count > 2 * MOST_TEXTS:
            self._found = [pl.concat(self._found).unique()]
            self._count = self._found[0].len()
            self._is_crowded = self._count > MOST_TEXTS


def _is_bad(column: pl.Expr, bad: pl.Series, *, is_required: bool) -> pl.Expr:
    found = column.is_in(bad.implode())
    return found | column.is_null() | (column == "") if is_required else found


# --------------------------------------------------------------------------- all fields


class _Steps:
    """Tells of the rows of a file in equal shares, one for each question: asking it is the work.

    Args:
        row_count: Rows of the file.
        step_count: Questions.
        tell: Told.
    """

    def __init__(self, row_count: int, step_count: int, tell: Tell) -> None:
        self._row_count, self._step_count, self._tell = row_count, step_count, tell
        self._done_count = 0

    def after(self, answer: pl.Series) -> pl.Series:
        """Tell that a question is answered."""
        told = self._row_count * self._done_count // self._step_count
        self._done_count += 1
        rows = self._row_count * self._done_count // self._step_count - told
        self._tell(rows, pl.DataFrame(schema=REJECT_ROW_SCHEMA))
        return answer


def _check_crowd(file: _Stored, texts: pl.LazyFrame) -> None:
    """Refuse texts that are about as many as rows, before they are all in memory.

    Raises:
        CrowdedError: There are too many.
    """
    if file.row_count > MOST_TEXTS:
        counted = texts.select(pl.all().approx_n_unique()).collect(engine="streaming")
        if counted.item() > MOST_TEXTS:
            raise CrowdedError


def _rejected(file: _Stored, doubtful: pl.Series, tell: Tell) -> pl.Series:
    """Judge doubtful rows as whole rows, and list the lines of those that are rejected."""
    size = parquet.BATCH_ROWS["transactions"]
    rejected = [_NO_LINES]
    for number in ((doubtful - 1) // size).unique().sort():
        rows = parquet.batch(file.path, file.plan, number * size, size)
        judged = fields.judge_exactly(rows.filter(pl.col(LINE).is_in(doubtful.implode())), TransactionRows)
        tell(0, judged.rejected)
        rejected.append(judged.rejected["line"].alias(LINE))
    return pl.concat(rejected)


def _span(file: _Stored) -> dict[str, str | None]:
    """State the moments of the earliest and the latest row."""
    column = file.plan.columns["occurred_at"]
    moment = parquet.prepared(column, pl.read_parquet_schema(file.path)[column])
    rows = file.rows("occurred_at").select(moment.alias("at"))
    ends = rows.select(first_at=pl.col("at").min(), last_at=pl.col("at").max()).collect(engine="streaming")
    return {name: end and end.isoformat() for name, end in ends.row(0, named=True).items()}
