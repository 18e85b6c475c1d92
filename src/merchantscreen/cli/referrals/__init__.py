"""`merchantscreen referrals ...`: what hotlines referred, how it came in, what became of it, and what they are told.

One module per verb. Each prints for a person, or with --json for a program, and ends with a documented code: 0 done,
2 usage or no role for it, 6 not signed as it has to be, 7 a silent hotline, 65 anything else that was refused.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.ondemand import verbs

_VERBS: Final = {
    # what a hotline does on its own machine is there under both names
    "draft": "merchantscreen.cli.hotline.draft:draft",
    "sign": "merchantscreen.cli.hotline.sign:sign",
    "import": "merchantscreen.cli.referrals.importing:import_",
    "intake": "merchantscreen.cli.referrals.intake:intake",
    "list": "merchantscreen.cli.referrals.listing:list_",
    "status": "merchantscreen.cli.referrals.status:status",
    "release": "merchantscreen.cli.referrals.release:release",
    "retract": "merchantscreen.cli.referrals.statements:retract",
    "dispute": "merchantscreen.cli.referrals.statements:dispute",
    "receipt": "merchantscreen.cli.referrals.receipt:receipt",
    "verify-receipt": "merchantscreen.cli.referrals.receipt:verify_receipt",
    "export": "merchantscreen.cli.referrals.export:export",
}

referrals_app: Final = typer.Typer(
    name="referrals",
    cls=verbs(_VERBS),
    help="Take referrals in, list them, take them back, and tell hotlines what became of them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
