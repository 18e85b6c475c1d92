"""From the register to the domains that count, with their reach, their windows and their caveats.

Rules kept here:
* a domain counts under the name its hotline confirmed: one host, or the registrable domain;
* on a shared host (caution list) a referral counts for the exact host only, and says so;
* several referrals of one domain are merged towards caution about what it is and towards
  openness about how long: dedicated `no` beats `yes` beats `unknown`, the highest
  confidence and the widest scope hold, and their windows are joined, gaps included;
* a domain that is only linked by a hotline is listed with confidence 0, and never confirmed;
* where a domain is also referred without a law-enforcement hold, held referrals stay out of
  its row, so that nothing of them shows;
* every referral that does not count is a blind spot with its reason.

Source: matching hazards of the domain study; windows after STIX 2.1 validity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from merchantscreen.domains import DomainKey, domain_key, registrable_domain
from merchantscreen.identifiers import normalise_descriptor
from merchantscreen.policy.model import EvidenceModel, Policy
from merchantscreen.referrals.register import Referral, Referrals, Register, is_bare_suffix
from merchantscreen.referrals.settled import FULL_CONFIDENCE, NANO_PER_PERCENT, by_itself, domain_rows
from merchantscreen.tables import BlindSpots, DomainLinks, FlaggedDomains, PaymentClues, schema_of
from merchantscreen.vocabulary import (
    Assurance,
    BlindSpot,
    CounterEvidence,
    Dedicated,
    DomainLinkKind,
    MatchScope,
    ReferralState,
)


@dataclass(frozen=True, slots=True)
class Flagged:
    """The domains that count as of a moment, each frame sorted by its key.

    Attributes:
        domains: tables.FlaggedDomains.
        domain_links: tables.DomainLinks.
        clues: tables.PaymentClues.
        blind_spots: tables.BlindSpots, about referrals only.
    """

    domains: pl.DataFrame
    domain_links: pl.DataFrame
    clues: pl.DataFrame
    blind_spots: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Reach:
    """Under which name a domain counts, and how that came about."""

    key: DomainKey
    scope: MatchScope
    is_shared_host: bool
    was_narrowed: bool

    @property
    def domain(self) -> str:
        """The name under which it counts."""
        return self.key.registrable or self.key.host if self.scope is not MatchScope.HOST else self.key.host


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one referral says of one domain: its own, or one that it leads to."""

    referral: Referral
    reach: _Reach
    is_confirmed: bool

    @property
    def dedicated(self) -> Dedicated:
        """What the hotline said of the domain; of a linked one it said nothing."""
        return self.referral.facts["domain_dedicated"] if self.is_confirmed else Dedicated.UNKNOWN

    @property
    def confidence(self) -> int:
        """Per cent; nothing for a domain that is only linked."""
        return self.referral.facts.get("confidence", FULL_CONFIDENCE) if self.is_confirmed else 0


def flag(register: Register, policy: Policy, as_of: datetime) -> Flagged:
    """List the domains that count, what they lead to, what was seen on them, and what does not count.

    Args:
        register: The fold of all referral events.
        policy: Caution list and evidence model.
        as_of: The moment of the register; it may not look further than the register does.

    Raises:
        ValueError: The register was folded for another moment.
    """
    if register.as_of != as_of:
        raise ValueError("the register was folded for another moment")
    told = register.referrals
    if not isinstance(told, Referrals):
        return _flag(register, policy)
    caution = [entry.host for entry in policy.caution_hosts]
    alone = by_itself(told.settled, _named_hosts(told.single), caution)
    others = _flag(replace(register, referrals=told.without(alone)), policy)
    domains = pl.concat([others.domains, domain_rows(alone, policy.evidence, as_of)])
    return replace(others, domains=domains.sort("domain"))


def _named_hosts(referrals: Iterable[Referral]) -> frozenset[str]:
    """Return every name under which what some referrals say of their hosts could count."""
    said = {referral.facts["domain"] for referral in referrals if referral.counts}
    hosts = said | {host for referral in referrals if referral.counts for _, host in referral.links}
    return frozenset(hosts) | {name for host in hosts if (name := registrable_domain(host)) is not None}


