"""Reads referral events whose values are all in their plain form, several times as fast as the full check.

Rules kept here:
* an event whose every value is in its plain form is made from those values; of any other the full check of `events`
  decides, so that both ways give the same event or the same issues;
* plain are values that the full check takes and leaves as they are: hosts in lower case without `xn--`, times in UTC.

What may be in an event is said in `events`; a property test holds the two ways together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final

from merchantscreen.cards import looks_like_card_number
from merchantscreen.domains import MAX_HOST_LENGTH
from merchantscreen.referrals import events
from merchantscreen.referrals.events import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_ENTRIES,
    REFERENCE_PATTERN,
    SCHEMA_VERSION,
    Issue,
    ReferralEvent,
    needed_fields,
)
from merchantscreen.vocabulary import (
    COUNTRIES,
    Classification,
    Commerciality,
    Dedicated,
    MatchScope,
    PaymentMethod,
    ReferralEventKind,
    ReferralStatus,
    SiteType,
    Tlp,
)

_LONGEST_BASIS: Final = 200
_MOST_CONFIDENCE: Final = 100
_REFERENCES: Final = ("reporting_hotline_id", "referral_id", "hotline_reference", "reason_code")
_HOSTS: Final = ("domain", "moved_to_domain")
_FREE_TEXTS: Final = (*_REFERENCES, *_HOSTS, "legal_basis")
_REFERENCE: Final = re.compile(REFERENCE_PATTERN)
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z)?")
_HOST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""A name whose last label starts with a letter, so no IP address; as in `domains._PLAIN`, which says more."""


def read_event(raw: Mapping[str, Any]) -> ReferralEvent | tuple[Issue, ...]:
    """Check one event, as `events.read_event` does."""
    event = _plain_event(_stated(raw))
    if event is None or any(looks_like_card_number(text) for text in _free_texts(event)):
        return events.read_event(raw)
    return event


def recall_event(fields: Mapping[str, Any]) -> ReferralEvent:
    """Read a referral event that was read and recorded before; a ValueError if it cannot have been."""
    stated = _stated(fields)
    return _plain_event(stated) or ReferralEvent.model_validate(stated)


def plain_value(name: str, value: Any) -> Any:
    """Read one field of an event.

    Raises:
        KeyError: There is no such field here, or no such word.
        TypeError, ValueError: The value is not in its plain form, or may hold a card number.
    """
    read = _READERS[name](value)
    if name in _FREE_TEXTS and looks_like_card_number(read):
        raise ValueError("a number that is to be looked at")
    if name == "forwarded_to" and any(map(looks_like_card_number, read)):
        raise ValueError("a number that is to be looked at")
    return read


def _stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _plain_event(stated: Mapping[str, Any]) -> ReferralEvent | None:
    """Return the event of plain values; None if they are not, or are not all that is needed."""
    try:
        values = {name: _READERS[name](value) for name, value in stated.items()}
    except (KeyError, ValueError, TypeError):
        return None
    return _made(values) if _is_complete(values) else None


def _free_texts(event: ReferralEvent) -> Iterator[str]:
    """Yield the texts of an event that somebody has chosen, the only ones of a plain event that could hold a number."""
    given = event.__dict__
    yield from (given[name] for name in _FREE_TEXTS if given[name] is not None)
    yield from event.forwarded_to or ()


def _is_complete(values: Mapping[str, Any]) -> bool:
    """Tell whether plain values make a complete event that does not contradict itself."""
    needed = _needed(values.get("event"), values.get("classification"))
    if not needed <= values.keys():
        return False
    if "valid_until" in values and "valid_from" in values and values["valid_until"] <= values["valid_from"]:
        return False
    return "hold_until" not in values or values.get("le_hold") is not False


@cache
def _needed(kind: str | None, classification: str | None) -> frozenset[str]:
    return frozenset(needed_fields(kind, classification))


def _made(values: Mapping[str, Any]) -> ReferralEvent:
    """Make an event of checked values, as `model_construct` does in seven times the time."""
    event = ReferralEvent.__new__(ReferralEvent)
    object.__setattr__(event, "__dict__", {**_UNSTATED, **values})
    object.__setattr__(event, "__pydantic_fields_set__", set(values))
    object.__setattr__(event, "__pydantic_extra__", None)
    object.__setattr__(event, "__pydantic_private__", None)
    return event


# --------------------------------------------------------------------------- one value, in its plain form


@lru_cache(maxsize=4096)
def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(_whole(_MOMENT, value).removesuffix("Z"))
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError("a year that no event has")
    return moment


def _host(value: str) -> str:
    if len(value) > MAX_HOST_LENGTH or "xn--" in value:
        raise ValueError("a host that is to be looked at")
    return _whole(_HOST, value)


def _reference(value: str) -> str:
    return _whole(_REFERENCE, value)


def _country(value: str) -> str:
    if value not in COUNTRIES:
        raise ValueError("no country")
    return value


def _version(value: str) -> str:
    if value != SCHEMA_VERSION:
        raise ValueError("a version that is to be looked at")
    return value


def _basis(value: str) -> str:
    if not (value.isascii() and value.isprintable() and 0 < len(value) <= _LONGEST_BASIS):
        raise ValueError("a text that is to be looked at")
    return value


def _confidence(value: int) -> int:
    if type(value) is not int or not 0 <= value <= _MOST_CONFIDENCE:
        raise ValueError("no confidence")
    return value


def _flag(value: bool) -> bool:  # noqa: FBT001  # The value that is read.
    if type(value) is not bool:
        raise ValueError("neither true nor false")
    return value


def _whole(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError("a text of another form")
    return value


def _one_of(words: type[StrEnum]) -> Callable[[str], StrEnum]:
    return {word.value: word for word in words}.__getitem__


def _several(read: Callable[[str], Any]) -> Callable[[list[str]], tuple[Any, ...]]:
    def read_all(values: list[str]) -> tuple[Any, ...]:
        if type(values) is not list or not 0 < len(values) <= MAX_ENTRIES:
            raise ValueError("a list that is to be looked at")
        return tuple(map(read, values))

    return read_all


_MOMENTS: Final = "issued_at received_at confirmed_at observed_at status_at hold_until valid_from valid_until".split()

_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "schema_version": _version,
    "event": _one_of(ReferralEventKind),
    **dict.fromkeys(_REFERENCES, _reference),
    **dict.fromkeys(_MOMENTS, _moment),
    **dict.fromkeys(_HOSTS, _host),
    **dict.fromkeys(("classification_country", "hosting_country", "assigned_country"), _country),
    "match_scope": _one_of(MatchScope),
    "domain_dedicated": _one_of(Dedicated),
    "site_type": _one_of(SiteType),
    "commerciality": _one_of(Commerciality),
    "payment_methods": _several(_one_of(PaymentMethod)),
    "classification": _one_of(Classification),
    "legal_basis": _basis,
    "forwarded_to": _several(_reference),
    "status": _one_of(ReferralStatus),
    "le_hold": _flag,
    "confidence": _confidence,
    "tlp": _one_of(Tlp),
}
"""How each field is read. Clues and links are objects of their own and not here: the full check reads them."""

FIELDS: Final = frozenset(_READERS)
"""Fields that have a plain form."""

_UNSTATED: Final = {name: field.default for name, field in ReferralEvent.model_fields.items()}
"""Every field in its order, without a value; those that must be stated are always overwritten."""
