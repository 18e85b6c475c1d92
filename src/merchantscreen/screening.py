"""The method on one page: referrals and metadata in, ranked accounts with evidence out.

`screen` is the whole of it, frame in and frame out. It knows no clock and no paths
but those of the intake; it is silent, and the same inputs give the same rows whatever
the engine, the number of threads, or the order of the input.

Referrals under a law-enforcement hold are kept apart: the whole method runs as if they
did not exist, and only where there are any it runs a second time for the sealed queue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from merchantscreen import blindspots
from merchantscreen.engines import Engine, Frame
from merchantscreen.evidence import Assessment, Links, add_typology, assess, mean_risk, open_rounds
from merchantscreen.features import naive_utc
from merchantscreen.intake import Intake
from merchantscreen.intake.entries import Entry
from merchantscreen.intake.inplace import unchanged
from merchantscreen.intake.merged import Merged
from merchantscreen.intake.reducing import TABLES as ENTRY_TABLES
from merchantscreen.links import FlaggedNames, count_links, find_links
from merchantscreen.measuring import Data, measure
from merchantscreen.neighbourhood import Neighbourhood, cut
from merchantscreen.numbering import Holders
from merchantscreen.policy import exceptions
from merchantscreen.policy.evaluation import decide, describe, in_use
from merchantscreen.policy.locking import approval_of
from merchantscreen.policy.model import Policy
from merchantscreen.ranking import Evidence, rank
from merchantscreen.ranking import facts as stated_facts
from merchantscreen.records import Progress, Silent
from merchantscreen.referrals.flagging import Flagged
from merchantscreen.skew import skew
from merchantscreen.tables import (
    AccountFacts,
    AccountLinks,
    BlindSpots,
    Breadths,
    Degrees,
    Holdings,
    PolicyFiles,
    conform,
    empty,
)
from merchantscreen.traffic import IndexedTables, MergedTables, Part, Traffic, WholeTable
from merchantscreen.unstaged import FilesInPlace
from merchantscreen.vocabulary import RuleStatus, Tier


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """Everything a run found, in final order, ready to be written down.

    Attributes:
        ranking: tables.Ranking.
        ledger: tables.Ledger.
        contributions: tables.Contributions.
        links: tables.AccountLinks of ranked accounts, counter-evidence included.
        rules: tables.RuleResults of ranked accounts.
        shadow: tables.RuleResults of rules in draft, for the same accounts; nothing rests on them.
        facts: tables.AccountFacts of ranked accounts: what their tiers were decided on.
        exceptions: tables.ExceptionResults: what became of every exception.
        skew: tables.Skew: where cases fall, beside where accounts are.
        policy: tables.PolicyFiles: the rule folder that was at work.
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
    shadow: pl.DataFrame
    facts: pl.DataFrame
    exceptions: pl.DataFrame
    skew: pl.DataFrame
    policy: pl.DataFrame
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

    traffic: Traffic
    declared: Frame
    by_account: Frame
    accounts: pl.DataFrame
    accounts_file: Path
    lots: pl.Series | None
    policy: Policy
    as_of: datetime
    tell: Progress


