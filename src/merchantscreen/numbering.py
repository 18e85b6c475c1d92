"""Who holds which identifier, in whole numbers instead of texts.

Neighbourhoods have hundreds of thousands of holdings; to join, sort and group them by their texts again and again
costs more than everything else that is done with them. So they are numbered once, and texts are put back at the end.

Rules kept here:
* numbers are in the order of the texts, so that rows sorted by number are sorted by text;
* an identifier without a degree counts for nothing and has no number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from merchantscreen.tables import Holdings, conform

IDENTIFIER = ["kind", "value"]


@dataclass(frozen=True, slots=True)
class Holders:
    """Accounts, identifiers, and who holds what.

    Attributes:
        accounts: `account_id` by number, each once; some may hold nothing.
        identifiers: tables.Degrees by number.
        holdings: `account, identifier` as numbers, sorted.
    """

    accounts: pl.Series
    identifiers: pl.DataFrame
    holdings: pl.DataFrame

    @classmethod
    def of(cls, holdings: pl.DataFrame, degrees: pl.DataFrame) -> Holders:
        """Number texts.

        Args:
            holdings: tables.Holdings, in any order.
            degrees: tables.Degrees, in any order.
        """
        identifiers = degrees.sort(IDENTIFIER)
        numbered = identifiers.select(IDENTIFIER).with_row_index("identifier")
        return cls.in_order(holdings.join(numbered, on=IDENTIFIER).sort("account_id", "identifier"), identifiers)

    @classmethod
    def in_order(cls, held: pl.DataFrame, identifiers: pl.DataFrame) -> Holders:
        """Number accounts by their sorted texts.

        Args:
            held: `account_id, identifier`, the latter as numbers; sorted.
            identifiers: tables.Degrees by number.
        """
        account = held["account_id"].rle_id()
        first = account.ne_missing(account.shift()).arg_true()
        return cls(
            accounts=held["account_id"].gather(first),
            identifiers=identifiers,
            holdings=held.select(account.alias("account"), pl.col("identifier").cast(pl.UInt32)),
        )

    @property
    def texts(self) -> pl.DataFrame:
        """Give tables.Holdings, sorted by account, kind and value."""
        account, identifier = self.holdings
        named = self.identifiers.select(IDENTIFIER)[identifier]
        return conform(named.with_columns(self.accounts.gather(account).alias("account_id")), Holdings)

    def including(self, accounts: pl.Series) -> Holders:
        """Number some more accounts, which may be known already.

        They are few beside the others, so they are looked up and put between them: nothing is compared but they.

        Args:
            accounts: `account_id`, sorted, each once.
        """
        place, count = self.accounts.search_sorted(accounts), self.accounts.len()
        is_new = self.accounts.extend_constant(None, 1).gather(place).ne_missing(accounts)
        new = accounts.filter(is_new)
        if new.is_empty():
            return self
        before = place.filter(is_new).cast(pl.Int64).to_numpy()
        order = np.insert(np.arange(count), before, count + np.arange(new.len()))
        moved = np.arange(count) + np.searchsorted(before, np.arange(count), side="right")
        numbers = pl.Series(moved, dtype=pl.UInt32)
        return replace(
            self,
            accounts=pl.concat([self.accounts, new], rechunk=True).gather(order),
            holdings=self.holdings.with_columns(numbers.gather(self.holdings["account"]).alias("account")),
        )
