"""Making a workspace: private, whole or not at all, never over anything."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from workspace.places import AT, made, opened

from merchantscreen.errors import CannotCreateError, InputError, MerchantScreenError
from merchantscreen.eventlog.log import open_log
from merchantscreen.eventlog.notes import open_checkpoint
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.locking import stale_files
from merchantscreen.workspace import layout
from merchantscreen.workspace.layout import Plan, make_workspace


def test_everything_is_private(file_desk: Path) -> None:
    """Folders are 0700 and files 0600, whatever the umask."""
    modes = {stat.S_IMODE(path.lstat().st_mode) for path in [file_desk, *file_desk.rglob("*")] if path.is_dir()}
    assert modes == {0o700}
    assert {stat.S_IMODE(path.lstat().st_mode) for path in file_desk.rglob("*") if path.is_file()} == {0o600}


def test_a_generous_umask_changes_nothing(tmp_path: Path) -> None:
    """Nothing is left to the umask."""
    before = os.umask(0)
    try:
        folder = made(tmp_path / "open").folder
    finally:
        os.umask(before)
    assert all(not stat.S_IMODE(path.lstat().st_mode) & 0o077 for path in [folder, *folder.rglob("*")])


def test_it_begins_with_an_event_and_a_checkpoint(tmp_path: Path, store: str) -> None:
    """The first checkpoint covers the first event, in both kinds of stores."""
    new = made(tmp_path / "desk", store)
    checkpoint = open_checkpoint(new.note, [new.verifier])
    assert (checkpoint.origin, checkpoint.size) == ("network-one/desk", 1)
    with opened(new.folder) as workspace:
        event = workspace.log.event(0)
        assert (event.kind, event.recorded_at) == ("workspace.created", AT)
        assert event.body.keys() == {"name", "audience", "version"}
        workspace.log.verify(checkpoint)


def test_the_rules_are_the_ones_that_came_along_and_locked(file_desk: Path) -> None:
    """The copy loads, its lock is current, and no approval of somebody else came with it."""
    policy = load_policy(file_desk / "rules")
    assert policy.digest == load_policy(None).digest
    assert stale_files(policy) == []
    assert "approvals.jsonl" not in policy.files


@pytest.mark.parametrize("kind", ["workspace", "empty folder", "file", "broken link"])
def test_nothing_is_written_over(tmp_path: Path, kind: str) -> None:
    """Whatever has the name keeps it."""
    target = tmp_path / "desk"
    match kind:
        case "workspace":
            made(target)
        case "empty folder":
            target.mkdir()
        case "file":
            target.write_text("mine", encoding="utf-8")
        case _:
            target.symlink_to(tmp_path / "nowhere")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(CannotCreateError) as caught:
        made(target)
    assert [one.code for one in caught.value.problems] == ["MS-WSP-010"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_name_taken_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two inits at once: one wins, the other leaves no trace."""
    begin = layout._begin

    def slow(*given: object) -> bytes:
        if not (tmp_path / "desk").exists():
            (tmp_path / "desk").mkdir()
        return begin(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(layout, "_begin", slow)
    with pytest.raises(CannotCreateError):
        made(tmp_path / "desk")
    assert [path.name for path in tmp_path.iterdir()] == ["desk"]
    assert list((tmp_path / "desk").iterdir()) == []


@pytest.mark.parametrize("step", ["_copy_rules", "_begin", "_first_event"])
def test_what_fails_underway_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A full disk at any step: no folder, no draft."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layout, step, full)
    with pytest.raises(CannotCreateError) as caught:
        made(tmp_path / "desk")
    assert [one.code for one in caught.value.problems] == ["MS-WSP-011"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "store"), [("Two Words", "sqlite:s"), ("desk", "mysql://x"), ("desk", "sqlite:")])
def test_names_that_settings_cannot_have_are_refused(tmp_path: Path, name: str, store: str) -> None:
    """What could not be read back is not written."""
    with pytest.raises(InputError):
        make_workspace(Plan(tmp_path / "desk", name, "network-one", store), "anna", AT)
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_in_a_database_is_said(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log in a database cannot be taken back, so a failure after it says what to do."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layout, "_first_event", full)
    with pytest.raises(CannotCreateError) as caught:
        made(tmp_path / "desk", database)
    assert [one.code for one in caught.value.problems] == ["MS-WSP-012"]
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_holds_a_log_is_not_taken(tmp_path: Path, database: str) -> None:
    """Two workspaces never share a log by accident."""
    made(tmp_path / "one", database)
    with pytest.raises(MerchantScreenError) as caught:
        made(tmp_path / "two", database)
    assert caught.value.exit_code == 73
    assert not (tmp_path / "two").exists()
    with open_log(database) as log:
        assert log.size == 1
