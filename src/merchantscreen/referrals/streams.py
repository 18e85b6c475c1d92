"""What each hotline's stream holds: a fold over the statements of the log, and nothing the log does not hold.

Rules kept here:
* every statement has the place of its number; a place is never given to another unless its statement was revoked;
* the head is the number up to which nothing is missing; what came early waits beyond it, and what is missing has names;
* two statements that cannot both be in one stream are a fork, which stops this stream and no other;
* a revoked key takes away exactly what it signed: a statement loses its signature, and without one of its
  own hotline it no longer counts; its number stays taken, or may be used again if nothing came after it;
* support for a confirmation is counted in organisations, from confirmations that stand: not taken back, not revoked.

A `Streams` is filled by `take`, `release` and `revoke` in the order of the log, and read by everybody else.
What is taken in is decided in `admission`; what the statements say together, in `history`.
Source: threat model, rows 2 and 3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.statements import NO_PREDECESSOR, Statement
from merchantscreen.referrals.trust import NAMING_KINDS, Trust, counted_name, takes_back
from merchantscreen.vocabulary import Assurance, MatchScope, ReferralEventKind

SEVERAL: Final = 2
"""Organisations from which a statement counts as signed by several."""


class Outcome(StrEnum):
    """What becomes of a statement."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why; each has its problem code in `admission`."""

    COUNTERSIGNED = "countersigned"
    FLOOD = "flood"
    PROTECTED_HOST = "protected_host"
    THRESHOLD = "threshold"
    GAP = "gap"
    FORK = "fork"
    REPLAY = "replay"
    SCOPE = "scope"
    AUDIENCE = "audience"
    FUTURE = "future"
    UNTRUSTED = "untrusted"
    STALE_TRUST = "stale_trust"


NEEDS_RELEASE: Final = frozenset({Reason.FLOOD, Reason.PROTECTED_HOST})
"""Reasons for which an officer has to look; a missing organisation is no officer's business."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A statement as the log holds it.

    Attributes:
        log_index: Number of the log event.
        received_at: When it was recorded; UTC without zone.
        outcome: Accepted, quarantined or refused.
        reason: Why, or what has to be said about it; None if nothing.
        issuer: The hotline.
        seq: Its number in the hotline's stream.
        digest: sha256 of the payload.
        statement: What it says; None if it was refused.
        key_ids: Keys that signed it.
        organisations: Organisations that stood behind it.
    """

    log_index: int
    received_at: datetime
    outcome: Outcome
    reason: Reason | None
    issuer: str
    seq: int
    digest: str
    statement: Statement | None
    key_ids: frozenset[str]
    organisations: frozenset[str]


@dataclass(slots=True)
class Place:
    """A statement at its place in the stream, and what has become of it since.

    Attributes:
        entry: As the log first recorded it.
        owners: The keys behind it that were not revoked, with their organisations.
        names: Names under which it would count somebody; empty if it accuses nobody.
        needed: Organisations that have to say the same.
        is_released: An officer has looked at it.
        is_revoked: Its hotline's signature was taken away.
        is_aside: Its number belongs to another statement; only what takes back is kept like this.
    """

    entry: Entry
    owners: dict[str, str]
    names: tuple[str, ...] = ()
    needed: int = 1
    is_released: bool = False
    is_revoked: bool = False
    is_aside: bool = False

    @property
    def prev(self) -> str | None:
        """Digest of the statement before it; None if it was refused, for then it is not kept."""
        return self.entry.statement.prev if self.entry.statement is not None else None

    @property
    def organisations(self) -> frozenset[str]:
        """Organisations that still stand behind it."""
        return frozenset() if self.is_revoked else frozenset(self.owners.values())

    @property
    def assurance(self) -> Assurance:
        """How well its origin is proven."""
        return assurance_of(self.organisations)

    @property
    def needs_release(self) -> bool:
        """Whether an officer still has to look at it."""
        was_held_back = self.entry.outcome is Outcome.QUARANTINED and self.entry.reason in NEEDS_RELEASE
        return was_held_back and not self.is_released


@dataclass(frozen=True, slots=True)
class Fork:
    """Two statements of one hotline that cannot both be right.

    Attributes:
        seq: The number at which they part.
        digest: The statement that did not fit.
        key_ids: Keys that signed it.
        log_index: Log event that recorded it.
    """

    seq: int
    digest: str
    key_ids: frozenset[str]
    log_index: int


