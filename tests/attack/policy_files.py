"""A whole rule folder in memory, one of its rules to be broken, and what every refusal must be like."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Mapping
from pathlib import Path

from merchantscreen.errors import PolicyError, Problem
from merchantscreen.policy.loading import load_files
from merchantscreen.policy.model import Policy

RULE = "transaction-pattern/rule-to-break.yml"
MOST_SECONDS = 10.0
"""What any file may take to be read or refused, in seconds of this thread's work: other processes do not count."""

GOOD = """\
id: rule-to-break
title: Many purchases at few prices
version: 1.0.0
status: active
typology: transaction-pattern
role: rank
severity: low
confidence: low
owner: rule desk
approver: null
rationale: Sold at a few fixed prices.
references:
  - An invented reference
indicators: [C20]
false_positives:
  - Every honest subscription service.
innocent_explanations:
  - The shop sells a single product.
effective_from: 2026-11-01
review_by: 2027-11-01
requires: [purchase_count, top3_price_share]
threshold:
  origin: design
  note: Twenty purchases at three prices.
when: purchase_count >= 20 AND top3_price_share > 0.9
reason: "{top3_price_share} of {purchase_count} purchases at three prices."
tests:
  - name: enough of both
    given: {purchase_count: 20, top3_price_share: 0.91}
    expect: hit
  - name: exactly nine tenths
    given: {purchase_count: 20, top3_price_share: 0.9}
    expect: no_hit
  - name: one purchase too few
    given: {purchase_count: 19, top3_price_share: 0.91}
    expect: no_hit
  - name: not known
    given: {purchase_count: null, top3_price_share: null}
    expect: not_evaluated
"""
"""A rule that is right; the tables of broken rules change one place of it."""

WHEN_LINE = GOOD[: GOOD.index("when:")].count("\n") + 1
WHEN = "purchase_count >= 20 AND top3_price_share > 0.9"


@functools.cache
def _top_files() -> Mapping[str, bytes]:
    rules = Path(__file__).resolve().parents[2] / "rules"
    return {path.name: path.read_bytes() for path in sorted(rules.glob("*.yml"))}


def folder(**changed: bytes) -> dict[str, bytes]:
    """Return the files of a small rule folder, with some added or put in the place of others."""
    return {**_top_files(), RULE: GOOD.encode(), **changed}


def load(rule: bytes) -> Policy:
    """Load the small folder with this rule in it."""
    return load_files(folder(**{RULE: rule}))


def refusal(files: Mapping[str, bytes]) -> list[Problem]:
    """Return the problems of a folder that must be refused, in time and in good form."""
    started = time.thread_time()
    try:
        load_files(files)
    except PolicyError as error:
        assert time.thread_time() - started < MOST_SECONDS
        check_form(error.problems)
        return list(error.problems)
    raise AssertionError("the folder was accepted")


def check_form(problems: tuple[Problem, ...]) -> None:
    """Hold every problem to what a message must be: placed, in one line, short, and of our own making."""
    assert problems
    for problem in problems:
        shown = str(problem)
        assert re.match(r"MS-POL-[0-9]{3} \S", shown)
        assert shown.isprintable()
        assert len(shown) < 700
        assert "Traceback" not in shown
        assert "merchantscreen." not in shown
        assert problem.expected
        assert problem.fix
        if problem.line is not None:
            assert re.search(rf"{re.escape(problem.where)}:{problem.line}:[0-9]+\b|\(column [0-9]+", shown)
