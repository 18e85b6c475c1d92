"""Write large worlds of accounts, transactions and referrals, in the form that `merchantscreen screen` reads.

    python benchmarks/worlds.py --out DIR [--transactions N] [--accounts N] [--domains N] [--clusters N] [--seed N]

`merchantscreen simulate` tells stories and is made to be looked at; this one is made to be large. Every row is
written as a few numbers first, and Polars turns these into text while it streams them to the disk, so that
memory stays bounded whatever the size. The same options give the same rows.

What is in a world:

* **clusters**: one account linked to a flagged domain, by host (in 3-D Secure or in payment messages),
  declared website or descriptor, in turn, and eight neighbours who share a settlement account, principal, phone,
  e-mail, address or device with it. They are a fiftieth of all transactions, evenly;
* **the rest**: accounts far from any cluster, with volumes after Zipf: among a million, the largest has 4 % of the
  rows. A tenth share an identifier in pairs. Nothing but hubs ties them to clusters;
* **hubs**: agents, facilitators, office centres, gateways' devices, network addresses and payment pages of hundreds
  or thousands of accounts, more than `hub_holder_count` where a world has 3,000 accounts or more;
* **flagged domains**: one per cluster; nobody has an account for the others.

Clusters, their identifiers and their number of transactions depend on `--clusters` and `--transactions` alone. So
`--accounts` grows only what is far from them, and `--domains` only what nobody is linked to.

All names are reserved ones. `truth.parquet` names the accounts that were linked, with their domain and kind.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

AS_OF: Final = datetime(2026, 11, 1)
DAYS: Final = 180
ROWS_PER_FILE: Final = 2_500_000
ROW_GROUP_ROWS: Final = 250_000
CLUSTER: Final = 9
"""Accounts of a cluster: a linked one and eight neighbours."""
CLUSTER_EVERY: Final = 50
"""One transaction in so many belongs to a cluster."""
ACCOUNTS_PER_HUB: Final = 3_000
MOST_HUBS: Final = 300
ZIPF_SHIFT: Final = 1.4
"""Flattens the head of the distribution: the largest of a million accounts gets 4 % of the rows."""
WINDOW_ENDS: Final = "2026-08-01T00:00:00Z"
"""When every tenth flagged domain stopped: what its account did later is outside the window."""

_COUNTRIES: Final = ("NL", "DE", "FR", "GB", "US", "CA", "SE", "AU", "PL", "JP")
_CURRENCIES: Final = ("EUR", "EUR", "EUR", "GBP", "USD", "CAD", "SEK", "AUD", "PLN", "JPY")
_MCCS: Final = (
    "0742", "4816", "5045", "5311", "5411", "5499", "5651", "5691", "5712", "5732", "5734", "5812",
    "5815", "5816", "5912", "5942", "5945", "5964", "5968", "7298", "7372", "7994", "8299", "8999",
)  # fmt: skip
_KINDS: Final = ("observed_requestor_url", "declared_website", "descriptor_domain", "observed_acceptor_url")
"""How the clusters are linked, in turn."""
_BY_REQUESTOR, _BY_WEBSITE, _BY_DESCRIPTOR, _BY_ACCEPTOR = range(len(_KINDS))


@dataclass(frozen=True, slots=True)
class Size:
    """How large a world is.

    Attributes:
        transactions: Rows.
        accounts: Accounts, those of clusters included.
        domains: Flagged domains, those of clusters included.
        clusters: Linked accounts with their neighbours; one in 400 accounts when 0.
        seed: Another seed gives other rows.
    """

    transactions: int
    accounts: int
    domains: int
    clusters: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        """Fill in the clusters, and refuse a world that has no room for them.

        Raises:
            ValueError: There are too few accounts or domains for the clusters.
        """
        if not self.clusters:
            object.__setattr__(self, "clusters", max(1, min(self.accounts // 400, self.domains)))
        if self.clusters > self.domains or self.near >= self.accounts:
            raise ValueError(f"{self.clusters} clusters need as many domains, and more than {self.near} accounts")

    @property
    def name(self) -> str:
        """Name a folder for it."""
        return f"world-{self.transactions}-{self.accounts}-{self.domains}-{self.clusters}-{self.seed}"

    @property
    def near(self) -> int:
        """Accounts in clusters: they come first."""
        return self.clusters * CLUSTER

    @property
    def hubs(self) -> int:
        """Hubs of each kind."""
        return max(1, min(MOST_HUBS, self.accounts // ACCOUNTS_PER_HUB))


@dataclass(frozen=True, slots=True)
class World:
    """Where the files of a world are."""

    folder: Path

    @property
    def transactions(self) -> Path:
        """Folder of Parquet files of tables.TransactionRows."""
        return self.folder / "transactions"

    @property
    def merchants(self) -> Path:
        """Parquet file of tables.MerchantRows."""
        return self.folder / "merchants.parquet"

    @property
    def referrals(self) -> Path:
        """JSON lines of referral events, one confirmation per flagged domain."""
        return self.folder / "referrals.jsonl"

    @property
    def truth(self) -> Path:
        """Parquet file of `account_id, domain, kind`: the accounts that were linked."""
        return self.folder / "truth.parquet"


SIZES: Final = {
    "small": Size(transactions=1_000_000, accounts=20_000, domains=2_000),
    "medium": Size(transactions=10_000_000, accounts=200_000, domains=20_000),
    "large": Size(transactions=100_000_000, accounts=1_000_000, domains=100_000),
}
"""The sizes that the benchmarks name."""


def make(size: Size, folder: Path) -> World:
    """Write a world into a folder; one that is there already, complete and of the same size, is kept."""
    world, done = World(folder), folder / "size.txt"
    if done.exists() and done.read_text(encoding="utf-8") == repr(size):
        return world
    done.unlink(missing_ok=True)
    world.transactions.mkdir(parents=True, exist_ok=True)
    for old in world.transactions.iterdir():
        old.unlink()
    _write(_merchants(size), world.merchants)
    _write(_truth(size), world.truth)
    _referrals(size).sink_ndjson(world.referrals)
    for number, first in enumerate(range(0, size.transactions, ROWS_PER_FILE)):
        rows = _transactions(size, first, min(ROWS_PER_FILE, size.transactions - first))
        _write(rows, world.transactions / f"part-{number:05d}.parquet")
    done.write_text(repr(size), encoding="utf-8")
    return world


def _write(rows: pl.LazyFrame, path: Path) -> None:
    rows.sink_parquet(path, compression="zstd", compression_level=1, row_group_size=ROW_GROUP_ROWS)


# --------------------------------------------------------------------------- text from numbers

N: Final = pl.col("n")
"""Number of the account; clusters come first."""


def _text(template: str, *numbers: pl.Expr) -> pl.Expr:
    """Write numbers into a template."""
    return pl.format(template, *numbers)


def _digits(number: pl.Expr, width: int) -> pl.Expr:
    return number.cast(pl.String).str.zfill(width)


def _one_of(words: Sequence[str], number: pl.Expr) -> pl.Expr:
    """Pick a word by a number of any size."""
    return (number % len(words)).replace_strict(dict(enumerate(words)), return_dtype=pl.String)


def _name(number: pl.Expr) -> pl.Expr:
    """Write a number so that it survives in a descriptor, where runs of six digits are taken for order numbers."""
    return _text("{}-{}", number // 1_000, _digits(number % 1_000, 3))


def _domain(number: pl.Expr) -> pl.Expr:
    return _text("flagged-{}.example", _name(number))


@dataclass(frozen=True, slots=True)
class _Account:
    """What follows from the number of an account, as expressions over `n`.

    Attributes:
        size: The world it is in.
    """

    size: Size

    @property
    def is_near(self) -> pl.Expr:
        return pl.lit(self.size.near) > N

    @property
    def member(self) -> pl.Expr:
        """Place in the cluster; null far from any, so that no condition on it holds there."""
        return pl.when(self.is_near).then(N % CLUSTER)

    @property
    def cluster(self) -> pl.Expr:
        return pl.when(self.is_near).then(N // CLUSTER)

    def is_linked_by(self, *kinds: int) -> pl.Expr:
        """Tell the linked accounts of some kinds, null made false."""
        linked = (self.member == 0) & (self.cluster % len(_KINDS)).is_in(list(kinds))
        return linked.fill_null(value=False)

    def owner(self, *members: int, pair: int) -> pl.Expr:
        """Number the account whose identifier this one has: its cluster's linked one, its neighbour's, or its own."""
        far = N - self.size.near
        is_paired = (far // 2) % 80 == pair
        paired = pl.when(is_paired).then(N - far % 2).otherwise(N)
        shared = pl.when(self.member.is_in(members)).then(N - N % CLUSTER).otherwise(N)
        return pl.when(self.is_near).then(shared).otherwise(paired)

    def hub(self, kind: str, one_in: int, *, hubs: int | None = None) -> pl.Expr:
        """Name the hub of every so manieth account, null for the others."""
        number = N // one_in % (hubs or self.size.hubs)
        return pl.when(N % one_in == one_in - 1).then(_text(f"{kind}{{}}", _digits(number, 4)))

    def key(self) -> dict[str, pl.Expr]:
        """Write the columns that identify the account."""
        is_sub = N % 5 == 4
        return {
            "network": pl.lit(None, pl.String),
            "acquirer_id": _text("0990{}", _digits(N % 40, 2)),
            # 3^18 has no factor in common with 10^9, so every number gets a place of its own, in no order
            "card_acceptor_id": _text("M{}", _digits(N * 3**18 % 10**9, 9)),
            "payment_facilitator_id": self.hub("PF", 5),
            "sub_merchant_id": pl.when(is_sub).then(_text("SM{}", _digits(N, 8))),
        }

    def account_id(self) -> pl.Expr:
        """Write the account's key as one text, as identifiers.account_id does."""
        parts = list(self.key().values())[1:]
        return pl.concat_str(parts, separator="/", ignore_nulls=True)

    def mcc(self) -> pl.Expr:
        return _one_of(_MCCS, N // 7)

    def country(self) -> pl.Expr:
        return _one_of(_COUNTRIES, N // 11)

    def currency(self) -> pl.Expr:
        return _one_of(_CURRENCIES, N // 11)

    def shop(self, *by: int) -> pl.Expr:
        """Name the shop's domain: the flagged one where the account is linked in one of these ways."""
        own = _text("shop-{}.example", _name(N))
        return pl.when(self.is_linked_by(*by)).then(_domain(self.cluster)).otherwise(own)


# --------------------------------------------------------------------------- merchants and referrals


def _merchants(size: Size) -> pl.LazyFrame:
    """One row per account, tables.MerchantRows."""
    account = _Account(size)
    numbers = pl.LazyFrame({"n": pl.int_range(size.accounts, dtype=pl.Int64, eager=True)})
    owner = account.owner
    return numbers.select(
        **account.key(),
        legal_name=_text("Shop {} BV", _name(N)),
        dba_name=_text("Shop {}", _name(N)),
        mcc=account.mcc(),
        country=account.country(),
        opened_on=pl.lit(date(2015, 1, 1)) + pl.duration(days=N % 3_650),
        closed_on=pl.lit(None, pl.Date),
        status=pl.lit("active"),
        website_urls=pl.concat_list(_text("https://www.{}/", account.shop(_BY_WEBSITE))),
        email=_text("office@mail-{}.example", _name(owner(0, 5, pair=0))),
        phone=_text("+999 {}", _digits(owner(0, 3, 4, pair=1), 8)),
        address=account.hub("Office Centre ", 4).fill_null(_text("{} Mill Lane", owner(0, 6, pair=2))),
        settlement_account_token=_text("acct-{}", owner(0, 1, 2, pair=3)),
        tax_id_token=_text("tax-{}", N),
        principal_tokens=pl.concat_list(_text("own-{}", owner(0, 1, 7, pair=4))),
        agent_id=account.hub("AG", 3),
        declared_monthly_volume_minor=1_000_000 + N % 977 * 10_000,
        declared_average_ticket_minor=1_000 + N % 83 * 100,
        currency=account.currency(),
        listing_codes=pl.lit(None, pl.List(pl.String)),
        natural_person=pl.lit(value=False),
    )


def _truth(size: Size) -> pl.LazyFrame:
    """One row per linked account: `account_id, domain, kind`."""
    account = _Account(size)
    numbers = pl.LazyFrame({"n": pl.int_range(0, size.near, CLUSTER, dtype=pl.Int64, eager=True)})
    return numbers.select(
        account_id=account.account_id(), domain=_domain(account.cluster), kind=_one_of(_KINDS, account.cluster)
    )


def _referrals(size: Size) -> pl.LazyFrame:
    """One confirmation per flagged domain; every tenth window is closed."""
    number = pl.col("number")
    stated = {
        "event": "confirmed",
        "issued_at": "2026-09-29T14:00:00Z",
        "match_scope": "registrable_domain",
        "domain_dedicated": "yes",
        "site_type": "website",
        "commerciality": "commercial",
        "classification": "baseline",
        "received_at": "2026-09-26T09:00:00Z",
        "confirmed_at": "2026-09-29T14:00:00Z",
        "observed_at": "2026-09-25T20:00:00Z",
        "assigned_country": "GB",
        "status": "active",
        "status_at": "2026-09-25T20:00:00Z",
        "valid_from": "2026-07-04T00:00:00Z",
        "tlp": "amber",
        "schema_version": "1",
    }
    numbers = pl.LazyFrame({"number": pl.int_range(size.domains, dtype=pl.Int64, eager=True)})
    return numbers.select(
        *(pl.lit(value).alias(name) for name, value in stated.items()),
        referral_id=_text("ref-{}", _digits(number, 7)),
        reporting_hotline_id=_one_of(("hotline-north", "hotline-south", "hotline-west"), number),
        hotline_reference=_text("HO-{}", _digits(number, 7)),
        domain=_domain(number),
        payment_methods=pl.concat_list(pl.lit("visa"), pl.lit("mastercard")),
        le_hold=pl.lit(value=False),
        confidence=70 + number % 31,
        valid_until=pl.when(number % 10 == 9).then(pl.lit(WINDOW_ENDS)).otherwise(pl.lit("2027-07-04T00:00:00Z")),
    )


# --------------------------------------------------------------------------- transactions


def _transactions(size: Size, first: int, count: int) -> pl.LazyFrame:
    """Rows `first` to `first + count` of the world, tables.TransactionRows, in order of time."""
    numbers = pl.LazyFrame(_drawn(size, first, count))
    account, bits = _Account(size), pl.col("bits")
    is_online = _bits(0, 8) < 154
    is_linked = account.is_linked_by(_BY_REQUESTOR, _BY_ACCEPTOR)
    has_host = is_online | is_linked
    route = pl.when(is_linked).then(2).otherwise(_bits(8, 8) % 3)
    return numbers.select(
        transaction_id=_text("t{}", _digits(pl.col("number"), 10)),
        occurred_at=pl.col("at"),
        **account.key(),
        amount_minor=_amount(),
        currency=account.currency(),
        transaction_type=_often("purchase", 32, ("refund", "chargeback", "refund", "credit"), 16),
        outcome=_often("approved", 8, ("declined",), 54),
        card_token=_text("card-{}", bits % max(1, size.transactions // 5)),
        card_product=_one_of(("debit", "credit", "credit", "prepaid"), _bits(24, 4)),
        issuer_country=_often_own(account.country(), _one_of(_COUNTRIES, _bits(28, 4))),
        merchant_country=account.country(),
        mcc=account.mcc(),
        entry_mode=pl.when(has_host).then(pl.lit("81")).otherwise(_one_of(("05", "07"), _bits(32, 2))),
        eci=pl.when(has_host).then(_one_of(("05", "06", "07"), _bits(34, 4))),
        descriptor=_descriptor(account),
        requestor_url=pl.when(has_host & (route != 0)).then(_text("https://{}/checkout", _requestor(account))),
        acceptor_url=pl.when(has_host & (route != 1)).then(_host(account, _BY_ACCEPTOR)),
        terminal_id=pl.when(~has_host).then(_text("T{}", _digits(N, 8))),
        device_token=pl.when(has_host).then(_device(account)),
        ip_token=pl.when(has_host).then(_network(account)),
    )


def _drawn(size: Size, first: int, count: int) -> dict[str, pl.Series]:
    """Draw the numbers behind some rows: row, account, moment and 64 random bits."""
    random = np.random.default_rng([size.seed, first])
    number = np.arange(first, first + count)
    far = size.accounts - size.near
    spread = (far + ZIPF_SHIFT) / ZIPF_SHIFT
    rank = np.minimum(ZIPF_SHIFT * (spread ** random.random(count) - 1), far - 1).astype(np.int64)
    account = np.where(number % CLUSTER_EVERY == 0, number // CLUSTER_EVERY % size.near, size.near + rank)
    step = timedelta(days=DAYS).total_seconds() * 1e6 / size.transactions
    begin = np.datetime64(AS_OF - timedelta(days=DAYS), "us")
    at = begin + np.floor((number + random.random(count)) * step).astype("timedelta64[us]")
    bits = random.integers(0, 2**63, count, dtype=np.int64)
    return {
        "number": pl.Series(number),
        "n": pl.Series(account),
        "at": pl.Series(at).cast(pl.Datetime("us")),
        "bits": pl.Series(bits),
    }


def _bits(first: int, count: int) -> pl.Expr:
    """Take some of a row's random bits as a number."""
    return pl.col("bits") // (1 << first) % (1 << count)


def _often(usual: str, one_in: int, rare: Sequence[str], first: int) -> pl.Expr:
    """Pick the usual word, and one time in so many a rare one, by eight random bits."""
    bits = _bits(first, 8)
    return pl.when(bits % one_in == 0).then(_one_of(rare, bits // one_in)).otherwise(pl.lit(usual))


def _often_own(own: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Let three payers in four come from the account's own country."""
    return pl.when(_bits(38, 2) == 0).then(other).otherwise(own)


def _amount() -> pl.Expr:
    """Half the accounts have four prices of their own, the others any amount."""
    priced = 500 + N % 89 * 100 + _bits(40, 2) * 250
    return pl.when(N % 2 == 0).then(priced).otherwise(100 + _bits(40, 16) % 30_000)


def _descriptor(account: _Account) -> pl.Expr:
    """Every twentieth account writes out its domain."""
    usual = _text("SHOP {}*{}", _name(N), _one_of(("TOWN", "QUAY", "MARKET", "ONLINE"), N // 13))
    written = pl.when(N % 20 == 3).then(_text("SHOP-{}.EXAMPLE", _name(N))).otherwise(usual)
    flagged = _text("{} PAYMENTS", _domain(account.cluster).str.to_uppercase())
    return pl.when(account.is_linked_by(_BY_DESCRIPTOR)).then(flagged).otherwise(written)


def _host(account: _Account, by: int) -> pl.Expr:
    """One to three hosts per account, so that a world has more hosts than accounts."""
    prefix = _one_of(("", "www.", "pay."), _bits(56, 6) % (N % 3 + 1))
    return _text("{}{}", prefix, account.shop(by))


def _requestor(account: _Account) -> pl.Expr:
    """One in sixteen rows names a payment page that many shops use, never for a linked account."""
    page = _text("pay-{}.example", N % max(1, account.size.hubs))
    is_paged = (_bits(48, 4) == 0) & ~account.is_linked_by(_BY_REQUESTOR)
    return pl.when(is_paged).then(page).otherwise(_host(account, _BY_REQUESTOR))


def _device(account: _Account) -> pl.Expr:
    """A quarter of the accounts use a gateway's device; the rest have their own, or their cluster's."""
    own = _text("ua-{}", account.owner(0, 8, pair=5))
    return pl.when(account.is_near).then(own).otherwise(account.hub("ua-gateway-", 4).fill_null(own))


def _network(account: _Account) -> pl.Expr:
    """Half the accounts sit behind a content network: few of these, as accounts without transactions do not show."""
    networks = max(1, account.size.hubs // 10)
    return account.hub("ip-cdn-", 2, hubs=networks).fill_null(_text("ip-{}", N))


# --------------------------------------------------------------------------- command line


def add_options(parser: argparse.ArgumentParser, default: str = "small") -> None:
    """Add the options that say how large a world is."""
    parser.add_argument("--size", choices=sorted(SIZES), default=default, help="start from this size")
    for name in ("transactions", "accounts", "domains", "clusters", "seed"):
        parser.add_argument(f"--{name}", type=int)


def size_of(options: argparse.Namespace) -> Size:
    """Read the size off the options: the named one, with what else was said."""
    base = SIZES[options.size]
    usual = {"transactions": base.transactions, "accounts": base.accounts, "domains": base.domains}
    usual |= {"clusters": 0, "seed": base.seed}
    return Size(**{name: value if (said := getattr(options, name)) is None else said for name, value in usual.items()})


def main() -> None:
    """Make a world."""
    parser = argparse.ArgumentParser(description="Write a large world for the benchmarks.")
    add_options(parser)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    world = make(size_of(options), options.out)
    print(world.folder)


if __name__ == "__main__":
    main()