@dataclass(slots=True)
class Stream:
    """One hotline's statements.

    Attributes:
        issuer: The hotline.
        places: Statements by number, refused and revoked ones included.
        aside: Statements that take back and whose number was taken, by digest.
        revoked: Digests of revoked statements.
        head: Number up to which nothing is missing; 0 for a new stream.
        fork: What stops the stream, if anything does.
        asked: Highest number that was refused because of a gap, by key that signed it.
        heard_at: When the last new statement was received.
        expects_at: Until when its last heartbeat said that the next would come.
        days: By day of receipt: statements that name a site, and how many of them were held back as a flood.
        sites: What each referral was last said to be about: host and scope.
    """

    issuer: str
    places: dict[int, Place] = field(default_factory=dict)
    aside: dict[str, Place] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    head: int = 0
    fork: Fork | None = None
    asked: dict[str, int] = field(default_factory=dict)
    heard_at: datetime | None = None
    expects_at: datetime | None = None
    days: dict[date, tuple[int, int]] = field(default_factory=dict)
    sites: dict[str, tuple[str, MatchScope]] = field(default_factory=dict)
    _early: set[int] = field(default_factory=set)
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """Numbers that are known to exist and were not received, as first and last of each run."""
        return self.missing_before(max({*self.asked.values(), *self._early, self.head + 1}))

    def missing_before(self, seq: int) -> tuple[tuple[int, int], ...]:
        """Return the numbers that are missing below a number, as first and last of each run."""
        known = sorted(number for number in self._early if number < seq)
        starts = [self.head + 1, *(number + 1 for number in known)]
        ends = [*(number - 1 for number in known), seq - 1]
        return tuple((first, last) for first, last in zip(starts, ends, strict=True) if first <= last)

    def place_of(self, digest: str) -> Place | None:
        """Return where a statement is, if it is here and was not displaced."""
        found = self.places.get(self._numbers.get(digest, 0))
        return found if found is not None and found.entry.digest == digest else self.aside.get(digest)

    def everything(self) -> Iterator[Place]:
        """Yield every place in the order of the stream, then what stands aside in the order of the log."""
        yield from (self.places[number] for number in sorted(self.places))
        yield from self.aside.values()

    def fits(self, seq: int, prev: str, digest: str) -> bool:
        """Tell whether a statement contradicts nothing that is at its place or next to it."""
        if seq in self.places and not self.is_free_again(seq):
            return False
        before = self.places.get(seq - 1)
        known = NO_PREDECESSOR if seq == 1 else before.entry.digest if before is not None else None
        after = None if seq in self.places else self.places.get(seq + 1)
        return known in (None, prev) and (after is None or after.prev in (None, digest))

    def is_free_again(self, seq: int) -> bool:
        """Tell whether this and every later place hold revoked statements only."""
        if seq not in self.places or not self.places[seq].is_revoked:
            return seq not in self.places
        return all(place.is_revoked for number, place in self.places.items() if number >= seq)

    def put(self, place: Place) -> None:
        """Give a statement its place, in the room of revoked ones if need be."""
        seq = place.entry.seq
        if seq in self.places and self.is_free_again(seq):
            self.places = {number: kept for number, kept in self.places.items() if number < seq}
            self._renumber()
        if seq in self.places:
            place.is_aside = True
            self.aside[place.entry.digest] = place
            return
        self.places[seq] = place
        self._numbers[place.entry.digest] = seq
        self._early.add(seq)
        self._advance()

    def forget_early(self) -> None:
        """Take revoked statements beyond the head out of the stream: nobody has to fill the gap before them."""
        self.places = {n: place for n, place in self.places.items() if n <= self.head or not place.is_revoked}
        self._renumber()

    def _renumber(self) -> None:
        self._numbers = {place.entry.digest: number for number, place in self.places.items()}
        self.head, self._early = 0, set(self.places)
        self._advance()

    def _advance(self) -> None:
        while self.head + 1 in self._early:
            self.head += 1
            self._early.discard(self.head)


# --------------------------------------------------------------------------- all streams


_Referral = tuple[str, str]
"""Hotline and referral id."""


