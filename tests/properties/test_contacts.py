"""Taking contact data out of a text and out of a column is the same, takes all of it, and takes it once."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.contacts import without_contacts
from merchantscreen.identifiers import without_contacts_expression

PIECES = st.sampled_from(["https://", "@", "＠", "/", ".", "shop", "example", " ", "?", "#", ":", "80", "+999", "246",
                          "-", "(", ")", "ü", "\\", "x1", "12", ";", ","])  # fmt: skip
TEXTS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(st.characters(codec="utf-8"), max_size=30))


@given(st.lists(TEXTS, max_size=20))
def test_a_column_and_a_text_come_out_the_same(texts: list[str]) -> None:
    """The expression gives for every row what the function gives for its text."""
    column = pl.Series("text", texts, dtype=pl.String).to_frame().select(without_contacts_expression(pl.col("text")))
    assert column.to_series().to_list() == [without_contacts(text) for text in texts]


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
