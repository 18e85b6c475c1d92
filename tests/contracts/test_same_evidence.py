"""The same evidence, byte for byte, whichever engine searched and counted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest
from cli.command import AS_OF as AS_OF_TEXT
from cli.command import process
from frames import AS_OF
from properties.test_screen import EVIDENCE, POLICY, drawn, flagged_by, plain, staged

from merchantscreen.engines import Engine
from merchantscreen.screening import screen

SEEDS = (1,)
"""Worlds of tests/properties; each costs a cluster some hundred jobs."""


def written(table: pl.DataFrame) -> bytes:
    """Write a table down."""
    return table.write_ndjson().encode()


@pytest.mark.parametrize("far_away", ["Asia/Kolkata"], indirect=True)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawn_world_gives_the_same_bytes(engine: Engine, seed: int, far_away: str, tmp_path: Path) -> None:
    """A small network in which most things touch: every table of evidence is the same text."""
    network = drawn(seed)
    found = screen(staged(tmp_path, network), flagged_by(network.events), POLICY, engine, AS_OF)
    expected = plain(seed)
    assert expected.ledger.height > 10
    differing = [name for name in EVIDENCE if written(getattr(found, name)) != written(getattr(expected, name))]
    assert differing == []
    assert written(found.blind_spots) == written(expected.blind_spots)


@pytest.mark.spark
def test_the_sample_run_on_spark_is_the_pinned_one(repository: Path, tmp_path: Path) -> None:
    """The command with `--engine spark`, in a process of its own: every file of evidence as it is pinned."""
    sample = repository / "sample_data"
    words = [word for name in ("referrals.jsonl", "merchants.csv", "transactions.csv")
             for word in (f"--{name.split('.')[0]}", sample / name)]  # fmt: skip
    words += ["--as-of", AS_OF_TEXT, "--out", tmp_path, "--run-id", "r", "--engine", "spark"]
    # a zone of its own, and one without whole hours: no moment may be read in it
    ran = process("screen", *words, "--spark-master", "local[2]", TZ="Asia/Kolkata")
    assert (ran.code, ran.err) == (0, "")
    lines = (sample / "expected/SHA256SUMS").read_text().splitlines()
    pinned = [line.split("  ") for line in lines if not line.endswith("  report.html")]  # it names the run
    found = {name: hashlib.sha256((tmp_path / "r" / name).read_bytes()).hexdigest() for _, name in pinned}
    assert found == {name: digest for digest, name in pinned}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r"]
