"""`merchantscreen log export`: the whole log as one file that is checked without the workspace.

The file holds every event up to a checkpoint that is signed for it. Personal values and their salts stay in the
workspace. Its sha256 is in the log before the file is there; the event that says so comes after those in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from merchantscreen.cli.log.keys import head_facts, head_line
from merchantscreen.cli.progress import shown_progress
from merchantscreen.cli.referrals.common import require_new, write_output
from merchantscreen.cli.referrals.export import MADE
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.eventlog.exported import written_log
from merchantscreen.eventlog.notes import Checkpoint, parse_note
from merchantscreen.outputs.text import counted, visible
from merchantscreen.records import Progress
from merchantscreen.workspace.session import Workspace

KIND: Final = "log"

_Out = Annotated[Path, typer.Argument(help="New file.", metavar="FILE")]


def export(out: _Out, *, workspace: WorkspaceFolder = None, as_name: ActingAs = None, as_json: Json = False) -> None:
    """Write the whole log and its signed checkpoint into one file; needs the role auditor or lead.

    `log verify --file` checks it anywhere. It holds what hotlines referred and who did what, in the open, so encrypt it
    on its way; it does not hold the personal values that `log erase` can take out.
    """
    require_new(out)
    with opened(workspace, as_name) as place, shown_progress() as progress:
        place.allow("log.read")
        note = place.checkpoint()
        head = Checkpoint.parsed(parse_note(note).text)
        digest = hashlib.sha256()
        for piece in _pieces(place, head, note, progress):
            digest.update(piece)
        event = place.record(MADE, {"kind": KIND, "sha256": digest.hexdigest()})
        write_output(out, _pieces(place, head, note, progress))
    if as_json:
        show_json({"log": head_facts(head), "sha256": digest.hexdigest(), "event": event.index})
        return
    show_lines(
        [
            f"{visible(out.name)}: {counted(head.size, 'event')}, {head_line(head)}",
            f"sha256 {digest.hexdigest()}, recorded as event {event.index}",
            "Personal values are not in it; everything else is, NOT encrypted.",
        ]
    )


def _pieces(place: Workspace, head: Checkpoint, note: bytes, progress: Progress) -> Iterator[bytes]:
    progress.stage("Exporting the log", head.size)
    for piece in written_log(place.log.leaves(head.size), note):
        progress.advance(1)
        yield piece
