"""The child process that decodes Parquet, and the pipe to it: a file that kills the child is named.

Rules kept here:
* the child works on one file at a time, so its death has exactly one culprit;
* a panic, an abort, a signal and memory beyond the limit all become MS-PQT-003, never a crash of ours;
* a disk that is full is not the fault of the file that is being read, and stays an error of the disk;
* accepted merchant rows stay in memory, those of CSV files come over the pipe, and only what is made of them is
  written, so raw contact data never touches the disk;
* no core file is left behind, as it would hold the data.

The protocol: a request is one message, a reply is messages until one says `done`; a message is one line of JSON
with the sizes of the Arrow frames that follow it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Final, Self

import polars as pl

from merchantscreen.disk import disk_error
from merchantscreen.errors import InputError, MerchantScreenError, Problem
from merchantscreen.intake import fields, files, merchants, parquet, survey
from merchantscreen.intake.hosts import Losses
from merchantscreen.intake.mapping import RoleMapping
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.intake.transactions import Stage, stage
from merchantscreen.tables import INPUT_TABLES

MEMORY_LIMIT_BYTES: Final = 6 * 1024**3
"""Address space of the child while it decodes; generous, as allocators reserve far more than they use."""

_ROOM: Final = 4
"""Address space for each byte of merchant rows that are kept: allocators reserve more than they are asked for."""

_UNNAMED: Final = {"gather": "(merchant accounts)", "combine": "(merchant accounts)"}
"""What a request without a file is about, where it is not staged transactions."""

_OF_THE_FILE: Final = (pl.exceptions.PolarsError, OSError, MemoryError)
"""Errors that a broken file causes; a panic of the decoder is another, and no Exception at all."""

_START: Final = (
    "import sys; sys.path[:] = sys.argv[1:]; from merchantscreen.intake.worker import main; raise SystemExit(main())"
)
"""An isolated interpreter that imports from where its parent does: a checkout as well as a wheel."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the child: its facts, and the frames that came with it."""

    facts: dict[str, Any]
    frames: tuple[pl.DataFrame, ...]


# --------------------------------------------------------------------------- the parent's end


