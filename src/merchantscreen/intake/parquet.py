"""Parquet decoding, for the child process only: a broken file can end the process it is read in.

Rules kept here:
* the schema is checked before a single value is decoded: required columns, compatible types;
* amounts stored as fractions and codes stored as numbers are refused, not repaired;
* times of any unit and zone become UTC microseconds, an empty text is null as in CSV;
* rows are numbered from 1, and pass the same checks of fields as CSV records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import dataframely as dy
import polars as pl

from merchantscreen.errors import Problem
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.mapping import ColumnPlan, RoleMapping, plan_columns
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.tables import schema_of

BATCH_ROWS: Final = {"transactions": 250_000, "merchants": 100_000}
"""Rows that are decoded and judged at once; a merchant row is large."""

_TEXT_LIKE: Final = (pl.String, pl.Categorical, pl.Enum, pl.Null)


def inspect(path: Path, table: type[dy.Schema], mapping: RoleMapping) -> tuple[ColumnPlan, list[Problem], int]:
    """Read footer and schema; return the plan for its columns, the problems, and the number of rows."""
    schema = pl.read_parquet_schema(path)
    plan, problems = plan_columns(path.name, list(schema), table, mapping)
    problems += type_problems(path.name, schema, plan, table)
    rows = int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    return plan, problems + ([] if rows else [PROBLEMS["MS-PQT-002"].at(path.name)]), rows


def type_problems(
    where: str, schema: Mapping[str, pl.DataType], plan: ColumnPlan, table: type[dy.Schema]
) -> list[Problem]:
    """Find the columns whose stored type cannot become that of the field they fill."""
    types, problems = schema_of(table), []
    for ours, theirs in plan.columns.items():
        if theirs not in schema:
            continue
        code = _type_problem(schema[theirs], types[ours], translated=ours in plan.values)
        problems += [PROBLEMS[code].at(where, None, ours, found=_found(code, schema[theirs]))] if code else []
    return problems


def _found(code: str, dtype: pl.DataType) -> str | None:
    return f"a column of type {dtype}" if code == "MS-COL-004" else None


def _type_problem(theirs: pl.DataType, ours: pl.DataType, *, translated: bool) -> str | None:
    """Say why a stored type cannot become ours; None when it can. Texts are read as in CSV."""
    if isinstance(theirs, _TEXT_LIKE):
        return None
    match ours:
        case pl.String():
            number = theirs.is_numeric()
            return None if translated and theirs.is_integer() else "MS-COL-006" if number else "MS-COL-004"
        case pl.Int64():
            whole = theirs.is_integer() or (isinstance(theirs, pl.Decimal) and theirs.scale == 0)
            return None if whole else "MS-COL-005" if theirs.is_numeric() else "MS-COL-004"
        case pl.List():
            return None if theirs == pl.List(pl.String) else "MS-COL-004"
        case _:
            return None if theirs.base_type() is ours.base_type() else "MS-COL-004"


def batches(path: Path, plan: ColumnPlan, rows: int, size: int) -> Iterator[pl.DataFrame]:
    """Yield the rows in file order: `LINE` and the fields that the file fills, ready to be judged.

    Slices are decoded one after the other: measured a fifth of the memory of a stream that reads ahead.
    """
    for start in range(0, rows, size):
        yield batch(path, plan, start, size)


def batch(path: Path, plan: ColumnPlan, start: int, size: int) -> pl.DataFrame:
    """Read some rows, the first of them at `start` from 0: `LINE` and the fields that the file fills."""
    scan = pl.scan_parquet(path, glob=False, row_index_name=LINE, row_index_offset=1)
    wanted = scan.select(pl.col(LINE).cast(pl.Int64), *dict.fromkeys(plan.columns.values()))
    fields = plan.apply(wanted.slice(start, size).collect(engine="streaming"), LINE)
    return fields.with_columns(prepared(name, dtype) for name, dtype in fields.schema.items() if name != LINE)


def prepared(name: str, dtype: pl.DataType) -> pl.Expr:
    """Bring a stored column into a form that fields.judge reads."""
    column = pl.col(name)
    match dtype:
        case pl.Null() | pl.Categorical() | pl.Enum() | pl.String():
            text = column.cast(pl.String)
            return pl.when(text != "").then(text).alias(name)
        case pl.Datetime():
            utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else column
            return utc.dt.cast_time_unit("us")
        case pl.List():
            items = column.list.eval(pl.element().filter(pl.element() != ""))
            return pl.when(items.list.len() > 0).then(items).alias(name)
        case _:
            return column
