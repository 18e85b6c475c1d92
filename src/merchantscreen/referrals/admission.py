"""Whether a signed statement is taken in: one answer with one reason, from the streams, the trust file and the time.

Rules kept here:
* a statement counts only in its hotline's order: a gap is named with the missing numbers, a fork stops that
  hotline's stream, and other hotlines go on;
* the same statement again is nothing new, unless another organisation has signed it meanwhile;
* taking back is easier than accusing: a retraction, or `not_illegal`, signed by a current key of its own hotline is
  taken in at once, within a flood, after a gap, in a stopped stream, outside the hotline's scope. The gap or fork is
  still named. A key that signs a wrong retraction can be revoked; a merchant under a wrong accusation cannot wait.
  Only what would let anybody retract is asked of it, too: its own hotline's key, valid by a trust file that has not
  expired, and a time that is not in the future;
* a hotline's extraordinary day, and a protected host, wait for an officer; a protected host for a second
  organisation besides;
* a statement out of scope is refused and keeps its number, so that the stream goes on; every other refusal leaves
  the number free, because the same statement may be right later.

Pure: it reads the streams and changes nothing. Recording the answer, and taking it into the streams, is for others.
Source: threat model, rows 1 to 4 and 23; DESIGN 7.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from merchantscreen.errors import Problem
from merchantscreen.referrals.envelope import STATEMENT_TYPE, verify
from merchantscreen.referrals.exchange_problems import PROBLEMS
from merchantscreen.referrals.statements import Statement, read_statement
from merchantscreen.referrals.streams import (
    Demand,
    Entry,
    Outcome,
    Place,
    Reason,
    Stream,
    Streams,
    assurance_of,
    demand_on,
)
from merchantscreen.referrals.trust import NAMING_KINDS, Trust, takes_back
from merchantscreen.referrals.trustchain import CLOCK_TOLERANCE
from merchantscreen.vocabulary import Assurance

FLOOD_FACTOR: Final = 100
"""A day this many times the usual one waits. Source: issue 4, after the flood prevention asked for in peers G."""
FLOOD_FEWEST: Final = 20
"""The least that can be a flood; the whole limit of a hotline without usual days."""
USUAL_DAYS: Final = 30

CODES: Final[dict[Reason, str]] = {
    Reason.GAP: "MS-EXC-060",
    Reason.FORK: "MS-EXC-061",
    Reason.REPLAY: "MS-EXC-062",
    Reason.SCOPE: "MS-EXC-063",
    Reason.AUDIENCE: "MS-EXC-064",
    Reason.FUTURE: "MS-EXC-065",
    Reason.UNTRUSTED: "MS-EXC-066",
    Reason.STALE_TRUST: "MS-EXC-067",
    Reason.FLOOD: "MS-EXC-070",
    Reason.PROTECTED_HOST: "MS-EXC-071",
    Reason.THRESHOLD: "MS-EXC-072",
}
"""Problem of each reason; a countersignature is none."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer.

    Attributes:
        outcome: What becomes of the statement.
        reason: Why, or what has to be said although it is accepted; None if nothing.
        statement: The statement.
        organisations: Organisations that stand behind it.
        missing: With a gap, the numbers that are missing, as first and last of each run.
    """

    outcome: Outcome
    reason: Reason | None
    statement: Statement
    organisations: frozenset[str]
    missing: tuple[tuple[int, int], ...] = ()

    @property
    def assurance(self) -> Assurance:
        """How well its origin is proven."""
        return assurance_of(self.organisations) if self.organisations else Assurance.UNSIGNED

    @property
    def stops_stream(self) -> bool:
        """Whether the hotline's stream cannot go on before somebody acts; the command then ends with exit code 6."""
        return self.reason in {Reason.GAP, Reason.FORK}

    def problem(self, where: str) -> Problem | None:
        """Return the reason as a problem of a file, or None if there is nothing to say."""
        if self.reason is None or self.reason not in CODES:
            return None
        kind = PROBLEMS[CODES[self.reason]]
        numbers = f": number {spans(self.missing)} missing" if self.missing else ""
        return kind.at(where, found=f"{kind.title} of {self.statement.issuer} at number {self.statement.seq}{numbers}")

    def entry(self, log_index: int, received_at: datetime) -> Entry:
        """Return the answer as the log will hold it, for `Streams.take`."""
        said = self.statement
        return Entry(
            log_index, received_at, self.outcome, self.reason, said.issuer, said.seq, said.digest,
            None if self.outcome is Outcome.REFUSED else said, said.key_ids, self.organisations,
        )  # fmt: skip


