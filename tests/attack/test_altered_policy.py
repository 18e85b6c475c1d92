"""A rule folder altered after its approval: whatever byte changes, it is refused, and the file is named.

Row 6 of the threat model. Two ways lead past a loader: a change that still loads has to be seen by its
bytes, a change that does not load is refused with exit code 65. Both name the file.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from rule_folders import EXCEPTION, RANK, small_files

from merchantscreen.errors import IntegrityError, PolicyError
from merchantscreen.policy.folder import APPROVALS, LOCK, read_files
from merchantscreen.policy.loading import load_files
from merchantscreen.policy.locking import (
    altered_files,
    approval_line,
    lock_bytes,
    lock_of,
    new_approval,
    require_approved,
)
from merchantscreen.policy.model import Policy

SEED = 20261122
POSITIONS_PER_FILE = 8
LOADED_PER_FILE = 1


def _approved(files: Mapping[str, bytes]) -> Policy:
    """Lock a folder and have two people approve it."""
    bare = {name: data for name, data in files.items() if name not in {LOCK, APPROVALS}}
    held = {**bare, LOCK: lock_bytes(lock_of(load_files(bare)))}
    for number, name in enumerate(("second pair", "third pair")):
        line = approval_line(new_approval(load_files(held), name, "Reviewed.", datetime(2026, 11, 22, 12 + number)))
        held[APPROVALS] = held.get(APPROVALS, b"") + line
    return load_files(held)


@pytest.fixture(scope="module")
def built_in(repository: Path) -> Policy:
    """Return the whole policy of the checkout, approved."""
    return _approved(read_files(repository / "rules")[0])


@pytest.fixture(scope="module")
def small(repository: Path) -> Policy:
    """Return a small policy, approved."""
    return _approved(small_files(repository))


def _altered(data: bytes, position: int, chance: random.Random) -> Iterator[bytes]:
    """Flip, insert, delete and swap at one position."""
    flipped = data[position] ^ (1 << chance.randrange(8))
    yield data[:position] + bytes([flipped]) + data[position + 1 :]
    yield data[:position] + bytes([chance.randrange(256)]) + data[position:]
    yield data[:position] + data[position + 1 :]
    yield data[:position] + b" " + data[position:]
    yield data[:position] + b"\n" + data[position:]
    if data[position : position + 1] != data[position + 1 : position + 2] and position + 1 < len(data):
        yield data[:position] + data[position + 1 : position + 2] + data[position : position + 1] + data[position + 2 :]


def _named(policy: Policy, name: str, data: bytes | None) -> set[str]:
    """Put other bytes in the place of one file, or none, and return the files that the refusal names."""
    files = {other: content for other, content in policy.files.items() if other != name}
    if data is not None:
        files[name] = data
    with pytest.raises(IntegrityError) as refusal:
        require_approved(replace(policy, files=files))
    return {problem.where for problem in refusal.value.problems}


def test_the_folders_are_approved_before_anything_is_altered(built_in: Policy, small: Policy) -> None:
    """What the attacks begin with is accepted, so that a refusal means the attack was seen."""
    assert require_approved(built_in).approver == "third pair"
    assert require_approved(small).approver == "third pair"


def test_altered_bytes_of_any_file_are_refused_and_the_file_is_named(built_in: Policy) -> None:
    """Flips, insertions, deletions and swaps, comments and blanks included, in every file of the policy."""
    chance = random.Random(SEED)
    for name in built_in.documents:
        data = built_in.files[name]
        positions = {0, len(data) - 1, *(chance.randrange(len(data)) for _ in range(POSITIONS_PER_FILE))}
        for position in positions:
            for other in list(_altered(data, position, chance))[:2]:
                assert name in _named(built_in, name, other)


@pytest.mark.parametrize("record", [LOCK, APPROVALS])
def test_every_byte_of_the_records_counts(small: Policy, record: str) -> None:
    """At every position of rules.lock and approvals.jsonl, whatever is done there is refused and named."""
    chance = random.Random(SEED)
    data = small.files[record]
    for position in range(len(data)):
        for other in list(_altered(data, position, chance))[:3]:
            assert record in _named(small, record, other)


def test_every_bit_of_a_digest_counts(small: Policy) -> None:
    """Each hex digit of the first digest in the lock, in each of its other values, is refused."""
    data = small.files[LOCK]
    start = data.index(b'"bytes_sha256": "') + len(b'"bytes_sha256": "')
    for position in range(start, start + 64):
        for digit in b"0123456789abcdef":
            if digit != data[position]:
                assert _named(small, LOCK, data[:position] + bytes([digit]) + data[position + 1 :])


def test_files_that_are_missing_added_or_exchanged_are_named(built_in: Policy) -> None:
    """A file less, a file more and two files in each other's place are refused, each named."""
    for name in (*built_in.documents, LOCK, APPROVALS):
        assert name in _named(built_in, name, None)
    assert "account-profile/added.yml" in _named(built_in, "account-profile/added.yml", b"")
    one, other = sorted(built_in.documents)[:2]
    swapped = {**built_in.files, one: built_in.files[other], other: built_in.files[one]}
    with pytest.raises(IntegrityError) as refusal:
        require_approved(replace(built_in, files=swapped))
    assert {problem.where for problem in refusal.value.problems} == {one, other}


def test_what_still_loads_is_refused_by_its_bytes_and_what_does_not_by_the_loader(small: Policy) -> None:
    """Read anew, an altered file is never taken for approved, and it is named before anything is loaded."""
    chance = random.Random(SEED)
    for name in small.documents:
        data = small.files[name]
        for position in (chance.randrange(len(data)) for _ in range(LOADED_PER_FILE)):
            for other in _altered(data, position, chance):
                files = {**small.files, name: other}
                assert [problem.where for problem in altered_files(files)] == [name]
                with pytest.raises((IntegrityError, PolicyError)):
                    require_approved(load_files(files))


def test_a_comment_or_a_blank_line_is_a_change(small: Policy) -> None:
    """Layout means nothing to the digest of the policy, and still an approval is for bytes."""
    for addition in (b"# harmless\n", b"\n", b" \n"):
        changed = load_files({**small.files, RANK: small.files[RANK] + addition})
        assert changed.digest == small.digest
        with pytest.raises(IntegrityError) as refusal:
            require_approved(changed)
        assert [(p.where, p.found) for p in refusal.value.problems] == [(RANK, "only layout or comments changed")]


def test_an_older_approved_state_is_not_approved_again(small: Policy) -> None:
    """Putting the files and the lock of an earlier approval back does not bring its approval back."""
    later = {name: data for name, data in small.files.items() if name not in {LOCK, EXCEPTION}}
    later[LOCK] = lock_bytes(lock_of(load_files(later)))
    line = approval_line(
        new_approval(load_files(later), "fourth pair", "Without the exception.", datetime(2026, 12, 1))
    )
    later[APPROVALS] += line
    require_approved(load_files(later))
    rolled_back = {**small.files, APPROVALS: later[APPROVALS]}
    with pytest.raises(IntegrityError) as refusal:
        require_approved(load_files(rolled_back))
    assert {problem.where for problem in refusal.value.problems} == {LOCK}
