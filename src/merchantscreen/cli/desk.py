"""What `screen` does beside screening where it works in a workspace: its log says what was referred, and what became.

A module of its own, imported when a workspace is used: logs, trust and cases are a sixth of the start of `screen`, and
whoever screens from files needs none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from merchantscreen import bundle
from merchantscreen.cases.items import RunFrames
from merchantscreen.cli.comparing import as_recorded
from merchantscreen.cli.workspaces import opened
from merchantscreen.errors import Problem, StaleError, UsageError
from merchantscreen.intake.index import MARK as INDEX_MARK
from merchantscreen.outputs import manifest as m
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.records import SourceFile
from merchantscreen.referrals.admission import Silent, spans, staleness
from merchantscreen.referrals.history import History, Run, register_of
from merchantscreen.referrals.register import Register
from merchantscreen.workspace import cases, problems, runs
from merchantscreen.workspace.session import Workspace
from merchantscreen.workspace.settings import find_folder


@dataclass(frozen=True, slots=True)
class Referred:
    """What the log said of referrals when it was read.

    Attributes:
        register: The register as of the moment of the run.
        source: The log as an input of the run.
        head: How long the log was.
        notices: Hotlines that are silent, and what else is worth a look.
        recorded: The runs that it holds, in their order.
    """

    register: Register
    source: SourceFile
    head: m.LogHead
    notices: tuple[Problem, ...]
    recorded: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Desk:
    """A workspace in which somebody may screen.

    Attributes:
        place: The workspace.
    """

    place: Workspace

    @property
    def rules(self) -> Path:
        """Return its rule folder."""
        return self.place.path(self.place.settings.rules)

    @property
    def runs(self) -> Path:
        """Return its folder of runs."""
        return self.place.path(self.place.settings.runs)

    @property
    def pseudonym_key(self) -> Path | None:
        """Return the file with the key of its contact tokens."""
        key = self.place.settings.pseudonym_key
        return self.place.path(key) if key else None

    @property
    def index(self) -> Path | None:
        """Return its index, once there is one."""
        folder = self.place.path(self.place.settings.index)
        return folder if (folder / INDEX_MARK).is_file() else None

    @property
    def require_approved(self) -> bool:
        """Return whether its rules have to be approved."""
        return self.place.settings.require_approved

    def referred(self, as_of: datetime, *, require_fresh: bool) -> Referred:
        """Read what the log says of referrals.

        Raises:
            StaleError: A hotline is silent for too long, and that was not to be.
        """
        head = self.place.head
        history = self.place.history(head.size)
        register, silent = register_of(history, as_of), self._silent(history)
        if silent and require_fresh:
            raise StaleError("a hotline is silent", silent)
        notices = (*history.problems, *silent)
        if not any(referral.counts for referral in register.referrals):
            notices += (problems.NO_REFERRALS.at(head.origin),)
        return Referred(register, runs.source_of(history), head, notices, history.runs)

    def _silent(self, history: History) -> tuple[Problem, ...]:
        """Name the hotlines of the trust file that were not heard lately."""
        if history.trust is None:
            return ()
        limit = timedelta(hours=self.place.settings.stale_after_hours)
        found = staleness(history.streams, history.trust.current, self.place.now(), limit)
        return tuple(problems.SILENT.at(one.issuer, found=_silence(one)) for one in found)

    def record_start(self, run_id: str, as_of: datetime, head: m.LogHead) -> None:
        """Record the run before anybody can see a result of it."""
        self.place.record(runs.STARTED, runs.started_body(run_id, bundle.written_moment(as_of), head))

    def record(self, folder: Path, referred: Referred, ranking: pl.DataFrame, ledger: pl.DataFrame) -> None:
        """Record what a run came to: its manifest, counts per referral, and the accounts that are cases in it."""
        content = (folder / m.NAME).read_bytes()
        manifest, digest = m.parse_manifest(content), hashlib.sha256(content).hexdigest()
        used = runs.referrals_used(referred.register, ranking)
        bodies = runs.recorded_bodies(manifest.run_id, manifest.as_of, referred.head, digest, used)
        frames = RunFrames(ranking, ledger, manifest.model["account_rounds"])
        recorded = [self.place.draft(runs.RECORDED, body) for body in bodies]
        self.place.record_all([*recorded, *cases.listing_drafts(self.place, manifest, frames)])

    def history(self, referred: Referred, frames: RunFrames, pseudonym_key_id: str) -> pl.DataFrame:
        """Say what was decided about the accounts of a run before: tables.CaseHistory."""
        return cases.history_of(self.place, referred.head.size, referred.register, frames, pseudonym_key_id)

    def latest(self, referred: Referred) -> bundle.Comparison | None:
        """Compare with the latest recorded run that is still there as it was recorded; None where there is none."""
        found = (as_recorded(self.runs, run.run_id, run.manifest_sha256) for run in reversed(referred.recorded))
        return next((run for run in found if run is not None), None)


def _silence(one: Silent) -> str:
    heard = f"last heard at {one.heard_at:%Y-%m-%d %H:%M} UTC" if one.heard_at else "never heard"
    gap = f", numbers missing: {spans(one.missing)}" if one.missing else ""
    return f"a hotline {heard}{gap}"


@contextmanager
def sat_down(folder: Path | None, as_name: str | None) -> Iterator[Desk]:
    """Open the workspace that the caller is in.

    Raises:
        UsageError: There is none, and so nothing that says what was referred.
    """
    if find_folder(folder, Path.cwd()) is None:
        said = "--referrals is missing, and there is no workspace"
        raise UsageError("No referrals.", (PROBLEMS["MS-RUN-001"].at("command line", found=said),))
    with opened(folder, as_name) as place:
        place.allow("screen")
        yield Desk(place)


def two_registers() -> UsageError:
    """Make the refusal of referral files in a workspace, which has its own."""
    return UsageError("Two registers.", (problems.TWO_REGISTERS.at("command line"),))
