"""`merchantscreen cases ...`: the accounts of a workspace that want a person's decision, and their history.

Each verb has a file of its own. Deciding is `merchantscreen decide`.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.ondemand import verbs

_VERBS: Final = {
    "list": "merchantscreen.cli.cases.listing:list_",
    "show": "merchantscreen.cli.cases.show:show",
    "assign": "merchantscreen.cli.cases.assign:assign",
}

cases_app: Final = typer.Typer(
    name="cases",
    cls=verbs(_VERBS),
    help="See which accounts want a decision, which are overdue, and what is new since the last one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
