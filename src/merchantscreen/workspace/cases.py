"""Cases in a workspace: what the log says of them, the run they are held against, and what a screening adds.

Rules kept here:
* a run is one that this workspace recorded, byte for byte as it was recorded;
* what a bundle says of earlier decisions follows from the log that its run worked with.

What may be decided is left to decisions.py, what people see to cli/.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from merchantscreen.bundle import Bundle, read_bundle
from merchantscreen.cases import history as case_history
from merchantscreen.cases import logged, problems
from merchantscreen.cases.due import Calendar
from merchantscreen.cases.due import calendar as due_calendar
from merchantscreen.cases.frames import history_frame
from merchantscreen.cases.items import RunFrames, RunView, view_of
from merchantscreen.cases.model import CASE_TIERS, Case, Cases, Decision
from merchantscreen.cases.standing import Standing, Withdrawn, standing
from merchantscreen.cases.withdrawn import standing_referrals, withdrawn_referrals
from merchantscreen.errors import InputError, IntegrityError, Problem, UsageError
from merchantscreen.eventlog.records import Draft
from merchantscreen.outputs import manifest as m
from merchantscreen.referrals import history as referral_history
from merchantscreen.referrals.bulk import without_collector
from merchantscreen.referrals.history import History, Run, register_of
from merchantscreen.referrals.register import Register
from merchantscreen.vocabulary import Tier
from merchantscreen.workspace.session import Workspace
from merchantscreen.workspace.settings import Settings


@dataclass(frozen=True, slots=True)
class Known:
    """What the log says: of referrals, of cases, and which referrals an earlier decision may not rest on any more."""

    history: History
    cases: Cases
    standing: frozenset[tuple[str, str]]
    withdrawn: Withdrawn


@dataclass(frozen=True, slots=True)
class Screened:
    """A recorded run that is there: its bundle, and the run as cases see it."""

    bundle: Bundle
    view: RunView


# --------------------------------------------------------------------------- reading


def read_cases(place: Workspace, size: int | None = None, register: Register | None = None) -> Known:
    """Read the log once and return what it says now, or said when it had `size` events.

    Args:
        place: The workspace.
        size: Events to read; None for all.
        register: The register that referrals are held against; that of now when None.
    """
    folding, cases = referral_history.Folding(), case_history.Folding()
    with without_collector():
        for event in place.log.events(0, size):
            folding.take(event)
            cases.take(event)
    return _known(place, folding, cases.cases(), register)


def known_of(place: Workspace, folding: referral_history.Folding) -> Known:
    """Return what the log said where its referrals are folded already: only the events of cases are read again."""
    return _known(place, folding, cases_of(place, folding.size))


def cases_of(place: Workspace, size: int | None = None) -> Cases:
    """Read the events of cases alone: all that there are now, or of the first `size` events of the log."""
    return case_history.fold(place.log.events(0, size, kinds=logged.KINDS))


def _known(
    place: Workspace, folding: referral_history.Folding, cases: Cases, register: Register | None = None
) -> Known:  # fmt: skip
    history = folding.history()
    held = register_of(history, place.now()) if register is None else register
    return Known(history, cases, standing_referrals(held), withdrawn_referrals(history, held))


def calendar_of(settings: Settings) -> Calendar:
    """Return the days within which cases have to be looked at."""
    return due_calendar({Tier(tier): text for tier, text in settings.due.items()}, settings.holidays)


def screened_run(place: Workspace, known: Known, name: str | None) -> Screened:
    """Read a run of the workspace.

    Args:
        place: The workspace.
        known: What its log says.
        name: Id of a run, or its folder; None for the one that was recorded last.

    Raises:
        UsageError: There is no such run, or the log does not know it.
        IntegrityError: It is not as it was recorded.
    """
    folder, run = _folder_of(place, known.history, name)
    try:
        bundle = read_bundle(folder)
    except InputError as error:
        if (folder / m.NAME).is_file():
            raise
        raise _refused(problems.NO_RUN.at("--run", found=f"{run.run_id}, recorded and not there")) from error
    digest = hashlib.sha256(bundle.manifest.canonical()).hexdigest()
    if digest != run.manifest_sha256:
        raise IntegrityError("another run than was recorded", (problems.RUN_DIFFERS.at(run.run_id),))
    frames = RunFrames(bundle.ranking, bundle.ledger, bundle.manifest.model["account_rounds"])
    return Screened(bundle, view_of(run.run_id, digest, bundle.manifest.pseudonym_key_id, frames, known.standing))


def _folder_of(place: Workspace, history: History, name: str | None) -> tuple[Path, Run]:
    """Return the folder of a run and what the log recorded of it."""
    runs = {run.run_id: run for run in history.runs}
    given = Path(name).name if name is not None else next(reversed(runs), None)
    if given is None or given not in runs:
        raise _refused(problems.NO_RUN.at("--run"))
    own = place.path(place.settings.runs) / given
    is_folder = name is not None and (Path(name) / m.NAME).is_file()
    return (Path(name or "") if is_folder else own), runs[given]


def _refused(found: Problem) -> UsageError:
    return UsageError("There is no such run.", (found,))


def standing_of(case: Case, run: RunView, known: Known, calendar: Calendar) -> Standing:
    """Say where a case stands against a run, as far as is known."""
    return standing(case, run, known.withdrawn, calendar)


def reason_of(place: Workspace, decision: Decision) -> str | None:
    """Return the reason of a decision or proposal; None once it is erased."""
    return place.log.personal(decision.log_index).get(logged.REASON)


# --------------------------------------------------------------------------- a screening


def history_of(
    place: Workspace, size: int, register: Register, frames: RunFrames, pseudonym_key_id: str
) -> pl.DataFrame:
    """Return tables.CaseHistory of a run: what was decided by the time it was made.

    Args:
        place: The workspace.
        size: Size of the log that the run worked with.
        register: The register it worked with.
        frames: Its ranking and ledger.
        pseudonym_key_id: Key of its contact tokens.
    """
    known = read_cases(place, size, register)
    run = view_of("", "", pseudonym_key_id, frames, known.standing)
    return history_frame(known.cases, run, known.withdrawn)


def listing_drafts(place: Workspace, manifest: m.Manifest, frames: RunFrames) -> list[Draft]:
    """Return the events that list the cases of a run, to be recorded together with the run."""
    known = read_cases(place)
    digest = hashlib.sha256(manifest.canonical()).hexdigest()
    run = view_of(manifest.run_id, digest, manifest.pseudonym_key_id, frames, known.standing)
    listed = [(name, one.tier, _reopens(known, run, name)) for name, one in run.accounts.items()
              if one.tier in CASE_TIERS]  # fmt: skip
    bodies = logged.listed_bodies(manifest.run_id, digest, manifest.as_of, listed)
    return [place.draft(logged.LISTED, body) for body in bodies]


def _reopens(known: Known, run: RunView, account_id: str) -> bool:
    case = known.cases.by_account.get(account_id)
    return case is not None and standing(case, run, known.withdrawn, Calendar({})).brings_news