def open_statement(data: bytes, trust: Trust) -> Statement:
    """Read a signed statement: check the signatures against the trust file's keys, then parse what was signed.

    Raises:
        EnvelopeError: It is no signed statement of known keys.
    """
    return read_statement(verify(data, STATEMENT_TYPE, trust.verify_keys))


def admit(streams: Streams, statement: Statement, trust: Trust, received_at: datetime) -> Admission:
    """Decide on a statement.

    Args:
        streams: What was taken in so far.
        statement: Read from an envelope whose signatures were checked.
        trust: The current trust file.
        received_at: Now, UTC without zone.
    """
    stream = streams.of(statement.issuer)
    behind = trust.organisations_behind(statement.key_ids, statement.event, statement.issued_at, received_at)
    not_ours = _why_not_read(stream, statement, trust)
    if not_ours is not None:
        return Admission(Outcome.REFUSED, not_ours, statement, behind)
    not_now, known = _why_not_now(statement, trust, received_at), stream.place_of(statement.digest)
    if known is not None:
        return _again(streams, statement, known, behind if not_now is None else frozenset())
    if not_now is not None:
        return Admission(Outcome.REFUSED, not_now, statement, behind)
    return _at_its_place(streams, statement, behind, trust, received_at)


def _again(streams: Streams, statement: Statement, known: Place, behind: frozenset[str]) -> Admission:
    """Answer to a statement that we hold: nothing new, unless more organisations have signed it."""
    if behind <= known.organisations or known.entry.outcome is Outcome.REFUSED:
        return Admission(Outcome.DUPLICATE, None, statement, known.organisations)
    everybody = known.organisations | behind
    waits = known.needs_release or not streams.has_enough(everybody, known.names, known.needed)
    return Admission(Outcome.QUARANTINED if waits else Outcome.ACCEPTED, Reason.COUNTERSIGNED, statement, everybody)


def _at_its_place(
    streams: Streams, statement: Statement, behind: frozenset[str], trust: Trust, received_at: datetime
) -> Admission:
    """Answer to a new statement of its own hotline by where it stands in the stream and by what it demands."""
    stream = streams.of(statement.issuer)
    off = _why_not_here(stream, statement)
    missing = stream.missing_before(statement.seq) if off is Reason.GAP else ()
    if takes_back(statement.event):
        return Admission(Outcome.ACCEPTED, off, statement, behind, missing)
    if off is not None:
        return Admission(Outcome.REFUSED, off, statement, behind, missing)
    if statement.issuer not in behind:
        return Admission(Outcome.REFUSED, Reason.SCOPE, statement, behind)
    waits_for = _why_wait(streams, statement, behind, trust, received_at)
    return Admission(Outcome.ACCEPTED if waits_for is None else Outcome.QUARANTINED, waits_for, statement, behind)


def _why_not_read(stream: Stream, statement: Statement, trust: Trust) -> Reason | None:
    """Refuse what is not meant for us or was taken away from us, whoever sends it and when."""
    if statement.audience != trust.audience:
        return Reason.AUDIENCE
    if statement.digest in stream.revoked:
        return Reason.REPLAY
    return None


