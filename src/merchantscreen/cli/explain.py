"""`merchantscreen explain ACCOUNT --run DIR`: one account's ledger as arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import typer

from merchantscreen.bundle import Bundle, read_bundle
from merchantscreen.cli.terminal import output
from merchantscreen.errors import Problem, UsageError
from merchantscreen.outputs.explanation import CaseFrames, case_of
from merchantscreen.outputs.explanation import explain as explain_case
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.paths import strongest_paths

_SUGGESTED: Final = 3


def explain(
    account: Annotated[str, typer.Argument(help="account_id, as in ranking.csv.")],
    run: Annotated[Path, typer.Option("--run", help="Folder of a run, such as runs/20261101T000000Z.")],
) -> None:
    """Explain one account's points as arithmetic.

    Can be followed with a calculator. Shows each item's formula with its numbers, the sum, the strongest
    paths, the rules with the values they saw, what speaks against the link, and the innocent explanations
    to rule out first.
    """
    bundle = read_bundle(run)
    row = _find(bundle, account)
    paths = strongest_paths(bundle.ledger, bundle.contributions, account)
    frames = CaseFrames(bundle.ledger, bundle.contributions, bundle.links, bundle.rules, bundle.shadow)
    case = case_of(row, frames, paths, bundle.manifest.model)
    console = output()
    for line in banner(bundle.manifest):
        console.print(line, soft_wrap=True)
    for line in explain_case(case):
        console.print(line, soft_wrap=True)


def _find(bundle: Bundle, account: str) -> dict[str, Any]:
    rows = bundle.ranking.filter(pl.col("account_id") == account).to_dicts()
    if not rows:
        raise UsageError("no such account in the run", (_unknown(bundle.ranking, account),))
    return rows[0]


def _unknown(ranking: pl.DataFrame, account: str) -> Problem:
    """Suggest accounts whose id is near, or holds what was typed."""
    known: Sequence[str] = ranking["account_id"].to_list()
    containing = [name for name in known if account and account in name]
    near = list(dict.fromkeys([*containing, *get_close_matches(account, known, _SUGGESTED)]))[:_SUGGESTED]
    kind = PROBLEMS["MS-RUN-004"]
    fix = f"Did you mean {' or '.join(near)}?" if near else kind.fix
    return Problem(kind.code, "ranking.jsonl", None, "account_id", kind.title, kind.expected, fix)
