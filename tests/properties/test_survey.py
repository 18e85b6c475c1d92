"""Property: judging a file column by column comes to what judging and staging its rows comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_files import card_numbers, transaction
from polars.testing import assert_frame_equal, assert_series_equal

from merchantscreen.intake import accountbook, fields, parquet, survey
from merchantscreen.intake.hosts import Losses
from merchantscreen.intake.inplace import PlainFile, plain_file, sharing, state_of
from merchantscreen.intake.keys import HASH
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.mapping import ColumnMapping, ColumnPlan
from merchantscreen.intake.problems import REJECT_ROW_SCHEMA
from merchantscreen.intake.transactions import COLUMNS, SOURCE_COLUMNS, stage
from merchantscreen.tables import TransactionRows, schema_of

TYPES = schema_of(TransactionRows)
TEXTS = [name for name, dtype in TYPES.items() if dtype == pl.String]
ODD_TEXTS = st.sampled_from(
    [
        None, "", "x", "a b", "bell\a", "a" * 65, "a" * 129, "0" * 12, "123456789012345", "12345678901234567890", "é",
        "name@shop.example", "http://shop.example/p?q=1", "shop.example", "shop.example/", "https://shop.example/", "HTTPS://Shop.example/A",
        "SHOP NAME@SHOP.EXAMPLE", "h\u00e4ndler.example/x", "not a host", "..", "\u00a0",
        "EUR", "NL", "5815", "refund",
        card_numbers()[0], f"x{card_numbers()[0]}", "-".join(card_numbers()[0]),
    ]
)  # fmt: skip
ODD_NUMBERS = st.sampled_from([None, -1, 0, 10**12 - 1, 10**12, 10**15, int(card_numbers()[0]), 2**62])
ODD_MOMENTS = st.sampled_from([None, datetime(1, 1, 1), datetime(9999, 12, 31), datetime(2026, 2, 28, 23, 59, 59)])
Coding = Literal["dictionary", "plain"]


def _change() -> st.SearchStrategy[tuple[str, Any]]:
    texts = st.tuples(st.sampled_from(TEXTS), ODD_TEXTS)
    return texts | st.tuples(st.just("amount_minor"), ODD_NUMBERS) | st.tuples(st.just("occurred_at"), ODD_MOMENTS)


WORLDS = st.lists(st.lists(_change(), max_size=3), min_size=1, max_size=12)


def _rows(changes: list[list[tuple[str, Any]]], names: list[str]) -> pl.DataFrame:
    """Give a row per list of changes, with some columns only."""
    sound = {**transaction(), "amount_minor": 100, "occurred_at": datetime(2026, 1, 2)}
    rows = [{**sound, "transaction_id": f"t{number}", **dict(some)} for number, some in enumerate(changes)]
    return pl.DataFrame({name: pl.Series([row.get(name) for row in rows], dtype=TYPES[name]) for name in names})


@dataclass(frozen=True, slots=True)
class Read:
    """What a file came to."""

    plan: ColumnPlan
    rejected: pl.DataFrame
    staged: pl.DataFrame
    losses: Losses


@dataclass(slots=True)
class Told:
    """What was told while a file was surveyed."""

    count: int = 0
    rejected: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=REJECT_ROW_SCHEMA)])

    def __call__(self, count: int, rejected: pl.DataFrame) -> None:
        """Note it."""
        self.count += count
        self.rejected.append(rejected)


def _staged(path: Path) -> Read:
    """Judge the rows and stage them: the long way."""
    plan, problems, count = parquet.inspect(path, TransactionRows, ColumnMapping().transactions)
    assert not problems
    judged = [fields.judge(rows, TransactionRows) for rows in parquet.batches(path, plan, count, 5)]
    losses = Losses()
    staged = pl.concat([stage(part.accepted, 0, losses) for part in judged])
    return Read(plan, pl.concat([part.rejected for part in judged]), staged, losses)


def _written(folder: str, number: int, rows: pl.DataFrame, coding: Coding) -> Path:
    path = Path(folder) / f"rows-{number}.parquet"
    if coding == "dictionary":
        rows.write_parquet(path, row_group_size=4)
    else:
        pq.write_table(rows.to_arrow(compat_level=pl.CompatLevel.oldest()), path, use_dictionary=False)
    return path


@pytest.mark.parametrize("coding", ["dictionary", "plain"])
@settings(max_examples=60, deadline=None)
@given(worlds=st.lists(WORLDS, min_size=1, max_size=2), absent=st.sets(st.sampled_from(TEXTS)))
def test_a_survey_knows_what_staging_would_have_found(
    coding: Coding, worlds: list[list[list[tuple[str, Any]]]], absent: set[str]
) -> None:
    """Rejected rows, accounts, hashes, losses and every row of tables.Transactions are the same."""
    required = {name for name, column in TransactionRows.columns().items() if not column.nullable}
    names = [name for name in TYPES if name in required or name not in absent]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "_SPAN_ROWS", 5)
        paths = [_written(folder, number, _rows(rows, names), coding) for number, rows in enumerate(worlds)]
        surveyor, plain, present = survey.Surveyor(Path(folder)), dict[int, PlainFile](), set[str]()
        reads = [_staged(path) for path in paths]
        for number, (path, read) in enumerate(zip(paths, reads, strict=True)):
            told = Told()
            found = surveyor.survey(path, read.plan, len(worlds[number]), f"s{number}", told)
            assert told.count == len(worlds[number])
            rejected = pl.concat(told.rejected).sort("line")
            assert_frame_equal(rejected, read.rejected.sort("line"))
            assert found["stripped"] == dict(read.losses.stripped)
            assert found["unreadable"] == dict(read.losses.unreadable)
            present |= {name for name in COLUMNS if read.staged[name].null_count() < read.staged.height}
            assert found["present"] == sorted(present)
            file = plain_file(path, read.plan.columns, found, state_of(path))
            plain[number] = file.without(rejected["line"].to_list())
        for number, file in sharing(plain).items():
            _assert_alike(file, number, reads[number].staged)


def _assert_alike(file: PlainFile, number: int, staged: pl.DataFrame) -> None:
    """Hold a file that is read in place against its staged rows."""
    held = file.accounts().join(file.table("held"), on="mark").select("account_id", "first_line").collect()
    line = pl.col(SOURCE_COLUMNS[1])
    expected = staged.group_by("account_id").agg(first_line=line.min(), rows=pl.len().cast(pl.Int64))
    assert_frame_equal(held.sort("account_id"), expected.drop("rows").sort("account_id"))
    counted = file.counted(expected["account_id"])
    assert_frame_equal(counted.sort("account_id"), expected.drop("first_line").sort("account_id"))
    hashes = file.table("hashes").collect()["hash"].sort()
    assert_series_equal(hashes, staged[HASH].drop_nulls().sort(), check_names=False)
    assert (file.first_at, file.last_at) == (staged["occurred_at"].min(), staged["occurred_at"].max())
    places = [pl.col(SOURCE_COLUMNS[0]).cast(pl.Int32)]
    rows = file.placed(number).with_columns(places).collect().sort(SOURCE_COLUMNS[1])
    wanted = staged.with_columns(pl.lit(number, pl.Int32).alias(SOURCE_COLUMNS[0])).drop(HASH).sort(SOURCE_COLUMNS[1])
    assert_frame_equal(rows, wanted)


def _surveyed(folder: Path, rows: pl.DataFrame) -> tuple[dict[str, Any], Told]:
    """Write a file and survey it; return what was found and what was told."""
    path, told = folder / "t.parquet", Told()
    rows.write_parquet(path, row_group_size=6)
    plan, _, count = parquet.inspect(path, TransactionRows, ColumnMapping().transactions)
    return survey.Surveyor(folder).survey(path, plan, count, "s", told), told


def test_a_field_with_too_many_texts_is_staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that would fill the memory are met in time, in dictionaries as well as among identifiers."""
    monkeypatch.setattr(survey, "MOST_TEXTS", 10)
    for name in ("acceptor_url", "terminal_id"):
        rows = _rows([[(name, f"{number:015d}.example")] for number in range(60)], list(TYPES))
        with pytest.raises(survey.CrowdedError):
            _surveyed(tmp_path, rows)


