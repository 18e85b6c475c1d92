"""A policy as pages for readers: one per rule, an index, and one per file of the folder.

Rules kept here:
* a view of the policy: text in, text out; no clock, so the same policy gives the same pages;
* whatever a rule file says reaches the page as text: no markup, no links, no HTML of its own;
* the tests of a rule are run, and the sentence an analyst would read stands beside each;
* what is excluded is listed with its reason, like everything else.

Where pages are kept, and whether they are stale, is left to the command line and docs/generate.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from merchantscreen.features import CATALOGUE, Feature
from merchantscreen.outputs.text import counted, visible
from merchantscreen.policy.casetests import run_case
from merchantscreen.policy.coverage import Covered, IndicatorCoverage, indicator_coverage, percent
from merchantscreen.policy.model import NANO, Document, Policy, Rule, RuleCase
from merchantscreen.policy.wording import in_words, laid_out
from merchantscreen.vocabulary import ListingClass, RuleRole, RuleStatus

NOTE: Final = "<!-- Generated from the rule folder. Change the rules, not this page. -->"
INDEX: Final = "README.md"
_LONGEST: Final = 4000
_FEATURES: Final[Mapping[str, Feature]] = {feature.name: feature for feature in CATALOGUE}
_ROLES: Final[Mapping[RuleRole, str]] = {
    RuleRole.GATE: "states a link to a referred domain; gives no points of its own",
    RuleRole.RANK: "adds points to accounts that hold a link",
    RuleRole.CONTEXT: "only informs",
}
_STATES: Final[Mapping[Covered, str]] = {
    Covered.ACTIVE: "active", Covered.DRAFT: "draft only", Covered.NONE: "no rule yet",
    Covered.NOT_MEASURABLE: "cannot be seen", Covered.EXCLUDED: "excluded",
}  # fmt: skip


def pages(policy: Policy) -> dict[str, str]:
    """Write all pages of a policy: text by file name, the index under `README.md`."""
    made = {
        INDEX: _index(policy),
        "evidence.md": _evidence(policy),
        "tiers.md": _tiers(policy),
        "measures.md": _measures(policy),
        "indicators.md": _indicators(policy),
        "exceptions.md": _exceptions(policy),
    }
    return made | {f"{rule.id}.md": rule_page(policy, rule) for rule in policy.rules}


# --------------------------------------------------------------------------- markdown


def page(title: str, *blocks: str) -> str:
    """Put a page together from its title and its blocks."""
    return "\n\n".join([f"# {title}", NOTE, *(block for block in blocks if block)]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay finished cells out as a Markdown table."""
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join(lines + [f"| {' | '.join(map(_cell, row))} |" for row in rows])


def plain(value: object) -> str:
    """Make foreign text harmless in Markdown: nothing in it is a link, an image or HTML."""
    shown = visible(" ".join(str(value).split()), _LONGEST)
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("[", "\\["), ("]", "\\]")):
        shown = shown.replace(sign, written)
    numbered = re.sub(r"^(\d+)(?=[.)]\s)", r"\1\\", shown)
    return re.sub(r"^([#*+-](?=\s)|[-*_=~`]{3})", r"\\\1", numbered)


def code(value: object) -> str:
    """Mark a value as code; a backtick in it cannot end the mark."""
    shown = visible(" ".join(str(value).split()), _LONGEST)
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _cell(value: object) -> str:
    return "" if value is None else " ".join(str(value).split()).replace("|", "\\|")


def _listed(texts: Iterable[str]) -> str:
    return "\n".join(f"- {plain(text)}" for text in texts)


# --------------------------------------------------------------------------- one rule


