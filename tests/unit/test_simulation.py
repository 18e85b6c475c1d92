"""The simulated network: the same on every machine, true to its contracts, and made of invented names only."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
    "standby_accounts",
    "dormant_account",
    "drift_after_opening",
    "card_testing",
    "renamed_after_referral",
    "listed_sibling",
    "miscoded_account",
    "facilitator_cluster",
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
    "franchise",
    "seasonal_shop",
    "listed_otherwise",
    "club_shop",
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


@dataclass(frozen=True)
class World:
    """The small world in memory: accounts with their truth, transactions, and when referrals were confirmed."""

    merchants: pl.DataFrame
    transactions: pl.DataFrame
    confirmed: dict[str, datetime]

    def accounts(self, *typologies: str) -> pl.DataFrame:
        """Return the accounts of some typologies; there are some."""
        found = self.merchants.filter(pl.col("typology").is_in(typologies))
        assert not found.is_empty()
        return found

    def rows(self, account: str) -> pl.DataFrame:
        """Return the transactions of an account."""
        return self.transactions.filter(account_id=account)


@pytest.fixture(scope="module")
def world(parquet_world: SimulatedFiles, truth: pl.DataFrame) -> World:
    """The small world, joined up."""
    events = [event for event in _events(parquet_world) if event["event"] == "confirmed"]
    confirmed = {str(e["referral_id"]): datetime.fromisoformat(str(e["confirmed_at"])) for e in events}
    merchants = _with_id(pl.read_parquet(parquet_world.merchants)).join(truth, on="account_id")
    moments = {key: at.replace(tzinfo=None) for key, at in confirmed.items()}
    return World(merchants, _with_id(_transactions(parquet_world)), moments)


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
    world = populate(stage.draws, tuple(stage.accounts), stage.facilitators, 120, 3_000)
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
    for which in range(7):
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
    habits = purchases.group_by("account_id", "label", "typology").agg(
        count=pl.len(),
        prices=pl.col("amount_minor").n_unique(),
        prepaid=(pl.col("card_product") == "prepaid").mean(),
        abroad=abroad.mean(),
    )
    sellers, innocents = habits.filter(label="seller"), habits.filter(label="innocent")
    assert sellers["count"].min() >= 20
    assert sellers.filter(pl.col("typology") != "dormant_account")["prices"].max() <= 3
    assert sellers["prepaid"].min() >= 0.4
    assert sellers["abroad"].min() >= 0.6
    assert innocents.filter(pl.col("typology") != "club_shop")["prices"].min() >= 15
    assert innocents["prepaid"].max() <= 0.15
    assert innocents["abroad"].max() <= 0.15


def test_the_hub_touches_a_large_part_of_the_world(parquet_world: SimulatedFiles) -> None:
    """One gateway device is used by a quarter of all accounts and more."""
    rows = _with_id(_transactions(parquet_world)).filter(device_token="ua-gateway")
    assert rows["account_id"].n_unique() > 300 / 4


# --------------------------------------------------------------------------- behaviours


def test_standby_accounts_open_together_and_take_over(world: World) -> None:
    """Three accounts of one owner open within two weeks; the later two begin when the first has stopped."""
    accounts = world.accounts("standby_accounts").sort("opened_on")
    assert accounts["principal_tokens"].n_unique() == 1
    assert _days(accounts["opened_on"].item(0), accounts["opened_on"].item(-1)) <= 14
    first, *later = accounts["account_id"]
    stopped = world.rows(first)["occurred_at"].max()
    assert all(world.rows(account)["occurred_at"].min() > stopped for account in later)


def test_a_franchise_opens_together_as_well_and_trades_from_the_start(world: World) -> None:
    """The look-alike of standby accounts: one owner, one month, three shops that all trade at once."""
    accounts = world.accounts("franchise")
    assert accounts["principal_tokens"].n_unique() == 1
    assert _days(accounts["opened_on"].min(), accounts["opened_on"].max()) <= 30
    for account, opened in accounts.select("account_id", "opened_on").rows():
        assert _days(opened, world.rows(account)["occurred_at"].min()) <= 7


@pytest.mark.parametrize("typology", ["dormant_account", "seasonal_shop"])
def test_dormant_accounts_rest_for_three_months(world: World, typology: str) -> None:
    """Both the seller and the seasonal shop have ninety days without any row, and business on either side."""
    (account,) = world.accounts(typology)["account_id"]
    days = world.rows(account)["occurred_at"].dt.date().unique().sort()
    gaps = days.diff().dt.total_days()
    assert gaps.max() >= 90
    assert 1 <= gaps.arg_max() < len(days) - 1


def test_only_the_seller_wakes_with_another_site(world: World) -> None:
    """Before the rest both show their own shop; after it only the seller shows the flagged domain."""
    (seller,) = world.accounts("dormant_account")["account_id"]
    (shop,) = world.accounts("seasonal_shop")["account_id"]
    assert _sites_after(world.rows(seller), AS_OF.replace(tzinfo=None, day=1, month=9))
    assert not _sites_after(world.rows(shop), AS_OF.replace(tzinfo=None, day=1, month=9))


def test_a_drifting_account_multiplies_ticket_and_volume(world: World) -> None:
    """The last thirty days bring several times the ticket and the volume of what came before, and of the declared."""
    accounts = world.accounts("drift_after_opening")
    rows = _approved(world.rows(accounts["account_id"].item()))
    end = AS_OF.replace(tzinfo=None)
    late = rows.filter(pl.col("occurred_at") >= end - timedelta(days=30))["amount_minor"]
    before = rows.filter(pl.col("occurred_at").is_between(end - timedelta(days=60), end - timedelta(days=30)))
    early = rows.filter(pl.col("occurred_at") < rows["occurred_at"].min() + timedelta(days=30))["amount_minor"]
    assert late.mean() >= 4 * early.mean()
    assert late.sum() >= 4 * before["amount_minor"].sum()
    assert late.sum() >= 3 * accounts["declared_monthly_volume_minor"].item()


def test_a_card_tester_begins_with_a_day_of_micro_amounts(world: World) -> None:
    """Ten payments of one unit on one day, and more purchases in the month after than in the month before."""
    rows = world.rows(world.accounts("card_testing")["account_id"].item()).filter(transaction_type="purchase")
    micro = rows.filter(pl.col("amount_minor") < 200)
    assert micro["occurred_at"].dt.date().n_unique() == 1
    assert micro.height >= 8
    after = rows.filter(pl.col("occurred_at").dt.date() > micro["occurred_at"].dt.date().first())
    assert after.height > micro.height


def test_a_renamed_account_shows_new_things_within_a_month_of_the_referral(world: World) -> None:
    """Site, descriptor and category code change after the confirmation, and within thirty days of it."""
    accounts = world.accounts("renamed_after_referral")
    (referral,) = accounts["referral_ids"].item()
    confirmed = world.confirmed[referral]
    rows = world.rows(accounts["account_id"].item())
    for column in ("requestor_url", "descriptor", "mcc"):
        first_seen = rows.drop_nulls(column).group_by(column).agg(pl.col("occurred_at").min()).sort("occurred_at")
        assert first_seen.height == 2, column
        assert first_seen["occurred_at"].item(0) < confirmed, column
        assert confirmed < first_seen["occurred_at"].item(1) <= confirmed + timedelta(days=30), column


def test_listings_are_of_a_sibling_or_of_no_matter(world: World) -> None:
    """The seller's closed sibling is listed for what matters here; the innocent is listed for something else."""
    siblings = world.accounts("listed_sibling")
    assert siblings["tax_id_token"].n_unique() == 1
    listed = siblings.filter(pl.col("listing_codes").is_not_null())
    assert listed["listing_codes"].to_list() == [["MATCH-13", "VMSS-23"]]
    assert listed["status"].item() == "closed"
    assert world.accounts("listed_otherwise")["listing_codes"].to_list() == [["MATCH-12"]]


