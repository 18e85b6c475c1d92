"""`merchantscreen rules lock DIR`: write down what every file is, so that any change shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from merchantscreen.cli.rules.telling import change_lines
from merchantscreen.cli.rules.writing import only_writer, write_record
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.errors import EXIT_FAIL_ON, PolicyError
from merchantscreen.outputs.text import counted
from merchantscreen.policy.folder import LOCK
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.locking import Changes, changes_since, lock_bytes, lock_in, lock_of, lock_problems
from merchantscreen.policy.model import Policy

_Folder = Annotated[Path, typer.Argument(help="Rule folder.", metavar="DIR")]
_Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; end with exit code 1 if the lock is missing or stale.")
]


def lock(folder: _Folder, *, check: _Check = False, as_json: Json = False) -> None:
    """Write rules.lock: the version and the digests of every file of a rule folder.

    A file whose meaning changed since the last lock needs a higher version; until it has one,
    nothing is written and the exit code is 65. Comments and layout need a new lock only.
    """
    with only_writer(folder):
        policy = load_policy(folder)
        previous = lock_in(policy)
        found = lock_problems(policy, previous)
        if found:
            raise PolicyError("the rule folder cannot be locked", tuple(found))
        data = lock_bytes(lock_of(policy))
        is_stale = policy.files.get(LOCK) != data
        if is_stale and not check:
            write_record(folder, LOCK, data)
    _show(policy, changes_since(policy, previous), data, _said(is_stale=is_stale, check=check), as_json=as_json)
    if is_stale and check:
        raise typer.Exit(EXIT_FAIL_ON)


def _said(*, is_stale: bool, check: bool) -> str:
    if not is_stale:
        return "current"
    return "stale" if check else "written"


def _show(policy: Policy, changes: Changes, data: bytes, said: str, *, as_json: bool) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if as_json:
        show_json(_facts(policy, changes, digest, said))
    else:
        show_lines(_told(policy, changes, digest, said))


def _told(policy: Policy, changes: Changes, digest: str, said: str) -> Iterator[str]:
    if LOCK in policy.files:
        yield from change_lines(changes)
    else:
        yield "no lock before this one"
    files = counted(len(policy.documents), "file")
    ending = f"is stale; a lock of these {files} would have" if said == "stale" else f"is {said}: {files},"
    yield f"{LOCK} {ending} sha256 {digest}"


def _facts(policy: Policy, changes: Changes, digest: str, said: str) -> dict[str, Any]:
    return {
        "lock": said,
        "lock_sha256": digest,
        "policy_digest": policy.digest,
        "files": len(policy.documents),
        "changes": {
            "meaning": changes.meaning,
            "layout": changes.layout,
            "added": changes.added,
            "removed": changes.removed,
        },
    }
