"""The language of `when:`: an SQL boolean over named columns, checked before it is ever run.

An expression is read in four steps, each of which refuses with place and advice:
tokens (an allow-list of words and signs), parts (an allow-list of syntax-tree
nodes by exact type), types (against a catalogue), and a trial on sample values.

Rules kept here:

* allow-lists only: what is not named here is refused, whatever sqlglot learns to parse;
* one row in, one boolean out: no aggregates, windows, subqueries, clock or constants;
* three values: a part that reads a null is null unless SQL logic decides it without;
* nothing is true because a number is not a number.

What an expression becomes is in expressions.py; which columns exist is the caller's to say.
Source: SQL:2016 part 2 for the logic; tests/unit/test_language.py for the hazards of running SQL unchecked.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import ClassVar, Final

import polars as pl
import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from merchantscreen.errors import PolicyError, ProblemKind
from merchantscreen.policy import expressions, problems
from merchantscreen.tables import COLUMN_DTYPES
from merchantscreen.vocabulary import ColumnType

MAX_LENGTH: Final = 2000
MAX_DEPTH: Final = 20
MAX_NODES: Final = 200
MAX_TEXT: Final = 100
MAX_NUMBER: Final = Decimal(10) ** 15
MIN_NUMBER: Final = Decimal(10) ** -9
MAX_DIGITS: Final = 15
MAX_FAULTS: Final = 20
MAX_SHOWN_NUMBER: Final = 8
"""Digits that a message repeats: of a card number, no more than anybody may know."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an expression; line and column within it, both from 1."""

    kind: ProblemKind
    found: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.kind.code} {self.found} at {self.line}:{self.column}, expected {self.kind.expected}"


class ConditionError(PolicyError):
    """An expression that is refused; `faults` holds all reasons."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class CompiledCondition:
    """A checked expression; satisfies `policy.model.Condition`.

    Attributes:
        text: As written.
        names: Columns it reads.
        tree: Syntax tree without parentheses, for lints.
        canonical: Its meaning as text: layout, letter case and parentheses do not matter.
        types: The columns it reads with what they hold, sorted by name.
        expression: One nullable boolean per row, over columns that `known_columns` has read.
    """

    text: str
    names: frozenset[str]
    tree: exp.Expr
    canonical: str
    types: tuple[tuple[str, ColumnType], ...]
    expression: pl.Expr

    def evaluate(self, frame: pl.DataFrame) -> pl.Series:
        """Return one nullable boolean per row; absent columns, NaN and infinity count as not known."""
        return known_columns(frame, self.types).select(self.expression.alias("outcome")).get_column("outcome")


def known_columns(frame: pl.DataFrame, types: Iterable[tuple[str, ColumnType]]) -> pl.DataFrame:
    """Read columns as the catalogue types them; absent columns, NaN and infinity become null."""
    return frame.select(expressions.known_column(frame, name, COLUMN_DTYPES[kind]) for name, kind in types)


def compile_condition(text: str, catalogue: Mapping[str, ColumnType]) -> CompiledCondition:
    """Check an expression against the catalogue and compile it.

    Raises:
        ConditionError: It is not in the language; carries every fault found, the first 20 at most.
    """
    faults = _check_tokens(text, catalogue)
    _raise_if(faults)
    tree = _parse(text)
    checker = _Checker(text, catalogue)
    checker.check(tree)
    _raise_if(checker.faults)
    types = tuple((name, catalogue[name]) for name in sorted(checker.names))
    condition = CompiledCondition(
        text, frozenset(checker.names), tree, expressions.canonical(tree), types, expressions.compile_tree(tree)
    )
    _try_on_samples(condition, types)
    return condition


def _raise_if(faults: list[Fault]) -> None:
    if faults:
        raise ConditionError(tuple(faults[:MAX_FAULTS]))


def _fault(text: str, kind: ProblemKind, found: str, offset: int) -> Fault:
    """Build a fault from an offset into the text."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Fault(kind, found, line, column)


# --------------------------------------------------------------------------- step 1: tokens

