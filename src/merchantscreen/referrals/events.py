"""What a hotline may say about a site: the fields of a referral event, and nothing besides.

Rules kept here:
* a field that is not listed is refused, and one that could carry a web address, a
  person or a description is refused by name; no value is ever repeated;
* a domain is a bare host: a full URL is refused rather than shortened, because its
  sender should know that it sent one;
* a submission or confirmation is complete; every other event names its referral and
  only what changes;
* "not determined" and "unknown" are answers; an absent field is none;
* times become UTC microseconds without zone; a time without an offset is taken as UTC.

Reading files is left to `reading`, and what events add up to, to `register`.
Source: field list and value sets after ICCAM as the open-source SCART implements it;
TLP 2.0 (FIRST); validity and confidence after STIX 2.1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from merchantscreen import domains
from merchantscreen.cards import looks_like_card_number
from merchantscreen.tables import ID_PATTERN, MOST_MINOR
from merchantscreen.vocabulary import (
    COUNTRIES,
    CURRENCIES,
    Classification,
    Commerciality,
    Dedicated,
    DomainLinkKind,
    MatchScope,
    PaymentMethod,
    ReferralEventKind,
    ReferralStatus,
    SiteType,
    Tlp,
)

SCHEMA_VERSION: Final = "1"
REFERENCE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Ids of referrals, hotlines and reasons: safe in file names, terminals and spreadsheets."""
MAX_ENTRIES: Final = 100
FIRST_YEAR, LAST_YEAR = 1990, 2199
"""No hotline is older; the upper end leaves room for open-ended validity written as a date."""

FORBIDDEN_FIELDS: Final[frozenset[str]] = frozenset(
    """url urls urlstring fullurl link uri path query fragment urlpath referrer referer username password
    credentials memo note notes comment comments description title summary freetext analyst analystname
    reportinganalystname reporter reportername reporteremail age ages agerange gender sex nationality name
    hash hashes md5 sha1 sha256 photodna pdq phash hostingip hostingipaddress ip ipaddress ipv4 ipv6
    content contenttype contents payload payloads attachment attachments screenshot screenshots file files
    assessment severity category email emails phone phonenumber""".split()
)
"""Fields that must not come in, written without case, blanks and underscores. Source: SCART report fields;
XARF evidence payloads; the Universal Classification Schema, which describes content."""
FORBIDDEN_PREFIXES: Final = ("victim", "perpetrator", "offender", "person", "image", "video", "evidence", "sourceurl")
"""Beginnings of names that must not come in, for the many spellings of one thing."""


# --------------------------------------------------------------------------- values


_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_BEYOND_A_HOST: Final = re.compile(r"[/\\?#@]|:(?!.*\])")
"""Signs that only a URL has; a colon is part of a bracketed IPv6 address, and of nothing else here."""


def _moment(value: object) -> datetime:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            moment = datetime.min  # noqa: DTZ901  # refused by its year, below
    elif isinstance(value, datetime):
        moment = value
    else:
        moment = datetime.min  # noqa: DTZ901  # as above
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise PydanticCustomError("moment", "a moment that cannot be read")
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _bare_host(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "not a text")
    text = value.strip(" \t")
    if _BEYOND_A_HOST.search(text):
        raise PydanticCustomError("full_url", "a full URL where a domain belongs")
    key = domains.domain_key(text)
    if isinstance(key, domains.DomainRefusal):
        raise PydanticCustomError("not_a_domain", "{explanation}", {"explanation": key.explanation})
    return key.host


def _printable(text: str) -> str:
    if any(unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for sign in text):
        raise PydanticCustomError("unprintable", "control or invisible characters")
    return text


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise PydanticCustomError("outside_set", "unknown currency", {"expected": "an ISO 4217 code such as EUR"})
    return code


def _known_country(code: str) -> str:
    if code not in COUNTRIES:
        raise PydanticCustomError("outside_set", "unknown country", {"expected": "an ISO 3166-1 code such as NL"})
    return code


def _version(value: object) -> object:
    """Let version 1 be written as text or as a number; CSV knows only text."""
    return "1" if type(value) is int and value == 1 else value


Moment = Annotated[datetime, BeforeValidator(_moment)]
Host = Annotated[str, BeforeValidator(_bare_host)]
Reference = Annotated[str, Field(pattern=REFERENCE_PATTERN)]
Country = Annotated[str, AfterValidator(_known_country)]
Currency = Annotated[str, AfterValidator(_known_currency)]
Flag = Annotated[bool, Field(strict=True)]


