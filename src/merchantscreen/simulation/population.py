"""Every account of a world as a row of compact arrays, planted ones first, and the merchant file made of them.

The background is ordinary in its habits (habits.py) and in its papers: some firms have
several accounts, some share a gateway, some opened or closed while the world was watched;
most declare about the volume they have, a few are listed for reasons of their own.

Rules kept here:
* an account is a number, and all its facts are functions of (seed, number): files can be
  written in any chunks, and only what transactions need is held in memory;
* planted accounts differ from others by the fields of cast.Account only;
* files list accounts in scrambled order, so that planted ones do not stand out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import gcd
from typing import Any, Final

import numpy as np
import polars as pl

from merchantscreen.identifiers import account_id_expression
from merchantscreen.simulation import calendar, markets, names, volumes
from merchantscreen.simulation.cast import EXPECTED, Account, Label
from merchantscreen.simulation.draws import Draws, Integers
from merchantscreen.simulation.habits import Compact, Habits, habits_of
from merchantscreen.tables import MerchantRows, conform

GATEWAY_PERCENT: Final = 35
"""Share of the background that uses the one big gateway: its device, network address and agent."""
FACILITATED_PERCENT: Final = 8
BACKGROUND_FACILITATORS: Final = 5
AGENTS: Final = 12
AGENT_PERCENT: Final = 50
"""Share of accounts that an agent brought; the rest came by themselves. The gateway is an agent as well."""
_STORY_AGENTS: Final = 100
"""Agents of the stories are numbered beyond the ordinary ones."""
_LISTED_ONE_IN: Final = 150
_LISTINGS: Final = ("MATCH-04", "MATCH-12", "MATCH-01", "MATCH-09", "VMSS-29", "MATCH-04", "MATCH-08", "MATCH-10")
"""Codes of honest accounts that were listed: chargebacks, a data loss, a bankruptcy; never laundering or worse."""
_DECLARES_LITTLE_PERCENT: Final = 3
"""Share of the background that has grown far beyond what it once declared."""
_SOLD_CHEAPER_PERCENT: Final = 2
"""Share of the background that has gone up-market since it declared its ticket."""
FACILITATOR_ACCEPTORS: Final = 60_000_000
"""Facilitators have card acceptor ids of their own, beyond those of accounts; their sub-merchants share them."""
LONG_AGO: Final = -(2**31)
FOREVER: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Population:
    """What transactions need to know of every account; arrays are indexed by account number.

    Attributes:
        draws: The world's random numbers.
        planted: The planted accounts; their numbers are 0 to len - 1.
        count: Accounts in all.
        transactions: Transactions in all.
        market, category, acquirer: Places in the tables of markets.py.
        facilitator: Payment facilitator, 0 for none.
        opened_second, closed_second: Life within the world, in seconds from its beginning.
        ticket_minor: Ordinary price.
        habits: How each account trades.
        on_gateway: Whether it uses the big gateway.
    """

    draws: Draws
    planted: tuple[Account, ...]
    count: int
    transactions: int
    market: Compact
    category: Compact
    acquirer: Compact
    facilitator: Compact
    opened_second: Compact
    closed_second: Compact
    ticket_minor: Compact
    habits: Habits
    on_gateway: Compact


def populate(
    draws: Draws, planted: tuple[Account, ...], facilitators: int, count: int, transactions: int
) -> Population:
    """Give every account its facts.

    Args:
        draws: The world's random numbers.
        planted: Accounts of the stories, numbered from 0.
        facilitators: Payment facilitators of the stories; the background's come after them.
        count: Accounts in all, planted ones included.
        transactions: Transactions in all; accounts declare volumes that fit them.
    """
    numbers = np.arange(count)
    market = _pinned([a.country for a in planted], markets.market_place, markets.market_of(draws, numbers))
    categories = markets.category_of(draws, numbers, len(planted), count)
    category = _pinned([a.mcc for a in planted], markets.category_place, categories)
    opened, closed = _lives(draws, numbers, planted)
    background_facilitator = facilitators + 1 + draws.below("facilitator", numbers, BACKGROUND_FACILITATORS)
    facilitated = draws.chance("facilitated", numbers, FACILITATED_PERCENT)
    facilitator = _planted_first([a.facilitator for a in planted], np.where(facilitated, background_facilitator, 0))
    gateway = draws.chance("gateway", numbers, GATEWAY_PERCENT)
    return Population(
        draws=draws,
        planted=planted,
        count=count,
        transactions=transactions,
        market=market.astype(np.int8),
        category=category.astype(np.int8),
        acquirer=_acquirers(draws, numbers, facilitator).astype(np.int8),
        facilitator=facilitator.astype(np.int32),
        opened_second=_seconds(opened, LONG_AGO),
        closed_second=_seconds(closed, FOREVER),
        ticket_minor=_tickets(draws, numbers, market, category).astype(np.int32),
        habits=habits_of(draws, category, planted),
        on_gateway=_planted_first([int(a.on_gateway) for a in planted], gateway.astype(np.int64)).astype(np.int8),
    )


def file_order(count: int) -> tuple[int, int]:
    """Return multiplier and offset of the order in which files list accounts: place -> (place * m + o) % count."""
    multiplier = max(1, int(count * 0.618))
    while gcd(multiplier, count) != 1:
        multiplier += 1
    return multiplier, count // 3


def merchants(world: Population, first: int, last: int) -> pl.DataFrame:
    """Return places first to last - 1 of the merchant file, as tables.MerchantRows."""
    numbers = _numbers_at(world, first, last)
    rows = conform(_ordinary_rows(world, numbers).hstack(_identifiers(world, numbers)), MerchantRows)
    told = {"declared": pl.List(pl.String), "listings": pl.List(pl.String)}
    special = _told(world, numbers, told, lambda account: (account.declared, account.listings))
    return rows.with_columns(
        website_urls=pl.coalesce(special["declared"], rows["website_urls"]),
        listing_codes=pl.coalesce(special["listings"], rows["listing_codes"]),
    )


TRUTH_COLUMNS: Final[dict[str, Any]] = {
    "label": pl.String,
    "typology": pl.String,
    "referral_ids": pl.List(pl.String),
    "note": pl.String,
    "expectation": pl.String,
}


def truth(world: Population, first: int, last: int) -> pl.DataFrame:
    """Return what accounts at places first to last - 1 truly are: `account_id` and `TRUTH_COLUMNS`."""
    numbers = _numbers_at(world, first, last)
    told = _told(
        world,
        numbers,
        TRUTH_COLUMNS,
        lambda a: (a.label.value, a.typology, a.referral_ids, a.note, EXPECTED[a.label].value),
    ).with_columns(
        label=pl.col("label").fill_null(Label.BACKGROUND.value),
        expectation=pl.col("expectation").fill_null(EXPECTED[Label.BACKGROUND].value),
    )
    keys = _keys(world, numbers)
    return keys.select(account_id=account_id_expression(keys.columns)).hstack(told)


# --------------------------------------------------------------------------- facts


def _planted_first(planted: list[int], background: Integers) -> Integers:
    background[: len(planted)] = planted
    return background


def _pinned(said: list[str | None], place_of: Callable[[str], int], anywhere: Integers) -> Integers:
    """Put planted accounts where their story says; where it says nothing they stay where they are."""
    for number, value in enumerate(said):
        if value is not None:
            anywhere[number] = place_of(value)
    return anywhere


def _acquirers(draws: Draws, numbers: Integers, facilitator: Integers) -> Integers:
    """Return each account's acquirer; a facilitator's sub-merchants all have the facilitator's."""
    own, facilitators = markets.acquirer_of(draws, numbers), markets.acquirer_of(draws, facilitator)
    return np.where(facilitator > 0, facilitators, own)


