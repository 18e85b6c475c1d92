"""Two results over the same data: what is counted, what is sampled, and what was expected."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, Final

import polars as pl
import pytest
from unit.small_run import RESULT, frame

from merchantscreen.backtest import Change, Comparison, Place, compare
from merchantscreen.backtest.expectations import check, read_expectations
from merchantscreen.errors import InputError
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Policy
from merchantscreen.policy.whatif import scaled
from merchantscreen.screening import ScreenResult
from merchantscreen.tables import AccountFacts, Ranking, RuleResults, empty
from merchantscreen.vocabulary import RuleStatus

OLD: Final = load_policy()
NEW: Final = scaled(OLD, "few-price-points.top3_price_share=0.95").policy
RULE: Final = "few-price-points"
POINTS: Final = 1_000_000_000


def placed(account: str, tier: str, points: int = POINTS, reason: str = "some-way: so it is") -> dict[str, Any]:
    """Make a row of a ranking."""
    return {
        "rank": 1, "tier": tier, "tied_with": 0, "account_id": account, "points": points / POINTS, "score": 1.0,
        "points_nano": points, "tier_reason": reason, "strongest_link": "", "hops": 1, "referral_ids": [],
        "hotlines": [], "assurance": "unsigned", "gate_hits": [], "rule_hits": [], "excepted_hits": [],
        "not_evaluated": [], "counter_evidence": [], "policy_state": "unapproved",
    }  # fmt: skip


def decided(account: str, outcome: str, share: float | None = None, **more: Any) -> dict[str, Any]:
    """Make a rule result of few-price-points."""
    return {
        "account_id": account, "rule_id": RULE, "rule_version": "1.0.0", "status": "active",
        "typology": "transaction-pattern", "role": "rank", "severity": "low", "outcome": outcome,
        "observed": json.dumps({"purchase_count": 40, "top3_price_share": share}), "missing": [], "reason": "",
    } | more  # fmt: skip


def result(ranking: list[dict[str, Any]], rules: list[dict[str, Any]], **more: pl.DataFrame) -> ScreenResult:
    """Make a result of a ranking and rule results."""
    made = replace(RESULT, ranking=frame(Ranking, ranking), rules=frame(RuleResults, rules),
                   shadow=empty(RuleResults), facts=empty(AccountFacts))  # fmt: skip
    return replace(made, **more)


def compared(before: ScreenResult, after: ScreenResult, new: Policy = NEW, sample: int = 5) -> Comparison:
    """Compare against the built-in policy."""
    return compare(OLD, new, before, after, sample)


# --------------------------------------------------------------------------- places


def test_accounts_enter_leave_move_and_change_in_points() -> None:
    """Each account is told once, by the most that happened to it; an unchanged one not at all."""
    before = result([placed("a", "watch"), placed("b", "T2"), placed("c", "T2"), placed("d", "T1"),
                     placed("e", "T1"), placed("g", "T3"), placed("h", "watch")], [])  # fmt: skip
    after = result([placed("a", "T1"), placed("b", "watch"), placed("c", "T1"), placed("d", "T1", 7),
                    placed("e", "T1"), placed("f", "T3"), placed("i", "watch")], [])  # fmt: skip
    done = compared(before, after)
    told = done.moves.select("account_id", "change", "tier_before", "tier_after").rows()
    assert told == [
        ("a", "entered", "watch", "T1"), ("f", "entered", "absent", "T3"), ("b", "left", "T2", "watch"),
        ("g", "left", "T3", "absent"), ("c", "moved", "T2", "T1"), ("i", "moved", "absent", "watch"),
        ("h", "moved", "watch", "absent"), ("d", "points", "T1", "T1"),
    ]  # fmt: skip
    assert [done.count(change) for change in Change] == [2, 2, 3, 1]


def test_the_matrix_counts_every_account_of_either_result_once() -> None:
    """The cells add up to the accounts that any of the two ranks."""
    before = result([placed("a", "watch"), placed("b", "T2"), placed("c", "T2")], [])
    after = result([placed("a", "watch"), placed("b", "T1"), placed("d", "T2")], [])
    done = compared(before, after)
    assert done.matrix.rows() == [
        ("T2", "T1", 1), ("T2", "absent", 1), ("watch", "watch", 1), ("absent", "T2", 1),
    ]  # fmt: skip


def test_the_same_result_twice_changes_nothing() -> None:
    """No account, no rule."""
    same = result([placed("a", "T1")], [decided("a", "hit", 0.99)])
    done = compared(same, same)
    assert done.moves.is_empty()
    assert done.rules.is_empty()


# --------------------------------------------------------------------------- rules


def test_hits_gained_lost_and_not_evaluated_are_counted_apart() -> None:
    """An account that loses its evidence loses its hit; one that was never evaluated gains no evaluation."""
    before = result([placed(name, "T1") for name in "abcdef"], [
        decided("a", "hit"), decided("b", "no_hit"), decided("c", "not_evaluated"), decided("d", "hit"),
        decided("e", "hit"),
    ])  # fmt: skip
    after = result([placed(name, "T1") for name in "abcdf"], [
        decided("a", "no_hit"), decided("b", "hit"), decided("c", "no_hit"), decided("d", "not_evaluated"),
        decided("f", "hit"),
    ])  # fmt: skip
    assert compared(before, after).rules.rows() == [(RULE, 2, 3, 1, 1)]


def test_a_hit_that_is_set_aside_is_no_hit() -> None:
    """A new exception shows as a hit lost."""
    before = result([placed("a", "T1")], [decided("a", "hit")])
    after = result([placed("a", "T1")], [decided("a", "hit", exception_id="x")])
    assert compared(before, after).rules.rows() == [(RULE, 0, 1, 0, 0)]


def test_a_draft_counts_only_against_a_draft() -> None:
    """Activating a draft gains all its hits; a draft on both sides is compared as it is."""
    shadow = frame(RuleResults, [decided("a", "hit", status="draft")])
    before = result([placed("a", "T1")], [], shadow=shadow)
    after = result([placed("a", "T1")], [decided("a", "hit")])
    draft = as_draft(OLD)
    assert compare(draft, OLD, before, after).rules.rows() == [(RULE, 1, 0, 0, 0)]
    assert compare(draft, draft, before, before).rules.is_empty()
    nothing = result([placed("a", "T1")], [], shadow=frame(RuleResults, [decided("a", "no_hit", status="draft")]))
    assert compare(draft, draft, before, nothing).rules.rows() == [(RULE, 0, 1, 0, 0)]


def as_draft(policy: Policy) -> Policy:
    """Make few-price-points a draft."""
    rules = (replace(rule, status=RuleStatus.DRAFT) if rule.id == RULE else rule for rule in policy.rules)
    return replace(policy, rules=tuple(rules))


# --------------------------------------------------------------------------- lines


SHARES: Final = {
    "far-above": 1.01, "above-end": 1.0, "above": 0.9500001, "new": 0.95, "between": 0.92, "old": 0.9,
    "below-end": 0.85, "far-below": 0.8499999, "unknown": None,
}  # fmt: skip


def near(sample: int = 5) -> Comparison:
    """Compare a result with accounts on, between and around the two numbers 0.9 and 0.95."""
    ranking = [placed(name, "T1" if name == "between" else "watch") for name in SHARES]
    now = [placed(name, "watch") for name in SHARES]

    def outcome(share: float | None, line: float) -> str:
        return "not_evaluated" if share is None else "hit" if share > line else "no_hit"

    before = result(ranking, [decided(name, outcome(share, 0.9), share) for name, share in SHARES.items()])
    after = result(now, [decided(name, outcome(share, 0.95), share) for name, share in SHARES.items()])
    return compared(before, after, sample=sample)


def test_accounts_are_grouped_by_the_comparison_itself() -> None:
    """The line belongs where the operator puts it, and each group is as wide as the threshold moved."""
    line = near(sample=9).lines[0]
    assert (line.subject, line.side, line.operator, line.old, line.new) == (
        RULE,
        "top3_price_share",
        ">",
        "0.9",
        "0.95",
    )
    found = {group.place: {one.account_id for one in group.sample} for group in line.groups}
    assert found == {
        Place.ABOVE: {"above", "above-end"},
        Place.BETWEEN: {"between", "new"},
        Place.BELOW: {"old", "below-end"},
    }
    assert line.unknown_count == 1


def test_the_yield_of_each_group_is_counted() -> None:
    """How many are decided otherwise, and how many are cases before and now."""
    groups = {group.place: group for group in near().lines[0].groups}
    between = groups[Place.BETWEEN]
    assert (between.account_count, between.changed_count, between.cases_before, between.cases_after) == (2, 2, 1, 0)
    assert groups[Place.ABOVE].changed_count == groups[Place.BELOW].changed_count == 0


def test_a_sample_is_the_lowest_digests_whatever_the_order() -> None:
    """Nobody chooses an account: its id decides, and the same again next time."""
    names = [f"400001/M{number}" for number in range(40)]
    expected = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:3]
    for order in (names, names[::-1]):
        before = result([placed(name, "T3") for name in order], [decided(name, "hit", 0.93) for name in order])
        after = result([placed(name, "T3") for name in order], [decided(name, "no_hit", 0.93) for name in order])
        group = compared(before, after, sample=3).lines[0].groups[1]
        assert [one.account_id for one in group.sample] == expected
        assert group.account_count == 40


def test_a_moved_tier_condition_has_a_line_of_its_own() -> None:
    """Facts are compared like features; what the condition placed counts as its outcome."""
    new = scaled(OLD, "t1-dedicated-domain.direct_dedicated_certainty=0.8").policy
    facts = frame(AccountFacts, [fact("a", 0.7), fact("b", 0.9), fact("c", 0.5), fact("d", 0.1)])
    way = "t1-dedicated-domain: it is so"
    before = result([placed("a", "T1", reason=way), placed("b", "T1", reason=way), placed("c", "T3"),
                     placed("d", "watch")], [], facts=facts)  # fmt: skip
    after = result([placed("a", "T2"), placed("b", "T1", reason=way), placed("c", "T3"), placed("d", "watch")], [],
                   facts=facts)  # fmt: skip
    line = compared(before, after, new).lines[0]
    assert (line.subject, line.side, line.operator) == ("t1-dedicated-domain", "direct_dedicated_certainty", ">=")
    assert [[one.account_id for one in group.sample] for group in line.groups] == [["b"], ["a"], ["c"]]
    assert [group.changed_count for group in line.groups] == [0, 1, 0]


def fact(account: str, certainty: float) -> dict[str, Any]:
    """Make a row of facts."""
    nothing = {name: dtype.to_python()() for name, dtype in empty(AccountFacts).schema.items()}
    return nothing | {"account_id": account, "direct_dedicated_certainty": certainty, "assurance": "unsigned"}


# --------------------------------------------------------------------------- expectations


def expected(text: str, accounts: frozenset[str] = frozenset({"a", "b", "c"})) -> list[tuple[str, str | None, bool]]:
    """Check expectations on a result in which a is in T1 with a hit, and b entered T2 without one."""
    before = result([placed("a", "T1")], [decided("a", "hit")])
    after = result([placed("a", "T1"), placed("b", "T2")], [decided("a", "hit"), decided("b", "no_hit")])
    done = check(read_expectations("e.yml", text.encode()), NEW, after, compared(before, after), accounts)
    return [(one.name, one.failure, one.fails) for one in done]


def one(text: str, unexpected: str = "ignore") -> list[tuple[str, str | None, bool]]:
    """Check one expectation."""
    return expected(f"unexpected: {unexpected}\nexpectations:\n  - {{name: x, {text}}}\n")


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("account: a, tier: T1", None),
        ("account: a, tier: T2", "expected tier T2, found T1"),
        ("account: c, tier: absent", None),
        ("account: b, tier: absent", "expected tier absent, found T2"),
        ("account: a, rule: few-price-points, outcome: hit", None),
        ("account: b, rule: few-price-points, outcome: hit", "expected hit of few-price-points, found no_hit"),
        ("account: c, rule: few-price-points, outcome: no_hit",
         "expected no_hit of few-price-points, found no outcome (the account holds no evidence)"),
        ("account: b, tier: T1, rule: few-price-points, outcome: hit",
         "expected tier T1, found T2; expected hit of few-price-points, found no_hit"),
        ("tier: T1, accounts: {exactly: 1}", None),
        ("tier: absent, accounts: {exactly: 1}", None),
        ("tier: T1, accounts: {at_least: 2}", "expected at least 2 accounts with tier T1, found 1"),
        ("rule: few-price-points, outcome: hit, accounts: {at_most: 0}",
         "expected at most 0 accounts with hit of few-price-points, found 1"),
        ("rule: few-price-points, outcome: no_hit, tier: T2, accounts: {at_least: 1, at_most: 1}", None),
    ],
)  # fmt: skip
def test_an_expectation_is_met_or_says_what_was_found(text: str, failure: str | None) -> None:
    """What was found stands beside what was expected."""
    assert one(text) == [("x", failure, failure is not None)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("account: a, rule: few-price-point, outcome: hit", "MS-EXP-001"),
        ("account: nobody, tier: absent", "MS-EXP-002"),
        ("account: a", "MS-POL-022"),
        ("tier: T1", "MS-POL-022"),
        ("account: a, rule: few-price-points", "MS-POL-022"),
        ("account: a, tier: T4", "MS-POL-022"),
        ("tier: T1, accounts: {}", "MS-POL-022"),
        ("tier: T1, accounts: {exactly: 1, at_most: 2}", "MS-POL-022"),
        ("tier: T1, accounts: {at_least: 3, at_most: 2}", "MS-POL-022"),
        ("tier: T1, account: a, accounts: {exactly: 1}", "MS-POL-022"),
        ("tier: T1, account: a, colour: red", "MS-POL-020"),
    ],
)
def test_an_expectation_about_nothing_is_an_error_and_never_met(text: str, code: str) -> None:
    """What cannot be checked ends the command instead of passing."""
    with pytest.raises(InputError) as refused:
        one(text)
    assert [problem.code for problem in refused.value.problems] == [code]


@pytest.mark.parametrize(
    "text", ["expectations: []", "unexpected: fail", "expectations: [{name: x, name: y}]", "- 1", ""]
)
def test_a_file_without_expectations_is_refused(text: str) -> None:
    """An empty list would be met by anything."""
    with pytest.raises(InputError) as refused:
        expected(text)
    assert refused.value.problems[0].line is not None


def test_two_expectations_have_two_names() -> None:
    """Results are told by name, so a name is used once."""
    with pytest.raises(InputError) as refused:
        expected("expectations:\n  - {name: x, account: a, tier: T1}\n  - {name: x, account: b, tier: T2}\n")
    assert [(problem.code, problem.line) for problem in refused.value.problems] == [("MS-EXP-003", 3)]


@pytest.mark.parametrize(("what", "told"), [("ignore", []), ("warn", [False]), ("fail", [True])])
def test_an_account_that_nobody_named_and_that_enters_a_tier_is_told(what: str, told: list[bool]) -> None:
    """Whether it fails the run is the file's to say."""
    found = one("account: a, tier: T1", what)[1:]
    assert [fails for _, _, fails in found] == told
    assert all(failure == "enters T2 from absent, and no expectation names it" for _, failure, _ in found)
    assert one("account: b, tier: T2", what)[1:] == []
