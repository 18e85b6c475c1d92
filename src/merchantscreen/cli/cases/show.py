"""`merchantscreen cases show ACCOUNT|C-NUMBER`: one case, its history with reasons, and what to do next."""

from __future__ import annotations

from merchantscreen.cli.cases.common import Account, Run, desk, told
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.outputs.cases import case_facts, show_case
from merchantscreen.workspace.decisions import account_of


def show(
    account: Account,
    *,
    run: Run = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Show a case: where it stands, what is new since the last decision, who decided what and why, and what is next.

    Reasons that were erased are shown as such.
    """
    with opened(workspace, as_name) as place:
        place.allow("case.show")
        known, screened = desk(place, run)
        found = told(place, known, screened, account_of(known, screened.view, account))
    if as_json:
        show_json(case_facts(found))
    else:
        show_case(output(), found)
