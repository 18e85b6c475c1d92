"""The transaction file of a world, in any chunks, each row a function of its place in the file.

Rows are in the order of time, give or take a moment. Planted accounts trade after a
timetable made beforehand; every place that it leaves free goes to a background account.

Rules kept here:
* rows first to last - 1 come out the same whatever chunk they are asked for in;
* planted accounts never take more than half of the file;
* the background trades only while its accounts are open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from merchantscreen.simulation import calendar, markets, names
from merchantscreen.simulation.draws import Draws, Integers, Words, below, even_words
from merchantscreen.simulation.population import (
    FOREVER,
    LONG_AGO,
    PAYMENT_PAGE_PERCENT,
    Population,
    acceptor_ids,
    facilitated_ids,
)
from merchantscreen.tables import TransactionRows, conform

FEWEST_ROWS: Final = 36
"""Rows of a planted account in a small world: enough for rules that ask for twenty purchases."""
MOST_ROWS: Final = 300
_VOLUMES: Final = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 9, 13)
"""Relative volumes of sixteen kinds of background account; they add up to 64."""
_SPREAD: Final = (15, 30, 42, 55, 65, 74, 82, 90, 98, 106, 115, 126, 140, 160, 195, 260, 420)
"""Prices of an ordinary shop in percent of its ordinary ticket, at sixteenths of the way from low to high."""
_EVENLY: Final = ("type", "card product", "cross border", "price")
"""Draws that are spread evenly over the rows of a planted account."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """When planted accounts trade: one entry per planted row, in the order of the file.

    Attributes:
        place: Row of the file.
        account: Account number.
        ordinal: Which of the account's rows it is, from 0.
        second: Seconds from the beginning of the world.
    """

    place: Integers
    account: Integers
    ordinal: Integers
    second: Integers


@dataclass(frozen=True, slots=True)
class Pools:
    """Texts that transactions point into, so that each is made once.

    `urls` begins with null, then each account's own shop; what stories name comes after.
    `requestors` holds up to three places in it per account, `acceptors` one.
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


@dataclass(frozen=True, slots=True)
class TransactionFile:
    """Everything that any row of the file is computed from."""

    population: Population
    timetable: Timetable
    pools: Pools
    count: int
    always_open: NDArray[np.int32]

    def rows(self, first: int, last: int) -> pl.DataFrame:
        """Return rows first to last - 1, as tables.TransactionRows."""
        return _Chunk.of(self, first, last).frame()


def transaction_file(population: Population, count: int) -> TransactionFile:
    """Prepare the file: timetable, texts, and who can stand in for an account that is not open."""
    world = population
    open_always = (world.opened_second == LONG_AGO) & (world.closed_second == FOREVER)
    open_always[: len(world.planted)] = False
    return TransactionFile(
        population=world,
        timetable=_timetable(world, count),
        pools=_pools(world),
        count=count,
        always_open=np.flatnonzero(open_always).astype(np.int32),
    )