def test_a_miscoded_account_takes_chips_and_high_even_amounts_by_night(world: World) -> None:
    """Chip entry modes without ECI under a code for online sales, even amounts, tickets unlike the category's."""
    accounts = world.accounts("miscoded_account", "club_shop").sort("typology")
    assert accounts["mcc"].unique().to_list() == ["5815"]
    club, seller = (_approved(world.rows(account)) for account in accounts["account_id"])
    chips = seller.filter(pl.col("entry_mode").is_in(["05", "07"]))
    assert chips.height > 0.3 * seller.height
    assert chips["eci"].null_count() == chips.height
    assert (seller["amount_minor"] % 1_000 == 0).all()
    assert seller["amount_minor"].mean() > 5 * club["amount_minor"].mean()
    assert _night_share(seller) > 0.4
    assert club["amount_minor"].n_unique() == 3
    assert (club["issuer_country"] == club["merchant_country"]).mean() > 0.9
    assert not club["entry_mode"].is_in(["05", "07"]).any()


def test_a_facilitator_and_an_agent_bring_several_sellers(world: World) -> None:
    """Four sellers and two honest shops are the sub-merchants of one facilitator, brought by one agent."""
    sellers = world.accounts("facilitator_cluster")
    together = world.merchants.filter(payment_facilitator_id=sellers["payment_facilitator_id"].item(0))
    assert together["agent_id"].n_unique() == 1
    assert sorted(together["label"]) == ["innocent"] * 2 + ["seller"] * 4
    rows = pl.concat(world.rows(account) for account in sellers["account_id"])
    assert rows["currency"].n_unique() > sellers["currency"].n_unique()


