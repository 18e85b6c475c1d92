"""The form of every file in a rule folder, as pydantic models: what may stand where.

Fractions arrive as decimal text and leave as integers in nano-units, so a number
means exactly what the file says. Unknown fields are refused. What the fields
mean together is checked in loading.py and lints.py.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from merchantscreen.policy.model import NANO
from merchantscreen.vocabulary import (
    HostMatch,
    Level,
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


Nano = Annotated[int, BeforeValidator(_nano)]
Share = Annotated[Nano, AfterValidator(_at_most_one)]
Strength = Annotated[Nano, AfterValidator(_below_one)]
Count = Annotated[int, BeforeValidator(_count)]
Day = Annotated[date, BeforeValidator(_day)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Host = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", max_length=253)
]


class FileModel(BaseModel):
    """Base of all file forms: nothing unknown, nothing changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class EvidenceFile(FileModel):
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


class TiersFile(FileModel):
    """rules/tiers.yml."""

    tiers: Annotated[tuple[TierEntry, ...], Field(min_length=1)]


# --------------------------------------------------------------------------- lists of hosts


class CautionCategory(FileModel):
    """Hosts that many parties share in the same way."""

    category: Identifier
    rationale: Text
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]


class CautionFile(FileModel):
    """rules/caution_hosts.yml."""

    categories: tuple[CautionCategory, ...]


class FreeMailFile(FileModel):
    """rules/free_mail_domains.yml."""

    rationale: Text
    domains: tuple[Host, ...]


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


class RuleFile(FileModel):
    """rules/<typology>/<id>.yml. Fields after Sigma, with an owner, a source and a review date as duties."""

    id: Slug
    title: Text
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    status: RuleStatus
    typology: Slug
    role: RuleRole
    severity: Level
    confidence: Level
    owner: Text
    approver: Text | None
    rationale: Text
    references: tuple[Text, ...]
    false_positives: Annotated[tuple[Text, ...], Field(min_length=1)]
    innocent_explanations: Annotated[tuple[Text, ...], Field(min_length=1)]
    effective_from: Day
    review_by: Day
    requires: tuple[Identifier, ...]
    threshold: ThresholdEntry
    when: Text
    reason: Text
    tests: tuple[CaseEntry, ...]
