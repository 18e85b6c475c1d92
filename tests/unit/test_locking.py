"""The lock and the approvals: one form each, versions that only rise, and a chain that shows every change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from rule_folders import EXCEPTION, GATE, RANK, changed, small_files

from merchantscreen.errors import IntegrityError, Problem
from merchantscreen.policy.folder import APPROVALS, LOCK
from merchantscreen.policy.loading import load_files
from merchantscreen.policy.locking import (
    FIRST,
    Changes,
    approval_line,
    approval_of,
    approver_problems,
    changes_since,
    lock_bytes,
    lock_in,
    lock_of,
    lock_problems,
    new_approval,
    read_approvals,
    read_lock,
    require_approved,
    stale_files,
)
from merchantscreen.policy.model import Policy
from merchantscreen.vocabulary import ApprovalState

NOON = datetime(2026, 11, 22, 12)
SECOND = "second pair of eyes"


@pytest.fixture(scope="module")
def files(repository: Path) -> dict[str, bytes]:
    """Return a small rule folder without records."""
    return small_files(repository)


def _locked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {**files, LOCK: lock_bytes(lock_of(load_files(files)))}


def _approved(files: Mapping[str, bytes], *approvers: str) -> dict[str, bytes]:
    """Lock a folder where it is not, and have some people approve it, one after the other."""
    result = dict(files) if LOCK in files else _locked(files)
    for name in approvers or (SECOND,):
        line = approval_line(new_approval(load_files(result), name, "Reviewed.", NOON))
        result[APPROVALS] = result.get(APPROVALS, b"") + line
    return result


def _found(problems: tuple[Problem, ...] | list[Problem]) -> list[tuple[str, str]]:
    return [(problem.code, problem.where) for problem in problems]


# --------------------------------------------------------------------------- the lock


def test_a_lock_names_every_file_with_its_version_and_digests(files: dict[str, bytes]) -> None:
    """The lock holds each file's version, the digest of its meaning and that of its bytes."""
    policy = load_files(files)
    lock = lock_of(policy)
    assert set(lock.files) == set(files)
    assert lock.policy == policy.digest
    assert lock.files[RANK].version == "1.0.0"
    assert lock.files[RANK].bytes_sha256 == hashlib.sha256(files[RANK]).hexdigest()
    assert lock.files[RANK].sha256 == policy.documents[RANK].digest


def test_a_lock_has_one_form_and_reads_back(files: dict[str, bytes]) -> None:
    """Writing and reading gives the same lock; keys are sorted and the file ends with a line feed."""
    data = lock_bytes(lock_of(load_files(files)))
    assert lock_bytes(read_lock(data)) == data
    assert data.endswith(b"}\n")
    stated = json.loads(data)
    assert list(stated) == sorted(stated) == ["files", "policy", "schema"]
    assert stated["schema"] == "merchantscreen-lock/1"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"merchantscreen-lock/1", b"merchantscreen-lock/2"),
        (b'"version": "1.0.0"', b'"version": "1.0"'),
        (b'"version": "1.0.0"', b'"version":  "1.0.0"'),
        (b'"version": "1.0.0"', b'"version": "1.0.0", "note": "x"'),
        (b'"version": "1.0.0"', b'"version": "1.0.0", "version": "1.0.0"'),
        (b'"version": "1.0.0"', b'"version": 1'),
        (b'"version": "1.0.0"', b'"version": NaN'),
        (b'"version"', b'"Version"'),
        (b"}\n", b"}"),
        (b"{", b"\xef\xbb\xbf{"),
        (b"{", b"\xff{"),
        (b"{", b"{" * 100_000),
        (b"{", b"[" * 100_000),
    ],
)
def test_a_lock_in_any_other_form_is_refused(files: dict[str, bytes], old: bytes, new: bytes) -> None:
    """Whatever `rules lock` would not have written is no lock; the file is named."""
    data = lock_bytes(lock_of(load_files(files)))
    with pytest.raises(IntegrityError) as refusal:
        read_lock(data.replace(old, new, 1) if old != b"}\n" else data[:-1])
    assert _found(refusal.value.problems) == [("MS-POL-070", LOCK)]


@pytest.mark.parametrize("data", [b"", b"null\n", b"[]\n", b"{}\n", b'"\\ud800"\n', b"1" * 10_000])
def test_what_is_no_lock_at_all_is_refused(data: bytes) -> None:
    """Any other text is refused in the same way, never with another error."""
    with pytest.raises(IntegrityError):
        read_lock(data)


# --------------------------------------------------------------------------- versions

