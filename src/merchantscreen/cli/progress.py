"""Progress bars on stderr, only where a person watches: how far, how many rows, how fast, how much longer.

Rules kept here:
* a stage of known size shows its share, and the time left once something of it is done;
* a stage that tells of rows shows them and how many come in a second;
* a stage of unknown size shows how long it has been at work, and promises nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from merchantscreen.outputs.text import counted, visible
from merchantscreen.records import Progress, Silent

_WIDE: Final = 100
"""Width from which on there is room for a bar beside the figures."""


class _Share(ProgressColumn):
    """How much of a stage of known size is done."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:>3.0f} %")


class _Rows(ProgressColumn):
    """The rows of a stage so far, and how many come in a second."""

    def render(self, task: Task) -> Text:
        rows, seconds = task.fields["rows"], task.elapsed or 0.0
        if not rows:
            return Text()
        rate = f", {rows / seconds:,.0f}/s" if seconds else ""
        return Text(counted(rows, "row") + rate)


class _Clock(ProgressColumn):
    """The time left of a stage of known size, if it goes on as it went so far; of any other the time it has taken."""

    def render(self, task: Task) -> Text:
        taken = task.elapsed or 0.0
        if not task.total or not task.completed or task.finished:
            return Text(str(timedelta(seconds=round(taken))))
        left = taken * (task.total - task.completed) / task.completed
        return Text(f"{timedelta(seconds=round(left))} left")


class _Bars:
    """A line per stage; the next stage ends the one before. Several threads may report at once."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._rows = 0
        self._lock = Lock()

    def stage(self, title: str, total: int | None = None) -> None:
        """Show a new line and close the last one."""
        self.finish()
        self._rows = 0
        self._task = self._bars.add_task(visible(title), total=total, rows=0)

    def advance(self, amount: int = 1, rows: int = 0) -> None:
        """Move the bar of the current line on."""
        if self._task is None:
            return
        with self._lock:
            self._rows += rows
            self._bars.update(self._task, advance=amount, rows=self._rows)

    def finish(self) -> None:
        """Show the current line as done."""
        if self._task is not None:
            done = self._bars.tasks[-1].completed or 1
            self._bars.update(self._task, total=done, completed=done)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Give bars on a terminal, and silence everywhere else."""
    if not sys.stderr.isatty():
        yield Silent()
        return
    console = Console(stderr=True)
    bar = (BarColumn(20),) if console.width >= _WIDE else ()
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), *bar, _Share(), _Rows(), _Clock())
    with RichProgress(*columns, console=console, transient=True) as bars:
        shown = _Bars(bars)
        yield shown
        shown.finish()
