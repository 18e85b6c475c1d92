"""An index whose making is killed or out of disk at any moment: what counts in it is whole, and the rest is made later.

The same for a screen that reads files where they are, and for files that change while it does.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from attack.stopping import Stopped, Stopper
from cli.command import AS_OF, TRANSACTION_COLUMNS, TRANSACTIONS, Inputs, Ran, merchantscreen

from merchantscreen import blindspots, screening
from merchantscreen.intake import reducing
from merchantscreen.intake.index import Index

MOMENTS = 8
"""Kills that are spread over the changes of a command."""
TELLING = {"MS-FILE-013", "MS-RUN-007", "MS-RUN-008"}
"""How a disk that takes no more is told of."""


@pytest.fixture(scope="module")
def stopper() -> Iterator[Stopper]:
    """Start the process that runs commands, once."""
    with Stopper.started() as started:
        yield started


@dataclass(frozen=True)
class Place:
    """Two days of transactions, and an index of them that was made in one go.

    Attributes:
        inputs: The files of a run.
        days: Transaction files, a CSV and a Parquet file.
        whole: The index as it has to be in the end: content by place.
    """

    inputs: Inputs
    days: tuple[Path, ...]
    whole: dict[str, bytes]

    @property
    def index(self) -> Path:
        """Folder of the index that is disturbed."""
        return self.inputs.folder / "index"

    @property
    def words(self) -> list[str | Path]:
        """The words of the command that makes it."""
        return ["index", "--index", self.index, "--transactions", *self.days]

    def finish(self) -> Ran:
        """Let the same command run to its end."""
        return merchantscreen(*self.words)

    def assert_intact(self) -> None:
        """All that counts in the index is as it was written, by the command that checks it."""
        if (self.index / "merchantscreen-index.json").exists():
            checked = merchantscreen("index", "--index", self.index, "--check")
            assert checked.code == 0, checked.err

    def assert_finishes(self) -> None:
        """The same command ends with the same bytes as if it had never been disturbed."""
        assert self.finish().code == 0
        assert entries(self.index) == self.whole


def entries(index: Path) -> dict[str, bytes]:
    """Read every file of every entry."""
    folder = index / "transactions"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Write the files and make the index in one go."""
    folder = tmp_path_factory.mktemp("place")
    inputs = Inputs.good(folder)
    first = inputs.write("one.csv", [TRANSACTION_COLUMNS, *TRANSACTIONS[:6]])
    second = inputs.write("two.csv", [TRANSACTION_COLUMNS, *TRANSACTIONS[6:]])
    place = Place(inputs, (first, second), {})
    assert place.finish().code == 0
    return Place(inputs, (first, second), entries(place.index))


@pytest.fixture
def place(made: Place) -> Place:
    """Give a test the files, and no index."""
    shutil.rmtree(made.index, ignore_errors=True)
    return made


