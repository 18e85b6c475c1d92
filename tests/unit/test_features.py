"""The feature catalogue on small frames: what is counted, what is not known, and that order says nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
import pytest
from frames import frame

from merchantscreen.features import CATALOGUE, FEATURE_TYPES, aggregates, assemble, peer_sample
from merchantscreen.policy.loading import load_policy
from merchantscreen.tables import COLUMN_DTYPES, Accounts, DeclaredIdentifiers, Transactions

AS_OF = datetime(2026, 11, 1)
MODEL = load_policy().evidence


def _transactions(*rows: dict[str, Any]) -> pl.DataFrame:
    defaults = {
        "account_id": "A/1", "occurred_at": datetime(2026, 10, 1), "amount_minor": 1000, "currency": "EUR",
        "transaction_type": "purchase", "outcome": "approved",
    }  # fmt: skip
    return frame(Transactions, list(rows), **defaults)


def _accounts(*rows: dict[str, Any]) -> pl.DataFrame:
    complete = [{"acquirer_id": row["account_id"].split("/")[0], **row} for row in rows]
    return frame(Accounts, complete, card_acceptor_id="1", website_count=0)


def _declared(*rows: tuple[str, str, str]) -> pl.DataFrame:
    return frame(DeclaredIdentifiers, [dict(zip(("kind", "value", "account_id"), row, strict=True)) for row in rows])


def _features(
    transactions: pl.DataFrame,
    accounts: pl.DataFrame,
    declared: pl.DataFrame | None = None,
    as_of: datetime = AS_OF,
    caution: frozenset[str] = frozenset(),
) -> dict[str, dict[str, Any]]:
    """Measure and assemble the way a screening does, and return the features by account."""
    wanted = nw.from_native(accounts.lazy())
    stages = aggregates(nw.from_native(transactions.lazy()), wanted, as_of)
    measured = {name: stage.collect("polars").to_native() for name, stage in stages.items()}
    known = _declared() if declared is None else declared
    table = assemble(measured, accounts, known, as_of, MODEL, caution_hosts=caution)
    return {row["account_id"]: row for row in table.to_dicts()}


def test_the_table_has_one_typed_column_per_catalogue_entry() -> None:
    """What is assembled is the catalogue: its names, its types, its order."""
    accounts = _accounts({"account_id": "A/1"})
    stages = aggregates(nw.from_native(_transactions().lazy()), nw.from_native(accounts.lazy()), AS_OF)
    measured = {name: stage.collect("polars").to_native() for name, stage in stages.items()}
    table = assemble(measured, accounts, _declared(), AS_OF, MODEL)
    expected = {"account_id": pl.String(), **{feature.name: COLUMN_DTYPES[feature.type] for feature in CATALOGUE}}
    assert dict(table.schema) == expected
    assert len(FEATURE_TYPES) == len(CATALOGUE)


def test_an_account_without_transactions_has_no_counts() -> None:
    """Nothing seen is not known, and never zero."""
    row = _features(_transactions(), _accounts({"account_id": "A/1"}))["A/1"]
    assert {name for name, value in row.items() if value is not None} == {"account_id"}


def test_an_account_that_only_transactions_know_has_its_counts() -> None:
    """Where the merchant row is missing, what the payments say is still known."""
    accounts = _accounts({"account_id": "A/2"})
    transactions = _transactions({})
    wanted = nw.from_native(pl.DataFrame({"account_id": ["A/1", "A/2"]}).lazy())
    stages = aggregates(nw.from_native(transactions.lazy()), wanted, AS_OF)
    measured = {name: stage.collect("polars").to_native() for name, stage in stages.items()}
    table = assemble(measured, accounts, _declared(), AS_OF, MODEL)
    assert table.select("account_id", "purchase_count").rows() == [("A/1", 1), ("A/2", None)]


def test_purchases_refunds_chargebacks_and_declines_are_counted_apart() -> None:
    """Only approved purchases are purchases; later transactions and other accounts are not seen."""
    transactions = _transactions(
        {}, {}, {}, {},
        {"outcome": "declined"},
        {"transaction_type": "refund"},
        {"transaction_type": "chargeback"},
        {"transaction_type": "credit"},
        {"occurred_at": AS_OF + timedelta(microseconds=1)},
        {"account_id": "B/9"},
    )  # fmt: skip
    rows = _features(transactions, _accounts({"account_id": "A/1"}))
    row = rows["A/1"]
    counts = ("purchase_count", "refund_count", "chargeback_count", "declined_count")
    assert [row[name] for name in counts] == [4, 1, 1, 1]
    assert (row["chargeback_share"], row["refund_share"]) == (0.25, 0.25)
    assert set(rows) == {"A/1"}


def test_shares_are_over_what_is_known() -> None:
    """A share leaves out rows that do not say, and is not known where none does."""
    transactions = _transactions(
        {"card_product": "prepaid", "issuer_country": "US"},
        {"card_product": "credit", "issuer_country": "NL"},
        {"card_product": None, "issuer_country": None},
        {"account_id": "B/1"},
    )
    rows = _features(transactions, _accounts({"account_id": "A/1", "country": "NL"}, {"account_id": "B/1"}))
    assert (rows["A/1"]["prepaid_share"], rows["A/1"]["cross_border_share"]) == (0.5, 0.5)
    assert (rows["B/1"]["prepaid_share"], rows["B/1"]["cross_border_share"]) == (None, None)
    assert rows["B/1"]["purchase_count"] == 1


def test_the_country_of_the_message_stands_in_for_the_account() -> None:
    """Without a country of the account, the one in the message decides what is foreign."""
    transactions = _transactions(
        {"issuer_country": "US", "merchant_country": "US"},
        {"issuer_country": "NL", "merchant_country": "US"},
        {"issuer_country": "NL", "merchant_country": None},
    )
    assert _features(transactions, _accounts({"account_id": "A/1"}))["A/1"]["cross_border_share"] == 0.5
    own = _accounts({"account_id": "A/1", "country": "NL"})
    assert _features(transactions, own)["A/1"]["cross_border_share"] == pytest.approx(1 / 3)


def test_the_three_most_frequent_prices_are_exact_prices() -> None:
    """A price is an amount in a currency; equal amounts in two currencies are two prices."""
    amounts = [2900] * 5 + [4900] * 3 + [9900] * 2 + [1234, 1235]
    transactions = _transactions(*({"amount_minor": amount} for amount in amounts), {"currency": "USD"})
    row = _features(transactions, _accounts({"account_id": "A/1"}))["A/1"]
    assert row["distinct_price_count"] == 6
    assert row["top3_price_share"] == pytest.approx(10 / 13)


def test_amounts_of_different_currencies_are_never_added() -> None:
    """The average ticket is in the account's currency, or in the only one seen, or not known."""
    mixed = _transactions({"amount_minor": 1000}, {"amount_minor": 2001}, {"amount_minor": 5, "currency": "USD"})
    own = _features(mixed, _accounts({"account_id": "A/1", "currency": "EUR"}))["A/1"]
    assert own["average_ticket_minor"] == 1500
    assert _features(mixed, _accounts({"account_id": "A/1"}))["A/1"]["average_ticket_minor"] is None
    single = _transactions({"amount_minor": 700})
    assert _features(single, _accounts({"account_id": "A/1"}))["A/1"]["average_ticket_minor"] == 700