def _lives(draws: Draws, numbers: Integers, planted: tuple[Account, ...]) -> tuple[Integers, Integers]:
    """Return the days on which accounts opened and closed; most opened long ago and are open still."""
    long_ago = -30 - draws.below("opened", numbers, 3_000)
    lately = draws.below("opened lately", numbers, calendar.DAYS - 10)
    opened = np.where(draws.chance("opens", numbers, 6), lately, long_ago)
    closes = draws.chance("closes", numbers, 3) & (opened < 0)
    closed = np.where(closes, 5 + draws.below("closed", numbers, calendar.DAYS - 10), FOREVER)
    return (
        _planted_first([a.opened_day for a in planted], opened),
        _planted_first([FOREVER if a.closed_day is None else a.closed_day for a in planted], closed),
    )


def _seconds(days: Integers, outside: int) -> Compact:
    within = (days >= 0) & (days < calendar.DAYS)
    return np.where(within, days * 86_400, outside).astype(np.int32)


def _tickets(draws: Draws, numbers: Integers, market: Integers, category: Integers) -> Integers:
    units: Integers = np.array([m.unit_minor for m in markets.MARKETS])[market]
    tickets: Integers = np.array([c.ticket for c in markets.CATEGORIES])[category]
    return units * tickets * (50 + draws.below("ticket", numbers, 120)) // 100


