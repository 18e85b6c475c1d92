"""Two policies -> what differs between them in meaning, as sentences for a reviewer.

Rules kept here:
* meaning is compared, never text: comments, layout and `0.950` for `0.95` are no difference in it;
* every file whose digest differs has at least one difference, so nothing changes unsaid;
* what shapes results comes first, then texts and dates, then files that only look different;
* hosts are defanged, here already.

The lock and the approvals are about a policy and not part of its meaning; they are not compared.
Source: `rules diff` of DESIGN 5; FFIEC, oversight of changed assumptions (domain.md 5).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sqlglot import exp

from merchantscreen.domains import defang
from merchantscreen.policy import folder
from merchantscreen.policy.model import (
    NANO,
    Condition,
    Document,
    EvidenceModel,
    Measures,
    Policy,
    Rule,
    RuleException,
    TierCondition,
)
from merchantscreen.policy.thresholds import moves, plain, relative_change
from merchantscreen.policy.wording import parts_of, written
from merchantscreen.vocabulary import RuleStatus


class DifferenceKind(StrEnum):
    """What differs, in the order in which differences are told."""

    RULE_ADDED = "rule_added"
    RULE_REMOVED = "rule_removed"
    RULE_ACTIVATED = "rule_activated"
    RULE_RETIRED = "rule_retired"
    RULE_DRAFTED = "rule_drafted"
    TIER_ADDED = "tier_added"
    TIER_REMOVED = "tier_removed"
    TIER_MOVED = "tier_moved"
    CONDITION_CHANGED = "condition_changed"
    THRESHOLD_MOVED = "threshold_moved"
    ROLE_CHANGED = "role_changed"
    SEVERITY_CHANGED = "severity_changed"
    CONFIDENCE_CHANGED = "confidence_changed"
    TYPOLOGY_CHANGED = "typology_changed"
    WEIGHT_CHANGED = "weight_changed"
    MEASURE_CHANGED = "measure_changed"
    PAYER_CLOCK_CHANGED = "payer_clock_changed"
    LISTING_CODE_CHANGED = "listing_code_changed"
    CAUTION_HOST_ADDED = "caution_host_added"
    CAUTION_HOST_REMOVED = "caution_host_removed"
    FREE_MAIL_ADDED = "free_mail_added"
    FREE_MAIL_REMOVED = "free_mail_removed"
    EXCEPTION_ADDED = "exception_added"
    EXCEPTION_REMOVED = "exception_removed"
    EXCEPTION_CHANGED = "exception_changed"
    INDICATOR_CHANGED = "indicator_changed"
    METADATA_CHANGED = "metadata_changed"
    VERSION_ONLY = "version_only"
    LAYOUT_ONLY = "layout_only"


TELLING: Final = frozenset(
    {DifferenceKind.INDICATOR_CHANGED, DifferenceKind.METADATA_CHANGED, DifferenceKind.VERSION_ONLY}
)
"""Kinds that differ in meaning and shape no result: what is said about rules, and by whom."""

_ORDER: Final = {kind: place for place, kind in enumerate(DifferenceKind)}
_STATUS: Final[Mapping[RuleStatus, DifferenceKind]] = {
    RuleStatus.ACTIVE: DifferenceKind.RULE_ACTIVATED,
    RuleStatus.RETIRED: DifferenceKind.RULE_RETIRED,
    RuleStatus.DRAFT: DifferenceKind.RULE_DRAFTED,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs between two policies.

    Attributes:
        kind: What differs.
        subject: File within the rule folder.
        field: What in the file, such as `top3_price_share >` or `kinds.phone.weight`; empty for the whole file.
        old: How it was, as text; None where it was not there, or where several fields are named.
        new: How it is.
        sentence: The same for a reader, without the file.
        is_idle: Whether it is about a rule on which nothing rests on either side: in draft, or retired.
    """

    kind: DifferenceKind
    subject: str
    field: str
    old: str | None
    new: str | None
    sentence: str
    is_idle: bool = False

    @property
    def in_meaning(self) -> bool:
        """Tell whether the policy means something else, and so has another digest."""
        return self.kind is not DifferenceKind.LAYOUT_ONLY

    @property
    def in_results(self) -> bool:
        """Tell whether results may differ because of it."""
        return self.in_meaning and self.kind not in TELLING and not self.is_idle


