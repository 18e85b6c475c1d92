"""`merchantscreen cases ...`: the accounts of a workspace that want a person's decision, and their history.

Each verb has a file of its own. Deciding is `merchantscreen decide`.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.cases.assign import assign
from merchantscreen.cli.cases.listing import list_
from merchantscreen.cli.cases.show import show

cases_app: Final = typer.Typer(
    name="cases",
    help="See which accounts want a decision, which are overdue, and what is new since the last one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

cases_app.command("list")(list_)
cases_app.command("show")(show)
cases_app.command("assign")(assign)
