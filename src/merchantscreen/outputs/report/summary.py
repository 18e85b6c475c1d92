"""The head of the page: what was screened and what was not, tiers, referrals, policy, skew.

Rules kept here:
* every figure is one of the manifest or a count of rows of the bundle;
* read = accepted + rejected per role; what could not be tested is said in sentences;
* of what is under a law-enforcement hold only the number of accounts is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from merchantscreen.outputs.blindspots import sentences
from merchantscreen.outputs.console import COUNTER_EVIDENCE, counts_line
from merchantscreen.outputs.manifest import ROLES
from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.report.figures import UNKNOWN, Row, Table, day, listed, nano, shown
from merchantscreen.outputs.text import counted, visible
from merchantscreen.vocabulary import Assurance, BlindSpot, RuleOutcome, Tier

_AGES = ((30, "30 days or less"), (90, "31 to 90 days"), (180, "91 to 180 days"), (10**6, "more than 180 days"))
_UNDATED: Final = "linked only, or not dated"


@dataclass(frozen=True, slots=True)
class Summary:
    """All of the head of the page."""

    counts: str
    inputs: Table
    tiers: tuple[tuple[str, str], ...]
    sealed: str
    ages: Table
    domains: Table
    blind: tuple[tuple[str, tuple[str, ...]], ...]
    rejects: Table
    policy: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]
    drafts: Table
    exceptions: Table
    skew: Table


def summary_of(bundle: Bundle, rejects: pl.DataFrame | None) -> Summary:
    """Sum a run up.

    Args:
        bundle: The run.
        rejects: Columns role and code of its rejects; None where they were not read.
    """
    manifest = bundle.manifest
    domains = bundle.domains.filter(~pl.col("held")).sort("domain")
    as_of = moment_of(manifest.as_of)
    sealed = counted(manifest.sealed_count, "account")
    return Summary(
        counts=counts_line(manifest),
        inputs=_inputs(bundle),
        tiers=tuple((tier.value, f"{manifest.tiers[tier.value]:,}") for tier in Tier),
        sealed=f"{sealed} for the law-enforcement liaison only, in sealed.jsonl" if manifest.sealed_count else "",
        ages=_ages(domains, as_of),
        domains=_domains(domains, bundle.links, as_of),
        blind=tuple(_blind(bundle.blind_spots)),
        rejects=_rejects(rejects),
        policy=tuple(_policy(bundle)),
        reasons=tuple(visible(reason, 500) for reason in manifest.policy.approval.reasons),
        drafts=_drafts(bundle.shadow),
        exceptions=_exceptions(bundle.exceptions),
        skew=_skew(bundle.skew),
    )


def moment_of(written: str) -> datetime:
    """Read a moment of the manifest; without zone, and UTC, like all times behind the intake."""
    return datetime.fromisoformat(written.removesuffix("Z"))


def _inputs(bundle: Bundle) -> Table:
    totals = bundle.manifest.totals
    rows = [
        (role, f"{t.files:,}", f"{t.rows_read:,}", f"{t.rows_accepted:,}", f"{t.rows_rejected:,}")
        for role, t in ((role, totals[role]) for role in ROLES)
    ]
    return Table(("Input", "Files", "Rows read", "Accepted", "Rejected"), tuple(rows), frozenset({1, 2, 3, 4}))


_GROUPS: Final[Mapping[str, tuple[BlindSpot, ...]]] = {
    "Referrals": (
        BlindSpot.REFERRAL_WITHOUT_LINK_DATA, BlindSpot.REFERRAL_NOT_MATCHABLE, BlindSpot.REFERRAL_NOT_CONFIRMED,
        BlindSpot.REFERRAL_RETRACTED, BlindSpot.REFERRAL_AFTER_AS_OF, BlindSpot.SCOPE_NARROWED_TO_HOST,
        BlindSpot.HELD_FOR_LAW_ENFORCEMENT,
    ),
    "Facilitators": (BlindSpot.FACILITATOR_WITHOUT_SUB_MERCHANTS,),
    "Rules": (BlindSpot.RULE_NOT_EVALUATED,),
    "Accounts": (
        BlindSpot.ACCOUNT_WITHOUT_MERCHANT_ROW, BlindSpot.ACCOUNT_WITHOUT_TRANSACTIONS,
        BlindSpot.TRANSACTION_AFTER_AS_OF,
    ),
    "Fields": (BlindSpot.COLUMN_ABSENT, BlindSpot.FIELD_UNREADABLE, BlindSpot.FIELD_STRIPPED),
}  # fmt: skip
_NONE_NOTED: Final[Mapping[str, str]] = {
    "Referrals": "every confirmed referral has a name that could be looked for",
    "Facilitators": "no facilitator with a master account that hides its sub-merchants was seen",
    "Rules": "every rule could be evaluated for every account near a domain",
    "Accounts": "every account was in both files, and no transaction was left out",
    "Fields": "every column was there and every field could be read",
}


def _blind(blind_spots: pl.DataFrame) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Say per group what could not be tested; a group without any says so as well."""
    for title, kinds in _GROUPS.items():
        told = tuple(sentences(blind_spots.filter(pl.col("kind").is_in([kind.value for kind in kinds]))))
        yield title, told or (f"nothing noted: {_NONE_NOTED[title]}",)


