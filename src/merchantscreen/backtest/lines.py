"""Accounts on either side of a threshold that moved: counted, and sampled for a person to look at.

Rules kept here:
* three groups that lie side by side, each as wide as the threshold moved: above the line the
  comparison holds with both numbers, between them with one, below it with neither;
* the values are those that the new policy observed; where one is not known, it is counted apart;
* a sample is drawn by the sha256 of the account id, lowest first: nobody chose it, and it stays the same.

Only accounts with evidence are looked at: others have no outcome.
Source: sampling above and below the line, domain.md 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from merchantscreen.policy.model import Condition, Policy
from merchantscreen.policy.thresholds import Move, moves, plain
from merchantscreen.screening import ScreenResult
from merchantscreen.tables import COLUMN_DTYPES
from merchantscreen.vocabulary import RuleOutcome, RuleStatus, Tier

ABSENT: Final = "absent"
"""What stands for the tier, or the outcome, of an account without evidence."""
CASES: Final = (Tier.T1.value, Tier.T2.value, Tier.T3.value)
"""The tiers that are cases."""


class Place(StrEnum):
    """Where a value lies, seen from a threshold that moved."""

    ABOVE = "above"
    BETWEEN = "between"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Sampled:
    """An account near a line, with what became of it."""

    account_id: str
    value: float
    outcome_before: str
    outcome_after: str
    tier_before: str
    tier_after: str


@dataclass(frozen=True, slots=True)
class Group:
    """The accounts in one place near a line.

    Attributes:
        place: Above the line, between the numbers, or below.
        account_count: Accounts with such a value.
        changed_count: Of these, accounts for which the rule or tier condition decides otherwise now.
        cases_before: Of these, accounts in T1 to T3 under the old policy.
        cases_after: The same under the new one.
        sample: A few of them, by the sha256 of the account id.
    """

    place: Place
    account_count: int
    changed_count: int
    cases_before: int
    cases_after: int
    sample: tuple[Sampled, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold that moved, with the accounts near it.

    Attributes:
        subject: Rule or tier condition.
        side: What is compared, as SQL.
        operator: How it is compared.
        old: The number before.
        new: The number now.
        unknown_count: Accounts whose value is not known.
        groups: Above, between, below.
    """

    subject: str
    side: str
    operator: str
    old: str
    new: str
    unknown_count: int
    groups: tuple[Group, ...]


def lines(
    old: Policy, new: Policy, before: ScreenResult, after: ScreenResult, tiers: pl.DataFrame, sample: int
) -> Iterator[Line]:
    """Look at both sides of every threshold that moved, in rules and in tier conditions.

    Args:
        old: The policy before.
        new: The policy now.
        before: What the old policy gave.
        after: What the new policy gave.
        tiers: account_id, tier_before and tier_after of every account with evidence.
        sample: Accounts sampled per group.
    """
    known = {rule.id: rule for rule in old.rules}
    for rule in new.rules:
        if rule.id in known and rule.status is not RuleStatus.RETIRED:
            seen = _rule_rows(rule.id, rule.condition, before, after)
            yield from _near(rule.id, known[rule.id].condition, rule.condition, seen, tiers, sample)
    ways = {tier.id: tier for tier in old.tiers}
    for tier in new.tiers:
        if tier.id in ways:
            seen = _tier_rows(tier.id, before, after)
            yield from _near(tier.id, ways[tier.id].condition, tier.condition, seen, tiers, sample)


def _rule_rows(rule_id: str, condition: Condition, before: ScreenResult, after: ScreenResult) -> pl.DataFrame:
    """Return account_id, the observed values, and the rule's outcome before and after."""
    types = pl.Struct([pl.Field(name, COLUMN_DTYPES[kind]) for name, kind in condition.types])
    old, new = (outcomes_of(result).filter(pl.col("rule_id") == rule_id) for result in (before, after))
    seen = new.select("account_id", pl.col("observed").str.json_decode(types), outcome_after="outcome")
    earlier = old.select("account_id", outcome_before="outcome")
    return seen.unnest("observed").join(earlier, on="account_id", how="left")


def outcomes_of(result: ScreenResult) -> pl.DataFrame:
    """Return the results of all rules, those in draft included."""
    return pl.concat([result.rules, result.shadow])


def _tier_rows(tier_id: str, before: ScreenResult, after: ScreenResult) -> pl.DataFrame:
    """Return the facts of every account, and whether the condition placed it before and after."""
    placed = pl.when(pl.col("tier_reason").str.starts_with(f"{tier_id}: "))
    outcome = placed.then(pl.lit(RuleOutcome.HIT.value)).otherwise(pl.lit(RuleOutcome.NO_HIT.value))
    old = before.ranking.select("account_id", outcome_before=outcome)
    new = after.ranking.select("account_id", outcome_after=outcome)
    return after.facts.join(new, on="account_id").join(old, on="account_id", how="left")


def _near(
    subject: str, old: Condition, new: Condition, seen: pl.DataFrame, tiers: pl.DataFrame, sample: int
) -> Iterator[Line]:
    for move in moves(old, new) or ():
        values = move.new.measure(seen, new)
        rows = seen.select("account_id", "outcome_before", "outcome_after").with_columns(values).sort("account_id")
        placed = rows.filter(_in_reach(move)).with_columns(place=_place(move)).join(tiers, on="account_id", how="left")
        filled = placed.with_columns(pl.col("outcome_before").fill_null(ABSENT))
        yield Line(
            subject, move.new.side, move.new.operator, plain(move.old.number), plain(move.new.number),
            values.null_count(), tuple(_group(filled, place, sample) for place in Place),
        )  # fmt: skip


def _in_reach(move: Move) -> pl.Expr:
    """Keep values between the two numbers, and as far again on either side."""
    low, high = sorted((move.old.number, move.new.number))
    step = high - low
    return pl.col("value").is_between(float(low - step), float(high + step))


def _place(move: Move) -> pl.Expr:
    held, holds = move.old.holds(pl.col("value")), move.new.holds(pl.col("value"))
    return (
        pl.when(held & holds)
        .then(pl.lit(Place.ABOVE.value))
        .when(held | holds)
        .then(pl.lit(Place.BETWEEN.value))
        .otherwise(pl.lit(Place.BELOW.value))
    )


def _group(placed: pl.DataFrame, place: Place, sample: int) -> Group:
    rows = placed.filter(pl.col("place") == place)
    changed = (rows["outcome_before"] != rows["outcome_after"]).sum()
    cases = {name: int(rows[name].is_in(CASES).sum()) for name in ("tier_before", "tier_after")}
    drawn = sorted(rows.iter_rows(named=True), key=_lot)[:sample]
    return Group(
        place, rows.height, int(changed), cases["tier_before"], cases["tier_after"], tuple(map(_sampled, drawn))
    )


def _lot(row: Mapping[str, str]) -> str:
    return hashlib.sha256(row["account_id"].encode()).hexdigest()


def _sampled(row: Mapping[str, str]) -> Sampled:
    return Sampled(
        row["account_id"], float(row["value"]), row["outcome_before"], row["outcome_after"],
        row["tier_before"], row["tier_after"],
    )  # fmt: skip
