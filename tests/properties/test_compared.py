"""Property: accounts that others are only compared with need less counting, and the comparison is the same."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
import pytest
from feature_worlds import AS_OF, MEASURES, merchants, payments
from polars.testing import assert_frame_equal

from merchantscreen.features import compared_stages, payment_stages
from merchantscreen.features.activity import measure_activity, measure_totals
from merchantscreen.features.prices import measure_prices, measure_units

ACCOUNTS = ("A/1", "A/2", "A/3", "A/4")


def _drawn(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw payments in several currencies, refunds and refusals, and accounts of which some have no currency."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = [
        {
            "account_id": draw.choice(ACCOUNTS),
            "occurred_at": AS_OF - timedelta(hours=draw.randrange(4_000)),
            "amount_minor": draw.choice((99, 500, 1_990, 10_000)),
            "currency": draw.choice(("EUR", "EUR", "USD", "JPY")),
            "transaction_type": draw.choice(("purchase", "purchase", "refund", "chargeback")),
            "outcome": draw.choice(("approved", "approved", "declined")),
        }
        for _ in range(draw.randrange(1, 40))
    ]
    own = [{"account_id": name, "currency": draw.choice((None, "EUR", "USD"))} for name in ACCOUNTS[:3]]
    return payments(*rows), merchants(*own)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_compared_is_the_same(seed: int) -> None:
    """Every number that a comparison reads comes out as if the account had been measured whole."""
    transactions, accounts = _drawn(seed)
    rows = nw.from_native(transactions.lazy())
    whole, part = (
        {name: stage.collect("polars").to_native() for name, stage in stages.items()}
        for stages in (payment_stages(rows, MEASURES), compared_stages(rows))
    )
    measured = measure_activity(whole["days"], accounts, AS_OF.date(), MEASURES.unit_currencies)
    compared = measure_totals(part["totals"], accounts)
    assert_frame_equal(compared, measured.select(compared.columns), check_row_order=False)
    units = measure_units(part["prices"], MEASURES)
    priced = measure_prices(whole["prices"], MEASURES).select(units.columns).drop_nulls()
    assert_frame_equal(units, priced, check_row_order=False)
