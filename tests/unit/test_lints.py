"""Every lint of the registry: a rule that it refuses, and the least change with which the rule is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from rule_folders import EXCEPTION, GATE, RANK, RANK_TEXT, changed, small_files

from merchantscreen.errors import PolicyError
from merchantscreen.features import FACT_TYPES, FEATURE_TYPES
from merchantscreen.policy import probing, problems
from merchantscreen.policy.language import compile_condition
from merchantscreen.policy.lints import LINTS, is_placeholder, same_person, tier_forgeable
from merchantscreen.policy.loading import load_files
from merchantscreen.policy.problems import PROBLEMS

TODAY = date(2026, 12, 1)
TIERS = "tiers.yml"
TWIN = "transaction-pattern/twin-rule.yml"
TWIN_TEXT = RANK_TEXT.replace("id: sample-rank", "id: twin-rule")
WHEN = "when: purchase_count >= 20 AND top3_price_share > 0.9"
ANY_OF_NINE = "when: " + " OR ".join(
    f"{name} >= 2"
    for name in (
        "purchase_count", "refund_count", "chargeback_count", "declined_count", "distinct_price_count",
        "micro_burst_count", "sibling_count", "listing_count", "observed_site_count",
    )
)  # fmt: skip
BOUNDARY = "  - {lint: boundary-untested, reason: As below., until: 2027-10-31}\n"
IDLE = "  - {lint: part-idle, reason: It reads better., until: 2027-10-31}\n"


def _suppressed(lint: str, until: str = "2027-10-31") -> tuple[str, str, str]:
    """Put a suppression into the sample rule."""
    entry = f"suppress:\n  - {{lint: {lint}, reason: Seen and agreed., until: {until}}}\ntests:\n"
    return (RANK, "tests:\n", entry)


@dataclass(frozen=True)
class Example:
    """Changes to a good folder that a lint refuses, and changes beyond them with which it is accepted.

    Without the latter, the good folder itself is what is accepted.
    """

    lint: str
    refused: tuple[tuple[str, str, str], ...]
    mended: tuple[tuple[str, str, str], ...] = ()
    added: Mapping[str, str] = field(default_factory=dict)


EXAMPLES = (
    Example("wrong-place", ((RANK, "typology: transaction-pattern", "typology: account-profile"),)),
    Example("no-citation", ((RANK, "references:\n  - A public report on fixed prices", "references: []"),)),
    Example("test-missing", ((RANK, "    expect: not_evaluated", "    expect: no_hit"),)),
    Example("boundary-untested", ((RANK, "{purchase_count: 20,", "{purchase_count: 21,"),),
            (_suppressed("boundary-untested"),)),
    Example("part-untested", ((RANK, "{purchase_count: 19, top3_price_share: 1}",
                               "{purchase_count: 19, top3_price_share: 0.1}"),), (_suppressed("part-untested"),)),
    Example("test-impossible", ((RANK, "top3_price_share: 0.97", "top3_price_share: 97"),)),
    Example("test-foreign", ((RANK, "{purchase_count: 20,", "{purchase_count: 20, refund_count: 3,"),)),
    Example("test-twice", ((RANK, "name: exactly nine tenths", "name: no transactions"),)),
    Example("review-overdue", ((RANK, "review_by: 2027-11-01", "review_by: 2026-11-30"),),
            (_suppressed("review-overdue", "2027-01-31"),)),
    Example("review-before-start", ((RANK, "effective_from: 2026-11-01", "effective_from: 2027-11-01"),)),
    Example("self-approved", ((RANK, "approver: null", "approver: Rule-Desk"),),
            ((RANK, "approver: Rule-Desk", "approver: review board"),)),
    Example("requires-differ", ((RANK, "requires: [top3_price_share, purchase_count]", "requires: [purchase_count]"),
                                (RANK, "{top3_price_share} of {purchase_count}", "Three of {purchase_count}"))),
    Example("reason-template", ((RANK, "{top3_price_share} of", "{top_price_share} of"),)),
    Example("reason-silent", ((RANK, "{top3_price_share} of {purchase_count}", "Nearly all"),),
            (_suppressed("reason-silent"),)),
    Example("too-wide", ((RANK, WHEN, ANY_OF_NINE),)),
    Example("outcome-fixed", ((RANK, "top3_price_share > 0.9", "top3_price_share > 90"),)),
    Example("part-idle", ((RANK, WHEN, f"{WHEN} AND top3_price_share > 0.5"), _suppressed("part-untested"),
                          (RANK, "suppress:\n", f"suppress:\n{BOUNDARY}")),
            ((RANK, "suppress:\n", f"suppress:\n{IDLE}"),)),
    Example("category-alone", ((RANK, WHEN, f"{WHEN} OR mcc = '5816'"),)),
    Example("adult-category", ((RANK, WHEN, f"{WHEN} AND mcc IN ('5967', '5816')"),)),
    Example("gate-reads-behaviour", ((GATE, "when: referred_declared_count >= 1",
                                      "when: referred_declared_count >= 1 AND purchase_count >= 1"),)),
    Example("gate-without-link", ((GATE, "when: referred_declared_count >= 1", "when: referred_declared_count < 1"),)),
    Example("rank-reads-links", ((RANK, WHEN, f"{WHEN} AND referred_label_count >= 1"),)),
    Example("indicator-unknown", ((RANK, "indicators: [C01]", "indicators: [C01, C09]"),)),
    Example("indicator-excluded", ((RANK, "indicators: [C01]", "indicators: [C02]"),)),
    Example("condition-twice", (), (), {TWIN: TWIN_TEXT}),
    Example("placeholder-text", ((RANK, "  - A public report on fixed prices", "  - T.B.D."),)),
    Example("accusing-words", ((RANK, "title: Nearly all", "title: Proof of nearly all"),)),
    Example("tier-forgeable", ((TIERS, "AND NOT direct_forgeable", ""),)),
    Example("tier-order", ((TIERS, "tier: T1", "tier: T3"),)),
    Example("exception-gate", ((EXCEPTION, "rules: [sample-rank]", "rules: [sample-rank, sample-gate]"),)),
    Example("exception-rule", ((EXCEPTION, "rules: [sample-rank]", "rules: [sample-rink]"),)),
    Example("exception-long", ((EXCEPTION, "expires_on: 2027-05-01", "expires_on: 2027-11-03"),),
            ((EXCEPTION, "expires_on: 2027-11-03", "expires_on: 2027-11-02"),)),
    Example("exception-dates", ((EXCEPTION, "expires_on: 2027-05-01", "expires_on: 2026-11-01"),)),
    Example("exception-kind", ((EXCEPTION, "account: 400001/M1", "identifier: {kind: mcc, value: '5816'}"),),
            ((EXCEPTION, "kind: mcc, value: '5816'", "kind: settlement_account, value: acct-1"),)),
    Example("suppression-unknown", ((RANK, "{purchase_count: 20,", "{purchase_count: 21,"),
                                    _suppressed("boundary-untestet")),
            ((RANK, "boundary-untestet", "boundary-untested"),)),
    Example("suppression-refused", ((RANK, "indicators: [C01]", "indicators: [C02]"),
                                    _suppressed("indicator-excluded"))),
    Example("suppression-expired", ((RANK, "{purchase_count: 20,", "{purchase_count: 21,"),
                                    _suppressed("boundary-untested", "2026-11-30")),
            ((RANK, "until: 2026-11-30", "until: 2026-12-01"),)),
    Example("suppression-long", ((RANK, "{purchase_count: 20,", "{purchase_count: 21,"),
                                 _suppressed("boundary-untested", "2027-11-02")),
            ((RANK, "until: 2027-11-02", "until: 2027-11-01"),)),
    Example("suppression-unused", (_suppressed("boundary-untested"),),
            ((RANK, "{purchase_count: 20,", "{purchase_count: 21,"),)),
)  # fmt: skip


@pytest.fixture(scope="module")
def good(repository: Path) -> dict[str, bytes]:
    """Return a rule folder that every lint accepts."""
    return small_files(repository)


def _codes(files: Mapping[str, bytes]) -> set[str]:
    try:
        load_files(files, today=TODAY)
    except PolicyError as error:
        return {problem.code for problem in error.problems}
    return set()


def _applied(files: Mapping[str, bytes], changes: tuple[tuple[str, str, str], ...]) -> dict[str, bytes]:
    result = dict(files)
    for name, old, new in changes:
        result = changed(result, name, old, new)
    return result


def test_the_sample_folder_is_accepted_by_every_lint(good: dict[str, bytes]) -> None:
    """What the examples are changes of loads without a problem."""
    assert _codes(good) == set()


def test_every_lint_of_the_registry_has_an_example() -> None:
    """A lint without an example of what it refuses is not allowed to exist; names and codes are unique."""
    assert [example.lint for example in EXAMPLES] == [lint.name for lint in LINTS]
    assert len({lint.name for lint in LINTS}) == len({lint.kind.code for lint in LINTS}) == len(LINTS)
    assert all(PROBLEMS[lint.kind.code] is lint.kind for lint in LINTS)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.lint for example in EXAMPLES])
def test_a_lint_refuses_its_example_and_accepts_the_mended_one(good: dict[str, bytes], example: Example) -> None:
    """The example is refused with the lint's code, and its mended form without any problem."""
    code = next(lint.kind.code for lint in LINTS if lint.name == example.lint)
    refused = _applied(good, example.refused) | {name: text.encode() for name, text in example.added.items()}
    assert code in _codes(refused)
    if example.mended:
        assert _codes(_applied(refused, example.mended)) == set()


