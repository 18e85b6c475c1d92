"""The trust file: who may state what, as the network's officers signed it.

Rules kept here:
* a version is whole or refused: every field known, every key sound, no key in two hands;
* two officers at least, each with one key; thresholds count organisations, never keys;
* a key counts inside its validity and before its revocation, at both moments it is asked about:
  when the hotline says it signed, and when we received;
* an organisation states what its scope allows: kinds of events, countries, suffixes;
* taking an accusation back needs no scope and no second organisation: it is always easier than accusing.

How one version follows another is left to `trustchain`, what a hotline's stream may hold to `admission`.
Source: threat model 5.2; roles and thresholds after TUF root metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from merchantscreen.domains import registrable_domain
from merchantscreen.errors import InputError
from merchantscreen.referrals.events import Country, Host, Moment, Reference, ReferralEvent
from merchantscreen.referrals.exchange_problems import EnvelopeError
from merchantscreen.referrals.keys import VerifyKey
from merchantscreen.referrals.wire import LARGEST_NUMBER, canonical, field_problems, read_object, written
from merchantscreen.vocabulary import MatchScope, ReferralEventKind, ReferralStatus

SCHEMA: Final = "merchantscreen-trust/1"
LARGEST_TRUST: Final = 34_000
"""Bytes of a trust file: signed, in base64, it still fits into one event of the log."""
FEWEST_OFFICERS: Final = 2
ALWAYS_ALLOWED: Final = frozenset({ReferralEventKind.RETRACTED, ReferralEventKind.HEARTBEAT})
"""What every organisation may state about its own referrals, whatever its scope."""
NAMING_KINDS: Final = frozenset(
    {ReferralEventKind.SUBMITTED, ReferralEventKind.CONFIRMED, ReferralEventKind.AMENDED, ReferralEventKind.MOVED}
)
"""Kinds that can name a site, and so speak against somebody."""
_CLEARING_KINDS: Final = frozenset({ReferralEventKind.AMENDED, ReferralEventKind.SITE_DOWN})
_COMPLETE_KINDS: Final = frozenset({ReferralEventKind.SUBMITTED, ReferralEventKind.CONFIRMED})
_WHERE: Final = "trust file"


def takes_back(event: ReferralEvent) -> bool:
    """Tell whether an event only withdraws: a retraction, or the finding that a site is not illegal."""
    found_legal = event.event in _CLEARING_KINDS and event.status is ReferralStatus.NOT_ILLEGAL
    return event.event is ReferralEventKind.RETRACTED or found_legal


# --------------------------------------------------------------------------- fields


def _key(value: object) -> VerifyKey:
    if isinstance(value, VerifyKey):
        return value
    try:
        return VerifyKey.parsed(value if isinstance(value, str) else "")
    except InputError as error:
        raise PydanticCustomError("not_a_key", "{found}", {"found": error.problems[0].found}) from None


def _sorted(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Write sets as sorted lists, so that one content has one form."""
    return tuple(sorted(set(values)))


def _contradiction(found: str) -> PydanticCustomError:
    return PydanticCustomError("contradiction", "{found}", {"found": found})


Key = Annotated[InstanceOf[VerifyKey], BeforeValidator(_key), PlainSerializer(lambda key: key.text, return_type=str)]
When = Annotated[Moment, PlainSerializer(written, return_type=str)]
Name = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[^\p{C}\p{Z}]([^\p{C}\p{Zl}\p{Zp}]*[^\p{C}\p{Z}])?$")
]
Suffix = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$")]
Count = Annotated[int, Field(strict=True, ge=1, le=LARGEST_NUMBER)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, revalidate_instances="always")


class KeyGrant(_Strict):
    """A key in the hands of an organisation, and for how long it counts.

    `revoked_from` is when it stopped to count for whatever reason is given, even inside its validity.
    """

    public: Key
    valid_from: When
    valid_until: When | None = None
    revoked_from: When | None = None
    reason: Reference | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise _contradiction("a validity that ends before it begins")
        if (self.revoked_from is None) != (self.reason is None):
            raise _contradiction("a revocation without reason, or a reason without revocation")
        return self

    def counts_at(self, *moments: datetime) -> bool:
        """Tell whether the key counts at every one of some moments."""
        end = min((end for end in (self.valid_until, self.revoked_from) if end is not None), default=datetime.max)  # noqa: DTZ901  # open end
        return all(self.valid_from <= moment < end for moment in moments)


