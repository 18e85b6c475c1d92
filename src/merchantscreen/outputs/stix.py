"""Confirmed referrals as a STIX 2.1 bundle for partners: events in, the same bytes out every time.

Rules kept here:
* only what its hotline confirmed is passed on, with nothing of any merchant, payment clue,
  run or case: host, validity, confidence and what the hotline says about the site;
* TLP `red` and `amber+strict` stay here; so do disputed referrals, and those under a
  law-enforcement hold; everything left out is counted with its reason;
* a spell is the time during which a referral, with one domain, may be passed on. A retraction or
  another domain ends it, and it goes out as revoked, as it was last fit to be passed on: partners
  who have it must learn of that. What was never fit is not mentioned;
* STIX knows no way back from revoked, so a second spell has an id of its own: `R-1`, then `R-1.2`;
* ids are made from hotline and referral id, objects are sorted, times come from the events:
  the same events give the same bytes;
* what STIX has no word for goes into labels, which `referrals.importers.stix` reads back.

Encrypting is left to `sealing`, signing and recording to the caller.
Source: STIX 2.1; TLP 2.0 marking definitions of OASIS.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import rfc8785

from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.importers.stix import LABEL_FIELDS, LABEL_PREFIX, TLP_MARKINGS
from merchantscreen.referrals.register import Referral, fold
from merchantscreen.vocabulary import ReferralEventKind, ReferralState, Tlp

NAMESPACE: Final = uuid.UUID("8f9b6c52-5a0e-5d0b-9d0e-6d1a1c3f7b42")
"""Under which all ids of exports are made; never changed, or partners would see every object twice."""
_SHARED_TLP: Final = frozenset({Tlp.AMBER, Tlp.GREEN, Tlp.CLEAR})
_FIT_STATES: Final = frozenset({ReferralState.CONFIRMED, ReferralState.EXPIRED})
_TLP_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_TLP_CREATED: Final = "2022-10-01T00:00:00.000Z"
"""Both fixed by OASIS for the marking definitions of TLP 2.0."""


class LeftOut(StrEnum):
    """Why a referral is not passed on."""

    NOT_CONFIRMED = "not_confirmed"
    DISPUTED = "disputed"
    NOT_MATCHABLE = "not_matchable"
    RESTRICTED = "restricted"
    HELD = "held"
    NO_NAME = "no_name"
    NO_VALIDITY = "no_validity"
    NEVER_SHARED = "never_shared"


_UNFIT: Final[Mapping[ReferralState, LeftOut]] = {
    ReferralState.AWAITING_CONFIRMATION: LeftOut.NOT_CONFIRMED,
    ReferralState.DISPUTED: LeftOut.DISPUTED,
    ReferralState.NOT_MATCHABLE: LeftOut.NOT_MATCHABLE,
    ReferralState.RETRACTED: LeftOut.NEVER_SHARED,
}
EXPLANATIONS: Final[Mapping[LeftOut, str]] = {
    LeftOut.NOT_CONFIRMED: "no hotline has confirmed it as it stands",
    LeftOut.DISPUTED: "a dispute stands",
    LeftOut.NOT_MATCHABLE: "what its hotline said cannot be matched",
    LeftOut.RESTRICTED: "its TLP marking, red or amber+strict, keeps it here",
    LeftOut.HELD: "law enforcement asks for silence about it",
    LeftOut.NO_NAME: "it names an address instead of a domain",
    LeftOut.NO_VALIDITY: "its validity ends before it begins",
    LeftOut.NEVER_SHARED: "it was retracted before it was fit to be passed on",
}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who passes the referrals on.

    Attributes:
        id: Its id, as in the trust file.
        name: Its name, for people.
        created_at: When its identity was first published; UTC without zone, the same in every bundle.
    """

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StixExport:
    """A bundle and its account: `indicator_count` counts the revoked ones, too."""

    data: bytes
    indicator_count: int
    revoked_count: int
    left_out: Mapping[LeftOut, int]


def export_stix(events: Iterable[ReferralEvent], as_of: datetime, sender: Sender) -> StixExport:
    """Write the referrals that may be passed on as a bundle in canonical JSON.

    Args:
        events: All events that count, in any order; later ones than `as_of` are set aside.
        as_of: UTC without zone.
        sender: Who passes them on.
    """
    known = [event for event in events if event.issued_at <= as_of]
    stories = _by_referral(known)
    left_out: Counter[LeftOut] = Counter()
    spells: list[_Spell] = []
    for referral in fold(known, as_of).referrals:
        found = _spells(stories[referral.hotline, referral.referral_id], as_of)
        spells += [spell for spell in found if spell.ended_at is not None]
        reason = _obstacle(referral)
        if reason is None:
            spells.append(found[-1])
        elif referral.state is not ReferralState.RETRACTED or not found:
            left_out[reason] += 1
    markings = [_marking(tlp) for tlp in {Tlp(spell.last.facts["tlp"]) for spell in spells}]
    data = _bundle([_identity(sender), *markings, *(_indicator(spell, sender) for spell in spells)])
    revoked_count = sum(1 for spell in spells if spell.ended_at is not None)
    return StixExport(data, len(spells), revoked_count, dict(sorted(left_out.items())))


# --------------------------------------------------------------------------- what may go out


@dataclass(slots=True)
class _Spell:
    """The time during which a referral, with one domain, may be passed on.

    Attributes:
        number: From 1, among the spells of the referral.
        created_at: The event it began with.
        changed_at: The latest event it has seen.
        last: The referral when it was last fit to be passed on.
        ended_at: The event that ended it for good; None while it lasts.
    """

    number: int
    created_at: datetime
    changed_at: datetime
    last: Referral
    ended_at: datetime | None = None