def _flag(register: Register, policy: Policy) -> Flagged:
    """Flag what every single referral of a register says."""
    reach_of = _reach_finder(policy)
    counting = [referral for referral in register.referrals if referral.counts]
    own = [_Claim(referral, _own_reach(referral, reach_of), is_confirmed=True) for referral in counting]
    confirmed = {claim.reach.domain: claim.reach for claim in sorted(own, key=lambda claim: _width(claim.reach))}
    links = [link for claim in own for link in _links(claim, confirmed, reach_of)]
    linked = [link.target for link in links if link.target.reach.domain not in confirmed]
    rows = [_domain_row(group, policy.evidence) for group in _by_domain([*own, *linked])]
    return Flagged(
        domains=_frame(FlaggedDomains, rows, ["domain"]),
        domain_links=_frame(DomainLinks, _link_rows(links, _open(rows)), ["from_domain", "to_domain", "kind"]),
        clues=_frame(PaymentClues, _clue_rows(own), _CLUE_ORDER),
        blind_spots=_frame(BlindSpots, _blind_spots(register, own, reach_of), ["kind", "subject", "detail"]),
    )


# --------------------------------------------------------------------------- reach


_ReachFinder = Callable[[str, MatchScope], _Reach]


def _reach_finder(policy: Policy) -> _ReachFinder:
    caution = frozenset(entry.host for entry in policy.caution_hosts)

    def reach(host: str, scope: MatchScope) -> _Reach:
        key = domain_key(host)
        if not isinstance(key, DomainKey):
            raise TypeError("events carry readable hosts only")
        is_shared = not caution.isdisjoint(_self_and_parents(key.host))
        narrowed = is_shared and scope is MatchScope.REGISTRABLE_DOMAIN
        return _Reach(key, MatchScope.HOST if is_shared or key.is_ip else scope, is_shared, narrowed)

    return reach


def _own_reach(referral: Referral, reach_of: _ReachFinder) -> _Reach:
    return reach_of(referral.facts["domain"], referral.facts["match_scope"])


def _self_and_parents(host: str) -> Iterator[str]:
    labels = host.split(".")
    return (".".join(labels[position:]) for position in range(len(labels)))


# --------------------------------------------------------------------------- links between domains


@dataclass(frozen=True, slots=True)
class _Link:
    """One statement that a domain leads to another."""

    source: _Claim
    kind: DomainLinkKind
    target: _Claim


def _links(source: _Claim, confirmed: dict[str, _Reach], reach_of: _ReachFinder) -> Iterator[_Link]:
    """Resolve a referral's links to the names under which their targets count.

    A site that moved is the same site and keeps its scope; whoever is behind a redirect or a
    shared payment page may be somebody else, and counts as the exact host.
    """
    for kind, host in source.referral.links:
        if is_bare_suffix(host):
            continue
        scope = source.referral.facts["match_scope"] if kind is DomainLinkKind.MOVED_TO else MatchScope.HOST
        reach = _covering(reach_of(host, scope), confirmed)
        if reach.domain != source.reach.domain:
            yield _Link(source, kind, _Claim(source.referral, reach, is_confirmed=False))


def _covering(reach: _Reach, confirmed: dict[str, _Reach]) -> _Reach:
    """Return the confirmed domain that already covers a target, if there is one."""
    if reach.key.host in confirmed:
        return confirmed[reach.key.host]
    whole = confirmed.get(reach.key.registrable or "")
    return whole if whole is not None and whole.scope is MatchScope.REGISTRABLE_DOMAIN else reach


