"""`merchantscreen referrals intake`: take in what lies in the inbox, or a list under two officers' names.

Without a file it empties the inbox; see `inbox`. With one it enters a list that came outside of the exchange: one that
somebody read out, mailed or handed over on paper. Both officers compare the list with its source and sign its sha256;
until both have, nothing is recorded. What it says is `transcribed`, which is less than signed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli.failures import report
from merchantscreen.cli.referrals import inbox, problems
from merchantscreen.cli.referrals.common import Revisit, current_trust, folded, to_revisit, wants_json_errors
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
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import InputError, UsageError
from merchantscreen.outputs.text import counted
from merchantscreen.referrals.reading import read_referrals

_List = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]", help="Referral events, one a line, as docs/referrals.md has them; the inbox when absent."
    ),
]
_PROBLEMS_SHOWN: Final = 100
_Sha256 = Annotated[
    str | None,
    typer.Option("--list-sha256", metavar="HEX", help="sha256 of the list as the hotline told it on another way."),
]


def intake(
    context: typer.Context,
    file: _List = None,
    *,
    officers: OfficerNames = [],  # noqa: B006 - typer's form of an option without a value
    keys: OfficerKeys = [],  # noqa: B006
    signatures: Signatures = None,
    list_sha256: _Sha256 = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Take in the signed statements of the inbox, or record a transcribed list that two officers have signed.

    Without FILE every file of the inbox is imported, then moved to done, or to refused with a report beside it; exit
    codes are those of import. With FILE it is a list: taken whole or not at all; with --signatures the first
    officer's signature waits in that file for the second, who may be elsewhere.
    """
    if file is None:
        if officers or keys or signatures or list_sha256:
            raise UsageError("No list.", (problems.NO_LIST.at("command line"),))
        _empty_inbox(context, workspace, as_name, as_json=as_json)
        return
    with opened(workspace, as_name) as place:
        place.allow("referral.transcribe")
        listed = _listed(file, list_sha256)
        trust = current_trust(folded(place))
        recorded = record_list(place, listed, Signers(officers, keys, signatures), trust)
        revisit = to_revisit(place, recorded.history, recorded.taken_back)
    if as_json:
        show_json(recorded_facts(listed, recorded, revisit))
    else:
        show_lines(recorded_lines(listed, recorded, revisit))


def _empty_inbox(context: typer.Context, workspace: Path | None, as_name: str | None, *, as_json: bool) -> None:
    with opened(workspace, as_name) as place:
        place.allow("referral.intake")
        emptied = inbox.empty(place)
    found = [problem for one in emptied.files for problem in one.problems]
    report(found[:_PROBLEMS_SHOWN], as_json=wants_json_errors(context))
    if as_json:
        show_json(inbox.facts(emptied))
    else:
        show_lines(inbox.lines(emptied))
    if emptied.exit_code:
        sys.stdout.flush()
        raise typer.Exit(emptied.exit_code)


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
    return Listed(source.sha256, tuple(read.events))


def _differs(sha256: str) -> str:
    return f"a list with the sha256 {sha256}"


def recorded_facts(listed: Listed, recorded: Recorded, revisit: Revisit) -> dict[str, Any]:
    """State what became of a list for a program."""
    return {
        "list_sha256": listed.sha256,
        "events": len(listed.events),
        "officers": list(recorded.officers),
        "is_recorded": recorded.is_recorded,
        "is_repetition": recorded.is_repetition,
        "assurance": "transcribed",
        "numbers": list(recorded.numbers),
        **revisit.facts(),
    }


def recorded_lines(listed: Listed, recorded: Recorded, revisit: Revisit) -> Iterator[str]:
    """Tell what became of a list."""
    yield f"{counted(len(listed.events), 'event')}, sha256 {listed.sha256}"
    yield f"signed by {', '.join(recorded.officers)}"
    if recorded.is_recorded:
        yield f"Recorded as transcribed: {', '.join(recorded.numbers)}"
    elif recorded.is_repetition:
        yield "Recorded before; nothing was recorded again."
    else:
        yield "Nothing is recorded until a second officer signs: the same command with their --officer and --key."
    yield from revisit.lines()
