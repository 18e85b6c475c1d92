"""Whether a log is what it was: everything recomputed from the events, nothing taken from what is stored beside them.

Checked: every event is in its one canonical form, in its place and under its
kind; their tree has the stored size and root; each personal value is the one
its event committed to, or its erasure is in the log; and, given a checkpoint
kept outside, the log is the same one, no shorter, and begins with exactly the
events the checkpoint covers.

Without such a checkpoint, somebody who owns the store can rewrite all of it
and recompute every hash, and no check of the store alone can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from merchantscreen.errors import IntegrityError, Problem, ProblemKind
from merchantscreen.eventlog import problems
from merchantscreen.eventlog.merkle import Edge, leaf_hash
from merchantscreen.eventlog.notes import Checkpoint
from merchantscreen.eventlog.records import ERASED, Event, Personal, parse_leaf
from merchantscreen.eventlog.stored import Head, Row

if TYPE_CHECKING:
    from merchantscreen.eventlog.store import Reader

MOST_PROBLEMS: Final = 100
"""How many differences are told one by one; the message counts all."""

_Field = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a log that checks out consists of.

    Attributes:
        head: Origin, size and root, recomputed.
        personal_kept: Personal values that are there.
        personal_erased: Personal values that were erased, each with its event.
    """

    head: Checkpoint
    personal_kept: int
    personal_erased: int


@dataclass(slots=True)
class _Found:
    """Differences as they come, counted beyond the number that is told."""

    name: str
    told: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, kind: ProblemKind, found: str | None = None) -> None:
        self.count += 1
        if len(self.told) < MOST_PROBLEMS:
            self.told.append(kind.at(self.name, found=found))


@dataclass(slots=True)
class _Fields:
    """Personal fields on the way through the log: committed to, still there, erased."""

    left: Iterator[Personal]
    next: Personal | None
    kept: int = 0
    gone: set[_Field] = field(default_factory=set)
    there: set[_Field] = field(default_factory=set)
    erased: set[_Field] = field(default_factory=set)


def verify(reader: Reader, against: Checkpoint | None, advance: Callable[[int], None]) -> Verified:
    """Recompute a whole log; IntegrityError with all differences unless it checks out.

    Args:
        reader: A transaction on the store, so that the log is seen as at one moment.
        against: A checkpoint whose signature was checked, kept outside of the store.
        advance: Told how many more events were looked at.
    """
    found, head = _Found(reader.name), reader.head()
    with closing(reader.personal()) as personal, closing(reader.rows(0)) as rows:
        fields = _Fields(personal, next(personal, None))
        edge, old_root = _recomputed(rows, fields, found, against.size if against else None, advance)
        _check_fields(fields, found)
    _check_head(head, edge, found)
    if against is not None:
        for difference in differences_from(against, Checkpoint(head.origin, edge.size, edge.root), old_root):
            found.add(*difference)
    if found.count:
        message = f"{reader.name} does not check out: {found.count} differences."
        raise IntegrityError(message, tuple(found.told))
    return Verified(Checkpoint(head.origin, edge.size, edge.root), fields.kept, len(fields.erased))


def read_event(row: Row, name: str) -> Event:
    """Return the event of a row, or raise the IntegrityError that says what is wrong with it."""
    found = _Found(name)
    event = _checked(row, row.position, found)
    if event is None or found.count:
        raise IntegrityError(f"{name}: event {row.position} cannot be relied on.", tuple(found.told))
    return event


def _recomputed(
    rows: Iterator[Row], fields: _Fields, found: _Found, old_size: int | None, advance: Callable[[int], None]
) -> tuple[Edge, bytes | None]:
    """Return the edge over all events, and the root at an earlier size if the log reaches it."""
    edge, old_root, hashes = Edge(), Edge().root if old_size == 0 else None, list[bytes]()
    for row in rows:
        size = edge.size + len(hashes)
        event = _checked(row, size, found)
        if event is not None:
            _match(event, fields, found)
        hashes.append(leaf_hash(row.leaf))
        if size + 1 == old_size or len(hashes) == 1000:
            advance(len(hashes))
            edge, hashes = edge.extended(hashes), []
            old_root = edge.root if size + 1 == old_size else old_root
    advance(len(hashes))
    return edge.extended(hashes), old_root


def _checked(row: Row, expected: int, found: _Found) -> Event | None:
    """Return the event of a row, and note what is wrong with it."""
    try:
        event = parse_leaf(row.leaf)
    except ValueError:
        found.add(problems.EVENT_MALFORMED, f"event {row.position} in another form")
        return None
    if not event.index == row.position == expected:
        found.add(problems.EVENT_MISPLACED, f"event {event.index} at {row.position}, where {expected} comes")
    if event.kind != row.kind:
        found.add(problems.KIND_DIFFERS, f"event {row.position} listed under another kind")
    return event


def _match(event: Event, fields: _Fields, found: _Found) -> None:
    """Compare an event's commitments with the personal values beside the log."""
    committed = event.commitments
    while fields.next is not None and fields.next.index <= event.index:
        one, fields.next = fields.next, next(fields.left, None)
        digest = committed.pop(one.field, None) if one.index == event.index else None
        fields.kept += 1
        fields.there.add((one.index, one.field))
        if digest != one.commitment:
            found.add(problems.COMMITMENT_DIFFERS, f"field {one.field} of event {one.index}")
    fields.gone.update((event.index, name) for name in committed)
    if event.kind == ERASED:
        _note_erasure(event, fields, found)


def _note_erasure(event: Event, fields: _Fields, found: _Found) -> None:
    erased = event.body.get("event"), event.body.get("field")
    match erased:
        case (int(index), str(name)) if (index, name) in fields.gone | fields.there:
            fields.erased.add((index, name))
        case _:
            found.add(problems.EVENT_MALFORMED, f"event {event.index} erases what was never there")


def _check_fields(fields: _Fields, found: _Found) -> None:
    while fields.next is not None:
        found.add(problems.COMMITMENT_DIFFERS, f"field {fields.next.field} of event {fields.next.index}, which is not")
        fields.next = next(fields.left, None)
    for index, name in sorted(fields.gone - fields.erased):
        found.add(problems.PERSONAL_MISSING, f"field {name} of event {index} gone without an erasure")
    for index, name in sorted(fields.there & fields.erased):
        found.add(problems.PERSONAL_LEFT, f"field {name} of event {index} there after its erasure")


def _check_head(head: Head, edge: Edge, found: _Found) -> None:
    if head.edge.size != edge.size:
        found.add(problems.SIZE_DIFFERS, f"{edge.size} events, and a stored size of {head.edge.size}")
    elif head.edge != edge:
        found.add(problems.ROOT_DIFFERS)


def differences_from(
    against: Checkpoint, now: Checkpoint, old_root: bytes | None
) -> Iterator[tuple[ProblemKind, str | None]]:
    """Yield how a log differs from a checkpoint of it, with what was found.

    Args:
        against: What was signed earlier.
        now: What the log is.
        old_root: Root of the log at the size of the checkpoint; None if it does not reach that size.
    """
    if now.origin != against.origin:
        yield problems.OTHER_LOG, None
    if now.size < against.size:
        yield problems.EVENTS_LOST, f"{now.size} events, where the checkpoint covers {against.size}"
    elif old_root != against.root:
        yield problems.REWRITTEN, f"the first {against.size} events differ from the checkpoint"
