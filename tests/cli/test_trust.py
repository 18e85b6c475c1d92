"""`trust`: two officers and their hotlines, from the first version to a revoked key, and every version refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli.command import Ran, merchantscreen
from unit.referral_examples import confirmation, json_lines
from workspace.places import settle

from merchantscreen.cli import options
from merchantscreen.eventlog.records import Event
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.admission import admit, open_statement
from merchantscreen.referrals.keys import SigningKey
from merchantscreen.referrals.logged import admission_record
from merchantscreen.referrals.trust import Trust
from merchantscreen.workspace.access import system_user
from merchantscreen.workspace.runs import recorded_bodies
from merchantscreen.workspace.session import open_workspace

START = datetime(2026, 10, 1, 12)
PEOPLE = ("one", "two", "north", "south", "new", "other")


@dataclass
class Desk:
    """A workspace, a folder of keys, and the time."""

    folder: Path
    now: datetime = START
    public: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """Where the workspace is."""
        return self.folder / "desk"

    def key(self, name: str) -> Path:
        """Return somebody's private file, made on first use by the real command."""
        path = self.folder / f"{name}.key"
        if name not in self.public:
            ran = merchantscreen("hotline", "keygen", "--out", path, "--json")
            self.public[name] = json.loads(ran.out)["public"]
        return path

    def line(self, name: str) -> str:
        """Return somebody's public line."""
        self.key(name)
        return self.public[name]

    def key_id(self, name: str) -> str:
        """Return the id of somebody's key."""
        return SigningKey.from_pem(self.key(name).read_bytes()).key_id

    def trust(self, *words: str | Path) -> Ran:
        """Run a verb in the workspace."""
        return merchantscreen("trust", *words, "--workspace", self.place)

    def proposed(self, *words: str | Path, name: str = "p.json") -> Path:
        """Propose something and return the file."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        ran = self.trust(*words, "--out", path)
        assert ran.code == 0, ran.err
        return path

    def signed(self, path: Path, *officers: str) -> Path:
        """Let officers sign a proposal."""
        for officer in officers or ("one", "two"):
            ran = self.trust("sign", path, "--key", self.key(officer))
            assert ran.code == 0, ran.err
        return path

    def accepted(self, *words: str | Path) -> dict[str, Any]:
        """Propose, sign by both and accept."""
        ran = self.trust("accept", self.signed(self.proposed(*words)), "--json")
        assert ran.code == 0, ran.err
        return dict(json.loads(ran.out))

    def first(self, *words: str) -> list[str]:
        """Return the words of a first version: two officers and a hotline."""
        officers = [f"--officer={name}={self.line(name)}" for name in ("one", "two")]
        hotline = ["--organisation", "hotline-north", "--name", "North", "--public", self.line("north")]
        return ["add", *officers, *hotline, "--valid-from", "2026-01-01", *words]

    def shown(self) -> dict[str, Any]:
        """Return the version that counts."""
        return dict(json.loads(self.trust("show", "--json").out))

    def states(self, hotline: str, number: int, key: str, *keys: str) -> bytes:
        """Let a hotline sign its next confirmation with the real command."""
        stated = confirmation(
            reporting_hotline_id=f"hotline-{hotline}", referral_id=f"X-{number}", domain=f"shop-{number}.example",
            issued_at=f"{self.now.isoformat()}Z",
        )  # fmt: skip
        seconds = [word for other in keys for word in ("--second-key", self.key(other))]
        ran = merchantscreen(
            "hotline", "sign", json_lines(self.folder, [stated], "events.jsonl"), "--key", self.key(key),
            "--state", self.folder / f"{hotline}.json", "--audience", "network-one", *seconds,
        )  # fmt: skip
        assert ran.code == 0, ran.err
        return ran.out.strip().encode()

    def receive(self, data: bytes) -> str:
        """Take a statement in and return what became of it."""
        with open_workspace(self.place, clock=lambda: self.now) as workspace:
            history = workspace.history()
            assert history.trust is not None
            trust = history.trust.current
            answer = admit(history.streams, open_statement(data, trust), trust, self.now)
            record = admission_record(answer)
            if record is not None:
                workspace.record(*record)
        return answer.outcome.value

    def run(self, run_id: str, *referrals: tuple[str, str]) -> None:
        """Record a run that used some referrals."""
        used = [
            {"hotline": f"hotline-{hotline}", "referral_id": one, "tiers": {}, "account_count": 0}
            for hotline, one in referrals
        ]
        with open_workspace(self.place, clock=lambda: self.now) as workspace:
            for body in recorded_bodies(run_id, "2026-10-20T00:00:00Z", workspace.head, "0" * 64, used):
                workspace.record("run.recorded", body)

    def events(self, *kinds: str) -> list[Event]:
        """Return what is recorded."""
        with open_workspace(self.place, clock=lambda: self.now) as workspace:
            return list(workspace.log.events(kinds=kinds or None))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Give a test an empty workspace and a clock that it can move."""
    made = Desk(tmp_path)
    monkeypatch.setattr(options, "now", lambda: made.now)
    monkeypatch.chdir(tmp_path)
    assert merchantscreen("init", made.place, "--audience", "network-one").code == 0
    yield made
    assert merchantscreen("log", "verify", "--workspace", made.place).code == 0


