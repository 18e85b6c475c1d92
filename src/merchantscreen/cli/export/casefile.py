"""`merchantscreen export case-file ACCOUNT`: the investigation file for the acquirer, a folder or one archive."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli.export.desk import (
    Account,
    Armoured,
    Desk,
    Export,
    Purpose,
    Run,
    Sealing,
    To,
    account_named,
    at_desk,
)
from merchantscreen.cli.export.telling import tell
from merchantscreen.cli.terminal import Json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder
from merchantscreen.errors import UsageError
from merchantscreen.outputs.casefile import DECISION, case_files
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.publishing import archived, staged_folder
from merchantscreen.outputs.text import counted


def case_file(
    account: Account,
    *,
    run: Run,
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="New folder, or new file with --zip.")],
    decision: Annotated[
        str, typer.Option("--decision", metavar="TEXT", help="For which decision the file is meant.")
    ] = DECISION,
    in_archive: Annotated[bool, typer.Option("--zip", help="One zip archive instead of a folder.")] = False,
    purpose: Purpose = None,
    recipients: To = [],  # noqa: B006 - typer's form of an option without a value
    armoured: Armoured = False,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Write the investigation file of an account: a page that prints, text, CSV, JSON and a manifest.

    Other accounts appear by account id alone, where the points rest on what they share. What the run does not hold
    is listed as not known. Encryption needs --zip.
    """
    if recipients and not in_archive:
        problem = PROBLEMS["MS-RUN-001"].at("--to", found="encryption of a folder", expected="--zip beside --to")
        raise UsageError("A folder cannot be encrypted.", (problem,))
    with at_desk(run, "export.case_file", purpose, workspace, as_name) as desk:
        bundle = desk.read(run)
        named = account_named(bundle, account)
        seen = desk.seen(bundle, for_account=named)
        files = case_files(seen.bundle, named, decision, withheld=seen.withheld)
        export = Export("case-file", bundle.manifest.run_id, 1, named)
        sealing = Sealing(recipients, armoured)
        digest = (
            desk.deliver(export, out, archived(files), sealing) if in_archive else _folder(desk, export, out, files)
        )
    what = "sha256 of the archive" if in_archive else "sha256 of its manifest"
    facts = {"files": sorted(files), "sha256": digest, "manifest_sha256": _manifest_digest(files)}
    said = f"{counted(len(files), 'file')}; {what} below"
    tell(
        bundle, desk, out, said, facts, withheld=seen.withheld, recipients=recipients, as_json=as_json
    )  # fmt: skip


def _folder(desk: Desk, export: Export, out: Path, files: Mapping[str, bytes]) -> str:
    digest = _manifest_digest(files)
    with staged_folder(out, files):
        desk.record(export, digest)
    return digest


def _manifest_digest(files: Mapping[str, bytes]) -> str:
    return hashlib.sha256(files["manifest.json"]).hexdigest()
