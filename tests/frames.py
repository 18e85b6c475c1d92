"""Small frames in the package's own tables, for tests that read as stories."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import dataframely as dy
import polars as pl

from merchantscreen.engines import Engine
from merchantscreen.tables import (
    AccountLinks,
    Accounts,
    DeclaredIdentifiers,
    FlaggedDomains,
    PaymentClues,
    Transactions,
    schema_of,
)
from merchantscreen.traffic import Traffic, WholeTable

AS_OF = datetime(2026, 11, 1)


def frame(table: type[dy.Schema], rows: list[dict[str, Any]], **defaults: Any) -> pl.DataFrame:
    """Build a frame of a table from rows, with defaults for what a story does not mention."""
    schema = schema_of(table)
    complete = [{**dict.fromkeys(schema), **defaults, **row} for row in rows]
    return pl.DataFrame(complete, schema=schema, orient="row")


def flagged(*rows: dict[str, Any]) -> pl.DataFrame:
    """Build flagged domains: confirmed, dedicated, valid all through 2026 unless said otherwise."""
    complete = [
        {"registrable": row["domain"], "referral_ids": [f"R-{i + 1:06d}"], "confidence_nano": 10**9, **row}
        for i, row in enumerate(rows)
    ]
    return frame(
        FlaggedDomains, complete,
        match_scope="registrable_domain", confirmed=True, dedicated="yes", window_from_at=datetime(2026, 1, 1),
        hotlines=["hotline-north"], assurance="unsigned", caveats=[], held=False,
        first_confirmed_at=datetime(2026, 7, 1),
    )  # fmt: skip


def accounts(*rows: dict[str, Any]) -> pl.DataFrame:
    """Build merchant accounts, opened in 2025 unless said otherwise."""
    complete = [
        {"acquirer_id": row["account_id"].split("/")[0], "card_acceptor_id": row["account_id"].split("/")[1], **row}
        for row in rows
    ]
    return frame(Accounts, complete, mcc="5732", country="BE", opened_on=date(2025, 1, 1), website_count=1)


def declared(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Build declared identifiers from (kind, value, account)."""
    return pl.DataFrame(list(rows), schema=schema_of(DeclaredIdentifiers), orient="row")


def transactions(*rows: dict[str, Any]) -> pl.DataFrame:
    """Build purchases of 19.90 EUR in October 2026 unless said otherwise."""
    complete = [{"transaction_id": f"t{i:04d}", **row} for i, row in enumerate(rows)]
    return frame(
        Transactions, complete,
        occurred_at=datetime(2026, 10, 1), amount_minor=1990, currency="EUR", transaction_type="purchase",
        outcome="approved",
    )  # fmt: skip


def clues(*rows: dict[str, Any]) -> pl.DataFrame:
    """Build payment clues."""
    return frame(PaymentClues, list(rows), referral_id="R-000001")


def account_links(*rows: dict[str, Any]) -> pl.DataFrame:
    """Build links inside the window by exact host unless said otherwise."""
    complete = [{"seen_as": row["domain"], **row} for row in rows]
    return frame(AccountLinks, complete, kind="declared_website", in_window=True, match="exact")


def traffic(engine: Engine, rows: pl.DataFrame, as_of: datetime = AS_OF) -> Traffic:
    """Put transactions on an engine, as one table in no order."""
    return Traffic(engine, (WholeTable(engine, engine.load(rows), as_of),))