# --------------------------------------------------------------------------- the whole story


def test_from_the_first_version_to_a_revoked_key(desk: Desk) -> None:
    """Two officers, two hotlines, a rotated key, then a stolen one with all that hung on it."""
    desk.accepted(*desk.first("--protect", "bank.example"))
    south = ("--organisation", "hotline-south", "--name", "South", "--public", desk.line("south"))
    desk.accepted("add", *south, "--valid-from", "2026-01-01")
    desk.now += timedelta(days=1)
    assert desk.receive(desk.states("north", 1, "north")) == "accepted"
    desk.now += timedelta(days=1)
    desk.accepted("rotate", desk.key_id("north")[:8], "--new", desk.line("new"))
    desk.now += timedelta(days=1)
    theft = desk.now
    assert desk.receive(desk.states("north", 2, "new")) == "accepted"
    assert desk.receive(desk.states("north", 3, "new", "south")) == "accepted"
    assert desk.receive(desk.states("south", 9, "south")) == "accepted"
    desk.run("before", ("north", "X-1"), ("south", "X-9"))
    desk.run("with-it", ("north", "X-1"), ("north", "X-2"), ("south", "X-9"))
    desk.now += timedelta(days=1)
    words = ("revoke", desk.key_id("new"), "--since", theft.isoformat(), "--reason", "key-stolen")
    told = desk.accepted(*words)
    assert [(one["seq"], one["number"], one["is_removed"]) for one in told["statements"]] == [
        (2, "R-000002", True),
        (3, "R-000003", True),
    ]
    assert told["runs"] == [{"run_id": "with-it", "as_of": "2026-10-20T00:00:00Z", "referrals": ["R-000002"]}]
    assert told["dispositions"] == []
    listed = [digest for event in desk.events("key.revoked") for digest in event.body["statements"]]
    assert listed == [one["sha256"] for one in told["statements"]]
    shown = desk.shown()
    assert (shown["version"], [one["version"] for one in shown["chain"]]) == (4, [1, 2, 3, 4])
    states = {key["key_id"]: key["state"] for one in shown["organisations"] for key in one["keys"]}
    assert states == {desk.key_id("north"): "ended", desk.key_id("new"): "revoked", desk.key_id("south"): "current"}


def test_a_revocation_is_told_to_people(desk: Desk) -> None:
    """The proposal says how much would be lost; accepting lists statements and runs."""
    desk.accepted(*desk.first())
    desk.now += timedelta(days=1)
    desk.receive(desk.states("north", 1, "north"))
    desk.run("monday", ("north", "X-1"))
    ran = desk.trust("revoke", desk.key_id("north"), "--since", "2026-10-02", "--reason", "stolen", "--out", "r.json")
    assert "So far 1 statement would lose this key's signature." in ran.out
    told = desk.trust("accept", desk.signed(Path("r.json"))).out
    assert "hotline-north 1  R-000001 (X-1)  removed" in told
    assert "monday  as of 2026-10-20T00:00:00Z  R-000001" in told
    assert "No decision rests on them." in told


