"""A log as one file, checked without the store it came from: by an auditor, a court, a partner.

    merchantscreen-log/1
    {"actor":...}          one event a line: its canonical bytes, exactly those the tree covers
    {"actor":...}

    log.example/desk       after an empty line the signed checkpoint of these events
    2
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — log.example/desk Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp...

Rules kept here:
* there is one way to write a log and its checkpoint, so every bit that is changed shows, and every byte that is cut;
* exactly one signature stands under it and a known key made it: under a stranger's any bit could be changed;
* personal values and their salts are not in it, only the commitments to them;
* it is written and read as a stream, an event at a time, whatever its size.

Pure but for the streams it is given. Left to others: which keys to know, and opening and publishing files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from merchantscreen.errors import InputError, IntegrityError, Problem, ProblemKind
from merchantscreen.eventlog import problems
from merchantscreen.eventlog.merkle import Edge, leaf_hash
from merchantscreen.eventlog.notes import LONGEST_NOTE, Checkpoint, Verifier, open_checkpoint, parse_note
from merchantscreen.eventlog.records import LARGEST_LEAF, parse_leaf
from merchantscreen.eventlog.verification import differences_from
from merchantscreen.records import Progress, Silent

HEADER: Final = b"merchantscreen-log/1\n"
_PAGE: Final = 1000


def written_log(leaves: Iterable[bytes], note: bytes) -> Iterator[bytes]:
    """Yield an exported log piece by piece.

    Args:
        leaves: Canonical bytes of all events in their order.
        note: The signed checkpoint of exactly these events.

    Raises:
        IntegrityError: The events are not those the checkpoint covers; what was yielded so far is of no use.
    """
    signed, growing = Checkpoint.parsed(parse_note(note).text), _Growing()
    yield HEADER
    for leaf in leaves:
        growing.add(leaf)
        yield leaf + b"\n"
    if growing.finished() != signed.root or growing.size != signed.size:
        raise _refused([problems.ROOT_DIFFERS.at("log")])
    yield b"\n" + note


def verify_export(
    file: BinaryIO,
    name: str,
    known: Iterable[Verifier],
    against: Sequence[Checkpoint] = (),
    progress: Progress | None = None,
) -> Checkpoint:
    """Recompute an exported log and return origin, size and root that its checkpoint vouches for.

    Args:
        file: Its bytes, from the first.
        name: What messages call it.
        known: Keys to believe, obtained elsewhere.
        against: Checkpoints that were kept elsewhere, their signatures checked; the log has to begin with each.
        progress: Told of the events looked at.

    Raises:
        InputError: It does not begin as an exported log.
        IntegrityError: It is not what was signed: the first event that is wrong, or else all that differs.
    """
    told = progress or Silent()
    told.stage("Verifying the exported log")
    if file.readline(len(HEADER)) != HEADER:
        raise InputError("This file cannot be used.", (problems.NOT_EXPORTED.at(name),))
    growing = _Growing({one.size for one in against})
    for leaf in _lines(file, name):
        _require_event(leaf, growing.size, name)
        growing.add(leaf)
        told.advance(1)
    root = growing.finished()
    signed = _signed(file.read(LONGEST_NOTE + 1), known, name)
    now = Checkpoint(signed.origin, growing.size, root)
    found = list(_differences(signed, now, growing, against))
    if found:
        raise _refused(dict.fromkeys(kind.at(name, found=said) for kind, said in found))
    return signed


@dataclass(slots=True)
class _Growing:
    """A tree that grows leaf by leaf, and its roots at the sizes that are asked for."""

    asked: Collection[int] = ()
    edge: Edge = field(default_factory=Edge)
    roots: dict[int, bytes] = field(default_factory=dict)
    _waiting: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._note_root()

    @property
    def size(self) -> int:
        return self.edge.size + len(self._waiting)

    def add(self, leaf: bytes) -> None:
        self._waiting.append(leaf_hash(leaf))
        if len(self._waiting) == _PAGE or self.size in self.asked:
            self.finished()

    def finished(self) -> bytes:
        """Take in what waits, and return the root."""
        self.edge, self._waiting = self.edge.extended(self._waiting), []
        self._note_root()
        return self.edge.root

    def _note_root(self) -> None:
        if self.edge.size in self.asked:
            self.roots[self.edge.size] = self.edge.root


def _lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield what the lines up to the empty one hold; IntegrityError if there is none, or one is too long."""
    number = 0
    while (line := file.readline(LARGEST_LEAF + 2)) != b"\n":
        if not line.endswith(b"\n"):
            kind = problems.EXPORT_CUT if len(line) < LARGEST_LEAF + 2 else problems.EVENT_MALFORMED
            raise _refused([kind.at(name, found=f"{kind.title}, at event {number}")])
        yield line[:-1]
        number += 1


def _require_event(leaf: bytes, expected: int, name: str) -> None:
    """Refuse bytes that are no event, or not the next one."""
    try:
        index = parse_leaf(leaf).index
    except ValueError as error:
        said = f"event {expected} in another form"
        raise _refused([problems.EVENT_MALFORMED.at(name, found=said)]) from error
    if index != expected:
        raise _refused([problems.EVENT_MISPLACED.at(name, found=f"event {index}, where {expected} comes")])


def _signed(note: bytes, known: Iterable[Verifier], name: str) -> Checkpoint:
    """Return the checkpoint at the end, under exactly one signature of a known key."""
    if not note:
        raise _refused([problems.EXPORT_CUT.at(name, found="no checkpoint after the events")])
    checkpoint = open_checkpoint(note, known)
    if len(parse_note(note).signatures) != 1:
        raise _refused([problems.EXPORT_SURPLUS.at(name, found="more than one signature")])
    return checkpoint


def _differences(
    signed: Checkpoint, now: Checkpoint, growing: _Growing, against: Sequence[Checkpoint]
) -> Iterator[tuple[ProblemKind, str | None]]:
    """Yield how the events differ from the checkpoint under them, and from those kept elsewhere."""
    if now.size > signed.size:
        yield problems.EXPORT_SURPLUS, f"{now.size} events, where its checkpoint covers {signed.size}"
    else:
        yield from differences_from(signed, now, now.root)
    for one in against:
        yield from differences_from(one, now, growing.roots.get(one.size))


def _refused(found: Iterable[Problem]) -> IntegrityError:
    return IntegrityError("This exported log cannot be relied on.", tuple(found))
