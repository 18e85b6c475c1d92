"""`merchantscreen referrals ...`: what hotlines referred, how it came in, what became of it, and what they are told.

One module per verb. Each prints for a person, or with --json for a program, and ends with a documented code: 0 done,
2 usage or no role for it, 6 not signed as it has to be, 7 a silent hotline, 65 anything else that was refused.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.hotline.draft import draft
from merchantscreen.cli.hotline.sign import sign
from merchantscreen.cli.referrals.export import export
from merchantscreen.cli.referrals.importing import import_
from merchantscreen.cli.referrals.intake import intake
from merchantscreen.cli.referrals.listing import list_
from merchantscreen.cli.referrals.receipt import receipt, verify_receipt
from merchantscreen.cli.referrals.release import release
from merchantscreen.cli.referrals.statements import dispute, retract
from merchantscreen.cli.referrals.status import status

referrals_app: Final = typer.Typer(
    name="referrals",
    help="Take referrals in, list them, take them back, and tell hotlines what became of them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

# what a hotline does on its own machine is there under both names
referrals_app.command("draft")(draft)
referrals_app.command("sign")(sign)
referrals_app.command("import")(import_)
referrals_app.command("intake")(intake)
referrals_app.command("list")(list_)
referrals_app.command("status")(status)
referrals_app.command("release")(release)
referrals_app.command("retract")(retract)
referrals_app.command("dispute")(dispute)
referrals_app.command("receipt")(receipt)
referrals_app.command("verify-receipt")(verify_receipt)
referrals_app.command("export")(export)
