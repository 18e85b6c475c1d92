"""`merchantscreen rules schema KIND`: the form of a policy file as JSON Schema, for editors."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer

from merchantscreen.cli.terminal import output
from merchantscreen.errors import UsageError
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.policy.jsonschemas import FORMS
from merchantscreen.policy.jsonschemas import schema as schema_of

_KINDS: Final = ", ".join(FORMS)


def schema(kind: Annotated[str, typer.Argument(help=f"One of: {_KINDS}.", metavar="KIND")]) -> None:
    """Print the JSON Schema of a kind of policy file.

    For editors that complete and check YAML; docs/schemas holds all of them. CONTRIBUTING.md says how to tell
    an editor. What files mean together, and what a condition says, only rules lint can check.
    """
    if kind not in FORMS:
        found = "a kind of file that does not exist"
        raise UsageError("no such kind", (PROBLEMS["MS-RUN-001"].at("KIND", found=found, expected=f"one of {_KINDS}"),))
    output().print(json.dumps(schema_of(kind), ensure_ascii=True, indent=2), soft_wrap=True)
