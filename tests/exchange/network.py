"""A small network for tests: officers, hotlines with keys and streams, and a log in memory. Reserved names only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from unit.referral_examples import confirmation

from merchantscreen.eventlog.records import Draft, Event, parse_leaf, require_draft
from merchantscreen.referrals import envelope, logged, trustchain
from merchantscreen.referrals.admission import Admission, admit, open_statement
from merchantscreen.referrals.envelope import STATEMENT_TYPE, Verified
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.history import Folding, History, fold
from merchantscreen.referrals.keys import SigningKey
from merchantscreen.referrals.statements import NO_PREDECESSOR, Statement, digest_of, read_statement, write_statement
from merchantscreen.referrals.trust import KeyGrant, Officer, Officers, Organisation, Trust
from merchantscreen.referrals.trustchain import TrustState

AUDIENCE = "network-one"
START = datetime(2026, 1, 1)
END = datetime(2027, 1, 1)
NOW = datetime(2026, 10, 15, 12)
ALL_EVENTS = ["submitted", "confirmed", "amended", "moved", "site_down", "disputed"]


def key(name: str) -> SigningKey:
    """Return the same key for the same name in every run."""
    return SigningKey.from_bytes(hashlib.sha256(name.encode()).digest())


NORTH, SOUTH, WEST = key("north"), key("south"), key("west")
FIRST_OFFICER, SECOND_OFFICER, THIRD_OFFICER = key("officer 1"), key("officer 2"), key("officer 3")


def officers(threshold: int = 2, *people: SigningKey) -> Officers:
    """Return officers named after their place."""
    chosen = people or (FIRST_OFFICER, SECOND_OFFICER, THIRD_OFFICER)
    named = tuple(Officer(name=f"Officer {place}", public=one.verify_key) for place, one in enumerate(chosen, 1))
    return Officers(threshold=threshold, keys=named)


def organisation(name: str, *keys: SigningKey, **changes: Any) -> Organisation:
    """Return a hotline that may state everything with its keys, valid for the year."""
    grants = tuple(KeyGrant(public=one.verify_key, valid_from=START, valid_until=END) for one in keys)
    fields: dict[str, Any] = {"id": name, "name": name.title(), "keys": grants, "events": ALL_EVENTS}
    return Organisation(**{**fields, **changes})


def trust(**changes: Any) -> Trust:
    """Return version 1 with three hotlines."""
    hotlines = (organisation("hotline-north", NORTH), organisation("hotline-south", SOUTH),
                organisation("hotline-west", WEST))  # fmt: skip
    return trustchain.first_version(
        AUDIENCE, changes.pop("officers", officers()), START, changes.pop("expires_at", END),
        **{"organisations": hotlines, **changes},
    )  # fmt: skip


def signed_trust(said: Trust, *people: SigningKey) -> bytes:
    """Return a trust file under the signatures of some officers."""
    return envelope.sign(said.payload(), envelope.TRUST_TYPE, people or (FIRST_OFFICER, SECOND_OFFICER))


def accepted(said: Trust) -> TrustState:
    """Return a chain that begins with this version."""
    return trustchain.root(signed_trust(said))


def referral(hotline: str = "hotline-north", **changes: Any) -> ReferralEvent:
    """Return an event of a hotline: a confirmation unless `event` says otherwise."""
    fields: dict[str, Any] = {"reporting_hotline_id": hotline, "issued_at": "2026-10-15T11:00:00Z", **changes}
    if fields.get("event", "confirmed") in {"confirmed", "submitted"}:
        return ReferralEvent.model_validate(confirmation(**fields))
    if fields["event"] != "heartbeat":
        fields = {"referral_id": "R-1", **fields}
    return ReferralEvent.model_validate(fields)


@dataclass
class Hotline:
    """A hotline that numbers, chains and signs its statements."""

    name: str
    keys: Sequence[SigningKey]
    seq: int = 0
    prev: str = NO_PREDECESSOR
    audience: str = AUDIENCE

    def payload(self, **changes: Any) -> bytes:
        """Return the payload of its next statement, and go on from it."""
        self.seq += 1
        payload = write_statement(referral(self.name, **changes), self.audience, self.seq, self.prev)
        self.prev = digest_of(payload)
        return payload

    def states(self, *, keys: Sequence[SigningKey] = (), **changes: Any) -> bytes:
        """Return its next statement as an envelope."""
        return envelope.sign(self.payload(**changes), STATEMENT_TYPE, keys or self.keys)

    def says(self, *, keys: Sequence[SigningKey] = (), **changes: Any) -> Statement:
        """Return its next statement as if its envelope had been checked."""
        key_ids = frozenset(one.key_id for one in keys or self.keys)
        return read_statement(Verified(self.payload(**changes), key_ids))


def north() -> Hotline:
    """Return the northern hotline at the beginning of its stream."""
    return Hotline("hotline-north", [NORTH])


def south() -> Hotline:
    """Return the southern hotline likewise."""
    return Hotline("hotline-south", [SOUTH])


def west() -> Hotline:
    """Return the western hotline likewise."""
    return Hotline("hotline-west", [WEST])


@dataclass
class Workspace:
    """A log in memory with the fold that reads it, as a session would keep them."""

    events: list[Event] = field(default_factory=list)
    folding: Folding = field(default_factory=Folding)
    now: datetime = NOW

    def append(self, kind: str, body: Mapping[str, Any]) -> Event:
        """Record an event and take it in."""
        draft = Draft(kind, "tester", body)
        require_draft(draft)
        event = parse_leaf(Event(len(self.events), self.now, kind, draft.actor, body).leaf)
        self.events.append(event)
        self.folding.take(event)
        return event

    def trusts(self, said: Trust, *people: SigningKey) -> None:
        """Accept a trust file."""
        state = trustchain.accept(self.folding.trust, [signed_trust(said, *people)], self.now)
        self.append("trust.accepted", logged.trust_body(state.versions[-1]))

    @property
    def trust(self) -> Trust:
        """Return the current trust file."""
        assert self.folding.trust is not None
        return self.folding.trust.current

    def receive(self, *data: bytes | Statement) -> list[Admission]:
        """Receive statements one after the other, record the answers, and return them."""
        answers = []
        for one in data:
            statement = open_statement(one, self.trust) if isinstance(one, bytes) else one
            answer = admit(self.folding.streams, statement, self.trust, self.now)
            record = logged.admission_record(answer)
            if record is not None:
                event = self.append(*record)
                assert logged.read_entry(event) == answer.entry(event.index, event.recorded_at)
            answers.append(answer)
            self.now += timedelta(seconds=1)
        return answers

    def release(self, issuer: str, digest: str) -> None:
        """Let an officer release a statement."""
        place = self.folding.streams.of(issuer).place_of(digest)
        assert place is not None
        self.append("referral.released", logged.release_body(place, "Officer 1", "checked"))

    def revoke(self, stolen: SigningKey, since: datetime) -> None:
        """Revoke a key: a new trust file, and what it contributed taken away."""
        at = max(self.now, self.trust.issued_at)
        change = trustchain.revoked(self.trust, stolen.key_id, since, "stolen")
        self.trusts(trustchain.changed(self.trust, at, END, **change))
        places = self.folding.streams.signed_by(stolen.key_id, since)
        for body in logged.revocation_bodies(stolen.key_id, since, "stolen", places):
            self.append("key.revoked", body)

    def history(self) -> History:
        """Return the history; folding anew gives the same."""
        return self.folding.history()

    def folded(self) -> History:
        """Fold the log from its beginning."""
        return fold(self.events)


def workspace(**changes: Any) -> Workspace:
    """Return a workspace that has accepted the network's trust file."""
    made = Workspace()
    made.append("workspace.created", {"name": "test", "audience": AUDIENCE, "version": "0"})
    made.trusts(trust(**changes))
    return made


def outcomes(answers: Sequence[Admission]) -> list[str]:
    """Write answers as words."""
    return [one.outcome.value + (f"({one.reason.value})" if one.reason else "") for one in answers]
