"""The card-number guard for whole columns: what looks like a card number never gets past intake.

`cards.looks_like_card_number` is the definition; the expression gives the same answers for a
column, exactly checking only what a cheap pattern lets through.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from merchantscreen.cards import ISSUER_RANGES, MAX_DIGITS, MIN_DIGITS, IssuerRange, looks_like_card_number

_PREFILTER: Final = r"[0-9][0-9 .\-]{11,}[0-9]"
"""Lets through everything the exact check could say yes to, as long as it is ASCII."""
_PLAIN: Final = r"^[0-9]{13,19}$"
_NOT_ASCII: Final = r"[^\x00-\x7F]"
_MANY_DIGITS: Final = r"(?:[\p{N}][^\p{N}]*?){13}"


def card_number_expression(column: pl.Expr) -> pl.Expr:
    """Do `looks_like_card_number` for a whole text column; null stays null-free: it is false."""
    return column.map_batches(_holds_card, return_dtype=pl.Boolean, is_elementwise=True)


def card_number_integers(column: pl.Series) -> pl.Series:
    """Say for integers whether their digits are a card number; null is false."""
    large = column.cast(pl.UInt64, strict=False).fill_null(0)
    return _digits_are_card(large) if bool((large >= 10 ** (MIN_DIGITS - 1)).any()) else _none(column.len())


def _none(length: int) -> pl.Series:
    return pl.repeat(value=False, n=length, dtype=pl.Boolean, eager=True)


def _holds_card(texts: pl.Series) -> pl.Series:
    suspects = _suspects(texts)
    if not suspects.any():
        return _none(texts.len())
    values = texts.filter(suspects)
    plain = values.str.contains(_PLAIN)
    number = values.set(~plain | values.str.starts_with("0"), None).cast(pl.UInt64, strict=False).fill_null(0)
    hits = _digits_are_card(number) | _exactly(values, ~plain)
    return _spread(hits, suspects)


def _suspects(texts: pl.Series) -> pl.Series:
    """Find the texts that need the exact check, cheaply."""
    ascii_suspects = texts.str.contains(_PREFILTER).fill_null(value=False)
    if not texts.str.len_bytes().sum() > texts.str.len_chars().sum():
        return ascii_suspects
    foreign = texts.str.contains(_NOT_ASCII) & texts.str.contains(_MANY_DIGITS)
    return ascii_suspects | foreign.fill_null(value=False)


def _exactly(values: pl.Series, wanted: pl.Series) -> pl.Series:
    """Apply the definition to the distinct wanted values."""
    hits = [value for value in values.filter(wanted).unique().to_list() if looks_like_card_number(value)]
    return values.is_in(pl.Series(hits, dtype=pl.String).implode())


def _spread(hits: pl.Series, places: pl.Series) -> pl.Series:
    """Put the answers for the suspects back to their places; everything else is false."""
    rows = places.arg_true().filter(hits)
    return _none(places.len()).scatter(rows, True)  # polars takes the value by place


def _digits_are_card(number: pl.Series) -> pl.Series:
    """Check integers (0 for none): issuer range at the right length, and Luhn."""
    frame = pl.DataFrame({"n": number})
    plausible = pl.any_horizontal(_range_expression(row) for row in ISSUER_RANGES)
    return frame.select((plausible & (_luhn_expression() % 10 == 0)).alias("card")).to_series()


def _range_expression(row: IssuerRange) -> pl.Expr:
    """Compare the number itself: leading digits at a length are one interval of integers."""
    width = len(str(row.low))
    return pl.any_horizontal(
        pl.col("n").is_between(row.low * 10 ** (n - width), (row.high + 1) * 10 ** (n - width) - 1)
        for n in sorted(row.lengths)
    )


def _luhn_expression() -> pl.Expr:
    total = pl.lit(0, dtype=pl.UInt64)
    for place in range(MAX_DIGITS):
        digit = pl.col("n") // 10**place % 10
        total = total + (digit * 2 - pl.when(digit > 4).then(9).otherwise(0) if place % 2 else digit)
    return total
