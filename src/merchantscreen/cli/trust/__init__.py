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

from merchantscreen.cli.ondemand import verbs

_VERBS: Final = {
    "show": "merchantscreen.cli.trust.show:show",
    "add": "merchantscreen.cli.trust.add:add",
    "remove": "merchantscreen.cli.trust.remove:remove",
    "rotate": "merchantscreen.cli.trust.rotate:rotate",
    "revoke": "merchantscreen.cli.trust.revoke:revoke",
    "sign": "merchantscreen.cli.trust.sign:sign",
    "accept": "merchantscreen.cli.trust.accept:accept",
}

trust_app: Final = typer.Typer(
    name="trust",
    cls=verbs(_VERBS),
    help="Show and change who may state what: propose, sign, accept.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