def test_volume_is_compared_with_what_was_declared_per_month() -> None:
    """Sixty days of purchases are halved before they are compared; nothing declared means not known."""
    transactions = _transactions(
        {"amount_minor": 6000, "occurred_at": datetime(2026, 8, 1)},
        {"amount_minor": 6000, "occurred_at": datetime(2026, 9, 29)},
    )
    declared = {"account_id": "A/1", "currency": "EUR", "declared_monthly_volume_minor": 2000}
    assert _features(transactions, _accounts(declared))["A/1"]["volume_to_declared_ratio"] == 3.0
    unknown = {**declared, "declared_monthly_volume_minor": 0}
    assert _features(transactions, _accounts(unknown))["A/1"]["volume_to_declared_ratio"] is None


def test_ages_are_whole_days_up_to_the_moment() -> None:
    """The clock is the moment passed in, whatever its zone; an account not yet open has no age."""
    transactions = _transactions({"occurred_at": datetime(2026, 9, 1, 23)}, {"occurred_at": datetime(2026, 9, 11, 22)})
    accounts = _accounts(
        {"account_id": "A/1", "opened_on": date(2026, 10, 2)}, {"account_id": "A/2", "opened_on": date(2027, 1, 1)}
    )
    rows = _features(transactions, accounts)
    assert (rows["A/1"]["account_age_days"], rows["A/1"]["days_first_to_last"]) == (30, 9)
    assert rows["A/2"]["account_age_days"] is None
    assert _features(transactions, accounts, as_of=AS_OF.replace(tzinfo=UTC)) == rows


