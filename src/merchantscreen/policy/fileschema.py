"""The form of every file in a rule folder, as pydantic models: what may stand where.

Fractions arrive as decimal text and leave as integers in nano-units, so a number
means exactly what the file says. Unknown fields are refused. What the fields
mean together is checked in loading.py and lints.py.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from merchantscreen.policy.model import NANO
from merchantscreen.vocabulary import (
    COUNTRIES,
    CURRENCIES,
    HostMatch,
    Level,
    ListingClass,
    Measurable,
    RuleOutcome,
    RuleRole,
    RuleStatus,
    ThresholdOrigin,
    Tier,
)

FORMULA: Final = "evid-2"
FIXED_EXPONENTS: Final[dict[str, str]] = {
    "breadth_of_confirmed": "0.25",
    "breadth_of_carried": "1",
    "group_size": "0.75",
    "link_degree": "0.5",
    "power_of_identifiers": "2",
    "power_of_links": "1.5",
}
"""Exponents that are part of the formula; rules/evidence.yml lists them for readers and may not differ."""

MAX_FRACTION: Final = Decimal(1000)
DAY_HALF: Final = 840
"""Largest offset from UTC in use, in minutes: UTC+14."""


def _nano(value: object) -> int:
    """Turn decimal text into nano-units, exactly."""
    if not isinstance(value, str) or re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", value) is None:
        raise PydanticCustomError("fraction", "a decimal number such as 0.95 is expected")
    number = Decimal(value)
    if number > MAX_FRACTION:
        raise PydanticCustomError("fraction", "a number up to 1000 is expected")
    scaled = number * NANO
    if scaled != scaled.to_integral_value():
        raise PydanticCustomError("too_many_decimals", "a fraction has at most nine decimals")
    return int(scaled)


def _at_most_one(nano: int) -> int:
    if nano > NANO:
        raise PydanticCustomError("fraction", "a share from 0 to 1 is expected")
    return nano


def _below_one(nano: int) -> int:
    if nano >= NANO:
        raise PydanticCustomError("fraction", "a strength below 1 is expected; nothing is certain")
    return nano


def _count(value: object) -> int:
    if not isinstance(value, str) or re.fullmatch(r"0|[1-9][0-9]{0,8}", value) is None:
        raise PydanticCustomError("count", "a whole number such as 20 is expected")
    return int(value)


def _day(value: object) -> date:
    if not isinstance(value, str) or re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) is None:
        raise PydanticCustomError("day", "a date such as 2026-11-01 is expected")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("day", "a date that exists is expected") from None


def _minutes(value: object) -> int:
    if not isinstance(value, str) or re.fullmatch(r"0|-?[1-9][0-9]{0,2}", value) is None or abs(int(value)) > DAY_HALF:
        raise PydanticCustomError("minutes", "an offset from UTC in minutes, such as -300, is expected")
    return int(value)


def _number(**limits: Any) -> WithJsonSchema:
    """Say in a JSON Schema that files hold a number here, which is read from its text."""
    return WithJsonSchema({"type": "number", "minimum": 0, **limits})


Nano = Annotated[int, BeforeValidator(_nano), _number(maximum=1000)]
Share = Annotated[int, BeforeValidator(_nano), AfterValidator(_at_most_one), _number(maximum=1)]
Strength = Annotated[int, BeforeValidator(_nano), AfterValidator(_below_one), _number(exclusiveMaximum=1)]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema({"type": "integer", "minimum": 0})]
Minutes = Annotated[
    int, BeforeValidator(_minutes), WithJsonSchema({"type": "integer", "minimum": -DAY_HALF, "maximum": DAY_HALF})
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Version = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){2}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Host = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", max_length=253)
]


class FileModel(BaseModel):
    """Base of all file forms: nothing unknown, nothing changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Signed(FileModel):
    """What every file of a rule folder says about itself: its version and who answers for it."""

    version: Version
    owner: Text
    approver: Text | None
    effective_from: Day
    review_by: Day


# --------------------------------------------------------------------------- evidence.yml


class ExponentEntry(FileModel):
    """A number of the formula, listed so that readers find it."""

    value: Nano
    rationale: Text


class NanoEntry(FileModel):
    """A fraction with where it comes from and why."""

    value: Nano
    origin: ThresholdOrigin
    rationale: Text


