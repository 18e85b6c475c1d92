"""The hand-written pages, held against the code: examples are read, links lead somewhere, every page is listed."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from merchantscreen import nano
from merchantscreen.ranking import TIE_BREAKERS
from merchantscreen.referrals.events import ReferralEvent, read_event

JSON_BLOCK: Final = re.compile(r"^```json\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
ANCHOR: Final = re.compile(r'<a id="([^"]+)">')


def _json_lines(page: Path) -> list[dict[str, Any]]:
    blocks = JSON_BLOCK.findall(page.read_text(encoding="utf-8"))
    return [json.loads(line) for block in blocks for line in block.splitlines()]


def _pages(repository: Path) -> list[Path]:
    return sorted([*repository.glob("*.md"), *(repository / "docs").rglob("*.md")])


def _anchors(page: Path) -> set[str]:
    """Return what a link into a page may name: its headings as hosting sites spell them, and explicit anchors."""
    text = page.read_text(encoding="utf-8")
    slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in HEADING.findall(text)}
    return slugs | set(ANCHOR.findall(text))


@pytest.mark.parametrize("name", ["README.md", "docs/referrals.md"])
def test_every_referral_event_on_a_page_is_accepted(repository: Path, name: str) -> None:
    """A hotline that copies a line from a page sends an event that is read."""
    events = _json_lines(repository / name)
    refused = [event for event in events if not isinstance(read_event(event), ReferralEvent)]
    assert refused == []
    assert {"confirmed", "amended", "moved", "site_down", "disputed", "retracted"} <= {e["event"] for e in events}


def test_every_link_between_pages_leads_somewhere(repository: Path) -> None:
    """A reader who follows a link finds the file, and the heading."""
    lost = []
    for page in _pages(repository):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            if "://" in target:
                continue
            if not file.exists() or (anchor and anchor not in _anchors(file)):
                lost.append(f"{page.name}: {target}")
    assert lost == []


def test_the_list_of_pages_is_complete(repository: Path) -> None:
    """docs/README.md links every page and every decision."""
    docs = repository / "docs"
    linked = {(docs / target.partition("#")[0]).resolve() for target in LINK.findall((docs / "README.md").read_text())}
    pages = {path.resolve() for path in docs.rglob("*.md")} - {(docs / "README.md").resolve()}
    assert pages - linked == set()


def test_the_line_worked_by_hand_recomputes(repository: Path) -> None:
    """The ledger line on the method page gives its own strength and points."""
    (row,) = _json_lines(repository / "docs" / "method.md")
    frame = pl.DataFrame({name: [value] for name, value in row.items()})
    assert nano.link_strength(frame).item() == row["strength_nano"]
    assert nano.points(frame).item() == row["points_nano"]


def test_the_total_worked_by_hand_is_the_pinned_one(repository: Path) -> None:
    """The points on the method page are those of the sample's expected ranking."""
    (row,) = _json_lines(repository / "docs" / "method.md")
    text = (repository / "docs" / "method.md").read_text(encoding="utf-8")
    stated = re.search(r"E = 0\.870839469 \+ 0\.162518929 = \*\*([0-9.]+)\*\*", text)
    assert stated is not None
    with (repository / "sample_data" / "expected" / "ranking.csv").open(encoding="utf-8", newline="") as file:
        points = {line["account_id"]: int(line["points_nano"]) for line in csv.DictReader(file)}
    assert points[row["subject"]] == int(stated[1].replace(".", ""))


def test_the_tie_breakers_are_named_in_order(repository: Path) -> None:
    """The method page names the tie-breakers as the ranking uses them."""
    text = (repository / "docs" / "method.md").read_text(encoding="utf-8").partition("Then the tie-breakers")[2]
    places = [text.index(f"`{name}`") for name in TIE_BREAKERS]
    assert places == sorted(places)