def test_an_observed_site_that_was_not_declared_is_counted_once() -> None:
    """Hosts of one site count once; declared sites, under any host, and cautioned hosts do not count."""
    transactions = _transactions(
        {"requestor_host": "www.amber-shop.example"},
        {"requestor_host": "other.example", "acceptor_host": "pay.other.example"},
        {"acceptor_host": "shop7.paypage.example"},
        {"requestor_host": "192.0.2.7"},
    )
    declared = _declared(("website", "amber-shop.example", "A/1"))
    accounts = _accounts({"account_id": "A/1"})
    caution = frozenset({"paypage.example"})
    assert _features(transactions, accounts, declared, caution=caution)["A/1"]["undeclared_host_count"] == 2
    assert _features(transactions, accounts, declared)["A/1"]["undeclared_host_count"] == 3


def test_undeclared_sites_are_not_known_without_both_sides() -> None:
    """Without an observed URL, or without any declared website, there is nothing to compare."""
    seen, unseen = _transactions({"requestor_host": "a.example"}), _transactions({})
    accounts, declared = _accounts({"account_id": "A/1"}), _declared(("website", "a.example", "A/1"))
    assert _features(seen, accounts)["A/1"]["undeclared_host_count"] is None
    assert _features(unseen, accounts, declared)["A/1"]["undeclared_host_count"] is None
    assert _features(seen, accounts, declared)["A/1"]["undeclared_host_count"] == 0


def test_siblings_share_a_hard_identifier() -> None:
    """Two shared hard identifiers make one sibling; a shared phone makes none; having none is not known."""
    declared = _declared(
        ("settlement_account", "s1", "A/1"), ("settlement_account", "s1", "B/1"), ("tax_id", "t1", "A/1"),
        ("tax_id", "t1", "B/1"), ("phone", "p1", "A/1"), ("phone", "p1", "C/1"), ("principal", "o1", "D/1"),
    )  # fmt: skip
    accounts = _accounts(*({"account_id": name} for name in ("A/1", "B/1", "C/1", "D/1")))
    rows = _features(_transactions(), accounts, declared)
    assert [rows[name]["sibling_count"] for name in ("A/1", "B/1", "C/1", "D/1")] == [1, 1, None, 0]


def test_a_widely_shared_identifier_makes_no_siblings() -> None:
    """A nominee behind fifty firms ties none of them."""
    names = [f"A/{number}" for number in range(MODEL.widely_shared_count)]
    declared = _declared(*(("principal", "nominee", name) for name in names))
    rows = _features(_transactions(), _accounts(*({"account_id": name} for name in names)), declared)
    assert {row["sibling_count"] for row in rows.values()} == {0}
    fewer = declared.filter(pl.col("account_id") != names[-1])
    rows = _features(_transactions(), _accounts(*({"account_id": name} for name in names)), fewer)
    assert rows[names[0]]["sibling_count"] == MODEL.widely_shared_count - 2


def test_a_successor_is_told_by_the_last_closing_before_it_opened() -> None:
    """The last sibling closed by the opening day counts; a later closing does not."""
    declared = _declared(*(("tax_id", "t1", name) for name in ("A/1", "A/2", "A/3", "A/4")), ("tax_id", "t9", "A/9"))
    accounts = _accounts(
        {"account_id": "A/1", "opened_on": date(2026, 6, 1)},
        {"account_id": "A/2", "opened_on": date(2025, 1, 1), "closed_on": date(2026, 1, 1)},
        {"account_id": "A/3", "opened_on": date(2025, 1, 1), "closed_on": date(2026, 5, 11)},
        {"account_id": "A/4", "opened_on": date(2025, 1, 1), "closed_on": date(2026, 7, 1)},
        {"account_id": "A/9", "opened_on": date(2026, 6, 1)},
    )
    rows = _features(_transactions(), accounts, declared)
    assert (rows["A/1"]["closed_sibling_count"], rows["A/1"]["days_since_sibling_closed"]) == (2, 21)
    assert (rows["A/9"]["closed_sibling_count"], rows["A/9"]["days_since_sibling_closed"]) == (0, None)
    assert rows["A/2"]["closed_sibling_count"] == 0


