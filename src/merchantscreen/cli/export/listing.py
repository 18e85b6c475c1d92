"""`merchantscreen export match|vmss ACCOUNT`: drafts of listings for a person to complete; never sent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Final

import typer

from merchantscreen.bundle import Bundle
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
from merchantscreen.cli.terminal import Json, output
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder
from merchantscreen.errors import UsageError
from merchantscreen.outputs.listingdrafts import STATUS, ListingKind, listing_draft
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.runpolicy import policy_of_run
from merchantscreen.outputs.text import counted

_OPERATION: Final = "export.listing"
_Code = Annotated[
    str | None,
    typer.Option("--reason-code", metavar="CODE", help="Reason a person chose, of listing_codes.yml; never filled in."),
]
_Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="New file for the draft; printed when absent.")
]


def match(
    account: Account, *, run: Run, out: _Out = None, reason_code: _Code = None, purpose: Purpose = None,
    recipients: To = [], armoured: Armoured = False,  # noqa: B006 - typer's form of an option without a value
    workspace: WorkspaceFolder = None, as_name: ActingAs = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Draft a MATCH listing for a person to complete; never sent, and no reason code by itself."""
    with at_desk(run, _OPERATION, purpose, workspace, as_name) as desk:
        _draft(desk, ListingKind.MATCH, account, run, out, reason_code, Sealing(recipients, armoured), as_json=as_json)


def vmss(
    account: Account, *, run: Run, out: _Out = None, reason_code: _Code = None, purpose: Purpose = None,
    recipients: To = [], armoured: Armoured = False,  # noqa: B006 - typer's form of an option without a value
    workspace: WorkspaceFolder = None, as_name: ActingAs = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Draft a VMSS listing for a person to complete, in its public field names; never sent."""
    with at_desk(run, _OPERATION, purpose, workspace, as_name) as desk:
        _draft(desk, ListingKind.VMSS, account, run, out, reason_code, Sealing(recipients, armoured), as_json=as_json)


def _draft(
    desk: Desk, kind: ListingKind, account: str, run: Path, out: Path | None, code: str | None, sealing: Sealing, *,
    as_json: bool,
) -> None:  # fmt: skip
    """Draft a listing; print it, or write it where a file is named."""
    if out is None and sealing.recipients:
        problem = PROBLEMS["MS-RUN-001"].at("--to", found="encryption of what is printed", expected="--out beside --to")
        raise UsageError("What is printed cannot be encrypted.", (problem,))
    bundle = desk.read(run)
    named = account_named(bundle, account)
    seen = desk.seen(bundle, for_account=named)
    known = _known_codes(bundle) if code is not None else frozenset()
    draft = listing_draft(seen.bundle, named, kind, known, code, chosen_by=desk.actor)
    text = json.dumps(draft, ensure_ascii=True, indent=2, sort_keys=True)
    data = f"{text}\n".encode()
    export = Export(kind.value, bundle.manifest.run_id, 1, named)
    if out is None:
        desk.record(export, hashlib.sha256(data).hexdigest())
        output().print(text, soft_wrap=True)
        return
    facts = {"missing": sorted(draft["missing"]), "sha256": desk.deliver(export, out, data, sealing)}
    said = f"{STATUS}; {counted(len(draft['missing']), 'field')} missing"
    tell(
        bundle, desk, out, said, facts, withheld=seen.withheld, recipients=sealing.recipients, as_json=as_json
    )  # fmt: skip


def _known_codes(bundle: Bundle) -> frozenset[str]:
    """Return the codes of the policy the run worked with."""
    stated = bundle.manifest.policy
    codes = policy_of_run(bundle.policy, stated.digest, stated.files).measures.listing_codes
    return frozenset[str]().union(*codes.values())
