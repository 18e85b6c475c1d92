"""`merchantscreen log prove` and `log verify-proof`: show somebody one event without showing the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from merchantscreen.cli.log.keys import Keys, head_facts, head_line
from merchantscreen.cli.log.show import event_facts, event_line
from merchantscreen.cli.terminal import Json, output, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import BusyError, CannotCreateError, UsageError
from merchantscreen.eventlog import problems as log_problems
from merchantscreen.eventlog.notes import Checkpoint, Verifier, parse_note
from merchantscreen.outputs.files import write_new
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.workspace.files import read_bounded
from merchantscreen.workspace.proofs import LARGEST, Proven, checked_proof, written_proof
from merchantscreen.workspace.session import Workspace

_TRIES: Final = 5

_Index = Annotated[int, typer.Argument(min=0, help="Number of the event, as `log show` lists it.", metavar="INDEX")]
_Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="New file for the proof; stdout when absent.")]
_File = Annotated[Path, typer.Argument(help="A proof as `log prove` writes it.", metavar="FILE")]


def prove(index: _Index, *, out: _Out = None, workspace: WorkspaceFolder = None, as_name: ActingAs = None) -> None:
    """Write a proof that an event is in the log: a JSON file that is checked without the log.

    It holds the event itself, so give it only to who may see that; needs the role auditor or lead.
    """
    with opened(workspace, as_name) as place:
        place.allow("log.read")
        proof = _proof(place, index)
    if out is None:
        output().print(proof.decode("ascii").rstrip("\n"), soft_wrap=True)
        return
    try:
        write_new(out, [proof])
    except OSError as error:
        said = f"a file that cannot be created ({error.strerror})"
        raise CannotCreateError("No proof was written.", (PROBLEMS["MS-RUN-006"].at(out.name, found=said),)) from error


def verify_proof(file: _File, *, keys: Keys = [], as_json: Json = False) -> None:  # noqa: B006 - typer's form
    """Check a proof with a verifier line obtained elsewhere; no workspace is needed.

    Exit code 4 if it does not hold.
    """
    if not keys:
        raise UsageError("A proof needs a key.", (PROBLEMS["MS-RUN-001"].at("command line", found="--key is missing"),))
    proven = checked_proof(read_bounded(file, LARGEST), tuple(map(Verifier.parsed, keys)))
    if as_json:
        show_json({"event": event_facts(proven.event), "log": head_facts(proven.checkpoint)})
    else:
        show_lines(_told(proven))


def _proof(place: Workspace, index: int) -> bytes:
    """Sign the log and prove the event against exactly that; others may be writing meanwhile."""
    for _ in range(_TRIES):
        note = place.checkpoint()
        inclusion = place.log.prove(index)
        if inclusion.head == Checkpoint.parsed(parse_note(note).text):
            return written_proof(inclusion, note)
    raise BusyError("The log keeps growing.", (log_problems.MOVED_ON.at("log"),))


def _told(proven: Proven) -> Iterator[str]:
    yield f"The proof holds: event {proven.event.index} is in {head_line(proven.checkpoint)}"
    yield event_line(proven.event)
