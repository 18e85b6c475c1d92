"""Merged tables: the answers of their entries, made of full groups, whole or not there, gone with an entry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import narwhals.stable.v2 as nw
import polars as pl
import pytest
from attack.stopping import Stopper
from cli.command import AS_OF, TRANSACTION_COLUMNS, Inputs, merchantscreen
from index.worlds import World, decode_here, drawn, indexed, screened, tables_of

from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.features import PAYMENTS, compared_stages
from merchantscreen.features.peers import draws
from merchantscreen.intake import ColumnMapping, merged
from merchantscreen.intake.entries import FACTS, Entry
from merchantscreen.intake.index import Index
from merchantscreen.intake.merged import GROUP_ENTRIES, Merged
from merchantscreen.intake.reducing import NAMES
from merchantscreen.screening import parts_of_entries
from merchantscreen.tables import Transactions, schema_of
from merchantscreen.traffic import Asked, IndexedTables, MergedTables, Part, Traffic

LATER = datetime(2030, 1, 1)
"""A moment after every transaction."""
FIRST = 3
"""Accounts that are counted beforehand: fewer than there are."""
ROW_COLUMNS = list(schema_of(Transactions))


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make groups, passes and blocks so small that few rows need many; spare the processes that decode."""
    decode_here(monkeypatch)
    monkeypatch.setattr(merged, "GROUP_ENTRIES", 2)
    monkeypatch.setattr(merged, "FIRST_ACCOUNTS", FIRST)
    monkeypatch.setattr(merged, "PASS_ROWS", 20)
    monkeypatch.setattr(merged, "BLOCK_ROWS", 7)


def world(folder: Path) -> World:
    """Draw files of which two share no transaction, so that these are merged."""
    for seed in range(50):
        place = folder / f"world-{seed}"
        place.mkdir()
        found = drawn(seed, place)
        if len(found.transactions) == 2 and indexed(place / "index", place / "work", found.transactions).all_merged():
            return found
    raise AssertionError("no world without repetitions")


def index_of(drawn_world: World) -> Index:
    """Return the index beside the files of a world."""
    return Index(drawn_world.merchants.with_name("index"))


def opened(drawn_world: World) -> tuple[list[Entry], Merged]:
    """Return the two entries, and what was merged of them."""
    index = index_of(drawn_world)
    (one,) = index.all_merged()
    return index.all_entries(), one


# --------------------------------------------------------------------------- the same answers


@pytest.mark.usefixtures("_small")
def test_merged_tables_answer_every_question_as_their_entries_do(tmp_path: Path) -> None:
    """Names, holders, rows and accounts are the same, asked for all, for some, and for what is not there."""
    entries, one = opened(world(tmp_path))
    engine = PolarsEngine(tmp_path)
    (merged_part,) = parts_of_entries(engine, entries, [one], LATER)
    (single_part,) = parts_of_entries(engine, entries, [], LATER)
    assert (type(merged_part), type(single_part)) == (MergedTables, IndexedTables)
    answers = list(answers_of(engine, single_part, single_part))
    assert list(answers_of(engine, merged_part, single_part)) == answers
    assert sum(len(rows) for rows in answers) > 500
    assert len(list(one.folder.glob("rows-*.parquet"))) > 5


def answers_of(engine: PolarsEngine, part: Part, asked: Part) -> Iterator[Sequence[object]]:
    """Ask a part for what another holds: each answer sorted, so that only the order of rows may differ."""
    accounts = asked.accounts().unique().sort()
    yield sorted(set(part.accounts()))
    for some in (accounts, accounts.gather_every(3), pl.Series(["nobody"]), accounts.clear()):
        yield sorted(map(str, engine.collect(part.rows_of(some, ROW_COLUMNS)).rows()))
    for column in NAMES:
        yield sorted(set(part.values(column, ())))
        yield sorted(set(part.values(column, ("lamps", "LAMPS"))))
        names = asked.values(column, ()).unique().sort()
        for some in (names, names.gather_every(2), names.clear()):
            yield sorted(set(engine.collect(part.holders(column, some)).rows()))
            yield sorted(map(str, engine.collect(part.rows_with(column, some, ROW_COLUMNS)).rows()))
    yield [part.late_count()]
    taken = part.take(Asked({PAYMENTS: accounts.head(1)}, compared=accounts.slice(1)), "taken")
    for some in (accounts.slice(1), accounts.gather_every(3, 1), accounts.clear()):
        for counted in taken.compared(some).values():
            yield sorted(map(str, engine.collect(counted).rows()))


