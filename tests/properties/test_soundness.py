"""Property: looking at distinct values first comes to what judging every record by every rule comes to."""

from __future__ import annotations

import re
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_files import card_numbers, merchant, transaction
from polars.testing import assert_frame_equal

from merchantscreen.intake import soundness
from merchantscreen.intake.fields import judge, judge_exactly
from merchantscreen.intake.lines import LINE
from merchantscreen.tables import MerchantRows, TransactionRows

SHORTEST_TEXT = 40
"""The shortest limit that a free text of merchant rows has."""
ODD = st.sampled_from(
    [
        None, "x", "-", "a b", "tab\there", "bell\a", "a" * 64, "a" * 65, "a" * 129, "0" * 12, "12345678901234567890",
        "+31 20 123 4567", "name@shop.example", "http://shop.example/p", "shop.example/path", "é", "1999", "-3", "3.5",
        "EUR", "NL", "5815", "2026-10-01", "2026-10-01T12:00:00Z", "10000000000001", "true", "a;b;c", "\ud7ff",
        card_numbers()[0], f"x{card_numbers()[0]}", "-".join(card_numbers()[0]), f"a-{card_numbers()[0]}-b",
    ]
)  # fmt: skip
SURE = st.from_regex(r"(?:[0-9-]{0,12}[A-Za-z_])*[0-9-]{0,12}", fullmatch=True).filter(
    lambda text: not re.search(soundness.UNSURE, text)
)
SURE_TEXT = st.from_regex(r"(?:[0-9 .-]{0,12}[!-,/:-~])*[0-9 .-]{0,12}", fullmatch=True).filter(
    lambda text: len(text) <= SHORTEST_TEXT and not re.search(soundness.UNSURE_TEXT, text)
)
ANY = ODD | st.text(st.characters(codec="utf-8"), min_size=1, max_size=20) | SURE | SURE_TEXT
TABLES = pytest.mark.parametrize(
    ("table", "example"), [(TransactionRows, transaction()), (MerchantRows, merchant())], ids=["payments", "accounts"]
)


def _frame(table: type[dy.Schema], example: dict[str, str], changes: list[tuple[str, Any]]) -> pl.DataFrame:
    """Return one record per change, and a sound one before them, all as texts."""
    names = table.column_names()
    rows = [example, *({**example, name: value} for name, value in changes)]
    texts = {name: pl.Series([row.get(name) or None for row in rows], dtype=pl.String) for name in names}
    return pl.DataFrame({LINE: pl.Series(range(2, 2 + len(rows)), dtype=pl.Int64), **texts})


@TABLES
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_short_way_and_the_long_way_agree(
    table: type[dy.Schema], example: dict[str, str], data: st.DataObject
) -> None:
    """Whatever the fields hold, the same records are accepted, and the others refused for the same reasons."""
    change = st.tuples(st.sampled_from(table.column_names()), ANY)
    frame = _frame(table, example, data.draw(st.lists(change, min_size=1, max_size=8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundness, "_FEW", data.draw(st.sampled_from([0, soundness._FEW]), "values up to which few"))
        quick = judge(frame, table)
    exact = judge_exactly(frame, table)
    assert_frame_equal(quick.accepted, exact.accepted.select(quick.accepted.columns))
    assert_frame_equal(quick.rejected.sort("line"), exact.rejected.sort("line"))


@settings(max_examples=300, deadline=None)
@given(SURE.filter(lambda text: 0 < len(text) <= soundness.SURE_BYTES))
def test_what_is_surely_well_breaks_no_rule_of_any_identifier_or_token(text: str) -> None:
    """The pattern that lets values past is narrower than every rule it stands for."""
    varied = [name for name, column in TransactionRows.columns().items() if _has_pattern(column)]
    assert "card_token" in varied
    frame = _frame(TransactionRows, transaction(), [(name, text) for name in varied])
    assert judge_exactly(frame, TransactionRows).rejected.is_empty()


@settings(max_examples=300, deadline=None)
@given(SURE_TEXT)
def test_what_is_surely_well_breaks_no_rule_of_any_free_text(text: str) -> None:
    """The pattern that lets free texts and websites past is narrower than the rules about what is in them."""
    names = ["legal_name", "dba_name", "email", "phone", "address", "website_urls"]
    frame = _frame(MerchantRows, merchant(), [(name, text) for name in names])
    assert judge_exactly(frame, MerchantRows).rejected.is_empty()


def _has_pattern(column: dy.Column) -> bool:
    return soundness.column_pattern(column) in {soundness.ID_PATTERN, soundness.TOKEN_PATTERN}


_CARD = card_numbers()[0]


@pytest.mark.parametrize(
    ("table", "example", "name", "bad"),
    [
        (TransactionRows, transaction(), "device_token", [_CARD, "two words", "name@shop.example"]),
        (MerchantRows, merchant(), "legal_name", [f"Shop {_CARD}", "tab and bell\t\a", "x" * 201]),
        (MerchantRows, merchant(), "website_urls", [_CARD, f"a;{_CARD}", f"https://shop.example/{_CARD}"]),
        (MerchantRows, merchant(), "principal_tokens", [f"own-1;{_CARD}", "two words", "own-1;name@shop.example"]),
    ],
    ids=["token", "text", "list of anything", "list of tokens"],
)
def test_a_varied_column_hides_nothing(
    table: type[dy.Schema], example: dict[str, str], name: str, bad: list[str]
) -> None:
    """The few bad ones among thousands of different values are each found, and nothing else is."""
    places = dict(zip([700, 1_500, 2_999], bad, strict=True))
    frame = _frame(table, example, [(name, places.get(place, f"value-{place}")) for place in range(3_000)])
    judged = judge(frame, table)
    assert judged.rejected["line"].to_list() == [place + 3 for place in places]
    assert judged.accepted.height == 2_998
    assert judged.accepted[LINE].is_sorted()
