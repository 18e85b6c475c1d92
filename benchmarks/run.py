"""Measure a screening run against the least anyone could do: decode the same columns.

    python benchmarks/run.py [--accounts N] [--transactions N] [--referrals N] [--repeat N] [--work DIR]

Both run in processes of their own, by turns, so that a busy machine slows both. Reported:
the median of each, their ratio, and the peak memory of the screening process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

DECODE: Final = """
import sys
import polars as pl
for folder in sys.argv[1:]:
    frame = pl.scan_parquet(folder)
    frame.select(pl.all().hash().sum()).collect(engine="streaming")
"""
"""The floor: every column decoded and looked at once, nothing kept."""


@dataclass(frozen=True)
class Measure:
    """Wall time and peak memory of one process."""

    seconds: float
    peak_mib: float


def measure(command: Sequence[str]) -> Measure:
    """Run a command to its end and measure it.

    Raises:
        RuntimeError: It failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(command)}")
    return Measure(time.perf_counter() - started, usage.ru_maxrss / 1024)


def screening(world: Path, out: Path) -> list[str]:
    """Write the command of a screening run over a simulated world."""
    inputs = ["--referrals", str(world / "referrals.jsonl"), "--merchants", str(world / "merchants.parquet")]
    inputs += ["--transactions", str(world / "transactions")]
    return [
        _merchantscreen(),
        "screen",
        *inputs,
        "--as-of",
        "2026-11-01T00:00:00Z",
        "--out",
        str(out),
        "--run-id",
        "bench",
    ]


def simulation(options: argparse.Namespace, world: Path) -> list[str]:
    """Write the command that makes the world."""
    sizes = ["--accounts", str(options.accounts), "--transactions", str(options.transactions)]
    sizes += ["--referrals", str(options.referrals), "--seed", "1"]
    return [_merchantscreen(), "simulate", *sizes, "--format", "parquet", "--out", str(world)]


def by_turns(options: argparse.Namespace, work: Path) -> tuple[list[Measure], list[Measure]]:
    """Measure decoding and screening alternately."""
    world, out = work / "world", work / "runs"
    made = measure(simulation(options, world))
    print(f"simulate  {made.seconds:8.2f} s  {made.peak_mib:8.0f} MiB")
    decode = [sys.executable, "-c", DECODE, str(world / "transactions"), str(world / "merchants.parquet")]
    floors, runs = [], []
    for _ in range(options.repeat):
        floors.append(measure(decode))
        shutil.rmtree(out, ignore_errors=True)
        runs.append(measure(screening(world, out)))
    return floors, runs


def report(floors: Sequence[Measure], runs: Sequence[Measure]) -> None:
    """Print medians, their ratio, and peak memory."""
    floor, run = median(m.seconds for m in floors), median(m.seconds for m in runs)
    print(f"decode    {floor:8.2f} s  {max(m.peak_mib for m in floors):8.0f} MiB")
    print(f"screen    {run:8.2f} s  {max(m.peak_mib for m in runs):8.0f} MiB")
    print(f"ratio     {run / floor:8.2f}    share of decoding {floor / run:.0%}")


def _merchantscreen() -> str:
    """Find the command beside the interpreter that runs us."""
    return str(Path(sys.executable).with_name("merchantscreen"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure a screening run against plain decoding.")
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--transactions", type=int, default=2_000_000)
    parser.add_argument("--referrals", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for the world and the runs; a temporary one by default")
    return parser.parse_args()


def main() -> None:
    """Make a world, measure, report."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        report(*by_turns(options, Path(work)))


if __name__ == "__main__":
    main()
