"""All commands and what they share."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from merchantscreen import __version__
from merchantscreen.cli.cases import cases_app
from merchantscreen.cli.decide import decide
from merchantscreen.cli.diff import diff
from merchantscreen.cli.explain import explain
from merchantscreen.cli.export import export_app
from merchantscreen.cli.hotline import hotline_app
from merchantscreen.cli.init import init
from merchantscreen.cli.log import log_app
from merchantscreen.cli.referrals import referrals_app
from merchantscreen.cli.report import report
from merchantscreen.cli.reproduce import reproduce
from merchantscreen.cli.rules import rules_app
from merchantscreen.cli.screen import screen
from merchantscreen.cli.simulate import simulate
from merchantscreen.cli.terminal import output
from merchantscreen.cli.trust import trust_app
from merchantscreen.cli.verify import verify
from merchantscreen.cli.words import JSON_ERRORS

app: Final = typer.Typer(
    name="merchantscreen",
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


for _command in (screen, explain, verify, reproduce, report, simulate, init, diff, decide):
    app.command()(_command)
app.add_typer(cases_app)
app.add_typer(rules_app)
app.add_typer(export_app)
app.add_typer(log_app)
app.add_typer(referrals_app)
app.add_typer(hotline_app)
app.add_typer(trust_app)
