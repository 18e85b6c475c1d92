"""Facts, tiers, order and ties: from ledger rows to the list an analyst works through.

Facts are read off the ledger; rules/tiers.yml turns them into a tier; inside a tier
the points decide, then the declared tie-breakers; what is equal is shown as equal.
Nothing here adds or takes evidence.

Source: tiers and guards after domain.md 2 (end) and rows 26 and 27 of the threat model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from merchantscreen import nano
from merchantscreen.domains import defang
from merchantscreen.evidence import Assessment, totals
from merchantscreen.identifiers import BY_NAME, kinds_of
from merchantscreen.policy.evaluation import counted_hits
from merchantscreen.policy.model import EvidenceModel, TierCondition
from merchantscreen.tables import Ranking, conform
from merchantscreen.vocabulary import (
    Assurance,
    CounterEvidence,
    Dedicated,
    EvidenceFamily,
    HostMatch,
    RuleOutcome,
    RuleRole,
    SetBy,
    Specificity,
    Tier,
)

TIE_BREAKERS: Final = ("direct_kind_count", "rule_hit_count", "hotline_count")
"""Declared order inside equal tier and points, each descending; the account id never decides."""

BEHAVIOUR: Final = ("transaction-pattern", "network-and-time")
"""Typologies that say what an account does; the others say what it is."""

_TIER_ORDER: Final = {tier.value: place for place, tier in enumerate(Tier)}
_NO_TEXTS: Final = pl.lit([], dtype=pl.List(pl.String))


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the ranking reads.

    Attributes:
        assessment: The ledger, typology items included.
        domains: tables.FlaggedDomains.
        account_links: tables.AccountLinks, rows outside the window included.
        results: tables.RuleOutcomes of the rules in use, drafts left out.
        accounts: tables.Accounts of the neighbourhood.
    """

    assessment: Assessment
    domains: pl.DataFrame
    account_links: pl.DataFrame
    results: pl.DataFrame
    accounts: pl.DataFrame


def rank(evidence: Evidence, tiers: Sequence[TierCondition], model: EvidenceModel) -> pl.DataFrame:
    """Place every account that holds evidence.

    Args:
        evidence: Ledger, links, rule results and account rows.
        tiers: Conditions of rules/tiers.yml, in order.
        model: The numbers of rules/evidence.yml.

    Returns:
        tables.Ranking in review order; accounts linked only outside a validity window close the list.
    """
    backing = _backing(evidence)
    stated = _stated(evidence, backing)
    placed = stated.with_columns(*_tier(stated, tiers))
    described = (
        placed.join(backing, on="account_id", how="left")
        .join(_strongest(evidence), on="account_id", how="left")
        .join(_rule_lists(evidence.results), on="account_id", how="left")
        .join(_counter_evidence(evidence, backing, model), on="account_id", how="left")
        .join(_hops(evidence.assessment), on="account_id", how="left")
        .join(evidence.accounts, on="account_id", how="left")
    )
    lists = (
        "referral_ids", "hotlines", "gate_hits", "rule_hits", "excepted_hits", "not_evaluated", "counter_evidence",
    )  # fmt: skip
    filled = described.with_columns(
        *(pl.col(name).fill_null(_NO_TEXTS) for name in lists),
        pl.col("hops").fill_null(1),
        points=nano.in_units(pl.col("points_nano")),
        score=nano.in_units(100 * pl.col("score_nano")),
    )
    return conform(_ordered(filled), Ranking)


# --------------------------------------------------------------------------- facts


def facts(evidence: Evidence) -> pl.DataFrame:
    """State what rules/tiers.yml may refer to, one row per account; nothing is ever null."""
    return _stated(evidence, _backing(evidence))


def _stated(evidence: Evidence, backing: pl.DataFrame) -> pl.DataFrame:
    final = _final(evidence.assessment)
    base = totals(evidence.assessment).join(
        evidence.account_links.select("account_id").unique(), on="account_id", how="full", coalesce=True
    )
    joined = (
        base.join(_direct_facts(final, evidence.domains), on="account_id", how="left")
        .join(_shared_facts(final), on="account_id", how="left")
        .join(_rule_facts(evidence.results), on="account_id", how="left")
        .join(_source_facts(backing), on="account_id", how="left")
        .join(_validity(evidence.account_links), on="account_id", how="left")
    )
    return joined.with_columns(
        pl.col(pl.Boolean).fill_null(value=False),
        pl.col(pl.Int64, pl.Int32, pl.UInt32).fill_null(0).cast(pl.Int64),
        pl.col(pl.Float64).fill_null(0.0),
        pl.col("assurance").fill_null(Assurance.UNSIGNED.value),
    ).sort("account_id")


