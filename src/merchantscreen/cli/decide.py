"""`merchantscreen decide ACCOUNT --disposition CODE --reason TEXT`: what a person decided, in the log under their name.

Rules kept here:
* the decision is recorded against the log and the run it was made on, or not at all;
* what was decided is said back, with where the case stands now and the command that comes next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer
from rich.text import Text

from merchantscreen.cases.logged import PROPOSED
from merchantscreen.cases.model import MEANINGS, Case, Decision
from merchantscreen.cli.cases.common import Account, Run, desk, told
from merchantscreen.cli.referrals.common import decided
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.eventlog.records import Draft
from merchantscreen.outputs.cases import Told, case_facts, due_words, next_commands
from merchantscreen.outputs.text import visible
from merchantscreen.referrals.history import Folding
from merchantscreen.vocabulary import Disposition
from merchantscreen.workspace.cases import Known, Screened, cases_of
from merchantscreen.workspace.decisions import Order, decision_draft
from merchantscreen.workspace.session import Workspace

_Code = Annotated[
    str | None,
    typer.Option("--disposition", metavar="CODE", help=f"What is decided: {', '.join(Disposition)}."),
]
_Why = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, in a sentence; kept beside the log, and can be erased.")
]
_Confirm = Annotated[
    bool, typer.Option("--confirm", help="Confirm what another person proposed, on the run they proposed it on.")
]
_Other = Annotated[
    str | None,
    typer.Option("--duplicate-of", metavar="C-NUMBER", help="With duplicate: the case that is worked on instead."),
]


@dataclass(frozen=True, slots=True)
class _Done:
    """What was recorded, and the case as it stands with it."""

    decision: Decision
    told: Told
    is_proposal: bool


def decide(
    account: Account,
    *,
    disposition: _Code = None,
    reason: _Why,
    run: Run = None,
    confirm: _Confirm = False,
    duplicate_of: _Other = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Record what you decide about an account, also that nothing is to be done.

    The decision covers the evidence of the run and no more: anything new reopens the case. In tiers of the setting
    four_eyes what closes a case is a proposal until another person confirms it. What each code means: docs/cases.md.
    """
    with opened(workspace, as_name) as place:
        place.allow("case.decide")
        done = _decided(place, Order(account, disposition, reason, confirm, duplicate_of), run)
    if as_json:
        show_json(_facts(done))
        return
    for line in _lines(done):
        output().print(Text(line), soft_wrap=True)


def _decided(place: Workspace, order: Order, run: str | None) -> _Done:
    def decide_on(folding: Folding) -> tuple[list[Draft], tuple[Known, Screened, Draft, int]]:
        known, screened = desk(place, run, folding)
        draft = decision_draft(place, known, screened.view, order)
        return [draft], (known, screened, draft, folding.size)

    known, screened, draft, index = decided(place, decide_on)
    found = told(place, replace(known, cases=cases_of(place)), screened, draft.body["account_id"])
    return _Done(_made(found.shown.case, index), found, draft.kind == PROPOSED)


def _made(case: Case, log_index: int) -> Decision:
    return next(one for one in (*case.decisions, *case.proposals) if one.log_index == log_index)


def _facts(done: _Done) -> dict[str, Any]:
    return case_facts(done.told) | {"log_index": done.decision.log_index, "is_proposal": done.is_proposal}


def _lines(done: _Done) -> Iterator[str]:
    case, one, found = done.told.shown.case, done.decision, done.told.shown.standing
    verb = "proposed" if done.is_proposal else "confirmed" if one.confirms is not None else "decided"
    said = f"{one.disposition.value} {verb} by {visible(one.actor)}, log {one.log_index}"
    yield f"{case.number} {visible(case.account_id)}: {said}"
    yield f"  {MEANINGS[one.disposition].text}"
    due = f", due {found.due.on.isoformat()} ({due_words(found, done.told.today)})" if found.due is not None else ""
    yield f"  state {found.state.value}{due}"
    for command in next_commands(done.told):
        yield f"Next: {command}"
