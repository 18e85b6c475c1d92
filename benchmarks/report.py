"""Measure the report: how long it takes to make, how large it is, and how soon a browser shows it.

    .venv/bin/python benchmarks/report.py RUN

RUN is the folder of a run. The first view and the whole page are measured in Chromium, where there is one.
Times of making are processor times, so that other work on the machine counts little.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from merchantscreen.bundle import read_bundle
from merchantscreen.outputs.report import MOST_CASES, pieces

_CHROMIUM = Path("/usr/bin/chromium")
_TIMES = (
    "[performance.getEntriesByName('first-contentful-paint')[0].startTime,"
    " performance.getEntriesByType('navigation')[0].loadEventEnd, document.getElementsByTagName('*').length]"
)


def main(run: Path) -> None:
    """Make the page of a run, open it, and print one line for each."""
    bundle = read_bundle(run)
    cases = min(MOST_CASES, sum(count for tier, count in bundle.manifest.tiers.items() if tier != "watch"))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        before = time.process_time()
        with page.open("wb") as file:
            file.writelines(pieces(bundle))
        taken, peak = time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{cases:,} cases: {page.stat().st_size:,} bytes in {taken:.1f} s; peak memory {peak:,} MiB")
        if _CHROMIUM.exists():
            first, whole, elements = _opened(page)
            print(f"first view {first / 1000:.2f} s, whole {whole / 1000:.2f} s, {elements:,} elements")


def _opened(page: Path) -> tuple[float, float, int]:
    """Open the page; return the moments of its first view and of its end in ms, and its number of elements."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(_CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        window = browser.new_page(viewport={"width": 1280, "height": 900})
        window.goto(page.as_uri(), timeout=120_000)
        first, whole, elements = window.evaluate(_TIMES)
        browser.close()
    return first, whole, elements


if __name__ == "__main__":
    main(Path(sys.argv[1]))
