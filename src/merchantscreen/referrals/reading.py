"""Reads referral files: JSON lines or CSV in, checked events and counted rejects out.

Rules kept here:
* one line is one event, whole or not at all: every problem of a refused line is listed;
* JSON is strict: no key twice, no NaN, no deep nesting, nothing but objects; a blank line is none;
* CSV is split by the strict parser of the intake, and then passes the same checks as JSON;
* many lines of JSON are read together where `alike` can, and one by one where it cannot;
* what spoils a whole file is collected over all files before anything is raised;
* `read = accepted + rejected` for every file.

What an event may contain is in `events`. CSV has the scalar fields as columns, lists split at
`;`, one payment clue in `clue_...` columns, and links in `redirects_to` and `shares_payment_page_with`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Final

import polars as pl

from merchantscreen.errors import InputError, Problem, ProblemKind
from merchantscreen.intake.files import BLOCK_BYTES, find, open_binary
from merchantscreen.intake.problems import PROBLEMS as INTAKE_PROBLEMS
from merchantscreen.intake.strict import RecordError, split_record
from merchantscreen.records import SourceFile
from merchantscreen.referrals.alike import ROWS, Events, read_alike
from merchantscreen.referrals.events import Issue, ReferralEvent, is_forbidden, shown_name
from merchantscreen.referrals.plain import read_event
from merchantscreen.referrals.problems import PROBLEMS
from merchantscreen.tables import Rejects, schema_of
from merchantscreen.vocabulary import DomainLinkKind

MAX_LINE_BYTES: Final = 65_536
MAX_DEPTH: Final = 16
MANY: Final = 2_000
"""Lines of a file that are worth being read together."""
_MOST_TOGETHER: Final = 50_000
"""Lines that are read together, which bounds the memory for their parts."""
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""A whole string, even an unfinished one, or a bracket. Possessive: linear on any input."""

_LIST_COLUMNS: Final = ("payment_methods", "forwarded_to")
_LINK_COLUMNS: Final[dict[str, DomainLinkKind]] = {
    "redirects_to": DomainLinkKind.REDIRECT,
    "shares_payment_page_with": DomainLinkKind.SHARED_PAYMENT_PAGE,
}
_CLUE_COLUMNS: Final[dict[str, str]] = {
    "clue_merchant_id": "merchant_id",
    "clue_descriptor": "descriptor",
    "clue_amount_minor": "amount_minor",
    "clue_currency": "currency",
    "clue_seen_at": "seen_at",
}
_NUMBER_COLUMNS: Final = frozenset({"confidence", "clue_amount_minor"})
_FLAG_COLUMNS: Final = frozenset({"le_hold"})
_REQUIRED_COLUMNS: Final = ("event", "reporting_hotline_id", "issued_at")

CSV_COLUMNS: Final[tuple[str, ...]] = (
    *(name for name in ReferralEvent.model_fields if name not in {"payment_clues", "domain_links"}),
    *_CLUE_COLUMNS,
    *_LINK_COLUMNS,
)
"""Columns that a CSV file of referral events may have, in any order."""


@dataclass(frozen=True, slots=True)
class ReferralIntake:
    """What the referral files held.

    Attributes:
        events: Accepted events, in the order of files and lines; nothing depends on it.
        sources: One record per file.
        rejects: tables.Rejects, sorted by file, line, column and code.
    """

    events: Sequence[ReferralEvent]
    sources: tuple[SourceFile, ...]
    rejects: pl.DataFrame


def read_referrals(paths: Sequence[Path], *, usual: Mapping[str, str] = _NOTHING, many: int = MANY) -> ReferralIntake:
    """Read all referral files.

    Args:
        paths: Files or folders; a folder stands for its .jsonl or .csv files.
        usual: Cells by column, for every row of a CSV file that has none there.
        many: Lines from which they are read together.

    Raises:
        InputError: A file cannot be used as a whole; the problems of all files are in it.
    """
    files, whole = find(paths, "referrals")
    tallies = [_read_file(_Tally(path.name, place, many), path, usual) for place, path in enumerate(files)]
    whole += [problem for tally in tallies for problem in tally.whole_file]
    if whole:
        raise InputError(f"{len(whole)} problems make the referral files unusable", tuple(whole))
    return ReferralIntake(
        _together(tallies),
        tuple(tally.source() for tally in tallies),
        _rejects([problem for tally in tallies for problem in tally.rejects]),
    )


def _together(tallies: Sequence[_Tally]) -> Sequence[ReferralEvent]:
    """Put the events of all files together; without rows they are no more than a tuple."""
    rows = pl.concat([pl.DataFrame(schema=ROWS), *(frame for tally in tallies for frame in tally.rows)])
    if rows.is_empty():
        return tuple(event for tally in tallies for _, event in tally.events)
    return Events(tuple(((tally.place, line), event) for tally in tallies for line, event in tally.events), rows)


# --------------------------------------------------------------------------- one file


