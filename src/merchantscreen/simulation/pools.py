"""What transactions point into: the texts, categories and price lists of every account, made once per world.

An account has a *face*: descriptor, websites, category and prices as its messages show
them. Faces 0 to count - 1 are those of the accounts; behind them come the former faces of
planted accounts that changed (cast.Before), at count + number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from merchantscreen.simulation import markets, names
from merchantscreen.simulation.cast import Account
from merchantscreen.simulation.draws import Integers
from merchantscreen.simulation.population import Population, acceptor_ids, facilitated_ids

PAYMENT_PAGE_PERCENT: Final = 12
"""Share of accounts that send some customers to the payment page that many use."""
SECOND_SITE_PER_THOUSAND: Final = 20
"""Honest accounts of a thousand that sell from a second site nobody declared: a new brand, an outlet."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The price lists of planted accounts, one behind the other.

    Attributes:
        values: Prices in minor units.
        begin, count: Where the list of a face begins and how long it is; 0 long for faces with many prices.
    """

    values: Integers
    begin: Integers
    count: Integers

    def at(self, places: Integers, ordinals: Integers) -> Integers:
        """Return the price of each row that has a list: prices take turns."""
        return self.values[self.begin[places] + ordinals % self.count[places]]


@dataclass(frozen=True, slots=True)
class Pools:
    """Texts that transactions point into, so that each is made once.

    `descriptor`, `requestors`, `acceptors` and `category` are by face, the rest by account.
    `urls` begins with null, then each account's own shop; what stories name comes after.
    `requestors` holds up to three places in it per face, `acceptors` one. `prices` are those
    of planted faces: a planted account's at its number, its former ones at planted + number.
    """

    acceptor_id: pl.Series
    facilitator_id: pl.Series
    sub_merchant_id: pl.Series
    descriptor: pl.Series
    terminal: pl.Series
    device: pl.Series
    ip: pl.Series
    urls: pl.Series
    requestors: NDArray[np.int32]
    acceptors: NDArray[np.int32]
    category: NDArray[Any]
    prices: Prices


def pools_of(world: Population) -> Pools:
    """Make the texts of a world."""
    numbers = np.arange(world.count)
    former = tuple(_former(account) for account in world.planted)
    ids = facilitated_ids(world.facilitator, numbers)
    urls, requestors, acceptors = _urls(world, numbers, former)
    gateway = pl.Series(world.on_gateway == 1)
    return Pools(
        acceptor_id=acceptor_ids(world.facilitator, numbers),
        facilitator_id=ids["payment_facilitator_id"],
        sub_merchant_id=ids["sub_merchant_id"],
        descriptor=_descriptors(world, numbers, former),
        terminal=names.terminals(numbers),
        device=pl.Series(["ua-gateway"]).zip_with(gateway, names.tokens("ua", numbers)),
        ip=pl.Series(["ip-gateway"]).zip_with(gateway, names.tokens("ip", numbers)),
        urls=urls,
        requestors=requestors,
        acceptors=acceptors,
        category=_categories(world, former),
        prices=_prices((*world.planted, *former)),
    )


def _former(account: Account) -> Account:
    """Return a planted account as it was before it changed; one that never changed as it is."""
    before = account.trade.before
    if before is None:
        return account
    return replace(
        account,
        requestors=before.requestors,
        acceptor=None,
        descriptor=before.descriptor,
        mcc=before.mcc,
        trade=replace(account.trade, prices=before.prices),
    )


def _categories(world: Population, former: tuple[Account, ...]) -> NDArray[Any]:
    now = world.category[: len(former)]
    then = [place if a.mcc is None else markets.category_place(a.mcc) for a, place in zip(former, now, strict=True)]
    return np.concatenate([world.category, np.array(then, dtype=world.category.dtype)])


def _prices(faces: tuple[Account, ...]) -> Prices:
    lists = [face.trade.prices for face in faces]
    count = np.array([len(prices) for prices in lists], dtype=np.int64)
    values = np.array([price for prices in lists for price in prices], dtype=np.int64)
    return Prices(values, np.cumsum(count) - count, count)


def _descriptors(world: Population, numbers: Integers, former: tuple[Account, ...]) -> pl.Series:
    """Return each face's descriptor; a facilitator puts its own mark before the name."""
    under = pl.Series(world.facilitator > 0)
    marked = "PF" + pl.Series(world.facilitator).cast(pl.String) + "*"
    plain = names.descriptors(numbers)
    ordinary = (marked + plain.str.replace("*", " ", literal=True)).zip_with(under, plain)
    now, then = (_told(ordinary, faces) for faces in (world.planted, former))
    return pl.concat([now, ordinary.slice(len(former)), then])


def _told(ordinary: pl.Series, faces: tuple[Account, ...]) -> pl.Series:
    special = pl.Series([face.descriptor for face in faces], dtype=pl.String)
    return special.zip_with(special.is_not_null(), ordinary.head(len(faces)))


def _urls(
    world: Population, numbers: Integers, former: tuple[Account, ...]
) -> tuple[pl.Series, NDArray[np.int32], NDArray[np.int32]]:
    """Return all URLs, and which of them each face's messages name; one in nine carries a path."""
    paths = pl.Series(["/", "/checkout?step=2"]).gather((numbers % 9 == 5).astype(np.int64))
    hosts = names.shop_hosts(numbers)
    second = np.flatnonzero(world.draws.below("second site", numbers, 1_000) < SECOND_SITE_PER_THOUSAND)
    named = sorted({url for a in (*world.planted, *former) for url in (*(a.requestors or ()), *([a.acceptor or ""]))})
    extra = [f"https://{names.PAYMENT_PAGE}/", *filter(None, named)]
    place = {url: 1 + world.count + order for order, url in enumerate(extra)}
    shops = np.concatenate([numbers, np.arange(len(former))])
    requestors = np.tile((shops + 1).astype(np.int32), (3, 1))
    requestors[2, second] = 1 + world.count + len(extra) + np.arange(len(second))
    requestors[1:, np.flatnonzero(world.draws.chance("payment page", numbers, PAYMENT_PAGE_PERCENT))] = place[extra[0]]
    acceptors = (shops + 1).astype(np.int32)
    for face, account in zip((*range(len(former)), *range(world.count, len(shops))), (*world.planted, *former),
                             strict=True):  # fmt: skip
        chosen = [place[url] for url in account.requestors or ()] or [account.number + 1]
        requestors[:, face] = (chosen * 3)[:3]
        if account.acceptor:
            acceptors[face] = place[account.acceptor]
    outlets = "https://outlet-" + hosts.gather(second) + "/"
    nothing = pl.Series([None], dtype=pl.String)
    return pl.concat([nothing, "https://" + hosts + paths, pl.Series(extra), outlets]), requestors, acceptors
