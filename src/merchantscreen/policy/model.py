"""What a policy is once it is loaded: plain frozen records, no files, no YAML.

Everything that shapes a result is a field here and has its place in rules/.
Fractions are integers in nano-units, parsed from the decimal text of the file,
so 0.95 is exactly 950_000_000 and nothing depends on binary floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import polars as pl
from sqlglot import exp

from merchantscreen.vocabulary import (
    ColumnType,
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

NANO = 1_000_000_000


class Condition(Protocol):
    """A checked SQL boolean over named columns."""

    @property
    def text(self) -> str:
        """The expression as written."""

    @property
    def names(self) -> frozenset[str]:
        """The columns it reads."""

    @property
    def types(self) -> tuple[tuple[str, ColumnType], ...]:
        """The columns it reads with what they hold, sorted by name."""

    @property
    def tree(self) -> exp.Expr:
        """Its syntax tree, without parentheses."""

    @property
    def canonical(self) -> str:
        """Its meaning as text: layout, letter case and parentheses leave no trace."""

    @property
    def expression(self) -> pl.Expr:
        """One nullable boolean per row, over columns read as `types` says."""

    def evaluate(self, frame: pl.DataFrame) -> pl.Series:
        """Return one nullable boolean per row; null means it could not be decided."""


@dataclass(frozen=True, slots=True)
class KindWeight:
    """The numbers of one row of the identifier table.

    Attributes:
        weight_nano: w, the ceiling of an item's strength.
        reliability_nano: g, counted reliability; 1 where too few are known.
        base_rate_nano: pi, contribution per holder expected by chance (identifiers); calibrated, never live.
        kappa_nano: kappa, damping for small groups (identifiers).
        rationale: Why this number, for auditors.
    """

    weight_nano: int
    reliability_nano: int
    base_rate_nano: int
    kappa_nano: int
    rationale: str


@dataclass(frozen=True, slots=True)
class EvidenceModel:
    """Parameters of EVID-2, from rules/evidence.yml. Formula: docs/method.md.

    Attributes:
        kinds: Numbers per row of the identifier table.
        match_factor_nano: f, factor per kind of host match.
        indirect_carry_nano: lambda, share of a score that is carried on.
        direct_carry_nano: lambda_d, share of the direct score that is carried on.
        kind_cap_nano: Most points that one kind can give.
        residual_nano: Share of the plain ratio kept where chance explains a group.
        floor_nano: Strengths below it are no items.
        account_rounds: R; each round after the first reaches one shared identifier further.
        domain_rounds: Rounds from domain to domain that come first.
        lookback_days: Days before the hotline's dates in which activity still counts.
        clue_days: Days around a hotline's observation in which a price counts as near.
        label_min_length: Shortest name that is compared under other top-level domains.
        hub_holder_count: Most holders of an identifier that can be evidence; beyond it is only counted.
        widely_shared_count: Holders from which an identifier is shown as widely shared.
        typology_strength_nano: Strength of a hit by severity.
        typology_cap_nano: Most points all rule hits together can give.
        peer_sample_count: Most accounts per MCC that make up the peer group.
        peer_minimum_count: Fewest peers for a comparison.
        peer_scale_floor_nano: Smallest scale of a comparison of shares with peers.
        sibling_opening_days: Days before the run in which siblings' openings elsewhere count as recent.
    """

    kinds: Mapping[str, KindWeight]
    match_factor_nano: Mapping[HostMatch, int]
    indirect_carry_nano: int
    direct_carry_nano: int
    kind_cap_nano: int
    residual_nano: int
    floor_nano: int
    account_rounds: int
    domain_rounds: int
    lookback_days: int
    clue_days: int
    label_min_length: int
    hub_holder_count: int
    widely_shared_count: int
    typology_strength_nano: Mapping[Level, int]
    typology_cap_nano: int
    peer_sample_count: int
    peer_minimum_count: int
    peer_scale_floor_nano: int
    sibling_opening_days: int

    def of_kind(self, number: str) -> pl.Expr:
        """Look a number of `KindWeight` up by the column `kind`; the result carries the number's name."""
        table = {name: getattr(weight, number) for name, weight in self.kinds.items()}
        return pl.col("kind").replace_strict(table, return_dtype=pl.Int64).alias(number)


