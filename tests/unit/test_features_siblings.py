"""Accounts of the same business, and accounts of the same trade."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from feature_worlds import MODEL, bought, features, merchants, payments
from frames import declared

from merchantscreen.features import peer_sample, sibling_pairs
from merchantscreen.features.peers import draws


def same_owner(*names: str) -> pl.DataFrame:
    """Declare one principal for some accounts."""
    return declared(*(("principal", "o1", name) for name in names))


def opened(name: str, on: date | None = None, **more: Any) -> dict[str, Any]:
    """Build an account with an opening date."""
    return {"account_id": name, "opened_on": on, **more}


def test_siblings_share_a_hard_identifier() -> None:
    """Two shared hard identifiers make one sibling; a shared phone makes none; having none is not known."""
    stated = declared(
        ("settlement_account", "s1", "A/1"), ("settlement_account", "s1", "B/1"), ("tax_id", "t1", "A/1"),
        ("tax_id", "t1", "B/1"), ("phone", "p1", "A/1"), ("phone", "p1", "C/1"), ("principal", "o1", "D/1"),
    )  # fmt: skip
    rows = features(None, merchants(*map(opened, ("A/1", "B/1", "C/1", "D/1"))), declared=stated)
    assert [rows[name]["sibling_count"] for name in ("A/1", "B/1", "C/1", "D/1")] == [1, 1, None, 0]
    assert sibling_pairs(stated, 50).sort("account_id").rows() == [("A/1", "B/1"), ("B/1", "A/1")]


def test_a_widely_shared_identifier_makes_no_siblings() -> None:
    """A nominee behind fifty firms ties none of them."""
    names = [f"A/{number}" for number in range(MODEL.widely_shared_count)]
    own = merchants(*map(opened, names))
    rows = features(None, own, declared=same_owner(*names))
    assert {row["sibling_count"] for row in rows.values()} == {0}
    rows = features(None, own, declared=same_owner(*names[1:]))
    assert rows[names[1]]["sibling_count"] == MODEL.widely_shared_count - 2


def test_a_successor_is_told_by_the_last_closing_before_it_opened() -> None:
    """The last sibling closed by the opening day counts; a later closing does not."""
    stated = declared(*(("tax_id", "t1", name) for name in ("A/1", "A/2", "A/3", "A/4")), ("tax_id", "t9", "A/9"))
    old = date(2025, 1, 1)
    rows = features(None, merchants(
        opened("A/1", date(2026, 6, 1)), opened("A/2", old, closed_on=date(2026, 1, 1)),
        opened("A/3", old, closed_on=date(2026, 5, 11)), opened("A/4", old, closed_on=date(2026, 7, 1)),
        opened("A/9", date(2026, 6, 1)),
    ), declared=stated)  # fmt: skip
    assert (rows["A/1"]["closed_sibling_count"], rows["A/1"]["days_since_sibling_closed"]) == (2, 21)
    assert (rows["A/9"]["closed_sibling_count"], rows["A/9"]["days_since_sibling_closed"]) == (0, None)
    assert rows["A/2"]["closed_sibling_count"] == 0


def test_other_processors_of_the_last_year_are_counted() -> None:
    """Siblings at two other acquirers and one facilitator within a year are three; older ones are none."""
    stated = same_owner("A/1", "A/2", "B/1", "B/2", "C/1", "D/1", "A/3")
    recent, old = date(2026, 3, 1), date(2024, 3, 1)
    rows = features(None, merchants(
        opened("A/1", old), opened("A/2", recent), opened("A/3", recent, payment_facilitator_id="F1"),
        opened("B/1", recent), opened("B/2", recent), opened("C/1", recent), opened("D/1", old),
    ), declared=stated)  # fmt: skip
    assert rows["A/1"]["sibling_acquirer_change_count"] == 3
    assert rows["B/1"]["sibling_acquirer_change_count"] == 3
    undated = features(None, merchants(opened("A/1"), opened("B/1")), declared=same_owner("A/1", "B/1"))
    assert undated["A/1"]["sibling_acquirer_change_count"] is None


def test_openings_within_a_month_are_together() -> None:
    """Thirty days before or after count, one more does not; the account itself never does."""
    own = merchants(
        opened("A/1", date(2026, 6, 15)), opened("A/2", date(2026, 5, 16)), opened("A/3", date(2026, 7, 15)),
        opened("A/4", date(2026, 7, 16)), opened("A/5"), opened("A/6", date(2026, 6, 15)),
    )  # fmt: skip
    stated = pl.concat([same_owner("A/1", "A/2", "A/3", "A/4", "A/5"), declared(("tax_id", "t", "A/6"))])
    rows = features(None, own, declared=stated)
    assert [rows[f"A/{n}"]["sibling_opening_count"] for n in (1, 4, 5, 6)] == [2, 1, None, 0]
    undated = merchants(opened("A/1", date(2026, 6, 15)), opened("A/2"))
    assert features(None, undated, declared=same_owner("A/1", "A/2"))["A/1"]["sibling_opening_count"] is None


def test_an_opening_after_the_run_is_not_known_yet() -> None:
    """A sibling that opens tomorrow is no standby account of today."""
    own = merchants(opened("A/1", date(2026, 10, 20)), opened("A/2", date(2026, 11, 2)))
    assert features(None, own, declared=same_owner("A/1", "A/2"))["A/1"]["sibling_opening_count"] == 0


# --------------------------------------------------------------------------- siblings that stopped


def test_a_successor_is_told_by_transactions_too() -> None:
    """The sibling that stopped last before the account began counts; one that goes on does not."""
    transactions = payments(
        *bought([50, 3]), *bought([200, 71], account_id="A/2"), *bought([150, 90], account_id="A/3"),
        *bought([60, 2], account_id="A/4"),
    )  # fmt: skip
    own = merchants(*map(opened, ("A/1", "A/2", "A/3", "A/4")))
    rows = features(transactions, own, declared=same_owner("A/1", "A/2", "A/3", "A/4"))
    assert [rows[f"A/{n}"]["days_since_sibling_stopped"] for n in (1, 2, 4)] == [21, None, 11]
    assert [rows[f"A/{n}"]["stopped_sibling_count"] for n in (1, 2, 4)] == [2, 0, 2]
    alone = features(transactions, own, declared=same_owner("A/1"))
    assert (alone["A/1"]["stopped_sibling_count"], alone["A/1"]["days_since_sibling_stopped"]) == (0, None)


def test_prices_are_compared_with_those_of_a_sibling_that_stopped() -> None:
    """Half of the purchases are at one of its ten usual prices; its eleventh is not usual."""
    usual = [{"account_id": "A/2", "amount_minor": 100 * (1 + n), "occurred_at": row["occurred_at"]}
             for n in range(10) for row in bought([90, 80])]  # fmt: skip
    transactions = payments(
        *usual, *bought([85], account_id="A/2", amount_minor=5000),
        *bought([10], amount_minor=100), *bought([9], amount_minor=1000), *bought([8], amount_minor=5000),
        *bought([7], amount_minor=100, currency="USD"), *bought([95, 1], account_id="A/3", amount_minor=5000),
    )  # fmt: skip
    own = merchants(*map(opened, ("A/1", "A/2", "A/3")))
    rows = features(transactions, own, declared=same_owner("A/1", "A/2", "A/3"))
    assert rows["A/1"]["sibling_price_overlap_share"] == 0.5
    assert rows["A/2"]["sibling_price_overlap_share"] is None
    none_alike = payments(*bought([80], account_id="A/2"), *bought([10], amount_minor=77))
    assert features(none_alike, own, declared=same_owner("A/1", "A/2"))["A/1"]["sibling_price_overlap_share"] == 0.0


def test_listings_of_siblings_are_counted_where_any_is_known() -> None:
    """One of two siblings was listed; where nothing is known of any, nothing is said; no sibling is none listed."""
    own = merchants(opened("A/1"), opened("A/2", listing_codes="MATCH-03"), opened("A/3"), opened("A/4"))
    stated = pl.concat([same_owner("A/1", "A/2", "A/3"), declared(("tax_id", "t", "A/4"))])
    rows = features(None, own, declared=stated)
    assert [rows[f"A/{n}"]["sibling_listing_count"] for n in (1, 2, 4)] == [1, None, 0]


# --------------------------------------------------------------------------- peers


PEERS = [f"A/{number:02}" for number in range(MODEL.peer_minimum_count)]


def trade(*rows: dict[str, Any], **about: Any) -> pl.DataFrame:
    """Build one purchase per peer, and whatever else is given."""
    return payments(*({"account_id": name, **about} for name in PEERS), *rows)


def traders(count: int = len(PEERS), **about: Any) -> pl.DataFrame:
    """Build peers of one trade and Z/1 among them."""
    return merchants(
        *({"account_id": name, "country": "NL", "mcc": "5411", **about} for name in (*PEERS[:count], "Z/1"))
    )


ODD = {"account_id": "Z/1"}


@pytest.mark.parametrize(
    ("name", "usual", "odd", "score"),
    [
        ("cross_border_peer_z", {"issuer_country": "NL"}, [{"issuer_country": "US"}], 1 / 0.01),
        ("refund_share_peer_z", {}, [{}, {"transaction_type": "refund"}], 1 / 0.01),
        ("even_amount_peer_z", {"amount_minor": 999}, [{"amount_minor": 1000}], 1 / 0.01),
        ("night_share_peer_z", {"issuer_country": "IN", "occurred_at": bought([1])[0]["occurred_at"].replace(hour=9)},
         [{"issuer_country": "IN", "occurred_at": bought([1])[0]["occurred_at"].replace(hour=20)}], 1 / 0.01),
        ("average_ticket_peer_z", {"amount_minor": 1000}, [{"amount_minor": 3000}], 2000 / (0.05 * 1000)),
    ],
)  # fmt: skip
def test_an_account_is_compared_with_its_own_trade(
    name: str, usual: dict[str, Any], odd: list[dict[str, Any]], score: float
) -> None:
    """What is unlike the trade stands out by the smallest scale; with too few peers nothing is said."""
    transactions = trade(*(ODD | row for row in odd), **usual)
    rows = features(transactions, traders())
    assert rows["Z/1"][name] == pytest.approx(score / 1.4826)
    assert rows["A/00"][name] == 0.0
    few = features(transactions.filter(pl.col("account_id") != "A/00"), traders().slice(2))
    assert few["Z/1"][name] is None
    elsewhere = traders().with_columns(
        mcc=pl.when(pl.col("account_id") == "Z/1").then(pl.lit("5816")).otherwise("mcc")
    )  # fmt: skip
    assert features(transactions, elsewhere)["Z/1"][name] is None


def test_tickets_are_compared_within_one_currency() -> None:
    """Peers that sell in euros say nothing about a ticket in dollars."""
    transactions = trade({**ODD, "currency": "USD", "amount_minor": 90000})
    assert features(transactions, traders())["Z/1"]["average_ticket_peer_z"] is None


def test_a_trade_that_gives_everything_away_has_no_scale() -> None:
    """A median of 0 leaves nothing to measure by, and no division by zero."""
    transactions = trade({**ODD, "amount_minor": 500}, amount_minor=0)
    assert features(transactions, traders())["Z/1"]["average_ticket_peer_z"] is None


def test_the_peer_sample_is_the_same_from_any_part_that_holds_it() -> None:
    """The sample depends on ids alone: not on order, and not on which other accounts are at hand."""
    accounts = pl.DataFrame({"account_id": [f"A/{n}" for n in range(500)], "mcc": ["5411", "5816"] * 250})
    sample = peer_sample(accounts, ["5411"], 20)
    assert sample.len() == 20
    part = accounts.filter(pl.col("account_id").is_in(sample.to_list()) | (pl.col("account_id") < "A/3"))
    shuffled = part.sample(fraction=1, shuffle=True, seed=4)
    assert peer_sample(shuffled, ["5411"], 20).to_list() == sample.to_list()
    assert peer_sample(shuffled, ["5411"], 20, draws(shuffled["account_id"])).to_list() == sample.to_list()
