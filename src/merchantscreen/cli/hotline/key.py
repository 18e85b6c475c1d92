"""`merchantscreen hotline key`: the public half of a private key file, for whoever has lost the line or the id."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli.hotline.files import read_signing_key
from merchantscreen.cli.hotline.keygen import public_facts, public_lines
from merchantscreen.cli.terminal import Json, show_json, show_lines

_File = Annotated[Path, typer.Argument(metavar="FILE", help="Private key, as hotline keygen wrote it.")]


def key(file: _File, *, as_json: Json = False) -> None:
    """Print the public line and the key id of a private key; the private half is not shown."""
    found = read_signing_key(file)
    if as_json:
        show_json({"file": str(file), **public_facts(found)})
    else:
        show_lines(public_lines(found))
