"""One account's case as the page shows it: every line is a row of the bundle, put into words.

Rules kept here:
* nothing is computed; figures are written exactly, what is null is not known;
* what speaks against a link stands beside what speaks for it;
* drafts and hits that an exception sets aside are told apart from what counts;
* wording that many cases share is said once, in the glossary, and meant here by its key.

Left to others: the table of evidence (evidence.py), drawings (graph.py, timeline.py), the match vector (vector.py),
the glossary (glossary.py), markup (assets/).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from merchantscreen.identifiers import KINDS
from merchantscreen.outputs.console import COUNTER_EVIDENCE
from merchantscreen.outputs.report import changes, evidence, graph, timeline, vector
from merchantscreen.outputs.report.figures import Row, day, kind_title, listed, measured, nano, shown
from merchantscreen.outputs.report.glossary import Glossary
from merchantscreen.outputs.report.index import Index
from merchantscreen.outputs.text import counted
from merchantscreen.policy.model import TierCondition
from merchantscreen.vocabulary import CounterEvidence, EvidenceFamily, HostMatch, RuleOutcome


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule that says something: its place in the glossary, and what it saw, in a sentence."""

    rule: str
    key: str
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of an account, and the values they saw, whatever came out.

    Hits are told in full, but for those that are items of the evidence table; rules not evaluated by name; rules
    without a hit are all others, and counted. Of the values those that are 0, empty or no are counted.
    """

    hit_count: int
    hits: tuple[RuleLine, ...]
    aside: tuple[RuleLine, ...]
    unknown: tuple[str, ...]
    clean_count: int
    trial_hits: tuple[RuleLine, ...]
    trial_count: int
    observed: tuple[str, ...]
    zero_count: int


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of the past."""

    when: str
    what: str
    who: str
    about: str