def spread(changes: int) -> list[int]:
    """Choose moments over all changes, the first and the last among them."""
    assert changes >= MOMENTS
    return sorted({1 + (changes - 1) * number // (MOMENTS - 1) for number in range(MOMENTS)})


# --------------------------------------------------------------------------- the index


def test_a_killed_index_is_intact_and_goes_on(place: Place, stopper: Stopper) -> None:
    """Whenever it is killed, what counts passes the check, and the same command ends with the same bytes."""
    changes = stopper.run(place.words).changes
    assert entries(place.index) == place.whole
    for moment in spread(changes):
        shutil.rmtree(place.index)
        assert stopper.run(place.words, at=moment).code is None, moment
        place.assert_intact()
        place.assert_finishes()


def test_a_killed_addition_leaves_what_was_there(place: Place, stopper: Stopper) -> None:
    """A file more is killed at its moments; the entry of the first day is never touched."""
    first = ["index", "--index", place.index, "--transactions", place.days[0]]
    assert merchantscreen(*first).code == 0
    shutil.copytree(place.index, place.index.with_name("before"), dirs_exist_ok=True)
    before = entries(place.index)
    changes = stopper.run(place.words).changes
    for moment in spread(changes)[1:-1:2]:
        shutil.rmtree(place.index)
        shutil.copytree(place.index.with_name("before"), place.index)
        assert stopper.run(place.words, at=moment).code is None, moment
        place.assert_intact()
        after = entries(place.index)
        assert {name: after[name] for name in before} == before
        place.assert_finishes()


def test_finished_buckets_are_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that a full disk ended is gone on with at the bucket it was in."""
    monkeypatch.setattr(reducing, "BUCKET_ROWS", 2)
    write, left = reducing.write_table, iter([True] * 7)

    def until_full(rows: pl.DataFrame, path: Path) -> None:
        if not next(left, False):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(rows, path)

    one = ["index", "--index", place.index, "--transactions", place.days[0]]
    with monkeypatch.context() as full:
        full.setattr(reducing, "write_table", until_full)
        ran = merchantscreen(*one)
        assert (ran.code, ran.err.count("\n")) == (74, 1), ran.err
    assert Index(place.index).all_entries() == []
    kept = {path: path.stat().st_mtime_ns for path in place.index.glob("transactions/*/*-00[01].parquet")}
    assert len(kept) == 6
    assert merchantscreen(*one).code == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    (entry,) = Index(place.index).all_entries()
    assert entry.facts.bucket_count == 3
    assert list(entry.altered()) == []
    assert pl.read_parquet(entry.table("rows")).height == entry.facts.row_count == 6


def assert_told(ran: Stopped, moment: object) -> None:
    """A full disk is told of in one line, with its exit code; 73 where not even the folder can be made."""
    assert ran.code in {73, 74}, (moment, ran)
    assert ran.err.count("\n") == 1, (moment, ran)
    assert ran.code == 73 or ran.err.split(" ")[0] in TELLING, (moment, ran)


def test_a_full_disk_leaves_the_index_intact(place: Place, stopper: Stopper) -> None:
    """From any change on nothing more can be made: exit code 74, one line, and the next attempt gets there."""
    changes = stopper.run(place.words).changes
    told = 0
    for moment in spread(changes):
        shutil.rmtree(place.index, ignore_errors=True)
        ran = stopper.run(place.words, at=moment, how="full")
        if ran.code != 0:  # after the last thing is made, only removing is left
            assert_told(ran, moment)
            told += 1
        place.assert_intact()
        place.assert_finishes()
    assert told >= MOMENTS // 2


@pytest.mark.parametrize("limit", [0, 100, 1_500])
def test_a_disk_that_fills_while_a_library_writes(place: Place, stopper: Stopper, limit: int) -> None:
    """The same where it is the Parquet writer that finds the disk full."""
    assert_told(stopper.run(place.words, limit=limit), limit)
    place.assert_intact()
    place.assert_finishes()


# --------------------------------------------------------------------------- a screen in place


def in_place(inputs: Inputs) -> tuple[Path, list[str | Path]]:
    """Write the transactions as Parquet that can stay where it is; return the file and the words that screen it."""
    path = inputs.folder / "day.parquet"
    rows = pl.read_csv(inputs.folder / "transactions.csv", infer_schema=False)
    moments = pl.col("occurred_at").str.to_datetime(time_zone="UTC")
    rows.with_columns(pl.col("amount_minor").cast(pl.Int64), moments).write_parquet(path)
    words = [*inputs.words[:5], "--transactions", path, "--as-of", AS_OF, "--out", inputs.out, "--run-id", "r"]
    return path, words


def test_a_killed_screen_in_place_leaves_no_half_run(stopper: Stopper, tmp_path: Path) -> None:
    """Whenever it is killed, the run is whole or not there, and the input is as it was."""
    inputs = Inputs.good(tmp_path)
    path, words = in_place(inputs)
    before = path.read_bytes()
    changes = stopper.run(words).changes
    for moment in spread(changes)[1::3]:
        shutil.rmtree(inputs.out)
        assert stopper.run(words, at=moment).code is None, moment
        if (inputs.out / "r").exists():
            assert merchantscreen("verify", inputs.out / "r").code == 0
        else:
            assert not [path for path in inputs.out.glob("*") if not path.name.startswith((".work-", ".r."))]
    assert path.read_bytes() == before


def test_a_full_disk_ends_a_screen_in_place(stopper: Stopper, tmp_path: Path) -> None:
    """Also where only what is known of the files is written: exit code 74, one line, nothing published."""
    inputs = Inputs.good(tmp_path)
    words = in_place(inputs)[1]
    for limit in (0, 2_000):
        assert_told(stopper.run(words, limit=limit), limit)
        assert list(inputs.out.iterdir()) == []


def _replaced(path: Path) -> None:
    other = path.with_name("other.parquet")
    pl.read_parquet(path).head(1).write_parquet(other)
    other.replace(path)


def _appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


CHANGES: dict[str, Callable[[Path], None]] = {
    "replaced": _replaced, "appended to": _appended, "removed": Path.unlink,
    "written anew": lambda path: os.utime(path, ns=(1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_that_changes_under_a_screen_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, when: str
) -> None:
    """Before a screen reads its rows or at its end: exit code 65, the file's name, and nothing published."""
    inputs = Inputs.good(tmp_path)
    path, words = in_place(inputs)
    place, name = (screening, "find_links") if when == "before" else (blindspots, "find")
    meant = getattr(place, name)

    def disturbed(*args: object) -> object:
        if when == "before":
            CHANGES[change](path)
            return meant(*args)
        found = meant(*args)
        CHANGES[change](path)
        return found

    monkeypatch.setattr(place, name, disturbed)
    ran = merchantscreen(*words)
    assert (ran.code, ran.codes) == (65, ["MS-FILE-014"]), ran.err
    assert "day.parquet" in ran.err
    assert list(inputs.out.iterdir()) == []
