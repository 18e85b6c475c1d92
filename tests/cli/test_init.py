"""`init`: what it makes, what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.command import merchantscreen

from merchantscreen.eventlog.notes import Verifier, open_checkpoint
from merchantscreen.workspace.settings import load_settings


def test_it_says_what_to_keep_and_what_to_do_next(tmp_path: Path) -> None:
    """The verifier line is printed in full, and that nobody has a role is said."""
    ran = merchantscreen("init", tmp_path / "desk", "--audience", "network-one")
    assert (ran.code, ran.err) == (0, "")
    line = next(line.split()[-1] for line in ran.out.splitlines() if "verifier  " in line)
    assert line in (tmp_path / "desk" / "keys" / "checkpoint.pub").read_text(encoding="ascii").splitlines()
    assert "Nobody has a role yet" in ran.out
    assert "PRIVATE" not in ran.out
    checkpoint = open_checkpoint((tmp_path / "desk" / "checkpoints" / "1.note").read_bytes(), [Verifier.parsed(line)])
    assert (checkpoint.origin, checkpoint.size) == ("network-one/desk", 1)


def test_a_program_reads_the_same(tmp_path: Path) -> None:
    """With --json: one object with the key and the first checkpoint."""
    ran = merchantscreen("init", tmp_path / "My Desk", "--json")
    stated = json.loads(ran.out)
    assert (stated["name"], stated["audience"]) == ("workspace", "workspace")
    open_checkpoint(stated["checkpoint"].encode(), [Verifier.parsed(stated["verifier"])])
    assert load_settings(tmp_path / "My Desk").name == "workspace"


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    """A second init ends with 73 and changes nothing."""
    assert merchantscreen("init", tmp_path / "desk").code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "desk").rglob("*") if path.is_file()}
    ran = merchantscreen("init", tmp_path / "desk")
    assert (ran.code, ran.codes, ran.out) == (73, ["MS-WSP-010"], "")
    assert {path: path.read_bytes() for path in (tmp_path / "desk").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "code", "codes"),
    [
        (("--name", "Two Words", "--audience", "network-one"), 65, ["MS-WSP-006"]),
        (("--store", "mysql://db.example/x"), 65, ["MS-WSP-006"]),
        (("--store", "postgresql://"), None, None),
    ],
)
def test_what_no_setting_can_be_is_refused(
    tmp_path: Path, words: tuple[str, ...], code: int | None, codes: list[str] | None
) -> None:
    """Nothing is left behind, whatever was wrong."""
    ran = merchantscreen("init", tmp_path / "desk", *words)
    assert ran.code == code or (code is None and ran.code in {2, 73, 74})
    assert codes is None or ran.codes == codes
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A missing folder above is not made."""
    ran = merchantscreen("init", tmp_path / "nowhere" / "desk")
    assert (ran.code, ran.codes) == (73, ["MS-WSP-011"])
