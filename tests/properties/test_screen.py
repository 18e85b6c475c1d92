"""Properties of whole screens: what may not change a result, on random small networks and a simulated one.

Each network is drawn from a seed and screened once; every property changes its input and
compares. Only the first property draws with hypothesis, since it looks for the unforeseen.
"""

from __future__ import annotations

import functools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from frames import AS_OF, accounts, declared, transactions
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from unit.referral_examples import event

from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.evidence import Links, assess
from merchantscreen.identifiers import identifier_kinds
from merchantscreen.intake import Intake, take_in
from merchantscreen.links import count_links
from merchantscreen.numbering import Holders
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Policy
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.flagging import Flagged, flag
from merchantscreen.referrals.reading import read_referrals
from merchantscreen.referrals.register import fold
from merchantscreen.screening import ScreenResult, screen
from merchantscreen.simulation import small_world
from merchantscreen.tables import BlindSpots, Breadths, Degrees, Holdings, Rejects, empty, schema_of
from merchantscreen.vocabulary import EvidenceFamily

POLICY = load_policy(None)
SEEDS = range(4)
ACCOUNTS = [f"ACQ{1 + i % 2}/{i:04d}" for i in range(12)]
SITES = ["amber-lamps.example", "blue-lamps.example", "cyan-lamps.example", "new-lamps.example"]
DECLARED_KINDS = ["settlement_account", "tax_id", "principal", "phone", "email", "address", "agent"]
SEEN_COLUMNS = ["device_token", "ip_token", "terminal", "descriptor"]
EVIDENCE = ("ranking", "ledger", "contributions", "links", "domains", "rules")


@dataclass(frozen=True, slots=True)
class Network:
    """Referral events, accounts, what these declare, and their transactions."""

    events: tuple[ReferralEvent, ...]
    merchants: pl.DataFrame
    stated: pl.DataFrame
    rows: pl.DataFrame


def drawn(seed: int) -> Network:
    """Draw a small network in which most things touch."""
    random = Random(seed)
    return Network(
        tuple(_events(random)), accounts(*(_merchant(random, account) for account in ACCOUNTS)),
        declared(*sorted(_stated(random))), transactions(*(_transaction(random) for _ in range(60))),
    )  # fmt: skip


def _events(random: Random) -> Iterable[ReferralEvent]:
    """Confirm one to three sites, each with its own doubts; one of them may have moved."""
    for number in range(random.randint(1, 3)):
        more: dict[str, Any] = {"moved_to_domain": SITES[3]} if random.random() < 0.4 else {}
        yield event(
            referral_id=f"R-{number}", domain=SITES[number], confidence=random.choice([40, 90, 100]),
            reporting_hotline_id=random.choice(["hotline-a", "hotline-b"]),
            domain_dedicated=random.choice(["yes", "yes", "unknown"]), **more,
        )  # fmt: skip


def _merchant(random: Random, account: str) -> dict[str, Any]:
    opened_on = datetime(2026, random.randint(1, 10), 15).date()
    return {"account_id": account, "opened_on": opened_on, "mcc": random.choice(["5732", "5999"])}


def _stated(random: Random) -> set[tuple[str, str, str]]:
    shared = {
        (random.choice(DECLARED_KINDS), random.choice("ABC"), random.choice(ACCOUNTS))
        for _ in range(random.randint(5, 25))
    }
    sites = {("website", f"www.{site}", random.choice(ACCOUNTS)) for site in SITES}
    return shared | sites | {("email_domain", random.choice(SITES), random.choice(ACCOUNTS))}


def _transaction(random: Random) -> dict[str, Any]:
    column = random.choice(SEEN_COLUMNS)
    seen = {column: random.choice(["X", "Y", "Z"])} if random.random() < 0.4 else {}
    host = {"requestor_host": random.choice(SITES)} if random.random() < 0.15 else {}
    month = random.randint(2, 12)  # the last after the moment of the screen, the first long before a site was seen
    product = random.choice(["prepaid", "credit", None])
    row = {"account_id": random.choice(ACCOUNTS), "occurred_at": datetime(2026, month, 1), "card_product": product}
    return row | seen | host


# --------------------------------------------------------------------------- screening them


def staged(folder: Path, network: Network) -> Intake:
    """Stage a network as the intake does."""
    files = [folder / f"{name}.parquet" for name in ("accounts", "declared", "part-00000")]
    for frame, file in zip((network.merchants, network.stated, network.rows), files, strict=True):
        frame.write_parquet(file)
    present = frozenset(name for name in network.rows.columns if network.rows[name].count())
    ordered = network.merchants.sort("account_id")
    nothing = (empty(Rejects), empty(BlindSpots))
    return Intake(ordered, files[1], files[0], (files[2],), present, (), *nothing, "key-1")


def flagged_by(events: Iterable[ReferralEvent], policy: Policy = POLICY) -> Flagged:
    """Fold events and flag what counts."""
    return flag(fold(events, AS_OF), policy, AS_OF)


