"""Days within which somebody has to have looked at a case.

Rules kept here:
* a period is counted from the UTC day on which the log listed or reopened the case; that day does not count;
* business days are Monday to Friday without the holidays of the settings, calendar days are all days;
* a case is due until the end of its day, and overdue from the next.

Source: domain reference 1: 5 business days to notify and 15 calendar days to remedy in the merchant monitoring
programme; sources differ on what is duty and what is practice, so every tier can be set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from merchantscreen.vocabulary import Tier

PRESETS: Final[Mapping[str, str]] = {"mmsp-notice": "5 business days", "mmsp-remedy": "15 days"}
"""Periods with a name of their own."""
DEFAULTS: Final[Mapping[Tier, str]] = {Tier.T1: "mmsp-notice", Tier.T2: "mmsp-remedy", Tier.T3: "mmsp-remedy"}
"""Periods where the settings say nothing; accounts on watch have none."""
EXPECTED: Final = f"such as 5 business days, 15 days, {' or '.join(PRESETS)}"
_FORM: Final = re.compile(r"([1-9][0-9]{0,2}) (business )?days?")
_WEEKEND: Final = 5


@dataclass(frozen=True, slots=True)
class Period:
    """A number of days, all of them or business days only."""

    days: int
    is_business: bool

    @classmethod
    def parsed(cls, text: str) -> Period:
        """Read `5 business days`, `15 days` or the name of a preset; ValueError for anything else."""
        match = _FORM.fullmatch(PRESETS.get(text, text))
        if match is None:
            raise ValueError(EXPECTED)
        return cls(int(match[1]), match[2] is not None)


@dataclass(frozen=True, slots=True)
class Due:
    """The last day on which somebody has to have looked."""

    on: date

    def days_left(self, today: date) -> int:
        """Return the days until then: 0 on the day itself, negative once it is over."""
        return (self.on - today).days


@dataclass(frozen=True, slots=True)
class Calendar:
    """Periods by tier, and the days on which nobody works."""

    periods: Mapping[Tier, Period]
    holidays: frozenset[date] = frozenset()

    def due(self, tier: Tier, since: datetime) -> Due | None:
        """Return until when a case has to be looked at; None in a tier without a period.

        Args:
            tier: Tier of the case.
            since: When its clock began; UTC without zone.
        """
        period = self.periods.get(tier)
        return None if period is None else Due(self._end(since.date(), period))

    def _end(self, start: date, period: Period) -> date:
        if not period.is_business:
            return start + timedelta(days=period.days)
        day, left = start, period.days
        while left:
            day += timedelta(days=1)
            left -= self._is_worked(day)
        return day

    def _is_worked(self, day: date) -> bool:
        return day.weekday() < _WEEKEND and day not in self.holidays


def calendar(periods: Mapping[Tier, str], holidays: frozenset[date] = frozenset()) -> Calendar:
    """Make the calendar of a workspace; tiers of which nothing is said have the default."""
    return Calendar({tier: Period.parsed(text) for tier, text in {**DEFAULTS, **periods}.items()}, holidays)