def test_a_message_names_the_lint_and_the_part(good: dict[str, bytes]) -> None:
    """A reader learns the lint's name, the file and the part of the condition that is meant."""
    with pytest.raises(PolicyError) as refusal:
        load_files(changed(good, RANK, "{purchase_count: 20,", "{purchase_count: 21,"), today=TODAY)
    (problem,) = refusal.value.problems
    assert (problem.where, problem.column) == (RANK, "tests")
    assert problem.found == "[boundary-untested] no test that tells `purchase_count >= 20` from `purchase_count > 20`"


def test_only_suppressible_lints_can_be_suppressed(good: dict[str, bytes]) -> None:
    """A suppression of any other lint is refused, whatever its reason."""
    for lint in LINTS:
        codes = _codes(_applied(good, (_suppressed(lint.name),)))
        wanted = problems.SUPPRESSION_UNUSED if lint.suppressible else problems.SUPPRESSION_REFUSED
        assert codes == {wanted.code}, lint.name


def test_a_second_suppression_of_one_lint_is_refused(good: dict[str, bytes]) -> None:
    """A lint is suppressed once or not at all, so that one day says when it ends."""
    once = _applied(good, ((RANK, "{purchase_count: 20,", "{purchase_count: 21,"), _suppressed("boundary-untested")))
    again = "suppress:\n  - {lint: boundary-untested, reason: Again., until: 2027-10-01}\n"
    assert _codes(changed(once, RANK, "suppress:\n", again)) == {problems.SUPPRESSION_UNUSED.code}


