"""`merchantscreen cases assign ACCOUNT --to NAME`: give a case to somebody, or take it oneself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from merchantscreen.cli.cases.common import Account, Run, desk
from merchantscreen.cli.referrals.common import decided
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.eventlog.records import Draft
from merchantscreen.outputs.text import visible
from merchantscreen.referrals.history import Folding
from merchantscreen.workspace.cases import cases_of
from merchantscreen.workspace.decisions import account_of, assignment_draft
from merchantscreen.workspace.session import Workspace


@dataclass(frozen=True, slots=True)
class _Given:
    """What became of it: the case, and the log index unless they had it already."""

    account_id: str
    number: str
    log_index: int | None


def assign(
    account: Account,
    *,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Who gets it, as the settings name them.")],
    run: Run = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Give a case to somebody; an analyst may take one, a lead may give it to anybody who works on cases."""
    with opened(workspace, as_name) as place:
        place.allow("case.take" if to == place.actor else "case.assign")
        given = _give(place, account, to, run)
    if as_json:
        show_json({"number": given.number, "account_id": given.account_id, "assignee": to,
                   "log_index": given.log_index})  # fmt: skip
        return
    said = "had it already; nothing was recorded" if given.log_index is None else f"has it now, log {given.log_index}"
    output().print(Text(f"{given.number} {visible(given.account_id)}: {visible(to)} {said}"), soft_wrap=True)


def _give(place: Workspace, account: str, to: str, run: str | None) -> _Given:
    def give(folding: Folding) -> tuple[list[Draft], tuple[str, int | None]]:
        known, screened = desk(place, run, folding)
        account_id = account_of(known, screened.view, account)
        draft = assignment_draft(place, known, account_id, to)
        return ([draft], (account_id, folding.size)) if draft is not None else ([], (account_id, None))

    account_id, index = decided(place, give)
    return _Given(account_id, cases_of(place).number_of(account_id), index)