def _ages(domains: pl.DataFrame, as_of: datetime) -> Table:
    """Count the flagged domains by days since the first confirmation and by best proof of origin."""
    seen = Counter((_age_title(row, as_of), row["assurance"]) for row in domains.iter_rows(named=True))
    kinds = [kind.value for kind in Assurance if any(key[1] == kind.value for key in seen)]
    titles = (*(title for _, title in _AGES), _UNDATED)
    rows = tuple((title, *(f"{seen[title, kind]:,}" for kind in kinds)) for title in titles)
    columns = ("Since first confirmation", *(kind.replace("_", " ") for kind in kinds))
    return Table(columns, rows, frozenset(range(1, len(columns))))


def _age_title(row: Row, as_of: datetime) -> str:
    confirmed = row["first_confirmed_at"]
    if confirmed is None:
        return _UNDATED
    passed = (as_of - confirmed).days
    return next(title for most, title in _AGES if passed <= most)


def _domains(domains: pl.DataFrame, links: pl.DataFrame, as_of: datetime) -> Table:
    linked = dict(links.filter("in_window").group_by("domain").agg(pl.col("account_id").n_unique()).iter_rows())
    columns = ("Domain", "Standing", "Scope", "Dedicated", "Valid", "Confirmed", "Days ago", "Origin", "Referrals",
               "Hotlines", "Accounts linked", "Caveats")  # fmt: skip
    rows = tuple(_domain(row, linked.get(row["domain"], 0), as_of) for row in domains.iter_rows(named=True))
    return Table(columns, rows, frozenset({6, 10}))


def _domain(row: Row, linked: int, as_of: datetime) -> tuple[str, ...]:
    confirmed = row["first_confirmed_at"]
    until = "still" if row["window_until_at"] is None else day(row["window_until_at"])
    return (
        shown(row["domain"]),
        "confirmed" if row["confirmed"] else "linked only",
        row["match_scope"].replace("_", " "),
        row["dedicated"],
        f"{day(row['window_from_at'])} – {until}",
        day(confirmed),
        UNKNOWN if confirmed is None else f"{(as_of - confirmed).days:,}",
        row["assurance"],
        listed(row["referral_ids"]),
        listed(row["hotlines"]),
        f"{linked:,}",
        ", ".join(COUNTER_EVIDENCE.get(note, shown(note)) for note in row["caveats"]) or "–",
    )


def _rejects(rejects: pl.DataFrame | None) -> Table:
    columns = ("Input", "Code", "Rows")
    if rejects is None or rejects.is_empty():
        return Table(columns, (), frozenset({2}))
    codes = rejects.group_by("role", "code").agg(pl.len().alias("count"))
    ordered = codes.sort("role", "count", "code", descending=[False, True, False])
    rows = tuple((shown(role), shown(code), f"{count:,}") for role, code, count in ordered.iter_rows())
    return Table(columns, rows, frozenset({2}))


def _policy(bundle: Bundle) -> Iterator[tuple[str, str]]:
    stated = bundle.manifest.policy
    approval = stated.approval
    yield "Digest", stated.digest
    if bundle.manifest.approved:
        yield "Approved", f"by {shown(approval.approver)} at {shown(approval.approved_at)}"
    else:
        yield "Approved", "by nobody"
    yield "Statement", "–" if approval.statement is None else shown(approval.statement)
    yield "Past the review date", listed(list(stated.review_overdue))
    yield "Not yet in force", listed(list(stated.not_yet_effective))


def _drafts(shadow: pl.DataFrame) -> Table:
    columns = ("Rule on trial", "Would hit", "Would not", "Not evaluated")
    counts = shadow.group_by("rule_id").agg(
        *((pl.col("outcome") == kind.value).sum().alias(kind.value)
          for kind in (RuleOutcome.HIT, RuleOutcome.NO_HIT, RuleOutcome.NOT_EVALUATED))
    )  # fmt: skip
    rows = tuple((shown(name), *(f"{n:,}" for n in numbers)) for name, *numbers in counts.sort("rule_id").iter_rows())
    return Table(columns, rows, frozenset({1, 2, 3}))


def _exceptions(results: pl.DataFrame) -> Table:
    columns = ("Exception", "State", "Sets aside", "About", "Accounts", "Hits set aside", "Owner", "Reason", "In force")
    rows = tuple(
        (
            shown(row["exception_id"]), row["state"].replace("_", " "), listed(row["rule_ids"]), shown(row["subject"]),
            f"{row['account_count']:,}", f"{row['hit_count']:,}", shown(row["owner"]), shown(row["reason"]),
            f"{row['effective_from']} – {row['expires_on']}",
        )
        for row in results.sort("exception_id").iter_rows(named=True)
    )  # fmt: skip
    return Table(columns, rows, frozenset({4, 5}))


_DIMENSIONS = {"mcc": "MCC", "country": "country", "payment_facilitator_id": "facilitator"}


def _skew(skew: pl.DataFrame) -> Table:
    columns = ("By", "Value", "Accounts", "Cases", "Share of accounts", "Share of cases", "Cases expected", "Lift")
    rows = tuple(
        (
            _DIMENSIONS.get(row["dimension"], row["dimension"]), shown(row["value"]), f"{row['account_count']:,}",
            f"{row['case_count']:,}", nano(row["account_share_nano"]), nano(row["case_share_nano"]),
            nano(row["expected_count_nano"]), UNKNOWN if row["lift_nano"] is None else nano(row["lift_nano"]),
        )
        for row in skew.iter_rows(named=True)
    )  # fmt: skip
    return Table(columns, rows, frozenset({2, 3, 4, 5, 6, 7}))
