"""Tables that fit their terminal: the most telling columns stay, the others go, and no row loses its name.

Rules kept here:
* every column says how much it is worth and from which width on it is of use;
* columns worth `ALWAYS` stay on any terminal, and the wide ones of them fold; the others are cut with an
  ellipsis, or left out;
* what is left over goes to the columns that were cut short.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

ALWAYS: Final = 9
"""Worth of the columns that stay on any terminal."""
_GAP: Final = 3
_LEAST: Final = 10
"""Width that a wide column keeps where not even those fit that always stay."""
_SHORT: Final = 12
"""Widest column that is kept whole on any terminal, so that a number or a state stays one word."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column of a table: its worth on a narrow terminal, and the least width it needs to be of use."""

    title: str
    keep: int
    width: int
    cell: Callable[[Row], Text]
    right: bool = False


def fitted(
    columns: Sequence[Column[Row]], rows: Sequence[Row], width: int, style: Callable[[Row], str] = lambda _: ""
) -> Table:
    """Lay rows out in as many columns as a terminal of a width can show."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    widths = _widths(columns, rows, width)
    chosen = [column for column in columns if column.title in widths]
    for column in chosen:
        justify: JustifyMethod = "right" if column.right else "left"
        stays = column.keep == ALWAYS
        table.add_column(
            column.title,
            justify=justify,
            width=widths[column.title],
            no_wrap=not stays or column.width <= _SHORT,
            overflow="fold" if stays else "ellipsis",
        )
    for row in rows:
        table.add_row(*(column.cell(row) for column in chosen), style=style(row))
    return table


def _widths(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> Mapping[str, int]:
    """Choose the columns that fit, the most telling first, and give what is left to those cut short."""
    full = {c.title: max([len(c.title), *(c.cell(row).cell_len for row in rows)]) for c in columns}
    chosen: dict[str, int] = {}
    left = width - 2
    for column in sorted(columns, key=lambda column: -column.keep):
        needed = min(full[column.title], max(column.width, len(column.title))) + _GAP
        if column.keep < ALWAYS and needed > left:
            continue
        chosen[column.title] = needed - _GAP
        left -= needed
    for column in columns:
        if left < 0 and column.width > _SHORT and column.title in chosen:
            taken = min(-left, max(0, chosen[column.title] - _LEAST))
            chosen[column.title] -= taken
            left += taken
    for title, given in chosen.items():
        more = max(0, min(left, full[title] - given))
        chosen[title] = given + more
        left -= more
    return chosen
