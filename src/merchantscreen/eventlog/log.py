"""The log as the rest of the program uses it: append, read, vouch, verify, prove, erase.

    with open_log(Path("log.sqlite")) as log:
        log.append("run.finished", "staff-17", {"run": "r1"}, at=now)
        note = log.checkpoint(signer)

Rules kept here:
* events are numbered without gap and ordered by that number, never by their time; the clock comes in as `at`;
* an append is acknowledged when it is on the disk, and several drafts are appended together or not at all;
* whoever decides on what the log said may ask that nothing came in between (`expected_size`);
* erasing removes value and salt, and is itself an event.

Left to others: what events mean (folds over `events`), who may write, where checkpoints are kept outside.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from merchantscreen.errors import BusyError, IntegrityError, ProblemKind, UsageError
from merchantscreen.eventlog import problems
from merchantscreen.eventlog.merkle import (
    Edge,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from merchantscreen.eventlog.notes import Checkpoint, Signer
from merchantscreen.eventlog.records import (
    ERASED,
    SALT_BYTES,
    Draft,
    Event,
    Personal,
    make_leaf,
    own_event,
    require_draft,
    require_time,
)
from merchantscreen.eventlog.stored import BUSY_SECONDS, Head, Place, Row, refusal
from merchantscreen.eventlog.verification import Verified, read_event, verify
from merchantscreen.records import Progress, Silent

if TYPE_CHECKING:
    from merchantscreen.eventlog.store import Reader, Store, Writer

_PAGE: Final = 1000
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A proof that one event is in the log of a size and root.

    Attributes:
        index: Number of the event.
        leaf: Its canonical bytes.
        hashes: Hashes from the leaf to the root, the lowest first.
        head: Origin, size and root it is proven against; compare them with a signed checkpoint.
    """

    index: int
    leaf: bytes
    hashes: tuple[bytes, ...]
    head: Checkpoint

    @property
    def holds(self) -> bool:
        """Tell whether the proof leads from the leaf to the root."""
        return verify_inclusion(self.index, self.head.size, leaf_hash(self.leaf), self.hashes, self.head.root)


@dataclass(frozen=True, slots=True)
class Consistency:
    """A proof that a log only grew from one size to another.

    Attributes:
        old: Origin, size and root before; compare them with an old checkpoint.
        head: Origin, size and root after.
        hashes: The hashes that lead to both roots.
    """

    old: Checkpoint
    head: Checkpoint
    hashes: tuple[bytes, ...]

    @property
    def holds(self) -> bool:
        """Tell whether the proof leads to both roots."""
        return verify_consistency(self.old.size, self.head.size, self.old.root, self.head.root, self.hashes)


