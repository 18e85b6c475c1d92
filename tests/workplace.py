"""A workspace at work: commands that run in it, and the only clock there is, which a test sets."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

import pytest
from cli.command import Ran, merchantscreen

from merchantscreen.cli import options

_STILL: Final = timedelta(0)


class Clock:
    """A clock that a test sets, and that goes on a step with every look."""

    def __init__(self, at: datetime, step: timedelta = _STILL) -> None:
        self.at = at
        self.step = step

    def __call__(self) -> datetime:
        """Return the time."""
        self.at += self.step
        return self.at

    def put_up(self, monkeypatch: pytest.MonkeyPatch) -> Self:
        """Make it the clock of the command line."""
        monkeypatch.setattr(options, "now", self)
        return self


class Workplace:
    """A workspace in which a test runs commands."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def run(self, *words: str | Path) -> Ran:
        """Run a command in the workspace."""
        return merchantscreen(*words, "--workspace", self.place)

    def json(self, *words: str | Path) -> dict[str, Any]:
        """Run a command that has to succeed, and read what it says."""
        ran = self.run(*words, "--json")
        assert ran.code == 0, ran.err
        stated: dict[str, Any] = json.loads(ran.out)
        return stated

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the events of the log, of one kind if asked."""
        events: list[dict[str, Any]] = self.json("log", "show")["events"]
        return [event for event in events if kind in (None, event["kind"])]