def rule_page(policy: Policy, rule: Rule) -> str:
    """Write the page of one rule."""
    return page(
        plain(rule.title),
        f"{code(rule.id)}, {rule.status}. Role {code(rule.role)}: {_ROLES[rule.role]}. "
        f"Severity {rule.severity}, confidence {rule.confidence}.",
        plain(rule.rationale),
        f"## When it hits\n\n{_words(rule)}\n\n```sql\n{laid_out(rule.condition.tree)}\n```\n\n"
        f"An analyst then reads: {plain(rule.reason)}",
        "## What it reads\n\n"
        + table(("feature", "unit", "meaning", "needs"), (_feature_row(name) for name in rule.requires)),
        f"## Where the numbers come from\n\n{rule.threshold_origin}: {plain(rule.threshold_note)}",
        f"## References\n\n{_listed(rule.references)}\n\nIndicators: {_indicator_titles(policy, rule)}",
        f"## False positives\n\n{_listed(rule.false_positives)}",
        f"## Innocent explanations to rule out first\n\n{_listed(rule.innocent_explanations)}",
        "## Its own tests\n\n" + table(("test", "given", "expected", "what is said"), _case_rows(rule)),
        _suppressed(rule),
        f"## Who answers for it\n\n{_signature(policy.documents[rule.file])}",
    )


def _words(rule: Rule) -> str:
    return "\n".join(f"{'  ' * depth}- {line}" for depth, line in in_words(rule.condition.tree))


def _feature_row(name: str) -> tuple[object, ...]:
    feature = _FEATURES[name]
    return code(name), feature.unit, feature.meaning, needed(feature.needs)


def needed(needs: Iterable[str]) -> str:
    """List input columns; where any of several will do, they stand with `or` between them."""
    return ", ".join(" or ".join(map(code, need.split(" or "))) for need in needs)


def _case_rows(rule: Rule) -> Iterable[tuple[object, ...]]:
    for case in rule.cases:
        yield plain(case.name), _given(case), case.expect, plain(run_case(rule, case).reason)


def _given(case: RuleCase) -> str:
    return ", ".join(f"{code(name)} {_said(value)}" for name, value in case.given.items()) or "nothing"


def _said(value: object) -> str:
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case _:
            return plain(value)


def _indicator_titles(policy: Policy, rule: Rule) -> str:
    titles = {entry.id: entry.title for entry in policy.indicators}
    return "; ".join(f"[{name}](indicators.md), {plain(titles[name])}" for name in rule.indicators) + "."


def _suppressed(rule: Rule) -> str:
    if not rule.suppressions:
        return ""
    rows = ((code(entry.lint), plain(entry.reason), entry.until) for entry in rule.suppressions)
    return "## Suppressed lints\n\n" + table(("lint", "reason", "until"), rows)


def _signature(document: Document) -> str:
    facts = (
        ("file", code(document.name)), ("version", document.version), ("owner", plain(document.owner)),
        ("approver asked for", plain(document.approver) if document.approver else "anybody but the owner"),
        ("in force from", document.effective_from), ("review by", document.review_by),
        ("digest of its meaning", code(document.digest)),
    )  # fmt: skip
    return table(("", ""), facts)


# --------------------------------------------------------------------------- the index


def _index(policy: Policy) -> str:
    rules = sorted(policy.rules, key=lambda rule: (rule.typology, rule.id))
    blocks = [
        f"## {plain(typology)}\n\n" + table(_INDEX_HEADS, map(_index_row, of_typology))
        for typology, of_typology in groupby(rules, key=lambda rule: rule.typology)
    ]
    return page(
        "Rules",
        f"{_counts(policy)} Digest of the whole policy: {code(policy.digest)}.",
        "Beside the rules: [weights and parameters](evidence.md), [tiers](tiers.md), "
        "[numbers inside features](measures.md), [indicators and what is left out](indicators.md), "
        "[exceptions](exceptions.md).",
        *blocks,
    )


_LIVES: Final = (RuleStatus.ACTIVE, RuleStatus.DRAFT, RuleStatus.RETIRED)
_INDEX_HEADS: Final = ("rule", "title", "role", "severity", "status", "indicators", "what an analyst reads")