class ShareEntry(FileModel):
    """A share from 0 to 1 with where it comes from and why."""

    value: Share
    origin: ThresholdOrigin
    rationale: Text


class StrengthEntry(FileModel):
    """A strength below 1 with where it comes from and why."""

    value: Strength
    origin: ThresholdOrigin
    rationale: Text


class CountEntry(FileModel):
    """A whole number with where it comes from and why."""

    value: Count
    origin: ThresholdOrigin
    rationale: Text


class OneRoundEntry(FileModel):
    """No round or one, with where it comes from and why: a ledger lists one round between domains."""

    value: Annotated[Count, Field(le=1)]
    origin: ThresholdOrigin
    rationale: Text


class KindEntry(FileModel):
    """Numbers of one kind of link or identifier; base rate and damping for identifiers only."""

    weight: Strength
    reliability: Share
    base_rate: Share | None = None
    kappa: Nano | None = None
    origin: ThresholdOrigin
    rationale: Text


class ParametersEntry(FileModel):
    """The numbers that hold for all kinds; meaning in policy.model.EvidenceModel."""

    indirect_carry: ShareEntry
    direct_carry: ShareEntry
    kind_cap: NanoEntry
    residual: ShareEntry
    floor: ShareEntry
    account_rounds: CountEntry
    domain_rounds: OneRoundEntry
    lookback_days: CountEntry
    clue_days: CountEntry
    label_min_length: CountEntry
    hub_holder_count: CountEntry
    widely_shared_count: CountEntry
    typology_cap: NanoEntry
    peer_sample_count: CountEntry
    peer_minimum_count: CountEntry
    peer_scale_floor: ShareEntry
    sibling_opening_days: CountEntry


class EvidenceFile(Signed):
    """rules/evidence.yml."""

    formula: Literal["evid-2"]
    fixed_exponents: dict[Identifier, ExponentEntry]
    parameters: ParametersEntry
    match_factors: dict[HostMatch, ShareEntry]
    typology_strengths: dict[Level, StrengthEntry]
    kinds: dict[Identifier, KindEntry]


# --------------------------------------------------------------------------- tiers.yml


class TierEntry(FileModel):
    """One way into a tier."""

    id: Slug
    tier: Literal[Tier.T1, Tier.T2, Tier.T3]
    when: Text
    reason: Text
    rationale: Text


class TiersFile(Signed):
    """rules/tiers.yml."""

    tiers: Annotated[tuple[TierEntry, ...], Field(min_length=1)]


# --------------------------------------------------------------------------- lists of hosts


class CautionCategory(FileModel):
    """Hosts that many parties share in the same way."""

    category: Identifier
    rationale: Text
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]


class CautionFile(Signed):
    """rules/caution_hosts.yml."""

    categories: tuple[CautionCategory, ...]


class FreeMailFile(Signed):
    """rules/free_mail_domains.yml."""

    rationale: Text
    domains: tuple[Host, ...]


# --------------------------------------------------------------------------- numbers inside features

EntryCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,4}$")]


class EntryCodesEntry(FileModel):
    """Codes of a field of the payment message, with where the list comes from and why."""

    values: Annotated[tuple[EntryCode, ...], Field(min_length=1)]
    origin: ThresholdOrigin
    rationale: Text


