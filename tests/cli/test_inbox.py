"""`referrals intake` without a file: the inbox is taken in, and every file of it ends where it can be told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from exchange import network
from exchange.desk import Desk, confirms
from workplace import Clock

from merchantscreen.cli.referrals import signed

LATER = "2026-10-15T11:30:00Z"


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    """Make a workspace that has accepted the network's trust file."""
    return Desk(tmp_path, clock)


def put(desk: Desk, name: str, *data: bytes) -> Path:
    """Put a file of envelopes into the inbox."""
    path = desk.place / "inbox" / name
    path.write_bytes(b"".join(one + b"\n" for one in data))
    return path


def there(desk: Desk) -> list[str]:
    """Return all files under the inbox."""
    folder = desk.place / "inbox"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_every_file_ends_where_it_can_be_told_apart(desk: Desk) -> None:
    """A stream in two files named against their order comes in whole; what is refused has its reasons beside it."""
    north = network.north()
    put(desk, "b-october.dsse.jsonl", confirms(north))
    put(desk, "a-november.dsse.jsonl", north.states(event="site_down", issued_at=LATER))
    foreign = confirms(network.Hotline("hotline-west", [network.key("stranger")]))
    put(desk, "mixed.dsse.jsonl", confirms(network.south(), "other-shop.example"), foreign)
    put(desk, "list.csv", b"referral_id")
    put(desk, "empty.dsse.jsonl")
    put(desk, "half.dsse.jsonl.part", foreign)
    put(desk, ".hidden.dsse.jsonl", foreign)
    ran = desk.run("referrals", "intake")
    assert (ran.code, sorted(ran.codes)) == (6, ["MS-EXC-012", "MS-RFL-002", "MS-RFL-019"])
    assert there(desk) == [
        ".hidden.dsse.jsonl", "done/a-november.dsse.jsonl", "done/b-october.dsse.jsonl", "half.dsse.jsonl.part",
        "refused/empty.dsse.jsonl", "refused/empty.dsse.jsonl.problems.txt",
        "refused/list.csv", "refused/list.csv.problems.txt",
        "refused/mixed.dsse.jsonl", "refused/mixed.dsse.jsonl.problems.txt",
    ]  # fmt: skip
    report = (desk.place / "inbox" / "refused" / "mixed.dsse.jsonl.problems.txt").read_text()
    assert "1 accepted, 0 duplicate, 0 quarantined, 1 refused" in report
    assert "MS-EXC-012 mixed.dsse.jsonl:2" in report
    assert "shop" not in report
    assert desk.states() == {"R-000001": "confirmed", "R-000002": "confirmed"}
    assert len(desk.events("referral.accepted")) == 3


def test_a_second_time_changes_nothing(desk: Desk) -> None:
    """An empty inbox records nothing; a file that comes again is a duplicate, and stands beside the first."""
    good = confirms(network.north())
    put(desk, "one.dsse.jsonl", good)
    assert desk.run("referrals", "intake").code == 0
    before = desk.json("log", "verify")["log"]
    assert "The inbox is empty." in desk.run("referrals", "intake").out
    put(desk, "one.dsse.jsonl", good)
    said = desk.json("referrals", "intake")
    assert (said["read"], said["duplicate"], [one["moved_to"] for one in said["files"]]) == (
        1, 1, ["done/2-one.dsse.jsonl"],
    )  # fmt: skip
    assert desk.json("log", "verify")["log"] == before


def test_who_is_killed_between_recording_and_moving_runs_it_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was recorded counts once, and the file is moved by the next run; a report left behind is written anew."""
    put(desk, "one.dsse.jsonl", confirms(network.north()), b"{}")

    def dies(*_: object) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dies)
        assert desk.run("referrals", "intake").code == 130
    assert there(desk) == ["one.dsse.jsonl", "refused/one.dsse.jsonl.problems.txt"]
    assert desk.states() == {"R-000001": "confirmed"}
    ran = desk.run("referrals", "intake")
    assert (ran.code, "0 accepted, 1 duplicate, 0 quarantined, 1 refused" in ran.out) == (65, True)
    assert there(desk) == ["refused/one.dsse.jsonl", "refused/one.dsse.jsonl.problems.txt"]
    assert len(desk.events("referral.accepted")) == 1


def test_a_file_that_grew_while_it_was_read_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came after the reading is not moved away unread; the next run takes it in."""
    north = network.north()
    path = put(desk, "one.dsse.jsonl", confirms(north))
    take_in = signed.take_in

    def grows(*given: object) -> object:
        with path.open("ab") as file:
            file.write(north.states(event="site_down", issued_at=LATER) + b"\n")
        return take_in(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(signed, "take_in", grows)
        ran = desk.run("referrals", "intake")
    assert (ran.code, ran.codes, there(desk)) == (65, ["MS-RFL-020"], ["one.dsse.jsonl"])
    assert desk.run("referrals", "intake").code == 0
    assert (len(desk.events("referral.accepted")), there(desk)) == (2, ["done/one.dsse.jsonl"])


def test_a_file_that_waits_for_an_officer_is_done(desk: Desk) -> None:
    """Quarantine is an answer that is recorded: the file needs nobody any more, and the command ends well."""
    put(desk, "one.dsse.jsonl", confirms(network.north(), "bank.example"))
    ran = desk.run("referrals", "intake")
    assert (ran.code, ran.codes, there(desk)) == (0, ["MS-EXC-071"], ["done/one.dsse.jsonl"])


def test_links_and_a_missing_inbox_are_refused(desk: Desk) -> None:
    """A link is not followed, but put aside; officers belong to a list; without a folder nothing is done."""
    outside = desk.folder / "outside.dsse.jsonl"
    outside.write_bytes(confirms(network.north()) + b"\n")
    (desk.place / "inbox" / "link.dsse.jsonl").symlink_to(outside)
    ran = desk.run("referrals", "intake")
    assert (ran.code, ran.codes, outside.exists(), desk.states()) == (65, ["MS-RUN-008"], True, {})
    assert there(desk) == ["refused/link.dsse.jsonl", "refused/link.dsse.jsonl.problems.txt"]
    assert desk.run("referrals", "intake", *desk.first).codes == ["MS-RFL-017"]
    (desk.place / "inbox").rename(desk.place / "elsewhere")
    assert desk.run("referrals", "intake").codes == ["MS-RFL-018"]
