r"""Frames as CSV that a spreadsheet may open: RFC 4180, and no cell that turns into a formula.

Rules kept here:
* only text that came from outside is neutralised; numbers stay numbers, since they come from typed columns;
* a formula sign at the start of a cell gets a `'` before it, also behind blanks and control
  characters, in its fullwidth forms, and behind each `;`, where some locales begin a cell;
* what acts unseen, on a terminal or in a reader that drops it, is shown as an escape such as `\x1b`;
* CSV is for eyes: the exact values are in the JSON lines.

Source: row 7 and section 0.9 of the threat model; OWASP on CSV injection.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import polars as pl

from merchantscreen.outputs.jsonlines import with_written_times
from merchantscreen.outputs.text import escaped

_CHUNK_ROWS: Final = 16_384
_FORMULA_SIGN: Final = "=+\\-@＝＋－＠﹦﹢﹣﹫−"
_UNSEEN: Final = r"\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_CELL_START: Final = re.compile(rf"(^|;)(?=[{_UNSEEN}]*[{_FORMULA_SIGN}])")
_CONTROL_START: Final = re.compile(r"[\t\r\n\x00]")


def csv_lines(frame: pl.DataFrame) -> Iterator[bytes]:
    """Write a frame as CSV with a header, in pieces of some thousand rows."""
    written = with_written_times(frame)
    yield _csv([written.columns])
    for piece in written.iter_slices(_CHUNK_ROWS):
        yield _csv(zip(*map(_cells, piece), strict=True))


def neutralised(text: str) -> str:
    """Put a `'` where a spreadsheet would begin a formula, and show what acts unseen."""
    marked = _CELL_START.sub(r"\1'", text)
    return escaped(f"'{marked}" if _CONTROL_START.match(marked) else marked)


def _cells(column: pl.Series) -> list[str]:
    """Write a column; a text or list of texts that stands in many rows is looked at once."""
    if column.dtype == pl.List(pl.String):
        column = column.list.join(";")
    values = column.to_list()
    if column.dtype != pl.String:
        return [_cell(value) for value in values]
    cells = {value: _cell(value) for value in set(values)}
    return [cells[value] for value in values]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return neutralised(value)
        case _:
            return repr(value)


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
