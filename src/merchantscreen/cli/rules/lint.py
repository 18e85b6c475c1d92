"""`merchantscreen rules lint [DIR]`: may this rule folder be used, and what is its state?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from merchantscreen.cli import options
from merchantscreen.cli.rules.telling import approval_facts, approval_line, lock_state
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.outputs.text import counted
from merchantscreen.policy.lints import LINTS
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.locking import approval_of
from merchantscreen.policy.model import Policy
from merchantscreen.vocabulary import RuleStatus

_Folder = Annotated[
    Path | None, typer.Argument(help="Rule folder; without it the policy that came along.", metavar="[DIR]")
]
_AsOf = Annotated[
    str | None, typer.Option(help="Day for review dates and suppressions; today without it.", metavar="DATE")
]
_List = Annotated[bool, typer.Option("--list", help="List every lint with its reason, and check nothing.")]


def lint(folder: _Folder = None, *, as_of: _AsOf = None, list_lints: _List = False, as_json: Json = False) -> None:
    """Check a rule folder: form, conditions, sources, tests, dates, exceptions and suppressions.

    All problems of all files come at once, with exit code 65. What is not understood is never skipped.
    A good folder is summed up, with every suppression in force and whether it is locked and approved.
    """
    if list_lints:
        _show_lints(as_json=as_json)
        return
    policy = load_policy(folder, today=options.moment(as_of).date())
    if as_json:
        show_json(_facts(policy))
    else:
        show_lines(_summary(policy))


def _show_lints(*, as_json: bool) -> None:
    if as_json:
        show_json({
            "lints": [
                {"name": entry.name, "code": entry.kind.code, "why": entry.why, "suppressible": entry.suppressible}
                for entry in LINTS
            ]
        })  # fmt: skip
    else:
        show_lines(
            f"{entry.name} ({entry.kind.code}{', suppressible' if entry.suppressible else ''}): {entry.why}"
            for entry in LINTS
        )


def _suppressions(policy: Policy) -> list[dict[str, str]]:
    return [
        {"rule": rule.id, "lint": entry.lint, "reason": entry.reason, "until": str(entry.until)}
        for rule in policy.rules
        for entry in rule.suppressions
    ]


def _statuses(policy: Policy) -> dict[str, int]:
    counts = Counter(rule.status for rule in policy.rules)
    return {status.value: counts[status] for status in RuleStatus}


def _facts(policy: Policy) -> dict[str, Any]:
    return {
        "policy_digest": policy.digest,
        "files": len(policy.documents),
        "rules": _statuses(policy),
        "exceptions": len(policy.exceptions),
        "suppressions": _suppressions(policy),
        "lints": len(LINTS),
        "lock": lock_state(policy),
        "approval": approval_facts(approval_of(policy)),
    }


def _summary(policy: Policy) -> Iterator[str]:
    statuses = ", ".join(f"{count} {status}" for status, count in _statuses(policy).items())
    suppressions = _suppressions(policy)
    yield f"{counted(len(policy.documents), 'file')}, {counted(len(policy.rules), 'rule')} ({statuses}), " + ", ".join([
        counted(len(policy.exceptions), "exception"), counted(len(suppressions), "suppression"),
    ])  # fmt: skip
    for entry in suppressions:
        yield f"  {entry['rule']}: {entry['lint']} is suppressed until {entry['until']}: {entry['reason']}"
    yield f"{counted(len(LINTS), 'lint')} applied, no problem found"
    yield f"lock: {lock_state(policy)}"
    yield f"approval: {approval_line(approval_of(policy))}"
    yield f"policy digest {policy.digest}"
