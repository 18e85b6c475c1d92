"""What the verbs of `referrals` share: reading the log once, recording against what was read, and telling.

Rules kept here:
* what is recorded was decided on the whole log; if somebody else wrote meanwhile, it is decided anew;
* whatever takes back lists the runs that used what is taken back, and the decisions that rest on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import typer

from merchantscreen.cases.history import fold as fold_cases
from merchantscreen.cases.logged import KINDS as CASE_KINDS
from merchantscreen.cases.model import Case, Cases
from merchantscreen.cases.receipts import decided_on
from merchantscreen.cli.referrals import problems
from merchantscreen.errors import BusyError, CannotCreateError, InputError, ProblemKind, UsageError
from merchantscreen.eventlog.records import Draft, Event
from merchantscreen.outputs.files import write_new
from merchantscreen.outputs.problems import PROBLEMS as RUN_PROBLEMS
from merchantscreen.outputs.text import counted
from merchantscreen.referrals.exchange_problems import PROBLEMS, TrustError
from merchantscreen.referrals.history import Folding, History, Key, Run, runs_touched
from merchantscreen.referrals.history import folded as folded_log
from merchantscreen.referrals.trust import Trust
from merchantscreen.workspace.files import read_content
from merchantscreen.workspace.session import Workspace

T = TypeVar("T")

EXIT_REFUSED: Final = InputError.exit_code
_TRIES: Final = 20
"""How often it is decided anew; each time somebody else has recorded something, so nobody waits for nobody."""


def wants_json_errors(context: typer.Context) -> bool:
    """Tell whether problems are wanted as JSON lines."""
    return bool(context.find_root().params.get("json_errors"))


# --------------------------------------------------------------------------- files


def read_file(path: Path, most: int, too_large: ProblemKind) -> bytes:
    """Read a regular file; InputError if it cannot be read or is larger."""
    try:
        content = read_content(path, most).data
    except OSError as error:
        raise unreadable(path, error) from error
    if len(content) > most:
        raise InputError("This file cannot be used.", (too_large.at(path.name),))
    return content


def unreadable(path: Path, error: OSError) -> InputError:
    """Return the error for a file that cannot be read."""
    said = f"a file that cannot be read ({error.strerror or error})"
    return InputError("This file cannot be read.", (RUN_PROBLEMS["MS-RUN-008"].at(path.name, found=said),))


def require_new(path: Path | None) -> None:
    """Refuse an output that exists, before anything is recorded that says it was written."""
    if path is not None and os.path.lexists(path):
        raise _cannot_create(path, "something of this name")


def write_output(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a new private file; CannotCreateError if that cannot be."""
    try:
        write_new(path, pieces)
    except OSError as error:
        raise _cannot_create(path, error.strerror or "an error") from error


def _cannot_create(path: Path, why: str) -> CannotCreateError:
    problem = RUN_PROBLEMS["MS-RUN-006"].at(path.name, found=f"a file that cannot be created ({why})")
    return CannotCreateError("Nothing was written.", (problem,))


# --------------------------------------------------------------------------- the log


def folded(place: Workspace) -> Folding:
    """Return the fold over the whole log, ready for more."""
    return folded_log(place.log.events())


def ahead(folding: Folding, place: Workspace, draft: Draft) -> int:
    """Take in an event that is about to be recorded as the next one, and return the number it will have."""
    index = folding.size
    folding.take(Event(index, place.now(), draft.kind, draft.actor, draft.body))
    return index


def decided(place: Workspace, decide: Callable[[Folding], tuple[Sequence[Draft], T]]) -> T:
    """Decide on the whole log, record all of what was decided or nothing, and return the rest of the decision.

    Args:
        place: The workspace.
        decide: Gets the fold over the log, gives what to record and what to return. Asked again if the log has grown.
    """
    for tries_left in reversed(range(_TRIES)):
        folding = folded(place)
        size = folding.size
        drafts, answer = decide(folding)
        try:
            if drafts:
                place.record_all(drafts, expected_size=size)
        except BusyError:
            if not tries_left or place.log.size == size:
                raise
        else:
            return answer
    raise AssertionError("the last try either returns or raises")


