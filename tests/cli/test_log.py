"""`log`: showing, verifying, signing and proving; and everything an insider does to a workspace that shows."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli.command import Ran, merchantscreen
from workspace.places import made, opened, settle, with_referrals

from merchantscreen.eventlog.notes import Signer
from merchantscreen.workspace.access import system_user


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Give a test a workspace with a referral and a look-up."""
    folder = made(tmp_path / "desk").folder
    with_referrals(folder)
    with opened(folder) as workspace:
        workspace.lookup("case 17 about shop.example", "domain", "amber-shop.example")
    return folder


def _log(folder: Path, *words: str | Path) -> Ran:
    return merchantscreen("log", *words, "--workspace", folder)


def _key(folder: Path) -> str:
    return _log(folder, "key").out.strip()


# --------------------------------------------------------------------------- show


def test_events_are_shown_in_order_without_hosts_or_personal_values(desk: Path) -> None:
    """One line per event; host names are defanged, and what was looked up is not there."""
    ran = _log(desk, "show")
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert [line.split()[2] for line in lines[:-1]] == ["workspace.created", "referral.imported", "lookup"]
    assert "shop[.]example" in lines[2]
    assert ".example" not in ran.out.replace("[.]example", "")
    assert "(personal, not in the log)" in lines[2]
    assert lines[-1] == "3 events of 3"


def test_kinds_and_numbers_narrow_the_list(desk: Path) -> None:
    """Both ends are included; kinds add up."""
    assert _log(desk, "show", "--from", "1", "--to", "1").out.splitlines()[-1] == "1 event of 3"
    assert _log(desk, "show", "--kind", "lookup", "--kind", "workspace.created").out.splitlines()[-1] == "2 events of 3"
    assert _log(desk, "show", "--from", "9").out.splitlines() == ["0 events of 3"]


def test_a_program_reads_whole_events(desk: Path) -> None:
    """With --json: the bodies as they are, and the head they belong to."""
    stated = json.loads(_log(desk, "show", "--json").out)
    assert stated["log"]["size"] == 3
    assert [event["index"] for event in stated["events"]] == [0, 1, 2]
    assert stated["events"][1]["body"]["events"][0]["domain"] == "amber-shop.example"
    assert stated["events"][2]["body"]["subject"].keys() == {"commitment"}


def test_hostile_text_reaches_no_terminal(desk: Path) -> None:
    """What somebody wrote into an event is escaped."""
    with opened(desk) as workspace:
        workspace.record("note.made", {"text": "a\x1b[31mb\u202ec", "long": "x" * 5000, "many": list(range(99))})
    out = _log(desk, "show", "--kind", "note.made").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert len(out) < 600


# --------------------------------------------------------------------------- who may


@pytest.mark.parametrize(
    ("role", "refused"),
    [("intake", {"show", "checkpoint", "prove"}), ("analyst", {"show", "checkpoint", "prove"}), ("auditor", set())],
)
def test_roles_decide_who_reads_the_log(desk: Path, role: str, refused: set[str]) -> None:
    """Everybody may verify; only auditors and leads read, sign and prove."""
    settle(desk, "[roles]", f'{system_user()} = ["{role}"]')
    verbs: dict[str, tuple[str, ...]] = {"show": (), "checkpoint": (), "prove": ("0",), "verify": (), "key": ()}
    ended = {verb: _log(desk, verb, *words).code for verb, words in verbs.items()}
    assert ended == {verb: 2 if verb in refused else 0 for verb in verbs}


def test_acting_under_another_name(desk: Path) -> None:
    """A name of the settings may be used by its system user; any other is refused."""
    settle(desk, "[roles]", 'dora = ["auditor"]', "[people]", f'{system_user()} = ["dora"]')
    assert _log(desk, "show").code == 2
    assert _log(desk, "show", "--as", "dora").code == 0
    ran = _log(desk, "show", "--as", "carla")
    assert (ran.code, ran.codes) == (2, ["MS-WSP-021"])
    assert "carla" not in ran.err


def test_without_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither here nor above: said, with what to do."""
    monkeypatch.chdir(tmp_path)
    ran = merchantscreen("log", "show")
    assert (ran.code, ran.codes) == (65, ["MS-WSP-001"])


def test_a_workspace_is_found_around_and_by_the_environment(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No option is needed inside of it."""
    monkeypatch.chdir(desk / "rules")
    assert merchantscreen("log", "verify").code == 0
    monkeypatch.chdir("/")
    monkeypatch.setenv("MERCHANTSCREEN_WORKSPACE", str(desk))
    assert merchantscreen("log", "verify").code == 0


