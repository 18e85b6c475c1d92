"""`merchantscreen trust sign`: an officer's signature under a proposal.

What is signed is shown: everything that the proposal changes. A proposal that could not follow the version in force,
is for another network or has expired is not signed. An officer signs in the workspace, or on a machine of their own
that has none; then the version in force comes as a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli.hotline.files import alone_in, create, read_signing_key, replace
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.trust.proposals import (
    CHANGE,
    Current,
    FirstOf,
    Proposal,
    ground_elsewhere,
    ground_of,
    read_proposal,
    refused,
    told_ground,
)
from merchantscreen.cli.trust.telling import differences, progress_facts, progress_line, show_safely
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.keys import SigningKey
from merchantscreen.referrals.trustchain import Gathered, TrustState

_Key = Annotated[Path, typer.Option("--key", metavar="FILE", help="Private key of the officer, from hotline keygen.")]
_Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="New file for the result; PROPOSAL itself when absent.")
]


def sign(
    proposal: Proposal,
    *,
    key: _Key,
    current: Current = None,
    first_of: FirstOf = None,
    out: _Out = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Add an officer's signature to a proposal, and say whose are missing.

    Look at it first with trust show PROPOSAL. On your own machine, without the workspace, say --current FILE, or
    --first-of NETWORK for a first version; in the workspace it needs the role lead.
    """
    signer = read_signing_key(key)
    ground = ground_elsewhere(current, first_of)
    told = told_ground(ground) if ground is not None else []
    if ground is None:
        with opened(workspace, as_name) as place:
            place.allow(CHANGE)
            ground = ground_of(place)
    with alone_in(proposal.parent):
        data = read_proposal(proposal, ground)
        if trustchain.gathered(ground.state, data).trust.is_expired(ground.at):
            raise refused("MS-EXC-047", proposal.name)
        signed = trustchain.sign_proposal(ground.state, data, signer)
        _write(proposal, out, signed)
    _tell(ground.state, trustchain.gathered(ground.state, signed), signer, out or proposal, as_json=as_json)
    if not as_json:
        show_lines(told)


def _write(proposal: Path, out: Path | None, signed: bytes) -> None:
    if out is not None:
        create(out, [signed, b"\n"])
    else:
        replace(proposal, signed + b"\n")


def _tell(state: TrustState | None, gathered: Gathered, signer: SigningKey, path: Path, *, as_json: bool) -> None:
    old = state.current if state is not None else None
    changes = differences(old, gathered.trust)
    if as_json:
        stated = {"file": str(path), "signed_by": signer.key_id, "changes": changes}
        show_json(stated | progress_facts(gathered))
        return
    show_lines([f"Signed version {gathered.trust.version} of the trust file: {path}"])
    show_safely([*changes, progress_line(gathered)])
