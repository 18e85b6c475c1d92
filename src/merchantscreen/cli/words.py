"""The words of a command line, before typer reads them.

Two habits of people that option parsers do not know:
* `--referrals a.jsonl b.jsonl`: one option followed by several files. Every word up to the next
  option belongs to the one before, so the policies of `rules backtest` stand before the first
  option; a file whose name begins with a dash is written `./-name`;
* `--json-errors` anywhere, since it concerns every command.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

GATHERING: Final = frozenset({"--referrals", "--merchants", "--transactions", "--what-if"})
"""Options that take several words."""
_GATHERERS: Final = (["screen"], ["index"], ["retro"], ["reproduce"], ["rules", "backtest"])
"""The commands that have such options."""
JSON_ERRORS: Final = "--json-errors"


def prepared(words: Sequence[str]) -> tuple[list[str], bool]:
    """Return the words as typer reads them, and whether errors are wanted as JSON lines."""
    plain = [word for word in words if word != JSON_ERRORS]
    spread = list(_spread(plain)) if any(plain[: len(command)] == command for command in _GATHERERS) else plain
    wanted = len(plain) < len(words)
    return ([JSON_ERRORS, *spread] if wanted else spread), wanted


def _spread(words: Sequence[str]) -> Iterator[str]:
    """Repeat a gathering option before each of its files."""
    option, count = "", 0
    for word in words:
        if word.startswith("-"):
            name, is_joined, _ = word.partition("=")
            option, count = (name if name in GATHERING else ""), int(bool(is_joined))
        elif option:
            count += 1
            if count > 1:
                yield option
        yield word