def test_the_current_version_is_shown_without_hosts_or_private_keys(desk: Desk) -> None:
    """Officers, keys and scope on plain lines; protected hosts are defanged."""
    limits = ("--suffixes", "example,test", "--jurisdictions", "NL,DE", "--daily-limit", "50", "--events", "confirmed")
    desk.accepted(*desk.first(*limits, "--protect", "bank.example"))
    shown = desk.trust("show").out
    assert "bank[.]example" in shown
    assert "confirmed; countries DE, NL; suffixes example, test; at most 50 a day" in shown
    assert f"{desk.key_id('north')[:16]}  current  from 2026-01-01T00:00:00Z" in shown
    assert not any(desk.key(name).read_text().splitlines()[1] in shown for name in ("one", "two", "north"))
    desk.now += timedelta(days=366)
    assert "EXPIRED" in desk.trust("show").out
    assert desk.shown()["is_expired"] is True


def test_organisations_come_from_files_and_keep_their_keys(desk: Desk) -> None:
    """What `show --json` printed can be edited and given back; a key that is left out is refused."""
    desk.accepted(*desk.first())
    stated = desk.shown()["organisations"][0]
    file = desk.folder / "north.json"
    file.write_text(json.dumps({**stated, "name": "North Line"}))
    changed = desk.accepted("add", file)
    assert changed["changes"] == [
        "~ organisation hotline-north: North Line (hotline); amended, confirmed, disputed, moved, site_down, submitted"
    ]
    desk.accepted("add", "--organisation", "hotline-north", "--public", desk.line("new"))
    assert len(desk.shown()["organisations"][0]["keys"]) == 2
    lost = desk.trust("add", file)
    assert (lost.code, lost.codes) == (65, ["MS-TRU-005"])
    file.write_text('{"id": "a", "id": "b"}')
    assert desk.trust("add", file).codes == ["MS-EXC-003"]


def test_officers_change_by_the_signatures_of_old_and_new(desk: Desk) -> None:
    """A replaced officer's key, and a third officer with a higher threshold, need both thresholds."""
    desk.accepted(*desk.first())
    path = desk.proposed("rotate", desk.key_id("two"), "--new", desk.line("other"))
    desk.signed(path, "one", "two")
    ran = desk.trust("accept", path)
    assert (ran.code, ran.codes) == (6, ["MS-EXC-043"])
    looked = desk.trust("show", path)
    assert (looked.code, "~ officer two, key" in looked.out, "not signed: two" in looked.out) == (0, True, True)
    assert json.loads(desk.trust("show", path, "--json").out)["signatures"] == {
        "current_officers": 2,
        "its_officers": 1,
    }
    assert desk.trust("accept", desk.signed(path, "other")).code == 0
    more = ("add", f"--officer=three={desk.line('new')}", "--officers-needed", "3", "--organisations-needed", "2")
    path = desk.signed(desk.proposed(*more), "one", "new")
    few = desk.trust("accept", path)
    assert (few.code, few.codes) == (6, ["MS-EXC-042", "MS-EXC-043"])
    old, new = few.err.splitlines()
    assert "(signed: one; not signed: two; 1 more of 2 needed)" in old
    assert "(signed: one, three; not signed: two; 1 more of 3 needed)" in new
    assert desk.trust("accept", desk.signed(path, "other")).code == 0
    shown = desk.shown()
    assert (shown["officers"]["threshold"], shown["thresholds"]["confirmed"]) == (3, 2)


def test_a_version_can_be_renewed_alone(desk: Desk) -> None:
    """An expired trust file is followed by one that is not."""
    desk.accepted(*desk.first("--expires", "2026-11-01"))
    desk.now = datetime(2026, 12, 1)
    assert desk.accepted("add", "--expires", "2027-06-01")["changes"] == ["~ expires 2027-06-01T00:00:00Z"]


def test_officers_sign_on_machines_of_their_own(desk: Desk) -> None:
    """A first version and the next one gather signatures where there is no workspace; the desk only accepts."""
    path = desk.proposed(*desk.first())
    away = ("--first-of", "network-one")
    for officer in ("one", "two"):
        ran = merchantscreen("trust", "sign", path, "--key", desk.key(officer), *away)
        assert (ran.code, "this is the first version" in ran.out) == (0, True), ran.err
    assert desk.trust("accept", path).code == 0
    following = desk.proposed("add", "--protect", "a.example", name="following.json")
    looked = merchantscreen("trust", "show", following, "--current", path)
    assert (looked.code, "+ protected host a[.]example" in looked.out) == (0, True)
    for officer in ("one", "two"):
        ran = merchantscreen("trust", "sign", following, "--key", desk.key(officer), "--current", path)
        assert (ran.code, f"version 1, sha256 {desk.shown()['sha256']}" in ran.out) == (0, True), ran.err
    assert desk.trust("accept", following).code == 0
    refused: dict[tuple[str | Path, ...], tuple[int, str]] = {
        (*away,): (6, "MS-EXC-045"),
        ("--first-of", "network-two"): (6, "MS-EXC-048"),
        ("--current", desk.proposed("add", "--protect", "b.example", name="bare.json")): (6, "MS-EXC-043"),
        ("--current", path, *away): (2, "MS-TRU-013"),
        (): (65, "MS-WSP-001"),
    }
    for words, expected in refused.items():
        ran = merchantscreen("trust", "sign", following, "--key", desk.key("one"), *words)
        assert (ran.code, ran.codes) == (expected[0], [expected[1]]), words


