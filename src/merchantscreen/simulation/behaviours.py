"""Stories told by behaviour: what linked accounts do, each beside honest accounts that do the same.

Every seller here is linked to a confirmed domain as well; the behaviour only adds to that.
The look-alikes have no link at all: they show what each rule meets in honest business.
Source: section 2 of the domain notes, rows 2, 10 to 14, 16, 18 to 23, 29, 30, 32 and 33.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from merchantscreen.simulation.cast import Before, Label, Stage, Trade
from merchantscreen.simulation.telling import home, own_site, page, sell_openly, seller_trade
from merchantscreen.vocabulary import MatchScope

_SELLER, _INNOCENT = Label.SELLER, Label.INNOCENT
RENAMED_DAY: Final = 62
"""Nine days after the hotline confirmed the site of `renamed_after_referral`."""


def standby_accounts(stage: Stage, turn: int) -> None:
    """One owner opens three accounts in two weeks; when the first stops, the others take over.

    More than half of what the others try is refused.

    The look-alike is a franchise: its owner opened three shops in one month, and all of them trade.
    """
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    trade = seller_trade(turn, from_day=46, until_day=113)
    note = "Declares the flagged domain; its owner opened two more accounts within two weeks."
    first = sell_openly(
        stage,
        turn,
        domain,
        "standby_accounts",
        note,
        referral_ids=(referral,),
        country=home(turn),
        opened_day=40,
        trade=trade,
    )
    for opened_day in (46, 52):
        stage.plant(
            _SELLER,
            "standby_accounts",
            f"Opened within two weeks of account number {first.number} by its owner; takes over when that one stops.",
            referral_ids=(referral,),
            principal_of=first.number,
            country=home(turn),
            opened_day=opened_day,
            trade=seller_trade(turn, declined_percent=60, from_day=114),
        )
    owner = stage.next_number()
    for opened_day in (50, 58, 66):
        note = "A franchise whose owner opened three shops in one month."
        trade = Trade(from_day=opened_day + 2)
        special = {"principal_of": owner, "opened_day": opened_day, "trade": trade}
        stage.plant(_INNOCENT, "franchise", note, referral_ids=(referral,), **special)


def dormant_account(stage: Stage, turn: int) -> None:
    """A shop that was given up wakes after three months and takes payments for the flagged domain.

    The look-alike is a seasonal shop that rests as long and comes back as it was.
    """
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    clean, flagged = own_site(stage), page(domain)
    awake = seller_trade(turn, from_day=105, before=Before(rows_percent=20, from_day=0, until_day=9))
    stage.plant(
        _SELLER,
        "dormant_account",
        "An old shop without business for three months; then payments come from the flagged domain.",
        referral_ids=(referral,),
        requestors=clean + flagged + flagged,
        opened_day=-700,
        trade=awake,
    )
    season = Trade(from_day=106, before=Before(rows_percent=40, from_day=0, until_day=10))
    note = "A seasonal shop that rests for three months."
    stage.plant(_INNOCENT, "seasonal_shop", note, referral_ids=(referral,), trade=season)


def drift_after_opening(stage: Stage, turn: int) -> None:
    """The account begins small, as it declared; two months after its opening prices and volume multiply."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    before = Before(rows_percent=35, from_day=32, until_day=86, prices=(990,))
    trade = seller_trade(turn, prices=(4990, 9990), from_day=92, before=before)
    note = "Declares the flagged domain; began small, and multiplied its prices and its volume after two months."
    sell_openly(
        stage,
        turn,
        domain,
        "drift_after_opening",
        note,
        referral_ids=(referral,),
        country="DE",
        mcc="5815",
        declares_percent=10,
        opened_day=31,
        trade=trade,
    )


def card_testing(stage: Stage, turn: int) -> None:
    """On one day a dozen payments of about one unit; then business begins, on another host of the flagged site."""
    domain = stage.flagged_domain()
    referral = stage.refer(f"members.{domain}", match_scope=MatchScope.HOST)
    before = Before(rows_percent=30, from_day=92, until_day=93, prices=(100,))
    trade = seller_trade(turn, prices=(2900, 5900), declined_percent=8, refund_percent=1, from_day=95, before=before)
    note = "Declares another host of the flagged site; a day of micro amounts before business began."
    sell_openly(
        stage,
        turn,
        domain,
        "card_testing",
        note,
        referral_ids=(referral,),
        country="GB",
        opened_day=88,
        trade=trade,
    )


