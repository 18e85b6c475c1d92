"""The main job in memory: an intake and flagged domains in, ranking, evidence and blind spots out."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from frames import AS_OF, accounts, clues, declared, flagged, frame, transactions

from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.intake import Intake
from merchantscreen.policy.loading import load_policy
from merchantscreen.records import SourceFile
from merchantscreen.referrals.flagging import Flagged
from merchantscreen.screening import ScreenResult, screen
from merchantscreen.tables import BlindSpots, DomainLinks, Ranking, Rejects, empty, schema_of

POLICY = load_policy(None)
SELLER, SISTER, STRANGER = {"account_id": "ACQ1/seller"}, {"account_id": "ACQ1/sister"}, {"account_id": "ACQ1/stranger"}
AMBER = {"domain": "amber.example"}
HELD = {"domain": "sealed-site.example", "held": True, "referral_ids": ["R-HELD"], "hotlines": ["hotline-south"]}
DECLARED = declared(
    ("settlement_account", "S", "ACQ1/seller"),
    ("settlement_account", "S", "ACQ1/sister"),
    ("website", "www.amber.example", "ACQ1/seller"),
)


def taken_in(folder: Path, merchants: pl.DataFrame, stated: pl.DataFrame, rows: pl.DataFrame) -> Intake:
    """Stage small frames as the intake does."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.parquet" for name in ("accounts", "declared", "part-00000")}
    merchants.write_parquet(files["accounts"])
    stated.write_parquet(files["declared"])
    rows.write_parquet(files["part-00000"])
    return Intake(
        accounts=merchants.sort("account_id"),
        declared_file=files["declared"],
        accounts_file=files["accounts"],
        transaction_files=(files["part-00000"],),
        present=frozenset(name for name in rows.columns if rows[name].count()),
        sources=(
            SourceFile("merchants", "merchants.csv", 1, "0" * 64, merchants.height, merchants.height, 0),
            SourceFile("transactions", "transactions.csv", 1, "1" * 64, rows.height, rows.height, 0),
        ),
        rejects=empty(Rejects),
        blind_spots=empty(BlindSpots),
        pseudonym_key_id="key-1",
    )


def screened(
    folder: Path,
    domains: pl.DataFrame,
    merchants: pl.DataFrame | None = None,
    stated: pl.DataFrame = DECLARED,
    rows: pl.DataFrame | None = None,
    **referrals: pl.DataFrame,
) -> ScreenResult:
    """Screen small frames with the policy that the tool brings along."""
    known = accounts(SELLER, SISTER, STRANGER) if merchants is None else merchants
    intake = taken_in(folder, known, stated, transactions(STRANGER) if rows is None else rows)
    nothing: dict[str, Any] = {"domain_links": empty(DomainLinks), "clues": clues(), "blind_spots": empty(BlindSpots)}
    return screen(intake, Flagged(domains, **(nothing | referrals)), POLICY, PolarsEngine(folder), AS_OF)


def spots(result: ScreenResult) -> dict[str, int]:
    """Return the blind spots, those about rules aside, with their counts."""
    return {
        kind: count
        for kind, count in result.blind_spots.select("kind", "count").iter_rows()
        if kind != "rule_not_evaluated"
    }


def texts(*tables: pl.DataFrame) -> str:
    """Return all that tables say, as one text."""
    return "\n".join(table.write_json() for table in tables)


# --------------------------------------------------------------------------- from end to end


def test_a_seller_and_its_sister_are_found_and_a_stranger_is_not(tmp_path: Path) -> None:
    """The seller by its website, the sister by the settlement account, each with items that add up."""
    result = screened(tmp_path, flagged(AMBER))
    assert result.ranking.select("account_id", "tier", "hops").rows() == [
        ("ACQ1/seller", "T1", 1), ("ACQ1/sister", "watch", 2),
    ]  # fmt: skip
    final = result.ledger.filter(pl.col("round") == POLICY.evidence.account_rounds)
    sums = final.group_by(account_id="subject").agg(pl.col("share_nano").sum())
    assert result.ranking.join(sums, on="account_id").filter(pl.col("share_nano") != pl.col("points_nano")).is_empty()
    assert set(final["subject"]) == {"ACQ1/seller", "ACQ1/sister"}


