"""The transaction file of a world, in any chunks, each row a function of its place in the file.

Rows are in the order of days; the hour is one at which people buy where the payer lives.
Planted accounts trade after a timetable made beforehand; every place that it leaves free
goes to a background account.

Rules kept here:
* rows first to last - 1 come out the same whatever chunk they are asked for in;
* what an account's messages show is its face (pools.py), how it trades its habits (habits.py);
* the background trades only while its accounts are open, and seasonal ones in their season.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from merchantscreen.simulation import calendar, markets, volumes
from merchantscreen.simulation.draws import Draws, Integers, Words, below, even_words
from merchantscreen.simulation.pools import Pools, pools_of
from merchantscreen.simulation.population import FOREVER, LONG_AGO, Population
from merchantscreen.tables import TransactionRows, conform

_SPREAD: Final = (15, 30, 42, 55, 65, 74, 82, 90, 98, 106, 115, 126, 140, 160, 195, 260, 420)
"""Prices of an ordinary shop in percent of its ordinary ticket, at sixteenths of the way from low to high."""
_DAYTIME: Final = (390, 500, 555, 600, 640, 680, 720, 755, 790, 830, 870, 915, 965, 1_020, 1_085, 1_160, 1_319)
"""Minutes of the payer's day, from half past six to ten, at sixteenths of the purchases by day."""
_NIGHT: Final = (30, 210)
"""Minutes of the payer's day between which purchases by night lie: half past midnight to half past three."""
_SEASON: Final = (12, 108)
"""Days between which seasonal accounts rest."""
_EVENLY: Final = ("type", "card product", "cross border", "price", "night", "present", "outcome")
"""Draws that are spread evenly over the rows of a planted account."""
PURCHASE, REFUND, CHARGEBACK = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Timetable:
    """When planted accounts trade: one entry per planted row, in the order of the file.

    Attributes:
        place: Row of the file.
        account: Account number.
        ordinal: Which of the account's rows it is, from 0.
        former: 1 for rows from before the account changed.
        second: Seconds from the beginning of the world.
    """

    place: Integers
    account: Integers
    ordinal: Integers
    former: Integers
    second: Integers


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
    open_always = (world.opened_second == LONG_AGO) & (world.closed_second == FOREVER) & (world.habits.seasonal == 0)
    open_always[: len(world.planted)] = False
    return TransactionFile(
        population=world,
        timetable=_timetable(world, count),
        pools=pools_of(world),
        count=count,
        always_open=np.flatnonzero(open_always).astype(np.int32),
    )


# --------------------------------------------------------------------------- preparation