_FUNCTIONS: Final = frozenset({"COALESCE", "ABS", "LOWER"})
_TOKENS: Final = frozenset(
    {
        TokenType.AND, TokenType.OR, TokenType.NOT, TokenType.BETWEEN, TokenType.IN, TokenType.IS,
        TokenType.NULL, TokenType.TRUE, TokenType.FALSE, TokenType.EQ, TokenType.NEQ, TokenType.LT,
        TokenType.LTE, TokenType.GT, TokenType.GTE, TokenType.PLUS, TokenType.DASH, TokenType.STAR,
        TokenType.SLASH, TokenType.L_PAREN, TokenType.R_PAREN, TokenType.COMMA, TokenType.NUMBER,
        TokenType.STRING,
    }
)  # fmt: skip
_ADVICE: Final[dict[TokenType, str]] = {
    TokenType.SEMICOLON: "a semicolon; a condition is one expression",
    TokenType.SELECT: "a subquery; a condition sees one account's row and nothing else",
    TokenType.CASE: "CASE; write the cases with AND and OR",
    TokenType.LIKE: "LIKE; compare whole values with = or IN",
    TokenType.ILIKE: "ILIKE; compare whole values with = or IN",
    TokenType.OVER: "a window; a condition sees one row",
    TokenType.DISTINCT: "DISTINCT; a condition sees one row",
    TokenType.FILTER: "FILTER; a condition sees one row",
    TokenType.ALIAS: "AS; a condition has no names of its own",
    TokenType.DOT: "a dot; write the feature's name alone, and numbers as 0.5",
    TokenType.IDENTIFIER: "a quoted name; write the feature's name without quotes",
    TokenType.CURRENT_DATE: "the clock; use a feature such as account_age_days",
    TokenType.CURRENT_TIMESTAMP: "the clock; use a feature such as account_age_days",
    TokenType.CURRENT_TIME: "the clock; use a feature such as account_age_days",
    TokenType.PLACEHOLDER: "a placeholder; write the number itself",
    TokenType.COLON: "a placeholder; write the number itself",
    TokenType.PARAMETER: "a placeholder; write the number itself",
    TokenType.NULLSAFE_EQ: "<=>; use = and IS NULL",
    TokenType.PERCENT: "%; only + - * / are known",
    TokenType.CARET: "^; only + - * / are known",
    TokenType.DPIPE: "||; texts are compared, never joined",
    TokenType.DCOLON: "a cast; features have their types",
    TokenType.HEX_STRING: "a hexadecimal number; write it in decimals",
}

_OTHER_WORDS: Final = {"==": "==; equality is written =", "!": "!; negation is written NOT"}
"""Signs that sqlglot takes for a sign of ours."""
_BLANKS: Final = " \t\r\n"


def _check_tokens(text: str, catalogue: Mapping[str, ColumnType]) -> list[Fault]:
    if not text.strip():
        return [_fault(text, problems.NOT_AN_EXPRESSION, "nothing", 0)]
    if len(text) > MAX_LENGTH:
        return [_fault(text, problems.TOO_COMPLEX, f"{len(text)} characters", 0)]
    try:
        tokens = sqlglot.tokenize(text)
    except SqlglotError:
        return [_fault(text, problems.NOT_AN_EXPRESSION, "a text or name that is not closed", len(text) - 1)]
    faults = _check_gaps(text, tokens) + _check_nesting(text, tokens)
    for token, following in zip_longest(tokens, tokens[1:]):
        fault = _token_fault(text, token, following, catalogue)
        if fault is not None:
            faults.append(fault)
    return faults


def _check_gaps(text: str, tokens: list[Token]) -> list[Fault]:
    """Between tokens there may be blanks only: comments live nowhere else."""
    starts = [*(token.start for token in tokens), len(text)]
    ends = [0, *(token.end + 1 for token in tokens)]
    faults = []
    for end, start in zip(ends, starts, strict=True):
        rest = text[end:start].lstrip(_BLANKS)
        if rest:
            is_blank = rest[0].isspace() or not rest[0].isprintable()
            found = "a blank other than a space" if is_blank else "a comment; say it in `rationale`"
            faults.append(_fault(text, problems.NOT_ALLOWED, found, start - len(rest)))
    return faults


_PREFIXES: Final = frozenset({TokenType.NOT, TokenType.DASH, TokenType.PLUS})
_CHAINS: Final = (exp.And, exp.Or, exp.Add, exp.Sub, exp.Mul, exp.Div)


def _check_nesting(text: str, tokens: list[Token]) -> list[Fault]:
    """Refuse deep parentheses and rows of NOT or - before the parser descends into them."""
    depth = row = 0
    for token in tokens:
        row = row + 1 if token.token_type in _PREFIXES else 0
        if row > MAX_DEPTH:
            return [_fault(text, problems.TOO_COMPLEX, "a nesting of too many NOT or -", token.start)]
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth > MAX_DEPTH:
            return [_fault(text, problems.TOO_COMPLEX, "parentheses nested too deeply", token.start)]
    return []


