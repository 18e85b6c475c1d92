"""What a reader must know of the policy behind a run: approval, exceptions, drafts, skew.

Rules kept here:
* an unapproved policy is said first and in capitals, in every output a person sees;
* drafts are told beside the run and never among its hits;
* exceptions that are unused or expired are told like those that applied;
* shares stand beside their counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl
from rich.text import Text

from merchantscreen.nano import NANO
from merchantscreen.outputs.manifest import Manifest
from merchantscreen.outputs.text import counted, visible
from merchantscreen.vocabulary import ExceptionState, RuleOutcome

UNAPPROVED: Final = "UNAPPROVED POLICY"
_BANNER: Final = (
    f"{UNAPPROVED}: nobody but its authors has approved these rules as they are "
    "(merchantscreen rules lint, rules approve)"
)
_SKEW_CASES: Final = 3
"""Fewest cases for which a share is put on the screen; all are in skew.jsonl."""
_SKEW_LIFT: Final = 2 * NANO
"""Lift from which a share is put on the screen."""
_SKEW_SHOWN: Final = 4
_DIMENSIONS: Final = {"mcc": "MCC", "country": "country", "payment_facilitator_id": "facilitator"}
_STATES: Final = {
    ExceptionState.APPLIED: "applied",
    ExceptionState.UNUSED: "unused",
    ExceptionState.EXPIRED: "expired",
    ExceptionState.NOT_YET: "not yet in force",
}


def banner(manifest: Manifest) -> Iterator[Text]:
    """Say it where nobody has approved the policy; nothing where somebody has."""
    if not manifest.approved:
        yield Text(_BANNER, style="bold reverse")


def approval(manifest: Manifest) -> Text:
    """Say who approved the policy, or that nobody has."""
    stated = manifest.policy.approval
    said = (
        f"approved by {visible(stated.approver or '')} at {stated.approved_at}"
        if manifest.approved
        else "not approved by anybody"
    )
    late = manifest.policy.review_overdue
    overdue = f"; {counted(len(late), 'file')} past the review date" if late else ""
    return Text.assemble(("Policy  ", "bold"), f"{manifest.policy.digest[:16]}, {said}{overdue}")


def drafts(shadow: pl.DataFrame) -> Iterator[Text]:
    """Sum up what rules in draft would have hit, beside the run."""
    if shadow.is_empty():
        return
    hits = shadow.group_by("rule_id").agg(count=(pl.col("outcome") == RuleOutcome.HIT).sum()).sort("rule_id")
    told = ", ".join(f"{visible(name)} {count:,}" for name, count in hits.iter_rows())
    noun = "rule" if hits.height == 1 else "rules"
    yield Text.assemble(("Drafts  ", "bold"), f"{noun} on trial, in no rank: would hit {told} (shadow.jsonl)")


def exceptions(results: pl.DataFrame) -> Iterator[Text]:
    """Count the exceptions by what became of them."""
    if results.is_empty():
        return
    states = dict(results.group_by("state").agg(pl.len()).iter_rows())
    told = ", ".join(f"{states[state.value]:,} {said}" for state, said in _STATES.items() if state.value in states)
    hits = int(results["hit_count"].sum())
    yield Text.assemble(
        ("Except. ", "bold"), f"{told}; {counted(hits, 'hit')} set aside, no link hidden (exceptions.jsonl)"
    )


def skewed(skew: pl.DataFrame) -> Iterator[Text]:
    """Name the trades, countries and facilitators with clearly more of the cases than of the accounts."""
    if skew.is_empty():
        return
    wide = skew.filter(
        (pl.col("case_count") >= _SKEW_CASES) & (pl.col("lift_nano") >= _SKEW_LIFT) & pl.col("value").is_not_null()
    ).sort("lift_nano", "dimension", "value", descending=[True, False, False])
    shown = [
        f"{_DIMENSIONS[row['dimension']]} {visible(row['value'])} {row['case_count']:,} cases where "
        f"{row['expected_count_nano'] / NANO:.1f} would be its share"
        for row in wide.head(_SKEW_SHOWN).iter_rows(named=True)
    ]
    rest = f"; {wide.height - _SKEW_SHOWN:,} more" if wide.height > _SKEW_SHOWN else ""
    told = "; ".join(shown) + rest if shown else "no trade, country or facilitator stands out"
    yield Text.assemble(("Skew    ", "bold"), f"{told} (skew.jsonl)")
