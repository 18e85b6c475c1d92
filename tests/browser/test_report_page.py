"""The report in a real browser: opened, filtered, sorted, read by keyboard and by ear, printed, and offline."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from browser.chromium import axe_violations, browser, opened
from cli.command import merchantscreen
from naughty import NAUGHTY

from merchantscreen.bundle import Bundle, read_bundle
from merchantscreen.outputs.report import Extent, Limits, pieces

COPIES: Final = 63
"""Copies of the cases of the sample run that make a page of two thousand."""
SHOTS: Final = "build/screenshots"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Start the browser once."""
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def run(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Screen the sample data twice, the second time compared with the first."""
    data, out = repository / "sample_data", tmp_path_factory.mktemp("browser") / "runs"
    command = ("screen", "--referrals", data / "referrals.jsonl", "--merchants", data / "merchants.csv",
               "--transactions", data / "transactions.csv", "--rules", repository / "rules", "--out", out)  # fmt: skip
    for run_id, moment, since in (("before", "2026-10-01", ()), ("sample", "2026-11-01", ("--since", out / "before"))):
        ran = merchantscreen(*command, "--run-id", run_id, "--as-of", moment, *since)
        assert ran.code == 0, ran.err
    return out / "sample"


@pytest.fixture(scope="module")
def page(run: Path) -> Path:
    """Give the page of the sample run's bundle."""
    return run / "report.html"


@pytest.fixture(scope="module")
def long_page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a page of more than two thousand cases: those of the sample run many times over."""
    target = tmp_path_factory.mktemp("long") / "report.html"
    with target.open("wb") as file:
        file.writelines(pieces(many(read_bundle(run), COPIES), Extent(Limits(cases=3_000))))
    return target


def many(bundle: Bundle, copies: int) -> Bundle:
    """Repeat the cases of a run under other names."""
    cases = bundle.ranking.filter(pl.col("tier") != "watch")["account_id"].to_list()
    keys = {"ranking": "account_id", "ledger": "subject", "links": "account_id", "rules": "account_id",
            "shadow": "account_id", "facts": "account_id", "changes": "account_id"}  # fmt: skip
    frames = {name: _repeated(getattr(bundle, name), key, cases, copies) for name, key in keys.items()}
    return replace(bundle, **frames)


def _repeated(frame: pl.DataFrame, key: str, names: list[str], copies: int) -> pl.DataFrame:
    own = frame.filter(pl.col(key).is_in(names))
    return pl.concat([frame, *(own.with_columns(pl.col(key) + f"/{number}") for number in range(1, copies))])


# --------------------------------------------------------------------------- used


def _rows(window: Any) -> int:
    return int(window.evaluate("document.querySelectorAll('#ranked tbody tr:not([hidden])').length"))


@pytest.mark.parametrize("name", ["page", "long_page"])
def test_the_list_is_filtered_and_sorted(chromium: Any, request: pytest.FixtureRequest, name: str) -> None:
    """Words and tiers filter list and sections alike, columns sort as numbers, and what is shown is said."""
    with opened(chromium, request.getfixturevalue(name)) as (window, seen):
        every = _rows(window)
        assert every == window.locator("section.case").count() - 10
        assert every > (2_000 if name == "long_page" else 30)
        window.fill("#find", "northern-arch")
        assert 0 < _rows(window) < every
        assert re.match(r"\d+ of \d+ accounts shown", window.text_content("#live"))
        window.fill("#find", "")
        window.uncheck("#show-T1")
        assert window.evaluate("[...document.querySelectorAll('#ranked tr:not([hidden]) .T1')].length") == 0
        window.check("#show-T1")
        window.get_by_role("button", name="Points").first.click()
        points = window.evaluate("[...document.querySelectorAll('#ranked tbody tr')].map(r => +r.cells[5].textContent)")
        assert points == sorted(points)
        assert len(points) == every
        assert seen.messages == []


def test_a_case_is_opened_by_keyboard_alone(chromium: Any, page: Path) -> None:
    """From the skip link over the list into a case, and back to the list, without a mouse."""
    with opened(chromium, page) as (window, _):
        window.keyboard.press("Tab")
        assert window.evaluate("document.activeElement.className") == "skip"
        window.keyboard.press("Enter")
        for _press in range(40):
            window.keyboard.press("Tab")
            if (window.evaluate("document.activeElement.getAttribute('href')") or "").startswith("#case-"):
                break
        window.keyboard.press("Enter")
        window.wait_for_function("document.activeElement.id === 'case-1'")
        assert window.locator("#case-1").is_visible()
        window.keyboard.press("Shift+Tab")
        assert window.evaluate("document.activeElement.tagName") == "SUMMARY"
        window.keyboard.press("Space")
        assert not window.locator("#items-1").is_visible()


def test_the_page_is_read_without_script(chromium: Any, page: Path) -> None:
    """Without script the list is whole, a case opens, and no control is shown that would not work."""
    with opened(chromium, page, java_script_enabled=False) as (window, _):
        assert window.locator("#ranked tbody tr").count() > 30
        assert not window.locator("#tools").is_visible()
        window.locator("section.case summary").first.click()
        assert window.locator("#items-1").is_visible()


# --------------------------------------------------------------------------- for everybody


@pytest.fixture(scope="module")
def case_page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the page of a case file, as an acquirer gets it."""
    account = read_bundle(run).ranking["account_id"][0]
    folder = tmp_path_factory.mktemp("case") / "case"
    ran = merchantscreen("export", "case-file", account, "--run", run, "--out", folder)
    assert ran.code == 0, ran.err
    return folder / "case.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_case_file(chromium: Any, case_page: Path, scheme: str) -> None:
    """What is handed over is for everybody too; it holds no script and asks for nothing."""
    with opened(chromium, case_page, color_scheme=scheme, bypass_csp=True) as (window, seen):
        assert axe_violations(window) == []
        assert {url.partition("#")[0] for url in seen.requests} == {case_page.as_uri()}
    assert "<script" not in case_page.read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Any, page: Path, scheme: str) -> None:
    """The page with every part of it open has no accessibility violation, in light and in dark."""
    with opened(chromium, page, color_scheme=scheme, bypass_csp=True) as (window, _):
        window.evaluate("document.querySelectorAll('details').forEach((part, at) => { part.open = at < 12; })")
        assert axe_violations(window) == []