def _token_fault(text: str, token: Token, following: Token | None, catalogue: Mapping[str, ColumnType]) -> Fault | None:
    calls = following is not None and following.token_type is TokenType.L_PAREN
    is_word = token.text.replace("_", "a").isalnum() and text[token.start] not in "'\""
    if is_word and token.text.upper() in _FUNCTIONS:
        return None if calls else _fault(text, problems.NOT_ALLOWED, f"{token.text} without parentheses", token.start)
    if token.text in _OTHER_WORDS:
        return _fault(text, problems.NOT_ALLOWED, _OTHER_WORDS[token.text], token.start)
    if token.token_type in _TOKENS:
        return _literal_fault(text, token)
    if is_word and calls and token.token_type not in _ADVICE:
        found = f"the function {_masked(token.text, 60)}; a condition has no aggregates, no clock and no files"
        return _fault(text, problems.NOT_ALLOWED, found, token.start)
    if is_word and (token.token_type is TokenType.VAR or token.text in catalogue):
        return None if token.text in catalogue else _unknown_name(text, token, catalogue)
    found = _ADVICE.get(token.token_type) or _shown(token.text, 20)
    return _fault(text, problems.NOT_ALLOWED, found, token.start)


def _unknown_name(text: str, token: Token, catalogue: Mapping[str, ColumnType]) -> Fault:
    near = difflib.get_close_matches(token.text.lower(), sorted(catalogue), n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return _fault(text, problems.NAME_UNKNOWN, f"{_shown(token.text, 60)}{hint}", token.start)


def _shown(text: str, length: int) -> str:
    return f"`{_masked(text, length)}`"


def _masked(text: str, length: int) -> str:
    """Repeat part of an expression, but no long number: it could be that of a card."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:length])
    return re.sub(r"[0-9]{9,}", "...", shown)


def _literal_fault(text: str, token: Token) -> Fault | None:
    if token.token_type is TokenType.NUMBER:
        return _number_fault(text, token)
    if token.token_type is TokenType.STRING and (len(token.text) > MAX_TEXT or not token.text.isprintable()):
        return _fault(text, problems.TYPE_CLASH, "a text that is too long or not printable", token.start)
    return None


def _number_fault(text: str, token: Token) -> Fault | None:
    try:
        number = Decimal(token.text)
    except InvalidOperation:
        return _fault(text, problems.NOT_AN_EXPRESSION, f"`{token.text[:MAX_SHOWN_NUMBER]}` as a number", token.start)
    exact = number == 0 or MIN_NUMBER <= number <= MAX_NUMBER
    if exact and len(number.normalize().as_tuple().digits) <= MAX_DIGITS:
        return None
    shown = token.text if len(token.text) <= MAX_SHOWN_NUMBER else f"{token.text[:MAX_SHOWN_NUMBER]}..."
    return _fault(text, problems.NUMBER_RANGE, f"`{shown}`", token.start)


# --------------------------------------------------------------------------- step 2: the tree


def _parse(text: str) -> exp.Expr:
    """Parse to a tree without parentheses; the tree's shape says it all."""
    try:
        tree = sqlglot.parse_one(text).unnest()
        for inner in list(tree.find_all(exp.Paren)):
            inner.replace(inner.this)
    except SqlglotError as error:
        raise ConditionError((_syntax_fault(error),)) from None
    except RecursionError:
        raise ConditionError((_fault(text, problems.TOO_COMPLEX, "nesting", 0),)) from None
    return tree


def _syntax_fault(error: SqlglotError) -> Fault:
    details = getattr(error, "errors", None) or [{}]
    line, column = details[0].get("line") or 1, details[0].get("col") or 1
    return Fault(problems.NOT_AN_EXPRESSION, "an expression that breaks off or does not fit together", line, column)


_ARGUMENTS: Final[dict[type[exp.Expr], frozenset[str]]] = {
    exp.And: frozenset({"this", "expression"}),
    exp.Or: frozenset({"this", "expression"}),
    exp.Not: frozenset({"this"}),
    exp.EQ: frozenset({"this", "expression"}),
    exp.NEQ: frozenset({"this", "expression"}),
    exp.LT: frozenset({"this", "expression"}),
    exp.LTE: frozenset({"this", "expression"}),
    exp.GT: frozenset({"this", "expression"}),
    exp.GTE: frozenset({"this", "expression"}),
    exp.Add: frozenset({"this", "expression"}),
    exp.Sub: frozenset({"this", "expression"}),
    exp.Mul: frozenset({"this", "expression"}),
    exp.Div: frozenset({"this", "expression"}),
    exp.Neg: frozenset({"this"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.In: frozenset({"this", "expressions"}),
    exp.Is: frozenset({"this", "expression"}),
    exp.Null: frozenset(),
    exp.Coalesce: frozenset({"this", "expressions"}),
    exp.Abs: frozenset({"this"}),
    exp.Lower: frozenset({"this"}),
    exp.Column: frozenset({"this"}),
    exp.Identifier: frozenset({"this"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Boolean: frozenset({"this"}),
}
"""The whole language: node types, and of each the only arguments that may be set."""

_COMPARISONS: Final = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_NUMERIC: Final = frozenset({ColumnType.INTEGER, ColumnType.NUMBER})


class _Checker:
    """Walks the tree once: allowed parts, types, and a feature in every part that decides."""

    def __init__(self, text: str, catalogue: Mapping[str, ColumnType]) -> None:
        self._text = text
        self._catalogue = catalogue
        self.faults: list[Fault] = []
        self.names: set[str] = set()

    def check(self, tree: exp.Expr) -> None:
        """Collect the faults of the whole expression."""
        if not self._check_size(tree) or not self._check_nodes(tree):
            return
        kind = self._type_of(tree)
        if kind not in (ColumnType.BOOLEAN, None):
            self._note(problems.TYPE_CLASH, "an expression that is not true or false", tree)
        elif not self.names and not self.faults:
            self._note(problems.CONSTANT, "an expression without any feature", tree)

    # ------------------------------------------------------------------ parts

    def _check_size(self, tree: exp.Expr) -> bool:
        count = sum(1 for node in tree.walk() if type(node) is not exp.Identifier)
        if count > MAX_NODES or _depth(tree) > MAX_DEPTH:
            self._note(problems.TOO_COMPLEX, f"{count} parts, {_depth(tree)} levels", tree)
            return False
        return True

    def _check_nodes(self, tree: exp.Expr) -> bool:
        for node in tree.walk():
            allowed = _ARGUMENTS.get(type(node))
            if allowed is None:
                self._note(problems.NOT_ALLOWED, f"{type(node).__name__.upper()}", node)
            elif not {name for name, value in node.args.items() if value} - _HARMLESS <= allowed:
                self._note(problems.NOT_ALLOWED, f"an option of {type(node).__name__.upper()}", node)
        return not self.faults

    # ------------------------------------------------------------------ types

    def _type_of(self, node: exp.Expr) -> ColumnType | None:
        """Return the type of a part, or None where a fault below it has been noted."""
        return self._typing[type(node)](self, node)

    def _column(self, node: exp.Expr) -> ColumnType | None:
        if node.name not in self._catalogue:  # sqlglot takes IN and IS for names where nothing else fits
            return self._note(problems.NOT_AN_EXPRESSION, f"{_shown(node.name, 20)} in the place of a feature", node)
        self.names.add(node.name)
        return self._catalogue[node.name]

    def _literal(self, node: exp.Expr) -> ColumnType | None:
        return ColumnType.TEXT if node.is_string else ColumnType.NUMBER

    def _boolean(self, _node: exp.Expr) -> ColumnType | None:
        return ColumnType.BOOLEAN

    def _null(self, node: exp.Expr) -> ColumnType | None:
        return self._note(problems.NULL_LITERAL, "NULL as a value", node)

    def _lower(self, node: exp.Expr) -> ColumnType | None:
        return self._operands(node, frozenset({ColumnType.TEXT}), "LOWER of", ColumnType.TEXT)

    def _connective(self, node: exp.Expr) -> ColumnType | None:
        for operand in _children(node):
            if isinstance(operand, exp.Boolean):
                self._note(problems.CONSTANT, "TRUE or FALSE standing alone", operand)
        return self._operands(
            node, frozenset({ColumnType.BOOLEAN}), type(node).__name__.upper() + " of", ColumnType.BOOLEAN
        )

    def _operands(
        self, node: exp.Expr, wanted: frozenset[ColumnType], label: str, result: ColumnType
    ) -> ColumnType | None:
        types = [(operand, self._type_of(operand)) for operand in _children(node)]
        for operand, kind in types:
            if kind is not None and kind not in wanted:
                self._note(problems.TYPE_CLASH, f"{label} {kind}", operand)
        return result if all(kind in wanted for _, kind in types) else None

    def _arithmetic(self, node: exp.Expr) -> ColumnType | None:
        if isinstance(node, exp.Div) and not _is_nonzero_literal(node.expression):
            return self._note(problems.NOT_ALLOWED, "a division by something other than a number that is not 0", node)
        return self._operands(node, _NUMERIC, "arithmetic with", ColumnType.NUMBER)

    def _comparison(self, node: exp.Expr) -> ColumnType | None:
        left, right = node.this, node.expression
        kinds = self._type_of(left), self._type_of(right)
        if None in kinds:
            return None
        if not any(True for _ in node.find_all(exp.Column)):
            return self._note(problems.CONSTANT, "a comparison of constants", node)
        if left == right:
            return self._note(problems.CONSTANT, "a comparison of something with itself", node)
        return self._comparable(node, *kinds)

    def _comparable(self, node: exp.Expr, left: ColumnType | None, right: ColumnType | None) -> ColumnType | None:
        if left in _NUMERIC and right in _NUMERIC:
            return ColumnType.BOOLEAN
        if left is not right:
            return self._note(problems.TYPE_CLASH, f"{left} compared with {right}", node)
        if not isinstance(node, (exp.EQ, exp.NEQ)):
            return self._note(problems.TYPE_CLASH, f"an order between values of type {left}", node)
        if any(_is_predicate(side) for side in (node.this, node.expression)):
            return self._note(problems.TYPE_CLASH, "a comparison of comparisons; use AND, OR, NOT", node)
        return ColumnType.BOOLEAN

    def _is_null(self, node: exp.Expr) -> ColumnType | None:
        if not isinstance(node.expression, exp.Null):
            return self._note(problems.NOT_ALLOWED, "IS with something other than NULL", node)
        if not isinstance(node.this, exp.Column):
            return self._note(problems.NOT_ALLOWED, "IS NULL of something other than a feature", node)
        return ColumnType.BOOLEAN if self._type_of(node.this) else None

    def _in_list(self, node: exp.Expr) -> ColumnType | None:
        kind = self._type_of(node.this)
        inner = node.this.this if isinstance(node.this, exp.Lower) else node.this
        if not isinstance(inner, exp.Column):
            return self._note(problems.NOT_ALLOWED, "IN of something other than a feature", node)
        if not node.expressions:
            return self._note(problems.NOT_AN_EXPRESSION, "an empty list", node)
        for item in node.expressions:
            self._check_item(item, kind)
        return ColumnType.BOOLEAN

    def _check_item(self, item: exp.Expr, kind: ColumnType | None) -> None:
        if isinstance(item, exp.Null):
            self._note(problems.NULL_LITERAL, "NULL in a list", item)
        elif not _is_literal(item):
            self._note(problems.NOT_ALLOWED, "something other than a literal in a list", item)
        elif kind is not None and (self._type_of(item) in _NUMERIC) != (kind in _NUMERIC):
            self._note(problems.TYPE_CLASH, f"a list value that does not fit {kind}", item)
        elif kind is ColumnType.BOOLEAN:
            self._note(problems.TYPE_CLASH, "IN for a boolean; use the feature itself", item)

    def _between(self, node: exp.Expr) -> ColumnType | None:
        if not any(True for _ in node.find_all(exp.Column)):
            return self._note(problems.CONSTANT, "BETWEEN of constants", node)
        low, high = node.args["low"], node.args["high"]
        if _is_literal(low) and _is_literal(high) and _numeric_order_wrong(low, high):
            return self._note(problems.CONSTANT, "BETWEEN with its lower bound above its upper bound", node)
        return self._operands(node, _NUMERIC, "BETWEEN with", ColumnType.BOOLEAN)

    def _coalesce(self, node: exp.Expr) -> ColumnType | None:
        parts = _children(node)
        kinds = [self._type_of(part) for part in parts]
        if None in kinds:
            return None
        if len(parts) < 2 or any(_is_literal(part) for part in parts[:-1]):
            return self._note(problems.CONSTANT, "COALESCE without a fallback, or with a constant before its end", node)
        if any(_is_predicate(part) for part in parts):
            return self._note(problems.NOT_ALLOWED, "COALESCE of a comparison; that hides what is not known", node)
        if set(kinds) <= _NUMERIC:
            return ColumnType.NUMBER
        return kinds[0] if len(set(kinds)) == 1 else self._note(problems.TYPE_CLASH, "COALESCE of mixed types", node)

    def _note(self, kind: ProblemKind, found: str, node: exp.Expr) -> ColumnType | None:
        """Note a fault; returns the type of what was refused, so that it can end a method."""
        offset = _offset(node)
        self.faults.append(_fault(self._text, kind, found, offset))
        return _UNTYPED

    _typing: ClassVar[dict[type[exp.Expr], Callable[[_Checker, exp.Expr], ColumnType | None]]] = {
        exp.Column: _column,
        exp.Literal: _literal,
        exp.Boolean: _boolean,
        exp.Null: _null,
        exp.And: _connective,
        exp.Or: _connective,
        exp.Not: _connective,
        exp.Is: _is_null,
        exp.In: _in_list,
        exp.Between: _between,
        exp.Coalesce: _coalesce,
        exp.Lower: _lower,
        **dict.fromkeys(_COMPARISONS, _comparison),
        **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Abs), _arithmetic),
    }
    """How each node that may stand in an expression gets its type."""


_UNTYPED: Final[ColumnType | None] = None

_HARMLESS: Final = frozenset({"typed", "safe"})
"""Arguments sqlglot sets by itself to remember which dialect's division it read."""


def _children(node: exp.Expr) -> list[exp.Expr]:
    return list(node.iter_expressions())


def _offset(node: exp.Expr) -> int:
    """Return where a part begins; sqlglot knows it of names and literals only, else of what is around."""
    starts = [inner.meta["start"] for inner in node.walk() if "start" in inner.meta]
    if starts or node.parent is None:
        return min(starts, default=0)
    return _offset(node.parent)


def _depth(node: exp.Expr) -> int:
    """Levels of nesting; a chain of the same connective or operation is one level."""
    deepest, pending = 1, [(node, 1)]
    while pending:
        part, level = pending.pop()
        deepest = max(deepest, level)
        for child in [] if isinstance(part, exp.Column) else _children(part):
            is_chain = type(child) is type(part) and isinstance(child, _CHAINS)
            pending.append((child, level + (not is_chain)))
    return deepest


def _is_literal(node: exp.Expr) -> bool:
    inner = node.this if isinstance(node, exp.Neg) else node
    return isinstance(inner, (exp.Literal, exp.Boolean))


def _is_predicate(node: exp.Expr) -> bool:
    return isinstance(node, (exp.And, exp.Or, exp.Not, exp.Is, exp.In, exp.Between, *_COMPARISONS))


def _is_nonzero_literal(node: exp.Expr) -> bool:
    inner = node.this if isinstance(node, exp.Neg) else node
    return isinstance(inner, exp.Literal) and not inner.is_string and Decimal(inner.name) != 0


def _numeric_order_wrong(low: exp.Expr, high: exp.Expr) -> bool:
    values = [expressions.number_of(node) for node in (low, high)]
    return None not in values and values[0] > values[1]  # type: ignore[operator]


# --------------------------------------------------------------------------- step 4: the trial

_SAMPLES: Final[dict[ColumnType, list[object]]] = {
    ColumnType.INTEGER: [None, 0, 1, -1, 20, 10**15],
    ColumnType.NUMBER: [None, 0.0, float("nan"), float("inf"), -1.5, 1e15, 0.5],
    ColumnType.TEXT: [None, "", "5967", "US", "closed"],
    ColumnType.BOOLEAN: [None, True, False],
}
_SAMPLE_ROWS: Final = 30


def _try_on_samples(condition: CompiledCondition, types: tuple[tuple[str, ColumnType], ...]) -> None:
    """Run it once: what the checks missed must show here, not in the middle of a screening."""
    columns = {}
    for shift, (name, kind) in enumerate(types):
        values = _SAMPLES[kind]
        columns[name] = pl.Series(
            name, [values[(row * (shift + 1)) % len(values)] for row in range(_SAMPLE_ROWS)], dtype=COLUMN_DTYPES[kind]
        )
    try:
        outcome = condition.evaluate(pl.DataFrame(columns))
    except pl.exceptions.PolarsError as error:
        raise ConditionError((Fault(problems.SAMPLE_FAILED, type(error).__name__, 1, 1),)) from None
    if outcome.dtype != pl.Boolean or outcome.len() != _SAMPLE_ROWS:
        raise ConditionError((Fault(problems.SAMPLE_FAILED, f"{outcome.len()} values of {outcome.dtype}", 1, 1),))