CHANGES = [
    ("severity: low", "severity: medium", "1.0.0", ["MS-POL-072"]),
    ("severity: low", "severity: medium", "1.0.1", []),
    ("severity: low", "severity: medium", "0.9.9", ["MS-POL-073"]),
    ("severity: low", "severity: medium", "1.10.0", []),
    ("severity: low", "severity: low", "0.10.0", ["MS-POL-073"]),
    ("severity: low", "severity: low", "2.0.0", []),
    ("severity: low", "severity:   low  # a comment", "1.0.0", []),
    ("review_by: 2027-11-01", "review_by: 2027-12-01", "1.0.0", ["MS-POL-072"]),
]


@pytest.mark.parametrize(("old", "new", "version", "codes"), CHANGES)
def test_a_changed_meaning_needs_a_higher_version(
    files: dict[str, bytes], old: str, new: str, version: str, codes: list[str]
) -> None:
    """Versions are compared as numbers; comments and layout need none."""
    lock = lock_of(load_files(files))
    later = changed(changed(files, RANK, old, new), RANK, "version: 1.0.0", f"version: {version}")
    assert _found(lock_problems(load_files(later), lock)) == [(code, RANK) for code in codes]


def test_versions_are_numbers_and_not_texts(files: dict[str, bytes]) -> None:
    """After version 9 comes version 10."""
    nine = changed(files, RANK, "version: 1.0.0", "version: 1.9.0")
    ten = changed(files, RANK, "version: 1.0.0", "version: 1.10.0")
    assert lock_problems(load_files(ten), lock_of(load_files(nine))) == []
    assert _found(lock_problems(load_files(nine), lock_of(load_files(ten)))) == [("MS-POL-073", RANK)]


def test_a_first_lock_and_new_and_removed_files_are_no_problem(files: dict[str, bytes]) -> None:
    """What is new needs no version above another; what is gone is told and not refused."""
    without = {name: data for name, data in files.items() if name != EXCEPTION}
    assert lock_problems(load_files(files), None) == []
    assert lock_problems(load_files(files), lock_of(load_files(without))) == []
    assert lock_problems(load_files(without), lock_of(load_files(files))) == []
    assert changes_since(load_files(files), lock_of(load_files(without))) == Changes(added=(EXCEPTION,))
    assert changes_since(load_files(without), lock_of(load_files(files))) == Changes(removed=(EXCEPTION,))


def test_changes_tell_meaning_and_layout_apart(files: dict[str, bytes]) -> None:
    """A file is in one list only: changed in meaning, or in layout."""
    lock = lock_of(load_files(files))
    later = changed(files, RANK, "severity: low", "severity: medium")
    later = changed(later, GATE, "role: gate", "role:  gate  # as before")
    assert changes_since(load_files(later), lock) == Changes(meaning=(RANK,), layout=(GATE,))
    assert not changes_since(load_files(files), lock)


def test_the_lock_is_the_same_whatever_derived_things_change(files: dict[str, bytes]) -> None:
    """The digests are over the files alone: the records of the tool change nothing in them."""
    assert lock_of(load_files(_approved(files))) == lock_of(load_files(files))


# --------------------------------------------------------------------------- stale or not


def test_a_policy_without_a_lock_says_so(files: dict[str, bytes]) -> None:
    """A folder without a lock is neither locked nor approved."""
    assert lock_in(load_files(files)) is None
    assert _found(stale_files(load_files(files))) == [("MS-POL-074", LOCK)]


def test_every_difference_from_the_lock_is_named(files: dict[str, bytes]) -> None:
    """Changed, commented, missing and additional files are each named with what is the matter."""
    locked = _locked(files)
    later = changed(locked, RANK, "severity: low", "severity: medium")
    later = changed(later, GATE, "role: gate", "role: gate  # as before")
    del later[EXCEPTION]
    later["exceptions/another.yml"] = files[EXCEPTION].replace(b"id: sample-exception", b"id: another")
    said = {problem.where: problem.found for problem in stale_files(load_files(later))}
    assert said == {
        RANK: "the meaning changed",
        GATE: "only layout or comments changed",
        EXCEPTION: "no file, though the lock names it",
        "exceptions/another.yml": "a file that the lock does not name",
    }


def test_the_bytes_are_looked_at_and_not_what_was_remembered_of_them(files: dict[str, bytes]) -> None:
    """A policy whose files were exchanged after loading is stale, and so is one with a file too many."""
    policy = load_files(_approved(files))
    assert stale_files(policy) == []
    exchanged = replace(policy, files={**policy.files, RANK: policy.files[RANK] + b"\n"})
    assert [problem.found for problem in stale_files(exchanged)] == ["the bytes changed"]
    additional = replace(policy, files={**policy.files, "a/b.yml": b""})
    assert _found(stale_files(additional)) == [("MS-POL-071", "a/b.yml")]


