"""Say where the time of a screening goes: the seconds of each stage that it tells of, as JSON.

    python benchmarks/stages.py WORLD [--runs DIR]

One line on standard output, `{title: seconds}`, in the order of the stages; what came before the first is `starting`.
The screening is the one that `run.py` measures, in this process: the title of a stage is what a person at a terminal
sees while it lasts. Rules and referrals are read beside the data, so their stage is what is left of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

from run import screening
from worlds import World

from merchantscreen.cli import READ_AHEAD, main

READING: Final = "reading"
"""How the titles of stages begin in which input is read."""


class Stages:
    """Progress that notes how long each stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._title, self._since = "starting", time.perf_counter()

    def stage(self, title: str, total: int | None = None) -> None:
        """End the stage before, and begin another."""
        del total
        now = time.perf_counter()
        self.seconds[self._title] = self.seconds.get(self._title, 0.0) + now - self._since
        self._title, self._since = title, now

    def advance(self, amount: int = 1, rows: int = 0) -> None:
        """Ignore how far it is."""


@contextmanager
def noted(stages: Stages) -> Iterator[None]:
    """Have `screen` tell of its stages here, and not on a terminal."""
    os.environ.setdefault(*READ_AHEAD)  # before Polars is loaded, as the command does
    with patch("merchantscreen.cli.screen.shown_progress", contextmanager(lambda: iter([stages]))):
        yield


def beyond_reading(seconds: dict[str, float]) -> float:
    """Add up what is not reading: starting, linking, measuring, weighing, writing."""
    return sum(took for title, took in seconds.items() if not title.startswith(READING))


def run() -> None:
    """Screen a world and print how long the stages took."""
    parser = argparse.ArgumentParser(description="Say where the time of a screening goes.")
    parser.add_argument("world", type=Path)
    parser.add_argument("--runs", type=Path, help="folder for the run; a temporary one by default")
    options = parser.parse_args()
    stages = Stages()
    with tempfile.TemporaryDirectory(dir=options.runs) as folder, noted(stages):
        command = screening(World(options.world), Path(folder) / "runs").command
        words = [str(word) for word in command]
        told, sys.stdout = sys.stdout, sys.stderr
        try:
            code = main(words[words.index("screen") :])
        finally:
            sys.stdout = told
    stages.stage("ended")
    if code:
        raise SystemExit(code)
    print(json.dumps({title: round(took, 3) for title, took in stages.seconds.items()}))


if __name__ == "__main__":
    run()