def test_an_officer_a_key_a_hotline_and_a_host_leave(desk: Desk) -> None:
    """An officer is gone with the next version; keys end and stay listed, so that what they signed can be revoked."""
    third = (f"--officer=three={desk.line('new')}", "--organisation", "hotline-south", "--name", "South")
    desk.accepted(*desk.first("--protect", "bank.example", *third[:1]))
    desk.accepted("add", *third[1:], "--public", desk.line("south"), "--public", desk.line("other"),
                  "--valid-from", "2026-01-01")  # fmt: skip
    sent = desk.states("south", 1, "south")
    assert desk.receive(sent) == "accepted"
    desk.now = datetime(2026, 10, 2)
    gone = ("--officer", "two", "--key", desk.key_id("other")[:8], "--unprotect", "bank.example")
    path = desk.signed(desk.proposed("remove", *gone), "one", "new")
    changes = json.loads(desk.trust("accept", path, "--json").out)
    assert [line.split(":")[0] for line in changes["changes"]] == [
        "- officer two", f"~ key {desk.key_id('other')[:16]} of hotline-south", "- protected host bank.example",
    ]  # fmt: skip
    assert [officer["name"] for officer in desk.shown()["officers"]["keys"]] == ["one", "three"]
    assert desk.receive(desk.states("south", 2, "other")) == "refused"
    leaving = desk.trust("remove", "--organisation", "hotline-south", "--out", desk.folder / "leave.json")
    assert "hotline-south has no key that counts" in leaving.out
    assert "All 2 officers have to sign" in leaving.out
    assert desk.trust("accept", desk.signed(desk.folder / "leave.json", "one", "new")).code == 0
    hotlines = {one["id"]: [key["state"] for key in one["keys"]] for one in desk.shown()["organisations"]}
    assert hotlines == {"hotline-north": ["current"], "hotline-south": ["ended", "ended"]}
    since = ("--since", "2026-01-01", "--reason", "stolen")
    path = desk.signed(desk.proposed("revoke", desk.key_id("south"), *since), "one", "new")
    told = json.loads(desk.trust("accept", path, "--json").out)
    assert [one["referral_id"] for one in told["statements"]] == ["X-1"]


def test_a_key_that_never_counted_leaves_the_trust_file(desk: Desk) -> None:
    """A key that begins next year ends before it began: it goes, and its organisation if it had no other."""
    desk.accepted(*desk.first())
    desk.accepted("add", "--organisation", "hotline-typo", "--name", "Typo", "--public", desk.line("new"),
                  "--valid-from", "2027-01-01")  # fmt: skip
    assert desk.accepted("remove", "--key", desk.key_id("new"))["changes"] == [
        "- organisation hotline-typo", f"- key {desk.key_id('new')[:16]} of hotline-typo",
    ]  # fmt: skip


# --------------------------------------------------------------------------- refused


def test_too_few_signatures_are_refused_and_said(desk: Desk) -> None:
    """Nothing is recorded until both have signed; a second signature of one officer is none."""
    path = desk.proposed(*desk.first())
    assert "not signed: one, two" in desk.trust("add", *desk.first()[1:], "--out", desk.folder / "q.json").out
    none = desk.trust("accept", path)
    assert (none.code, none.codes) == (6, ["MS-EXC-043"])
    assert "(signed: nobody; not signed: one, two; 2 more of 2 needed)" in none.err
    desk.signed(path, "one")
    few = desk.trust("accept", path)
    assert (few.code, few.codes) == (6, ["MS-EXC-043"])
    twice = desk.trust("sign", path, "--key", desk.key("one"))
    assert (twice.code, twice.codes) == (65, ["MS-EXC-011"])
    stranger = desk.trust("sign", path, "--key", desk.key("other"))
    assert (stranger.code, stranger.codes) == (6, ["MS-EXC-051"])
    assert desk.events("trust.accepted") == []
    empty = desk.trust("show")
    assert (empty.code, empty.codes) == (6, ["MS-EXC-053"])


