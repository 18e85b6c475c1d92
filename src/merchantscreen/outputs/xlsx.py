"""A run as a workbook for analysts who live in a spreadsheet.

Rules kept here:
* a view of the bundle; the exact values are in its JSON lines, and the first sheet says so;
* every cell is written by its type; text is only ever text, in cells of the format Text, so that it becomes no
  formula and no link, not even when somebody edits the cell and presses Enter;
* a truth is written yes or no: LibreOffice would make a formula of it;
* domains are defanged, and what acts unseen is shown as an escape;
* the same bundle gives the same bytes: no clock, no machine, no user in the file;
* what a sheet or a cell cannot hold is cut, and the first sheet tells how much; nothing is left out unsaid;
* of what is under a law-enforcement hold only the number of accounts is told.

Source: rows 7, 9 and 17 of the threat model; Excel specifications and limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import polars as pl
import xlsxwriter  # type: ignore[import-untyped]  # it ships no types

from merchantscreen.outputs.blindspots import sentences
from merchantscreen.outputs.console import DISCLAIMER
from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.text import counted, defanged, escaped, visible
from merchantscreen.tables import INPUT_TABLES
from merchantscreen.vocabulary import Tier

SHEET_ROWS: Final = 1_048_576
"""Most rows of a sheet, its header among them."""
CELL_CHARACTERS: Final = 32_767
"""Most characters of a cell."""
_EXACT_DIGITS: Final = 10**15
"""From here on a spreadsheet rounds whole numbers, so they are written as text."""
_FIRST_DAY: Final = date(1900, 3, 1)
"""Before it spreadsheets disagree about the number of a day, so it is written as text."""
_OPTIONS: Final = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
_WIDEST: Final = 60
_NARROWEST: Final = 8
_MEASURED_ROWS: Final = 200
_HOSTS: Final = frozenset({
    "counterpart", "seen_as", "domain", "registrable", "label", "dba_name", "strongest_link", "reason", "subject",
})  # fmt: skip
"""Columns in which a domain may stand."""
_COLUMN_NAMES: Final = frozenset(
    f"{role}.{name}" for role, table in INPUT_TABLES.items() for name in table.column_names()
)
"""`transactions.descriptor` has a dot and is no host."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: its name, and the rows it shows."""

    name: str
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Workbook:
    """A workbook and what it does not hold.

    Attributes:
        data: The bytes of the file.
        rows: Rows by sheet, without headers; `about` is not among them.
        cuts: What was cut, a sentence each.
    """

    data: bytes
    rows: Mapping[str, int]
    cuts: tuple[str, ...]


def workbook_of(
    bundle: Bundle, rejects: pl.DataFrame, work: Path, notes: Sequence[str] = (), *, most_rows: int = SHEET_ROWS
) -> Workbook:
    """Write the workbook of a run.

    Args:
        bundle: The run.
        rejects: tables.Rejects of the run.
        work: Private folder for sheets underway, so that a large ledger needs no memory.
        notes: What to say on the first sheet besides, such as what was withheld.
        most_rows: Most rows of a sheet, its header among them.
    """
    sheets = _sheets(bundle, rejects)
    stream = BytesIO()
    book = xlsxwriter.Workbook(stream, _OPTIONS | {"tmpdir": str(work)})
    book.set_properties({"title": f"Run {visible(bundle.manifest.run_id)}", "created": _moment(bundle.manifest.as_of)})
    formats = _Formats.of(book)
    about = book.add_worksheet("about")
    cuts = [cut for sheet in sheets for cut in _write_sheet(book, formats, sheet, most_rows)]
    told = [*(("Redacted", note) for note in notes), *(("Cut", cut) for cut in cuts)]
    _write_about(about, formats, [*_about(bundle), *told])
    book.close()
    rows = {sheet.name: min(sheet.frame.height, most_rows - 1) for sheet in sheets}
    return Workbook(stream.getvalue(), rows, tuple(cuts))


def _moment(written: str) -> datetime:
    return datetime.fromisoformat(written.removesuffix("Z"))


# --------------------------------------------------------------------------- what it holds


def _sheets(bundle: Bundle, rejects: pl.DataFrame) -> tuple[Sheet, ...]:
    return (
        Sheet("ranking", bundle.ranking),
        Sheet("ledger", bundle.ledger),
        Sheet("rules", bundle.rules),
        Sheet("referrals", bundle.domains.filter(~pl.col("held"))),
        Sheet("blind spots", bundle.blind_spots),
        Sheet("rejects", rejects),
    )


