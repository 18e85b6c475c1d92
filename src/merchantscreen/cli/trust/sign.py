"""`merchantscreen trust sign`: an officer's signature under a proposal.

What is signed is shown: everything that the proposal changes. A proposal that could not follow the version of this
workspace, is for another network or has expired is not signed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli.hotline.files import alone_in, create, read_signing_key, replace
from merchantscreen.cli.rules.telling import show_json, show_lines
from merchantscreen.cli.trust.proposals import CHANGE, Proposal, read_proposal, refused, sound_history
from merchantscreen.cli.trust.telling import differences, progress_facts, progress_line, show_safely
from merchantscreen.cli.workspaces import ActingAs, Json, WorkspaceFolder, opened
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
    out: _Out = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Add an officer's signature to a proposal, and say whose are missing.

    Look at it first with trust show PROPOSAL; needs the role lead.
    """
    signer = read_signing_key(key)
    with opened(workspace, as_name) as place:
        place.allow(CHANGE)
        state = sound_history(place).trust
        with alone_in(proposal.parent):
            data = read_proposal(proposal, place)
            if trustchain.gathered(state, data).trust.is_expired(place.now()):
                raise refused("MS-EXC-047", proposal.name)
            signed = trustchain.sign_proposal(state, data, signer)
            _write(proposal, out, signed)
    _tell(state, trustchain.gathered(state, signed), signer, out or proposal, as_json=as_json)


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