class Log:
    """An open log; close it, or use it as a context."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def head(self) -> Checkpoint:
        """Return origin, size and root as they are now, for reports and manifests; nobody has signed them."""
        with self._store.reading() as reader:
            return _checkpoint(reader.head())

    @property
    def size(self) -> int:
        """Return the number of events."""
        return self.head.size

    @property
    def root(self) -> bytes:
        """Return the root of the tree over all events."""
        return self.head.root

    def append(
        self,
        kind: str,
        actor: str,
        body: Mapping[str, Any],
        *,
        at: datetime,
        personal: Mapping[str, str] = _NOTHING,
        expected_size: int | None = None,
    ) -> Event:
        """Record one event and return it once it is on the disk.

        Args:
            kind: What happened, such as `disposition.recorded`.
            actor: Identifier of who did it; it cannot be erased.
            body: The facts, as plain JSON without floats.
            at: The time now, without zone, meaning UTC.
            personal: Values that may have to be erased; the body gets a commitment to each.
            expected_size: Size the log had when the caller decided; BusyError if it has grown since.

        Raises:
            InputError: The event cannot be recorded as it is.
            BusyError: Another writer did not end in time, or the log has grown.
        """
        return self.append_all([Draft(kind, actor, body, personal)], at=at, expected_size=expected_size)[0]

    def append_all(
        self, drafts: Sequence[Draft], *, at: datetime, expected_size: int | None = None
    ) -> tuple[Event, ...]:
        """Record several events next to each other, all or none, as `append` records one."""
        require_time(at)
        for draft in drafts:
            require_draft(draft)
        # Whoever expects a size needs no turn of theirs to make the events, which is most of the work.
        ready = None if expected_size is None else _made(drafts, at, expected_size)
        with self._store.writing() as writer:
            edge = writer.head(alone=True).edge
            if expected_size not in {None, edge.size}:
                raise refusal(BusyError, problems.MOVED_ON, writer.name)
            return _written(writer, edge, _made(drafts, at, edge.size) if ready is None else ready)

    def events(
        self, start: int = 0, stop: int | None = None, *, kinds: Collection[str] | None = None
    ) -> Iterator[Event]:
        """Yield the events from `start` to before `stop` in their order, of some kinds only if asked.

        Without `stop` it ends where the log ended at the beginning. Between
        pages the log is let go of, so that a slow reader keeps no writer waiting.
        Who reads all of it gets an IntegrityError in the end unless the events are those of the stored tree.
        """
        for page in self._pages(start, stop, kinds):
            yield from (read_event(row, self._store.name) for row in page)

    def leaves(self, stop: int) -> Iterator[bytes]:
        """Yield the bytes that the tree covers of the first `stop` events, unread; let go of in between as `events`."""
        for page in self._pages(0, stop, None):
            yield from (row.leaf for row in page)

    def _pages(self, start: int, stop: int | None, kinds: Collection[str] | None) -> Iterator[list[Row]]:
        with self._store.reading() as reader:
            head = reader.head().edge
        stop = head.size if stop is None else min(stop, head.size)
        edge = Edge() if start == 0 and stop == head.size and kinds is None else None
        while start < stop:
            with self._store.reading() as reader:
                page = list(reader.rows(start, stop, kinds, _PAGE))
            edge = edge.extended(leaf_hash(row.leaf) for row in page) if edge is not None else None
            yield page
            start = page[-1].position + 1 if len(page) == _PAGE else stop
        if edge is not None and edge != head:
            kind = problems.SIZE_DIFFERS if edge.size != head.size else problems.ROOT_DIFFERS
            raise refusal(IntegrityError, kind, self._store.name)

    def event(self, index: int) -> Event:
        """Return one event; UsageError if the log has none of this number."""
        with self._store.reading() as reader:
            return read_event(_row(reader, index), self._store.name)

    def personal(self, index: int) -> dict[str, str]:
        """Return the personal values of an event that are not erased, each checked against its commitment."""
        event = self.event(index)
        with self._store.reading() as reader:
            kept = list(reader.personal(index))
        if any(event.commitments.get(one.field) != one.commitment for one in kept):
            raise refusal(IntegrityError, problems.COMMITMENT_DIFFERS, self._store.name, f"at event {index}")
        return {one.field: one.value for one in kept}

    def erase(self, index: int, field: str, *, actor: str, reason: str, at: datetime) -> Event:
        """Remove a personal value and its salt for good, and record that; UsageError if there is none.

        Args:
            index: Number of the event that committed to the value.
            field: Name of the personal field.
            actor: Identifier of who erases.
            reason: Why, for example the number of a request; nothing personal, for it stays.
            at: The time now, without zone, meaning UTC.
        """
        draft = Draft(ERASED, actor, {"event": index, "field": field, "reason": reason})
        require_time(at)
        require_draft(draft, own=True)
        with self._store.writing() as writer:
            edge = writer.head(alone=True).edge
            events = _written(writer, edge, _made([draft], at, edge.size))
            if not writer.erase(index, field):
                raise _unknown(problems.NO_PERSONAL, writer)
        return events[0]

    def checkpoint(self, *signers: Signer, after: Checkpoint | None = None) -> bytes:
        """Return the signed checkpoint of the log as it is now.

        Args:
            signers: Keys that vouch for it; the store must not hold them.
            after: The last checkpoint these keys signed. With it the whole log is verified against it first,
                so that they never vouch for two histories; without it the stored root is signed as it is.
        """
        head = self.head if after is None else self.verify(after).head
        return head.signed(*signers)

    def verify(self, against: Checkpoint | None = None, progress: Progress | None = None) -> Verified:
        """Recompute everything; IntegrityError with all differences unless the log checks out.

        The log is seen as at one moment: writers to a SQLite file wait meanwhile, about 2 seconds per 100,000 events.

        Args:
            against: A checkpoint kept outside, its signature already checked by `open_checkpoint`. Without one
                a log that was rewritten as a whole cannot be told from an honest one.
            progress: Told of the events looked at.
        """
        told = progress or Silent()
        with self._store.reading() as reader:
            told.stage("Verifying the log", reader.head().edge.size)
            return verify(reader, against, told.advance)

    def prove(self, index: int) -> Inclusion:
        """Return the proof that an event is in the log; UsageError if the log has none of this number."""
        with self._store.reading() as reader:
            head, hashes = _head_and_hashes(reader)
            leaf = _row(reader, index).leaf
        return Inclusion(index, leaf, inclusion_proof(hashes, index), head)

    def consistency(self, old_size: int) -> Consistency:
        """Return the proof that the log only grew since it had `old_size` events; UsageError if it never had."""
        with self._store.reading() as reader:
            head, hashes = _head_and_hashes(reader)
            if not 0 <= old_size <= head.size:
                raise _unknown(problems.NO_SUCH_SIZE, reader)
        old = Checkpoint(head.origin, old_size, root_of(hashes[:old_size]))
        return Consistency(old, head, consistency_proof(hashes, old_size))

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def create_log(place: Place, origin: str, *, busy_seconds: float = BUSY_SECONDS) -> Log:
    """Make an empty log and open it; see `store.create_store`."""
    from merchantscreen.eventlog.store import create_store  # noqa: PLC0415 - SQL, only where a log is opened

    return Log(create_store(place, origin, busy_seconds=busy_seconds))


def open_log(place: Place, *, busy_seconds: float = BUSY_SECONDS) -> Log:
    """Open a log that is there; see `store.open_store`."""
    from merchantscreen.eventlog.store import open_store  # noqa: PLC0415 - SQL, only where a log is opened

    return Log(open_store(place, busy_seconds=busy_seconds))


@dataclass(frozen=True, slots=True)
class _Made:
    """An event that is ready to be stored: its leaf, and the personal values beside it."""

    event: Event
    leaf: bytes
    personal: list[Personal]


def _made(drafts: Sequence[Draft], at: datetime, size: int) -> list[_Made]:
    """Make the events that follow the first `size` ones, with the personal values beside each."""
    leaves = (make_leaf(number, at, draft, _salts(draft)) for number, draft in enumerate(drafts, size))
    return [_Made(own_event(leaf), leaf, personal) for leaf, personal in leaves]


def _written(writer: Writer, edge: Edge, made: Sequence[_Made]) -> tuple[Event, ...]:
    if made:
        rows = [Row(one.event.index, one.event.kind, one.leaf) for one in made]
        personal = [value for one in made for value in one.personal]
        writer.append(rows, personal, edge.extended(leaf_hash(one.leaf) for one in made))
    return tuple(one.event for one in made)


def _salts(draft: Draft) -> dict[str, bytes]:
    return {name: secrets.token_bytes(SALT_BYTES) for name in draft.personal}


def _row(reader: Reader, index: int) -> Row:
    found = list(reader.rows(index, index + 1))
    if not found:
        raise _unknown(problems.NO_SUCH_EVENT, reader)
    return found[0]


def _head_and_hashes(reader: Reader) -> tuple[Checkpoint, list[bytes]]:
    """Return the head and the hashes of all leaves, which have to lead to it."""
    head, hashes = _checkpoint(reader.head()), [leaf_hash(row.leaf) for row in reader.rows(0)]
    if len(hashes) != head.size or root_of(hashes) != head.root:
        raise refusal(IntegrityError, problems.ROOT_DIFFERS, reader.name)
    return head, hashes


def _checkpoint(head: Head) -> Checkpoint:
    return Checkpoint(head.origin, head.edge.size, head.edge.root)


def _unknown(kind: ProblemKind, reader: Reader) -> Exception:
    return refusal(UsageError, kind, reader.name)
