"""`merchantscreen rules ...`: everything an auditor does with a rule folder.

One module per verb, or per pair of verbs that belong together. Each verb prints for a person, or
with --json for a program, and ends with a documented code: 0 done, 1 an assertion that does not
hold, 2 usage, 4 integrity, 65 a rule folder that cannot be used.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.rules.approve import approve
from merchantscreen.cli.rules.backtest import backtest
from merchantscreen.cli.rules.coverage import coverage
from merchantscreen.cli.rules.diff import diff
from merchantscreen.cli.rules.doc import doc
from merchantscreen.cli.rules.explain import explain
from merchantscreen.cli.rules.lint import lint
from merchantscreen.cli.rules.lock import lock
from merchantscreen.cli.rules.schema import schema
from merchantscreen.cli.rules.test import run_tests

rules_app: Final = typer.Typer(
    name="rules",
    help="Check, test, explain, compare, lock and approve the rules a screening works with.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

rules_app.command("diff")(diff)
rules_app.command("backtest")(backtest)
rules_app.command("explain")(explain)
rules_app.command("coverage")(coverage)
rules_app.command("doc")(doc)
rules_app.command("schema")(schema)
rules_app.command("approve")(approve)
rules_app.command("lint")(lint)
rules_app.command("lock")(lock)
rules_app.command("test")(run_tests)
