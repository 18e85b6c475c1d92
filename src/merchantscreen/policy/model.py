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

from merchantscreen.vocabulary import HostMatch, Level, RuleOutcome, RuleRole, RuleStatus, ThresholdOrigin, Tier

NANO = 1_000_000_000


class Condition(Protocol):
    """A checked SQL boolean over named columns."""

    @property
    def text(self) -> str:
        """The expression as written."""

    @property
    def names(self) -> frozenset[str]:
        """The columns it reads."""

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
class TierCondition:
    """One way into a tier, in file order: the first that holds places the account."""

    tier: Tier
    id: str
    condition: Condition
    reason: str


@dataclass(frozen=True, slots=True)
class RuleCase:
    """A rule's own test case: feature values and the outcome they must give."""

    name: str
    given: Mapping[str, object]
    expect: RuleOutcome


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
        digest: sha256 over the canonical form of all files; layout and comments do not matter.
        file_digests: sha256 of each file's bytes by its name within the folder.
    """

    evidence: EvidenceModel
    tiers: tuple[TierCondition, ...]
    rules: tuple[Rule, ...]
    caution_hosts: tuple[CautionHost, ...]
    free_mail_domains: frozenset[str]
    digest: str
    file_digests: Mapping[str, str]