def test_accounts_carry_what_the_merchant_file_says_of_them(tmp_path: Path) -> None:
    """Trading name, category and country stand beside the place."""
    merchants = accounts({**SELLER, "dba_name": "Amber Lamps", "mcc": "5722", "country": "NL"})
    row = screened(tmp_path, flagged(AMBER), merchants).ranking.row(0, named=True)
    assert (row["dba_name"], row["mcc"], row["country"]) == ("Amber Lamps", "5722", "NL")
    assert (row["acquirer_id"], row["card_acceptor_id"]) == ("ACQ1", "seller")


def test_a_rule_that_agrees_moves_the_sister_up(tmp_path: Path) -> None:
    """Prepaid cards bought at one price: the rules hit, count as items of their own, and open the third tier."""
    rows = transactions(*([{**SISTER, "card_product": "prepaid"}] * 30))
    result = screened(tmp_path, flagged(AMBER), rows=rows)
    row = result.ranking.filter(account_id="ACQ1/sister").row(0, named=True)
    assert row["tier"] == "T3"
    assert {"few-price-points", "prepaid-share"} <= set(row["rule_hits"])
    assert row["gate_hits"] == ["same-business-as-linked"]
    items = result.ledger.filter(subject="ACQ1/sister", family="typology")
    assert items["counterpart"].to_list() == ["few-price-points", "prepaid-share"]


def test_frozen_tables_and_links_are_handed_over(tmp_path: Path) -> None:
    """Degrees, breadths and link degrees are those the ledger was made with."""
    result = screened(tmp_path, flagged(AMBER))
    assert result.degrees.filter(kind="settlement_account")["holder_count"].to_list() == [2]
    assert result.breadths.to_dicts() == [
        {"kind": "settlement_account", "account_id": "ACQ1/seller", "breadth_count": 1}
    ]
    assert result.link_degrees["linked_count"].to_list() == [1]
    assert result.links.select("account_id", "domain", "kind").rows() == [
        ("ACQ1/seller", "amber.example", "declared_website")
    ]


def test_what_was_looked_at_is_counted(tmp_path: Path) -> None:
    """Counts stand in the order a reader asks for them."""
    assert dict(screened(tmp_path, flagged(AMBER)).counts) == {
        "flagged_domain_count": 1, "account_count": 3, "transaction_count": 1, "linked_account_count": 1,
        "neighbourhood_count": 2, "ranked_account_count": 2, "mean_risk_nano": 253_333_333,
        "t1_count": 1, "t2_count": 0, "t3_count": 0,
        "watch_count": 1,
    }  # fmt: skip


def test_only_domains_that_ranked_accounts_touch_are_listed(tmp_path: Path) -> None:
    """The bundle is no list of all that hotlines confirmed, but names the domain a site moved from."""
    domains = flagged(
        {"domain": "old.example"}, {"domain": "amber.example", "confirmed": False, "confidence_nano": 0},
        {"domain": "elsewhere.example"}, {"domain": "elsewhere-too.example"},
    )  # fmt: skip
    pairs = [
        {"from_domain": "old.example", "to_domain": "amber.example"},
        {"from_domain": "elsewhere.example", "to_domain": "elsewhere-too.example"},
    ]
    there = frame(DomainLinks, pairs, kind="moved_to", referral_ids=["R-000001"])
    result = screened(tmp_path, domains, domain_links=there)
    assert result.domains["domain"].to_list() == ["amber.example", "old.example"]
    assert "elsewhere" not in texts(result.ledger, result.links, result.link_degrees, result.ranking)
    assert result.ranking.filter(account_id="ACQ1/seller")["hops"].to_list() == [2]


# --------------------------------------------------------------------------- under a hold


def held_world(folder: Path, *domains: dict[str, Any]) -> ScreenResult:
    """Screen a world in which the stranger, and the seller too, took payments for a site under a hold."""
    stated = pl.concat([DECLARED, declared(("tax_id", "T", "ACQ1/stranger"), ("tax_id", "T", "ACQ1/friend"))])
    merchants = accounts(SELLER, SISTER, STRANGER, {"account_id": "ACQ1/friend"})
    seen = [{**who, "requestor_host": "sealed-site.example"} for who in (STRANGER, SELLER)]
    rows = transactions(*seen, *([{"account_id": "ACQ1/friend", "card_product": "prepaid"}] * 30))
    return screened(folder, flagged(*domains), merchants, stated, rows)


