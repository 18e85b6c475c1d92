"""How the verbs that check, lock and approve a rule folder speak: plain lines, or one JSON object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from merchantscreen.policy.folder import LOCK
from merchantscreen.policy.locking import ApprovalStatus, Changes, stale_files
from merchantscreen.policy.model import Policy
from merchantscreen.vocabulary import ApprovalState


def lock_state(policy: Policy) -> str:
    """Say in a word what the lock is worth: `none`, `current` or `stale`."""
    if LOCK not in policy.files:
        return "none"
    return "stale" if stale_files(policy) else "current"


def approval_line(status: ApprovalStatus) -> str:
    """Say in a line whether a policy is approved, and by whom or why not."""
    if status.state is ApprovalState.APPROVED:
        return f"approved by {status.approver} at {status.approved_at}, unsigned: {status.statement}"
    first, *others = status.reasons
    more = f" (and {len(others)} more)" if others else ""
    return f"UNAPPROVED: {first.where}: {first.found}{more}"


def approval_facts(status: ApprovalStatus) -> dict[str, Any]:
    """State an approval for a program."""
    return {
        "state": status.state.value,
        "approver": status.approver,
        "approved_at": status.approved_at,
        "statement": status.statement,
        "lock_sha256": status.lock_sha256,
        "reasons": [reason.as_dict() for reason in status.reasons],
    }


def change_lines(changes: Changes) -> Iterable[str]:
    """List the files of each kind of change, one line per kind."""
    kinds = (
        ("changed meaning", changes.meaning),
        ("only layout or comments changed", changes.layout),
        ("added", changes.added),
        ("removed", changes.removed),
    )
    return [f"{what}: {', '.join(names)}" for what, names in kinds if names]
