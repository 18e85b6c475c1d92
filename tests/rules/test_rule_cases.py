"""Every rule file's own cases, run as the rule's author wrote them."""

from __future__ import annotations

import pytest

from merchantscreen.policy.casetests import run_case, run_cases
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Rule, RuleCase
from merchantscreen.vocabulary import RuleOutcome

POLICY = load_policy()
CASES = [pytest.param(rule, case, id=f"{rule.id}: {case.name}") for rule in POLICY.rules for case in rule.cases]


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_a_rule_does_what_its_own_case_says(rule: Rule, case: RuleCase) -> None:
    """A case of a rule file gives the outcome that the file expects."""
    result = run_case(rule, case)
    assert result.actual is case.expect, result.reason


@pytest.mark.parametrize("rule", POLICY.rules, ids=lambda rule: rule.id)
def test_a_rule_shows_all_three_outcomes(rule: Rule) -> None:
    """Every rule proves by its cases that it can hit, not hit, and say that it does not know."""
    assert {run_case(rule, case).actual for case in rule.cases} == set(RuleOutcome)


@pytest.mark.parametrize("rule", POLICY.rules, ids=lambda rule: rule.id)
def test_a_hit_is_told_with_the_values_that_were_seen(rule: Rule) -> None:
    """The sentence of a hit has no placeholder left in it and names no unknown value."""
    reasons = [run_case(rule, case).reason for case in rule.cases if case.expect is RuleOutcome.HIT]
    assert all("{" not in reason and "not known" not in reason for reason in reasons)


def test_all_cases_of_all_rules_are_run() -> None:
    """Running the cases of a policy leaves none out."""
    assert len(run_cases(POLICY)) == len(CASES)
    assert len({rule.typology for rule in POLICY.rules}) == 6
