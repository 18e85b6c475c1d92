"""`merchantscreen log key`: the line by which others check the checkpoints of this workspace."""

from __future__ import annotations

from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import WorkspaceFolder, opened


def key(*, workspace: WorkspaceFolder = None, as_json: Json = False) -> None:
    """Print the verifier line of the checkpoint key, one line per key.

    It is public. Keep it elsewhere, and give it to those who check proofs or checkpoints.
    """
    with opened(workspace) as place:
        lines = [str(one) for one in place.checkpoints.verifiers()]
    if as_json:
        show_json({"verifiers": lines})
    else:
        show_lines(lines)
