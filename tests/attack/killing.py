"""Commands that are killed right before a system call of choice, by nothing but the kernel's ptrace.

    with Killer.started(now) as killer:
        killer.run(["log", "verify", "--workspace", folder])              # to its end
        killer.run(["referrals", "import", file], at=17)                  # killed before its 17th change
        killer.run(["referrals", "import", file], at=17, strike=strike)   # another process is killed instead

What counts as a change is every call that writes, syncs, makes, renames or removes a file, or sends to a server. So the
kills before each of them, and a run to the end, leave behind every state that a killed command can leave.

Commands run in forks of a process of their own, which imports everything first and does nothing else; so a command
starts in milliseconds. Only its first thread is watched; it is the one that writes.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

from cli.command import every_verb

from merchantscreen.cli import main, options

_TRACE_ME, _TO_NEXT_CALL, _SET_OPTIONS, _GET_CALL = 0, 24, 0x4200, 0x420E
_GOOD_STOPS, _EXIT_KILLS = 0x1, 0x100000
_ENTRY: Final = 1
_STOPPED_AT_CALL: Final = signal.SIGTRAP | 0x80

_NUMBERS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "write": 1, "open": 2, "pwrite64": 18, "writev": 20, "sendto": 44, "sendmsg": 46, "fsync": 74, "fdatasync": 75,
        "truncate": 76, "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "link": 86, "unlink": 87,
        "symlink": 88, "chmod": 90, "fchmod": 91, "openat": 257, "unlinkat": 263, "renameat": 264, "linkat": 265,
        "pwritev": 296, "renameat2": 316,
    },
    "aarch64": {
        "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "truncate": 45, "ftruncate": 46,
        "fchmod": 52, "fchmodat": 53, "openat": 56, "write": 64, "writev": 66, "pwrite64": 68, "pwritev": 70,
        "fsync": 82, "fdatasync": 83, "sendto": 206, "sendmsg": 211, "renameat2": 276,
    },
}  # fmt: skip
"""Linux numbers of the calls that change something outside of the process."""
_NAMES: Final = {number: name for name, number in _NUMBERS[platform.machine()].items()}
COMMIT: Final = "commit"
_POOLS: Final = ("OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
"""Threads of libraries that a fork would not have."""
_FLAGS_AT: Final = {"open": 1, "openat": 2}
"""Place of the flags: opening changes something only where it may create."""


class _Call(ctypes.Structure):
    """`struct ptrace_syscall_info`, as far as an entry fills it."""

    _fields_ = (
        ("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32),
        ("instruction_pointer", ctypes.c_uint64), ("stack_pointer", ctypes.c_uint64), ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6), ("reserved", ctypes.c_uint64 * 4),
    )  # fmt: skip


_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = (ctypes.c_ulong, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_LIBC.ptrace.restype = ctypes.c_long


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code; None if it was killed.
        out: What it had said by then.
        err: What it had complained of.
        calls: The changes it made or was about to make, in order; empty if it was not watched. What commits to a
            server is called so.
    """

    code: int | None
    out: str
    err: str
    calls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strike:
    """Kill other processes than the command.

    Attributes:
        parent: A process, for example that of a server.
        spares_parent: Kill only the children it has at that moment.
        after_ms: How long the command runs on before.
    """

    parent: int
    spares_parent: bool = False
    after_ms: float = 0