def _index_row(rule: Rule) -> tuple[object, ...]:
    link = f"[{rule.id}]({rule.id}.md)"
    indicators = ", ".join(rule.indicators)
    return link, plain(rule.title), rule.role, rule.severity, rule.status, indicators, plain(rule.reason)


def _counts(policy: Policy) -> str:
    statuses = Counter(rule.status for rule in policy.rules)
    roles = Counter(rule.role for rule in policy.rules if rule.status is RuleStatus.ACTIVE)
    by_status = ", ".join(f"{statuses[status]} {status}" for status in _LIVES)
    by_role = ", ".join(f"{roles[role]} of role {role}" for role in RuleRole)
    return f"{counted(len(policy.rules), 'rule')}: {by_status}. In use: {by_role}."


# --------------------------------------------------------------------------- the files at the top


def _evidence(policy: Policy) -> str:
    meaning: Any = policy.documents["evidence.yml"].meaning
    kinds = policy.evidence.kinds
    weights = (
        (code(name), *(_fraction(getattr(kind, column)) for column in _WEIGHTS.values()), plain(kind.rationale))
        for name, kind in sorted(kinds.items())
    )
    return page(
        "Weights and parameters",
        "What each kind of link or shared identifier is worth, in formula EVID-2.",
        "## Kinds\n\n" + table(("kind", *_WEIGHTS, "reason"), weights),
        *(f"## {title}\n\n{_entries(meaning[name])}" for name, title in _EVIDENCE_PARTS.items()),
        "## Who answers for it\n\n" + _signature(policy.documents["evidence.yml"]),
    )


_WEIGHTS: Final = {
    "weight w": "weight_nano", "reliability g": "reliability_nano", "base rate π": "base_rate_nano",
    "damping κ": "kappa_nano",
}  # fmt: skip
_EVIDENCE_PARTS: Final = {
    "match_factors": "Factor f of a host match", "typology_strengths": "Strength of a rule hit, by severity",
    "parameters": "Parameters", "fixed_exponents": "Exponents of the formula, not adjustable",
}  # fmt: skip
_WHOLE: Final = ("_days", "_count", "_length", "_rounds", "_units", "_hour")


