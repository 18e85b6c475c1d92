"""One number of a policy changed for a trial: `few-price-points.top3_price_share=+10%`.

Rules kept here:
* only the number changes: the literal is replaced where it stands, and the condition compiled again;
* a percentage scales every number the feature is compared with, and the sentence says so; an
  absolute number has to mean exactly one;
* what counts whole things stays whole; a change that rounding undoes is refused;
* the result is for trial runs only: its digest is of its own, its documents and files stay those
  of the policy it was made from.

Source: rsigma's `rule tune`, and the sampling around thresholds of domain.md 5.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from sqlglot import exp

from merchantscreen.errors import ProblemKind, UsageError
from merchantscreen.features import FACT_TYPES, FEATURE_TYPES
from merchantscreen.policy import building, folder, problems, yamlfiles
from merchantscreen.policy import fileschema as schema
from merchantscreen.policy.language import CompiledCondition, ConditionError, compile_condition
from merchantscreen.policy.model import Condition, EvidenceModel, Measures, Policy
from merchantscreen.policy.thresholds import Threshold, plain, relative_change, thresholds_of
from merchantscreen.vocabulary import ColumnType

_EXPRESSION: Final = re.compile(r"([a-z0-9-]+)\.([a-z0-9_.]+)\s*=\s*([+-]?)([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(%?)")
_LONGEST: Final = 200
_DECIMALS: Final = Decimal("0.000000001")
_NO_NUMBERS: Final = frozenset({"fixed_exponents", "version", "formula"})
_OPTION: Final = "--what-if"
DIGEST_SCHEMA: Final = "merchantscreen-what-if/1"

Form = TypeVar("Form", bound=schema.FileModel)


@dataclass(frozen=True, slots=True)
class Trial:
    """A policy with one number changed.

    Attributes:
        policy: The policy to try.
        expression: What was asked.
        sentence: What differs, for a reader.
    """

    policy: Policy
    expression: str
    sentence: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """An expression, read."""

    expression: str
    target: str
    name: str
    number: Decimal
    is_percentage: bool

    def applied(self, old: Decimal, *, whole: bool) -> Decimal:
        """Return the number that takes the place of another."""
        new = old * (1 + self.number / 100) if self.is_percentage else self.number
        new = new.quantize(Decimal(1) if whole and self.is_percentage else _DECIMALS, ROUND_HALF_UP)
        if new == old:
            raise self.refused(problems.WHAT_IF_RESULT, f"{plain(old)}, which stays {plain(new)}")
        return new

    def refused(self, kind: ProblemKind, found: str, fix: str | None = None) -> UsageError:
        """Make the error that refuses this wish."""
        problem = kind.at(_OPTION, None, f"{self.target}.{self.name}", found=found)
        return UsageError("no such what-if", (problem if fix is None else replace(problem, fix=fix),))


def scaled(policy: Policy, expression: str) -> Trial:
    """Change one number of a policy.

    Args:
        policy: The policy to start from.
        expression: `TARGET.NAME=AMOUNT`. TARGET is a rule's or a tier condition's id with a feature or
            fact for NAME, or `evidence` or `measures` with a path such as `kinds.phone.weight`. AMOUNT is
            a number, or a percentage with its sign.

    Raises:
        UsageError: It cannot be read, names nothing, or leads to a number that cannot stand there.
    """
    wish = _read(expression)
    if wish.target == "evidence":
        model, sentence = _in_file(policy, wish, folder.EVIDENCE)
        return _trial(policy, wish, {"evidence": model}, sentence)
    if wish.target == "measures":
        measures, sentence = _in_file(policy, wish, folder.MEASURES)
        return _trial(policy, wish, {"measures": measures}, sentence)
    for rule in policy.rules:
        if rule.id == wish.target:
            condition, sentence = _rewritten(rule.condition, wish, FEATURE_TYPES)
            changed = replace(rule, condition=condition)
            rules = tuple(changed if one is rule else one for one in policy.rules)
            return _trial(policy, wish, {"rules": rules}, sentence)
    for tier in policy.tiers:
        if tier.id == wish.target:
            condition, sentence = _rewritten(tier.condition, wish, FACT_TYPES)
            way = replace(tier, condition=condition)
            tiers = tuple(way if one is tier else one for one in policy.tiers)
            return _trial(policy, wish, {"tiers": tiers}, sentence)
    raise _unknown_target(policy, wish)


def _read(expression: str) -> _Wish:
    matched = _EXPRESSION.fullmatch(expression.strip()) if len(expression) <= _LONGEST else None
    if matched is None or (matched[5] and not matched[3]):
        raise UsageError("no what-if", (problems.WHAT_IF_FORM.at(_OPTION),))
    target, name, sign, digits, percent = matched.groups()
    return _Wish(expression.strip(), target, name, Decimal(f"{sign}{digits}"), bool(percent))


def _trial(policy: Policy, wish: _Wish, changed: Mapping[str, Any], sentence: str) -> Trial:
    stated = {"schema": DIGEST_SCHEMA, "policy": policy.digest, "change": wish.expression}
    digest = hashlib.sha256(json.dumps(stated, sort_keys=True).encode("ascii")).hexdigest()
    return Trial(replace(policy, digest=digest, **changed), wish.expression, sentence)


def _unknown_target(policy: Policy, wish: _Wish) -> UsageError:
    known = [*(rule.id for rule in policy.rules), *(tier.id for tier in policy.tiers), "evidence", "measures"]
    return _no_such(wish, f"no rule and no way into a tier named {wish.target}", wish.target, known)


def _no_such(wish: _Wish, found: str, name: str, known: Sequence[str]) -> UsageError:
    near = get_close_matches(name, known, 3)
    return wish.refused(problems.WHAT_IF_TARGET, found, f"Did you mean {' or '.join(near)}?" if near else None)


# --------------------------------------------------------------------------- conditions


def _rewritten(condition: Condition, wish: _Wish, catalogue: Mapping[str, ColumnType]) -> tuple[CompiledCondition, str]:
    """Put new numbers into a condition's text and compile it again."""
    meant = _meant(condition, wish)
    if len(meant) > 1 and not wish.is_percentage:
        found = f"{wish.name}, which is compared with {len(meant)} numbers"
        raise wish.refused(problems.WHAT_IF_NUMBER, found)
    numbers = [wish.applied(one.number, whole=catalogue[wish.name] is ColumnType.INTEGER) for one in meant]
    text = condition.text
    for threshold, number in sorted(zip(meant, numbers, strict=True), key=lambda pair: -_span(pair[0])[0]):
        start, end = _span(threshold)
        start = text.rindex("-", 0, start) if isinstance(threshold.literal, exp.Neg) else start
        text = f"{text[:start]}{plain(number)}{text[end:]}"
    try:
        compiled = compile_condition(text, catalogue)
    except ConditionError as error:
        raise wish.refused(problems.WHAT_IF_RESULT, str(error.faults[0].found)) from error
    return compiled, _sentence(wish, meant, numbers)


