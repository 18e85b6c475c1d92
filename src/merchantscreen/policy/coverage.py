"""What a policy covers: of the catalogue of indicators, and of the accounts of a run.

Rules kept here:
* a draft covers nothing yet and is counted apart; an excluded indicator keeps its reason;
* a share is rounded down and never up to 100, a part above zero never down to 0;
* what could not be evaluated is told with the features and input columns that were wanting.

Source: OPA issue 6307, where 99.99 % was shown as 100 and passed; rsigma's `rule coverage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from merchantscreen.features import CATALOGUE
from merchantscreen.policy.model import Indicator, Policy, Rule
from merchantscreen.vocabulary import BlindSpot, Measurable, RuleOutcome, RuleStatus

_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {feature.name: feature.needs for feature in CATALOGUE}


class Covered(StrEnum):
    """How far an indicator is covered, best first."""

    ACTIVE = "active"
    DRAFT = "draft"
    NONE = "none"
    NOT_MEASURABLE = "not_measurable"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class IndicatorCoverage:
    """One indicator with the rules that name it."""

    indicator: Indicator
    active: tuple[str, ...]
    drafts: tuple[str, ...]

    @property
    def state(self) -> Covered:
        """How far it is covered."""
        if self.indicator.excluded is not None:
            return Covered.EXCLUDED
        if self.active:
            return Covered.ACTIVE
        if self.drafts:
            return Covered.DRAFT
        return Covered.NOT_MEASURABLE if self.indicator.measurable is Measurable.NO else Covered.NONE

    @property
    def is_gap(self) -> bool:
        """Whether it could be seen, is not excluded, and no rule looks for it."""
        return self.state is Covered.NONE


@dataclass(frozen=True, slots=True)
class Wanting:
    """A feature that kept a rule from being evaluated.

    Attributes:
        feature: Its name.
        account_count: Accounts for which it was not known.
        needs: Input columns it needs.
        absent: Of these, those that the input did not have.
    """

    feature: str
    account_count: int
    needs: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """What became of one rule among the ranked accounts of a run; set-aside hits are hits, counted apart."""

    rule_id: str
    status: RuleStatus
    hit_count: int
    set_aside_count: int
    no_hit_count: int
    not_evaluated_count: int
    wanting: tuple[Wanting, ...]

    @property
    def account_count(self) -> int:
        """Accounts it was asked about."""
        return self.hit_count + self.no_hit_count + self.not_evaluated_count

    @property
    def evaluated_count(self) -> int:
        """Accounts for which it could be decided."""
        return self.hit_count + self.no_hit_count

    @property
    def is_blind(self) -> bool:
        """Whether it could be evaluated for no account at all."""
        return self.account_count > 0 and self.evaluated_count == 0


def indicator_coverage(policy: Policy) -> tuple[IndicatorCoverage, ...]:
    """Put the rules of a policy beside its catalogue of indicators, in the catalogue's order."""
    return tuple(
        IndicatorCoverage(
            indicator,
            _naming(policy.rules, indicator.id, RuleStatus.ACTIVE),
            _naming(policy.rules, indicator.id, RuleStatus.DRAFT),
        )
        for indicator in policy.indicators
    )


def _naming(rules: Iterable[Rule], indicator: str, status: RuleStatus) -> tuple[str, ...]:
    return tuple(sorted(rule.id for rule in rules if rule.status is status and indicator in rule.indicators))


def rule_coverage(
    policy: Policy, results: pl.DataFrame, shadow: pl.DataFrame, blind_spots: pl.DataFrame
) -> tuple[RuleCoverage, ...]:
    """Count what became of every rule in a run.

    Args:
        policy: The policy of the run.
        results: tables.RuleResults of the ranked accounts.
        shadow: The same of the rules in draft.
        blind_spots: tables.BlindSpots, for columns that the input did not have.

    Returns:
        One entry per rule that is not retired, in the policy's order.
    """
    spots = blind_spots.filter(pl.col("kind") == BlindSpot.COLUMN_ABSENT)
    absent = frozenset(spots["subject"])
    rows = pl.concat([results, shadow.select(results.columns)]).partition_by("rule_id", as_dict=True)
    used = [rule for rule in policy.rules if rule.status is not RuleStatus.RETIRED]
    return tuple(_of_rule(rule, rows.get((rule.id,), results.clear()), absent) for rule in used)


def _of_rule(rule: Rule, rows: pl.DataFrame, absent: frozenset[str]) -> RuleCoverage:
    counts = {outcome: int((rows["outcome"] == outcome.value).sum()) for outcome in RuleOutcome}
    undecided = rows.filter(pl.col("outcome") == RuleOutcome.NOT_EVALUATED)
    missing = undecided["missing"].explode(empty_as_null=False).drop_nulls().value_counts().sort("missing")
    wanting = tuple(wants(name, count, absent) for name, count in missing.iter_rows())
    return RuleCoverage(
        rule.id, rule.status, counts[RuleOutcome.HIT], rows["exception_id"].count(),
        counts[RuleOutcome.NO_HIT], counts[RuleOutcome.NOT_EVALUATED], wanting,
    )  # fmt: skip


def wants(feature: str, account_count: int, absent: frozenset[str]) -> Wanting:
    """Say of a feature that was not known which columns it needs, and which of them the input did not have."""
    needs = _NEEDS.get(feature, ())
    return Wanting(feature, account_count, needs, tuple(need for need in needs if set(need.split(" or ")) <= absent))


def percent(part: int, whole: int) -> str:
    """Write a share as a percentage with one decimal, rounded down; a part above zero is never shown as 0.

    An empty whole has no share.
    """
    if whole == 0:
        return "–"
    thousandths = 1000 * part // whole
    return "< 0.1 %" if part and not thousandths else f"{thousandths / 10:.1f} %"
