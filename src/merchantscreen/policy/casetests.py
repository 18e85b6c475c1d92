"""Runs the tests that every rule file carries: the rule's own claim of what it does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from merchantscreen.features import CATALOGUE
from merchantscreen.policy.evaluation import evaluate_rules
from merchantscreen.policy.model import Policy, Rule, RuleCase
from merchantscreen.tables import COLUMN_DTYPES
from merchantscreen.vocabulary import RuleOutcome, RuleStatus


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test of one rule, and what came out; `reason` is the sentence an analyst would read."""

    rule_id: str
    case_name: str
    expected: RuleOutcome
    actual: RuleOutcome
    reason: str

    @property
    def passed(self) -> bool:
        """Whether the rule did what its file says."""
        return self.expected is self.actual


def run_cases(policy: Policy) -> list[CaseResult]:
    """Run every test of every rule, retired ones too, in file order."""
    return [run_case(rule, case) for rule in policy.rules for case in rule.cases]


def run_case(rule: Rule, case: RuleCase) -> CaseResult:
    """Evaluate a rule on one row of given values; features not given are not known."""
    schema = {feature.name: COLUMN_DTYPES[feature.type] for feature in CATALOGUE if feature.name in case.given}
    given = pl.DataFrame([dict(case.given)], schema=schema) if schema else pl.DataFrame()
    row = pl.DataFrame({"account_id": ["case"]}).hstack(given)
    (result,) = evaluate_rules([_in_use(rule)], row).to_dicts()
    return CaseResult(rule.id, case.name, case.expect, RuleOutcome(result["outcome"]), result["reason"])


def _in_use(rule: Rule) -> Rule:
    return replace(rule, status=RuleStatus.ACTIVE)
