"""`merchantscreen init DIR`: make a workspace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from merchantscreen.cli import options
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.workspace.access import system_user
from merchantscreen.workspace.layout import Made, Plan, make_workspace
from merchantscreen.workspace.settings import NAME_PATTERN

_Folder = Annotated[Path, typer.Argument(help="Folder to make; there must be nothing of this name.", metavar="DIR")]
_Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Name of the workspace; that of the folder when absent.")
]
_Audience = Annotated[
    str | None,
    typer.Option(
        "--audience", metavar="ID", help="Id of the network that hotlines address; the workspace's name when absent."
    ),
]
_Store = Annotated[
    str,
    typer.Option(
        "--store", metavar="URL", help="Where the log is kept: sqlite:PATH, or postgresql://user@host/database."
    ),
]


def init(
    folder: _Folder,
    *,
    name: _Name = None,
    audience: _Audience = None,
    store: _Store = "sqlite:store.sqlite3",
    as_json: Json = False,
) -> None:
    """Make a workspace: settings, keys, log, rules, and folders for runs and what hotlines send.

    It appears whole or not at all, and never over anything. Keep the verifier line and the checkpoint that are
    printed in another place: whoever can change the workspace can change what lies in it.
    """
    chosen = name if name is not None else _name_of(folder)
    plan = Plan(folder, chosen, audience if audience is not None else chosen, store)
    made = make_workspace(plan, system_user(), options.now())
    if as_json:
        show_json(_facts(plan, made))
    else:
        show_lines(_told(plan, made))


def _name_of(folder: Path) -> str:
    """Name the workspace after its folder where the folder's name can be one."""
    found = folder.absolute().name.lower()
    return found if re.fullmatch(NAME_PATTERN, found) else "workspace"


def _facts(plan: Plan, made: Made) -> dict[str, Any]:
    return {
        "folder": str(made.folder),
        "name": plan.name,
        "audience": plan.audience,
        "verifier": str(made.verifier),
        "checkpoint": made.note.decode("utf-8"),
    }


def _told(plan: Plan, made: Made) -> Iterator[str]:
    yield f"Made the workspace {plan.name} in {made.folder}, for statements addressed to {plan.audience}."
    yield ""
    yield "Keep these outside of it, with somebody else if you can; later they show whether the log was changed:"
    yield f"  verifier    {made.verifier}"
    yield f"  checkpoint  {made.folder / 'checkpoints' / 'latest.note'} (a copy after every day of work)"
    yield ""
    yield "Nobody has a role yet, so everybody who can open the folder may do everything. Next:"
    yield "  1. give people roles in merchantscreen.toml"
    yield "  2. accept a trust file, or import referrals"
    yield "  3. cd into the folder, then: merchantscreen screen --merchants FILE --transactions FILE"
    yield "  4. at any time: merchantscreen log verify --against THE_KEPT_CHECKPOINT --key THE_VERIFIER"
