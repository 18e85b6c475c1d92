"""A run made by hand: the worked example of docs/method.md, as frames of the tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from merchantscreen.bundle import Bundle, RunFacts, read_bundle, write_bundle
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Document, EvidenceModel
from merchantscreen.records import SourceFile
from merchantscreen.screening import ScreenResult
from merchantscreen.tables import (
    AccountFacts,
    AccountLinks,
    BlindSpots,
    Breadths,
    Contributions,
    Degrees,
    ExceptionResults,
    FlaggedDomains,
    Ledger,
    LinkDegrees,
    PolicyFiles,
    Ranking,
    Rejects,
    RuleResults,
    Skew,
    empty,
    schema_of,
)

AS_OF = datetime(2026, 11, 1)
SEEN_AT = datetime(2026, 9, 1, 12, 30, 0, 250)
NANO = 1_000_000_000
_TRUTHS = frozenset({"clue_merchant_id", "direct_forgeable", "disputed", "expired"})


def frame(table: type[dy.Schema], rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Make a frame of a table from rows that name some of its columns."""
    schema = schema_of(table)
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def _ranked(rank: int, account: str, tier: str, points: int, score: float, **more: Any) -> dict[str, Any]:
    acquirer, acceptor = account.split("/")[:2]
    return {
        "rank": rank, "tier": tier, "tied_with": 0, "account_id": account, "acquirer_id": acquirer,
        "card_acceptor_id": acceptor, "mcc": "5732", "country": "NL", "points": points / NANO, "score": score,
        "points_nano": points, "tier_reason": "direct-dedicated: declares a confirmed domain", "hops": 1,
        "referral_ids": ["R-1"], "hotlines": ["hotline-a"], "assurance": "unsigned", "gate_hits": [], "rule_hits": [],
        "excepted_hits": [], "policy_state": "unapproved", "not_evaluated": [], "counter_evidence": ["single_hotline"],
    } | more  # fmt: skip


RANKING = frame(Ranking, [
    _ranked(1, "400001/M1", "T1", 2_995_732_274, 95.0, dba_name="ACME [/] LTD",
            strongest_link="declared website: amber-shop[.]example", rule_hits=["new-account"]),
    _ranked(2, "400001/M2", "T3", 1_468_506_832, 76.9730941, dba_name="=HYPERLINK(1)\x1b[2J", hops=2,
            strongest_link="settlement account: acct-1", not_evaluated=["prepaid-share"]),
    _ranked(3, "400001/M3", "watch", 2_395_890, 0.24, tied_with=1, hops=2, mcc=None,
            strongest_link="merchant-side network address: ip-1"),
    _ranked(3, "400001/M4", "watch", 2_395_890, 0.24, tied_with=1, hops=2, country=None,
            strongest_link="merchant-side network address: ip-1"),
])  # fmt: skip


def _link(number: int) -> dict[str, Any]:
    return {
        "round": number, "subject": "400001/M1", "family": "link", "kind": "declared_website",
        "counterpart": "amber-shop.example", "match": "exact", "seen_as": "amber-shop.example",
        "weight_nano": 950_000_000, "reliability_nano": NANO, "match_factor_nano": NANO, "risk_nano": NANO,
        "linked_count": 1, "strength_nano": 950_000_000, "points_nano": 2_995_732_274,
        "kind_points_nano": 2_995_732_274, "share_nano": 2_995_732_274, "from_confirmed": True,
        "referral_ids": ["R-1"], "contributors": [],
    }  # fmt: skip


def _shared(
    account: str, kind: str, value: str, others: int, weight: int, strength: int, points: int
) -> dict[str, Any]:
    return {
        "round": 2, "subject": account, "family": "identifier", "kind": kind, "counterpart": value,
        "weight_nano": weight, "reliability_nano": NANO, "shared_risk_nano": 760_000_000, "others_count": others,
        "base_rate_nano": 100_000, "kappa_nano": 0 if kind == "settlement_account" else NANO,
        "strength_nano": strength, "points_nano": points, "kind_points_nano": points, "share_nano": points,
        "referral_ids": ["R-1"], "contributor_count": 1, "contributors": ["400001/M1"],
    }  # fmt: skip


