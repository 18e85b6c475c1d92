"""What a rule folder was when it was locked, and who approved it: rules.lock and approvals.jsonl.

Rules kept here:
* the lock holds every file's version and two digests: of what it says, and of its bytes;
* a file whose meaning changed needs a higher version; a file whose layout changed needs a new lock only;
* an approval is for one lock, byte for byte, by somebody who owns no file of it;
* approvals are a chain: each line holds its own digest and that of the line before;
* both files have exactly one form, so that any changed byte is seen and told with its file.

An approval is a statement protected by digests, not a signature: whoever can write all files can
write all of them anew. The digest of the lock, noted elsewhere, shows that.
Left to others: reading and writing files (folder.py, cli/), the clock (passed in).
Source: version.lock of elastic/detection-rules, which hashes sources only and never derived fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from merchantscreen.errors import IntegrityError, Problem, ProblemKind
from merchantscreen.policy import problems
from merchantscreen.policy.fileschema import Version
from merchantscreen.policy.folder import APPROVALS, LOCK, RECORDS
from merchantscreen.policy.lints import same_person
from merchantscreen.policy.model import Document, Policy
from merchantscreen.vocabulary import ApprovalState

LOCK_SCHEMA: Final = "merchantscreen-lock/1"
APPROVAL_SCHEMA: Final = "merchantscreen-approval/1"
FIRST: Final = "0" * 64
"""What stands for the line before the first."""
LONGEST_NAME: Final = 200
LONGEST_STATEMENT: Final = 2000
_MOST_BYTES: Final = 16 * 1024 * 1024

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
Words = Annotated[str, StringConstraints(min_length=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class LockedFile(_Strict):
    """One file: its version, the digest of its meaning (`Document.digest`) and of its bytes."""

    version: Version
    sha256: Sha256
    bytes_sha256: Sha256


class Lock(_Strict):
    """The whole of rules.lock; `policy` is `Policy.digest`, `files` goes by name within the folder."""

    schema_: Literal["merchantscreen-lock/1"] = Field(default=LOCK_SCHEMA, alias="schema")
    policy: Sha256
    files: dict[str, LockedFile]


class Approval(_Strict):
    """One line of approvals.jsonl.

    Attributes:
        number: Counts from 1.
        policy: `Policy.digest` of what was approved.
        lock_sha256: sha256 of the bytes of rules.lock.
        files: How many files the lock names.
        approver: Who approved, as stated.
        approved_at: When, UTC.
        statement: Why, in the approver's words.
        owners: Owners of all files, sorted.
        previous: sha256 of the line before, without its line feed; zeros for the first.
        digest: sha256 of this record without this field, as canonical JSON (RFC 8785).
    """

    schema_: Literal["merchantscreen-approval/1"] = Field(default=APPROVAL_SCHEMA, alias="schema")
    number: Count
    policy: Sha256
    lock_sha256: Sha256
    files: Count
    approver: Words
    approved_at: Moment
    statement: Words
    owners: tuple[str, ...]
    previous: Sha256
    digest: Sha256


@dataclass(frozen=True, slots=True)
class Changes:
    """How a policy differs from a lock, as names of files; every name is in one list only."""

    meaning: tuple[str, ...] = ()
    layout: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.meaning or self.layout or self.added or self.removed)


@dataclass(frozen=True, slots=True)
class ApprovalStatus:
    """Whether a policy is approved as it is.

    Attributes:
        state: Approved or not.
        approver: Who approved; None where nobody did.
        approved_at: When, such as `2026-11-22T12:00:00Z`.
        statement: Why.
        lock_sha256: sha256 of rules.lock; None where there is none.
        reasons: Why not; empty where it is approved.
    """

    state: ApprovalState
    approver: str | None
    approved_at: str | None
    statement: str | None
    lock_sha256: str | None
    reasons: tuple[Problem, ...]


# --------------------------------------------------------------------------- the lock


def lock_of(policy: Policy) -> Lock:
    """Describe a policy as it is."""
    return Lock(policy=policy.digest, files={name: _locked(document) for name, document in policy.documents.items()})


def _locked(document: Document) -> LockedFile:
    return LockedFile(version=document.version, sha256=document.digest, bytes_sha256=document.bytes_digest)


def lock_bytes(lock: Lock) -> bytes:
    """Write a lock in its one form: sorted keys, one line per value, for readable differences."""
    stated = lock.model_dump(mode="json", by_alias=True)
    return json.dumps(stated, sort_keys=True, indent=1, ensure_ascii=True).encode("ascii") + b"\n"


def read_lock(data: bytes) -> Lock:
    """Read a lock.

    Raises:
        IntegrityError: It is not a lock in its one form.
    """
    lock = _read(Lock, data, LOCK, problems.LOCK_UNREADABLE, None)
    if lock_bytes(lock) != data:
        raise _unreadable(problems.LOCK_UNREADABLE, LOCK, None, "bytes that `rules lock` does not write")
    return lock


def lock_in(policy: Policy) -> Lock | None:
    """Read the lock that lies in a policy's folder; None where there is none.

    Raises:
        IntegrityError: It is not a lock in its one form.
    """
    return read_lock(policy.files[LOCK]) if LOCK in policy.files else None


def lock_problems(policy: Policy, previous: Lock | None) -> list[Problem]:
    """Name the files whose version does not allow a new lock; what is new or gone is no problem."""
    locked = previous.files if previous is not None else {}
    pairs = ((locked[name], document) for name, document in sorted(policy.documents.items()) if name in locked)
    return [problem for before, document in pairs for problem in _version_problem(before, document)]


def _version_problem(before: LockedFile, document: Document) -> Iterator[Problem]:
    old, new = _numbers(before.version), _numbers(document.version)
    if new < old:
        found = f"version {document.version} after {before.version}"
        yield problems.LOCK_BACK.at(document.name, column="version", found=found)
    elif new == old and document.digest != before.sha256:
        found = f"a changed meaning under version {document.version}, which is locked"
        yield problems.LOCK_VERSION.at(document.name, column="version", found=found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def changes_since(policy: Policy, lock: Lock | None) -> Changes:
    """Compare a policy's files with a lock, by meaning and by bytes."""
    locked = lock.files if lock is not None else {}
    meaning, layout = [], []
    for name in sorted(set(locked) & set(policy.documents)):
        if locked[name].sha256 != policy.documents[name].digest:
            meaning.append(name)
        elif locked[name].bytes_sha256 != _sha256(policy.files.get(name, b"")):
            layout.append(name)
    added, removed = set(policy.documents) - set(locked), set(locked) - set(policy.documents)
    return Changes(tuple(meaning), tuple(layout), tuple(sorted(added)), tuple(sorted(removed)))


