"""The fixed calendar of every simulated world: it ends on one day, whatever the clock says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

AS_OF: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""The moment to screen a simulated world at; nothing in it happens later."""
DAYS: Final = 120
"""Days of transactions before `AS_OF`."""
BEGIN: Final = AS_OF - timedelta(days=DAYS)
"""The first moment a transaction can happen at."""
SPAN_SECONDS: Final = DAYS * 86_400


def day(number: int) -> date:
    """Return the date of a day of the world; day 0 is the first with transactions, earlier ones are negative."""
    return (BEGIN + timedelta(days=number)).date()


@lru_cache(maxsize=4_096)
def moment(number: int, hour: int = 9) -> str:
    """Return a moment on a day of the world as referral events write it."""
    return (BEGIN + timedelta(days=number, hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")
