"""The console that commands print on: plain text in pipes, no markup, no surprises."""

from __future__ import annotations

import os
import sys
from typing import Final

from rich.console import Console

PIPE_WIDTH: Final = 180
"""Width of the table where there is no terminal to measure; COLUMNS overrides it."""


class _Pipe(Console):
    """A console that leaves a reader's going away to the guard in `failures`, instead of exiting with 1."""

    def on_broken_pipe(self) -> None:
        """Pass the error on."""
        raise BrokenPipeError


def output() -> Console:
    """Return the console of stdout; rich itself honours NO_COLOR."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return _Pipe(width=width, markup=False, highlight=False, emoji=False)