def test_rollback_fork_and_gap_are_refused(desk: Desk) -> None:
    """Only the next version follows; accepting the same one again changes nothing."""
    first = desk.signed(desk.proposed(*desk.first(), name="first.json"))
    assert desk.trust("accept", first).code == 0
    fork = desk.signed(desk.proposed("add", "--protect", "a.example", name="fork.json"))
    second = desk.signed(desk.proposed("add", "--protect", "b.example", name="second.json"))
    pinned = desk.trust("accept", second, "--sha256", "0" * 64)
    assert (pinned.code, pinned.codes) == (6, ["MS-EXC-049"])
    assert desk.trust("accept", second).code == 0
    before = desk.events()
    assert "counts already" in desk.trust("accept", second).out
    for path, code in ((first, "MS-EXC-044"), (fork, "MS-EXC-046")):
        ran = desk.trust("accept", path)
        assert (ran.code, ran.codes) == (6, [code])
    held = trustchain.accept(None, [first.read_bytes().strip()], desk.now).current
    later = _written(desk, held.model_copy(update={"version": 4}), "one", "two")
    assert desk.trust("accept", later).codes == ["MS-EXC-045"]
    assert desk.trust("sign", later, "--key", desk.key("one")).codes == ["MS-EXC-045"]
    assert desk.events() == before


def _written(desk: Desk, trust: Trust, *officers: str) -> Path:
    """Write a version that no verb would propose."""
    data = trustchain.propose(trust)
    for name in officers:
        data = trustchain.sign_proposal(None, data, SigningKey.from_pem(desk.key(name).read_bytes()))
    path = desk.folder / "made.json"
    path.write_bytes(data)
    return path


def test_expired_future_and_foreign_versions_are_refused(desk: Desk) -> None:
    """A version counts now, here, and is the one that was pinned."""
    path = desk.signed(desk.proposed(*desk.first("--expires", "2026-10-05")))
    pinned = desk.trust("accept", path, "--sha256", "0" * 64)
    assert (pinned.code, pinned.codes) == (6, ["MS-EXC-049"])
    desk.now -= timedelta(hours=1)
    assert desk.trust("accept", path).codes == ["MS-EXC-050"]
    desk.now += timedelta(days=30)
    assert (desk.trust("accept", path).code, desk.trust("accept", path).codes) == (6, ["MS-EXC-047"])
    assert desk.trust("sign", path, "--key", desk.key("one")).codes == ["MS-EXC-047"]
    settle(desk.place)
    text = (desk.place / "merchantscreen.toml").read_text()
    (desk.place / "merchantscreen.toml").write_text(text.replace("network-one", "network-two"))
    foreign = desk.trust("accept", path)
    assert (foreign.code, foreign.codes) == (6, ["MS-EXC-048"])
    assert desk.trust("sign", path, "--key", desk.key("two")).codes == ["MS-EXC-048"]
    (desk.place / "merchantscreen.toml").write_text(text)


def test_changed_bytes_and_other_files_are_refused(desk: Desk) -> None:
    """A bit of a signature, a statement in place of a proposal, and a file that is none."""
    path = desk.signed(desk.proposed(*desk.first()))
    whole = json.loads(path.read_bytes())
    sig = whole["signatures"][0]["sig"]
    whole["signatures"][0]["sig"] = ("B" if sig[0] == "A" else "A") + sig[1:]
    broken = desk.folder / "broken.json"
    broken.write_text(json.dumps(whole))
    ran = desk.trust("accept", broken)
    assert (ran.code, ran.codes) == (6, ["MS-EXC-013"])
    broken.write_bytes(desk.states("north", 1, "north"))
    assert (desk.trust("accept", broken).code, desk.trust("accept", broken).codes) == (65, ["MS-EXC-009"])
    broken.write_text("no proposal")
    assert desk.trust("accept", broken).codes == ["MS-EXC-002"]
    assert desk.trust("accept", desk.folder / "none.json").codes == ["MS-HOT-003"]
    assert desk.events("trust.accepted") == []


