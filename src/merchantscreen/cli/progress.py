"""Progress bars on stderr, only where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from merchantscreen.outputs.text import visible
from merchantscreen.records import Progress, Silent


class _Bars:
    """A line per stage; the next stage ends the one before."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def stage(self, title: str, total: int | None = None) -> None:
        """Show a new line and close the last one."""
        self.finish()
        self._task = self._bars.add_task(visible(title), total=total)

    def advance(self, amount: int = 1) -> None:
        """Move the bar of the current line on."""
        if self._task is not None:
            self._bars.advance(self._task, amount)

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
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
        shown = _Bars(bars)
        yield shown
        shown.finish()
