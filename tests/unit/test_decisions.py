"""What `rules explain` writes, from stored rows alone: safe on a terminal, and exact about distances."""

from __future__ import annotations

import json
from typing import Any

import pytest

from merchantscreen.errors import IntegrityError
from merchantscreen.outputs import decisions
from merchantscreen.outputs.manifest import Approval
from merchantscreen.policy.loading import load_policy
from merchantscreen.vocabulary import ApprovalState

POLICY = load_policy()
RULE = next(rule for rule in POLICY.rules if rule.id == "few-price-points")
NOBODY = Approval(state=ApprovalState.UNAPPROVED, approver=None, approved_at=None, statement=None, lock_sha256=None,
                  reasons=["no lock"])  # fmt: skip
SOMEBODY = Approval(state=ApprovalState.APPROVED, approver="head of compliance", approved_at="2026-11-22T00:00:00Z",
                    statement="Read and tried.", lock_sha256="a" * 64, reasons=[])  # fmt: skip


def _told(values: dict[str, Any], outcome: str, **row: Any) -> decisions.RuleDecision:
    result = {"account_id": "400001/M1", "rule_id": RULE.id, "rule_version": RULE.version, "status": str(RULE.status),
              "outcome": outcome, "observed": json.dumps(values), "missing": [], "reason": "", "exception_id": None,
              **row}  # fmt: skip
    absent = frozenset({"transactions.transaction_type"})
    return decisions.rule_decision(POLICY, RULE, result, row.get("approval", NOBODY), absent)


def _text(told: decisions.RuleDecision) -> str:
    return "\n".join(line.plain for line in decisions.rule_lines(told))


def test_a_value_on_the_boundary_is_said_to_be_exactly_there() -> None:
    """Nobody has to subtract: above, below or exactly on the number is written out."""
    told = _told({"top3_price_share": 0.9, "purchase_count": 12}, "no_hit")
    assert "[0.9, exactly 0.9]" in _text(told)
    assert "[12, 8 below 20]" in _text(told)


def test_what_was_not_known_names_the_columns_it_needs() -> None:
    """A feature that was not known says which input columns would have helped, and which were not there."""
    text = _text(_told({"top3_price_share": None, "purchase_count": 30}, "not_evaluated"))
    assert "needs transactions.transaction_type, transactions.outcome" in text
    assert "absent from the input, or from part of it: transactions.transaction_type" in text


def test_nothing_from_a_run_can_steer_a_terminal() -> None:
    """Control and bidirectional signs of stored texts are shown, not sent."""
    hostile = "\x1b[2J\u202e[/] x"
    text = _text(_told({"top3_price_share": 0.95, "purchase_count": 30}, "hit", reason=hostile, account_id=hostile))
    assert not set(text) & {"\x1b", "\u202e"}
    assert "\\x1b[2J" in text


def test_who_approved_the_policy_is_told() -> None:
    """The approver, the day and the lock are named; or that nobody approved it, and why."""
    values = {"top3_price_share": 0.95, "purchase_count": 30}
    assert "by head of compliance on 2026-11-22T00:00:00Z" in _text(_told(values, "hit", approval=SOMEBODY))
    assert "by nobody" in _text(_told(values, "hit"))


@pytest.mark.parametrize("row", [
    {"outcome": "no_hit"}, {"rule_version": "0.0.1"}, {"status": "draft"}, {"exception_id": "stranger"},
])  # fmt: skip
def test_a_row_that_contradicts_the_policy_is_refused(row: dict[str, Any]) -> None:
    """Another outcome, version, state or exception than the policy knows is no explanation."""
    values = {"top3_price_share": 0.95, "purchase_count": 30}
    with pytest.raises(IntegrityError) as refusal:
        _told(values, **{"outcome": "hit", **row})
    assert [problem.code for problem in refusal.value.problems] == ["MS-RUN-019"]