# --------------------------------------------------------------------------- hits by category or absence

BY_CATEGORY = (
    "mcc = '5816'",
    "mcc IN ('5816', '5967') AND country = 'NL'",
    "NOT (mcc <> '5816')",
    "NOT (mcc <> '5816' OR country <> 'NL')",
    "LOWER(country) IN ('nl', 'de')",
    "under_facilitator AND mcc = '5816'",
    "COALESCE(mcc, '5816') = '5816'",
    "purchase_count >= 20 OR country = 'NL'",
    "purchase_count >= 0 AND mcc = '5816'",
    "top3_price_share <= 1 AND mcc = '5816'",
    "top3_price_share BETWEEN 0 AND 1 AND mcc = '5816'",
    "(purchase_count >= 20 OR purchase_count < 20) AND mcc = '5816'",
    "ABS(cross_border_peer_z) >= 0 AND mcc = '5816'",
    "purchase_count + 1 > 0 AND mcc = '5816'",
    "purchase_count * 0 = 0 AND mcc = '5816'",
    "purchase_count IS NULL",
    "purchase_count IS NULL AND top3_price_share >= 0",
    "purchase_count IS NOT NULL",
    "top3_price_share > 0.9 OR purchase_count IS NULL",
    "COALESCE(purchase_count, 100) >= 20",
    "COALESCE(purchase_count, 100) >= 20 AND mcc = '5816'",
    "NOT (COALESCE(top3_price_share, 0) > 0.9)",
)
BY_BEHAVIOUR = (
    "purchase_count >= 20 AND mcc = '5816'",
    "purchase_count <= 20 AND country = 'NL'",
    "purchase_count >= 20 AND NOT (mcc = '5816')",
    "purchase_count IS NULL AND top3_price_share > 0.9",
    "COALESCE(purchase_count, 0) >= 20 AND mcc = '5816'",
    "ABS(cross_border_peer_z) > 3 AND mcc = '5816'",
    "average_ticket_minor_30d > average_ticket_minor * 3 AND mcc = '5816'",
    "purchase_count >= 20 OR refund_count >= 20",
    "chargeback_share > 1",
    "status = 'closed' AND purchase_count_7d > 0",
)


