"""`merchantscreen log erase`: take a personal value out of the store without breaking the tree."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.outputs.text import visible


def erase(
    index: Annotated[int, typer.Argument(min=0, help="Index of the event, as in log show.")],
    field: Annotated[str, typer.Argument(help="Field to erase, as in log show.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays in the log and cannot be erased itself.")],
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Erase one personal value and its salt.

    The event and its place in the tree stay; the log verifies as before, and the erasure is an event of its own.
    Backups made earlier still hold the value. Needs the role lead.
    """
    with opened(workspace, as_name) as place:
        place.allow("erase")
        event = place.erase(index, field, reason)
    if as_json:
        show_json({"event": event.index, "erased": {"event": index, "field": field}})
        return
    said = f"{visible(field)} of event {index} is erased; event {event.index} says so"
    output().print(Text(said), soft_wrap=True)
