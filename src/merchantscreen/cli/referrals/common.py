"""What the verbs of `referrals` share: reading the log once, recording against what was read, and telling.

Rules kept here:
* what is recorded was decided on the whole log; if somebody else wrote meanwhile, it is decided anew;
* whatever takes back lists the runs that used what is taken back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import typer

from merchantscreen.cli.referrals import problems
from merchantscreen.errors import BusyError, CannotCreateError, InputError, ProblemKind, UsageError
from merchantscreen.eventlog.records import Draft, Event
from merchantscreen.outputs.files import write_new
from merchantscreen.outputs.problems import PROBLEMS as RUN_PROBLEMS
from merchantscreen.outputs.text import counted
from merchantscreen.referrals.exchange_problems import PROBLEMS, TrustError
from merchantscreen.referrals.history import Folding, History, Key, Run, runs_touched
from merchantscreen.referrals.trust import Trust
from merchantscreen.workspace.files import open_regular
from merchantscreen.workspace.session import Workspace

T = TypeVar("T")

EXIT_REFUSED: Final = InputError.exit_code
_TRIES: Final = 5


def wants_json_errors(context: typer.Context) -> bool:
    """Tell whether problems are wanted as JSON lines."""
    return bool(context.find_root().params.get("json_errors"))


# --------------------------------------------------------------------------- files


def read_file(path: Path, most: int, too_large: ProblemKind) -> bytes:
    """Read a regular file; InputError if it cannot be read or is larger."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            content = file.read(most + 1)
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


def write_output(path: Path, data: bytes) -> None:
    """Write a new private file; CannotCreateError if that cannot be."""
    try:
        write_new(path, [data])
    except OSError as error:
        raise _cannot_create(path, error.strerror or "an error") from error


def _cannot_create(path: Path, why: str) -> CannotCreateError:
    problem = RUN_PROBLEMS["MS-RUN-006"].at(path.name, found=f"a file that cannot be created ({why})")
    return CannotCreateError("Nothing was written.", (problem,))


# --------------------------------------------------------------------------- the log


def folded(place: Workspace) -> Folding:
    """Return the fold over the whole log, ready for more."""
    folding = Folding()
    for event in place.log.events():
        folding.take(event)
    return folding


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


Revisit = Mapping[Key, tuple[Run, ...]]
"""Screenings that used a referral, by referral."""


def runs_to_revisit(history: History, keys: Iterable[Key]) -> Revisit:
    """Return the screenings that used each of some referrals; referrals that none used are left out."""
    found = {key: runs_touched(history, *key) for key in dict.fromkeys(keys) if key in history.numbers}
    return {key: runs for key, runs in sorted(found.items()) if runs}


def revisit_facts(revisit: Revisit, history: History) -> list[dict[str, Any]]:
    """State them for a program."""
    return [
        {"number": history.numbers[key], "log_index": run.log_index, **run_facts(run, key)}
        for key, runs in revisit.items()
        for run in runs
    ]


def revisit_lines(revisit: Revisit, history: History) -> Iterator[str]:
    """Tell of them."""
    for key, runs in revisit.items():
        count = counted(len(runs), "run")
        yield f"{history.numbers[key]} was used in {count}; screen again, and look again at what was decided:"
        yield from (run_line(run, key) for run in runs)


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