@dataclass(frozen=True, slots=True)
class _Screened:
    """Everything that follows from one set of flagged domains."""

    links: Links
    around: Neighbourhood
    features: pl.DataFrame
    decided: pl.DataFrame
    exceptions: pl.DataFrame
    assessment: Assessment
    ranking: pl.DataFrame
    facts: pl.DataFrame
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

    Raises:
        InputError: A file that is read in place has changed meanwhile.
    """
    with unchanged(intake.plain_files):
        job = _open(intake, policy, engine, as_of, progress or Silent())
        open_to_all = _without_held(flagged)
        screened = _screen(job, open_to_all)
        sealed = _sealed(job, flagged, screened.ranking)
        job.tell.stage("listing what could not be tested")
        counted = screened.decided.filter(pl.col("status") == RuleStatus.ACTIVE)
        unseen = blindspots.find(job.traffic, job.accounts, counted, knows_everybody=intake.knows_everybody)
    unsearched = blindspots.without_link_data(intake.present, open_to_all.domains.height)
    spots = pl.concat([intake.blind_spots, flagged.blind_spots, unsearched, *unseen])
    return _result(job, screened, sealed, spots, intake)


# --------------------------------------------------------------------------- the method


def _screen(job: _Job, flagged: Flagged) -> _Screened:
    """Find links, cut the neighbourhood, measure it, weigh the evidence, rank: the method, once through."""
    model = job.policy.evidence
    job.tell.stage("looking for links to flagged domains")
    names = FlaggedNames(flagged.domains, flagged.clues, job.policy.free_mail_domains)
    found = find_links(job.traffic, job.declared, job.accounts, names, job.as_of, model)
    direct = _unshared(flagged, found)
    opening = open_rounds(direct, model)
    job.tell.stage("cutting out the neighbourhood")
    around = cut(job.traffic, job.declared, opening.carried, model, by_account=job.by_account)
    job.tell.stage("measuring the accounts in it")
    near, features = _measure(job, around, found, flagged)
    job.tell.stage("weighing the evidence")
    targeted = _exception_targets(job, features.get_column("account_id"), around)
    decided = decide(in_use(job.policy.rules), features, targeted)
    counted = decided.filter(pl.col("status") == RuleStatus.ACTIVE)
    links = replace(direct, holders=around.holders, breadths=around.breadths)
    assessment = add_typology(assess(links, model, opening), counted, model)
    evidence = Evidence(assessment, flagged.domains, found, counted, near)
    return _Screened(
        links=links,
        around=around,
        features=features,
        decided=decided,
        exceptions=exceptions.results(job.policy.exceptions, targeted, counted, job.as_of.date()),
        assessment=assessment,
        ranking=rank(evidence, job.policy.tiers, model),
        facts=stated_facts(evidence),
        mean_risk_nano=mean_risk(opening.carried, job.accounts.height),
    )


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
    traffic = traffic_of(engine, intake, as_of)
    declared = engine.scan([intake.declared_file])
    by_account = engine.scan(intake.declared_by_account) if intake.declared_by_account else declared
    return _Job(traffic, declared, by_account, intake.accounts, intake.accounts_file, intake.lots, policy, as_of, tell)


def _unshared(flagged: Flagged, found: pl.DataFrame) -> Links:
    """Put together what is known before any identifier has been looked at."""
    return Links(
        domains=flagged.domains,
        domain_links=flagged.domain_links,
        account_links=found,
        holders=Holders.of(empty(Holdings), empty(Degrees)),
        breadths=empty(Breadths),
        link_degrees=count_links(found),
    )


def traffic_of(engine: Engine, intake: Intake, as_of: datetime) -> Traffic:
    """Give the accepted transactions of all kinds of storage as one."""
    staged = intake.transaction_files
    parts: list[Part] = [WholeTable(engine, engine.scan(staged), as_of)] if staged else []
    if intake.elsewhere is not None:
        parts.append(WholeTable(engine, intake.elsewhere, as_of))
    if intake.plain_files:
        parts.append(FilesInPlace(engine, intake.plain_files, as_of))
    indexed = parts_of_entries(engine, intake.entries, intake.merged, as_of)
    is_all_in_use = sum(isinstance(part, MergedTables) for part in indexed) == len(intake.merged)
    return Traffic(engine, (*parts, *indexed), intake.in_merged if is_all_in_use else None)


def parts_of_entries(
    engine: Engine, entries: Sequence[Entry], merged: Sequence[Merged], as_of: datetime
) -> tuple[Part, ...]:
    """Give the transactions of entries of the index; one that the moment cuts in two is asked for its rows alone.

    Args:
        engine: Where the tables are.
        entries: The entries.
        merged: Tables that stand for several of them, used where the moment cuts none of these.
        as_of: The moment of the run.
    """
    early = {entry.name: entry for entry in entries if _is_before(entry, as_of)}
    later = [file for entry in entries if entry.name not in early for file in entry.table("rows")]
    parts: list[Part] = [WholeTable(engine, engine.scan(later), as_of)] if later else []
    whole = [one for one in merged if one.entries <= early.keys()]
    parts += [MergedTables(engine, one) for one in whole]
    single = [entry for name, entry in early.items() if not any(name in one.entries for one in whole)]
    if single:
        tables = {name: [file for entry in single for file in entry.table(name)] for name in ENTRY_TABLES}
        parts.append(IndexedTables(engine, {name: engine.scan(paths) for name, paths in tables.items()}))
    return tuple(parts)


def _is_before(entry: Entry, as_of: datetime) -> bool:
    return entry.facts.last_at is None or entry.facts.last_at <= naive_utc(as_of)


def _exception_targets(job: _Job, accounts: pl.Series, around: Neighbourhood) -> pl.DataFrame:
    """Find the accounts near a flagged domain that exceptions are about."""
    valid = exceptions.in_force(job.policy.exceptions, job.as_of.date())
    named = exceptions.wanted_identifiers(valid)
    engine = job.traffic.engine
    declared = engine.collect(job.declared.join(engine.load(named), on=["kind", "value"], how="semi"))
    seen = around.holdings.join(named, on=["kind", "value"], how="semi")
    columns = ["kind", "value", "account_id"]
    return exceptions.targets(valid, accounts, pl.concat([declared.select(columns), seen.select(columns)]).unique())


def _measure(
    job: _Job, around: Neighbourhood, links: pl.DataFrame, flagged: Flagged
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Measure the accounts of the neighbourhood and their peers.

    Returns:
        tables.Accounts of the neighbourhood, and account_id with one column per feature.
    """
    data = Data(job.traffic, job.declared, job.accounts, job.lots, job.by_account, job.accounts_file)
    measured = measure(data, links, flagged, around, job.policy, job.as_of)
    return measured.accounts, measured.features


