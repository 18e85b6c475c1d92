"""A run in whose every text field stands one string after the other of a hostile list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import polars as pl
from naughty import NAUGHTY
from unit import small_run

from merchantscreen.bundle import Bundle, read_bundle, write_bundle

OURS: Final = (
    "=1+1", "+1", "-1", "@SUM(1)", "＝1+1", "＋1", "－1", "＠A1", " =1", "\u00a0=1", "\t=1", "\r=1", "\n=1", "\x00=1",
    "=cmd|' /C calc'!A0", '=HYPERLINK("https://a.example/")', "{=1+1}", "'=1", "a;=1", "https://a.example/",
    "mailto:a@b.example", "file:///etc/passwd", "_x003D_1+1", "_x000D_=1", "1e999", "0742", "007", "1/2", "2026-11-01",
    "TRUE", "-", "\u202e=1", "\ufeff=1", "ACME [/] LTD", "\x1b]52;c;AAAA\x07", "\x9b2J", "a\u2028b", "#REF!", "'",
)  # fmt: skip
"""What the published list lacks: what only spreadsheets and terminals take for something else."""
CORPUS: Final = tuple(dict.fromkeys(text for text in (*OURS, *NAUGHTY) if text))
ACCOUNT: Final = "400001/M2"
"""The account whose case file holds every string, in its links and rules."""


def naughty_bundle(folder: Path, corpus: Sequence[str] = CORPUS) -> Bundle:
    """Make a run with an account on watch per string, and every string in the links and rules of one account."""
    result = replace(
        small_run.RESULT,
        ranking=_more(small_run.RANKING, 2, corpus, ("dba_name", "strongest_link", "tier_reason"), "account_id"),
        ledger=_more(small_run.LEDGER, 5, corpus, ("counterpart", "seen_as"), "subject"),
        links=_more(small_run.LINKS, 1, corpus, ("seen_as",), "domain"),
        rules=_more(small_run.RULES, 2, corpus, ("reason",), "rule_id"),
        blind_spots=_more(small_run.BLIND_SPOTS, 0, corpus, ("subject", "detail"), ""),
    )
    return read_bundle(write_bundle(folder, small_run.facts(), result, naughty_rejects(corpus)))


def naughty_rejects(corpus: Sequence[str] = CORPUS) -> pl.DataFrame:
    """Return rejects whose every text is one of the strings."""
    return _more(small_run.REJECTS, 0, corpus, ("file", "found", "expected", "fix"), "")


def _more(frame: pl.DataFrame, like: int, corpus: Sequence[str], texts: Sequence[str], key: str) -> pl.DataFrame:
    """Add a row per string, each like one row of the frame but for its texts and its key."""
    model = frame.row(like, named=True)
    added: list[dict[str, Any]] = [
        model | dict.fromkeys(texts, text) | ({key: _KEYS[key].format(number)} if key else {})
        for number, text in enumerate(corpus, start=1)
    ]
    return pl.concat([frame, pl.DataFrame(added, schema=frame.schema)])


_KEYS: Final = {
    "account_id": "400001/N{}", "subject": "400001/N{}", "domain": "shop-{}.example", "rule_id": "rule-{}",
}  # fmt: skip