def test_requests_that_propose_nothing_are_refused(desk: Desk) -> None:
    """Each with its code; a file of that name stays, and none is left behind."""
    desk.accepted(*desk.first())
    key, new = desk.key_id("north"), desk.line("new")
    cases: dict[tuple[str, ...], tuple[int, str]] = {
        ("add",): (2, "MS-TRU-001"),
        ("add", "--public", new): (2, "MS-TRU-004"),
        ("add", "--officer", "nobody"): (2, "MS-TRU-003"),
        ("add", "--protect", "a/b"): (65, "MS-EXC-040"),
        ("add", "--expires", "tomorrow"): (2, "MS-RUN-002"),
        ("add", "--organisation", "hotline-x", "--name", "X", "--public", desk.line("one")): (65, "MS-EXC-041"),
        ("rotate", key[:4], "--new", new): (2, "MS-TRU-006"),
        ("rotate", "0" * 64, "--new", new): (6, "MS-EXC-051"),
        ("rotate", key, "--new", "ed25519:AAAA"): (65, "MS-EXC-020"),
        ("rotate", key, "--new", f"ed25519:{'A' * 43}="): (65, "MS-EXC-021"),
        ("revoke", key, "--since", "2026-10-01", "--reason", "was stolen"): (2, "MS-TRU-008"),
        ("revoke", key, "--since", "soon", "--reason", "stolen"): (2, "MS-RUN-002"),
        ("revoke", desk.key_id("one"), "--since", "2026-10-01", "--reason", "stolen"): (2, "MS-TRU-007"),
        ("remove",): (2, "MS-TRU-009"),
        ("remove", "--officers-needed", "2"): (2, "MS-TRU-009"),
        ("remove", "--officer", "two"): (2, "MS-TRU-011"),
        ("remove", "--unprotect", "bank.example"): (2, "MS-TRU-012"),
        ("remove", "--key", desk.key_id("one")): (2, "MS-TRU-007"),
        ("remove", "--key", "0" * 64): (6, "MS-EXC-051"),
        ("remove", "--organisation", "hotline-x"): (6, "MS-EXC-052"),
    }
    for words, expected in cases.items():
        ran = desk.trust(*words, "--out", desk.folder / "none.json")
        assert (ran.code, ran.codes) == (expected[0], [expected[1]]), words
    assert not (desk.folder / "none.json").exists()
    unknown = desk.trust("remove", "--officer", "nobody", "--officers-needed", "1")
    assert (unknown.code, unknown.codes) == (2, ["MS-TRU-010", "MS-TRU-011"])
    assert "2 officers left where 1 have to sign" in unknown.err
    taken = desk.trust("add", "--protect", "a.example", "--out", desk.folder / "p.json")
    assert (taken.code, taken.codes) == (73, ["MS-HOT-001"])


def test_a_first_version_needs_two_officers(desk: Desk) -> None:
    """One officer is nobody to check the other."""
    ran = desk.trust("add", f"--officer=one={desk.line('one')}")
    assert (ran.code, ran.codes) == (2, ["MS-TRU-002"])
    for words in (("rotate", "0" * 64, "--new", desk.line("one")), ("revoke", "0" * 64, "--since", "2026-10-01",
                                                                      "--reason", "stolen")):  # fmt: skip
        assert (desk.trust(*words).code, desk.trust(*words).codes) == (6, ["MS-EXC-053"])


def test_who_may_not_is_refused_and_recorded(desk: Desk) -> None:
    """Everybody may look; only a lead may change."""
    desk.accepted(*desk.first())
    path = desk.proposed("add", "--protect", "a.example")
    settle(desk.place, "[roles]", f'{system_user()} = ["analyst"]')
    assert desk.trust("show").code == 0
    revocation = ("revoke", desk.key_id("north"), "--since", "2026-10-01", "--reason", "stolen")
    for words in (("add", "--protect", "b.example"), ("rotate", desk.key_id("north"), "--new", desk.line("new")),
                  revocation, ("remove", "--key", desk.key_id("north")), ("sign", path, "--key", desk.key("one")),
                  ("accept", path)):  # fmt: skip
        ran = desk.trust(*words)
        assert (ran.code, ran.codes) == (2, ["MS-WSP-020"]), words
    assert [event.body["operation"] for event in desk.events("access.refused")] == ["trust.change"] * 6