def renamed_after_referral(stage: Stage, turn: int) -> None:
    """Nine days after the confirmation the account shows a new site, a new descriptor and a new category."""
    domain = stage.flagged_domain()
    referral = stage.refer(domain, received_day=RENAMED_DAY - 12)
    fresh = f"new-{stage.own_host(stage.next_number())}"
    before = Before(
        rows_percent=50,
        from_day=22,
        until_day=RENAMED_DAY,
        prices=(2995, 4995),
        requestors=page(domain),
        mcc="5732",
    )
    note = "Declares the flagged domain; new site, descriptor and category code after the referral was confirmed."
    sell_openly(
        stage,
        turn,
        domain,
        "renamed_after_referral",
        note,
        referral_ids=(referral,),
        requestors=page(fresh),
        descriptor=fresh.upper(),
        mcc="7372",
        opened_day=18,
        trade=seller_trade(turn, prices=(2995, 4995), from_day=RENAMED_DAY, before=before),
    )


def listed_sibling(stage: Stage, turn: int) -> None:
    """The business had an account before, which was closed and listed for illegal transactions.

    The look-alike is listed, too: it lost card data years ago, and has paid for it.
    """
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    note = "Declares the flagged domain; an earlier account of the same tax id was listed."
    now = sell_openly(stage, turn, domain, "listed_sibling", note, referral_ids=(referral,))
    stage.plant(
        _SELLER,
        "listed_sibling",
        f"No link of its own; same tax id as account number {now.number}, closed and listed for illegal transactions.",
        referral_ids=(referral,),
        tax_of=now.number,
        listings=("MATCH-13", "VMSS-23"),
        opened_day=-300,
        closed_day=30,
        trade=seller_trade(turn + 1, from_day=0, until_day=30),
    )
    note = "Listed for a data loss years ago, which has nothing to do with any referral."
    stage.plant(_INNOCENT, "listed_otherwise", note, referral_ids=(referral,), listings=("MATCH-12",))


def miscoded_account(stage: Stage, turn: int) -> None:
    """Chip payments under an online code, at ten times the prices of its category, in even amounts, by night.

    The look-alike is a club of the same category: few prices as well, and everything else as it should be.
    """
    domain = stage.flagged_domain()
    referral = stage.refer(domain)
    even = seller_trade(turn, prices=(10_000, 15_000, 20_000), present_percent=45, night_percent=50)
    note = "Declares the flagged domain; chip payments and high, even amounts under a code for digital goods."
    sell_openly(
        stage,
        turn,
        domain,
        "miscoded_account",
        note,
        referral_ids=(referral,),
        country="DE",
        mcc="5815",
        trade=even,
    )
    club = Trade(prices=(990, 1490, 1990), cross_border_percent=3)
    note = "A club with three prices and members in its own country."
    stage.plant(_INNOCENT, "club_shop", note, referral_ids=(referral,), country="DE", mcc="5815", trade=club)


def facilitator_cluster(stage: Stage, turn: int) -> None:
    """Four sub-merchants of one facilitator and one agent sell for one site, never at home; two more are honest.

    One of the four collected for several other sites before.
    """
    domain, facilitator, agent = stage.flagged_domain(), stage.next_facilitator(), stage.next_agent()
    referral = stage.refer(domain)
    under = {"referral_ids": (referral,), "facilitator": facilitator, "agent": agent}
    for place in range(4):
        others = [f"https://{name}-{stage.own_host(stage.next_number())}/" for name in ("first", "second", "third")]
        before = Before(rows_percent=40, from_day=50, until_day=80, requestors=tuple(others)) if place == 2 else None
        stage.plant(
            _SELLER,
            "facilitator_cluster",
            "One of four sub-merchants of a facilitator and an agent whose payments come from the flagged domain.",
            requestors=own_site(stage) + page(domain) * 2,
            opened_day=36 + 4 * place,
            mcc="4816",
            trade=_abroad_only(turn + place, before, bills_abroad=place > 0),
            **under,
        )
    for _ in range(2):
        stage.plant(_INNOCENT, "shared_facilitator", "Another sub-merchant of the same facilitator and agent.", **under)


def _abroad_only(turn: int, before: Before | None, *, bills_abroad: bool) -> Trade:
    """Return the trade of a seller without customers at home, who may bill everybody in their own currency."""
    trade = seller_trade(turn, cross_border_percent=100, bills_abroad=bills_abroad, from_day=50)
    if before is None:
        return trade
    return replace(trade, from_day=before.until_day, before=replace(before, prices=trade.prices))