def _timetable(world: Population, count: int) -> Timetable:
    """Spread each planted account's rows over its days, and find their places in the file."""
    each = volumes.rows_per_planted(count, world.count)
    account = np.repeat(np.arange(len(world.planted)), each)
    ordinal = np.tile(np.arange(each), len(world.planted))
    trades = [a.trade for a in world.planted]
    befores = [t.before for t in trades]
    split = np.array([b.rows_percent * each // 100 if b else 0 for b in befores], dtype=np.int64)[account]
    former = (ordinal < split).astype(np.int64)
    days = [(t.from_day, t.until_day, b.from_day if b else 0, b.until_day if b else 0)
            for t, b in zip(trades, befores, strict=True)]  # fmt: skip
    bounds = np.array(days, dtype=np.int64).reshape(-1, 4)[account] * 86_400
    rows = np.arange(len(account))
    begin, end = bounds[rows, 2 * former], bounds[rows, 2 * former + 1]
    within, size = np.where(former, ordinal, ordinal - split), np.where(former, split, each - split)
    jitter = world.draws.below("jitter", account * each + ordinal, 1_000)
    second = begin + (within * 1_000 + jitter) * (end - begin) // (size * 1_000)
    order = np.lexsort((account, second))
    place = rows + second[order] * (count - len(account)) // calendar.SPAN_SECONDS
    return Timetable(place, account[order], ordinal[order], former[order], second[order])


# --------------------------------------------------------------------------- a chunk of rows


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some consecutive rows: whose they are and on which day; the rest follows from that.

    `face` is what the account's messages show, `planted` marks rows of the timetable within
    the chunk, `ordinal` says which of the account's rows they are.
    """

    file: TransactionFile
    place: Integers
    account: Integers
    face: Integers
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
        face = account.copy()
        face[planted] += table.former[begin:end] * file.population.count
        return cls(file, place, account, face, second, planted, table.ordinal[begin:end])

    def words(self, stream: str) -> Words:
        """Return one word per row; for planted rows evenly spread ones, where shares matter."""
        words = self.draws.words(stream, self.place)
        if stream in _EVENLY:
            words[self.planted] = even_words(self.ordinal, _EVENLY.index(stream))
        return words

    def below(self, stream: str, limit: int) -> Integers:
        return below(self.words(stream), limit)

    def share(self, stream: str, habit: NDArray[Any]) -> NDArray[np.bool_]:
        """Return true for as large a share of each account's rows as its habit says."""
        return self.below(stream, 10_000) < habit[self.account]

    @property
    def world(self) -> Population:
        return self.file.population

    @property
    def draws(self) -> Draws:
        return self.world.draws

    def frame(self) -> pl.DataFrame:
        """Return the rows with all columns."""
        world, pools, account = self.world, self.file.pools, self.account
        market = world.market[account].astype(np.int64)
        issuer = self._issuers(market)
        present = self.share("present", world.habits.present)
        billed = np.where(~present & (world.habits.bills_abroad[account] == 1), issuer, market)
        kind = self._kinds()
        declined = self.share("outcome", world.habits.declined) & (kind == PURCHASE)
        columns = {
            "transaction_id": "t" + pl.Series(self.place).cast(pl.String).str.zfill(9),
            "occurred_at": self._moments(np.where(present, market, issuer)),
            "acquirer_id": _texts(markets.ACQUIRERS).gather(world.acquirer[account]),
            "card_acceptor_id": pools.acceptor_id.gather(account),
            "payment_facilitator_id": pools.facilitator_id.gather(account),
            "sub_merchant_id": pools.sub_merchant_id.gather(account),
            "amount_minor": pl.Series(self._amounts(market, billed)),
            "currency": _texts([m.currency for m in markets.MARKETS]).gather(billed),
            "transaction_type": _texts(["purchase", "refund", "chargeback"]).gather(kind),
            "outcome": _texts(["approved", "declined"]).gather(declined.astype(np.int64)),
            "card_token": "card-" + pl.Series(self.below("card", 1 + self.file.count // 4)).cast(pl.String),
            "card_product": _texts(["prepaid", "credit", "debit"]).gather(self._card_products()),
            "issuer_country": _texts([m.country for m in markets.MARKETS]).gather(issuer),
            "merchant_country": _texts([m.country for m in markets.MARKETS]).gather(market),
            "mcc": _texts([c.mcc for c in markets.CATEGORIES]).gather(pools.category[self.face]),
            "descriptor": pools.descriptor.gather(self.face),
            **self._channel(present),
        }
        return conform(pl.DataFrame(columns), TransactionRows)

    def _moments(self, clock_of: Integers) -> pl.Series:
        """Return an hour of the row's day at which people buy in the market whose clock the payer lives by."""
        words = self.words("hour")
        by_day = _between(_DAYTIME, words) * 60 // 256 + below(words << np.uint64(32), 60)
        by_night = _NIGHT[0] * 60 + below(words, (_NIGHT[1] - _NIGHT[0]) * 60)
        local = np.where(self.share("night", self.world.habits.night), by_night, by_day)
        clocks: Integers = np.array([60 * m.clock_minutes for m in markets.MARKETS])[clock_of]
        second = self.second // 86_400 * 86_400 + (local - clocks) % 86_400
        return pl.Series((second + int(calendar.BEGIN.timestamp())) * 1_000_000).cast(pl.Datetime("us"))

    def _amounts(self, market: Integers, billed: Integers) -> Integers:
        """Return prices: many different ones around the ordinary ticket, three of a club, or those of a story."""
        world, prices = self.world, self.file.pools.prices
        words = self.words("price")
        ticket = world.ticket_minor[self.account].astype(np.int64)
        units: Integers = np.array([m.unit_minor for m in markets.MARKETS])
        shown = ticket * units[billed] // units[market] * _between(_SPREAD, words) // 25_600
        amounts = self._endings(np.maximum(shown, 1))
        few = np.flatnonzero(world.habits.few_prices[self.account])
        amounts[few] = np.maximum(ticket[few] * (60 + 40 * below(words[few], 3)) // 10_000 * 100, 100) - 1
        face = self.account[self.planted] + np.where(self.face[self.planted] < world.count, 0, len(world.planted))
        listed = np.flatnonzero(prices.count[face])
        amounts[self.planted[listed]] = prices.at(face[listed], self.ordinal[listed])
        return amounts

    def _endings(self, amounts: Integers) -> Integers:
        """Give prices the endings that shops like: even tens, .99, .50 and .00; the rest stay as they are."""
        draw = self.below("ending", 10_000) - self.world.habits.even[self.account]
        whole = amounts // 100 * 100
        chosen = [draw < 0, draw < 3_500, draw < 4_500, draw < 5_500]
        endings = [np.maximum((amounts + 500) // 1_000, 1) * 1_000, whole + 99, whole + 50, np.maximum(whole, 100)]
        return np.select(chosen, endings, amounts)

    def _kinds(self) -> Integers:
        """Return whether rows are purchases, refunds or chargebacks."""
        draw, habits = self.below("type", 10_000), self.world.habits
        chargeback = draw < habits.chargeback[self.account]
        refund = draw >= 10_000 - habits.refund[self.account].astype(np.int64)
        return np.where(chargeback, CHARGEBACK, np.where(refund, REFUND, PURCHASE))

    def _card_products(self) -> Integers:
        prepaid = self.share("card product", self.world.habits.prepaid)
        return np.where(prepaid, 0, 1 + (self.below("credit or debit", 100) < 60))

    def _issuers(self, market: Integers) -> Integers:
        elsewhere = (market + 1 + self.below("issuer", len(markets.MARKETS) - 1)) % len(markets.MARKETS)
        return np.where(self.share("cross border", self.world.habits.cross_border), elsewhere, market)

    def _channel(self, present: NDArray[np.bool_]) -> dict[str, pl.Series]:
        """Return how the card was shown: in person with a terminal, or online with URLs and merchant-side tokens."""
        pools, account = self.file.pools, self.account
        online = pl.Series(~present)
        named = ~present & (self.below("acceptor", 4) == 0)
        return {
            "entry_mode": _texts(["81", "10", "05", "07"]).gather(2 * present + self.below("entry mode", 2)),
            "eci": _only(_texts(["05", "06", "07"]).gather(self.below("eci", 3)), online),
            "requestor_url": pools.urls.gather(self._requestors(present)),
            "acceptor_url": pools.urls.gather(np.where(named, pools.acceptors[self.face], 0)),
            "terminal_id": _only(pools.terminal.gather(account), ~online),
            "device_token": _only(pools.device.gather(account), online),
            "ip_token": _only(pools.ip.gather(account), online),
        }

    def _requestors(self, present: NDArray[np.bool_]) -> Integers:
        """Return the place of the 3-D Secure requestor's URL, 0 for none; about 60 % of online rows have one."""
        named = ~present & (self.below("3ds", 10) < 6)
        which = self.below("requestor", 3)
        return np.where(named, self.file.pools.requestors[which, self.face], 0)


def _background(file: TransactionFile, order: Integers) -> tuple[Integers, Integers]:
    """Choose account and second of background rows: time moves on evenly, busy accounts come up more often."""
    world, planted = file.population, len(file.population.planted)
    count = max(1, file.count - len(file.timetable.place))
    account = planted + volumes.choose(world.draws.words("account", order), world.count - planted)
    second = order * calendar.SPAN_SECONDS // count
    resting = (second >= _SEASON[0] * 86_400) & (second < _SEASON[1] * 86_400) & (world.habits.seasonal[account] == 1)
    closed = (second < world.opened_second[account]) | (second >= world.closed_second[account]) | resting
    stand_in = world.draws.below("stand-in", order[closed], len(file.always_open))
    account[closed] = file.always_open[stand_in]
    return account, second


def _between(sixteenths: tuple[int, ...], words: Words) -> Integers:
    """Return 256 times a value from a table of seventeen, drawn evenly between one sixteenth and the next."""
    sixteenth = below(words, 16)
    within = ((words >> np.uint64(20)) & np.uint64(0xFF)).astype(np.int64)
    table: Integers = np.array(sixteenths)
    return table[sixteenth] * (256 - within) + table[sixteenth + 1] * within


def _texts(values: tuple[str, ...] | list[str]) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


def _only(values: pl.Series, where: pl.Series) -> pl.Series:
    return values.zip_with(where, pl.Series([None], dtype=pl.String))
