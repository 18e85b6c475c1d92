"""Random histories of a real workspace, told by the real commands, against a plain model of what ought to count.

Hotlines confirm, correct, move, dispute and retract; a stolen key is revoked; time passes; somebody screens. After
every step the register is what the model says. Taking a referral back names exactly the runs that used it, and the
next screening gives the bytes of a workspace in which that referral never was.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cli.command import Inputs, Ran, merchantscreen
from exchange import network
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from merchantscreen.cli import options
from merchantscreen.referrals.wire import written

SITES: Final = ("amber-shop.example", "sister-shop.example", "other-shop.example", "nobody.example")
HOTLINES: Final = ("hotline-north", "hotline-south")
SPARE: Final = network.key("spare")
"""The southern hotline's second key, for when its first is revoked."""
EVIDENCE: Final = ("ranking", "ledger", "contributions", "links", "domains", "rules", "facts", "shadow", "exceptions",
                   "skew", "rejects", "sealed")  # fmt: skip
"""Parts of a bundle that say something of accounts and domains; the rest records how it came about."""
COUNTING: Final = {"confirmed", "disputed", "expired"}
Key = tuple[str, str]


# --------------------------------------------------------------------------- the model


@dataclass
class Told:
    """One event as the model sees it; `key` signed it, None if officers or the network stand behind it."""

    referral: Key
    kind: str
    at: datetime
    key: str | None
    fields: dict[str, Any]


@dataclass
class Model:
    """What ought to count: all that was told, without what revoked keys said, in the order it was told."""

    told: list[Told] = field(default_factory=list)
    known: set[Key] = field(default_factory=set)
    runs: dict[str, set[Key]] = field(default_factory=dict)

    def state(self, referral: Key, now: datetime) -> str:
        """Return what a referral counts for."""
        domain, until, confirmed, disputed, retracted = None, None, False, False, False
        standing = [one for one in self.told if one.referral == referral]
        for one in standing:
            if one.kind == "retracted" or one.fields.get("status") == "not_illegal":
                domain, until, confirmed, disputed, retracted = None, None, False, False, True
            elif one.kind == "confirmed":
                domain, until = one.fields["domain"], one.fields.get("valid_until")
                confirmed, disputed, retracted = True, False, False
            elif one.kind == "disputed":
                disputed = not retracted
            elif not retracted:
                confirmed = confirmed and one.fields.get("domain", domain) == domain
                domain, until = one.fields.get("domain", domain), one.fields.get("valid_until", until)
        if retracted or domain is None:
            return "retracted" if retracted else "not_matchable" if standing else "removed"
        if not confirmed:
            return "awaiting_confirmation"
        if until is not None and until <= written(now):
            return "expired"
        return "disputed" if disputed else "confirmed"

    def states(self, now: datetime) -> dict[Key, str]:
        """Return the state of every referral that was ever told of."""
        return {referral: self.state(referral, now) for referral in self.known}

    def tell(self, one: Told) -> None:
        """Take in what was told."""
        self.told.append(one)
        self.known.add(one.referral)

    def counting(self, now: datetime) -> set[Key]:
        """Return the referrals that flag their domains."""
        return {referral for referral, state in self.states(now).items() if state in COUNTING}

    def revoke(self, key: str, since: datetime) -> set[Key]:
        """Forget what a key said since a moment, and return the referrals it spoke of."""
        gone = [one for one in self.told if one.key == key and one.at >= since]
        self.told = [one for one in self.told if one not in gone]
        return {one.referral for one in gone}

    def used(self, referrals: set[Key]) -> set[tuple[str, Key]]:
        """Return the runs that used any of some referrals."""
        return {(run, one) for run, counted in self.runs.items() for one in counted & referrals}


# --------------------------------------------------------------------------- the real thing


