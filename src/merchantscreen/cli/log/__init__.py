"""`merchantscreen log ...`: what was recorded, and whether it is still what it was.

One module per verb. Each prints for a person, or with --json for a program, and ends with a documented code: 0 done,
2 usage or no role for it, 4 a log, checkpoint or proof that does not check out, 65 a file that cannot be used.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.log.checkpoint import checkpoint
from merchantscreen.cli.log.erase import erase
from merchantscreen.cli.log.export import export
from merchantscreen.cli.log.key import key
from merchantscreen.cli.log.prove import prove, verify_proof
from merchantscreen.cli.log.show import show
from merchantscreen.cli.log.verify import verify_log

log_app: Final = typer.Typer(
    name="log",
    help="Show, verify, sign and prove what was recorded in a workspace.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

log_app.command("show")(show)
log_app.command("verify")(verify_log)
log_app.command("checkpoint")(checkpoint)
log_app.command("export")(export)
log_app.command("prove")(prove)
log_app.command("verify-proof")(verify_proof)
log_app.command("key")(key)
log_app.command("erase")(erase)