def altered_files(files: Mapping[str, bytes]) -> list[Problem]:
    """Name the files of a folder whose bytes are not those of the lock among them; nothing is loaded for that.

    So a file is named even where the alteration leaves a folder that cannot be loaded, or breaks another file.
    """
    lock, found = _lock_among(files)
    if lock is None:
        return found
    for name in sorted((set(files) - set(RECORDS)) | set(lock.files)):
        if name not in lock.files:
            found.append(problems.LOCK_STALE.at(name, found="a file that the lock does not name"))
        elif name not in files:
            found.append(problems.LOCK_STALE.at(name, found="no file, though the lock names it"))
        elif lock.files[name].bytes_sha256 != _sha256(files[name]):
            found.append(problems.LOCK_STALE.at(name, found="the bytes changed"))
    return found


def stale_files(policy: Policy) -> list[Problem]:
    """Name everything in which a policy differs from its lock; empty where it is locked as it is."""
    lock, found = _lock_among(policy.files)
    if lock is None:
        return found
    altered = {problem.where: problem for problem in altered_files(policy.files)}
    meant = {problem.where: problem for problem in _meanings_changed(policy, lock)}
    merged = {**altered, **meant}
    if not merged and lock.policy != policy.digest:
        return [problems.LOCK_STALE.at(LOCK, found="a policy digest other than that of the files")]
    return [merged[name] for name in sorted(merged)]


