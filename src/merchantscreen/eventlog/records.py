"""One event and the bytes that stand for it in the tree.

An event's leaf is the canonical JSON (RFC 8785) of its number, time, kind,
actor and body. What is stored and hashed is the leaf itself; everything shown
of an event is read from it.

Personal values never enter a leaf. The body holds a commitment to each,
`{"commitment": sha256(salt, field, value)}`; salt and value lie beside the
log. While they are there, anybody can check the commitment; once they are
erased, the 32 random bytes of the salt keep the value from being guessed, and
the tree stands as before.

Rules kept here:
* whole numbers, text, lists and objects only: no float, no lone surrogate, no number JSON readers disagree about;
* one event has one form, and bytes in any other form are refused when read;
* text is kept as it came in, neither trimmed nor normalised.

Pure: salts and times come in. Left to others: keeping (store.py) and numbering (log.py).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NoReturn

import rfc8785

from merchantscreen.errors import InputError, ProblemKind
from merchantscreen.eventlog import problems

LARGEST_BODY: Final = 64 * 1024
LARGEST_LEAF: Final = LARGEST_BODY + 2048
DEEPEST: Final = 16
SALT_BYTES: Final = 32
ERASED: Final = "log.erased"
"""Kind of the event that records an erasure; its body names the event and the field."""

_OWN_KINDS: Final = "log."
_KIND: Final = re.compile(r"[a-z][a-z0-9_]*(?:[.-][a-z0-9_]+)*")
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]*")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_LONGEST_KIND: Final = 64
_LONGEST_ACTOR: Final = 200
_LARGEST_NUMBER: Final = 2**53 - 1
_FORM: Final = 1
_KEYS: Final = {"actor", "body", "index", "kind", "recorded_at", "version"}
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")
"""Characters beyond U+FFFF: only these sort otherwise in UTF-16, as RFC 8785 sorts."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants recorded; it becomes an event when the log gives it a number.

    Attributes:
        kind: What happened, such as `disposition.recorded`.
        actor: Identifier of who did it. It cannot be erased: a staff number, not a name.
        body: The facts, as plain JSON.
        personal: Values that may have to be erased one day, by field name; the body gets a commitment to each.
    """

    kind: str
    actor: str
    body: Mapping[str, Any]
    personal: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded event.

    Attributes:
        index: Its number in the log, from 0; the order of events is this, never their time.
        recorded_at: When it was recorded, as the recording machine's clock said; no zone, meaning UTC.
        kind: What happened.
        actor: Identifier of who did it.
        body: The facts, with commitments in place of personal values.
    """

    index: int
    recorded_at: datetime
    kind: str
    actor: str
    body: Mapping[str, Any]

    @property
    def leaf(self) -> bytes:
        """Return the canonical bytes that the tree covers."""
        return canonical(
            {
                "actor": self.actor,
                "body": self.body,
                "index": self.index,
                "kind": self.kind,
                "recorded_at": _written(self.recorded_at),
                "version": _FORM,
            }
        )

    @property
    def commitments(self) -> dict[str, str]:
        """Return the commitments in the body by field, hexadecimal."""
        found = {name: _commitment_in(value) for name, value in self.body.items()}
        return {name: digest for name, digest in found.items() if digest is not None}


@dataclass(frozen=True, slots=True)
class Personal:
    """A personal value beside the log, with the salt of its commitment.

    Attributes:
        index: Number of the event it belongs to.
        field: Name of the field in that event's body.
        salt: 32 random bytes.
        value: The value itself.
    """

    index: int
    field: str
    salt: bytes
    value: str

    @property
    def commitment(self) -> str:
        """Return the digest that binds to field and value, hexadecimal."""
        return hashlib.sha256(self.salt + canonical([self.field, self.value])).hexdigest()


def require_draft(draft: Draft, *, own: bool = False) -> None:
    """Refuse what no event can hold with an InputError; only the log itself (`own`) may use its own kinds."""
    ours = draft.kind.startswith(_OWN_KINDS)
    if not _KIND.fullmatch(draft.kind) or len(draft.kind) > _LONGEST_KIND or ours is not own:
        raise _refused(problems.KIND_WRONG, "kind")
    if not 0 < len(draft.actor) <= _LONGEST_ACTOR or _CONTROL.search(draft.actor):
        raise _refused(problems.ACTOR_WRONG, "actor")
    _require_personal(draft)
    if not isinstance(draft.body, Mapping):
        raise _refused(problems.BODY_WRONG, "body", "a body that is no object")
    written = _ordinary(draft.body)
    if written is None:
        _require_plain(draft.body, 1)
    if any(_commitment_in(value) for value in draft.body.values()):
        raise _refused(problems.BODY_WRONG, "body", "a value in the form of a commitment")
    if len(canonical(draft.body) if written is None else written) > LARGEST_BODY:
        raise _refused(problems.BODY_TOO_LARGE, "body")


def require_time(at: datetime) -> None:
    """Refuse a time with a zone with an InputError: times here have none and mean UTC."""
    if at.tzinfo is not None:
        raise _refused(problems.TIME_WRONG, "recorded_at")


def make_leaf(index: int, at: datetime, draft: Draft, salts: Mapping[str, bytes]) -> tuple[bytes, list[Personal]]:
    """Number a draft, put commitments in the place of its personal values, and return both the leaf and those."""
    personal = [Personal(index, name, salts[name], value) for name, value in sorted(draft.personal.items())]
    body = dict(draft.body) | {one.field: {"commitment": one.commitment} for one in personal}
    leaf = Event(index, at, draft.kind, draft.actor, body).leaf
    if len(leaf) > LARGEST_LEAF:
        raise _refused(problems.BODY_TOO_LARGE, "body")
    return leaf, personal


