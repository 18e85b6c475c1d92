"""Arithmetic in nano-units that is correctly rounded, so that two machines cannot disagree.

Every stored quantity is *the exact real value of its formula over stored integers,
rounded half to even to a whole nano-unit (1e-9)*. That is a mathematical definition:
it does not depend on an engine, a thread count or a maths library, and a person with
a decimal calculator gets the same digits.

How it is reached: a binary float gives an estimate with a known error bound. Where the
estimate lies so close to a half that the bound cannot decide (about one value in ten
thousand), the row is computed again with 60 decimal digits. Sums are sums of integers.

Rules kept here: no float leaves this module; no sum of floats decides a digit.
Source of the formulas: EVID-2, docs/method.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

import polars as pl

NANO: Final = 1_000_000_000
_DIGITS: Final = 60
_UNIT_ROUNDOFF: Final = 2.0**-52
_OPERATIONS: Final = 64
"""Generous count of elementary float operations behind one estimate."""

Exact = Callable[..., Decimal]


def correctly_rounded(
    frame: pl.DataFrame, estimate: pl.Expr, exact: Exact, inputs: Sequence[str], terms: pl.Expr | None = None
) -> pl.Series:
    """Round a formula over integer columns half to even, to whole nano-units.

    Args:
        frame: Rows to compute.
        estimate: The formula in floats, in nano-units, not negative.
        exact: The same formula in Decimal; takes one row's `inputs` in order.
        inputs: Columns that `exact` takes.
        terms: Number of terms that the estimate sums up, where it sums.

    Returns:
        Int64, one value per row.
    """
    error = pl.col("_value") * _UNIT_ROUNDOFF * (_OPERATIONS + pl.col("_terms")) + 1e-9
    probe = frame.select(
        pl.col(list(inputs)), estimate.alias("_value"), (pl.lit(1) if terms is None else terms).alias("_terms")
    ).select(
        pl.col(list(inputs)),
        (pl.col("_value") + 0.5).floor().cast(pl.Int64).alias("_rounded"),
        ((pl.col("_value") - pl.col("_value").floor() - 0.5).abs() <= error).alias("_doubtful"),
    )
    rounded = probe["_rounded"]
    doubtful = probe["_doubtful"].arg_true()
    if doubtful.is_empty():
        return rounded
    rows = probe.select(pl.col(list(inputs)).gather(doubtful)).iter_rows()
    return rounded.scatter(doubtful, [whole(exact, row) for row in rows])


def whole(exact: Exact, row: Sequence[object]) -> int:
    """Evaluate a formula with 60 digits and round it half to even."""
    with localcontext() as context:
        context.prec = _DIGITS
        return int(exact(*row).to_integral_value(ROUND_HALF_EVEN))


def half_even_ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Divide integers exactly, rounding half to even; both must be positive or zero."""
    quotient, twice = numerator // denominator, 2 * (numerator % denominator)
    up = (twice > denominator) | ((twice == denominator) & (quotient % 2 == 1))
    return quotient + up.cast(pl.Int64)


def in_units(amount_nano: pl.Expr) -> pl.Expr:
    """Turn nano-units into a float, for eyes and for tier conditions: the float nearest to the quotient.

    By a column, because a division by a constant is run as a product with its rounded reciprocal.
    """
    return amount_nano / (amount_nano * 0 + NANO)


def proportion(amount_nano: pl.Expr, share_nano: int) -> pl.Expr:
    """Take a share, given in nano-units, of an amount in nano-units."""
    return half_even_ratio(amount_nano * share_nano, pl.lit(NANO))


# --------------------------------------------------------------------------- the formulas of EVID-2


def link_strength(frame: pl.DataFrame) -> pl.Series:
    """s = w g f rho / deg^(1/2), for direct links."""
    inputs = ("weight_nano", "reliability_nano", "match_factor_nano", "risk_nano", "linked_count")
    product = pl.col("weight_nano").cast(pl.Float64)
    for name in inputs[1:4]:
        product = product * pl.col(name) / NANO
    return correctly_rounded(frame, product / pl.col("linked_count").sqrt(), _exact_link_strength, inputs)


def _exact_link_strength(weight: int, reliability: int, factor: int, risk: int, linked: int) -> Decimal:
    return Decimal(weight * reliability * factor * risk) / Decimal(NANO) ** 3 / Decimal(linked).sqrt()


def shared_strength(frame: pl.DataFrame, residual_nano: int) -> pl.Series:
    """s = w g u, u = min(1, max((k - pi n) / (kappa + n^(3/4)), residual k / (kappa + n)))."""
    inputs = (
        "weight_nano", "reliability_nano", "shared_risk_nano", "others_count", "base_rate_nano", "kappa_nano",
    )  # fmt: skip

    def exact(weight: int, reliability: int, risk: int, others: int, base: int, kappa: int) -> Decimal:
        fourth = Decimal(others).sqrt().sqrt()
        excess = Decimal(risk - base * others) / (Decimal(kappa) + NANO * fourth**3)
        floor = Decimal(residual_nano * risk) / NANO / (kappa + NANO * others)
        return min(Decimal(1), max(excess, floor)) * weight * reliability / NANO

    return correctly_rounded(frame, shared_strength_estimate(residual_nano), exact, inputs)


