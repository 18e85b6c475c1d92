"""`merchantscreen export case-file|xlsx|graph|match|vmss`: what leaves a run for other programs and other desks.

Every export is a new private file or folder; nothing is sent anywhere.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.export.casefile import case_file
from merchantscreen.cli.export.graph import graph
from merchantscreen.cli.export.listing import match, vmss
from merchantscreen.cli.export.xlsx import xlsx

export_app: Final = typer.Typer(
    name="export",
    help="Write parts of a run for other programs and other desks. Nothing is sent.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
export_app.command("case-file")(case_file)
export_app.command("xlsx")(xlsx)
export_app.command("graph")(graph)
export_app.command("match")(match)
export_app.command("vmss")(vmss)
