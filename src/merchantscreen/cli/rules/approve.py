"""`merchantscreen rules approve DIR`: somebody who wrote none of it states that a policy may be used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli import options
from merchantscreen.cli.rules.writing import only_writer, write_record
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.errors import PolicyError, UsageError
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import counted
from merchantscreen.policy import problems
from merchantscreen.policy.casetests import run_cases
from merchantscreen.policy.folder import APPROVALS
from merchantscreen.policy.lints import is_placeholder, same_person
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.locking import (
    LONGEST_NAME,
    LONGEST_STATEMENT,
    Approval,
    approval_line,
    new_approval,
    read_approvals,
)
from merchantscreen.policy.model import Policy

_Folder = Annotated[Path, typer.Argument(help="Rule folder.", metavar="DIR")]
_Approver = Annotated[str, typer.Option(help="Who approves; nobody who owns a file of the folder.", metavar="NAME")]
_Statement = Annotated[str, typer.Option(help="What was reviewed and why it may be used.", metavar="TEXT")]


def approve(folder: _Folder, *, approver: _Approver, statement: _Statement, as_json: Json = False) -> None:
    """Append an approval of the locked policy to approvals.jsonl.

    The lock has to be current, the rules' own tests have to pass, and the approver owns no file.
    An approval is a statement protected by digests, not a signature: whoever can write the whole folder
    could write it anew. Note the lock digest that is printed here somewhere else.
    """
    name, words = _text("--approver", approver, LONGEST_NAME), _text("--statement", statement, LONGEST_STATEMENT)
    moment = options.now()
    with only_writer(folder):
        policy = load_policy(folder, today=moment.date())
        approval = new_approval(policy, name, words, moment)
        _refuse_failing_tests(policy)
        standing = _standing(policy, approval)
        if standing is None:
            write_record(folder, APPROVALS, policy.files.get(APPROVALS, b"") + approval_line(approval))
    _show(standing or approval, is_new=standing is None, as_json=as_json)


def _text(option: str, text: str, longest: int) -> str:
    """Take a text of the command line, in one visible line."""
    said = " ".join(text.split())
    if len(said) > longest or not said.isprintable() or is_placeholder(said):
        expected = f"1 to {longest} visible characters that say something"
        raise UsageError("no usable text", (PROBLEMS["MS-RUN-001"].at(option, found="no text", expected=expected),))
    return said


def _refuse_failing_tests(policy: Policy) -> None:
    files = {rule.id: rule.file for rule in policy.rules}
    found = [
        problems.CASE_FAILED.at(files[result.rule_id], column="tests", found=f"`{result.case_name}`: {result.actual}")
        for result in run_cases(policy)
        if not result.passed
    ]
    if found:
        raise PolicyError("the policy cannot be approved", tuple(found))


def _standing(policy: Policy, new: Approval) -> Approval | None:
    """Return the approval of this lock by the same person, if the last approvals hold one."""
    for earlier in reversed(read_approvals(policy.files.get(APPROVALS, b""))):
        if earlier.lock_sha256 != new.lock_sha256:
            return None
        if same_person(earlier.approver, new.approver):
            return earlier
    return None


def _show(approval: Approval, *, is_new: bool, as_json: bool) -> None:
    if as_json:
        show_json({"new": is_new, **approval.model_dump(mode="json", by_alias=True)})
        return
    files = counted(approval.files, "file")
    done = f"{files} approved by {approval.approver}" if is_new else f"already approved by {approval.approver}"
    show_lines([
        f"{done} at {approval.approved_at}, approval {approval.number} in {APPROVALS}, unsigned",
        f"lock sha256 {approval.lock_sha256}",
        "Note this digest elsewhere, such as in the minutes: it shows whether the folder was written anew.",
    ])  # fmt: skip
