"""Accounts without a merchant row: kept, counted, and named with place and fix."""

from __future__ import annotations

from pathlib import Path

from intake_files import merchant, transaction, write_csv

from merchantscreen.intake import Intake, take_in
from merchantscreen.intake.strangers import NAMED


def taken_in(tmp_path: Path, *acceptors: str) -> Intake:
    """Take in one known merchant and transactions of some card acceptors."""
    merchants = write_csv(tmp_path / "merchants.csv", [merchant()])
    rows = [transaction(transaction_id=f"tx-{i}", card_acceptor_id=name) for i, name in enumerate(acceptors)]
    return take_in([merchants], [write_csv(tmp_path / "transactions.csv", rows)], tmp_path / "work")


def test_an_unknown_account_is_named_at_its_first_row_and_its_rows_are_kept(tmp_path: Path) -> None:
    """Code, file, line, field and fix, as for a problem; but nothing is rejected and nothing quoted."""
    intake = taken_in(tmp_path, "CAID0001", "UNKNOWN1", "UNKNOWN1")
    (notice,) = intake.notices
    assert (notice.code, notice.where, notice.line, notice.column) == (
        "MS-KEY-005", "transactions.csv", 3, "card_acceptor_id",
    )  # fmt: skip
    assert "rows: 2" in notice.found
    assert "UNKNOWN1" not in str(notice)
    assert notice.fix
    assert intake.rejects.is_empty()
    assert intake.sources[1].rows_accepted == 3


def test_known_accounts_give_no_notice(tmp_path: Path) -> None:
    """A file whose accounts are all known is taken in without a word."""
    assert taken_in(tmp_path, "CAID0001", "CAID0001").notices == ()


def test_only_the_first_unknown_accounts_are_named(tmp_path: Path) -> None:
    """A wholly foreign file does not flood the screen; the blind spots count them all."""
    intake = taken_in(tmp_path, *(f"UNKNOWN{i:04d}" for i in range(NAMED + 5)))
    assert [notice.line for notice in intake.notices] == list(range(2, NAMED + 2))
