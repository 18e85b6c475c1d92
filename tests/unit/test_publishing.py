"""Exports on the disk: recorded before they are readable at their name, whole, private, never over another."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from merchantscreen.errors import CannotCreateError, FileAccessError
from merchantscreen.outputs import publishing
from merchantscreen.outputs.publishing import archived, staged_file, staged_folder


def test_the_name_is_taken_only_after_the_block(tmp_path: Path) -> None:
    """While the caller records, nothing is there under the name; if recording fails, nothing ever is."""
    target, folder = tmp_path / "a.csv", tmp_path / "case"
    with staged_file(target, b"a"), staged_folder(folder, {"b.txt": b"b"}):
        assert not target.exists()
        assert not folder.exists()
    assert (target.read_bytes(), (folder / "b.txt").read_bytes()) == (b"a", b"b")
    with pytest.raises(RuntimeError), staged_file(tmp_path / "c", b"c"), staged_folder(tmp_path / "d", {"e": b"e"}):
        raise RuntimeError("the log is closed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "case"]


def test_what_is_written_is_private_and_never_over_another(tmp_path: Path) -> None:
    """Mode 0700 and 0600; what exists, a dangling link included, stays as it is, also if it came meanwhile."""
    target = tmp_path / "cases" / "one"
    with staged_folder(target, {"a.txt": b"a"}):
        pass
    assert (target.stat().st_mode & 0o777, (target / "a.txt").stat().st_mode & 0o777) == (0o700, 0o600)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for taken in (target, link):
        with pytest.raises(CannotCreateError), staged_folder(taken, {"a.txt": b"b"}):
            pass
        with pytest.raises(CannotCreateError), staged_file(taken, b"b"):
            pass
    assert (target / "a.txt").read_bytes() == b"a"
    with pytest.raises(CannotCreateError), staged_file(tmp_path / "late", b"ours"):
        (tmp_path / "late").write_bytes(b"theirs")
    assert (tmp_path / "late").read_bytes() == b"theirs"
    with pytest.raises(CannotCreateError), staged_file(tmp_path / "nowhere" / "file", b""):
        pass


def test_what_fails_underway_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves no folder, no file and nothing half written, and the caller never records."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, "write_new", full)
    recorded = False
    for staged in (staged_file(tmp_path / "file", b"a"), staged_folder(tmp_path / "case", {"a.txt": b"a"})):
        with pytest.raises(FileAccessError), staged:
            recorded = True
    assert not recorded
    assert list(tmp_path.iterdir()) == []


def test_an_archive_depends_on_its_files_alone() -> None:
    """Neither order nor time changes a byte; every file is private."""
    first = archived({"b.txt": b"b", "a.txt": b"a"})
    assert first == archived({"a.txt": b"a", "b.txt": b"b"})
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == ["a.txt", "b.txt"]
        assert {entry.external_attr >> 16 & 0o777 for entry in archive.infolist()} == {0o600}