def _result(job: _Job, screened: _Screened, sealed: pl.DataFrame, spots: pl.DataFrame, intake: Intake) -> ScreenResult:
    """Put everything into final order and count what was looked at."""
    state = pl.lit(approval_of(job.policy).state.value).alias("policy_state")
    ranking, all_links = screened.ranking.with_columns(state), screened.links
    ranked = ranking.select("account_id")
    links = all_links.account_links.join(ranked, on="account_id", how="semi")
    ledger = _without_idle_domains(screened.assessment.ledger, links)
    told = _told(job.policy, screened, ranked)
    is_draft = pl.col("status") == RuleStatus.DRAFT
    return ScreenResult(
        ranking=ranking,
        ledger=ledger,
        contributions=screened.assessment.contributions,
        links=conform(links, AccountLinks).sort("account_id", "domain", "kind", "in_window"),
        rules=told.filter(~is_draft),
        shadow=told.filter(is_draft),
        facts=conform(screened.facts.join(ranked, on="account_id", how="semi"), AccountFacts).sort("account_id"),
        exceptions=screened.exceptions,
        skew=skew(job.accounts, ranking),
        policy=_policy_files(job.policy),
        blind_spots=conform(spots, BlindSpots).sort("kind", "subject", "detail", "count"),
        sealed=sealed.with_columns(state),
        degrees=screened.around.degrees,
        breadths=screened.around.breadths,
        link_degrees=all_links.link_degrees,
        domains=_touched(all_links.domains, links, ledger),
        counts=_counts(screened, intake),
    )


def _told(policy: Policy, screened: _Screened, ranked: pl.DataFrame) -> pl.DataFrame:
    """Write out the outcomes of ranked accounts: the ones that somebody will read."""
    decided = screened.decided.join(ranked, on="account_id", how="semi")
    return describe(in_use(policy.rules), decided, screened.features)


def _policy_files(policy: Policy) -> pl.DataFrame:
    """Keep the rule folder as it was at work, so that a run explains itself and can be run again."""
    rows = [(name, hashlib.sha256(data).hexdigest(), data.decode("utf-8")) for name, data in policy.files.items()]
    return pl.DataFrame(rows, schema=empty(PolicyFiles).schema, orient="row").sort("name")


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