def _by_referral(events: Iterable[ReferralEvent]) -> dict[tuple[str, str], list[ReferralEvent]]:
    stories: dict[tuple[str, str], list[ReferralEvent]] = {}
    for event in events:
        if event.event is not ReferralEventKind.HEARTBEAT and event.referral_id is not None:
            stories.setdefault((event.reporting_hotline_id, event.referral_id), []).append(event)
    return stories


def _spells(own: list[ReferralEvent], as_of: datetime) -> list[_Spell]:
    """Go through the events of one referral; a hold or a validity may end between two of them, so `as_of` counts."""
    spells: list[_Spell] = []
    event_at = as_of
    for moment in sorted({event.issued_at for event in own} | {as_of}):
        event_at = max(event.issued_at for event in own if event.issued_at <= moment)
        (referral,) = fold(own, moment).referrals
        current = spells[-1] if spells and spells[-1].ended_at is None else None
        if current is not None and referral.facts.get("domain") != current.last.facts["domain"]:
            current.ended_at = current.changed_at = event_at
            current = None
        if current is None and _obstacle(referral) is None:
            current = _Spell(len(spells) + 1, event_at, event_at, referral)
            spells.append(current)
        if current is not None:
            current.changed_at = event_at
            current.last = referral if _obstacle(referral) is None else current.last
    return spells


def _obstacle(referral: Referral) -> LeftOut | None:
    """Say what keeps a referral from being passed on."""
    if referral.state not in _FIT_STATES:
        return _UNFIT[referral.state]
    host = str(referral.facts["domain"])
    checks = (
        (referral.is_disputed, LeftOut.DISPUTED),
        (referral.is_held, LeftOut.HELD),
        (referral.facts["tlp"] not in _SHARED_TLP, LeftOut.RESTRICTED),
        (host.startswith("[") or host.replace(".", "").isdigit(), LeftOut.NO_NAME),
        (_ends_early(referral.facts), LeftOut.NO_VALIDITY),
    )
    return next((reason for holds, reason in checks if holds), None)


# --------------------------------------------------------------------------- objects


def _indicator(spell: _Spell, sender: Sender) -> dict[str, Any]:
    hotline, facts = spell.last.hotline, spell.last.facts
    referral_id = spell.last.referral_id + (f".{spell.number}" if spell.number > 1 else "")
    validity = {"valid_from": _moment(_valid_from(facts))}
    if "valid_until" in facts:
        validity["valid_until"] = _moment(facts["valid_until"])
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{_made_id('indicator', hotline, referral_id)}",
        "created_by_ref": _identity_id(sender),
        "created": _moment(spell.created_at),
        "modified": _moment(spell.changed_at),
        "revoked": spell.ended_at is not None,
        "pattern": f"[domain-name:value = '{facts['domain']}']",
        "pattern_type": "stix",
        "external_references": [{"source_name": hotline, "external_id": referral_id}],
        "labels": list(_labels(facts)),
        "object_marking_refs": [TLP_MARKINGS[Tlp(facts["tlp"])]],
        **validity,
        **({"confidence": facts["confidence"]} if "confidence" in facts else {}),
    }


def _valid_from(facts: Mapping[str, Any]) -> datetime:
    """Return the beginning that STIX asks for; where the hotline gave none, what its window begins with anyway."""
    stated: datetime | None = facts.get("valid_from")
    if stated is not None:
        return stated
    seen: list[datetime] = [facts[name] for name in ("observed_at", "confirmed_at") if name in facts]
    return min(seen)


def _ends_early(facts: Mapping[str, Any]) -> bool:
    valid_until: datetime | None = facts.get("valid_until")
    return valid_until is not None and valid_until <= _valid_from(facts)


def _labels(facts: Mapping[str, Any]) -> Iterator[str]:
    for name in LABEL_FIELDS:
        value = facts.get(name)
        for one in value if isinstance(value, tuple) else [value]:
            if one is not None:
                said = _moment(one) if isinstance(one, datetime) else str(one)
                yield f"{LABEL_PREFIX}{name}={said}"


def _identity(sender: Sender) -> dict[str, Any]:
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": _identity_id(sender),
        "created": _moment(sender.created_at),
        "modified": _moment(sender.created_at),
        "name": sender.name,
        "identity_class": "organization",
    }


def _marking(tlp: Tlp) -> dict[str, Any]:
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": TLP_MARKINGS[tlp],
        "created": _TLP_CREATED,
        "name": f"TLP:{tlp.value.upper()}",
        "extensions": {_TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp.value}},
    }


def _bundle(objects: list[dict[str, Any]]) -> bytes:
    ordered = sorted(objects, key=lambda found: (found["type"], found["id"]))
    digest = _made_id("bundle", rfc8785.dumps(ordered).hex())
    return rfc8785.dumps({"type": "bundle", "id": f"bundle--{digest}", "objects": ordered})


def _identity_id(sender: Sender) -> str:
    return f"identity--{_made_id('identity', sender.id)}"


def _made_id(*parts: str) -> uuid.UUID:
    """Make an id from its parts; a line break is in none of them."""
    return uuid.uuid5(NAMESPACE, "\n".join(parts))


def _moment(moment: datetime) -> str:
    precision = "milliseconds" if moment.microsecond % 1000 == 0 else "microseconds"
    return f"{moment.isoformat(timespec=precision)}Z"
