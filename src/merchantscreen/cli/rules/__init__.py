"""`merchantscreen rules ...`: everything an auditor does with a rule folder.

One module per verb, or per pair of verbs that belong together. Each verb prints for a person, or
with --json for a program, and ends with a documented code: 0 done, 1 an assertion that does not
hold, 2 usage, 4 integrity, 65 a rule folder that cannot be used.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.ondemand import verbs

_VERBS: Final = {
    "diff": "merchantscreen.cli.rules.diff:diff",
    "backtest": "merchantscreen.cli.rules.backtest:backtest",
    "explain": "merchantscreen.cli.rules.explain:explain",
    "coverage": "merchantscreen.cli.rules.coverage:coverage",
    "doc": "merchantscreen.cli.rules.doc:doc",
    "schema": "merchantscreen.cli.rules.schema:schema",
    "approve": "merchantscreen.cli.rules.approve:approve",
    "lint": "merchantscreen.cli.rules.lint:lint",
    "lock": "merchantscreen.cli.rules.lock:lock",
    "test": "merchantscreen.cli.rules.test:run_tests",
}

rules_app: Final = typer.Typer(
    name="rules",
    cls=verbs(_VERBS),
    help="Check, test, explain, compare, lock and approve the rules a screening works with.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