def shared_strength_estimate(residual_nano: int) -> pl.Expr:
    """Build the float estimate of `shared_strength`; the neighbourhood uses it as a bound."""
    risk, others = pl.col("shared_risk_nano"), pl.col("others_count")
    root = others.sqrt()
    excess = (risk - pl.col("base_rate_nano") * others) / (pl.col("kappa_nano") + NANO * (root * root.sqrt()))
    floor = (risk * (residual_nano / NANO)) / (pl.col("kappa_nano") + NANO * others)
    share = pl.min_horizontal(pl.lit(1.0), pl.max_horizontal(excess, floor))
    return share * pl.col("weight_nano") * (pl.col("reliability_nano") / NANO)


def points(frame: pl.DataFrame) -> pl.Series:
    """e = -ln(1 - s)."""
    estimate = -(-(pl.col("strength_nano") / NANO)).log1p() * NANO
    return correctly_rounded(frame, estimate, _exact_points, ("strength_nano",))


def _exact_points(strength: int) -> Decimal:
    return -(1 - Decimal(strength) / NANO).ln() * NANO


def root_of_squares(frame: pl.DataFrame, group: Sequence[str]) -> pl.DataFrame:
    """(sum e^2)^(1/2) per group: identifiers and typology. Column `kind_points_nano`."""
    square = pl.col("points_nano").cast(pl.Int128) ** 2
    sums = frame.group_by(group).agg(square.sum().alias("_sum"))
    total = correctly_rounded(sums, pl.col("_sum").cast(pl.Float64).sqrt(), lambda x: Decimal(x).sqrt(), ("_sum",))
    return sums.select(*group, total.alias("kind_points_nano"))


def three_halves_norm(frame: pl.DataFrame, group: Sequence[str]) -> pl.DataFrame:
    """(sum e^(3/2))^(2/3) per group: links. Column `kind_points_nano`."""
    power = pl.col("points_nano") * pl.col("points_nano").sqrt()
    sums = frame.group_by(group).agg(
        power.sum().alias("_sum"), pl.len().alias("_terms"), pl.col("points_nano").alias("_each")
    )
    total = correctly_rounded(sums, pl.col("_sum") ** (2 / 3), _exact_norm, ("_each",), terms=pl.col("_terms"))
    return sums.select(*group, total.alias("kind_points_nano"))


def _exact_norm(each: Sequence[int]) -> Decimal:
    total = sum((Decimal(e) * Decimal(e).sqrt() for e in each), Decimal(0))
    return (total.ln() * 2 / 3).exp() if total else Decimal(0)


def score(frame: pl.DataFrame, column: str) -> pl.Series:
    """S = 1 - exp(-E), in nano-units."""
    estimate = -(-(pl.col(column) / NANO)).exp() * NANO + NANO
    return correctly_rounded(frame, estimate, _exact_score, (column,), terms=pl.lit(16.0 * NANO) / (estimate + 1))


def _exact_score(total: int) -> Decimal:
    return (1 - (-Decimal(total) / NANO).exp()) * NANO


def square(whole_number: pl.Expr) -> pl.Expr:
    """x^2, exact in 128 bits."""
    return whole_number.cast(pl.Int128) ** 2


def three_halves(whole_number: pl.Expr) -> pl.Expr:
    """x^(3/2) to the integer below, in 128 bits; for x up to 4 * 10^10."""
    cube = whole_number.cast(pl.Int128) ** 3
    near = cube.cast(pl.Float64).sqrt().cast(pl.Int128)
    # below 2^53 a float misses the root by less than one
    above, below = near**2 > cube, (near + 1) ** 2 <= cube
    return near - above.cast(pl.Int128) + below.cast(pl.Int128)


def split_exactly(frame: pl.DataFrame, group: str) -> pl.Series:
    """Split whole numbers in proportion to parts so that the shares add up: largest remainders first.

    Equal remainders go by position, so callers pass rows in a fixed order.

    Args:
        frame: `group`; `total`, the same in all rows of a group; `part`, integers of which each group has a positive
            one. 128 bits hold a total times the sum of its parts.
        group: Column that tells groups apart.

    Returns:
        Int64, one share per row; a lone row takes all.
    """
    total, part = pl.col("total").cast(pl.Int128), pl.col("part")
    several = frame.with_row_index("row").filter(pl.col(group).is_duplicated())
    product, weight = total * part, part.cast(pl.Int128).sum().over(group)
    divided = several.with_columns(share=product // weight, remainder=product % weight)
    ranked = divided.sort(group, "remainder", "row", descending=[False, True, False]).with_row_index("place")
    place, short = pl.col("place") - pl.col("place").min().over(group), total - pl.col("share").sum().over(group)
    shares = ranked.select("row", share=(pl.col("share") + (place < short)).cast(pl.Int64))
    return frame["total"].scatter(shares["row"], shares["share"])