class Streams:
    """All streams, and which confirmations stand in them."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}
        self._confirmed: dict[_Referral, Place] = {}
        self._supporters: dict[str, set[_Referral]] = defaultdict(set)
        self._taken_back: dict[_Referral, int] = {}
        self._to_recount: set[str] = set()

    def of(self, issuer: str) -> Stream:
        """Return a hotline's stream; an empty one if nothing came of it yet."""
        self._recount()
        return self._streams.get(issuer) or Stream(issuer)

    def __iter__(self) -> Iterator[Stream]:
        self._recount()
        return iter([self._streams[issuer] for issuer in sorted(self._streams)])

    def support(self, name: str) -> frozenset[str]:
        """Return the organisations whose confirmation of a name stands, whether it counts already or not."""
        self._recount()
        places = (self._confirmed[referral] for referral in self._supporters.get(name, ()))
        return frozenset(organisation for place in places for organisation in place.organisations)

    def counts(self, place: Place) -> bool:
        """Tell whether a statement counts now: not revoked, looked at if need be, and said by enough organisations."""
        is_in = place.entry.outcome is not Outcome.REFUSED and not place.is_revoked and not place.needs_release
        return is_in and self.has_enough(place.organisations, place.names, place.needed)

    def has_enough(self, organisations: frozenset[str], names: Iterable[str], needed: int) -> bool:
        """Tell whether enough organisations stand behind every name."""
        if len(organisations) >= needed:
            return True
        return all(len(organisations | self.support(name)) >= needed for name in names)

    # ----------------------------------------------------------------- in the order of the log

    def take(self, entry: Entry, trust: Trust | None) -> None:
        """Take in what the log says became of a statement.

        Args:
            entry: The record.
            trust: The trust file at that moment.
        """
        self._recount()
        stream = self._streams.setdefault(entry.issuer, Stream(entry.issuer))
        known = stream.place_of(entry.digest)
        if known is not None and entry.statement is not None:
            known.owners |= _owners(entry, trust)
            return
        if entry.reason is Reason.FORK:
            stream.fork = stream.fork or Fork(entry.seq, entry.digest, entry.key_ids, entry.log_index)
        if entry.reason is Reason.GAP:
            stream.asked |= {key_id: max(entry.seq, stream.asked.get(key_id, 0)) for key_id in entry.key_ids}
        if entry.outcome is Outcome.REFUSED and entry.reason is not Reason.SCOPE:
            return
        if known is None:
            place = self._place(stream, entry, trust)
            stream.put(place)
            self._note(stream, place)

    def release(self, issuer: str, digest: str) -> bool:
        """Note that an officer released a statement; False if it did not wait for one."""
        stream = self._streams.get(issuer)
        place = stream.place_of(digest) if stream is not None else None
        if place is None or not place.needs_release or place.is_revoked:
            return False
        place.is_released = True
        self._to_recount.add(issuer)
        return True

    def revoke(self, key_id: str, digests: Iterable[str]) -> list[Place]:
        """Take a key's signature away from some statements; return those that lost it."""
        wanted, lost = frozenset(digests), list[Place]()
        for stream in self._streams.values():
            found = [place for place in stream.everything() if place.entry.digest in wanted and key_id in place.owners]
            for place in found:
                owner = place.owners.pop(key_id)
                place.is_revoked |= owner == stream.issuer and owner not in place.owners.values()
            self._settle(stream, key_id, found)
            lost += found
        return lost

    def _settle(self, stream: Stream, key_id: str, found: list[Place]) -> None:
        stream.asked.pop(key_id, None)
        gone = [place for place in found if place.is_revoked]
        stream.revoked |= {place.entry.digest for place in gone}
        stream.aside = {digest: place for digest, place in stream.aside.items() if not place.is_revoked}
        if stream.fork is not None and (
            key_id in stream.fork.key_ids or any(p.entry.seq == stream.fork.seq for p in gone)
        ):
            stream.fork = None
        if gone:
            stream.forget_early()
        if found:
            self._to_recount.add(stream.issuer)

    def signed_by(self, key_id: str, since: datetime) -> list[Place]:
        """Return the statements a key has signed, and not lost, that were issued or received since a moment."""
        return [
            place
            for stream in self
            for place in stream.everything()
            if key_id in place.owners and max(place.entry.received_at, _issued_at(place)) >= since
        ]

    # ----------------------------------------------------------------- inside

    def _place(self, stream: Stream, entry: Entry, trust: Trust | None) -> Place:
        place = Place(entry, _owners(entry, trust))
        if entry.statement is not None and trust is not None:
            demand = demand_on(entry.statement.event, stream, trust)
            place.names, place.needed = demand.names, demand.organisations
        return place

    def _note(self, stream: Stream, place: Place) -> None:
        """Note what a new statement changes: signs of life, days, sites and support."""
        entry = place.entry
        stream.heard_at = max(entry.received_at, stream.heard_at or entry.received_at)
        if entry.statement is None:
            return
        event = entry.statement.event
        if event.event is ReferralEventKind.HEARTBEAT:
            stream.expects_at = event.valid_until
        if event.referral_id is None:
            return
        if event.event in NAMING_KINDS and not takes_back(event):
            count, flooded = stream.days.get(entry.received_at.date(), (0, 0))
            is_flood = place.needs_release and entry.reason is Reason.FLOOD
            stream.days[entry.received_at.date()] = (count + 1, flooded + is_flood)
            site = site_of(event, stream)
            if site is not None:
                stream.sites[event.referral_id] = site
        self._note_support((stream.issuer, event.referral_id), event, place, stream)

    def _note_support(self, referral: _Referral, event: ReferralEvent, place: Place, stream: Stream) -> None:
        seq = stream.head if place.is_aside else place.entry.seq
        if takes_back(event):
            self._taken_back[referral] = max(seq, self._taken_back.get(referral, 0))
            self._drop(referral)
        elif event.event is ReferralEventKind.CONFIRMED:
            is_doubtful = place.needs_release and place.entry.reason is Reason.FLOOD
            if seq > self._taken_back.get(referral, 0) and not is_doubtful:
                self._drop(referral)
                self._confirmed[referral] = place
                for name in place.names:
                    self._supporters[name].add(referral)
        elif place.names and (standing := self._confirmed.get(referral)) and standing.names != place.names:
            self._drop(referral)

    def _drop(self, referral: _Referral) -> None:
        place = self._confirmed.pop(referral, None)
        for name in place.names if place is not None else ():
            self._supporters[name].discard(referral)

    def _recount(self) -> None:
        """Count streams anew in which something changed; late, because releases come by the hundred."""
        if not self._to_recount:
            return
        issuers, self._to_recount = self._to_recount, set()
        for referral in [one for one in {*self._confirmed, *self._taken_back} if one[0] in issuers]:
            self._drop(referral)
            self._taken_back.pop(referral, None)
        for stream in (self._streams[issuer] for issuer in sorted(issuers)):
            stream.heard_at = stream.expects_at = None
            stream.days, stream.sites = {}, {}
            for place in stream.everything():
                if not place.is_revoked:
                    self._note(stream, place)


