"""The simulated network: the same on every machine, true to its contracts, and made of invented names only."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen import simulation
from merchantscreen.errors import CannotCreateError, UsageError
from merchantscreen.identifiers import account_id_expression
from merchantscreen.referrals.events import ReferralEvent, read_event
from merchantscreen.simulation import AS_OF, SimulatedFiles, SimulationOptions, simulate, small_world
from merchantscreen.simulation.draws import Draws, even_words, scramble
from merchantscreen.simulation.population import merchants, populate
from merchantscreen.simulation.transactions import transaction_file
from merchantscreen.simulation.typologies import STORIES, tell
from merchantscreen.tables import MerchantRows, TransactionRows

SELLERS = {
    "declared_seller",
    "undeclared_url",
    "sister_account",
    "successor",
    "moved_domain",
    "tld_hop",
    "facilitator_sub_merchant",
    "redirector",
    "merchant_id_clue",
    "two_hotlines",
    "shared_host_seller",
}
INNOCENTS = {
    "shared_facilitator",
    "shared_host_tenant",
    "reregistered_domain",
    "agency_phone",
    "hub",
    "same_descriptor",
    "same_payment_page",
    "shared_marketplace",
    "unconfirmed_referral",
    "retracted_referral",
}


@pytest.fixture(scope="module")
def csv_world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedFiles:
    """The small world as CSV."""
    return small_world(tmp_path_factory.mktemp("csv"))


@pytest.fixture(scope="module")
def parquet_world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedFiles:
    """The small world as Parquet."""
    return small_world(tmp_path_factory.mktemp("parquet"), file_format="parquet")


@pytest.fixture(scope="module")
def truth(parquet_world: SimulatedFiles) -> pl.DataFrame:
    """Who is who in the small world."""
    return pl.read_parquet(parquet_world.truth)


# --------------------------------------------------------------------------- determinism


def test_the_same_options_give_the_same_bytes(tmp_path: Path, csv_world: SimulatedFiles) -> None:
    """Two simulations with one seed write identical files."""
    assert _digests(small_world(tmp_path / "again")) == _digests(csv_world)


def test_another_seed_is_another_world(tmp_path: Path, csv_world: SimulatedFiles) -> None:
    """A different seed changes every file."""
    other = _digests(small_world(tmp_path, seed=8))
    assert all(other[name] != digest for name, digest in _digests(csv_world).items())


@given(st.lists(st.integers(1, 2_999), max_size=6), st.lists(st.integers(1, 119), max_size=4))
def test_rows_do_not_depend_on_the_chunk_they_are_made_in(row_cuts: list[int], account_cuts: list[int]) -> None:
    """However a file is cut into chunks, the rows are the same."""
    stage = tell(Draws(3), 12, 40)
    world = populate(stage.draws, tuple(stage.accounts), stage.facilitators, 120)
    file = transaction_file(world, 3_000)
    rows = pl.concat(file.rows(*cut) for cut in _cuts(row_cuts, 3_000))
    accounts = pl.concat(merchants(world, *cut) for cut in _cuts(account_cuts, 120))
    assert rows.equals(file.rows(0, 3_000))
    assert accounts.equals(merchants(world, 0, 120))


def test_draws_are_pinned() -> None:
    """The random numbers are these, whatever library versions are installed."""
    words = Draws(7).words("pinned", np.arange(3))
    assert [f"{word:016x}" for word in words] == PINNED_WORDS


def test_even_draws_keep_small_accounts_near_their_share() -> None:
    """Forty even draws hit a share of 60 % within two rows, in each of the sequences."""
    for which in range(4):
        share = even_words(np.arange(40), which) < np.uint64(int(0.6 * 2**64))
        assert abs(int(share.sum()) - 24) <= 2


@given(st.integers(1, 2**36), st.integers(10, 20))
def test_scrambling_never_collides(multiplier: int, bits: int) -> None:
    """Scrambled numbers are a permutation."""
    assert np.unique(scramble(np.arange(2**bits), multiplier, bits)).size == 2**bits


# --------------------------------------------------------------------------- contracts


def test_parquet_files_keep_the_table_contracts(parquet_world: SimulatedFiles) -> None:
    """Every row of the merchants and transactions satisfies the declared schema."""
    MerchantRows.validate(pl.read_parquet(parquet_world.merchants), cast=False)
    TransactionRows.validate(_transactions(parquet_world), cast=False)


def test_csv_and_parquet_say_the_same(csv_world: SimulatedFiles, parquet_world: SimulatedFiles) -> None:
    """The two formats hold the same rows in the same order."""
    text = pl.read_csv(csv_world.transactions, infer_schema=False)
    typed = _transactions(parquet_world).with_columns(pl.col("occurred_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert text.equals(typed.cast(pl.String))
    lists = [pl.col(name).list.join(";") for name in ("website_urls", "principal_tokens", "listing_codes")]
    columns = ["card_acceptor_id", "website_urls", "principal_tokens", "listing_codes", "opened_on"]
    accounts = pl.read_parquet(parquet_world.merchants).with_columns(lists).select(columns).cast(pl.String)
    assert pl.read_csv(csv_world.merchants, infer_schema=False).select(columns).equals(accounts)


def test_every_referral_event_is_accepted(csv_world: SimulatedFiles) -> None:
    """Each line of the referral file is a valid event that was issued before the world ends."""
    events = [read_event(event) for event in _events(csv_world)]
    assert all(isinstance(event, ReferralEvent) for event in events)
    assert max(event["issued_at"] for event in _events(csv_world)) < AS_OF.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_as_many_rows_as_asked_for(tmp_path: Path) -> None:
    """Accounts, transactions and referrals come out in the numbers asked for, even where stories find little room."""
    for accounts, transactions, referrals in ((30, 0, 0), (30, 40, 9), (61, 2_345, 200), (500, 7_001, 13)):
        options = SimulationOptions(accounts, transactions, referrals, seed=1)
        files = simulate(options, tmp_path / f"{accounts}-{transactions}")
        assert pl.read_csv(files.merchants, infer_schema=False).height == accounts
        assert pl.read_csv(files.truth, infer_schema=False).height == accounts
        assert pl.read_csv(files.transactions, infer_schema=False).height == transactions
        assert len({event["referral_id"] for event in _events(files)}) == referrals


def test_transactions_come_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet transactions are cut into parts, and the parts together are the file."""
    monkeypatch.setattr(simulation, "ROWS_PER_PART", 1_000)
    options = SimulationOptions(accounts=60, transactions=2_500, referrals=4, seed=1, file_format="parquet")
    files = simulate(options, tmp_path)
    heights = [pl.read_parquet(path).height for path in sorted(files.transactions.iterdir())]
    assert heights == [1_000, 1_000, 500]
    assert _transactions(files)["transaction_id"].n_unique() == 2_500