class Desk:
    """A workspace in a folder of its own, and the two hotlines that write to it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ms-history-"))
        self.now = network.NOW
        self.inputs = Inputs.good(self.folder)
        self.place = self.folder / "ws"
        self.hotlines = {"hotline-north": network.north(), "hotline-south": network.south()}
        self.numbers: dict[Key, str] = {}
        two_keys = network.organisation("hotline-south", network.SOUTH, SPARE)
        said = network.trust(organisations=(network.organisation("hotline-north", network.NORTH), two_keys))
        self.officers: list[str | Path] = []
        for name, key in (("Officer 1", network.FIRST_OFFICER), ("Officer 2", network.SECOND_OFFICER)):
            path = self.folder / f"{name[-1]}.key"
            path.touch(mode=0o600)
            path.write_bytes(key.private_pem())
            self.officers += ["--officer", name, "--key", path]
        (self.folder / "trust.json").write_bytes(network.signed_trust(said))
        self.run("init", self.place, "--audience", network.AUDIENCE)
        self.run("trust", "accept", self.folder / "trust.json", "--workspace", self.place)

    def run(self, *words: str | Path) -> Ran:
        """Run a command that has to succeed, at the desk's own time."""
        options.now = lambda: self.now
        ran = merchantscreen(*words)
        assert ran.code == 0, (words, ran.err)
        return ran

    def ask(self, *words: str | Path) -> dict[str, Any]:
        """Run a command in the workspace and read what it says."""
        stated: dict[str, Any] = json.loads(self.run(*words, "--workspace", self.place, "--json").out)
        return stated

    def tell(self, one: Told) -> dict[str, Any]:
        """Let a hotline sign and send an event."""
        self.now = one.at
        hotline = self.hotlines[one.referral[0]]
        hotline.keys = [SPARE if one.key == "spare" else network.key(one.referral[0].removeprefix("hotline-"))]
        fields = {"received_at": "2026-09-09T09:00:00Z", "confirmed_at": "2026-09-10T09:00:00Z"}
        stated = one.fields if one.kind != "confirmed" else fields | one.fields
        path = self.folder / "sent.dsse.json"
        sent = hotline.states(event=one.kind, referral_id=one.referral[1], issued_at=written(one.at), **stated)
        path.write_bytes(sent)
        answer = self.ask("referrals", "import", path)
        assert answer["accepted"] == 1, answer
        self.numbers.setdefault(one.referral, f"R-{len(self.numbers) + 1:06}")
        return answer

    def repeat(self, one: Told) -> None:
        """Let the same be told here, if it makes sense without what is missing."""
        if one.key is not None:
            self.tell(one)
        elif one.referral in self.numbers:
            self.now = one.at
            self.retract(one.referral)

    def retract(self, referral: Key) -> dict[str, Any]:
        """Let two officers retract a referral."""
        return self.ask("referrals", "retract", self.numbers[referral], "--reason-code", "by-telephone", *self.officers)

    def named(self, revisit: list[dict[str, Any]]) -> set[tuple[str, Key]]:
        """Return runs and referrals of a list of what to look at again."""
        keys = {number: key for key, number in self.numbers.items()}
        return {(one["run_id"], keys[one["number"]]) for one in revisit}

    def revoke(self, since: datetime) -> dict[str, Any]:
        """Let the officers revoke the southern hotline's first key."""
        path = self.folder / "revoked.json"
        words = ("--since", written(since), "--reason", "stolen", "--out", path, "--workspace", self.place)
        self.run("trust", "revoke", network.SOUTH.key_id, *words)
        for word in self.officers[3::4]:
            self.run("trust", "sign", path, "--key", word, "--workspace", self.place)
        return self.ask("trust", "accept", path)

    def screen(self, run_id: str) -> dict[str, bytes]:
        """Screen three small accounts as of now and return the evidence, file by file."""
        named = [
            word if word.startswith("--") else self.folder / word
            for word in ("--merchants", "merchants.csv", "--transactions", "transactions.csv")
        ]
        self.ask("screen", *named, "--as-of", written(self.now), "--run-id", run_id)
        files = sorted((self.place / "runs" / run_id).iterdir())
        return {path.name: path.read_bytes() for path in files if path.name.split(".")[0] in EVIDENCE}

    def states(self) -> dict[Key, str]:
        """Return the state of every referral as `referrals list` has it."""
        listed = self.ask("referrals", "list")["referrals"]
        return {(one["hotline"], one["referral_id"]): one["state"] for one in listed}

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder)


