"""Random small worlds for the evidence properties, and the bridge from them to the package."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import dataframely as dy
import polars as pl
from evidence_reference import World
from hypothesis import strategies as st

from merchantscreen.evidence import Links, assess, totals
from merchantscreen.identifiers import DOMAIN_LINK_KINDS, KINDS
from merchantscreen.numbering import Holders
from merchantscreen.policy.model import NANO, EvidenceModel, KindWeight
from merchantscreen.tables import (
    AccountLinks,
    Breadths,
    Degrees,
    DomainLinks,
    FlaggedDomains,
    Holdings,
    LinkDegrees,
    conform,
    schema_of,
)
from merchantscreen.vocabulary import HostMatch, Level

LINK_KINDS = ["declared_website", "observed_requestor_url", "email_domain"]
SHARED_KINDS = ["settlement_account", "phone", "ip"]
_KAPPA_ZERO = {"settlement_account", "tax_id", "principal"}
_WEIGHTS = {"settlement_account": 950, "phone": 600, "ip": 300, "declared_website": 950, "email_domain": 600}


def model(**changes: Any) -> EvidenceModel:
    """Build a model with the starting numbers of the method, some of them changed."""
    kinds = {
        kind.name: KindWeight(
            weight_nano=_WEIGHTS.get(kind.name, 900) * NANO // 1000,
            reliability_nano=NANO,
            base_rate_nano=100_000,
            kappa_nano=0 if kind.name in _KAPPA_ZERO else NANO,
            rationale="test",
        )
        for kind in KINDS
    }
    standard = EvidenceModel(
        kinds=kinds,
        match_factor_nano={HostMatch.EXACT: NANO, HostMatch.CLOSE: NANO // 2, HostMatch.LABEL: NANO // 4},
        indirect_carry_nano=200_000_000,
        direct_carry_nano=800_000_000,
        kind_cap_nano=3 * NANO,
        residual_nano=50_000_000,
        floor_nano=1_000_000,
        account_rounds=2,
        domain_rounds=1,
        lookback_days=180,
        clue_days=14,
        label_min_length=6,
        hub_holder_count=10_000,
        widely_shared_count=50,
        typology_strength_nano={Level.LOW: 50_000_000, Level.MEDIUM: 100_000_000, Level.HIGH: 150_000_000},
        typology_cap_nano=500_000_000,
        peer_sample_count=200,
        peer_minimum_count=20,
        peer_scale_floor_nano=10_000_000,
        sibling_opening_days=365,
    )
    return replace(standard, **changes)


DOMAINS = [f"site-{i}.example" for i in range(4)]
ACCOUNTS = [f"ACQ1/{i:04d}" for i in range(8)]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world of up to four domains and eight accounts, with frozen tables."""
    confidence = draw(
        st.dictionaries(st.sampled_from(DOMAINS), st.sampled_from([0, NANO, NANO, NANO // 2, 123_456_789]), min_size=1)
    )
    domain = st.sampled_from(sorted(confidence))
    account = st.sampled_from(ACCOUNTS)
    match = st.sampled_from([m.value for m in HostMatch])
    links = draw(st.dictionaries(st.tuples(account, domain, st.sampled_from(LINK_KINDS)), match, max_size=8))
    values = st.sampled_from(["a", "b", "c"])
    return World(
        confidence=confidence,
        domain_links=draw(
            st.lists(st.tuples(domain, domain, st.sampled_from(sorted(DOMAIN_LINK_KINDS))), max_size=3, unique=True)
        ),
        links=[(*key, how) for key, how in links.items()],
        holdings=draw(st.lists(st.tuples(st.sampled_from(SHARED_KINDS), values, account), max_size=20, unique=True)),
    ).freeze()


def as_links(world: World) -> Links:
    """Turn a world into the frames that the package takes."""
    domains = pl.DataFrame(
        [
            {
                "domain": domain, "match_scope": "registrable_domain", "registrable": domain,
                "confidence_nano": confidence, "confirmed": confidence > 0, "dedicated": "yes",
                "window_from_at": datetime(2026, 1, 1), "referral_ids": [f"R-{domain}"], "hotlines": ["hotline"],
                "assurance": "unsigned", "caveats": [], "held": False,
            }
            for domain, confidence in world.confidence.items()
        ],
        schema_overrides={"caveats": pl.List(pl.String)},
    )  # fmt: skip
    links = [(a, d, k, True, m, d, 1) for a, d, k, m in world.links]
    columns = ["account_id", "domain", "kind", "in_window", "match", "seen_as", "transaction_count"]
    pairs = [(a, b, k, [f"R-{a}"]) for a, b, k in world.domain_links]
    return Links(
        domains=conform(domains, FlaggedDomains),
        domain_links=pl.DataFrame(pairs, schema=schema_of(DomainLinks), orient="row"),
        account_links=conform(_frame(links, columns, AccountLinks), AccountLinks),
        holders=Holders.of(
            pl.DataFrame(world.holdings, schema=schema_of(Holdings), orient="row"), _counts(world.degrees, Degrees)
        ),
        breadths=_counts(world.breadths, Breadths),
        link_degrees=_counts(world.link_degrees, LinkDegrees),
    )


def _frame(rows: list[tuple[Any, ...]], columns: list[str], table: type[dy.Schema]) -> pl.DataFrame:
    schema = schema_of(table)
    return pl.DataFrame(rows, schema={name: schema[name] for name in columns}, orient="row")


def _counts(counts: dict[tuple[str, str], int], table: type[dy.Schema]) -> pl.DataFrame:
    rows = [(*key, count) for key, count in counts.items()]
    return pl.DataFrame(rows, schema=schema_of(table), orient="row")


def scores(world: World, parameters: EvidenceModel) -> dict[str, int]:
    """Score a world with the package: account -> E in nano-units."""
    table = totals(assess(as_links(world), parameters))
    return {account: total for account, total in table.select("account_id", "points_nano").iter_rows() if total}
