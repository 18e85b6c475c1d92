"""The signed checkpoints of a workspace: written after every command that recorded something.

    checkpoints/17.note       the log when it had 17 events
    checkpoints/latest.note   the newest of them

Rules kept here:
* before a key signs, the whole log is verified against the last checkpoint it signed;
* checkpoints are written one command at a time, so that the latest never goes back;
* two different checkpoints of one size are never passed over.

What the key can prove depends on where it lies: a key beside the store shows what others did to the
store (the administrator of a database, a restored backup), not what the key's own holder did. For that a
checkpoint has to be kept elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from merchantscreen.errors import BusyError, FileAccessError, IntegrityError, ProblemKind
from merchantscreen.eventlog.log import Log
from merchantscreen.eventlog.notes import (
    LONGEST_NOTE,
    LONGEST_PEM,
    Checkpoint,
    Signer,
    Verifier,
    open_checkpoint,
    parse_note,
)
from merchantscreen.outputs.files import replace_whole
from merchantscreen.workspace import problems
from merchantscreen.workspace.files import read_bounded

LATEST: Final = "latest.note"
PUBLIC_ENDING: Final = ".pub"
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The folder of checkpoints and the key that signs them.

    Attributes:
        folder: Where they lie.
        key: File of the private key.
        key_name: Name it signs under.
        busy_seconds: How long to wait for another command.
    """

    folder: Path
    key: Path = field(repr=False)
    key_name: str
    busy_seconds: float

    def verifiers(self) -> tuple[Verifier, ...]:
        """Return the public keys beside the private one; InputError if they cannot be read."""
        content = read_bounded(self.key.with_suffix(PUBLIC_ENDING), LONGEST_NOTE)
        lines = content.decode("utf-8", errors="replace").splitlines()
        return tuple(Verifier.parsed(line) for line in lines if line.strip())

    def signer(self) -> Signer:
        """Return the private key; InputError if it cannot be used or has no public half beside it."""
        signer = Signer.from_pem(self.key_name, read_bounded(self.key, LONGEST_PEM, private=True))
        if signer.verifier not in self.verifiers():
            raise _broken(problems.KEYS_DIFFER, self.key.name)
        return signer

    def latest(self, known: Iterable[Verifier] | None = None) -> Checkpoint:
        """Return the newest checkpoint, its signature checked; IntegrityError if there is none.

        Args:
            known: Keys to believe; those beside the private key when None.
        """
        path = self.folder / LATEST
        if not os.path.lexists(path):
            raise _broken(problems.CHECKPOINT_MISSING, LATEST)
        return open_checkpoint(read_note(path), self.verifiers() if known is None else known)

    def require_not_behind(self, log: Log) -> None:
        """Refuse a log that is behind the newest checkpoint, or differs from it; cheap, so done at every opening."""
        latest, head = self.latest(), log.head
        same = head.root == latest.root or head.size > latest.size
        if head.origin != latest.origin or head.size < latest.size or not same:
            found = f"{head.size} events, where the latest checkpoint covers {latest.size}"
            if head.size == latest.size:
                found = "another log or other events than the latest checkpoint covers"
            raise _broken(problems.ROLLED_BACK, LATEST, found)

    def write(self, log: Log, *, first: bool = False, unless_covered: bool = False) -> bytes:
        """Sign the log as it is, keep the checkpoint, and return its note; IntegrityError unless the log checks out.

        Args:
            log: The log.
            first: Whether the workspace is being made, so that there is no checkpoint yet.
            unless_covered: Whether the latest checkpoint will do if it is of exactly this log by now: of several
                commands that end at once, one verifies the log and signs for all of them.
        """
        with self._alone():
            if unless_covered and self._covers(log):
                return read_note(self.folder / LATEST)
            note = log.checkpoint(self.signer(), after=None if first else self.latest())
            size = Checkpoint.parsed(parse_note(note).text).size
            self._keep(self.folder / f"{size}.note", note)
        return note

    def _covers(self, log: Log) -> bool:
        latest, head = self.latest(), log.head
        return (latest.origin, latest.size, latest.root) == (head.origin, head.size, head.root)

    def _keep(self, path: Path, note: bytes) -> None:
        """Write the checkpoint and then the newest; OSErrors become ours, for nothing else may hide them."""
        if os.path.lexists(path) and parse_note(read_note(path)).text != parse_note(note).text:
            raise _broken(problems.CHECKPOINT_DIFFERS, path.name)
        try:
            replace_whole(path, [note])
            replace_whole(self.folder / LATEST, [note])
        except OSError as error:
            raise FileAccessError(f"The checkpoint could not be written: {error.strerror}.") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for _ in range(max(1, int(self.busy_seconds / _PAUSE))):
                if _locked(handle):
                    break
                time.sleep(_PAUSE)
            else:
                raise BusyError("Checkpoints are being written.", (problems.CHECKPOINT_BUSY.at(self.folder.name),))
            yield
        finally:
            os.close(handle)


def read_note(path: Path) -> bytes:
    """Read the file of a note; InputError if it cannot be read."""
    return read_bounded(path, LONGEST_NOTE)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _broken(kind: ProblemKind, where: str, found: str | None = None) -> IntegrityError:
    return IntegrityError(f"{where}: {kind.title}.", (kind.at(where, found=found),))
