"""`merchantscreen log checkpoint`: sign the log as it is, and show the note for keeping elsewhere."""

from __future__ import annotations

from merchantscreen.cli.log.keys import head_facts
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.eventlog.notes import Checkpoint, parse_note
from merchantscreen.outputs.text import safe_text


def checkpoint(*, workspace: WorkspaceFolder = None, as_name: ActingAs = None, as_json: Json = False) -> None:
    """Verify the log against its latest checkpoint, sign it as it is, and print the checkpoint.

    The note on standard output can be kept as a file, mailed or printed; needs the role auditor or lead.
    """
    with opened(workspace, as_name) as place:
        place.allow("log.checkpoint")
        note = place.checkpoint()
    text = note.decode("utf-8")
    if as_json:
        show_json(head_facts(Checkpoint.parsed(parse_note(note).text)) | {"note": text})
        return
    for line in text.splitlines():
        output().print(safe_text(line, limit=len(text)), soft_wrap=True)
