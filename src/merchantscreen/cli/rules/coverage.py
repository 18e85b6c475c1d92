"""`merchantscreen rules coverage`: which documented signs have a rule, and which rules could be asked in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from merchantscreen.bundle import read_bundle
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.errors import EXIT_FAIL_ON, UsageError
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.runpolicy import policy_of_run
from merchantscreen.outputs.text import counted, visible
from merchantscreen.policy import coverage as covering
from merchantscreen.policy.coverage import Covered, IndicatorCoverage, RuleCoverage, Wanting
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Policy
from merchantscreen.vocabulary import RuleStatus

_WORDS: Final = {
    Covered.ACTIVE: "active", Covered.DRAFT: "draft only", Covered.NONE: "no rule",
    Covered.NOT_MEASURABLE: "not seen", Covered.EXCLUDED: "excluded",
}  # fmt: skip

_LIVES: Final = (RuleStatus.ACTIVE, RuleStatus.DRAFT, RuleStatus.RETIRED)

_Rules = Annotated[
    Path | None, typer.Option("--rules", help="Rule folder; without it the policy that came along.", metavar="DIR")
]
_Run = Annotated[
    Path | None,
    typer.Option("--run", help="Folder of a run: its own rules, and what became of them.", metavar="DIR"),
]
_FailOnGap = Annotated[
    bool, typer.Option("--fail-on-gap", help="End with exit code 1 if an indicator that could be seen has no rule.")
]


@dataclass(frozen=True, slots=True)
class _Coverage:
    """What there is to tell; `rules` is None without a run."""

    policy: Policy
    indicators: tuple[IndicatorCoverage, ...]
    run_id: str | None = None
    account_count: int = 0
    rules: tuple[RuleCoverage, ...] | None = None

    @property
    def gaps(self) -> list[IndicatorCoverage]:
        return [entry for entry in self.indicators if entry.is_gap]

    @property
    def wanted(self) -> list[IndicatorCoverage]:
        """Indicators that could be seen and are not excluded."""
        closed = (Covered.EXCLUDED, Covered.NOT_MEASURABLE)
        return [entry for entry in self.indicators if entry.state not in closed]


def coverage(*, rules: _Rules = None, run: _Run = None, fail_on_gap: _FailOnGap = False, as_json: Json = False) -> None:
    """Show which indicators have a rule, and which rules could be asked.

    Per catalogued indicator: the active rules and drafts that name it, or the reason why none may. With --run,
    per rule: how many ranked accounts it hit, did not hit, or could not be evaluated for, and which input
    columns were wanting. A rule that could not be evaluated is no clean result.
    """
    told = _of_policy(rules) if run is None else _of_run(run, rules)
    if as_json:
        show_json(_record(told))
    else:
        for line in _lines(told):
            output().print(line, soft_wrap=True)
    if fail_on_gap and told.gaps:
        raise typer.Exit(EXIT_FAIL_ON)


def _of_policy(folder: Path | None) -> _Coverage:
    policy = load_policy(folder)
    return _Coverage(policy, covering.indicator_coverage(policy))


def _of_run(run: Path, folder: Path | None) -> _Coverage:
    if folder is not None:
        found = "--rules together with --run, which carries its own rules"
        raise UsageError("two policies", (PROBLEMS["MS-RUN-001"].at("--rules", found=found),))
    bundle = read_bundle(run)
    policy = policy_of_run(bundle.policy, bundle.manifest.policy.digest, bundle.manifest.policy.files)
    rules = covering.rule_coverage(policy, bundle.rules, bundle.shadow, bundle.blind_spots)
    return _Coverage(policy, covering.indicator_coverage(policy), bundle.manifest.run_id, bundle.ranking.height, rules)


# --------------------------------------------------------------------------- for a person


def _lines(told: _Coverage) -> Iterator[str]:
    yield from _summary(told)
    for group, entries in groupby(told.indicators, key=lambda entry: entry.indicator.group):
        yield f"\n{visible(group)}"
        for entry in entries:
            yield from _indicator_lines(entry)
    if told.rules is not None:
        yield from _run_lines(told, told.rules)


def _summary(told: _Coverage) -> Iterator[str]:
    states = Counter(entry.state for entry in told.indicators)
    statuses = Counter(rule.status for rule in told.policy.rules)
    listed = ", ".join(f"{statuses[status]} {status}" for status in _LIVES)
    yield f"rules       {len(told.policy.rules)}: {listed}"
    listed = ", ".join(f"{states[state]} {_WORDS[state]}" for state in Covered)
    yield f"indicators  {len(told.indicators)}: {listed}"
    wanted = len(told.wanted)
    share = covering.percent(states[Covered.ACTIVE], wanted)
    yield f"covered     {share} of the {wanted} that could be seen and are not excluded"


def _indicator_lines(entry: IndicatorCoverage) -> Iterator[str]:
    partly = ", partly seen" if entry.indicator.measurable == "partly" else ""
    yield f"  {entry.indicator.id}  {_WORDS[entry.state]:<11} {visible(entry.indicator.title)}{partly}"
    rules = [*entry.active, *(f"{name} (draft)" for name in entry.drafts)]
    if rules:
        yield f"{'':19}{', '.join(rules)}"
    if entry.indicator.excluded is not None:
        yield f"{'':19}{visible(entry.indicator.excluded, 2000)}"


def _run_lines(told: _Coverage, rules: Sequence[RuleCoverage]) -> Iterator[str]:
    yield f"\nrun {told.run_id}: {counted(told.account_count, 'ranked account')}"
    width = max([4, *(len(rule.rule_id) for rule in rules)])
    yield f"  {'rule':<{width}}  {'status':<6} {'hit':>7} {'no hit':>7} {'not evaluated':>14} {'evaluated':>10}"
    for rule in rules:
        share = covering.percent(rule.evaluated_count, rule.account_count)
        aside = f"  {rule.set_aside_count} set aside by exceptions" if rule.set_aside_count else ""
        yield (
            f"  {rule.rule_id:<{width}}  {rule.status:<6} {rule.hit_count:>7,} {rule.no_hit_count:>7,} "
            f"{rule.not_evaluated_count:>14,} {share:>10}{aside}"
        )
    blind = [rule for rule in rules if rule.is_blind]
    if blind:
        yield "\ncould not be evaluated for any ranked account; that is not a clean result"
    for rule in blind:
        yield f"  {rule.rule_id}"
        yield from (f"    {_wanting(entry)}" for entry in rule.wanting)


def _wanting(entry: Wanting) -> str:
    needs = f"; needs {', '.join(entry.needs)}" if entry.needs else ""
    absent = f"; absent from the input, or from part of it: {', '.join(entry.absent)}" if entry.absent else ""
    return f"{entry.feature} not known for {counted(entry.account_count, 'account')}{needs}{absent}"


# --------------------------------------------------------------------------- for a program


def _record(told: _Coverage) -> dict[str, Any]:
    states = Counter(entry.state for entry in told.indicators)
    return {
        "policy_digest": told.policy.digest,
        "run_id": told.run_id,
        "ranked_account_count": told.account_count if told.rules is not None else None,
        "indicator_counts": {str(state): states[state] for state in Covered},
        "wanted_count": len(told.wanted),
        "covered": covering.percent(states[Covered.ACTIVE], len(told.wanted)),
        "gaps": [entry.indicator.id for entry in told.gaps],
        "indicators": [_indicator_record(entry) for entry in told.indicators],
        "rules": None if told.rules is None else [_rule_record(rule) for rule in told.rules],
    }


def _indicator_record(entry: IndicatorCoverage) -> dict[str, Any]:
    names = ("id", "group", "title", "measurable", "source", "excluded")
    about = {name: getattr(entry.indicator, name) for name in names}
    return {**about, "state": entry.state, "active": entry.active, "drafts": entry.drafts}


def _rule_record(rule: RuleCoverage) -> dict[str, Any]:
    names = ("rule_id", "status", "hit_count", "set_aside_count", "no_hit_count", "not_evaluated_count",
             "account_count", "is_blind")  # fmt: skip
    wanting = [
        {"feature": entry.feature, "account_count": entry.account_count, "needs": entry.needs, "absent": entry.absent}
        for entry in rule.wanting
    ]
    return {name: getattr(rule, name) for name in names} | {"wanting": wanting}