def differences(old: Policy, new: Policy) -> tuple[Difference, ...]:
    """Compare two policies by what they mean.

    Returns:
        Everything that differs: first what shapes results, then texts and dates, then layout; empty
        where both are the same to the byte.
    """
    found = [difference for compare in _COMPARISONS for difference in compare(old, new)]
    said = {difference.subject for difference in found}
    found += _metadata(old, new, said)
    found += _remainder(old, new, {difference.subject for difference in found})
    return tuple(sorted(found, key=lambda d: (_ORDER[d.kind], d.subject, d.field, d.old or "", d.new or "")))


# --------------------------------------------------------------------------- rules


def _rules(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = ({rule.id: rule for rule in policy.rules} for policy in (old, new))
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        found = _rule_of(one, other)
        if any(rule is not None and rule.status is RuleStatus.ACTIVE for rule in (one, other)):
            yield from found
        else:
            yield from (replace(d, is_idle=True, sentence=f"{d.sentence}; nothing rests on it") for d in found)


def _rule_of(one: Rule | None, other: Rule | None) -> Iterator[Difference]:
    if one is None and other is not None:
        text = f"{other.id}: a new rule, {other.status}, role {other.role}"
        yield Difference(DifferenceKind.RULE_ADDED, other.file, "", None, str(other.status), text)
    elif other is None and one is not None:
        text = f"{one.id}: the rule is gone; it was {one.status}, role {one.role}"
        yield Difference(DifferenceKind.RULE_REMOVED, one.file, "", str(one.status), None, text)
    elif one is not None and other is not None:
        yield from _rule(one, other)


def _rule(old: Rule, new: Rule) -> Iterator[Difference]:
    changes = (
        ("status", _STATUS[new.status]),
        ("role", DifferenceKind.ROLE_CHANGED),
        ("severity", DifferenceKind.SEVERITY_CHANGED),
        ("confidence", DifferenceKind.CONFIDENCE_CHANGED),
        ("typology", DifferenceKind.TYPOLOGY_CHANGED),
    )
    for name, kind in changes:
        before, after = str(getattr(old, name)), str(getattr(new, name))
        if before != after:
            yield Difference(kind, new.file, name, before, after, f"{new.id}: {name} {before} becomes {after}")
    yield from _condition(new.file, new.id, old.condition, new.condition)


def _condition(subject: str, name: str, old: Condition, new: Condition) -> Iterator[Difference]:
    """Compare two conditions: by their thresholds where nothing else differs, else as a whole."""
    moved = moves(old, new)
    if moved is None:
        before, after = written(old.tree), written(new.tree)
        order = "; the same parts in another order" if _unordered(old.tree) == _unordered(new.tree) else ""
        text = f"{name}: the condition was `{before}` and is `{after}` now{order}"
        yield Difference(DifferenceKind.CONDITION_CHANGED, subject, f"{name}.when", before, after, text)
    for move in moved or ():
        before, after = plain(move.old.number), plain(move.new.number)
        change = relative_change(move.old.number, move.new.number)
        text = f"{name}: {move.old} becomes {move.new.operator} {after}{change and f' ({change})'}"
        place = f"{name}.when.{move.old.side} {move.old.operator}"
        yield Difference(DifferenceKind.THRESHOLD_MOVED, subject, place, before, after, text)


def _unordered(node: exp.Expr) -> object:
    """Return a condition's meaning without the order of what AND and OR connect."""
    if isinstance(node, (exp.And, exp.Or)):
        return (type(node).__name__, sorted(repr(_unordered(part)) for part in parts_of(node)))
    return written(node)


# --------------------------------------------------------------------------- tiers


def _tiers(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = ({tier.id: tier for tier in policy.tiers} for policy in (old, new))
    kept = [name for name in after if name in before]
    moved = _out_of_order([name for name in before if name in after], kept)
    for name in [*after, *(name for name in before if name not in after)]:
        one, other = before.get(name), after.get(name)
        if one is None and other is not None:
            text = f"{name}: a new way into {other.tier}: {written(other.condition.tree)}"
            yield Difference(DifferenceKind.TIER_ADDED, folder.TIERS, name, None, str(other.tier), text)
        elif other is None and one is not None:
            text = f"{name}: this way into {one.tier} is gone"
            yield Difference(DifferenceKind.TIER_REMOVED, folder.TIERS, name, str(one.tier), None, text)
        elif one is not None and other is not None:
            yield from _tier(one, other, is_moved=name in moved)


def _tier(old: TierCondition, new: TierCondition, *, is_moved: bool) -> Iterator[Difference]:
    if old.tier is not new.tier:
        text = f"{new.id}: leads into {new.tier} instead of {old.tier}"
        yield Difference(DifferenceKind.TIER_MOVED, folder.TIERS, new.id, str(old.tier), str(new.tier), text)
    elif is_moved:
        text = f"{new.id}: stands at another place in the order, in which the first that holds decides"
        yield Difference(DifferenceKind.TIER_MOVED, folder.TIERS, new.id, None, None, text)
    yield from _condition(folder.TIERS, new.id, old.condition, new.condition)


def _out_of_order(before: list[str], after: list[str]) -> set[str]:
    return {name for name, other in zip(before, after, strict=True) if name != other}


# --------------------------------------------------------------------------- numbers


def _weights(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = (dict(_weight_numbers(policy.evidence)) for policy in (old, new))
    yield from _numbers(DifferenceKind.WEIGHT_CHANGED, folder.EVIDENCE, before, after)


def _measures(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = (dict(_measure_numbers(policy.measures)) for policy in (old, new))
    yield from _numbers(DifferenceKind.MEASURE_CHANGED, folder.MEASURES, before, after)
    for field in fields(Measures):
        one, other = getattr(old.measures, field.name), getattr(new.measures, field.name)
        if isinstance(one, frozenset) and one != other:
            text = f"{field.name}: {_added_and_gone(one, other)}"
            yield Difference(
                DifferenceKind.MEASURE_CHANGED, folder.MEASURES, field.name, _listed(one), _listed(other), text
            )


def _weight_numbers(model: EvidenceModel) -> Iterator[tuple[str, Decimal]]:
    """List every number of rules/evidence.yml by its path there."""
    for kind, weight in model.kinds.items():
        for name in ("weight", "reliability", "base_rate", "kappa"):
            yield f"kinds.{kind}.{name}", _units(getattr(weight, f"{name}_nano"))
    yield from ((f"match_factors.{match}", _units(value)) for match, value in model.match_factor_nano.items())
    yield from ((f"typology_strengths.{level}", _units(value)) for level, value in model.typology_strength_nano.items())
    yield from ((f"parameters.{name}", value) for name, value in _whole_and_nano(model))


def _measure_numbers(measures: Measures) -> Iterator[tuple[str, Decimal]]:
    yield from _whole_and_nano(measures)


def _whole_and_nano(record: EvidenceModel | Measures) -> Iterator[tuple[str, Decimal]]:
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, int):
            is_nano = field.name.endswith("_nano")
            yield field.name.removesuffix("_nano"), _units(value) if is_nano else Decimal(value)


def _units(nano: int) -> Decimal:
    return Decimal(nano) / NANO


def _numbers(
    kind: DifferenceKind, subject: str, before: Mapping[str, Decimal], after: Mapping[str, Decimal]
) -> Iterator[Difference]:
    for path in sorted(before.keys() & after.keys()):
        one, other = before[path], after[path]
        if one != other:
            change = relative_change(one, other)
            text = f"{path}: {plain(one)} becomes {plain(other)}{change and f' ({change})'}"
            yield Difference(kind, subject, path, plain(one), plain(other), text)


# --------------------------------------------------------------------------- lists


def _clocks(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = (
        {country: f"{earliest} to {latest} minutes" for country, (earliest, latest) in clocks.items()}
        for clocks in (old.measures.payer_clocks, new.measures.payer_clocks)
    )
    yield from _entries(DifferenceKind.PAYER_CLOCK_CHANGED, folder.CLOCKS, before, after)


def _listings(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = (
        {code: f"class {name}" for name, codes in classes.items() for code in codes}
        for classes in (old.measures.listing_codes, new.measures.listing_codes)
    )
    yield from _entries(DifferenceKind.LISTING_CODE_CHANGED, folder.LISTINGS, before, after)


def _indicators(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = (
        {one.id: json.dumps([one.group, one.title, str(one.measurable), one.source, one.excluded]) for one in listed}
        for listed in (old.indicators, new.indicators)
    )
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if one != other:
            said = "a new indicator" if one is None else "is gone" if other is None else "is described in another way"
            text = f"{name}: {said}"
            yield Difference(DifferenceKind.INDICATOR_CHANGED, folder.INDICATORS, name, one, other, text)


def _entries(
    kind: DifferenceKind, subject: str, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[Difference]:
    """Compare two tables that hold one text per key."""
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        if one != other:
            said = f"new, {other}" if one is None else f"gone, was {one}" if other is None else f"{one} becomes {other}"
            yield Difference(kind, subject, key, one, other, f"{key}: {said}")


def _hosts(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = ({(entry.host, entry.category) for entry in policy.caution_hosts} for policy in (old, new))
    for host, category in sorted(before ^ after):
        is_new, shown = (host, category) in after, defang(host)
        kind = DifferenceKind.CAUTION_HOST_ADDED if is_new else DifferenceKind.CAUTION_HOST_REMOVED
        text = f"{category}: {shown} is {'new' if is_new else 'gone'}"
        yield Difference(
            kind, folder.CAUTION, f"{category}.{shown}", None if is_new else shown, shown if is_new else None, text
        )


def _free_mail(old: Policy, new: Policy) -> Iterator[Difference]:
    for host in sorted(old.free_mail_domains ^ new.free_mail_domains):
        is_new, shown = host in new.free_mail_domains, defang(host)
        kind = DifferenceKind.FREE_MAIL_ADDED if is_new else DifferenceKind.FREE_MAIL_REMOVED
        text = f"{shown} is {'new' if is_new else 'gone'}"
        yield Difference(kind, folder.FREE_MAIL, shown, None if is_new else shown, shown if is_new else None, text)


def _added_and_gone(old: Iterable[str], new: Iterable[str]) -> str:
    added, gone = sorted(set(new) - set(old)), sorted(set(old) - set(new))
    parts = [f"{', '.join(names)} {word}" for names, word in ((added, "new"), (gone, "gone")) if names]
    return "; ".join(parts)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


# --------------------------------------------------------------------------- exceptions

_EXCEPTION_FIELDS: Final = ("rules", "account_id", "kind", "value", "effective_from", "expires_on")


def _exceptions(old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = ({one.id: one for one in policy.exceptions} for policy in (old, new))
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if one is None and other is not None:
            text = (
                f"{name}: a new exception for {_target(other)}, from {_listed(other.rules)}, until {other.expires_on}"
            )
            yield Difference(DifferenceKind.EXCEPTION_ADDED, other.file, "", None, _target(other), text)
        elif other is None and one is not None:
            text = f"{name}: the exception for {_target(one)}, from {_listed(one.rules)}, is gone"
            yield Difference(DifferenceKind.EXCEPTION_REMOVED, one.file, "", _target(one), None, text)
        elif one is not None and other is not None:
            yield from _exception(one, other)


def _exception(old: RuleException, new: RuleException) -> Iterator[Difference]:
    for name in _EXCEPTION_FIELDS:
        before, after = _field_text(getattr(old, name)), _field_text(getattr(new, name))
        if before != after:
            text = f"{new.id}: {name} {before or 'nothing'} becomes {after or 'nothing'}"
            yield Difference(DifferenceKind.EXCEPTION_CHANGED, new.file, name, before, after, text)


def _target(exception: RuleException) -> str:
    if exception.account_id is not None:
        return f"account {exception.account_id}"
    return f"holders of one {exception.kind}"


def _field_text(value: object) -> str | None:
    if value is None:
        return None
    return _listed(value) if isinstance(value, tuple) else str(value)


_COMPARISONS: Final[tuple[Callable[[Policy, Policy], Iterator[Difference]], ...]] = (
    _rules, _tiers, _weights, _measures, _clocks, _listings, _hosts, _free_mail, _exceptions, _indicators,
)  # fmt: skip


# --------------------------------------------------------------------------- what is said about files

_SHORT: Final = 60
"""Longest text that is shown within a sentence."""
_HEADER: Final = ("owner", "approver", "effective_from", "review_by")
_SHAPING: Final = frozenset({"id", "status", "typology", "role", "severity", "confidence", "when", "requires"})
"""Fields of a rule that are compared on their own; `requires` follows from `when`."""
_EXCEPTION_SHAPING: Final = frozenset({"id", "rules", "account", "identifier", "effective_from", "expires_on"})
_TEXTS: Final = frozenset({"rationale", "origin", "reason", "title"})
"""Names of the fields that explain an entry of a top-level file."""
_KEYS: Final = ("id", "class", "code")
"""Fields by which entries of a list are known."""


def _metadata(old: Policy, new: Policy, said: set[str]) -> Iterator[Difference]:
    """Name, in one line per file, the fields that only tell; a new version alone is told as such."""
    for one, other in _pairs(old, new):
        changed = dict(_told(one, other))
        if changed:
            yield _metadata_line(other.name, changed)
        elif one.version != other.version and other.name not in said:
            text = f"version {one.version} becomes {other.version}, and nothing else differs"
            yield Difference(DifferenceKind.VERSION_ONLY, other.name, "version", one.version, other.version, text)


def _metadata_line(subject: str, changed: Mapping[str, tuple[str, str]]) -> Difference:
    names = ", ".join(changed)
    before, after = next(iter(changed.values())) if len(changed) == 1 else (None, None)
    is_short = before is not None and after is not None and max(len(before), len(after)) <= _SHORT
    shown = f": {before} becomes {after}" if is_short else ""
    return Difference(DifferenceKind.METADATA_CHANGED, subject, names, before, after, f"{names} changed{shown}")


def _pairs(old: Policy, new: Policy) -> Iterator[tuple[Document, Document]]:
    """Pair the files of two policies: rules and exceptions by id, so that a moved file stays the same."""
    before, after = dict(_documents(old)), dict(_documents(new))
    yield from ((before[key], after[key]) for key in sorted(before.keys() & after.keys()))


def _documents(policy: Policy) -> Iterator[tuple[tuple[str, str], Document]]:
    named = {rule.file: rule.id for rule in policy.rules} | {one.file: one.id for one in policy.exceptions}
    for name, document in policy.documents.items():
        group = "exception" if folder.is_exception(name) else "rule" if folder.is_rule(name) else "file"
        yield (group, named.get(name, name)), document


def _told(old: Document, new: Document) -> Iterator[tuple[str, tuple[str, str]]]:
    """Compare the header, and the fields that only tell."""
    is_exception = folder.is_exception(new.name)
    for name in _HEADER[:2] if is_exception else _HEADER:
        before, after = str(getattr(old, name) or "nobody"), str(getattr(new, name) or "nobody")
        if before != after:
            yield name, (before, after)
    before_said, after_said = dict(_telling(old)), dict(_telling(new))
    for path, said in after_said.items():
        if path in before_said and before_said[path] != said:
            yield path, (before_said[path], said)


def _telling(document: Document) -> Iterator[tuple[str, str]]:
    """List the fields of a file that only tell, with their path and text."""
    said: Any = document.meaning
    if folder.is_rule(document.name) or folder.is_exception(document.name):
        passed_over = _EXCEPTION_SHAPING if folder.is_exception(document.name) else _SHAPING
        yield from ((name, _text(value)) for name, value in said.items() if name not in passed_over)
    elif document.name not in (folder.CAUTION, folder.FREE_MAIL, folder.INDICATORS):
        yield from ((".".join(path), _text(value)) for path, value in _leaves(said, ()) if path and path[-1] in _TEXTS)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)))
    elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        for entry in value:
            key = next((str(entry[name]) for name in _KEYS if name in entry), "")
            yield from _leaves(entry, (*path, key))
    else:
        yield path, value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _remainder(old: Policy, new: Policy, said: set[str]) -> Iterator[Difference]:
    """Name the files of which nothing was said yet although they differ."""
    for one, other in _pairs(old, new):
        if other.name in said or one.bytes_digest == other.bytes_digest:
            continue
        if one.digest == other.digest:
            text = "comments, layout or notes differ; the meaning is the same"
            yield Difference(DifferenceKind.LAYOUT_ONLY, other.name, "", None, None, text)
        else:
            text = "the order of entries differs"
            yield Difference(DifferenceKind.METADATA_CHANGED, other.name, "", None, None, text)