def _refused(good: dict[str, bytes], when: str) -> set[str]:
    return _codes(changed(good, RANK, WHEN, f"when: {when}"))


@pytest.mark.parametrize("when", BY_CATEGORY)
def test_a_category_is_never_enough_however_it_is_written(good: dict[str, bytes], when: str) -> None:
    """A condition that some category or some absence of values meets whatever an account does is refused."""
    assert {problems.CATEGORY_ALONE.code, problems.OUTCOME_FIXED.code} & _refused(good, when)


@pytest.mark.parametrize("when", BY_BEHAVIOUR)
def test_behaviour_within_a_category_is_accepted(good: dict[str, bytes], when: str) -> None:
    """A condition that asks for behaviour in every way to a hit may also ask for a category."""
    assert not {problems.CATEGORY_ALONE.code, problems.OUTCOME_FIXED.code} & _refused(good, when)


@pytest.mark.parametrize(
    ("when", "is_refused"),
    [
        ("purchase_count >= 20 AND mcc = '5967'", True),
        ("purchase_count >= 20 AND LOWER(mcc) = '7273'", True),
        ("purchase_count >= 20 AND NOT (mcc <> '7273')", True),
        ("purchase_count >= 20 AND COALESCE(mcc, '0000') = '5967'", True),
        ("purchase_count >= 50 OR (purchase_count >= 20 AND mcc = '5967')", True),
        ("purchase_count >= 20 AND mcc <> '5816'", False),
        ("purchase_count >= 20 AND mcc <> '5967'", False),
        ("purchase_count >= 20 AND mcc IN ('5816', '5817')", False),
    ],
)
def test_lawful_adult_trade_weighs_no_more_than_any_other(good: dict[str, bytes], when: str, is_refused: bool) -> None:
    """A ranking rule may exempt an adult category, but must not hit where another category would not."""
    assert (problems.ADULT_CATEGORY.code in _refused(good, when)) is is_refused


@pytest.mark.parametrize(
    ("when", "is_refused"),
    [
        ("purchase_count >= 20 AND purchase_count >= 10", True),
        ("purchase_count >= 20 AND refund_count >= 0", True),
        ("purchase_count >= 20 OR purchase_count >= 30", True),
        ("purchase_count >= 20 AND mcc IS NOT NULL", False),
        ("purchase_count >= 20 AND (refund_count >= 1 OR chargeback_count >= 1)", False),
        ("purchase_count BETWEEN 5 AND 10 OR purchase_count BETWEEN 20 AND 30", False),
        ("purchase_count >= 20 AND ABS(cross_border_peer_z) > 3", False),
        ("average_ticket_minor_30d > average_ticket_minor * 3 AND purchase_count > 2.5", False),
    ],
)
def test_a_part_that_decides_nothing_is_named(good: dict[str, bytes], when: str, is_refused: bool) -> None:
    """A part that another implies, or that always holds, is refused; independent parts are not."""
    assert (problems.PART_IDLE.code in _refused(good, when)) is is_refused


