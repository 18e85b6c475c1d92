"""`merchantscreen verify RUN`: does a bundle still hold what was written into it?"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from merchantscreen.bundle import verify_bundle
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.text import counted, visible


def verify(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as runs/20261101T000000Z.")],
    *,
    as_json: Json = False,
) -> None:
    """Check every file of a run against its manifest.

    Needs no inputs. Names every file that differs, is missing or does not belong; exit code 4.
    The manifest is unsigned: compare the sha256 printed here with the one noted when the run was made.
    """
    manifest = verify_bundle(run)
    digest = hashlib.sha256(manifest.canonical()).hexdigest()
    if as_json:
        state = manifest.policy.approval.state
        shown = {"files": len(manifest.outputs), "manifest_sha256": digest, "policy_state": state}
        show_json({"run_id": manifest.run_id, "verified": True, **shown})
        return
    files = counted(len(manifest.outputs), "file")
    console = output()
    for line in banner(manifest):
        console.print(line, soft_wrap=True)
    console.print(
        Text(f"{visible(manifest.run_id)}: {files} as written; manifest sha256 {digest}, unsigned"), soft_wrap=True
    )