def screened(network: Network, policy: Policy = POLICY) -> ScreenResult:
    """Screen a network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = PolarsEngine(folder)
        return screen(staged(folder, network), flagged_by(network.events, policy), policy, engine, AS_OF)


@functools.cache
def plain(seed: int) -> ScreenResult:
    """Screen the network of a seed as it is drawn."""
    return screened(drawn(seed))


def same(one: ScreenResult, other: ScreenResult) -> bool:
    """Tell that all evidence of two screens is equal, or fail where it is not."""
    for name in EVIDENCE:
        assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    return True


def points(result: ScreenResult) -> dict[str, int]:
    """Return the points of every ranked account."""
    return dict(result.ranking.select("account_id", "points_nano").iter_rows())


def test_the_networks_are_worth_screening() -> None:
    """The networks drawn here hold direct links, shared identifiers, hits, and links outside the validity."""
    results = [plain(seed) for seed in SEEDS]
    families = Counter(family for result in results for family in result.ledger["family"])
    assert all(families[family.value] >= 10 for family in EvidenceFamily)
    assert len({tier for result in results for tier in result.ranking["tier"]}) >= 3
    assert not all(result.links["in_window"].all() for result in results)


# --------------------------------------------------------------------------- the cut


def everything_held(stated: pl.DataFrame, rows: pl.DataFrame) -> list[tuple[str, str, str]]:
    """List kind, value and account of all identifiers of all accounts, the slow and obvious way."""
    of_merchants = {kind.column: kind.name for kind in identifier_kinds("merchants")}
    held = {
        (of_merchants[column], value, account)
        for column, value, account in stated.iter_rows()
        if column in of_merchants
    }
    known = rows.filter(pl.col("occurred_at") <= AS_OF)
    for kind in identifier_kinds("transactions"):
        seen = known.select(kind.column, "account_id").iter_rows()
        held |= {(kind.name, value, account) for value, account in seen if value is not None}
    return sorted(held)


def assessed_whole(
    result: ScreenResult, flagged: Flagged, held: list[tuple[str, str, str]], policy: Policy
) -> pl.DataFrame:
    """Assess all accounts, nothing cut out, and return the ledger of the accounts."""
    holders = Counter((kind, value) for kind, value, _ in held)
    breadths = Counter((kind, account) for kind, value, account in held if holders[kind, value] >= 2)
    tables = ((Holdings, held), (Degrees, _counted(holders)), (Breadths, _counted(breadths)))
    everybody, degrees, broad = (pl.DataFrame(rows, schema=schema_of(table), orient="row") for table, rows in tables)
    known = flagged.domains, flagged.domain_links, result.links
    links = Links(*known, Holders.of(everybody, degrees), broad, count_links(result.links))
    return of_accounts(assess(links, policy.evidence).ledger)


def _counted(counter: Counter[tuple[str, str]]) -> list[tuple[str, str, int]]:
    return [(*key, count) for key, count in counter.items()]


def of_accounts(ledger: pl.DataFrame) -> pl.DataFrame:
    """Keep the items of accounts, rule hits aside."""
    return ledger.filter(pl.col("round") > 0, pl.col("family") != EvidenceFamily.TYPOLOGY)


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([2, 3]), st.sampled_from([1, 1_000_000, 30_000_000, 200_000_000]))
def test_the_cut_loses_nothing(seed: int, rounds: int, floor: int) -> None:
    """The ledger of the cut is the ledger of the whole graph, row by row, at any floor and number of rounds."""
    policy = replace(POLICY, evidence=replace(POLICY.evidence, account_rounds=rounds, floor_nano=floor))
    network = drawn(seed)
    result = screened(network, policy)
    held = everything_held(network.stated, network.rows)
    whole = assessed_whole(result, flagged_by(network.events, policy), held, policy)
    assert_frame_equal(of_accounts(result.ledger), whole, check_exact=True)


def test_the_cut_loses_nothing_of_a_simulated_network(tmp_path: Path) -> None:
    """The same for three hundred accounts with every story, read from files."""
    files = small_world(tmp_path / "world")
    intake = take_in([files.merchants], [files.transactions], tmp_path / "work")
    flagged = flagged_by(read_referrals([files.referrals]).events)
    result = screen(intake, flagged, POLICY, PolarsEngine(tmp_path / "work"), AS_OF)
    held = everything_held(pl.read_parquet(intake.declared_file), pl.read_parquet(intake.transaction_files))
    open_ones = replace(flagged, domains=flagged.domains.filter(~pl.col("held")))
    whole = assessed_whole(result, open_ones, held, POLICY)
    assert whole.height > 100
    assert_frame_equal(of_accounts(result.ledger), whole, check_exact=True)


# --------------------------------------------------------------------------- what must not matter


@pytest.mark.parametrize("seed", SEEDS)
def test_unrelated_merchants_change_nothing(seed: int) -> None:
    """Accounts of another trade that share nothing with anyone here leave every row bit-equal."""
    network = drawn(seed)
    names = [f"ACQ7/{i:04d}" for i in range(40)]
    strangers = accounts(*({"account_id": name, "mcc": "5411"} for name in names))
    stated = declared(*((kind, f"strangers-{i // 3}", name) for i, name in enumerate(names) for kind in DECLARED_KINDS))
    details = dict.fromkeys(SEEN_COLUMNS, "strangers") | {"requestor_host": "strangers.example"}
    rows = transactions(*({"account_id": name, "card_product": "prepaid", **details} for name in names * 2))
    more = replace(
        network, merchants=network.merchants.vstack(strangers), stated=network.stated.vstack(stated),
        rows=network.rows.vstack(rows),
    )  # fmt: skip
    assert same(screened(more), plain(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_repeated_and_reordered_events_and_rows_change_nothing(seed: int) -> None:
    """Hotlines may send everything twice, and files may come in any order."""
    network = drawn(seed)
    merchants, stated, rows = (frame.reverse() for frame in (network.merchants, network.stated, network.rows))
    assert same(screened(Network(network.events * 2, merchants, stated, rows)), plain(seed))
    assert same(screened(replace(network, events=network.events[::-1] * 3)), plain(seed))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("site", ["new-lamps.example", "amber-lamps.example"])
def test_a_retracted_referral_is_as_if_it_had_never_been(seed: int, site: str) -> None:
    """A confirmation that was taken back leaves no trace, be its site new or referred by others too."""
    key = {"referral_id": "R-WRONG", "reporting_hotline_id": "hotline-c"}
    made = event(**key, domain=site, domain_dedicated="no", moved_to_domain="blue-lamps.example")
    back = ReferralEvent.model_validate({**key, "event": "retracted", "issued_at": "2026-10-20T09:00:00Z"})
    network = drawn(seed)
    result = screened(replace(network, events=(*network.events, made, back)))
    assert same(result, plain(seed))
    assert result.blind_spots.filter(kind="referral_retracted")["subject"].to_list() == ["R-WRONG"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_referral_that_still_stands_does_change_something(seed: int) -> None:
    """The comparison before can fail: without the retraction the result is another."""
    standing = event(referral_id="R-WRONG", reporting_hotline_id="hotline-c", domain="new-lamps.example")
    network = drawn(seed)
    assert points(screened(replace(network, events=(*network.events, standing)))) != points(plain(seed))


# --------------------------------------------------------------------------- names


def renamed(frame: pl.DataFrame, name: Callable[[str], str]) -> pl.DataFrame:
    """Rename the accounts of a frame."""
    return frame.with_columns(pl.col("account_id").map_elements(name, return_dtype=pl.String))


def other_name(account: str) -> str:
    """Return the account's name under a renaming that reverses their order; it undoes itself."""
    acquirer, number = account.split("/")
    return f"{acquirer}/{9999 - int(number):04d}"


