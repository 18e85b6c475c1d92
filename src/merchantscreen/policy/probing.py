"""A condition tried on every kind of account that its own numbers tell apart.

Lints ask what a condition can do, not how it is written: whether category alone suffices,
whether a part ever matters. So it is run, on a grid: of each number, values below, at and above
whatever it is compared with; of each text, every text named and one that is not; and null.

Rules kept here:
* the compiler is the one that screenings use, so a probe cannot disagree with a run;
* only values that an account can have: no negative counts, no share above 1 where that cannot be;
* a grid is built whole or not at all: what is said of all accounts was tried on all of them.

Exact where each comparison is between one feature and a number. Where features are compared with
each other or calculated with, the grid is a sample, wide but finite.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

import polars as pl
from sqlglot import exp

from merchantscreen.features import CATALOGUE
from merchantscreen.policy.building import typed
from merchantscreen.policy.expressions import compile_tree, number_of
from merchantscreen.policy.language import CompiledCondition, known_columns
from merchantscreen.tables import COLUMN_DTYPES
from merchantscreen.vocabulary import ColumnType

MOST_ROWS: Final = 70_000
"""Largest grid; eight features with a threshold each, and null."""
OTHER_TEXT: Final = "-"
"""Stands for every text that a condition does not name; no code and no status is written so."""

_FROM_ZERO: Final = frozenset({"count", "days", "share 0-1", "ratio", "minor units"})
_ABOVE_ONE: Final = frozenset({"chargeback_share", "chargeback_share_90d", "refund_share", "refund_share_90d"})
"""Shares whose parts are not among the whole: there may be more refunds than purchases."""
_CALCULATIONS: Final = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Abs, exp.Coalesce)
_FAR: Final = (Decimal(0), Decimal(1), Decimal(10) ** 12)

Value = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and largest value a number can have; infinite where there is none."""

    least: float
    most: float

    def hold(self, value: float) -> bool:
        """Tell whether a value can be."""
        return self.least <= value <= self.most


def _bounds_of(name: str, unit: str) -> Bounds:
    least = 0.0 if unit in _FROM_ZERO else -math.inf
    is_part = unit == "share 0-1" and name not in _ABOVE_ONE
    return Bounds(least, 1.0 if is_part else math.inf)


