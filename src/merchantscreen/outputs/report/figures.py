"""How figures, moments and foreign names are written on the page.

Rules kept here:
* evidence amounts are written exactly, from their nano-units;
* null is "not known", never zero and never empty;
* foreign text is made visible and defanged; nothing here makes markup.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from merchantscreen.identifiers import BY_NAME
from merchantscreen.outputs.explanation import nano
from merchantscreen.outputs.text import defanged, visible
from merchantscreen.vocabulary import EvidenceFamily

UNKNOWN: Final = "not known"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A plain table: column titles, rows of text, and which columns hold figures."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: frozenset[int]


def shown(value: object) -> str:
    """Write a foreign value: escaped, cut, defanged; null is not known."""
    return UNKNOWN if value is None else _shown(str(value))


@lru_cache(maxsize=1 << 16)
def _shown(text: str) -> str:
    """Remember what was written: a page names the same domains, accounts and rules over and over."""
    return defanged(visible(text))


def listed(values: Sequence[str]) -> str:
    """Write a list of foreign values; an empty one is a dash."""
    return ", ".join(shown(value) for value in values) or "–"


def day(moment: datetime | None) -> str:
    """Write the day of a moment."""
    return UNKNOWN if moment is None else f"{moment:%Y-%m-%d}"


def measured(value: object) -> str:
    """Write an observed value or a fact: numbers short, truths in words."""
    match value:
        case None:
            return UNKNOWN
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case int():
            return f"{value:,}"
        case _:
            return shown(value)


def kind_title(kind: str) -> str:
    """Name a kind of evidence as a reader knows it."""
    if kind in BY_NAME:
        return BY_NAME[kind].title
    return "rule hit" if kind == EvidenceFamily.TYPOLOGY else kind.replace("_", " ")


def fitting(text: str, places: int) -> str:
    """Cut text to a width in places, where wide letters take two."""
    if text.isascii():
        return text if len(text) <= places else text[: max(0, places - 1)] + "…"
    taken = 0
    for place, sign in enumerate(text):
        taken += 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        if taken > places:
            return text[: max(0, place - 1)] + "…"
    return text


__all__ = ["UNKNOWN", "Row", "Table", "day", "fitting", "kind_title", "listed", "measured", "nano", "shown"]
