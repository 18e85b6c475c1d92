"""The evidence ledger: every item that ties an account to a flagged domain, in exact nano-units.

`assess` is the whole of EVID-2 on compact frames, frame in and frame out. Rules kept:

* a score is nothing but the sum of listed items; nothing is added that is not a row;
* degrees are full-data degrees, frozen for the run; local degrees are never used;
* what chance explains is a calibrated number of the policy, so that nobody's score depends on strangers;
* confidence, risk, strength and points are integers; sums are exact and order-free;
* only activity inside a referral's validity counts; the rest is counter-evidence;
* accounts and identifiers are numbered once, in the order of their texts; what many holders of an identifier see
  alike is weighed once; texts are put back when a round is written out.

Left to others: which accounts are near enough to look at (neighbourhood.py), what the
points mean for review (ranking.py).
Source: reference "EVID-2", restated in docs/method.md with the integer semantics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from merchantscreen import nano
from merchantscreen.numbering import IDENTIFIER, Holders
from merchantscreen.policy.evaluation import counted_hits
from merchantscreen.policy.model import EvidenceModel
from merchantscreen.tables import Contributions, Ledger, conform, empty
from merchantscreen.vocabulary import EvidenceFamily, HostMatch, RuleRole

LISTED_CONTRIBUTORS = 10
TYPOLOGY = "typology"
_WITHIN_SUBJECT = ["family", "kind", "counterpart"]
"""The order of a subject's items: those of one kind stand together."""
_OF_SUBJECT = ["points_nano", "kind_points_nano", "share_nano"]
"""What the items of one subject make of each other."""
_VIEW = ["identifier", "viewer"]


@dataclass(frozen=True, slots=True)
class Links:
    """What the score is computed from: compact frames around the flagged domains.

    Attributes:
        domains: tables.FlaggedDomains.
        domain_links: tables.DomainLinks.
        account_links: tables.AccountLinks; rows outside the window are ignored here.
        holders: Who holds what in the neighbourhood; degrees of the full data.
        breadths: tables.Breadths, full data.
        link_degrees: tables.LinkDegrees, full data.
    """

    domains: pl.DataFrame
    domain_links: pl.DataFrame
    account_links: pl.DataFrame
    holders: Holders
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


@dataclass(frozen=True, slots=True)
class _Items:
    """Items of one round: what is seen, and who sees it. Most holders of an identifier see the same.

    Attributes:
        subjects: Texts of the subjects by number, sorted.
        seen: tables.Ledger, in the order of `_WITHIN_SUBJECT`; columns that differ from subject to subject are null.
        rows: One per item: `subject` and `seen` as numbers; of a closed round sorted, with `points_nano`,
            `kind_points_nano` and `share_nano`.
    """

    subjects: pl.Series
    seen: pl.DataFrame
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Opening:
    """The rounds that look at links alone: domain to domain, then accounts by their own links.

    Attributes:
        domain_items: tables.Ledger of round 0.
        items: The closed first round of accounts.
        risk: What each of its subjects carries, by number.
    """

    domain_items: pl.DataFrame
    items: _Items
    risk: pl.Series

    @property
    def carried(self) -> pl.DataFrame:
        """What each linked account carries from its own links alone: `account_id, risk_nano`.

        No account carries less in a later round, and none without a link carries anything yet.
        """
        return pl.DataFrame({"account_id": self.items.subjects, "risk_nano": self.risk})


def open_rounds(links: Links, model: EvidenceModel) -> Opening:
    """Weigh what is known before any identifier has been looked at.

    Args:
        links: Domains, their links and those of accounts; the rest does not matter yet.
        model: The numbers of rules/evidence.yml.
    """
    domain_items, domain_risk = _domain_round(links, model)
    accounts = links.account_links.filter("in_window")["account_id"].unique().sort()
    closed = _close_round(_items_of_one(_link_items(links, domain_risk, model), accounts), model)
    return Opening(domain_items, closed, _carried(closed, model))


