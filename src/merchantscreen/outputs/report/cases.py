"""One account's case as the page shows it: every line is a row of the bundle, put into words.

Rules kept here:
* nothing is computed; figures are written exactly, what is null is not known;
* what speaks against a link stands beside what speaks for it;
* drafts and hits that an exception sets aside are told apart from what counts.

Left to others: drawings (graph.py, waterfall.py, timeline.py), match vector (vector.py), markup (assets/).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from merchantscreen.identifiers import KINDS
from merchantscreen.outputs.console import COUNTER_EVIDENCE
from merchantscreen.outputs.report import graph, timeline, vector, waterfall
from merchantscreen.outputs.report.figures import Row, day, kind_title, listed, measured, nano, shown
from merchantscreen.outputs.report.index import Index
from merchantscreen.outputs.text import counted
from merchantscreen.policy.model import TierCondition
from merchantscreen.vocabulary import CounterEvidence, EvidenceFamily, HostMatch, RuleOutcome


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the evidence table, in words and exact figures."""

    title: str
    value: str
    seen: str
    numbers: tuple[str, ...]
    strength: str
    points: str
    kind_points: str
    share: str
    when: str
    referrals: str


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule: what it is, what came out, and the values it saw."""

    rule: str
    role: str
    reason: str
    observed: str
    aside: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the tier decision."""

    name: str
    value: str
    read: bool


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
    facts: tuple[Fact, ...]
    vector: tuple[vector.Match, ...]
    graph: graph.Graph | None
    waterfall: waterfall.Waterfall
    timeline: timeline.Timeline
    items: tuple[Item, ...]
    rules: tuple[tuple[str, tuple[RuleLine, ...]], ...]
    drafts: tuple[RuleLine, ...]
    against: tuple[str, ...]
    innocent: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all cases of a run share.

    Attributes:
        index: The bundle by account.
        conditions: Conditions of tiers.yml by id; empty where the policy could not be read again.
        absent: Input columns that were absent.
        as_of: Moment of the run.
    """

    index: Index
    conditions: Mapping[str, TierCondition]
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
    rules, drafts = index.rules.get(name, ()), index.drafts.get(name, ())
    condition = around.conditions.get(account["tier_reason"].partition(":")[0])
    return Case(
        number=number,
        place=place_of(account),
        tier=account["tier"],
        account=shown(name),
        name="" if account["dba_name"] is None else shown(account["dba_name"]),
        head=tuple(_head(account)),
        reason=shown(account["tier_reason"]),
        condition=" ".join(condition.condition.text.split()) if condition else "",
        facts=tuple(_facts(index.facts.get(name), condition)),
        vector=vector.match_vector(items, links, rules, around.absent),
        graph=graph.draw(account, items, links, index),
        waterfall=waterfall.build(account, items),
        timeline=timeline.build(links, rules, index.domains, around.as_of),
        items=tuple(_item(item) for item in items),
        rules=tuple(_outcomes(rules)),
        drafts=tuple(_rule(row) for row in drafts),
        against=tuple(_against(account, links, rules)),
        innocent=tuple(_innocent(items, links)),
    )


def place_of(account: Row) -> str:
    """Write a place; equal accounts share it."""
    return f"={account['rank']}" if account["tied_with"] else str(account["rank"])


def _head(row: Row) -> Iterator[tuple[str, str]]:
    tied = f", equal with {counted(row['tied_with'], 'other account')}" if row["tied_with"] else ""
    yield "Trading name", shown(row["dba_name"])
    yield "Acquirer", shown(row["acquirer_id"])
    yield "Card acceptor id", shown(row["card_acceptor_id"])
    if row["payment_facilitator_id"] is not None:
        yield "Facilitator", shown(row["payment_facilitator_id"])
        yield "Sub-merchant", shown(row["sub_merchant_id"])
    yield "MCC", shown(row["mcc"])
    yield "Country", shown(row["country"])
    yield "Place", f"{row['rank']}{tied}"
    yield "Points E", nano(row["points_nano"])
    yield "Score", f"{row['score']:.1f} of 100"
    yield "Steps from a confirmed domain", str(row["hops"])
    yield "Referrals", listed(row["referral_ids"])
    yield "Hotlines", listed(row["hotlines"])
    yield "Best proof of origin", shown(row["assurance"])


def _facts(facts: Row | None, condition: TierCondition | None) -> Iterator[Fact]:
    """List the facts the condition read, then those that are not zero."""
    if facts is None:
        return
    read = condition.condition.names if condition else frozenset()
    for name in sorted(facts, key=lambda name: name not in read):
        if name != "account_id" and (name in read or facts[name]):
            yield Fact(name, measured(facts[name]), name in read)


# --------------------------------------------------------------------------- evidence


def _item(item: Row) -> Item:
    referrals = ", ".join(shown(name) for name in item["referral_ids"])
    return Item(
        title=kind_title(item["kind"]),
        value=shown(item["counterpart"]),
        seen=_seen(item),
        numbers=tuple(_numbers(item)),
        strength=nano(item["strength_nano"]),
        points=nano(item["points_nano"]),
        kind_points=nano(item["kind_points_nano"]),
        share=nano(item["share_nano"]),
        when=_when(item),
        referrals=referrals,
    )


def _seen(item: Row) -> str:
    match = "" if item["match"] is None else f"{item['match']} match"
    seen = "" if item["seen_as"] is None else f"seen as {shown(item['seen_as'])}"
    confirmed = "domain not confirmed itself" if item["from_confirmed"] is False else ""
    return ", ".join(part for part in (seen, match, confirmed) if part)


def _numbers(item: Row) -> Iterator[str]:
    """Write what the strength is made of, with the letters of the method."""
    letters = {"w": "weight_nano", "g": "reliability_nano"}
    if item["family"] == EvidenceFamily.LINK:
        letters |= {"f": "match_factor_nano", "ρ": "risk_nano"}
    if item["family"] == EvidenceFamily.IDENTIFIER:
        letters |= {"k": "shared_risk_nano", "π": "base_rate_nano", "κ": "kappa_nano"}
    for letter, column in letters.items():
        if item[column] is not None:
            yield f"{letter} {nano(item[column])}"
    for letter, column in {"deg": "linked_count", "n": "others_count"}.items():
        if item[column] is not None:
            yield f"{letter} {item[column]:,}"
    if item["contributor_count"] is not None:
        yield f"from {counted(item['contributor_count'], 'account')}"


def _when(item: Row) -> str:
    parts = []
    if item["transaction_count"]:
        parts.append(counted(item["transaction_count"], "transaction"))
    if item["first_at"]:
        parts.append(f"{day(item['first_at'])} to {day(item['last_at'])}" if item["last_at"] else day(item["first_at"]))
    if item["example_transaction_id"]:
        parts.append(f"for example {shown(item['example_transaction_id'])}")
    return ", ".join(parts) or "–"


# --------------------------------------------------------------------------- rules


_ON_TRIAL = {
    RuleOutcome.HIT: "would hit",
    RuleOutcome.NOT_EVALUATED: "not evaluated",
    RuleOutcome.NO_HIT: "would not hit",
}
_TITLES = {
    RuleOutcome.HIT: "Hit",
    RuleOutcome.NOT_EVALUATED: "Not evaluated (not a clean result)",
    RuleOutcome.NO_HIT: "No hit",
}


def _outcomes(rules: Sequence[Row]) -> Iterator[tuple[str, tuple[RuleLine, ...]]]:
    """Give the rules by outcome; a hit that an exception sets aside is told apart."""
    for outcome, title in _TITLES.items():
        yield title, tuple(_rule(row) for row in rules if row["outcome"] == outcome and row["exception_id"] is None)
    yield "Set aside by an exception", tuple(_rule(row) for row in rules if row["exception_id"] is not None)


def _rule(row: Row) -> RuleLine:
    observed = ", ".join(f"{shown(name)} = {measured(value)}" for name, value in json.loads(row["observed"]).items())
    missing = ", ".join(shown(name) for name in row["missing"])
    reason = shown(row["reason"]) if row["reason"] else f"not known: {missing}" if missing else ""
    aside = f"set aside by the exception {shown(row['exception_id'])}, counts nothing" if row["exception_id"] else ""
    if row["outcome"] == RuleOutcome.NO_HIT:
        reason = ""
    role = f"{row['role']}, {row['severity']}"
    outcome = _ON_TRIAL[RuleOutcome(row["outcome"])]
    return RuleLine(f"{shown(row['rule_id'])} {shown(row['rule_version'])}", role, reason, observed, aside, outcome)


# --------------------------------------------------------------------------- doubts


def _against(account: Row, links: Sequence[Row], rules: Sequence[Row]) -> Iterator[str]:
    for note in account["counter_evidence"]:
        yield COUNTER_EVIDENCE.get(CounterEvidence(note), note)
    for link in links:
        site = shown(link["domain"])
        if not link["in_window"]:
            when = f" ({day(link['first_at'])} to {day(link['last_at'])})" if link["first_at"] else ""
            yield f"{kind_title(link['kind'])} {site}{when}: outside the validity of the referral, counts nothing"
        elif link["match"] != HostMatch.EXACT:
            yield f"{shown(link['seen_as'])} is only a {link['match']} match for {site}"
    unknown = sum(row["outcome"] == RuleOutcome.NOT_EVALUATED for row in rules)
    if unknown:
        yield f"{counted(unknown, 'rule')} could not be evaluated, for or against"


def _innocent(items: Sequence[Row], links: Sequence[Row]) -> Iterator[tuple[str, str]]:
    kinds = {row["kind"] for row in (*items, *links)}
    for kind in KINDS:
        if kind.name in kinds:
            yield kind.title, kind.innocent
