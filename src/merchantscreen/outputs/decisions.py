"""Why a rule or a tier came out as it did for one account: the condition as a tree with the actual values.

Rules kept here:
* rules, values and outcomes come out of the run; a tree that ends elsewhere than the run is refused;
* every comparison shows value, unit and how far it is from the number it is compared with;
* what was not known names the columns it needs: silence is no clean result;
* who answers for the rule, where its numbers come from and who approved it stand beside it.

Source: rsigma's `engine explain`; the manual of FFIEC on documented thresholds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.text import Text

from merchantscreen.errors import IntegrityError
from merchantscreen.features import CATALOGUE, FACTS
from merchantscreen.outputs.console import DISCLAIMER
from merchantscreen.outputs.manifest import Approval
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import visible
from merchantscreen.policy import trees
from merchantscreen.policy.coverage import wants
from merchantscreen.policy.model import Condition, Policy, Rule, RuleException, TierCondition
from merchantscreen.policy.trees import Node, Part, Reading, Scalar
from merchantscreen.vocabulary import ApprovalState, RuleOutcome, RuleRole, RuleStatus, Tier

Row = Mapping[str, Any]

_OUTCOMES: Final[Mapping[bool | None, str]] = {True: "holds", False: "does not hold", None: "not known"}
_STORED: Final[Mapping[bool | None, RuleOutcome]] = {
    True: RuleOutcome.HIT, False: RuleOutcome.NO_HIT, None: RuleOutcome.NOT_EVALUATED,
}  # fmt: skip
_SAID: Final[Mapping[str, str]] = {
    RuleOutcome.HIT: "hit", RuleOutcome.NO_HIT: "no hit",
    RuleOutcome.NOT_EVALUATED: "not evaluated; that is not a clean result",
}  # fmt: skip
_ROLES: Final[Mapping[RuleRole, str]] = {
    RuleRole.GATE: "states a link, gives no points",
    RuleRole.RANK: "adds points to accounts that hold a link",
    RuleRole.CONTEXT: "informs, gives no points",
}
_CONNECTIVES: Final[Mapping[Part, str]] = {Part.ALL: "all of:", Part.ANY: "at least one of:", Part.NOT: "not:"}
_MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    **{fact.name: ("", fact.meaning) for fact in FACTS},
    **{feature.name: (feature.unit, feature.meaning) for feature in CATALOGUE},
}
_WIDTH: Final = 15
_LONGEST: Final = 4000


@dataclass(frozen=True, slots=True)
class RuleDecision:
    """One rule on one account.

    Attributes:
        rule: The rule, as the run used it.
        result: Its row of tables.RuleResults.
        tree: Its condition on the stored values.
        exception: What set the hit aside, if anything did.
        approval: Whether the policy was approved.
        absent: Columns that the input did not have.
    """

    rule: Rule
    result: Row
    tree: Node
    exception: RuleException | None
    approval: Approval
    absent: frozenset[str]


@dataclass(frozen=True, slots=True)
class TierStep:
    """One condition of tiers.yml on one account, and whether it is the one that placed it."""

    condition: TierCondition
    tree: Node
    placed: bool


@dataclass(frozen=True, slots=True)
class TierDecision:
    """All conditions of tiers.yml on one account, in file order.

    Attributes:
        account: Its row of tables.Ranking.
        steps: One per condition.
        owner: Who answers for tiers.yml.
        version: Version of tiers.yml.
        approval: Whether the policy was approved.
    """

    account: Row
    steps: tuple[TierStep, ...]
    owner: str
    version: str
    approval: Approval

    @property
    def placing(self) -> TierStep | None:
        """The condition that placed the account; None where it is on watch."""
        return next((step for step in self.steps if step.placed), None)


# --------------------------------------------------------------------------- deciding again


def rule_decision(policy: Policy, rule: Rule, result: Row, approval: Approval, absent: frozenset[str]) -> RuleDecision:
    """Decide a rule once more on the values a run stored.

    Args:
        policy: The policy of the run.
        rule: The rule.
        result: Its row of rules.jsonl or shadow.jsonl.
        approval: The manifest's word on the policy.
        absent: Columns that the input did not have.

    Raises:
        IntegrityError: The values do not lead to the stored outcome.
    """
    tree = _tree(rule.condition, _values(result["observed"]), "rules.jsonl")
    same = (_STORED[tree.outcome], rule.version, rule.status)
    if same != (result["outcome"], result["rule_version"], result["status"]):
        raise _differs("rules.jsonl", rule.id)
    exceptions = {exception.id: exception for exception in policy.exceptions}
    if result["exception_id"] is not None and result["exception_id"] not in exceptions:
        raise _differs("rules.jsonl", "exception_id")
    return RuleDecision(rule, result, tree, exceptions.get(result["exception_id"]), approval, absent)


def tier_decision(policy: Policy, facts: Row, account: Row, approval: Approval) -> TierDecision:
    """Place an account once more on the facts a run stored; without points there is no case.

    Args:
        policy: The policy of the run.
        facts: Its row of facts.jsonl.
        account: Its row of the ranking.
        approval: The manifest's word on the policy.

    Raises:
        IntegrityError: The facts lead to another tier or condition than stored.
    """
    decided = [(entry, _tree(entry.condition, facts, "facts.jsonl")) for entry in policy.tiers]
    holding = [entry.id for entry, tree in decided if tree.outcome is True and account["points_nano"] > 0]
    placing = holding[0] if holding else None
    steps = tuple(TierStep(entry, tree, entry.id == placing) for entry, tree in decided)
    document = policy.documents["tiers.yml"]
    told = TierDecision(account, steps, document.owner, document.version, approval)
    tier = told.placing.condition.tier if told.placing else Tier.WATCH
    if tier != account["tier"] or (placing and not account["tier_reason"].startswith(f"{placing}:")):
        raise _differs("facts.jsonl", placing or Tier.WATCH)
    return told


def _values(text: str) -> dict[str, object]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise _differs("rules.jsonl", "observed")
    return values


def _tree(condition: Condition, values: Row, where: str) -> Node:
    try:
        return trees.explain(condition, values)
    except TypeError as error:
        raise _differs(where, "values") from error


def _differs(where: str, column: str) -> IntegrityError:
    return IntegrityError("the run contradicts itself", (PROBLEMS["MS-RUN-019"].at(where, column=column),))


# --------------------------------------------------------------------------- for a person


def rule_lines(told: RuleDecision) -> Iterator[Text]:
    """Tell why a rule came out as it did."""
    rule, result = told.rule, told.result
    yield _fact("rule", f"{rule.id} {rule.version}: {rule.title}")
    yield _fact("account", f"{result['account_id']}  ({DISCLAIMER})")
    yield _fact("outcome", _SAID[result["outcome"]])
    yield _fact("said", result["reason"])
    yield from _exception(told.exception)
    yield Text()
    yield from _Writer(told.absent).lines(told.tree)
    yield Text()
    draft = "; a draft, evaluated beside the run and never counted" if rule.status is RuleStatus.DRAFT else ""
    yield _fact("role", f"{rule.role}: {_ROLES[rule.role]}{draft}")
    yield _fact("weight", f"severity {rule.severity}, confidence {rule.confidence}")
    yield _fact("threshold", f"{rule.threshold_origin}: {rule.threshold_note}")
    yield _fact("owner", f"{rule.owner}, in force from {rule.effective_from}, review by {rule.review_by}")
    yield from (_fact("reference", reference) for reference in rule.references)
    yield from (_fact("innocent", text) for text in rule.innocent_explanations)
    yield from _approval(told.approval)


def _exception(exception: RuleException | None) -> Iterator[Text]:
    if exception is not None:
        yield _fact("set aside", f"by exception {exception.id} {exception.version}, until {exception.expires_on}; "
                    f"the hit counts nothing and stays visible")  # fmt: skip
        yield _fact("", f"{exception.reason} ({exception.owner})")


def tier_lines(told: TierDecision, asked: str | None) -> Iterator[Text]:
    """Tell why an account is in its tier and in no stricter one.

    Args:
        told: The conditions on the account.
        asked: Id of the condition that is shown; None for all up to the one that placed the account.
    """
    row = told.account
    yield _fact("account", f"{row['account_id']}  ({DISCLAIMER})")
    yield _fact("tier", f"{row['tier']}: {row['tier_reason']}")
    if row["points_nano"] == 0:
        yield _fact("", "no points inside the validity of a referral, so no condition was asked")
    for step in _shown(told, asked):
        yield Text()
        yield Text(f"{step.condition.tier}  {step.condition.id}: {_role(step, told)}", style="bold")
        yield from _Writer(frozenset()).lines(step.tree)
    if asked is not None:
        yield from _why_not_higher(told, asked)
    yield Text()
    yield _fact("tiers.yml", f"version {told.version}, owner {told.owner}")
    yield from _approval(told.approval)


def _shown(told: TierDecision, asked: str | None) -> Sequence[TierStep]:
    if asked is not None:
        return [step for step in told.steps if step.condition.id == asked]
    placing = told.placing
    return told.steps if placing is None else told.steps[: told.steps.index(placing) + 1]


def _role(step: TierStep, told: TierDecision) -> str:
    if step.placed:
        return "placed the account"
    if step.tree.outcome is not True:
        return _OUTCOMES[step.tree.outcome]
    return "holds, after the condition that placed it" if told.account["points_nano"] else "holds, but was not asked"


def _why_not_higher(told: TierDecision, asked: str) -> Iterator[Text]:
    """Name, for every stricter condition, the parts because of which it does not hold."""
    stricter = told.steps[: [step.condition.id for step in told.steps].index(asked)]
    if stricter:
        yield Text()
        yield Text("Stricter conditions", style="bold")
    for step in stricter:
        yield Text(f"  {step.condition.tier}  {step.condition.id}: {_role(step, told)}")
        yield from (Text(f"        {_leaf_line(leaf)}") for leaf in trees.blocking(step.tree))


def _approval(approval: Approval) -> Iterator[Text]:
    if approval.state is ApprovalState.APPROVED:
        yield _fact("approved", f"by {approval.approver or ''} on {approval.approved_at}, "
                    f"lock {approval.lock_sha256}")  # fmt: skip
        yield _fact("", approval.statement or "")
    else:
        yield _fact("approved", "by nobody")
        yield from (_fact("", reason) for reason in approval.reasons)


def _fact(name: str, value: str) -> Text:
    """Write a named line; whatever came out of the run is made safe here."""
    return Text.assemble((f"{name:<12}", "dim"), visible(value, _LONGEST))


class _Writer:
    """Writes a tree line by line; a meaning is told where its column comes up first."""

    def __init__(self, absent: frozenset[str]) -> None:
        self._absent = absent
        self._told: set[str] = set()

    def lines(self, node: Node, depth: int = 0) -> Iterator[Text]:
        indent = "  " * depth
        text = _CONNECTIVES.get(node.kind) or _leaf_line(node)
        style = "" if node.outcome is True else "dim" if node.outcome is False else "italic"
        yield Text.assemble((f"{indent}{_OUTCOMES[node.outcome]:<{_WIDTH}}", style), text)
        for reading in node.readings:
            is_shown = len(node.readings) == 1 and reading.value == node.value
            lines = self._reading(reading, is_shown=is_shown)
            yield from (Text(f"{indent}{'':<{_WIDTH + 2}}{line}", style="dim") for line in lines)
        for child in node.children:
            yield from self.lines(child, depth + 1)

    def _reading(self, reading: Reading, *, is_shown: bool) -> Iterator[str]:
        """Say what a column means, and its value where that does not stand beside it already."""
        unit, meaning = _MEANINGS.get(reading.name, ("", ""))
        value = "" if is_shown else f" = {_value(reading.value)}"
        said = f"{reading.name}{value}{f' ({unit})' if unit else ''}"
        if reading.name not in self._told:
            yield f"{said}: {meaning}"
        elif not is_shown:
            yield said
        self._told.add(reading.name)
        if reading.value is None:
            yield from self._needs(reading.name)

    def _needs(self, name: str) -> Iterator[str]:
        wanting = wants(name, 1, self._absent)
        if wanting.needs:
            yield f"needs {', '.join(wanting.needs)}"
        if wanting.absent:
            yield f"absent from the input, or from part of it: {', '.join(wanting.absent)}"


def _leaf_line(node: Node) -> str:
    """Write a part with its value and how far that is from what it is compared with."""
    text = visible(node.text, 2000)
    if node.kind is Part.NOT or node.children:
        return text
    if node.distance is None:
        return f"{text}   [{_value(node.value)}]"
    return f"{text}   [{_value(node.value)}, {_far(node)}]"


def _far(node: Node) -> str:
    distance = node.distance or 0.0
    bound = _nearest(node)
    return (
        f"exactly {bound}" if distance == 0 else f"{abs(distance):.6g} {'above' if distance > 0 else 'below'} {bound}"
    )


def _nearest(node: Node) -> str:
    """Return the bound that the distance was taken to."""
    numbers = [one for one in node.against if isinstance(one, int | float)]
    own = node.value if isinstance(node.value, int | float) else 0
    return _value(min(numbers, key=lambda one: abs(own - one)))


def _value(value: Scalar) -> str:
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case _:
            return visible(str(value))


# --------------------------------------------------------------------------- for a program


def rule_record(told: RuleDecision) -> dict[str, Any]:
    """Return the same as JSON values."""
    rule, result, exception = told.rule, told.result, told.exception
    names = ("id", "title", "version", "status", "typology", "role", "severity", "confidence", "owner", "rationale",
             "references", "indicators", "innocent_explanations", "threshold_origin", "threshold_note")  # fmt: skip
    about = {name: getattr(rule, name) for name in names}
    dates = {"effective_from": rule.effective_from.isoformat(), "review_by": rule.review_by.isoformat()}
    return {
        "account_id": result["account_id"],
        "outcome": result["outcome"],
        "reason": result["reason"],
        "rule": {**about, **dates, "when": rule.condition.text},
        "exception": exception and _exception_record(exception),
        "approval": told.approval.model_dump(mode="json"),
        "tree": _record(told.tree, told.absent),
    }


def _exception_record(exception: RuleException) -> dict[str, Any]:
    dates = {"effective_from": exception.effective_from.isoformat(), "expires_on": exception.expires_on.isoformat()}
    about = {name: getattr(exception, name) for name in ("id", "title", "version", "owner", "reason")}
    return {**about, **dates}


def tier_record(told: TierDecision, asked: str | None) -> dict[str, Any]:
    """Return the conditions that are shown as JSON values, and of the others which part failed."""
    row, placing = told.account, told.placing
    return {
        "account_id": row["account_id"],
        "tier": row["tier"],
        "tier_reason": row["tier_reason"],
        "placed_by": placing.condition.id if placing else None,
        "conditions": [_step_record(step) for step in _shown(told, asked)],
        "failed": {
            step.condition.id: [leaf.text for leaf in trees.blocking(step.tree)]
            for step in told.steps
            if step.tree.outcome is not True
        },
        "owner": told.owner,
        "version": told.version,
        "approval": told.approval.model_dump(mode="json"),
    }


def _step_record(step: TierStep) -> dict[str, Any]:
    entry = step.condition
    return {
        "id": entry.id, "tier": str(entry.tier), "when": entry.condition.text, "reason": entry.reason,
        "placed": step.placed, "tree": _record(step.tree, frozenset()),
    }  # fmt: skip


def _record(node: Node, absent: frozenset[str]) -> dict[str, Any]:
    return {
        "kind": str(node.kind),
        "text": node.text,
        "outcome": _OUTCOMES[node.outcome].replace(" ", "_"),
        "value": node.value,
        "against": list(node.against),
        "distance": node.distance,
        "readings": [_reading_record(reading, absent) for reading in node.readings],
        "children": [_record(child, absent) for child in node.children],
    }


def _reading_record(reading: Reading, absent: frozenset[str]) -> dict[str, Any]:
    unit, meaning = _MEANINGS.get(reading.name, ("", ""))
    wanting = wants(reading.name, 1, absent)
    return {
        "name": reading.name, "value": reading.value, "unit": unit or None, "meaning": meaning,
        "needs": list(wanting.needs), "absent": list(wanting.absent),
    }  # fmt: skip