@pytest.fixture(scope="module")
def without_and_with(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScreenResult, ScreenResult]:
    """Screen the same world without the referral under a hold, and with it."""
    first, second = (tmp_path_factory.mktemp(name) for name in ("without", "with"))
    return held_world(first, AMBER), held_world(second, AMBER, HELD)


@pytest.mark.parametrize("table", ["ranking", "ledger", "contributions", "links", "domains", "rules", "link_degrees"])
def test_a_referral_under_a_hold_changes_nothing_that_is_shown(
    without_and_with: tuple[ScreenResult, ScreenResult], table: str
) -> None:
    """The open tables are what they would be without it."""
    without, with_it = without_and_with
    assert getattr(with_it, table).equals(getattr(without, table))


def test_what_a_hold_would_change_is_in_the_sealed_list_only(
    without_and_with: tuple[ScreenResult, ScreenResult],
) -> None:
    """Accounts linked to the held site are there, with all it gives them, and those it would bring into a tier."""
    _, result = without_and_with
    shown = texts(result.ranking, result.ledger, result.contributions, result.links, result.domains, result.rules)
    for name in ("sealed-site", "R-HELD", "hotline-south", "stranger", "friend"):
        assert name not in shown
    assert result.sealed.schema == schema_of(Ranking)
    tiers = dict(result.sealed.select("account_id", "tier").rows())
    assert (tiers["ACQ1/stranger"], tiers["ACQ1/seller"], tiers["ACQ1/friend"]) == ("T1", "T1", "T3")
    raised = result.sealed.join(result.ranking, on="account_id").filter(account_id="ACQ1/seller")
    assert (raised["points_nano"] > raised["points_nano_right"]).to_list() == [True]
    assert result.sealed.filter(account_id="ACQ1/stranger")["referral_ids"].to_list() == [["R-HELD"]]


def test_without_a_hold_nothing_is_sealed(tmp_path: Path) -> None:
    """The sealed list is empty, and still a table."""
    result = held_world(tmp_path, AMBER, {**HELD, "held": False})
    assert result.sealed.is_empty()
    assert result.sealed.schema == schema_of(Ranking)
    assert "ACQ1/stranger" in result.ranking["account_id"]


def test_with_nothing_but_holds_the_ranking_is_empty(tmp_path: Path) -> None:
    """All that is found is sealed."""
    result = held_world(tmp_path, HELD)
    assert result.ranking.is_empty()
    assert set(result.sealed["account_id"]) >= {"ACQ1/seller", "ACQ1/stranger"}


# --------------------------------------------------------------------------- the moment


def test_later_transactions_are_left_out_and_counted(tmp_path: Path) -> None:
    """What happened after the moment of the screen links nobody, ties nobody and hits no rule."""
    later = AS_OF + timedelta(microseconds=1)
    rows = transactions(
        {**STRANGER, "occurred_at": later, "requestor_host": "amber.example"},
        {**STRANGER, "occurred_at": later, "device_token": "D"}, {**SELLER, "device_token": "D"},
        *({**SELLER, "occurred_at": later, "card_product": "prepaid"} for _ in range(30)),
    )  # fmt: skip
    result = screened(tmp_path, flagged(AMBER), rows=rows)
    assert "ACQ1/stranger" not in result.ranking["account_id"]
    assert result.ranking["rule_hits"].list.len().sum() == 0
    assert spots(result)["transaction_after_as_of"] == 32


def test_a_transaction_at_the_moment_itself_counts(tmp_path: Path) -> None:
    """The moment of the screen belongs to it."""
    rows = transactions({**STRANGER, "occurred_at": AS_OF, "requestor_host": "amber.example"})
    result = screened(tmp_path, flagged(AMBER), rows=rows)
    assert "ACQ1/stranger" in result.ranking["account_id"]
    assert "transaction_after_as_of" not in spots(result)


def test_activity_before_the_validity_is_listed_as_counter_evidence(tmp_path: Path) -> None:
    """An account that used the domain long before is on watch with nothing held against it."""
    rows = transactions({**STRANGER, "occurred_at": datetime(2025, 12, 31), "requestor_host": "amber.example"})
    row = screened(tmp_path, flagged(AMBER), rows=rows).ranking.row(-1, named=True)
    assert (row["account_id"], row["tier"], row["points_nano"]) == ("ACQ1/stranger", "watch", 0)
    assert row["counter_evidence"] == ["outside_validity"]


