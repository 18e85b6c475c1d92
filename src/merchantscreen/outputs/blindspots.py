"""Blind spots in plain sentences: what a run could not test, and why that is not a clean result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from merchantscreen.outputs.text import counted, defanged, visible
from merchantscreen.tables import INPUT_TABLES
from merchantscreen.vocabulary import BlindSpot

_LISTED: Final = 6
"""Subjects named in a sentence; all are in blind_spots.jsonl."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """What is counted, and what is said of it. `per_row` counts rows instead of adding their counts."""

    noun: str
    said: str
    per_row: bool = False
    names: bool = False


_SENTENCES: Final[dict[BlindSpot, _Sentence]] = {
    BlindSpot.REFERRAL_NOT_CONFIRMED: _Sentence("referral", "not confirmed, so not used", per_row=True),
    BlindSpot.REFERRAL_RETRACTED: _Sentence("referral", "retracted, so not used", per_row=True),
    BlindSpot.REFERRAL_NOT_MATCHABLE: _Sentence(
        "referral", "without a name that can be matched", per_row=True, names=True
    ),
    BlindSpot.REFERRAL_AFTER_AS_OF: _Sentence("referral event", "later than this moment, so left out"),
    BlindSpot.REFERRAL_WITHOUT_LINK_DATA: _Sentence(
        "column", "without any value, so no flagged domain could be looked for in it", per_row=True, names=True
    ),
    BlindSpot.SCOPE_NARROWED_TO_HOST: _Sentence(
        "referral", "on shared hosts, matched by the exact host only", per_row=True, names=True
    ),
    BlindSpot.COLUMN_ABSENT: _Sentence("column", "absent; what it carries was not tested", per_row=True, names=True),
    BlindSpot.FIELD_UNREADABLE: _Sentence("field value", "that could not be read and was left empty", names=True),
    BlindSpot.FIELD_STRIPPED: _Sentence("field value", "cut down to what may be kept", names=True),
    BlindSpot.ACCOUNT_WITHOUT_MERCHANT_ROW: _Sentence("account", "in transactions only, without a merchant row"),
    BlindSpot.ACCOUNT_WITHOUT_TRANSACTIONS: _Sentence("account", "without transactions, tested by merchant rows alone"),
    BlindSpot.FACILITATOR_WITHOUT_SUB_MERCHANTS: _Sentence(
        "payment facilitator", "whose sub-merchants cannot be told apart", per_row=True, names=True
    ),
    BlindSpot.RULE_NOT_EVALUATED: _Sentence(
        "rule", "not evaluated for some accounts near a domain", per_row=True, names=True
    ),
    BlindSpot.TRANSACTION_AFTER_AS_OF: _Sentence("transaction", "later than this moment, so left out"),
    BlindSpot.HELD_FOR_LAW_ENFORCEMENT: _Sentence(
        "referral", "under a law-enforcement hold, kept out of this list", per_row=True
    ),
}


_COLUMNS: Final = frozenset(f"{role}.{name}" for role, table in INPUT_TABLES.items() for name in table.column_names())
"""Names of input columns: `transactions.descriptor` has a dot and is no host."""


def sentences(blind_spots: pl.DataFrame) -> Iterator[str]:
    """Say what could not be tested, one sentence per kind, in the order of the vocabulary."""
    for kind in BlindSpot:
        rows = blind_spots.filter(pl.col("kind") == kind.value)
        if rows.height:
            yield _sentence(kind, rows)


def _sentence(kind: BlindSpot, rows: pl.DataFrame) -> str:
    form = _SENTENCES[kind]
    subjects = sorted(rows["subject"].drop_nulls().unique())
    number = len(subjects) if form.per_row and subjects else int(rows["count"].fill_null(1).sum())
    names = f" ({_listed(subjects)})" if form.names and subjects else ""
    return f"{counted(number, form.noun)} {form.said}{names}"


def _listed(subjects: list[str]) -> str:
    named = ", ".join(name if name in _COLUMNS else defanged(visible(name, 60)) for name in subjects[:_LISTED])
    rest = len(subjects) - _LISTED
    return f"{named} and {rest:,} more" if rest > 0 else named