@dataclass(frozen=True, slots=True)
class History:
    """The account's case: its number, where it stands, its decisions, and what is new since the latest."""

    number: str
    state: str
    decisions: tuple[Decision, ...]
    new_items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """All a case section shows."""

    number: int
    place: str
    tier: str
    account: str
    name: str
    head: tuple[tuple[str, str], ...]
    reason: str
    condition: str
    facts: tuple[str, ...]
    against: tuple[str, ...]
    check: tuple[tuple[str, str], ...]
    history: History | None
    mark: str
    moves: tuple[changes.ItemMove, ...]
    evidence: evidence.Evidence
    graph: graph.Graph | None
    timeline: timeline.Timeline
    vector: tuple[vector.Line, ...]
    rules: Rules


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all cases of a run share.

    Attributes:
        index: The bundle by account.
        glossary: What cases mean by key.
        absent: Input columns that were absent.
        as_of: Moment of the run.
    """

    index: Index
    glossary: Glossary
    absent: Collection[str]
    as_of: datetime


def case_of(number: int, account: Row, around: Surroundings) -> Case:
    """Put one case together.

    Args:
        number: Place of the account in the list, from 1; names the section.
        account: Its row of the ranking.
        around: What all cases share.

    Raises:
        IntegrityError: its items do not add up to its points.
    """
    name, index = account["account_id"], around.index
    items, links = index.items.get(name, ()), index.links.get(name, ())
    rules = index.rules.get(name, ())
    condition, _, reason = account["tier_reason"].partition(":")
    history, changed = index.history.get(name, ()), index.changes.get(name, ())
    new = frozenset(history[-1]["new_items"]) if history else frozenset()
    observed = vector.merged(index.observed.get(name, ()))
    keys = around.glossary.rules
    known = evidence.Known(index.direct, {row["rule_id"]: row for row in rules}, keys, new)
    weighed = {item["counterpart"] for item in items[: evidence.MOST] if item["family"] == EvidenceFamily.TYPOLOGY}
    return Case(
        number=number,
        place=place_of(account),
        tier=account["tier"],
        account=shown(name),
        name="" if account["dba_name"] is None else shown(account["dba_name"]),
        head=tuple(_head(account)),
        reason=shown(reason.strip() or account["tier_reason"]),
        condition=around.glossary.tier_keys.get(condition, ""),
        facts=tuple(_facts(index.facts.get(name), around.glossary.conditions.get(condition))),
        against=tuple(_against(account, links)),
        check=tuple(_check(items, links, around)),
        history=_history(history),
        mark=changes.mark_of(changed),
        moves=tuple(changes.items_of(changed)),
        evidence=evidence.evidence_of(account, items, known),
        graph=graph.draw(account, items, links, index),
        timeline=timeline.build(links, observed, index.domains, around.as_of),
        vector=vector.lines_of(vector.match_vector(items, links, observed, around.absent)),
        rules=_rules(name, around, weighed, observed),
    )


def place_of(account: Row) -> str:
    """Write a place; equal accounts share it."""
    return f"={account['rank']}" if account["tied_with"] else str(account["rank"])


def _head(row: Row) -> Iterator[tuple[str, str]]:
    """Say where the account stands and who it is: a few lines, since a page has two thousand of them."""
    tied = f", equal with {counted(row['tied_with'], 'other account')}" if row["tied_with"] else ""
    under = (
        f", facilitator {shown(row['payment_facilitator_id'])}, sub-merchant {shown(row['sub_merchant_id'])}"
        if row["payment_facilitator_id"] is not None
        else ""
    )
    yield "Place", f"{row['rank']}{tied}"
    yield "Points E", nano(row["points_nano"])
    yield "Score", f"{row['score']:.1f} of 100"
    yield "Steps to a domain", str(row["hops"])
    yield "Account", f"acquirer {shown(row['acquirer_id'])}, card acceptor {shown(row['card_acceptor_id'])}{under}"
    yield "Business", f"MCC {shown(row['mcc'])}, country {shown(row['country'])}"
    yield "Referrals", f"{listed(row['referral_ids'])}, of {listed(row['hotlines'])}; origin {shown(row['assurance'])}"


def _facts(facts: Row | None, condition: TierCondition | None) -> Iterator[str]:
    """List the facts that the condition read; all are in facts.jsonl."""
    if facts is None or condition is None:
        return
    for name in sorted(condition.condition.names & facts.keys()):
        yield f"{name} {measured(facts[name])}"


# --------------------------------------------------------------------------- rules


def _rules(name: str, around: Surroundings, weighed: Collection[str], seen: Mapping[str, Any]) -> Rules:
    index, keys = around.index, around.glossary.rules
    rules, trial_hits = index.rules.get(name, ()), index.drafts.get(name, ())
    counting = [row for row in rules if row["exception_id"] is None]
    hits, unknown = (
        [row for row in counting if row["outcome"] == outcome]
        for outcome in (RuleOutcome.HIT, RuleOutcome.NOT_EVALUATED)
    )
    return Rules(
        hit_count=len(hits),
        hits=tuple(_rule(row, keys) for row in hits if row["rule_id"] not in weighed),
        aside=tuple(_rule(row, keys) for row in rules if row["exception_id"] is not None),
        unknown=tuple(shown(row["rule_id"]) for row in unknown),
        clean_count=index.clean_counts.get(name, 0),
        trial_hits=tuple(_rule(row, keys) for row in trial_hits),
        trial_count=index.draft_counts.get(name, 0),
        observed=tuple(f"{shown(name)} {measured(seen[name])}" for name in sorted(seen) if seen[name]),
        zero_count=sum(value is not None and not value for value in seen.values()),
    )


def _rule(row: Row, keys: Mapping[str, str]) -> RuleLine:
    note = f"set aside by the exception {shown(row['exception_id'])}, counts nothing" if row["exception_id"] else ""
    return RuleLine(shown(row["rule_id"]), keys.get(row["rule_id"], ""), shown(row["reason"]), note)


# --------------------------------------------------------------------------- doubts


def _against(account: Row, links: Sequence[Row]) -> Iterator[str]:
    for note in account["counter_evidence"]:
        yield COUNTER_EVIDENCE.get(CounterEvidence(note), note)
    for link in links:
        site = shown(link["domain"])
        if not link["in_window"]:
            when = f" ({day(link['first_at'])} to {day(link['last_at'])})" if link["first_at"] else ""
            yield f"{kind_title(link['kind'])} {site}{when}: outside the validity of the referral, counts nothing"
        elif link["match"] != HostMatch.EXACT:
            yield f"{shown(link['seen_as'])} is only a {link['match']} match for {site}"


def _check(items: Sequence[Row], links: Sequence[Row], around: Surroundings) -> Iterator[tuple[str, str]]:
    """List what to rule out first: the explanation of each kind of tie, and those of the rules that hit, together."""
    kinds = {row["kind"] for row in (*items, *links)}
    for kind in KINDS:
        if kind.name in kinds:
            yield kind.title, around.glossary.kind_keys[kind.name]
    rules = {item["counterpart"] for item in items if item["family"] == EvidenceFamily.TYPOLOGY}
    explained = len(rules & around.glossary.innocent)
    if explained:
        yield f"the entries of {counted(explained, 'rule')} that hit", "rules"


def _history(rows: Sequence[Row]) -> History | None:
    """Put the decisions into words; None where the account has no case."""
    if not rows:
        return None
    latest = rows[-1]
    decisions = tuple(_decision(row) for row in rows if row["disposition"] is not None)
    new = tuple(shown(item) for item in latest["new_items"])
    return History(shown(latest["number"]), shown(latest["state"]), decisions, new)


def _decision(row: Row) -> Decision:
    second = f", confirmed by {shown(row['confirmed_by'])}" if row["confirmed_by"] else ""
    about = f"run {shown(row['run_id'])}, then {shown(row['tier'])}; log event {row['log_index']:,}"
    what = shown(row["disposition"]).replace("_", " ")
    return Decision(day(row["decided_at"]), what, shown(row["actor"]) + second, about)