def assess(links: Links, model: EvidenceModel, opening: Opening | None = None) -> Assessment:
    """Carry risk from confirmed domains to accounts, round by round, and list every step.

    Args:
        links: Domains, links, identifiers and frozen degrees.
        model: The numbers of rules/evidence.yml.
        opening: What `open_rounds` made of the same links, if that is known already.

    Returns:
        Items and contributions of every round.
    """
    first = open_rounds(links, model) if opening is None else opening
    numbers = links.holders.including(first.items.subjects)
    place = numbers.accounts.search_sorted(first.items.subjects)
    rows = first.items.rows.select(place.gather(first.items.rows["subject"]).alias("subject"), "seen")
    direct = _Items(numbers.accounts, first.items.seen, rows)
    items, contributions = [first.domain_items, _written(first.items, 1)], [empty(Contributions)]
    risk = pl.zeros(numbers.accounts.len(), pl.Int64, eager=True).scatter(place, first.risk)
    for number in range(2, model.account_rounds + 1):
        terms = _contributions(links, numbers, risk, model)
        seen = direct if terms.is_empty() else _beside(_shared_items(links, numbers, terms, model), direct)
        found = _close_round(seen, model)
        items.append(_written(found, number))
        contributions.append(conform(terms.with_columns(round=pl.lit(number)), Contributions))
        if number < model.account_rounds:
            risk = _carried(found, model)
    # rounds come in order, each of them sorted
    return Assessment(pl.concat(items), pl.concat(contributions), model.account_rounds)


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
    final = _final_round(assessment, "subject")
    hits = decided.filter(counted_hits() & (pl.col("role") == RuleRole.RANK))
    linked = hits.join(final.unique(), left_on="account_id", right_on="subject", how="semi")
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
    own = _items_of_one(_reaching_floor(conform(items, Ledger), model))
    closed = _written(_close_round(own, model), assessment.final_round)
    # stable, which is quick where nearly all is in order
    ledger = pl.concat([assessment.ledger, closed]).sort("round", "subject", *_WITHIN_SUBJECT, maintain_order=True)
    return Assessment(ledger, assessment.contributions, assessment.final_round)


def totals(assessment: Assessment) -> pl.DataFrame:
    """Add up the final round: one row per account with `points_nano` (E) and `score_nano` (S)."""
    return _totals(_final_round(assessment, "subject", "share_nano"), "share_nano").rename({"subject": "account_id"})


def _final_round(assessment: Assessment, *columns: str) -> pl.DataFrame:
    """Pick columns of the items that make up the scores; an item has many."""
    first = assessment.ledger["round"].search_sorted(assessment.final_round)
    return assessment.ledger.select(columns).slice(first)


# --------------------------------------------------------------------------- round 0: domain to domain


def _domain_round(links: Links, model: EvidenceModel) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Carry risk once over the hotlines' domain links; return items and `domain, risk_nano, confirmed`."""
    confirmed = links.domains.select("domain", "confirmed", risk_nano="confidence_nano")
    if model.domain_rounds == 0 or links.domain_links.is_empty():
        return empty(Ledger), confirmed
    closed = _close_round(_items_of_one(_domain_items(_both_ways(links.domain_links), confirmed, model)), model)
    carried = pl.DataFrame({"domain": closed.subjects, "carried_nano": _carried(closed, model)})
    risk = confirmed.join(carried, on="domain", how="left").select(
        "domain", "confirmed", risk_nano=pl.max_horizontal("risk_nano", pl.col("carried_nano").fill_null(0))
    )
    return _written(closed, 0), risk


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
    return _reaching_floor(conform(numbered.with_columns(strength_nano=nano.link_strength(numbered)), Ledger), model)


