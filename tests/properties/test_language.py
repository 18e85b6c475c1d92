"""Random good expressions mean the same as a plain three-valued evaluator says."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.policy.language import compile_condition
from merchantscreen.tables import COLUMN_DTYPES
from merchantscreen.vocabulary import ColumnType

CATALOGUE = {
    "n": ColumnType.INTEGER,
    "m": ColumnType.INTEGER,
    "x": ColumnType.NUMBER,
    "t": ColumnType.TEXT,
    "u": ColumnType.TEXT,
    "f": ColumnType.BOOLEAN,
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A piece of an expression: how it is written, and what it is worth on a row."""

    text: str
    value: Callable[[Row], Any]


def _lifted(function: Callable[..., Any], *parts: Part) -> Callable[[Row], Any]:
    """Let a function of known values give null where any of them is null."""

    def value(row: Row) -> Any:
        values = [part.value(row) for part in parts]
        return None if None in values else function(*values)

    return value


def _finite(function: Callable[..., float]) -> Callable[..., float | None]:
    def value(*values: float) -> float | None:
        result = function(*(float(number) for number in values))
        return result if math.isfinite(result) else None

    return value


COMPARISONS = {"=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
               ">=": operator.ge}  # fmt: skip
SUMS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def _column(name: str) -> Part:
    return Part(name, lambda row: row[name])


def _number(number: float) -> Part:
    return Part(str(number), lambda _row: number)


numbers = st.one_of(st.integers(0, 1000), st.sampled_from([0.5, 0.25, 0.9, 12.75])).map(_number)
columns = st.sampled_from(["n", "m", "x"]).map(_column)


@st.composite
def _terms(draw: st.DrawFn, depth: int = 2) -> Part:
    """Draw a number-valued part that reads at least one column."""
    if depth == 0 or draw(st.booleans()):
        return draw(columns)
    left = draw(_terms(depth=depth - 1))
    shape = draw(st.sampled_from(["sum", "divide", "abs", "minus", "coalesce"]))
    if shape == "sum":
        sign, right = draw(st.sampled_from(sorted(SUMS))), draw(st.one_of(numbers, _terms(depth=depth - 1)))
        return Part(f"({left.text} {sign} {right.text})", _lifted(_finite(SUMS[sign]), left, right))
    if shape == "divide":
        divisor = draw(st.sampled_from([2, 0.5, 7]))
        return Part(f"({left.text} / {divisor})", _lifted(_finite(lambda a: a / divisor), left))
    if shape == "abs":
        return Part(f"ABS({left.text})", _lifted(lambda a: abs(float(a)), left))
    if shape == "minus":
        return Part(f"(- {left.text})", _lifted(lambda a: -float(a), left))
    other = draw(numbers)
    return Part(f"COALESCE({left.text}, {other.text})", lambda row: _first(left.value(row), other.value(row)))


def _first(value: Any, fallback: Any) -> Any:
    return fallback if value is None else value


@st.composite
def _predicates(draw: st.DrawFn) -> Part:
    """Draw one comparison, BETWEEN, IN, IS NULL or boolean column."""
    shape = draw(st.sampled_from(["compare", "between", "in", "null", "flag", "text", "lower"]))
    term = draw(_terms())
    if shape == "compare":
        sign, right = draw(st.sampled_from(sorted(COMPARISONS))), draw(numbers)
        return Part(f"{term.text} {sign} {right.text}", _lifted(COMPARISONS[sign], term, right))
    if shape == "between":
        low, high = sorted(draw(st.lists(st.integers(0, 50), min_size=2, max_size=2)))
        return Part(f"{term.text} BETWEEN {low} AND {high}", _lifted(lambda a: low <= a <= high, term))
    if shape == "in":
        items = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
        column, listed = draw(columns), ", ".join(map(str, items))
        return Part(f"{column.text} IN ({listed})", _lifted(lambda a: a in items, column))
    if shape == "null":
        name = draw(st.sampled_from(sorted(CATALOGUE)))
        return Part(f"{name} IS NULL", lambda row: row[name] is None)
    if shape == "flag":
        return draw(st.sampled_from([_column("f"), Part("f = TRUE", _column("f").value)]))
    if shape == "text":
        items = draw(st.lists(st.sampled_from(["a", "B", ""]), min_size=1, max_size=2))
        listed = ", ".join(f"'{item}'" for item in items)
        return Part(f"t IN ({listed})", _lifted(lambda a: a in items, _column("t")))
    return Part("LOWER(t) <> u", _lifted(lambda a, b: a.lower() != b, _column("t"), _column("u")))


def _conjunction(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if None in (left, right) else True


def _negation(value: bool | None) -> bool | None:
    return None if value is None else not value


def _join(word: str, left: Part, right: Part) -> Part:
    def value(row: Row) -> bool | None:
        sides = left.value(row), right.value(row)
        if word == "AND":
            return _conjunction(*sides)
        return _negation(_conjunction(*(_negation(side) for side in sides)))

    return Part(f"({left.text}) {word} ({right.text})", value)


conditions = st.recursive(
    _predicates(),
    lambda inner: st.one_of(
        st.builds(_join, st.sampled_from(["AND", "OR"]), inner, inner),
        inner.map(lambda part: Part(f"NOT ({part.text})", lambda row: _negation(part.value(row)))),
    ),
    max_leaves=5,
)
rows = st.fixed_dictionaries(
    {
        "n": st.one_of(st.none(), st.integers(-5, 10**6)),
        "m": st.one_of(st.none(), st.integers(0, 5)),
        "x": st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 0.9, -1.5, 1e300])),
        "t": st.sampled_from([None, "", "a", "A", "B"]),
        "u": st.sampled_from([None, "", "a", "b"]),
        "f": st.sampled_from([None, True, False]),
    }
)


@given(condition=conditions, some_rows=st.lists(rows, min_size=1, max_size=8))
def test_an_expression_means_what_three_valued_logic_says(condition: Part, some_rows: list[Row]) -> None:
    """The compiled expression and a row-by-row evaluator agree on every row, nulls included."""
    schema = {name: COLUMN_DTYPES[kind] for name, kind in CATALOGUE.items()}
    frame = pl.DataFrame(some_rows, schema=schema, orient="row")
    compiled = compile_condition(condition.text, CATALOGUE)
    assert compiled.evaluate(frame).to_list() == [condition.value(row) for row in some_rows]


@given(condition=conditions)
def test_the_canonical_form_does_not_see_layout(condition: Part) -> None:
    """Extra blanks, line breaks and parentheses leave the canonical form as it is."""
    spread = "(" + condition.text.replace(" ", "  \n ") + ")"
    assert compile_condition(spread, CATALOGUE).canonical == compile_condition(condition.text, CATALOGUE).canonical