def test_a_successor_keeps_the_prices_of_the_account_that_stopped(world: World) -> None:
    """Same owner, same prices, four weeks later."""
    old, new = world.accounts("successor").sort("opened_on")["account_id"]
    assert set(world.rows(old)["amount_minor"]) == set(world.rows(new)["amount_minor"])
    assert 20 <= _days(world.rows(old)["occurred_at"].max(), world.rows(new)["occurred_at"].min()) <= 60


# --------------------------------------------------------------------------- ordinary business


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Habits of the background accounts of a world with thousands of them, per account with twenty purchases."""
    options = SimulationOptions(accounts=4_000, transactions=200_000, referrals=20, seed=5, file_format="parquet")
    files = simulate(options, tmp_path_factory.mktemp("background"))
    declared = _with_id(pl.read_parquet(files.merchants)).select(
        "account_id", "country", "declared_average_ticket_minor", own_currency="currency", own_mcc="mcc"
    )
    truth = pl.read_parquet(files.truth).filter(label="background")
    rows = _with_id(_transactions(files)).join(truth, on="account_id", how="semi").join(declared, on="account_id")
    purchase, approved = pl.col("transaction_type") == "purchase", pl.col("outcome") == "approved"
    counted = purchase & approved
    ours = counted & (pl.col("currency") == pl.col("own_currency"))
    return (
        rows.group_by("account_id")
        .agg(
            count=counted.sum(),
            abroad=(pl.col("issuer_country") != pl.col("country")).filter(counted).mean(),
            foreign=(pl.col("currency") != pl.col("own_currency")).filter(counted).mean(),
            top3=pl.col("amount_minor").filter(counted).value_counts(sort=True).struct[1].head(3).sum() / counted.sum(),
            even=(pl.col("amount_minor") % 1_000 == 0).filter(counted).mean(),
            night=_at_night().filter(counted).mean(),
            prepaid=(pl.col("card_product") == "prepaid").filter(counted).mean(),
            refunds=(pl.col("transaction_type") == "refund").sum() / counted.sum(),
            chargebacks=(pl.col("transaction_type") == "chargeback").sum() / counted.sum(),
            declined=(~approved & purchase).sum() / purchase.sum(),
            ticket=pl.col("amount_minor").filter(ours).mean() / pl.col("declared_average_ticket_minor").first(),
            gap=pl.col("occurred_at").dt.date().sort().diff().dt.total_days().max(),
            other_mcc=(pl.col("mcc") != pl.col("own_mcc")).sum(),
        )
        .filter(pl.col("count") >= 20)
    )


@pytest.mark.parametrize(
    ("habit", "above", "most"),
    [
        ("abroad", 0.5, 0.03), ("top3", 0.9, 0.03), ("even", 0.4, 0.03), ("night", 0.3, 0.03), ("prepaid", 0.3, 0.03),
        ("refunds", 0.08, 0.05), ("declined", 0.15, 0.05), ("foreign", 0.3, 0.02), ("chargebacks", 0.02, 0.04),
        ("ticket", 1.8, 0.03), ("gap", 85, 0.02),
    ],
)  # fmt: skip
def test_few_honest_accounts_are_odd_and_some_are(
    background: pl.DataFrame, habit: str, above: float, most: float
) -> None:
    """A realistic minority of the background meets each pattern, and hardly more than that."""
    share = (background[habit] > above).mean()
    assert 0 < share <= most


def test_ordinary_accounts_keep_their_category_code_and_are_rarely_odd_twice(background: pl.DataFrame) -> None:
    """Messages carry the code of the merchant file, and two strong patterns in one honest account are an exception."""
    assert background["other_mcc"].sum() == 0
    strong = [pl.col("abroad") > 0.4, pl.col("top3") > 0.7, pl.col("night") > 0.2, pl.col("prepaid") > 0.25]
    assert (background.select(pl.sum_horizontal(strong)).to_series() >= 2).mean() < 0.01


def test_people_buy_by_day_where_they_live(background: pl.DataFrame) -> None:
    """Few purchases are made at night by the payer's own clock, whatever country the shop is in."""
    assert background["night"].median() < 0.08


