"""A condition and one row of values -> a tree that says of every part whether it holds, and why.

Rules kept here:
* nothing is decided here: every part runs through the compiler that the screening uses, so a
  tree cannot disagree with a run on the same values;
* three values: a part that could not be decided names what was not known;
* a distance is between the two sides of a comparison as shown, in decimals, without float noise.

Source: rsigma's `engine explain`, and its promise not to disagree with the engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import polars as pl
from sqlglot import exp

from merchantscreen.policy import expressions
from merchantscreen.policy.language import known_columns
from merchantscreen.policy.model import Condition
from merchantscreen.policy.wording import parts_of, written
from merchantscreen.tables import COLUMN_DTYPES

Scalar = bool | int | float | str | None


class Part(StrEnum):
    """What a part of a condition is."""

    ALL = "all"
    ANY = "any"
    NOT = "not"
    COMPARISON = "comparison"
    RANGE = "range"
    LIST = "list"
    PRESENCE = "presence"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Reading:
    """A column that a part reads, with its value; None where it was not known."""

    name: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Node:
    """One part of a condition on one row.

    Attributes:
        kind: What it is.
        text: It as SQL.
        outcome: Whether it holds; None where that could not be decided.
        value: What stands on the measured side, computed; None for connectives and where not known.
        against: What it is compared with: one value, two bounds, or a list.
        distance: Value minus what it is compared with, of two bounds the nearer; None where nothing is measured.
        readings: The columns it reads, in the order of the text; none for connectives.
        children: Parts of a connective, in order.
    """

    kind: Part
    text: str
    outcome: bool | None
    value: Scalar = None
    against: tuple[Scalar, ...] = ()
    distance: float | None = None
    readings: tuple[Reading, ...] = ()
    children: tuple[Node, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of what was not known, where that left the part undecided."""
        return tuple(reading.name for reading in self.readings if reading.value is None and self.outcome is None)

    def walk(self) -> Iterator[Node]:
        """Yield this part and all below it, from the outside in."""
        yield self
        for child in self.children:
            yield from child.walk()


def explain(condition: Condition, row: Mapping[str, object]) -> Node:
    """Decide every part of a condition on one row.

    Args:
        condition: A compiled condition.
        row: Values by column; what is absent counts as not known.

    Raises:
        TypeError: A value is not of its column's type.
    """
    values = {name: row.get(name) for name, _ in condition.types}
    schema = {name: COLUMN_DTYPES[kind] for name, kind in condition.types}
    try:
        frame = pl.DataFrame([values], schema=schema, strict=True)
    except pl.exceptions.PolarsError as error:
        raise TypeError("a value that is not of its column's type") from error
    return _Reader(known_columns(frame, condition.types)).node(condition.tree)


def blocking(node: Node) -> tuple[Node, ...]:
    """Return the innermost parts because of which a part does not hold; none where it holds."""
    if node.outcome is True:
        return ()
    if node.kind in (Part.ALL, Part.ANY):
        return tuple(part for child in node.children for part in blocking(child))
    return (node,)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads parts of one condition off one row of known columns."""

    row: pl.DataFrame

    def node(self, tree: exp.Expr) -> Node:
        match tree:
            case exp.And() | exp.Or():
                kind = Part.ALL if isinstance(tree, exp.And) else Part.ANY
                return self._connective(kind, tree, parts_of(tree))
            case exp.Not() if not isinstance(tree.this, (exp.Column, exp.In, exp.Is)):
                return self._connective(Part.NOT, tree, [tree.this])
            case _:
                return self._leaf(tree, tree.this if isinstance(tree, exp.Not) else tree)

    def _connective(self, kind: Part, tree: exp.Expr, parts: list[exp.Expr]) -> Node:
        children = tuple(self.node(part) for part in parts)
        return Node(kind, written(tree), self._outcome(tree), children=children)

    def _leaf(self, tree: exp.Expr, asked: exp.Expr) -> Node:
        kind, subject, bounds = _sides(asked)
        value, against = self._value(subject), tuple(self._bound(bound) for bound in bounds)
        distance = _distance(value, against) if kind in (Part.COMPARISON, Part.RANGE) else None
        return Node(kind, written(tree), self._outcome(tree), value, against, distance, self._readings(tree))

    def _readings(self, tree: exp.Expr) -> tuple[Reading, ...]:
        names = dict.fromkeys(column.name for column in tree.find_all(exp.Column, bfs=False))
        return tuple(Reading(name, self._value(exp.column(name))) for name in names)

    def _outcome(self, tree: exp.Expr) -> bool | None:
        outcome = self._computed(tree)
        return outcome if isinstance(outcome, bool) else None

    def _value(self, tree: exp.Expr) -> Scalar:
        """Compute one side; what left the range of numbers is not known, as in a comparison."""
        value: Scalar = self._computed(tree)
        return None if isinstance(value, float) and not math.isfinite(value) else value

    def _bound(self, tree: exp.Expr) -> Scalar:
        """Read a number with its sign as it is written; everything else is computed."""
        number = expressions.number_of(tree)
        if number is None:
            return self._value(tree)
        return int(number) if number == number.to_integral_value() else float(number)

    def _computed(self, tree: exp.Expr) -> Scalar:
        value: Scalar = self.row.select(expressions.compile_tree(tree).alias("value")).item()
        return value


def _sides(asked: exp.Expr) -> tuple[Part, exp.Expr, list[exp.Expr]]:
    """Tell what a leaf asks, of what, and what it compares that with."""
    match asked:
        case exp.Column():
            return Part.FLAG, asked, []
        case exp.Is():
            return Part.PRESENCE, asked.this, []
        case exp.In():
            return Part.LIST, asked.this, list(asked.expressions)
        case exp.Between():
            return Part.RANGE, asked.this, [asked.args["low"], asked.args["high"]]
        case _:
            left, right = asked.this, asked.expression
            is_turned = not any(True for _ in left.find_all(exp.Column))
            return Part.COMPARISON, right if is_turned else left, [left if is_turned else right]


def _distance(value: Scalar, against: tuple[Scalar, ...]) -> float | None:
    """Subtract what a value is compared with, of two bounds the nearer; None unless all are numbers."""
    numbers = [_number(one) for one in (value, *against)]
    if None in numbers:
        return None
    own, *others = (number for number in numbers if number is not None)
    return float(min((own - other for other in others), key=abs))


def _number(value: Scalar) -> Decimal | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number else None
