"""`merchantscreen rules backtest [OLD] [NEW]`: what another policy makes of the same data.

The data is read once and screened with both policies; nothing is published. Accepted rows wait
in a private folder of the system's temporary ones, which is removed whatever happens.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from merchantscreen.backtest import Comparison, compare
from merchantscreen.backtest.expectations import Checked, ExpectationsFile, check, read_expectations
from merchantscreen.cli import options, rejects
from merchantscreen.cli.inputs import (
    AsOf,
    Collected,
    InputFiles,
    Inputs,
    MappingFile,
    Merchants,
    Referrals,
    Transactions,
    read_inputs,
)
from merchantscreen.cli.progress import shown_progress
from merchantscreen.cli.rules.diff import PLACES, summary, told
from merchantscreen.cli.rules.revisions import BUILT_IN, Side, read_policy, read_sides
from merchantscreen.cli.rules.writing import replace_file
from merchantscreen.cli.terminal import output, show_json, show_lines
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.errors import EXIT_FAIL_ON, UsageError
from merchantscreen.intake import files
from merchantscreen.outputs.backtest import checked_values, comparison_values, show_checked, show_comparison
from merchantscreen.outputs.junit import JUnitCase, junit_xml
from merchantscreen.outputs.manifest import totals
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.policy.whatif import Trial, scaled
from merchantscreen.policy.yamlfiles import MAX_BYTES
from merchantscreen.records import Progress
from merchantscreen.referrals.flagging import flag
from merchantscreen.referrals.register import fold
from merchantscreen.screening import ScreenResult, screen

_Policy = Annotated[str | None, typer.Argument(help=PLACES)]
_WhatIf = Annotated[
    list[str] | None,
    typer.Option(
        "--what-if", metavar="EXPR...",
        help="Change a number of NEW, or of OLD where NEW is absent: RULE.FEATURE=+10%, TIER.FACT=0.5, "
             "evidence.kinds.phone.weight=0.5.",
    ),
]  # fmt: skip
_Expect = Annotated[
    Path | None, typer.Option("--expect", metavar="FILE", help="YAML file of what NEW has to show on this data.")
]
_Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the expectations as JUnit XML.")]
_Sample = Annotated[
    int, typer.Option("--sample", min=0, metavar="N", help="Accounts sampled on each side of a threshold that moved.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is compared, and what is expected of it."""

    before: Side
    after: Side
    trials: tuple[Trial, ...]
    expected: ExpectationsFile | None


@dataclass(frozen=True, slots=True)
class _Done:
    """What came out."""

    plan: _Plan
    comparison: Comparison
    checked: tuple[Checked, ...]
    account_count: int


def backtest(
    old: _Policy = None,
    new: _Policy = None,
    *,
    referrals: Referrals,
    merchants: Merchants,
    transactions: Transactions,
    as_of: AsOf = None,
    mapping: MappingFile = None,
    what_if: _WhatIf = None,
    expect: _Expect = None,
    junit: _Junit = None,
    sample: _Sample = 5,
    as_json: _Json = False,
) -> None:
    """Screen the same data with two policies and say what changes.

    OLD is the built-in policy where it is absent; NEW may be absent with --what-if. Policies stand before
    the options. Ends with exit code 1 if an expectation is not met. Linked accounts are for review.
    """
    _check_words(old, new, what_if, expect, junit)
    named = InputFiles(tuple(referrals), tuple(merchants), tuple(transactions), mapping)
    with shown_progress() as progress:
        done = _run(named, (old or BUILT_IN, new, what_if or [], expect), options.moment(as_of), sample, progress)
    if junit is not None:
        replace_file(junit, junit_xml("merchantscreen rules backtest", list(map(_junit_case, done.checked))))
    if as_json:
        show_json(_values(done))
    else:
        _show(done)
    if any(one.fails for one in done.checked):
        raise typer.Exit(EXIT_FAIL_ON)


def _check_words(
    old: str | None, new: str | None, what_if: Sequence[str] | None, expect: Path | None, junit: Path | None
) -> None:
    if new is None and not what_if:
        given = "a policy and nothing to compare it with" if old else "no policy to compare with the one built in"
        raise _usage("OLD NEW", given, f"two policies ({BUILT_IN} is one), or --what-if")
    if junit is not None and expect is None:
        raise _usage("--junit", "no expectations to write down", "--expect beside it")