def assurance_of(organisations: frozenset[str]) -> Assurance:
    """Return how well the origin of something is proven that some organisations signed."""
    return Assurance.SIGNED_2ORG if len(organisations) >= SEVERAL else Assurance.SIGNED


# --------------------------------------------------------------------------- what an event demands


@dataclass(frozen=True, slots=True)
class Demand:
    """What has to be fulfilled before an event counts.

    Attributes:
        names: Names under which it would count somebody.
        organisations: How many have to say the same.
        is_protected: One of the names is, or is above, a protected host; then an officer has to look, too.
    """

    names: tuple[str, ...] = ()
    organisations: int = 1
    is_protected: bool = False


def site_of(event: ReferralEvent, stream: Stream) -> tuple[str, MatchScope] | None:
    """Return host and scope that a referral has after an event: what it says, else what was said before."""
    host, scope = stream.sites.get(event.referral_id or "", (None, None))
    host, scope = event.domain or host, event.match_scope or scope
    return (host, scope or MatchScope.HOST) if host is not None else None


def demand_on(event: ReferralEvent, stream: Stream, trust: Trust) -> Demand:
    """Return what the trust file demands of an event.

    A confirmation needs its number of organisations. Whatever says or changes which site is meant needs
    two and an officer if the site is protected; only a first submission accuses nobody yet.
    """
    if event.event not in NAMING_KINDS or takes_back(event):
        return Demand()
    is_first_word = event.event is ReferralEventKind.SUBMITTED and event.referral_id not in stream.sites
    names = tuple(sorted(set(_names(event, stream))))
    if is_first_word or not names:
        return Demand()
    if any(trust.protects(name) for name in names):
        return Demand(names, trust.thresholds.protected_host, is_protected=True)
    is_confirmation = event.event is ReferralEventKind.CONFIRMED
    return Demand(names, trust.thresholds.confirmed if is_confirmation else 1)


def _names(event: ReferralEvent, stream: Stream) -> Iterator[str]:
    site = site_of(event, stream)
    says_which = event.domain is not None or event.match_scope is not None
    if site is not None and says_which:
        yield counted_name(*site)
    if event.moved_to_domain is not None:
        yield counted_name(event.moved_to_domain, site[1] if site is not None else MatchScope.HOST)


def _owners(entry: Entry, trust: Trust | None) -> dict[str, str]:
    """Return the keys whose organisations the log says stood behind a statement."""
    if trust is None:
        return {}
    owners = {key_id: trust.owner_of(key_id) for key_id in entry.key_ids}
    return {key_id: owner for key_id, owner in owners.items() if owner is not None and owner in entry.organisations}


def _issued_at(place: Place) -> datetime:
    statement = place.entry.statement
    return statement.issued_at if statement is not None else place.entry.received_at