def test_every_transaction_has_its_account(parquet_world: SimulatedFiles, truth: pl.DataFrame) -> None:
    """Keys are unique in the merchant file, known in the transactions, and the same in the truth file."""
    accounts = _with_id(pl.read_parquet(parquet_world.merchants))["account_id"]
    assert accounts.is_unique().all()
    assert accounts.to_list() == truth["account_id"].to_list()
    assert set(_with_id(_transactions(parquet_world))["account_id"]) <= set(accounts)


def test_transactions_fall_into_the_life_of_their_account(parquet_world: SimulatedFiles) -> None:
    """No account trades before it was opened or after it was closed, and nothing happens after the end."""
    lives = _with_id(pl.read_parquet(parquet_world.merchants)).select("account_id", "opened_on", "closed_on")
    rows = _with_id(_transactions(parquet_world)).join(lives, on="account_id")
    day = pl.col("occurred_at").dt.date()
    outside = rows.filter((day < pl.col("opened_on")) | (day >= pl.col("closed_on")).fill_null(value=False))
    assert outside.is_empty()
    assert rows["occurred_at"].max() < AS_OF.replace(tzinfo=None)


# --------------------------------------------------------------------------- stories


def test_the_small_world_tells_every_story(truth: pl.DataFrame) -> None:
    """Every typology of sellers and of innocents is planted, with its label and what is expected of it."""
    seen = truth.select("label", "typology", "expectation").unique()
    assert set(seen.filter(label="seller")["typology"]) == SELLERS
    assert set(seen.filter(label="innocent")["typology"]) == INNOCENTS
    assert set(seen.filter(label="seller")["expectation"]) == {"T1-T3"}
    assert set(seen.filter(label="innocent")["expectation"]) == {"not T1"}
    assert set(seen.filter(label="background")["expectation"]) == {"none"}


def test_stories_need_what_their_table_says() -> None:
    """Each story plants as many accounts and uses as many referrals as its row of the table allows for."""
    for story in STORIES:
        for turn in range(6):
            stage = tell(Draws(1), 0, 0)
            story.plant(stage, turn)
            assert (len(stage.accounts), len(stage.referrals)) == (story.accounts, story.referrals), story.name


def test_truth_names_referrals_that_exist(csv_world: SimulatedFiles, truth: pl.DataFrame) -> None:
    """Every referral id of the truth file is in the referral file, and every planted seller has one."""
    known = {event["referral_id"] for event in _events(csv_world)}
    assert set(truth["referral_ids"].explode(empty_as_null=True).drop_nulls()) <= known
    assert truth.filter(label="seller")["referral_ids"].list.len().min() == 1