@pytest.mark.parametrize("seed", SEEDS)
def test_renaming_accounts_renames_the_result_and_nothing_else(seed: int) -> None:
    """Places, points and reasons follow the accounts; only the order among equals is by name."""
    network = drawn(seed)
    frames = [renamed(frame, other_name) for frame in (network.merchants, network.stated, network.rows)]
    result = screened(Network(network.events, *frames))
    compared = {
        "ranking": ("rank", "account_id"), "links": ("account_id", "domain", "kind", "in_window"),
        "rules": ("account_id", "rule_id"), "contributions": ("round", "kind", "value", "account_id"),
    }  # fmt: skip
    for table, order in compared.items():
        back = renamed(getattr(result, table), other_name).sort(order)
        assert_frame_equal(
            back.drop("card_acceptor_id", strict=False),
            getattr(plain(seed), table).sort(order).drop("card_acceptor_id", strict=False),
            check_exact=True,
        )


# --------------------------------------------------------------------------- hubs


@pytest.mark.parametrize("seed", SEEDS)
def test_a_thousand_more_holders_of_an_identifier_raise_nobody(seed: int) -> None:
    """Joining a hub can only thin out what it carries."""
    network = drawn(seed)
    shared = (
        network.stated.filter(pl.col("kind").is_in(DECLARED_KINDS))
        .select("kind", "value")
        .unique()
        .sort("kind", "value")
    )
    kind, value = shared.row(seed % shared.height)
    names = [f"ACQ8/{i:04d}" for i in range(1000)]
    crowd = accounts(*({"account_id": name, "mcc": None} for name in names))
    stated = declared(*((kind, value, name) for name in names))
    after = points(
        screened(replace(network, merchants=network.merchants.vstack(crowd), stated=network.stated.vstack(stated)))
    )
    before = points(plain(seed))
    assert {account: total for account, total in after.items() if account in ACCOUNTS and total > before[account]} == {}
