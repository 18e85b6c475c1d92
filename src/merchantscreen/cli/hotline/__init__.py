"""`merchantscreen hotline ...`: what a hotline does on its own machine, without a workspace.

One module per verb: make a key and show its public half, draft events, sign them into the hotline's stream,
countersign those of another organisation. Each prints for a person, or with --json for a program, and ends with a
documented code: 0 done, 2 usage, 6 not signed as it has to be, 65 a file, key or event that cannot be used, 73
something of this name is there, 74 writing failed, 75 another command is signing.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.ondemand import verbs

_VERBS: Final = {
    "keygen": "merchantscreen.cli.hotline.keygen:keygen",
    "key": "merchantscreen.cli.hotline.key:key",
    "draft": "merchantscreen.cli.hotline.draft:draft",
    "sign": "merchantscreen.cli.hotline.sign:sign",
    "countersign": "merchantscreen.cli.hotline.countersign:countersign",
}

hotline_app: Final = typer.Typer(
    name="hotline",
    cls=verbs(_VERBS),
    help="For hotlines: make a key, draft events, sign and countersign them. No workspace is needed.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
