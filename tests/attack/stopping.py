"""Commands that are killed, or whose disk is full, right before a change of choice, in any thread.

    with Stopper.started() as stopper:
        stopper.run(words)                            # to its end, with the number of changes it makes
        stopper.run(words, at=17)                     # killed before its 17th change
        stopper.run(words, at=17, how="full")         # nothing more can be made from its 17th change on
        stopper.run(words, limit=2_000)               # no file can grow beyond 2,000 bytes

A change is what Python is about to do to a file or folder: open for writing, make, rename, remove. What a library
writes by itself is between two changes, and is what `limit` is for. Unlike `killing`, which follows one thread
into the kernel, this sees all threads.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

_FIRST: Final = ("dataframely", "narwhals.stable.v2", "numpy", "polars", "pydantic_settings", "typer")
"""What is imported before forking: much, and nothing that starts threads, which a fork would not have."""
_MAKING: Final = frozenset({"open", "os.mkdir"})
_CHANGES: Final = _MAKING | {"os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_LONGEST_S: Final = 60

How = Literal["killed", "full"]


@dataclass(frozen=True)
class Stopped:
    """How a command ended: its exit code (None if it was killed), its complaints, the changes it came to."""

    code: int | None
    err: str
    changes: int


@dataclass(frozen=True)
class Stopper:
    """The process whose forks run commands; it imports what it can first, and does nothing else."""

    process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Stopper]:
        """Start it."""
        environment = os.environ | {"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            yield cls(process)
            assert process.stdin is not None
            process.stdin.close()

    def run(
        self, words: Sequence[str | Path], *, at: int = 0, how: How = "killed", limit: int | None = None
    ) -> Stopped:
        """Run a command, and stop it before a change, from 1; 0 lets it run."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"words": list(map(str, words)), "at": at, "how": how, "limit": limit}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Stopped(**json.loads(self.process.stdout.readline()))


# --------------------------------------------------------------------------- in the process of its own


def _serve() -> None:
    for name in _FIRST:
        importlib.import_module(name)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_run(json.loads(line))) + "\n")
        sys.stdout.flush()


def _run(asked: dict[str, Any]) -> dict[str, Any]:
    said, err = os.pipe()
    counted, counter = os.pipe()
    child = os.fork()
    if child == 0:
        _become(asked, err, counter)
    os.close(err)
    os.close(counter)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code >= 0 or code == -signal.SIGKILL, code
    with os.fdopen(said, encoding="utf-8") as words, os.fdopen(counted, "rb") as changes:
        return {"code": code if code >= 0 else None, "err": words.read(), "changes": len(changes.read())}


def _become(asked: dict[str, Any], err: int, counter: int) -> NoReturn:
    """Be the command; each change is a byte in a pipe, so that the count outlives it and no limit is on it."""
    from cli.command import every_verb  # noqa: PLC0415 - it starts threads

    from merchantscreen.cli import main  # noqa: PLC0415

    code = 70
    try:
        every_verb()
        signal.alarm(_LONGEST_S)
        sys.stderr = os.fdopen(err, "w", encoding="utf-8")
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
        if asked["limit"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"], asked["limit"]))
        numbers = count(1)
        sys.addaudithook(lambda event, args: _before(event, args, asked, numbers, counter))
        code = main(asked["words"])
    except BaseException:  # noqa: BLE001 - whoever asked is told, whatever it is
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _before(event: str, args: tuple[Any, ...], asked: dict[str, Any], numbers: Iterator[int], counter: int) -> None:
    """Count a change, and stop before it if it is the one."""
    if event not in _CHANGES or (event == "open" and not _writes(*args)):
        return
    number = next(numbers)
    os.write(counter, b".")
    if asked["at"] and asked["how"] == "killed" and number == asked["at"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if asked["at"] and asked["how"] == "full" and number >= asked["at"] and event in _MAKING:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _writes(path: object, _: object, flags: int) -> bool:
    """Tell whether a file is opened for writing; what is open already is none, and the null device changes nothing."""
    return isinstance(path, (str, os.PathLike)) and str(path) != os.devnull and bool(flags & _WRITES)


if __name__ == "__main__":
    _serve()
