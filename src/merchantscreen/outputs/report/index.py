"""The frames of a bundle, cut up by account once, so that two thousand cases need no search each.

Rules kept here: a view, nothing is computed; what is under a law-enforcement hold is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.report.figures import Row
from merchantscreen.vocabulary import EvidenceFamily

Rows = Mapping[str, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Index:
    """Rows of a bundle by account, for the accounts that get a case page.

    Attributes:
        tiers: Tier of every ranked account.
        items: Items of the final round, the kind with most points first.
        direct: Domains by account that it is linked to in the final round, of every account.
        domain_items: Items of round 0, by domain.
        links: Account links, those outside validity included.
        rules: Results of rules in use.
        drafts: Results of rules in draft.
        facts: What the tier was decided on.
        domains: Flagged domains by name.
        history: Decisions about the account, the oldest first.
        changes: What became of it since the run before, of every account.
    """

    tiers: Mapping[str, str]
    items: Rows
    direct: Mapping[str, Sequence[str]]
    domain_items: Rows
    links: Rows
    rules: Rows
    drafts: Rows
    facts: Mapping[str, Row]
    domains: Mapping[str, Row]
    history: Rows
    changes: Rows


def index_of(bundle: Bundle, accounts: Sequence[str]) -> Index:
    """Cut a bundle up for these accounts."""
    final = bundle.ledger.filter(pl.col("round") == bundle.manifest.model["account_rounds"])
    ordered = final.filter(pl.col("subject").is_in(accounts)).sort(
        ["subject", "kind_points_nano", "family", "kind", "points_nano", "counterpart"],
        descending=[False, True, False, False, True, False],
    )
    links = final.filter(pl.col("family") == EvidenceFamily.LINK).group_by("subject")
    direct = links.agg(pl.col("counterpart").unique().sort()).iter_rows()
    return Index(
        tiers=dict(bundle.ranking.select("account_id", "tier").iter_rows()),
        items=_grouped(ordered, "subject"),
        direct=dict(direct),
        domain_items=_grouped(
            bundle.ledger.filter(pl.col("round") == 0).sort("subject", "kind", "counterpart"), "subject"
        ),
        links=_of(bundle.links, accounts, "domain", "kind", "in_window"),
        rules=_of(bundle.rules, accounts, "rule_id"),
        drafts=_of(bundle.shadow, accounts, "rule_id"),
        facts={name: rows[0] for name, rows in _of(bundle.facts, accounts).items()},
        domains={row["domain"]: row for row in bundle.domains.filter(~pl.col("held")).to_dicts()},
        history=_grouped(bundle.history, "account_id"),
        changes=_grouped(bundle.changes, "account_id"),
    )


def _of(frame: pl.DataFrame, accounts: Sequence[str], *order: str) -> Rows:
    wanted = frame.filter(pl.col("account_id").is_in(accounts)).sort("account_id", *order)
    return _grouped(wanted, "account_id")


def _grouped(frame: pl.DataFrame, key: str) -> Rows:
    grouped: dict[str, list[Row]] = {}
    rows: Iterable[Row] = frame.iter_rows(named=True)
    for row in rows:
        grouped.setdefault(row[key], []).append(row)
    return grouped