def _link_rows(links: Iterable[_Link], open_domains: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Merge statements of one link; what only held referrals say may not tie two open domains."""
    groups: dict[tuple[str, str, str], list[_Claim]] = {}
    for link in links:
        name = (link.source.reach.domain, link.target.reach.domain, link.kind.value)
        groups.setdefault(name, []).append(link.source)
    for (source, target, kind), claims in groups.items():
        if open_domains >= {source, target} and all(claim.referral.is_held for claim in claims):
            continue
        yield {
            "from_domain": source,
            "to_domain": target,
            "kind": kind,
            "referral_ids": _distinct(claim.referral.referral_id for claim in _shown(claims)),
        }


# --------------------------------------------------------------------------- one domain


def _by_domain(claims: Iterable[_Claim]) -> Iterator[list[_Claim]]:
    groups: dict[str, list[_Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.reach.domain, []).append(claim)
    return (_shown(group) for group in groups.values())


def _shown(claims: Sequence[_Claim]) -> list[_Claim]:
    """Leave held referrals out wherever there is another reason to flag the domain."""
    free = [claim for claim in claims if not claim.referral.is_held]
    return free or list(claims)


def _open(rows: Iterable[dict[str, Any]]) -> frozenset[str]:
    return frozenset(row["domain"] for row in rows if not row["held"])


def _domain_row(claims: Sequence[_Claim], model: EvidenceModel) -> dict[str, Any]:
    reach = max((claim.reach for claim in claims), key=_width)
    dedicated = _merged_dedication(claims)
    is_confirmed = any(claim.is_confirmed for claim in claims)
    window_from, window_until = _window(claims, model)
    return {
        "domain": reach.domain,
        "match_scope": reach.scope.value,
        "registrable": reach.key.registrable,
        "label": _label(reach, model) if is_confirmed and dedicated is Dedicated.YES else None,
        "confidence_nano": max(claim.confidence for claim in claims) * NANO_PER_PERCENT,
        "confirmed": is_confirmed,
        "dedicated": dedicated.value,
        "window_from_at": window_from,
        "window_until_at": window_until,
        "referral_ids": _distinct(claim.referral.referral_id for claim in claims),
        "hotlines": _distinct(claim.referral.hotline for claim in claims),
        "assurance": _best_assurance(claims).value,
        "caveats": _caveats(claims, dedicated),
        "held": all(claim.referral.is_held for claim in claims),
        "first_confirmed_at": _first_confirmed_at(claims),
    }


def _width(reach: _Reach) -> tuple[bool, str]:
    """Order reaches of one name: a registrable domain is wider than a host; the rest only breaks ties."""
    return reach.scope is MatchScope.REGISTRABLE_DOMAIN, reach.key.host


def _merged_dedication(claims: Iterable[_Claim]) -> Dedicated:
    said = {claim.dedicated for claim in claims}
    return next(value for value in (Dedicated.NO, Dedicated.YES, Dedicated.UNKNOWN) if value in said)


def _best_assurance(claims: Sequence[_Claim]) -> Assurance:
    """Return the best proof among those who confirm the domain; that a proven referral leads to it confirms nothing."""
    confirming = [claim for claim in claims if claim.is_confirmed] or claims
    given = {claim.referral.assurance for claim in confirming}
    return next(assurance for assurance in Assurance if assurance in given)


def _window(claims: Sequence[_Claim], model: EvidenceModel) -> tuple[datetime, datetime | None]:
    """Join the periods in which activity counts; open at the end if one of them is."""
    lookback = timedelta(days=model.lookback_days)
    ends = [claim.referral.facts.get("valid_until") for claim in claims]
    known_ends = [end for end in ends if end is not None]
    first = min(_first_date(claim.referral) for claim in claims)
    return first - lookback, max(known_ends) if len(known_ends) == len(ends) else None


def _first_date(referral: Referral) -> datetime:
    names = ("valid_from", "observed_at", "confirmed_at")
    dates: list[datetime] = [referral.facts[name] for name in names if name in referral.facts]
    return min(dates)


def _first_confirmed_at(claims: Iterable[_Claim]) -> datetime | None:
    """Return when a hotline first confirmed this very domain."""
    stated = (claim.referral.facts.get("confirmed_at") for claim in claims if claim.is_confirmed)
    return min((moment for moment in stated if moment is not None), default=None)


def _label(reach: _Reach, model: EvidenceModel) -> str | None:
    """Return the name to look for under other suffixes; a tenant's host would give its landlord's."""
    label, registrable = reach.key.label, reach.key.registrable
    is_whole_site = reach.key.host in {registrable, f"www.{registrable}"} or reach.scope is not MatchScope.HOST
    usable = label is not None and is_whole_site and not reach.is_shared_host
    return label if usable and label is not None and len(label) >= model.label_min_length else None


def _caveats(claims: Sequence[_Claim], dedicated: Dedicated) -> list[str]:
    """Name what speaks for caution; one hotline's doubt is enough, an expiry only if all have expired."""
    holds = {
        CounterEvidence.SINGLE_HOTLINE: len({claim.referral.hotline for claim in claims}) == 1,
        CounterEvidence.DISPUTED: any(claim.referral.is_disputed for claim in claims),
        CounterEvidence.EXPIRED: all(claim.referral.is_expired for claim in claims),
        CounterEvidence.SITE_DOWN: any(claim.referral.is_down for claim in claims),
        CounterEvidence.NOT_DEDICATED: dedicated is not Dedicated.YES,
        CounterEvidence.MIXED_SCRIPT: any(claim.reach.key.mixed_script for claim in claims),
        CounterEvidence.SHARED_HOST: any(claim.reach.is_shared_host for claim in claims),
    }
    return sorted(caveat.value for caveat, applies in holds.items() if applies)


# --------------------------------------------------------------------------- clues


_CLUE_ORDER: Final = ["domain", "referral_id", "card_acceptor_id", "descriptor", "currency", "amount_minor", "seen_at"]


def _clue_rows(own: Iterable[_Claim]) -> Iterator[dict[str, Any]]:
    """List what was seen on each domain; a clue without a time was seen when the site was observed."""
    for group in _by_domain(own):
        for claim in group:
            observed_at = claim.referral.facts.get("observed_at")
            for clue in claim.referral.clues:
                descriptor = normalise_descriptor(clue.descriptor or "")
                yield {
                    "domain": claim.reach.domain,
                    "referral_id": claim.referral.referral_id,
                    "card_acceptor_id": clue.merchant_id,
                    "descriptor": descriptor or None,
                    "amount_minor": clue.amount_minor,
                    "currency": clue.currency,
                    "seen_at": clue.seen_at or observed_at,
                }


# --------------------------------------------------------------------------- blind spots


_WHY_NOT: Final[dict[ReferralState, BlindSpot]] = {
    ReferralState.AWAITING_CONFIRMATION: BlindSpot.REFERRAL_NOT_CONFIRMED,
    ReferralState.RETRACTED: BlindSpot.REFERRAL_RETRACTED,
    ReferralState.NOT_MATCHABLE: BlindSpot.REFERRAL_NOT_MATCHABLE,
}


def _blind_spots(register: Register, own: Sequence[_Claim], reach_of: _ReachFinder) -> Iterator[dict[str, Any]]:
    for referral in register.referrals:
        if not referral.counts:
            yield _spot(_WHY_NOT[referral.state], referral.referral_id, f"{referral.hotline}: {referral.reason}")
    for later in register.set_aside:
        detail = f"{later.hotline}: events issued after the moment of the screen; not taken into account"
        yield _spot(BlindSpot.REFERRAL_AFTER_AS_OF, later.referral_id, detail, later.event_count)
    for claim in own:
        yield from _counting_but_limited(claim, reach_of)


def _counting_but_limited(claim: _Claim, reach_of: _ReachFinder) -> Iterator[dict[str, Any]]:
    """Report what a counting referral could not be screened for."""
    referral, hotline = claim.referral, claim.referral.hotline
    if claim.reach.was_narrowed:
        detail = f"{hotline}: its host is shared by many parties, so only the exact host was matched"
        yield _spot(BlindSpot.SCOPE_NARROWED_TO_HOST, referral.referral_id, detail)
    if referral.is_held:
        detail = f"{hotline}: under a law-enforcement hold; what rests on it alone is in the sealed list"
        yield _spot(BlindSpot.HELD_FOR_LAW_ENFORCEMENT, referral.referral_id, detail)
    bare = sum(is_bare_suffix(host) for _, host in referral.links)
    if bare:
        detail = f"{hotline}: a domain it leads to is a public suffix, under which unrelated owners have their sites"
        yield _spot(BlindSpot.REFERRAL_NOT_MATCHABLE, referral.referral_id, detail, bare)
    narrowed = sum(
        not is_bare_suffix(host)
        and kind is DomainLinkKind.MOVED_TO
        and reach_of(host, referral.facts["match_scope"]).was_narrowed
        for kind, host in referral.links
    )
    if narrowed:
        detail = f"{hotline}: a domain it moved to is shared by many parties, so only the exact host was matched"
        yield _spot(BlindSpot.SCOPE_NARROWED_TO_HOST, referral.referral_id, detail, narrowed)


def _spot(kind: BlindSpot, subject: str, detail: str, count: int = 1) -> dict[str, Any]:
    return {"kind": kind.value, "subject": subject, "count": count, "detail": detail}


# --------------------------------------------------------------------------- frames


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))


def _frame(table: Any, rows: Iterable[dict[str, Any]], order: list[str]) -> pl.DataFrame:
    """Build a frame of the table without repeated rows, in total order."""
    schema, listed = schema_of(table), list(rows)
    frame = pl.DataFrame({name: [row[name] for row in listed] for name in schema}, schema=schema)
    return frame.unique().sort(order, nulls_last=False)