def test_a_lock_with_another_policy_digest_is_stale(files: dict[str, bytes]) -> None:
    """The digest of the whole is checked, too."""
    lock = lock_of(load_files(files)).model_copy(update={"policy": "0" * 64})
    assert _found(stale_files(load_files({**files, LOCK: lock_bytes(lock)}))) == [("MS-POL-071", LOCK)]


# --------------------------------------------------------------------------- approvals


def test_an_approval_holds_what_was_approved_by_whom_and_why(files: dict[str, bytes]) -> None:
    """The record names the policy, the lock, the owners and the line before."""
    approved = _approved(files, SECOND, "third pair")
    first, second = read_approvals(approved[APPROVALS])
    assert (first.number, first.previous, first.approver) == (1, FIRST, SECOND)
    assert first.lock_sha256 == hashlib.sha256(approved[LOCK]).hexdigest()
    assert (first.approved_at, first.statement, first.files) == ("2026-11-22T12:00:00Z", "Reviewed.", len(files))
    assert first.owners == ("case desk", "merchantscreen rule desk", "rule desk")
    assert second.number == 2
    assert second.previous == hashlib.sha256(approved[APPROVALS].split(b"\n")[0]).hexdigest()


def test_a_digest_can_be_recomputed_by_hand(files: dict[str, bytes]) -> None:
    """The digest is the sha256 of the record without it, as compact JSON with sorted keys."""
    stated = json.loads(_approved(files)[APPROVALS])
    digest = stated.pop("digest")
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_names_in_any_script_are_kept_as_they_are(files: dict[str, bytes]) -> None:
    """A name with letters beyond ASCII reads back as it was given."""
    approved = _approved(files, "Žofie Nováková")
    assert read_approvals(approved[APPROVALS])[0].approver == "Žofie Nováková"
    assert approval_of(load_files(approved)).state is ApprovalState.APPROVED


