"""Counts, windows, volumes, gaps and bursts: what follows from what happened on which day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from feature_worlds import A1, bought, features, merchants, of_one, payments
from frames import AS_OF

DECLINED = {"outcome": "declined"}


def test_purchases_refunds_chargebacks_and_declines_are_counted_apart() -> None:
    """Only approved purchases are purchases; later transactions and other accounts are not seen."""
    transactions = payments(
        {}, {}, {}, {}, DECLINED, {"transaction_type": "refund"}, {"transaction_type": "chargeback"},
        {"transaction_type": "credit"}, {"account_id": "B/9"},
    )  # fmt: skip
    rows = features(transactions)
    row = rows["A/1"]
    counts = ("purchase_count", "refund_count", "chargeback_count", "declined_count")
    assert [row[name] for name in counts] == [4, 1, 1, 1]
    assert (row["chargeback_share"], row["refund_share"], row["declined_share"]) == (0.25, 0.25, 0.2)
    assert set(rows) == {"A/1"}


def test_prepaid_cards_are_a_share_of_known_cards() -> None:
    """Rows that do not say what card it was are left out; where none says, nothing is known."""
    row = of_one(payments({"card_product": "prepaid"}, {"card_product": "credit"}, {}))
    assert row["prepaid_share"] == 0.5
    assert of_one(payments({}))["prepaid_share"] is None


# --------------------------------------------------------------------------- windows


@pytest.mark.parametrize(("days", "last"), [(7, 6), (30, 29), (90, 89)])
def test_a_window_holds_the_day_of_the_run_and_those_before_it(days: int, last: int) -> None:
    """The first day of a window counts, the day before it does not."""
    row = of_one(payments({"occurred_at": AS_OF}, *bought([last, last + 1])))
    assert (row[f"purchase_count_{days}d"], row[f"volume_minor_{days}d"]) == (2, 2000)


def test_all_counts_have_windows() -> None:
    """Refunds, chargebacks and declined purchases are counted per window, and divided within it."""
    transactions = payments(
        *bought([1, 20, 60, 100]), *bought([1, 20, 60, 100], transaction_type="refund"),
        *bought([60, 100], transaction_type="chargeback"), *bought([1, 20, 21], **DECLINED),
    )  # fmt: skip
    row = of_one(transactions)
    assert [row[f"refund_count_{days}d"] for days in (7, 30, 90)] == [1, 2, 3]
    assert [row[f"chargeback_count_{days}d"] for days in (7, 30, 90)] == [0, 0, 1]
    assert [row[f"declined_count_{days}d"] for days in (7, 30, 90)] == [1, 3, 3]
    assert (row["chargeback_share_90d"], row["refund_share_90d"]) == (1 / 3, 1.0)
    assert (row["declined_share_7d"], row["declined_share_30d"], row["declined_share"]) == (0.5, 0.6, 3 / 7)


def test_an_idle_window_is_zero_and_its_shares_are_not_known() -> None:
    """An account that did something, only not lately, did nothing lately; no share follows from that."""
    row = of_one(payments(*bought([200])))
    for name in ("purchase_count", "refund_count", "chargeback_count", "declined_count", "volume_minor"):
        assert [row[f"{name}_{days}d"] for days in (7, 30, 90)] == [0, 0, 0]
    shares = ("chargeback_share_90d", "refund_share_90d", "declined_share_7d", "declined_share_30d",
              "average_ticket_minor_30d")  # fmt: skip
    assert [row[name] for name in shares] == [None] * len(shares)


def test_the_moment_may_carry_a_zone() -> None:
    """The clock is the moment passed in, whatever its zone."""
    transactions = payments(*bought([0, 1, 5, 40]))
    assert features(transactions, as_of=AS_OF.replace(tzinfo=UTC)) == features(transactions)


# --------------------------------------------------------------------------- volumes


def test_amounts_of_different_currencies_are_never_added() -> None:
    """Volume and ticket are in the account's currency, or in the only one seen, or not known."""
    mixed = payments({"amount_minor": 1000}, {"amount_minor": 2001}, {"amount_minor": 5, "currency": "USD"})
    own = features(mixed, merchants({**A1, "currency": "EUR"}))["A/1"]
    assert (own["average_ticket_minor"], own["volume_minor_90d"]) == (1500, 3001)
    unknown = features(mixed)["A/1"]
    assert (unknown["average_ticket_minor"], unknown["volume_minor_90d"]) == (None, None)
    other = features(mixed, merchants({**A1, "currency": "GBP"}))["A/1"]
    assert (other["average_ticket_minor"], other["volume_minor_90d"]) == (None, None)
    assert of_one(payments({"amount_minor": 700}))["average_ticket_minor"] == 700


def test_volume_without_a_purchase_is_zero() -> None:
    """An account whose only attempt was declined has sold nothing, in whatever currency."""
    row = of_one(payments(DECLINED))
    assert (row["volume_minor_7d"], row["volume_minor_90d"], row["average_ticket_minor"]) == (0, 0, None)


def test_volume_is_compared_with_what_was_declared_per_month() -> None:
    """Sixty days of purchases are halved before they are compared; nothing declared means not known."""
    transactions = payments(
        {"amount_minor": 6000, "occurred_at": datetime(2026, 8, 1)},
        {"amount_minor": 6000, "occurred_at": datetime(2026, 9, 29)},
    )
    declared = {**A1, "currency": "EUR", "declared_monthly_volume_minor": 2000}
    assert features(transactions, merchants(declared))["A/1"]["volume_to_declared_ratio"] == 3.0
    unknown = {**declared, "declared_monthly_volume_minor": 0}
    assert features(transactions, merchants(unknown))["A/1"]["volume_to_declared_ratio"] is None