@dataclass(frozen=True)
class Killer:
    """The process whose forks run commands."""

    process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def started(cls, now: datetime) -> Iterator[Killer]:
        """Start it; its commands take a moment for the present time."""
        words = [sys.executable, __file__, now.isoformat()]
        environment = os.environ | {"PYTHONPATH": ":".join(sys.path)} | dict.fromkeys(_POOLS, "1")
        with subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            yield cls(process)
            assert process.stdin is not None
            process.stdin.close()

    def run(self, words: Sequence[str | Path], *, at: int | None = None, strike: Strike | None = None) -> Ended:
        """Run a command.

        Args:
            words: Its words.
            at: Before which change to kill it, from 1; 0 only watches it, and None does not even that.
            strike: What to kill there instead; the command runs on to its end.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"words": list(map(str, words)), "at": at, "strike": strike and asdict(strike)}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        return Ended(said["code"], said["out"], said["err"], tuple(said["calls"]))


def children(parent: int) -> list[int]:
    """Return the processes that a process has started."""
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    return list(map(int, listed.read_text(encoding="ascii").split()))


# --------------------------------------------------------------------------- in the process of its own


def _serve(now: datetime) -> None:
    options.now = lambda: now
    every_verb()  # a fork that had to import its own would start slowly, and its imports would count as changes
    for line in sys.stdin:
        asked = json.loads(line)
        strike = asked["strike"] and Strike(**asked["strike"])
        sys.stdout.write(json.dumps(asdict(_run(asked["words"], asked["at"], strike))) + "\n")
        sys.stdout.flush()


def _run(words: list[str], at: int | None, strike: Strike | None) -> Ended:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _become(words, out, err, is_watched=at is not None)
        status, calls = (os.waitpid(child, 0)[1], ()) if at is None else _watched(child, at, strike)
        code = os.waitstatus_to_exitcode(status)
        assert code >= 0 or (code == -signal.SIGKILL and strike is None), code
        return Ended(code if code >= 0 else None, _text(out), _text(err), tuple(calls))


def _become(words: list[str], out: BinaryIO, err: BinaryIO, *, is_watched: bool) -> NoReturn:
    """Be the command; every line it says is written at once, so that it can be killed between two."""
    code = 70
    try:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout.reconfigure(line_buffering=True)
        if is_watched:
            _ptrace(_TRACE_ME, 0, None, None)
            os.kill(os.getpid(), signal.SIGSTOP)
        code = main(words)
    finally:
        os._exit(code)


def _watched(child: int, at: int, strike: Strike | None) -> tuple[int, list[str]]:
    """Let a command run from change to change; return how it ended, and the changes."""
    os.waitpid(child, 0)
    _ptrace(_SET_OPTIONS, child, None, _GOOD_STOPS | _EXIT_KILLS)
    calls: list[str] = []
    signalled = 0
    while True:
        _ptrace(_TO_NEXT_CALL, child, None, signalled)
        _, status = os.waitpid(child, 0)
        if not os.WIFSTOPPED(status):
            return status, calls
        signalled = os.WSTOPSIG(status)
        if signalled != _STOPPED_AT_CALL:
            continue
        signalled, name = 0, _change(child)
        if name is not None:
            calls.append(name)
            if len(calls) == at and strike is None:
                os.kill(child, signal.SIGKILL)
                return os.waitpid(child, 0)[1], calls
            if len(calls) == at and strike is not None:
                _strike(strike)


def _change(child: int) -> str | None:
    """Return the name of the call that a command is about to make, if it changes something outside."""
    call = _Call()
    _ptrace(_GET_CALL, child, ctypes.sizeof(call), ctypes.byref(call))
    name = _NAMES.get(call.number) if call.op == _ENTRY else None
    if name in _FLAGS_AT and not call.arguments[_FLAGS_AT[name]] & os.O_CREAT:
        return None
    return COMMIT if name == "sendto" and b"COMMIT" in _sent(child, call) else name


def _sent(child: int, call: _Call) -> bytes:
    """Return what a command is about to send."""
    with Path(f"/proc/{child}/mem").open("rb", buffering=0) as memory:
        memory.seek(call.arguments[1])
        return memory.read(call.arguments[2])


def _strike(strike: Strike) -> None:
    """Kill what is to be killed, or have a child do it in a moment."""
    if strike.after_ms and os.fork():
        return
    time.sleep(strike.after_ms / 1000)
    victims = children(strike.parent)
    for victim in victims if strike.spares_parent else [strike.parent, *victims]:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    if strike.after_ms:
        os._exit(0)


def _ptrace(request: int, child: int, address: Any, data: Any) -> None:
    if _LIBC.ptrace(request, child, address, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode("utf-8")


if __name__ == "__main__":
    _serve(datetime.fromisoformat(sys.argv[1]))
