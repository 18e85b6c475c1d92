"""`merchantscreen hotline draft`: one event from its fields, or many from a file.

A CSV file needs the columns only in which its rows differ: fields given as options hold for every row without its
own, so ten sites are ten short lines. What an event may hold is in `referrals.events`; the options are the columns
that CSV has, so that there is one list of them. No value that is refused is repeated.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_type_hints

import typer
from rich.text import Text

from merchantscreen.cli import options
from merchantscreen.cli.hotline import problems
from merchantscreen.cli.hotline.files import alone_in, create, read_events, read_small, replace
from merchantscreen.cli.terminal import Json, output, show_json, show_lines
from merchantscreen.errors import InputError, Problem, UsageError
from merchantscreen.intake.problems import PROBLEMS as INTAKE_PROBLEMS
from merchantscreen.outputs.text import counted
from merchantscreen.referrals.events import Issue, ReferralEvent, missing_fields, read_event
from merchantscreen.referrals.problems import PROBLEMS
from merchantscreen.referrals.reading import CSV_COLUMNS, event_fields, issue_in_columns
from merchantscreen.referrals.statements import as_fields
from merchantscreen.referrals.wire import canonical, written
from merchantscreen.vocabulary import ReferralEventKind

_OPTIONS: Final = {
    column: "--hotline" if column == "reporting_hotline_id" else f"--{column.replace('_', '-')}"
    for column in CSV_COLUMNS
    if column != "schema_version"
}
_LARGEST_FILE: Final = 64 * 1024 * 1024
_LISTS: Final = frozenset({"payment_methods", "forwarded_to", "redirects_to", "shares_payment_page_with"})
_OWN_HELP: Final = {
    "clue_merchant_id": "Card acceptor or sub-merchant id seen on the site.",
    "clue_descriptor": "Text on the statement.",
    "clue_amount_minor": "Price in minor units; with --clue-currency.",
    "clue_currency": "ISO 4217 code; with --clue-amount-minor.",
    "clue_seen_at": "Time, ISO 8601.",
    "redirects_to": "Host names, commas between them.",
    "shares_payment_page_with": "Host names, commas between them.",
    "issued_at": "Time, ISO 8601; now when absent.",
    "reporting_hotline_id": "Your id in the trust file.",
    "referral_id": "Your own id of the referral.",
    "hotline_reference": "Your file number.",
    "domain": "The site: a bare host name, no address.",
    "moved_to_domain": "Where the site went: a bare host name.",
    "classification_country": "ISO 3166-1 code; with classification national.",
    "legal_basis": "Provision; with classification national.",
    "hosting_country": "ISO 3166-1 code.",
    "assigned_country": "ISO 3166-1 code.",
    "confidence": "Whole number from 0 to 100.",
    "reason_code": "A code of your own, such as mistaken-site.",
}
_FILE_HELP: Final = (
    "Events from this file (JSON lines or CSV) instead; the fields given beside it hold for every row of a CSV file "
    "that has no value of its own. --out writes them as JSON lines."
)
_OUT_HELP: Final = "File that the event is added to, made if need be; with --from a new file. Printed when absent."


def _takes(column: str) -> str:
    """Say in a few words what an option takes, from the type of its field."""
    kind = next(part for part in (*get_args(_TYPES[column]), _TYPES[column]) if part is not type(None))
    inner = next(iter(get_args(kind)), kind)
    if isinstance(inner, type) and issubclass(inner, StrEnum):
        some = "One or more of" if column in _LISTS else "One of"
        return f"{some} {', '.join(inner)}."
    words = {bool: "true or false.", int: "Whole number.", datetime: "Time, ISO 8601."}
    return words.get(inner, "Ids, commas between them." if column in _LISTS else "Text.")


def _help(column: str) -> str:
    needed = [kind.value for kind in ReferralEventKind if column in missing_fields({"event": kind})]
    by = "every event" if len(needed) == len(ReferralEventKind) else ", ".join(needed)
    said = _OWN_HELP.get(column) or _takes(column)
    return f"{said} Needed by {by}." if needed and column != "issued_at" else said


def _signature() -> inspect.Signature:
    """Return one option per column, and those of the verb."""
    text, path = str | None, Path | None
    kinds: dict[str, Any] = {
        column: Annotated[text, typer.Option(option, metavar="TEXT", help=_help(column))]
        for column, option in _OPTIONS.items()
    }
    kinds["source"] = Annotated[path, typer.Option("--from", metavar="FILE", help=_FILE_HELP)]
    kinds["out"] = Annotated[path, typer.Option("--out", metavar="FILE", help=_OUT_HELP)]
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in kinds.items()
    ]
    switch = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json)
    return inspect.Signature([*parameters, switch])


def draft(**given: Any) -> None:
    """Write one event from its fields, or the events of a file, checked.

    Everything that is missing or refused is told at once, and no refused value is repeated. Sign what was drafted
    with `hotline sign`.
    """
    source, out, as_json = given.pop("source"), given.pop("out"), given.pop("as_json")
    cells = {column: value for column, value in given.items() if value is not None}
    events = _events_of(source, cells) if source is not None else (_event(cells),)
    lines = [canonical(as_fields(event)) + b"\n" for event in events]
    if out is not None and source is not None:
        create(out, lines)
    elif out is not None:
        _add(out, lines[0])
    if as_json:
        show_json({"count": len(events), "events": list(map(as_fields, events)), "file": str(out) if out else None})
    elif out is not None or source is not None:
        show_lines(_told(events, out))
    else:
        output().print(Text(json.dumps(as_fields(events[0]), sort_keys=True)), soft_wrap=True)


_TYPES: Final = get_type_hints(ReferralEvent)
draft.__signature__ = _signature()  # type: ignore[attr-defined]  # typer reads it


def _events_of(source: Path, cells: Mapping[str, str]) -> tuple[ReferralEvent, ...]:
    """Read a file of events, its rows filled up with the options; InputError with all that is wrong with any."""
    if source.suffix.lower() == ".csv":
        return read_events(source, _stated(cells))
    if cells:
        raise UsageError("Two sources.", (problems.TWO_SOURCES.at("--from"),))
    return read_events(source)


def _stated(cells: Mapping[str, str]) -> dict[str, str]:
    """Return the options as cells of a row, with the time if none was given."""
    lists = {column: cells[column].replace(",", ";") for column in _LISTS & cells.keys()}
    return {"issued_at": written(options.now()), **cells, **lists}


def _event(cells: Mapping[str, str]) -> ReferralEvent:
    """Make an event of the options; InputError with all that is missing or wrong."""
    stated = _stated(cells)
    outcome = read_event(event_fields(stated))
    if isinstance(outcome, ReferralEvent):
        return outcome
    issues = dict.fromkeys(issue_in_columns(issue, stated) for issue in outcome)
    raise InputError("This is no event.", tuple(map(_problem, issues)))


def _problem(issue: Issue) -> Problem:
    kind = PROBLEMS.get(issue.code) or INTAKE_PROBLEMS[issue.code]
    column = _OPTIONS.get(issue.column or "", issue.column)
    return kind.at("event", column=column, found=issue.found, expected=issue.expected)


def _add(out: Path, line: bytes) -> None:
    """Add a line to a file of events; the file is replaced as a whole, so that no line is ever half there."""
    with alone_in(out.parent):
        if not out.exists() and not out.is_symlink():
            create(out, [line])
            return
        before = read_small(out, _LARGEST_FILE)
        replace(out, before + (b"\n" if before and not before.endswith(b"\n") else b"") + line)


def _told(events: Iterable[ReferralEvent], out: Path | None) -> Iterator[str]:
    """Count the events per kind."""
    kinds = [event.event for event in events]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ReferralEventKind if kind in kinds)
    where = f", written to {out}" if out is not None else ""
    yield f"{counted(len(kinds), 'event')} in order: {counts}{where}."
