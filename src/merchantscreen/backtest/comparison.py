"""What a new policy changes in the result: places, points, and the outcomes of rules.

Rules kept here:
* every account that either policy ranks is in one cell of the matrix, so the counts add up;
* an account that a policy does not rank is absent there, which is not the same as on watch;
* a hit counts as a hit only where nothing sets it aside; the outcomes of a draft are compared only
  where the rule is a draft on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from merchantscreen.backtest.lines import ABSENT, CASES, Line, lines, outcomes_of
from merchantscreen.policy.differences import Difference, differences
from merchantscreen.policy.evaluation import counted_hits
from merchantscreen.policy.model import Policy
from merchantscreen.screening import ScreenResult
from merchantscreen.vocabulary import RuleOutcome, RuleStatus, Tier

PLACES: Final = (*(tier.value for tier in Tier), ABSENT)
"""Where an account can be, in review order."""


class Change(StrEnum):
    """What became of an account, in the order in which accounts are told."""

    ENTERED = "entered"
    LEFT = "left"
    MOVED = "moved"
    POINTS = "points"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two results over the same data.

    Attributes:
        differences: What differs between the policies.
        moves: One row per account whose place or points differ: `account_id, change, tier_before, tier_after,
            points_before_nano, points_after_nano, reason_before, reason_after`; points and reasons are null
            where the account is absent.
        matrix: One row per pair of places that occurs: `tier_before, tier_after, account_count`.
        rules: One row per rule whose outcomes differ: `rule_id, gained, lost, to_not_evaluated,
            from_not_evaluated`, counts of accounts.
        lines: Thresholds that moved, with the accounts near them.
    """

    differences: tuple[Difference, ...]
    moves: pl.DataFrame
    matrix: pl.DataFrame
    rules: pl.DataFrame
    lines: tuple[Line, ...]

    def count(self, change: Change) -> int:
        """Count the accounts of which this became."""
        return self.moves.filter(pl.col("change") == change).height


def compare(old: Policy, new: Policy, before: ScreenResult, after: ScreenResult, sample: int = 5) -> Comparison:
    """Compare what two policies made of the same data.

    Args:
        old: The policy before.
        new: The policy now.
        before: What the old policy gave.
        after: What the new policy gave, over the same data and as of the same moment.
        sample: Accounts sampled per group near a threshold that moved.
    """
    both = _both(before.ranking, after.ranking)
    return Comparison(
        differences=differences(old, new),
        moves=_moves(both),
        matrix=_matrix(both),
        rules=_rules(old, new, before, after),
        lines=tuple(lines(old, new, before, after, both.select("account_id", "tier_before", "tier_after"), sample)),
    )


# --------------------------------------------------------------------------- accounts


def _both(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Put the two rankings side by side, one row per account that either holds."""
    old, new = (
        ranking.select(
            "account_id",
            **{f"tier_{when}": "tier", f"points_{when}_nano": "points_nano", f"reason_{when}": "tier_reason"},
        )
        for when, ranking in (("before", before), ("after", after))
    )
    joined = old.join(new, on="account_id", how="full", coalesce=True)
    return joined.with_columns(pl.col("tier_before", "tier_after").fill_null(ABSENT)).sort("account_id")


def _moves(both: pl.DataFrame) -> pl.DataFrame:
    was, is_now = pl.col("tier_before").is_in(CASES), pl.col("tier_after").is_in(CASES)
    change = (
        pl.when(is_now & ~was)
        .then(pl.lit(Change.ENTERED.value))
        .when(was & ~is_now)
        .then(pl.lit(Change.LEFT.value))
        .when(pl.col("tier_before") != pl.col("tier_after"))
        .then(pl.lit(Change.MOVED.value))
        .when(pl.col("points_before_nano") != pl.col("points_after_nano"))
        .then(pl.lit(Change.POINTS.value))
    )
    columns = ["account_id", "change", *(f"{name}_{when}{unit}" for name, unit in (("tier", ""), ("points", "_nano"),
               ("reason", "")) for when in ("before", "after"))]  # fmt: skip
    told = both.with_columns(change=change).filter(pl.col("change").is_not_null())
    keys = (_place_of("change", list(Change)), _place_of("tier_after", PLACES), _place_of("tier_before", PLACES))
    points = -pl.coalesce("points_after_nano", "points_before_nano")
    return told.sort(*keys, points, "account_id").select(columns)


def _matrix(both: pl.DataFrame) -> pl.DataFrame:
    counted = both.group_by("tier_before", "tier_after").agg(pl.len().cast(pl.Int64).alias("account_count"))
    return counted.sort(_place_of("tier_before", PLACES), _place_of("tier_after", PLACES))


def _place_of(column: str, order: Sequence[str]) -> pl.Expr:
    places = {str(name): place for place, name in enumerate(order)}
    return pl.col(column).replace_strict(places, return_dtype=pl.Int64)


# --------------------------------------------------------------------------- rules


def _rules(old: Policy, new: Policy, before: ScreenResult, after: ScreenResult) -> pl.DataFrame:
    """Count, per rule, the accounts for which it decides otherwise."""
    drafts = _drafts(old) & _drafts(new)
    was, is_now = (_outcomes(result, drafts, when) for result, when in ((before, "before"), (after, "after")))
    joined = was.join(is_now, on=["account_id", "rule_id"], how="full", coalesce=True)
    hit, unknown = RuleOutcome.HIT.value, RuleOutcome.NOT_EVALUATED.value
    held, holds = (pl.col(name).eq_missing(hit) for name in ("before", "after"))
    evaluated = pl.col("before").is_not_null() & pl.col("after").is_not_null()
    to_unknown = evaluated & (pl.col("before") != unknown) & (pl.col("after") == unknown)
    from_unknown = evaluated & (pl.col("before") == unknown) & (pl.col("after") != unknown)
    counted = joined.group_by("rule_id").agg(
        gained=(holds & ~held).sum().cast(pl.Int64),
        lost=(held & ~holds).sum().cast(pl.Int64),
        to_not_evaluated=to_unknown.fill_null(value=False).sum().cast(pl.Int64),
        from_not_evaluated=from_unknown.fill_null(value=False).sum().cast(pl.Int64),
    )
    return counted.filter(pl.sum_horizontal(pl.exclude("rule_id")) > 0).sort("rule_id")


def _drafts(policy: Policy) -> frozenset[str]:
    return frozenset(rule.id for rule in policy.rules if rule.status is RuleStatus.DRAFT)


def _outcomes(result: ScreenResult, drafts: frozenset[str], name: str) -> pl.DataFrame:
    """Return the outcome per account and rule; a hit that is set aside is its own outcome."""
    compared = (pl.col("status") != RuleStatus.DRAFT) | pl.col("rule_id").is_in(list(drafts))
    is_aside = (pl.col("outcome") == RuleOutcome.HIT) & ~counted_hits()
    outcome = pl.when(is_aside).then(pl.lit("set aside")).otherwise("outcome")
    return outcomes_of(result).filter(compared).select("account_id", "rule_id", outcome.alias(name))
