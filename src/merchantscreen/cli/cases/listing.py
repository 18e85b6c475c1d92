"""`merchantscreen cases list`: the queue of work, the most urgent first.

Holds every case of the workspace against one run, and every account that the run places in T1 to T3. What is decided
or held is counted and not shown, unless asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated, Final

import typer

from merchantscreen.cases.model import CASE_TIERS, Case
from merchantscreen.cli.cases.common import Run, desk, rows_of, shown
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import UsageError
from merchantscreen.outputs.cases import Queue, Shown, queue_facts, show_queue
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.vocabulary import CaseState, Tier
from merchantscreen.workspace.cases import Known, Screened
from merchantscreen.workspace.session import Workspace

_States = Annotated[
    list[CaseState],
    typer.Option("--state", metavar="STATE", help=f"Only this state; repeat. One of {', '.join(CaseState)}."),
]
_Before = Annotated[str | None, typer.Option("--due-before", metavar="DATE", help="Only what is due before this day.")]
_LAST: Final = date.max


def list_(
    *,
    run: Run = None,
    states: _States = [],  # noqa: B006 - typer's form of an option without a value
    mine: Annotated[bool, typer.Option("--mine", help="Only cases that were given to you.")] = False,
    due_before: _Before = None,
    every: Annotated[bool, typer.Option("--all", help="Show decided and held cases too.")] = False,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Show which cases want work: state, tier, when they are due, who has them, and what is new.

    Without --state what is decided or held is only counted. Linked accounts are for review; a link is not a finding.
    """
    before = _day(due_before)
    with opened(workspace, as_name) as place:
        place.allow("case.list")
        known, screened = desk(place, run)
        found = sorted(_all(place, known, screened), key=_urgency)
        today, actor = place.now().date(), place.actor
    counts = Counter(one.standing.state for one in found)
    wanted = _filter(states, actor if mine else None, before, every=every)
    manifest = screened.bundle.manifest
    queue = Queue(manifest.run_id, manifest.as_of, today, [one for one in found if wanted(one)], counts)
    if as_json:
        show_json(queue_facts(queue))
    else:
        show_queue(output(), queue)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        problem = PROBLEMS["MS-RUN-002"].at("--due-before", expected="a day such as 2026-12-01")
        raise UsageError("no day", (problem,)) from None


def _all(place: Workspace, known: Known, screened: Screened) -> Iterator[Shown]:
    """Yield every case, and the accounts of the run that are cases but not in the log yet."""
    rows = rows_of(screened)
    cases = dict(known.cases.by_account)
    for name, account in screened.view.accounts.items():
        if account.tier in CASE_TIERS:
            cases.setdefault(name, Case(name, ""))
    for name, case in cases.items():
        yield shown(place, known, screened, case, rows.get(name))


def _urgency(one: Shown) -> tuple[bool, date, int, int, int, str]:
    """Put open cases first, by day, then by state, tier and rank."""
    found = one.standing
    due = found.due.on if found.due is not None else _LAST
    tier = list(Tier).index(found.tier) if found.tier is not None else len(Tier)
    rank = one.row["rank"] if one.row is not None else 0
    return not found.is_open, due, list(CaseState).index(found.state), tier, rank, one.case.account_id


def _filter(
    states: list[CaseState], assignee: str | None, before: date | None, *, every: bool
) -> Callable[[Shown], bool]:
    def wanted(one: Shown) -> bool:
        found = one.standing
        is_asked = found.state in states if states else every or found.is_open
        is_mine = assignee is None or one.case.assignee == assignee
        is_soon = before is None or (found.due is not None and found.due.on < before)
        return is_asked and is_mine and is_soon

    return wanted
