"""Where simulated merchants do business and in what: countries with their currency, categories with their prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from merchantscreen.simulation.draws import Draws, Integers


@dataclass(frozen=True, slots=True)
class Market:
    """A country, its currency, and what a price of 1.00 becomes there, in minor units."""

    country: str
    currency: str
    unit_minor: int


@dataclass(frozen=True, slots=True)
class Category:
    """A merchant category: ISO 18245 code, an ordinary ticket, and the share of sales in person."""

    mcc: str
    ticket: int
    present_percent: int


MARKETS: Final = (
    Market("GB", "GBP", 100),
    Market("DE", "EUR", 100),
    Market("FR", "EUR", 100),
    Market("NL", "EUR", 100),
    Market("US", "USD", 100),
    Market("CA", "CAD", 140),
    Market("SE", "SEK", 1_000),
    Market("PL", "PLN", 400),
    Market("AU", "AUD", 150),
    Market("JP", "JPY", 150),
)
"""The yen has no minor unit: 150 of them are 150, not 1.50."""

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
_PEERS: Final = 40
"""Accounts per category that a small world should have at least, so that peers can be compared."""
ACQUIRERS: Final = ("099101", "099102", "099203", "099204", "099305", "099306", "099407", "099508")
"""Acquirer ids with a leading zero, which has to survive."""


def market_of(draws: Draws, numbers: Integers) -> Integers:
    """Return each account's place in `MARKETS`."""
    return draws.below("market", numbers, len(MARKETS))


def acquirer_of(draws: Draws, numbers: Integers) -> Integers:
    """Return each account's place in `ACQUIRERS`."""
    return draws.below("acquirer", numbers, len(ACQUIRERS))


def category_of(draws: Draws, numbers: Integers, planted: int, accounts: int) -> Integers:
    """Return each account's place in `CATEGORIES`; small worlds have few, so that each has peers enough."""
    count = max(3, min(len(CATEGORIES), accounts // _PEERS))
    anywhere = draws.below("category", numbers, count)
    return np.where(numbers < planted, draws.below("category", numbers, min(count, PLANTED_CATEGORIES)), anywhere)
