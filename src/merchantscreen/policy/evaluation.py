"""Rules over features -> one outcome per account and rule, with the values it was decided on.

Three outcomes: what a rule could not decide is `not_evaluated`, names the features
that were not known, and never passes for clean. A rule in draft is evaluated and
shown as context, whatever its role; a retired rule is not evaluated at all.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl

from merchantscreen import tables
from merchantscreen.features import CATALOGUE
from merchantscreen.policy.model import Rule
from merchantscreen.vocabulary import RuleOutcome, RuleRole, RuleStatus

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_UNITS: Final[Mapping[str, str]] = {feature.name: feature.unit for feature in CATALOGUE}

_OUTCOMES: Final = {None: RuleOutcome.NOT_EVALUATED, True: RuleOutcome.HIT, False: RuleOutcome.NO_HIT}

Values = dict[str, object]


def evaluate_rules(rules: Iterable[Rule], features: pl.DataFrame) -> pl.DataFrame:
    """Evaluate every rule in use for every account.

    Args:
        rules: Loaded rules; retired ones are passed over.
        features: account_id and feature columns; absent columns count as not known.

    Returns:
        tables.RuleResults, sorted by account and rule.
    """
    parts = [_evaluate_rule(rule, features) for rule in rules if rule.status is not RuleStatus.RETIRED]
    if not parts:
        return tables.empty(tables.RuleResults)
    return tables.conform(pl.concat(parts), tables.RuleResults).sort("account_id", "rule_id")


def _evaluate_rule(rule: Rule, features: pl.DataFrame) -> pl.DataFrame:
    held = rule.condition.evaluate(features)
    names = sorted(rule.requires)
    known = [name for name in names if name in features.columns]
    rows = features.select(known).to_dicts() if known else [{} for _ in range(features.height)]
    observed = [{name: _known(row.get(name)) for name in names} for row in rows]
    outcomes = [_OUTCOMES[value] for value in held]
    return pl.DataFrame(
        {
            "account_id": features.get_column("account_id"),
            "rule_id": [rule.id] * features.height,
            "rule_version": [rule.version] * features.height,
            "role": [effective_role(rule)] * features.height,
            "severity": [str(rule.severity)] * features.height,
            "outcome": [str(outcome) for outcome in outcomes],
            "observed": [json.dumps(values, sort_keys=True, separators=(",", ":")) for values in observed],
            "missing": [_missing(values) for values in observed],
            "reason": [_reason(rule, *both) for both in zip(outcomes, observed, strict=True)],
        },
        schema=tables.empty(tables.RuleResults).schema,
    )


def effective_role(rule: Rule) -> str:
    """Return what the rule may do now: a draft informs and never counts."""
    return str(RuleRole.CONTEXT if rule.status is RuleStatus.DRAFT else rule.role)


def _known(value: object) -> object:
    """Turn NaN and infinity, which JSON cannot say, into not known."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _missing(observed: Values) -> list[str]:
    return [name for name, value in observed.items() if value is None]


def _reason(rule: Rule, outcome: RuleOutcome, observed: Values) -> str:
    match outcome:
        case RuleOutcome.HIT:
            return PLACEHOLDER.sub(lambda found: readable(found[1], observed.get(found[1])), rule.reason)
        case RuleOutcome.NO_HIT:
            seen = ", ".join(f"{name} {readable(name, value)}" for name, value in observed.items())
            return f"Condition not met: {seen}."
        case RuleOutcome.NOT_EVALUATED:
            missing = ", ".join(_missing(observed)) or "a result within the range of numbers"
            return f"Could not be evaluated; not known: {missing}."


def readable(name: str, value: object) -> str:
    """Write a feature's value for a person, by its unit."""
    if value is None:
        return "not known"
    if isinstance(value, float):
        return f"{100 * value:.1f} %" if _UNITS.get(name) == "share 0-1" else f"{value:.2f}"
    return str(value)
