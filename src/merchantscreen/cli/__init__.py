"""The command line: parse, call, print, exit. Whatever happens, no traceback and a documented exit code."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from merchantscreen.cli.app import app
from merchantscreen.cli.failures import EXIT_INTERRUPTED, Terminated, settle
from merchantscreen.cli.words import prepared

_UNHEARD: Final = logging.NullHandler()
"""Takes what libraries log, such as a lost connection with its traceback: it may quote values, and we say it too."""
READ_AHEAD: Final = ("POLARS_ROW_GROUP_PREFETCH_SIZE", "4")
"""Groups of rows that Polars decodes ahead, if nobody says otherwise; read when it is loaded, which no verb has done
yet. By its own measure a scan of many files keeps more than a gigabyte ready."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: The words after the program's name; those of the process when None.

    Returns:
        The exit code, see docs/errors.md.
    """
    given, as_json = prepared(sys.argv[1:] if words is None else words)
    _protect()
    os.environ.setdefault(*READ_AHEAD)
    stops: list[int] = []
    try:
        with _terminable(stops):
            code = app(args=given, prog_name="merchantscreen", standalone_mode=False)
            sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - panics of native libraries are not Exceptions
        settled = settle(error, as_json=as_json, stopped=bool(stops))
        _give_up_unwritable_output()
        return settled
    if code == EXIT_INTERRUPTED:  # typer turns Ctrl-C into a quiet exit
        return settle(KeyboardInterrupt(), as_json=as_json)
    return code if isinstance(code, int) else 0


def _give_up_unwritable_output() -> None:
    """Throw away what standard output cannot take: a full disk, or a reader such as `head` that has gone.

    The interpreter would try again at its end, complain, and change the exit code.
    """
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _protect() -> None:
    """Leave no core dump, which would hold input data, no log of a library, and escape what a terminal cannot show."""
    logging.getLogger().addHandler(_UNHEARD)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


@contextmanager
def _terminable(stops: list[int]) -> Iterator[None]:
    """Turn SIGTERM and a closed terminal into an exception, so that private working folders are removed.

    It may come up inside of native code, which can only say on stderr that it ignores it: that is left unsaid.

    Args:
        stops: Takes the signals that came.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        stops.append(number)
        raise Terminated

    def ignored(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, Terminated):
            told(unraisable)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    told, sys.unraisablehook = sys.unraisablehook, ignored
    try:
        yield
    finally:
        sys.unraisablehook = told
        for number, handler in before.items():
            signal.signal(number, handler)
