"""Strict JSON and base64 for what strangers send: one way to read each thing, or a named refusal.

Rules kept here:
* size first, then depth, then parsing: nothing is parsed that could exhaust us;
* no key twice, no fraction, no NaN, no number beyond 2^53, no lone surrogate, only Unicode form C;
* base64 is canonical, so that no bit of it can be changed unseen;
* problems describe and never quote.

What the objects mean is left to `envelope`, `statements` and `trust`.
Source: threat model 5.1; RFC 8259; RFC 4648, 4; RFC 8785 for what we write.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from merchantscreen.errors import Problem
from merchantscreen.eventlog import records
from merchantscreen.referrals.events import shown_name, shown_place
from merchantscreen.referrals.exchange_problems import PROBLEMS, EnvelopeError

LARGEST_ENVELOPE: Final = 65_536
LARGEST_PAYLOAD: Final = 40_000
"""Leaves room to record the payload, in base64, in one event of the log."""
DEEPEST: Final = 16
LARGEST_NUMBER: Final = 2**53 - 1
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""A whole string, even an unfinished one, or a bracket. Possessive: linear on any input."""


class _RefusedError(ValueError):
    """JSON that parses, and still is not what we read."""

    def __init__(self, code: str, column: str | None = None) -> None:
        super().__init__(code)
        self.code, self.column = code, column


def read_object(data: bytes, where: str, largest: int = LARGEST_ENVELOPE) -> dict[str, Any]:
    """Return the one JSON object in some bytes.

    Args:
        data: What a stranger sent.
        where: What to call it in a message, such as `envelope`.
        largest: Most bytes that are looked at.

    Raises:
        EnvelopeError: They hold anything else.
    """
    try:
        value = _parsed(data, largest)
    except _RefusedError as error:
        raise refused(error.code, where, error.column) from None
    except (ValueError, RecursionError):
        raise refused("MS-EXC-002", where) from None
    if not isinstance(value, dict):
        raise refused("MS-EXC-002", where, found="JSON that is not an object")
    return value


def _parsed(data: bytes, largest: int) -> Any:
    if len(data) > largest:
        raise _RefusedError("MS-EXC-001")
    text = data.decode("utf-8")
    if _depth(text) > DEEPEST:
        raise _RefusedError("MS-EXC-005")
    value = json.loads(
        text, object_pairs_hook=_object, parse_int=_whole, parse_float=_no_number, parse_constant=_no_number
    )
    if not text.isascii() or "\\u" in text:
        _require_plain_text(value)
    return value


def _depth(text: str) -> int:
    """Measure nesting before parsing; a text with few brackets cannot be deep, and is not measured."""
    if (brackets := text.count("{") + text.count("[")) <= DEEPEST:
        return brackets
    depth = deepest = 0
    for sign in _TOKEN.findall(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(sign, 0)
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise _RefusedError("MS-EXC-003", shown_name(next(name for name in names if names.count(name) > 1)))
    return value


def _whole(digits: str) -> int:
    if len(digits) > len(str(-LARGEST_NUMBER)) or abs(int(digits)) > LARGEST_NUMBER:
        raise _RefusedError("MS-EXC-004")
    return int(digits)


def _no_number(_text: str) -> NoReturn:
    raise _RefusedError("MS-EXC-004")


def _require_plain_text(value: Any) -> None:
    match value:
        case str() if not value.isascii() and not _is_plain(value):
            raise _RefusedError("MS-EXC-006")
        case dict():
            for name, inner in value.items():
                _require_plain_text(name)
                _require_plain_text(inner)
        case list():
            for inner in value:
                _require_plain_text(inner)


def _is_plain(text: str) -> bool:
    has_half = any("\ud800" <= sign <= "\udfff" for sign in text)
    return not has_half and unicodedata.is_normalized("NFC", text)


# --------------------------------------------------------------------------- one way to write each thing


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return the bytes of an object as we write them before signing (RFC 8785)."""
    return records.canonical(dict(value))


def encode_base64(data: bytes) -> str:
    """Write bytes as base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: object) -> bytes | None:
    """Read base64 of the one form in which we would write it; None for anything else."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True) if isinstance(text, str) else None
    except (binascii.Error, UnicodeEncodeError):
        return None
    return data if data is not None and encode_base64(data) == text else None


def written(moment: datetime) -> str:
    """Write a moment, which is UTC without zone, as text with a Z."""
    return moment.isoformat() + "Z"


# --------------------------------------------------------------------------- refusals


def refused(
    code: str, where: str, column: str | None = None, *, found: str | None = None, expected: str | None = None
) -> EnvelopeError:
    """Return the error for one problem of something that was sent."""
    problem = PROBLEMS[code].at(where, column=column, found=found, expected=expected)
    return EnvelopeError(f"This {where} cannot be read.", (problem,))


def field_problems(error: ValidationError, code: str, where: str) -> tuple[Problem, ...]:
    """Turn what pydantic found into problems of one code that name fields and quote nothing."""
    return tuple(
        PROBLEMS["MS-EXC-041" if detail["type"] == "contradiction" else code].at(
            where, column=shown_place(detail["loc"]), found=_found(detail["type"], detail["msg"])
        )
        for detail in error.errors(include_url=False, include_input=False, include_context=False)
    )


_OWN_MESSAGES: Final = frozenset({"contradiction", "not_a_key", "moment", "not_a_domain", "full_url"})
_WORDS: Final[dict[str, str]] = {
    "missing": "a field that is missing",
    "extra_forbidden": "a field that does not belong here",
}


def _found(kind: str, message: str) -> str:
    """Take over messages that we wrote ourselves; pydantic's own could quote a value."""
    return message if kind in _OWN_MESSAGES else _WORDS.get(kind, "a value of another form")
