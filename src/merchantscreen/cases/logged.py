"""What the log holds about cases: the kinds of its events, and how each is written and read back.

Rules kept here:
* every kind has its fields in `KINDS`; a body with others is not read, and said;
* a list of accounts that is too long for one event is split into parts, each of which stands for itself;
* the reason of a decision is a personal value: the body holds a commitment, the text lies beside the log
  and can be erased.

How the events add up is left to `history`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from merchantscreen.cases.model import Assigned, Decision, Key, Listed
from merchantscreen.eventlog.records import Event
from merchantscreen.referrals.logged import Kind, parted
from merchantscreen.vocabulary import Disposition, Tier

LISTED: Final = "cases.listed"
ASSIGNED: Final = "case.assigned"
PROPOSED: Final = "case.proposed"
DECIDED: Final = "case.decided"
REASON: Final = "reason"
"""Name of the personal field of a proposal or decision."""
MOST_ITEMS: Final = 2_500
"""Digests in one decision, so that it fits into an event. Of an account with more the strongest are kept, and the
others count as not seen: they show as new, never as decided."""

_DECISION: Final[dict[str, type]] = {
    "account_id": str, "run_id": str, "manifest_sha256": str, "pseudonym_key_id": str, "tier": str,
    "disposition": str, "closes": bool, "referrals": list, "items": list, REASON: dict, "duplicate_of": str,
}  # fmt: skip

_KINDS: Final = (
    Kind(LISTED, "The accounts that were cases in a run, and whether anything in it was new since a decision.",
         {"run_id": str, "manifest_sha256": str, "as_of": str, "accounts": list, "part": int, "parts": int}),
    Kind(ASSIGNED, "Somebody was given a case.", {"account_id": str, "to": str}),
    Kind(PROPOSED, "Somebody proposed to close a case; a second person has to confirm it.", _DECISION,
         frozenset({"duplicate_of"})),
    Kind(DECIDED, "Somebody decided about a case, or confirmed what another proposed.",
         {**_DECISION, "confirms": int}, frozenset({"duplicate_of", "confirms"})),
)  # fmt: skip

_TIERS: Final = {tier.value: tier for tier in Tier}
"""Tiers by name; a log lists so many accounts that the enumeration's own look-up would be most of the work."""

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _KINDS}
"""Kinds of events about cases; other kinds of a log belong to others and are passed over."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What somebody had before them when they decided: the account as a run shows it.

    Attributes:
        account_id: The account.
        run_id: The run.
        manifest_sha256: Digest of its manifest.
        pseudonym_key_id: Key of its contact tokens.
        tier: Tier of the account.
        referrals: Referrals behind it that stand.
        items: Digests of its evidence, the strongest first.
    """

    account_id: str
    run_id: str
    manifest_sha256: str
    pseudonym_key_id: str
    tier: Tier
    referrals: frozenset[Key]
    items: Sequence[str]


# --------------------------------------------------------------------------- writing


def listed_bodies(
    run_id: str, manifest_sha256: str, as_of: str, accounts: Iterable[tuple[str, Tier, bool]]
) -> list[dict[str, Any]]:
    """Return the bodies of `cases.listed`, one or more.

    Args:
        run_id: The run.
        manifest_sha256: Digest of its manifest.
        as_of: Its moment, as its manifest writes it.
        accounts: Its cases in review order: account, tier, and whether it reopens a decided case.
    """
    whole = {"run_id": run_id, "manifest_sha256": manifest_sha256, "as_of": as_of}
    lines = [{"account_id": name, "tier": tier.value} | ({"reopens": True} if reopens else {})
             for name, tier, reopens in accounts]  # fmt: skip
    return parted(whole, "accounts", lines)


def decision_body(looked: Looked, disposition: Disposition, *, closes: bool, other: str | None) -> dict[str, Any]:
    """Return the body of `case.proposed` or `case.decided`; the reason goes beside it.

    Args:
        looked: What was looked at.
        disposition: What is decided.
        closes: Whether it ends the work on the case.
        other: For a duplicate, the account whose case is worked on instead.
    """
    referrals = [{"hotline": hotline, "referral_id": name} for hotline, name in sorted(looked.referrals)]
    body = {
        "account_id": looked.account_id,
        "run_id": looked.run_id,
        "manifest_sha256": looked.manifest_sha256,
        "pseudonym_key_id": looked.pseudonym_key_id,
        "tier": looked.tier.value,
        "disposition": disposition.value,
        "closes": closes,
        "referrals": referrals,
        "items": sorted(looked.items[:MOST_ITEMS]),
    }
    return body if other is None else body | {"duplicate_of": other}


def confirmation_body(proposal: Event) -> dict[str, Any]:
    """Return the body of the `case.decided` that confirms a proposal: what was proposed, and its log index."""
    said = {name: value for name, value in proposal.body.items() if name != REASON}
    return said | {"confirms": proposal.index}


# --------------------------------------------------------------------------- reading


def read_listed(event: Event) -> list[tuple[str, Listed]]:
    """Read a list of cases: account and listing; ValueError, KeyError or TypeError if it is none."""
    index, at, run_id = event.index, event.recorded_at, event.body["run_id"]
    return [
        (_text(one["account_id"]), Listed(index, at, run_id, _TIERS[one["tier"]], one.get("reopens", False) is True))
        for one in event.body["accounts"]
    ]


def read_assigned(event: Event) -> Assigned:
    """Read who was given a case."""
    return Assigned(event.index, event.recorded_at, event.actor, event.body["to"])


def read_decision(event: Event) -> Decision:
    """Read a proposal or decision; ValueError, KeyError or TypeError if it is none."""
    body: Mapping[str, Any] = event.body
    return Decision(
        event.index, event.recorded_at, event.actor, body["account_id"], body["run_id"], body["manifest_sha256"],
        body["pseudonym_key_id"], Tier(body["tier"]), Disposition(body["disposition"]), body["closes"],
        frozenset((_text(one["hotline"]), _text(one["referral_id"])) for one in body["referrals"]),
        frozenset(map(_text, body["items"])), body.get("duplicate_of"), body.get("confirms"),
    )  # fmt: skip


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("something else than a text")
    return value