LEDGER = frame(Ledger, [
    _link(1),
    _link(2),
    _shared("400001/M2", "ip", "ip-1", 399, 300_000_000, 2_393_022, 2_395_890),
    _shared("400001/M2", "phone", "tel-1", 2, 600_000_000, 169_990_759, 186_318_445),
    _shared("400001/M2", "settlement_account", "acct-1", 1, 950_000_000, 721_905_000, 1_279_792_497),
    _shared("400001/M3", "ip", "ip-1", 399, 300_000_000, 2_393_022, 2_395_890),
    _shared("400001/M4", "ip", "ip-1", 399, 300_000_000, 2_393_022, 2_395_890),
])  # fmt: skip

CONTRIBUTIONS = frame(Contributions, [
    {"round": 2, "kind": kind, "value": value, "account_id": "400001/M1", "risk_nano": 760_000_000,
     "breadth_count": 1, "contribution_nano": 760_000_000}
    for kind, value in (("ip", "ip-1"), ("phone", "tel-1"), ("settlement_account", "acct-1"))
])  # fmt: skip

LINKS = frame(AccountLinks, [
    {"account_id": "400001/M1", "domain": "amber-shop.example", "kind": "declared_website", "in_window": True,
     "match": "exact", "seen_as": "amber-shop.example"},
    {"account_id": "400001/M2", "domain": "old-shop.example", "kind": "observed_requestor_url", "in_window": False,
     "match": "exact", "seen_as": "old-shop.example", "transaction_count": 3, "first_at": SEEN_AT, "last_at": AS_OF},
])  # fmt: skip

DOMAINS = frame(FlaggedDomains, [
    {"domain": domain, "match_scope": "registrable_domain", "registrable": domain, "confidence_nano": NANO,
     "confirmed": True, "dedicated": "yes", "window_from_at": SEEN_AT, "referral_ids": ["R-1"],
     "hotlines": ["hotline-north"], "assurance": "unsigned", "caveats": ["single_hotline"], "held": False}
    for domain in ("amber-shop.example", "old-shop.example")
])  # fmt: skip

RULES = frame(RuleResults, [
    {"account_id": "400001/M1", "rule_id": "new-account", "rule_version": "1.0.0", "role": "context",
     "status": "active", "typology": "account-profile", "severity": "low",
     "outcome": "hit", "observed": '{"account_age_days":12}', "missing": [],
     "reason": "The account is 12 days old."},
    {"account_id": "400001/M2", "rule_id": "prepaid-share", "rule_version": "1.0.0", "role": "rank",
     "status": "active", "typology": "transaction-pattern", "severity": "medium",
     "outcome": "not_evaluated", "observed": '{"prepaid_share":null}',
     "missing": ["prepaid_share"], "reason": ""},
    {"account_id": "400001/M2", "rule_id": "new-account", "rule_version": "1.0.0", "role": "context",
     "status": "active", "typology": "account-profile", "severity": "low",
     "outcome": "no_hit", "observed": '{"account_age_days":900}', "missing": [], "reason": ""},
])  # fmt: skip

SHADOW = frame(RuleResults, [
    {"account_id": "400001/M2", "rule_id": "payer-night", "rule_version": "0.1.0", "role": "rank",
     "status": "draft", "typology": "transaction-pattern", "severity": "low", "outcome": "hit",
     "observed": '{"night_share":0.5}', "missing": [], "reason": "50.0 % at night."},
])  # fmt: skip

EXCEPTIONS = frame(ExceptionResults, [
    {"exception_id": "two-acquirers", "state": "unused", "rule_ids": ["processor-change"], "subject": "400001/M1",
     "account_count": 1, "hit_count": 0, "owner": "desk", "reason": "Known.", "effective_from": AS_OF.date(),
     "expires_on": AS_OF.date()},
])  # fmt: skip

SKEW = frame(Skew, [
    {"dimension": "mcc", "value": "5732", "account_count": 10, "case_count": 3, "account_share_nano": 25_000_000,
     "case_share_nano": NANO, "expected_count_nano": 75_000_000, "lift_nano": 40 * NANO},
])  # fmt: skip