def _reaching_floor(items: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    return items.filter(pl.col("strength_nano") >= max(1, model.floor_nano))


def _contributions(links: Links, numbers: Holders, risk: pl.Series, model: EvidenceModel) -> pl.DataFrame:
    """Split what each account carries over the identifiers of a kind that it shares: a = rho / d.

    A hub takes its part like any other identifier, but passes nothing on.

    Args:
        links: Their breadths.
        numbers: Who holds what.
        risk: What each account carries.
        model: The numbers of rules/evidence.yml.

    Returns:
        Terms: tables.Contributions with `identifier`, `account` and `holding`, the row of the holdings, as numbers;
        in the order of identifier and account.
    """
    passes = numbers.identifiers["holder_count"].is_between(2, model.hub_holder_count)
    account, identifier = numbers.holdings
    held = numbers.holdings.with_row_index("holding").filter((risk > 0).gather(account) & passes.gather(identifier))
    named = held.with_columns(
        *numbers.identifiers.select(IDENTIFIER)[held["identifier"]],
        numbers.accounts.gather(held["account"]).alias("account_id"),
        risk.gather(held["account"]).alias("risk_nano"),
    )
    split = nano.half_even_ratio(pl.col("risk_nano"), pl.col("breadth_count"))
    terms = named.join(links.breadths, on=["kind", "account_id"]).with_columns(contribution_nano=split)
    return terms.filter(pl.col("contribution_nano") > 0).sort("identifier", "account")


def _shared_items(links: Links, numbers: Holders, terms: pl.DataFrame, model: EvidenceModel) -> _Items:
    """List shared identifiers: the others' contributions, less what chance explains."""
    views = _views(numbers, terms, model)
    weighed = views.with_columns(strength_nano=nano.shared_strength(views, model.residual_nano))
    strong = _reaching_floor(weighed, model)
    named = _name_contributors(strong, terms, links).with_columns(
        numbers.identifiers["value"].gather(strong["identifier"]).alias("counterpart"),
        family=pl.lit(EvidenceFamily.IDENTIFIER.value),
    )
    rows = numbers.holdings.select(subject="account", seen=_seen_by_holders(strong, numbers, terms))
    return _Items(numbers.accounts, conform(named, Ledger), rows.drop_nulls())


def _views(numbers: Holders, terms: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """Weigh every identifier: once for all holders who pass nothing on, and once for each one who does.

    The former see the same contributors, so that their view has no `viewer`. The latter, which are a `viewer` at a
    `holding` each, are left out of their own. In the order of identifiers.
    """
    pools = terms.group_by("identifier", maintain_order=True).agg(
        pool_nano=pl.col("contribution_nano").sum(), pool_count=pl.len().cast(pl.Int64)
    )
    own = terms.select("identifier", "holding", viewer="account", own_nano="contribution_nano")
    views = pl.concat([pools.select("identifier"), own], how="diagonal").join(pools, on="identifier").sort(_VIEW)
    return (
        views.with_columns(*numbers.identifiers.select("kind", "holder_count")[views["identifier"]])
        .with_columns(
            *map(model.of_kind, ("weight_nano", "reliability_nano", "base_rate_nano", "kappa_nano")),
            shared_risk_nano=pl.col("pool_nano") - pl.col("own_nano").fill_null(0),
            contributor_count=pl.col("pool_count") - pl.col("viewer").is_not_null().cast(pl.Int64),
            others_count=pl.col("holder_count") - 1,
        )
        .filter(pl.col("shared_risk_nano") > 0)
    )


def _seen_by_holders(views: pl.DataFrame, numbers: Holders, terms: pl.DataFrame) -> pl.Series:
    """Say which view each holding has, by its row; null for none."""
    numbered = views.select("identifier", "holding").with_row_index("view")
    common, own = numbered.filter(pl.col("holding").is_null()), numbered.drop_nulls("holding")
    unseen = pl.repeat(None, numbers.identifiers.height, dtype=pl.UInt32, eager=True)
    seen = unseen.scatter(common["identifier"], common["view"]).gather(numbers.holdings["identifier"])
    # who contributes has no part in the common view, also where the own one is too weak
    return seen.scatter(terms["holding"], None).scatter(own["holding"], own["view"])


def _name_contributors(views: pl.DataFrame, terms: pl.DataFrame, links: Links) -> pl.DataFrame:
    """Attach the largest contributors of each view, and the referrals behind all of them."""
    wanted = views.select(_VIEW)
    concerned = terms.join(wanted, on="identifier", how="semi")
    for lists in (_largest(wanted, concerned), _referrals_behind(wanted, concerned, links)):
        views = views.join(lists, on=_VIEW, how="left", nulls_equal=True, maintain_order="left")
    return views.with_columns(pl.col("contributors", "referral_ids").fill_null(pl.lit([], dtype=pl.List(pl.String))))


def _largest(views: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """List the largest contributors of each identifier but the viewer; equal ones by account id."""
    ranked = terms.sort("identifier", "contribution_nano", "account", descending=[False, True, False])
    first = ranked.group_by("identifier", maintain_order=True).head(LISTED_CONTRIBUTORS + 1)
    pairs = views.join(
        first.select("identifier", "account", "account_id"), on="identifier", maintain_order="left_right"
    ).filter(pl.col("account").ne_missing(pl.col("viewer")))
    return pairs.group_by(_VIEW, maintain_order=True).agg(contributors=pl.col("account_id").head(LISTED_CONTRIBUTORS))


def _referrals_behind(views: pl.DataFrame, terms: pl.DataFrame, links: Links) -> pl.DataFrame:
    """Collect the referrals of all contributors but the viewer, without pairing accounts.

    A referral counts unless the viewer is the only contributor that brings it.
    """
    brought = terms.join(_referrals_of_accounts(links), on="account_id").explode("referral_ids")
    counted = brought.group_by("identifier", "referral_ids").agg(
        pl.len().alias("bringers"), bringer=pl.col("account").first()
    )
    pairs = views.join(counted, on="identifier")
    others = pairs.filter((pl.col("bringers") > 1) | pl.col("bringer").ne_missing(pl.col("viewer")))
    return others.group_by(_VIEW).agg(_sorted_set("referral_ids"))


def _referrals_of_accounts(links: Links) -> pl.DataFrame:
    """Collect the referrals that reach each account through its own links."""
    direct = links.account_links.filter("in_window").join(links.domains.select("domain", "referral_ids"), on="domain")
    return direct.explode("referral_ids").group_by("account_id").agg(_sorted_set("referral_ids"))


# --------------------------------------------------------------------------- what is seen, and who sees it


def _items_of_one(items: pl.DataFrame, subjects: pl.Series | None = None) -> _Items:
    """Take apart items that have one subject each: tables.Ledger.

    Args:
        items: The items, in any order.
        subjects: All subjects of the round, sorted; by default those of the items.
    """
    ordered = items.sort(_WITHIN_SUBJECT)
    names = ordered["subject"].unique().sort() if subjects is None else subjects
    numbers = names.search_sorted(ordered["subject"]).cast(pl.UInt32)
    return _Items(names, ordered, numbers.alias("subject").to_frame().with_row_index("seen").select("subject", "seen"))


def _beside(first: _Items, later: _Items) -> _Items:
    """Put items of a later family beside those of the same subjects."""
    rows = later.rows.with_columns(pl.col("seen") + pl.lit(first.seen.height, pl.UInt32))
    # in one piece, which is far quicker to gather lists from
    seen = pl.concat([first.seen, later.seen], rechunk=True)
    return _Items(first.subjects, seen, pl.concat([first.rows, rows]))


def _written(items: _Items, number: int) -> pl.DataFrame:
    """Write a closed round out: tables.Ledger, sorted by subject, family, kind, counterpart."""
    own = items.rows.select(
        *_OF_SUBJECT, items.subjects.gather(items.rows["subject"]).alias("subject"), round=pl.lit(number, pl.Int64)
    )
    seen = items.seen.drop(own.columns)[items.rows["seen"]]
    return own.hstack(seen).select(items.seen.columns)


# --------------------------------------------------------------------------- points, totals, carry


def _close_round(items: _Items, model: EvidenceModel) -> _Items:
    """Turn strengths into points, points into capped sums per kind, and split those sums over the items."""
    is_typology = pl.col("family") == EvidenceFamily.TYPOLOGY
    valued = items.seen.select(
        nano.points(items.seen).alias("points_nano"),
        is_link=pl.col("family") == EvidenceFamily.LINK,
        cap_nano=pl.when(is_typology).then(model.typology_cap_nano).otherwise(model.kind_cap_nano),
        kind=pl.struct("family", "kind").rle_id(),
    )
    rows = items.rows.sort("subject", "seen", maintain_order=True)
    rows = rows.with_columns(*valued[rows["seen"]]).with_columns(_group=pl.struct("subject", "kind").rle_id())
    # the sum of one term is that term, and most items are the only one of their kind
    alone = rows.select(pl.min_horizontal("points_nano", "cap_nano")).to_series()
    group = pl.col("_group")
    several = rows.with_row_index("row").filter((group == group.shift(-1)) | (group == group.shift()))
    sums, shares = _split(several)
    closed = rows.select("subject", "seen", "points_nano").with_columns(
        alone.clone().scatter(several["row"], sums).alias("kind_points_nano"),
        alone.clone().scatter(several["row"], shares).alias("share_nano"),
    )
    return _Items(items.subjects, items.seen, closed)


def _split(several: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Add up the points of every `_group`, one kind of one subject, up to its cap; return sum and share of each row."""
    points, group = several.select(pl.col("_group").rle_id(), "points_nano", "is_link"), several["_group"].rle_id()
    summed = [
        nano.three_halves_norm(points.filter("is_link"), ["_group"]),
        nano.root_of_squares(points.filter(~pl.col("is_link")), ["_group"]),
    ]
    sums = pl.concat(summed).sort("_group")["kind_points_nano"].gather(group)
    each = pl.col("points_nano")
    split = several.select(
        group,
        total=pl.min_horizontal(sums, "cap_nano"),
        part=pl.when("is_link").then(nano.three_halves(each)).otherwise(nano.square(each)),
    )
    return split["total"], nano.split_exactly(split, "_group")


def _starts(values: pl.Series) -> pl.Series:
    """Return the rows in which another value begins, the first row among them."""
    return values.ne_missing(values.shift()).arg_true()


def _totals(items: pl.DataFrame, points: str) -> pl.DataFrame:
    """E and S per `subject` from a column of points that add up to E; items of one subject stand together."""
    starts = _starts(items["subject"])
    first = starts.to_numpy()
    sums = np.add.reduceat(items[points].to_numpy(), first) if len(first) else np.empty(0, np.int64)
    summed = pl.DataFrame({"subject": items["subject"].gather(starts), "points_nano": sums})
    return summed.with_columns(score_nano=nano.score(summed, "points_nano"))


def _carried(items: _Items, model: EvidenceModel) -> pl.Series:
    """rho = max(lambda S, lambda_d S_direct): what each subject of a closed round passes on, by its number."""
    count = items.subjects.len()
    confirmed = items.seen["from_confirmed"].fill_null(value=False).gather(items.rows["seen"])
    direct = items.rows.filter(confirmed)
    kinds = direct.with_columns(items.seen["kind"].gather(direct["seen"]))
    sums = nano.three_halves_norm(kinds, ["subject", "kind"]).sort("subject")
    capped = sums.with_columns(pl.min_horizontal("kind_points_nano", pl.lit(model.kind_cap_nano)))
    scores = pl.DataFrame(
        {
            "all": _by_subject(_totals(items.rows, "share_nano"), count),
            "direct": _by_subject(_totals(capped, "kind_points_nano"), count),
        }
    )
    return scores.select(
        pl.max_horizontal(
            nano.proportion(pl.col("all"), model.indirect_carry_nano),
            nano.proportion(pl.col("direct"), model.direct_carry_nano),
        )
    ).to_series()


def _by_subject(totals_of: pl.DataFrame, count: int) -> pl.Series:
    """Put scores in the places of their subjects; who has no item scores nothing."""
    return pl.zeros(count, pl.Int64, eager=True).scatter(totals_of["subject"], totals_of["score_nano"])


def _sorted_set(column: str) -> pl.Expr:
    return pl.col(column).drop_nulls().unique().sort()
