"""`merchantscreen trust ...`: who may state what in a workspace, and how officers change it together.

A change is a proposal: a file with the next version of the trust file. Officers sign it one after the other; it means
nothing until `accept` finds enough signatures of the officers before and after it.

Every verb prints for a person, or with --json for a program, and ends with a documented code: 0 done, 2 usage or no
role for it, 4 a log that does not check out, 6 a version, signature or key that must not be trusted, 65 a file that
cannot be used, 73 something of this name is there, 75 another command is writing.
"""

from __future__ import annotations

from typing import Final

import typer

from merchantscreen.cli.trust.accept import accept
from merchantscreen.cli.trust.add import add
from merchantscreen.cli.trust.remove import remove
from merchantscreen.cli.trust.revoke import revoke
from merchantscreen.cli.trust.rotate import rotate
from merchantscreen.cli.trust.show import show
from merchantscreen.cli.trust.sign import sign

trust_app: Final = typer.Typer(
    name="trust",
    help="Show and change who may state what: propose, sign, accept.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

trust_app.command("show")(show)
trust_app.command("add")(add)
trust_app.command("remove")(remove)
trust_app.command("rotate")(rotate)
trust_app.command("revoke")(revoke)
trust_app.command("sign")(sign)
trust_app.command("accept")(accept)
