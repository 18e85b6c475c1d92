"""A real browser for the tests: Debian's Chromium, with all that leaves a page recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest

CHROMIUM: Final = Path("/usr/bin/chromium")
_FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@dataclass
class Seen:
    """What a page did: its requests, dialogs, messages of the console, and errors."""

    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium; skip where there is none, but in CI fail."""
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("CI has to bring Chromium: apt-get install chromium")
        pytest.skip("there is no Chromium here (apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=list(_FLAGS))
        try:
            yield started
        finally:
            started.close()


@contextmanager
def opened(chromium: Any, page: Path, **options: Any) -> Iterator[tuple[Any, Seen]]:
    """Open a file in a window of its own.

    Args:
        chromium: The browser.
        page: The file.
        options: Of the window: viewport, color_scheme, java_script_enabled, bypass_csp.
    """
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
    try:
        window, seen = context.new_page(), Seen()
        window.on("request", lambda request: seen.requests.append(request.url))
        window.on("console", lambda message: seen.messages.append(message.text))
        window.on("pageerror", lambda error: seen.messages.append(str(error)))
        window.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
        window.goto(page.as_uri(), timeout=120_000)
        yield window, seen
    finally:
        context.close()


def axe_violations(window: Any, within: str | None = None) -> list[str]:
    """Run axe-core in the page and return what it finds, one line for each violation.

    Args:
        window: A page opened with `bypass_csp`, since the policy of the page admits no script but its own.
        within: Selector of the part to look at; the whole page when None.
    """
    window.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = window.evaluate("part => axe.run(part || document)", within)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})" for one in found["violations"]]