BOUNDS: Final[Mapping[str, Bounds]] = {
    feature.name: _bounds_of(feature.name, feature.unit)
    for feature in CATALOGUE
    if feature.type in {ColumnType.INTEGER, ColumnType.NUMBER}
}
"""What the numbers of the catalogue can be at all."""
_UNBOUND: Final = Bounds(-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Probe:
    """A condition, the rows it was tried on (columns as the engine reads them), and what came out."""

    condition: CompiledCondition
    frame: pl.DataFrame
    held: pl.Series

    @property
    def known(self) -> pl.Series:
        """The rows on which nothing is null."""
        return self.frame.select(pl.all_horizontal(pl.all().is_not_null()).alias("known")).get_column("known")


def probe(condition: CompiledCondition, extra: Mapping[str, Sequence[Value]] | None = None) -> Probe | None:
    """Try a condition on its grid; None where the grid would be too large.

    Args:
        condition: A compiled condition.
        extra: More values of some columns.
    """
    values = {name: _values(condition, name, kind, (extra or {}).get(name, ())) for name, kind in condition.types}
    if math.prod(len(column) for column in values.values()) > MOST_ROWS:
        return None
    return probe_rows(condition, itertools.product(*values.values()))


def probe_rows(condition: CompiledCondition, rows: Iterable[Sequence[Value]]) -> Probe:
    """Try a condition on given rows, their values in the order of its columns."""
    frame = rows_of(condition, rows)
    return Probe(condition, frame, outcomes([condition.tree], frame)[0])


def rows_of(condition: CompiledCondition, rows: Iterable[Sequence[Value]]) -> pl.DataFrame:
    """Give rows to a condition as the engine reads them."""
    schema = {name: COLUMN_DTYPES[kind] for name, kind in condition.types}
    frame = pl.DataFrame(list(rows), schema=schema, orient="row")
    # A column of another type holds what the engine reads already: nothing infinite, and nothing that is no number.
    return known_columns(frame, condition.types) if ColumnType.NUMBER in dict(condition.types).values() else frame


def value(text: str, kind: ColumnType) -> Value:
    """Read a value as a rule's own test gives it.

    Raises:
        ValueError: It is none of its type.
    """
    read = typed(text, kind)
    assert read is None or isinstance(read, bool | int | float | str)
    return read


@dataclass(frozen=True, slots=True)
class Changed:
    """A tree in which one of its leaves, the very object, is another."""

    tree: exp.Expr
    leaf: exp.Expr
    new: exp.Expr


def outcomes(trees: Sequence[exp.Expr | Changed], frame: pl.DataFrame) -> list[pl.Series]:
    """Run trees on rows of known columns, all in one pass: one nullable boolean per row each."""
    row = pl.repeat(None, pl.len()).alias("row")
    decided = frame.select(row, *(_compiled(tree).alias(str(number)) for number, tree in enumerate(trees)))
    return [decided.get_column(str(number)) for number in range(len(trees))]


def _compiled(tree: exp.Expr | Changed) -> pl.Expr:
    return compile_tree(tree.tree, tree.leaf, tree.new) if isinstance(tree, Changed) else compile_tree(tree)


def leaves_of(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the parts that decide something by themselves, in the order of the condition."""
    match tree:
        case exp.And() | exp.Or():
            yield from leaves_of(tree.this)
            yield from leaves_of(tree.expression)
        case exp.Not():
            yield from leaves_of(tree.this)
        case _:
            yield tree


# --------------------------------------------------------------------------- which values


def _values(condition: CompiledCondition, name: str, kind: ColumnType, extra: Sequence[Value]) -> list[Value]:
    """List the values of a column that its condition tells apart, null among them."""
    leaves = [leaf for leaf in leaves_of(condition.tree) if name in _names(leaf)]
    return list(dict.fromkeys((None, *_told_apart(name, kind, leaves), *extra)))


def _told_apart(name: str, kind: ColumnType, leaves: Sequence[exp.Expr]) -> Sequence[Value]:
    match kind:
        case ColumnType.BOOLEAN:
            return (True, False)
        case ColumnType.TEXT:
            return (*_texts(leaves), OTHER_TEXT)
        case ColumnType.INTEGER:
            cuts = {cut for leaf in leaves for cut in _cuts(leaf)}
            whole = {cut.to_integral_value(rounding) for cut in cuts for rounding in (ROUND_FLOOR, ROUND_CEILING)}
            cells = _cells(whole, BOUNDS.get(name, _UNBOUND))
            return [int(value.to_integral_value(ROUND_FLOOR)) for value in cells]
        case ColumnType.NUMBER:
            cuts = {cut for leaf in leaves for cut in _cuts(leaf)}
            return [float(value) for value in _cells(cuts, BOUNDS.get(name, _UNBOUND))]


def _texts(leaves: Iterable[exp.Expr]) -> Iterator[str]:
    """Name one text of those that no comparison tells apart: fifty codes in one list are one value."""
    named: dict[str, list[int]] = {}
    for number, leaf in enumerate(leaves):
        for literal in leaf.find_all(exp.Literal):
            named.setdefault(str(literal.this), []).append(number)
    one_each = {tuple(where): text for text, where in named.items()}
    yield from sorted(one_each.values())


def _cuts(leaf: exp.Expr) -> set[Decimal]:
    """Return the numbers at which a leaf may turn, and numbers far apart where it calculates."""
    numbers = {number for node in leaf.find_all(exp.Literal, exp.Neg) if (number := number_of(node)) is not None}
    is_plain = len(_names(leaf)) == 1 and not any(True for _ in leaf.find_all(*_CALCULATIONS))
    return numbers if is_plain else {*numbers, *(-number for number in numbers), *_FAR}


def _cells(cuts: set[Decimal], bounds: Bounds) -> list[Decimal]:
    """Return every cut, and one value from each gap between, below and above them that can be."""
    inside = sorted(cut for cut in cuts if bounds.hold(float(cut))) or [Decimal(0)]
    below = inside[0] - 1 if math.isinf(bounds.least) else (Decimal(bounds.least) + inside[0]) / 2
    above = inside[-1] + 1 if math.isinf(bounds.most) else (Decimal(bounds.most) + inside[-1]) / 2
    between = [(low + high) / 2 for low, high in itertools.pairwise(inside)]
    return sorted({below, above, *inside, *between})


def _names(leaf: exp.Expr) -> set[str]:
    return {column.name for column in leaf.find_all(exp.Column)}
