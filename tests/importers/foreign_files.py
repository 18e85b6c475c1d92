"""Foreign referral files for tests, with reserved names only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from merchantscreen.referrals.importers import FORMATS, Imported, NoteKind, Options
from merchantscreen.referrals.importers.xarf import CATEGORY, REFERS_SITES

HOTLINE: Final = "hotline-north"
OPTIONS: Final = Options(HOTLINE)
ASSERTED: Final = Options(HOTLINE, confirmed_by_reporter=True)
SECRET: Final = "hunter2"
"""A value that must never come back."""

REPORT: Final[Mapping[str, Any]] = {
    "xarf_version": "4.2.0",
    "report_id": "550e8400-e29b-41d4-a716-446655440000",
    "timestamp": "2026-10-01T09:00:00Z",
    "reporter": {"org": "Hotline North", "contact": "desk@hotline.example", "domain": "hotline.example"},
    "sender": {"org": "Hotline North", "contact": "desk@hotline.example", "domain": "hotline.example"},
    "source_identifier": "192.0.2.7",
    "category": CATEGORY,
    "type": REFERS_SITES,
    "url": f"https://amber-shop.example/{SECRET}?q={SECRET}",
    "classification": "baseline",
    "detection_method": "manual_review",
    "verified_at": "2026-10-01T08:30:00Z",
    "confidence": 0.9,
}

INDICATOR: Final[Mapping[str, Any]] = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--00000000-0000-4000-8000-000000000001",
    "created": "2026-09-28T08:00:00.000Z",
    "modified": "2026-10-01T09:00:00.000Z",
    "pattern": "[domain-name:value = 'amber-shop.example']",
    "pattern_type": "stix",
    "valid_from": "2026-09-28T08:00:00.000Z",
    "external_references": [{"source_name": HOTLINE, "external_id": "N-0001"}],
}


def report(**changes: Any) -> dict[str, Any]:
    """Return a report with some fields changed; None leaves a field out."""
    return {name: value for name, value in {**REPORT, **changes}.items() if value is not None}


def indicator(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an indicator with an id of its own and some fields changed; None leaves a field out."""
    numbered = {
        "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "external_references": [{"source_name": HOTLINE, "external_id": f"N-{number:04d}"}],
    }
    return {name: value for name, value in {**INDICATOR, **numbered, **changes}.items() if value is not None}


def bundle(*objects: Any) -> dict[str, Any]:
    """Wrap objects into a bundle."""
    return {"type": "bundle", "id": "bundle--00000000-0000-4000-8000-00000000ffff", "objects": list(objects)}


def read(form: str, value: Any, options: Options = OPTIONS, file: str = "theirs.json") -> Imported:
    """Read a value as a file; what is not text or bytes is written as JSON."""
    if isinstance(value, bytes):
        return FORMATS[form].read(value, file, options)
    text = value if isinstance(value, str) else json.dumps(value)
    return FORMATS[form].read(text.encode(), file, options)


def refusals(imported: Imported) -> list[tuple[int | None, str | None, str]]:
    """Return place, field and code of everything that was refused."""
    return [(problem.line, problem.column, problem.code) for problem in imported.problems]


def notes(imported: Imported, kind: NoteKind) -> dict[str | None, int]:
    """Return what was noted of a kind."""
    return {note.detail: note.count for note in imported.notes if note.kind is kind}


def csv_lines(rows: Iterable[str]) -> str:
    """Join CSV lines."""
    return "".join(f"{row}\n" for row in rows)
