"""Attack: a Parquet file whose footer states bounds that are not those of its values."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from intake_files import card_numbers, merchant, transaction, write_csv

from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.features import naive_utc
from merchantscreen.intake import Intake, take_in
from merchantscreen.tables import TransactionRows, schema_of
from merchantscreen.unstaged import FilesInPlace

HIDDEN, SHOWN = "https://hidden.example", "https://aaaaaa.example"
FOOTER_TAIL_BYTES = 8


def _with_lies(path: Path, rows: list[dict[str, str]], truth: str, lie: str) -> Path:
    """Write rows, then put other bounds of the same length into the footer."""
    frame = pl.DataFrame(rows).with_columns(
        pl.col("amount_minor").cast(pl.Int64), pl.col("occurred_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    )
    frame.select(name for name in schema_of(TransactionRows) if name in frame.columns).write_parquet(path)
    whole = path.read_bytes()
    start = len(whole) - FOOTER_TAIL_BYTES - int.from_bytes(whole[-FOOTER_TAIL_BYTES:-4], "little")
    footer = whole[start:]
    assert footer.count(truth.encode()) >= 2
    assert len(truth) == len(lie)
    path.write_bytes(whole[:start] + footer.replace(truth.encode(), lie.encode()))
    return path


def _taken_in(tmp_path: Path, transactions: Path) -> Intake:
    merchants = write_csv(tmp_path / "m.csv", [merchant()])
    return take_in([merchants], [transactions], tmp_path / "work", in_place=True)


def test_rows_are_not_hidden_by_bounds(tmp_path: Path) -> None:
    """A reader that believes the bounds passes over the rows; a screen finds them."""
    rows = [transaction(transaction_id=f"t{n}", requestor_url=HIDDEN) for n in range(3)]
    path = _with_lies(tmp_path / "t.parquet", rows, HIDDEN, SHOWN)
    held = pl.col("requestor_url") == HIDDEN
    assert pl.scan_parquet(path).filter(held).collect().height < len(rows)
    intake = _taken_in(tmp_path, path)
    assert len(intake.plain_files) == 1
    folder = tmp_path / "engine"
    folder.mkdir()
    engine = PolarsEngine(folder)
    last = intake.plain_files[0].last_at
    assert last is not None
    files = FilesInPlace(engine, intake.plain_files, naive_utc(last))
    found = engine.collect(files.rows_with("requestor_host", pl.Series(["hidden.example"]), ["transaction_id"]))
    assert sorted(found["transaction_id"]) == ["t0", "t1", "t2"]


def test_a_card_number_is_not_hidden_by_bounds(tmp_path: Path) -> None:
    """The rows are refused, whatever the footer says is in them."""
    number = card_numbers()[0]
    rows = [transaction(transaction_id=f"t{n}", device_token=number) for n in range(3)]
    path = _with_lies(tmp_path / "t.parquet", rows, number, "a" * len(number))
    (source,) = (source for source in _taken_in(tmp_path, path).sources if source.role == "transactions")
    assert (source.rows_read, source.rows_rejected) == (3, 3)