# --------------------------------------------------------------------------- events


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ClueEvent(_Strict):
    """A payment detail the hotline saw on the site; at least one of id, descriptor and price."""

    merchant_id: Annotated[str, Field(pattern=ID_PATTERN)] | None = None
    descriptor: Annotated[str, Field(min_length=1, max_length=99), AfterValidator(_printable)] | None = None
    amount_minor: Annotated[int, Field(strict=True, ge=0, le=MOST_MINOR)] | None = None
    currency: Currency | None = None
    seen_at: Moment | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.merchant_id is None and self.descriptor is None and self.amount_minor is None:
            raise _contradiction("a clue without merchant id, descriptor and amount", "at least one of them")
        if (self.amount_minor is None) != (self.currency is None):
            raise _contradiction("an amount without currency, or a currency without amount", "both or neither")
        return self


class DomainLinkEvent(_Strict):
    """A domain that the referred site leads to."""

    kind: DomainLinkKind
    domain: Host


class ReferralEvent(_Strict):
    """One statement of one hotline about one referral; frozen, complete for its kind, free of content."""

    schema_version: Annotated[Literal["1"], BeforeValidator(_version)] = SCHEMA_VERSION
    event: ReferralEventKind
    reporting_hotline_id: Reference
    referral_id: Reference | None = None
    hotline_reference: Reference | None = None
    issued_at: Moment
    domain: Host | None = None
    match_scope: MatchScope | None = None
    domain_dedicated: Dedicated | None = None
    site_type: SiteType | None = None
    commerciality: Commerciality | None = None
    payment_methods: Annotated[tuple[PaymentMethod, ...], Field(max_length=MAX_ENTRIES)] | None = None
    payment_clues: Annotated[tuple[ClueEvent, ...], Field(max_length=MAX_ENTRIES)] | None = None
    domain_links: Annotated[tuple[DomainLinkEvent, ...], Field(max_length=MAX_ENTRIES)] | None = None
    classification: Classification | None = None
    classification_country: Country | None = None
    legal_basis: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)] | None = None
    received_at: Moment | None = None
    confirmed_at: Moment | None = None
    observed_at: Moment | None = None
    hosting_country: Country | None = None
    assigned_country: Country | None = None
    forwarded_to: Annotated[tuple[Reference, ...], Field(max_length=MAX_ENTRIES)] | None = None
    status: ReferralStatus | None = None
    status_at: Moment | None = None
    moved_to_domain: Host | None = None
    le_hold: Flag | None = None
    hold_until: Moment | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    confidence: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    tlp: Tlp | None = None
    reason_code: Reference | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        missing = missing_fields({name: getattr(self, name) for name in type(self).model_fields})
        if missing:
            raise PydanticCustomError("incomplete", "missing: {names}", {"names": ", ".join(missing)})
        return self

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.valid_from is not None and self.valid_until is not None and self.valid_until <= self.valid_from:
            raise _contradiction("valid_until not after valid_from", "a validity that ends after it begins")
        if self.hold_until is not None and self.le_hold is False:
            raise _contradiction("hold_until while le_hold is false", "hold_until only together with a hold")
        return self

    def canonical(self) -> bytes:
        """Return bytes that are equal exactly when two events say the same; they order ties in the fold."""
        return self.model_dump_json(exclude_none=True).encode()


def _contradiction(found: str, expected: str) -> PydanticCustomError:
    return PydanticCustomError("contradiction", "{found}", {"found": found, "expected": expected})


# --------------------------------------------------------------------------- completeness


_ALWAYS: Final = ("event", "reporting_hotline_id", "issued_at")
_COMPLETE: Final = (
    "domain match_scope domain_dedicated site_type commerciality payment_methods classification "
    "received_at status le_hold tlp"
).split()
_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    ReferralEventKind.SUBMITTED: ("referral_id", *_COMPLETE),
    ReferralEventKind.CONFIRMED: ("referral_id", *_COMPLETE, "confirmed_at"),
    ReferralEventKind.AMENDED: ("referral_id",),
    ReferralEventKind.RETRACTED: ("referral_id",),
    ReferralEventKind.SITE_DOWN: ("referral_id",),
    ReferralEventKind.MOVED: ("referral_id", "moved_to_domain"),
    ReferralEventKind.DISPUTED: ("referral_id",),
    ReferralEventKind.HEARTBEAT: (),
}
"""What each kind of event needs besides its kind, hotline and time of issue."""


