"""What every story is told with: rows of the table of typologies, and the plain cases that stories vary.

Sellers trade as the typologies of the domain describe; one differs from the next by its
turn, so that no two rules are met by the same accounts only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from merchantscreen.simulation import markets
from merchantscreen.simulation.cast import Account, Label, Stage, Trade

PRICE_LISTS: Final = ((2995, 4995, 9995), (1999, 3999), (2500, 5000, 7500), (2900,), (1490, 2990, 5990))
"""Prices of sellers in minor units: few, and round to the eye."""


@dataclass(frozen=True, slots=True)
class Story:
    """One row of the table of typologies.

    Attributes:
        name: The typology of its principal accounts in the truth file.
        plant: Sets it on the stage; the number is its turn, for variety.
        accounts: Most accounts it needs.
        referrals: Referrals it needs.
        every: Told in every n-th round only; rare things stay rare in large worlds.
    """

    name: str
    plant: Callable[[Stage, int], None]
    accounts: int
    referrals: int = 1
    every: int = 1


def seller_trade(turn: int, **special: Any) -> Trade:
    """Return how a seller trades; some have too many chargebacks, some are refused often, some sell by night."""
    trade = Trade(
        prices=PRICE_LISTS[turn % len(PRICE_LISTS)],
        prepaid_percent=55 + 5 * (turn % 4),
        cross_border_percent=75 + 5 * (turn % 4),
        chargeback_percent=8 if turn % 3 == 0 else 0,
        refund_percent=14 if turn % 4 == 2 else 1,
        declined_percent=20 if turn % 5 == 1 else 4,
        night_percent=45 if turn % 3 == 1 else 6,
        from_day=45,
    )
    return replace(trade, **special)


def home(turn: int) -> str:
    """Return a country for a story whose accounts are all at home in one."""
    return markets.MARKETS[turn % len(markets.MARKETS)].country


def page(host: str) -> tuple[str, ...]:
    """Return the front page of a host, as a list of websites."""
    return (f"https://{host}/",)


def own_site(stage: Stage) -> tuple[str, ...]:
    """Return the website that the next account would declare anyway: its own clean shop."""
    return page(stage.own_host(stage.next_number()))


def sell_openly(stage: Stage, turn: int, domain: str, typology: str, note: str, **special: Any) -> Account:
    """Plant the plain case that other stories build on: a young account that declares and uses the domain."""
    facts = {
        "declared": page(domain),
        "requestors": page(domain),
        "opened_day": 34 + turn % 9,
        "on_gateway": turn % 2 == 0,
        "trade": seller_trade(turn),
    }
    return stage.plant(Label.SELLER, typology, note, **(facts | special))
