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

import polars as pl

from merchantscreen import nano
from merchantscreen.policy.evaluation import counted_hits
from merchantscreen.policy.model import EvidenceModel
from merchantscreen.tables import Contributions, Ledger, conform, empty
from merchantscreen.vocabulary import EvidenceFamily, HostMatch, RuleRole

LISTED_CONTRIBUTORS = 10
TYPOLOGY = "typology"
_WITHIN_ROUND = ["subject", "family", "kind", "counterpart"]
"""The order of items: those of one kind of one subject stand together."""


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
    found = empty(Ledger)
    for number in range(1, model.account_rounds + 1):
        terms = _contributions(links, _carry(found, model), model)
        found = _close_round(pl.concat([direct, _shared_items(links, terms, model)]), model, number)
        items.append(found)
        contributions.append(conform(terms.with_columns(round=pl.lit(number)), Contributions))
    # rounds come in order, each of them sorted
    return Assessment(pl.concat(items), _sorted_contributions(pl.concat(contributions)), model.account_rounds)


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
    return _totals(final, "share_nano").rename({"subject": "account_id"})


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
        links.holdings.join(carried.filter(pl.col("risk_nano") > 0), on="account_id")
        .join(passing, on=["kind", "value"], how="semi")
        .join(links.breadths, on=["kind", "account_id"])
        .with_columns(contribution_nano=split)
        .filter(pl.col("contribution_nano") > 0)
        .select("kind", "value", "account_id", "risk_nano", "breadth_count", "contribution_nano")
    )


