"""`merchantscreen diff OLD NEW`: what entered, left and moved between two runs, and by which evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.bundle import read_bundle
from merchantscreen.cli.ranked import no_such_account
from merchantscreen.cli.terminal import output, show_json
from merchantscreen.errors import EXIT_FAIL_ON, UsageError
from merchantscreen.outputs.rundiff import difference_values, show_account, show_difference
from merchantscreen.rundiff import difference


def diff(
    old: Annotated[Path, typer.Argument(help="Folder of the run before.")],
    new: Annotated[Path, typer.Argument(help="Folder of the run now.")],
    *,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="Tell all that differs for one account.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with exit code 1 if any account entered or moved up.")
    ] = False,
) -> None:
    """Say what differs between two runs.

    Both are checked against their manifests. Tells inputs, policy, referrals, accounts that entered, left or
    moved, and per account the evidence, rules and doubts that came or went. Linked, for review: judges nothing.
    """
    before, after = read_bundle(old), read_bundle(new)
    found = difference(before, after)
    if account is not None:
        ranked = [*before.ranking["account_id"], *after.ranking["account_id"]]
        if account not in ranked:
            raise UsageError("in neither run", (no_such_account(dict.fromkeys(ranked), account),))
    if as_json:
        show_json(difference_values(found, account))
    elif account is not None:
        show_account(output(), found, account)
    else:
        show_difference(output(), found, (str(old), str(new)))
    if exit_code and found.needs_a_look:
        raise typer.Exit(EXIT_FAIL_ON)
