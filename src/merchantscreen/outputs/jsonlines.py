"""Frames as JSON lines, the exact form of every evidence file.

Rules kept here:
* one object per line, columns in the order of the table, no blanks, UTF-8 as it is;
* moments are `2026-11-01T00:00:00Z`, with microseconds only where there are any; days are ISO;
* floats are written in their shortest exact form, as Python writes them; NaN and infinities are refused;
* the same frame gives the same bytes on every machine.

Whole columns are written at once, and a property test holds the lines against Python's own JSON, text by text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final, NoReturn

import dataframely as dy
import polars as pl

from merchantscreen.errors import InputError
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.tables import schema_of

_CHUNK_ROWS: Final = 16_384
_SECONDS: Final = "%Y-%m-%dT%H:%M:%SZ"
_MICROSECONDS: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"
_ANY_SECONDS: Final = "%Y-%m-%dT%H:%M:%S%.fZ"


def json_lines(frame: pl.DataFrame) -> Iterator[bytes]:
    """Write a frame as JSON lines, in pieces of some thousand rows.

    Raises:
        ValueError: A float is not finite: JSON has no word for it.
    """
    for piece in frame.iter_slices(_CHUNK_ROWS):
        yield "".join(_lines(with_written_times(piece))).encode()


def with_written_times(frame: pl.DataFrame) -> pl.DataFrame:
    """Replace moments and days by the text that stands for them in every output."""
    return frame.with_columns(_written(name, dtype) for name, dtype in frame.schema.items() if dtype.is_temporal())


def _written(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Date:
        return column.dt.strftime("%Y-%m-%d")
    whole = column.dt.microsecond() == 0
    return pl.when(whole).then(column.dt.strftime(_SECONDS)).otherwise(column.dt.strftime(_MICROSECONDS)).alias(name)


def _lines(written: pl.DataFrame) -> list[str]:
    """Write every row as its line: runs of columns that are floats, or are not, one after the other."""
    runs = [
        pl.lit(_floats(written.select(run)) if are_floats else _others(written.select(run)))
        for are_floats, run in groupby(written.columns, lambda name: written.schema[name].is_float())
    ]
    commas = [pl.lit(",")] * len(runs)
    members = [part for pair in zip(commas, runs, strict=True) for part in pair][1:]
    return pl.select(pl.concat_str([pl.lit("{"), *members, pl.lit("}\n")])).to_series().to_list()


def _others(columns: pl.DataFrame) -> pl.Series:
    """Write the members of columns that Polars writes as Python does, without the braces around them."""
    return columns.to_struct().struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")


def _floats(columns: pl.DataFrame) -> pl.Series:
    """Write the members of columns of floats, where Polars would write `1e-5` and Python writes `1e-05`."""
    named = [
        pl.concat_str(pl.lit(f'"{name}":'), pl.Series(_float_texts(columns[name].to_list())))
        for name in columns.columns
    ]
    return pl.select(pl.concat_str(named, separator=",")).to_series()


def _float_texts(numbers: list[float | None]) -> list[str]:
    return json.dumps(numbers, allow_nan=False, separators=(",", ":"))[1:-1].split(",")


def read_json_lines(content: bytes, table: type[dy.Schema], where: str) -> pl.DataFrame:
    """Read what `json_lines` wrote back into a frame of its table.

    Raises:
        InputError: with the first line that does not fit the table.
    """
    schema = schema_of(table)
    rows = [_values(line, tuple(schema), where, number) for number, line in enumerate(content.splitlines(), start=1)]
    plain = {name: pl.String() if dtype.is_temporal() else dtype for name, dtype in schema.items()}
    try:
        frame = pl.DataFrame(rows, schema=plain, orient="row", strict=True)
        return frame.with_columns(_read(name, dtype) for name, dtype in schema.items() if dtype.is_temporal())
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise _unfit(where, None) from error


def _values(line: bytes, columns: tuple[str, ...], where: str, number: int) -> tuple[Any, ...]:
    try:
        row = json.loads(line, object_pairs_hook=tuple, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _unfit(where, number) from error
    if not isinstance(row, tuple) or tuple(name for name, _ in row) != columns:
        raise _unfit(where, number)
    return tuple(value for _, value in row)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _read(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name).str
    return column.to_date("%Y-%m-%d") if dtype == pl.Date else column.to_datetime(_ANY_SECONDS, time_unit="us")


def _unfit(where: str, line: int | None) -> InputError:
    return InputError(f"{where} does not fit its table", (PROBLEMS["MS-RUN-017"].at(where, line),))
