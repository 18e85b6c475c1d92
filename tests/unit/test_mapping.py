"""Mapping files: an acquirer's own columns become ours, and a wrong mapping is named line by line."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from intake_files import merchant, write_csv

from merchantscreen.errors import InputError
from merchantscreen.intake import load_mapping, take_in

GOOD = """\
transactions:
  columns: {amount_minor: AMT, occurred_at: TS, card_acceptor_id: MID, transaction_type: KIND, mcc: MCC}
  constants: {acquirer_id: 0400001, currency: EUR}
  values:
    transaction_type: {S: purchase, R: refund}
  ignore: [INTERNAL]
"""


def _mapping(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mapping.yml"
    path.write_text(text, encoding="utf-8")
    return path


def _problems(tmp_path: Path, text: str) -> list[tuple[str, int | None]]:
    with pytest.raises(InputError) as caught:
        load_mapping(_mapping(tmp_path, text))
    return [(problem.code, problem.line) for problem in caught.value.problems]


def test_an_acquirers_file_comes_in_unchanged(tmp_path: Path) -> None:
    """Columns are renamed, constants filled in, values translated, codes kept as text."""
    mapping = load_mapping(_mapping(tmp_path, GOOD))
    foreign = {"AMT": "1999", "TS": "2026-01-31T12:00:00Z", "MID": "CAID0001", "MCC": "0742", "INTERNAL": "x"}
    rows = [{**foreign, "KIND": "S"}, {**foreign, "KIND": "R"}, {**foreign, "KIND": "chargeback"}]
    csv, parquet = write_csv(tmp_path / "t.csv", rows), tmp_path / "t.parquet"
    pl.DataFrame(rows).with_columns(pl.col("AMT").cast(pl.Int64)).write_parquet(parquet)
    for file in (csv, parquet):
        intake = take_in([write_csv(tmp_path / "m.csv", [merchant()])], [file], tmp_path / file.suffix, mapping=mapping)
        staged = pl.read_parquet(list(intake.transaction_files))
        assert staged["transaction_type"].to_list() == ["purchase", "refund", "chargeback"]
        assert staged["account_id"].unique().to_list() == ["0400001/CAID0001"]
        assert staged["currency"].unique().to_list() == ["EUR"]
        assert staged["mcc"].unique().to_list() == ["0742"]


def test_columns_nobody_asked_for_and_columns_that_are_not_there_are_problems(tmp_path: Path) -> None:
    """Nothing of a foreign file is silently passed over."""
    mapping = load_mapping(_mapping(tmp_path, GOOD))
    foreign = {"AMT": "1999", "MID": "CAID0001", "KIND": "S", "MCC": "0742", "OTHER": "x", "currency": "EUR"}
    with pytest.raises(InputError) as caught:
        take_in([], [write_csv(tmp_path / "t.csv", [foreign])], tmp_path / "run", mapping=mapping)
    assert [(problem.code, problem.column) for problem in caught.value.problems] == [
        ("MS-COL-001", "TS"),
        ("MS-COL-002", "OTHER"),
        ("MS-COL-002", "currency"),
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("transactions: {columns: {amount_minr: AMT}}", [("MS-MAP-005", 1)]),
        ("payments: {}\nmerchants:\n  colums: {}", [("MS-MAP-004", 1), ("MS-MAP-004", 3)]),
        ("merchants:\n  columns:\n    mcc: A\n    mcc: B", [("MS-MAP-002", 4)]),
        ("merchants: &a {}\ntransactions: *a", [("MS-MAP-002", 1), ("MS-MAP-002", 2)]),
        ("merchants: !!python/name:os.system {}", [("MS-MAP-002", 1)]),
        ("merchants:\n  columns: [a]", [("MS-MAP-006", 2)]),
        ("merchants:\n  ignore: {a: b}", [("MS-MAP-006", 2)]),
        (
            "merchants:\n  columns: {mcc: }\n  constants: {mcc: '5999', country: [NL]}",
            [("MS-MAP-006", 2), ("MS-MAP-006", 3)],
        ),
        ("merchants:\n  columns: {mcc: A}\n  constants: {mcc: '5999'}", [("MS-MAP-007", 3)]),
        ("merchants:\n  columns: {mcc: A}\n  ignore: [A]", [("MS-MAP-008", 3)]),
        ("merchants: {", [("MS-MAP-001", 1)]),
        ("a: " + "x" * 300_000, [("MS-MAP-003", None)]),
    ],
)
def test_a_wrong_mapping_is_named_by_line(tmp_path: Path, text: str, problems: list[tuple[str, int | None]]) -> None:
    """Every problem of a mapping file is named, with its line."""
    assert _problems(tmp_path, text) == problems


def test_a_mistyped_field_is_told_its_likely_name(tmp_path: Path) -> None:
    """The field that was probably meant is offered."""
    with pytest.raises(InputError) as caught:
        load_mapping(_mapping(tmp_path, "transactions: {constants: {curency: EUR}}"))
    assert caught.value.problems[0].expected == "perhaps currency"


def test_an_empty_mapping_changes_nothing(tmp_path: Path) -> None:
    """A file of comments is a mapping without entries."""
    assert load_mapping(_mapping(tmp_path, "# nothing yet\n")).of("merchants").columns == {}
