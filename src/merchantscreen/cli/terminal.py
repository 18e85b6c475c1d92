"""What commands print on, and how: plain lines in pipes without markup or surprises, or one JSON object."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from merchantscreen.outputs.text import visible

PIPE_WIDTH: Final = 180
"""Width of the table where there is no terminal to measure; COLUMNS overrides it."""
_LONGEST: Final = 4096
_AT_ONCE: Final = 500
"""Lines given to the console together: one by one takes six times as long."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class _Pipe(Console):
    """A console that leaves a reader's going away to the guard in `failures`, instead of exiting with 1."""

    def on_broken_pipe(self) -> None:
        """Pass the error on."""
        raise BrokenPipeError


def output() -> Console:
    """Return the console of stdout; rich itself honours NO_COLOR."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return _Pipe(width=width, markup=False, highlight=False, emoji=False)


def show_json(stated: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    output().print(json.dumps(stated, ensure_ascii=True, indent=2, sort_keys=True), soft_wrap=True)


def show_lines(lines: Iterable[str]) -> None:
    """Print lines whose words may come from files."""
    console, shown = output(), (visible(line, _LONGEST) for line in lines)
    while together := list(islice(shown, _AT_ONCE)):
        console.print(Text("\n".join(together)), soft_wrap=True)