def rows_per_planted(transactions: int, accounts: int) -> int:
    """Return how many rows a planted account has: about as many as others, within bounds."""
    return max(FEWEST_ROWS, min(MOST_ROWS, transactions // accounts))


# --------------------------------------------------------------------------- preparation


def _timetable(world: Population, count: int) -> Timetable:
    """Spread each planted account's rows over its days, and find their places in the file."""
    each = rows_per_planted(count, world.count)
    account = np.repeat(np.arange(len(world.planted)), each)
    ordinal = np.tile(np.arange(each), len(world.planted))
    begin = np.array([a.trade.from_day for a in world.planted], dtype=np.int64)[account] * 86_400
    end = np.array([a.trade.until_day for a in world.planted], dtype=np.int64)[account] * 86_400
    jitter = world.draws.below("jitter", account * each + ordinal, 1_000)
    second = begin + (ordinal * 1_000 + jitter) * (end - begin) // (each * 1_000)
    order = np.lexsort((account, second))
    background = count - len(account)
    place = np.arange(len(account)) + second[order] * background // calendar.SPAN_SECONDS
    return Timetable(place, account[order], ordinal[order], second[order])


def _pools(world: Population) -> Pools:
    numbers = np.arange(world.count)
    ids = facilitated_ids(world.facilitator, numbers)
    urls, requestors, acceptors = _urls(world, numbers)
    gateway = pl.Series(world.on_gateway == 1)
    return Pools(
        acceptor_id=acceptor_ids(world.facilitator, numbers),
        facilitator_id=ids["payment_facilitator_id"],
        sub_merchant_id=ids["sub_merchant_id"],
        descriptor=_descriptors(world, numbers),
        terminal=names.terminals(numbers),
        device=pl.Series(["ua-gateway"]).zip_with(gateway, names.tokens("ua", numbers)),
        ip=pl.Series(["ip-gateway"]).zip_with(gateway, names.tokens("ip", numbers)),
        urls=urls,
        requestors=requestors,
        acceptors=acceptors,
    )


def _descriptors(world: Population, numbers: Integers) -> pl.Series:
    """Return each account's descriptor; a facilitator puts its own mark before the name."""
    under = pl.Series(world.facilitator > 0)
    marked = "PF" + pl.Series(world.facilitator).cast(pl.String) + "*"
    plain = names.descriptors(numbers)
    ordinary = (marked + plain.str.replace("*", " ", literal=True)).zip_with(under, plain)
    special = [a.descriptor for a in world.planted]
    head = pl.Series(special, dtype=pl.String).to_frame("special").with_columns(plain=ordinary.head(len(special)))
    return head.select(pl.coalesce("special", "plain")).to_series().append(ordinary.slice(len(special)))


def _urls(world: Population, numbers: Integers) -> tuple[pl.Series, NDArray[np.int32], NDArray[np.int32]]:
    """Return all URLs, and which of them each account's messages name; one in nine carries a path."""
    paths = pl.Series(["/", "/checkout?step=2"]).gather((numbers % 9 == 5).astype(np.int64))
    own = "https://" + names.shop_hosts(numbers) + paths
    named = sorted({url for a in world.planted for url in (*(a.requestors or ()), *filter(None, [a.acceptor]))})
    extra = [f"https://{names.PAYMENT_PAGE}/", *named]
    place = {url: 1 + world.count + order for order, url in enumerate(extra)}
    requestors = np.tile((numbers + 1).astype(np.int32), (3, 1))
    requestors[1:, world.draws.chance("payment page", numbers, PAYMENT_PAGE_PERCENT)] = place[extra[0]]
    acceptors = (numbers + 1).astype(np.int32)
    for account in world.planted:
        chosen = [place[url] for url in account.requestors or ()] or [account.number + 1]
        requestors[:, account.number] = (chosen * 3)[:3]
        if account.acceptor:
            acceptors[account.number] = place[account.acceptor]
    return pl.concat([pl.Series([None], dtype=pl.String), own, pl.Series(extra)]), requestors, acceptors


# --------------------------------------------------------------------------- a chunk of rows


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some consecutive rows: whose they are and when they happen; the rest follows from that.

    `planted` marks rows of the timetable within the chunk, `ordinal` says which of the
    account's rows they are.
    """

    file: TransactionFile
    place: Integers
    account: Integers
    second: Integers
    planted: Integers
    ordinal: Integers

    @classmethod
    def of(cls, file: TransactionFile, first: int, last: int) -> _Chunk:
        table = file.timetable
        begin, end = np.searchsorted(table.place, [first, last])
        place = np.arange(first, last)
        planted = table.place[begin:end] - first
        passed = np.zeros(last - first, dtype=np.int64)
        passed[planted] = 1
        background = place - begin - np.cumsum(passed)
        account, second = _background(file, background)
        account[planted], second[planted] = table.account[begin:end], table.second[begin:end]
        return cls(file, place, account, second, planted, table.ordinal[begin:end])

    def words(self, stream: str) -> Words:
        """Return one word per row; for planted rows evenly spread ones, where shares matter."""
        words = self.draws.words(stream, self.place)
        if stream in _EVENLY:
            words[self.planted] = even_words(self.ordinal, _EVENLY.index(stream))
        return words

    def below(self, stream: str, limit: int) -> Integers:
        return below(self.words(stream), limit)

    @property
    def draws(self) -> Draws:
        return self.file.population.draws

    def frame(self) -> pl.DataFrame:
        """Return the rows with all columns."""
        world, pools, account = self.file.population, self.file.pools, self.account
        market = world.market[account]
        columns = {
            "transaction_id": "t" + pl.Series(self.place).cast(pl.String).str.zfill(9),
            "occurred_at": self._moments(),
            "acquirer_id": _texts(markets.ACQUIRERS).gather(world.acquirer[account]),
            "card_acceptor_id": pools.acceptor_id.gather(account),
            "payment_facilitator_id": pools.facilitator_id.gather(account),
            "sub_merchant_id": pools.sub_merchant_id.gather(account),
            "amount_minor": pl.Series(self._amounts()),
            "currency": _texts([m.currency for m in markets.MARKETS]).gather(market),
            "transaction_type": _texts(["purchase", "refund", "chargeback"]).gather(self._types()),
            "outcome": _texts(["approved", "declined"]).gather((self.below("outcome", 25) == 0).astype(np.int64)),
            "card_token": "card-" + pl.Series(self.below("card", 1 + self.file.count // 4)).cast(pl.String),
            "card_product": _texts(["prepaid", "credit", "debit"]).gather(self._card_products()),
            "issuer_country": _texts([m.country for m in markets.MARKETS]).gather(self._issuers(market)),
            "merchant_country": _texts([m.country for m in markets.MARKETS]).gather(market),
            "mcc": _texts([c.mcc for c in markets.CATEGORIES]).gather(world.category[account]),
            "descriptor": pools.descriptor.gather(account),
            **self._channel(),
        }
        return conform(pl.DataFrame(columns), TransactionRows)

    def _moments(self) -> pl.Series:
        begin = int(calendar.BEGIN.timestamp())
        return pl.Series((self.second + begin) * 1_000_000).cast(pl.Datetime("us"))

    def _amounts(self) -> Integers:
        """Return prices: many different ones around the ordinary ticket, or one of a planted account's few."""
        words = self.words("price")
        sixteenth = below(words, 16)
        within = ((words >> np.uint64(20)) & np.uint64(0xFF)).astype(np.int64)
        spread = np.array(_SPREAD)
        percent_256 = spread[sixteenth] * (256 - within) + spread[sixteenth + 1] * within
        amounts = np.maximum(self.file.population.ticket_minor[self.account] * percent_256 // 25_600, 1)
        for place, ordinal in zip(self.planted, self.ordinal, strict=True):
            prices = self.file.population.planted[self.account[place]].trade.prices
            if prices:
                amounts[place] = prices[ordinal % len(prices)]
        return amounts

    def _types(self) -> Integers:
        """Return 0 for purchases, 1 for refunds (one in a hundred), 2 for chargebacks."""
        draw = self.below("type", 10_000)
        chargeback = draw < self.file.population.chargeback[self.account]
        return np.where(chargeback, 2, (draw >= 9_900).astype(np.int64))

    def _card_products(self) -> Integers:
        draw = self.below("card product", 10_000)
        prepaid = draw < self.file.population.prepaid[self.account]
        return np.where(prepaid, 0, 1 + (self.below("credit or debit", 100) < 60))

    def _issuers(self, market: Integers) -> Integers:
        abroad = self.below("cross border", 10_000) < self.file.population.cross_border[self.account]
        elsewhere = 1 + self.below("issuer", len(markets.MARKETS) - 1)
        return np.where(abroad, (market + elsewhere) % len(markets.MARKETS), market)

    def _channel(self) -> dict[str, pl.Series]:
        """Return how the card was shown: in person with a terminal, or online with URLs and merchant-side tokens."""
        pools, account = self.file.pools, self.account
        share = np.array([c.present_percent for c in markets.CATEGORIES])[self.file.population.category[account]]
        share[self.planted] = 0
        present = self.below("present", 100) < share
        online = pl.Series(~present)
        return {
            "entry_mode": _texts(["81", "10", "05", "07"]).gather(2 * present + self.below("entry mode", 2)),
            "eci": _only(_texts(["05", "06", "07"]).gather(self.below("eci", 3)), online),
            "requestor_url": pools.urls.gather(self._requestors(present)),
            "acceptor_url": pools.urls.gather(
                np.where(~present & (self.below("acceptor", 4) == 0), pools.acceptors[account], 0)
            ),
            "terminal_id": _only(pools.terminal.gather(account), ~online),
            "device_token": _only(pools.device.gather(account), online),
            "ip_token": _only(pools.ip.gather(account), online),
        }

    def _requestors(self, present: NDArray[np.bool_]) -> Integers:
        """Return the place of the 3-D Secure requestor's URL, 0 for none; about 60 % of online rows have one."""
        named = ~present & (self.below("3ds", 10) < 6)
        which = self.below("requestor", 3)
        return np.where(named, self.file.pools.requestors[which, self.account], 0)


def _background(file: TransactionFile, order: Integers) -> tuple[Integers, Integers]:
    """Choose account and second of background rows: time moves on evenly, busy accounts come up more often."""
    world, planted = file.population, len(file.population.planted)
    members, count = world.count - planted, max(1, file.count - len(file.timetable.place))
    draw = world.draws.words("account", order)
    kind = np.repeat(np.arange(len(_VOLUMES)), _VOLUMES)[(draw & np.uint64(63)).astype(np.int64)]
    account = planted + (below(draw, -(-members // len(_VOLUMES))) * len(_VOLUMES) + kind) % members
    second = order * calendar.SPAN_SECONDS // count
    closed = (second < world.opened_second[account]) | (second >= world.closed_second[account])
    stand_in = world.draws.below("stand-in", order[closed], len(file.always_open))
    account[closed] = file.always_open[stand_in]
    return account, second


def _texts(values: tuple[str, ...] | list[str]) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


def _only(values: pl.Series, where: pl.Series) -> pl.Series:
    return values.zip_with(where, pl.Series([None], dtype=pl.String))
