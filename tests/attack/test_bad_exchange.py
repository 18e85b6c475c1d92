"""Everything bad that can come to a network, or happen to its store, tried on a workspace by the real commands.

Each is named by its code, refused with its exit code, and leaves what was there: the log grows by the refusal at most,
a checkpoint kept outside still fits, and every referral stands as it stood.

Near by, not repeated here: single bits and truncations of a store file (eventlog/test_sqlite.py), every rewriting of a
log at the level of the log (eventlog/test_tampering.py), checkpoints and keys taken over (cli/test_log.py), the rules
of admission one by one (exchange/test_admission.py), a process killed at every write (attack/test_interruption.py).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cli.command import Ran
from eventlog.stores import Site, leaves, rewrite_head
from exchange import network
from exchange.desk import Desk, confirms
from workplace import Clock

from merchantscreen.referrals import envelope, trustchain

NOTHING: Final[list[str]] = []
UNREAD: Final = ["envelope.refused"]
REFUSED: Final = ["referral.refused"]
LATER: Final = "2026-10-15T11:30:00Z"


class Guarded(Desk):
    """A desk with one confirmed referral of the northern hotline, and a checkpoint kept outside of it."""

    def __init__(self, folder: Path, clock: Clock, store: str) -> None:
        super().__init__(folder, clock, "--store", store)
        self.north = network.north()
        self.statement = confirms(self.north)
        assert self.send(self.statement).code == 0
        self.kept = folder / "kept.note"
        shutil.copy(self.place / "checkpoints" / "latest.note", self.kept)
        self.key = self.run("log", "key").out.strip()

    @property
    def head(self) -> tuple[int, str]:
        """Size and root of the log, all of it recomputed, and found to go on from the checkpoint kept outside."""
        stated = self.json("log", "verify", "--against", self.kept, "--key", self.key)["log"]
        return stated["size"], stated["root"]

    def refuses(self, code: int, named: list[str], recorded: list[str], run: Callable[[], Ran]) -> Ran:
        """Run something that has to be refused, and compare everything before with everything after."""
        states, events = self.states(), self.events()
        before = self.head if recorded == NOTHING else None
        ran = run()
        assert (ran.code, ran.codes) == (code, named), ran.err
        assert "Traceback" not in ran.err
        after = self.events()
        assert after[: len(events)] == events
        assert [event["kind"] for event in after[len(events) :]] == recorded
        assert self.states() == states
        if before is not None:
            assert self.head == before
        return ran

    def refuses_sent(self, code: int, named: list[str], recorded: list[str], *data: bytes) -> Ran:
        """Send something that has to be refused."""
        return self.refuses(code, named, recorded, lambda: self.send(*data))


@pytest.fixture
def desk(tmp_path: Path, clock: Clock, store: str) -> Iterator[Guarded]:
    """Guard a workspace in each kind of store; whatever a test did, its log holds and goes on in the end."""
    made = Guarded(tmp_path, clock, store)
    yield made
    made.clock.at = max(made.clock.at, network.NOW)
    assert made.send(confirms(network.west(), "last-shop.example")).code == 0
    assert "R-000001" in made.states()
    assert made.head[0] > 0


@pytest.fixture
def file_desk(tmp_path: Path, clock: Clock) -> Guarded:
    """Guard a workspace in a file, where the store does not matter or is the file."""
    return Guarded(tmp_path, clock, "sqlite:store.sqlite3")


# --------------------------------------------------------------------------- envelopes


def test_every_bit_of_an_envelope_flipped(file_desk: Guarded) -> None:
    """No flip of any single bit leaves an envelope that is taken in; the good one between them is."""
    good = file_desk.north.states(event="site_down", issued_at=LATER)
    flipped = [bytes([*good[:place], good[place] ^ 1 << bit, *good[place + 1 :]])
               for place in range(len(good)) for bit in range(8)]  # fmt: skip
    one_line = [data for data in flipped if b"\n" not in data]
    broken = [data for data in flipped if b"\n" in data]
    before = file_desk.states()
    said = file_desk.sent(*one_line, confirms(network.south(), "other-shop.example"))
    assert (said["read"], said["accepted"], said["refused"]) == (len(one_line) + 1, 1, len(one_line))
    assert all(one["codes"] and one["issuer"] is None for one in said["statements"] if one["outcome"] == "refused")
    (counted,) = file_desk.events("envelope.refused")
    assert counted["body"]["count"] == len(one_line)
    assert sum(counted["body"]["codes"].values()) == len(one_line)
    assert {number: state for number, state in file_desk.states().items() if number in before} == before
    paths = [file_desk.folder / f"{place}.dsse.json" for place in range(len(broken))]
    for path, data in zip(paths, broken, strict=True):
        path.write_bytes(data)
    ran = file_desk.run("referrals", "import", *paths)
    assert (ran.code, len(ran.codes), len(broken) > 5) == (65, len(broken), True)
    assert file_desk.states()["R-000001"] == "confirmed"
    assert file_desk.send(good).code == 0


def test_an_envelope_truncated_anywhere(file_desk: Guarded) -> None:
    """Whatever is left of a cut envelope is refused; whole lines before a cut are taken in, and the rest later."""
    good, after = file_desk.north.states(event="site_down", issued_at=LATER), confirms(network.south())
    said = file_desk.sent(*(good[:end] for end in range(1, len(good))))
    assert (said["refused"], said["read"]) == (len(good) - 1, len(good) - 1)
    assert file_desk.states() == {"R-000001": "confirmed"}
    path = file_desk.folder / "cut.dsse.jsonl"
    whole = good + b"\n" + after + b"\n"
    path.write_bytes(whole[: len(good) + 100])
    ran = file_desk.run("referrals", "import", path)
    assert (ran.code, ran.codes) == (65, ["MS-EXC-002"])
    assert "1 accepted" in ran.out
    path.write_bytes(whole)
    ran = file_desk.run("referrals", "import", path)
    assert (ran.code, "1 accepted, 1 duplicate" in ran.out) == (0, True)


def test_signed_again_by_the_wrong_key(desk: Guarded) -> None:
    """The same words under a stranger's key, another hotline's, an officer's, or a second one beside the right one."""
    payload = desk.north.payload(event="site_down", issued_at=LATER)
    wrong = {
        network.key("stranger"): (6, ["MS-EXC-012"], UNREAD),
        network.FIRST_OFFICER: (6, ["MS-EXC-012"], UNREAD),
        network.SOUTH: (6, ["MS-EXC-066"], REFUSED),
    }
    for key, (code, named, recorded) in wrong.items():
        forged = envelope.sign(payload, envelope.STATEMENT_TYPE, [key])
        desk.refuses_sent(code, named, recorded, forged)
    both = envelope.sign(payload, envelope.STATEMENT_TYPE, [network.NORTH, network.key("stranger")])
    desk.refuses_sent(6, ["MS-EXC-012"], UNREAD, both)
    assert desk.send(envelope.sign(payload, envelope.STATEMENT_TYPE, [network.NORTH])).code == 0


