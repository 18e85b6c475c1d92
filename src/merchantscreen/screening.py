"""The method on one page: referrals and metadata in, ranked accounts with evidence out.

`screen` is the whole of it, frame in and frame out. It knows no clock and no paths
but those of the intake; it is silent, and the same inputs give the same rows whatever
the engine, the number of threads, or the order of the input.

Referrals under a law-enforcement hold are kept apart: the ranking is computed as if
they did not exist, and what they would change goes to the sealed queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen import blindspots, features
from merchantscreen.engines import Engine, Frame
from merchantscreen.evidence import Assessment, Links, add_typology, assess
from merchantscreen.identifiers import kinds_of
from merchantscreen.intake import Intake
from merchantscreen.links import FlaggedNames, count_links, find_links
from merchantscreen.neighbourhood import Neighbourhood, cut
from merchantscreen.policy.evaluation import evaluate_rules
from merchantscreen.policy.model import Policy
from merchantscreen.ranking import Evidence, rank
from merchantscreen.records import Progress, Silent
from merchantscreen.referrals.flagging import Flagged
from merchantscreen.tables import AccountLinks, BlindSpots, RuleResults, conform
from merchantscreen.vocabulary import RuleStatus, Specificity, Tier


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """Everything a run found, in final order, ready to be written down.

    Attributes:
        ranking: tables.Ranking.
        ledger: tables.Ledger.
        contributions: tables.Contributions.
        links: tables.AccountLinks of ranked accounts, counter-evidence included.
        rules: tables.RuleResults of ranked accounts.
        blind_spots: tables.BlindSpots.
        sealed: tables.Ranking rows that referrals under a hold would change.
        degrees: tables.Degrees, frozen.
        breadths: tables.Breadths, frozen.
        link_degrees: tables.LinkDegrees, frozen.
        domains: tables.FlaggedDomains that ranked accounts are linked to; no list of all that hotlines confirmed.
        counts: What was looked at, by name.
    """

    ranking: pl.DataFrame
    ledger: pl.DataFrame
    contributions: pl.DataFrame
    links: pl.DataFrame
    rules: pl.DataFrame
    blind_spots: pl.DataFrame
    sealed: pl.DataFrame
    degrees: pl.DataFrame
    breadths: pl.DataFrame
    link_degrees: pl.DataFrame
    domains: pl.DataFrame
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Data:
    """The input as frames of the engine."""

    transactions: Frame
    declared: Frame
    accounts: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Near:
    """What was found around the flagged domains, before anything is weighed."""

    links: pl.DataFrame
    neighbourhood: Neighbourhood
    accounts: pl.DataFrame
    results: pl.DataFrame


def screen(
    intake: Intake,
    flagged: Flagged,
    policy: Policy,
    engine: Engine,
    as_of: datetime,
    progress: Progress | None = None,
) -> ScreenResult:
    """Screen merchant accounts against flagged domains.

    Args:
        intake: Accepted merchant accounts and transactions.
        flagged: Flagged domains, their links and clues, as of the same moment.
        policy: Weights, tiers and rules.
        engine: Where the data is run.
        as_of: The moment the screen looks from; later transactions are counted and left out.
        progress: Told of the stages.

    Returns:
        Ranking, ledger and everything else a run bundle holds.
    """
    tell = progress or Silent()
    data = _open(intake, engine, as_of)
    tell.stage("looking for links to flagged domains")
    names = FlaggedNames(flagged.domains, flagged.clues, policy.free_mail_domains)
    links = find_links(engine, data.transactions, data.declared, data.accounts, names, as_of, policy.evidence)
    tell.stage("cutting out the neighbourhood")
    linked = links.filter("in_window")["account_id"]
    around = cut(engine, data.transactions, data.declared, linked, policy.evidence)
    tell.stage("measuring the accounts in it")
    accounts, results = _measure(engine, data, around, links, policy, as_of)
    near = _Near(links, around, accounts, results)
    tell.stage("weighing the evidence")
    open_domains = flagged.domains.filter(~pl.col("held"))
    assessment, ranking = _weigh(near, open_domains, flagged.domain_links, policy)
    sealed = _sealed(near, flagged, ranking, policy)
    tell.stage("listing what could not be tested")
    unseen = blindspots.find(engine, engine.scan(intake.transaction_files), data.accounts, results, as_of)
    unsearched = blindspots.without_link_data(intake.present, flagged.domains.height)
    spots = pl.concat([intake.blind_spots, flagged.blind_spots, unsearched, *unseen])
    return _result(near, assessment, ranking, sealed, spots, open_domains, intake)


# --------------------------------------------------------------------------- the steps


def _open(intake: Intake, engine: Engine, as_of: datetime) -> _Data:
    """Open the accepted rows; what happened after `as_of` was not known then."""
    transactions = engine.scan(intake.transaction_files).filter(nw.col("occurred_at") <= as_of)
    return _Data(transactions, engine.scan([intake.declared_file]), intake.accounts)


def _measure(
    engine: Engine, data: _Data, around: Neighbourhood, links: pl.DataFrame, policy: Policy, as_of: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Measure the features of the neighbourhood and its peers, and evaluate the rules on them.

    Returns:
        tables.Accounts of the neighbourhood and tables.RuleResults.
    """
    ids = pl.concat([around.accounts["account_id"], links["account_id"]]).unique().sort()
    wanted = pl.DataFrame({"account_id": ids})
    own = data.accounts.join(wanted, on="account_id", how="semi")
    peers = features.peer_sample(data.accounts, own["mcc"].drop_nulls().unique(), policy.evidence.peer_sample_count)
    declared = _declared_around(engine, data.declared, wanted)
    everyone = pl.concat([wanted, declared.select("account_id"), peers.rename("account_id").to_frame()]).unique()
    to_measure = pl.concat([wanted, peers.rename("account_id").to_frame()]).unique()
    stages = features.aggregates(data.transactions, engine.load(to_measure), as_of)
    measured = {name: engine.collect(stage) for name, stage in stages.items()}
    known = data.accounts.join(everyone, on="account_id", how="semi")
    caution = frozenset(entry.host for entry in policy.caution_hosts)
    table = features.assemble(measured, known, declared, as_of, policy.evidence, caution_hosts=caution)
    active = tuple(rule for rule in policy.rules if rule.status is RuleStatus.ACTIVE)
    complete = wanted.join(table, on="account_id", how="left")
    return own, evaluate_rules(active, complete)


