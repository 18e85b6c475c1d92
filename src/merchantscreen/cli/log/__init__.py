"""`merchantscreen log ...`: what was recorded, and whether it is still what it was.

One module per verb. Each prints for a person, or with --json for a program, and ends with a documented code: 0 done,
2 usage or no role for it, 4 a log, checkpoint or proof that does not check out, 65 a file that cannot be used.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.ondemand import verbs

_VERBS: Final = {
    "show": "merchantscreen.cli.log.show:show",
    "verify": "merchantscreen.cli.log.verify:verify_log",
    "checkpoint": "merchantscreen.cli.log.checkpoint:checkpoint",
    "export": "merchantscreen.cli.log.export:export",
    "prove": "merchantscreen.cli.log.prove:prove",
    "verify-proof": "merchantscreen.cli.log.prove:verify_proof",
    "key": "merchantscreen.cli.log.key:key",
    "erase": "merchantscreen.cli.log.erase:erase",
}

log_app: Final = typer.Typer(
    name="log",
    cls=verbs(_VERBS),
    help="Show, verify, sign and prove what was recorded in a workspace.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
