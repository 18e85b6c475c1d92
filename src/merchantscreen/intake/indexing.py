"""Making the index: each file that has no entry yet is read, judged, and reduced to one.

Rules kept here:
* a file is judged exactly as a screen judges it, in place where its columns fit; what a screen would reject is
  rejected here, with the same words;
* one file after the other for each process that decodes, so a stop loses at most the files that are underway,
  and of these no bucket that is finished.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from merchantscreen.errors import InputError
from merchantscreen.intake import (
    WORKERS,
    digests,
    disk_errors_told,
    drop_repeated,
    duplicates,
    files,
    known,
    read_merchants,
    sources_of,
)
from merchantscreen.intake.columns import Columns, ColumnsInPlace, StagedColumns
from merchantscreen.intake.entries import Accepted, Entry, recipe, write_entry
from merchantscreen.intake.index import Index
from merchantscreen.intake.inplace import PlainFile, sharing, tables_of, unchanged
from merchantscreen.intake.mapping import ColumnMapping
from merchantscreen.intake.reading import OpenFile, Reader, Rows, look_at, taken_from
from merchantscreen.intake.worker import Worker
from merchantscreen.records import Progress, Role, Silent


@dataclass(frozen=True, slots=True)
class Indexed:
    """What indexing came to.

    Attributes:
        made: Entries of files that were read now.
        known: Files that had an entry already.
    """

    made: tuple[tuple[Path, Entry], ...]
    known: tuple[tuple[Path, Entry], ...]


@dataclass(frozen=True, slots=True)
class MerchantOrder:
    """How merchant files are read: the mapping, and the operator's key of the contact tokens if there is one."""

    mapping: ColumnMapping
    key: bytes | None = None


def index_files(
    index: Index, transactions: Sequence[Path], work: Path, mapping: ColumnMapping, progress: Progress | None = None
) -> Indexed:
    """Make the entries of transaction files that have none.

    Args:
        index: The index, held for writing.
        transactions: Files or folders of tables.TransactionRows.
        work: Empty folder to work in.
        mapping: What the columns of foreign files mean.
        progress: Told of bytes read.

    Raises:
        InputError: Files cannot be used; all their problems are named, and nothing is read.
        FileAccessError: Reading or writing failed underway; entries that were finished stay.
    """
    paths = files.expand(transactions, "transactions")
    began_ns, states = work.stat().st_mtime_ns, {path: digests.state_of(path) for path in paths}
    there = index.entries(paths, mapping)
    waiting = [path for path in paths if path not in there]
    tell = progress or Silent()
    with disk_errors_told():
        opened = _look(waiting, work, mapping)
        tell.stage("indexing transactions", sum(path.stat().st_size for path in waiting))
        made = _side_by_side([_Job(index, file, mapping, tell) for file in opened], work)
        index.note_digests(there | dict(zip(waiting, made, strict=True)), digests.settled(states, began_ns))
        index.note_overlaps()
        tell.stage("merging the tables of many files")
        index.merge(recipe(mapping.transactions), work)
    return Indexed(tuple(zip(waiting, made, strict=True)), tuple(there.items()))


def index_merchants(
    index: Index, merchants: Sequence[Path], work: Path, order: MerchantOrder, progress: Progress | None = None
) -> bool:
    """Keep what merchant files come to, if it is not kept already.

    Args:
        index: The index, held for writing.
        merchants: All merchant files of a screen, in the order in which it names them.
        work: Empty folder to work in.
        order: How they are read.
        progress: Told of bytes read.

    Returns:
        Whether they were read now.

    Raises:
        InputError: Files cannot be used; all their problems are named.
        FileAccessError: Reading or writing failed underway.
    """
    paths = files.expand(merchants, "merchants")
    name = known.set_name([files.digest(path)[1] for path in paths], order.mapping.merchants, order.key)
    if known.find(index.merchants, name):
        return False
    tell = progress or Silent()
    with disk_errors_told(), Worker(work, "merchants") as worker:
        opened = _look(paths, work, order.mapping, "merchants")
        tell.stage("indexing merchants", sum(path.stat().st_size for path in paths))
        read = read_merchants(Reader(order.mapping, [worker], tell), opened, order.key, work)
        tables = read.accounts_file, read.declared_file
        known.keep(index.merchants, name, tables, read.tallies, read.key_id, read.lots)
    return True


def _look(paths: Sequence[Path], work: Path, mapping: ColumnMapping, role: Role = "transactions") -> list[OpenFile]:
    """Look at all files before any is read."""
    if not paths:
        return []
    with Worker(work, "look") as worker:
        opened, problems = look_at(role, paths, mapping, worker)
    if problems:
        raise InputError(f"{len(problems)} problems with the input files", tuple(problems))
    return opened


@dataclass(frozen=True, slots=True)
class _Job:
    """One file that needs an entry."""

    index: Index
    file: OpenFile
    mapping: ColumnMapping
    tell: Progress


def _side_by_side(jobs: Sequence[_Job], work: Path) -> list[Entry]:
    """Do the jobs with several decoding processes; the first failure ends them all."""
    waiting, done = deque(enumerate(jobs)), dict[int, Entry]()

    def serve(number: int) -> None:
        staging = work / f"staging-{number}"
        staging.mkdir()
        try:
            with Worker(staging) as worker:
                maker = _Maker(worker, staging)
                for place, job in taken_from(waiting):
                    done[place] = maker.entry(job)
        except BaseException:
            waiting.clear()
            raise

    with ThreadPoolExecutor(WORKERS) as threads:
        started = [threads.submit(serve, number) for number in range(min(WORKERS, len(jobs)))]
    for one in started:
        one.result()
    return [done[place] for place in range(len(jobs))]


class _Maker:
    """Makes one entry after the other.

    Args:
        worker: The child that judges and decodes.
        staging: Its folder.
    """

    def __init__(self, worker: Worker, staging: Path) -> None:
        self._worker, self._staging = worker, staging
        self._surveyed: dict[int, PlainFile] = {}

    def entry(self, job: _Job) -> Entry:
        """Read one file and reduce it."""
        tally = job.file.tally
        rows = self._read(job)
        keys = duplicates.key_hashes(sources_of(rows))
        with unchanged(tuple(rows.plain.values())):
            drop_repeated([job.file], rows)
        accepted = Accepted(tally, _columns(rows, tally.rows_read), keys)
        entry = write_entry(job.index.transactions, accepted, recipe(job.mapping.transactions))
        for path in (*rows.parts, *tables_of(rows.plain.values(), "hashes"), *tables_of(rows.plain.values(), "held")):
            path.unlink()
        return entry

    def _read(self, job: _Job) -> Rows:
        """Have the file judged, and staged if it cannot stay where it is."""
        reader, number = Reader(job.mapping, [self._worker], job.tell), len(self._surveyed)
        rows = reader.in_place(job.file, number)
        if rows is None:
            return reader.transactions({0: job.file}, self._staging)
        self._surveyed |= rows.plain
        rows.plain = {0: sharing(self._surveyed)[number]}
        return rows


def _columns(rows: Rows, row_count: int) -> Columns:
    (file,) = rows.plain.values() or (None,)
    return ColumnsInPlace(file, row_count) if file else StagedColumns(rows.parts)
