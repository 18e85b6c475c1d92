"""What a rule must not do, beyond having the right form: each lint is one small function.

Source: FFIEC manual for author other than approver and documented thresholds; EBA
guidance on de-risking for never suspecting whole categories of merchants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlglot import exp

from merchantscreen.errors import ProblemKind
from merchantscreen.policy import problems
from merchantscreen.policy.evaluation import PLACEHOLDER
from merchantscreen.policy.fileschema import RuleFile
from merchantscreen.policy.language import CompiledCondition
from merchantscreen.vocabulary import RuleOutcome, RuleRole

CATEGORY_FEATURES: Final = frozenset({"mcc", "country"})
"""Features that describe a whole category of merchants and never suffice for a hit."""
ADULT_MCCS: Final = frozenset({"5967", "7273"})
"""Direct marketing by inbound teleservices, and dating and escort services: lawful trades. Source: ISO 18245."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a lint found: what, in which field, described."""

    kind: ProblemKind
    field: str
    found: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule file that has the right form; the condition is None where it was refused."""

    path: str
    file: RuleFile
    condition: CompiledCondition | None
    today: date | None


def lint(draft: Draft) -> list[Finding]:
    """Run every lint on one rule."""
    return [finding for check in _LINTS for finding in check(draft)]


def _place(draft: Draft) -> Iterator[Finding]:
    wanted = f"{draft.file.typology}/{draft.file.id}.yml"
    if draft.path != wanted:
        yield Finding(problems.WRONG_PLACE, "id", f"a rule that belongs at {wanted}")


def _citation(draft: Draft) -> Iterator[Finding]:
    if not draft.file.references:
        yield Finding(problems.NO_CITATION, "references", problems.NO_CITATION.title)


def _tests(draft: Draft) -> Iterator[Finding]:
    expected = {case.expect for case in draft.file.tests}
    for outcome in RuleOutcome:
        if outcome not in expected:
            yield Finding(problems.TEST_MISSING, "tests", f"no test that expects {outcome}")


def _dates(draft: Draft) -> Iterator[Finding]:
    if draft.file.review_by <= draft.file.effective_from:
        yield Finding(problems.REVIEW_BEFORE_START, "review_by", problems.REVIEW_BEFORE_START.title)
    if draft.today is not None and draft.file.review_by < draft.today:
        yield Finding(problems.REVIEW_OVERDUE, "review_by", f"a review that was due on {draft.file.review_by}")


def _approval(draft: Draft) -> Iterator[Finding]:
    approver = draft.file.approver
    if approver is not None and approver.casefold() == draft.file.owner.casefold():
        yield Finding(problems.SELF_APPROVED, "approver", problems.SELF_APPROVED.title)


def _requires(draft: Draft) -> Iterator[Finding]:
    if draft.condition is None:
        return
    listed = list(draft.file.requires)
    if len(set(listed)) != len(listed) or set(listed) != draft.condition.names:
        read = ", ".join(sorted(draft.condition.names))
        yield Finding(problems.REQUIRES_DIFFER, "requires", f"a list that is not: {read}")


def _reason(draft: Draft) -> Iterator[Finding]:
    names = PLACEHOLDER.findall(draft.file.reason)
    unknown = sorted(set(names) - set(draft.file.requires))
    if unknown or "{" in PLACEHOLDER.sub("", draft.file.reason) or "}" in PLACEHOLDER.sub("", draft.file.reason):
        yield Finding(problems.REASON_TEMPLATE, "reason", f"a placeholder that is not required: {', '.join(unknown)}")


def _category(draft: Draft) -> Iterator[Finding]:
    if draft.condition is not None and holds_by_category(draft.condition.tree, wanted=True):
        yield Finding(problems.CATEGORY_ALONE, "when", problems.CATEGORY_ALONE.title)


def _adult(draft: Draft) -> Iterator[Finding]:
    if draft.condition is None or draft.file.role is not RuleRole.RANK:
        return
    texts = {node.name for node in draft.condition.tree.find_all(exp.Literal) if node.is_string}
    if "mcc" in draft.condition.names and texts & ADULT_MCCS:
        yield Finding(problems.ADULT_CATEGORY, "when", problems.ADULT_CATEGORY.title)


_LINTS: Final[tuple[Callable[[Draft], Iterator[Finding]], ...]] = (
    _place, _citation, _tests, _dates, _approval, _requires, _reason, _category, _adult,
)  # fmt: skip


def holds_by_category(node: exp.Expr, *, wanted: bool) -> bool:
    """Tell whether a condition can come out as wanted by category or missing data alone.

    Walks AND, OR and NOT; a part that asks for nothing but MCC, country or the
    absence of a value is no evidence of behaviour.
    """
    match node:
        case exp.Not():
            return holds_by_category(node.this, wanted=not wanted)
        case exp.And() | exp.Or():
            sides = [holds_by_category(side, wanted=wanted) for side in (node.this, node.expression)]
            needs_both = isinstance(node, exp.And) is wanted
            return all(sides) if needs_both else any(sides)
        case exp.Is():
            return wanted or node.this.name in CATEGORY_FEATURES
        case _:
            names = {column.name for column in node.find_all(exp.Column)}
            return names <= CATEGORY_FEATURES
