"""A run as one self-contained page: a view of its bundle, the same bytes each time.

Rules kept here:
* everything comes from the bundle; the page needs no other file, no network and no script;
* it states the digests of the other parts and not when it was made, so that it can be made again byte for byte;
* a long run is cut at a stated number of accounts, and what is left out is counted;
* every text passes `visible` on its way into the page and is escaped by the template engine;
  foreign text stands between tags only, never in an attribute, an address, a style or a script;
* style and script are ours, admitted by their hashes; the page may load nothing else;
* of what is under a law-enforcement hold only the number of accounts is told.

Source: rows 8, 9 and 17 of the threat model; DESIGN 6.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import polars as pl
from jinja2 import Environment
from markupsafe import Markup

from merchantscreen.outputs.console import COUNTER_EVIDENCE, DISCLAIMER
from merchantscreen.outputs.parts import PAGE, Bundle
from merchantscreen.outputs.report import changes
from merchantscreen.outputs.report.cases import Surroundings, case_of, place_of
from merchantscreen.outputs.report.figures import Row, nano, shown
from merchantscreen.outputs.report.glossary import glossary_of
from merchantscreen.outputs.report.index import Index, index_of
from merchantscreen.outputs.report.summary import moment_of, summary_of
from merchantscreen.outputs.templates import admitted, asset, engine
from merchantscreen.vocabulary import BlindSpot, Tier

MOST_CASES: Final = 2_000
"""Accounts in a review tier that the page lists and gives a section, the first of them; all are in ranking.csv."""
MOST_WATCHED: Final = 500
"""Accounts on watch that the page lists."""
WATCH_CASES: Final = 10
"""Accounts on watch that get a section too."""
_ASSETS: Final = "merchantscreen.outputs.report.assets"
_TEMPLATES: Final = ("report.html.j2", "summary.html.j2", "case.html.j2", "drawings.html.j2", "method.html.j2")
_PIECE: Final = 1 << 16
"""Characters that are gathered before they are written."""


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
    state: str
    mark: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a long run the page shows; what it leaves out it counts."""

    cases: int = MOST_CASES
    watched: int = MOST_WATCHED
    watch_cases: int = WATCH_CASES


@dataclass(frozen=True, slots=True)
class Extent:
    """What a page shows beside the bundle.

    Attributes:
        limits: How much of a long run is shown.
        rejects: Columns role and code of its rejects, counted per code; None tells only their number.
        known_at: Moment of the decisions on a page that is made later than its run; None on the page of the bundle.
    """

    limits: Limits = field(default_factory=Limits)
    rejects: pl.DataFrame | None = None
    known_at: str | None = None


def render(bundle: Bundle, extent: Extent | None = None) -> str:
    """Write the report of a run as one text; see `pieces`."""
    return b"".join(pieces(bundle, extent)).decode()


def pieces(bundle: Bundle, extent: Extent | None = None) -> Iterator[bytes]:
    """Write the report of a run, one case after the other, so that a long page never is in memory whole.

    Args:
        bundle: The run, read back and checked, or about to be written; an entry for the page itself is passed over.
        extent: How much of it is shown.

    Yields:
        UTF-8; the same bundle gives the same bytes.

    Raises:
        IntegrityError: points of an account do not add up.
    """
    gathered: list[str] = []
    size = 0
    for text in _engine().get_template("report.html.j2").generate(_values(bundle, extent or Extent())):
        gathered.append(text)
        size += len(text)
        if size >= _PIECE:
            yield "".join(gathered).encode()
            gathered, size = [], 0
    yield "".join(gathered).encode()


def _values(bundle: Bundle, extent: Extent) -> dict[str, Any]:
    """Give the template all it shows; the cases come one by one."""
    limits = extent.limits
    watched = bundle.ranking["tier"] == Tier.WATCH.value
    cases = _numbered(bundle.ranking, ~watched, limits.cases)
    watch = _numbered(bundle.ranking, watched, max(limits.watched, limits.watch_cases))
    chosen = cases + watch[: limits.watch_cases]
    glossary = glossary_of(bundle)
    index = index_of(bundle, [row["account_id"] for _, row in chosen])
    absent = bundle.blind_spots.filter(pl.col("kind") == BlindSpot.COLUMN_ABSENT.value)["subject"]
    around = Surroundings(index, glossary, frozenset(absent), moment_of(bundle.manifest.as_of))
    sections = {number for number, _ in chosen}
    total = {"watch": int(watched.sum()), "cases": int((~watched).sum())}
    return {
        "manifest": bundle.manifest,
        "disclaimer": DISCLAIMER,
        "summary": summary_of(bundle, extent.rejects),
        "since": changes.since_of(bundle),
        "glossary": glossary,
        "ranked": [_listed(number, row, sections, index) for number, row in cases],
        "watch": [_listed(number, row, sections, index) for number, row in watch[: limits.watched]],
        "cases": (case_of(number, row, around) for number, row in chosen),
        "total": total,
        "watch_case_count": len(watch[: limits.watch_cases]),
        "digests": sorted((name, file.sha256) for name, file in bundle.manifest.outputs.items() if name != PAGE),
        "with_history": bool(index.history),
        "known_at": extent.known_at,
    } | dict(_admitted())  # fmt: skip


def _numbered(ranking: pl.DataFrame, chosen: pl.Series, most: int) -> list[tuple[int, Row]]:
    """Give the first of the chosen rows, each with its number in the whole list, from 1."""
    numbered = ranking.with_row_index("number", offset=1).filter(chosen).head(most)
    return [(row["number"], row) for row in numbered.iter_rows(named=True)]


def _listed(number: int, row: Row, sections: Container[int], index: Index) -> ListRow:
    history = index.history.get(row["account_id"], ())
    return ListRow(
        case=number if number in sections else None,
        place=place_of(row),
        tier=row["tier"],
        account=shown(row["account_id"]),
        name="" if row["dba_name"] is None else shown(row["dba_name"]),
        business=" ".join(shown(part) for part in (row["mcc"], row["country"]) if part) or "–",
        points=nano(row["points_nano"]),
        score=f"{row['score']:.1f}",
        strongest=shown(row["strongest_link"]),
        hits=str(len(row["rule_hits"])),
        against=", ".join(COUNTER_EVIDENCE.get(note, shown(note)) for note in row["counter_evidence"]) or "–",
        state=shown(history[-1]["state"]) if history else "",
        mark=changes.mark_of(index.changes.get(row["account_id"], ())),
    )


# --------------------------------------------------------------------------- the engine


@cache
def _engine() -> Environment:
    return engine(dict.fromkeys(_TEMPLATES, _ASSETS))


@cache
def _admitted() -> Mapping[str, Markup]:
    return admitted(asset(_ASSETS, "style.css"), asset(_ASSETS, "script.js"))
