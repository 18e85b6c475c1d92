"""Runs the tests that every rule file carries: the rule's own claim of what it does.

Rules kept here:
* a test runs through the code that screenings use, on a row that holds what the file gives and nothing else;
* every rule is tested, drafts and retired ones too; what became of a test is a value, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

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
    return run_rules(policy.rules)


def run_rules(rules: Iterable[Rule]) -> list[CaseResult]:
    """Run every test of some rules, in file order."""
    return [result for rule in rules for result in _run(rule, rule.cases)]


def run_case(rule: Rule, case: RuleCase) -> CaseResult:
    """Run one test of a rule."""
    (result,) = _run(rule, (case,))
    return result


def _run(rule: Rule, cases: tuple[RuleCase, ...]) -> list[CaseResult]:
    """Evaluate a rule on one row per test; features that a test does not give are not known."""
    schema = {name: COLUMN_DTYPES[kind] for name, kind in rule.condition.types}
    given = pl.DataFrame([{name: case.given.get(name) for name in schema} for case in cases], schema=schema)
    numbered = given.with_columns(account_id=pl.int_range(pl.len()).cast(pl.String).str.zfill(6))
    results = evaluate_rules([replace(rule, status=RuleStatus.ACTIVE)], numbered).sort("account_id")
    return [
        CaseResult(rule.id, case.name, case.expect, RuleOutcome(row["outcome"]), row["reason"])
        for case, row in zip(cases, results.iter_rows(named=True), strict=True)
    ]
