"""All commands and what they share."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from merchantscreen import __version__
from merchantscreen.cli.ondemand import verbs
from merchantscreen.cli.terminal import output
from merchantscreen.cli.words import JSON_ERRORS

_VERBS: Final = {
    "screen": "merchantscreen.cli.screen:screen",
    "index": "merchantscreen.cli.index:index",
    "retro": "merchantscreen.cli.retro:retro",
    "explain": "merchantscreen.cli.explain:explain",
    "verify": "merchantscreen.cli.verify:verify",
    "reproduce": "merchantscreen.cli.reproduce:reproduce",
    "report": "merchantscreen.cli.report:report",
    "simulate": "merchantscreen.cli.simulate:simulate",
    "init": "merchantscreen.cli.init:init",
    "diff": "merchantscreen.cli.diff:diff",
    "decide": "merchantscreen.cli.decide:decide",
    "cases": "merchantscreen.cli.cases:cases_app",
    "rules": "merchantscreen.cli.rules:rules_app",
    "export": "merchantscreen.cli.export:export_app",
    "log": "merchantscreen.cli.log:log_app",
    "referrals": "merchantscreen.cli.referrals:referrals_app",
    "hotline": "merchantscreen.cli.hotline:hotline_app",
    "trust": "merchantscreen.cli.trust:trust_app",
}

app: Final = typer.Typer(
    name="merchantscreen",
    cls=verbs(_VERBS),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        output().print(f"merchantscreen {__version__}")
        raise typer.Exit


@app.callback()
def shared(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    json_errors: Annotated[
        bool, typer.Option(JSON_ERRORS, help="Write problems as JSON lines on stderr; may stand anywhere.")
    ] = False,
) -> None:
    """Link hotline-confirmed domains to merchant accounts, with evidence that can be recomputed by hand.

    Exit codes: 0 done, 1 --fail-on tripped or a check failed, 2 usage, 3 rejects above the limit, 4 integrity,
    5 not reproducible, 6 not trusted, 7 stale, 65 bad input or rules, 70 internal, 73 cannot create,
    74 input or output failed, 75 busy.
    """
