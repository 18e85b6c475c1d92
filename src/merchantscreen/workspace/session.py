"""A workspace at work: one command opens it, reads and records, and leaves a signed checkpoint behind.

    with open_workspace(None, clock=now) as workspace:
        workspace.allow("referral.intake")
        history = workspace.history()
        workspace.record("referral.accepted", body)

Rules kept here:
* a log that is behind its own latest checkpoint is not opened;
* whoever may not do something is refused, and the refusal is recorded;
* a look-up is recorded before it is answered, with its purpose and without what was looked up in the open;
* whatever was recorded is under a signed checkpoint when the block ends, even if it ends with an error.

Left to others: what events mean (referrals/), what people see (cli/). The clock comes in.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, NoReturn, Self

from merchantscreen.errors import InputError, ProblemKind, UsageError
from merchantscreen.eventlog.log import Log, open_log
from merchantscreen.eventlog.notes import Checkpoint
from merchantscreen.eventlog.records import Draft, Event
from merchantscreen.outputs.manifest import LogHead
from merchantscreen.referrals import history
from merchantscreen.workspace import problems
from merchantscreen.workspace.access import may, may_act_as, system_user
from merchantscreen.workspace.checkpoints import Checkpoints
from merchantscreen.workspace.layout import checkpoints_of
from merchantscreen.workspace.settings import Settings, find_folder, load_settings, place_of

LOOKUP: Final = "lookup"
REFUSED: Final = "access.refused"
_PURPOSE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{3,200}")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

Clock = Callable[[], datetime]
"""Returns the time now, UTC without zone."""


class Workspace:
    """An open workspace; use it as a context.

    Attributes:
        folder: Where it is.
        settings: As file and environment say.
        log: Its log, for reading; record through `record`, so that a checkpoint follows.
        actor: Who is at work.
        checkpoints: Its signed checkpoints.
    """

    def __init__(self, folder: Path, settings: Settings, log: Log, actor: str, clock: Clock) -> None:
        self.folder = folder
        self.settings = settings
        self.log = log
        self.actor = actor
        self.checkpoints: Checkpoints = checkpoints_of(folder, settings, log.head.origin)
        self._clock = clock
        self._is_ahead = False

    # ----------------------------------------------------------------- where things are

    def path(self, relative: Path) -> Path:
        """Return a path of the settings; one that is not absolute is taken from the folder of the workspace."""
        return self.folder / relative

    @property
    def head(self) -> LogHead:
        """Return origin, size and root of the log as it is now, as manifests and reports state them."""
        return head_of(self.log.head)

    def now(self) -> datetime:
        """Return the time now, UTC without zone."""
        return self._clock()

    # ----------------------------------------------------------------- who may

    def allow(self, operation: str) -> None:
        """Go on only if the person at work may do something of `access.OPERATIONS`; UsageError, recorded, if not."""
        if may(self.actor, operation, self.settings.roles):
            return
        self.refuse(problems.NOT_ALLOWED, operation)

    def refuse(self, kind: ProblemKind, operation: str) -> NoReturn:
        """Record that the person at work was refused something, and raise the UsageError that says so."""
        self.record(REFUSED, {"operation": operation, "code": kind.code})
        raise UsageError("This is refused.", (kind.at(self.actor, found=f"{kind.title} ({operation})"),))

    # ----------------------------------------------------------------- reading

    def history(self, size: int | None = None) -> history.History:
        """Return what the log adds up to: as of now, or of when it had `size` events."""
        return history.fold(self.log.events(0, size))

    # ----------------------------------------------------------------- recording

    def record(
        self, kind: str, body: Mapping[str, Any], personal: Mapping[str, str] = _NOTHING,
        *, expected_size: int | None = None,
    ) -> Event:  # fmt: skip
        """Record one event under the person at work and return it once it is on the disk.

        Args:
            kind: What happened, such as `referral.accepted`.
            body: The facts, as plain JSON without floats.
            personal: Values that may have to be erased; the body gets a commitment to each.
            expected_size: Size of the log when this was decided; BusyError if it has grown since.
        """
        return self.record_all([Draft(kind, self.actor, body, personal)], expected_size=expected_size)[0]

    def record_all(self, drafts: Sequence[Draft], *, expected_size: int | None = None) -> tuple[Event, ...]:
        """Record several events next to each other, all or none; make the drafts with `draft`."""
        self._require_key()
        events = self.log.append_all(drafts, at=self.now(), expected_size=expected_size)
        self._is_ahead = self._is_ahead or bool(events)
        return events

    def draft(self, kind: str, body: Mapping[str, Any], personal: Mapping[str, str] = _NOTHING) -> Draft:
        """Return an event under the person at work that `record_all` can record."""
        return Draft(kind, self.actor, body, personal)

    def lookup(self, purpose: str, subject_kind: str, subject: str) -> Event:
        """Record a look-up; call it before anything is looked up.

        Args:
            purpose: Why, in 3 to 200 characters; it stays, so nothing personal.
            subject_kind: What is asked about, such as `domain` or `account`.
            subject: What exactly; the log holds a commitment, the value lies beside it and can be erased.

        Raises:
            UsageError: There is no purpose, or the person has had as many look-ups today as the settings allow.
        """
        self.allow("lookup")
        stated = stated_purpose(purpose)
        if self._lookups_today() >= self.settings.lookups_per_day:
            self.refuse(problems.QUOTA, LOOKUP)
        return self.record(LOOKUP, {"purpose": stated, "subject_kind": subject_kind}, {"subject": subject})

    def erase(self, index: int, field: str, reason: str) -> Event:
        """Erase a personal value for good and record that; UsageError if there is none."""
        self.allow("erase")
        self._require_key()
        event = self.log.erase(index, field, actor=self.actor, reason=reason, at=self.now())
        self._is_ahead = True
        return event

    def checkpoint(self) -> bytes:
        """Verify the log against its latest checkpoint, sign it as it is, keep the checkpoint and return its note."""
        note = self.checkpoints.write(self.log)
        self._is_ahead = False
        return note

    def _require_key(self) -> None:
        """Refuse to record what could not be signed afterwards: said before, not after."""
        if not self._is_ahead:
            self.checkpoints.signer()

    def _lookups_today(self) -> int:
        today = self.now().date()
        found = self.log.events(kinds=(LOOKUP,))
        return sum(event.actor == self.actor and event.recorded_at.date() == today for event in found)

    # ----------------------------------------------------------------- the block

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._is_ahead:
                self.checkpoints.write(self.log, unless_covered=True)
        finally:
            self.log.close()


def stated_purpose(purpose: str) -> str:
    """Return a purpose as it is recorded, on one line; UsageError if none is stated."""
    stated = " ".join(purpose.split())
    if not _PURPOSE.fullmatch(stated):
        raise UsageError("A purpose is needed.", (problems.PURPOSE_WRONG.at("--purpose"),))
    return stated


def head_of(checkpoint: Checkpoint) -> LogHead:
    """Write a head as manifests do: the root in base64, as the notes of checkpoints have it."""
    root = base64.b64encode(checkpoint.root).decode("ascii")
    return LogHead(origin=checkpoint.origin, size=checkpoint.size, root=root)


def open_workspace(path: Path | None, *, clock: Clock, as_name: str | None = None, trusting: bool = True) -> Workspace:
    """Open the workspace that is given, named by the environment, or around the current folder.

    Args:
        path: Its folder; None to look for it.
        clock: Returns the time now, UTC without zone.
        as_name: Name to act under; that of the system user when None.
        trusting: Refuse a log that is behind its latest checkpoint. False only for `log verify`, which tells more.

    Raises:
        InputError: There is none, or its settings or keys cannot be used.
        UsageError: The system user may not act under this name.
        IntegrityError: The log is damaged, or behind its own latest checkpoint.
    """
    folder = find_folder(path, Path.cwd())
    if folder is None:
        raise InputError("There is no workspace.", (problems.NO_WORKSPACE.at("workspace"),))
    settings, user = load_settings(folder), system_user()
    log = open_log(place_of(settings.store, folder), busy_seconds=settings.busy_seconds)
    with _closed_on_error(log):
        workspace = Workspace(folder, settings, log, user, clock)
        if trusting:
            workspace.checkpoints.require_not_behind(log)
    if as_name is not None and not may_act_as(user, as_name, settings.people):
        with workspace:
            workspace.refuse(problems.NOT_THIS_PERSON, "act-as")
    workspace.actor = as_name or user
    return workspace


@contextmanager
def _closed_on_error(log: Log) -> Iterator[None]:
    try:
        yield
    except BaseException:
        log.close()
        raise