def _shared_items(links: Links, terms: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """List shared identifiers: the others' contributions, less what chance explains."""
    own = terms.select("kind", "value", "account_id", own_nano="contribution_nano")
    candidates = (
        links.holdings.join(_pools(links, terms, model), on=["kind", "value"], maintain_order="left")
        .join(own, on=["kind", "value", "account_id"], how="left", maintain_order="left")
        .with_columns(
            shared_risk_nano=pl.col("pool_nano") - pl.col("own_nano").fill_null(0),
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


def _pools(links: Links, terms: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """Add up the contributions to each identifier, with the numbers that weigh it: one row per identifier."""
    pools = terms.group_by("kind", "value").agg(
        pool_nano=pl.col("contribution_nano").sum(), contributor_count=pl.len().cast(pl.Int64)
    )
    return pools.join(links.degrees, on=["kind", "value"]).with_columns(
        *map(model.of_kind, ("weight_nano", "reliability_nano", "base_rate_nano", "kappa_nano")),
        others_count=pl.col("holder_count") - 1,
    )


def _name_contributors(items: pl.DataFrame, terms: pl.DataFrame, links: Links) -> pl.DataFrame:
    """Attach the largest contributors of each item, and the referrals behind all of them.

    Most holders pass nothing on themselves and see the same others. So the lists are made once per identifier,
    for no viewer in particular, and once more for each holder that has to be left out of its own.
    """
    key = ["kind", "value", "viewer"]
    viewer = pl.when(pl.col("own_nano").is_not_null()).then("account_id").alias("viewer")
    seen = items.with_columns(viewer)
    views = seen.select(key).unique()
    concerned = terms.join(views, on=["kind", "value"], how="semi")
    lists = views.join(_largest(views, concerned), on=key, how="left", nulls_equal=True).join(
        _referrals_behind(views, concerned, links), on=key, how="left", nulls_equal=True
    )
    named = lists.with_columns(pl.col("contributors", "referral_ids").fill_null(pl.lit([], dtype=pl.List(pl.String))))
    return seen.join(named, on=key, nulls_equal=True, maintain_order="left")


def _largest(views: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """List the largest contributors of each identifier but the viewer; equal ones by account id."""
    keys = ["kind", "value"]
    ranked = terms.sort(*keys, "contribution_nano", "account_id", descending=[False, False, True, False])
    first = ranked.group_by(keys, maintain_order=True).head(LISTED_CONTRIBUTORS + 1)
    pairs = views.join(first.select(*keys, holder="account_id"), on=keys, maintain_order="left_right").filter(
        pl.col("holder").ne_missing(pl.col("viewer"))
    )
    return pairs.group_by(*keys, "viewer", maintain_order=True).agg(
        contributors=pl.col("holder").head(LISTED_CONTRIBUTORS)
    )


def _referrals_behind(views: pl.DataFrame, terms: pl.DataFrame, links: Links) -> pl.DataFrame:
    """Collect the referrals of all contributors but the viewer, without pairing accounts.

    A referral counts unless the viewer is the only contributor that brings it.
    """
    keys = ["kind", "value"]
    brought = terms.join(_referrals_of_accounts(links), on="account_id").explode("referral_ids")
    counted = brought.group_by(*keys, "referral_ids").agg(
        pl.len().alias("bringers"), bringer=pl.col("account_id").first()
    )
    pairs = views.join(counted, on=keys)
    others = pairs.filter((pl.col("bringers") > 1) | pl.col("bringer").ne_missing(pl.col("viewer")))
    return others.group_by(*keys, "viewer").agg(_sorted_set("referral_ids"))


def _referrals_of_accounts(links: Links) -> pl.DataFrame:
    """Collect the referrals that reach each account through its own links."""
    direct = links.account_links.filter("in_window").join(links.domains.select("domain", "referral_ids"), on="domain")
    return direct.explode("referral_ids").group_by("account_id").agg(_sorted_set("referral_ids"))


# --------------------------------------------------------------------------- points, totals, carry


def _close_round(items: pl.DataFrame, model: EvidenceModel, number: int) -> pl.DataFrame:
    """Turn strengths into points, points into capped sums per kind, and split those sums over the items."""
    kept = items.filter(pl.col("strength_nano") >= max(1, model.floor_nano)).sort(_WITHIN_ROUND)
    valued = kept.with_columns(
        nano.points(kept).alias("points_nano"),
        round=pl.lit(number, pl.Int64),
        _group=pl.struct("subject", "family", "kind").rle_id(),
    )
    sums = _kind_points(valued, model)
    summed = valued.with_columns(sums.gather(valued["_group"]).alias("kind_points_nano"))
    points, is_link = pl.col("points_nano"), pl.col("family") == EvidenceFamily.LINK
    power = pl.when(is_link).then(nano.three_halves(points)).otherwise(nano.square(points))
    shares = nano.split_exactly(summed.select("_group", total="kind_points_nano", part=power), "_group")
    return conform(summed.with_columns(shares.alias("share_nano")), Ledger)


def _kind_points(valued: pl.DataFrame, model: EvidenceModel) -> pl.Series:
    """Add up the points of every `_group`, one kind of one subject, up to its cap; in the order of the groups."""
    points = valued.select("_group", "family", "points_nano")
    is_link, is_typology = (pl.col("family") == family for family in (EvidenceFamily.LINK, EvidenceFamily.TYPOLOGY))
    kind_cap, typology_cap = (pl.lit(cap, pl.Int64) for cap in (model.kind_cap_nano, model.typology_cap_nano))
    capped = [
        nano.three_halves_norm(points.filter(is_link), ["_group"]).with_columns(cap=kind_cap),
        nano.root_of_squares(points.filter(~is_link & ~is_typology), ["_group"]).with_columns(cap=kind_cap),
        nano.root_of_squares(points.filter(is_typology), ["_group"]).with_columns(cap=typology_cap),
    ]
    return pl.concat(capped).sort("_group").select(pl.min_horizontal("kind_points_nano", "cap")).to_series()


def _totals(items: pl.DataFrame, points: str) -> pl.DataFrame:
    """E and S per subject, in the order of the items, from a column of points that add up to E."""
    summed = items.group_by("subject", maintain_order=True).agg(points_nano=pl.col(points).sum())
    return summed.with_columns(score_nano=nano.score(summed, "points_nano"))


def _carry(items: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """rho = max(lambda S, lambda_d S_direct): what a subject passes on. `account_id, risk_nano`."""
    total = _totals(items, "share_nano")
    from_confirmed = items.filter(pl.col("from_confirmed").fill_null(value=False))
    direct = _totals(_resum(from_confirmed, model), "kind_points_nano").select("subject", direct_nano="score_nano")
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
    return items.sort("round", *_WITHIN_ROUND)


def _sorted_contributions(terms: pl.DataFrame) -> pl.DataFrame:
    return terms.sort("round", "kind", "value", "account_id")
