"""One look at each file, then one pass over it: CSV here, Parquet in the child process.

Rules kept here:
* all files are looked at before any is read, and all their problems are raised together;
* both kinds of file end in the same accepted rows and the same account of them;
* merchants and transactions are read at once, and the first that cannot be read ends the other.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import polars as pl

from merchantscreen.errors import InputError, Problem
from merchantscreen.features.peers import draws_of
from merchantscreen.intake import fields, files, lines
from merchantscreen.intake.entries import Entry
from merchantscreen.intake.hosts import Losses
from merchantscreen.intake.index import Index
from merchantscreen.intake.inplace import PlainFile, plain_file, sharing, state_of
from merchantscreen.intake.mapping import ColumnMapping, ColumnPlan, RoleMapping, plan_columns
from merchantscreen.intake.merchants import MerchantRowsRead, Merchants, combine
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.intake.tally import FileTally
from merchantscreen.intake.transactions import Stage, stage
from merchantscreen.intake.worker import Message, Worker, problems_in
from merchantscreen.records import Progress, Role
from merchantscreen.tables import INPUT_TABLES

FEW_BYTES: Final = 16 * 1024**2
"""Merchant files in CSV up to here are combined in this process: some 60,000 accounts, 100 MB, quicker than a child."""

_THREADS_PER_SURVEYOR: Final = 2
"""Threads that a child which judges files in place keeps busy. Each makes the names of all texts that it meets, so one
child more than there are threads for makes them twice and gains nothing."""
One = TypeVar("One")
Other = TypeVar("Other")
Job = TypeVar("Job")
_Waiting = deque[tuple["OpenFile", int]]
"""Files that nobody has begun with, and the place of each among all."""


def at_once(one: Callable[[], One], other: Callable[[], Other], give_up: Callable[[], None]) -> tuple[One, Other]:
    """Do two things at once.

    Args:
        one: The first.
        other: The second.
        give_up: Makes whatever is still at work fail soon; called when one of them has failed.

    Raises:
        BaseException: What the first that failed raised.
    """
    failures: list[BaseException] = []

    def fail(error: BaseException) -> None:
        failures.append(error)
        give_up()

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(_watched, one, fail), threads.submit(_watched, other, fail)
    if failures:
        raise failures[0]
    return first.result(), second.result()


def _watched(do: Callable[[], One], fail: Callable[[BaseException], None]) -> One:
    try:
        return do()
    except BaseException as error:
        fail(error)
        raise


def taken_from(waiting: deque[Job]) -> Iterator[Job]:
    """Take one job after the other, of which others take as well.

    Args:
        waiting: What nobody has begun with.
    """
    with suppress(IndexError):
        while True:
            yield waiting.popleft()


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that has been looked at.

    Attributes:
        tally: Its account, already full where an entry stands for it.
        names: Header of a CSV file.
        plan: What the columns of a CSV file fill.
        plain: Of a Parquet file that can be read in place, the column of each field.
        entry: The entry of the index that stands for the file, which is then not read.
    """

    tally: FileTally
    names: tuple[str, ...] = ()
    plan: ColumnPlan | None = None
    plain: Mapping[str, str] | None = None
    entry: Entry | None = None


def look_at(
    role: Role, paths: Sequence[Path], mapping: ColumnMapping, worker: Worker, index: Index | None = None
) -> tuple[list[OpenFile], list[Problem]]:
    """Look at the header or schema of every file of an input, and collect what is wrong with them."""
    found, problems = files.find(paths, role)
    known = index.known(found, mapping) if index else {}
    opened: list[OpenFile] = []
    for path in found:
        if path in known:
            opened.append(OpenFile(known[path].tally(path), entry=known[path]))
            continue
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
    plain: dict[str, str] | None = None
    for message in worker.ask("inspect", path, role=role, mapping=asdict(mapping)):
        problems += problems_in(message)
        filled, plain = frozenset(message.facts["fields"]), message.facts["plain"]
    return OpenFile(FileTally(role, path, filled), plain=plain), problems


@dataclass(slots=True)
class Rows:
    """Accepted transactions, wherever they lie.

    Attributes:
        parts: Staged parts.
        plain: Files that are read in place, by their place among all.
        present: Columns of tables.Transactions with values.
    """

    parts: list[Path] = field(default_factory=list)
    plain: dict[int, PlainFile] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def add(self, other: Rows) -> None:
        """Take in what was read by another process, or later."""
        self.parts += other.parts
        self.plain |= other.plain
        self.present |= other.present


