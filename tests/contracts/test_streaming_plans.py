"""The embedded engine holds no whole table in memory: read off the physical plan of every frame it runs.

A construct that does not stream (a median, a list, a mode inside of a group) takes every column of its
group into memory, and says so only here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from frames import AS_OF
from properties.test_screen import POLICY, drawn, flagged_by, staged

from merchantscreen.engines import Frame
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.screening import screen

SCAN: Final = "multi-scan"
HELD: Final = re.compile(r"in-memory-map|in-memory-join|in-memory-group|python-udf", re.IGNORECASE)
"""Nodes of a physical plan that first take in everything."""


def physical(frame: pl.LazyFrame) -> str:
    """Return the physical plan as the engine will run it."""
    plan = frame.show_graph(engine="streaming", plan_stage="physical", raw_output=True)
    assert plan is not None
    return plan


class Watched(PolarsEngine):
    """The embedded engine, with the plan of everything it saves or collects.

    Args:
        work: Existing folder for stages.
    """

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.plans: list[tuple[str, str]] = []

    def save(self, frame: Frame, name: str) -> Frame:
        """Note the plan of a stage, then write it."""
        self.plans.append((f"save {name}", physical(frame.to_native())))
        return super().save(frame, name)

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Note the plan of a result, then bring it home."""
        self.plans.append((f"collect {frame.collect_schema().names()}", physical(frame.to_native())))
        return super().collect(frame)


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Screen a world in which most things touch, so that every stage is run, and return all plans."""
    folder = tmp_path_factory.mktemp("plans")
    engine, network = Watched(folder), drawn(1)
    screen(staged(folder, network), flagged_by(network.events), POLICY, engine, AS_OF)
    return engine.plans


def test_every_stage_streams(plans: list[tuple[str, str]]) -> None:
    """No plan that reads a file takes a whole table into memory."""
    reading = [(name, plan) for name, plan in plans if SCAN in plan]
    assert len(reading) > 25
    assert [name for name, plan in reading if HELD.search(plan)] == []


def test_the_guard_sees_what_does_not_stream(tmp_path: Path) -> None:
    """The reading of plans can fail: each of these is known to hold its group in memory."""
    file = tmp_path / "part.parquet"
    pl.DataFrame({"key": [1, 1, 2], "value": [1, 2, 3]}).write_parquet(file)
    value, rows = pl.col("value"), pl.scan_parquet(file)
    for held in (value.median(), value.quantile(0.9), value.mode().first(), value.implode(), value.arg_max()):
        plan = physical(rows.group_by("key").agg(held))
        assert SCAN in plan
        assert HELD.search(plan)
    assert not HELD.search(physical(rows.group_by("key").agg(value.sum(), least=value.min())))