@dataclass(slots=True)
class _Tally:
    """What one file has given so far."""

    name: str
    place: int
    many: int
    events: list[tuple[int, ReferralEvent]] = field(default_factory=list)
    rows: list[pl.DataFrame] = field(default_factory=list)
    rejects: list[Problem] = field(default_factory=list)
    whole_file: list[Problem] = field(default_factory=list)
    rejected_count: int = 0
    size_bytes: int = 0
    sha256: str = ""

    def add(self, line: int, outcome: ReferralEvent | Sequence[Issue]) -> None:
        """Count one line as accepted or rejected."""
        if isinstance(outcome, ReferralEvent):
            self.events.append((line, outcome))
            return
        self.rejected_count += 1
        self.rejects += [_problem(issue, self.name, line) for issue in outcome]

    @property
    def accepted_count(self) -> int:
        """Lines that were accepted."""
        return len(self.events) + sum(frame.height for frame in self.rows)

    def source(self) -> SourceFile:
        """Return the record of the file."""
        accepted = self.accepted_count
        read = accepted + self.rejected_count
        return SourceFile("referrals", self.name, self.size_bytes, self.sha256, read, accepted, self.rejected_count)


def _read_file(tally: _Tally, path: Path, usual: Mapping[str, str]) -> _Tally:
    readers: dict[str, Callable[[_Tally, Iterator[tuple[int, bytes]]], None]] = {
        ".jsonl": _json_lines,
        ".csv": partial(_csv, usual=usual),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        tally.whole_file.append(PROBLEMS["MS-REF-001"].at(path.name))
        return tally
    digest = hashlib.sha256()
    with open_binary(path) as stream:
        reader(tally, enumerate(_lines(stream, tally, digest.update), start=1))
    tally.sha256 = digest.hexdigest()
    if not tally.accepted_count and not tally.rejected_count and not tally.whole_file:
        tally.whole_file.append(PROBLEMS["MS-REF-002"].at(path.name))
    return tally


def _lines(stream: BinaryIO, tally: _Tally, seen: Callable[[bytes], None]) -> Iterator[bytes]:
    """Yield lines without their breaks; of an over-long line no more is kept than shows that it is."""
    rest, is_first = b"", True
    while block := stream.read(BLOCK_BYTES):
        seen(block)
        tally.size_bytes += len(block)
        block = block.removeprefix(_BYTE_ORDER_MARK) if is_first else block
        is_first = False
        *whole, rest = (rest + block).split(b"\n")
        rest = rest[: MAX_LINE_BYTES + 2]
        yield from (line.removesuffix(b"\r") for line in whole)
    if rest:
        yield rest.removesuffix(b"\r")


def _decode(raw: bytes) -> str | Issue:
    if len(raw) > MAX_LINE_BYTES:
        return Issue("MS-REF-010", None)
    if b"\0" in raw:
        return Issue("MS-REF-012", None)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return Issue("MS-REF-011", None)


def _problem(issue: Issue, name: str, line: int | None) -> Problem:
    kinds: Mapping[str, ProblemKind] = PROBLEMS if issue.code in PROBLEMS else INTAKE_PROBLEMS
    return kinds[issue.code].at(name, line, issue.column, found=issue.found, expected=issue.expected)


def _rejects(problems: list[Problem]) -> pl.DataFrame:
    rows = [
        ("referrals", found.where, found.line, found.column, found.code, found.found, found.expected, found.fix)
        for found in problems
    ]
    frame = pl.DataFrame(rows, schema=schema_of(Rejects), orient="row")
    return frame.sort(["role", "file", "line", "column", "code", "found"], nulls_last=False)


# --------------------------------------------------------------------------- JSON lines


class _BadJsonError(ValueError):
    """JSON that parses, and still is not what we read."""

    def __init__(self, code: str, column: str | None = None) -> None:
        super().__init__(code)
        self.issue = Issue(code, column)


def _json_lines(tally: _Tally, lines: Iterator[tuple[int, bytes]]) -> None:
    said = ((number, raw) for number, raw in lines if raw.strip(b" \t"))
    while some := list(islice(said, _MOST_TOGETHER)):
        known: set[int] = set()
        if len(some) >= tally.many:
            rows = read_alike([(number, raw) for number, raw in some if len(raw) <= MAX_LINE_BYTES], tally.place)
            known.update(rows.get_column("line"))
            tally.rows.append(rows)
        for number, raw in some:
            if number not in known:
                tally.add(number, _json_event(raw))


def _json_event(raw: bytes) -> ReferralEvent | Sequence[Issue]:
    text = _decode(raw)
    if isinstance(text, Issue):
        return (text,)
    if _is_deep(text):
        return (Issue("MS-REF-017", None),)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except _BadJsonError as error:
        return (error.issue,)
    except (ValueError, RecursionError):
        return (Issue("MS-REF-013", None),)
    return read_event(value) if isinstance(value, dict) else (Issue("MS-REF-014", None),)


def _is_deep(text: str) -> bool:
    """Measure nesting before parsing: the parser itself gives up, or worse, only far deeper."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    depth = deepest = 0
    for sign in _TOKEN.findall(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(sign, 0)
        deepest = max(deepest, depth)
    return deepest > MAX_DEPTH


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, inner in pairs:
        if name in value:
            raise _BadJsonError("MS-REF-015", shown_name(name))
        value[name] = inner
    return value


def _no_constant(_text: str) -> None:
    raise _BadJsonError("MS-REF-016")


# --------------------------------------------------------------------------- CSV


def _csv(tally: _Tally, lines: Iterator[tuple[int, bytes]], usual: Mapping[str, str]) -> None:
    header, problems = _header(next(lines, (1, b""))[1], tally.name, usual)
    tally.whole_file += problems
    for number, raw in lines:
        if not problems:
            tally.add(number, _csv_event(header, raw, usual))


def _header(raw: bytes, name: str, usual: Collection[str]) -> tuple[list[str], list[Problem]]:
    text = _decode(raw)
    try:
        header = split_record(text) if isinstance(text, str) and text else []
    except RecordError:
        header = []
    if not header:
        return [], [PROBLEMS["MS-REF-007"].at(name, 1)]
    unknown = [column for column in dict.fromkeys(header) if column not in CSV_COLUMNS]
    repeated = [column for column in dict.fromkeys(header) if header.count(column) > 1]
    issues = [
        *(Issue("MS-REF-003", column) for column in _REQUIRED_COLUMNS if column not in {*header, *usual}),
        *(Issue("MS-REF-005" if is_forbidden(column) else "MS-REF-004", shown_name(column)) for column in unknown),
        *(Issue("MS-REF-006", shown_name(column)) for column in repeated),
    ]
    return header, [_problem(issue, name, 1) for issue in issues]


def _csv_event(header: list[str], raw: bytes, usual: Mapping[str, str]) -> ReferralEvent | Sequence[Issue]:
    text = _decode(raw)
    if isinstance(text, Issue):
        return (text,)
    if not text:
        return (Issue("MS-CSV-010", None),)
    try:
        fields = split_record(text)
    except RecordError as error:
        return (Issue(error.code, None),)
    if len(fields) != len(header):
        code = "MS-CSV-012" if len(fields) < len(header) else "MS-CSV-013"
        return (Issue(code, None, f"{len(fields)} fields", f"{len(header)} fields"),)
    cells = {**usual, **{column: value for column, value in zip(header, fields, strict=True) if value}}
    outcome = read_event(event_fields(cells))
    return outcome if isinstance(outcome, ReferralEvent) else tuple(issue_in_columns(issue, cells) for issue in outcome)


def event_fields(cells: Mapping[str, str]) -> dict[str, Any]:
    """Bring a CSV record into the shape that JSON has."""
    event: dict[str, Any] = {
        column: _typed(column, text)
        for column, text in cells.items()
        if column not in _CLUE_COLUMNS and column not in _LINK_COLUMNS
    }
    event |= {column: _split(cells[column]) for column in _LIST_COLUMNS if column in cells}
    clue = {name: _typed(column, cells[column]) for column, name in _CLUE_COLUMNS.items() if column in cells}
    links = [{"kind": _LINK_COLUMNS[column].value, "domain": host} for column, host in _link_cells(cells)]
    return event | ({"payment_clues": [clue]} if clue else {}) | ({"domain_links": links} if links else {})


def _typed(column: str, text: str) -> str | int | float | bool:
    """Read numbers and flags where they belong; what is none stays text and is refused as such."""
    if column in _FLAG_COLUMNS:
        return {"true": True, "false": False}.get(text, text)
    if column in _NUMBER_COLUMNS and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    if column in _NUMBER_COLUMNS and re.fullmatch(r"-?[0-9]{1,18}\.[0-9]{1,18}", text):
        return float(text)
    return text


def _split(text: str) -> list[str]:
    return [part.strip(" ") for part in text.split(";")]


def _link_cells(cells: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(column, host) for column in _LINK_COLUMNS if column in cells for host in _split(cells[column])]


def issue_in_columns(issue: Issue, cells: Mapping[str, str]) -> Issue:
    """Name the CSV column instead of the place in the JSON shape."""
    place = issue.column or ""
    if match := re.match(r"domain_links\[(\d+)\]", place):
        return Issue(issue.code, _link_cells(cells)[int(match[1])][0], issue.found, issue.expected)
    if place.startswith("payment_clues"):
        inner = place.rpartition(".")[2]
        column = next((column for column, name in _CLUE_COLUMNS.items() if name == inner), "clue_merchant_id")
        return Issue(issue.code, column, issue.found, issue.expected)
    return Issue(issue.code, re.sub(r"\[\d+\]$", "", place) or None, issue.found, issue.expected)