# --------------------------------------------------------------------------- the merchant file


def _numbers_at(world: Population, first: int, last: int) -> Integers:
    multiplier, offset = file_order(world.count)
    return (np.arange(first, last) * multiplier + offset) % world.count


def _told(
    world: Population, numbers: Integers, schema: dict[str, Any], tell: Callable[[Account], tuple[Any, ...]]
) -> pl.DataFrame:
    """Return what the stories say about each account, one row per number; null for the background."""
    planted = np.flatnonzero(numbers < len(world.planted))
    rows = [(int(place), *tell(world.planted[numbers[place]])) for place in planted]
    stories = pl.DataFrame(rows, schema={"place": pl.Int64, **schema}, orient="row")
    places = pl.DataFrame({"place": np.arange(len(numbers))})
    return places.join(stories, on="place", how="left", maintain_order="left").drop("place")


def _keys(world: Population, numbers: Integers) -> pl.DataFrame:
    """Return the key columns of accounts."""
    facilitator = world.facilitator[numbers]
    return pl.DataFrame(
        {
            "acquirer_id": pl.Series(markets.ACQUIRERS).gather(world.acquirer[numbers]),
            "card_acceptor_id": acceptor_ids(facilitator, numbers),
            **facilitated_ids(facilitator, numbers),
        }
    )


def _ordinary_rows(world: Population, numbers: Integers) -> pl.DataFrame:
    """Return the business facts of accounts, as if none were special."""
    hosts = names.shop_hosts(numbers)
    closed = _days(world, "closed", numbers)
    average, volume = _declared(world, numbers)
    facts: dict[str, Any] = {
        "legal_name": names.legal_names(numbers, world.draws.below("form", numbers, 8)),
        "dba_name": names.trading_names(numbers),
        "mcc": pl.Series([c.mcc for c in markets.CATEGORIES]).gather(world.category[numbers]),
        "country": pl.Series([m.country for m in markets.MARKETS]).gather(world.market[numbers]),
        "opened_on": _days(world, "opened", numbers),
        "closed_on": closed,
        "status": pl.Series(["active", "closed"]).gather(closed.is_not_null().cast(pl.UInt32)),
        "website_urls": ("https://" + hosts + "/").reshape((-1, 1)).arr.to_list(),
        "declared_monthly_volume_minor": volume,
        "declared_average_ticket_minor": average,
        "currency": pl.Series([m.currency for m in markets.MARKETS]).gather(world.market[numbers]),
        "natural_person": pl.Series(world.draws.chance("natural person", numbers, 8)),
    }
    return _keys(world, numbers).with_columns(**facts)


