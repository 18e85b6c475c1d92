"""Finds what a person named in a run, or says what was perhaps meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

import polars as pl

from merchantscreen.bundle import Bundle
from merchantscreen.errors import Problem, UsageError
from merchantscreen.outputs.problems import PROBLEMS

_SUGGESTED: Final = 3


def ranked_account(bundle: Bundle, account_id: str) -> dict[str, Any]:
    """Return an account's row of the ranking.

    Raises:
        UsageError: The run ranks no such account; near names are suggested.
    """
    rows = bundle.ranking.filter(pl.col("account_id") == account_id).to_dicts()
    if not rows:
        raise UsageError("no such account in the run", (no_such_account(bundle.ranking["account_id"], account_id),))
    return rows[0]


def no_such_account(known: Iterable[str], account_id: str) -> Problem:
    """Say that an account is not ranked."""
    return no_such_name("MS-RUN-004", "ranking.jsonl", "account_id", account_id, known)


def no_such_name(code: str, where: str, column: str, word: str, known: Iterable[str]) -> Problem:
    """Say that a run does not hold a name, and suggest those that are near or that hold what was typed."""
    names = list(known)
    containing = [name for name in names if word and word in name]
    near = list(dict.fromkeys([*containing, *get_close_matches(word, names, _SUGGESTED)]))[:_SUGGESTED]
    kind = PROBLEMS[code]
    fix = f"Did you mean {' or '.join(near)}?" if near else kind.fix
    return Problem(kind.code, where, None, column, kind.title, kind.expected, fix)