def test_accounts_declare_about_the_volume_they_have(parquet_world: SimulatedFiles) -> None:
    """Half of the accounts lie within a factor of two of their declared volume, few far above it."""
    accounts = _with_id(pl.read_parquet(parquet_world.merchants))
    rows = _approved(_with_id(_transactions(parquet_world))).group_by("account_id").agg(pl.col("amount_minor").sum())
    ratio = accounts.join(rows, on="account_id").select(
        pl.col("amount_minor") / 4 / pl.col("declared_monthly_volume_minor")
    )
    assert 0.4 < ratio.to_series().median() < 1.2
    assert (ratio.to_series() > 3).mean() < 0.05


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

CLOCKS = {"GB": 60, "DE": 120, "FR": 120, "NL": 120, "US": -420, "CA": -330, "SE": 120, "PL": 120, "AU": 570, "JP": 540}
"""Minutes ahead of UTC in the middle of each country, in the summer."""

PINNED_WORDS = ["6481fcfcf20692d6", "76f77c15a3d433cf", "263e4d854e0cff83"]


def _at_night() -> pl.Expr:
    """Tell whether it is between ten and six where the payer lives."""
    ahead = pl.duration(minutes=pl.col("issuer_country").replace_strict(CLOCKS))
    hour = (pl.col("occurred_at") + ahead).dt.hour()
    return (hour >= 22) | (hour < 6)


def _night_share(rows: pl.DataFrame) -> float:
    """Leave out chip payments: travellers pay at the merchant's clock."""
    return float(rows.filter(pl.col("eci").is_not_null()).select(_at_night().mean()).item())


def _approved(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(transaction_type="purchase", outcome="approved")


def _sites_after(rows: pl.DataFrame, moment: datetime) -> set[str]:
    """Return the sites that messages name after a moment, and never before."""
    named = rows.drop_nulls("requestor_url")
    late = pl.col("occurred_at") >= moment
    return set(named.filter(late)["requestor_url"]) - set(named.filter(~late)["requestor_url"])


def _days(earlier: date | datetime, later: date | datetime) -> int:
    """Return the whole days from one date to another."""
    first, second = (at.date() if isinstance(at, datetime) else at for at in (earlier, later))
    return (second - first).days


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
