"""How the verbs that check, lock and approve a rule folder speak: plain lines, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from rich.text import Text

from merchantscreen.cli.terminal import output
from merchantscreen.outputs.text import visible
from merchantscreen.policy.folder import LOCK
from merchantscreen.policy.locking import ApprovalStatus, Changes, stale_files
from merchantscreen.policy.model import Policy
from merchantscreen.vocabulary import ApprovalState

_LONGEST: Final = 4096
_AT_ONCE: Final = 500
"""Lines given to the console together: one by one takes six times as long."""


def show_json(stated: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    output().print(json.dumps(stated, ensure_ascii=True, indent=2, sort_keys=True), soft_wrap=True)


def show_lines(lines: Iterable[str]) -> None:
    """Print lines whose words may come from files."""
    console, shown = output(), (visible(line, _LONGEST) for line in lines)
    while together := list(islice(shown, _AT_ONCE)):
        console.print(Text("\n".join(together)), soft_wrap=True)


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