@pytest.mark.usefixtures("_small")
def test_what_is_counted_beforehand_is_not_taken(tmp_path: Path) -> None:
    """The first accounts by draw are counted whole, nobody else; a screen takes the rows of the others alone."""
    entries, one = opened(world(tmp_path))
    engine = PolarsEngine(tmp_path)
    (part,) = parts_of_entries(engine, entries, [one], LATER)
    accounts = part.accounts()
    counted = pl.read_parquet(one.compared("totals"))["account_id"].unique().sort()
    assert counted.to_list() == sorted(accounts.gather(draws(accounts).arg_sort().head(FIRST)))
    taken = part.take(Asked({}, compared=accounts), "taken")
    held = engine.collect(taken.rows(PAYMENTS, accounts))["account_id"].unique().sort()
    assert held.to_list() == sorted(set(accounts) - set(counted))
    assert held.len() > 0


@pytest.mark.usefixtures("_small")
def test_counts_of_several_parts_are_added_up(tmp_path: Path) -> None:
    """An account in several parts, counted beforehand in one of them, is counted as in all rows together."""
    entries, one = opened(world(tmp_path))
    engine = PolarsEngine(tmp_path)
    parts = parts_of_entries(engine, entries, [one], LATER) + parts_of_entries(engine, entries, [], LATER)
    accounts = parts[0].accounts()
    taken = Traffic(engine, parts).take(Asked({}, compared=accounts), "taken")
    rows = nw.concat([part.rows_of(accounts, PAYMENTS) for part in parts])
    for stage, expected in compared_stages(rows).items():
        found = engine.collect(taken.compared(accounts)[stage])
        assert found.height > FIRST
        assert sorted(map(str, found.rows())) == sorted(map(str, engine.collect(expected).rows()))


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("pass_rows", [1, 9, 1_000])
def test_every_row_is_in_the_block_of_its_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pass_rows: int
) -> None:
    """In the order of the entries; also where a pass is smaller than an account, or larger than all of them."""
    monkeypatch.setattr(merged, "PASS_ROWS", pass_rows)
    found = world(tmp_path)
    _, one = opened(found)
    entries = sorted(index_of(found).all_entries(), key=lambda entry: entry.facts.first_at or LATER)
    rows = pl.concat([pl.read_parquet(path, columns=ROW_COLUMNS) for entry in entries for path in entry.table("rows")])
    accounts = rows["account_id"].unique().sort()
    assert pl.read_parquet(one.accounts)["account_id"].to_list() == accounts.to_list()
    bounds = pl.read_parquet(one.bounds)
    assert len(list(one.folder.glob("rows-*.parquet"))) == bounds.height
    met = []
    for number, (first, last) in enumerate(bounds.iter_rows()):
        block = pl.read_parquet(one.block(number))
        of_block = rows.filter(pl.col("account_id").is_between(pl.lit(first), pl.lit(last)))
        assert block.equals(of_block.sort("account_id", maintain_order=True))
        met += block["account_id"].unique().sort().to_list()
    assert met == accounts.to_list()


