"""Every CSV and XLSX export, opened by a real spreadsheet: no formula, no link, and the text as it was."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from exports.naughty_run import ACCOUNT, CORPUS, naughty_bundle, naughty_rejects
from exports.spreadsheet import Opened, opened

from merchantscreen.outputs.casefile import case_files
from merchantscreen.outputs.csvfile import neutralised
from merchantscreen.outputs.text import defanged, visible
from merchantscreen.outputs.xlsx import workbook_of

UTF_8 = "CSV:44,34,76,1"
SEMICOLONS = "CSV:44/59,34,76,1"
DETECTED = "CSV:44,34,76,1,,0,false,true"
"""Import as a person does it: by the comma; where the locale also splits at semicolons; detecting special numbers."""


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write every export of the hostile run into one folder."""
    folder = tmp_path_factory.mktemp("exports")
    bundle = naughty_bundle(folder / "runs")
    for name, data in case_files(bundle, ACCOUNT).items():
        if name.endswith(".csv"):
            (folder / f"case-{name}").write_bytes(data)
    for name in ("ranking.csv", "rejects.csv"):
        (folder / f"run-{name}").write_bytes((bundle.folder / name).read_bytes())
    (folder / "run.xlsx").write_bytes(workbook_of(bundle, naughty_rejects(), folder, ["nothing"]).data)
    return folder


@pytest.mark.parametrize("options", [UTF_8, SEMICOLONS, DETECTED])
def test_no_cell_of_a_csv_file_becomes_a_formula_or_a_link(exports: Path, tmp_path: Path, options: str) -> None:
    """However the file is imported, what a merchant chose is text."""
    files = sorted(exports.glob("*.csv"))
    assert len(files) == 11
    for name, found in opened(files, tmp_path, options).items():
        assert (name, found.formulas, found.links) == (name, [], [])


def test_the_text_of_a_csv_file_is_unchanged_but_for_the_documented_mark(exports: Path, tmp_path: Path) -> None:
    """Imported as text, the cells are those of the file, whose texts are the strings with a `'` where it is needed."""
    files = [exports / "case-rules.csv", exports / "run-rejects.csv", exports / "run-ranking.csv"]
    as_text = f"{UTF_8},{'/'.join(f'{column}/2' for column in range(1, 31))}"
    found = opened(files, tmp_path, as_text)
    for file in files:
        (rows,) = found[file.name].sheets.values()
        assert rows == _rows_of(file)
    reasons = {row[-1] for row in _rows_of(exports / "case-rules.csv")}
    assert {neutralised(text) for text in CORPUS} <= reasons


def test_no_cell_of_the_workbook_becomes_a_formula_or_a_link_and_its_text_is_unchanged(
    exports: Path, tmp_path: Path
) -> None:
    """Every string is there as it was, what acts unseen as an escape and domains defanged."""
    found = opened([exports / "run.xlsx"], tmp_path)["run.xlsx"]
    assert (found.formulas, found.links) == ([], [])
    assert _column(found, "rejects", "found")[1:] == [visible(text, 10**6) for text in CORPUS]
    assert _column(found, "ranking", "dba_name")[2:] == [defanged(visible(text, 10**6)) for text in CORPUS]
    assert _column(found, "rules", "reason")[1:] == [defanged(visible(text, 10**6)) for text in CORPUS]


def _rows_of(file: Path) -> list[list[str]]:
    """Read a file as RFC 4180 does, trailing empty cells left out."""
    rows = []
    for row in csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline="")):
        while row and not row[-1]:
            row.pop()
        rows.append(row)
    return rows


def _column(found: Opened, sheet: str, name: str) -> list[str]:
    header, *rows = found.sheets[sheet]
    place = header.index(name)
    return [row[place] for row in rows if len(row) > place and row[place]]
