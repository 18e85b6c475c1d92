"""Transactions that Spark reads where they are: judged as the same rows from a file are, and nothing of them leaks."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import polars as pl
import pytest
from contracts.places import ENGINES
from intake_files import card_number, merchant, write_csv
from polars.testing import assert_frame_equal

from merchantscreen.engines import lake
from merchantscreen.engines.spark import SparkEngine
from merchantscreen.errors import InputError, UsageError
from merchantscreen.intake import Intake, take_in
from merchantscreen.intake.cards import ISSUER_RANGES
from merchantscreen.intake.mapping import ColumnMapping, RoleMapping
from merchantscreen.intake.transactions import COLUMNS
from merchantscreen.records import Silent

SPARK: Final = [pytest.param(name, marks=pytest.mark.spark) for name in ENGINES if name.startswith("spark")]
CARD: Final = card_number(ISSUER_RANGES[0], 16)
MAPPING: Final = ColumnMapping(transactions=RoleMapping(
    columns={"descriptor": "name.seen"}, constants={"currency": "EUR"}, ignore=("LOADED_AT",)
))  # fmt: skip
GOOD: Final[dict[str, Any]] = {
    "transaction_id": None, "occurred_at": datetime(2026, 1, 31, 12), "acquirer_id": "400001",
    "card_acceptor_id": "CAID0001", "amount_minor": 1999, "name.seen": "SHOP", "mcc": "0742", "terminal_id": None,
    "requestor_url": None, "device_token": None, "LOADED_AT": datetime(2026, 2, 1),
}  # fmt: skip
ROWS: Final[tuple[dict[str, Any], ...]] = (
    *({"amount_minor": amount} for amount in (0, 1, 1, 10**13)),  # rows without an id are never compared
    {"transaction_id": "alike"}, {"transaction_id": "other", "amount_minor": 5}, {"transaction_id": "single"},
    {"name.seen": CARD}, {"name.seen": f"SHOP {CARD}"}, {"name.seen": "owner@shop.example AMBER"}, {"name.seen": ""},
    {"mcc": "742"}, {"mcc": None}, {"acquirer_id": None}, {"amount_minor": -1}, {"amount_minor": None},
    {"occurred_at": datetime(2026, 10, 25, 0, 59, 59, 999_999), "terminal_id": "T1"},
    {"requestor_url": "https://shop.example/way?id=1"}, {"requestor_url": "not a host"}, {"requestor_url": "Ä.example"},
    {"device_token": "owner@shop.example"}, {"card_acceptor_id": "UNKNOWN/1"}, {"card_acceptor_id": "UNKNOWN/1"},
)  # fmt: skip
AGAIN: Final[tuple[dict[str, Any], ...]] = (
    {"transaction_id": "alike"}, {"transaction_id": "alike"}, {"transaction_id": "other", "amount_minor": 6},
    {"transaction_id": "new", "name.seen": "BLÜTE 🌸"},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Both:
    """The same rows, taken in from files here and read by Spark where they are."""

    here: Intake
    there: Intake
    engine: SparkEngine


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Make good rows with some fields changed; a column without any value has a type all the same."""
    whole = pl.DataFrame([{**GOOD, **row} for row in rows])
    return whole.cast({name: pl.String for name, dtype in whole.schema.items() if dtype == pl.Null})


def written(folder: Path) -> list[Path]:
    """Write two files of rows, and the merchants beside them; return the files."""
    folder.mkdir(parents=True)
    files = [folder / "part-0.parquet", folder / "part-1.parquet"]
    for file, rows in zip(files, (ROWS, AGAIN), strict=True):
        frame(*rows).write_parquet(file, row_group_size=4)
    write_csv(folder.parent / "merchants.csv", [merchant()])
    return files


