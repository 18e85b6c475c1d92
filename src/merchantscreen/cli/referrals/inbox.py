"""The inbox of a workspace: every file of statements in it is taken in, then moved to where it can be told apart.

    inbox/            what waits; names that begin with a dot or end in .part are still being copied
    inbox/done/       files all of whose statements were taken in, or were here already
    inbox/refused/    the others, each beside NAME.problems.txt

Rules kept here:
* a file moves only after the answers to all of its lines are recorded; whoever is interrupted in between runs the
  command again: what was taken in is a duplicate then, which is recorded nowhere;
* nothing is deleted or written over; a file that changed since it was read stays where it is;
* a hotline's files come in by the numbers in them, whatever their names; whose number that is, is read only from an
  envelope whose signatures were checked.

How statements are judged is in `signed`.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from merchantscreen.cli.hotline.files import alone_in
from merchantscreen.cli.referrals import problems, signed
from merchantscreen.cli.referrals.common import EXIT_REFUSED, Revisit, current_trust, folded, to_revisit
from merchantscreen.errors import InputError, Problem
from merchantscreen.outputs.files import replace_whole, sync_folder
from merchantscreen.outputs.text import counted, visible
from merchantscreen.referrals.admission import open_statement
from merchantscreen.referrals.exchange_problems import EnvelopeError
from merchantscreen.referrals.streams import Outcome
from merchantscreen.referrals.trust import Trust
from merchantscreen.workspace.session import Workspace

DONE: Final = "done"
REFUSED: Final = "refused"
_UNFINISHED: Final = ".part"
_REPORT: Final = ".problems.txt"
_LAST: Final = ("\U0010ffff", 0)
"""Where a file stands whose first envelope cannot be read: after all others."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A file of the inbox: where it is, what identified it before it was read, and what was read or why it was not."""

    path: Path
    mark: tuple[int, int, int]
    sent: signed.Sent | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one file.

    Attributes:
        name: Its name in the inbox.
        moved_to: Where it is now, from the inbox on; None if it stayed.
        counts: How many of its statements had each outcome.
        problems: What there is to say against it.
    """

    name: str
    moved_to: str | None
    counts: dict[Outcome, int]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Emptied:
    """What emptying the inbox has come to."""

    files: tuple[Handled, ...]
    taken: signed.Taken
    revisit: Revisit

    @property
    def exit_code(self) -> int:
        """Return how the command ends: as an import of the same files would, or as refused if one did not get done."""
        is_done = all(one.moved_to is not None and one.moved_to.startswith(f"{DONE}/") for one in self.files)
        return self.taken.exit_code or (0 if is_done else EXIT_REFUSED)


def empty(place: Workspace) -> Emptied:
    """Take in every file of the inbox in one step, then move each.

    Raises:
        InputError: There is no inbox, or there are more statements in it than one import takes.
        TrustError: There is no trust file; then nothing is moved.
        BusyError: Another command is emptying it.
    """
    folder = place.path(place.settings.inbox)
    if not folder.is_dir():
        raise InputError("There is no inbox.", (problems.NO_INBOX.at(folder.name),))
    with alone_in(folder):
        waiting = _in_order(_waiting(folder), current_trust(folded(place)))
        sent = [one.sent for one in waiting if one.sent is not None]
        if sum(len(one.envelopes) for one in sent) > signed.MOST:
            raise InputError("Too many envelopes.", (problems.TOO_MANY.at(folder.name),))
        taken = signed.take_in(place, sent, None)
        said = defaultdict[str, list[signed.Answer]](list)
        for answer in taken.answers:
            said[answer.file].append(answer)
        handled = tuple(_handled(folder, one, said[one.path.name]) for one in waiting)
        return Emptied(handled, taken, to_revisit(place, taken.history, taken.taken_back))


# --------------------------------------------------------------------------- what waits


def _waiting(folder: Path) -> list[_Waiting]:
    found = sorted(path for path in folder.iterdir() if path.is_symlink() or not path.is_dir())
    return [_read(path) for path in found if not (path.name.startswith(".") or path.name.endswith(_UNFINISHED))]


def _read(path: Path) -> _Waiting:
    mark = _mark(path)
    try:
        (sent,) = signed.read_envelopes([path])
    except InputError as error:
        return _Waiting(path, mark, None, error.problems)
    return _Waiting(path, mark, sent, () if sent.envelopes else (problems.EMPTY_FILE.at(path.name),))


def _mark(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is written to or replaced."""
    found = path.lstat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _in_order(waiting: Sequence[_Waiting], trust: Trust) -> list[_Waiting]:
    """Sort files by hotline and first number, so that each stream comes in its own order."""

    def place_of(one: _Waiting) -> tuple[tuple[str, int], str]:
        envelopes = one.sent.envelopes if one.sent is not None else ()
        try:
            first = open_statement(envelopes[0][1], trust) if envelopes else None
        except EnvelopeError:
            first = None
        return (first.issuer, first.seq) if first is not None else _LAST, one.path.name

    return sorted(waiting, key=place_of)


