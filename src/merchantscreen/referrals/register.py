"""The register: what all referral events together say at one moment.

A fold over the events, and nothing else: no clock, no memory, no order of arrival. Any
permutation of the same events gives the same register. Rules kept here:
* events issued after `as_of` are set aside and counted;
* the events of one referral of one hotline apply in order of issue, then of kind, then of
  their canonical bytes; within one moment a retraction comes last, so it wins;
* nobody but the hotline that made a referral can confirm, change or retract it;
* only a `confirmed` event confirms, and never one whose classification is `ignore`;
* a retraction, or the status `not_illegal`, wipes a referral clean; only a later
  confirmation opens it again, with its own facts;
* a site that is down clears nobody; a site that moved leads to a new domain, which is not
  confirmed by that; a domain corrected later has to be confirmed again;
* contradictory statements of one moment are not resolved here: such a referral cannot be
  matched until its hotline speaks again;
* a referral is as well proven as the weakest statement that made it what it is: its confirmation
  and what changed it since.

Which domains are flagged, and how wide, is left to `flagging`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, overload

import polars as pl

from merchantscreen.domains import registrable_domain
from merchantscreen.referrals.alike import Events, events_of
from merchantscreen.referrals.events import ClueEvent, ReferralEvent
from merchantscreen.referrals.settled import settle
from merchantscreen.vocabulary import (
    Assurance,
    Classification,
    DomainLinkKind,
    ReferralEventKind,
    ReferralState,
    ReferralStatus,
)

_KIND_ORDER: Final = (
    ReferralEventKind.SUBMITTED,
    ReferralEventKind.CONFIRMED,
    ReferralEventKind.AMENDED,
    ReferralEventKind.MOVED,
    ReferralEventKind.SITE_DOWN,
    ReferralEventKind.DISPUTED,
    ReferralEventKind.RETRACTED,
    ReferralEventKind.HEARTBEAT,
)
"""Order within one moment. A retraction after everything else: doubt speaks against the accusation."""
_KIND_PLACE: Final = {kind: place for place, kind in enumerate(_KIND_ORDER)}

_STATES_FACTS: Final = frozenset({ReferralEventKind.SUBMITTED, ReferralEventKind.CONFIRMED, ReferralEventKind.AMENDED})
"""Kinds that set facts; two different ones of one kind and moment contradict each other."""

_CHANGES_FACTS: Final = _STATES_FACTS | {ReferralEventKind.MOVED, ReferralEventKind.SITE_DOWN}
_WEAKNESS: Final = {assurance: place for place, assurance in enumerate(Assurance)}

_NOT_FACTS: Final = frozenset({"schema_version", "event", "reporting_hotline_id", "referral_id", "issued_at"})
COUNTING_STATES: Final = frozenset({ReferralState.CONFIRMED, ReferralState.DISPUTED, ReferralState.EXPIRED})
"""States in which a referral flags its domain."""


@dataclass(frozen=True, slots=True)
class Referral:
    """One referral of one hotline at one moment.

    Attributes:
        hotline: Who made it; together with `referral_id` its identity.
        referral_id: The hotline's own id.
        state: What it counts for.
        reason: Why it does not count, in a sentence; empty while it does.
        facts: Fields as last stated, by name; empty after a retraction.
        links: Domains it leads to, with the kind of link, sorted.
        is_disputed: A dispute stands.
        is_expired: Its validity ended at or before the moment.
        is_down: The site was last reported as gone.
        is_held: A law-enforcement hold is in force.
        assurance: How well the origin of what it says is proven.
        number: Short number in a workspace, such as R-000001; empty without one.
    """

    hotline: str
    referral_id: str
    state: ReferralState
    reason: str
    facts: Mapping[str, Any]
    links: tuple[tuple[DomainLinkKind, str], ...]
    is_disputed: bool
    is_expired: bool
    is_down: bool
    is_held: bool
    assurance: Assurance = Assurance.UNSIGNED
    number: str = ""

    @property
    def counts(self) -> bool:
        """Whether it flags its domain."""
        return self.state in COUNTING_STATES

    @property
    def clues(self) -> tuple[ClueEvent, ...]:
        """Payment details the hotline saw."""
        clues: tuple[ClueEvent, ...] = self.facts.get("payment_clues", ())
        return clues


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event comes from: how well that is proven, and the short number of its referral."""

    assurance: Assurance = Assurance.UNSIGNED
    number: str = ""


