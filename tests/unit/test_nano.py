"""Correct rounding: floats give the estimate, decimals decide the doubtful digit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import isqrt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen import nano

amounts = st.integers(0, 990_000_000)


@given(st.lists(amounts, min_size=1, max_size=50))
def test_points_equal_sixty_digit_arithmetic(strengths: list[int]) -> None:
    """e = -ln(1 - s) is the exact value, rounded half to even, for every strength."""
    got = nano.points(pl.DataFrame({"strength_nano": strengths}))
    exact = [nano.whole(lambda s: -(1 - Decimal(s) / nano.NANO).ln() * nano.NANO, (s,)) for s in strengths]
    assert got.to_list() == exact


@given(st.lists(st.integers(0, 20_000_000_000), min_size=1, max_size=50))
def test_scores_equal_sixty_digit_arithmetic(points: list[int]) -> None:
    """S = 1 - exp(-E) is exact as well, also where E is tiny."""
    got = nano.score(pl.DataFrame({"e": points}), "e")
    exact = [nano.whole(lambda e: (1 - (-Decimal(e) / nano.NANO).exp()) * nano.NANO, (e,)) for e in points]
    assert got.to_list() == exact


@given(st.integers(0, 10**18), st.integers(1, 10**9))
def test_integer_ratio_rounds_half_to_even(numerator: int, denominator: int) -> None:
    """The integer division is Python's own rounding of the exact fraction."""
    frame = pl.DataFrame({"a": [numerator], "b": [denominator]})
    got = frame.select(nano.half_even_ratio(pl.col("a"), pl.col("b"))).item()
    assert got == round(Fraction(numerator, denominator))


def test_exact_ties_go_to_the_even_neighbour() -> None:
    """A strength that is exactly a half rounds to even, which a float estimate alone cannot promise."""
    rows = [
        {"weight_nano": w, "reliability_nano": nano.NANO, "match_factor_nano": nano.NANO // 2,
         "risk_nano": nano.NANO, "linked_count": 1}
        for w in (1, 3, 5, 7)
    ]  # fmt: skip
    assert nano.link_strength(pl.DataFrame(rows)).to_list() == [0, 2, 2, 4]


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_norms_of_equal_points_are_roots_of_their_number(count: int) -> None:
    """Root of squares gives sqrt(n); the three-halves norm gives n^(2/3)."""
    frame = pl.DataFrame({"g": ["x"] * count, "points_nano": [1_000_000_000] * count})
    squares = nano.root_of_squares(frame, ["g"])["kind_points_nano"].item()
    halves = nano.three_halves_norm(frame, ["g"])["kind_points_nano"].item()
    assert squares == round(Decimal(count).sqrt() * nano.NANO)
    assert halves == round(Decimal(count) ** (Decimal(2) / 3) * nano.NANO)


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=200))
def test_floats_are_the_nearest_to_the_quotient(amounts_nano: list[int]) -> None:
    """What is shown is the float that a division by hand gives, not one unit in the last place beside it."""
    frame = pl.DataFrame({"a": amounts_nano})
    assert frame.select(nano.in_units(pl.col("a"))).to_series().to_list() == [a / nano.NANO for a in amounts_nano]


@given(st.lists(st.integers(0, 4 * 10**10) | st.integers(0, 2 * 10**5).map(lambda root: root**2), min_size=1))
def test_powers_for_splitting_are_whole_and_exact(amounts_nano: list[int]) -> None:
    """x^2 is exact, and x^(3/2) is the integer below: also where the root is whole, and never one off."""
    frame = pl.DataFrame({"x": amounts_nano})
    powers = frame.select(square=nano.square(pl.col("x")), root=nano.three_halves(pl.col("x")))
    assert powers.rows() == [(x**2, isqrt(x**3)) for x in amounts_nano]