def _direct_facts(final: pl.DataFrame, domains: pl.DataFrame) -> pl.DataFrame:
    """Facts about links to domains: how certain before sharing, how many kinds, how forgeable."""
    items = final.filter(pl.col("family") == EvidenceFamily.LINK).join(
        domains.select("domain", "dedicated", "caveats"), left_on="counterpart", right_on="domain"
    )
    certain = items.with_columns(nano.link_strength(items.with_columns(linked_count=pl.lit(1))).alias("certain_nano"))
    marked = certain.with_columns(
        certainty=nano.in_units(pl.col("certain_nano")),
        disputed=pl.col("caveats").list.contains(CounterEvidence.DISPUTED.value),
        expired=pl.col("caveats").list.contains(CounterEvidence.EXPIRED.value),
        forgeable=pl.col("kind").is_in(_names_set_by(SetBy.ANYONE)),
    )
    confirmed, sound = pl.col("from_confirmed"), pl.col("from_confirmed") & ~pl.col("disputed")
    dedicated = sound & (pl.col("dedicated") == Dedicated.YES) & ~pl.col("forgeable")
    # the count has to be that of the link that decides, not of some weaker one beside it
    surest_first = [~dedicated, -pl.col("certainty"), "linked_count"]
    return marked.group_by(account_id="subject").agg(
        clue_merchant_id=(sound & (pl.col("kind") == "clue_merchant_id")).any(),
        direct_dedicated_certainty=pl.col("certainty").filter(dedicated).max(),
        direct_certainty=pl.col("certainty").filter(confirmed).max(),
        linked_domain_certainty=pl.col("certainty").filter(~confirmed).max(),
        direct_kind_count=pl.col("kind").filter(confirmed & ~pl.col("forgeable")).n_unique().cast(pl.Int64),
        direct_linked_count=pl.col("linked_count")
        .sort_by(surest_first)
        .filter(confirmed.sort_by(surest_first))
        .first(),
        direct_forgeable=pl.col("forgeable").filter(confirmed).all() & confirmed.any(),
        disputed=pl.col("disputed").filter(confirmed).all() & confirmed.any(),
        expired=pl.col("expired").filter(confirmed).all() & confirmed.any(),
    )


def _shared_facts(final: pl.DataFrame) -> pl.DataFrame:
    """Facts about shared identifiers: the strongest item per class."""
    items = final.filter(pl.col("family") == EvidenceFamily.IDENTIFIER)
    strength = nano.in_units(pl.col("strength_nano"))
    per_class = {
        f"{specificity.value}_strength": strength.filter(pl.col("kind").is_in(list(kinds_of(specificity)))).max()
        for specificity in Specificity
    }
    counted = {"identifier_kind_count": pl.col("kind").n_unique().cast(pl.Int64)}
    return items.group_by(account_id="subject").agg(**per_class, **counted)


def _rule_facts(results: pl.DataFrame) -> pl.DataFrame:
    ranks = (pl.col("role") == RuleRole.RANK) & counted_hits()
    counts = {
        "rule_hit_count": ranks,
        "behaviour_hit_count": ranks & pl.col("typology").is_in(BEHAVIOUR),
        "gate_hit_count": (pl.col("role") == RuleRole.GATE) & counted_hits(),
    }
    return results.group_by("account_id").agg(
        **{name: which.sum().cast(pl.Int64) for name, which in counts.items()},
        not_evaluated_count=(pl.col("outcome") == RuleOutcome.NOT_EVALUATED).sum().cast(pl.Int64),
    )


def _source_facts(backing: pl.DataFrame) -> pl.DataFrame:
    return backing.select("account_id", "assurance", hotline_count=pl.col("hotlines").list.len().cast(pl.Int64))