FACTS = frame(
    AccountFacts,
    [
        {name: False if name in _TRUTHS else 0 for name in schema_of(AccountFacts)}
        | {"account_id": row["account_id"], "assurance": "unsigned"}
        for row in RANKING.iter_rows(named=True)
    ],
)

POLICY_FILES = frame(PolicyFiles, [{"name": "evidence.yml", "sha256": "e" * 64, "text": "version: 1.0.0\n"}])

BLIND_SPOTS = frame(BlindSpots, [
    {"kind": "column_absent", "subject": "transactions.card_product", "count": 1, "detail": "not given"},
    {"kind": "referral_not_confirmed", "subject": "R-8", "count": 1, "detail": "awaits confirmation"},
    {"kind": "referral_not_confirmed", "subject": "R-9", "count": 1, "detail": "awaits confirmation"},
    {"kind": "transaction_after_as_of", "subject": "transactions", "count": 1200, "detail": "later"},
])  # fmt: skip

REJECTS = frame(Rejects, [
    {"role": "merchants", "file": "merchants.csv", "line": 41, "column": None, "code": "MS-CSV-012",
     "found": "too few fields (8)", "expected": "9", "fix": "Export the file again."},
])  # fmt: skip

RESULT = ScreenResult(
    ranking=RANKING,
    ledger=LEDGER,
    contributions=CONTRIBUTIONS,
    links=LINKS,
    rules=RULES,
    shadow=SHADOW,
    facts=FACTS,
    exceptions=EXCEPTIONS,
    skew=SKEW,
    policy=POLICY_FILES,
    blind_spots=BLIND_SPOTS,
    sealed=empty(Ranking),
    degrees=frame(Degrees, [{"kind": "ip", "value": "ip-1", "holder_count": 400}]),
    breadths=frame(Breadths, [{"kind": "ip", "account_id": "400001/M1", "breadth_count": 1}]),
    link_degrees=frame(LinkDegrees, [{"domain": "amber-shop.example", "kind": "declared_website", "linked_count": 1}]),
    domains=DOMAINS,
    counts={"flagged_domain_count": 1, "account_count": 400, "transaction_count": 9000, "ranked_account_count": 4},
)

MODEL = EvidenceModel(
    kinds={}, match_factor_nano={}, indirect_carry_nano=200_000_000, direct_carry_nano=800_000_000,
    kind_cap_nano=3 * NANO, residual_nano=50_000_000, floor_nano=1, account_rounds=2, domain_rounds=1,
    lookback_days=180, clue_days=7, label_min_length=6, widely_shared_count=50, typology_strength_nano={},
    typology_cap_nano=500_000_000, peer_sample_count=500, peer_minimum_count=20,
    peer_scale_floor_nano=10_000_000, hub_holder_count=10_000, sibling_opening_days=365,
)  # fmt: skip

DOCUMENT = Document(
    "evidence.yml", "1.0.0", "rule desk", None, date(2026, 1, 1), date(2027, 1, 1), {}, "c" * 64, "e" * 64
)

POLICY = replace(load_policy(), evidence=MODEL, rules=(), documents={"evidence.yml": DOCUMENT}, digest="d" * 64)

SOURCES = (
    SourceFile("transactions", "transactions.csv", 1000, "c" * 64, 9000, 9000, 0),
    SourceFile("merchants", "merchants.csv", 100, "b" * 64, 401, 400, 1),
    SourceFile("referrals", "referrals.jsonl", 10, "a" * 64, 3, 3, 0),
)


def facts(run_id: str = "run-1", created_at: datetime = AS_OF) -> RunFacts:
    """State the facts of the run under some id and time."""
    return RunFacts(run_id, AS_OF, created_at, SOURCES, POLICY, "key-1", {"max_rejects": None})


def bundle(folder: Path, result: ScreenResult = RESULT) -> Bundle:
    """Write a result as a run and read it back."""
    return read_bundle(write_bundle(folder, facts(), result, REJECTS))
