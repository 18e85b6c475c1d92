"""`rules lint`, `test`, `lock` and `approve` as a person runs them: exit codes, messages, and what is on the disk."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cli.command import Ran, merchantscreen, process
from rule_folders import EXCEPTION, GATE, RANK, changed, small_files, write_folder

from merchantscreen.policy.folder import APPROVALS, LOCK
from merchantscreen.policy.lints import LINTS

SECOND = "second pair of eyes"


@pytest.fixture
def files(repository: Path) -> dict[str, bytes]:
    """Return the files of a small rule folder."""
    return small_files(repository)


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    """Write a small rule folder."""
    return write_folder(files, tmp_path / "rules")


def _change(folder: Path, name: str, old: str, new: str) -> None:
    write_folder(changed({name: (folder / name).read_bytes()}, name, old, new), folder)


def _approve(folder: Path, approver: str = SECOND, *words: str) -> Ran:
    return merchantscreen("rules", "approve", folder, "--approver", approver, "--statement", "Reviewed.", *words)


def _entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# --------------------------------------------------------------------------- lint


def test_lint_sums_a_good_folder_up(folder: Path) -> None:
    """What was read is counted, and the state of lock and approval is told."""
    ran = merchantscreen("rules", "lint", folder, "--as-of", "2026-12-01")
    assert (ran.code, ran.err) == (0, "")
    assert "11 files, 2 rules (0 draft, 2 active, 0 retired), 1 exception, 0 suppressions\n" in ran.out
    assert f"{len(LINTS)} lints applied, no problem found\nlock: none\napproval: UNAPPROVED: rules.lock: " in ran.out


def test_lint_without_a_folder_checks_the_built_in_policy() -> None:
    """The policy that came along passes its own lints today."""
    ran = merchantscreen("rules", "lint", "--json")
    assert ran.code == 0
    stated = json.loads(ran.out)
    assert stated["rules"]["active"] >= 1
    assert stated["lints"] == len(LINTS)


def test_lint_names_every_suppression_in_force(folder: Path) -> None:
    """A suppression is told with its rule, its reason and its end, and refused after that."""
    _change(folder, RANK, "{purchase_count: 20,", "{purchase_count: 21,")
    entry = "suppress:\n  - {lint: boundary-untested, reason: Data to come., until: 2027-01-31}\ntests:\n"
    _change(folder, RANK, "tests:\n", entry)
    ran = merchantscreen("rules", "lint", folder, "--as-of", "2026-12-01")
    assert "  sample-rank: boundary-untested is suppressed until 2027-01-31: Data to come.\n" in ran.out
    stated = json.loads(merchantscreen("rules", "lint", folder, "--as-of", "2026-12-01", "--json").out)
    assert stated["suppressions"] == [
        {"rule": "sample-rank", "lint": "boundary-untested", "reason": "Data to come.", "until": "2027-01-31"}
    ]
    late = merchantscreen("rules", "lint", folder, "--as-of", "2027-02-01")
    assert (late.code, late.codes, late.out) == (65, ["MS-POL-061"], "")


def test_lint_tells_all_problems_of_all_files(folder: Path) -> None:
    """Each line has code, file, line and position; nothing is on stdout."""
    _change(folder, RANK, "purchase_count >= 20", "purchase_cuont >= 20")
    _change(folder, GATE, "status: active", "status: live")
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    ran = merchantscreen("rules", "lint", folder)
    assert (ran.code, ran.out) == (65, "")
    assert {"MS-POL-003", "MS-POL-022", "MS-POL-032"} <= set(ran.codes)
    before = (folder / RANK).read_text(encoding="utf-8").partition("when:")[0]
    line = before.count("\n") + 1
    assert f"MS-POL-032 {RANK}:{line}:7 when: `purchase_cuont`; did you mean `purchase_count`?" in ran.err


@pytest.mark.parametrize("name", ["nowhere", "rules/tiers.yml"])
def test_lint_of_no_folder_is_never_a_success(folder: Path, name: str) -> None:
    """A path that is no folder is refused as one without rules."""
    ran = merchantscreen("rules", "lint", folder.parent / name)
    assert ran.code == 65
    assert {"MS-POL-001", "MS-POL-040"} <= set(ran.codes)


def test_lint_of_an_empty_folder_is_never_a_success(tmp_path: Path) -> None:
    """Zero rules loaded are not a clean result."""
    assert merchantscreen("rules", "lint", tmp_path).code == 65


def test_a_review_is_overdue_from_the_day_after(folder: Path) -> None:
    """The day of the check is the one given."""
    assert merchantscreen("rules", "lint", folder, "--as-of", "2027-11-01").code == 0
    late = merchantscreen("rules", "lint", folder, "--as-of", "2027-11-02")
    assert (late.code, set(late.codes)) == (65, {"MS-POL-045"})
    assert "[review-overdue]" in late.err
    assert merchantscreen("rules", "lint", folder, "--as-of", "someday").code == 2


def test_lint_lists_every_lint_with_its_reason() -> None:
    """The list holds every lint of the registry, for readers and for programs."""
    told = merchantscreen("rules", "lint", "--list").out
    assert [line.split(" ")[0] for line in told.splitlines()] == [lint.name for lint in LINTS]
    stated = json.loads(merchantscreen("rules", "lint", "--list", "--json").out)
    assert [entry["name"] for entry in stated["lints"]] == [lint.name for lint in LINTS]


# --------------------------------------------------------------------------- test


def test_the_tests_of_the_rules_are_run_and_counted(folder: Path) -> None:
    """All tests pass, and the count says how many there were."""
    ran = merchantscreen("rules", "test", folder)
    assert (ran.code, ran.out, ran.err) == (0, "7 tests of 2 rules: 7 passed, 0 failed\n", "")
    one = merchantscreen("rules", "test", folder, "--rule", "sample-gate")
    assert one.out == "3 tests of 1 rule: 3 passed, 0 failed\n"


def test_the_built_in_rules_pass_their_own_tests() -> None:
    """Without a folder the policy that came along is tested."""
    assert merchantscreen("rules", "test").code == 0


def test_a_failing_test_ends_with_one_and_says_what_came_out(folder: Path, tmp_path: Path) -> None:
    """Rule, test, what was expected, what came out and on which values."""
    _change(folder, RANK, "{purchase_count: 60, top3_price_share: 0.9}", "{purchase_count: 60, top3_price_share: 0.91}")
    entry = "suppress:\n  - {lint: boundary-untested, reason: For now., until: 2027-01-31}\n"
    entry += "  - {lint: part-untested, reason: For now., until: 2027-01-31}\ntests:\n"
    _change(folder, RANK, "tests:\n", entry)
    ran = merchantscreen("rules", "test", folder, "--junit", tmp_path / "results.xml")
    reason = "91.0 % of 60 purchases are at three prices."
    failed = f"failed: sample-rank: exactly nine tenths: expected no_hit, got hit: {reason}"
    assert (ran.code, ran.out) == (1, f"{failed}\n7 tests of 2 rules: 6 passed, 1 failed\n")
    stated = json.loads(merchantscreen("rules", "test", folder, "--json").out)
    assert [entry["test"] for entry in stated["failed"]] == ["exactly nine tenths"]
    suite = ET.fromstring((tmp_path / "results.xml").read_bytes())
    assert [suite.get(name) for name in ("tests", "failures")] == ["7", "1"]
    assert len(suite.findall(".//failure")) == 1


def test_a_rule_without_a_kind_of_test_is_refused(folder: Path) -> None:
    """A rule that never shows that it does not know is no rule."""
    _change(folder, RANK, "expect: not_evaluated", "expect: no_hit")
    ran = merchantscreen("rules", "test", folder)
    assert (ran.code, set(ran.codes)) == (65, {"MS-POL-042"})


def test_a_rule_that_is_not_there_is_a_mistake_of_the_caller(folder: Path) -> None:
    """Testing nothing is never a success."""
    ran = merchantscreen("rules", "test", folder, "--rule", "sample-rink")
    assert (ran.code, ran.codes, ran.out) == (2, ["MS-RUN-001"], "")


def test_results_replace_older_ones_and_a_folder_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    """A file of results is written whole, in place of the one before, or an error says why not."""
    (tmp_path / "results.xml").write_text("old", encoding="utf-8")
    assert merchantscreen("rules", "test", folder, "--junit", tmp_path / "results.xml").code == 0
    assert ET.parse(tmp_path / "results.xml").getroot().get("tests") == "7"
    assert merchantscreen("rules", "test", folder, "--junit", tmp_path / "no" / "results.xml").code == 74


# --------------------------------------------------------------------------- lock


def test_a_lock_is_written_once_and_then_current(folder: Path) -> None:
    """The first lock says so; a second run writes nothing; no other file appears."""
    before = _entries(folder)
    first = merchantscreen("rules", "lock", folder)
    data = (folder / LOCK).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert (first.code, first.err) == (0, "")
    assert first.out == f"no lock before this one\nrules.lock is written: 11 files, sha256 {digest}\n"
    assert _entries(folder) == sorted([*before, LOCK])
    assert (folder / LOCK).stat().st_mode == (folder / "evidence.yml").stat().st_mode
    again = merchantscreen("rules", "lock", folder)
    assert (again.code, again.out) == (0, f"rules.lock is current: 11 files, sha256 {digest}\n")
    assert (folder / LOCK).read_bytes() == data


def test_a_changed_meaning_needs_a_version_before_it_is_locked(folder: Path) -> None:
    """Without a higher version nothing is written and the file is named; with one the change is told."""
    merchantscreen("rules", "lock", folder)
    data = (folder / LOCK).read_bytes()
    _change(folder, RANK, "severity: low", "severity: medium")
    refused = merchantscreen("rules", "lock", folder)
    assert (refused.code, refused.codes, refused.out) == (65, ["MS-POL-072"], "")
    assert f"{RANK} version: a changed meaning under version 1.0.0, which is locked" in refused.err
    _change(folder, RANK, "version: 1.0.0", "version: 0.9.0")
    assert merchantscreen("rules", "lock", folder).codes == ["MS-POL-073"]
    assert (folder / LOCK).read_bytes() == data
    _change(folder, RANK, "version: 0.9.0", "version: 1.0.1")
    done = merchantscreen("rules", "lock", folder)
    assert done.code == 0
    assert done.out.startswith(f"changed meaning: {RANK}\nrules.lock is written: ")


def test_what_changed_since_the_last_lock_is_told(folder: Path) -> None:
    """Layout, new files and files that are gone are told apart, for readers and for programs."""
    merchantscreen("rules", "lock", folder)
    _change(folder, RANK, "role: rank", "role: rank  # as before")
    (folder / "exceptions/another.yml").write_bytes(
        (folder / EXCEPTION).read_bytes().replace(b"id: sample-exception", b"id: another")
    )
    (folder / EXCEPTION).unlink()
    checked = merchantscreen("rules", "lock", folder, "--check")
    told = f"only layout or comments changed: {RANK}\nadded: exceptions/another.yml\nremoved: {EXCEPTION}\n"
    assert checked.code == 1
    assert checked.out.startswith(f"{told}rules.lock is stale; ")
    stated = json.loads(merchantscreen("rules", "lock", folder, "--json").out)
    assert stated["lock"] == "written"
    assert stated["changes"] == {
        "meaning": [], "layout": [RANK], "added": ["exceptions/another.yml"], "removed": [EXCEPTION],
    }  # fmt: skip


def test_checking_a_lock_writes_nothing(folder: Path) -> None:
    """A missing or stale lock ends with one and stays as it is; a current one ends with zero."""
    before = _entries(folder)
    assert merchantscreen("rules", "lock", folder, "--check").code == 1
    assert _entries(folder) == before
    merchantscreen("rules", "lock", folder)
    assert merchantscreen("rules", "lock", folder, "--check").code == 0
    data = (folder / LOCK).read_bytes()
    _change(folder, RANK, "role: rank", "role: rank  # as before")
    assert json.loads(merchantscreen("rules", "lock", folder, "--check", "--json").out)["lock"] == "stale"
    assert (folder / LOCK).read_bytes() == data


def test_a_lock_that_was_edited_is_not_overwritten(folder: Path) -> None:
    """Whoever edits the lock to get past the versions is stopped, and the file is left for the inquiry."""
    merchantscreen("rules", "lock", folder)
    spoiled = (folder / LOCK).read_bytes().replace(b'"version": "1.0.0"', b'"version": "1.0"')
    (folder / LOCK).write_bytes(spoiled)
    for words in (["lock"], ["lock", "--check"]):
        ran = merchantscreen("rules", words[0], folder, *words[1:])
        assert (ran.code, ran.codes) == (4, ["MS-POL-070"])
    assert (folder / LOCK).read_bytes() == spoiled
    assert "lock: stale" in merchantscreen("rules", "lint", folder, "--as-of", "2026-12-01").out


def test_a_lock_is_never_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    """A link in the place of the lock is refused, and what it points at stays as it is."""
    (tmp_path / "elsewhere").write_text("mine", encoding="utf-8")
    (folder / LOCK).symlink_to(tmp_path / "elsewhere")
    ran = merchantscreen("rules", "lock", folder)
    assert (ran.code, ran.codes) == (65, ["MS-POL-003"])
    assert (tmp_path / "elsewhere").read_text(encoding="utf-8") == "mine"


def test_a_folder_is_asked_for_and_has_to_be_one(tmp_path: Path) -> None:
    """There is no default for what writes; a folder that is not there is refused."""
    assert merchantscreen("rules", "lock").code == 2
    assert merchantscreen("rules", "approve", "--approver", "a", "--statement", "b").code == 2
    assert merchantscreen("rules", "lock", tmp_path / "nowhere").code == 65
    assert merchantscreen("rules", "lock", tmp_path).code == 65


@pytest.mark.parametrize("verb", ["lock", "approve"])
def test_a_second_writer_waits_for_another_time(folder: Path, verb: str) -> None:
    """While somebody else writes to the folder, nothing is written and the exit code says try again."""
    merchantscreen("rules", "lock", folder)
    before = _entries(folder)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        ran = _approve(folder) if verb == "approve" else merchantscreen("rules", "lock", folder)
    finally:
        os.close(handle)
    assert (ran.code, ran.out) == (75, "")
    assert _entries(folder) == before


def test_an_interrupted_write_leaves_the_old_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk fails in the middle, the old record is whole and no other file remains."""
    merchantscreen("rules", "lock", folder)
    data = (folder / LOCK).read_bytes()
    before = _entries(folder)
    _change(folder, RANK, "role: rank", "role: rank  # as before")

    def full(_path: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert merchantscreen("rules", "lock", folder).code == 74
    assert (folder / LOCK).read_bytes() == data
    assert _entries(folder) == before


# --------------------------------------------------------------------------- approve


def test_an_approval_is_appended_and_its_lock_digest_told(folder: Path) -> None:
    """After the lock and the approval, lint says approved, by whom and why."""
    merchantscreen("rules", "lock", folder)
    ran = _approve(folder)
    digest = hashlib.sha256((folder / LOCK).read_bytes()).hexdigest()
    assert (ran.code, ran.err) == (0, "")
    assert f"11 files approved by {SECOND} at " in ran.out
    assert f"lock sha256 {digest}\nNote this digest elsewhere" in ran.out
    told = merchantscreen("rules", "lint", folder).out
    assert f"lock: current\napproval: approved by {SECOND} at " in told
    assert told.splitlines()[3].endswith(", unsigned: Reviewed.")


def test_the_same_person_approves_once_and_another_may_approve_too(folder: Path) -> None:
    """A repeated approval appends nothing; a second person's makes a second line in the chain."""
    merchantscreen("rules", "lock", folder)
    first = json.loads(_approve(folder, SECOND, "--json").out)
    again = json.loads(_approve(folder, SECOND.upper(), "--json").out)
    assert (first["new"], again["new"], again["digest"]) == (True, False, first["digest"])
    other = json.loads(_approve(folder, "third pair", "--json").out)
    assert (other["number"], other["new"]) == (2, True)
    lines = (folder / APPROVALS).read_bytes().split(b"\n")
    assert other["previous"] == hashlib.sha256(lines[0]).hexdigest()
    assert len(lines) == 3


def test_an_approval_is_for_one_lock_only(folder: Path) -> None:
    """After a change the policy is unapproved; after a lock and a new approval it is approved again."""
    merchantscreen("rules", "lock", folder)
    _approve(folder)
    _change(folder, RANK, "role: rank", "role: rank  # as before")
    assert "UNAPPROVED: " + RANK + ": only layout or comments changed" in merchantscreen("rules", "lint", folder).out
    stale = _approve(folder)
    assert (stale.code, stale.codes) == (4, ["MS-POL-071"])
    merchantscreen("rules", "lock", folder)
    assert "UNAPPROVED: rules.lock: not the lock of approval 1" in merchantscreen("rules", "lint", folder).out
    assert _approve(folder).code == 0
    assert "approval: approved by" in merchantscreen("rules", "lint", folder).out


def test_an_unlocked_policy_cannot_be_approved(folder: Path) -> None:
    """Without a lock there is nothing to approve."""
    ran = _approve(folder)
    assert (ran.code, ran.codes) == (4, ["MS-POL-074"])
    assert APPROVALS not in _entries(folder)


@pytest.mark.parametrize("approver", ["rule desk", "Rule-Desk", "desk,  CASE"])
def test_an_owner_cannot_approve(folder: Path, approver: str) -> None:
    """Whoever owns a file is refused, however the name is written, and every file is named."""
    merchantscreen("rules", "lock", folder)
    ran = _approve(folder, approver)
    assert (ran.code, set(ran.codes)) == (4, {"MS-POL-077"})
    assert APPROVALS not in _entries(folder)


def test_a_file_may_ask_for_somebody_in_particular(folder: Path) -> None:
    """Only the person named in the file may approve."""
    _change(folder, GATE, "approver: null", "approver: review board")
    merchantscreen("rules", "lock", folder)
    assert (_approve(folder).code, _approve(folder).codes) == (4, ["MS-POL-078"])
    assert _approve(folder, "Review Board").code == 0


@pytest.mark.parametrize("approver", ["", "  ", "n/a", "TBD", "x" * 201, "bell\a", "\u202egnp", "a\ud800"])
def test_an_approver_needs_a_name(folder: Path, approver: str) -> None:
    """Empty, placeholding, endless and unprintable names are refused, and not repeated on the terminal."""
    merchantscreen("rules", "lock", folder)
    ran = _approve(folder, approver)
    assert (ran.code, ran.codes, ran.out) == (2, ["MS-RUN-001"], "")
    assert APPROVALS not in _entries(folder)


def test_an_approval_needs_a_reason(folder: Path) -> None:
    """A statement that says nothing is none."""
    merchantscreen("rules", "lock", folder)
    ran = merchantscreen("rules", "approve", folder, "--approver", SECOND, "--statement", "-")
    assert (ran.code, ran.codes) == (2, ["MS-RUN-001"])


def test_a_policy_whose_own_tests_fail_cannot_be_approved(folder: Path) -> None:
    """A rule that does not do what it says is named with its test."""
    _change(folder, GATE, "given: {referred_declared_count: 1}", "given: {referred_declared_count: 2}")
    _change(folder, GATE, "expect: no_hit", "expect: hit")
    _change(folder, GATE, "given: {referred_declared_count: 0}", "given: {referred_declared_count: 1}")
    extra = "  - name: none at all\n    given: {referred_declared_count: 0}\n    expect: no_hit\n"
    _change(folder, GATE, "  - name: no website declared", f"{extra}  - name: no website declared")
    _change(folder, GATE, "  - name: one website\n    given: {referred_declared_count: 2}\n    expect: hit",
            "  - name: one website\n    given: {referred_declared_count: 2}\n    expect: no_hit")  # fmt: skip
    merchantscreen("rules", "lock", folder)
    ran = _approve(folder)
    assert (ran.code, ran.codes) == (65, ["MS-POL-094"])
    assert f"{GATE} tests: `one website`: hit" in ran.err


@pytest.mark.parametrize("name", [LOCK, APPROVALS])
def test_altered_records_are_named(folder: Path, name: str) -> None:
    """A record that was altered stops the next approval, and lint says which it is."""
    merchantscreen("rules", "lock", folder)
    _approve(folder)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data.replace(b"merchantscreen-", b"merchantscreen+", 1))
    ran = _approve(folder, "third pair")
    assert ran.code == 4
    assert f" {name}" in ran.err
    assert f"UNAPPROVED: {name}" in merchantscreen("rules", "lint", folder).out


def test_the_verbs_work_in_a_process_of_their_own(folder: Path) -> None:
    """Lock, approve and lint as a shell runs them, with problems as JSON where asked for."""
    assert process("rules", "lock", folder).code == 0
    refused = process("rules", "approve", folder, "--approver", "rule desk", "--statement", "Mine.", "--json-errors")
    assert refused.code == 4
    assert {json.loads(line)["code"] for line in refused.err.splitlines()} == {"MS-POL-077"}
    assert process("rules", "approve", folder, "--approver", SECOND, "--statement", "Reviewed.").code == 0
    assert json.loads(process("rules", "lint", folder, "--json").out)["approval"]["state"] == "approved"
