"""One number changes, and nothing else; what cannot be meant is refused with a way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from merchantscreen.errors import UsageError
from merchantscreen.features import FEATURE_TYPES
from merchantscreen.policy.differences import differences
from merchantscreen.policy.language import compile_condition
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Policy
from merchantscreen.policy.whatif import scaled

BASE: Final = load_policy()


def with_condition(text: str) -> Policy:
    """Give few-price-points another condition."""
    condition = compile_condition(text, FEATURE_TYPES)
    rules = (replace(rule, condition=condition) if rule.id == "few-price-points" else rule for rule in BASE.rules)
    return replace(BASE, rules=tuple(rules))


def tried(policy: Policy, expression: str) -> str:
    """Return the condition of few-price-points after a trial."""
    trial = scaled(policy, expression)
    return next(rule.condition.text for rule in trial.policy.rules if rule.id == "few-price-points")


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("few-price-points.top3_price_share=0.95", "few-price-points: top3_price_share > 0.9 becomes 0.95 (+5.6 %)"),
        ("few-price-points.top3_price_share=-10%", "few-price-points: top3_price_share > 0.9 becomes 0.81 (-10.0 %)"),
        ("few-price-points.purchase_count=+10%", "few-price-points: purchase_count >= 20 becomes 22 (+10.0 %)"),
        ("t1-dedicated-domain.direct_dedicated_certainty=+5%",
         "t1-dedicated-domain: direct_dedicated_certainty >= 0.6 becomes 0.63 (+5.0 %)"),
        ("evidence.kinds.phone.weight=0.5", "evidence.yml: kinds.phone.weight 0.6 becomes 0.5 (-16.7 %)"),
        ("evidence.parameters.floor.value=+100%",
         "evidence.yml: parameters.floor.value 0.001 becomes 0.002 (+100.0 %)"),
        ("measures.night_from_hour=23", "measures.yml: night_from_hour 22 becomes 23 (+4.5 %)"),
    ],
)  # fmt: skip
def test_exactly_one_number_differs(expression: str, sentence: str) -> None:
    """The sentence says what differs, and comparing the policies finds that and nothing more."""
    trial = scaled(BASE, expression)
    assert trial.sentence == sentence
    found = differences(BASE, trial.policy)
    assert len(found) == 1
    assert found[0].in_results
    assert trial.policy.digest != BASE.digest
    assert trial.policy.documents == BASE.documents


def test_the_rest_of_the_text_stays_as_it_was() -> None:
    """Layout, other numbers of the same size and the sign of a number are kept."""
    policy = with_condition("refund_share > 0.9 AND\n  -0.9 <  refund_share_peer_z AND top3_price_share > 0.9")
    assert tried(policy, "few-price-points.top3_price_share=0.95").endswith("top3_price_share > 0.95")
    assert "refund_share > 0.9 AND\n  -0.45 <  refund_share_peer_z" in tried(
        policy, "few-price-points.refund_share_peer_z=-50%"
    )
    assert "AND\n  0.5 <  refund_share_peer_z" in tried(policy, "few-price-points.refund_share_peer_z=0.5")


def test_a_percentage_scales_every_number_of_a_feature_and_says_so() -> None:
    """BETWEEN has two numbers: a percentage moves both, one number could be either."""
    policy = with_condition("purchase_count BETWEEN 20 AND 40 OR top3_price_share > 0.9")
    trial = scaled(policy, "few-price-points.purchase_count=+10%")
    assert tried(policy, "few-price-points.purchase_count=+10%").startswith("purchase_count BETWEEN 22 AND 44 ")
    assert trial.sentence.endswith("(all 2 numbers it is compared with)")
    with pytest.raises(UsageError) as refused:
        scaled(policy, "few-price-points.purchase_count=30")
    assert refused.value.problems[0].code == "MS-POL-092"


@pytest.mark.parametrize(
    ("expression", "code", "said"),
    [
        ("nonsense", "MS-POL-090", "a what-if that cannot be read"),
        ("few-price-points.top3_price_share=10%", "MS-POL-090", "a what-if that cannot be read"),
        ("few-price-points.top3_price_share=" + "9" * 300, "MS-POL-090", "a what-if that cannot be read"),
        ("few-price-point.top3_price_share=+1%", "MS-POL-091", "Did you mean few-price-points"),
        ("few-price-points.refund_share=+1%", "MS-POL-091", "purchase_count, top3_price_share"),
        ("evidence.kinds.phon.weight=0.5", "MS-POL-091", "Did you mean kinds.phone.weight"),
        ("evidence.fixed_exponents.group_size=0.5", "MS-POL-091", "which is no number that may change"),
        ("evidence.kinds.phone.rationale=1", "MS-POL-091", "no number of this name"),
        ("card-present-under-online-code.mcc=+1%", "MS-POL-092", "does not compare with a number"),
        ("few-price-points.purchase_count=+1%", "MS-POL-093", "20, which stays 20"),
        ("few-price-points.top3_price_share=0.9", "MS-POL-093", "0.9, which stays 0.9"),
        ("evidence.kinds.phone.weight=1", "MS-POL-093", "a strength below 1 is expected"),
        ("measures.night_from_hour=24", "MS-POL-093", ""),
        ("measures.night_from_hour=22.5", "MS-POL-093", "a whole number"),
        ("few-price-points.top3_price_share=999999999999999.5", "MS-POL-093", "`99999999"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_way_out(expression: str, code: str, said: str) -> None:
    """A what-if that names nothing, or leads nowhere, never runs as if it had changed something."""
    with pytest.raises(UsageError) as refused:
        scaled(BASE, expression)
    problem = refused.value.problems[0]
    assert problem.code == code
    assert said in str(problem)
