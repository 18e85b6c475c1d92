"""`merchantscreen rules test [DIR]`: does every rule do what its own tests say?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from merchantscreen.cli.rules.writing import replace_file
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.errors import EXIT_FAIL_ON, UsageError
from merchantscreen.outputs.junit import JUnitCase, junit_xml
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import counted
from merchantscreen.policy.casetests import CaseResult, run_rules
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Policy, Rule

_Folder = Annotated[
    Path | None, typer.Argument(help="Rule folder; without it the policy that came along.", metavar="[DIR]")
]
_RuleId = Annotated[str | None, typer.Option("--rule", help="Run the tests of this rule only.", metavar="ID")]
_Junit = Annotated[Path | None, typer.Option(help="Also write the results as JUnit XML.", metavar="FILE")]


def run_tests(folder: _Folder = None, *, rule: _RuleId = None, junit: _Junit = None, as_json: Json = False) -> None:
    """Run the tests that every rule file carries.

    Ends with exit code 1 if a test fails. A rule without tests for all three outcomes is refused
    when the folder is loaded, with exit code 65.
    """
    rules = _chosen(load_policy(folder), rule)
    results = run_rules(rules)
    failed = [result for result in results if not result.passed]
    if junit is not None:
        replace_file(junit, junit_xml("merchantscreen rules test", [_junit_case(result) for result in results]))
    if as_json:
        show_json(_facts(rules, results, failed))
    else:
        show_lines(_told(rules, results, failed))
    if failed:
        raise typer.Exit(EXIT_FAIL_ON)


def _chosen(policy: Policy, wanted: str | None) -> Sequence[Rule]:
    rules = [rule for rule in policy.rules if wanted in {None, rule.id}]
    if not rules:
        problem = PROBLEMS["MS-RUN-001"].at("--rule", found="no rule with this id", expected="the id of a rule")
        raise UsageError("no such rule", (problem,))
    return rules


def _told(rules: Sequence[Rule], results: Sequence[CaseResult], failed: Sequence[CaseResult]) -> Iterator[str]:
    yield from (f"failed: {result.rule_id}: {result.case_name}: {_difference(result)}" for result in failed)
    passed = len(results) - len(failed)
    yield f"{counted(len(results), 'test')} of {counted(len(rules), 'rule')}: {passed:,} passed, {len(failed):,} failed"


def _difference(result: CaseResult) -> str:
    return f"expected {result.expected}, got {result.actual}: {result.reason}"


def _facts(rules: Sequence[Rule], results: Sequence[CaseResult], failed: Sequence[CaseResult]) -> dict[str, Any]:
    return {
        "rules": len(rules),
        "tests": len(results),
        "failed": [
            {
                "rule": result.rule_id, "test": result.case_name, "expected": result.expected.value,
                "actual": result.actual.value, "reason": result.reason,
            }
            for result in failed
        ],
    }  # fmt: skip


def _junit_case(result: CaseResult) -> JUnitCase:
    return JUnitCase(result.case_name, result.rule_id, None if result.passed else _difference(result))