def test_the_ticket_is_compared_with_what_was_declared_in_that_currency() -> None:
    """A ticket of 15 against one of 5 is three times it; without the account's currency nothing is compared."""
    transactions = payments({"amount_minor": 1500})
    declared: dict[str, Any] = {**A1, "currency": "EUR", "declared_average_ticket_minor": 500}
    assert features(transactions, merchants(declared))["A/1"]["ticket_to_declared_ratio"] == 3.0
    for other in ({"currency": None}, {"currency": "USD"}, {"declared_average_ticket_minor": None}):
        assert features(transactions, merchants({**declared, **other}))["A/1"]["ticket_to_declared_ratio"] is None


def test_volume_is_compared_with_the_month_before() -> None:
    """Thirty days against the thirty before; older purchases do not count, and nothing before means not known."""
    row = of_one(payments(*bought([0, 29], amount_minor=300), *bought([30, 59], amount_minor=100), *bought([60])))
    assert row["volume_ramp_ratio"] == 3.0
    assert of_one(payments(*bought([0, 60])))["volume_ramp_ratio"] is None


def test_the_ticket_of_now_is_compared_with_that_of_the_beginning() -> None:
    """Two months that do not overlap are compared; one day closer together, they are not."""
    row = of_one(payments(*bought([59, 30], amount_minor=200), *bought([0, 29], amount_minor=500)))
    assert row["ticket_drift_ratio"] == 2.5
    assert row["average_ticket_minor_30d"] == 500
    assert of_one(payments(*bought([58, 0])))["ticket_drift_ratio"] is None
    assert of_one(payments(*bought([90])))["ticket_drift_ratio"] is None
    began_with_a_refusal = payments(*bought([90], **DECLINED), *bought([40, 0]))
    assert of_one(began_with_a_refusal)["ticket_drift_ratio"] is None


# --------------------------------------------------------------------------- gaps


def test_ages_are_whole_days_up_to_the_moment() -> None:
    """An account not yet open has no age; a span is counted in whole days."""
    transactions = payments({"occurred_at": datetime(2026, 9, 1, 23)}, {"occurred_at": datetime(2026, 9, 11, 22)})
    accounts = merchants({**A1, "opened_on": date(2026, 10, 2)}, {"account_id": "A/2", "opened_on": date(2027, 1, 1)})
    rows = features(transactions, accounts)
    assert (rows["A/1"]["account_age_days"], rows["A/1"]["days_first_to_last"]) == (30, 9)
    assert rows["A/2"]["account_age_days"] is None


def test_a_gap_is_counted_in_idle_days_and_purchases_after_it_are_counted() -> None:
    """Declined attempts end a gap too; three purchases after a hundred idle days."""
    row = of_one(payments(*bought([150, 145]), *bought([44], **DECLINED), *bought([44, 10, 0])))
    assert (row["longest_gap_days"], row["purchase_count_since_gap"]) == (100, 3)


def test_of_two_gaps_as_long_the_later_counts() -> None:
    """What came after the last awakening is counted."""
    row = of_one(payments(*bought([30, 20, 10])))
    assert (row["longest_gap_days"], row["purchase_count_since_gap"]) == (9, 1)


def test_without_an_idle_day_nothing_came_after_one() -> None:
    """Days in a row, or one single day, hold no gap."""
    for days in ([3, 2, 1], [5]):
        row = of_one(payments(*bought(days)))
        assert (row["longest_gap_days"], row["purchase_count_since_gap"]) == (0, None)


# --------------------------------------------------------------------------- bursts


def test_a_burst_of_micro_amounts_is_the_busiest_day_of_them() -> None:
    """Approved and declined count, two euros do not; purchases after it are held against those until it."""
    micro = {"amount_minor": 199}
    transactions = payments(
        *bought([70], **micro), *bought([69]), *bought([40] * 3, **micro, **DECLINED), *bought([40] * 2, **micro),
        *bought([40], amount_minor=200), *bought([39, 30, 20, 12, 11, 10]), *bought([9]),
    )  # fmt: skip
    row = of_one(transactions)
    assert row["micro_burst_count"] == 5
    assert row["micro_burst_ramp_ratio"] == 6 / 4


def test_without_micro_amounts_there_is_no_burst() -> None:
    """Ordinary amounts make a burst of 0 and no ratio; amounts in other currencies tell nothing."""
    row = of_one(payments(*bought([40, 10])))
    assert (row["micro_burst_count"], row["micro_burst_ramp_ratio"]) == (0, None)
    row = of_one(payments(*bought([40, 10], currency="JPY", amount_minor=1)))
    assert (row["micro_burst_count"], row["micro_burst_ramp_ratio"]) == (None, None)


def test_the_first_of_several_bursts_counts() -> None:
    """Equal days are told by date, so that the order of rows cannot decide."""
    row = of_one(payments(*bought([60, 20], amount_minor=1), *bought([50, 45])))
    assert (row["micro_burst_count"], row["micro_burst_ramp_ratio"]) == (1, 2.0)


def test_a_day_is_a_day_in_utc() -> None:
    """A microsecond before midnight is another day than midnight."""
    midnight = datetime(2026, 10, 20)
    times = [midnight - timedelta(microseconds=1), midnight]
    row = of_one(payments(*({"occurred_at": moment, "amount_minor": 1} for moment in times)))
    assert row["micro_burst_count"] == 1
