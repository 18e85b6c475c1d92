"""Foreign JSON read strictly: bytes in, plain values out, or the file refused.

Rules kept here:
* UTF-8 without NUL, no key twice, no NaN, at most 16 levels, 1,000 fields in an object,
  16,384 characters in a text, 16 MiB in all;
* a field that carries content itself refuses the file, whatever it holds and wherever it
  stands; only its name is told;
* nothing but `InputError` is ever raised.

What the values mean is left to the formats.
Source: rows 11 and 15 of the threat model; XARF v4, "do not attach visual content".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import numpy as np

from merchantscreen.errors import InputError, Problem
from merchantscreen.referrals.events import shown_name
from merchantscreen.referrals.importers.model import MAX_BYTES, MAX_RECORDS
from merchantscreen.referrals.importers.problems import PROBLEMS

MAX_DEPTH: Final = 16
MAX_TEXT: Final = 16_384
MAX_FIELDS: Final = 1_000
"""Most fields of one object; no form has a tenth of that."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MOST_TOLD: Final = 100
_WHOLE_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A JSON text; one left open reaches to the end, so that no file is gone over twice."""
_STEPS: Final = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


def spelt(*names: str, begins: bool = False) -> re.Pattern[str]:
    """Return a pattern for field names in any spelling: case, blanks and separators do not count."""
    gap = "[^A-Za-z0-9]*"
    spellings = "|".join(gap.join(name) for name in names)
    return re.compile(f"{gap}(?:{spellings})" + ("" if begins else rf"{gap}\Z"), re.IGNORECASE)


_CARRIES_CONTENT: Final = spelt("payload", "payloadbin")
"""Fields that hold content itself. Source: XARF evidence; STIX artifact."""


class Broken:
    """JSON that is refused: the code of `problems`, and the field where one is meant."""

    def __init__(self, code: str, column: str | None = None) -> None:
        self.code = code
        self.column = column


class WithContent:
    """JSON in which a field carries content; the file it is in has to be refused."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Refused(ValueError):  # noqa: N818  # a signal between two functions, never an error anyone sees
    """JSON that parses, and still is not what is read."""

    def __init__(self, code: str, column: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.column = column


# --------------------------------------------------------------------------- refusals


def refuse(file: str, code: str, line: int | None = None, column: str | None = None) -> InputError:
    """Return the refusal of a whole file for one reason."""
    return refused_for((PROBLEMS[code].at(file, line, column),))


def refused_for(problems: tuple[Problem, ...]) -> InputError:
    """Return the refusal of a whole file for all its reasons."""
    return InputError("the file is refused as a whole; nothing of it was kept", problems)


def content_refused(found: WithContent, file: str, line: int | None = None) -> InputError:
    """Return the refusal of a file in which fields carry content: one problem per field, with its name alone."""
    kind = PROBLEMS["MS-IMP-010"]
    places = islice(_content_fields(found.value, ""), _MOST_TOLD)
    return refused_for(tuple(kind.at(file, line, place) for place in places))


def check_count(count: int, file: str) -> None:
    """Refuse a file with no record, or with too many.

    Raises:
        InputError: As said.
    """
    if not 0 < count <= MAX_RECORDS:
        raise refuse(file, "MS-IMP-008" if count else "MS-IMP-011")


# --------------------------------------------------------------------------- reading


def decode(data: bytes, file: str) -> str:
    """Read the text of a file.

    Raises:
        InputError: Too large, or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise refuse(file, "MS-IMP-001")
    try:
        text = data.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(file, "MS-IMP-003") from error
    if "\0" in text:
        raise refuse(file, "MS-IMP-003")
    return text


def parse(text: str) -> Any:
    """Parse one JSON text to its value, or to a `Broken` or a `WithContent`, neither of which may come in."""
    if _depth(text) > MAX_DEPTH:
        return Broken("MS-IMP-007")
    objects = _Objects()
    try:
        value = json.loads(text, object_pairs_hook=objects.take, parse_constant=_no_constant)
        _check_texts(value)
    except _Refused as error:
        return Broken(error.code, error.column)
    except (ValueError, RecursionError):
        return Broken("MS-IMP-004")
    return WithContent(value) if objects.carry_content else value


def load(data: bytes, file: str) -> Any:
    """Read a file that is one JSON value.

    Raises:
        InputError: It is refused as a whole.
    """
    value = parse(decode(data, file))
    if isinstance(value, Broken):
        raise refuse(file, value.code, column=value.column)
    if isinstance(value, WithContent):
        raise content_refused(value, file)
    return value


class _Objects:
    """Takes objects as the parser finds them, and remembers whether any carries content."""

    def __init__(self) -> None:
        self.carry_content = False

    def take(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Make an object of its fields, each of which has a name of its own."""
        if len(pairs) > MAX_FIELDS:
            raise _Refused("MS-IMP-013")
        value: dict[str, Any] = {}
        for name, inner in pairs:
            if name in value:
                raise _Refused("MS-IMP-005", shown_name(name))
            self.carry_content = self.carry_content or _CARRIES_CONTENT.match(name) is not None
            value[name] = inner
        return value


def _depth(text: str) -> int:
    """Measure nesting before parsing: the parser itself gives up, or worse, only far deeper."""
    signs = np.frombuffer(_WHOLE_TEXT.sub("", text).encode("utf-8"), dtype=np.uint8)
    return int(np.cumsum(_STEPS[signs], dtype=np.int32).max(initial=0))


def _no_constant(_text: str) -> None:
    raise _Refused("MS-IMP-006")


def _check_texts(value: Any) -> None:
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text if len(text) > MAX_TEXT:
                raise _Refused("MS-IMP-009")
            case dict() as inner:
                waiting += [*inner, *inner.values()]
            case list() as inner:
                waiting += inner


def _content_fields(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            here = f"{place}.{shown_name(name)}".removeprefix(".")
            if _CARRIES_CONTENT.match(name):
                yield here
            else:
                yield from _content_fields(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _content_fields(inner, f"{place}[{index}]")
