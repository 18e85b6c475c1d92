"""Where simulated merchants do business and in what: countries with their currency, categories with their prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from merchantscreen.simulation.draws import Draws, Integers


@dataclass(frozen=True, slots=True)
class Market:
    """A country, its currency, what a price of 1.00 becomes there in minor units, and its clock.

    The clock is the middle of the country's zones in the summer, in minutes ahead of UTC.
    """

    country: str
    currency: str
    unit_minor: int
    clock_minutes: int


@dataclass(frozen=True, slots=True)
class Category:
    """A merchant category: ISO 18245 code, an ordinary ticket, and the share of sales in person."""

    mcc: str
    ticket: int
    present_percent: int


MARKETS: Final = (
    Market("GB", "GBP", 100, 60),
    Market("DE", "EUR", 100, 120),
    Market("FR", "EUR", 100, 120),
    Market("NL", "EUR", 100, 120),
    Market("US", "USD", 100, -420),
    Market("CA", "CAD", 140, -330),
    Market("SE", "SEK", 1_000, 120),
    Market("PL", "PLN", 400, 120),
    Market("AU", "AUD", 150, 570),
    Market("JP", "JPY", 150, 540),
)
"""The yen has no minor unit: 150 of them are 150, not 1.50."""
_SIXTEENTHS: Final = (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9)
"""Where sixteen accounts do business: many in the euro, so that small worlds, too, have peers in one currency."""

CATEGORIES: Final = (
    Category("5815", 18, 0),
    Category("4816", 25, 0),
    Category("5732", 120, 30),
    Category("7372", 60, 0),
    Category("5945", 35, 40),
    Category("5968", 22, 0),
    Category("5651", 55, 55),
    Category("5942", 24, 60),
    Category("0742", 70, 90),
    Category("5411", 32, 95),
    Category("5812", 40, 97),
    Category("5712", 260, 50),
    Category("5977", 38, 45),
    Category("5992", 42, 70),
    Category("7299", 50, 35),
    Category("8299", 150, 5),
    Category("5941", 65, 55),
    Category("5818", 20, 0),
    Category("5999", 45, 40),
    Category("7230", 48, 95),
)
"""Planted accounts trade in the first ones, where most business is online."""
PLANTED_CATEGORIES: Final = 6
_PEERS: Final = 60
"""Accounts per category that a small world should have at least, so that peers can be compared in one currency."""
ACQUIRERS: Final = ("099101", "099102", "099203", "099204", "099305", "099306", "099407", "099508")
"""Acquirer ids with a leading zero, which has to survive."""


def market_of(draws: Draws, numbers: Integers) -> Integers:
    """Return each account's place in `MARKETS`."""
    return np.array(_SIXTEENTHS)[draws.below("market", numbers, len(_SIXTEENTHS))]


def market_place(country: str) -> int:
    """Return the place of a country in `MARKETS`."""
    return next(place for place, market in enumerate(MARKETS) if market.country == country)


def category_place(mcc: str) -> int:
    """Return the place of a merchant category code in `CATEGORIES`."""
    return next(place for place, category in enumerate(CATEGORIES) if category.mcc == mcc)


def acquirer_of(draws: Draws, numbers: Integers) -> Integers:
    """Return each account's place in `ACQUIRERS`."""
    return draws.below("acquirer", numbers, len(ACQUIRERS))


def category_of(draws: Draws, numbers: Integers, planted: int, accounts: int) -> Integers:
    """Return each account's place in `CATEGORIES`; small worlds have few, so that each has peers enough."""
    count = max(3, min(len(CATEGORIES), accounts // _PEERS))
    anywhere = draws.below("category", numbers, count)
    return np.where(numbers < planted, draws.below("category", numbers, min(count, PLANTED_CATEGORIES)), anywhere)