# --------------------------------------------------------------------------- verify


def _edit(folder: Path, *statements: str) -> None:
    """Change the store as somebody who owns the file can: triggers off, and on again."""
    with closing(sqlite3.connect(folder / "store.sqlite3", isolation_level=None)) as store:
        triggers = store.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            store.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            store.execute(statement)
        for _, sql in triggers:
            store.execute(sql)


def _rebuilt(folder: Path) -> None:
    """Replace the store by one of the same name and size with other events, all hashes right."""
    other = made(folder.parent / "other").folder
    for number in range(2):
        with opened(other) as workspace:
            workspace.record("note.made", {"n": number})
    shutil.copy(other / "store.sqlite3", folder / "store.sqlite3")


def _taken_over(folder: Path) -> None:
    """Replace store, key and checkpoints: everything inside agrees, and only what was kept outside does not."""
    _rebuilt(folder)
    other = folder.parent / "other"
    for name in ("checkpoints", "keys"):
        shutil.rmtree(folder / name)
        shutil.copytree(other / name, folder / name)


def _cut(folder: Path) -> None:
    shutil.copy(folder.parent / "early.sqlite3", folder / "store.sqlite3")


def _forged(folder: Path) -> None:
    with opened(folder) as workspace:
        note = workspace.log.checkpoint(Signer.generated("network-one/desk"))
    (folder / "checkpoints" / "latest.note").write_bytes(note)


