"""A page per lint: what is refused, why, how it is mended, and an example that was really refused.

Each example changes a few fields of one good rule, exception or tier table. It is loaded when the pages are
made: the refused variant has to be refused by its own lint, and the accepted one by nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from merchantscreen.errors import PolicyError, Problem
from merchantscreen.features import CATALOGUE
from merchantscreen.outputs.rulepages import code, table
from merchantscreen.policy.folder import NEEDED
from merchantscreen.policy.lints import LINTS, Lint
from merchantscreen.policy.loading import load_files, load_policy
from merchantscreen.policy.model import Policy
from merchantscreen.vocabulary import ColumnType

Fields = Mapping[str, str]

NOTE: Final = "<!-- Made by `make docs`. Change the code, not this page. -->"
TODAY: Final = date(2026, 11, 22)
RULE_PLACE: Final = "transaction-pattern/many-refunds.yml"
EXCEPTION_PLACE: Final = "exceptions/gift-shop.yml"
TIERS_PLACE: Final = "tiers.yml"


def _tests(share: str) -> str:
    """Write the tests of the sample rule, for a threshold of its share."""
    return "".join(f"\n  - {test}" for test in (_ABOVE, _EXACTLY.replace("SHARE", share), _FEW, _NOTHING))


_ABOVE: Final = "{name: above, given: {refund_share: 0.9, refund_count: 5}, expect: hit}"
_EXACTLY: Final = "{name: exactly, given: {refund_share: SHARE, refund_count: 5}, expect: no_hit}"
_FEW: Final = "{name: few refunds, given: {refund_share: 0.9, refund_count: 4}, expect: no_hit}"
_NOTHING: Final = "{name: no transactions, given: {}, expect: not_evaluated}"
_SIGNED: Final = {"version": "1.0.0", "owner": "rule desk", "approver": "null", "effective_from": "2026-11-22"}
_RULE: Final[Fields] = {
    "id": "many-refunds", "title": "Many refunds", **_SIGNED, "review_by": "2027-11-01", "status": "active",
    "typology": "transaction-pattern", "role": "rank", "severity": "low", "confidence": "low",
    "rationale": "Refunds can hide sales that cardholders do not recognise.",
    "references": "[FinCEN advisory FIN-2012-A010]", "indicators": "[KNOWN]",
    "false_positives": "[Shops for clothes.]", "innocent_explanations": "[A recall of a product.]",
    "requires": "[refund_share, refund_count]", "threshold": "{origin: design, note: Three in ten.}",
    "when": "refund_share > 0.3 AND refund_count >= 5", "reason": '"{refund_count} refunds, {refund_share}."',
    "tests": _tests("0.3"),
}  # fmt: skip
_EXCEPTION: Final[Fields] = {
    "id": "gift-shop", "title": "Gift shop with a recall", **_SIGNED, "rules": "[many-refunds]",
    "account": "400001/M1", "reason": "The recall was checked.", "expires_on": "2027-11-01",
}  # fmt: skip
_T1: Final = "{id: first, tier: T1, when: CONDITION, reason: Linked., rationale: Example.}"
_T2: Final = "{id: second, tier: T2, when: direct_certainty >= 0.1, reason: Linked., rationale: Example.}"
_SURE: Final = _T1.replace("CONDITION", "direct_certainty >= 0.6 AND NOT direct_forgeable")
_TIERS: Final[Fields] = {**_SIGNED, "review_by": "2027-11-01", "tiers": f"\n  - {_SURE}\n  - {_T2}"}
_LINKED: Final[Fields] = {
    "requires": "[referred_declared_count]", "reason": '"{referred_declared_count} websites."',
    "tests": "\n  - {name: one, given: {referred_declared_count: 1}, expect: hit}"
    "\n  - {name: none, given: {referred_declared_count: 0}, expect: no_hit}"
    "\n  - {name: no website, given: {}, expect: not_evaluated}",
}  # fmt: skip
_GOODS: Final[Fields] = {
    "requires": "[mcc, refund_share]", "reason": '"{refund_share} refunds in {mcc}."',
    "tests": "\n  - {name: above, given: {mcc: '5815', refund_share: 0.9}, expect: hit}"
    "\n  - {name: exactly, given: {mcc: '5815', refund_share: 0.3}, expect: no_hit}"
    "\n  - {name: another trade, given: {mcc: '5942', refund_share: 0.9}, expect: no_hit}"
    "\n  - {name: nothing, given: {}, expect: not_evaluated}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """Fields of a good file that are replaced, refused and accepted.

    Attributes:
        refused: Fields that the lint refuses.
        accepted: The same, mended.
        base: The file both are variants of.
        place: Where the refused variant lies; the accepted one lies where it belongs.
        also: Further fields of both that are not shown.
        beside: Other files of the folder.
    """

    refused: Fields
    accepted: Fields
    base: Fields = field(default_factory=lambda: _RULE)
    place: str = RULE_PLACE
    also: Fields = field(default_factory=dict)
    beside: Mapping[str, Fields] = field(default_factory=dict)


def _of_exception(
    refused: Fields, accepted: Fields, also: Fields | None = None, beside: Mapping[str, Fields] | None = None
) -> Example:
    return Example(refused, accepted, _EXCEPTION, EXCEPTION_PLACE, also or {}, beside or {})


def _suppressed(refused: str, accepted: str) -> Example:
    return Example(
        {"suppress": f"\n  - {refused}"}, {"suppress": f"\n  - {accepted}"}, also={"reason": "Many refunds."}
    )


_MANY: Final = tuple(feature.name for feature in CATALOGUE if feature.type is ColumnType.INTEGER)[:12]
_GATE: Final = {**_RULE, **_LINKED, "role": "gate", "when": "referred_declared_count >= 1"}
_GOOD_SUPPRESSION: Final = "{lint: reason-silent, reason: Values are in another system., until: 2027-06-01}"

EXAMPLES: Final[Mapping[str, Example]] = {
    "wrong-place": Example({"id": "many-refunds"}, {"id": "many-refunds"}, place="transaction-pattern/refunds.yml"),
    "no-citation": Example({"references": "[]"}, {"references": "[FinCEN advisory FIN-2012-A010]"}),
    "test-missing": Example(
        {"tests": _tests("0.3").rpartition("\n")[0]}, {"tests": _tests("0.3")}
    ),
    "part-untested": Example({"tests": _tests("0.3").replace(f"\n  - {_FEW}", "")}, {"tests": _tests("0.3")}),
    "test-impossible": Example(
        {"tests": _tests("0.3").replace("count: 4", "count: -4")}, {"tests": _tests("0.3")}
    ),
    "test-foreign": Example(
        {"tests": _tests("0.3").replace("given: {}", "given: {purchase_count: 0}")}, {"tests": _tests("0.3")}
    ),
    "test-twice": Example(
        {"tests": _tests("0.3") + f"\n  - {_ABOVE.replace('above', 'the same again')}"}, {"tests": _tests("0.3")}
    ),
    "too-wide": Example(
        {"when": " AND ".join(f"{name} >= 7" for name in _MANY)},
        {"when": "refund_share > 0.3 AND refund_count >= 5"},
    ),
    "outcome-fixed": Example(
        {"when": "refund_share >= 0 AND refund_count >= 0"}, {"when": "refund_share > 0.3 AND refund_count >= 5"}
    ),
    "part-idle": Example(
        {"when": "refund_share > 0.3 AND refund_count >= 5 AND refund_count >= 3"},
        {"when": "refund_share > 0.3 AND refund_count >= 5"},
    ),
    "boundary-untested": Example({"tests": _tests("0.2")}, {"tests": _tests("0.3")}),
    "review-overdue": Example(
        {"review_by": "2026-11-01"}, {"review_by": "2027-11-01"}, also={"effective_from": "2025-11-01"}
    ),
    "review-before-start": Example(
        {"effective_from": "2026-11-22", "review_by": "2026-11-22"},
        {"effective_from": "2026-11-22", "review_by": "2027-11-01"},
    ),
    "self-approved": Example(
        {"owner": "rule desk", "approver": "Rule Desk"}, {"owner": "rule desk", "approver": "head of compliance"}
    ),
    "requires-differ": Example({"requires": "[refund_share]"}, {"requires": "[refund_share, refund_count]"}),
    "reason-template": Example({"reason": '"{refunds} refunds."'}, {"reason": '"{refund_count} refunds."'}),
    "reason-silent": Example({"reason": "Many refunds."}, {"reason": '"{refund_count} refunds."'}),
    "category-alone": Example(
        {"when": "mcc = '5815'"}, {"when": "mcc = '5815' AND refund_share > 0.3"}, also=_GOODS
    ),
    "adult-category": Example(
        {"when": "mcc = '5967' AND refund_share > 0.3"}, {"when": "mcc = '5815' AND refund_share > 0.3"}, also=_GOODS
    ),
    "gate-reads-behaviour": Example(
        {"role": "gate", "when": "refund_share > 0.3 AND refund_count >= 5"},
        {"role": "rank", "when": "refund_share > 0.3 AND refund_count >= 5"},
    ),
    "gate-without-link": Example(
        {"role": "gate", "when": "referred_declared_count <= 1"},
        {"role": "gate", "when": "referred_declared_count >= 1"},
        also=_LINKED,
    ),
    "placeholder-text": Example({"rationale": "TODO"}, {"rationale": "Refunds can hide sales."}),
    "accusing-words": Example({"title": "Proof of hidden sales"}, {"title": "Many refunds"}),
    "rank-reads-links": Example(
        {"role": "rank", "when": "referred_declared_count >= 1"},
        {"role": "gate", "when": "referred_declared_count >= 1"},
        also=_LINKED,
    ),
    "indicator-unknown": Example({"indicators": "[Z99]"}, {"indicators": "[KNOWN]"}),
    "indicator-excluded": Example({"indicators": "[EXCLUDED]"}, {"indicators": "[KNOWN]"}),
    "condition-twice": Example(
        {"when": "refund_count >= 5 AND refund_share > 0.30"}, {"when": "refund_share > 0.5 AND refund_count >= 5"},
        also={"tests": _tests("0.5")},
        beside={"transaction-pattern/earlier.yml": {
            **_RULE, "id": "earlier", "when": "refund_count >= 5 AND refund_share > 0.3",
        }},
    ),
    "tier-forgeable": Example(
        {"tiers": "\n  - " + _T1.replace("CONDITION", "direct_certainty >= 0.6")}, {"tiers": f"\n  - {_SURE}"},
        _TIERS, TIERS_PLACE,
    ),
    "tier-order": Example(
        {"tiers": f"\n  - {_T2}\n  - {_SURE}"}, {"tiers": f"\n  - {_SURE}\n  - {_T2}"}, _TIERS, TIERS_PLACE
    ),
    "exception-gate": _of_exception(
        {"rules": "[declared-site]"}, {"rules": "[many-refunds]"},
        beside={"transaction-pattern/declared-site.yml": {**_GATE, "id": "declared-site"}},
    ),
    "exception-rule": _of_exception({"rules": "[many-refund]"}, {"rules": "[many-refunds]"}),
    "exception-long": _of_exception({"expires_on": "2029-11-22"}, {"expires_on": "2027-11-22"}),
    "exception-dates": _of_exception({"expires_on": "2026-11-01"}, {"expires_on": "2027-11-01"}),
    "exception-kind": _of_exception(
        {"identifier": "{kind: iban, value: acct-1}"}, {"identifier": "{kind: settlement_account, value: acct-1}"},
        also={"account": ""},
    ),
    "suppression-unknown": _suppressed(_GOOD_SUPPRESSION.replace("reason-silent", "reason-quiet"), _GOOD_SUPPRESSION),
    "suppression-refused": _suppressed(_GOOD_SUPPRESSION.replace("reason-silent", "no-citation"), _GOOD_SUPPRESSION),
    "suppression-expired": _suppressed(_GOOD_SUPPRESSION.replace("2027-06-01", "2026-06-01"), _GOOD_SUPPRESSION),
    "suppression-long": _suppressed(_GOOD_SUPPRESSION.replace("2027-06-01", "2028-06-01"), _GOOD_SUPPRESSION),
    "suppression-unused": _suppressed(
        _GOOD_SUPPRESSION.replace("reason-silent", "condition-twice"), _GOOD_SUPPRESSION
    ),
}  # fmt: skip
"""By name of the lint."""


# --------------------------------------------------------------------------- trying an example


def _problems(example: Example, policy: Policy, *, refused: bool) -> tuple[Problem, ...]:
    """Load a folder with one variant of an example and return what is wrong with it."""
    variant = {**example.base, **example.also, **(example.refused if refused else example.accepted)}
    files = {name: policy.files[name] for name in NEEDED}
    home = RULE_PLACE if example.base is _RULE else example.place
    others: dict[str, Fields] = {RULE_PLACE: _RULE, **example.beside}
    if home == RULE_PLACE:
        del others[RULE_PLACE]
    files |= {name: _text(fields, policy) for name, fields in others.items()}
    files[example.place if refused else home] = _text(variant, policy)
    try:
        load_files(files, today=TODAY)
    except PolicyError as error:
        return error.problems
    return ()


def _text(fields: Fields, policy: Policy) -> bytes:
    return "".join(f"{_shown(name, value, policy)}\n" for name, value in fields.items() if value).encode()


def _shown(name: str, value: str, policy: Policy) -> str:
    """Write one field; the indicators of an example are taken from the catalogue."""
    known = next(entry.id for entry in policy.indicators if entry.excluded is None)
    excluded = next(entry.id for entry in policy.indicators if entry.excluded is not None)
    filled = value.replace("KNOWN", known).replace("EXCLUDED", excluded)
    return f"{name}:{filled}" if filled.startswith("\n") else f"{name}: {filled}"


def tried(lint: Lint, policy: Policy) -> Problem | None:
    """Try the example of a lint, and return the message it gives; None where a lint has no example.

    Raises:
        ValueError: The refused variant is not refused by this lint, or the accepted one is refused.
    """
    if lint.name not in EXAMPLES:
        return None
    example = EXAMPLES[lint.name]
    told = [problem for problem in _problems(example, policy, refused=True) if problem.code == lint.kind.code]
    wrong = _problems(example, policy, refused=False)
    if not told or wrong:
        raise ValueError(f"the example of {lint.name} is wrong: refused {told}, accepted {wrong}")
    return told[0]


# --------------------------------------------------------------------------- pages


def pages() -> dict[str, str]:
    """Write the pages of all lints: text by file name, the index under `README.md`."""
    policy = load_policy(None)
    made = {f"{lint.name}.md": _page(lint, policy) for lint in LINTS}
    return {"README.md": _index()} | made


_ABOUT: Final = (
    "What a rule folder must not do. A folder with one finding is refused as a whole, whenever it is loaded: "
    "a policy that is half understood would screen with half of its safeguards."
)


def _index() -> str:
    rows = (
        (f"[{lint.name}]({lint.name}.md)", lint.kind.title, "yes" if lint.suppressible else "no", code(lint.kind.code))
        for lint in LINTS
    )
    return "\n\n".join([
        "# Lints", NOTE,
        _ABOUT,
        "Where a lint may be suppressed, the rule says so in its own file, for a time:",
        f"```yaml\nsuppress:\n  - {_GOOD_SUPPRESSION}\n```",
        table(("lint", "what is refused", "may be suppressed", "code"), rows),
    ]) + "\n"  # fmt: skip


def _page(lint: Lint, policy: Policy) -> str:
    may = (
        "A rule may suppress it for a time, with a reason, see [the list of lints](README.md)."
        if lint.suppressible
        else "It cannot be suppressed."
    )
    blocks = [
        f"# {lint.name}", NOTE,
        f"**Refused:** {lint.kind.title}. **Expected:** {lint.kind.expected}.",
        f"**Why:** {lint.why}",
        f"**How to mend it:** {lint.kind.fix} {may}",
        f"Code {code(lint.kind.code)}, see [errors](../errors.md#policy).",
        *_example_blocks(lint, policy),
    ]  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def _example_blocks(lint: Lint, policy: Policy) -> list[str]:
    message = tried(lint, policy)
    if message is None:
        return []
    example = EXAMPLES[lint.name]
    home = RULE_PLACE if example.base is _RULE else example.place
    return [
        "## Example",
        f"Refused, in `{example.place}`:\n\n{_yaml(example.refused, policy)}",
        f"```text\n{message}\n```",
        f"Accepted, in `{home}`:\n\n{_yaml(example.accepted, policy)}",
    ]


def _yaml(fields: Fields, policy: Policy) -> str:
    return "```yaml\n" + "\n".join(_shown(name, value, policy) for name, value in fields.items()) + "\n```"