class Reader:
    """Reads files that have been looked at.

    Args:
        mapping: What the columns of foreign files mean.
        workers: The children that decode Parquet, one file each at a time; the last alone reads merchants.
        progress: Told of every byte read.
        in_place: Whether Parquet files whose columns fit may stay where they are.
    """

    def __init__(
        self, mapping: ColumnMapping, workers: Sequence[Worker], progress: Progress, *, in_place: bool = False
    ) -> None:
        self._mapping = mapping
        self._in_place = in_place
        self._workers = workers
        self._progress = progress
        self._surveyors = max(1, pl.thread_pool_size() // _THREADS_PER_SURVEYOR)

    def give_up(self) -> None:
        """Make whatever is being read fail soon."""
        for worker in self._workers:
            worker.give_up()

    def look_again(self, file: OpenFile) -> OpenFile:
        """Look at a transaction file for which an entry was to stand.

        Raises:
            InputError: It cannot be used any more.
        """
        found, problems = look_at("transactions", [file.tally.path], self._mapping, self._workers[0])
        if problems:
            raise InputError(f"{len(problems)} problems with the input files", tuple(problems))
        return found[0]

    def merchants(self, opened: Sequence[OpenFile], key: bytes | None, folder: Path) -> Merchants:
        """Combine the accepted merchant rows of all files, in the child that decodes unless they are few.

        Args:
            opened: The files.
            key: Key of the contact tokens; derived from the data when None.
            folder: Where the tables go.
        """
        few = all(file.plan for file in opened) and sum(file.tally.path.stat().st_size for file in opened) <= FEW_BYTES
        if few:
            rows = MerchantRowsRead()
            for index, file in enumerate(opened):
                for block in self._records(file):
                    rows.add(block, index)
            return combine(rows.take(), key, folder)
        with self._workers[-1].alone() as worker:
            for index, file in enumerate(opened):
                self._gather(file, index, worker)
            combined = self._combine(key, folder, worker)
            worker.rest()
        return combined

    def _gather(self, file: OpenFile, index: int, worker: Worker) -> None:
        """Have the child keep the accepted rows of a merchant file, decoded there or handed over."""
        if file.plan is None:
            deque(self._decode(file, index, worker), maxlen=0)
            return
        for block in self._records(file):
            deque(worker.ask("gather", frames=[block], index=index), maxlen=0)

    def _combine(self, key: bytes | None, folder: Path, worker: Worker) -> Merchants:
        """Have the child combine the merchant rows that it keeps; the lots of accounts are drawn here meanwhile."""
        replies = worker.ask("combine", key=key.hex() if key else None, folder=str(folder))
        accounts = Path(next(replies).facts["path"])
        # from the file, as the child needs the memory that all of their ids would take
        lots = draws_of(pl.scan_parquet(accounts, glob=False).select("account_id"))
        (message,) = replies
        facts = message.facts
        losses = Losses(Counter(facts["stripped"]), Counter(facts["unreadable"]))
        return Merchants(accounts, Path(facts["declared"]), message.frames[0], losses, facts["key_id"], lots)

    def transactions(self, opened: Mapping[int, OpenFile], staging: Path) -> Rows:
        """Judge the transactions of some files, and stage those that cannot stay where they are.

        Args:
            opened: The files by their place among all.
            staging: Folder for the parts.
        """
        staged = Stage(staging, f"csv-{min(opened, default=0)}")
        for index, file in opened.items():
            if file.plan is None:
                continue
            for block in self._records(file):
                losses = Losses(file.tally.stripped, file.tally.unreadable)
                staged.add(stage(block, index, losses))
        parts, present = staged.take()
        rows = Rows(parts, present=present)
        for decoded in self._decode_all([(file, index) for index, file in opened.items() if file.plan is None]):
            rows.add(decoded)
        return rows

    def in_place(self, file: OpenFile, number: int) -> Rows | None:
        """Judge one transaction file that stays where it is; the child remembers its names for the next.

        Args:
            file: The file.
            number: Another one for every file that the child is asked about.

        Returns:
            The file, its place among all being `number`; None where it has to be staged.
        """
        rows = Rows()
        return rows if file.plain and self._survey(file, number, self._workers[0], rows) else None

    def _decode_all(self, opened: Sequence[tuple[OpenFile, int]]) -> list[Rows]:
        """Have the children read Parquet files side by side; return what each made of its own."""
        plain, other = _Waiting(), _Waiting()
        for file, index in opened:
            (plain if self._in_place and file.plain else other).append((file, index))
        surveyors, decoders = min(len(plain), self._surveyors), len(other)
        asked = self._workers[: max(surveyors, decoders)]
        with ThreadPoolExecutor(max(1, len(asked))) as threads:
            started = [
                threads.submit(self._read_waiting, worker, plain if number < surveyors else _Waiting(), other)
                for number, worker in enumerate(asked)
            ]
        return [one.result() for one in started]

    def _read_waiting(self, worker: Worker, plain: _Waiting, other: _Waiting) -> Rows:
        """Judge files in place and decode others until none is left; a file that fails leaves none to anybody."""
        rows = Rows()
        try:
            with worker.alone():
                for file, index in taken_from(plain):
                    if not self._survey(file, index, worker, rows):
                        other.append((file, index))
                for file, index in taken_from(other):
                    deque(self._decode(file, index, worker), maxlen=0)
                for message in worker.ask("finish"):
                    staged = message.facts
                    rows.add(Rows([Path(part) for part in staged["parts"]], present=set(staged["present"])))
                worker.rest()
        except BaseException:
            plain.clear()
            other.clear()
            raise
        rows.plain = sharing(rows.plain)
        return rows

    def _survey(self, file: OpenFile, index: int, worker: Worker, rows: Rows) -> bool:
        """Have a child judge a file that is to stay where it is; false if it has to be staged after all."""
        state, tally = state_of(file.tally.path), file.tally
        mapping: dict[str, Any] = asdict(self._mapping.of(tally.role))
        is_crowded = False
        with _digested(tally.path) as digest:
            for message in worker.ask("survey", tally.path, role=tally.role, mapping=mapping, index=index):
                facts = message.facts
                if facts["kind"] == "crowded":
                    is_crowded = True  # and on: what is left of a reply would be taken for that to the next request
                elif facts["kind"] == "surveyed":
                    rows.add(_surveyed(file, index, facts, state))
                else:
                    self._count(tally, message)
        if is_crowded:
            tally.rows_read = 0
            tally.rejected.clear()
            return False
        self._finish(tally, state, digest.result())
        return True

    def _records(self, file: OpenFile) -> Iterator[pl.DataFrame]:
        """Yield the accepted records of a CSV file and keep its account."""
        table, tally, plan = INPUT_TABLES[file.tally.role], file.tally, file.plan
        csv = lines.CsvFile(tally.path, file.names, self._progress.advance)
        for block in csv.blocks():
            rows = block.accepted.height + block.rejected.height
            tally.rows_read += rows
            self._progress.advance(0, rows)
            judged = fields.judge(plan.apply(block.accepted, lines.LINE) if plan else block.accepted, table)
            tally.rejected += [some for some in (block.rejected, judged.rejected) if some.height]
            yield judged.accepted
        tally.size_bytes, tally.sha256 = csv.size_bytes, csv.sha256

    def _decode(self, file: OpenFile, index: int, worker: Worker) -> Iterator[Message]:
        """Have a child decode a Parquet file, yield its blocks and keep the file's account."""
        tally, state = file.tally, state_of(file.tally.path)
        mapping: dict[str, Any] = asdict(self._mapping.of(tally.role))
        with _digested(tally.path) as digest:
            for message in worker.ask("read", tally.path, role=tally.role, mapping=mapping, index=index):
                self._count(tally, message)
                yield message
        self._finish(tally, state, digest.result())

    def _count(self, tally: FileTally, message: Message) -> None:
        """Book a block of rows."""
        tally.rows_read += message.facts["rows"]
        self._progress.advance(0, message.facts["rows"])
        tally.rejected += [message.frames[0]] if message.frames[0].height else []
        tally.stripped.update(message.facts["stripped"])
        tally.unreadable.update(message.facts["unreadable"])

    def _finish(self, tally: FileTally, state: tuple[int, int, int], digest: tuple[int, str]) -> None:
        """Note the digest of a file that was read to its end, and that is still the one that was begun."""
        tally.size_bytes, tally.sha256 = digest
        if state_of(tally.path) != state:
            raise InputError("an input file has changed", (PROBLEMS["MS-FILE-014"].at(tally.path.name),))
        self._progress.advance(tally.size_bytes)


@contextmanager
def _digested(path: Path) -> Iterator[Future[tuple[int, str]]]:
    """Take the digest of a file while something else is done with it."""
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(files.digest, path)


def _surveyed(file: OpenFile, index: int, facts: Mapping[str, Any], state: tuple[int, int, int]) -> Rows:
    """Make the rows of a file out of what its survey came to, and book what became of its fields."""
    tally = file.tally
    tally.stripped.update(facts["stripped"])
    tally.unreadable.update(facts["unreadable"])
    plain = plain_file(tally.path, file.plain or {}, facts, state)
    lines = [line for rejected in tally.rejected for line in rejected["line"]]
    return Rows(plain={index: plain.without(lines)}, present=set(facts["present"]))
