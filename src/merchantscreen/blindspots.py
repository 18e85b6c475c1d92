"""What the data cannot show, found after the screen: never a clean result, always a row.

Stripped fields and absent columns are reported by the intake, referrals that do not
count by the register; this module looks for accounts and rules that went untested.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from merchantscreen.tables import BlindSpots, schema_of
from merchantscreen.traffic import Traffic
from merchantscreen.vocabulary import BlindSpot, RuleOutcome

_LINK_COLUMNS: Final = {
    "requestor_host": "transactions.requestor_url",
    "acceptor_host": "transactions.acceptor_url",
    "descriptor": "transactions.descriptor",
}
"""Columns of the staged transactions in which flagged domains are looked for, and where they come from."""


def find(
    traffic: Traffic, accounts: pl.DataFrame, results: pl.DataFrame, *, knows_everybody: bool = False
) -> tuple[pl.DataFrame, ...]:
    """Find accounts, rules and transactions that could not be tested.

    Args:
        traffic: The transactions of the run.
        accounts: tables.Accounts.
        results: tables.RuleResults of the neighbourhood.
        knows_everybody: Whether it is known that every account with transactions is among these.

    Returns:
        Frames of tables.BlindSpots.
    """
    return (
        *_accounts(accounts, traffic.accounts(), knows_everybody=knows_everybody),
        _facilitators(accounts),
        _rules(results),
        _spot(
            BlindSpot.TRANSACTION_AFTER_AS_OF, "transactions", traffic.late_count(),
            "transactions later than the moment of the screen; left out",
        ),
    )  # fmt: skip


def without_link_data(present: frozenset[str], domain_count: int) -> pl.DataFrame:
    """List the columns without any value in which flagged domains would have been looked for.

    Args:
        present: Columns of tables.Transactions that hold at least one value.
        domain_count: Flagged domains that this concerns.
    """
    detail = "flagged domains could not be looked for here: the transactions hold no value in this column"
    rows = [
        (BlindSpot.REFERRAL_WITHOUT_LINK_DATA.value, name, domain_count, detail)
        for column, name in sorted(_LINK_COLUMNS.items())
        if column not in present and domain_count
    ]
    return pl.DataFrame(rows, schema=schema_of(BlindSpots), orient="row")


def _accounts(accounts: pl.DataFrame, active: pl.Series, *, knows_everybody: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    known = accounts.select("account_id")
    unknown = 0 if knows_everybody else active.to_frame().join(known, on="account_id", how="anti").height
    idle = accounts.height - (active.len() - unknown)  # each account once in both
    return (
        _spot(
            BlindSpot.ACCOUNT_WITHOUT_MERCHANT_ROW, "transactions", unknown,
            "accounts with transactions but no merchant row; screened on their transactions alone",
        ),
        _spot(
            BlindSpot.ACCOUNT_WITHOUT_TRANSACTIONS, "merchants", idle,
            "accounts without any transaction; screened on the merchant file alone",
        ),
    )  # fmt: skip


def _facilitators(accounts: pl.DataFrame) -> pl.DataFrame:
    """Count master accounts of facilitators: what their sub-merchants do cannot be told apart."""
    masters = accounts.filter(pl.col("payment_facilitator_id").is_not_null() & pl.col("sub_merchant_id").is_null())
    return (
        masters.group_by(subject="payment_facilitator_id")
        .agg(count=pl.len().cast(pl.Int64))
        .select(
            pl.lit(BlindSpot.FACILITATOR_WITHOUT_SUB_MERCHANTS.value).alias("kind"),
            "subject",
            "count",
            pl.lit(
                "accounts of this facilitator name no sub-merchant; the shops behind them cannot be told apart"
            ).alias("detail"),
        )
        .cast({"count": pl.Int64})
    )


def _rules(results: pl.DataFrame) -> pl.DataFrame:
    """Count, per rule, the accounts for which it could not be evaluated."""
    open_cases = results.filter(pl.col("outcome") == RuleOutcome.NOT_EVALUATED)
    return (
        open_cases.group_by(subject="rule_id")
        .agg(count=pl.len().cast(pl.Int64))
        .select(
            pl.lit(BlindSpot.RULE_NOT_EVALUATED.value).alias("kind"),
            "subject",
            "count",
            pl.lit("accounts of the neighbourhood lack the data this rule needs; that is not a clean result").alias(
                "detail"
            ),
        )
    )


def _spot(kind: BlindSpot, subject: str, count: int, detail: str) -> pl.DataFrame:
    rows = [{"kind": kind.value, "subject": subject, "count": count, "detail": detail}] if count else []
    return pl.DataFrame(rows, schema=schema_of(BlindSpots))
