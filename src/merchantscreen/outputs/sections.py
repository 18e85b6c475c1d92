"""Titles and lines on a terminal: folded to its width, what is folded as far in as its beginning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.text import Text

LEAST_WIDTH: Final = 20
"""Columns that a line gets at least, however narrow the terminal and however far in it begins."""


def say(console: Console, lines: Iterable[Text], hanging: int = 0) -> None:
    """Print lines folded to the width; what is folded stands `hanging` columns further in."""
    for line in lines:
        indent = len(line.plain) - len(line.plain.lstrip(" "))
        pieces = line[indent:].wrap(console, max(LEAST_WIDTH, console.width - indent - hanging))
        for number, piece in enumerate(pieces):
            piece.rstrip()
            console.print(Text(" " * (indent + (hanging if number else 0))) + piece, soft_wrap=True)


def section(console: Console, title: str, lines: Iterable[Text], hanging: int = 0) -> None:
    """Print a title and its lines after an empty line; nothing at all where there are no lines."""
    told = list(lines)
    if told:
        console.print()
        if title:
            console.print(Text(title, style="bold"))
        say(console, told, hanging)