# --------------------------------------------------------------------------- moving


def _handled(folder: Path, one: _Waiting, answers: Sequence[signed.Answer]) -> Handled:
    """Move a file whose answers are recorded, and say what became of it."""
    counts = {outcome: sum(answer.outcome is outcome for answer in answers) for outcome in Outcome}
    against = [*one.problems, *(problem for answer in answers for problem in answer.problems)]
    is_refused = bool(one.problems or counts[Outcome.REFUSED])
    try:
        if _mark(one.path) != one.mark:
            raise OSError(errno.EBUSY, "it changed since it was read")  # noqa: TRY301  # one way for all that stays
        target = _moved(one.path, folder, _report(counts, against) if is_refused else None)
    except OSError as error:
        found = f"{problems.NOT_MOVED.title} ({error.strerror})"
        return Handled(one.path.name, None, counts, (*against, problems.NOT_MOVED.at(one.path.name, found=found)))
    return Handled(one.path.name, target.relative_to(folder).as_posix(), counts, tuple(against))


def _moved(path: Path, folder: Path, report: Iterator[bytes] | None) -> Path:
    """Move a file, after the report that goes beside it if it was refused; return where it is now."""
    target = _free(folder / (DONE if report is None else REFUSED), path.name)
    if report is not None:
        replace_whole(target.with_name(f"{target.name}{_REPORT}"), report)
    path.rename(target)
    sync_folder(target.parent)
    sync_folder(folder)
    return target


def _free(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder, which is made if need be: under its name, or with a number before it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    names = itertools.chain([name], (f"{number}-{name}" for number in itertools.count(2)))
    return next(folder / one for one in names if not os.path.lexists(folder / one))


def _report(counts: dict[Outcome, int], against: Sequence[Problem]) -> Iterator[bytes]:
    """Write what a refused file is told; nothing of its content is repeated."""
    yield f"{_counts(counts)}\n\n".encode()
    for problem in against:
        yield f"{visible(str(problem), 2000)}\n".encode()
    yield b"\nOnce this is settled, move the file back into the inbox: what was taken in counts once.\n"


# --------------------------------------------------------------------------- telling


def facts(emptied: Emptied) -> dict[str, Any]:
    """State what emptying the inbox has come to for a program."""
    taken = emptied.taken
    return {
        "read": len(taken.answers),
        **{outcome.value: taken.count(outcome) for outcome in Outcome},
        "files": [
            {"file": one.name, "moved_to": one.moved_to, "codes": [problem.code for problem in one.problems],
             **{outcome.value: count for outcome, count in one.counts.items()}}
            for one in emptied.files
        ],
        **emptied.revisit.facts(),
    }  # fmt: skip


def lines(emptied: Emptied) -> Iterator[str]:
    """Tell it."""
    if not emptied.files:
        yield "The inbox is empty."
        return
    for one in emptied.files:
        where = f"moved to {one.moved_to}" if one.moved_to else "stays in the inbox"
        yield f"{one.name}  {_counts(one.counts)}  {where}"
    taken = emptied.taken
    yield f"{counted(len(emptied.files), 'file')}, {counted(len(taken.answers), 'statement')} read"
    yield from emptied.revisit.lines()


def _counts(counts: dict[Outcome, int]) -> str:
    return ", ".join(f"{counts[outcome]:,} {outcome.value}" for outcome in Outcome)