@pytest.mark.usefixtures("_small")
def test_a_screen_uses_them_where_all_their_entries_count(tmp_path: Path) -> None:
    """For both files they stand in, for one of them or a moment that cuts one they do not; the result is the same."""
    found = world(tmp_path)
    index, moments = index_of(found), (datetime(2026, 10, 20), LATER)
    one_file = World(found.events, found.merchants, found.transactions[:1])
    for number, (part, as_of) in enumerate((part, as_of) for part in (found, one_file) for as_of in moments):
        plain = screened(part, tmp_path / f"plain-{number}", as_of)
        told = screened(part, tmp_path / f"told-{number}", as_of, index=index)
        assert len(told.intake.merged) == (part is found)
        wanted = dict(tables_of(plain))
        for name, value in tables_of(told):
            same = value.equals(wanted[name]) if isinstance(value, pl.DataFrame) else value == wanted[name]
            assert same, (number, name)


@pytest.mark.usefixtures("_small")
def test_a_stranger_in_merged_tables_is_named_with_the_first_row(tmp_path: Path) -> None:
    """Whether accounts are unknown is read off the directory; where they are, off the entries."""
    inputs = Inputs.good(tmp_path)
    days = days_of(inputs, 2, account="M-NOBODY")
    words = [*inputs.words[:5], "--transactions", *days, "--as-of", AS_OF, "--out", inputs.out]
    assert merchantscreen("index", "--index", tmp_path / "index", "--transactions", *days).code == 0
    assert len(Index(tmp_path / "index").all_merged()) == 1
    plain = merchantscreen(*words, "--run-id", "plain")
    told = merchantscreen(*words, "--run-id", "told", "--index", tmp_path / "index")
    assert "MS-KEY-005" in plain.err
    assert told.err.split("\n", 1)[1].replace("/told/", "/plain/") == plain.err


# --------------------------------------------------------------------------- which groups there are


def days_of(inputs: Inputs, count: int, account: str = "M1") -> list[Path]:
    """Write small files of a transaction each."""
    rows = (
        f"d{day},2026-10-{1 + day % 28:02d}T12:00:00Z,400001,{account},{1000 + day},EUR,AMBER-SHOP.EXAMPLE"
        for day in range(count)
    )
    return [inputs.write(f"day-{day:02d}.csv", [TRANSACTION_COLUMNS, row]) for day, row in enumerate(rows)]


def begun(tmp_path: Path, count: int) -> tuple[list[str | Path], list[Path], Index]:
    """Write some days and index all but the last; return the words that indexed them, all days, and the index."""
    days = days_of(Inputs.good(tmp_path), count)
    words: list[str | Path] = ["index", "--index", tmp_path / "index", "--transactions"]
    assert merchantscreen(*words, *days[:-1]).code == 0
    return words, days, Index(tmp_path / "index")


def names_in(index: Index) -> list[frozenset[str]]:
    """Return the entries of every merged table."""
    return [one.entries for one in index.all_merged()]


@pytest.mark.usefixtures("_small")
def test_full_groups_are_merged_once_and_the_rest_waits(tmp_path: Path) -> None:
    """Three days are a group and one that waits; with a fourth there are two groups, and the first is untouched."""
    words, days, index = begun(tmp_path, 4)
    (first,) = names_in(index)
    earliest = sorted(index.all_entries(), key=lambda entry: entry.facts.first_at or LATER)[:2]
    assert first == {entry.name for entry in earliest}
    before = {path: path.stat().st_mtime_ns for path in index.merged.rglob("*.parquet")}
    assert merchantscreen(*words, *days).code == 0
    assert len(names_in(index)) == 2
    assert frozenset.union(*names_in(index)) == {entry.name for entry in index.all_entries()}
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.usefixtures("_small")
def test_entries_that_share_a_transaction_are_not_merged(tmp_path: Path) -> None:
    """A corrected file and the one it corrects are read again by a screen of both, so neither is in a group."""
    inputs = Inputs.good(tmp_path)
    first, second = days_of(inputs, 2)
    second.write_text(first.read_text(encoding="utf-8").replace("1000", "1001"), encoding="utf-8")
    assert merchantscreen("index", "--index", tmp_path / "index", "--transactions", first, second).code == 0
    assert names_in(Index(tmp_path / "index")) == []


