"""Parquet files: the same result as CSV, types that are refused, and files that kill their decoder."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from intake_files import card_numbers, merchant, transaction, write_csv

from merchantscreen.errors import InputError
from merchantscreen.intake import take_in
from merchantscreen.intake.worker import Worker
from merchantscreen.tables import Transactions, schema_of

COLUMNS = list(schema_of(Transactions))
MERCHANTS = [
    merchant(website_urls="a.example;b.example", email="info@a.example", opened_on="2020-01-01"),
    merchant(card_acceptor_id="C2", principal_tokens="p-1;p-2", natural_person="true"),
]
ROWS = [
    transaction(
        transaction_id=f"t{n}", amount_minor=str(n), requestor_url="https://a.example/x", eci="05" if n % 2 else ""
    )
    for n in range(10)
]


def _typed(rows: list[dict[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows).with_columns(
        pl.col("amount_minor").cast(pl.Int32),
        pl.col("occurred_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="ms", time_zone="UTC"),
        pl.col("currency").cast(pl.Categorical),
    )


def _write(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(path)
    return path


def _codes(tmp_path: Path, *paths: Path) -> list[tuple[str, str, str | None]]:
    with pytest.raises(InputError) as caught:
        take_in([write_csv(tmp_path / "m.csv", MERCHANTS)], paths, tmp_path / "run")
    return [(problem.code, problem.where, problem.column) for problem in caught.value.problems]


def test_parquet_and_csv_give_the_same_tables(tmp_path: Path) -> None:
    """Typed Parquet columns and CSV texts end in the same accounts, tokens, transactions and blind spots."""
    typed = pl.DataFrame(MERCHANTS).with_columns(
        pl.col("opened_on").str.to_date(), pl.col("natural_person") == "true", pl.col("website_urls").str.split(";")
    )
    parquet = take_in(
        [_write(tmp_path / "m.parquet", typed)], [_write(tmp_path / "t.parquet", _typed(ROWS))], tmp_path / "p"
    )
    csv = take_in([write_csv(tmp_path / "m.csv", MERCHANTS)], [write_csv(tmp_path / "t.csv", ROWS)], tmp_path / "c")
    assert parquet.accounts.equals(csv.accounts)
    assert pl.read_parquet(parquet.declared_file).equals(pl.read_parquet(csv.declared_file))
    staged = [pl.read_parquet(list(run.transaction_files)).select(COLUMNS).sort(COLUMNS) for run in (parquet, csv)]
    assert staged[0].equals(staged[1])
    assert parquet.blind_spots.equals(csv.blind_spots)
    assert parquet.present == csv.present
    assert [source.sha256 for source in parquet.sources] != [source.sha256 for source in csv.sources]


def test_bad_rows_are_rejected_by_row_number(tmp_path: Path) -> None:
    """Rows are numbered from 1; values are judged as in CSV."""
    number = card_numbers()[0]
    changed = [{}, {"currency": "EURO"}, {"descriptor": number}, {"transaction_id": "t0"}, {"mcc": "1"}]
    rows = [
        {**transaction(transaction_id=f"t{n}", descriptor="AMBER", mcc="5999"), **change}
        for n, change in enumerate(changed)
    ]
    frame = pl.DataFrame(rows).with_columns(amount_minor=pl.Series([1, 2, 3, 1, 5]))
    intake = take_in(
        [write_csv(tmp_path / "m.csv", MERCHANTS)], [_write(tmp_path / "t.parquet", frame)], tmp_path / "run"
    )
    assert intake.rejects.select("line", "column", "code").rows() == [
        (2, "currency", "MS-FLD-017"),
        (3, "descriptor", "MS-CARD-001"),
        (4, None, "MS-KEY-004"),
        (5, "mcc", "MS-FLD-015"),
    ]
    assert (intake.sources[1].rows_read, intake.sources[1].rows_accepted) == (5, 1)


def test_negative_and_missing_amounts_are_rejected(tmp_path: Path) -> None:
    """A typed column is judged by the same rules as a text."""
    frame = _typed(ROWS[:3]).with_columns(amount_minor=pl.Series([-1, None, 5], dtype=pl.Int64))
    intake = take_in(
        [write_csv(tmp_path / "m.csv", MERCHANTS)], [_write(tmp_path / "t.parquet", frame)], tmp_path / "run"
    )
    assert intake.rejects["code"].to_list() == ["MS-FLD-003", "MS-FLD-001"]


def test_times_of_any_unit_and_zone_become_utc(tmp_path: Path) -> None:
    """A stored zone is taken off, a stored unit becomes microseconds."""
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    column = pl.Series([moment], dtype=pl.Datetime("ns", "UTC")).dt.convert_time_zone("Asia/Tokyo")
    frame = pl.DataFrame([transaction()]).with_columns(occurred_at=column)
    intake = take_in(
        [write_csv(tmp_path / "m.csv", MERCHANTS)], [_write(tmp_path / "t.parquet", frame)], tmp_path / "run"
    )
    staged = pl.read_parquet(list(intake.transaction_files))
    assert staged.schema["occurred_at"] == pl.Datetime("us")
    assert staged["occurred_at"].item() == moment.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("column", "values", "code"),
    [
        ("amount_minor", pl.Series([19.99]), "MS-COL-005"),
        ("amount_minor", pl.Series([True]), "MS-COL-004"),
        ("mcc", pl.Series([742]), "MS-COL-006"),
        ("occurred_at", pl.Series([20_000]).cast(pl.Date), "MS-COL-004"),
        ("descriptor", pl.Series([b"AMBER"]), "MS-COL-004"),
    ],
)
def test_types_that_would_lose_something_are_refused(tmp_path: Path, column: str, values: pl.Series, code: str) -> None:
    """Fractions of money, codes as numbers and days as moments are refused before anything is decoded."""
    frame = pl.DataFrame([transaction()]).with_columns(values.alias(column))
    assert _codes(tmp_path, _write(tmp_path / "t.parquet", frame)) == [(code, "t.parquet", column)]


def test_wrong_columns_and_empty_files_are_told_together(tmp_path: Path) -> None:
    """All problems of all Parquet files come at once."""
    lacking = _write(tmp_path / "a.parquet", _typed(ROWS).drop("currency").with_columns(colour=pl.lit("red")))
    empty = _write(tmp_path / "b.parquet", _typed(ROWS).head(0))
    assert _codes(tmp_path, lacking, empty) == [
        ("MS-COL-001", "a.parquet", "currency"),
        ("MS-COL-002", "a.parquet", "colour"),
        ("MS-PQT-002", "b.parquet", None),
    ]


def _outcome(tmp_path: Path, file: Path) -> set[tuple[str, str]]:
    """Take a file in; return its problems, none when its rows were read and add up."""
    try:
        intake = take_in([write_csv(tmp_path / "m.csv", MERCHANTS)], [file], tmp_path / "run")
    except InputError as error:
        return {(problem.code, problem.where) for problem in error.problems}
    return set() if intake.sources[1].rows_read == len(ROWS) else {("rows lost", file.name)}


def test_a_corrupted_file_is_named_wherever_it_is_broken(tmp_path: Path) -> None:
    """Flipped bytes in footer or data end as a named problem or as checked rows, never as a crash."""
    good = _write(tmp_path / "good.parquet", _typed(ROWS)).read_bytes()
    broken = tmp_path / "broken.parquet"
    outcomes: set[tuple[str, str]] = set()
    for place in [*range(4, len(good) - 8, len(good) // 12), len(good) - 8, len(good) - 12]:
        flipped = bytes(byte ^ 0xFF for byte in good[place : place + 8])
        broken.write_bytes(good[:place] + flipped + good[place + 8 :])
        outcomes |= _outcome(tmp_path, broken)
    assert ("MS-PQT-003", "broken.parquet") in outcomes
    assert {where for _, where in outcomes} == {"broken.parquet"}


def test_a_broken_file_does_not_hide_the_next(tmp_path: Path) -> None:
    """After a file that cannot be decoded, the others are still looked at."""
    broken = []
    for name in ("a.parquet", "b.parquet"):
        path = _write(tmp_path / name, _typed(ROWS))
        path.write_bytes(path.read_bytes()[:-40] + name.encode() * 4)
        broken.append(path)
    assert [(code, where) for code, where, _ in _codes(tmp_path, *broken)] == [
        ("MS-PQT-003", "a.parquet"),
        ("MS-PQT-003", "b.parquet"),
    ]


def test_a_decoder_that_is_killed_is_a_problem_of_its_file(tmp_path: Path) -> None:
    """When the child dies of a signal the file it was reading is named, and the next file gets a new child."""
    path = _write(tmp_path / "t.parquet", _typed(ROWS))
    mapping: dict[str, object] = {"columns": {}, "constants": {}, "values": {}, "ignore": []}
    with Worker(tmp_path) as worker:
        list(worker.ask("inspect", path, role="transactions", mapping=mapping))
        os.kill(worker.process_id, signal.SIGKILL)
        with pytest.raises(InputError) as caught:
            list(worker.ask("inspect", path, role="transactions", mapping=mapping))
        (problem,) = caught.value.problems
        assert (problem.code, problem.where) == ("MS-PQT-003", "t.parquet")
        assert "signal 9" in problem.found
        (message,) = worker.ask("inspect", path, role="transactions", mapping=mapping)
        assert message.facts["rows"] == len(ROWS)
