"""What a log adds up to: the referral events that count, those that wait, those refused, and who used them.

Rules kept here:
* a fold over a prefix of the log and nothing else: the same prefix gives the same history, on every machine;
* what a log event does not say in the form of its kind is a problem with its index, never a guess;
* the order within one referral is that of its hotline's numbers: where a hotline's clock went back, a later
  statement takes the time of the earlier one, so that a retraction never loses against what it takes back;
* revoking a key removes exactly what it carried; numbers that were given out stay given out;
* a number such as R-000001 belongs to a hotline's referral from its first appearance in the log.

What the events say together is left to `register`; whether a statement is taken in, to `admission`.
Source: threat model 5.3; DESIGN 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from merchantscreen.errors import InputError, Problem
from merchantscreen.eventlog.records import Event
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.bulk import without_collector
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.exchange_problems import PROBLEMS
from merchantscreen.referrals.logged import KINDS, are_two_people, read_entry
from merchantscreen.referrals.plain import recall_event
from merchantscreen.referrals.register import Origin, Register, fold_told
from merchantscreen.referrals.streams import Entry, Outcome, Place, Reason, Streams
from merchantscreen.referrals.trustchain import TrustState
from merchantscreen.referrals.wire import decode_base64
from merchantscreen.vocabulary import Assurance

Key = tuple[str, str]
"""A referral: hotline and referral id."""


@dataclass(frozen=True, slots=True)
class Received:
    """A referral event that counts.

    Attributes:
        event: As it was stated.
        assurance: How well its origin is proven.
        organisations: Organisations that stand behind it, sorted; empty if nobody signed it.
        log_index: Log event that brought it.
        number: Short number of its referral; empty for a heartbeat.
        received_at: When it was recorded; UTC without zone.
        effective_at: When it applies among the events of its referral; later than stated if a clock went back.
        seq: Number in its hotline's stream; None if it came in a list or file.
        digest: Name of the statement; None likewise.
    """

    event: ReferralEvent
    assurance: Assurance
    organisations: tuple[str, ...]
    log_index: int
    number: str
    received_at: datetime
    effective_at: datetime
    seq: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A statement that was taken in and does not count yet, or no longer has enough support.

    Attributes:
        received: The statement.
        reason: What it waits for.
        organisations_needed: How many organisations have to say the same.
        needs_release: Whether an officer has to look at it.
    """

    received: Received
    reason: Reason
    organisations_needed: int
    needs_release: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A statement that was refused."""

    log_index: int
    issuer: str
    seq: int
    digest: str
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Lost:
    """A statement that lost a signature because its key was revoked.

    Attributes:
        log_index: Log event of the revocation.
        key_id: The key.
        issuer: Hotline of the statement.
        seq: Its number.
        digest: Its name.
        referral_id: The referral it was about, or None.
        number: Short number of that referral; empty if there is none.
        is_removed: Whether it no longer counts; otherwise others still stand behind it.
        recorded_at: When that was recorded; UTC without zone.
    """

    log_index: int
    key_id: str
    issuer: str
    seq: int
    digest: str
    referral_id: str | None
    number: str
    is_removed: bool
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """A screening that used the register.

    Attributes:
        log_index: Log event that recorded it.
        run_id: Its id.
        manifest_sha256: Digest of its manifest.
        as_of: Its moment, as written.
        log_size: How much of the log it used.
        log_root: Root of the log at that size.
        referrals: Referrals it used, with what the record says of each: tiers and account_count.
    """

    log_index: int
    run_id: str
    manifest_sha256: str
    as_of: str
    log_size: int
    log_root: str
    referrals: Mapping[Key, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class History:
    """What a prefix of a log adds up to.

    Attributes:
        size: Number of log events that were read.
        received: Events that count, in the order of the log.
        waiting: Statements that do not count yet, likewise.
        refused: Statements that were refused, likewise.
        lost: Statements that lost a signature to a revocation, likewise.
        runs: Screenings, likewise.
        numbers: Short number of every referral.
        streams: The hotlines' streams.
        trust: The chain of trust files; None before the first.
        problems: Log events that do not say what their kind says.
    """

    size: int
    received: tuple[Received, ...]
    waiting: tuple[Waiting, ...]
    refused: tuple[Refused, ...]
    lost: tuple[Lost, ...]
    runs: tuple[Run, ...]
    numbers: Mapping[Key, str]
    streams: Streams
    trust: TrustState | None
    problems: tuple[Problem, ...]

    def referral_of(self, number: str) -> Key | None:
        """Return hotline and referral id of a short number."""
        return next((key for key, given in self.numbers.items() if given == number), None)


def fold(events: Iterable[Event]) -> History:
    """Fold a prefix of a log, from its first event on."""
    with without_collector():
        return folded(events).history()


def folded(events: Iterable[Event]) -> Folding:
    """Return the fold over a prefix of a log, ready for more."""
    folding = Folding()
    with without_collector():
        for event in events:
            folding.take(event)
    return folding


def register_of(history: History, as_of: datetime) -> Register:
    """Return the register of the events that count, with assurance and number of every referral.

    Args:
        history: The fold of a log.
        as_of: UTC without zone; events that apply later are set aside.
    """
    with without_collector():
        told = ((_effective(one), Origin(one.assurance, one.number)) for one in history.received)
        return fold_told(told, as_of)


def runs_touched(history: History, hotline: str, referral_id: str) -> tuple[Run, ...]:
    """Return the screenings that used a referral, in the order of the log: what a retraction makes worth a new look."""
    return tuple(run for run in history.runs if (hotline, referral_id) in run.referrals)


def _effective(received: Received) -> ReferralEvent:
    if received.effective_at == received.event.issued_at:
        return received.event
    return received.event.model_copy(update={"issued_at": received.effective_at})


# --------------------------------------------------------------------------- folding


@dataclass(slots=True)
class Folding:
    """A fold underway: give it every event of the log in order, and ask it for the history at any point.

    Attributes:
        streams: The hotlines' streams so far; `admission.admit` reads them.
        trust: The chain of trust files so far.
        numbers: Short numbers so far.
        size: Events taken in.
    """

    streams: Streams = field(default_factory=Streams)
    trust: TrustState | None = None
    numbers: dict[Key, str] = field(default_factory=dict)
    size: int = 0
    _listed: list[Received] = field(default_factory=list)
    _refused: list[Refused] = field(default_factory=list)
    _lost: list[Lost] = field(default_factory=list)
    _runs: list[Run] = field(default_factory=list)
    _problems: list[Problem] = field(default_factory=list)

    def take(self, event: Event, known: Entry | None = None) -> None:
        """Take in the next event; kinds of others are passed over.

        Args:
            event: The event.
            known: What `read_entry` would read from it, where whoever makes the event has just said so.
        """
        self.size += 1
        kind = KINDS.get(event.kind)
        if kind is not None and not kind.fits(event.body):
            self._complain(event, "MS-EXC-080")
            return
        try:
            self._take(event, known)
        except (InputError, ValueError, TypeError, KeyError):
            self._complain(event, "MS-EXC-080")

    def history(self) -> History:
        """Return what the events so far add up to."""
        places = sorted((place for stream in self.streams for place in stream.everything()), key=_log_order)
        effective = _effective_times(self.streams)
        received = [self._received(place, effective) for place in places if self.streams.counts(place)]
        waiting = [self._waiting(place, effective) for place in places if _waits(self.streams, place)]
        listed = sorted([*self._listed, *received], key=lambda one: one.log_index)
        return History(
            self.size, tuple(listed), tuple(waiting), tuple(self._refused), tuple(self._lost), tuple(self._runs),
            dict(self.numbers), self.streams, self.trust, tuple(self._problems),
        )  # fmt: skip

    # ----------------------------------------------------------------- one kind each

    def _take(self, event: Event, known: Entry | None) -> None:
        match event.kind:
            case "trust.accepted":
                self._trust(event)
            case "referral.accepted" | "referral.quarantined" | "referral.refused":
                self._statement(event, known or read_entry(event))
            case "referral.released":
                self._release(event)
            case "referral.transcribed":
                self._transcription(event)
            case "referral.imported":
                self._list(event, Assurance.UNSIGNED)
            case "key.revoked":
                self._revocation(event)
            case "run.recorded":
                self._run(event)
            case _:
                pass

    def _trust(self, event: Event) -> None:
        data = decode_base64(event.body["envelope"]) or b""
        state = trustchain.root(data) if self.trust is None else trustchain.follow(self.trust, data)
        if (state.digest, state.current.version) != (event.body["sha256"], event.body["version"]):
            raise ValueError("another trust file than the event says")
        self.trust = state

    def _statement(self, event: Event, entry: Entry) -> None:
        self.streams.take(entry, self.trust.current if self.trust is not None else None)
        if entry.statement is not None:
            self._number(entry.statement.event)
        if entry.outcome is Outcome.REFUSED:
            self._refused.append(Refused(event.index, entry.issuer, entry.seq, entry.digest, entry.reason))

    def _release(self, event: Event) -> None:
        if not self.streams.release(event.body["issuer"], event.body["statement_sha256"]):
            self._complain(event, "MS-EXC-082")

    def _transcription(self, event: Event) -> None:
        if are_two_people(event.body["officers"]):
            self._list(event, Assurance.TRANSCRIBED)
        else:
            self._complain(event, "MS-EXC-081")

    def _list(self, event: Event, assurance: Assurance) -> None:
        for stated in [recall_event(raw) for raw in event.body["events"]]:
            number, at = self._number(stated), event.recorded_at
            self._listed.append(Received(stated, assurance, (), event.index, number, at, stated.issued_at))

    def _revocation(self, event: Event) -> None:
        key_id = event.body["key_id"]
        for place in self.streams.revoke(key_id, event.body["statements"]):
            entry = place.entry
            stated = entry.statement.event if entry.statement is not None else None
            self._lost.append(
                Lost(
                    event.index, key_id, entry.issuer, entry.seq, entry.digest,
                    stated.referral_id if stated is not None else None,
                    self._number(stated) if stated is not None else "", place.is_revoked, event.recorded_at,
                )
            )  # fmt: skip

    def _run(self, event: Event) -> None:
        body = event.body
        used = {(one["hotline"], one["referral_id"]): one for one in body["referrals"]}
        known = next((at for at, run in enumerate(self._runs) if run.run_id == body["run_id"]), None)
        if known is not None and body.get("part", 1) > 1:
            run = self._runs[known]
            self._runs[known] = replace(run, referrals={**run.referrals, **used})
            return
        self._runs.append(
            Run(event.index, body["run_id"], body["manifest_sha256"], body["as_of"], body["log_size"],
                body["log_root"], used)
        )  # fmt: skip

    # ----------------------------------------------------------------- inside

    def _number(self, event: ReferralEvent) -> str:
        """Return the short number of the referral an event is about, giving it one if it has none."""
        if event.referral_id is None:
            return ""
        return self.numbers.setdefault((event.reporting_hotline_id, event.referral_id), f"R-{len(self.numbers) + 1:06}")

    def _received(self, place: Place, effective: Mapping[str, datetime]) -> Received:
        entry = place.entry
        if entry.statement is None:
            raise TypeError("a refused statement neither counts nor waits")
        event = entry.statement.event
        return Received(
            event, place.assurance, tuple(sorted(place.organisations)), entry.log_index, self._number(event),
            entry.received_at, effective.get(entry.digest, event.issued_at), entry.seq, entry.digest,
        )  # fmt: skip

    def _waiting(self, place: Place, effective: Mapping[str, datetime]) -> Waiting:
        recorded = place.entry.reason
        reason = recorded if place.needs_release and recorded is not None else Reason.THRESHOLD
        return Waiting(self._received(place, effective), reason, place.needed, place.needs_release)

    def _complain(self, event: Event, code: str) -> None:
        self._problems.append(PROBLEMS[code].at("log", event.index, event.kind))


def _waits(streams: Streams, place: Place) -> bool:
    return place.entry.outcome is not Outcome.REFUSED and not place.is_revoked and not streams.counts(place)


def _log_order(place: Place) -> int:
    return place.entry.log_index


def _effective_times(streams: Streams) -> dict[str, datetime]:
    """Return when each statement applies: not before an earlier one of the same referral, whatever its clock said."""
    times: dict[str, datetime] = {}
    for stream in streams:
        latest: dict[str | None, datetime] = {}
        for place in _counting(streams, stream.everything()):
            statement = place.entry.statement
            if statement is not None:
                referral_id = statement.event.referral_id
                at = max(statement.issued_at, latest.get(referral_id, statement.issued_at))
                times[place.entry.digest] = latest[referral_id] = at
    return times


def _counting(streams: Streams, places: Iterable[Place]) -> Iterator[Place]:
    return (place for place in places if streams.counts(place))