def _validity(account_links: pl.DataFrame) -> pl.DataFrame:
    return account_links.group_by("account_id").agg(linked_in_window=pl.col("in_window").any())


def _names_set_by(who: SetBy) -> list[str]:
    return [kind.name for kind in BY_NAME.values() if kind.set_by is who]


# --------------------------------------------------------------------------- tier and order


def _tier(stated: pl.DataFrame, tiers: Sequence[TierCondition]) -> tuple[pl.Series, pl.Series]:
    """Find the first condition that holds for each account; without points there is no case."""
    size = stated.height
    open_still = stated["points_nano"] > 0
    tier = _same(Tier.WATCH.value, size)
    reason = _same("no condition of rules/tiers.yml holds", size).zip_with(
        open_still | stated["linked_in_window"], _same("linked only outside the validity of the referral", size)
    )
    for condition in tiers:
        holds = condition.condition.evaluate(stated).fill_null(value=False) & open_still
        tier = _same(condition.tier.value, size).zip_with(holds, tier)
        reason = _same(f"{condition.id}: {condition.reason}", size).zip_with(holds, reason)
        open_still = open_still & ~holds
    return tier.alias("tier"), reason.alias("tier_reason")


def _same(text: str, size: int) -> pl.Series:
    return pl.repeat(text, size, dtype=pl.String, eager=True)


def _ordered(described: pl.DataFrame) -> pl.DataFrame:
    """Order by tier, points and tie-breakers; equal accounts share a rank and are counted."""
    place = pl.col("tier").replace_strict(_TIER_ORDER, return_dtype=pl.Int64)
    keys = [place.alias("_tier"), -pl.col("points_nano"), *(-pl.col(name).cast(pl.Int64) for name in TIE_BREAKERS)]
    keyed = described.with_columns(_key=pl.struct(keys)).sort("_key", "account_id").with_row_index("_row")
    return keyed.with_columns(
        rank=(pl.col("_row").min().over("_key") + 1).cast(pl.Int64),
        tied_with=(pl.len().over("_key") - 1).cast(pl.Int64),
    )


# --------------------------------------------------------------------------- what is said about each account


def _backing(evidence: Evidence) -> pl.DataFrame:
    """Collect the referrals and hotlines behind each account: `account_id, referral_ids, hotlines, assurance`.

    Those of the domains it is linked to itself; only where there are none, those behind its shared identifiers;
    and only where there are none either, those of links outside the validity.
    """
    domains = evidence.domains.select("domain", "referral_ids", "hotlines", "assurance")
    links = evidence.account_links.select("account_id", "domain", "in_window").join(domains, on="domain")
    own = links.filter("in_window")
    final = _final(evidence.assessment).select("referral_ids", account_id="subject").explode("referral_ids")
    sources = _confirmed(evidence.domains).explode("referral_ids").select("referral_ids", "hotlines", "assurance")
    shared = (
        final.drop_nulls()
        .unique()
        .join(own, on="account_id", how="anti")
        .join(sources, on="referral_ids")
        .with_columns(pl.concat_list("referral_ids"))
    )
    columns = ["account_id", "referral_ids", "hotlines", "assurance"]
    counting = pl.concat([own.select(columns), shared.select(columns)])
    lapsed = links.select(columns).join(counting, on="account_id", how="anti")
    best = pl.col("assurance").sort_by(pl.col("assurance").replace_strict(_assurance_order(), return_dtype=pl.Int8))
    return (
        pl.concat([counting, lapsed])
        .group_by("account_id")
        .agg(pl.col("referral_ids", "hotlines").explode().drop_nulls().unique().sort(), best.first())
    )


def _confirmed(domains: pl.DataFrame) -> pl.DataFrame:
    """Keep the domains that a hotline confirmed itself: only they speak for their referrals."""
    return domains.filter("confirmed")


def _assurance_order() -> dict[str, int]:
    return {level.value: place for place, level in enumerate(Assurance)}


