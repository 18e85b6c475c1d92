"""`merchantscreen report RUN`: one self-contained page about a run, beside its folder.

Rules kept here:
* the bundle is checked against its manifest first; nothing is ever written into it;
* an older report is replaced, any other file of the name is not; the page is whole or not there.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from merchantscreen.bundle import Bundle, read_bundle, read_rejects, verify_bundle, written_moment
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import CannotCreateError, FileAccessError, UsageError
from merchantscreen.outputs.files import read_regular, replace_whole
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.report import WATCH_CASES, Extent, Limits, pieces
from merchantscreen.outputs.text import visible
from merchantscreen.workspace.settings import find_folder
from merchantscreen.workspace.today import with_decisions_of_today

_MARK: Final = b'<meta name="generator" content="merchantscreen report">'
_MARK_WITHIN: Final = 4_096


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as runs/20261101T000000Z.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The page; RUN.report.html beside the run when absent."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=0, metavar="N", help="Accounts on watch that get a section too.")
    ] = WATCH_CASES,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    *,
    as_json: Json = False,
) -> None:
    """Write a fresh report of a run as one page.

    Opens in any browser without a network. The run folder, which holds the report of the day it was made, stays as
    it is; an older page beside it is replaced. In a workspace that recorded the run: with the decisions of today.
    """
    verify_bundle(run)
    bundle, known_at = _today(read_bundle(run), workspace, as_name)
    target = run.resolve().parent / f"{run.resolve().name}.report.html" if out is None else out
    _refuse(target, run)
    shown = Extent(Limits(watch_cases=top), read_rejects(run), known_at)
    page = b"".join(pieces(bundle, shown))
    _write(target, page)
    if as_json:
        digest = hashlib.sha256(page).hexdigest()
        show_json({"file": str(target), "run_id": bundle.manifest.run_id, "sha256": digest, "size_bytes": len(page)})
        return
    console = output()
    for line in banner(bundle.manifest):
        console.print(line, soft_wrap=True)
    console.print(Text(f"{visible(str(target), 4096)}: {len(page):,} bytes"), soft_wrap=True)


def _today(bundle: Bundle, folder: Path | None, as_name: str | None) -> tuple[Bundle, str | None]:
    """Put the decisions of today into a run that the workspace recorded; any other run stays as it is."""
    if find_folder(folder, Path.cwd()) is None:
        return bundle, None
    with opened(folder, as_name) as place:
        current = with_decisions_of_today(place, bundle)
        if current is bundle:
            return bundle, None
        place.allow("case.list")
        return current, written_moment(place.now().replace(microsecond=0))


def _refuse(target: Path, run: Path) -> None:
    """Refuse a place inside the run, and a file that is no report."""
    if target.resolve().is_relative_to(run.resolve()):
        raise UsageError("a report belongs beside a run", (PROBLEMS["MS-RUN-014"].at(target.name),))
    if not os.path.lexists(target):
        return
    try:
        ours = _MARK in read_regular(target)[:_MARK_WITHIN]
    except OSError:
        ours = False
    if not ours:
        raise CannotCreateError("a file of somebody else", (PROBLEMS["MS-RUN-033"].at(target.name),))


def _write(target: Path, page: bytes) -> None:
    try:
        replace_whole(target, [page])
    except OSError as error:
        found = f"writing failed ({error.strerror})"
        raise FileAccessError("no report", (PROBLEMS["MS-RUN-007"].at(target.name, found=found),)) from error
