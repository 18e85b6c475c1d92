"""The card-number guard: what it sees, and what it lets pass."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable

import polars as pl
import pytest
from intake_files import card_numbers

from merchantscreen.cards import looks_like_card_number
from merchantscreen.intake.cards import card_number_expression, card_number_integers


def _in_fours(number: str, separator: str) -> str:
    return separator.join(number[start : start + 4] for start in range(0, len(number), 4))


@pytest.mark.parametrize(
    "write",
    [
        lambda number: number,
        lambda number: _in_fours(number, " "),
        lambda number: _in_fours(number, "-"),
        lambda number: _in_fours(number, "."),
        lambda number: _in_fours(number, "\N{THIN SPACE}"),
        lambda number: _in_fours(number, "\N{EN DASH}"),
        "-".join,
        lambda number: f"card: {number}, thanks",
        lambda number: f"tok_{number}",
        lambda number: f"order 17 {number}",
        lambda number: number.translate({ord("0") + n: 0x0660 + n for n in range(10)}),
        lambda number: number.translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
        lambda number: number[:6] + "\N{ZERO WIDTH SPACE}" + number[6:],
    ],
)
def test_every_issuer_is_seen_in_every_way_of_writing(write: Callable[[str], str]) -> None:
    """A card number is seen with and without separators, within text and in digits of any script."""
    texts = [write(number) for number in card_numbers()]
    assert all(looks_like_card_number(text) for text in texts)
    seen = pl.DataFrame({"text": texts}).select(card_number_expression(pl.col("text"))).to_series()
    assert seen.all()


def test_a_wrong_check_digit_is_no_card_number() -> None:
    """A number whose check digit is off by one passes."""
    for number in card_numbers():
        assert not looks_like_card_number(number[:-1] + str((int(number[-1]) + 1) % 10))


def test_a_longer_number_is_not_cut_into_a_card_number() -> None:
    """Digits within a longer number are not taken for a card number."""
    assert not any(looks_like_card_number("0000" + number + "0000") for number in card_numbers())


def test_phone_numbers_with_a_plus_pass() -> None:
    """A phone number in international form passes although its digits could be a card number."""
    short = [number for number in card_numbers() if len(number) <= 15]
    assert short
    assert not any(looks_like_card_number("+" + number) for number in short)


def test_a_plus_does_not_hide_a_longer_number() -> None:
    """More than 15 digits are no phone number, with or without a plus."""
    assert all(looks_like_card_number("+" + number) for number in card_numbers() if len(number) >= 16)


def test_digests_and_uuids_pass() -> None:
    """Tokens that are digests or UUIDs are not taken for card numbers, whatever digits they hold."""
    digests = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(4000)]
    tokens = digests + [digest.upper() for digest in digests] + [str(uuid.UUID(digest[:32])) for digest in digests]
    assert not any(looks_like_card_number(token) for token in tokens)


def test_integers_are_checked_as_well() -> None:
    """A card number stored as an integer is seen, an ordinary amount is not."""
    numbers = [int(number) for number in card_numbers()]
    assert card_number_integers(pl.Series(numbers, dtype=pl.UInt64)).all()
    assert not card_number_integers(pl.Series([0, 1999, None, 10**18], dtype=pl.Int64)).any()


def test_nothing_is_found_where_nothing_is() -> None:
    """Null, empty and short texts are not card numbers."""
    frame = pl.DataFrame({"text": [None, "", "1999", "AMBER SHOP"]})
    assert frame.select(card_number_expression(pl.col("text"))).to_series().to_list() == [False] * 4
