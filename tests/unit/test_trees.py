"""Conditions as trees: what each part says, and that no tree disagrees with the engine."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.features import FACT_TYPES, FEATURE_TYPES
from merchantscreen.policy import trees, wording
from merchantscreen.policy.language import compile_condition
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Condition, Rule, TierCondition
from merchantscreen.policy.trees import Node, Part
from merchantscreen.tables import COLUMN_DTYPES
from merchantscreen.vocabulary import ColumnType

POLICY = load_policy()
RULES = {rule.id: rule for rule in POLICY.rules}


def _explain(text: str, **values: object) -> Node:
    return trees.explain(compile_condition(text, FEATURE_TYPES), values)


def test_a_comparison_shows_value_bound_and_distance() -> None:
    """A leaf carries what was measured, what it is compared with, and how far apart the two are."""
    node = _explain("prepaid_share >= 0.5", prepaid_share=0.41)
    assert (node.kind, node.outcome, node.value, node.against, node.distance) == (
        Part.COMPARISON, False, 0.41, (0.5,), -0.09,
    )  # fmt: skip


def test_the_measured_side_comes_first_however_it_is_written() -> None:
    """A number on the left is still what the feature is compared with."""
    node = _explain("20 <= purchase_count", purchase_count=12)
    assert (node.value, node.against, node.distance, node.outcome) == (12, (20,), -8.0, False)


def test_a_chain_of_one_connective_is_one_part() -> None:
    """Three parts joined by AND are three children, whatever the parser's nesting."""
    node = _explain("purchase_count >= 20 AND refund_count >= 1 AND prepaid_share > 0.5", purchase_count=20)
    assert (node.kind, len(node.children)) == (Part.ALL, 3)
    assert [child.outcome for child in node.children] == [True, None, None]


def test_what_is_not_known_is_named_where_it_decides() -> None:
    """A part that could not be decided names its missing columns; one that was decided names none."""
    node = _explain("prepaid_share > 0.5 OR COALESCE(refund_share, 0) >= 0", prepaid_share=None, refund_share=None)
    assert [child.missing for child in node.children] == [("prepaid_share",), ()]
    assert node.outcome is True


def test_not_a_number_counts_as_not_known() -> None:
    """NaN and infinity are shown as not known, as the engine reads them."""
    node = _explain("cross_border_peer_z > 3", cross_border_peer_z=float("inf"))
    assert (node.outcome, node.value, node.missing) == (None, None, ("cross_border_peer_z",))


def test_a_result_beyond_all_numbers_is_not_known() -> None:
    """Arithmetic that leaves the range of numbers is not known, and blames no column."""
    node = _explain(f"{' * '.join(['volume_minor_90d'] * 24)} > 1", volume_minor_90d=10**15)
    assert (node.outcome, node.value, node.missing) == (None, None, ())


@pytest.mark.parametrize(
    ("text", "values", "kind", "outcome"),
    [
        ("under_facilitator", {"under_facilitator": True}, Part.FLAG, True),
        ("NOT under_facilitator", {"under_facilitator": True}, Part.FLAG, False),
        ("mcc IN ('5815', '5816')", {"mcc": "5816"}, Part.LIST, True),
        ("mcc NOT IN ('5815')", {"mcc": None}, Part.LIST, None),
        ("mcc IS NOT NULL", {"mcc": None}, Part.PRESENCE, False),
        ("mcc IS NULL", {}, Part.PRESENCE, True),
        ("account_age_days BETWEEN 0 AND 90", {"account_age_days": 100}, Part.RANGE, False),
        ("NOT prepaid_share > 0.5", {"prepaid_share": 0.7}, Part.NOT, False),
        ("LOWER(country) = 'nl'", {"country": "NL"}, Part.COMPARISON, True),
    ],
)
def test_every_form_of_the_language_has_its_part(
    text: str, values: dict[str, object], kind: Part, outcome: bool | None
) -> None:
    """Flags, lists, ranges, presence and negation are told apart."""
    node = _explain(text, **values)
    assert (node.kind, node.outcome) == (kind, outcome)


def test_a_range_is_measured_to_its_nearer_bound() -> None:
    """The distance of a range is to the bound that is nearer."""
    assert _explain("account_age_days BETWEEN 0 AND 90", account_age_days=100).distance == 10.0


def test_the_parts_that_block_are_the_innermost_ones() -> None:
    """What keeps a condition from holding is named part by part; what holds is left out."""
    node = _explain("purchase_count >= 20 AND (prepaid_share > 0.5 OR refund_share > 0.3)",
                    purchase_count=30, prepaid_share=0.2, refund_share=None)  # fmt: skip
    assert [leaf.text for leaf in trees.blocking(node)] == ["prepaid_share > 0.5", "refund_share > 0.3"]
    assert trees.blocking(_explain("purchase_count >= 20", purchase_count=20)) == ()