def _usage(where: str, found: str, expected: str) -> UsageError:
    return UsageError("nothing to do", (PROBLEMS["MS-RUN-001"].at(where, found=found, expected=expected),))


# --------------------------------------------------------------------------- the work


def _run(
    named: InputFiles,
    wanted: tuple[str, str | None, Sequence[str], Path | None],
    as_of: datetime,
    sample: int,
    progress: Progress,
) -> _Done:
    with tempfile.TemporaryDirectory(prefix="merchantscreen-backtest-", ignore_cleanup_errors=True) as work:
        plan, inputs = read_inputs(named, Path(work), progress, lambda: _plan(*wanted))
        over = rejects.over_limit(totals(inputs.sources), None)
        if over:
            raise rejects.stop(over, inputs.rejects)
        before, after = (_screened(side, inputs, Path(work), as_of, progress) for side in (plan.before, plan.after))
        accounts = frozenset(inputs.intake.accounts["account_id"])
    comparison = compare(plan.before.policy, plan.after.policy, before, after, sample)
    checked = check(plan.expected, plan.after.policy, after, comparison, accounts) if plan.expected else ()
    return _Done(plan, comparison, checked, len(accounts))


def _plan(old: str, new: str | None, what_if: Sequence[str], expect: Path | None) -> _Plan:
    """Read both policies and the expectations; what is wrong with any comes together."""
    collected = Collected()
    sides = collected.attempt(lambda: _sides(old, new))
    expected = collected.attempt(lambda: _expectations(expect) if expect else None)
    collected.settle()
    if sides is None:
        raise AssertionError("reading gave neither policies nor an error")
    before, after = sides
    trials: list[Trial] = []
    for expression in what_if:
        trial = scaled(after.policy, expression)
        trials.append(trial)
        after = replace(after, policy=trial.policy)
    if trials:
        after = replace(after, name=f"{after.name} with {', '.join(one.expression for one in trials)}")
    return _Plan(before, after, tuple(trials), expected)


def _sides(old: str, new: str | None) -> tuple[Side, Side]:
    if new is not None:
        return read_sides(old, new)
    side = Side(old, read_policy(old))
    return side, side


def _expectations(path: Path) -> ExpectationsFile:
    with files.open_binary(path) as stream:
        return read_expectations(path.name, stream.read(MAX_BYTES + 1))


def _screened(side: Side, inputs: Inputs, work: Path, as_of: datetime, progress: Progress) -> ScreenResult:
    """Screen with one policy; each screening has a folder of its own for what waits."""
    flagged = flag(fold(inputs.referrals.events, as_of), side.policy, as_of)
    with tempfile.TemporaryDirectory(dir=work, ignore_cleanup_errors=True) as own:
        return screen(inputs.intake, flagged, side.policy, PolarsEngine(Path(own)), as_of, progress)


# --------------------------------------------------------------------------- telling


def _show(done: _Done) -> None:
    show_lines(told(done.plan.before.name, done.plan.after.name, done.comparison.differences))
    if done.plan.trials:
        show_lines(["", "What if", *(f"  {trial.sentence}" for trial in done.plan.trials)])
    show_comparison(output(), done.comparison, done.account_count)
    if done.plan.expected is not None:
        show_checked(output(), done.checked)


def _values(done: _Done) -> dict[str, Any]:
    stated = summary(done.plan.before, done.plan.after, done.comparison.differences)
    what_if = [{"expression": one.expression, "sentence": one.sentence} for one in done.plan.trials]
    return stated | comparison_values(done.comparison) | {
        "account_count": done.account_count,
        "what_if": what_if,
        "expectations": checked_values(done.checked),
    }  # fmt: skip


def _junit_case(one: Checked) -> JUnitCase:
    is_warning = one.failure is not None and one.is_warning
    return JUnitCase(
        one.name, one.subject, one.failure if one.fails else None, skipped=one.failure if is_warning else None
    )