def _lock_among(files: Mapping[str, bytes]) -> tuple[Lock | None, list[Problem]]:
    if LOCK not in files:
        return None, [problems.LOCK_MISSING.at(LOCK)]
    try:
        return read_lock(files[LOCK]), []
    except IntegrityError as error:
        return None, list(error.problems)


def _meanings_changed(policy: Policy, lock: Lock) -> Iterator[Problem]:
    """Say of the files that were loaded whether what they mean changed, or only how they are written."""
    for name, document in policy.documents.items():
        entry = lock.files.get(name)
        if entry is None or name not in policy.files:
            continue
        if (entry.version, entry.sha256) != (document.version, document.digest):
            yield problems.LOCK_STALE.at(name, found="the meaning changed")
        elif entry.bytes_sha256 != document.bytes_digest == _sha256(policy.files[name]):
            yield problems.LOCK_STALE.at(name, found="only layout or comments changed")


# --------------------------------------------------------------------------- approvals


def read_approvals(data: bytes) -> tuple[Approval, ...]:
    """Read all approvals and check their chain.

    Raises:
        IntegrityError: A line is not as it was written, or the chain is broken; carries the first place.
    """
    if data and not data.endswith(b"\n"):
        line = data.count(b"\n") + 1
        raise _unreadable(problems.APPROVALS_UNREADABLE, APPROVALS, line, "a last line that breaks off")
    lines = data.split(b"\n")[:-1]
    befores = [FIRST, *(_sha256(line) for line in lines)]
    return tuple(_approval(line, number, befores[number - 1]) for number, line in enumerate(lines, start=1))


def _approval(line: bytes, number: int, before: str) -> Approval:
    kind = problems.APPROVALS_UNREADABLE
    approval = _read(Approval, line, APPROVALS, kind, number)
    if approval.number != number or approval.previous != before:
        raise _unreadable(kind, APPROVALS, number, "a line that does not follow the one before")
    if approval.digest != _sha256(_canonical(_stated(approval))):
        raise _unreadable(kind, APPROVALS, number, "a line that does not match its digest")
    if approval_line(approval) != line + b"\n":
        raise _unreadable(kind, APPROVALS, number, "bytes that `rules approve` does not write")
    return approval


def approval_line(approval: Approval) -> bytes:
    """Write an approval in its one form, with its line feed."""
    return _canonical(approval.model_dump(mode="json", by_alias=True)) + b"\n"


def new_approval(policy: Policy, approver: str, statement: str, approved_at: datetime) -> Approval:
    """Make the next approval of a policy that is locked as it is.

    Args:
        policy: Loaded from a folder, its records included.
        approver: Who approves.
        statement: Why.
        approved_at: UTC without zone, whole seconds.

    Raises:
        IntegrityError: The lock is missing or stale, the approvals were changed, or this person may not approve.
    """
    found = [*stale_files(policy), *approver_problems(policy, approver)]
    if found:
        raise IntegrityError("the policy cannot be approved", tuple(found))
    earlier = policy.files.get(APPROVALS, b"")
    stated = {
        "schema": APPROVAL_SCHEMA,
        "number": len(read_approvals(earlier)) + 1,
        "policy": policy.digest,
        "lock_sha256": _sha256(policy.files[LOCK]),
        "files": len(policy.documents),
        "approver": approver,
        "approved_at": f"{approved_at:%Y-%m-%dT%H:%M:%SZ}",
        "statement": statement,
        "owners": _owners(policy),
        "previous": _sha256(earlier.split(b"\n")[-2]) if earlier else FIRST,
    }
    return Approval.model_validate({**stated, "owners": tuple(_owners(policy)), "digest": _sha256(_canonical(stated))})


