"""Points as a waterfall: each item adds its part, and the parts end exactly at E.

Rules kept here: lengths are for the eye, the numbers beside them are exact; items beyond the
drawing are added up in one bar that says how many they are; the sum is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from merchantscreen.errors import IntegrityError
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.report.figures import Row, fitting, kind_title, nano, shown

WIDTH: Final = 1000
_LEFT: Final = 330
_SPAN: Final = 520
_ROW: Final = 26
_MOST: Final = 16
_PLACES: Final = 48


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: text, where it begins, how long it is, and its number."""

    label: str
    y: int
    x: int
    length: int
    number: str
    family: str

    @property
    def number_x(self) -> int:
        """Where the number stands: behind the bar."""
        return self.x + self.length + 8


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All bars, the sum last."""

    bars: tuple[Bar, ...]
    total: str
    width: int = WIDTH
    left: int = _LEFT

    @property
    def height(self) -> int:
        """Height in drawing units."""
        return len(self.bars) * _ROW + 6


def build(account: Row, items: Sequence[Row]) -> Waterfall:
    """Stack the shares of an account's items up to its points.

    Raises:
        IntegrityError: the shares do not add up to the points.
    """
    total = account["points_nano"]
    if sum(item["share_nano"] for item in items) != total:
        raise IntegrityError("points do not add up", (PROBLEMS["MS-RUN-016"].at("ledger.jsonl"),))
    parts = [(_label(item), item["share_nano"], item["family"]) for item in items[:_MOST]]
    rest = items[_MOST:]
    if rest:
        parts.append((f"{len(rest):,} smaller items together", sum(item["share_nano"] for item in rest), "rest"))
    bars, reached = [], 0
    for place, (label, share, family) in enumerate(parts):
        bars.append(_bar(label, place, reached, share, (total, f"+{nano(share)}", family)))
        reached += share
    bars.append(_bar("E, all points", len(bars), 0, total, (total, f"= {nano(total)}", "total")))
    return Waterfall(tuple(bars), nano(total))


def _bar(label: str, place: int, start: int, share: int, drawn: tuple[int, str, str]) -> Bar:
    total, number, family = drawn
    scale = max(1, total)
    x, end = _SPAN * start // scale, _SPAN * (start + share) // scale
    return Bar(fitting(label, _PLACES), place * _ROW + 4, _LEFT + x, max(2, end - x), number, family)


def _label(item: Row) -> str:
    return f"{kind_title(item['kind'])}: {shown(item['counterpart'])}"
