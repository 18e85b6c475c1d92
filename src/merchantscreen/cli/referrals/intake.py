"""`merchantscreen referrals intake`: enter a list that came outside of the exchange, under two officers' names.

For a list that somebody read out, mailed or handed over on paper. Both officers compare the list with its source and
sign its sha256; until both have, nothing is recorded. What it says is `transcribed`, which is less than signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from merchantscreen.cli.referrals import problems
from merchantscreen.cli.referrals.common import (
    current_trust,
    folded,
    revisit_facts,
    revisit_lines,
    runs_to_revisit,
)
from merchantscreen.cli.referrals.officers import (
    Listed,
    OfficerKeys,
    OfficerNames,
    Recorded,
    Signatures,
    Signers,
    record_list,
)
from merchantscreen.cli.rejects import first_rejects
from merchantscreen.cli.rules.telling import show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, Json, WorkspaceFolder, opened
from merchantscreen.errors import InputError, UsageError
from merchantscreen.outputs.text import counted
from merchantscreen.referrals.reading import read_referrals

_List = Annotated[Path, typer.Argument(help="Referral events, one a line, as docs/referrals.md has them.")]
_Sha256 = Annotated[
    str | None,
    typer.Option("--list-sha256", metavar="HEX", help="sha256 of the list as the hotline told it on another way."),
]


def intake(
    file: _List,
    *,
    officers: OfficerNames,
    keys: OfficerKeys,
    signatures: Signatures = None,
    list_sha256: _Sha256 = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Record a transcribed list that two officers have compared and signed.

    With --signatures the first officer's signature waits in that file for the second, who may be elsewhere. A list is
    taken whole or not at all.
    """
    with opened(workspace, as_name) as place:
        place.allow("referral.transcribe")
        listed = _listed(file, list_sha256)
        trust = current_trust(folded(place))
        recorded = record_list(place, listed, Signers(officers, keys, signatures), trust)
    if as_json:
        show_json(recorded_facts(listed, recorded))
    else:
        show_lines(recorded_lines(listed, recorded))


def _listed(file: Path, announced: str | None) -> Listed:
    """Read a list; InputError with everything that is wrong with any line."""
    read = read_referrals([file])
    if read.rejects.height:
        raise InputError("The list cannot be used.", tuple(first_rejects(read.rejects, read.rejects.height)))
    (source,) = read.sources
    if announced is not None and announced.strip().lower() != source.sha256:
        raise InputError("Another list.", (problems.LIST_DIFFERS.at(file.name, found=_differs(source.sha256)),))
    if not read.events:
        raise UsageError("An empty list.", (problems.NOTHING_TO_LIST.at(file.name),))
    return Listed(source.sha256, read.events)


def _differs(sha256: str) -> str:
    return f"a list with the sha256 {sha256}"


def recorded_facts(listed: Listed, recorded: Recorded) -> dict[str, Any]:
    """State what became of a list for a program."""
    revisit = runs_to_revisit(recorded.history, recorded.taken_back)
    return {
        "list_sha256": listed.sha256,
        "events": len(listed.events),
        "officers": list(recorded.officers),
        "is_recorded": recorded.is_recorded,
        "is_repetition": recorded.is_repetition,
        "assurance": "transcribed",
        "numbers": list(recorded.numbers),
        "revisit": revisit_facts(revisit, recorded.history),
    }


def recorded_lines(listed: Listed, recorded: Recorded) -> Iterator[str]:
    """Tell what became of a list."""
    yield f"{counted(len(listed.events), 'event')}, sha256 {listed.sha256}"
    yield f"signed by {', '.join(recorded.officers)}"
    if recorded.is_recorded:
        yield f"Recorded as transcribed: {', '.join(recorded.numbers)}"
    elif recorded.is_repetition:
        yield "Recorded before; nothing was recorded again."
    else:
        yield "Nothing is recorded until a second officer signs: the same command with their --officer and --key."
    yield from revisit_lines(runs_to_revisit(recorded.history, recorded.taken_back), recorded.history)