def missing_fields(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the fields that an event of this kind needs and lacks; an empty list or text counts as lacking."""
    needed = needed_fields(raw.get("event"), raw.get("classification"))
    return tuple(name for name in needed if raw.get(name) in (None, "", [], ()))


def needed_fields(kind: object, classification: object) -> tuple[str, ...]:
    """Name the fields that an event of a kind and classification needs."""
    also = ("classification_country", "legal_basis") if classification == Classification.NATIONAL else ()
    return (*_ALWAYS, *_NEEDED.get(str(kind), ()), *also)


# --------------------------------------------------------------------------- from raw values to an event


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with an event: a code of `problems`, the field, and words that quote nothing."""

    code: str
    column: str | None
    found: str | None = None
    expected: str | None = None


def read_event(raw: Mapping[str, Any]) -> ReferralEvent | tuple[Issue, ...]:
    """Check one event; either it is right in every field, or all that is wrong is listed.

    Args:
        raw: Decoded JSON, or a CSV record in the same shape.
    """
    known = {name: value for name, value in raw.items() if name in ReferralEvent.model_fields and value is not None}
    issues = [*_field_name_issues(raw), *_card_issues(raw)]
    issues += [Issue("MS-REF-020", name) for name in missing_fields(raw)]
    try:
        event = ReferralEvent.model_validate(known)
    except ValidationError as error:
        details = error.errors(include_url=False)
        issues += [issue for detail in details for issue in _issues_of(detail)]
    else:
        if not issues:
            return event
    return tuple(dict.fromkeys(issues))


def is_forbidden(name: str) -> bool:
    """Say whether a field of this name, in any spelling, must not come in."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain in FORBIDDEN_FIELDS or plain.startswith(FORBIDDEN_PREFIXES)


def shown_name(name: str) -> str:
    """Return a field name for a message; what does not look like one may itself be a value."""
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", name) else "(a name that is not shown)"


def _field_name_issues(raw: Mapping[str, Any]) -> Iterator[Issue]:
    for name in raw:
        if name not in ReferralEvent.model_fields:
            yield Issue("MS-REF-022" if is_forbidden(name) else "MS-REF-021", shown_name(name))


def _card_issues(raw: Mapping[str, Any]) -> Iterator[Issue]:
    for name, value in raw.items():
        if looks_like_card_number(name) or any(looks_like_card_number(text) for text in _texts(value)):
            yield Issue("MS-REF-023", shown_name(name))


def _texts(value: Any) -> Iterator[str]:
    """Yield every text and number inside a value, field names included; a well-formed time holds no card number."""
    match value:
        case str() if not _MOMENT.fullmatch(value):
            yield value
        case dict():
            for name, inner in value.items():
                yield name
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case int() | float():
            yield str(value)


_CODES: Final[dict[str, str]] = {
    "missing": "MS-REF-020",
    "extra_forbidden": "MS-REF-021",
    "full_url": "MS-REF-024",
    "not_a_domain": "MS-REF-025",
    "enum": "MS-REF-026",
    "literal_error": "MS-REF-026",
    "outside_set": "MS-REF-026",
    "string_too_short": "MS-REF-028",
    "string_too_long": "MS-REF-028",
    "string_pattern_mismatch": "MS-REF-028",
    "string_unicode": "MS-REF-028",
    "unprintable": "MS-REF-028",
    "greater_than_equal": "MS-REF-029",
    "less_than_equal": "MS-REF-029",
    "moment": "MS-REF-030",
    "contradiction": "MS-REF-031",
    "too_long": "MS-REF-032",
}
"""Our code for each kind of validation error; all that is not listed is a wrong type."""


def _issues_of(detail: ErrorDetails) -> Iterator[Issue]:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "incomplete":
        yield from (Issue("MS-REF-020", name) for name in str(context["names"]).split(", "))
        return
    code = _CODES.get(kind, "MS-REF-027")
    last = detail["loc"][-1] if detail["loc"] else ""
    if code == "MS-REF-021" and is_forbidden(str(last)):
        code = "MS-REF-022"
    yield Issue(code, shown_place(detail["loc"]), _found(kind, detail), _expected(kind, context))


def shown_place(place: tuple[int | str, ...]) -> str | None:
    """Write a place as ``payment_clues[0].currency``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{shown_name(step)}" for step in place)
    return "".join(steps).removeprefix(".") or None


def _found(kind: str, detail: ErrorDetails) -> str | None:
    if kind in {"not_a_domain", "contradiction"}:
        return detail["msg"]
    return f"{_describe(detail['input'])} of the wrong type" if kind not in _CODES else None


def _expected(kind: str, context: Mapping[str, Any]) -> str | None:
    """Take over an expectation that names our own values, which are safe to print."""
    return str(context["expected"]) if kind in {"enum", "literal_error", "outside_set", "contradiction"} else None


def _describe(value: object) -> str:
    """Name the JSON type of a value instead of showing it."""
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a fraction"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case _:
            return "an object"
