"""A checked syntax tree -> text for readers: as SQL with its parentheses, and in plain words.

The tree has lost its parentheses and its layout, see language.py; both are put back here by what
binds stronger. Nothing is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sqlglot import exp

Connective = exp.And | exp.Or

_SIGNS: Final[Mapping[type[exp.Expr], str]] = {
    exp.And: "AND", exp.Or: "OR", exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/",
}  # fmt: skip
_STRENGTHS: Final[Mapping[type[exp.Expr], int]] = {
    exp.Or: 1, exp.And: 2, exp.Not: 3, **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), 4),
    exp.Is: 4, exp.In: 4, exp.Between: 4, exp.Add: 5, exp.Sub: 5, exp.Mul: 6, exp.Div: 6, exp.Neg: 7,
}  # fmt: skip
_ATOM: Final = 8
_WORDS: Final[Mapping[type[exp.Expr], str]] = {
    exp.EQ: "is", exp.NEQ: "is not", exp.LT: "is below", exp.LTE: "is at most", exp.GT: "is above",
    exp.GTE: "is at least",
}  # fmt: skip
_TURNED: Final[Mapping[type[exp.Expr], type[exp.Expr]]] = {
    exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE,
}  # fmt: skip


# --------------------------------------------------------------------------- as SQL


def written(node: exp.Expr) -> str:
    """Write a tree as SQL on one line, with the parentheses its meaning needs."""
    match node:
        case exp.Not(this=exp.Is() as inner):
            return f"{written(inner.this)} IS NOT NULL"
        case exp.Not(this=exp.In() | exp.Between() as inner):
            return _listed(inner, "NOT ")
        case exp.Not() | exp.Neg():
            return f"{'NOT ' if isinstance(node, exp.Not) else '-'}{_wrapped(node.this, node)}"
        case exp.Is():
            return f"{written(node.this)} IS NULL"
        case exp.In() | exp.Between():
            return _listed(node, "")
        case exp.Binary():
            right_binds = isinstance(node, (exp.Sub, exp.Div, exp.Mul))
            right = _wrapped(node.expression, node, equal=right_binds)
            return f"{_wrapped(node.this, node)} {_SIGNS[type(node)]} {right}"
        case exp.Func():
            parts = ", ".join(written(part) for part in node.iter_expressions())
            return f"{type(node).__name__.upper()}({parts})"
        case _:
            return _atom(node)


def laid_out(node: exp.Expr) -> str:
    """Write a tree as SQL with one part of its outermost AND or OR per line."""
    if not isinstance(node, Connective):
        return written(node)
    parts = [_wrapped(part, node) for part in parts_of(node)]
    return f"\n{_SIGNS[type(node)]} ".join(parts)


def parts_of(node: exp.Expr) -> list[exp.Expr]:
    """Return the parts of a chain of one connective: `a AND b AND c` has three."""
    if not isinstance(node, Connective):
        return [node]
    sides = (node.this, node.expression)
    return [part for side in sides for part in (parts_of(side) if type(side) is type(node) else [side])]


def _listed(node: exp.Expr, negation: str) -> str:
    subject = _wrapped(node.this, node)
    if isinstance(node, exp.Between):
        low, high = (_wrapped(node.args[part], node) for part in ("low", "high"))
        return f"{subject} {negation}BETWEEN {low} AND {high}"
    items = ", ".join(written(item) for item in node.expressions)
    return f"{subject} {negation}IN ({items})"


def _wrapped(inner: exp.Expr, outer: exp.Expr, *, equal: bool = False) -> str:
    """Put parentheses around what binds weaker than what stands around it."""
    own, around = _STRENGTHS.get(type(inner), _ATOM), _STRENGTHS[type(outer)]
    return f"({written(inner)})" if own < around or (equal and own == around) else written(inner)


def _atom(node: exp.Expr) -> str:
    match node:
        case exp.Boolean():
            return "TRUE" if node.this else "FALSE"
        case exp.Literal() if node.is_string:
            return "'" + node.name.replace("'", "''") + "'"
        case _:
            return node.name


# --------------------------------------------------------------------------- in words


def in_words(node: exp.Expr) -> Iterator[tuple[int, str]]:
    """Say a condition in plain words: lines with their depth, beginning at 0."""
    if isinstance(node, Connective):
        yield 0, "all of these:" if isinstance(node, exp.And) else "at least one of these:"
        for part in parts_of(node):
            yield from ((depth + 1, line) for depth, line in in_words(part))
    elif isinstance(node, exp.Not) and isinstance(node.this, (exp.And, exp.Or, exp.Not)):
        yield 0, "not so:"
        yield from ((depth + 1, line) for depth, line in in_words(node.this))
    elif isinstance(node, exp.Not):
        yield 0, _said(node.this, holds=False)
    else:
        yield 0, _said(node, holds=True)


def _said(node: exp.Expr, *, holds: bool) -> str:
    no = "" if holds else "not "
    match node:
        case exp.Column():
            return f"`{node.name}` is {'yes' if holds else 'no'}"
        case exp.Is():
            return f"{_named(node.this)} is {'not known' if holds else 'known'}"
        case exp.In():
            return f"{_named(node.this)} is {no}one of {', '.join(map(_named, node.expressions))}"
        case exp.Between():
            return f"{_named(node.this)} is {no}from {_named(node.args['low'])} to {_named(node.args['high'])}"
        case _:
            said = _compared(node)
            return said if holds else f"it is not so that {said}"


def _compared(node: exp.Expr) -> str:
    """Say a comparison with what is measured first, also where it was written the other way round."""
    left, right, kind = node.this, node.expression, type(node)
    if not any(True for _ in left.find_all(exp.Column)):
        left, right, kind = right, left, _TURNED.get(kind, kind)
    return f"{_named(left)} {_WORDS[kind]} {_named(right)}"


def _named(node: exp.Expr) -> str:
    text = _atom(node) if isinstance(node, exp.Literal) and node.is_string else written(node)
    return text if isinstance(node, (exp.Literal, exp.Neg)) else f"`{text}`"
