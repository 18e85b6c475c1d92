"""Rules over features -> one outcome per account and rule, with the values it was decided on.

Three outcomes: what a rule could not decide is `not_evaluated`, names the features
that were not known, and never passes for clean. A rule in draft is evaluated beside the
run and never counts; a retired rule is not evaluated at all.

Two steps, because they cost differently: `outcomes` decides all rules for all accounts at
once, and `describe` writes out what a reader needs, for the accounts that somebody will read.
An exception sets a hit aside: the outcome stays as it is, and the exception stands beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from merchantscreen import tables
from merchantscreen.features import CATALOGUE
from merchantscreen.policy.language import known_columns
from merchantscreen.policy.model import Rule
from merchantscreen.vocabulary import ColumnType, RuleOutcome, RuleStatus

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_UNITS: Final[Mapping[str, str]] = {feature.name: feature.unit for feature in CATALOGUE}
_NUMBERS: Final = frozenset(feature.name for feature in CATALOGUE if feature.type is ColumnType.NUMBER)
_NOT_KNOWN: Final = "not known"


def outcomes(rules: Iterable[Rule], features: pl.DataFrame) -> pl.DataFrame:
    """Decide every rule in use for every account, in one pass.

    Args:
        rules: Loaded rules; retired ones are passed over.
        features: account_id and feature columns; absent columns count as not known.

    Returns:
        account_id and one nullable boolean per rule id, rows in the order given; null means not evaluated.
    """
    used = in_use(rules)
    types = sorted({pair for rule in used for pair in rule.condition.types})
    known = known_columns(features, types) if types else pl.DataFrame()
    decided = known.select(rule.condition.expression.alias(rule.id) for rule in used)
    return features.select("account_id").hstack(decided.get_columns())


def evaluate_rules(
    rules: Iterable[Rule], features: pl.DataFrame, exceptions: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Decide every rule in use for every account, and say what each was decided on.

    Args:
        rules: Loaded rules; retired ones are passed over.
        features: account_id and feature columns.
        exceptions: tables.ExceptionTargets that apply; None for none.

    Returns:
        tables.RuleResults, sorted by account and rule.
    """
    used = in_use(rules)
    return describe(used, decide(used, features, exceptions), features)


def in_use(rules: Iterable[Rule]) -> list[Rule]:
    """Leave out the retired rules."""
    return [rule for rule in rules if rule.status is not RuleStatus.RETIRED]


def decide(rules: Sequence[Rule], features: pl.DataFrame, exceptions: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the outcomes in rows: tables.RuleOutcomes, one per account and rule, sorted."""
    if not rules:
        return tables.empty(tables.RuleOutcomes)
    wide = outcomes(rules, features)
    held = pl.col("held")
    outcome = (
        pl.when(held.is_null())
        .then(pl.lit(RuleOutcome.NOT_EVALUATED.value))
        .when(held)
        .then(pl.lit(RuleOutcome.HIT.value))
        .otherwise(pl.lit(RuleOutcome.NO_HIT.value))
    )
    rows = wide.unpivot(index="account_id", variable_name="rule_id", value_name="held").with_columns(outcome=outcome)
    about = pl.DataFrame(
        [(rule.id, rule.version, str(rule.status), rule.typology, str(rule.role), str(rule.severity))
         for rule in rules],
        schema=["rule_id", "rule_version", "status", "typology", "role", "severity"], orient="row",
    )  # fmt: skip
    joined = rows.join(about, on="rule_id", how="left")
    return tables.conform(_set_aside(joined, exceptions), tables.RuleOutcomes).sort("account_id", "rule_id")


def _set_aside(rows: pl.DataFrame, exceptions: pl.DataFrame | None) -> pl.DataFrame:
    """Name the exception beside the hits it sets aside; of several, the first by id."""
    if exceptions is None or exceptions.is_empty():
        return rows
    first = exceptions.group_by("rule_id", "account_id").agg(pl.col("exception_id").min())
    joined = rows.join(first, on=["rule_id", "account_id"], how="left")
    is_hit = pl.col("outcome") == RuleOutcome.HIT
    return joined.with_columns(exception_id=pl.when(is_hit).then("exception_id"))


def counted_hits() -> pl.Expr:
    """Select the hits that count: those that no exception sets aside."""
    return (pl.col("outcome") == RuleOutcome.HIT) & pl.col("exception_id").is_null()


# --------------------------------------------------------------------------- telling


def describe(rules: Iterable[Rule], decided: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
    """Add the observed values, what was not known, and a sentence.

    Args:
        rules: The rules that were decided.
        decided: tables.RuleOutcomes of the accounts that somebody will read.
        features: The features they were decided on.

    Returns:
        tables.RuleResults, sorted by account and rule.
    """
    parts = [
        _describe_rule(rule, rows, features)
        for rule in rules
        if not (rows := decided.filter(pl.col("rule_id") == rule.id)).is_empty()
    ]
    if not parts:
        return tables.empty(tables.RuleResults)
    return tables.conform(pl.concat(parts), tables.RuleResults).sort("account_id", "rule_id")


def _describe_rule(rule: Rule, rows: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
    names = [name for name, _ in rule.condition.types]
    missing = pl.concat_list([pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in names]).list.drop_nulls()
    known = features.select("account_id").hstack(known_columns(features, rule.condition.types).get_columns())
    seen = rows.join(known, on="account_id", how="left")
    outcome = pl.col("outcome")
    reason = (
        pl.when(outcome == RuleOutcome.HIT)
        .then(_filled(rule.reason))
        .when(outcome == RuleOutcome.NO_HIT)
        .then(_filled("Condition not met: " + ", ".join(f"{name} {{{name}}}" for name in names) + "."))
        .otherwise(_without(missing))
    )
    observed = pl.struct(names).struct.json_encode()
    return seen.select(*rows.columns, observed=observed, missing=missing, reason=reason)


def _filled(template: str) -> pl.Expr:
    """Put observed values into a sentence."""
    pieces = PLACEHOLDER.split(template)
    parts = [pl.lit(piece) if place % 2 == 0 else readable(piece) for place, piece in enumerate(pieces)]
    return pl.concat_str(parts)


def _without(missing: pl.Expr) -> pl.Expr:
    """Say what was not known; a result beyond all numbers leaves nothing to name."""
    listed = missing.list.join(", ")
    said = pl.when(listed == "").then(pl.lit("a result within the range of numbers")).otherwise(listed)
    return pl.concat_str([pl.lit("Could not be evaluated; not known: "), said, pl.lit(".")])


def readable(name: str) -> pl.Expr:
    """Write a feature's value for a person, by its unit."""
    value = pl.col(name)
    if _UNITS.get(name) == "share 0-1":
        text = pl.concat_str([(100 * value).round(1).cast(pl.String), pl.lit(" %")])
    elif name in _NUMBERS:
        text = value.round(2).cast(pl.String)
    else:
        text = value.cast(pl.String)
    return pl.when(value.is_null()).then(pl.lit(_NOT_KNOWN)).otherwise(text)


def observed_values(text: str) -> dict[str, Any]:
    """Read the observed values of a rule result back."""
    values: dict[str, Any] = json.loads(text)
    return values
