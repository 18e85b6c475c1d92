"""The method on one page: referrals and metadata in, ranked accounts with evidence out.

`screen` is the whole of it, frame in and frame out. It knows no clock and no paths
but those of the intake; it is silent, and the same inputs give the same rows whatever
the engine, the number of threads, or the order of the input.

Referrals under a law-enforcement hold are kept apart: the whole method runs as if they
did not exist, and only where there are any it runs a second time for the sealed queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen import blindspots, features
from merchantscreen.engines import Engine, Frame
from merchantscreen.evidence import Assessment, Links, add_typology, assess, direct_risk, mean_risk
from merchantscreen.identifiers import kinds_of
from merchantscreen.intake import Intake
from merchantscreen.links import FlaggedNames, count_links, find_links
from merchantscreen.neighbourhood import Neighbourhood, cut
from merchantscreen.policy.evaluation import evaluate_rules
from merchantscreen.policy.model import Policy, Rule
from merchantscreen.ranking import Evidence, rank
from merchantscreen.records import Progress, Silent
from merchantscreen.referrals.flagging import Flagged
from merchantscreen.tables import (
    AccountLinks,
    BlindSpots,
    Breadths,
    Degrees,
    Holdings,
    RuleResults,
    conform,
    empty,
)
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
        sealed: tables.Ranking rows, weighed with referrals under a hold, of accounts that concern these.
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
class _Job:
    """What stays the same whichever domains count: the input as frames, the rules, the moment."""

    engine: Engine
    transactions: Frame
    declared: Frame
    accounts: pl.DataFrame
    policy: Policy
    as_of: datetime
    tell: Progress


@dataclass(frozen=True, slots=True)
class _Screened:
    """Everything that follows from one set of flagged domains."""

    links: Links
    around: Neighbourhood
    results: pl.DataFrame
    assessment: Assessment
    ranking: pl.DataFrame
    mean_risk_nano: int


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
    job = _open(intake, policy, engine, as_of, progress or Silent())
    open_to_all = _without_held(flagged)
    screened = _screen(job, open_to_all)
    sealed = _sealed(job, flagged, screened.ranking)
    job.tell.stage("listing what could not be tested")
    unseen = blindspots.find(engine, engine.scan(intake.transaction_files), job.accounts, screened.results, as_of)
    unsearched = blindspots.without_link_data(intake.present, open_to_all.domains.height)
    spots = pl.concat([intake.blind_spots, flagged.blind_spots, unsearched, *unseen])
    return _result(screened, sealed, spots, intake)


# --------------------------------------------------------------------------- the method


def _screen(job: _Job, flagged: Flagged) -> _Screened:
    """Find links, cut the neighbourhood, measure it, weigh the evidence, rank: the method, once through."""
    model = job.policy.evidence
    job.tell.stage("looking for links to flagged domains")
    names = FlaggedNames(flagged.domains, flagged.clues, job.policy.free_mail_domains)
    found = find_links(job.engine, job.transactions, job.declared, job.accounts, names, job.as_of, model)
    direct = _unshared(flagged, found)
    carried = direct_risk(direct, model)
    job.tell.stage("cutting out the neighbourhood")
    around = cut(job.engine, job.transactions, job.declared, carried, model)
    job.tell.stage("measuring the accounts in it")
    near, results = _measure(job, around, found)
    job.tell.stage("weighing the evidence")
    links = replace(direct, holdings=around.holdings, degrees=around.degrees, breadths=around.breadths)
    severities = {rule.id: str(rule.severity) for rule in _active(job.policy)}
    assessment = add_typology(assess(links, model), results, severities, model)
    evidence = Evidence(assessment, flagged.domains, found, results, near)
    mean = mean_risk(carried, job.accounts.height)
    return _Screened(links, around, results, assessment, rank(evidence, job.policy.tiers, model), mean)


def _without_held(flagged: Flagged) -> Flagged:
    """Leave out the domains under a law-enforcement hold, and all that is known of them."""
    known = flagged.domains.filter(~pl.col("held"))
    names = known.select("domain")
    between = flagged.domain_links.join(names, left_on="from_domain", right_on="domain", how="semi").join(
        names, left_on="to_domain", right_on="domain", how="semi"
    )
    return replace(
        flagged, domains=known, domain_links=between, clues=flagged.clues.join(names, on="domain", how="semi")
    )


def _sealed(job: _Job, flagged: Flagged, ranking: pl.DataFrame) -> pl.DataFrame:
    """List accounts that are linked to a held domain themselves, or that it would bring into another tier."""
    held = flagged.domains.filter("held")
    if held.is_empty():
        return ranking.clear()
    everything = _screen(job, flagged)
    linked = everything.links.account_links.join(held, on="domain", how="semi").select("account_id")
    cases = everything.ranking.filter(pl.col("tier") != Tier.WATCH)
    moved = cases.join(ranking, on=["account_id", "tier"], how="anti").select("account_id")
    wanted = pl.concat([linked, moved]).unique()
    return everything.ranking.join(wanted, on="account_id", how="semi").sort("rank", "account_id")


# --------------------------------------------------------------------------- the steps


def _open(intake: Intake, policy: Policy, engine: Engine, as_of: datetime, tell: Progress) -> _Job:
    """Open the accepted rows; what happened after `as_of` was not known then."""
    transactions = engine.scan(intake.transaction_files).filter(nw.col("occurred_at") <= as_of)
    return _Job(engine, transactions, engine.scan([intake.declared_file]), intake.accounts, policy, as_of, tell)


def _unshared(flagged: Flagged, found: pl.DataFrame) -> Links:
    """Put together what is known before any identifier has been looked at."""
    return Links(
        domains=flagged.domains,
        domain_links=flagged.domain_links,
        account_links=found,
        holdings=empty(Holdings),
        degrees=empty(Degrees),
        breadths=empty(Breadths),
        link_degrees=count_links(found),
    )


def _active(policy: Policy) -> tuple[Rule, ...]:
    return tuple(rule for rule in policy.rules if rule.status is RuleStatus.ACTIVE)


def _measure(job: _Job, around: Neighbourhood, links: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Measure the features of the neighbourhood and its peers, and evaluate the rules on them.

    Returns:
        tables.Accounts of the neighbourhood and tables.RuleResults.
    """
    model = job.policy.evidence
    ids = pl.concat([around.accounts["account_id"], links["account_id"]]).unique().sort()
    wanted = pl.DataFrame({"account_id": ids})
    own = job.accounts.join(wanted, on="account_id", how="semi")
    peers = features.peer_sample(job.accounts, own["mcc"].drop_nulls().unique(), model.peer_sample_count)
    declared = _declared_around(job.engine, job.declared, wanted)
    to_measure = pl.concat([wanted, peers.rename("account_id").to_frame()]).unique()
    stages = features.aggregates(job.transactions, job.engine.load(to_measure), job.as_of)
    measured = {name: job.engine.collect(stage) for name, stage in stages.items()}
    everyone = pl.concat([to_measure, declared.select("account_id")]).unique()
    known = job.accounts.join(everyone, on="account_id", how="semi")
    caution = frozenset(entry.host for entry in job.policy.caution_hosts)
    table = features.assemble(measured, known, declared, job.as_of, model, caution_hosts=caution)
    return own, evaluate_rules(_active(job.policy), wanted.join(table, on="account_id", how="left"))