class Worker:
    """Runs the child while there are Parquet files to read; starts another when one has died.

    Args:
        staging: Folder for staged transactions; it must exist.
        name: What the parts it stages are called; another one for every worker at the same folder.
    """

    def __init__(self, staging: Path, name: str = "parquet") -> None:
        self._staging = staging
        self._name = name
        self._child: subprocess.Popen[bytes] | None = None
        self._started = 0
        self._is_given_up = False
        self._use = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def process_id(self) -> int:
        """The child's process, started if there is none."""
        return self._running().pid

    def ask(
        self, operation: str, path: Path | None = None, *, frames: Sequence[pl.DataFrame] = (), **facts: Any
    ) -> Iterator[Message]:
        """Send one request, with frames if it needs them, and yield the messages of its reply.

        Raises:
            InputError: The file cannot be decoded, or decoding it ended the child.
        """
        request = {"operation": operation, "path": str(path) if path else None, **facts}
        where = path.name if path else _UNNAMED.get(operation, "(staged transactions)")
        child = self._running()
        try:
            _send(_pipe(child.stdin), request, frames)
            while (message := _receive(_pipe(child.stdout))) is not None:
                if message.facts["kind"] == "done":
                    return
                if message.facts["kind"] == "failed":
                    raise _undecodable(where, str(message.facts["reason"]))
                if message.facts["kind"] == "unwritten":
                    raise files.disk_failure(_UNNAMED.get(operation, "(staged transactions)"), message.facts["errno"])
                if message.facts["kind"] == "broken":
                    raise MerchantScreenError(f"decoding {where} failed inside: {message.facts['reason']}")
                yield message
        except OSError:
            pass
        raise _undecodable(where, f"its decoder ended with {self._ending()}")

    @contextmanager
    def alone(self) -> Iterator[Self]:
        """Hold the child for requests that belong together, while other threads wait for it."""
        with self._use:
            yield self

    def rest(self) -> None:
        """Let the child go, and its memory with it; the next request starts another."""
        self._stop()

    def give_up(self) -> None:
        """End the child for good, whatever thread waits for it: its request fails, and so does every later one."""
        self._is_given_up = True
        if (child := self._child) is not None:
            child.terminate()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._is_given_up:
            raise MerchantScreenError("reading was given up")
        if self._child is None:
            arguments = [
                sys.executable,
                "-I",
                "-B",
                "-c",
                _START,
                *(entry for entry in sys.path if Path(entry).is_absolute()),
            ]
            self._child = subprocess.Popen(  # noqa: S603  # our own interpreter and our own module
                arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            hello = {"staging": str(self._staging), "prefix": f"{self._name}-{self._started}"}
            _pipe(self._child.stdin).write(json.dumps(hello).encode() + b"\n")
            self._started += 1
        return self._child

    def _ending(self) -> str:
        """Bury the child and say how it ended."""
        code = self._stop()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _stop(self) -> int:
        if self._child is None:
            return 0
        child, self._child = self._child, None
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                _pipe(pipe).close()
        return child.wait()


def _pipe(pipe: Any) -> BinaryIO:
    if pipe is None:
        raise AssertionError("the child was started without pipes")
    return pipe  # type: ignore[no-any-return]  # Popen types its pipes as optional


def _undecodable(where: str, reason: str) -> InputError:
    kind = PROBLEMS["MS-PQT-003"]
    return InputError("a Parquet file cannot be decoded", (kind.at(where, found=f"{kind.title} ({reason})"),))


def _send(pipe: BinaryIO, facts: dict[str, Any], frames: Sequence[pl.DataFrame]) -> None:
    payloads = [_arrow(frame) for frame in frames]
    line = json.dumps({**facts, "sizes": [len(payload) for payload in payloads]}).encode()
    pipe.write(b"".join([line, b"\n", *payloads]))
    pipe.flush()


def _receive(pipe: BinaryIO) -> Message | None:
    """Read one message; None when the other end has gone."""
    line = pipe.readline()
    if not line.endswith(b"\n"):
        return None
    facts = json.loads(line)
    payloads = [pipe.read(size) for size in facts["sizes"]]
    if [len(payload) for payload in payloads] != facts["sizes"]:
        return None
    return Message(facts, tuple(pl.read_ipc_stream(io.BytesIO(payload)) for payload in payloads))


# --------------------------------------------------------------------------- the child's end


def main() -> int:
    """Serve requests until the parent closes the pipe."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(MEMORY_LIMIT_BYTES)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    hello = json.loads(sys.stdin.buffer.readline())
    server = _Server(Path(hello["staging"]), hello["prefix"], replies)
    while (request := _receive(sys.stdin.buffer)) is not None:
        server.serve({**request.facts, "frames": request.frames})
    return 0


def _limit_memory(limit_bytes: int) -> None:
    """Set the address space of this process, as far as whoever started us allows."""
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    allowed = limit_bytes if most == resource.RLIM_INFINITY else min(limit_bytes, most)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, most))


class _Server:
    """Answers requests, one file at a time."""

    def __init__(self, folder: Path, prefix: str, replies: BinaryIO) -> None:
        self._folder = folder
        self._staged = Stage(folder, prefix)
        self._surveyor = survey.Surveyor(folder)
        self._merchants = merchants.MerchantRowsRead()
        self._replies = replies

    def serve(self, request: dict[str, Any]) -> None:
        """Answer one request; what the decoder stumbles over is the file's fault, the rest is ours."""
        try:
            getattr(self, f"_{request['operation']}")(request)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # a panic of the decoder is no Exception
            if (number := disk_error(error)) is not None:
                self._send({"kind": "unwritten", "errno": number})
                return
            theirs = bool(request["path"]) and (isinstance(error, _OF_THE_FILE) or not isinstance(error, Exception))
            reason = type(error).__name__ if theirs else f"{type(error).__name__} at {_place(error)}"
            self._send({"kind": "failed" if theirs else "broken", "reason": reason})
        else:
            self._send({"kind": "done"})

    def _inspect(self, request: dict[str, Any]) -> None:
        table = INPUT_TABLES[request["role"]]
        plan, problems, rows = parquet.inspect(Path(request["path"]), table, RoleMapping(**request["mapping"]))
        found = [asdict(problem) for problem in problems]
        schema = pl.read_parquet_schema(request["path"])
        fits = request["role"] == "transactions" and not problems and survey.is_plain(schema, plan)
        self._send({"kind": "schema", "problems": found, "fields": sorted(plan.fields), "rows": rows,
                    "plain": dict(plan.columns) if fits else None})  # fmt: skip

    def _read(self, request: dict[str, Any]) -> None:
        table, path = INPUT_TABLES[request["role"]], Path(request["path"])
        plan, _, rows = parquet.inspect(path, table, RoleMapping(**request["mapping"]))
        for batch in parquet.batches(path, plan, rows, parquet.BATCH_ROWS[request["role"]]):
            judged = fields.judge(batch, table)
            losses = Losses()
            if request["role"] == "transactions":
                self._staged.add(stage(judged.accepted, request["index"], losses))
            else:
                self._gather({**request, "frames": [judged.accepted]})
            counts = {"stripped": dict(losses.stripped), "unreadable": dict(losses.unreadable)}
            self._send({"kind": "block", "rows": batch.height, **counts}, judged.rejected)

    def _gather(self, request: dict[str, Any]) -> None:
        """Keep accepted merchant rows until all are there; what is kept is not counted against decoding."""
        for accepted in request["frames"]:
            self._merchants.add(accepted, request["index"])
        _limit_memory(MEMORY_LIMIT_BYTES + _ROOM * self._merchants.size_bytes)

    def _combine(self, request: dict[str, Any]) -> None:
        """Make the tables of all merchant rows; there is nothing left to decode, so nothing to be limited for."""
        resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)
        key = bytes.fromhex(request["key"]) if request["key"] else None
        folder = Path(request["folder"])

        def written(accounts: Path) -> None:
            self._send({"kind": "accounts", "path": str(accounts)})

        # the rows have no name here: who combines them lets go of their columns one after the other
        made = merchants.combine(self._merchants.take(), key, folder, written)
        self._send({"kind": "combined", "declared": str(made.declared),
                    "stripped": dict(made.losses.stripped), "unreadable": dict(made.losses.unreadable),
                    "key_id": made.key_id}, made.repeated)  # fmt: skip

    def _survey(self, request: dict[str, Any]) -> None:
        """Judge a file that can stay where it is, and tell what has to be known of it."""
        table, path = INPUT_TABLES[request["role"]], Path(request["path"])
        plan, _, rows = parquet.inspect(path, table, RoleMapping(**request["mapping"]))
        try:
            found = self._surveyor.survey(path, plan, rows, f"survey-{request['index']}", self._tell)
        except survey.CrowdedError:
            self._send({"kind": "crowded"})
        else:
            self._send({"kind": "surveyed", **found})

    def _tell(self, rows: int, rejected: pl.DataFrame) -> None:
        self._send({"kind": "block", "rows": rows, "stripped": {}, "unreadable": {}}, rejected)

    def _finish(self, _: dict[str, Any]) -> None:
        parts, present = self._staged.take()
        self._send({"kind": "staged", "parts": [str(part) for part in parts], "present": sorted(present)})

    def _send(self, facts: dict[str, Any], *frames: pl.DataFrame) -> None:
        _send(self._replies, facts, frames)


def _arrow(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def _place(error: BaseException) -> str:
    """Return where an error of ours was raised; its text could hold values and is left out."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def problems_in(message: Message) -> list[Problem]:
    """Return the problems a message tells of."""
    return [Problem(**facts) for facts in message.facts["problems"]]
