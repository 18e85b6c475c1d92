"""The accounts behind rows: each named once, however many files it turns up in.

Rules kept here:
* an account is known by a keyed hash of 128 bits of its key, and by nothing shorter: nobody can make two alike;
* its name is written when it is met for the first time; of each file only the hashes of its accounts are;
* nothing is remembered of a row but its account.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen.intake.keys import account_hash, wide_hash
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.transactions import account_ids

MARK: Final = "mark"
"""Column with the hash of an account, another one in every book."""
_MOST_REMEMBERED: Final = 8_000_000
"""Accounts that are remembered, 16 bytes each; others are named again when they turn up again."""


class AccountBook:
    """The accounts of all rows that were noted so far, and those of the rows since `take`."""

    def __init__(self) -> None:
        self._seeds = secrets.randbits(62), secrets.randbits(62)
        self._met = pl.Series(dtype=pl.UInt128)
        self._firsts: list[pl.DataFrame] = []
        self._has_written = False

    def mark(self, present: Collection[str]) -> pl.Expr:
        """Hash the account of a row: `MARK`.

        Args:
            present: Columns of tables.TransactionRows that there are.
        """
        return wide_hash(*(account_hash(present, seed) for seed in self._seeds)).alias(MARK)

    def note(self, rows: pl.DataFrame) -> None:
        """Note the accounts of some rows of a file, in the order of the file: `LINE, MARK`."""
        self._firsts.append(rows.select(LINE, MARK)[rows[MARK].arg_unique()])

    def take(self, rows: pl.LazyFrame, stem: Path) -> dict[str, list[str]]:
        """Write what was noted of a file, and begin anew.

        Args:
            rows: The rows of the file: `LINE` and all fields of the account's key.
            stem: Start of the paths of the tables.

        Returns:
            `held`, the accounts of the file (mark, first_line), and `accounts`, those that are new (mark, account_id,
            card_acceptor_id); absent where there are none, but for the first time.
        """
        firsts, self._firsts = pl.concat(self._firsts), []
        held = firsts[firsts[MARK].arg_unique()]
        new = held.filter(~pl.col(MARK).is_in(self._met.implode()))
        tables = {"held": held.select(MARK, first_line=LINE)}
        if new.height or not self._has_written:
            tables["accounts"] = _named(new, rows)
            self._has_written = True
        self._met = pl.concat([self._met, new[MARK]]) if self._met.len() < _MOST_REMEMBERED else held[MARK]
        paths = {name: stem.with_name(f"{stem.name}-{name}.parquet") for name in tables}
        for name, path in paths.items():
            tables[name].write_parquet(path, compression="uncompressed", statistics=False)
        return {name: [str(path)] for name, path in paths.items()}


def _named(firsts: pl.DataFrame, rows: pl.LazyFrame) -> pl.DataFrame:
    """Put the names of accounts beside their hashes, read from their first rows: mark, account_id, card_acceptor_id."""
    own = rows.filter(pl.col(LINE).is_in(firsts[LINE].implode())).collect(engine="streaming")
    found = firsts.join(own, on=LINE, how="left")
    return found.select(MARK, account_ids(found), "card_acceptor_id")
