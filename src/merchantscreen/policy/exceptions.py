"""Exceptions: which hits they set aside in a run, and what became of each of them.

Rules kept here:
* an exception names rules and an account, or an identifier whose holders are meant; nothing wider;
* it sets hits of behaviour aside, never a link: rules of role gate are refused at loading, and the
  ledger's links do not come through rules at all;
* one that is unused, expired or not yet in force is told like one that applied.

Source: structured exceptions of Falco, filters of Sigma as files of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from merchantscreen.policy.model import RuleException
from merchantscreen.tables import ExceptionResults, ExceptionTargets, conform, empty
from merchantscreen.vocabulary import ExceptionState


def in_force(exceptions: Sequence[RuleException], day: date) -> list[RuleException]:
    """Keep the exceptions that hold on a day, their last day included."""
    return [entry for entry in exceptions if entry.effective_from <= day <= entry.expires_on]


def wanted_identifiers(exceptions: Sequence[RuleException]) -> pl.DataFrame:
    """List the identifiers whose holders are meant: `kind, value`."""
    pairs = sorted({(entry.kind, entry.value) for entry in exceptions if entry.kind is not None})
    return pl.DataFrame(pairs, schema={"kind": pl.String, "value": pl.String}, orient="row")


def targets(exceptions: Sequence[RuleException], accounts: pl.Series, holders: pl.DataFrame) -> pl.DataFrame:
    """Say for which accounts exceptions are in force.

    Args:
        exceptions: Those that hold on the day of the run.
        accounts: The accounts that are looked at.
        holders: `kind, value, account_id` of the identifiers that exceptions name.

    Returns:
        tables.ExceptionTargets.
    """
    rows = [
        (entry.id, rule, account)
        for entry in exceptions
        for account in _accounts(entry, accounts, holders)
        for rule in entry.rules
    ]
    found = pl.DataFrame(rows, schema=empty(ExceptionTargets).schema, orient="row")
    return found.unique().sort("exception_id", "rule_id", "account_id")


def _accounts(entry: RuleException, accounts: pl.Series, holders: pl.DataFrame) -> list[str]:
    if entry.account_id is not None:
        return accounts.filter(accounts == entry.account_id).to_list()
    held = holders.filter((pl.col("kind") == entry.kind) & (pl.col("value") == entry.value)).get_column("account_id")
    return held.filter(held.is_in(accounts.implode())).unique().sort().to_list()


def results(
    exceptions: Sequence[RuleException], targeted: pl.DataFrame, decided: pl.DataFrame, day: date
) -> pl.DataFrame:
    """Say what became of every exception of the policy.

    Args:
        exceptions: All of them, whatever their dates.
        targeted: tables.ExceptionTargets of the run.
        decided: tables.RuleOutcomes of the run, drafts left out.
        day: Day of the run.

    Returns:
        tables.ExceptionResults, sorted by exception.
    """
    hits = decided.group_by("exception_id").agg(hit_count=pl.len().cast(pl.Int64))
    counts = dict(hits.drop_nulls("exception_id").iter_rows())
    about = dict(targeted.group_by("exception_id").agg(pl.col("account_id").n_unique()).iter_rows())
    rows = [
        {
            "exception_id": entry.id, "state": _state(entry, counts.get(entry.id, 0), day),
            "rule_ids": sorted(entry.rules), "subject": entry.account_id or f"holders of one {entry.kind}",
            "account_count": about.get(entry.id, 0), "hit_count": counts.get(entry.id, 0),
            "owner": entry.owner, "reason": entry.reason,
            "effective_from": entry.effective_from, "expires_on": entry.expires_on,
        }
        for entry in sorted(exceptions, key=lambda entry: entry.id)
    ]  # fmt: skip
    return conform(pl.DataFrame(rows, schema=empty(ExceptionResults).schema), ExceptionResults)


def _state(entry: RuleException, hit_count: int, day: date) -> str:
    if day > entry.expires_on:
        return ExceptionState.EXPIRED.value
    if day < entry.effective_from:
        return ExceptionState.NOT_YET.value
    return (ExceptionState.APPLIED if hit_count else ExceptionState.UNUSED).value
