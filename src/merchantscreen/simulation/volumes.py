"""How many transactions accounts have: busy and quiet ones in the background, an even share for planted ones.

Rules kept here:
* planted accounts never take more than half of the file, see `SimulationOptions.most_planted`;
* what the background is expected to do is known without its rows, so that merchant files can declare it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from merchantscreen.simulation import calendar
from merchantscreen.simulation.draws import Integers, Words, below

FEWEST_ROWS: Final = 80
"""Rows of a planted account in a small world: enough for rules that ask for fifty purchases."""
MOST_ROWS: Final = 300
_KINDS: Final = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 9, 13)
"""Relative volumes of sixteen kinds of background account; they add up to 64."""
_MONTHS: Final = calendar.DAYS // 30


def rows_per_planted(transactions: int, accounts: int) -> int:
    """Return how many rows a planted account has: about as many as others, within bounds."""
    return max(FEWEST_ROWS, min(MOST_ROWS, transactions // accounts))


def choose(draw: Words, members: int) -> Integers:
    """Choose one of so many background accounts per draw; busy ones come up more often."""
    kind = np.repeat(np.arange(len(_KINDS)), _KINDS)[(draw & np.uint64(63)).astype(np.int64)]
    return (below(draw, -(-members // len(_KINDS))) * len(_KINDS) + kind) % members


def monthly_rows(members: Integers, rows: int, count: int) -> Integers:
    """Return how many rows a month background members can expect, in hundredths; at least one row.

    Args:
        members: Places within the background, from 0.
        rows: Rows of the whole background in the whole world.
        count: Accounts of the background.
    """
    relative: Integers = np.array(_KINDS)[members % len(_KINDS)]
    return np.maximum(100, relative * (100 * rows * len(_KINDS)) // (64 * _MONTHS * max(1, count)))