def test_a_value_of_another_type_is_refused() -> None:
    """A stored value that cannot be the feature's is an error and no outcome."""
    with pytest.raises(TypeError):
        _explain("purchase_count >= 20", purchase_count="many")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_tree_agrees_with_the_engine_on_every_test_of_every_rule(rule: Rule) -> None:
    """The root of the tree is what the engine says, and so is every connective of its children."""
    for case in RULES[rule.id].cases:
        node = trees.explain(rule.condition, case.given)
        assert node.outcome is _engine(rule.condition, case.given)
        assert all(part.outcome is _by_hand(part) for part in node.walk() if part.children)


def _engine(condition: Condition, values: Mapping[str, object]) -> bool | None:
    schema = {name: COLUMN_DTYPES[kind] for name, kind in condition.types}
    row = {name: values.get(name) for name in schema}
    outcome: bool | None = condition.evaluate(pl.DataFrame([row], schema=schema)).item()
    return outcome


def _by_hand(part: Node) -> bool | None:
    """Combine children as SQL does, without any engine."""
    outcomes = [child.outcome for child in part.children]
    if part.kind is Part.NOT:
        return None if outcomes[0] is None else not outcomes[0]
    decisive = part.kind is Part.ANY
    if decisive in outcomes:
        return decisive
    return None if None in outcomes else not decisive


VALUES = {
    ColumnType.INTEGER: st.one_of(st.none(), st.integers(-5, 10**12)),
    ColumnType.NUMBER: st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    ColumnType.TEXT: st.one_of(st.none(), st.sampled_from(["", "5815", "5967", "NL", "closed"])),
    ColumnType.BOOLEAN: st.one_of(st.none(), st.booleans()),
}


@given(data=st.data())
def test_a_tree_agrees_with_the_engine_on_any_values(data: st.DataObject) -> None:
    """Whatever an account looks like, tree and engine say the same of rules and of tiers."""
    condition = data.draw(st.sampled_from([*POLICY.rules, *POLICY.tiers])).condition
    values = {name: data.draw(VALUES[kind], label=name) for name, kind in condition.types}
    node = trees.explain(condition, values)
    assert node.outcome is _engine(condition, values)
    assert all(part.outcome is _by_hand(part) for part in node.walk() if part.children)


@pytest.mark.parametrize("text", [
    "purchase_count >= 20 AND (prepaid_share > 0.5 OR NOT (mcc IN ('5967', 'a''b') AND country <> 'US'))",
    "20 < (purchase_count - (refund_count - 1)) * 2 / 3",
    "purchase_count - (refund_count - chargeback_count) > 1 OR purchase_count - refund_count - chargeback_count > 1",
    "prepaid_share NOT BETWEEN 0.1 AND 0.2 AND mcc IS NOT NULL AND NOT under_facilitator",
    "ABS(-cross_border_peer_z) >= 2 AND COALESCE(refund_share, 0) = 0 AND LOWER(country) = 'us'",
])  # fmt: skip
def test_what_is_written_means_what_was_read(text: str) -> None:
    """A tree written as SQL compiles to the same meaning, on one line and laid out."""
    condition = compile_condition(text, FEATURE_TYPES)
    for written in (wording.written(condition.tree), wording.laid_out(condition.tree)):
        assert compile_condition(written, FEATURE_TYPES).canonical == condition.canonical


@pytest.mark.parametrize("entry", [*POLICY.rules, *POLICY.tiers], ids=lambda entry: entry.id)
def test_every_condition_of_the_policy_survives_being_written(entry: Rule | TierCondition) -> None:
    """Pages show each condition with the meaning it has."""
    condition = entry.condition
    catalogue = {**FEATURE_TYPES, **FACT_TYPES}
    assert compile_condition(wording.laid_out(condition.tree), catalogue).canonical == condition.canonical


def test_a_condition_in_words() -> None:
    """Words name what is measured first, and keep the nesting."""
    condition = compile_condition(
        "20 <= purchase_count AND (mcc IN ('5815') OR NOT under_facilitator) AND mcc IS NOT NULL", FEATURE_TYPES
    )
    assert list(wording.in_words(condition.tree)) == [
        (0, "all of these:"),
        (1, "`purchase_count` is at least 20"),
        (1, "at least one of these:"),
        (2, "`mcc` is one of '5815'"),
        (2, "`under_facilitator` is no"),
        (1, "`mcc` is known"),
    ]
