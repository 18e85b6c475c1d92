"""`log export` and `log verify --file`: a log that leaves its workspace, and is checked where there is none."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path

import pytest
from cli.command import Ran, merchantscreen, process
from workspace.places import made, opened, settle, with_referrals

from merchantscreen.workspace.access import system_user

SECRET = "shop-that-somebody-asked-about.example"


@pytest.fixture
def desk(tmp_path: Path, store: str) -> Path:
    """Give a test a workspace in each kind of store, with a referral and a look-up."""
    folder = made(tmp_path / "desk", store).folder
    with_referrals(folder)
    with opened(folder) as workspace:
        workspace.lookup("case 17", "domain", SECRET)
    return folder


def _export(desk: Path, name: str = "log.txt") -> Path:
    out = desk.parent / name
    ran = merchantscreen("log", "export", out, "--workspace", desk)
    assert ran.code == 0, ran.err
    return out


def _key(desk: Path) -> str:
    return merchantscreen("log", "key", "--workspace", desk).out.strip()


def _kept(desk: Path, name: str = "kept.note") -> Path:
    return shutil.copy(desk / "checkpoints" / "latest.note", desk.parent / name)


def test_an_export_is_checked_where_there_is_no_workspace(desk: Path, tmp_path: Path) -> None:
    """File, key and an older checkpoint are all that is needed; another process in an empty folder believes it."""
    older, key = _kept(desk), _key(desk)
    with opened(desk) as workspace:
        workspace.record("note.made", {"n": 1})
    out = _export(desk)
    shutil.move(desk, tmp_path / "away")
    ran = process("log", "verify", "--file", out, "--key", key, "--against", older, MERCHANTSCREEN_WORKSPACE="/nowhere")
    assert (ran.code, ran.err) == (0, "")
    first, count, begins = ran.out.splitlines()
    assert first.startswith("log.txt checks out: network-one/desk 4 ")
    assert count == "  4 events; personal values are not in it"
    assert begins.startswith("  begins with what was signed at 3: network-one/desk 3 ")
    stated = json.loads(merchantscreen("log", "verify", "--file", out, "--key", key, "--json").out)
    assert (stated["log"]["size"], stated["against"]) == (4, [])
    alone = merchantscreen("log", "verify", "--file", out, "--key", key)
    assert "--against a newer one that was kept outside would tell" in alone.out


def test_an_export_is_recorded_and_is_what_the_record_says(desk: Path) -> None:
    """The log holds its sha256 under who made it; the file is private and holds the events before that one."""
    out = _export(desk)
    with opened(desk) as workspace:
        (event,) = workspace.log.events(kinds=("export.made",))
    assert event.body == {"kind": "log", "sha256": hashlib.sha256(out.read_bytes()).hexdigest()}
    assert (event.index, event.actor) == (3, system_user())
    assert len(out.read_bytes().split(b"\n\n")[0].splitlines()) == 1 + event.index
    assert out.stat().st_mode & 0o777 == 0o600
    assert merchantscreen("log", "verify", "--workspace", desk).code == 0
    said = json.loads(merchantscreen("log", "export", desk.parent / "two", "--workspace", desk, "--json").out)
    assert (said["event"], said["log"]["size"]) == (4, 4)


def test_personal_values_stay(desk: Path) -> None:
    """Neither value nor salt is in the file, and an erasure afterwards leaves nothing to find in it."""
    with opened(desk) as workspace, workspace.log._store.reading() as reader:
        (personal,) = reader.personal()
    data = _export(desk).read_bytes()
    assert personal.commitment.encode() in data
    assert SECRET.encode() not in data
    assert personal.salt not in data
    assert personal.salt.hex().encode() not in data


def test_a_sample_of_changes_through_the_command(desk: Path) -> None:
    """Flipped, cut, with a line gone: 4 or 65, a code, and nothing on standard output that says it is well."""
    out, key, chance = _export(desk), _key(desk), random.Random(4)
    good = out.read_bytes()
    lines = good.splitlines(keepends=True)
    changed = [good[:-1], good + b"\n", b"".join(lines[:2] + lines[3:]), b"".join(lines[:-1]), b""]
    changed += [good[:place] for place in chance.sample(range(len(good)), 20)]
    for place in chance.sample(range(len(good) * 8), 60):
        flipped = bytearray(good)
        flipped[place // 8] ^= 1 << place % 8
        changed.append(bytes(flipped))
    for data in changed:
        out.write_bytes(data)
        ran = merchantscreen("log", "verify", "--file", out, "--key", key)
        assert (ran.code in {4, 65}, ran.out, bool(ran.codes)) == (True, "", True), ran.err
        assert "Traceback" not in ran.err


def test_an_older_export_is_short_of_a_newer_checkpoint(desk: Path) -> None:
    """Each is true for itself; against what was signed since, the older one lacks events."""
    out, key = _export(desk), _key(desk)
    with opened(desk) as workspace:
        workspace.record("note.made", {"n": 1})
    assert merchantscreen("log", "verify", "--file", out, "--key", key).code == 0
    ran = merchantscreen("log", "verify", "--file", out, "--key", key, "--against", _kept(desk))
    assert (ran.code, ran.codes) == (4, ["MS-LOG-031"])


def _refusals(desk: Path, out: Path, key: str) -> dict[str, Ran]:
    run = {"--workspace": desk}
    words: dict[str, list[str | Path]] = {
        "no key": ["log", "verify", "--file", out],
        "a workspace as well": ["log", "verify", "--file", out, "--key", key, "--workspace", desk],
        "no file": ["log", "verify", "--file", desk / "nowhere", "--key", key],
        "a folder": ["log", "verify", "--file", desk, "--key", key],
        "a name that is taken": ["log", "export", out, *(word for pair in run.items() for word in pair)],
        "no folder for it": ["log", "export", desk / "no" / "x", *(word for pair in run.items() for word in pair)],
    }
    return {name: merchantscreen(*said) for name, said in words.items()}


def test_what_cannot_be_done_is_said(desk: Path) -> None:
    """Usage ends with 2, unreadable files with 65, names that cannot be made with 73; no name is overwritten."""
    out = _export(desk)
    before = out.read_bytes()
    ended = {name: ran.code for name, ran in _refusals(desk, out, _key(desk)).items()}
    assert ended == {
        "no key": 2, "a workspace as well": 2, "no file": 65, "a folder": 65, "a name that is taken": 73,
        "no folder for it": 73,
    }  # fmt: skip
    assert out.read_bytes() == before


def test_only_who_may_read_the_log_exports_it(desk: Path) -> None:
    """An analyst is refused, and no file is made; an auditor is not."""
    with (desk / "merchantscreen.toml").open(encoding="utf-8") as file:
        store = [line for line in file.read().splitlines() if line.startswith("store")]
    for role, code in (("analyst", 2), ("auditor", 0)):
        settle(desk, *store, "[roles]", f'{system_user()} = ["{role}"]')
        out = desk.parent / role
        assert merchantscreen("log", "export", out, "--workspace", desk).code == code
        assert out.exists() is (code == 0)
