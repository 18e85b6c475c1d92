"""The options that every command of a workspace has, and how a command opens one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merchantscreen.cli import options

if TYPE_CHECKING:
    from merchantscreen.workspace.session import Workspace

WorkspaceFolder = Annotated[
    Path | None,
    typer.Option(
        "--workspace", metavar="DIR",
        help="Workspace; MERCHANTSCREEN_WORKSPACE, or the one around the current folder, when absent.",
    ),
]  # fmt: skip
ActingAs = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="NAME",
        help="Name to act under, of those the settings list for the system user; its own when absent.",
    ),
]


def opened(folder: Path | None, as_name: str | None = None, *, trusting: bool = True) -> Workspace:
    """Open a workspace with the clock of the command line; see `session.open_workspace`."""
    from merchantscreen.workspace.session import open_workspace  # noqa: PLC0415 - only where one is opened

    return open_workspace(folder, clock=options.now, as_name=as_name, trusting=trusting)
