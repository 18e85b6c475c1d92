"""The hand-written pages, held against the code: examples are read, links lead somewhere, every page is listed."""

from __future__ import annotations

import csv
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from merchantscreen import nano
from merchantscreen.features import CATALOGUE, FACTS, FEATURE_TYPES
from merchantscreen.policy.jsonschemas import FORMS
from merchantscreen.policy.language import ConditionError, compile_condition
from merchantscreen.policy.lints import LINTS
from merchantscreen.policy.loading import load_policy
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
    """docs/README.md leads to every page and every decision, at most by the index of a folder."""
    docs = repository / "docs"
    linked = _linked(docs / "README.md")
    linked |= {page for index in linked if index.name == "README.md" for page in _linked(index)}
    pages = {path.resolve() for path in docs.rglob("*.md")} - {(docs / "README.md").resolve()}
    assert pages - linked == set()


def _linked(page: Path) -> set[Path]:
    targets = (target.partition("#")[0] for target in LINK.findall(page.read_text(encoding="utf-8")))
    return {(page.parent / target).resolve() for target in targets if target}


def test_every_rule_lint_and_schema_has_its_page(repository: Path) -> None:
    """Whatever the code and the rules know has a page of its own, and no page is left of what is gone."""
    docs = repository / "docs"
    rules = {f"{rule.id}.md" for rule in load_policy().rules}
    beside = {"README.md", "evidence.md", "tiers.md", "measures.md", "indicators.md", "exceptions.md"}
    assert {path.name for path in (docs / "rules").iterdir()} == rules | beside
    assert {path.name for path in (docs / "lints").iterdir()} == {f"{lint.name}.md" for lint in LINTS} | {"README.md"}
    assert {path.name for path in (docs / "schemas").iterdir()} == {f"{kind}.schema.json" for kind in FORMS}


def test_every_lint_shows_what_it_refuses_and_what_it_accepts(repository: Path) -> None:
    """A refused author finds an example on the lint's page, with the very message; a new lint needs one too."""
    for lint in LINTS:
        text = (repository / "docs" / "lints" / f"{lint.name}.md").read_text(encoding="utf-8")
        assert "\nRefused, in `" in text, lint.name
        assert f"```text\n{lint.kind.code} " in text, lint.name
        assert "\nAccepted, in `" in text, lint.name


def test_every_feature_and_fact_is_on_its_page(repository: Path) -> None:
    """The page of features names each of them, with the columns it needs."""
    text = (repository / "docs" / "features.md").read_text(encoding="utf-8")
    for feature in CATALOGUE:
        (row,) = [line for line in text.splitlines() if line.startswith("| `") and f"`{feature.name}`" in line]
        assert all(f"`{column}`" in row for need in feature.needs for column in need.split(" or ")), feature.name
    assert [fact.name for fact in FACTS if f"| `{fact.name}` |" not in text] == []


def test_the_language_page_shows_the_six_traps_with_real_refusals(repository: Path) -> None:
    """Each trap of SQL that is run unchecked is refused as the page says."""
    text = (repository / "docs" / "rule-language.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^### \d\. .+?```sql\n(.+?)\n```.+?```text\n(.+?)\n```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    for condition, message in blocks:
        with pytest.raises(ConditionError) as refusal:
            compile_condition(condition, FEATURE_TYPES)
        assert [fault.kind.code for fault in refusal.value.faults] == re.findall(r"^MS-POL-\d+", message, re.MULTILINE)


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
    stated = re.search(r"\*\*Total\.\*\* E = ([0-9.]+) \+ ([0-9.]+) = \*\*([0-9.]+)\*\*", text)
    assert stated is not None
    assert Decimal(stated[1]) + Decimal(stated[2]) == Decimal(stated[3])
    with (repository / "sample_data" / "expected" / "ranking.csv").open(encoding="utf-8", newline="") as file:
        points = {line["account_id"]: int(line["points_nano"]) for line in csv.DictReader(file)}
    assert points[row["subject"]] == int(stated[3].replace(".", ""))


def test_the_tie_breakers_are_named_in_order(repository: Path) -> None:
    """The method page names the tie-breakers as the ranking uses them."""
    text = (repository / "docs" / "method.md").read_text(encoding="utf-8").partition("Then the tie-breakers")[2]
    places = [text.index(f"`{name}`") for name in TIE_BREAKERS]
    assert places == sorted(places)
