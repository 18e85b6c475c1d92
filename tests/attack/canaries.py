"""Values that must never come out again, planted wherever a text can stand, and the search for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl


def card_number(number: int) -> str:
    """Make a card number that passes the check digit, different for every number."""
    body = f"411111{number:09d}"
    digits = [int(digit) * (1 if place % 2 else 2) for place, digit in enumerate(body)]
    return body + str(-sum(digit - 9 if digit > 9 else digit for digit in digits) % 10)


@dataclass(frozen=True)
class Canary:
    """One planted value: what kind of secret it is, the text, and what gives it away, in small letters."""

    kind: str
    text: str
    traces: tuple[str, ...]


def canaries(number: int) -> tuple[Canary, ...]:
    """Make one canary of each kind, recognisable by its number."""
    word = f"canary{number:04d}"
    return (
        Canary("card", card_number(number), (f"{number:09d}",)),
        Canary("e-mail", f"{word}@mail.example", (f"{word}@",)),
        Canary("web address", f"https://{word}:{word}@shop.example/{word}?{word}=1#{word}", (word,)),
        Canary("path", f"shop.example/{word}", (word,)),
        Canary("phone", f"+999 246 {number:04d}", (f"246 {number:04d}", f"246{number:04d}")),
        Canary("address", f"{number} {word.title()} Street", (word,)),
    )


def traces(planted: Iterable[Canary], texts: Mapping[str, str]) -> list[str]:
    """Name every planted value that shows in a text, with the text it shows in."""
    lowered = {name: text.lower() for name, text in texts.items()}
    return [f"{canary.kind} {canary.text} in {name}" for canary in planted for name, text in lowered.items()
            if any(trace in text for trace in canary.traces)]  # fmt: skip


def texts_under(*folders: Path) -> dict[str, str]:
    """Read everything that lies under some folders, names included, Parquet as rows."""
    files = [path for folder in folders for path in sorted(folder.rglob("*"))]
    texts = {"names": "\n".join(path.name for path in files)}
    return texts | {path.name: _text(path) for path in files if path.is_file()}


def _text(path: Path) -> str:
    """Read a file as text; a Parquet file that a kill has cut short byte by byte."""
    if path.suffix == ".parquet" and path.read_bytes()[-4:] == b"PAR1":
        return str(pl.read_parquet(path).to_dicts())
    return path.read_bytes().decode("utf-8", "replace")
