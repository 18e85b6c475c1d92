"""`merchantscreen hotline keygen`: a new key for a hotline or an officer. Only its public half is ever shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli.hotline.files import create
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.referrals.keys import SigningKey

_Out = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="File for the private key; there must be nothing of this name.")
]


def keygen(*, out: _Out, as_json: Json = False) -> None:
    """Make a key (Ed25519), write its private half to a file of mode 0600, and print its public line.

    Send the public line to the network's officers, and read the key id to them over another channel. The private
    file stays where it is: nobody needs a copy of it, the network least of all.
    """
    key = SigningKey.generated()
    create(out, [key.private_pem()])
    if as_json:
        show_json({"file": str(out), **public_facts(key)})
        return
    said = f"The private key is in {out}; it stays with you. Send the public line to the network's officers."
    show_lines([*public_lines(key), said])


def public_facts(key: SigningKey) -> dict[str, str]:
    """State the public half of a key for a program."""
    return {"key_id": key.key_id, "public": key.verify_key.text}


def public_lines(key: SigningKey) -> list[str]:
    """Tell the public half of a key."""
    return [f"public  {key.verify_key}", f"key id  {key.key_id}"]