def test_other_processors_of_the_last_year_are_counted() -> None:
    """Siblings at two other acquirers and one facilitator within a year are three; older ones are none."""
    declared = _declared(*(("principal", "o1", name) for name in ("A/1", "A/2", "B/1", "B/2", "C/1", "D/1", "A/3")))
    recent, old = date(2026, 3, 1), date(2024, 3, 1)
    accounts = _accounts(
        {"account_id": "A/1", "opened_on": old},
        {"account_id": "A/2", "opened_on": recent},
        {"account_id": "A/3", "opened_on": recent, "payment_facilitator_id": "F1"},
        {"account_id": "B/1", "opened_on": recent},
        {"account_id": "B/2", "opened_on": recent},
        {"account_id": "C/1", "opened_on": recent},
        {"account_id": "D/1", "opened_on": old},
    )
    rows = _features(_transactions(), accounts, declared)
    assert rows["A/1"]["sibling_acquirer_change_count"] == 3
    assert rows["B/1"]["sibling_acquirer_change_count"] == 3
    undated = _accounts(*({"account_id": name} for name in ("A/1", "B/1")))
    assert _features(_transactions(), undated, declared)["A/1"]["sibling_acquirer_change_count"] is None


def test_an_account_is_compared_with_its_own_trade() -> None:
    """An account with foreign cards stands out among domestic peers, and not among too few of them."""
    names = [f"A/{number:02}" for number in range(MODEL.peer_minimum_count)]
    transactions = _transactions(
        *({"account_id": name, "issuer_country": "NL"} for name in names), {"account_id": "Z/1", "issuer_country": "US"}
    )
    peers = [{"account_id": name, "country": "NL", "mcc": "5411"} for name in names]
    accounts = _accounts(*peers, {"account_id": "Z/1", "country": "NL", "mcc": "5411"})
    row = _features(transactions, accounts)["Z/1"]
    assert row["cross_border_peer_z"] == pytest.approx(1 / (1.4826 * 0.01))
    assert _features(transactions, accounts)["A/00"]["cross_border_peer_z"] == 0.0
    few = accounts.filter(~pl.col("account_id").is_in(names[:2]))
    assert (
        _features(transactions.filter(~pl.col("account_id").is_in(names[:2])), few)["Z/1"]["cross_border_peer_z"]
        is None
    )


def test_the_peer_sample_is_the_same_from_any_part_that_holds_it() -> None:
    """The sample depends on ids alone: not on order, and not on which other accounts are at hand."""
    accounts = pl.DataFrame({"account_id": [f"A/{n}" for n in range(500)], "mcc": ["5411", "5816"] * 250})
    sample = peer_sample(accounts, ["5411"], 20)
    assert sample.len() == 20
    part = accounts.filter(pl.col("account_id").is_in(sample.to_list()) | (pl.col("account_id") < "A/3"))
    assert peer_sample(part.sample(fraction=1, shuffle=True, seed=4), ["5411"], 20).to_list() == sample.to_list()


def test_the_order_of_rows_says_nothing() -> None:
    """Shuffled transactions, accounts and identifiers give the same table, to the last bit."""
    transactions = _transactions(
        *(
            {"account_id": f"A/{n % 7}", "amount_minor": 100 + n % 5, "issuer_country": ("NL", "US", "DE")[n % 3],
             "card_product": ("prepaid", "credit", None)[n % 3], "requestor_host": f"s{n % 4}.example"}
            for n in range(300)
        )
    )  # fmt: skip
    accounts = _accounts(*({"account_id": f"A/{n}", "mcc": "5411", "country": "NL"} for n in range(7)))
    declared = _declared(*(("tax_id", f"t{n % 3}", f"A/{n}") for n in range(7)), ("website", "s1.example", "A/1"))
    shuffled = [table.sample(fraction=1, shuffle=True, seed=9) for table in (transactions, accounts, declared)]
    assert _features(transactions, accounts, declared) == _features(shuffled[0], shuffled[1], shuffled[2])


def test_whole_table_stages_stream() -> None:
    """No stage over transactions falls back to memory: its aggregates all stream."""
    stages = aggregates(
        nw.from_native(_transactions({}).lazy()), nw.from_native(_accounts({"account_id": "A/1"}).lazy()), AS_OF
    )
    for stage in stages.values():
        native: pl.LazyFrame = stage.to_native()
        plan = native.show_graph(engine="streaming", plan_stage="physical", raw_output=True)
        assert plan is not None
        assert "in-memory-map" not in plan