@dataclass(frozen=True, slots=True)
class Measures:
    """Numbers and lists inside features, from rules/measures.yml, payer_clocks.yml and listing_codes.yml.

    Attributes:
        even_amount_from_units: Smallest even amount that counts, in whole units of a unit currency.
        even_amount_until_units: Largest one.
        even_amount_step_units: What an even amount is a multiple of.
        low_value_below_units: Amounts below it are low.
        micro_amount_below_units: Amounts below it are trials of a card rather than sales.
        night_from_hour: Local hour at which night begins.
        night_until_hour: Local hour at which it has ended.
        referral_change_days: Days before and after a referral that are compared.
        sibling_opening_window_days: Days between openings that count as together.
        compared_price_count: Most frequent prices of an account that stand for it.
        peer_ticket_scale_floor_nano: Smallest scale of a comparison of tickets, as a share of the median.
        unit_currencies: Currencies of which one unit is worth about a euro.
        card_present_entry_modes: Entry modes of a card that was there (DE 22).
        ecommerce_entry_modes: Entry modes of electronic commerce (DE 22).
        ecommerce_ecis: Indicators of electronic commerce.
        payer_clocks: Smallest and largest UTC offset in minutes over a country and a year.
        listing_codes: MATCH and VMSS reason codes by class, as `MATCH-03`.
    """

    even_amount_from_units: int
    even_amount_until_units: int
    even_amount_step_units: int
    low_value_below_units: int
    micro_amount_below_units: int
    night_from_hour: int
    night_until_hour: int
    referral_change_days: int
    sibling_opening_window_days: int
    compared_price_count: int
    peer_ticket_scale_floor_nano: int
    unit_currencies: frozenset[str]
    card_present_entry_modes: frozenset[str]
    ecommerce_entry_modes: frozenset[str]
    ecommerce_ecis: frozenset[str]
    payer_clocks: Mapping[str, tuple[int, int]]
    listing_codes: Mapping[ListingClass, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Document:
    """One file of a rule folder: who answers for it, and what it says.

    Attributes:
        name: File name within the folder, such as `tiers.yml`.
        version: Three numbers; has to rise when the meaning changes.
        owner: Who wrote it.
        approver: Who has to approve it, where somebody in particular must.
        effective_from: First day it is meant for.
        review_by: Day by which somebody looks at it again.
        meaning: What it says as JSON values; comments, layout and letter case of SQL leave no trace.
        digest: sha256 of the meaning in canonical JSON.
        bytes_digest: sha256 of the file as it is.
    """

    name: str
    version: str
    owner: str
    approver: str | None
    effective_from: date
    review_by: date
    meaning: object
    digest: str
    bytes_digest: str


@dataclass(frozen=True, slots=True)
class Indicator:
    """A documented sign, from rules/indicators.yml; `excluded` says why no rule may use it."""

    id: str
    group: str
    title: str
    measurable: Measurable
    source: str
    excluded: str | None


@dataclass(frozen=True, slots=True)
class TierCondition:
    """One way into a tier, in file order: the first that holds places the account."""

    tier: Tier
    id: str
    condition: Condition
    reason: str
    rationale: str


@dataclass(frozen=True, slots=True)
class RuleCase:
    """A rule's own test case: feature values and the outcome they must give."""

    name: str
    given: Mapping[str, object]
    expect: RuleOutcome


@dataclass(frozen=True, slots=True)
class Suppression:
    """A lint that does not apply to a rule for a stated reason, until a day."""

    lint: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule file. `severity` (how bad) and `confidence` (how sure) stay apart."""

    id: str
    title: str
    version: str
    status: RuleStatus
    typology: str
    role: RuleRole
    severity: Level
    confidence: Level
    owner: str
    approver: str | None
    rationale: str
    references: tuple[str, ...]
    indicators: tuple[str, ...]
    false_positives: tuple[str, ...]
    innocent_explanations: tuple[str, ...]
    effective_from: date
    review_by: date
    requires: tuple[str, ...]
    threshold_origin: ThresholdOrigin
    threshold_note: str
    condition: Condition
    reason: str
    cases: tuple[RuleCase, ...]
    suppressions: tuple[Suppression, ...]
    file: str


@dataclass(frozen=True, slots=True)
class RuleException:
    """Hits of some rules that are set aside for one account, or for all holders of one identifier.

    Exactly one of `account_id` and `kind` with `value` is given. It never touches a rule of role
    gate, nor any link: what ties an account to a domain stays.
    """

    id: str
    title: str
    version: str
    rules: tuple[str, ...]
    account_id: str | None
    kind: str | None
    value: str | None
    owner: str
    approver: str | None
    reason: str
    effective_from: date
    expires_on: date
    file: str


@dataclass(frozen=True, slots=True)
class CautionHost:
    """A host that many parties share; matches on it are narrowed to the exact host."""

    host: str
    category: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything in a rule folder, compiled, with its digests.

    Attributes:
        documents: Every YAML file by its name within the folder.
        files: Bytes of every file that was read, the lock and the approvals included.
        digest: sha256 over the meaning of all documents; layout and comments do not matter.
    """

    evidence: EvidenceModel
    measures: Measures
    tiers: tuple[TierCondition, ...]
    rules: tuple[Rule, ...]
    caution_hosts: tuple[CautionHost, ...]
    free_mail_domains: frozenset[str]
    indicators: tuple[Indicator, ...]
    exceptions: tuple[RuleException, ...]
    documents: Mapping[str, Document]
    files: Mapping[str, bytes]
    digest: str

    @property
    def file_digests(self) -> dict[str, str]:
        """Return the sha256 of each document's bytes by its name within the folder."""
        return {name: document.bytes_digest for name, document in sorted(self.documents.items())}
