"""Hashes of transactions' keys (account and transaction id): eight bytes a row to find repetitions by.

The hash is the engine's own, the same within one version of it; what is found by it is compared exactly.
"""

from __future__ import annotations

from typing import Final

import polars as pl

_HASH: Final = pl.struct("account_id", "transaction_id").hash(seed=0)


def hashes_of(rows: pl.DataFrame) -> pl.Series:
    """Hash the keys of rows (`account_id, transaction_id`) that have a transaction id."""
    return rows.select("account_id", "transaction_id").drop_nulls("transaction_id").select(hash=_HASH).to_series()


def has_hash(hashes: pl.Series) -> pl.Expr:
    """Tell the rows (`account_id, transaction_id`) whose key has one of some hashes."""
    return _HASH.is_in(hashes.implode()) & pl.col("transaction_id").is_not_null()