def test_long_identifiers_are_judged_once_each(tmp_path: Path) -> None:
    """Identifiers of 15 digits, as acquirers give them, are judged by their distinct values and stay."""
    rows = _rows([[("card_acceptor_id", f"{900_000_000_000_000 + number % 7}")] for number in range(100)], list(TYPES))
    found, told = _surveyed(tmp_path, rows)
    assert pl.concat(told.rejected).is_empty()
    assert pl.read_parquet(found["tables"]["accounts"]).height == 7
    assert LINE not in pl.read_parquet_schema(found["tables"]["accounts"][0])


def test_a_descriptor_of_which_nothing_is_left_is_no_value(tmp_path: Path) -> None:
    """A column of order numbers says nothing of a shop, and counts as empty, as it does where rows are staged."""
    found, _ = _surveyed(tmp_path, _rows([[("descriptor", "000000000000")]], list(TYPES)))
    assert "descriptor" not in found["present"]
    assert "amount_minor" in found["present"]


def test_an_account_is_named_once_and_found_again_in_every_file(tmp_path: Path) -> None:
    """The second file names only the account that is new in it, and lists both that it holds."""
    surveyor, found = survey.Surveyor(tmp_path), []
    for number, acceptors in enumerate(["AAB", "CBB"]):
        path = tmp_path / f"t{number}.parquet"
        _rows([[("card_acceptor_id", acceptor)] for acceptor in acceptors], list(TYPES)).write_parquet(path)
        plan, _, count = parquet.inspect(path, TransactionRows, ColumnMapping().transactions)
        found.append(surveyor.survey(path, plan, count, f"s{number}", Told())["tables"])
    named = [pl.read_parquet(tables["accounts"]) for tables in found]
    assert [set(rows["card_acceptor_id"]) for rows in named] == [{"A", "B"}, {"C"}]
    held = pl.read_parquet(found[1]["held"]).join(pl.concat(named), on="mark").sort("first_line")
    assert held.select("card_acceptor_id", "first_line").rows() == [("C", 1), ("B", 2)]


def test_a_forgotten_account_is_named_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a book cannot remember it says twice, and nothing of a file is lost for it."""
    monkeypatch.setattr(accountbook, "_MOST_REMEMBERED", 1)
    book = accountbook.AccountBook()
    rows = _rows([[("card_acceptor_id", name)] for name in "ABAC"], list(TYPES)).with_row_index(LINE, offset=1)
    rows = rows.cast({LINE: pl.Int64})
    for number, (start, expected) in enumerate([(0, "AB"), (2, "AC"), (0, "AB")]):
        part = rows.slice(start, 2)
        book.note(part.select(LINE, book.mark(part.columns)))
        tables = book.take(part.lazy(), tmp_path / f"{number}")
        assert set(pl.read_parquet(tables["accounts"])["card_acceptor_id"]) >= set(expected[1:])
        assert pl.read_parquet(tables["held"]).height == 2
