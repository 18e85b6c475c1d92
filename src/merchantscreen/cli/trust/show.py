"""`merchantscreen trust show`: the version that counts in this workspace, or what a proposal would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli.terminal import Json, show_json
from merchantscreen.cli.trust.proposals import (
    Current,
    FirstOf,
    ground_elsewhere,
    ground_of,
    held,
    read_proposal,
    sound_history,
)
from merchantscreen.cli.trust.telling import (
    differences,
    progress_facts,
    progress_line,
    show_safely,
    trust_facts,
    trust_lines,
)
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.trustchain import TrustState

_Proposal = Annotated[
    Path | None,
    typer.Argument(metavar="[PROPOSAL]", help="Proposal to show; the version that counts when absent."),
]


def show(
    proposal: _Proposal = None,
    *,
    current: Current = None,
    first_of: FirstOf = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Show officers, organisations, keys with their validity, thresholds and protected hosts.

    Compare the sha256 with the officers over another channel. Exit code 6 before the first version was accepted.
    With a proposal: what it would change, and whose signatures are missing; look before you sign, on your own machine
    with --current or --first-of.
    """
    elsewhere = ground_elsewhere(current, first_of)
    if elsewhere is not None and proposal is not None:
        _show_proposal(elsewhere.state, read_proposal(proposal, elsewhere), as_json=as_json)
        return
    with opened(workspace, as_name) as place:
        place.allow("trust.show")
        history, at = sound_history(place), place.now()
        data = read_proposal(proposal, ground_of(place)) if proposal is not None else None
    if data is not None:
        _show_proposal(history.trust, data, as_json=as_json)
    elif as_json:
        show_json(trust_facts(held(history), at))
    else:
        show_safely(trust_lines(held(history), at))


def _show_proposal(state: TrustState | None, data: bytes, *, as_json: bool) -> None:
    gathered = trustchain.gathered(state, data)
    changes = differences(state.current if state is not None else None, gathered.trust)
    if as_json:
        show_json({"changes": changes, **progress_facts(gathered)})
    else:
        show_safely([f"Proposal for version {gathered.trust.version}", *changes, progress_line(gathered)])
