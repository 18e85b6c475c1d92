"""What a policy covers: indicators with and without rules, and rules with and without data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from frames import frame

from merchantscreen.policy.coverage import Covered, indicator_coverage, percent, rule_coverage, wants
from merchantscreen.policy.loading import load_policy
from merchantscreen.tables import BlindSpots, RuleResults, empty
from merchantscreen.vocabulary import Measurable, RuleStatus

POLICY = load_policy()
RULE = POLICY.rules[0]
SIGN = next(entry for entry in POLICY.indicators if entry.excluded is None)


def _state(status: RuleStatus | None, **about: object) -> Covered:
    """Cover one indicator by one rule of some status, or by none."""
    sign = replace(SIGN, **{"excluded": None, "measurable": Measurable.YES, **about})
    rules = () if status is None else (replace(RULE, status=status, indicators=(sign.id,)),)
    (entry,) = indicator_coverage(replace(POLICY, rules=rules, indicators=(sign,)))
    return entry.state


def test_an_indicator_is_covered_by_rules_in_use_only() -> None:
    """A draft covers nothing yet, and a retired rule covers nothing any more."""
    states = [_state(status) for status in (RuleStatus.ACTIVE, RuleStatus.DRAFT, RuleStatus.RETIRED, None)]
    assert states == [Covered.ACTIVE, Covered.DRAFT, Covered.NONE, Covered.NONE]


def test_what_cannot_be_seen_or_is_excluded_is_no_gap() -> None:
    """An excluded indicator stays excluded; one that cannot be seen is none that is missing; one seen partly is."""
    assert _state(None, excluded="reason") is Covered.EXCLUDED
    assert _state(None, measurable=Measurable.NO) is Covered.NOT_MEASURABLE
    assert _state(None, measurable=Measurable.PARTLY) is Covered.NONE


def test_the_built_in_policy_leaves_no_gap() -> None:
    """Every indicator that could be seen has a rule, and every excluded one a reason."""
    entries = indicator_coverage(POLICY)
    assert [entry.indicator.id for entry in entries if entry.is_gap] == []
    assert all(entry.indicator.excluded for entry in entries if entry.state is Covered.EXCLUDED)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "–"), (0, 7, "0.0 %"), (1, 3, "33.3 %"), (2, 3, "66.6 %"), (9999, 10_000, "99.9 %"), (7, 7, "100.0 %"),
     (1, 100_000, "< 0.1 %"), (10**18 - 1, 10**18, "99.9 %")],
)  # fmt: skip
def test_a_share_is_never_rounded_up(part: int, whole: int, text: str) -> None:
    """Only all of it is 100 per cent, and only nothing of it is 0."""
    assert percent(part, whole) == text


def _result(account: str, outcome: str, **more: object) -> dict[str, object]:
    return {"account_id": account, "rule_id": RULE.id, "rule_version": RULE.version, "status": "active",
            "typology": RULE.typology, "role": str(RULE.role), "severity": str(RULE.severity), "outcome": outcome,
            "observed": "{}", "missing": [], "reason": "", **more}  # fmt: skip


def _coverage(*rows: dict[str, object], status: RuleStatus = RuleStatus.ACTIVE, shadow: bool = False):  # noqa: ANN202
    rules = (replace(RULE, status=status),)
    results = frame(RuleResults, list(rows)) if rows else empty(RuleResults)
    spots = frame(BlindSpots, [
        {"kind": "column_absent", "subject": "transactions.requestor_url", "count": 3, "detail": "."},
        {"kind": "column_absent", "subject": "transactions.issuer_country", "count": 3, "detail": "."},
    ])  # fmt: skip
    none = empty(RuleResults)
    return rule_coverage(replace(POLICY, rules=rules), *((none, results) if shadow else (results, none)), spots)


def test_hits_that_are_set_aside_are_hits_and_counted_apart() -> None:
    """The counts of a rule add up to the accounts it was asked about."""
    (told,) = _coverage(_result("a", "hit"), _result("b", "hit", exception_id="x"), _result("c", "no_hit"),
                        _result("d", "not_evaluated", missing=["cross_border_share"]))  # fmt: skip
    assert (told.hit_count, told.set_aside_count, told.no_hit_count, told.not_evaluated_count) == (2, 1, 1, 1)
    assert (told.account_count, told.evaluated_count, told.is_blind) == (4, 3, False)


def test_a_rule_without_data_names_features_and_columns() -> None:
    """A rule that could be evaluated for nobody says which features were wanting, and which columns were absent."""
    missing = ["cross_border_share", "purchase_count"]
    (told,) = _coverage(_result("a", "not_evaluated", missing=missing),
                        _result("b", "not_evaluated", missing=missing[:1]))  # fmt: skip
    assert told.is_blind
    assert [(entry.feature, entry.account_count) for entry in told.wanting] == [
        ("cross_border_share", 2),
        ("purchase_count", 1),
    ]
    assert told.wanting[0].absent == ("transactions.issuer_country",)


def test_a_choice_of_columns_is_absent_only_if_all_are() -> None:
    """Where either of two columns would do, one that is there suffices."""
    feature, both = "observed_site_count", "transactions.requestor_url or transactions.acceptor_url"
    assert wants(feature, 1, frozenset({"transactions.requestor_url"})).absent == ()
    assert both in wants(feature, 1, frozenset({"transactions.requestor_url", "transactions.acceptor_url"})).absent


def test_drafts_are_counted_from_the_shadow() -> None:
    """What a draft would have done is told like everything else, and retired rules are left out."""
    (told,) = _coverage(_result("a", "hit", status="draft"), status=RuleStatus.DRAFT, shadow=True)
    assert (told.status, told.hit_count) == (RuleStatus.DRAFT, 1)
    assert _coverage(status=RuleStatus.RETIRED) == ()


def test_a_rule_nobody_was_asked_about_is_not_blind() -> None:
    """Without ranked accounts there is nothing that could not be evaluated."""
    (told,) = _coverage()
    assert (told.account_count, told.is_blind) == (0, False)
