"""`merchantscreen export xlsx RUN`: a run as a workbook for analysts who live in a spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.bundle import read_bundle, read_rejects, verify_bundle, work_folder
from merchantscreen.cli.export.desk import Armoured, Export, Purpose, Sealing, To, at_desk
from merchantscreen.cli.export.telling import tell
from merchantscreen.cli.terminal import Json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder
from merchantscreen.outputs.text import counted
from merchantscreen.outputs.xlsx import workbook_of


def xlsx(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as runs/20261101T000000Z.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New file to write, such as run.xlsx.")],
    purpose: Purpose = None,
    recipients: To = [],  # noqa: B006 - typer's form of an option without a value
    armoured: Armoured = False,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Write a run as a workbook: ranking, ledger, rules, referrals, blind spots, rejects, and what it rests on.

    Text stays text: no cell becomes a formula or a link. What a sheet cannot hold is told, here and on its first
    sheet; all of it is in the run.
    """
    with at_desk(run, "export.xlsx", purpose, workspace, as_name) as desk:
        verify_bundle(run)
        bundle = read_bundle(run)
        seen = desk.seen(bundle)
        with work_folder(out.parent) as work:
            made = workbook_of(seen.bundle, read_rejects(run), work, seen.withheld)
        export = Export("xlsx", bundle.manifest.run_id, bundle.ranking.height)
        digest = desk.deliver(export, out, made.data, Sealing(recipients, armoured))
    facts = {"rows": dict(made.rows), "cut": list(made.cuts), "sha256": digest}
    said = f"{counted(len(made.rows) + 1, 'sheet')}, {counted(sum(made.rows.values()), 'row')}"
    tell(bundle, desk, out, said, facts, withheld=seen.withheld, recipients=recipients, as_json=as_json)
    if not as_json:
        show_lines(f"cut: {line}" for line in made.cuts)