def _why_not_now(statement: Statement, trust: Trust, received_at: datetime) -> Reason | None:
    """Refuse what is not signed by its hotline as of now; the same statement may be right another time."""
    if trust.is_expired(received_at):
        return Reason.STALE_TRUST
    if statement.issued_at > received_at + CLOCK_TOLERANCE:
        return Reason.FUTURE
    if not trust.is_signed_by(statement.issuer, statement.key_ids, statement.issued_at, received_at):
        return Reason.UNTRUSTED
    return None


def _why_not_here(stream: Stream, statement: Statement) -> Reason | None:
    """Tell why a statement is not the next of its stream."""
    if stream.fork is not None or not stream.fits(statement.seq, statement.prev, statement.digest):
        return Reason.FORK
    return Reason.GAP if statement.seq > stream.head + 1 else None


def _why_wait(
    streams: Streams, statement: Statement, behind: frozenset[str], trust: Trust, received_at: datetime
) -> Reason | None:
    """Tell what a statement in order has to wait for; an officer's look comes before a missing organisation."""
    stream = streams.of(statement.issuer)
    demand: Demand = demand_on(statement.event, stream, trust)
    if demand.is_protected:
        return Reason.PROTECTED_HOST
    if statement.event.event in NAMING_KINDS and _is_flood(stream, trust, received_at):
        return Reason.FLOOD
    return None if streams.has_enough(behind, demand.names, demand.organisations) else Reason.THRESHOLD


def _is_flood(stream: Stream, trust: Trust, received_at: datetime) -> bool:
    today = received_at.date()
    count, _ = stream.days.get(today, (0, 0))
    return count + 1 >= flood_from(stream, trust, received_at)


def flood_from(stream: Stream, trust: Trust, received_at: datetime) -> int:
    """Return the statement of the day, counted from 1, from which a hotline's statements wait for an officer.

    A hundred times the median of those of the last 30 days on which it stated anything, at least 20; what was held
    back as a flood and not released does not make a day usual. The trust file can say another limit.
    """
    organisation = trust.organisation(stream.issuer)
    if organisation is not None and organisation.daily_limit is not None:
        return organisation.daily_limit + 1
    today = received_at.date()
    counts = [
        count - flooded
        for day, (count, flooded) in stream.days.items()
        if timedelta() < today - day <= timedelta(days=USUAL_DAYS)
    ]
    return max(FLOOD_FEWEST, FLOOD_FACTOR * statistics.median_low(counts)) if counts else FLOOD_FEWEST


# --------------------------------------------------------------------------- silence


@dataclass(frozen=True, slots=True)
class Silent:
    """A hotline that should have been heard.

    Attributes:
        issuer: The hotline.
        heard_at: When its last statement was received; None if there was none.
        expected_at: Until when its last heartbeat promised the next; None if it promised nothing.
        missing: Numbers that are known to exist and were not received.
    """

    issuer: str
    heard_at: datetime | None
    expected_at: datetime | None
    missing: tuple[tuple[int, int], ...]


def staleness(streams: Streams, trust: Trust, now: datetime, limit: timedelta) -> tuple[Silent, ...]:
    """List the hotlines that are silent for too long, by id.

    Args:
        streams: What was taken in.
        trust: The current trust file; organisations without a key that counts now are not expected to speak.
        now: UTC without zone.
        limit: Longest silence that is in order, whatever a heartbeat (its `valid_until`) promised.
    """
    speaking = sorted({found.id for found, grant in trust.grants() if grant.counts_at(now)})
    silent = (_silence(streams.of(issuer), now, limit) for issuer in speaking)
    return tuple(found for found in silent if found is not None)


def _silence(stream: Stream, now: datetime, limit: timedelta) -> Silent | None:
    is_overdue = stream.expects_at is not None and now > stream.expects_at
    is_heard = stream.heard_at is not None and now - stream.heard_at <= limit
    if is_heard and not is_overdue and not stream.missing:
        return None
    return Silent(stream.issuer, stream.heard_at, stream.expects_at, stream.missing)


def spans(runs: tuple[tuple[int, int], ...]) -> str:
    """Write runs of numbers as `3-5, 7`."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
