"""Run commands by turns, each in processes of its own, and say what they took: wall, processor time, peak memory.

What the benchmarks of this folder share. Rules kept here:

* contestants run alternately in every round, so that a busy machine slows all of them, and a ratio is that of one
  round; of ratios and times the median is told, with the smallest and the largest;
* memory and processor time are those of a command with all its children, looked at twenty times a second: the
  resident sizes of all processes at one moment, added up. Pages that processes share count once for each, so this is
  an upper bound. A sum that stands for less than a twentieth of a second can be missed, the peak of one process
  cannot, as the kernel keeps it. It is not asked for it by `wait4`, though, whose peak includes ours: a process
  begins as a copy of the one that starts it;
* a command that fails stops the benchmark, with what it said.

Memory of children is read from /proc, and their end from a process handle, so it needs Linux.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

EVERY_SECONDS: Final = 0.05
HERE: Final = Path(__file__).parent
MIB: Final = 1024**2
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_USER_TIME: Final = 11
"""Place of the user time in /proc/PID/stat, counted after the name; that of the system follows."""
_MEMORY: Final = re.compile(r"^Vm(HWM|RSS):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Measure:
    """What one command took.

    Attributes:
        wall: Seconds on the clock.
        cpu: Seconds of processor time, all processes together.
        peak_mib: Most memory at one time, all processes together.
    """

    wall: float
    cpu: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Contestant:
    """A command that is measured against others.

    Attributes:
        name: What it is called in tables.
        command: Program and arguments.
        out: What it writes: removed before every round.
    """

    name: str
    command: Sequence[str | Path]
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some numbers, the smallest and the largest."""

    middle: float
    least: float
    most: float

    @classmethod
    def over(cls, numbers: Iterable[float]) -> Spread:
        """Summarise some numbers."""
        values = list(numbers)
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        """Write `median (least to most)`; a single number alone."""
        middle, least, most = (_short(value) for value in (self.middle, self.least, self.most))
        return middle if least == most else f"{middle} ({least} to {most})"


# --------------------------------------------------------------------------- one command


@dataclass(slots=True)
class _Watch:
    """What was seen of a process and all that it started.

    Attributes:
        root: The process.
        peak: Most resident bytes at one time, of all together or of one.
        spent: Processor seconds of every process when it was last seen.
    """

    root: int
    peak: int = 0
    spent: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Add up the processes that are there now."""
        resident = 0
        for process in _with_children(self.root):
            with contextlib.suppress(OSError):
                folder = Path("/proc", str(process))
                # A process that has ended and waits to be collected has no memory any more.
                memory = {name: int(size) * 1024 for name, size in _MEMORY.findall((folder / "status").read_text())}
                resident += memory.get("RSS", 0)
                self.peak = max(self.peak, memory.get("HWM", 0))
                after_name = (folder / "stat").read_text().rpartition(")")[2].split()
                self.spent[process] = sum(map(int, after_name[_USER_TIME : _USER_TIME + 2])) / _TICKS
        self.peak = max(self.peak, resident)


def _with_children(process: int) -> Iterator[int]:
    """List a process and all that descend from it."""
    yield process
    with contextlib.suppress(OSError):
        for thread in Path("/proc", str(process), "task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _with_children(int(child))


def _watched(process: int) -> _Watch:
    """Look at a process again and again until it ends; its end is noticed at once."""
    watch = _Watch(process)
    handle = os.pidfd_open(process)
    try:
        while not select.select([handle], [], [], EVERY_SECONDS)[0]:
            watch.look()
    finally:
        os.close(handle)
    return watch


def measure(command: Sequence[str | Path]) -> Measure:
    """Run a command to its end and measure it.

    Raises:
        RuntimeError: It failed; the message holds the end of what it said.
    """
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        watch = _watched(process.pid)
        wall = time.perf_counter() - started
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(
                f"exit {process.returncode}: {' '.join(map(str, command))}\n{said.read()[-4000:].decode()}"
            )
    waited_for = usage.ru_utime + usage.ru_stime
    # Children that nobody waited for, such as a Java machine, are missing in what the kernel adds up.
    return Measure(wall, max(waited_for, sum(watch.spent.values())), watch.peak / MIB)


def by_turns(contestants: Sequence[Contestant], rounds: int) -> dict[str, list[Measure]]:
    """Measure commands alternately.

    Returns:
        The measures of every contestant, one per round.
    """
    measured: dict[str, list[Measure]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds):
        for contestant in contestants:
            clear(contestant.out)
            measured[contestant.name].append(measure(contestant.command))
            took = measured[contestant.name][-1]
            say(f"round {number + 1}: {contestant.name}: {took.wall:.1f} s, {took.peak_mib:.0f} MiB")
    return measured


def clear(out: Path | None) -> None:
    """Remove what an earlier run wrote, a folder or a file."""
    if out is not None and out.is_dir():
        shutil.rmtree(out)
    elif out is not None:
        out.unlink(missing_ok=True)


def say(text: str) -> None:
    """Tell whoever waits how far it got; the tables alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


# --------------------------------------------------------------------------- commands


def merchantscreen(verb: str, **options: object) -> list[str]:
    """Write a command of merchantscreen, that of the interpreter that runs us: `as_of=...` becomes `--as-of ...`."""
    pairs = ((f"--{name.replace('_', '-')}", str(value)) for name, value in options.items())
    return [sys.executable, "-m", "merchantscreen.cli", verb, *(word for pair in pairs for word in pair)]


def script(name: str, *arguments: object) -> list[str]:
    """Write the command of a script of this folder."""
    return [sys.executable, str(HERE / name), *map(str, arguments)]


# --------------------------------------------------------------------------- numbers and tables


def ratios(measured: Sequence[Measure], base: Sequence[Measure], of: Callable[[Measure], float]) -> Spread:
    """Compare round by round."""
    return Spread.over(of(one) / of(other) for one, other in zip(measured, base, strict=True))


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Fit b in cost = a * size^b, by least squares of the logarithms; nothing is taken off before."""
    slope, _ = np.polyfit(np.log(sizes), np.log(costs), 1)
    return float(slope)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table as Markdown: the first column is text, the others are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def against(measured: Mapping[str, Sequence[Measure]], *bases: str) -> str:
    """Write what all contestants took, and the ratios of wall and processor time to some of them."""
    heads = ["", "wall, s", "cpu, s", "peak, MiB"]
    heads += [f"{what} / {base}" for base in bases for what in ("wall", "cpu")]
    rows = []
    for name, taken in measured.items():
        compared = (
            ratios(taken, measured[base], of) for base in bases for of in (lambda one: one.wall, lambda one: one.cpu)
        )
        rows.append([name, *took(taken), *compared])
    return table(heads, rows)


def took(taken: Sequence[Measure]) -> tuple[Spread, Spread, int]:
    """Summarise the rounds of one contestant: wall, processor time, and the highest peak in MiB."""
    wall, cpu = Spread.over(one.wall for one in taken), Spread.over(one.cpu for one in taken)
    return wall, cpu, round(max(one.peak_mib for one in taken))


def machine() -> str:
    """Say what was measured on, and how busy it was."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} processors; load {load} (1, 5, 15 minutes)"


def _cell(value: object) -> str:
    return _short(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _short(number: float) -> str:
    """Keep three figures, or all before the point."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
