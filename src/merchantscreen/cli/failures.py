"""How a command ends badly: problem lines, an exit code, and never a traceback.

Rules kept here:
* every problem of an error is printed, one line each, or one JSON object each;
* what we did not foresee ends with 70, an id and a crash file that holds no value: types of
  the exceptions and lines of our own files, nothing of the data;
* a panic of a native library is a BaseException, so that is what the guard catches;
* foreign text reaches the terminal escaped, and no card number, e-mail or web address in it;
* whether a run was published is said as it is: a signal may come after that as well as before.

Source: rows 9 and 16 and 5.8 of the threat model.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import typer

from merchantscreen import __version__
from merchantscreen.cards import looks_like_card_number
from merchantscreen.contacts import without_addresses
from merchantscreen.disk import disk_error
from merchantscreen.errors import FileAccessError, MerchantScreenError, Problem
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import visible

EXIT_USAGE: Final = 2
EXIT_INTERNAL: Final = 70
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141
EXIT_TERMINATED: Final = 143
_MAX_LINE: Final = 2000
_PACKAGE: Final = Path(__file__).resolve().parents[1]
_UNPUBLISHED: Final = "nothing was published"
_PUBLISHED: Final = "the run is complete"


class Terminated(BaseException):
    """SIGTERM, raised as an exception so that private working folders are removed."""


class AfterPublishing(BaseException):
    """Something went wrong once the run was published; its cause is the error."""


@contextmanager
def publishing(mark: Path) -> Iterator[None]:
    """Tell errors of others apart by whether they came before or after the run was published.

    Args:
        mark: The file whose appearance publishes the run.
    """
    try:
        yield
    except (MerchantScreenError, typer.Exit):
        raise
    except BaseException as error:
        if mark.exists():
            raise AfterPublishing from error
        raise


def settle(error: BaseException, *, as_json: bool, outcome: str = _UNPUBLISHED, stopped: bool = False) -> int:
    """Say what went wrong and return the exit code.

    Args:
        error: What ended the command.
        as_json: Whether problems are told as JSON.
        outcome: What became of the run.
        stopped: Whether a signal came before: native code may have met the exception of it and made its own of that.
    """
    match error:
        case AfterPublishing(__cause__=BaseException() as cause):
            return settle(cause, as_json=as_json, outcome=_PUBLISHED, stopped=stopped)
        case SystemExit():
            return error.code if isinstance(error.code, int) else 0
        case BrokenPipeError():
            return EXIT_BROKEN_PIPE
        case KeyboardInterrupt() | typer.Abort():
            return _say(f"interrupted; {outcome}", EXIT_INTERRUPTED)
        case Terminated():
            return _say(f"terminated; {outcome}", EXIT_TERMINATED)
        case MerchantScreenError():
            report(error.problems or (_unlisted(error),), as_json=as_json)
            return error.exit_code
        case _ if stopped:
            return _say(f"terminated; {outcome}", EXIT_TERMINATED)
        case _:
            problem, code = _foreign(error, outcome)
            report((problem,), as_json=as_json)
            return code


def report(problems: Iterable[Problem], *, as_json: bool) -> None:
    """Print problems on stderr, one line each."""
    for problem in problems:
        shown = _redacted(problem)
        line = json.dumps(shown.as_dict()) if as_json else visible(str(shown), _MAX_LINE)
        sys.stderr.write(f"{line}\n")


def _redacted(problem: Problem) -> Problem:
    """Take out what a problem may have quoted from a file of rules or a command line."""
    return replace(
        problem,
        where=_without_secrets(problem.where),
        column=problem.column and _without_secrets(problem.column),
        found=_without_secrets(problem.found),
    )


def _without_secrets(text: str) -> str:
    return "(not shown)" if looks_like_card_number(text) else without_addresses(text)


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"merchantscreen: {text}\n")
    return code


def _unlisted(error: MerchantScreenError) -> Problem:
    return PROBLEMS["MS-RUN-000"].at("merchantscreen", found=error.message)


def _foreign(error: BaseException, outcome: str) -> tuple[Problem, int]:
    """Describe an error that is none of ours: a word typer could not read, the disk, or a mistake."""
    if hasattr(error, "format_message") and getattr(error, "exit_code", None) == EXIT_USAGE:
        return _usage_problem(error), EXIT_USAGE
    if isinstance(error, OSError) or disk_error(error) is not None:
        return _access_problem(error, outcome), FileAccessError.exit_code
    return _internal(error, outcome), EXIT_INTERNAL


def _usage_problem(error: BaseException) -> Problem:
    """Name the option and what it takes; typer would quote the word, which may be anything."""
    parameter = getattr(error, "param", None)
    names = "/".join(getattr(parameter, "opts", ())) or "the command"
    takes = getattr(parameter, "metavar", None)
    found = {
        "MissingParameter": f"{names} is missing",
        "BadParameter": f"a value that {names} cannot take",
        "NoSuchOption": f"an unknown option{_option_name(error)}",
        "BadOptionUsage": f"an option without its value{_option_name(error)}",
    }.get(type(error).__name__, "words that do not belong here")
    return PROBLEMS["MS-RUN-001"].at("command line", found=found, expected=f"{names} {takes}" if takes else None)


def _option_name(error: BaseException) -> str:
    name = str(getattr(error, "option_name", ""))
    return f" {name}" if re.fullmatch(r"--?[a-z]+(?:-[a-z]+)*", name) else ""


def _access_problem(error: BaseException, outcome: str) -> Problem:
    """Name the file, never its folder, and what the system said."""
    number = disk_error(error) or getattr(error, "errno", None)
    name = Path(str(error.filename)).name if isinstance(error, OSError) and error.filename else "merchantscreen"
    code = "MS-RUN-007" if disk_error(error) else "MS-RUN-008"
    if outcome == _PUBLISHED:
        code = "MS-RUN-009"
    said = os.strerror(number) if number else "an input or output error"
    return PROBLEMS[code].at(name, found=f"{PROBLEMS[code].title} ({said})")


def _internal(error: BaseException, outcome: str) -> Problem:
    crash_id = secrets.token_hex(4)
    where = _write_crash_file(crash_id, error)
    problem = PROBLEMS["MS-RUN-070"].at("merchantscreen", found=f"an internal error, id {crash_id}; {outcome}")
    return replace(problem, fix=f"{problem.fix} Crash file: {where}")


def _write_crash_file(crash_id: str, error: BaseException) -> str:
    facts = {"id": crash_id, "version": __version__, "python": sys.version.split()[0], "errors": list(_chain(error))}
    try:
        handle, name = tempfile.mkstemp(prefix=f"merchantscreen-crash-{crash_id}-", suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=1)
    except OSError:
        return "could not be written"
    return name


def _chain(error: BaseException) -> Iterator[dict[str, object]]:
    """Describe an error and those behind it by type and by lines of our own files."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield {"type": type(current).__qualname__, "frames": list(_frames(current))}
        current = current.__cause__ or current.__context__


def _frames(error: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE):
            yield f"{path.relative_to(_PACKAGE)}:{frame.lineno} {frame.name}"
