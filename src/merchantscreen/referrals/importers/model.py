"""What an import is asked, what it answers, and the one way in which a foreign record becomes events.

Rules kept here:
* a foreign file never confirms by itself: a confirmation needs the caller's word that the
  reporter confirmed, the moment it did and a classification that can confirm;
* what a format does not say is filled from `ASSUMED`, which knows nothing good and nothing
  bad, and every such field is counted; a classification is never assumed to be one that confirms;
* a record is taken whole or refused whole, and `read = accepted + rejected`;
* what is left out of an accepted record or file is a note with a count; no value is in it.

What an event may contain is in `events`; how each format is read, in a module of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from merchantscreen.errors import Problem, UsageError
from merchantscreen.intake.mapping import RoleMapping
from merchantscreen.intake.problems import PROBLEMS as INTAKE_PROBLEMS
from merchantscreen.referrals.events import REFERENCE_PATTERN, Issue, ReferralEvent
from merchantscreen.referrals.importers.problems import PROBLEMS
from merchantscreen.referrals.plain import read_event
from merchantscreen.referrals.problems import PROBLEMS as EVENT_PROBLEMS
from merchantscreen.vocabulary import (
    Classification,
    Commerciality,
    Dedicated,
    MatchScope,
    PaymentMethod,
    ReferralEventKind,
    ReferralStatus,
    SiteType,
    Tlp,
)

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_RECORDS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller says about a file, because no file can say it for itself.

    Attributes:
        hotline: Id of the hotline under which the events are entered.
        confirmed_by_reporter: The caller's word that the reporter confirmed what it dates as confirmed.
        tlp: Handling of records without a marking; the default keeps them inside the organisation.
        le_hold: Whether law enforcement asks for silence about all of the file.
        mapping: For CSV: their columns, constants and values.
    """

    hotline: str
    confirmed_by_reporter: bool = False
    tlp: Tlp = Tlp.AMBER_STRICT
    le_hold: bool = False
    mapping: RoleMapping = field(default_factory=RoleMapping)

    def __post_init__(self) -> None:
        if not re.fullmatch(REFERENCE_PATTERN, self.hotline):
            raise UsageError("the id of the hotline is 1 to 64 letters, digits, dots, hyphens and underscores")


class NoteKind(StrEnum):
    """What happened to something that did not come in as it was."""

    ADDRESS_STRIPPED = "address_stripped"
    FIELD_STRIPPED = "field_stripped"
    FIELD_ASSUMED = "field_assumed"
    LEFT_UNCONFIRMED = "left_unconfirmed"
    CLASSIFICATION_UNMAPPED = "classification_unmapped"
    COLUMN_DROPPED = "column_dropped"
    OBJECT_UNUSED = "object_unused"
    SUPERSEDED = "superseded"
    REPEATED = "repeated"
    SPLIT = "split"
    ID_NOT_UNIQUE = "id_not_unique"
    VALIDITY_EMPTY = "validity_empty"
    MARKING_UNKNOWN = "marking_unknown"


