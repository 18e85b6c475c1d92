"""Numbers instead of texts: in the order of the texts, and back to the same texts."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.numbering import Holders
from merchantscreen.tables import Degrees, Holdings, schema_of

KINDS, VALUES = st.sampled_from(["phone", "ip", "agent"]), st.sampled_from(["a", "b", "Ä", "10", "9"])
ACCOUNTS = st.sampled_from(["A/1", "A/10", "A/2", "B/1", "Ä/1", "a/1"])
HELD = st.lists(st.tuples(KINDS, VALUES, ACCOUNTS), max_size=25, unique=True)


def numbered(held: list[tuple[str, str, str]]) -> Holders:
    """Number holdings; of every identifier but the agents' `a` there is a degree."""
    known = sorted({(kind, value) for kind, value, _ in held} - {("agent", "a")}, reverse=True)
    return Holders.of(
        pl.DataFrame(held, schema=schema_of(Holdings), orient="row"),
        pl.DataFrame([(*key, 2) for key in known], schema=schema_of(Degrees), orient="row"),
    )


def by_account(held: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Put what counts into the order in which texts are given back."""
    return sorted((row for row in held if row[:2] != ("agent", "a")), key=lambda row: (row[2], row[:2]))


@given(HELD)
def test_texts_come_back_in_order(held: list[tuple[str, str, str]]) -> None:
    """Nothing is lost but what has no degree, and sorted numbers are sorted texts."""
    holders = numbered(held)
    assert holders.texts.rows() == by_account(held)
    assert holders.accounts.to_list() == sorted({account for _, _, account in by_account(held)})
    assert holders.holdings.equals(holders.holdings.sort("account", "identifier"))


@given(HELD, st.sets(ACCOUNTS))
def test_more_accounts_are_put_between_those_that_are_known(held: list[tuple[str, str, str]], more: set[str]) -> None:
    """Whoever is known keeps what he holds; whoever is new holds nothing; none is there twice."""
    before = numbered(held)
    after = before.including(pl.Series("account_id", sorted(more), pl.String))
    assert after.accounts.to_list() == sorted(more | set(before.accounts))
    assert after.texts.equals(before.texts)
    assert after.holdings.schema == before.holdings.schema