def test_a_trust_file_in_place_of_a_statement(file_desk: Guarded) -> None:
    """What officers signed is no statement, and what a hotline signed is no trust file."""
    file_desk.refuses_sent(65, ["MS-EXC-009"], UNREAD, network.signed_trust(file_desk.trust))
    path = file_desk.folder / "statement.json"
    path.write_bytes(file_desk.statement)
    file_desk.refuses(65, ["MS-EXC-009"], NOTHING, lambda: file_desk.run("trust", "accept", path))


# --------------------------------------------------------------------------- time


def test_an_expired_trust_file(file_desk: Guarded) -> None:
    """Nothing signed comes in, retractions neither, until officers renew it; then all of it does."""
    told = file_desk.north.states(event="retracted", reason_code="mistaken", issued_at=LATER)
    file_desk.clock.at = network.END + timedelta(days=1)
    file_desk.refuses_sent(6, ["MS-EXC-067"], REFUSED, told)
    file_desk.refuses(
        6, ["MS-EXC-047"], NOTHING, lambda: file_desk.run("trust", "accept", _renewed(file_desk, network.END))
    )
    longer = _renewed(file_desk, network.END + timedelta(days=365))
    assert file_desk.run("trust", "accept", longer).code == 0
    file_desk.clock.at = network.NOW + timedelta(hours=1)
    assert file_desk.send(told).code == 0
    assert file_desk.states()["R-000001"] == "retracted"


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_ten_years_off(file_desk: Guarded, years: int) -> None:
    """Ours, in either direction, takes nothing in; a hotline's is named; once set right, everything goes on."""
    good = file_desk.north.states(event="site_down", issued_at=LATER)
    file_desk.clock.at = network.NOW.replace(year=network.NOW.year + years)
    named = ["MS-EXC-065"] if years < 0 else ["MS-EXC-067"]
    file_desk.refuses_sent(65 if years < 0 else 6, named, REFUSED, good)
    file_desk.clock.at = network.NOW + timedelta(hours=1)
    theirs = network.south().states(issued_at=f"{2026 + years}-10-15T11:00:00Z", confirmed_at="2016-10-01T00:00:00Z",
                                    received_at="2016-09-30T00:00:00Z", observed_at=None)  # fmt: skip
    wrong = (65, ["MS-EXC-065"]) if years > 0 else (6, ["MS-EXC-066"])
    file_desk.refuses_sent(*wrong, REFUSED, theirs)
    assert file_desk.send(good).code == 0