EXPLANATIONS: Final[Mapping[NoteKind, str]] = MappingProxyType({
    NoteKind.ADDRESS_STRIPPED: "an address was cut down to its host; the rest was not kept",
    NoteKind.FIELD_STRIPPED: "a field was left behind",
    NoteKind.FIELD_ASSUMED: "a field that the record does not state was entered as not known",
    NoteKind.LEFT_UNCONFIRMED: "a record that calls itself confirmed was entered as submitted",
    NoteKind.CLASSIFICATION_UNMAPPED: "a classification without counterpart here was entered as `ignore`",
    NoteKind.COLUMN_DROPPED: "a column was left behind, as the mapping says",
    NoteKind.OBJECT_UNUSED: "an object that refers no site was left behind",
    NoteKind.SUPERSEDED: "an older version of an object was left behind",
    NoteKind.REPEATED: "an exact repetition was left behind",
    NoteKind.SPLIT: "a record that names several sites became one referral per site",
    NoteKind.ID_NOT_UNIQUE: "an id that several records share was replaced by the id of the object",
    NoteKind.VALIDITY_EMPTY: "a validity that ends as it begins was entered as ended at that moment",
    NoteKind.MARKING_UNKNOWN: "a marking that is no TLP marking was left behind",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Note:
    """Something that did not come in as it was: what happened, to which field, type or column, how often."""

    kind: NoteKind
    detail: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What a foreign file held.

    Attributes:
        events: In the order of the file; one record may give several.
        problems: All that is wrong with the refused records, in the order of the file; `line` is the line,
            or the place of the record in the file, from 1.
        read_count: Records of the format: reports, indicators or rows.
        accepted_count: Of these, those that became events.
        rejected_count: Of these, those that were refused.
        notes: What was left out or filled in, sorted by kind and detail.
    """

    events: tuple[ReferralEvent, ...]
    problems: tuple[Problem, ...]
    read_count: int
    accepted_count: int
    rejected_count: int
    notes: tuple[Note, ...]


Importer = Callable[[bytes, str, Options], Imported]
"""Bytes, file name and options in, events out. Raises InputError for a file that is refused as a whole."""


# --------------------------------------------------------------------------- records


_CONFIRMING: Final = frozenset({Classification.BASELINE.value, Classification.NATIONAL.value})
_COMPLETE_KINDS: Final = frozenset({ReferralEventKind.SUBMITTED.value, ReferralEventKind.CONFIRMED.value})

ASSUMED: Final[Mapping[str, Any]] = MappingProxyType({
    "match_scope": MatchScope.HOST.value,
    "domain_dedicated": Dedicated.UNKNOWN.value,
    "site_type": SiteType.NOT_APPLICABLE.value,
    "commerciality": Commerciality.NOT_DETERMINED.value,
    "payment_methods": [PaymentMethod.NOT_DETERMINED.value],
    "classification": Classification.IGNORE.value,
    "status": ReferralStatus.ACTIVE.value,
})  # fmt: skip
"""What a record says that does not say it: the narrowest scope, not known, and `ignore`, which never confirms."""


@dataclass(slots=True)
class Draft:
    """One record on its way: fields under our names, and what was done to get there."""

    place: int | None
    fields: dict[str, Any] = field(default_factory=dict)
    notes: list[tuple[NoteKind, str | None]] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    def note(self, kind: NoteKind, detail: str | None = None) -> None:
        """Remember something that did not come in as it was."""
        self.notes.append((kind, detail))

    def refuse(self, code: str, column: str | None = None, found: str | None = None) -> None:
        """Remember what is wrong with the record; one such thing is enough to refuse it."""
        self.issues.append(Issue(code, column, found))


@dataclass(slots=True)
class Tally:
    """What a file has given so far."""

    file: str
    options: Options
    events: list[ReferralEvent] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: Counter[tuple[NoteKind, str | None]] = field(default_factory=Counter)
    read_count: int = 0
    rejected_count: int = 0

    def note(self, kind: NoteKind, detail: str | None = None) -> None:
        """Count something that belongs to the file rather than to one record."""
        self.notes[kind, detail] += 1

    def add(self, drafts: Iterable[Draft], locate: Callable[[Issue], Issue] = lambda issue: issue) -> None:
        """Take one record as the drafts of its events: all of them, or none and the problems of all.

        Args:
            drafts: One per event, never none.
            locate: Brings an issue with one of our fields back to the name it has in the file.
        """
        self.read_count += 1
        taken = list(drafts)
        outcomes = [_outcome(draft, self.options) for draft in taken]
        issues = {(draft.place, locate(issue)): None for draft, outcome in zip(taken, outcomes, strict=True)
                  for issue in (outcome if isinstance(outcome, tuple) else ())}  # fmt: skip
        if issues:
            self.rejected_count += 1
            self.problems += [problem_of(issue, self.file, place) for place, issue in issues]
            return
        self.events += [outcome for outcome in outcomes if isinstance(outcome, ReferralEvent)]
        self.notes.update(note for draft in taken for note in draft.notes)

    def imported(self) -> Imported:
        """Close the account of the file."""
        notes = sorted((kind, detail or "", count) for (kind, detail), count in self.notes.items())
        return Imported(
            tuple(self.events),
            tuple(self.problems),
            self.read_count,
            self.read_count - self.rejected_count,
            self.rejected_count,
            tuple(Note(kind, detail or None, count) for kind, detail, count in notes),
        )


def problem_of(issue: Issue, file: str, place: int | None) -> Problem:
    """Turn an issue into a problem of the table its code is in."""
    kinds = next(table for table in (PROBLEMS, EVENT_PROBLEMS, INTAKE_PROBLEMS) if issue.code in table)
    return kinds[issue.code].at(file, place, issue.column, found=issue.found, expected=issue.expected)


def _outcome(draft: Draft, options: Options) -> ReferralEvent | tuple[Issue, ...]:
    if draft.issues:
        return tuple(draft.issues)
    stated = draft.fields.get("reporting_hotline_id", options.hotline)
    if stated != options.hotline:
        return (Issue("MS-IMP-044", "reporting_hotline_id"),)
    raw = {name: value for name, value in draft.fields.items() if value not in (None, "", [])}
    raw["reporting_hotline_id"] = options.hotline
    _settle_kind(raw, draft, options)
    if raw["event"] in _COMPLETE_KINDS:
        _fill_in(raw, draft, options)
    return read_event(raw)


def _settle_kind(raw: dict[str, Any], draft: Draft, options: Options) -> None:
    """Decide between submitted and confirmed; every other kind stays what it is."""
    stated = raw.get("event")
    if stated not in (None, ReferralEventKind.CONFIRMED.value):
        return
    claims = stated is not None or "confirmed_at" in raw
    lacking = _lacking(raw, options)
    raw["event"] = ReferralEventKind.SUBMITTED.value if lacking else ReferralEventKind.CONFIRMED.value
    if lacking:
        raw.pop("confirmed_at", None)
    if lacking and claims:
        draft.note(NoteKind.LEFT_UNCONFIRMED, lacking)


def _lacking(raw: Mapping[str, Any], options: Options) -> str | None:
    """Name what a confirmation lacks."""
    if not options.confirmed_by_reporter:
        return "assertion"
    if "confirmed_at" not in raw:
        return "confirmed_at"
    return None if raw.get("classification") in _CONFIRMING else "classification"


def _fill_in(raw: dict[str, Any], draft: Draft, options: Options) -> None:
    said = {**ASSUMED, "tlp": options.tlp.value, "le_hold": options.le_hold}
    for name, value in said.items():
        if name not in raw:
            raw[name] = value
            draft.note(NoteKind.FIELD_ASSUMED, name)
