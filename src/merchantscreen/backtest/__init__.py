"""Two policies over the same data: who is placed otherwise, which rules decide otherwise, and what lies near a line.

`compare` is pure: it takes two policies and the result that each gave. Reading the data and
screening it twice are left to the caller. `expectations` checks one result against a list of
what it has to show.
"""

from merchantscreen.backtest.comparison import Change, Comparison, compare
from merchantscreen.backtest.lines import ABSENT, CASES, Group, Line, Place, Sampled

__all__ = ["ABSENT", "CASES", "Change", "Comparison", "Group", "Line", "Place", "Sampled", "compare"]
