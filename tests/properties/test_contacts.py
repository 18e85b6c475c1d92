"""Taking contact data out of a text and out of a column is the same, takes all of it, and takes it once."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.contacts import without_contacts
from merchantscreen.identifiers import without_contacts_expression
from merchantscreen.intake.hosts import Losses
from merchantscreen.intake.merchants import trading_names

PIECES = st.sampled_from(["https://", "@", "＠", "/", ".", "shop", "example", " ", "?", "#", ":", "80", "+999", "246",
                          "-", "(", ")", "ü", "\\", "x1", "12", ";", ","])  # fmt: skip
TEXTS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(st.characters(codec="utf-8"), max_size=30))


@given(st.lists(TEXTS, max_size=20))
def test_a_column_and_a_text_come_out_the_same(texts: list[str]) -> None:
    """The expression gives for every row what the function gives for its text."""
    column = pl.Series("text", texts, dtype=pl.String).to_frame().select(without_contacts_expression(pl.col("text")))
    assert column.to_series().to_list() == [without_contacts(text) for text in texts]


@given(st.lists(st.none() | TEXTS, max_size=20))
def test_trading_names_of_which_nothing_is_taken_are_passed_over(texts: list[str | None]) -> None:
    """Names without any sign of contact data are not folded, and come out as if they had been; losses are counted."""
    folded = [None if text is None else without_contacts(text).strip(" ") or None for text in texts]
    cut = sum(before is not None and before.strip(" ") != after for before, after in zip(texts, folded, strict=True))
    losses = Losses()
    assert trading_names(pl.Series("dba_name", texts, dtype=pl.String), losses).to_list() == folded
    assert losses.stripped["dba_name"] == cut


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Amber Shop", "Amber Shop"),
        ("24/7 STORE 2026", "24/7 STORE 2026"),
        ("MILK 1.50/KG", "MILK 1.50/KG"),
        ("SHOP.EXAMPLE", "SHOP.EXAMPLE"),
        ("SHOP.EXAMPLE/BILL", "SHOP.EXAMPLE"),
        ("see https://user:word@shop.example:8080/a?b#c now", "see shop.example now"),
        ("mailto:jane@mail.example", "mail.example"),
        ("jane＠mail.example", "mail.example"),
        ("SHOP 999-246-8101", "SHOP "),
        ("+999 (246) 8101", ""),
    ],
)
def test_what_is_left_of_a_text(text: str, left: str) -> None:
    """Of addresses the host is left, of telephone numbers nothing, and of ordinary names everything."""
    assert without_contacts(text) == left
