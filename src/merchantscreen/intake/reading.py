"""One look at each file, then one pass over it: CSV here, Parquet in the child process.

Rules kept here:
* all files are looked at before any is read, and all their problems are raised together;
* both kinds of file end in the same accepted rows and the same account of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from merchantscreen.errors import InputError, Problem
from merchantscreen.intake import fields, files, lines
from merchantscreen.intake.hosts import Losses
from merchantscreen.intake.mapping import ColumnMapping, ColumnPlan, RoleMapping, plan_columns
from merchantscreen.intake.merchants import SOURCE_FILE
from merchantscreen.intake.tally import FileTally
from merchantscreen.intake.transactions import Stage, stage
from merchantscreen.intake.worker import Message, Worker, problems_in
from merchantscreen.records import Progress, Role
from merchantscreen.tables import INPUT_TABLES, MerchantRows, schema_of

_MERCHANT_SCHEMA: Final = pl.Schema({**schema_of(MerchantRows), lines.LINE: pl.Int64(), SOURCE_FILE: pl.Int32()})


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that has been looked at: its tally, and for CSV its header and what its columns fill."""

    tally: FileTally
    names: tuple[str, ...] = ()
    plan: ColumnPlan | None = None


def look_at(
    role: Role, paths: Sequence[Path], mapping: ColumnMapping, worker: Worker
) -> tuple[list[OpenFile], list[Problem]]:
    """Look at the header or schema of every file of an input, and collect what is wrong with them."""
    found, problems = files.find(paths, role)
    opened: list[OpenFile] = []
    for path in found:
        look = _look_at_parquet if files.is_parquet(path) else _look_at_csv
        try:
            file, wrong = look(role, path, mapping.of(role), worker)
        except InputError as error:
            problems += error.problems
        else:
            opened.append(file)
            problems += wrong
    return opened, problems


def _look_at_csv(role: Role, path: Path, mapping: RoleMapping, _: Worker) -> tuple[OpenFile, list[Problem]]:
    names = lines.read_header(path)
    plan, problems = plan_columns(path.name, names, INPUT_TABLES[role], mapping)
    return OpenFile(FileTally(role, path, plan.fields), tuple(names), plan), problems


def _look_at_parquet(role: Role, path: Path, mapping: RoleMapping, worker: Worker) -> tuple[OpenFile, list[Problem]]:
    problems: list[Problem] = []
    filled: frozenset[str] = frozenset()
    for message in worker.ask("inspect", path, role=role, mapping=asdict(mapping)):
        problems += problems_in(message)
        filled = frozenset(message.facts["fields"])
    return OpenFile(FileTally(role, path, filled)), problems


class Reader:
    """Reads files that have been looked at.

    Args:
        mapping: What the columns of foreign files mean.
        workers: The children that decode Parquet, one file each at a time; the first alone reads merchants.
        progress: Told of every byte read.
    """

    def __init__(self, mapping: ColumnMapping, workers: Sequence[Worker], progress: Progress) -> None:
        self._mapping = mapping
        self._workers = workers
        self._progress = progress

    def merchants(self, opened: Sequence[OpenFile]) -> pl.DataFrame:
        """Return the accepted merchant rows of all files with their places, in memory."""
        frames = [pl.DataFrame(schema=_MERCHANT_SCHEMA)]
        for index, file in enumerate(opened):
            place = pl.lit(index, pl.Int32).alias(SOURCE_FILE)
            frames += [
                block.with_columns(place).select(_MERCHANT_SCHEMA.names()) for block in self._blocks(file, index)
            ]
        return pl.concat(frames)

    def transactions(self, opened: Sequence[OpenFile], staging: Path) -> tuple[list[Path], set[str]]:
        """Stage the accepted transactions of all files; return the parts and the columns with values."""
        staged = Stage(staging, "csv")
        for index, file in enumerate(opened):
            if file.plan is None:
                continue
            for block in self._records(file):
                losses = Losses(file.tally.stripped, file.tally.unreadable)
                staged.add(stage(block, index, losses))
        staged.flush()
        parts, present = list(staged.parts), set(staged.present)
        for message in self._decode_all([(file, index) for index, file in enumerate(opened) if file.plan is None]):
            parts += [Path(part) for part in message.facts["parts"]]
            present |= set(message.facts["present"])
        return parts, present

    def _decode_all(self, opened: Sequence[tuple[OpenFile, int]]) -> list[Message]:
        """Have the children decode and stage Parquet files side by side; return what each has staged."""
        workers = self._workers[: len(opened)]
        waiting = deque(opened)
        with ThreadPoolExecutor(max(1, len(workers))) as threads:
            started = [threads.submit(self._decode_waiting, worker, waiting) for worker in workers]
        return [message for one in started for message in one.result()]

    def _decode_waiting(self, worker: Worker, waiting: deque[tuple[OpenFile, int]]) -> list[Message]:
        """Decode one file after the other until none is left; a file that fails leaves none to anybody."""
        try:
            while True:
                for _ in self._decode(*waiting.popleft(), worker):
                    pass
        except IndexError:
            return list(worker.ask("finish"))
        except BaseException:
            waiting.clear()
            raise

    def _blocks(self, file: OpenFile, index: int) -> Iterator[pl.DataFrame]:
        """Yield the accepted records of a file of either kind."""
        if file.plan is not None:
            yield from self._records(file)
        else:
            yield from (message.frames[1] for message in self._decode(file, index, self._workers[0]))

    def _records(self, file: OpenFile) -> Iterator[pl.DataFrame]:
        """Yield the accepted records of a CSV file and keep its account."""
        table, tally, plan = INPUT_TABLES[file.tally.role], file.tally, file.plan
        csv = lines.CsvFile(tally.path, file.names, self._progress.advance)
        for block in csv.blocks():
            tally.rows_read += block.accepted.height + block.rejected.height
            judged = fields.judge(plan.apply(block.accepted, lines.LINE) if plan else block.accepted, table)
            tally.rejected += [rows for rows in (block.rejected, judged.rejected) if rows.height]
            yield judged.accepted
        tally.size_bytes, tally.sha256 = csv.size_bytes, csv.sha256

    def _decode(self, file: OpenFile, index: int, worker: Worker) -> Iterator[Message]:
        """Have a child decode a Parquet file, yield its blocks and keep the file's account."""
        tally = file.tally
        mapping: dict[str, Any] = asdict(self._mapping.of(tally.role))
        for message in worker.ask("read", tally.path, role=tally.role, mapping=mapping, index=index):
            tally.rows_read += message.facts["rows"]
            tally.rejected += [message.frames[0]] if message.frames[0].height else []
            tally.stripped.update(message.facts["stripped"])
            tally.unreadable.update(message.facts["unreadable"])
            yield message
        tally.size_bytes, tally.sha256 = files.digest(tally.path)
        self._progress.advance(tally.size_bytes)
