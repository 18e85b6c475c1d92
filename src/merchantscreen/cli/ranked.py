"""Finds the account a person named in a run, or says which one was perhaps meant."""

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
    """Say that an account is not ranked, and suggest those whose id is near or holds what was typed."""
    names = list(known)
    containing = [name for name in names if account_id and account_id in name]
    near = list(dict.fromkeys([*containing, *get_close_matches(account_id, names, _SUGGESTED)]))[:_SUGGESTED]
    kind = PROBLEMS["MS-RUN-004"]
    fix = f"Did you mean {' or '.join(near)}?" if near else kind.fix
    return Problem(kind.code, "ranking.jsonl", None, "account_id", kind.title, kind.expected, fix)
