"""The numbers that conditions compare something with: found, told apart, and moved.

Rules kept here:
* a threshold is a number on one side of a comparison whose other side reads a feature or fact,
  always read from the feature's side: `20 <= purchase_count` is `purchase_count >= 20`;
* BETWEEN is two thresholds, `>=` and `<=`;
* two conditions have moved thresholds only if nothing else about them differs.

A number in a list or in arithmetic is no threshold: whoever changes it changes what is asked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import polars as pl
from sqlglot import exp

from merchantscreen.policy.expressions import compile_tree, number_of
from merchantscreen.policy.language import known_columns
from merchantscreen.policy.model import Condition
from merchantscreen.policy.wording import written

_OPERATORS: Final[Mapping[type[exp.Expr], tuple[str, str]]] = {
    exp.GT: (">", "<"),
    exp.GTE: (">=", "<="),
    exp.LT: ("<", ">"),
    exp.LTE: ("<=", ">="),
    exp.EQ: ("=", "="),
    exp.NEQ: ("<>", "<>"),
}
"""Each comparison as it reads from the left, and from the right."""

_HOLDS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "<>": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that something measured is compared with.

    Attributes:
        side: The measured side, as SQL.
        names: Features or facts that the side reads.
        operator: `>`, `>=`, `<`, `<=`, `=` or `<>`, read from the measured side.
        number: The number, with its sign.
        tree: The measured side.
        literal: The number's node in the condition's tree, its sign included.
    """

    side: str
    names: frozenset[str]
    operator: str
    number: Decimal
    tree: exp.Expr
    literal: exp.Expr

    def measure(self, frame: pl.DataFrame, condition: Condition) -> pl.Series:
        """Compute the measured side for every row; null where it is not known."""
        value = compile_tree(self.tree).cast(pl.Float64)
        known = known_columns(frame, condition.types)
        return known.select(pl.when(value.is_finite()).then(value).alias("value")).get_column("value")

    def holds(self, value: pl.Expr) -> pl.Expr:
        """Compare values with the number as the condition does."""
        compared: pl.Expr = _HOLDS[self.operator](value, pl.lit(float(self.number)))
        return compared

    def __str__(self) -> str:
        return f"{self.side} {self.operator} {plain(self.number)}"


@dataclass(frozen=True, slots=True)
class Move:
    """A threshold before and after; only its number differs."""

    old: Threshold
    new: Threshold


def thresholds_of(condition: Condition) -> tuple[Threshold, ...]:
    """List the thresholds of a condition, in the order of its text."""
    return tuple(_thresholds(condition.tree))


def moves(old: Condition, new: Condition) -> tuple[Move, ...] | None:
    """Compare two conditions by their thresholds.

    Returns:
        The thresholds that moved, none where the conditions are alike, or None where
        more differs than thresholds.
    """
    before, after = thresholds_of(old), thresholds_of(new)
    if _shape(old.tree, before) != _shape(new.tree, after):
        return None
    pairs = (Move(one, other) for one, other in zip(before, after, strict=True))
    return tuple(move for move in pairs if move.old.number != move.new.number)


def plain(number: Decimal) -> str:
    """Write a number without exponent and without idle zeros."""
    return format(number.normalize() + 0, "f")


def relative_change(old: Decimal, new: Decimal) -> str:
    """Write a change as a percentage of the old number: `+5.6 %`; empty where the old one is 0."""
    return f"{100 * (new - old) / abs(old):+.1f} %" if old else ""


def _thresholds(tree: exp.Expr) -> Iterator[Threshold]:
    for node in tree.find_all(*_OPERATORS, exp.Between, bfs=False):
        if isinstance(node, exp.Between):
            ends = (">=", node.args["low"]), ("<=", node.args["high"])
            sides = [(node.this, name, end) for name, end in ends]
        else:
            left, right = _OPERATORS[type(node)]
            sides = [(node.this, left, node.expression), (node.expression, right, node.this)]
        for side, name, literal in sides:
            number = number_of(literal)
            names = frozenset(column.name for column in side.find_all(exp.Column))
            if number is not None and names:
                yield Threshold(written(side), names, name, number, side, literal)


def _shape(node: exp.Expr, passed_over: tuple[Threshold, ...]) -> object:
    """Return a tree as nested tuples, with a mark in the place of each threshold."""
    places = {id(threshold.literal) for threshold in passed_over}

    def shape(part: exp.Expr) -> object:
        if id(part) in places:
            return "threshold"
        if isinstance(part, exp.Literal):
            return ("text", part.name) if part.is_string else ("number", Decimal(part.name))
        children = tuple(shape(child) for child in part.iter_expressions())
        return (type(part), part.name if isinstance(part, (exp.Column, exp.Boolean)) else "", children)

    return shape(node)