_UNKNOWN_ORIGIN: Final = Origin()
"""Of events from files: nobody signed them."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """Events of one referral that were issued after the moment of the register."""

    hotline: str
    referral_id: str
    event_count: int


@dataclass(frozen=True, slots=True)
class Referrals(Sequence[Referral]):
    """Referrals sorted by hotline and id, of which most are rows until somebody asks for them.

    Attributes:
        single: Referrals that were folded event by event, sorted.
        settled: The others: rows of `settled.Settled`.
        as_of: The moment they are looked at from.
    """

    single: tuple[Referral, ...]
    settled: pl.DataFrame
    as_of: datetime

    def __len__(self) -> int:
        """Count the referrals."""
        return len(self.single) + self.settled.height

    def __iter__(self) -> Iterator[Referral]:
        """Fold every row, in order."""
        return iter(self._folded(self.settled))

    @overload
    def __getitem__(self, place: int) -> Referral: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Referral, ...]: ...
    def __getitem__(self, place: int | slice) -> Referral | tuple[Referral, ...]:
        """Return one referral or some."""
        return self._folded(self.settled)[place]

    def without(self, rows: pl.DataFrame) -> tuple[Referral, ...]:
        """Return the referrals but for some of the settled ones."""
        return self._folded(self.settled.join(rows, on=["reporting_hotline_id", "referral_id"], how="anti"))

    def _folded(self, rows: pl.DataFrame) -> tuple[Referral, ...]:
        told = fold_told(((event, _UNKNOWN_ORIGIN) for event in events_of(rows)), self.as_of)
        return tuple(sorted((*self.single, *told.referrals), key=lambda one: (one.hotline, one.referral_id)))


@dataclass(frozen=True, slots=True)
class Register:
    """All referrals at a moment.

    Attributes:
        as_of: The moment.
        referrals: Sorted by hotline and referral id.
        set_aside: Later events, counted per referral, sorted likewise.
        duplicate_count: Exact repetitions among the events; they change nothing.
        heartbeats: Latest sign of life per hotline.
    """

    as_of: datetime
    referrals: Sequence[Referral]
    set_aside: tuple[SetAside, ...]
    duplicate_count: int
    heartbeats: Mapping[str, datetime]


_Told = tuple[ReferralEvent, Origin]
"""An event and where it comes from."""


def fold(
    events: Iterable[ReferralEvent], as_of: datetime, origins: Mapping[bytes, Origin] = MappingProxyType({})
) -> Register:
    """Fold events into the register as of a moment.

    Args:
        events: In any order, with or without repetitions.
        as_of: UTC without zone; events issued later are set aside.
        origins: Where events come from, by their canonical bytes; the others are unsigned.
    """
    if isinstance(events, Events) and not origins:
        return _fold_rows(events, as_of)
    return fold_told(((event, origins.get(event.canonical(), _UNKNOWN_ORIGIN)) for event in events), as_of)


def _fold_rows(events: Events, as_of: datetime) -> Register:
    """Fold the events of those referrals that are not settled by one of them."""
    settled = settle(events, as_of)
    told = fold(settled.others, as_of)
    return replace(told, referrals=Referrals(tuple(told.referrals), settled.rows, as_of))


def fold_told(told: Iterable[_Told], as_of: datetime) -> Register:
    """Fold events, each with its origin, as `fold` does; of a repetition the best proven one counts."""
    count, unique = 0, dict[bytes, _Told]()
    for count, (event, origin) in enumerate(told, start=1):  # noqa: B007  # The last count is that of all.
        canonical = event.canonical()
        known = unique.get(canonical)
        if known is None or _WEAKNESS[origin.assurance] < _WEAKNESS[known[1].assurance]:
            unique[canonical] = event, origin
    ordered = [one for _, one in sorted(unique.items(), key=_order)]
    known_by_then = [one for one in ordered if one[0].issued_at <= as_of]
    later = [one for one in ordered if one[0].issued_at > as_of]
    return Register(
        as_of=as_of,
        referrals=tuple(_referral(key, group, as_of) for key, group in sorted(_by_referral(known_by_then).items())),
        set_aside=tuple(SetAside(*key, len(group)) for key, group in sorted(_by_referral(later).items())),
        duplicate_count=count - len(unique),
        heartbeats={event.reporting_hotline_id: event.issued_at for event, _ in known_by_then if _is_heartbeat(event)},
    )


def _order(found: tuple[bytes, _Told]) -> tuple[datetime, int, bytes]:
    canonical, (event, _) = found
    return event.issued_at, _KIND_PLACE[event.event], canonical


def _is_heartbeat(event: ReferralEvent) -> bool:
    return event.event is ReferralEventKind.HEARTBEAT


def _by_referral(told: Iterable[_Told]) -> dict[tuple[str, str], list[_Told]]:
    groups: dict[tuple[str, str], list[_Told]] = {}
    for event, origin in told:
        if event.referral_id is not None and not _is_heartbeat(event):
            groups.setdefault((event.reporting_hotline_id, event.referral_id), []).append((event, origin))
    return groups


# --------------------------------------------------------------------------- one referral


@dataclass(slots=True)
class _Story:
    """What the events read so far have said about one referral."""

    facts: dict[str, Any] = field(default_factory=dict)
    links: set[tuple[DomainLinkKind, str]] = field(default_factory=set)
    is_confirmed: bool = False
    is_retracted: bool = False
    is_disputed: bool = False
    contradicts: bool = False
    assurance: Assurance | None = None

    def apply(self, event: ReferralEvent, assurance: Assurance) -> None:
        """Take in the next event, whose origin is proven so well."""
        self._prove(event, assurance)
        match event.event:
            case ReferralEventKind.CONFIRMED:
                self._confirm(event)
            case ReferralEventKind.SUBMITTED | ReferralEventKind.AMENDED:
                self._state(event)
            case ReferralEventKind.MOVED:
                self._state(event, status=ReferralStatus.MOVED)
            case ReferralEventKind.SITE_DOWN:
                self._state(event, status=event.status or ReferralStatus.UNAVAILABLE)
            case ReferralEventKind.DISPUTED:
                self.is_disputed = not self.is_retracted
            case ReferralEventKind.RETRACTED:
                self._retract()
            case ReferralEventKind.HEARTBEAT:
                pass
        if event.status is ReferralStatus.NOT_ILLEGAL:
            self._retract()

    def _prove(self, event: ReferralEvent, assurance: Assurance) -> None:
        """Begin anew with a confirmation; whatever else states facts can only weaken."""
        is_new = self.assurance is None or event.event is ReferralEventKind.CONFIRMED
        if is_new:
            self.assurance = assurance
        elif event.event in _CHANGES_FACTS and not self.is_retracted:
            self.assurance = max(self.assurance or assurance, assurance, key=_WEAKNESS.__getitem__)

    def _confirm(self, event: ReferralEvent) -> None:
        """Begin anew with the facts of the confirmation; earlier moves still hold unless it was retracted."""
        self.facts = {}
        self.is_retracted = self.is_disputed = self.contradicts = False
        self._state(event)
        self.is_confirmed = True

    def _state(self, event: ReferralEvent, **also: Any) -> None:
        """Take over the facts an event states; a retracted referral takes none until it is confirmed again."""
        if self.is_retracted:
            return
        stated = {name: getattr(event, name) for name in event.model_fields_set - _NOT_FACTS}
        stated = {name: value for name, value in stated.items() if value is not None} | also
        if stated.get("domain", self.facts.get("domain")) != self.facts.get("domain"):
            self.is_confirmed = False
        self.facts |= stated
        if event.moved_to_domain is not None:
            self.links.add((DomainLinkKind.MOVED_TO, event.moved_to_domain))

    def _retract(self) -> None:
        self.facts, self.links = {}, set()
        self.is_confirmed = self.is_disputed = self.contradicts = False
        self.is_retracted = True


def _referral(key: tuple[str, str], told: list[_Told], as_of: datetime) -> Referral:
    story, before = _Story(), None
    for event, origin in told:
        story.apply(event, origin.assurance)
        story.contradicts |= before is not None and _contradict(before, event)
        before = event
    valid_until: datetime | None = story.facts.get("valid_until")
    is_expired = valid_until is not None and valid_until <= as_of
    state, reason = _state_of(story, is_expired=is_expired)
    stated = {(link.kind, link.domain) for link in story.facts.get("domain_links", ())}
    return Referral(
        *key, state, reason, story.facts, tuple(sorted(story.links | stated)), story.is_disputed, is_expired,
        is_down=story.facts.get("status") in {ReferralStatus.REMOVED, ReferralStatus.UNAVAILABLE},
        is_held=_is_held(story.facts, as_of),
        assurance=story.assurance or Assurance.UNSIGNED,
        number=told[-1][1].number,
    )  # fmt: skip


def _contradict(before: ReferralEvent, event: ReferralEvent) -> bool:
    """Two statements of one kind and moment that differ; exact repetitions are gone by now."""
    same_place = (before.issued_at, before.event) == (event.issued_at, event.event)
    return same_place and event.event in _STATES_FACTS


def _state_of(story: _Story, *, is_expired: bool) -> tuple[ReferralState, str]:
    """Decide what a referral counts for; what speaks against it comes first."""
    facts = story.facts
    table = (
        (story.is_retracted, ReferralState.RETRACTED, "retracted, or found not illegal, by its hotline"),
        (story.contradicts, ReferralState.NOT_MATCHABLE,
         "its hotline made contradictory statements at one moment; ask it to repeat"),
        ("domain" not in facts, ReferralState.NOT_MATCHABLE,
         "its submission or confirmation was not among the events"),
        (facts.get("classification") is Classification.IGNORE, ReferralState.AWAITING_CONFIRMATION,
         "its classification is `ignore`, which never confirms"),
        (not story.is_confirmed, ReferralState.AWAITING_CONFIRMATION, "no hotline has confirmed it as it stands"),
        (is_bare_suffix(facts.get("domain", "")), ReferralState.NOT_MATCHABLE,
         "its domain is a public suffix, under which unrelated owners have their sites"),
        (is_expired, ReferralState.EXPIRED, ""),
        (story.is_disputed, ReferralState.DISPUTED, ""),
    )  # fmt: skip
    found = ((state, reason) for holds, state, reason in table if holds)
    return next(found, (ReferralState.CONFIRMED, ""))


def is_bare_suffix(host: str) -> bool:
    """Say whether a host is a whole public suffix; an IP address is none."""
    is_address = host.startswith("[") or host.replace(".", "").isdigit()
    return not is_address and registrable_domain(host) is None


def _is_held(facts: Mapping[str, Any], as_of: datetime) -> bool:
    hold_until: datetime | None = facts.get("hold_until")
    return bool(facts.get("le_hold")) and (hold_until is None or hold_until > as_of)
