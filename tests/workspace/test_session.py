"""A workspace at work: what is recorded is under a checkpoint, and what was tampered with is not built upon."""

from __future__ import annotations

import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from workspace.places import AT, made, opened, referral, settle, with_referrals

from merchantscreen.errors import BusyError, InputError, IntegrityError, MerchantScreenError, UsageError
from merchantscreen.eventlog.notes import Signer, open_checkpoint
from merchantscreen.workspace.access import system_user
from merchantscreen.workspace.session import open_workspace


def _codes(error: MerchantScreenError) -> list[str]:
    return [one.code for one in error.problems]


def test_whatever_was_recorded_is_under_a_checkpoint(desk: Path) -> None:
    """One checkpoint per command, named after the size, and the newest under its own name too."""
    with opened(desk) as workspace:
        workspace.record("note.made", {"n": 1})
        workspace.record("note.made", {"n": 2}, {"who": "A. Person"})
        head = workspace.head
    assert head.size == 3
    assert sorted(path.name for path in (desk / "checkpoints").iterdir()) == ["1.note", "3.note", "latest.note"]
    with opened(desk) as workspace:
        checkpoint = open_checkpoint((desk / "checkpoints" / "3.note").read_bytes(), workspace.checkpoints.verifiers())
        assert workspace.head == head
        assert workspace.log.verify(checkpoint).personal_kept == 1
    assert len(list((desk / "checkpoints").iterdir())) == 3


def test_an_error_inside_does_not_keep_the_checkpoint_away(desk: Path) -> None:
    """What was recorded before the error is signed like everything else."""
    with pytest.raises(MerchantScreenError):
        _record_and_fail(desk)
    with opened(desk) as workspace:
        assert workspace.checkpoints.latest().size == 2


def _record_and_fail(folder: Path) -> None:
    with opened(folder) as workspace:
        workspace.record("note.made", {})
        workspace.log.event(99)


def test_a_look_up_is_recorded_before_its_answer_without_its_subject(desk: Path) -> None:
    """The log holds purpose and commitment; the value lies beside it and can be erased."""
    with opened(desk) as workspace:
        event = workspace.lookup("case 17", "domain", "amber-shop.example")
        assert workspace.log.size == 2
        assert event.body.keys() == {"purpose", "subject_kind", "subject"}
        assert b"amber" not in event.leaf
        assert workspace.log.personal(1) == {"subject": "amber-shop.example"}
        workspace.erase(1, "subject", "request 5")
        assert workspace.log.personal(1) == {}
        assert workspace.history().problems == ()


@pytest.mark.parametrize("purpose", ["", "  ", "a", "x" * 201, "a\x1b[31mb"])
def test_a_look_up_needs_a_purpose(file_desk: Path, purpose: str) -> None:
    """Without one nothing is recorded and nothing may be answered."""
    with opened(file_desk) as workspace:
        with pytest.raises(UsageError) as caught:
            workspace.lookup(purpose, "domain", "amber-shop.example")
        assert (_codes(caught.value), workspace.log.size) == (["MS-WSP-022"], 1)


def test_look_ups_are_limited_by_day_and_person(file_desk: Path) -> None:
    """Bulk look-ups end at the number of the settings, and the refusal is recorded; a new day begins anew."""
    settle(file_desk, "lookups_per_day = 2")
    with opened(file_desk) as workspace:
        for number in range(2):
            workspace.lookup("case 17", "domain", f"shop-{number}.example")
        with pytest.raises(UsageError) as caught:
            workspace.lookup("case 17", "domain", "shop-3.example")
        assert _codes(caught.value) == ["MS-WSP-023"]
        assert workspace.log.event(3).kind == "access.refused"
    with open_workspace(file_desk, clock=lambda: AT + timedelta(days=1)) as workspace:
        workspace.lookup("case 17", "domain", "shop-3.example")


def test_history_is_a_fold_over_a_prefix(desk: Path) -> None:
    """The same size gives the same history, whatever came later."""
    with_referrals(desk)
    with_referrals(desk, referral(referral_id="R-2"))
    with opened(desk) as workspace:
        assert len(workspace.history().received) == 2
        earlier = workspace.history(2)
    assert [(one.number, one.event.referral_id) for one in earlier.received] == [("R-000001", "R-1")]


def test_a_store_that_was_put_back_is_not_built_upon(file_desk: Path, tmp_path: Path) -> None:
    """An older copy of the store is behind the latest checkpoint: nothing is read from it or added to it."""
    shutil.copy(file_desk / "store.sqlite3", tmp_path / "old")
    with_referrals(file_desk)
    shutil.copy(tmp_path / "old", file_desk / "store.sqlite3")
    with pytest.raises(IntegrityError) as caught:
        opened(file_desk)
    assert _codes(caught.value) == ["MS-WSP-032"]