def test_axe_finds_nothing_in_a_page_without_its_script(chromium: Any, page: Path, tmp_path: Path) -> None:
    """The same holds for what a reader without script gets."""
    bare = tmp_path / "bare.html"
    bare.write_text(re.sub(r"<script>.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL), "utf-8")
    with opened(chromium, bare, bypass_csp=True) as (window, _):
        window.evaluate("document.querySelectorAll('details').forEach((part, at) => { part.open = at < 6; })")
        assert axe_violations(window) == []


# --------------------------------------------------------------------------- offline


def test_nothing_leaves_the_page(chromium: Any, page: Path) -> None:
    """Opening, filtering, opening all and following every kind of link asks for nothing but the file itself."""
    with opened(chromium, page) as (window, seen):
        window.fill("#find", "example")
        window.fill("#find", "")
        window.click("#open-all")
        window.evaluate("location.hash = '#glossary-head'")
        assert window.locator("section.case > details[open]").count() == window.locator("section.case").count()
        assert {url.partition("#")[0] for url in seen.requests} == {page.as_uri()}
        assert seen.messages == []
        assert seen.dialogs == []


def test_no_string_of_the_corpus_acts(chromium: Any, run: Path, tmp_path: Path) -> None:
    """With naughty strings for names the browser builds the same tree, shows no dialog and asks for nothing."""
    given = read_bundle(run)
    names = [NAUGHTY[at % len(NAUGHTY)] for at in range(given.ranking.height)]
    trees = []
    for number, dba in enumerate((["calm"] * len(names), names)):
        ranking = given.ranking.with_columns(pl.Series("dba_name", dba), pl.Series("strongest_link", dba))
        target = tmp_path / f"{number}.html"
        target.write_bytes(b"".join(pieces(replace(given, ranking=ranking))))
        with opened(chromium, target) as (window, seen):
            trees.append(window.evaluate("[...document.querySelectorAll('*')].map(e => e.localName)"))
            assert (seen.dialogs, seen.messages) == ([], [])
            assert {url.partition("#")[0] for url in seen.requests} == {target.as_uri()}
    named = [tree.count("span") for tree in trees]
    assert [name for name in trees[0] if name != "span"] == [name for name in trees[1] if name != "span"]
    assert named[0] - named[1] <= 2 * names.count("")


# --------------------------------------------------------------------------- on paper


def test_the_page_prints(chromium: Any, page: Path, repository: Path) -> None:
    """The summary, the list and an open case come out on paper with their text."""
    with opened(chromium, page) as (window, _):
        window.evaluate("document.querySelector('#case-1').closest('details').open = true")
        shots = repository / SHOTS
        shots.mkdir(parents=True, exist_ok=True)
        paper = window.pdf(path=str(shots / "print.pdf"), format="A4", tagged=True)
        assert 4 <= len(re.findall(rb"/Type\s*/Page\b", paper)) < 40
        assert any(b"Tj" in _unpacked(part) or b"TJ" in _unpacked(part) for part in _streams(paper))


def test_a_case_file_prints(chromium: Any, case_page: Path, repository: Path) -> None:
    """The investigation file comes out on paper with its text."""
    with opened(chromium, case_page) as (window, seen):
        paper = window.pdf(path=str(repository / SHOTS / "case-file.pdf"), format="A4", tagged=True)
        window.screenshot(path=repository / SHOTS / "case-file.png", full_page=True)
        assert seen.messages == []
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", paper)) < 20
    assert any(b"Tj" in _unpacked(part) or b"TJ" in _unpacked(part) for part in _streams(paper))


def _streams(paper: bytes) -> list[bytes]:
    return re.findall(rb"stream\r?\n(.*?)\r?\nendstream", paper, re.DOTALL)


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", {}),
        ("dark", {"color_scheme": "dark"}),
        ("narrow", {"viewport": {"width": 360, "height": 800}}),
        ("wide", {"viewport": {"width": 1920, "height": 1080}}),
    ],
)
def test_it_is_kept_as_seen(chromium: Any, page: Path, repository: Path, name: str, options: dict[str, Any]) -> None:
    """Screenshots of head, list and a case are kept, and the page never is wider than its window."""
    shots = repository / SHOTS
    shots.mkdir(parents=True, exist_ok=True)
    with opened(chromium, page, **options) as (window, _):
        window.screenshot(path=shots / f"{name}-head.png")
        assert window.evaluate("document.documentElement.scrollWidth <= innerWidth")
        window.evaluate("document.getElementById('ranked-head').scrollIntoView()")
        window.screenshot(path=shots / f"{name}-list.png")
        window.evaluate("document.querySelector('#case-1').closest('details').open = true")
        # tall enough for the whole case: what is off the screen is not laid out, and would be missing
        window.set_viewport_size({"width": window.viewport_size["width"], "height": 6_000})
        window.locator("#case-1").scroll_into_view_if_needed()
        window.locator("#items-1").wait_for(state="visible")
        window.locator("#case-1").screenshot(path=shots / f"{name}-case.png")
        assert window.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --------------------------------------------------------------------------- how long it takes


def test_two_thousand_cases_open(chromium: Any, long_page: Path) -> None:
    """A page of two thousand cases opens, and says how long that took; benchmarks/report.py measures it."""
    with opened(chromium, long_page) as (window, _):
        first, whole = window.evaluate(
            "[performance.getEntriesByName('first-contentful-paint')[0].startTime,"
            " performance.getEntriesByType('navigation')[0].loadEventEnd]"
        )
    size = long_page.stat().st_size
    print(f"{size:,} bytes, first view {first / 1000:.2f} s, whole {whole / 1000:.2f} s")  # noqa: T201 - the figure
    assert 0 < first <= whole
    assert size < 26_000_000