def _recorded(line: bytes, **values: object) -> bytes:
    """Change fields of an approval and compute its digest anew, as a forger would who knows how."""
    stated = {**json.loads(line), **values}
    stated.pop("digest")
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    stated["digest"] = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def test_approvals_that_were_changed_are_refused_with_their_line(files: dict[str, bytes]) -> None:
    """Changed, swapped, dropped, doubled, reformatted and half lines are each refused, the line named."""
    one, two = _approved(files, SECOND, "third pair")[APPROVALS].splitlines(keepends=True)
    spoiled = {
        1: [one.replace(b"Reviewed", b"Revised") + two, two, two + one, b"\n" + one, b"{}\n", b"x" * 10 + one,
            one.replace(b",", b", ", 1) + two, one.replace(b'"files":', b'"notes":1,"files":') + two,
            _recorded(one, number=2) + two, _recorded(one, number=10**30) + two, _recorded(one, files=0) + two,
            _recorded(one, approved_at="yesterday") + two, _recorded(one, approver="") + two, one[:-1] + b"\r\n"],
        2: [one + one, one + two.replace(b"third", b"fourth"), one + two[:-1], one + two[: len(two) // 2],
            one + b"\n" + two, _recorded(one, approver="fourth") + two, one + _recorded(two, previous=FIRST),
            one + b"\xff\n", one + b'"\\ud800"\n', one + b"[" * 100_000 + b"\n"],
        3: [one + two + b"\n", one + two + b" ", one + two + two],
    }  # fmt: skip
    for line, contents in spoiled.items():
        for content in contents:
            with pytest.raises(IntegrityError) as refusal:
                read_approvals(content)
            assert [(p.code, p.where, p.line) for p in refusal.value.problems] == [("MS-POL-076", APPROVALS, line)]


def test_no_approvals_are_none(files: dict[str, bytes]) -> None:
    """An empty file holds no approval and is no problem."""
    assert read_approvals(b"") == ()
    assert load_files({**files, APPROVALS: b""}).digest == load_files(files).digest


def _refused(policy: Policy, approver: str) -> list[tuple[str, str]]:
    with pytest.raises(IntegrityError) as refusal:
        new_approval(policy, approver, "Reviewed.", NOON)
    return _found(refusal.value.problems)


def test_nobody_approves_what_is_not_locked_as_it_is(files: dict[str, bytes]) -> None:
    """Without a lock, or with files that changed since, there is no approval."""
    assert _refused(load_files(files), SECOND) == [("MS-POL-074", LOCK)]
    later = changed(_locked(files), RANK, "severity: low", "severity: medium")
    assert _refused(load_files(later), SECOND) == [("MS-POL-071", RANK)]


def test_nobody_approves_a_file_of_their_own(files: dict[str, bytes]) -> None:
    """Whoever owns a single file cannot approve the folder, however the name is written."""
    policy = load_files(_locked(files))
    assert _refused(policy, "Case-Desk") == [("MS-POL-077", EXCEPTION)]
    assert ("MS-POL-077", RANK) in _refused(policy, "DESK  rule")


def test_a_named_approver_has_to_be_the_one(files: dict[str, bytes]) -> None:
    """Where a file asks for somebody in particular, nobody else may approve."""
    asking = _locked(changed(files, GATE, "approver: null", "approver: review board"))
    assert _refused(load_files(asking), SECOND) == [("MS-POL-078", GATE)]
    assert approver_problems(load_files(asking), "Review Board") == []


def test_no_approval_is_appended_to_a_chain_that_was_changed(files: dict[str, bytes]) -> None:
    """Whoever changed an earlier line cannot hide it behind a new one."""
    spoiled = {**_approved(files), APPROVALS: _approved(files)[APPROVALS].replace(b"Reviewed", b"Revised")}
    assert _refused(load_files(spoiled), "third pair") == [("MS-POL-076", APPROVALS)]


# --------------------------------------------------------------------------- is it approved?


def test_an_approved_policy_says_by_whom_and_why(files: dict[str, bytes]) -> None:
    """The status holds the last approval and the digest of the lock."""
    approved = _approved(files, SECOND, "third pair")
    status = require_approved(load_files(approved))
    assert status.state is ApprovalState.APPROVED
    assert (status.approver, status.approved_at, status.statement) == (
        "third pair",
        "2026-11-22T12:00:00Z",
        "Reviewed.",
    )
    assert status.lock_sha256 == hashlib.sha256(approved[LOCK]).hexdigest()
    assert status.reasons == ()


def _reasons(files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    status = approval_of(load_files(files))
    assert status.state is ApprovalState.UNAPPROVED
    assert (status.approver, status.approved_at, status.statement) == (None, None, None)
    return _found(status.reasons)


def test_an_unapproved_policy_says_why(files: dict[str, bytes]) -> None:
    """Every missing or changed thing is a reason; the command that requires an approval ends with them."""
    approved = _approved(files)
    assert _reasons(files) == [("MS-POL-074", LOCK), ("MS-POL-075", APPROVALS)]
    assert _reasons(_locked(files)) == [("MS-POL-075", APPROVALS)]
    assert _reasons(changed(approved, RANK, "severity: low", "severity: low  # really")) == [("MS-POL-071", RANK)]
    assert _reasons({**approved, LOCK: approved[LOCK][:-1]}) == [("MS-POL-070", LOCK), ("MS-POL-075", LOCK)]
    assert _reasons({**approved, APPROVALS: approved[APPROVALS][:-1]}) == [("MS-POL-076", APPROVALS)]
    with pytest.raises(IntegrityError) as refusal:
        require_approved(load_files(_locked(files)))
    assert refusal.value.exit_code == 4


def test_an_approval_of_an_older_lock_is_none_of_the_new_one(files: dict[str, bytes]) -> None:
    """After a change, a new lock and no new approval, the policy is unapproved, and approved again with one."""
    approved = _approved(files)
    later = changed(changed(approved, RANK, "severity: low", "severity: medium"), RANK, "1.0.0", "1.0.1")
    relocked = _locked(later)
    assert _reasons(relocked) == [("MS-POL-075", LOCK)]
    assert approval_of(load_files(_approved(relocked))).state is ApprovalState.APPROVED


def test_a_forged_approval_by_an_owner_is_seen(files: dict[str, bytes]) -> None:
    """A line written by hand, all digests right, is refused where its approver owns a file or the facts differ."""
    approved = _approved(files)
    line = approved[APPROVALS]
    assert ("MS-POL-077", RANK) in _reasons({**approved, APPROVALS: _recorded(line, approver="rule desk")})
    assert _reasons({**approved, APPROVALS: _recorded(line, lock_sha256="0" * 64)}) == [("MS-POL-075", LOCK)]
    for values in ({"owners": ["nobody"]}, {"files": 3}, {"policy": "0" * 64}):
        assert _reasons({**approved, APPROVALS: _recorded(line, **values)}) == [("MS-POL-075", APPROVALS)]
