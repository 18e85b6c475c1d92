"""Small worlds for tests of features: rows in, the features of each account out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
from frames import AS_OF, account_links, clues, declared, flagged, frame

from merchantscreen.features import (
    HOSTS,
    Crowds,
    Numbers,
    Surroundings,
    assemble,
    naive_utc,
    name_stages,
    payment_stages,
)
from merchantscreen.policy.loading import load_policy
from merchantscreen.tables import Accounts, Holdings, Transactions, empty

POLICY = load_policy()
MODEL = replace(
    POLICY.evidence,
    widely_shared_count=50, peer_sample_count=200, peer_minimum_count=20, peer_scale_floor_nano=10_000_000,
    sibling_opening_days=365,
)  # fmt: skip
MEASURES = replace(
    POLICY.measures,
    even_amount_from_units=10, even_amount_until_units=200, even_amount_step_units=10, low_value_below_units=500,
    micro_amount_below_units=2, night_from_hour=22, night_until_hour=6, referral_change_days=30,
    sibling_opening_window_days=30, compared_price_count=10, peer_ticket_scale_floor_nano=50_000_000,
    unit_currencies=frozenset({"EUR", "USD"}),
    payer_clocks={"NL": (60, 120), "US": (-600, -240), "IN": (330, 330)},
)  # fmt: skip
"""The numbers of the tests, whatever the policy says today."""

DAY = timedelta(days=1)
A1 = {"account_id": "A/1"}
NO_CROWDS = Crowds(
    members=pl.DataFrame(
        schema={"kind": pl.String, "value": pl.String, "member_count": pl.Int64, "linked_count": pl.Int64}
    ),
    names_facilitators=False,
)

Features = dict[str, dict[str, Any]]


def payments(*rows: dict[str, Any]) -> pl.DataFrame:
    """Build approved purchases of 10 EUR at A/1 on 1 October 2026 unless said otherwise."""
    return frame(
        Transactions, list(rows),
        account_id="A/1", occurred_at=datetime(2026, 10, 1), amount_minor=1000, currency="EUR",
        transaction_type="purchase", outcome="approved",
    )  # fmt: skip


def ago(days: int) -> datetime:
    """Return the first moment of the day so many days before the day of the run, which has only just begun."""
    return AS_OF - days * DAY


def bought(days: Iterable[int], **about: Any) -> list[dict[str, Any]]:
    """Build one purchase per number of days before the run."""
    return [{"occurred_at": ago(day), **about} for day in days]


def merchants(*rows: dict[str, Any]) -> pl.DataFrame:
    """Build accounts of whom nothing is known but their key."""
    complete = [{"acquirer_id": row["account_id"].split("/")[0], **row} for row in rows]
    return frame(Accounts, complete, card_acceptor_id="1", website_count=0)


def stages(transactions: pl.DataFrame, wanted: pl.DataFrame, linked: pl.DataFrame, as_of: datetime) -> dict[str, Any]:
    """Count the payments and list the names in transactions the way a screening does, without collecting."""
    known = transactions.filter(pl.col("occurred_at") <= naive_utc(as_of)).join(wanted, on="account_id", how="semi")
    rows = nw.from_native(known.lazy())
    observed, changed = rows.select(HOSTS), rows.join(nw.from_native(linked.lazy()), on="account_id", how="semi")
    described = rows.filter(~nw.col("descriptor").is_null())
    met = rows.filter(~nw.col("terminal").is_null() | ~nw.col("device_token").is_null())
    return payment_stages(rows, MEASURES) | name_stages(observed, changed, described, met)


def table(
    transactions: pl.DataFrame | None = None,
    accounts: pl.DataFrame | None = None,
    as_of: datetime = AS_OF,
    caution: frozenset[str] = frozenset(),
    wanted: Iterable[str] = (),
    **known: Any,
) -> pl.DataFrame:
    """Measure and assemble: one row per account. `known` fills in `Surroundings`."""
    own = merchants(A1) if accounts is None else accounts
    nothing: dict[str, Any] = {
        "accounts": own, "declared": declared(), "links": account_links(), "domains": flagged(), "clues": clues(),
        "contacts": empty(Holdings), "crowds": NO_CROWDS,
    }  # fmt: skip
    around = Surroundings(**(nothing | known))
    ids = pl.DataFrame({"account_id": [*own["account_id"], *wanted]})
    lazy = stages(payments() if transactions is None else transactions, ids, around.links, as_of)
    measured = {name: stage.collect("polars").to_native() for name, stage in lazy.items()}
    return assemble([measured], (), measured, around, Numbers(MODEL, MEASURES, caution), as_of)


def features(transactions: pl.DataFrame | None = None, accounts: pl.DataFrame | None = None, **more: Any) -> Features:
    """Return the features by account."""
    return {row["account_id"]: row for row in table(transactions, accounts, **more).to_dicts()}


def of_one(transactions: pl.DataFrame | None = None, **more: Any) -> dict[str, Any]:
    """Return the features of A/1."""
    return features(transactions, **more)["A/1"]