@pytest.fixture(scope="module")
def both(engine: SparkEngine, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Take the rows in both ways."""
    folder = tmp_path_factory.mktemp("tables")
    files = written(folder / "key=1")
    merchants = [folder / "merchants.csv"]
    here = take_in(merchants, files, folder / "here", mapping=MAPPING)
    without = take_in(merchants, [], folder / "there", mapping=MAPPING)
    there = lake.take_in_tables(engine, [f"file://{folder}/key=1"], MAPPING.transactions, without, Silent())
    return Both(here, there, engine)


@contextmanager
def refused(kind: type[Exception]) -> Iterator[list[str]]:
    """Expect a refusal, and give its codes."""
    codes: list[str] = []
    with pytest.raises(kind) as caught:
        yield codes
    codes += [problem.code for problem in caught.value.problems]


pytestmark = pytest.mark.parametrize("engine", SPARK, indirect=True)


def test_the_same_rows_are_accepted(both: Both) -> None:
    """Types, hosts, descriptors, account keys and repeated ids come out as they do from a file."""
    ours = pl.read_parquet(both.here.transaction_files).select(COLUMNS)
    theirs = both.engine.collect(both.there.elsewhere)
    assert ours.height > 10
    assert_frame_equal(theirs, ours, check_row_order=False)
    assert both.there.present == both.here.present


def test_the_same_rows_are_refused_for_the_same_reasons(both: Both) -> None:
    """Every refused row has a code and a place, its values come home in no column, and the accounts add up."""
    reasons = ["column", "code", "found", "expected", "fix"]
    ours, theirs = (Counter(intake.rejects.select(reasons).rows()) for intake in (both.here, both.there))
    assert theirs == ours
    assert {"MS-CARD-001", "MS-KEY-003", "MS-KEY-004", "MS-FLD-001"} <= set(both.there.rejects["code"])
    assert both.there.rejects["line"].is_between(1, len(ROWS) + len(AGAIN)).all()
    assert both.there.rejects["file"].str.contains(r"^key=1 \(partition \d+\)$").all()
    (source,) = (source for source in both.there.sources if source.role == "transactions")
    (first, second) = (source for source in both.here.sources if source.role == "transactions")
    assert (source.name, source.rows_read) == ("key=1", len(ROWS) + len(AGAIN))
    assert source.rows_accepted == first.rows_accepted + second.rows_accepted
    assert CARD not in str(both.there.rejects.rows())


def test_what_could_not_be_tested_is_the_same(both: Both) -> None:
    """Absent columns, cut and unreadable fields, and accounts without a merchant row are told as for files."""
    assert_frame_equal(both.there.blind_spots, both.here.blind_spots, check_row_order=False)
    told = [[(problem.code, problem.found) for problem in intake.notices] for intake in (both.there, both.here)]
    assert told[0] == told[1]
    assert len(told[0]) == 1


def test_the_digest_can_be_computed_by_hand(both: Both) -> None:
    """Each row as texts with their lengths, its SHA-256 in four words, each word summed up modulo 2^64."""
    moment = pl.col("occurred_at").dt.strftime("%Y-%m-%d %H:%M:%S%.6f").str.replace(r"\.?0+$", "")
    whole = pl.col("occurred_at").dt.microsecond() == 0
    plain = pl.col("occurred_at").dt.strftime("%Y-%m-%d %H:%M:%S")
    texts = both.engine.collect(both.there.elsewhere).with_columns(pl.when(whole).then(plain).otherwise(moment))
    sums = [0, 0, 0, 0]
    for row in texts.select(pl.col(COLUMNS).cast(pl.String)).rows():
        text = "".join("-" if value is None else f"{len(value)}:{value}" for value in row)
        digest = hashlib.sha256(text.encode()).digest()
        sums = [(one + int.from_bytes(digest[8 * i : 8 * i + 8])) % 2**64 for i, one in enumerate(sums)]
    assert "".join(f"{one:016x}" for one in sums) == both.there.sources[-1].sha256


def nobody() -> Intake:
    """Give an intake of nothing."""
    none = pl.DataFrame()
    return Intake(none, Path(), Path(), (), frozenset(), (), none, none, "")


def test_tables_that_cannot_be_used_are_named_together(engine: SparkEngine, tmp_path: Path) -> None:
    """A column that is missing, one of a wrong type and one that nobody knows, in two sources, all at once."""
    tables = {"one": frame({"amount_minor": 19.99, "mcc": "0742"}), "two": pl.DataFrame({"mcc": [742]})}
    for name, rows in tables.items():
        engine.load(rows).to_native().createOrReplaceTempView(name)
    with refused(InputError) as codes:
        lake.take_in_tables(engine, list(tables), RoleMapping(), nobody(), Silent())
    assert {"MS-COL-001", "MS-COL-002", "MS-COL-005", "MS-COL-006"} <= set(codes)
    with refused(InputError) as codes:
        nowhere = ["no_such_table", f"file://{tmp_path}/nothing.parquet"]
        lake.take_in_tables(engine, [*nowhere, "no_such_table"], RoleMapping(), nobody(), Silent())
    assert codes == ["MS-ENG-007"] * 4
    engine.load(frame({}).clear()).to_native().createOrReplaceTempView("no_rows")
    with refused(InputError) as codes:
        lake.take_in_tables(engine, ["no_rows"], MAPPING.transactions, nobody(), Silent())
    assert codes == ["MS-ENG-007"]


def test_executors_have_to_hold_this_package(engine: SparkEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version, or none, is said before anything is read."""
    with monkeypatch.context() as patch, refused(UsageError) as codes:
        patch.setattr(lake, "own_versions", lambda: {"package": "0.0.1", "python": "3.11"})
        lake.take_in_tables(engine, ["any"], RoleMapping(), nobody(), Silent())
    assert codes == ["MS-ENG-006"]
    module = ModuleType("only_here")
    exec("def versions(batches):\n    return batches", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    monkeypatch.setattr(lake, "versions", module.versions)
    with refused(UsageError) as codes:
        lake.take_in_tables(engine, ["any"], RoleMapping(), nobody(), Silent())
    assert codes == ["MS-ENG-006"]