class Organisation(_Strict):
    """A hotline, or a network of hotlines: its keys and what it may state.

    Without `jurisdictions`, `suffixes` or `daily_limit` there is no such limit; `daily_limit` replaces the
    limit that would follow from its usual days.
    """

    id: Reference
    name: Name
    kind: Literal["hotline", "network"] = "hotline"
    keys: Annotated[tuple[KeyGrant, ...], Field(min_length=1, max_length=50)]
    events: Annotated[tuple[ReferralEventKind, ...], Field(max_length=20), AfterValidator(_sorted)]
    jurisdictions: Annotated[tuple[Country, ...], Field(max_length=300), AfterValidator(_sorted)] | None = None
    suffixes: Annotated[tuple[Suffix, ...], Field(max_length=300), AfterValidator(_sorted)] | None = None
    daily_limit: Count | None = None

    def allows(self, event: ReferralEvent) -> bool:
        """Tell whether an event lies inside what the organisation may state."""
        if takes_back(event) or event.event in ALWAYS_ALLOWED:
            return True
        return event.event in self.events and self._covers_countries(event) and self._covers_hosts(event)

    def _covers_countries(self, event: ReferralEvent) -> bool:
        """Compare the countries an event states; a complete one has to state one where countries are limited."""
        if self.jurisdictions is None:
            return True
        stated = {event.assigned_country, event.classification_country} - {None}
        return stated <= set(self.jurisdictions) and bool(stated or event.event not in _COMPLETE_KINDS)

    def _covers_hosts(self, event: ReferralEvent) -> bool:
        """Compare the sites an event accuses or moves to; where a site merely leads to is no accusation."""
        if self.suffixes is None:
            return True
        named = [host for host in (event.domain, event.moved_to_domain) if host is not None]
        return all(any(host == end or host.endswith(f".{end}") for end in self.suffixes) for host in named)


class Officer(_Strict):
    """A person of the network who signs trust files and releases what waits."""

    name: Name
    public: Key


class Officers(_Strict):
    """The officers and how many of them have to sign."""

    threshold: Annotated[int, Field(strict=True, ge=FEWEST_OFFICERS, le=50)]
    keys: Annotated[tuple[Officer, ...], Field(min_length=FEWEST_OFFICERS, max_length=50)]

    @model_validator(mode="after")
    def _are_enough_people(self) -> Self:
        if self.threshold > len(self.keys):
            raise _contradiction("a threshold above the number of officers")
        if len({officer.name for officer in self.keys}) != len(self.keys):
            raise _contradiction("an officer named twice")
        return self

    @property
    def verify_keys(self) -> tuple[VerifyKey, ...]:
        """Return their keys."""
        return tuple(officer.public for officer in self.keys)


class Thresholds(_Strict):
    """How many organisations have to say the same; a retraction never needs more than its own."""

    confirmed: Annotated[int, Field(strict=True, ge=1, le=50)] = 1
    protected_host: Annotated[int, Field(strict=True, ge=2, le=50)] = 2
    retracted: Annotated[int, Field(strict=True, ge=1, le=1)] = 1


