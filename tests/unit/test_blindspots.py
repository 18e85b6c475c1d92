"""Blind spots: accounts, rules, columns and transactions that could not be tested are always a row."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from frames import AS_OF, accounts, frame, traffic, transactions

from merchantscreen import blindspots
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.tables import BlindSpots, RuleResults, empty, schema_of

ONE, TWO, THREE = ({"account_id": f"ACQ1/{i}"} for i in (1, 2, 3))


def found(
    tmp_path: Path, rows: pl.DataFrame, merchants: pl.DataFrame, results: pl.DataFrame | None = None
) -> list[tuple[str, str, int]]:
    """Look for blind spots in small frames and return kind, subject and count, sorted."""
    engine = PolarsEngine(tmp_path)
    known = empty(RuleResults) if results is None else results
    spots = pl.concat(blindspots.find(traffic(engine, rows), merchants, known))
    assert spots.schema == schema_of(BlindSpots)
    assert all(spots["detail"].str.len_chars() > 20)
    return sorted(spots.select("kind", "subject", "count").rows())


def test_complete_data_have_no_blind_spot(tmp_path: Path) -> None:
    """Where every account has a row and transactions, there is nothing to report."""
    assert found(tmp_path, transactions(ONE, TWO), accounts(ONE, TWO)) == []


def test_accounts_missing_on_either_side_are_counted_once_each(tmp_path: Path) -> None:
    """Two accounts are known by their transactions alone, one by the merchant file alone."""
    rows = transactions(ONE, TWO, TWO, THREE)
    merchants = accounts(ONE, {"account_id": "ACQ1/idle"})
    assert found(tmp_path, rows, merchants) == [
        ("account_without_merchant_row", "transactions", 2),
        ("account_without_transactions", "merchants", 1),
    ]


def test_where_everybody_is_known_nobody_is_looked_for(tmp_path: Path) -> None:
    """Whoever read the rows may know that all accounts have a merchant row; those without transactions are counted."""
    engine, idle = PolarsEngine(tmp_path), accounts(ONE, TWO, THREE)
    moved = traffic(engine, transactions(ONE, ONE, TWO))
    looked, told = (
        pl.concat(blindspots.find(moved, idle, empty(RuleResults), knows_everybody=knows)) for knows in (False, True)
    )
    assert told.equals(looked)
    assert told["count"].to_list() == [1]


def test_an_account_that_only_acts_later_has_no_transactions_yet(tmp_path: Path) -> None:
    """Later transactions are counted, and do not make an account active."""
    rows = transactions({**ONE, "occurred_at": AS_OF}, *[{**TWO, "occurred_at": AS_OF + timedelta(seconds=1)}] * 3)
    assert found(tmp_path, rows, accounts(ONE, TWO)) == [
        ("account_without_transactions", "merchants", 1),
        ("transaction_after_as_of", "transactions", 3),
    ]


def test_master_accounts_of_facilitators_are_counted_per_facilitator(tmp_path: Path) -> None:
    """Accounts that name their sub-merchant are none, nor are accounts without a facilitator."""
    merchants = accounts(
        {**ONE, "payment_facilitator_id": "PF1"},
        {**TWO, "payment_facilitator_id": "PF1"},
        {**THREE, "payment_facilitator_id": "PF1", "sub_merchant_id": "shop"},
        {"account_id": "ACQ1/4", "payment_facilitator_id": "PF2"},
        {"account_id": "ACQ1/5"},
    )
    rows = transactions(*({"account_id": account} for account in merchants["account_id"]))
    assert found(tmp_path, rows, merchants) == [
        ("facilitator_without_sub_merchants", "PF1", 2),
        ("facilitator_without_sub_merchants", "PF2", 1),
    ]


def test_rules_without_data_are_counted_per_rule(tmp_path: Path) -> None:
    """A rule that hit or did not hit is tested; one that could not be evaluated is not."""
    outcomes = [("ACQ1/1", "not_evaluated"), ("ACQ1/2", "not_evaluated"), ("ACQ1/3", "hit"), ("ACQ1/4", "no_hit")]
    results = frame(RuleResults, [{"account_id": account, "outcome": outcome} for account, outcome in outcomes],
                    rule_id="prepaid-share")  # fmt: skip
    assert found(tmp_path, transactions(ONE), accounts(ONE), results) == [("rule_not_evaluated", "prepaid-share", 2)]


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        ({"requestor_host", "acceptor_host", "descriptor"}, []),
        ({"descriptor"}, ["transactions.acceptor_url", "transactions.requestor_url"]),
        (set(), ["transactions.acceptor_url", "transactions.descriptor", "transactions.requestor_url"]),
    ],
)
def test_columns_in_which_no_domain_could_be_found_are_named(present: set[str], missing: list[str]) -> None:
    """Every flagged domain is counted for a column that holds nothing."""
    spots = blindspots.without_link_data(frozenset(present), 7)
    assert sorted(spots["subject"]) == missing
    assert set(spots["count"]) <= {7}


def test_without_flagged_domains_nothing_was_left_unsearched() -> None:
    """No referral suffers where there is none."""
    assert blindspots.without_link_data(frozenset(), 0).is_empty()