def _in(known: frozenset[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in known:
            raise PydanticCustomError("code", f"{what} is expected")
        return value

    return AfterValidator(check)


Currency = Annotated[str, _in(CURRENCIES, "an ISO 4217 currency code")]
Country = Annotated[str, _in(COUNTRIES, "an ISO 3166-1 country code")]


class CurrenciesEntry(FileModel):
    """Currencies, with where the list comes from and why."""

    values: Annotated[tuple[Currency, ...], Field(min_length=1)]
    origin: ThresholdOrigin
    rationale: Text


class HourEntry(FileModel):
    """An hour of the day, with where it comes from and why."""

    value: Annotated[Count, Field(le=23)]
    origin: ThresholdOrigin
    rationale: Text


class PositiveEntry(FileModel):
    """A whole number above zero, with where it comes from and why."""

    value: Annotated[Count, Field(ge=1)]
    origin: ThresholdOrigin
    rationale: Text


class MeasuresEntry(FileModel):
    """The numbers and lists inside features; meaning in policy.model.Measures."""

    even_amount_from_units: PositiveEntry
    even_amount_until_units: PositiveEntry
    even_amount_step_units: PositiveEntry
    low_value_below_units: PositiveEntry
    micro_amount_below_units: PositiveEntry
    night_from_hour: HourEntry
    night_until_hour: HourEntry
    referral_change_days: PositiveEntry
    sibling_opening_window_days: PositiveEntry
    compared_price_count: PositiveEntry
    peer_ticket_scale_floor: ShareEntry
    unit_currencies: CurrenciesEntry
    card_present_entry_modes: EntryCodesEntry
    ecommerce_entry_modes: EntryCodesEntry
    ecommerce_ecis: EntryCodesEntry


class MeasuresFile(Signed):
    """rules/measures.yml."""

    measures: MeasuresEntry


class ClockEntry(FileModel):
    """Smallest and largest UTC offset of a country over a year, in minutes."""

    earliest: Minutes
    latest: Minutes

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.earliest > self.latest:
            raise PydanticCustomError("clock", "`earliest` at or before `latest` is expected")
        return self


class ClocksFile(Signed):
    """rules/payer_clocks.yml."""

    clocks: Annotated[dict[Country, ClockEntry], Field(min_length=1)]


class ListingCodeEntry(FileModel):
    """One reason code of a list of terminated merchants."""

    code: Annotated[str, StringConstraints(pattern=r"^(MATCH|VMSS)-[0-9]{2}$")]
    title: Text


class ListingClassEntry(FileModel):
    """Reason codes that say the same for our purpose."""

    class_: Annotated[ListingClass, Field(alias="class")]
    rationale: Text
    codes: Annotated[tuple[ListingCodeEntry, ...], Field(min_length=1)]


class ListingCodesFile(Signed):
    """rules/listing_codes.yml."""

    classes: tuple[ListingClassEntry, ...]


# --------------------------------------------------------------------------- indicators.yml

IndicatorId = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{2}$")]


class IndicatorEntry(FileModel):
    """A documented sign; `excluded` gives the reason why no rule may use it."""

    id: IndicatorId
    group: Slug
    title: Text
    measurable: Measurable
    source: Text
    excluded: Text | None


class IndicatorsFile(Signed):
    """rules/indicators.yml."""

    indicators: Annotated[tuple[IndicatorEntry, ...], Field(min_length=1)]


# --------------------------------------------------------------------------- exceptions


class IdentifierEntry(FileModel):
    """An identifier whose holders are meant; e-mail, phone and address appear as their tokens."""

    kind: Identifier
    value: Annotated[str, StringConstraints(min_length=1, max_length=253)]


class ExceptionFile(FileModel):
    """rules/exceptions/<id>.yml: hits of some rules that are set aside for an account or an identifier."""

    id: Slug
    title: Text
    version: Version
    rules: Annotated[tuple[Slug, ...], Field(min_length=1)]
    account: Annotated[str, StringConstraints(min_length=1, max_length=400)] | None = None
    identifier: IdentifierEntry | None = None
    owner: Text
    approver: Text | None
    reason: Text
    effective_from: Day
    expires_on: Day

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.account is None) is (self.identifier is None):
            raise PydanticCustomError("target", "either `account` or `identifier` is expected, and not both")
        return self


# --------------------------------------------------------------------------- one rule


class ThresholdEntry(FileModel):
    """Where the numbers in `when` come from."""

    origin: ThresholdOrigin
    note: Text


class CaseEntry(FileModel):
    """A test of the rule: feature values, and the outcome they must give."""

    name: Text
    given: dict[Identifier, str | None]
    expect: RuleOutcome


class SuppressionEntry(FileModel):
    """A lint that does not apply, why, and until when."""

    lint: Slug
    reason: Text
    until: Day


class RuleFile(Signed):
    """rules/<typology>/<id>.yml. Fields after Sigma, with an owner, a source and a review date as duties."""

    id: Slug
    title: Text
    status: RuleStatus
    typology: Slug
    role: RuleRole
    severity: Level
    confidence: Level
    rationale: Text
    references: tuple[Text, ...]
    indicators: tuple[IndicatorId, ...]
    false_positives: Annotated[tuple[Text, ...], Field(min_length=1)]
    innocent_explanations: Annotated[tuple[Text, ...], Field(min_length=1)]
    requires: tuple[Identifier, ...]
    threshold: ThresholdEntry
    when: Text
    reason: Text
    tests: tuple[CaseEntry, ...]
    suppress: tuple[SuppressionEntry, ...] = ()
