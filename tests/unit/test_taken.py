"""Rows that are taken out of the traffic once: they answer as the whole traffic would, wherever they lay before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from frames import AS_OF
from intake_files import merchant, transaction, write_csv

from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.features import CHANGES, CONTACTS, HOSTS, NAMES, PAYMENTS
from merchantscreen.intake import Intake, take_in
from merchantscreen.screening import traffic_of
from merchantscreen.tables import TransactionRows, schema_of
from merchantscreen.traffic import Asked, Traffic

MIDDLE = datetime(2026, 10, 3, 12)
SOME = pl.Series(["ACQ1/M1", "ACQ2/M1", "ACQ1/M2", "ACQ1/nobody"])
"""Of two accounts with one card acceptor id both, of three with another one alone."""
TEXTS = (
    {"descriptor": "SHOP*1234567", "requestor_url": "https://shop.example/a", "terminal_id": "T1"},
    {"descriptor": "1234567", "acceptor_url": "https://münchen.example/", "device_token": "d1"},
    {"descriptor": "Café  Ü", "requestor_url": "no host at all"},
    {"descriptor": None, "acceptor_url": "SHOP.example"},
)  # fmt: skip


def rows_of_files() -> Iterator[dict[str, str | None]]:
    """Make rows of six accounts: one only says what comes to nothing, and one says nothing."""
    keys = [("ACQ1", "M1"), ("ACQ2", "M1"), ("ACQ1", "M2"), ("ACQ2", "M2"), ("ACQ3", "M2"), ("ACQ1", "M3")]
    unsaid = dict.fromkeys(("descriptor", "requestor_url", "acceptor_url", "terminal_id", "device_token"))
    for number in range(48):
        acquirer, acceptor = keys[number % len(keys)]
        said = TEXTS[1] if acceptor == "M2" else {} if acquirer == "ACQ2" else TEXTS[number // len(keys) % len(TEXTS)]
        key = {"acquirer_id": acquirer, "card_acceptor_id": acceptor, "transaction_id": f"t{number}"}
        yield transaction(**key, occurred_at=f"2026-10-{number % 5 + 1:02}T12:00:00Z") | unsaid | said


def taken_in(folder: Path, *, in_place: bool) -> Intake:
    """Read the rows out of a Parquet file, which stays where it is or is staged."""
    frame = pl.DataFrame(list(rows_of_files())).with_columns(
        pl.col("amount_minor").cast(pl.Int64), pl.col("occurred_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    )
    path = folder / "t.parquet"
    frame.select(name for name in schema_of(TransactionRows) if name in frame.columns).write_parquet(path)
    merchants = write_csv(folder / "m.csv", [merchant()])
    return take_in([merchants], [path], folder / f"work-{in_place}", in_place=in_place)


def answers(engine: PolarsEngine, traffic: Traffic) -> Iterator[list[object]]:
    """Take rows out and ask for all of it; each answer sorted."""
    taken = traffic.take(Asked({PAYMENTS: SOME, NAMES: SOME}, compared=SOME), "taken")
    for some in (SOME, SOME.head(1), SOME.clear()):
        for columns in (PAYMENTS, HOSTS, CHANGES, ("account_id", *CONTACTS)):
            yield sorted(engine.collect(taken.rows(columns, some)).rows(), key=str)
            yield sorted(engine.collect(traffic.rows_of(some, columns)).rows(), key=str)
    for named in (("descriptor",), CONTACTS, ("terminal",), ("requestor_host", "acceptor_host")):
        yield sorted(engine.collect(taken.naming(*named))["account_id"])


@pytest.mark.parametrize("as_of", [AS_OF, MIDDLE])
def test_taken_rows_answer_as_the_traffic_does(tmp_path: Path, as_of: datetime) -> None:
    """In place or staged, up to any moment: the rows of the accounts that were asked for, and of nobody else."""
    engine, found = PolarsEngine(tmp_path), []
    for in_place in (True, False):
        intake = taken_in(tmp_path, in_place=in_place)
        assert (len(intake.plain_files), len(intake.transaction_files)) == (in_place, not in_place)
        found.append(list(answers(engine, traffic_of(engine, intake, as_of))))
    ours, staged = found
    assert ours == staged
    assert ours[0:24:2] == ours[1:24:2]
    assert len(ours[0]) == 24 if as_of == AS_OF else 0 < len(ours[0]) < 24


def test_a_text_that_comes_to_nothing_names_nothing(tmp_path: Path) -> None:
    """A descriptor that is a telephone number alone is none, before and after it is normalised."""
    engine, intake = PolarsEngine(tmp_path), taken_in(tmp_path, in_place=True)
    taken = traffic_of(engine, intake, AS_OF).take(Asked({PAYMENTS: SOME, NAMES: SOME}, compared=SOME), "taken")
    assert set(engine.collect(taken.naming("descriptor"))["account_id"]) == {"ACQ1/M1"}
    assert set(engine.collect(taken.naming(*CONTACTS))["account_id"]) == {"ACQ1/M1", "ACQ1/M2"}


def test_where_there_is_no_traffic_nothing_is_taken(tmp_path: Path) -> None:
    """A run without transactions measures accounts all the same."""
    engine = PolarsEngine(tmp_path)
    taken = Traffic(engine, ()).take(Asked({PAYMENTS: SOME, NAMES: SOME}, compared=SOME), "taken")
    assert engine.collect(taken.rows(HOSTS, SOME)).columns == list(HOSTS)
    assert engine.collect(taken.naming("descriptor")).is_empty()
