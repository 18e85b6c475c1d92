"""`merchantscreen export xlsx RUN`: a run as a workbook for analysts who live in a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from merchantscreen.bundle import read_bundle, verify_bundle, work_folder
from merchantscreen.cli.export.desk import Armoured, Export, Json, Purpose, Sealing, To, at_desk
from merchantscreen.cli.export.telling import tell
from merchantscreen.cli.rules.telling import show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder
from merchantscreen.outputs.text import counted
from merchantscreen.outputs.xlsx import workbook_of
from merchantscreen.tables import Rejects, conform, schema_of

_REJECTS = "rejects.csv"


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
            made = workbook_of(seen.bundle, _rejects(run), work, seen.withheld)
        export = Export("xlsx", bundle.manifest.run_id, bundle.ranking.height)
        digest = desk.deliver(export, out, made.data, Sealing(recipients, armoured))
    facts = {"rows": dict(made.rows), "cut": list(made.cuts), "sha256": digest}
    said = f"{counted(len(made.rows) + 1, 'sheet')}, {counted(sum(made.rows.values()), 'row')}"
    tell(bundle, desk, out, said, facts, withheld=seen.withheld, recipients=recipients, as_json=as_json)
    if not as_json:
        show_lines(f"cut: {line}" for line in made.cuts)


def _rejects(run: Path) -> pl.DataFrame:
    """Read the rejects of a run; the file was checked with the bundle."""
    schema = schema_of(Rejects)
    lines = csv.DictReader(io.StringIO((run / _REJECTS).read_text(encoding="utf-8"), newline=""))
    rows = [{name: line[name] or None for name in schema} for line in lines]
    return conform(pl.DataFrame(rows, schema=dict.fromkeys(schema, pl.String)), Rejects)