# --------------------------------------------------------------------------- streams


def test_two_forks(desk: Guarded) -> None:
    """Two other histories of one hotline are named, its stream stops, a retraction still counts, others go on."""
    for name in ("first-twin.example", "second-twin.example"):
        desk.refuses_sent(6, ["MS-EXC-061"], REFUSED, confirms(network.north(), name))
    desk.refuses_sent(6, ["MS-EXC-061"], REFUSED, desk.north.states(event="site_down", issued_at=LATER))
    assert desk.send(confirms(network.south(), "other-shop.example")).code == 0
    taken_back = desk.north.states(event="retracted", reason_code="mistaken", issued_at=LATER)
    ran = desk.send(taken_back)
    assert (ran.code, ran.codes) == (6, ["MS-EXC-061"])
    assert desk.states() == {"R-000001": "retracted", "R-000002": "confirmed"}


def test_a_gap(file_desk: Guarded) -> None:
    """A statement ahead of its predecessor is refused with the number that is missing; in order both come in."""
    second, third = (
        file_desk.north.states(event="site_down", issued_at=f"2026-10-15T11:{minute}:00Z") for minute in (30, 40)
    )
    ran = file_desk.refuses_sent(6, ["MS-EXC-060"], REFUSED, third)
    assert "number 2 missing" in ran.err
    assert file_desk.send(second, third).code == 0


def test_a_replay(desk: Guarded) -> None:
    """What is there already changes nothing at all; what a revoked key said does not come back."""
    before = desk.head
    for _ in range(3):
        assert desk.send(desk.statement, desk.statement).code == 0
    assert desk.head == before
    change = trustchain.revoked(desk.trust, network.NORTH.key_id, network.START, "stolen")
    path = desk.folder / "revoked.json"
    renewed = trustchain.changed(desk.trust, network.NOW, network.END, **change)
    path.write_bytes(network.signed_trust(renewed))
    assert desk.run("trust", "accept", path).code == 0
    assert desk.states() == {"R-000001": "removed"}
    desk.refuses_sent(65, ["MS-EXC-062"], REFUSED, desk.statement)


# --------------------------------------------------------------------------- the store


