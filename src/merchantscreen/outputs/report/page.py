"""A run as one self-contained page: a view of its bundle, the same bytes each time.

Rules kept here:
* everything comes from the bundle; the page needs no other file, no network and no script;
* every text passes `visible` on its way into the page and is escaped by the template engine;
  foreign text stands between tags only, never in an attribute, an address, a style or a script;
* style and script are ours, admitted by their hashes; the page may load nothing else;
* of what is under a law-enforcement hold only the number of accounts is told.

Source: rows 8, 9 and 17 of the threat model; DESIGN 6.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import polars as pl
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from merchantscreen.bundle import Bundle
from merchantscreen.errors import IntegrityError, PolicyError
from merchantscreen.outputs.console import COUNTER_EVIDENCE, DISCLAIMER
from merchantscreen.outputs.report.cases import Case, Surroundings, case_of, place_of
from merchantscreen.outputs.report.figures import Row, nano, shown
from merchantscreen.outputs.report.index import index_of
from merchantscreen.outputs.report.summary import moment_of, summary_of
from merchantscreen.outputs.runpolicy import policy_of_run
from merchantscreen.outputs.text import visible
from merchantscreen.policy.model import TierCondition
from merchantscreen.vocabulary import BlindSpot, Tier

WATCH_CASES: Final = 10
"""Accounts on watch that get a case section; all are in the list."""
_TEMPLATES: Final = ("report.html.j2", "summary.html.j2", "case.html.j2", "drawings.html.j2", "method.html.j2")
_LONGEST: Final = 4_000


@dataclass(frozen=True, slots=True)
class ListRow:
    """One row of the ranked list; `case` is the number of its section, or None."""

    case: int | None
    place: str
    tier: str
    account: str
    name: str
    business: str
    points: str
    score: str
    strongest: str
    hits: str
    against: str


def render(bundle: Bundle, *, watch_cases: int = WATCH_CASES, rejects: pl.DataFrame | None = None) -> str:
    """Write the report of a run.

    Args:
        bundle: The run, read back and checked.
        watch_cases: How many accounts on watch get a case section, the first of them.
        rejects: Columns role and code of its rejects, counted per code; None tells only their number.

    Returns:
        The page; the same bundle gives the same text.

    Raises:
        IntegrityError: points of an account do not add up.
    """
    numbered = list(enumerate(bundle.ranking.to_dicts(), start=1))
    on_watch = [number for number, row in numbered if row["tier"] == Tier.WATCH][:watch_cases]
    chosen = {number for number, row in numbered if row["tier"] != Tier.WATCH} | set(on_watch)
    conditions, problem = _conditions(bundle)
    around = Surroundings(
        index=index_of(bundle, [row["account_id"] for number, row in numbered if number in chosen]),
        conditions=conditions,
        absent=frozenset(bundle.blind_spots.filter(pl.col("kind") == BlindSpot.COLUMN_ABSENT.value)["subject"]),
        as_of=moment_of(bundle.manifest.as_of),
    )
    cases = [number for number, row in numbered if row["tier"] != Tier.WATCH]
    values: dict[str, Any] = {
        "manifest": bundle.manifest,
        "manifest_digest": hashlib.sha256(bundle.manifest.canonical()).hexdigest(),
        "disclaimer": DISCLAIMER,
        "summary": summary_of(bundle, rejects),
        "policy_problem": problem,
        "ranked": [_listed(number, row, chosen) for number, row in numbered if row["tier"] != Tier.WATCH],
        "watch": [_listed(number, row, chosen) for number, row in numbered if row["tier"] == Tier.WATCH],
        "cases": _cases([(number, row) for number, row in numbered if number in chosen], around),
        "case_count": len(cases),
        "watch_case_count": len(on_watch),
    }
    return _environment().get_template("report.html.j2").render(values | dict(_assets()))


def _conditions(bundle: Bundle) -> tuple[Mapping[str, TierCondition], str]:
    """Read the tier conditions out of the run itself, or say why they cannot be shown."""
    stated = bundle.manifest.policy
    try:
        policy = policy_of_run(bundle.policy, stated.digest, stated.files)
    except (PolicyError, IntegrityError) as error:
        return {}, error.message
    return {condition.id: condition for condition in policy.tiers}, ""


def _cases(chosen: list[tuple[int, Row]], around: Surroundings) -> Iterator[Case]:
    """Make one case after the other, so that only one is in memory beside the text."""
    for number, row in chosen:
        yield case_of(number, row, around)


def _listed(number: int, row: Row, chosen: set[int]) -> ListRow:
    hits = row["rule_hits"]
    return ListRow(
        case=number if number in chosen else None,
        place=place_of(row),
        tier=row["tier"],
        account=shown(row["account_id"]),
        name="–" if row["dba_name"] is None else shown(row["dba_name"]),
        business=" ".join(shown(part) for part in (row["mcc"], row["country"]) if part) or "–",
        points=nano(row["points_nano"]),
        score=f"{row['score']:.1f}",
        strongest=shown(row["strongest_link"]),
        hits=str(len(hits)),
        against=", ".join(COUNTER_EVIDENCE.get(note, shown(note)) for note in row["counter_evidence"]) or "–",
    )


# --------------------------------------------------------------------------- the engine


@cache
def _environment() -> Environment:
    """Make the template engine: escaping everywhere, strict names, every text made visible."""
    return Environment(
        loader=DictLoader({name: _asset(name) for name in _TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_made_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _made_visible(value: Any) -> Any:
    """Show characters that act instead of sending them; our own markup and figures pass."""
    return visible(value, _LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _assets() -> Mapping[str, Any]:
    """Give style and script, which are ours, and the hashes that admit them."""
    style, script = _asset("style.css"), _asset("script.js")
    policy = (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    ours = {"style": style, "script": script, "content_policy": policy}
    return {name: Markup(text) for name, text in ours.items()}  # noqa: S704 - package data, nothing foreign


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return resources.files(f"{__package__}.assets").joinpath(name).read_text(encoding="utf-8")
