"""What differs between two policies is said by meaning, completely, and what shapes results first."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from merchantscreen.features import FEATURE_TYPES
from merchantscreen.policy import folder
from merchantscreen.policy.differences import Difference, DifferenceKind, differences
from merchantscreen.policy.language import compile_condition
from merchantscreen.policy.loading import load_files
from merchantscreen.policy.model import Policy
from merchantscreen.policy.thresholds import moves, thresholds_of

FILES: Final = folder.read_files(folder.default_folder())[0]
BASE: Final = load_files(FILES)
FEW: Final = "transaction-pattern/few-price-points.yml"
SHOP: Final = "account-profile/new-account.yml"
EXCEPTION: Final = """id: a-shop
title: A shop that was looked at
version: 1.0.0
rules: [few-price-points]
account: 400001/M1
owner: rule desk
approver: null
reason: One price only, for a parking garage.
effective_from: 2026-11-01
expires_on: 2027-05-01
"""
BOUNDARY: Final = """expect: no_hit
  - name: refunds
    given: {purchase_count: 60, top3_price_share: 0.97, refund_share: 0.5}
    expect: no_hit"""
EXCEPTION_FILE: Final = "exceptions/a-shop.yml"

Edit = tuple[str, str, str]


def edited(*edits: Edit, **more: str) -> Policy:
    """Load the built-in policy with some texts of its files replaced."""
    files = dict(FILES) | {name: text.encode() for name, text in more.items()}
    for name, old, new in edits:
        before = files[name].decode()
        assert old in before, (name, old)
        files[name] = before.replace(old, new, 1).encode()
    return load_files(files)


def only(found: tuple[Difference, ...]) -> Difference:
    """Return the one difference there has to be."""
    assert len(found) == 1, found
    return found[0]


MOVED: Final[tuple[Edit, ...]] = (
    (FEW, "top3_price_share > 0.9\n", "top3_price_share > 0.95\n"),
    (FEW, "top3_price_share: 0.91}", "top3_price_share: 0.96}"),
    (FEW, "top3_price_share: 0.9}", "top3_price_share: 0.95}"),
)


def test_the_same_policy_differs_in_nothing() -> None:
    """No difference between a policy and itself, read twice."""
    assert differences(BASE, load_files(FILES)) == ()


def test_a_moved_threshold_names_feature_operator_numbers_and_change() -> None:
    """A threshold is told with what it compares, and its tests as a text that changed."""
    found = differences(BASE, edited(*MOVED))
    assert [one.kind for one in found] == [DifferenceKind.THRESHOLD_MOVED, DifferenceKind.METADATA_CHANGED]
    assert (found[0].subject, found[0].old, found[0].new) == (FEW, "0.9", "0.95")
    assert found[0].sentence == "few-price-points: top3_price_share > 0.9 becomes > 0.95 (+5.6 %)"
    assert found[0].in_results
    assert not found[1].in_results
    assert found[1].sentence == "tests changed"


@pytest.mark.parametrize(
    ("edit", "kind", "sentence"),
    [
        (("evidence.yml", "  phone:\n    weight: 0.6", "  phone:\n    weight: 0.5"), "weight_changed",
         "kinds.phone.weight: 0.6 becomes 0.5 (-16.7 %)"),
        (("evidence.yml", "account_rounds:\n    value: 2", "account_rounds:\n    value: 1"), "weight_changed",
         "parameters.account_rounds: 2 becomes 1 (-50.0 %)"),
        (("measures.yml", "night_from_hour:\n    value: 22", "night_from_hour:\n    value: 23"), "measure_changed",
         "night_from_hour: 22 becomes 23 (+4.5 %)"),
        (("measures.yml", "value: 0.05\n", "value: 0.1\n"), "measure_changed",
         "peer_ticket_scale_floor: 0.05 becomes 0.1 (+100.0 %)"),
        (("tiers.yml", "direct_linked_count <= 25 AND NOT disputed", "direct_linked_count <= 20 AND NOT disputed"),
         "threshold_moved", "t1-merchant-id-clue: direct_linked_count <= 25 becomes <= 20 (-20.0 %)"),
        (("free_mail_domains.yml", "domains:\n", "domains:\n  - other-mail.example\n"), "free_mail_added",
         "other-mail[.]example is new"),
        ((SHOP, "severity: low", "severity: medium"), "severity_changed", "new-account: severity low becomes medium"),
        ((SHOP, "status: active", "status: retired"), "rule_retired", "new-account: status active becomes retired"),
        ((SHOP, "status: active", "status: draft"), "rule_drafted", "new-account: status active becomes draft"),
        ((SHOP, "version: 1.0.0", "version: 1.0.1"), "version_only",
         "version 1.0.0 becomes 1.0.1, and nothing else differs"),
        ((SHOP, "owner: merchantscreen rule desk", "owner: another desk"), "metadata_changed",
         "owner changed: merchantscreen rule desk becomes another desk"),
        (("tiers.yml", "tier: T3", "tier: T2"), "tier_moved",
         "t3-same-business-and-behaviour: leads into T2 instead of T3"),
        (("evidence.yml", "weight: 0.6\n", "weight: 0.600   # the same\n"), "layout_only",
         "comments, layout or notes differ; the meaning is the same"),
    ],
)  # fmt: skip
def test_one_edit_is_one_difference(edit: Edit, kind: str, sentence: str) -> None:
    """Each kind of edit is told as what it is, and as nothing else."""
    one = only(differences(BASE, edited(edit)))
    assert (one.kind, one.sentence) == (kind, sentence)


def test_what_shapes_results_comes_before_texts_and_layout() -> None:
    """The order is by what a reviewer has to see first."""
    found = differences(BASE, edited(
        *MOVED,
        ("evidence.yml", "  phone:\n    weight: 0.6", "  phone:\n    weight: 0.5"),
        (SHOP, "owner: merchantscreen rule desk", "owner: another desk"),
        ("tiers.yml", "# Review order.", "# Order."),
    ))  # fmt: skip
    assert [one.kind.value for one in found] == [
        "threshold_moved", "weight_changed", "metadata_changed", "metadata_changed", "layout_only",
    ]  # fmt: skip


def test_a_change_of_a_draft_shapes_no_result() -> None:
    """It is told with its numbers, and that nothing rests on it."""
    draft = (FEW, "status: active", "status: draft")
    found = differences(edited(draft), edited(draft, *MOVED))
    assert found[0].sentence.endswith("becomes > 0.95 (+5.6 %); nothing rests on it")
    assert not any(one.in_results for one in found)
    assert differences(edited(draft), edited(*MOVED))[0].in_results


def test_another_condition_is_told_with_both_texts() -> None:
    """A shape that differs is no moved threshold."""
    new = edited((FEW, "purchase_count >= 20 AND", "purchase_count >= 20 AND refund_share < 0.5 AND"),
                 (FEW, "requires: [", "requires: [refund_share, "),
                 (FEW, "top3_price_share: 0.97}", "top3_price_share: 0.97, refund_share: 0.1}"),
                 (FEW, "top3_price_share: 0.91}", "top3_price_share: 0.91, refund_share: 0.1}"),
                 (FEW, "expect: no_hit", BOUNDARY))  # fmt: skip
    first = differences(BASE, new)[0]
    assert first.kind is DifferenceKind.CONDITION_CHANGED
    assert first.old == "purchase_count >= 20 AND top3_price_share > 0.9"
    assert first.new == "purchase_count >= 20 AND refund_share < 0.5 AND top3_price_share > 0.9"


def test_parts_in_another_order_are_said_to_be_the_same_parts() -> None:
    """Who only swaps the sides of AND is told so."""
    few = next(rule for rule in BASE.rules if rule.id == "few-price-points")
    swapped = replace(
        few, condition=compile_condition("top3_price_share > 0.9 AND purchase_count >= 20", FEATURE_TYPES)
    )
    new = replace(BASE, rules=tuple(swapped if rule is few else rule for rule in BASE.rules))
    assert only(differences(BASE, new)).sentence.endswith("now; the same parts in another order")


def test_rules_tiers_hosts_and_exceptions_come_and_go() -> None:
    """What is on one side only is told in both directions."""
    without = {name: data for name, data in FILES.items() if name != FEW}
    found = differences(BASE, load_files(without))
    assert only(found).kind is DifferenceKind.RULE_REMOVED
    assert only(differences(load_files(without), BASE)).kind is DifferenceKind.RULE_ADDED
    with_exception = edited(**{EXCEPTION_FILE: EXCEPTION})
    added = only(differences(BASE, with_exception))
    assert (added.kind, added.new) == (DifferenceKind.EXCEPTION_ADDED, "account 400001/M1")
    assert only(differences(with_exception, BASE)).kind is DifferenceKind.EXCEPTION_REMOVED
    longer = edited(**{EXCEPTION_FILE: EXCEPTION.replace("2027-05-01", "2027-06-01")})
    changed = only(differences(with_exception, longer))
    assert changed.sentence == "a-shop: expires_on 2027-05-01 becomes 2027-06-01"


def test_a_host_is_told_defanged_in_its_category() -> None:
    """No host of a list reaches a terminal as a link."""
    one = only(differences(BASE, edited(("caution_hosts.yml", "hosts:\n", "hosts:\n      - shared-host.example\n"))))
    assert one.kind is DifferenceKind.CAUTION_HOST_ADDED
    assert "shared-host[.]example" in one.sentence
    assert "shared-host.example" not in f"{one}"


def test_no_file_with_another_digest_goes_unsaid() -> None:
    """Every document that means something else is the subject of at least one difference."""
    new = edited(
        *MOVED, (SHOP, "rationale: >-\n", "rationale: >-\n  Changed. "),
        ("indicators.yml", "title: A declared website", "title: Any declared website"),
        ("payer_clocks.yml", "earliest: 60", "earliest: 0"),
        ("listing_codes.yml", "title: laundering}", "title: other words}"),
    )  # fmt: skip
    differing = {name for name, document in new.documents.items() if document.digest != BASE.documents[name].digest}
    assert differing == {one.subject for one in differences(BASE, new)}
    assert len(differing) == 5


def test_thresholds_are_read_from_the_measured_side() -> None:
    """A number on the left, a negative number and BETWEEN are thresholds like any other."""
    condition = compile_condition(
        "20 <= purchase_count AND ABS(average_ticket_peer_z) > 5 AND refund_share_peer_z > -1.50 "
        "AND chargeback_share BETWEEN 0.1 AND 0.2 AND mcc IN ('5732') AND refund_count * 2 > purchase_count",
        FEATURE_TYPES,
    )
    assert [str(one) for one in thresholds_of(condition)] == [
        "purchase_count >= 20", "ABS(average_ticket_peer_z) > 5", "refund_share_peer_z > -1.5",
        "chargeback_share >= 0.1", "chargeback_share <= 0.2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("refund_share > 0.5", "refund_share > 0.50", ()),
        ("refund_share > 0.5", "(refund_share) > 0.25", ("0.5 0.25",)),
        ("refund_share > -0.5", "refund_share > 0.5", ("-0.5 0.5",)),
        ("refund_share BETWEEN 0.1 AND 0.2", "refund_share BETWEEN 0.1 AND 0.3", ("0.2 0.3",)),
        ("refund_share > 0.5", "refund_share >= 0.5", None),
        ("refund_share > 0.5", "chargeback_share > 0.5", None),
        ("mcc IN ('5732') AND refund_share > 0", "mcc IN ('5733') AND refund_share > 0", None),
        ("purchase_count IN (1, 2)", "purchase_count IN (1, 3)", None),
        ("refund_count * 2 > purchase_count", "refund_count * 3 > purchase_count", None),
    ],
)
def test_only_moved_thresholds_are_moves(old: str, new: str, expected: tuple[str, ...] | None) -> None:
    """A condition that asks something else is another condition."""
    moved = moves(compile_condition(old, FEATURE_TYPES), compile_condition(new, FEATURE_TYPES))
    told = (
        None if moved is None else tuple(f"{one.old.number.normalize()} {one.new.number.normalize()}" for one in moved)
    )
    assert told == expected
