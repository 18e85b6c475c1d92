"""`merchantscreen explain ACCOUNT --run DIR`: one account's ledger as arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.bundle import read_bundle
from merchantscreen.cli.ranked import ranked_account
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.outputs.explanation import CaseFrames, case_of, explanation_values
from merchantscreen.outputs.explanation import explain as explain_case
from merchantscreen.outputs.policyview import banner
from merchantscreen.paths import strongest_paths


def explain(
    account: Annotated[str, typer.Argument(help="account_id, as in ranking.csv.")],
    run: Annotated[Path, typer.Option("--run", help="Folder of a run, such as runs/20261101T000000Z.")],
    *,
    as_json: Json = False,
) -> None:
    """Explain one account's points as arithmetic.

    Can be followed with a calculator. Shows each item's formula with its numbers, the sum, the strongest
    paths, the rules with the values they saw, what speaks against the link, and the innocent explanations
    to rule out first.
    """
    bundle = read_bundle(run)
    row = ranked_account(bundle, account)
    paths = strongest_paths(bundle.ledger, bundle.contributions, account)
    frames = CaseFrames(bundle.ledger, bundle.contributions, bundle.links, bundle.rules, bundle.shadow)
    case = case_of(row, frames, paths, bundle.manifest.model)
    if as_json:
        show_json({"run_id": bundle.manifest.run_id, **explanation_values(case)})
        return
    console = output()
    for line in banner(bundle.manifest):
        console.print(line, soft_wrap=True)
    for line in explain_case(case):
        console.print(line, soft_wrap=True)