def test_the_store_of_another_workspace_is_refused(file_desk: Path, tmp_path: Path) -> None:
    """A log of another name, or of the same name and other events, is not this workspace's."""
    other = made(tmp_path / "other").folder
    shutil.copy(other / "store.sqlite3", file_desk / "store.sqlite3")
    with opened(other) as workspace:
        workspace.record("note.made", {})
    shutil.copy(other / "checkpoints" / "latest.note", file_desk / "checkpoints" / "latest.note")
    with pytest.raises(IntegrityError):
        opened(file_desk)


@pytest.mark.parametrize("name", ["latest.note", "../keys/checkpoint.pub"])
def test_without_checkpoint_or_public_key_nothing_is_opened(file_desk: Path, name: str) -> None:
    """Deleting what proves the past does not open the way to another one."""
    (file_desk / "checkpoints" / name).unlink()
    with pytest.raises((IntegrityError, InputError)) as caught:
        opened(file_desk)
    assert set(_codes(caught.value)) <= {"MS-WSP-031", "MS-WSP-030"}


def test_a_forged_checkpoint_is_refused(file_desk: Path) -> None:
    """A note under another key counts for nothing, even under the same name."""
    with opened(file_desk) as workspace:
        forged = workspace.log.checkpoint(Signer.generated("network-one/desk"))
    (file_desk / "checkpoints" / "latest.note").write_bytes(forged)
    with pytest.raises(IntegrityError):
        opened(file_desk)


def test_two_histories_are_never_signed(file_desk: Path) -> None:
    """Another checkpoint of the same size stops the command that would sign over it."""
    with opened(file_desk) as workspace:
        workspace.record("note.made", {"n": 1})
    kept = (file_desk / "checkpoints" / "1.note").read_bytes()
    (file_desk / "checkpoints" / "3.note").write_bytes(kept)
    with pytest.raises(IntegrityError) as caught, opened(file_desk) as workspace:
        workspace.record("note.made", {"n": 2})
    assert _codes(caught.value) == ["MS-WSP-033"]


@pytest.mark.parametrize("damage", ["gone", "exposed", "another"])
def test_without_its_key_nothing_is_recorded(file_desk: Path, damage: str) -> None:
    """What could not be signed is not written either; reading still works."""
    key = file_desk / "keys" / "checkpoint.key"
    match damage:
        case "gone":
            key.unlink()
        case "exposed":
            key.chmod(0o644)
        case _:
            key.write_bytes(Signer.generated("x").private_pem())
    with opened(file_desk) as workspace:
        with pytest.raises((InputError, IntegrityError)) as caught:
            workspace.record("note.made", {})
        assert workspace.log.size == 1
    assert set(_codes(caught.value)) <= {"MS-WSP-030", "MS-WSP-035"}


def test_a_private_key_shows_nowhere(file_desk: Path) -> None:
    """Neither a message nor a repr quotes it."""
    secret = (file_desk / "keys" / "checkpoint.key").read_text(encoding="ascii").splitlines()[1]
    with opened(file_desk) as workspace:
        shown = repr(workspace.checkpoints) + repr(workspace.checkpoints.signer()) + repr(workspace.settings)
    assert secret not in shown
    assert all(secret.encode() not in path.read_bytes() for path in file_desk.rglob("*")
               if path.is_file() and path.name != "checkpoint.key")  # fmt: skip


def test_commands_at_once_lose_nothing(desk: Path) -> None:
    """Two commands at once: every event is there, and the latest checkpoint covers all of them."""
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(5):
                with opened(desk) as workspace:
                    workspace.record("note.made", {"by": name, "n": number})
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with opened(desk) as workspace:
        latest = workspace.checkpoints.latest()
        assert latest.size == workspace.log.size == 11
        workspace.log.verify(latest)


def test_a_decision_on_an_older_log_is_not_recorded(desk: Path) -> None:
    """Who decided on what the log said before is told to decide again."""
    with opened(desk) as first, opened(desk) as second:
        size = first.head.size
        second.record("note.made", {})
        with pytest.raises(BusyError):
            first.record("note.made", {}, expected_size=size)


def test_the_person_at_work_is_the_system_user(file_desk: Path) -> None:
    """Nobody says who they are; the system does."""
    with opened(file_desk) as workspace:
        assert workspace.record("note.made", {}).actor == system_user()