@pytest.mark.usefixtures("_small")
def test_what_was_merged_of_a_deleted_entry_is_not_used_and_goes(tmp_path: Path) -> None:
    """Deleting an entry is enough: no screen looks at its merged rows, and the next index removes them."""
    words, days, index = begun(tmp_path, 3)
    (old,) = index.all_merged()
    gone = index.all_entries()[0]
    shutil.rmtree(gone.folder)
    assert index.merged_of(index.all_entries()) == ()
    assert merchantscreen(*words, days[2]).code == 0
    assert not old.folder.exists()
    assert gone.name not in frozenset().union(*names_in(index))


# --------------------------------------------------------------------------- damage


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    "name", ["accounts.parquet", "compared-totals.parquet", "pairs-terminal.parquet", "rows-00000.parquet", FACTS]
)
def test_altered_merged_tables_are_found_and_made_anew(tmp_path: Path, name: str) -> None:
    """The check names the file; one that was cut short is not used, and the next index makes all of it again."""
    inputs = Inputs.good(tmp_path)
    words = ["index", "--index", tmp_path / "index", "--transactions", *days_of(inputs, 2)]
    assert merchantscreen(*words).code == 0
    index = Index(tmp_path / "index")
    (one,) = index.all_merged()
    whole = {path.name: path.read_bytes() for path in one.folder.iterdir()}
    target = one.folder / name
    middle = len(whole[name]) // 2
    target.write_bytes(whole[name][:middle] + bytes([whole[name][middle] ^ 1]) + whole[name][middle + 1 :])
    checked = merchantscreen("index", "--index", index.folder, "--check")
    assert (checked.code, checked.codes) == (4, ["MS-IDX-004"])
    assert name in checked.err
    target.write_bytes(whole[name][:-1])
    assert index.merged_of(index.all_entries()) == ()
    assert merchantscreen(*words).code == 0
    assert {path.name: path.read_bytes() for path in one.folder.iterdir()} == whole


@pytest.fixture(scope="module")
def full_group(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """Make an index of as many files as a group has; return the words that made it."""
    folder = tmp_path_factory.mktemp("full")
    words: list[str | Path] = [
        "index",
        "--index",
        folder / "index",
        "--transactions",
        *days_of(Inputs.good(folder), GROUP_ENTRIES),
    ]
    assert merchantscreen(*words).code == 0
    return words


@pytest.mark.parametrize("how", ["killed", "full"])
def test_a_merge_that_is_stopped_leaves_the_index_intact(full_group: list[str | Path], how: str) -> None:
    """Whenever it is, merged tables are whole or not there, the check passes, and the same command makes them."""
    index = Index(Path(full_group[2]))
    (one,) = index.all_merged()
    whole = {path.name: path.read_bytes() for path in one.folder.iterdir()}
    stopped = 0
    with Stopper.started() as stopper:
        shutil.rmtree(one.folder)
        changes = stopper.run(full_group).changes
        assert changes > 9  # what Polars writes by itself lies between two of them
        for moment in range(2, changes, 1 + changes // 8):
            shutil.rmtree(one.folder, ignore_errors=True)
            ran = stopper.run(full_group, at=moment, how="full" if how == "full" else "killed")
            stopped += ran.code != 0
            checked = json.loads(merchantscreen("index", "--index", index.folder, "--check", "--json").out)
            assert checked == {"entries": GROUP_ENTRIES, "altered": 0}
            assert {path.name for path in index.merged.iterdir()} <= {one.folder.name}
            assert index.entries([Path(day) for day in full_group[4:]], ColumnMapping()).keys() == set(full_group[4:])
            assert merchantscreen(*full_group).code == 0
            assert {path.name: path.read_bytes() for path in one.folder.iterdir()} == whole
    assert stopped >= 2