class Histories(RuleBasedStateMachine):
    """A workspace beside the model, step by step."""

    referrals = Bundle("referrals")

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.model = Model()
        self.count = 0
        self.revoked_since: datetime | None = None
        self.clock = options.now

    # ----------------------------------------------------------------- what happens

    def _tell(self, referral: Key, kind: str, **fields: Any) -> dict[str, Any]:
        self.desk.now += timedelta(minutes=1)
        hotline = referral[0].removeprefix("hotline-")
        key = "spare" if hotline == "south" and self.revoked_since is not None else hotline
        told = Told(referral, kind, self.desk.now, key, fields)
        answer = self.desk.tell(told)
        self.model.tell(told)
        return answer

    @initialize(target=referrals)
    def begin(self) -> MultipleResults[Key]:
        """Two hotlines know one site, and one of them another."""
        named = (("hotline-south", 0), ("hotline-north", 0), ("hotline-north", 1))
        return multiple(*(self.refer(hotline, SITES[site], 0) for hotline, site in named))

    @rule(target=referrals, hotline=st.sampled_from(HOTLINES), site=st.sampled_from(SITES), days=st.integers(0, 2))
    def refer(self, hotline: str, site: str, days: int) -> Key:
        """A hotline confirms a site, for some days or without end."""
        self.count += 1
        until = {"valid_until": written(self.desk.now + timedelta(days=days))} if days else {}
        referral = (hotline, f"H-{self.count}")
        self._tell(referral, "confirmed", domain=site, **until)
        return referral

    @rule(referral=referrals, site=st.sampled_from(SITES))
    def confirm_again(self, referral: Key, site: str) -> None:
        """A hotline confirms what it had said, or something else, perhaps after taking it back."""
        self._tell(referral, "confirmed", domain=site)

    @rule(referral=referrals, site=st.sampled_from(SITES))
    def correct(self, referral: Key, site: str) -> None:
        """A hotline corrects the site; another one has to be confirmed anew."""
        self._tell(referral, "amended", domain=site)

    @rule(referral=referrals, site=st.sampled_from(SITES))
    def move(self, referral: Key, site: str) -> None:
        """The site moved; where to is linked and not confirmed."""
        self._tell(referral, "moved", moved_to_domain=site)

    @rule(referral=referrals)
    def go_down(self, referral: Key) -> None:
        """The site is gone, which clears nobody."""
        self._tell(referral, "site_down")

    @rule(referral=referrals)
    def dispute(self, referral: Key) -> None:
        """Its hotline doubts."""
        self._tell(referral, "disputed", reason_code="owner-wrote")

    @rule(days=st.integers(1, 3))
    def wait(self, days: int) -> None:
        """Time passes, and validity with it."""
        self.desk.now += timedelta(days=days)

    @rule()
    def screen(self) -> None:
        """Somebody screens; the run is recorded with every referral that counts."""
        run_id = f"run-{len(self.model.runs) + 1}"
        self.model.runs[run_id] = self.model.counting(self.desk.now)
        self.desk.screen(run_id)

    @rule(referral=referrals, kind=st.sampled_from(["retracted", "not_illegal"]))
    def take_back(self, referral: Key, kind: str) -> None:
        """Its hotline takes it back: exactly the runs that used it are named, and nothing of it is left."""
        if kind == "retracted":
            answer = self._tell(referral, kind, reason_code="mistaken-site")
        else:
            answer = self._tell(referral, "amended", status=kind)
        assert self.desk.named(answer["revisit"]) == self.model.used({referral})

    @rule(referral=referrals)
    def telephone(self, referral: Key) -> None:
        """Two officers retract it on its hotline's word."""
        self.desk.now += timedelta(minutes=1)
        if self.model.state(referral, self.desk.now) == "retracted":
            return
        answer = self.desk.retract(referral)
        self.model.tell(Told(referral, "retracted", self.desk.now, None, {}))
        assert self.desk.named(answer["revisit"]) == self.model.used({referral})

    @precondition(lambda self: self.revoked_since is None)
    @rule(minutes=st.integers(0, 5))
    def steal(self, minutes: int) -> None:
        """The southern hotline's key was stolen some statements ago: exactly what it said since then is gone."""
        self.desk.now += timedelta(minutes=1)
        said = [one.at for one in self.model.told if one.key == "south"]
        self.revoked_since = said[-minutes] if 0 < minutes <= len(said) else network.START
        answer = self.desk.revoke(self.revoked_since)
        gone = self.model.revoke("south", self.revoked_since)
        found = [{"run_id": run["run_id"], "number": number} for run in answer["runs"] for number in run["referrals"]]
        assert self.desk.named(found) == self.model.used(gone)

    # ----------------------------------------------------------------- what always holds

    @invariant()
    def register_is_as_modelled(self) -> None:
        """Every referral counts for what the model says."""
        assert self.desk.states() == self.model.states(self.desk.now)

    def teardown(self) -> None:
        """End every history with one more that is taken back, if any counts."""
        try:
            counting = sorted(self.model.counting(self.desk.now))
            if counting:
                self._compare(counting[self.count % len(counting)], ("retracted", "not_illegal")[self.count % 2])
            self.desk.run("log", "verify", "--workspace", self.desk.place)
        finally:
            self.leave()

    def leave(self) -> None:
        """Give the clock back and remove everything."""
        options.now = self.clock
        self.desk.close()

    def _compare(self, referral: Key, kind: str) -> dict[str, bytes]:
        """Take it back: a screening then gives the bytes it gives where that referral never was."""
        self.take_back(referral, kind)
        found = self.desk.screen("compared")
        with closing(Desk()) as other:
            for one in self.model.told:
                if one.referral != referral:
                    other.repeat(one)
            other.now = self.desk.now
            assert other.screen("compared") == found
        return found


Histories.TestCase.settings = settings(
    max_examples=4, stateful_step_count=12, derandomize=True, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)  # fmt: skip
TestHistories = Histories.TestCase


def test_what_is_compared_is_something() -> None:
    """One of two hotlines takes its referral back: accounts stay ranked, and nothing of the other's is touched."""
    state = Histories()
    try:
        state.begin()
        state.screen()
        found = state._compare(("hotline-south", "H-1"), "retracted")
    finally:
        state.leave()
    assert all(found[f"{part}.jsonl"] for part in ("ranking", "ledger", "domains", "links"))
    assert b"hotline-north" in found["ranking.jsonl"]
    assert b"hotline-south" not in b"".join(found.values())