def parse_leaf(leaf: bytes) -> Event:
    """Read an event from its canonical bytes; ValueError for any other bytes."""
    try:
        return _event(_stated(leaf))
    except (ValueError, RecursionError) as error:
        raise ValueError("bytes that are no event in its canonical form") from error


def own_event(leaf: bytes) -> Event:
    """Read an event back from the leaf that `make_leaf` has just made: nothing in it is in doubt."""
    return _event(_DECODER.decode(leaf.decode("utf-8")))


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of plain JSON (RFC 8785); ValueError where there are none."""
    if _is_simple(value):
        return _simple_canonical(value)
    return rfc8785.dumps(_plain(value))


def _simple_canonical(value: Any) -> bytes:
    """Return what rfc8785 does, several times as fast, for a value that `_is_simple`."""
    text = _ENCODER.encode(value)
    return text.encode("utf-8") if text.isascii() or not _ASTRAL.search(text) else rfc8785.dumps(_plain(value))


def _is_simple(value: object) -> bool:
    """Tell whether a value is of JSON's own types throughout, without floats: both encoders write it alike."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if isinstance(value, int):
        return kind is int and abs(value) <= _LARGEST_NUMBER
    if isinstance(value, dict):
        return kind is dict and all(type(name) is str for name in value) and all(map(_is_simple, value.values()))
    return isinstance(value, list | tuple) and all(map(_is_simple, value))


def _ordinary(body: Mapping[str, Any]) -> bytes | None:
    """Return the canonical bytes of a body of which no value has to be looked at one by one; None means: look."""
    try:
        written = _simple_canonical(body) if _is_simple(body) else None
    except (RecursionError, ValueError):
        return None
    return written if written is not None and written.count(b"{") + written.count(b"[") <= DEEPEST else None


def _stated(leaf: bytes) -> dict[str, Any]:
    """Return what a leaf states, if it is one canonical JSON object with exactly our fields."""
    if len(leaf) > LARGEST_LEAF:
        raise ValueError("a leaf that is too large")
    stated = _DECODER.decode(leaf.decode("utf-8"))
    if not isinstance(stated, dict) or stated.keys() != _KEYS or stated["version"] != _FORM:
        raise ValueError("a leaf of another form")
    if _simple_canonical(stated) != leaf:
        raise ValueError("a leaf that is not canonical")
    return stated


def _event(stated: Mapping[str, Any]) -> Event:
    index, kind, actor, body = stated["index"], stated["kind"], stated["actor"], stated["body"]
    if type(index) is not int or index < 0 or not isinstance(body, dict):
        raise ValueError("a leaf with a wrong number or body")
    recorded_at = stated["recorded_at"]
    if not all(isinstance(text, str) for text in (kind, actor, recorded_at)):
        raise ValueError("a leaf with a wrong kind, actor or time")
    at = datetime.fromisoformat(recorded_at.removesuffix("Z"))
    if _written(at) != recorded_at:
        raise ValueError("a leaf with a time of another form")
    return Event(index, at, kind, actor, body)


def _written(at: datetime) -> str:
    return at.isoformat(timespec="microseconds") + "Z"


def _commitment_in(value: object) -> str | None:
    if not isinstance(value, Mapping) or value.keys() != {"commitment"}:
        return None
    digest = value["commitment"]
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


def _plain(value: Any) -> Any:
    """Turn mappings and tuples of every class into those that JSON knows."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _require_plain(value: object, depth: int) -> None:
    if depth > DEEPEST:
        raise _refused(problems.BODY_WRONG, "body", "more than 16 levels")
    match value:
        case None | bool():
            return
        case str():
            _require_text(value)
        case int():
            if abs(value) > _LARGEST_NUMBER:
                raise _refused(problems.BODY_WRONG, "body", "a number that not every reader of JSON can hold")
        case list() | tuple():
            for inner in value:
                _require_plain(inner, depth + 1)
        case Mapping():
            _require_names(value)
            for inner in value.values():
                _require_plain(inner, depth + 1)
        case _:
            raise _refused(problems.BODY_WRONG, "body", f"a value of the type {type(value).__name__}")


def _require_names(value: Mapping[Any, object]) -> None:
    for name in value:
        if not isinstance(name, str):
            raise _refused(problems.BODY_WRONG, "body", "a field name that is no text")
        _require_text(name)


def _require_text(text: str) -> None:
    if _SURROGATE.search(text):
        raise _refused(problems.BODY_WRONG, "body", "half of a surrogate pair")


def _require_personal(draft: Draft) -> None:
    size = 0
    for name, value in draft.personal.items():
        if type(value) is not str or not _FIELD.fullmatch(name) or len(name) > _LONGEST_KIND or name in draft.body:
            raise _refused(problems.PERSONAL_WRONG, "personal")
        _require_text(value)
        size += len(name) + len(value.encode("utf-8"))
    if size > LARGEST_BODY or len(draft.personal) > DEEPEST:
        raise _refused(problems.BODY_TOO_LARGE, "personal")


def _whole_number(digits: str) -> int:
    if len(digits) > len(str(-_LARGEST_NUMBER)) or abs(int(digits)) > _LARGEST_NUMBER:
        raise ValueError("a number that is too large")
    return int(digits)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"a number of {len(text)} characters that is not whole")


_DECODER: Final = json.JSONDecoder(parse_int=_whole_number, parse_float=_no_number, parse_constant=_no_number)
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _refused(kind: ProblemKind, column: str, found: str | None = None) -> InputError:
    return InputError("This cannot be recorded.", (kind.at("event", column=column, found=found),))
