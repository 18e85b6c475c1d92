"""`merchantscreen export case-file|xlsx|graph|match|vmss`: what leaves a run for other programs and other desks.

Every export is a new private file or folder; nothing is sent anywhere.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.ondemand import verbs

_VERBS: Final = {
    "case-file": "merchantscreen.cli.export.casefile:case_file",
    "xlsx": "merchantscreen.cli.export.xlsx:xlsx",
    "graph": "merchantscreen.cli.export.graph:graph",
    "match": "merchantscreen.cli.export.listing:match",
    "vmss": "merchantscreen.cli.export.listing:vmss",
}

export_app: Final = typer.Typer(
    name="export",
    cls=verbs(_VERBS),
    help="Write parts of a run for other programs and other desks. Nothing is sent.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
