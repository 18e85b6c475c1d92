"""Referral events and a small policy for tests, with reserved names only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import publicsuffixlist

from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import CautionHost, EvidenceModel, Policy
from merchantscreen.referrals.events import ReferralEvent

AS_OF = datetime(2026, 11, 1)  # times are UTC without zone throughout

COMPLETE: Mapping[str, Any] = {
    "schema_version": "1",
    "event": "confirmed",
    "reporting_hotline_id": "hotline-a",
    "referral_id": "R-1",
    "issued_at": "2026-10-01T09:00:00Z",
    "domain": "shop.example",
    "match_scope": "registrable_domain",
    "domain_dedicated": "yes",
    "site_type": "website",
    "commerciality": "commercial",
    "payment_methods": ["visa", "mastercard"],
    "classification": "baseline",
    "received_at": "2026-09-28T08:00:00Z",
    "confirmed_at": "2026-10-01T08:30:00Z",
    "observed_at": "2026-09-30T12:00:00Z",
    "status": "active",
    "le_hold": False,
    "confidence": 90,
    "tlp": "amber",
}
"""A confirmation that is right in every field."""

BRIEF: Mapping[str, Any] = {
    "reporting_hotline_id": "hotline-a",
    "referral_id": "R-1",
    "issued_at": "2026-10-10T09:00:00Z",
}
"""What every later event of the same referral repeats."""


def confirmation(**changes: Any) -> dict[str, Any]:
    """Return a complete confirmation with some fields changed; None leaves a field out."""
    return {name: value for name, value in {**COMPLETE, **changes}.items() if value is not None}


def event(**changes: Any) -> ReferralEvent:
    """Return a confirmation as a checked event."""
    return ReferralEvent.model_validate(confirmation(**changes))


def later(kind: str, **changes: Any) -> ReferralEvent:
    """Return an event that only names its referral and what changes."""
    return ReferralEvent.model_validate({**BRIEF, "event": kind, **changes})


def json_lines(folder: Path, lines: Iterable[Mapping[str, Any] | str], name: str = "referrals.jsonl") -> Path:
    """Write events, or raw lines, to a JSON lines file."""
    path = folder / name
    text = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(line + "\n" for line in text), encoding="utf-8")
    return path


def a_platform() -> str:
    """Return a public suffix of the private section, taken from the installed list so that none is named here."""
    section = Path(publicsuffixlist.PSLFILE).read_text(encoding="utf-8").partition("===BEGIN PRIVATE DOMAINS===")[2]
    names = (line.strip() for line in section.splitlines())
    return next(name for name in names if "." in name and name.isascii() and name[0].isalnum())


def policy(*caution_hosts: str) -> Policy:
    """Return a policy with a caution list and the numbers that flagging reads."""
    listed = tuple(CautionHost(host, "shared host") for host in caution_hosts)
    return replace(load_policy(), evidence=_MODEL, tiers=(), rules=(), caution_hosts=listed)


_MODEL = EvidenceModel(
    kinds={},
    match_factor_nano={},
    indirect_carry_nano=200_000_000,
    direct_carry_nano=800_000_000,
    kind_cap_nano=3_000_000_000,
    residual_nano=50_000_000,
    floor_nano=1_000_000,
    account_rounds=2,
    domain_rounds=2,
    lookback_days=30,
    clue_days=14,
    label_min_length=4,
    hub_holder_count=10_000,
    widely_shared_count=25,
    typology_strength_nano={},
    typology_cap_nano=500_000_000,
    peer_sample_count=100,
    peer_minimum_count=10,
    peer_scale_floor_nano=10_000_000,
    sibling_opening_days=365,
)