def current_trust(folding: Folding) -> Trust:
    """Return the trust file in force; TrustError before the first."""
    if folding.trust is None:
        raise TrustError("There is no trust file.", (PROBLEMS["MS-EXC-053"].at("workspace"),))
    return folding.trust.current


def referral_of(history: History, number: str) -> Key:
    """Return hotline and referral id of a short number; UsageError if there is none."""
    found = history.referral_of(number)
    if found is None:
        raise UsageError("No such referral.", (problems.UNKNOWN.at("command line"),))
    return found


# --------------------------------------------------------------------------- runs to look at again


@dataclass(frozen=True, slots=True)
class Revisit:
    """What rests on referrals that were taken back.

    Attributes:
        history: What the log adds up to, with what was taken back.
        runs: Screenings that used each referral; referrals that none used are left out.
        cases: Cases whose latest decision rests on each; likewise.
    """

    history: History
    runs: Mapping[Key, tuple[Run, ...]]
    cases: Mapping[Key, tuple[Case, ...]]

    def facts(self) -> dict[str, Any]:
        """State runs and decisions for a program."""
        numbers = self.history.numbers
        return {
            "revisit": [
                {"number": numbers[key], "log_index": run.log_index, **run_facts(run, key)}
                for key, runs in self.runs.items()
                for run in runs
            ],
            "dispositions": [
                {"referral": numbers[key], **_disposition_facts(case)}
                for key, cases in self.cases.items()
                for case in cases
            ],
        }

    def lines(self) -> Iterator[str]:
        """Tell of them, the runs first."""
        numbers = self.history.numbers
        for key, runs in self.runs.items():
            yield f"{numbers[key]} was used in {counted(len(runs), 'run')}; screen again:"
            yield from (run_line(run, key) for run in runs)
        yield from self.decision_lines()

    def decision_lines(self) -> Iterator[str]:
        """Tell of the decisions alone."""
        for key, cases in self.cases.items():
            yield f"{counted(len(cases), 'decision')} on {self.history.numbers[key]} to look at again:"
            yield from map(_disposition_line, cases)


def to_revisit(place: Workspace, history: History, keys: Iterable[Key]) -> Revisit:
    """Find the runs and decisions that rest on some referrals, those the log does not number left out."""
    known = sorted(key for key in set(keys) if key in history.numbers)
    runs = {key: found for key in known if (found := runs_touched(history, *key))}
    cases = fold_cases(place.log.events(kinds=CASE_KINDS)) if known else Cases(0, {})
    rests = {key: resting for key in known if (resting := decided_on(cases, key))}
    return Revisit(history, runs, rests)


def _disposition_facts(case: Case) -> dict[str, Any]:
    last = case.decision
    said = {"disposition": last.disposition.value, "log_index": last.log_index} if last is not None else {}
    return {"number": case.number, "account_id": case.account_id, **said}


def _disposition_line(case: Case) -> str:
    last = case.decision
    said = f"{last.disposition.value} by {last.author}, log {last.log_index}" if last is not None else "undecided"
    return f"  {case.account_id}  {said}: merchantscreen cases show {case.number}"


def run_facts(run: Run, key: Key) -> dict[str, Any]:
    """State what a run made of a referral for a program."""
    said = run.referrals[key]
    return {"run_id": run.run_id, "as_of": run.as_of, "account_count": said["account_count"],
            "tiers": dict(said["tiers"])}  # fmt: skip


def run_line(run: Run, key: Key) -> str:
    """Tell what a run made of a referral."""
    said = run.referrals[key]
    tiers = ", ".join(f"{tier} {count}" for tier, count in sorted(said["tiers"].items()))
    accounts = counted(said["account_count"], "account")
    return f"  {run.run_id}  as of {run.as_of}  {accounts} linked{f' ({tiers})' if tiers else ''}"
