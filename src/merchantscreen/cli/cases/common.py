"""What the verbs about cases share: naming a run and a case, and putting together what is shown of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from merchantscreen.cases.model import Case
from merchantscreen.outputs.cases import Shown, Told
from merchantscreen.referrals.history import Folding
from merchantscreen.workspace.cases import (
    Known,
    Screened,
    calendar_of,
    known_of,
    read_cases,
    reason_of,
    screened_run,
    standing_of,
)
from merchantscreen.workspace.session import Workspace

Account = Annotated[
    str, typer.Argument(metavar="ACCOUNT|C-NUMBER", help="account_id, or the number of its case, such as C-000001.")
]
Run = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="Id or folder of a recorded run; the latest one when absent."),
]


def desk(place: Workspace, run: str | None, folding: Folding | None = None) -> tuple[Known, Screened]:
    """Read what the log says, or said when it was folded, and the run that cases are held against."""
    known = read_cases(place) if folding is None else known_of(place, folding)
    return known, screened_run(place, known, run)


def rows_of(screened: Screened) -> Mapping[str, Mapping[str, Any]]:
    """Return the rows of the run's ranking by account."""
    return {row["account_id"]: row for row in screened.bundle.ranking.iter_rows(named=True)}


def shown(place: Workspace, known: Known, screened: Screened, case: Case, row: Mapping[str, Any] | None) -> Shown:
    """Put together where a case stands."""
    found = standing_of(case, screened.view, known, calendar_of(place.settings))
    numbers = tuple(sorted(known.history.numbers[key] for key in found.withdrawn))
    return Shown(case, found, row, numbers)


def told(place: Workspace, known: Known, screened: Screened, account_id: str) -> Told:
    """Put together all that is said of one case."""
    case = known.cases.by_account.get(account_id, Case(account_id, ""))
    one = shown(place, known, screened, case, rows_of(screened).get(account_id))
    kept = {one.log_index: reason_of(place, one) for one in (*case.proposals, *case.decisions)}
    reasons = {index: reason for index, reason in kept.items() if reason is not None}
    folder = typed(screened.bundle.folder)
    return Told(one, place.now().date(), folder, screened.view.run_id, reasons, known.cases.number_of)


def typed(folder: Path) -> str:
    """Return a path as somebody in the current folder would type it."""
    absolute = folder.resolve()
    here = Path.cwd()
    return os.path.relpath(absolute, here) if absolute.is_relative_to(here) else str(absolute)
