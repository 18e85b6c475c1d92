"""An index whose making is killed or out of disk at any moment: what counts in it is whole, and the rest is made later.

The same for a screen that reads files where they are, and for files that change while it does.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest
from attack.stopping import Stopped, Stopper
from cli.command import AS_OF, TRANSACTION_COLUMNS, TRANSACTIONS, Inputs, Ran, merchantscreen

from merchantscreen import blindspots, screening
from merchantscreen.intake import reducing
from merchantscreen.intake.entries import FACTS
from merchantscreen.intake.index import Index
from merchantscreen.intake.known import ACCOUNTS, DECLARED, LOTS, REJECTS

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
    """Files of one role, and an index of them that was made in one go.

    Attributes:
        inputs: The files of a run.
        role: Option that names the files, and folder of the index that keeps what they come to.
        files: Two days of transactions, or the merchants.
        whole: The index as it has to be in the end: content by place.
    """

    inputs: Inputs
    role: str
    files: tuple[Path, ...]
    whole: dict[str, bytes]

    @property
    def index(self) -> Path:
        """Folder of the index that is disturbed."""
        return self.inputs.folder / "index"

    @property
    def words(self) -> list[str | Path]:
        """The words of the command that makes it."""
        return ["index", "--index", self.index, f"--{self.role}", *self.files]

    @property
    def kept(self) -> dict[str, bytes]:
        """Every file of what the index keeps of them, as it is now."""
        folder = self.index / self.role
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

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
        assert self.kept == self.whole


def made_in_one_go(inputs: Inputs, role: str, *files: Path) -> Place:
    """Make the index of some files, and note what it came to."""
    place = Place(inputs, role, files, {})
    assert place.finish().code == 0
    return replace(place, whole=place.kept)


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Write two days of transactions and make their index in one go."""
    inputs = Inputs.good(tmp_path_factory.mktemp("days"))
    first = inputs.write("one.csv", [TRANSACTION_COLUMNS, *TRANSACTIONS[:6]])
    second = inputs.write("two.csv", [TRANSACTION_COLUMNS, *TRANSACTIONS[6:]])
    return made_in_one_go(inputs, "transactions", first, second)


@pytest.fixture(scope="module")
def merchants(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Write merchants and make their index in one go."""
    inputs = Inputs.good(tmp_path_factory.mktemp("merchants"))
    return made_in_one_go(inputs, "merchants", inputs.folder / "merchants.csv")


@pytest.fixture
def place(days: Place) -> Place:
    """Give a test the days, and no index."""
    shutil.rmtree(days.index, ignore_errors=True)
    return days


@pytest.fixture(params=["days", "merchants"])
def either(request: pytest.FixtureRequest) -> Place:
    """Give a test the days, and then the merchants; both without an index."""
    made: Place = request.getfixturevalue(request.param)
    shutil.rmtree(made.index, ignore_errors=True)
    return made


def spread(changes: int) -> list[int]:
    """Choose moments over all changes, the first and the last among them; all moments if there are not many."""
    assert changes >= MOMENTS
    if changes <= 2 * MOMENTS:
        return list(range(1, changes + 1))
    return sorted({1 + (changes - 1) * number // (MOMENTS - 1) for number in range(MOMENTS)})


# --------------------------------------------------------------------------- the index


def test_a_killed_index_is_intact_and_goes_on(either: Place, stopper: Stopper) -> None:
    """Whenever it is killed, what counts passes the check, and the same command ends with the same bytes."""
    changes = stopper.run(either.words).changes
    assert either.kept == either.whole
    for moment in spread(changes):
        shutil.rmtree(either.index)
        assert stopper.run(either.words, at=moment).code is None, moment
        either.assert_intact()
        either.assert_finishes()


def test_a_killed_addition_leaves_what_was_there(place: Place, stopper: Stopper) -> None:
    """A file more is killed at its moments; the entry of the first day is never touched."""
    assert replace(place, files=place.files[:1]).finish().code == 0
    shutil.copytree(place.index, place.index.with_name("before"), dirs_exist_ok=True)
    before = place.kept
    changes = stopper.run(place.words).changes
    for moment in spread(changes)[1:-1:2]:
        shutil.rmtree(place.index)
        shutil.copytree(place.index.with_name("before"), place.index)
        assert stopper.run(place.words, at=moment).code is None, moment
        place.assert_intact()
        after = place.kept
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

    one = replace(place, files=place.files[:1]).words
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


def test_a_full_disk_leaves_the_index_intact(either: Place, stopper: Stopper) -> None:
    """From any change on nothing more can be made: exit code 74, one line, and the next attempt gets there."""
    changes = stopper.run(either.words).changes
    told = 0
    for moment in spread(changes):
        shutil.rmtree(either.index, ignore_errors=True)
        ran = stopper.run(either.words, at=moment, how="full")
        if ran.code != 0:  # after the last thing is made, only removing is left
            assert_told(ran, moment)
            told += 1
        either.assert_intact()
        either.assert_finishes()
    assert told >= MOMENTS // 2


@pytest.mark.parametrize("limit", [0, 100, 1_500])
def test_a_disk_that_fills_while_a_library_writes(either: Place, stopper: Stopper, limit: int) -> None:
    """The same where it is the Parquet writer that finds the disk full."""
    assert_told(stopper.run(either.words, limit=limit), limit)
    either.assert_intact()
    either.assert_finishes()


def test_half_a_set_of_merchants_is_never_used(merchants: Place, stopper: Stopper) -> None:
    """Of a set that was killed before its last file a screen knows nothing; it reads the merchants itself."""
    shutil.rmtree(merchants.index, ignore_errors=True)
    changes = stopper.run(merchants.words).changes
    for moment in range(changes, 0, -1):
        shutil.rmtree(merchants.index)
        stopper.run(merchants.words, at=moment)
        if merchants.kept.keys() == {name for name in merchants.whole if not name.endswith(FACTS)}:
            break
    (table,) = merchants.index.glob(f"merchants/*/{ACCOUNTS}")
    table.write_bytes(b"half")
    assert Index(merchants.index).all_merchants() == []
    assert merchantscreen(*merchants.inputs.words, "--index", merchants.index).code == 0
    assert merchantscreen("verify", merchants.inputs.out / "r").code == 0


def test_a_set_reaches_the_disk_before_the_word_that_it_is_whole(
    merchants: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every table is synced before it gets its name, the facts after them, and the folder last."""
    shutil.rmtree(merchants.index, ignore_errors=True)
    said: list[str] = []
    sync, rename = os.fsync, os.rename

    def synced(handle: int) -> None:
        said.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().name}")
        sync(handle)

    def named(path: Path, target: Path) -> None:
        said.append(f"name {target.name}")
        rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", named)
    assert merchants.finish().code == 0
    (whole,) = (merchants.index / "merchants").iterdir()
    done = said[-14:]
    for table in (ACCOUNTS, DECLARED, "by-account-000.parquet", REJECTS, LOTS):
        assert done.index(f"sync {table}") < done.index(f"name {table}") < done.index(f"name {FACTS}")
    assert done[-3:] == [f"name {FACTS}", f"sync {whole.name}", "sync merchants"]


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

    def disturbed(*args: object, **named: object) -> object:
        if when == "before":
            CHANGES[change](path)
            return meant(*args, **named)
        found = meant(*args, **named)
        CHANGES[change](path)
        return found

    monkeypatch.setattr(place, name, disturbed)
    ran = merchantscreen(*words)
    assert (ran.code, ran.codes) == (65, ["MS-FILE-014"]), ran.err
    assert "day.parquet" in ran.err
    assert list(inputs.out.iterdir()) == []
