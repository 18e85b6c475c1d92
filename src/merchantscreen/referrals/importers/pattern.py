"""The domain names a STIX pattern asks for, or why it is not one this tool can take.

Taken: domain names after `=` or `IN`, joined by OR, within one observation or across several;
whoever meets one of the names meets the pattern, so each name stands on its own. Refused:
everything that has to be met together (AND, FOLLOWEDBY, WITHIN, REPEATS), likeness (LIKE, MATCHES, inequality, NOT)
and other objects. Taking such a pattern apart would accuse more sites than its author did.

Source: STIX 2.1, part 9 (patterning).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

MAX_NAMES: Final = 100
MAX_NESTING: Final = 16
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\['\\])*+')|(?P<path>[A-Za-z][A-Za-z0-9-]*:[A-Za-z0-9_.*'\[\]-]+)"
    r"|(?P<word>[A-Za-z]+)|(?P<number>[0-9.]+)|(?P<sign>==|!=|<>|<=|>=|[=<>\[\](),]))"
)
_NAME: Final = "domain-name:value"
_TOGETHER: Final = frozenset({"AND", "FOLLOWEDBY", "WITHIN", "REPEATS", "START", "STOP"})
_LIKENESS: Final = frozenset(
    {"NOT", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET", "EXISTS", "!=", "<>", "<", ">", "<=", ">="}
)


class PatternError(ValueError):
    """A pattern that is not taken; `code` is the reason, a key of `problems.PROBLEMS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def names_in(pattern: str) -> tuple[str, ...]:
    """Return the domain names of a pattern, each once, in order.

    Raises:
        PatternError: It is not a choice between domain names.
    """
    return tuple(dict.fromkeys(_Reader(_tokens(pattern)).observations()))


def _tokens(pattern: str) -> Iterator[_Token]:
    position, text = 0, pattern.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise PatternError("MS-IMP-032")
        yield _Token(match.lastgroup, match[match.lastgroup])
        position = match.end()


class _Reader:
    """Goes through the tokens once, from left to right, and no further than it has to."""

    def __init__(self, tokens: Iterator[_Token]) -> None:
        self._tokens = tokens
        self._next = next(tokens, None)
        self._nesting = 0
        self._name_count = 0

    def observations(self) -> list[str]:
        """Read the whole pattern."""
        names = self._choice(self._observation)
        if self._next is not None:
            raise self._unexpected()
        return names

    def _observation(self) -> list[str]:
        if self._take("("):
            return self._nested(self._observation)
        self._need("[")
        names = self._choice(self._comparison)
        self._need("]")
        return names

    def _comparison(self) -> list[str]:
        if self._take("("):
            return self._nested(self._comparison)
        token = self._next
        if token is None or token.kind != "path":
            raise self._unexpected()
        if token.text != _NAME:
            raise PatternError("MS-IMP-033")
        self._step()
        if self._take("=") or self._take("=="):
            return [self._text()]
        if not self._take("IN"):
            raise self._unexpected()
        self._need("(")
        names = [self._text()]
        while self._take(","):
            names.append(self._text())
        self._need(")")
        return names

    def _choice(self, one: Callable[[], list[str]]) -> list[str]:
        names = one()
        while self._take("OR"):
            names += one()
        return names

    def _nested(self, one: Callable[[], list[str]]) -> list[str]:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise PatternError("MS-IMP-032")
        names = self._choice(one)
        self._need(")")
        self._nesting -= 1
        return names

    def _text(self) -> str:
        token = self._next
        if token is None or token.kind != "text":
            raise self._unexpected()
        self._name_count += 1
        if self._name_count > MAX_NAMES:
            raise PatternError("MS-IMP-037")
        self._step()
        return re.sub(r"\\(.)", r"\1", token.text[1:-1])

    def _step(self) -> None:
        self._next = next(self._tokens, None)

    def _take(self, text: str) -> bool:
        if self._next is None or self._next.kind == "text" or self._next.text != text:
            return False
        self._step()
        return True

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected()

    def _unexpected(self) -> PatternError:
        """Name what stands where it cannot be taken."""
        token = self._next
        if token is not None and token.kind != "text":
            if token.text in _TOGETHER:
                return PatternError("MS-IMP-034")
            if token.text in _LIKENESS:
                return PatternError("MS-IMP-035")
        return PatternError("MS-IMP-032")
