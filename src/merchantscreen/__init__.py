"""merchantscreen: link hotline referrals to merchant accounts, with evidence that can be recomputed.

The library is silent, never exits and never touches a network. Start at
`merchantscreen.screening.screen`, which reads like the method it implements.
"""

from __future__ import annotations

__version__ = "0.3.0"