def test_referrals_are_in_every_state(csv_world: SimulatedFiles) -> None:
    """Some referrals wait for confirmation, and some are retracted, disputed, expired, held, moved or down."""
    events = _events(csv_world)
    confirmed = {event["referral_id"] for event in events if event["event"] == "confirmed"}
    assert {event["event"] for event in events} == {
        "submitted", "confirmed", "retracted", "disputed", "moved", "site_down",
    }  # fmt: skip
    assert {event["referral_id"] for event in events} - confirmed
    assert any(event.get("le_hold") for event in events)
    assert any("valid_until" in event for event in events)


def test_sellers_and_shops_trade_differently(parquet_world: SimulatedFiles, truth: pl.DataFrame) -> None:
    """Sellers have few prices, many prepaid cards and cards from abroad; innocents trade as everybody does."""
    purchases = _with_id(_transactions(parquet_world)).filter(transaction_type="purchase").join(truth, on="account_id")
    abroad = pl.col("issuer_country") != pl.col("merchant_country")
    habits = purchases.group_by("account_id", "label").agg(
        count=pl.len(),
        prices=pl.col("amount_minor").n_unique(),
        prepaid=(pl.col("card_product") == "prepaid").mean(),
        abroad=abroad.mean(),
    )
    sellers, innocents = habits.filter(label="seller"), habits.filter(label="innocent")
    assert sellers["count"].min() >= 20
    assert sellers["prices"].max() <= 3
    assert sellers["prepaid"].min() >= 0.4
    assert sellers["abroad"].min() >= 0.6
    assert innocents["prices"].min() >= 20
    assert innocents["prepaid"].max() <= 0.15
    assert innocents["abroad"].max() <= 0.15


def test_the_hub_touches_a_large_part_of_the_world(parquet_world: SimulatedFiles) -> None:
    """One gateway device is used by a quarter of all accounts and more."""
    rows = _with_id(_transactions(parquet_world)).filter(device_token="ua-gateway")
    assert rows["account_id"].n_unique() > 300 / 4


# --------------------------------------------------------------------------- invented names only


def test_only_reserved_names_and_no_card_like_numbers(csv_world: SimulatedFiles) -> None:
    """Hosts are under .example, .test or .invalid, and no field holds thirteen digits."""
    for path in (csv_world.merchants, csv_world.transactions, csv_world.referrals, csv_world.truth):
        for text in _values(path):
            for host in re.findall(r"(?:https?://|@)([^/\s;?]+)", text):
                assert host.endswith((".example", ".test", ".invalid"))
            assert not re.search(r"(?:\d[ -]?){13}", text)


def test_referred_names_are_reserved(csv_world: SimulatedFiles) -> None:
    """Referred domains, too, can belong to nobody."""
    domains = {event["domain"] for event in _events(csv_world) if "domain" in event}
    assert all(domain.endswith((".example", ".test", ".invalid")) for domain in domains)


# --------------------------------------------------------------------------- refusals


def test_a_world_is_never_overwritten(tmp_path: Path) -> None:
    """A folder that holds a world is refused and left as it was."""
    before = _digests(small_world(tmp_path))
    with pytest.raises(CannotCreateError):
        small_world(tmp_path, seed=8)
    after = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    assert after == before


def test_impossible_sizes_are_refused() -> None:
    """Too few accounts, or negative sizes, are the caller's mistake."""
    for accounts, transactions, referrals, seed in ((29, 1, 1, 1), (30, -1, 1, 1), (30, 1, -1, 1), (30, 1, 1, -1)):
        with pytest.raises(UsageError):
            SimulationOptions(accounts, transactions, referrals, seed)


# --------------------------------------------------------------------------- helpers

PINNED_WORDS = ["6481fcfcf20692d6", "76f77c15a3d433cf", "263e4d854e0cff83"]


def _cuts(cuts: list[int], end: int) -> Iterator[tuple[int, int]]:
    edges = sorted({0, *cuts, end})
    return pairwise(edges)


def _digests(files: SimulatedFiles) -> dict[str, str]:
    paths = (files.merchants, files.transactions, files.referrals, files.truth)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _transactions(files: SimulatedFiles) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(path) for path in sorted(files.transactions.iterdir()))


def _with_id(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(account_id=account_id_expression(frame.columns))


def _events(files: SimulatedFiles) -> list[dict[str, object]]:
    return [json.loads(line) for line in files.referrals.read_text(encoding="utf-8").splitlines()]


def _values(path: Path) -> Iterator[str]:
    if path.suffix == ".csv":
        for column in pl.read_csv(path, infer_schema=False):
            yield from column.drop_nulls().unique()
    else:
        yield from re.findall(r'"([^"]*)"', path.read_text(encoding="utf-8"))
