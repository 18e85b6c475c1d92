"""Hashes of transactions' keys (account and transaction id): eight bytes a row to find repetitions by.

The hash is the engine's own, the same within one version of it; what is found by it is compared exactly. It is
taken of the fields of the account's key as they come, so that no account key has to be put together for it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from operator import add
from typing import Final

import polars as pl

from merchantscreen.identifiers import KEY_COLUMNS

FORM: Final = 3
"""Another one whenever the hash is taken of something else: the index keeps hashes from run to run."""
HASH: Final = "key_hash"
"""Column of staged rows with their hash."""
_OF_TRANSACTION: Final = len(KEY_COLUMNS)
_HALF: Final = 2**64


def account_hash(present: Collection[str], seed: int = 0) -> pl.Expr:
    """Hash the fields of the account's key: each under a seed of its own, added up without regard to overflow.

    Args:
        present: Columns of tables.TransactionRows that there are; the others count as empty, as an empty text does.
        seed: Another seed gives other hashes.
    """
    hashed = [or_null(name, present).hash(seed=seed + place) for place, name in enumerate(KEY_COLUMNS)]
    return reduce(add, hashed)


def wide_hash(high: pl.Expr, low: pl.Expr) -> pl.Expr:
    """Write two hashes as one of 128 bits; with seeds that nobody knows, nobody can make two things alike."""
    return high.cast(pl.UInt128) * pl.lit(_HALF, pl.UInt128) + low.cast(pl.UInt128)


def key_hash(present: Collection[str]) -> pl.Expr:
    """Hash the keys of rows of tables.TransactionRows; null where there is no transaction id.

    Args:
        present: Columns that there are.
    """
    own = or_null("transaction_id", present)
    key = account_hash(present) + own.hash(seed=_OF_TRANSACTION)
    return pl.when(own.is_not_null()).then(key).alias(HASH)


def or_null(name: str, present: Collection[str]) -> pl.Expr:
    """Read a text column that may be absent; an absent text and an empty one are the same."""
    if name not in present:
        return pl.lit(None, pl.String).alias(name)
    return pl.when(pl.col(name) != "").then(pl.col(name)).alias(name)