def test_damaged_pages(file_desk: Guarded) -> None:
    """A page of the file overwritten: named, and nothing is taken in; or it held nothing, and all is there."""
    path = file_desk.place / "store.sqlite3"
    whole, head, listed = path.read_bytes(), file_desk.head, file_desk.run("referrals", "list").out
    new = confirms(network.south(), "other-shop.example")
    sent = file_desk.folder / "new.dsse.jsonl"
    sent.write_bytes(new + b"\n")
    size = int.from_bytes(whole[16:18], "big")
    outcomes = set()
    for start in range(0, len(whole), size):
        for damage in (bytes(size), hashlib.shake_256(str(start).encode()).digest(size)):
            damaged = whole[:start] + damage + whole[start + size :]
            path.write_bytes(damaged)
            verified = file_desk.run("log", "verify", "--against", file_desk.kept, "--key", file_desk.key)
            shown, taken = file_desk.run("referrals", "list"), file_desk.run("referrals", "import", sent)
            assert all("Traceback" not in ran.err for ran in (verified, shown, taken))
            if verified.code:
                assert (verified.code, bool(verified.codes), verified.out) == (4, True, "")
                assert (taken.code, "accepted" in taken.out) == (4, False), taken
                assert shown.code in {0, 4}
                assert path.read_bytes() == damaged
            else:
                assert shown.out == listed
            outcomes.add(verified.code)
    assert 4 in outcomes
    path.write_bytes(whole)
    assert (file_desk.head, file_desk.run("referrals", "list").out) == (head, listed)


def _removed(site: Site) -> None:
    site.tamper("DELETE FROM eventlog_events WHERE position = 2")


def _swapped(site: Site) -> None:
    first, second = leaves(site)[1:3]
    set_leaf = "UPDATE eventlog_events SET leaf = :leaf WHERE position = :position"
    site.tamper(set_leaf, leaf=second, position=1)
    site.tamper(set_leaf, leaf=first, position=2)


def _rewritten(site: Site) -> None:
    changed = leaves(site)[2].replace(b'"signed"', b'"signee"')
    assert changed != leaves(site)[2]
    site.tamper("UPDATE eventlog_events SET leaf = :leaf WHERE position = 2", leaf=changed)


def _rewritten_and_rehashed(site: Site) -> None:
    _rewritten(site)
    rewrite_head(site)


def _cut_and_rehashed(site: Site) -> None:
    _removed(site)
    rewrite_head(site)


TAMPERING: Final[dict[str, tuple[Callable[[Site], Any], set[str]]]] = {
    "removed": (_removed, {"MS-LOG-023"}),
    "swapped": (_swapped, {"MS-LOG-021", "MS-LOG-024"}),
    "rewritten": (_rewritten, {"MS-LOG-024", "MS-LOG-032"}),
    "rewritten and re-hashed": (_rewritten_and_rehashed, {"MS-LOG-032"}),
    "removed and re-hashed": (_cut_and_rehashed, {"MS-LOG-031"}),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_a_log_with_changed_rows(tmp_path: Path, clock: Clock, store: str, how: str) -> None:
    """Each is named by `log verify`; nothing is built upon it, and nothing signed over it."""
    desk = Guarded(tmp_path, clock, store)
    with closing(Site(desk.place / "store.sqlite3" if store.startswith("sqlite:") else store, tmp_path)) as site:
        change, expected = TAMPERING[how]
        change(site)
        rows, note = leaves(site), (desk.place / "checkpoints" / "latest.note").read_bytes()
        verified = desk.run("log", "verify", "--against", desk.kept, "--key", desk.key)
        assert (verified.code, verified.out) == (4, "")
        assert expected <= set(verified.codes)
        sent = desk.folder / "new.dsse.jsonl"
        sent.write_bytes(confirms(network.south(), "other-shop.example") + b"\n")
        for words in (("list",), ("status", "R-000001"), ("import", sent), ("receipt", "hotline-north")):
            ran = desk.run("referrals", *words)
            assert (ran.code, bool(ran.codes), ran.out) == (4, True, ""), words
        assert leaves(site) == rows
        assert (desk.place / "checkpoints" / "latest.note").read_bytes() == note


def _renewed(desk: Guarded, expires: datetime) -> Path:
    """Return the trust file's next version, which changes its expiry only."""
    path = desk.folder / f"until-{expires:%Y}.json"
    path.write_bytes(network.signed_trust(trustchain.changed(desk.trust, network.NOW, expires)))
    return path