def _entries(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Show numbers or lists with where each comes from and why."""
    rows = (
        (code(name), _entry_value(name, entry), entry.get("origin", "formula"), plain(entry["rationale"]))
        for name, entry in entries.items()
    )
    return table(("number", "value", "origin", "reason"), rows)


def _entry_value(name: str, entry: Mapping[str, Any]) -> str:
    if "values" in entry:
        return ", ".join(code(value) for value in sorted(entry["values"]))
    value: int = entry["value"]
    return f"{value:,}" if name.endswith(_WHOLE) else _fraction(value)


def _fraction(nano: int) -> str:
    """Write nano-units as a decimal number, exactly."""
    whole, part = divmod(nano, NANO)
    digits = f"{part:09d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def _tiers(policy: Policy) -> str:
    blocks = [
        f"## {entry.tier}: {entry.id}\n\n{plain(entry.reason)}\n\n```sql\n{laid_out(entry.condition.tree)}\n```\n\n"
        f"{plain(entry.rationale)}"
        for entry in policy.tiers
    ]
    return page(
        "Tiers",
        "The first condition that holds places an account; where none holds, it is on watch. A tier is an order "
        "of review and no verdict. Conditions read facts of the ledger, which are never empty.",
        *blocks,
        "## Who answers for it\n\n" + _signature(policy.documents["tiers.yml"]),
    )


def _measures(policy: Policy) -> str:
    numbers: Any = policy.documents["measures.yml"].meaning
    return page(
        "Numbers inside features",
        "What features count and compare with; thresholds of rules stand in the rules.",
        "## Numbers and lists\n\n" + _entries(numbers["measures"]),
        "## Clocks of payers\n\n" + _clocks(policy.measures.payer_clocks),
        "## Codes of listings\n\n" + _listings(policy),
        *(
            f"## Who answers for {name}\n\n{_signature(policy.documents[name])}"
            for name in ("measures.yml", "payer_clocks.yml", "listing_codes.yml")
        ),
    )


def _clocks(clocks: Mapping[str, tuple[int, int]]) -> str:
    """Sum the clocks up: every country by itself would be a page of its own."""
    single = sum(1 for earliest, latest in clocks.values() if earliest == latest)
    widest = sorted(clocks.items(), key=lambda item: (item[1][0] - item[1][1], item[0]))[:5]
    rows = ((country, _offset(earliest), _offset(latest)) for country, (earliest, latest) in widest)
    return (
        f"Offsets from UTC of {counted(len(clocks), 'country', 'countries')}, summer time and far provinces "
        f"included; {single} have one offset all year. A payment counts as made at night only where it is night at "
        "every offset of the payer's country, so wide ranges rarely count. The widest:\n\n"
        + table(("country", "earliest", "latest"), rows)
    )


def _offset(minutes: int) -> str:
    sign = "−" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60}:{abs(minutes) % 60:02d}"


def _listings(policy: Policy) -> str:
    meaning: Any = policy.documents["listing_codes.yml"].meaning
    rows = (
        (
            ListingClass(entry["class"]),
            "; ".join(f"{code(one['code'])} {plain(one['title'])}" for one in entry["codes"]),
            plain(entry["rationale"]),
        )
        for entry in meaning["classes"]
    )
    return table(("class", "codes", "reason"), rows)


def _indicators(policy: Policy) -> str:
    entries = indicator_coverage(policy)
    states = Counter(entry.state for entry in entries)
    wanted = sum(states[state] for state in (Covered.ACTIVE, Covered.DRAFT, Covered.NONE))
    listed = ", ".join(f"{states[state]} {words}" for state, words in _STATES.items())
    blocks = [
        f"## {plain(group)}\n\n" + table(("indicator", "sign", "state", "rules, or why none", "source"), map(_row, of))
        for group, of in groupby(entries, key=lambda entry: entry.indicator.group)
    ]
    return page(
        "Indicators",
        "Signs that public documents describe, with the rules that look for them. What is excluded stays listed, "
        f"with its reason. {counted(len(entries), 'indicator')}: {listed}. Active rules cover "
        f"{percent(states[Covered.ACTIVE], wanted)} of the {wanted} that could be seen and are not excluded.",
        *blocks,
        "## Who answers for it\n\n" + _signature(policy.documents["indicators.yml"]),
    )


def _row(entry: IndicatorCoverage) -> tuple[object, ...]:
    indicator = entry.indicator
    partly = ", partly seen" if indicator.measurable == "partly" and indicator.excluded is None else ""
    links = [f"[{name}]({name}.md)" for name in entry.active]
    links += [f"[{name}]({name}.md) (draft)" for name in entry.drafts]
    told = plain(indicator.excluded) if indicator.excluded is not None else ", ".join(links)
    return indicator.id, plain(indicator.title), _STATES[entry.state] + partly, told, plain(indicator.source)


def _exceptions(policy: Policy) -> str:
    rows = (
        (code(entry.id), plain(entry.title), ", ".join(f"[{name}]({name}.md)" for name in entry.rules),
         "one account" if entry.account_id is not None else f"holders of one {plain(entry.kind)}",
         plain(entry.reason), plain(entry.owner), f"{entry.effective_from} to {entry.expires_on}")
        for entry in policy.exceptions
    )  # fmt: skip
    heads = ("exception", "title", "sets aside hits of", "for", "reason", "owner", "in force")
    return page(
        "Exceptions",
        "An exception sets hits of some rules aside, for one account or for the holders of one identifier, for a year "
        "at most. The hit stays visible and counts nothing; links to referred domains are never touched. Whom an "
        "exception is about stands in its file and not here.",
        table(heads, rows) if policy.exceptions else "There are none.",
    )
