"""The workbook: typed cells, nothing that acts, the same bytes every time, and a word for whatever is cut."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl
import pytest
from unit import small_run

from merchantscreen.bundle import Bundle
from merchantscreen.outputs.xlsx import CELL_CHARACTERS, SHEET_ROWS, Workbook, workbook_of

SHEETS = ("about", "ranking", "ledger", "rules", "referrals", "blind spots", "rejects")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Give the small run, read back."""
    return small_run.bundle(tmp_path)


def _made(bundle: Bundle, work: Path, **options: int) -> Workbook:
    return workbook_of(bundle, small_run.REJECTS, work, ["one thing"], **options)


def _sheet(book: Workbook, name: str) -> ET.Element:
    with zipfile.ZipFile(io.BytesIO(book.data)) as archive:
        return ET.fromstring(archive.read(f"xl/worksheets/sheet{SHEETS.index(name) + 1}.xml"))


def _cells(book: Workbook, name: str) -> list[list[tuple[str, str]]]:
    """Return type and content of every cell, row by row."""
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row.findall(".//{*}c")]
        for row in _sheet(book, name).findall(".//{*}row")
    ]


def _first_row(book: Workbook, name: str) -> dict[str, tuple[str, str]]:
    """Return type and content of the cells of the first row that are not empty, by column title."""
    header, first, *_ = [
        {str(cell.get("r")).rstrip("0123456789"): (cell.get("t", "n"), "".join(cell.itertext())) for cell in row}
        for row in _sheet(book, name).findall(".//{*}row")
    ]
    return {header[place][1]: cell for place, cell in first.items()}


def _texts(book: Workbook, name: str) -> list[str]:
    return [text for row in _cells(book, name) for _, text in row]


def test_the_sheets_are_there_and_say_what_they_rest_on(bundle: Bundle, tmp_path: Path) -> None:
    """The first sheet tells policy, run and what was withheld; every sheet has a header that stays and filters."""
    book = _made(bundle, tmp_path)
    with zipfile.ZipFile(io.BytesIO(book.data)) as archive:
        names = [sheet.get("name") for sheet in ET.fromstring(archive.read("xl/workbook.xml")).findall(".//{*}sheet")]
    assert tuple(names) == SHEETS
    about = _texts(book, "about")
    assert about[0] == "POLICY"
    assert about[1].startswith("UNAPPROVED POLICY")
    assert {"one thing", "run-1", bundle.manifest.as_of} <= set(about)
    for name in SHEETS[1:]:
        sheet = _sheet(book, name)
        (pane,) = sheet.findall(".//{*}pane")
        assert (pane.get("ySplit"), pane.get("state")) == ("1", "frozen")
        assert sheet.find("{*}autoFilter") is not None
        assert [float(column.get("width", 0)) for column in sheet.findall(".//{*}col")] > [0]
    assert book.rows == {"ranking": 4, "ledger": 7, "rules": 3, "referrals": 2, "blind spots": 4, "rejects": 1}


def test_numbers_and_times_are_typed_and_codes_stay_text(bundle: Bundle, tmp_path: Path) -> None:
    """A rank is a number, a moment the number of its day, an MCC with a leading zero the text it is; null is empty."""
    ranking = bundle.ranking.with_columns(mcc=pl.lit("0742"))
    book = _made(replace(bundle, ranking=ranking), tmp_path)
    row = _first_row(book, "ranking")
    assert (row["rank"], row["mcc"]) == (("n", "1"), ("inlineStr", "0742"))
    assert row["points_nano"] == ("n", "2995732274")
    assert "payment_facilitator_id" not in row
    referral = _first_row(book, "referrals")
    assert referral["confirmed"] == ("inlineStr", "yes")
    assert referral["window_from_at"][0] == "n"
    days = float(referral["window_from_at"][1])
    assert round((days % 1) * 86_400) == 12 * 3600 + 30 * 60
    assert date(1899, 12, 30).toordinal() + int(days) == small_run.SEEN_AT.toordinal()


def test_no_cell_is_a_formula_or_a_link(bundle: Bundle, tmp_path: Path) -> None:
    """Text that would be one stays as typed, in cells of the format Text, and no relation leads anywhere."""
    bad = ["=1+1", "https://amber-shop.example/", "+1", "mailto:a@b.example", "=HYPERLINK(1)", "@SUM(1)", "{=1}"]
    ranking = pl.concat([bundle.ranking.head(1)] * len(bad)).with_columns(dba_name=pl.Series(bad))
    book = _made(replace(bundle, ranking=ranking), tmp_path)
    with zipfile.ZipFile(io.BytesIO(book.data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert not [name for name in parts if "worksheets/_rels" in name]
    assert not any(b"<f>" in data or b"<f " in data or b"<hyperlink" in data for data in parts.values())
    assert {"=1+1", "+1", "@SUM(1)", "{=1}"} <= set(_texts(book, "ranking"))
    assert "https://amber-shop[.]example/" in _texts(book, "ranking")


def test_the_same_run_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    """No clock and no place: the date of making is the moment of the run, the times in the archive are fixed."""
    first = _made(bundle, tmp_path / "..").data
    assert first == _made(bundle, tmp_path).data
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        assert b"2026-11-01T00:00:00Z" in archive.read("docProps/core.xml")


def test_what_a_sheet_cannot_hold_is_told(bundle: Bundle, tmp_path: Path) -> None:
    """Rows beyond the limit and text beyond a cell are cut, and both the caller and the first sheet know."""
    assert SHEET_ROWS == 1_048_576
    reasons = bundle.rules.with_columns(reason=pl.lit("x" * (CELL_CHARACTERS + 1)))
    book = _made(replace(bundle, rules=reasons), tmp_path, most_rows=4)
    assert book.rows["ledger"] == 3
    assert book.cuts == (
        "ranking: the first 3 of 4 rows; a sheet holds no more, all are in the run",
        "ledger: the first 3 of 7 rows; a sheet holds no more, all are in the run",
        "rules, reason: 3 cells after 32,767 characters",
        "blind spots: the first 3 of 4 rows; a sheet holds no more, all are in the run",
    )
    assert set(book.cuts) <= set(_texts(book, "about"))
    assert max(map(len, _texts(book, "rules"))) == CELL_CHARACTERS


def test_what_a_spreadsheet_would_round_or_misdate_is_text(bundle: Bundle, tmp_path: Path) -> None:
    """Whole numbers beyond fifteen digits and days before spreadsheets agree are written out."""
    ledger = bundle.ledger.with_columns(points_nano=pl.lit(10**17 + 1), first_at=pl.lit(datetime(1850, 1, 2)))
    texts = _cells(_made(replace(bundle, ledger=ledger), tmp_path), "ledger")[1]
    assert ("inlineStr", "100000000000000001") in texts
    assert ("inlineStr", "1850-01-02 00:00:00") in texts


def test_held_and_sealed_are_counted_and_not_shown(bundle: Bundle, tmp_path: Path) -> None:
    """A domain under a law-enforcement hold is on no sheet, a sealed account only in a count."""
    domains = bundle.domains.with_columns(held=pl.col("domain") == "amber-shop.example")
    book = _made(replace(bundle, domains=domains), tmp_path)
    assert book.rows["referrals"] == 1
    assert "amber-shop[.]example" not in _texts(book, "referrals")
    assert "Accounts sealed" in _texts(book, "about")
