"""The evidence ledger: every item that ties an account to a flagged domain, in exact nano-units.

`assess` is the whole of EVID-2 on compact frames, frame in and frame out. Rules kept:

* a score is nothing but the sum of listed items; nothing is added that is not a row;
* degrees are full-data degrees, frozen for the run; local degrees are never used;
* what chance explains is a calibrated number of the policy, so that nobody's score depends on strangers;
* confidence, risk, strength and points are integers; sums are exact and order-free;
* only activity inside a referral's validity counts; the rest is counter-evidence.

Left to others: which accounts are near enough to look at (neighbourhood.py), what the
points mean for review (ranking.py).
Source: reference "EVID-2", restated in docs/method.md with the integer semantics.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import polars as pl

from merchantscreen import nano
from merchantscreen.policy.evaluation import counted_hits
from merchantscreen.policy.model import EvidenceModel
from merchantscreen.tables import Contributions, Ledger, conform, empty
from merchantscreen.vocabulary import EvidenceFamily, HostMatch, RuleRole

LISTED_CONTRIBUTORS = 10
TYPOLOGY = "typology"


@dataclass(frozen=True, slots=True)
class Links:
    """What the score is computed from: compact frames around the flagged domains.

    Attributes:
        domains: tables.FlaggedDomains.
        domain_links: tables.DomainLinks.
        account_links: tables.AccountLinks; rows outside the window are ignored here.
        holdings: tables.Holdings of the neighbourhood.
        degrees: tables.Degrees, full data.
        breadths: tables.Breadths, full data.
        link_degrees: tables.LinkDegrees, full data.
    """

    domains: pl.DataFrame
    domain_links: pl.DataFrame
    account_links: pl.DataFrame
    holdings: pl.DataFrame
    degrees: pl.DataFrame
    breadths: pl.DataFrame
    link_degrees: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Assessment:
    """The ledger of all rounds, and the terms behind every shared identifier.

    Attributes:
        ledger: tables.Ledger, sorted by round, subject, family, kind, counterpart.
        contributions: tables.Contributions, sorted by key.
        final_round: The round whose items make up the scores.
    """

    ledger: pl.DataFrame
    contributions: pl.DataFrame
    final_round: int


def assess(links: Links, model: EvidenceModel) -> Assessment:
    """Carry risk from confirmed domains to accounts, round by round, and list every step.

    Args:
        links: Domains, links, identifiers and frozen degrees.
        model: The numbers of rules/evidence.yml.

    Returns:
        Items and contributions of every round.
    """
    domain_items, domain_risk = _domain_round(links, model)
    direct = _link_items(links, domain_risk, model)
    items, contributions = [domain_items], []
    carried = _carry(empty(Ledger), model)
    for number in range(1, model.account_rounds + 1):
        terms = _contributions(links, carried, model)
        found = _close_round(pl.concat([direct, _shared_items(links, terms, model)]), model, number)
        items.append(found)
        contributions.append(conform(terms.with_columns(round=pl.lit(number)), Contributions))
        carried = _carry(found, model)
    ledger = pl.concat(items)
    return Assessment(_sorted(ledger), _sorted_contributions(pl.concat(contributions)), model.account_rounds)


def direct_risk(links: Links, model: EvidenceModel) -> pl.DataFrame:
    """Return what each linked account carries from its own links alone: `account_id, risk_nano`.

    No account carries less in a later round, and none without a link carries anything yet.
    """
    _, domain_risk = _domain_round(links, model)
    carried = _carry(_close_round(_link_items(links, domain_risk, model), model, 1), model)
    linked = links.account_links.filter("in_window").select("account_id").unique()
    return linked.join(carried, on="account_id", how="left").with_columns(pl.col("risk_nano").fill_null(0))


def mean_risk(carried: pl.DataFrame, account_count: int) -> int:
    """Return the mean of `risk_nano` over all accounts of the full data, rounded half to even."""
    total = carried.select(pl.col("risk_nano").sum())
    return int(total.select(nano.half_even_ratio(pl.col("risk_nano"), pl.lit(max(1, account_count)))).item())


def add_typology(assessment: Assessment, decided: pl.DataFrame, model: EvidenceModel) -> Assessment:
    """Add hits of rank rules as items with their own cap, for accounts that hold a link already.

    Args:
        assessment: Links and identifiers, assessed.
        decided: tables.RuleOutcomes, drafts left out; hits that an exception sets aside are no items.
        model: The numbers of rules/evidence.yml.
    """
    final = assessment.ledger.filter(pl.col("round") == assessment.final_round)
    hits = decided.filter(counted_hits() & (pl.col("role") == RuleRole.RANK))
    linked = hits.join(final.select("subject").unique(), left_on="account_id", right_on="subject", how="semi")
    strengths = {str(level): strength for level, strength in model.typology_strength_nano.items()}
    items = linked.select(
        subject="account_id",
        family=pl.lit(EvidenceFamily.TYPOLOGY.value),
        kind=pl.lit(TYPOLOGY),
        counterpart="rule_id",
        weight_nano=pl.col("severity").replace_strict(strengths, return_dtype=pl.Int64, default=None),
        reliability_nano=pl.lit(nano.NANO),
        referral_ids=pl.lit([], dtype=pl.List(pl.String)),
        contributors=pl.lit([], dtype=pl.List(pl.String)),
    ).with_columns(strength_nano=pl.col("weight_nano"))
    closed = _close_round(conform(items, Ledger), model, assessment.final_round)
    return Assessment(_sorted(pl.concat([assessment.ledger, closed])), assessment.contributions, assessment.final_round)


def totals(assessment: Assessment) -> pl.DataFrame:
    """Add up the final round: one row per account with `points_nano` (E) and `score_nano` (S)."""
    final = assessment.ledger.filter(pl.col("round") == assessment.final_round)
    return _totals(final).rename({"subject": "account_id"}).sort("account_id")


# --------------------------------------------------------------------------- round 0: domain to domain


def _domain_round(links: Links, model: EvidenceModel) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Carry risk once over the hotlines' domain links; return items and `domain, risk_nano, confirmed`."""
    confirmed = links.domains.select("domain", "confirmed", risk_nano="confidence_nano")
    if model.domain_rounds == 0:
        return empty(Ledger), confirmed
    items = _domain_items(_both_ways(links.domain_links), confirmed, model)
    closed = _close_round(items, model, 0)
    carried = _carry(closed, model).rename({"account_id": "domain", "risk_nano": "carried_nano"})
    risk = confirmed.join(carried, on="domain", how="left").select(
        "domain", "confirmed", risk_nano=pl.max_horizontal("risk_nano", pl.col("carried_nano").fill_null(0))
    )
    return closed, risk