@pytest.mark.parametrize("asked", ["= 0", "< 1", "<= 3", "<> 2", "IS NULL"])
def test_a_gate_that_hits_without_a_link_is_refused(good: dict[str, bytes], asked: str) -> None:
    """No gate hits where every count of links is zero or not known."""
    when = f"when: referred_declared_count {asked}"
    assert problems.GATE_WITHOUT_LINK.code in _codes(changed(good, GATE, "when: referred_declared_count >= 1", when))


@pytest.mark.parametrize(
    ("when", "is_forgeable"),
    [
        ("direct_certainty >= 0.5", True),
        ("direct_certainty >= 0.5 OR NOT direct_forgeable", True),
        ("direct_certainty >= 0.5 AND (direct_linked_count <= 3 OR NOT direct_forgeable)", True),
        ("direct_certainty >= 0.5 AND NOT direct_forgeable", False),
        ("clue_merchant_id AND direct_linked_count <= 3", False),
        ("direct_certainty >= 0.5 AND (clue_merchant_id OR NOT direct_forgeable)", False),
    ],
)
def test_what_anyone_can_forge_never_suffices_for_t1(when: str, is_forgeable: bool) -> None:
    """Naming the guard is not enough: it has to hold in every way into the tier."""
    assert tier_forgeable(compile_condition(when, FACT_TYPES)) is is_forgeable


# --------------------------------------------------------------------------- people and texts


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Rule Desk", "rule  desk", True),
        ("Rule-Desk", "rule desk", True),
        ("Doe, Jane", "Jane Doe", True),
        ("José Núñez", "jose nunez", True),
        ("ＲＵＬＥ desk", "rule desk", True),
        ("Jane Doe", "John Doe", False),
        ("rule desk", "rule desk two", False),
    ],
)
def test_a_name_written_differently_is_the_same_person(one: str, other: str, is_same: bool) -> None:
    """Case, accents, signs and the order of words make nobody another person."""
    assert same_person(one, other) is is_same


def test_placeholders_are_recognised_in_any_spelling() -> None:
    """Words that stand for a text still to be written are none."""
    assert all(is_placeholder(text) for text in ("TODO", "t.b.d.", "N/A", "-", "  ", "FIXME!"))
    assert not any(is_placeholder(text) for text in ("A report", "None of the purchases", "x"))


# --------------------------------------------------------------------------- probing


def test_a_grid_holds_every_case_a_condition_tells_apart() -> None:
    """One value below, at and above each number, each text named and one that is not, and null."""
    condition = compile_condition("purchase_count >= 3 AND mcc IN ('5816', '5817')", FEATURE_TYPES)
    probe = probing.probe(condition)
    assert probe is not None
    assert probe.frame["purchase_count"].unique().sort().to_list() == [None, 1, 3, 4]
    assert set(probe.frame["mcc"]) == {None, "5817", probing.OTHER_TEXT}
    assert probe.frame.height == len(probe.held) == 12


def test_a_grid_stays_within_what_accounts_can_have() -> None:
    """Counts are never negative and shares of a whole never above one; robust z goes both ways."""
    condition = compile_condition(
        "purchase_count > 0 AND night_share > 0.5 AND chargeback_share > 0.5 AND night_share_peer_z > 0", FEATURE_TYPES
    )
    probe = probing.probe(condition)
    assert probe is not None
    assert probe.frame["purchase_count"].min() == 0
    assert probe.frame["night_share"].max() == pytest.approx(0.75)
    assert probe.frame["chargeback_share"].max() == pytest.approx(1.5)
    assert probe.frame["night_share_peer_z"].min() == -1