EDIT = "UPDATE eventlog_events SET leaf = CAST(replace(CAST(leaf AS TEXT), 'case', 'Case') AS BLOB) WHERE position = 2"
TAMPERING: dict[str, tuple[Callable[[Path], Any], set[str]]] = {
    "one event edited": (
        lambda f: _edit(f, EDIT),
        {"MS-LOG-024", "MS-LOG-032"},
    ),
    "last event gone": (lambda f: _edit(f, "DELETE FROM eventlog_events WHERE position = 2"), {"MS-LOG-023"}),
    "personal value changed": (lambda f: _edit(f, "UPDATE eventlog_personal SET value = x'61'"), {"MS-LOG-025"}),
    "personal value gone": (lambda f: _edit(f, "DELETE FROM eventlog_personal"), {"MS-LOG-026"}),
    "store of another day": (_cut, {"MS-LOG-031"}),
    "store rebuilt with right hashes": (_rebuilt, {"MS-LOG-032"}),
    "checkpoint forged": (_forged, {"MS-LOG-014"}),
    "latest checkpoint gone": (lambda f: (f / "checkpoints" / "latest.note").unlink(), {"MS-WSP-031"}),
    "everything taken over": (_taken_over, {"MS-LOG-014"}),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_whatever_is_done_to_store_or_checkpoint_is_found(tmp_path: Path, how: str) -> None:
    """With a checkpoint and a key kept outside, verify ends with 4 and says what differs."""
    folder = made(tmp_path / "desk").folder
    key = _key(folder)
    shutil.copy(folder / "store.sqlite3", tmp_path / "early.sqlite3")
    with_referrals(folder)
    with opened(folder) as workspace:
        workspace.lookup("case 17", "domain", "amber-shop.example")
    kept = tmp_path / "kept.note"
    shutil.copy(folder / "checkpoints" / "latest.note", kept)
    assert _log(folder, "verify", "--against", kept, "--key", key).code == 0
    change, expected = TAMPERING[how]
    change(folder)
    ran = _log(folder, "verify", "--against", kept, "--key", key)
    assert ran.code == 4, ran.out + ran.err
    assert expected <= set(ran.codes)
    assert ran.out == ""


def test_what_is_kept_outside_is_what_counts(tmp_path: Path) -> None:
    """Who replaces everything inside satisfies a check of the inside; the output says how little that means."""
    folder = made(tmp_path / "desk").folder
    _taken_over(folder)
    ran = _log(folder, "verify")
    assert ran.code == 0
    assert "Compared only with checkpoints of the workspace itself" in ran.out


def test_a_crash_before_the_checkpoint_is_no_damage(desk: Path) -> None:
    """Events after the last checkpoint are counted and said."""
    with opened(desk) as workspace:
        workspace.log.append("note.made", "anna", {}, at=workspace.now())
    assert "latest checkpoint: 3; 1 event since" in _log(desk, "verify").out
    assert json.loads(_log(desk, "verify", "--json").out)["events_since_checkpoint"] == 1


def test_a_note_of_another_log_and_a_file_that_is_none(desk: Path, tmp_path: Path) -> None:
    """Neither passes; a missing file is no integrity problem."""
    other = made(tmp_path / "other").folder
    assert _log(desk, "verify", "--against", other / "checkpoints" / "latest.note").code == 4
    assert _log(desk, "verify", "--against", desk / "merchantscreen.toml").codes == ["MS-LOG-013"]
    assert _log(desk, "verify", "--against", tmp_path / "nowhere").code == 65
    assert _log(desk, "verify", "--key", "no+key").codes == ["MS-LOG-010"]


# --------------------------------------------------------------------------- checkpoint, prove, busy


def test_the_printed_checkpoint_is_the_note_itself(desk: Path, tmp_path: Path) -> None:
    """What is printed can be kept as it is, and --json holds the same."""
    kept = tmp_path / "kept.note"
    kept.write_text(_log(desk, "checkpoint").out, encoding="utf-8")
    assert kept.read_bytes() == (desk / "checkpoints" / "latest.note").read_bytes()
    assert json.loads(_log(desk, "checkpoint", "--json").out)["note"].encode() == kept.read_bytes()


def test_a_proof_holds_without_the_workspace(desk: Path, tmp_path: Path) -> None:
    """Whoever has the verifier line needs nothing else; on stdout or in a file it is the same."""
    key, proof = _key(desk), tmp_path / "proof.json"
    assert _log(desk, "prove", "1", "--out", proof).code == 0
    assert json.loads(_log(desk, "prove", "1").out) == json.loads(proof.read_bytes())
    shutil.rmtree(desk)
    ran = merchantscreen("log", "verify-proof", proof, "--key", key)
    assert ran.code == 0
    assert ran.out.startswith("The proof holds: event 1 is in network-one/desk 3 ")
    assert proof.stat().st_mode & 0o777 == 0o600


def test_any_change_to_a_proof_is_found(desk: Path, tmp_path: Path) -> None:
    """Index, event, hashes, checkpoint and key all have to fit."""
    key = _key(desk)
    good = json.loads(_log(desk, "prove", "1").out)
    other = json.loads(_log(desk, "prove", "2").out)
    changed = [
        good | {"index": 0}, good | {"leaf": other["leaf"]}, good | {"hashes": good["hashes"][::-1]},
        good | {"hashes": good["hashes"][:-1]}, good | {"checkpoint": good["checkpoint"].replace("\n3\n", "\n4\n")},
        good | {"schema": "x"}, good | {"more": 1}, good | {"index": True}, good | {"hashes": ["x"]}, [], "x",
        good | {"leaf": 7}, good | {"checkpoint": None},
    ]  # fmt: skip
    path = tmp_path / "proof.json"
    for number, stated in enumerate(changed):
        path.write_text(json.dumps(stated), encoding="utf-8")
        ran = merchantscreen("log", "verify-proof", path, "--key", key)
        assert ran.code == (4 if number < 5 else 65), (number, ran.err)
    path.write_text(json.dumps(good), encoding="utf-8")
    stranger = str(Signer.generated("network-one/desk").verifier)
    assert merchantscreen("log", "verify-proof", path, "--key", stranger).codes == ["MS-LOG-014"]
    assert merchantscreen("log", "verify-proof", path).code == 2
    assert _log(desk, "prove", "99").codes == ["MS-LOG-040"]
    assert _log(desk, "prove", "1", "--out", path).code == 73


def test_a_log_that_is_being_written_to_is_waited_for(desk: Path) -> None:
    """Whoever does not get a turn in time ends with 75 and has written nothing."""
    settle(desk, "busy_seconds = 0")
    with closing(sqlite3.connect(desk / "store.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        ran = _log(desk, "checkpoint")
        other.execute("ROLLBACK")
    assert ran.code == 75
    assert _log(desk, "verify").code == 0


# --------------------------------------------------------------------------- erase


def test_a_personal_value_is_erased_and_the_log_still_verifies(desk: Path) -> None:
    """The value is gone, the tree holds against the older checkpoint, and the erasure is an event."""
    before = desk.parent / "before.note"
    shutil.copy(desk / "checkpoints" / "latest.note", before)
    ran = _log(desk, "erase", "2", "subject", "--reason", "request 4 of a data subject")
    assert (ran.code, "subject of event 2 is erased" in ran.out) == (0, True)
    assert _log(desk, "verify", "--against", before).code == 0
    with opened(desk) as workspace:
        assert workspace.log.personal(2) == {}
    again = _log(desk, "erase", "2", "subject", "--reason", "once more")
    assert (again.code, "Traceback" in again.err) == (2, False)