def _both_ways(domain_links: pl.DataFrame) -> pl.DataFrame:
    """Read each statement in both directions: that two domains belong together has no direction."""
    there = domain_links.select("kind", "referral_ids", subject="to_domain", counterpart="from_domain")
    back = domain_links.select("kind", "referral_ids", subject="from_domain", counterpart="to_domain")
    pairs = pl.concat([there, back]).filter(pl.col("subject") != pl.col("counterpart"))
    merged = pairs.explode("referral_ids").group_by("subject", "counterpart", "kind").agg(_sorted_set("referral_ids"))
    degree = merged.group_by("counterpart", "kind").agg(linked_count=pl.len().cast(pl.Int64))
    return merged.join(degree, on=["counterpart", "kind"])


def _domain_items(pairs: pl.DataFrame, risk: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    with_risk = pairs.join(risk.filter(pl.col("risk_nano") > 0), left_on="counterpart", right_on="domain")
    items = with_risk.with_columns(
        match_factor_nano=pl.lit(nano.NANO), from_confirmed="confirmed", family=pl.lit(EvidenceFamily.LINK.value)
    )
    return _with_link_strength(items, model)


# --------------------------------------------------------------------------- rounds 1..R: accounts


def _link_items(links: Links, domain_risk: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """List the direct links of accounts to domains that carry risk."""
    factors = {match.value: model.match_factor_nano[match] for match in HostMatch}
    counted = links.account_links.filter("in_window")
    items = (
        counted.join(domain_risk.filter(pl.col("risk_nano") > 0), on="domain")
        .join(links.link_degrees, on=["domain", "kind"])
        .join(links.domains.select("domain", "referral_ids"), on="domain")
        .with_columns(
            match_factor_nano=pl.col("match").replace_strict(factors, return_dtype=pl.Int64),
            family=pl.lit(EvidenceFamily.LINK.value),
            from_confirmed="confirmed",
        )
        .rename({"account_id": "subject", "domain": "counterpart"})
    )
    return _with_link_strength(items, model)


def _with_link_strength(items: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    numbered = items.with_columns(
        *map(model.of_kind, ("weight_nano", "reliability_nano")),
        contributors=pl.lit([], dtype=pl.List(pl.String)),
    )  # fmt: skip
    return conform(numbered.with_columns(strength_nano=nano.link_strength(numbered)), Ledger)


def _contributions(links: Links, carried: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """Split what each account carries over the identifiers of a kind that it shares: a = rho / d.

    A hub takes its part like any other identifier, but passes nothing on.
    """
    passing = links.degrees.filter(pl.col("holder_count").is_between(2, model.hub_holder_count))
    split = nano.half_even_ratio(pl.col("risk_nano"), pl.col("breadth_count"))
    return (
        links.holdings.join(passing, on=["kind", "value"], how="semi")
        .join(carried.filter(pl.col("risk_nano") > 0), on="account_id")
        .join(links.breadths, on=["kind", "account_id"])
        .with_columns(contribution_nano=split)
        .filter(pl.col("contribution_nano") > 0)
        .select("kind", "value", "account_id", "risk_nano", "breadth_count", "contribution_nano")
    )


def _shared_items(links: Links, terms: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """List shared identifiers: the others' contributions, less what chance explains."""
    pools = terms.group_by("kind", "value").agg(
        pool_nano=pl.col("contribution_nano").sum(), contributor_count=pl.len().cast(pl.Int64)
    )
    own = terms.select("kind", "value", "account_id", own_nano="contribution_nano")
    candidates = (
        links.holdings.join(pools, on=["kind", "value"])
        .join(own, on=["kind", "value", "account_id"], how="left")
        .join(links.degrees, on=["kind", "value"])
        .with_columns(
            *map(model.of_kind, ("weight_nano", "reliability_nano", "base_rate_nano", "kappa_nano")),
            shared_risk_nano=pl.col("pool_nano") - pl.col("own_nano").fill_null(0),
            others_count=pl.col("holder_count") - 1,
            contributor_count=pl.col("contributor_count") - pl.col("own_nano").is_not_null().cast(pl.Int64),
        )
        .filter(pl.col("shared_risk_nano") > 0)
    )
    strong = candidates.with_columns(strength_nano=nano.shared_strength(candidates, model.residual_nano)).filter(
        pl.col("strength_nano") >= max(1, model.floor_nano)
    )
    named = _name_contributors(strong, terms, links)
    items = named.rename({"account_id": "subject", "value": "counterpart"}).with_columns(
        family=pl.lit(EvidenceFamily.IDENTIFIER.value)
    )
    return conform(items, Ledger)


def _name_contributors(items: pl.DataFrame, terms: pl.DataFrame, links: Links) -> pl.DataFrame:
    """Attach the largest contributors of each item, and the referrals behind all of them."""
    key = ["kind", "value", "account_id"]
    concerned = terms.join(items.select("kind", "value").unique(), on=["kind", "value"], how="semi")
    joined = items.join(_largest(items, concerned), on=key, how="left").join(
        _referrals_behind(items, concerned, links), on=key, how="left"
    )
    return joined.with_columns(pl.col("contributors", "referral_ids").fill_null(pl.lit([], dtype=pl.List(pl.String))))


def _largest(items: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """List the largest contributors of each item but its own account; equal ones by account id."""
    keys = ["kind", "value"]
    ranked = terms.sort(*keys, "contribution_nano", "account_id", descending=[False, False, True, False])
    first = ranked.group_by(keys, maintain_order=True).head(LISTED_CONTRIBUTORS + 1)
    pairs = (
        items.select(*keys, "account_id")
        .join(first.select(*keys, holder="account_id"), on=keys, maintain_order="left_right")
        .filter(pl.col("holder") != pl.col("account_id"))
    )
    listed = pairs.group_by(*keys, "account_id", maintain_order=True).head(LISTED_CONTRIBUTORS)
    return listed.group_by(*keys, "account_id", maintain_order=True).agg(contributors=pl.col("holder"))


def _referrals_behind(items: pl.DataFrame, terms: pl.DataFrame, links: Links) -> pl.DataFrame:
    """Collect the referrals of all contributors but the account itself, without pairing accounts.

    A referral counts unless the account is the only contributor that brings it.
    """
    keys = ["kind", "value"]
    brought = terms.join(_referrals_of_accounts(links), on="account_id").explode("referral_ids")
    counted = brought.group_by(*keys, "referral_ids").agg(pl.len().alias("bringers"), pl.col("account_id").first())
    pairs = items.select(*keys, "account_id").join(counted.rename({"account_id": "bringer"}), on=keys)
    others = pairs.filter((pl.col("bringers") > 1) | (pl.col("bringer") != pl.col("account_id")))
    return others.group_by(*keys, "account_id").agg(_sorted_set("referral_ids"))


def _referrals_of_accounts(links: Links) -> pl.DataFrame:
    """Collect the referrals that reach each account through its own links."""
    direct = links.account_links.filter("in_window").join(links.domains.select("domain", "referral_ids"), on="domain")
    return direct.explode("referral_ids").group_by("account_id").agg(_sorted_set("referral_ids"))


# --------------------------------------------------------------------------- points, totals, carry


def _close_round(items: pl.DataFrame, model: EvidenceModel, number: int) -> pl.DataFrame:
    """Turn strengths into points, points into capped sums per kind, and split those sums over the items."""
    kept = items.filter(pl.col("strength_nano") >= max(1, model.floor_nano))
    valued = kept.with_columns(nano.points(kept).alias("points_nano"), round=pl.lit(number, pl.Int64))
    group = ["subject", "family", "kind"]
    is_link = pl.col("family") == EvidenceFamily.LINK
    sums = pl.concat(
        [
            nano.three_halves_norm(valued.filter(is_link), group),
            nano.root_of_squares(valued.filter(~is_link), group),
        ]
    ).with_columns(
        kind_points_nano=pl.min_horizontal(
            "kind_points_nano",
            pl.when(pl.col("family") == EvidenceFamily.TYPOLOGY)
            .then(model.typology_cap_nano)
            .otherwise(model.kind_cap_nano),
        )
    )
    joined = valued.drop("kind_points_nano").join(sums, on=group)
    return conform(_with_shares(_sorted(joined)), Ledger)


def _with_shares(items: pl.DataFrame) -> pl.DataFrame:
    """Split each kind's points over its items, exactly: a lone item takes all."""
    group = ["subject", "family", "kind"]
    lone = pl.len().over(group) == 1
    single = items.filter(lone).with_columns(share_nano=pl.col("kind_points_nano"))
    several = items.filter(~lone).drop("share_nano")
    shares: list[int] = []
    for block in several.partition_by(group, maintain_order=True):
        powers = [_power(value, block["family"][0]) for value in block["points_nano"]]
        shares += nano.split_exactly(block["kind_points_nano"][0], powers)
    ordered = pl.concat(several.partition_by(group, maintain_order=True)) if several.height else several
    split = ordered.with_columns(share_nano=pl.Series(shares, dtype=pl.Int64))
    return pl.concat([single.select(items.columns), split.select(items.columns)])


def _power(points_nano: int, family: str) -> int:
    """Return e^(3/2) to the integer below for links and e^2 for the rest, for splitting."""
    return isqrt(points_nano**3) if family == EvidenceFamily.LINK else points_nano**2


def _totals(items: pl.DataFrame) -> pl.DataFrame:
    """E and S per subject, over all kinds."""
    per_kind = items.select("subject", "family", "kind", "kind_points_nano").unique()
    summed = per_kind.group_by("subject").agg(points_nano=pl.col("kind_points_nano").sum())
    return summed.with_columns(score_nano=nano.score(summed, "points_nano"))


def _carry(items: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """rho = max(lambda S, lambda_d S_direct): what a subject passes on. `account_id, risk_nano`."""
    total = _totals(items)
    from_confirmed = items.filter(pl.col("from_confirmed").fill_null(value=False))
    direct = _totals(_resum(from_confirmed, model)).select("subject", direct_nano="score_nano")
    return total.join(direct, on="subject", how="left").select(
        account_id="subject",
        risk_nano=pl.max_horizontal(
            nano.proportion(pl.col("score_nano"), model.indirect_carry_nano),
            nano.proportion(pl.col("direct_nano").fill_null(0), model.direct_carry_nano),
        ),
    )


def _resum(items: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """Sum a part of the link items anew, with the same cap."""
    sums = nano.three_halves_norm(items, ["subject", "family", "kind"])
    return sums.with_columns(kind_points_nano=pl.min_horizontal("kind_points_nano", pl.lit(model.kind_cap_nano)))


def _sorted_set(column: str) -> pl.Expr:
    return pl.col(column).drop_nulls().unique().sort()


def _sorted(items: pl.DataFrame) -> pl.DataFrame:
    return items.sort("round", "subject", "family", "kind", "counterpart")


def _sorted_contributions(terms: pl.DataFrame) -> pl.DataFrame:
    return terms.sort("round", "kind", "value", "account_id")
