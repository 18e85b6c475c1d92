"""Transaction files: what is staged, what is counted, and repetitions over parts and files."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest
from intake_files import merchant, transaction, write_csv

from merchantscreen.intake import Intake, duplicates, take_in, transactions
from merchantscreen.tables import Transactions, schema_of

COLUMNS = list(schema_of(Transactions))


def _take(tmp_path: Path, *files: list[dict[str, str]]) -> Intake:
    folder = tmp_path / "in"
    folder.mkdir(parents=True)
    merchants = write_csv(folder / "m.csv", [merchant()])
    paths = [write_csv(folder / f"t{number}.csv", rows) for number, rows in enumerate(files)]
    return take_in([merchants], paths, tmp_path / "run")


def _staged(intake: Intake) -> pl.DataFrame:
    return pl.read_parquet(list(intake.transaction_files))


def _balance(intake: Intake) -> list[tuple[int, int, int]]:
    return [(source.rows_read, source.rows_accepted, source.rows_rejected) for source in intake.sources[1:]]


def test_a_row_is_staged_without_paths_and_without_its_card_token(tmp_path: Path) -> None:
    """Hosts, a folded descriptor and the terminal with its acquirer go on; paths and card tokens do not."""
    row = transaction(
        card_token="tok-secret",
        requestor_url="https://Amber.Example:443/checkout/secret?id=1",
        acceptor_url="nowhere",
        descriptor="  amber   shop 0612345678 ",
        terminal_id="T1",
    )
    intake = _take(tmp_path, [row])
    staged = Transactions.validate(_staged(intake).select(COLUMNS)).row(0, named=True)
    assert staged["account_id"] == "400001/CAID0001"
    assert (staged["requestor_host"], staged["acceptor_host"]) == ("amber.example", None)
    assert (staged["descriptor"], staged["terminal"]) == ("AMBER SHOP", "400001/T1")
    assert (staged["transaction_type"], staged["outcome"]) == ("purchase", "approved")
    assert "secret" not in _staged(intake).write_json()
    assert {"requestor_host", "terminal"} <= intake.present
    assert "acceptor_host" not in intake.present


def test_cut_and_unreadable_urls_and_absent_columns_are_blind_spots(tmp_path: Path) -> None:
    """What was lost on the way is counted per column, and never silently."""
    rows = [
        transaction(transaction_id=f"t{n}", requestor_url=url)
        for n, url in enumerate(["https://a.example/x", "b.example", "?"])
    ]
    intake = _take(tmp_path, rows)
    spots = {
        (kind, subject.removeprefix("transactions.")): count
        for kind, subject, count, _ in intake.blind_spots.iter_rows()
        if subject.startswith("transactions.")
    }
    absent = ["acceptor_url", "card_product", "descriptor", "device_token", "ip_token", "issuer_country", "terminal_id"]
    assert spots == {
        **{("column_absent", column): 3 for column in absent},
        ("field_stripped", "requestor_url"): 1,
        ("field_unreadable", "requestor_url"): 1,
    }


def test_rejects_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Bad lines and bad fields are rejected by line; read = accepted + rejected."""
    rows = [transaction(transaction_id=f"t{n}", amount_minor=text) for n, text in enumerate(["1", "3.5", "2", "-1"])]
    intake = _take(tmp_path, rows)
    rejects = intake.rejects.select("role", "file", "line", "column", "code").rows()
    assert rejects == [
        ("transactions", "t0.csv", 3, "amount_minor", "MS-FLD-004"),
        ("transactions", "t0.csv", 5, "amount_minor", "MS-FLD-003"),
    ]
    assert _balance(intake) == [(4, 2, 2)]
    assert _staged(intake)["amount_minor"].sort().to_list() == [1, 2]


def test_a_repeated_transaction_counts_once_over_files(tmp_path: Path) -> None:
    """The same transaction in two files is kept once and rejected once."""
    intake = _take(tmp_path, [transaction()], [transaction(), transaction(transaction_id="tx-2")])
    assert _staged(intake)["transaction_id"].sort().to_list() == ["tx-1", "tx-2"]
    assert intake.rejects.select("file", "line", "code").rows() == [("t1.csv", 2, "MS-KEY-004")]
    assert _balance(intake) == [(1, 1, 0), (2, 1, 1)]


def test_transactions_that_contradict_each_other_are_all_rejected(tmp_path: Path) -> None:
    """Two different transactions under one id of one account are both refused."""
    rows = [transaction(), transaction(amount_minor="1"), transaction(card_acceptor_id="C2")]
    intake = _take(tmp_path, rows)
    assert _staged(intake)["account_id"].to_list() == ["400001/C2"]
    assert intake.rejects.select("line", "code").rows() == [(2, "MS-KEY-003"), (3, "MS-KEY-003")]


def test_rows_without_an_id_are_never_taken_for_repetitions(tmp_path: Path) -> None:
    """Two equal purchases without ids are two purchases."""
    rows = [{name: text for name, text in transaction().items() if name != "transaction_id"}] * 2
    assert _balance(_take(tmp_path, rows)) == [(2, 2, 0)]


def test_a_column_that_only_rejected_repetitions_filled_is_not_present(tmp_path: Path) -> None:
    """Which columns hold values is said of what is left."""
    rows = [transaction(eci="05"), transaction(eci="07"), transaction(transaction_id="tx-2")]
    intake = _take(tmp_path, rows)
    assert "eci" not in intake.present
    assert "currency" in intake.present


@pytest.mark.parametrize("bounds", [(1_000_000, 24_000_000, 1_000_000), (7, 5, 3)])
def test_shuffled_and_split_rows_leave_the_same_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bounds: tuple[int, int, int]
) -> None:
    """Neither order, nor files, nor the bounds on memory change what is staged or how many are rejected."""
    monkeypatch.setattr(transactions, "PART_ROWS", bounds[0])
    monkeypatch.setattr(duplicates, "HASHES_PER_PASS", bounds[1])
    monkeypatch.setattr(duplicates, "ROWS_PER_CHECK", bounds[2])
    rows = [transaction(transaction_id=f"t{n % 40}", amount_minor=str(n % 40 + n // 110)) for n in range(120)]
    whole = _take(tmp_path / "whole", rows)
    shuffled = random.Random(1).sample(rows, len(rows))
    split = _take(tmp_path / "split", shuffled[:50], shuffled[50:51], shuffled[51:])
    frames = [_staged(intake).select(COLUMNS).sort(COLUMNS) for intake in (whole, split)]
    assert frames[0].height == 30
    assert frames[0].equals(frames[1])
    counts = [intake.rejects.group_by("code").len().sort("code").rows() for intake in (whole, split)]
    assert counts[0] == counts[1] == [("MS-KEY-003", 30), ("MS-KEY-004", 60)]


def test_no_transaction_file_is_fine(tmp_path: Path) -> None:
    """Merchants alone can be taken in."""
    intake = _take(tmp_path)
    assert intake.transaction_files == ()
    assert intake.present == frozenset()
