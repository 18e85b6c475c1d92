"""The keys a log is checked with: those given on the command line, or those of the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from merchantscreen.eventlog.notes import Checkpoint, Verifier
from merchantscreen.workspace.session import Workspace, head_of

Keys = Annotated[
    list[str],
    typer.Option(
        "--key", metavar="LINE", help="Verifier line kept elsewhere, as `log key` prints it; may be repeated."
    ),
]


def known_keys(lines: Sequence[str], workspace: Workspace) -> tuple[Verifier, ...]:
    """Return the keys to believe: those given, or those of the workspace if none is."""
    return tuple(map(Verifier.parsed, lines)) or workspace.checkpoints.verifiers()


def head_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """State origin, size and root for a program."""
    return head_of(checkpoint).model_dump(mode="json")


def head_line(checkpoint: Checkpoint) -> str:
    """State origin, size and root in a line, the root as notes have it."""
    head = head_of(checkpoint)
    return f"{head.origin} {head.size} {head.root}"
