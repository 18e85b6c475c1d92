"""A checked syntax tree -> a Polars expression, and -> its canonical text.

Only trees that language.py has passed arrive here. Logic is SQL's: three values,
null where nothing decides. Arithmetic is done in 64-bit floats, because integers
would wrap around in silence; a result that is not finite is not known.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from decimal import Decimal
from functools import reduce
from typing import Any, Final

import polars as pl
from sqlglot import exp

_LOGIC: Final[dict[type[exp.Expr], Callable[..., pl.Expr]]] = {
    exp.And: operator.and_,
    exp.Or: operator.or_,
    exp.Not: operator.invert,
}
_BINARY: Final[dict[type[exp.Expr], Callable[[Any, Any], Any]]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
}
_ARITHMETIC: Final[dict[type[exp.Expr], Callable[[Any, Any], Any]]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: lambda value, constant: value / pl.repeat(constant, pl.len()),
}
"""Division is by a constant; as a column, because Polars runs `x / 3` as `x * (1 / 3)`, which rounds twice."""


def known_column(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    """Read a column as the catalogue types it; what is absent or not finite is null."""
    if name not in frame.columns:
        return pl.repeat(None, pl.len(), dtype=dtype).alias(name)
    column = pl.col(name).cast(dtype)
    return pl.when(column.is_finite()).then(column).alias(name) if dtype == pl.Float64 else column


def compile_tree(node: exp.Expr, part: exp.Expr | None = None, new: exp.Expr | None = None) -> pl.Expr:
    """Translate a tree, part by part.

    Args:
        node: The tree.
        part: A part that decides something by itself, the very object, that is to be another.
        new: What stands in its place.
    """
    if new is not None and node is part:
        return compile_tree(new)
    kind = type(node)
    if kind in _LOGIC:
        return _LOGIC[kind](*(compile_tree(inner, part, new) for inner in node.iter_expressions()))
    if kind in _BINARY:
        condition: pl.Expr = _BINARY[kind](_operand(node.this), _operand(node.expression))
        return condition
    if kind in _ARITHMETIC:
        number: pl.Expr = _ARITHMETIC[kind](_as_float(node.this), _as_float(node.expression))
        return number
    if kind not in _SPECIAL:
        raise AssertionError(f"{kind.__name__} passed the allow-list but has no translation")
    return _SPECIAL[kind](node)


def _compile_in(node: exp.Expr) -> pl.Expr:
    """Write IN as equalities instead of is_in: literals keep their own types and nulls SQL's logic."""
    value = _operand(node.this)
    return reduce(operator.or_, (value == compile_tree(item) for item in node.expressions))


def _compile_between(node: exp.Expr) -> pl.Expr:
    value, low, high = (_operand(node.args[part]) for part in ("this", "low", "high"))
    return (value >= low) & (value <= high)


def _compile_coalesce(node: exp.Expr) -> pl.Expr:
    return pl.coalesce([_operand(part) for part in (node.this, *node.expressions)])


def _as_float(node: exp.Expr) -> pl.Expr:
    return compile_tree(node).cast(pl.Float64)


def _operand(node: exp.Expr) -> pl.Expr:
    """Translate a side of a comparison; arithmetic that left the range of numbers is not known.

    Asked once per side and not once per operation, because the question doubles the
    expression; infinity and NaN survive all further + - * and division by constants.
    """
    value = compile_tree(node)
    is_arithmetic = type(node) in _ARITHMETIC or isinstance(node, (exp.Neg, exp.Abs))
    return pl.when(value.is_finite()).then(value) if is_arithmetic else value


_SPECIAL: Final[dict[type[exp.Expr], Callable[[exp.Expr], pl.Expr]]] = {
    exp.Column: lambda node: pl.col(node.name),
    exp.Literal: lambda node: pl.lit(literal_value(node)),
    exp.Boolean: lambda node: pl.lit(literal_value(node)),
    exp.Neg: lambda node: -_as_float(node.this),
    exp.Abs: lambda node: _as_float(node.this).abs(),
    exp.Lower: lambda node: compile_tree(node.this).str.to_lowercase(),
    exp.Is: lambda node: compile_tree(node.this).is_null(),
    exp.In: _compile_in,
    exp.Between: _compile_between,
    exp.Coalesce: _compile_coalesce,
}


def literal_value(node: exp.Expr) -> bool | int | float | str:
    """Return a literal as a Python value: whole numbers as int, others as the nearest float."""
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if node.is_string:
        return str(node.this)
    number = Decimal(node.name)
    return int(number) if number == number.to_integral_value() else float(number)


def number_of(node: exp.Expr) -> Decimal | None:
    """Return the value of a number literal, with its sign, or None for anything else."""
    inner = node.this if isinstance(node, exp.Neg) else node
    if not isinstance(inner, exp.Literal) or inner.is_string:
        return None
    return -Decimal(inner.name) if isinstance(node, exp.Neg) else Decimal(inner.name)


def canonical(node: exp.Expr) -> str:
    """Write the meaning of a tree as text; layout, letter case and parentheses leave no trace."""
    return json.dumps(_shape(node), separators=(",", ":"), ensure_ascii=True)


def _shape(node: exp.Expr) -> list[Any]:
    match node:
        case exp.Column():
            return ["column", node.name]
        case exp.Boolean():
            return ["boolean", bool(node.this)]
        case exp.Literal() if node.is_string:
            return ["text", node.name]
        case exp.Literal():
            return ["number", format(Decimal(node.name).normalize(), "f")]
        case _:
            return [type(node).__name__.lower(), *(_shape(child) for child in node.iter_expressions())]
