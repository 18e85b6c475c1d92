"""The rows of one account that an investigation file shows: frames, defanged, each a view of the run.

Rules kept here:
* nothing is computed; other accounts are there only where they pass risk on, with what they share;
* what the run does not hold is in the record with "not known", so that nobody takes it for empty;
* domains under a law-enforcement hold are left out, and so is the written reason of a decision, which is
  personal and must stay erasable.

Source: domain.md 1 (investigation file).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from merchantscreen.identifiers import BY_NAME
from merchantscreen.outputs.casefile.activity import activity_of
from merchantscreen.outputs.explanation import Case
from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.report.vector import Match, match_vector, observed
from merchantscreen.outputs.text import defanged
from merchantscreen.tables import (
    AccountLinks,
    CaseHistory,
    Contributions,
    FlaggedDomains,
    Ledger,
    RuleResults,
    empty,
    schema_of,
)
from merchantscreen.vocabulary import BlindSpot

NOT_HELD: Final = (
    "legal name", "postal address", "phone", "tax id and registration number", "owners and directors", "financials",
    "all declared websites", "listing results on owners and directors", "price points one by one",
    "issuer countries by name", "agreement start and end", "explanation of the account holder", "proof of delivery",
)  # fmt: skip
"""What an investigation file usually holds and a run does not. Source: domain.md 1."""
NOT_KNOWN: Final = "not known"
_HOSTS: Final = frozenset({"counterpart", "seen_as", "domain", "registrable", "label", "value"})
"""Columns in which a domain may stand."""
_SITE_KINDS: Final = ["website", "descriptor"]
_LINKED: Final[Mapping[str, Any]] = {
    "account_id": pl.String, "attribute": pl.String, "kind": pl.String, "value": pl.String,
    "other_holder_count": pl.Int64, "contribution_nano": pl.Int64,
}  # fmt: skip
_RECORD: Final = {
    "account": "account_id", "trading name": "dba_name", "acquirer (BIN or BID)": "acquirer_id",
    "card acceptor id": "card_acceptor_id", "payment facilitator": "payment_facilitator_id",
    "sub-merchant": "sub_merchant_id", "merchant category code": "mcc", "country": "country",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Contents:
    """All rows of an investigation file.

    Attributes:
        record: What the account is called and where it belongs, name and value.
        vector: Per field N, E, P, or ? where nothing was tested.
        evidence: tables.Ledger, items of the final round.
        contributions: tables.Contributions of those who pass risk on.
        linked: One row per (linked account, shared attribute), the strongest first.
        activity: What is known of its payments.
        rules: tables.RuleResults, drafts included.
        links: tables.AccountLinks.
        domains: tables.FlaggedDomains behind it.
        decisions: tables.CaseHistory, oldest first.
    """

    record: tuple[tuple[str, str], ...]
    vector: tuple[Match, ...]
    evidence: pl.DataFrame
    contributions: pl.DataFrame
    linked: pl.DataFrame
    activity: pl.DataFrame
    rules: pl.DataFrame
    links: pl.DataFrame
    domains: pl.DataFrame
    decisions: pl.DataFrame


def contents_of(bundle: Bundle, case: Case, history: pl.DataFrame | None) -> Contents:
    """Pick the rows of an account.

    Args:
        bundle: The run.
        case: The account, as `explanation.case_of` picks it.
        history: tables.CaseHistory as known today; that of the run when None.
    """
    account = case.account["account_id"]
    rules = pl.concat([bundle.rules, bundle.shadow]).filter(pl.col("account_id") == account)
    held = bundle.history if history is None else history
    terms = pl.DataFrame(case.terms, schema=schema_of(Contributions))
    return Contents(
        record=tuple(_record(case)),
        vector=match_vector(case.items, case.links, observed(case.rules), absent_columns(bundle)),
        evidence=_defanged(pl.DataFrame(case.items, schema=schema_of(Ledger))),
        contributions=_defanged(terms),
        linked=_defanged(_linked(case, terms)),
        activity=activity_of(rules.to_dicts()),
        rules=rules.sort("status", "rule_id").select(*schema_of(RuleResults)),
        links=_defanged(pl.DataFrame(case.links, schema=schema_of(AccountLinks))),
        domains=_defanged(_domains(bundle, case)),
        decisions=_decisions(held, account),
    )


def absent_columns(bundle: Bundle) -> frozenset[str]:
    """Return the input columns that were absent, such as `merchants.phone`."""
    return frozenset(bundle.blind_spots.filter(pl.col("kind") == BlindSpot.COLUMN_ABSENT)["subject"])


def vector_frame(vector: tuple[Match, ...]) -> pl.DataFrame:
    """Return the match vector as a frame, a row per field."""
    rows = [{"field": one.title, "match": one.letter, "meaning": one.word, "basis": one.basis} for one in vector]
    return pl.DataFrame(rows, schema=dict.fromkeys(("field", "match", "meaning", "basis"), pl.String))


def _record(case: Case) -> Iterator[tuple[str, str]]:
    for name, column in _RECORD.items():
        value = case.account[column]
        yield name, NOT_KNOWN if value is None else defanged(value) if column == "dba_name" else value
    for name in NOT_HELD:
        yield name, NOT_KNOWN


def _linked(case: Case, terms: pl.DataFrame) -> pl.DataFrame:
    """Say which accounts pass risk on, by which attribute, and how many hold it in the full data."""
    holders = {(item["kind"], item["counterpart"]): item["others_count"] for item in case.items}
    rows = [
        {
            "account_id": row["account_id"],
            "attribute": BY_NAME[row["kind"]].title,
            "kind": row["kind"],
            "value": row["value"],
            "other_holder_count": holders[(row["kind"], row["value"])],
            "contribution_nano": row["contribution_nano"],
        }
        for row in terms.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=_LINKED)


def _domains(bundle: Bundle, case: Case) -> pl.DataFrame:
    """Return the flagged domains that the account touches or whose referrals stand behind it."""
    touched = sorted({link["domain"] for link in case.links})
    referrals = sorted(set(case.account["referral_ids"]))
    is_behind = (
        pl.col("domain").is_in(touched)
        | pl.col("referral_ids").list.eval(pl.element().is_in(referrals)).list.any()
    )  # fmt: skip
    return bundle.domains.filter(is_behind & ~pl.col("held")).select(*schema_of(FlaggedDomains))


def _decisions(history: pl.DataFrame, account_id: str) -> pl.DataFrame:
    if history.is_empty():
        return empty(CaseHistory)
    return history.filter(pl.col("account_id") == account_id).select(*schema_of(CaseHistory))


def _defanged(frame: pl.DataFrame) -> pl.DataFrame:
    """Defang the columns that hold domains; where a column also holds other values, only rows of domains."""
    names = [name for name in frame.columns if name in _HOSTS]
    if "family" in frame.columns:
        is_site = (pl.col("family") == "link") | pl.col("kind").is_in(_SITE_KINDS)
    elif "value" in frame.columns:
        is_site = pl.col("kind").is_in(_SITE_KINDS)
    else:
        is_site = pl.lit(value=True)
    return frame.with_columns(
        pl.when(is_site)
        .then(pl.col(name).map_elements(defanged, return_dtype=pl.String))
        .otherwise(pl.col(name))
        .alias(name)
        for name in names
    )


def frames_of(contents: Contents) -> Mapping[str, pl.DataFrame]:
    """Name the frames of an investigation file as its CSV files are named."""
    return {
        "evidence": contents.evidence,
        "contributions": contents.contributions,
        "linked_accounts": contents.linked,
        "match_vector": vector_frame(contents.vector),
        "activity": contents.activity,
        "rules": contents.rules,
        "links": contents.links,
        "domains": contents.domains,
        "decisions": contents.decisions,
    }