# --------------------------------------------------------------------------- little or nothing known


def test_an_account_without_a_merchant_row_is_ranked_all_the_same(tmp_path: Path) -> None:
    """What is not known is null, and that the row is missing is a blind spot."""
    rows = transactions({"account_id": "ACQ9/unknown", "requestor_host": "amber.example"})
    result = screened(tmp_path, flagged(AMBER), stated=declared(), rows=rows)
    (row,) = result.ranking.to_dicts()
    assert (row["account_id"], row["tier"]) == ("ACQ9/unknown", "T1")
    assert [row[name] for name in ("acquirer_id", "card_acceptor_id", "dba_name", "mcc", "country")] == [None] * 5
    assert spots(result)["account_without_merchant_row"] == 1
    assert spots(result)["account_without_transactions"] == 3


def test_rules_without_data_are_listed_and_never_hit(tmp_path: Path) -> None:
    """An account without transactions has open questions, not a clean result."""
    result = screened(tmp_path, flagged(AMBER))
    row = result.ranking.row(0, named=True)
    assert row["rule_hits"] == []
    assert {"chargeback-ratio", "prepaid-share", "undeclared-url"} <= set(row["not_evaluated"])
    open_rules = result.rules.filter(account_id="ACQ1/seller", outcome="not_evaluated")
    assert open_rules["rule_id"].to_list() == row["not_evaluated"]
    assert open_rules["missing"].list.len().min() > 0
    assert "typology" not in result.ledger["family"]
    counted = result.blind_spots.filter(kind="rule_not_evaluated", subject="prepaid-share")
    assert counted["count"].to_list() == [2]


def test_a_facilitator_that_names_no_sub_merchants_is_a_blind_spot(tmp_path: Path) -> None:
    """The shops behind its master accounts cannot be told apart."""
    merchants = accounts(
        {**SELLER, "payment_facilitator_id": "PF1"}, {**SISTER, "payment_facilitator_id": "PF1"},
        {**STRANGER, "payment_facilitator_id": "PF2", "sub_merchant_id": "shop-1"},
    )  # fmt: skip
    result = screened(tmp_path, flagged(AMBER), merchants)
    found = result.blind_spots.filter(kind="facilitator_without_sub_merchants")
    assert found.select("subject", "count").rows() == [("PF1", 2)]


@pytest.mark.parametrize(
    ("domains", "merchants", "stated", "rows"),
    [
        (flagged(AMBER), accounts(SELLER), declared(), transactions(SELLER)),
        (flagged(AMBER), accounts(SELLER), declared(), transactions()),
        (flagged(AMBER), accounts(), declared(), transactions()),
        (flagged(), accounts(SELLER), DECLARED, transactions(SELLER)),
    ],
    ids=["nothing matches", "no transactions", "no data at all", "no referrals"],
)
def test_nothing_found_is_an_empty_ranking(
    tmp_path: Path, domains: pl.DataFrame, merchants: pl.DataFrame, stated: pl.DataFrame, rows: pl.DataFrame
) -> None:
    """Neither empty input nor input without a match is a failure; every table keeps its columns."""
    result = screened(tmp_path, domains, merchants, stated, rows)
    assert result.ranking.schema == schema_of(Ranking)
    tables = (result.ranking, result.ledger, result.contributions, result.links, result.rules, result.domains)
    assert [table.height for table in tables] == [0] * 6
    assert result.counts["ranked_account_count"] == 0


def test_blind_spots_of_the_intake_and_of_the_referrals_are_passed_on(tmp_path: Path) -> None:
    """One list says all that could not be tested, sorted."""
    spot = {
        "kind": "referral_not_confirmed",
        "subject": "R-000009",
        "count": 1,
        "detail": "no hotline has confirmed it",
    }
    result = screened(tmp_path, flagged(AMBER), blind_spots=frame(BlindSpots, [spot]))
    assert spot in result.blind_spots.to_dicts()
    assert result.blind_spots.equals(result.blind_spots.sort("kind", "subject", "detail", "count"))