def _strongest(evidence: Evidence) -> pl.DataFrame:
    """Name the strongest item of each account, domains defanged."""
    items = (
        _final(evidence.assessment)
        .filter(pl.col("family") != EvidenceFamily.TYPOLOGY)
        .sort("points_nano", "kind", "counterpart", descending=[True, False, False])
        .unique("subject", keep="first", maintain_order=True)
        .select(account_id="subject", kind="kind", value="counterpart", family="family")
    )
    outside = (
        evidence.account_links.sort("account_id", "kind", "domain")
        .unique("account_id", keep="first", maintain_order=True)
        .join(items, on="account_id", how="anti")
        .select("account_id", "kind", value="domain", family=pl.lit(EvidenceFamily.LINK.value))
    )
    rows = pl.concat([items, outside])
    texts = [
        f"{BY_NAME[kind].title}: {defang(value) if family == EvidenceFamily.LINK or kind == 'website' else value}"
        for kind, value, family in rows.select("kind", "value", "family").iter_rows()
    ]
    return rows.select("account_id", strongest_link=pl.Series(texts, dtype=pl.String))


def _rule_lists(results: pl.DataFrame) -> pl.DataFrame:
    ids, is_gate = pl.col("rule_id"), pl.col("role") == RuleRole.GATE
    return results.group_by("account_id").agg(
        gate_hits=ids.filter(counted_hits() & is_gate).sort(),
        rule_hits=ids.filter(counted_hits() & ~is_gate).sort(),
        excepted_hits=ids.filter(pl.col("exception_id").is_not_null()).sort(),
        not_evaluated=ids.filter(pl.col("outcome") == RuleOutcome.NOT_EVALUATED).sort(),
    )


def _counter_evidence(evidence: Evidence, backing: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """Collect what speaks against each account: caveats of its referrals, validity, weak matches, hubs."""
    final = _final(evidence.assessment)
    own = evidence.account_links.filter("in_window").select("account_id", "domain").unique()
    behind = backing.join(own, on="account_id", how="anti").explode("referral_ids")
    spoken_for = _confirmed(evidence.domains).explode("referral_ids").select("referral_ids", note="caveats")
    outside = evidence.account_links.filter(~pl.col("in_window")).select("account_id").unique()
    links = final.filter((pl.col("family") == EvidenceFamily.LINK) & pl.col("match").is_not_null())
    near_only = links.group_by(account_id="subject").agg((pl.col("match") != HostMatch.EXACT).all().alias("near"))
    wide = final.filter(pl.col("others_count") + 1 >= model.widely_shared_count).select(account_id="subject").unique()
    notes = pl.concat(
        [
            own.join(evidence.domains, on="domain").select("account_id", note="caveats").explode("note"),
            behind.join(spoken_for, on="referral_ids").select("account_id", "note").explode("note"),
            _noted(outside, CounterEvidence.OUTSIDE_VALIDITY),
            _noted(near_only.filter("near"), CounterEvidence.NEAR_MATCH_ONLY),
            _noted(wide, CounterEvidence.WIDELY_SHARED_IDENTIFIER),
        ]
    )
    return notes.group_by("account_id").agg(counter_evidence=pl.col("note").drop_nulls().unique().sort())


def _noted(accounts: pl.DataFrame, note: CounterEvidence) -> pl.DataFrame:
    return accounts.select("account_id", note=pl.lit(note.value))


def _hops(assessment: Assessment) -> pl.DataFrame:
    """Count the steps from a confirmed domain: 1 for a direct link, one more per domain link or identifier."""
    known = pl.DataFrame(schema={"account_id": pl.String, "hops": pl.Int64})
    for number in range(1, assessment.final_round + 1):
        items = assessment.ledger.filter(pl.col("round") == number)
        direct = items.filter(pl.col("family") == EvidenceFamily.LINK).select(
            account_id="subject", hops=pl.when("from_confirmed").then(1).otherwise(2).cast(pl.Int64)
        )
        terms = assessment.contributions.filter(pl.col("round") == number).join(known, on="account_id")
        nearest = terms.group_by("kind", "value").agg(pl.col("hops").min() + 1)
        shared = items.filter(pl.col("family") == EvidenceFamily.IDENTIFIER).join(
            nearest, left_on=["kind", "counterpart"], right_on=["kind", "value"]
        )
        reached = pl.concat([direct, shared.select("hops", account_id="subject").select("account_id", "hops")])
        known = reached.group_by("account_id").agg(pl.col("hops").min())
    return known


def _final(assessment: Assessment) -> pl.DataFrame:
    return assessment.ledger.filter(pl.col("round") == assessment.final_round)
