"""Who has transactions is the same whether files are read in place or staged: repeated, late and unknown ones too."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from intake_files import merchant, transaction, write_csv

from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.intake import Intake, reading, take_in
from merchantscreen.unstaged import FilesInPlace

ACCEPTORS: Final = ("A", "B", "C", "D")
DECLARED: Final = ("A", "B")
FIRST_AT: Final = datetime(2026, 1, 1)
AS_OF: Final = FIRST_AT + timedelta(days=3)


def _write_files(folder: Path, seed: int) -> None:
    """Write three files with few ids, so that many repeat or contradict each other; the last has late rows."""
    draw = random.Random(seed)  # rows of a test
    folder.mkdir()
    for number in range(3):
        rows = [
            {
                **transaction(
                    transaction_id=f"t{draw.randrange(4)}", card_acceptor_id=draw.choice(ACCEPTORS),
                    sub_merchant_id=draw.choice(("", "S")),
                ),
                "amount_minor": draw.choice((100, 200)),
                "occurred_at": FIRST_AT + timedelta(days=2 * number),
            }
            for _ in range(6)
        ]  # fmt: skip
        pl.DataFrame(rows).write_parquet(folder / f"part-{number}.parquet")


def _taken_in(tmp_path: Path, *, in_place: bool) -> Intake:
    merchants = write_csv(tmp_path / "m.csv", [merchant(card_acceptor_id=name) for name in DECLARED])
    work = tmp_path / ("in place" if in_place else "staged")
    return take_in([merchants], [tmp_path / "t"], work, in_place=in_place)


@pytest.mark.parametrize("seed", range(6))
def test_the_same_accounts_have_transactions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """An account counts that has an accepted row up to the moment of the run, and no other, whoever judged its file."""
    surveyors = 1 + seed % 2
    monkeypatch.setattr(reading, "_THREADS_PER_SURVEYOR", max(1, pl.thread_pool_size() // surveyors))
    _write_files(tmp_path / "t", seed)
    staged, plain = _taken_in(tmp_path, in_place=False), _taken_in(tmp_path, in_place=True)
    assert len(plain.plain_files) == 3
    assert not plain.transaction_files
    assert plain.notices == staged.notices
    assert staged.notices
    rows = pl.read_parquet(list(staged.transaction_files))
    (tmp_path / "engine").mkdir()
    engine = PolarsEngine(tmp_path / "engine")
    for as_of in (AS_OF, FIRST_AT + timedelta(days=9)):
        expected = rows.filter(pl.col("occurred_at") <= as_of)["account_id"].unique().sort()
        assert FilesInPlace(engine, plain.plain_files, as_of).accounts().unique().sort().to_list() == expected.to_list()


def test_an_account_whose_rows_are_all_refused_has_none(tmp_path: Path) -> None:
    """Two rows that contradict each other leave nothing of their account, though its name was written down."""
    (tmp_path / "t").mkdir()
    moment = {"occurred_at": FIRST_AT}
    rows = [
        {**transaction(transaction_id="t1", card_acceptor_id="A"), **moment, "amount_minor": 100},
        {**transaction(transaction_id="t2", card_acceptor_id="C"), **moment, "amount_minor": 100},
        {**transaction(transaction_id="t2", card_acceptor_id="C"), **moment, "amount_minor": 200},
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "t" / "part.parquet")
    plain = _taken_in(tmp_path, in_place=True)
    assert plain.notices == ()
    (tmp_path / "engine").mkdir()
    found = FilesInPlace(PolarsEngine(tmp_path / "engine"), plain.plain_files, AS_OF).accounts()
    assert {account.split("/")[1] for account in found} == {"A"}