def approver_problems(policy: Policy, approver: str) -> list[Problem]:
    """Name the files that this person wrote, and those that ask for somebody else."""
    found = []
    for name, document in sorted(policy.documents.items()):
        if same_person(document.owner, approver):
            found.append(problems.APPROVER_WROTE.at(name, column="owner"))
        elif document.approver is not None and not same_person(document.approver, approver):
            found.append(problems.APPROVER_OTHER.at(name, column="approver"))
    return found


def _owners(policy: Policy) -> list[str]:
    return sorted({document.owner for document in policy.documents.values()})


# --------------------------------------------------------------------------- is it approved?


def approval_of(policy: Policy) -> ApprovalStatus:
    """Tell whether somebody other than its owners approved a policy as it is, byte for byte.

    Looks at the bytes the policy was read from, so a copy of a folder, such as a run's, gives the same answer.
    """
    reasons = stale_files(policy)
    approval = None
    try:
        approval = _last_approval(policy)
    except IntegrityError as error:
        reasons += error.problems
    else:
        reasons += _doubts(policy, approval)
    lock_sha256 = _sha256(policy.files[LOCK]) if LOCK in policy.files else None
    if approval is None or reasons:
        return ApprovalStatus(ApprovalState.UNAPPROVED, None, None, None, lock_sha256, tuple(reasons))
    return ApprovalStatus(
        ApprovalState.APPROVED, approval.approver, approval.approved_at, approval.statement, lock_sha256, ()
    )


def require_approved(policy: Policy) -> ApprovalStatus:
    """Refuse a policy that is not approved as it is.

    Raises:
        IntegrityError: It is not; carries every file that differs and what else is missing.
    """
    status = approval_of(policy)
    if status.state is not ApprovalState.APPROVED:
        raise IntegrityError("the policy is not approved as it is", status.reasons)
    return status


def _last_approval(policy: Policy) -> Approval | None:
    approvals = read_approvals(policy.files.get(APPROVALS, b""))
    return approvals[-1] if approvals else None


def _doubts(policy: Policy, approval: Approval | None) -> list[Problem]:
    """Say why the last approval is none of this policy."""
    if approval is None:
        return [problems.NOT_APPROVED.at(APPROVALS, found="no approval at all")]
    if approval.lock_sha256 != _sha256(policy.files.get(LOCK, b"")):
        return [problems.NOT_APPROVED.at(LOCK, found=f"not the lock of approval {approval.number}, the last one")]
    stated = (approval.policy, approval.files, list(approval.owners))
    if stated != (policy.digest, len(policy.documents), _owners(policy)):
        return [problems.NOT_APPROVED.at(APPROVALS, approval.number, found="an approval of another policy")]
    return approver_problems(policy, approval.approver)


# --------------------------------------------------------------------------- strict JSON

Record = TypeVar("Record", bound=_Strict)


def _read(form: type[Record], data: bytes, name: str, kind: ProblemKind, line: int | None) -> Record:
    """Read one JSON object of a form; nothing unknown, nothing twice."""
    if len(data) > _MOST_BYTES:
        raise _unreadable(kind, name, line, f"{len(data)} bytes")
    try:
        stated = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise _unreadable(kind, name, line, "text that is not JSON, each key once") from error
    try:
        return form.model_validate_json(json.dumps(stated))
    except (ValidationError, ValueError, RecursionError) as error:
        raise _unreadable(kind, name, line, f"a form other than {form.model_fields['schema_'].default}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    stated = dict(pairs)
    if len(stated) != len(pairs):
        raise ValueError("a key that stands twice")
    return stated


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _unreadable(kind: ProblemKind, name: str, line: int | None, found: str) -> IntegrityError:
    return IntegrityError(f"{name} cannot be relied on", (kind.at(name, line, found=found),))


def _stated(approval: Approval) -> dict[str, Any]:
    return approval.model_dump(mode="json", by_alias=True, exclude={"digest"})


def _canonical(stated: Mapping[str, Any]) -> bytes:
    return rfc8785.dumps(dict(stated))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