def _about(bundle: Bundle) -> Iterator[tuple[str, str | int]]:
    """Say what the run is, what it read and what nobody has approved."""
    manifest, approval = bundle.manifest, bundle.manifest.policy.approval
    for line in banner(manifest):
        yield "POLICY", line.plain
    yield "Meaning", DISCLAIMER
    yield "Run", manifest.run_id
    yield "As of (UTC)", manifest.as_of
    yield "Made (UTC)", manifest.created_at
    yield "Program", f"merchantscreen {manifest.versions['merchantscreen']}"
    yield "Manifest", f"sha256 {manifest.sha256}"
    yield "Policy", manifest.policy.digest
    approved = f"by {approval.approver} at {approval.approved_at}" if manifest.approved else "by nobody"
    yield "Policy approved", approved
    for tier in Tier:
        yield f"Accounts in {tier.value}", manifest.tiers[tier.value]
    yield "Accounts sealed", manifest.sealed_count
    for role, total in manifest.totals.items():
        yield f"{role} read", total.rows_read
        yield f"{role} accepted", total.rows_accepted
        yield f"{role} rejected", total.rows_rejected
    for sentence in sentences(bundle.blind_spots):
        yield "Not tested", sentence
    yield "Domains", "defanged: [.] stands for a dot"
    yield "Figures", "columns ending in _nano are in billionths; times are UTC, to the second; an empty cell: not known"
    yield "Exact values", "are in the JSON lines of the run; lists are joined by semicolons"


# --------------------------------------------------------------------------- how it is written


@dataclass(frozen=True, slots=True)
class _Formats:
    """The few looks of a cell."""

    header: Any
    text: Any
    whole: Any
    number: Any
    moment: Any
    day: Any
    label: Any
    prose: Any

    @classmethod
    def of(cls, book: Any) -> _Formats:
        as_text = {"num_format": "@", "valign": "top"}
        return cls(
            header=book.add_format({"bold": True, "bottom": 1, "num_format": "@"}),
            text=book.add_format(as_text),
            whole=book.add_format({"num_format": "#,##0", "valign": "top"}),
            number=book.add_format({"num_format": "0.000", "valign": "top"}),
            moment=book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss", "valign": "top", "align": "left"}),
            day=book.add_format({"num_format": "yyyy-mm-dd", "valign": "top", "align": "left"}),
            label=book.add_format(as_text | {"bold": True}),
            prose=book.add_format(as_text | {"text_wrap": True}),
        )


def _write_about(page: Any, formats: _Formats, facts: Sequence[tuple[str, str | int]]) -> None:
    page.set_column(0, 0, 24)
    page.set_column(1, 1, 100)
    for row, (name, value) in enumerate(facts):
        page.write_string(row, 0, name, formats.label)
        if isinstance(value, int):
            page.write_number(row, 1, value, formats.whole)
        else:
            page.write_string(row, 1, visible(value, CELL_CHARACTERS), formats.prose)


def _write_sheet(book: Any, formats: _Formats, sheet: Sheet, most_rows: int) -> Iterator[str]:
    """Write a header that stays in sight and can be filtered, then the rows; say what was cut."""
    page = book.add_worksheet(sheet.name)
    shown = sheet.frame.head(most_rows - 1)
    for place, name in enumerate(shown.columns):
        page.write_string(0, place, name, formats.header)
        page.set_column(place, place, _width(name, shown[name]))
    page.freeze_panes(1, 0)
    page.autofilter(0, 0, shown.height, len(shown.columns) - 1)
    too_long: Counter[str] = Counter()
    writers = [_writer(page, formats, name, too_long) for name in shown.columns]
    for row, values in enumerate(shown.iter_rows(), start=1):
        for place, value in enumerate(values):
            if value is not None:
                writers[place](row, place, value)
    whole = sheet.frame.height
    if whole > shown.height:
        yield f"{sheet.name}: the first {shown.height:,} of {whole:,} rows; a sheet holds no more, all are in the run"
    for name, count in sorted(too_long.items()):
        yield f"{sheet.name}, {name}: {counted(count, 'cell')} after {CELL_CHARACTERS:,} characters"


def _writer(page: Any, formats: _Formats, name: str, too_long: Counter[str]) -> Callable[[int, int, Any], None]:
    """Return what writes one cell of a column, by the type of the value."""

    def write(row: int, place: int, value: Any) -> None:
        match value:
            case bool():
                page.write_string(row, place, "yes" if value else "no", formats.text)
            case int() if abs(value) < _EXACT_DIGITS:
                page.write_number(row, place, value, formats.whole)
            case float():
                page.write_number(row, place, value, formats.number)
            case date() if _day_of(value) >= _FIRST_DAY:
                form = formats.moment if isinstance(value, datetime) else formats.day
                page.write_datetime(row, place, _whole_second(value), form)
            case _:
                text = _text(name, value)
                if len(text) > CELL_CHARACTERS:
                    too_long[name] += 1
                    text = text[: CELL_CHARACTERS - 1] + "…"
                page.write_string(row, place, text, formats.text)

    return write


def _day_of(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _whole_second(value: date) -> date:
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def _text(name: str, value: Any) -> str:
    """Write a value as the text of its cell."""
    joined = "; ".join(value) if isinstance(value, list) else str(value)
    shown = escaped(joined)
    return defanged(shown) if name in _HOSTS and joined not in _COLUMN_NAMES else shown


def _width(name: str, column: pl.Series) -> int:
    longest = max((len(_text(name, value)) for value in column.head(_MEASURED_ROWS) if value is not None), default=0)
    return min(_WIDEST, max(_NARROWEST, longest + 2, len(name) + 4))
