"""What many cases share, said once: conditions of the tiers, rules, kinds of ties and what may explain them.

Rules kept here: wording comes from the policy in the bundle and from the table of identifiers; cases mean it by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from merchantscreen.errors import IntegrityError, PolicyError
from merchantscreen.identifiers import KINDS
from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.report.figures import Row, shown
from merchantscreen.outputs.runpolicy import policy_of_run
from merchantscreen.policy.model import Rule, TierCondition


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its key, what it is about, a short note, and sentences."""

    key: str
    title: str
    note: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Glossary:
    """All entries; `problem` says why the policy could not be read again, where it could not.

    Attributes:
        conditions: Conditions of tiers.yml by id.
        tier_keys: Key of the entry by condition.
        rules: Key of the entry by rule id, for rules of the policy and for those that only the results name.
        innocent: Rules with innocent explanations.
        tiers: Entries of the conditions.
        rule_entries: Entries of the rules.
        kind_keys: Key of the entry by kind of tie.
        kinds: Entries of the kinds of ties.
        problem: Empty if all went well.
    """

    conditions: Mapping[str, TierCondition]
    tier_keys: Mapping[str, str]
    rules: Mapping[str, str]
    innocent: frozenset[str]
    tiers: tuple[Entry, ...]
    rule_entries: tuple[Entry, ...]
    kind_keys: Mapping[str, str]
    kinds: tuple[Entry, ...]
    problem: str


def glossary_of(bundle: Bundle) -> Glossary:
    """Read the policy out of the run itself and put what cases mean into entries."""
    stated = bundle.manifest.policy
    conditions: Mapping[str, TierCondition] = {}
    rules: Mapping[str, Rule] = {}
    problem = ""
    try:
        policy = policy_of_run(bundle.policy, stated.digest, stated.files)
        conditions = {condition.id: condition for condition in policy.tiers}
        rules = {rule.id: rule for rule in policy.rules}
    except (PolicyError, IntegrityError) as error:
        problem = error.message
    named = pl.concat([bundle.rules.select(_ABOUT), bundle.shadow.select(_ABOUT)]).unique().to_dicts()
    told = {row["rule_id"]: row for row in sorted(named, key=lambda row: (row["rule_id"], row["rule_version"]))}
    keys = {name: f"r{number}" for number, name in enumerate(sorted(told), start=1)}
    return Glossary(
        conditions=conditions,
        tier_keys={name: f"t{number}" for number, name in enumerate(conditions, start=1)},
        rules=keys,
        innocent=frozenset(name for name, rule in rules.items() if name in keys and rule.innocent_explanations),
        tiers=tuple(_tier(number, one) for number, one in enumerate(conditions.values(), start=1)),
        rule_entries=tuple(_rule(keys[name], row, rules.get(name)) for name, row in told.items()),
        kind_keys=_KIND_KEYS,
        kinds=tuple(Entry(_KIND_KEYS[kind.name], kind.title, kind.family.value, (kind.innocent,)) for kind in KINDS),
        problem=problem,
    )


_KIND_KEYS: Final = {kind.name: f"k{number}" for number, kind in enumerate(KINDS, start=1)}
_ABOUT: Final = ("rule_id", "rule_version", "status", "role", "severity", "typology")


def _tier(number: int, one: TierCondition) -> Entry:
    text = " ".join(one.condition.text.split())
    return Entry(f"t{number}", one.id, one.tier.value, (one.reason, text, one.rationale))


def _rule(key: str, row: Row, rule: Rule | None) -> Entry:
    note = f"{row['role']}, {row['severity']}, {row['status']}, version {shown(row['rule_version'])}"
    if rule is None:
        return Entry(key, shown(row["rule_id"]), note, ())
    return Entry(key, shown(row["rule_id"]), f"{rule.title}. {note}", rule.innocent_explanations)