def _declared(world: Population, numbers: Integers) -> tuple[Integers, Integers]:
    """Return average ticket and monthly volume as declared: about right, except where a firm has outgrown it."""
    planted = len(world.planted)
    each = volumes.rows_per_planted(world.transactions, world.count)
    background = max(0, world.transactions - planted * each)
    rows = volumes.monthly_rows(np.maximum(numbers - planted, 0), background, world.count - planted)
    percent = 80 + world.draws.below("declared volume", numbers, 120)
    little = world.draws.chance("declares little", numbers, _DECLARES_LITTLE_PERCENT)
    percent = np.where(little, percent // 4, percent)
    for place in np.flatnonzero(numbers < planted):
        account = world.planted[numbers[place]]
        days = max(30, account.trade.until_day - account.trade.from_day)
        rows[place] = 100 * 30 * each // days
        percent[place] = account.declares_percent
    ticket = 90 + world.draws.below("declared", numbers, 50)
    cheaper = world.draws.chance("sold cheaper things", numbers, _SOLD_CHEAPER_PERCENT) & (numbers >= planted)
    average = world.ticket_minor[numbers].astype(np.int64) * np.where(cheaper, ticket * 2 // 5, ticket) // 100
    return average, average * rows * percent // 10_000


def acceptor_ids(facilitator: Compact, numbers: Integers) -> pl.Series:
    """Return card acceptor ids: an account's own, or that of its facilitator."""
    return names.acceptor_ids(np.where(facilitator > 0, FACILITATOR_ACCEPTORS + facilitator, numbers))


def facilitated_ids(facilitator: Compact, numbers: Integers) -> dict[str, pl.Series]:
    """Return facilitator and sub-merchant ids, null for accounts that stand on their own."""
    under = pl.Series(facilitator > 0)
    facilitator_id = "PF" + pl.Series(facilitator).cast(pl.String).str.zfill(6)
    sub_merchant_id = "SM" + pl.Series(numbers).cast(pl.String).str.zfill(8)
    nothing = pl.Series([None], dtype=pl.String)
    return {
        "payment_facilitator_id": facilitator_id.zip_with(under, nothing),
        "sub_merchant_id": sub_merchant_id.zip_with(under, nothing),
    }


def _days(world: Population, event: str, numbers: Integers) -> pl.Series:
    opened, closed = _lives(world.draws, numbers, ())
    days = opened if event == "opened" else closed
    for place in np.flatnonzero(numbers < len(world.planted)):
        account = world.planted[numbers[place]]
        day = account.opened_day if event == "opened" else account.closed_day
        days[place] = FOREVER if day is None else day
    epoch_day = (calendar.BEGIN - datetime(1970, 1, 1, tzinfo=UTC)).days
    dates = pl.DataFrame({"day": days}).select(pl.when(pl.col("day") != FOREVER).then(pl.col("day") + epoch_day))
    return dates.to_series().cast(pl.Int32).cast(pl.Date)


def _identifiers(world: Population, numbers: Integers) -> pl.DataFrame:
    """Return what can be shared: each identifier is that of its holder's number, or of somebody else's."""
    holders = {name: _holders(world, name, numbers) for name in ("settlement_of", "tax_of", "principal_of", "phone_of")}
    mail = _told(world, numbers, {"host": pl.String}, lambda account: (account.mail_host,))["host"]
    free = pl.Series(world.draws.chance("free mail", numbers, 30))
    ordinary = pl.Series([names.FREE_MAIL]).zip_with(free, names.shop_hosts(numbers))
    mail = mail.zip_with(mail.is_not_null(), ordinary)
    local = names.trading_names(numbers).str.to_lowercase().str.replace_all(" ", ".", literal=True)
    listed = world.draws.below("listed", numbers, _LISTED_ONE_IN) == 0
    listing = np.where(listed, world.draws.below("listing", numbers, len(_LISTINGS)), len(_LISTINGS))
    codes = pl.Series([[code] for code in _LISTINGS] + [None], dtype=pl.List(pl.String))
    return pl.DataFrame(
        {
            "email": local + "@" + mail,
            "phone": names.phones(holders["phone_of"]),
            "address": names.addresses(numbers),
            "settlement_account_token": names.tokens("acct", holders["settlement_of"]),
            "tax_id_token": names.tokens("tax", holders["tax_of"]),
            "principal_tokens": names.tokens("own", holders["principal_of"]).reshape((-1, 1)).arr.to_list(),
            "agent_id": _agents(world, numbers),
            "listing_codes": codes.gather(listing),
        }
    )


def _agents(world: Population, numbers: Integers) -> pl.Series:
    """Return each account's agent: that of its story, of the gateway, any, or null for none."""
    agents = np.where(world.on_gateway[numbers] == 1, 0, 1 + world.draws.below("agent", numbers, AGENTS))
    for place in np.flatnonzero(numbers < len(world.planted)):
        agent = world.planted[numbers[place]].agent
        agents[place] = _STORY_AGENTS + agent if agent else agents[place]
    brought = world.draws.chance("brought by an agent", numbers, AGENT_PERCENT)
    known = pl.Series(brought | (agents == 0) | (agents >= _STORY_AGENTS))
    ids = "AG" + pl.Series(agents).cast(pl.String).str.zfill(3)
    return ids.zip_with(known, pl.Series([None], dtype=pl.String))


def _holders(world: Population, field: str, numbers: Integers) -> Integers:
    """Return whose identifier each account has: one in thirty background accounts is a firm's second."""
    second = (world.draws.below("second account", numbers, 30) == 0) & (numbers > len(world.planted))
    holders = np.where(second & (field != "phone_of"), numbers - 1, numbers)
    for place in np.flatnonzero(numbers < len(world.planted)):
        holder: int | None = getattr(world.planted[numbers[place]], field)
        holders[place] = numbers[place] if holder is None else holder
    return holders
