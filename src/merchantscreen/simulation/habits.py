"""How every account trades, in shares: the habits of ordinary shops, the odd ones among them, and what stories say.

The background is ordinary: many different prices, few prepaid cards, about a tenth of the
business with cards from abroad, by day, hardly a chargeback. As in life a few honest
accounts are odd in one respect: a shop for tourists, a club with three prices, a night
owl, a seasonal business. `ODDITIES` is the table of them.

Rules kept here:
* habits are functions of (seed, number), in compact arrays that transactions read by account;
* no account of the background is odd in two respects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from merchantscreen.simulation import markets
from merchantscreen.simulation.cast import Account
from merchantscreen.simulation.draws import Draws, Integers

Compact = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Oddity:
    """What some honest accounts do more than others.

    Attributes:
        per_thousand: How many of a thousand accounts do it.
        habit: Field of `Habits` it shows in.
        low, high: Share in 1/10,000, from low to just below high.
        online_only: Whether only accounts of categories without sales in person do it.
    """

    per_thousand: int
    habit: str
    low: int
    high: int
    online_only: bool = False


ODDITIES: Final = (
    Oddity(20, "cross_border", 4_000, 7_000),  # A shop for tourists, or an exporter.
    Oddity(10, "prepaid", 2_500, 5_000),  # Sells to people who pay with gift cards.
    Oddity(20, "night", 2_000, 4_500),  # Its customers are night owls.
    Oddity(20, "refund", 600, 1_400),  # Clothes that do not fit.
    Oddity(15, "declined", 1_500, 3_000),  # Subscriptions on cards that expired.
    Oddity(15, "even", 4_000, 9_000),  # Vouchers and donations.
    Oddity(20, "present", 1_000, 3_500, online_only=True),  # Takes a terminal to fairs.
    Oddity(15, "few_prices", 1, 2),  # A club or a subscription: three prices, at home.
    Oddity(10, "seasonal", 1, 2),  # Rests for three months of the world.
)
"""Each with the reason why honest accounts do it. Other habits vary by themselves."""


@dataclass(frozen=True, slots=True)
class Habits:
    """The habits of every account, by number.

    Attributes:
        prepaid, cross_border, chargeback, refund, declined, night, present, even: Shares in 1/10,000.
        bills_abroad: 1 for accounts whose payers from abroad pay in their own currency.
        few_prices: 1 for background accounts with three prices.
        seasonal: 1 for background accounts that rest in the middle of the world.
    """

    prepaid: Compact
    cross_border: Compact
    chargeback: Compact
    refund: Compact
    declined: Compact
    night: Compact
    present: Compact
    even: Compact
    bills_abroad: Compact
    few_prices: Compact
    seasonal: Compact


def habits_of(draws: Draws, category: Integers, planted: tuple[Account, ...]) -> Habits:
    """Give every account its habits.

    Args:
        draws: The world's random numbers.
        category: Each account's place in `markets.CATEGORIES`.
        planted: Accounts of the stories, numbered from 0; they have the habits of their `Trade`.
    """
    background = _odd(draws, category, _ordinary(draws, category))
    told = {name: [getattr(a.trade, f"{name}_percent") * 100 for a in planted] for name in _SHARES}
    told["bills_abroad"] = [int(a.trade.bills_abroad) for a in planted]
    for name, values in background.items():
        values[: len(planted)] = told.get(name, 0)
    return Habits(**{name: values.astype(np.int16) for name, values in background.items()})


_SHARES: Final = ("prepaid", "cross_border", "chargeback", "refund", "declined", "night", "present", "even")


def _ordinary(draws: Draws, category: Integers) -> dict[str, Integers]:
    """Return what accounts do as a rule, in 1/10,000."""
    numbers = np.arange(len(category))
    nothing = np.zeros(len(category), dtype=np.int64)
    present: Integers = np.array([100 * c.present_percent for c in markets.CATEGORIES])[category]
    abroad = draws.below("cross border low", numbers, 800) + draws.below("cross border high", numbers, 800)
    return {
        "prepaid": 100 + draws.below("prepaid share", numbers, 600),
        "cross_border": 200 + abroad,
        "chargeback": draws.below("chargeback share", numbers, 40),
        "refund": 30 + draws.below("refund share", numbers, 300),
        "declined": 200 + draws.below("declined share", numbers, 500),
        "night": 50 + draws.below("night share", numbers, 600),
        "present": present,
        "even": draws.below("even share", numbers, 800),
        "bills_abroad": draws.chance("bills abroad", numbers, 8).astype(np.int64),
        "few_prices": nothing,
        "seasonal": nothing.copy(),
    }


def _odd(draws: Draws, category: Integers, habits: dict[str, Integers]) -> dict[str, Integers]:
    """Let each oddity take its own part of the same thousand, so that none meets another."""
    numbers = np.arange(len(category))
    chosen = draws.below("oddity", numbers, 1_000)
    online = habits["present"] == 0
    begin = 0
    for oddity in ODDITIES:
        end = begin + oddity.per_thousand
        odd = (chosen >= begin) & (chosen < end) & (online | (not oddity.online_only))
        shares = oddity.low + draws.below(f"odd {oddity.habit}", numbers, oddity.high - oddity.low)
        habits[oddity.habit] = np.where(odd, shares, habits[oddity.habit])
        begin = end
    return habits