def _declared_around(engine: Engine, declared: Frame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Fetch what accounts declare, and every holder of their hard identifiers: their siblings."""
    own = engine.collect(declared.join(engine.load(wanted), on="account_id", how="semi"))
    hard = own.filter(pl.col("kind").is_in(list(kinds_of(Specificity.HARD)))).select("kind", "value").unique()
    siblings = engine.collect(declared.join(engine.load(hard), on=["kind", "value"], how="semi"))
    return pl.concat([own, siblings]).unique().sort("kind", "value", "account_id")


def _weigh(
    near: _Near, domains: pl.DataFrame, domain_links: pl.DataFrame, policy: Policy
) -> tuple[Assessment, pl.DataFrame]:
    """Assess and rank with some of the flagged domains, as if the others did not exist."""
    known = domains.select("domain")
    account_links = near.links.join(known, on="domain", how="semi")
    pairs = domain_links.join(known, left_on="from_domain", right_on="domain", how="semi").join(
        known, left_on="to_domain", right_on="domain", how="semi"
    )
    around = near.neighbourhood
    degrees = count_links(account_links)
    links = Links(domains, pairs, account_links, around.holdings, around.degrees, around.breadths, degrees)
    severities = {rule.id: str(rule.severity) for rule in policy.rules if rule.status is RuleStatus.ACTIVE}
    assessment = add_typology(assess(links, policy.evidence), near.results, severities, policy.evidence)
    evidence = Evidence(assessment, domains, account_links, near.results, near.accounts)
    return assessment, rank(evidence, policy.tiers, policy.evidence)


def _sealed(near: _Near, flagged: Flagged, ranking: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """List the accounts whose place would differ if referrals under a hold counted."""
    if not flagged.domains["held"].any():
        return ranking.clear()
    _, everything = _weigh(near, flagged.domains, flagged.domain_links, policy)
    return everything.join(ranking, on=["account_id", "tier", "points_nano"], how="anti").sort("rank", "account_id")


def _result(
    near: _Near,
    assessment: Assessment,
    ranking: pl.DataFrame,
    sealed: pl.DataFrame,
    spots: pl.DataFrame,
    domains: pl.DataFrame,
    intake: Intake,
) -> ScreenResult:
    """Put everything into final order and count what was looked at."""
    ranked = ranking.select("account_id")
    links = near.links.join(ranked, on="account_id", how="semi").join(domains.select("domain"), on="domain", how="semi")
    rules = near.results.join(ranked, on="account_id", how="semi")
    ledger = _without_idle_domains(assessment.ledger, links)
    return ScreenResult(
        ranking=ranking,
        ledger=ledger,
        contributions=assessment.contributions,
        links=conform(links, AccountLinks).sort("account_id", "domain", "kind", "in_window"),
        rules=conform(rules, RuleResults).sort("account_id", "rule_id"),
        blind_spots=conform(spots, BlindSpots).sort("kind", "subject", "detail", "count"),
        sealed=sealed,
        degrees=near.neighbourhood.degrees,
        breadths=near.neighbourhood.breadths,
        link_degrees=count_links(links),
        domains=_touched(domains, links, ledger),
        counts=_counts(near, ranking, domains, intake),
    )


def _touched(domains: pl.DataFrame, links: pl.DataFrame, ledger: pl.DataFrame) -> pl.DataFrame:
    """Keep the domains that ranked accounts are linked to, and those that passed risk on to them."""
    sources = ledger.filter(pl.col("round") == 0).select(domain="counterpart")
    wanted = pl.concat([links.select("domain"), sources]).unique()
    return domains.join(wanted, on="domain", how="semi").sort("domain")


def _without_idle_domains(ledger: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Drop what was carried to domains that no ranked account is linked to."""
    return ledger.filter((pl.col("round") > 0) | pl.col("subject").is_in(links["domain"].unique().implode()))


def _counts(near: _Near, ranking: pl.DataFrame, domains: pl.DataFrame, intake: Intake) -> dict[str, int]:
    """Count what was looked at, in the order a reader asks for it."""
    accepted = dict.fromkeys(("merchants", "transactions"), 0)
    for source in intake.sources:
        accepted[source.role] += source.rows_accepted
    per_tier = {f"{tier.value.lower()}_count": int((ranking["tier"] == tier).sum()) for tier in Tier}
    return {
        "flagged_domain_count": domains.height,
        "account_count": accepted["merchants"],
        "transaction_count": accepted["transactions"],
        "linked_account_count": near.links.join(domains, on="domain", how="semi")["account_id"].n_unique(),
        "neighbourhood_count": near.neighbourhood.accounts.height,
        "ranked_account_count": ranking.height,
        **per_tier,
    }