def _meant(condition: Condition, wish: _Wish) -> list[Threshold]:
    """Find the numbers that a feature is compared with, alone on its side."""
    about = [one for one in thresholds_of(condition) if one.names == {wish.name}]
    if about:
        return about
    if wish.name in condition.names:
        found = f"{wish.name}, which the condition reads but does not compare with a number"
        raise wish.refused(problems.WHAT_IF_NUMBER, found)
    found = f"a condition that does not read {wish.name}"
    raise wish.refused(problems.WHAT_IF_TARGET, found, f"Name what it reads: {', '.join(sorted(condition.names))}.")


def _span(threshold: Threshold) -> tuple[int, int]:
    """Return where the digits of a threshold's number stand in the text."""
    literal = threshold.literal.this if isinstance(threshold.literal, exp.Neg) else threshold.literal
    return literal.meta["start"], literal.meta["end"] + 1


def _sentence(wish: _Wish, meant: Sequence[Threshold], numbers: Sequence[Decimal]) -> str:
    changes = [
        f"{threshold} becomes {plain(number)} ({relative_change(threshold.number, number) or 'from 0'})"
        for threshold, number in zip(meant, numbers, strict=True)
    ]
    several = f" (all {len(meant)} numbers it is compared with)" if len(meant) > 1 else ""
    return f"{wish.target}: {'; '.join(changes)}{several}"


# --------------------------------------------------------------------------- numbers of a file


def _in_file(policy: Policy, wish: _Wish, name: str) -> tuple[EvidenceModel | Measures, str]:
    """Change a number of evidence.yml or measures.yml, and read the file again with it."""
    said = _plain_file(policy, name)
    holder, key, old = _number(said, wish, name)
    new = wish.applied(Decimal(old), whole=_is_count(wish, name))
    holder[key] = plain(new)
    sentence = f"{name}: {wish.name} {old} becomes {plain(new)} ({relative_change(Decimal(old), new) or 'from 0'})"
    return _built(policy, wish, name, said), sentence


def _plain_file(policy: Policy, name: str) -> Any:
    tree, _ = yamlfiles.read_yaml(name, policy.files[name])
    if tree is None:
        raise AssertionError("a file of a loaded policy cannot be read")
    return yamlfiles.plain_value(tree)


def _number(said: Any, wish: _Wish, name: str) -> tuple[dict[str, str], str, str]:
    """Find a number by its path; `measures.` before and `.value` after it may be left out."""
    path = wish.name.removesuffix(".value").split(".")
    if path[0] in _NO_NUMBERS:
        raise _no_such(wish, f"{path[0]}, which is no number that may change", path[-1], [])
    holder: Any = said["measures"] if name == folder.MEASURES else said
    for step in path[:-1]:
        holder = holder.get(step) if isinstance(holder, dict) else None
    key = path[-1]
    if isinstance(holder, dict) and isinstance(holder.get(key), dict):
        holder, key = holder[key], "value"
    old = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(old, str) or re.fullmatch(r"[0-9]+(\.[0-9]+)?", old) is None:
        raise _no_such(wish, f"no number of this name in {name}", wish.name, list(_paths(said)))
    return holder, key, old


def _paths(said: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """List the paths of a file's entries."""
    for name, value in said.items() if isinstance(said, dict) else ():
        yield ".".join((*path, name))
        yield from _paths(value, (*path, name))


def _is_count(wish: _Wish, name: str) -> bool:
    """Tell whether a number of a file counts whole things."""
    last = wish.name.removesuffix(".value").rpartition(".")[2]
    model = EvidenceModel if name == folder.EVIDENCE else Measures
    return last in model.__dataclass_fields__


def _built(policy: Policy, wish: _Wish, name: str, said: Any) -> EvidenceModel | Measures:
    try:
        if name == folder.EVIDENCE:
            return building.evidence_model(schema.EvidenceFile.model_validate(said))
        clocks = schema.ClocksFile.model_validate(_plain_file(policy, folder.CLOCKS))
        listings = schema.ListingCodesFile.model_validate(_plain_file(policy, folder.LISTINGS))
        return building.measures(schema.MeasuresFile.model_validate(said), clocks, listings)
    except ValidationError as error:
        raise wish.refused(problems.WHAT_IF_RESULT, error.errors(include_url=False)[0]["msg"]) from error