def _declared_around(engine: Engine, declared: Frame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Fetch what accounts declare, and every holder of their hard identifiers: their siblings."""
    own = engine.collect(declared.join(engine.load(wanted), on="account_id", how="semi"))
    hard = own.filter(pl.col("kind").is_in(list(kinds_of(Specificity.HARD)))).select("kind", "value").unique()
    siblings = engine.collect(declared.join(engine.load(hard), on=["kind", "value"], how="semi"))
    return pl.concat([own, siblings]).unique().sort("kind", "value", "account_id")


def _result(screened: _Screened, sealed: pl.DataFrame, spots: pl.DataFrame, intake: Intake) -> ScreenResult:
    """Put everything into final order and count what was looked at."""
    ranking, all_links = screened.ranking, screened.links
    ranked = ranking.select("account_id")
    links = all_links.account_links.join(ranked, on="account_id", how="semi")
    ledger = _without_idle_domains(screened.assessment.ledger, links)
    rules = screened.results.join(ranked, on="account_id", how="semi")
    return ScreenResult(
        ranking=ranking,
        ledger=ledger,
        contributions=screened.assessment.contributions,
        links=conform(links, AccountLinks).sort("account_id", "domain", "kind", "in_window"),
        rules=conform(rules, RuleResults).sort("account_id", "rule_id"),
        blind_spots=conform(spots, BlindSpots).sort("kind", "subject", "detail", "count"),
        sealed=sealed,
        degrees=screened.around.degrees,
        breadths=screened.around.breadths,
        link_degrees=all_links.link_degrees,
        domains=_touched(all_links.domains, links, ledger),
        counts=_counts(screened, intake),
    )


def _touched(domains: pl.DataFrame, links: pl.DataFrame, ledger: pl.DataFrame) -> pl.DataFrame:
    """Keep the domains that ranked accounts are linked to, and those that passed risk on to them."""
    sources = ledger.filter(pl.col("round") == 0).select(domain="counterpart")
    wanted = pl.concat([links.select("domain"), sources]).unique()
    return domains.join(wanted, on="domain", how="semi").sort("domain")


def _without_idle_domains(ledger: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Drop what was carried to domains that no ranked account is linked to."""
    return ledger.filter((pl.col("round") > 0) | pl.col("subject").is_in(links["domain"].unique().implode()))


def _counts(screened: _Screened, intake: Intake) -> dict[str, int]:
    """Count what was looked at, in the order a reader asks for it."""
    accepted = dict.fromkeys(("merchants", "transactions"), 0)
    for source in intake.sources:
        accepted[source.role] += source.rows_accepted
    tiers = screened.ranking["tier"]
    return {
        "flagged_domain_count": screened.links.domains.height,
        "account_count": accepted["merchants"],
        "transaction_count": accepted["transactions"],
        "linked_account_count": screened.links.account_links["account_id"].n_unique(),
        "neighbourhood_count": screened.around.accounts.height,
        "ranked_account_count": screened.ranking.height,
        "mean_risk_nano": screened.mean_risk_nano,
        **{f"{tier.value.lower()}_count": int((tiers == tier).sum()) for tier in Tier},
    }