class Trust(_Strict):
    """One version of the trust file, checked in itself; who signed it is not said here."""

    schema_name: Literal["merchantscreen-trust/1"] = Field(alias="schema")
    version: Count
    issued_at: When
    expires_at: When
    audience: Reference
    officers: Officers
    organisations: Annotated[tuple[Organisation, ...], Field(max_length=500)] = ()
    protected_hosts: Annotated[tuple[Host, ...], Field(max_length=2000), AfterValidator(_sorted)] = ()
    thresholds: Thresholds = Thresholds()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.expires_at <= self.issued_at:
            raise _contradiction("an expiry that is not after the time of issue")
        if len({organisation.id for organisation in self.organisations}) != len(self.organisations):
            raise _contradiction("an organisation listed twice")
        keys = [grant.public for _, grant in self.grants()] + list(self.officers.verify_keys)
        if len(set(keys)) != len(keys):
            raise _contradiction("one key in two hands")
        return self

    # ----------------------------------------------------------------- what it says

    def grants(self) -> Iterator[tuple[Organisation, KeyGrant]]:
        """Yield every key of every organisation."""
        for organisation in self.organisations:
            yield from ((organisation, grant) for grant in organisation.keys)

    @property
    def verify_keys(self) -> tuple[VerifyKey, ...]:
        """Return every key of an organisation, whether it still counts or not."""
        return tuple(grant.public for _, grant in self._by_key.values())

    @cached_property
    def _by_key(self) -> dict[str, tuple[Organisation, KeyGrant]]:
        return {grant.public.key_id: (organisation, grant) for organisation, grant in self.grants()}

    def organisation(self, organisation_id: str) -> Organisation | None:
        """Return an organisation by its id."""
        return next((found for found in self.organisations if found.id == organisation_id), None)

    def owner_of(self, key_id: str) -> str | None:
        """Return the id of the organisation that has a key, whether it still counts or not."""
        return self._by_key[key_id][0].id if key_id in self._by_key else None

    def organisations_behind(self, key_ids: Iterable[str], event: ReferralEvent, *moments: datetime) -> frozenset[str]:
        """Return the organisations that stand behind an event: keys that count at every moment, events in scope."""
        return frozenset(found.id for found in self._signers(key_ids, *moments) if found.allows(event))

    def is_signed_by(self, organisation_id: str, key_ids: Iterable[str], *moments: datetime) -> bool:
        """Tell whether a key of an organisation is among some keys and counts at every moment."""
        return any(found.id == organisation_id for found in self._signers(key_ids, *moments))

    def is_expired(self, at: datetime) -> bool:
        """Tell whether the version may no longer be relied on."""
        return self.expires_at <= at

    def protects(self, reach: str) -> bool:
        """Tell whether counting a name would count a protected host: the host itself, its www, or what is above it."""
        return reach in self._reaching_protected

    @cached_property
    def _reaching_protected(self) -> frozenset[str]:
        """Return every name under which a protected host would count."""
        labels = [host.split(".") for host in self.protected_hosts]
        above = {".".join(parts[start:]) for parts in labels for start in range(len(parts))}
        return frozenset(above | {f"www.{host}" for host in self.protected_hosts})

    def payload(self) -> bytes:
        """Return the bytes that officers sign."""
        return canonical(self.model_dump(mode="json", by_alias=True))

    def _signers(self, key_ids: Iterable[str], *moments: datetime) -> Iterator[Organisation]:
        for organisation, grant in (self._by_key[key_id] for key_id in key_ids if key_id in self._by_key):
            if grant.counts_at(*moments):
                yield organisation


def read_trust(payload: bytes) -> Trust:
    """Read a trust file from its bytes; who signed them is for `trustchain` to ask.

    Raises:
        EnvelopeError: It is none; all that is wrong is in it.
    """
    fields = read_object(payload, _WHERE, LARGEST_TRUST)
    return make_trust({"schema": None, **fields})


def make_trust(fields: Mapping[str, Any]) -> Trust:
    """Check the fields of a trust file.

    Args:
        fields: Decoded JSON, or values of this module under the names of `Trust`.

    Raises:
        EnvelopeError: They do not make one; all that is wrong is in it.
    """
    try:
        return Trust.model_validate({"schema": SCHEMA, **fields})
    except ValidationError as error:
        problems = field_problems(error, "MS-EXC-040", _WHERE)
        raise EnvelopeError("This trust file cannot be used.", problems) from None


def counted_name(host: str, scope: MatchScope) -> str:
    """Return the name under which a confirmation counts: the host, or its registrable domain."""
    return host if scope is MatchScope.HOST else registrable_domain(host) or host
