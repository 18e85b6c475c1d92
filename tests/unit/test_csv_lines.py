"""CSV lines: every kind of bad line is rejected with its code and its number, and takes no other with it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from intake_files import write_bytes

from merchantscreen.errors import InputError, Problem
from merchantscreen.intake import files
from merchantscreen.intake.lines import MAX_LINE_BYTES, CsvFile, read_header, read_records
from merchantscreen.intake.strict import RecordError, split_record

GOOD = b"a,b,c\n"

BAD_LINES = {
    "blank": (b"\n", "MS-CSV-010"),
    "not UTF-8": (b"a,\xff,c\n", "MS-CSV-011"),
    "too few fields": (b"a,b\n", "MS-CSV-012"),
    "too few fields, quoted": (b'a,"b"\n', "MS-CSV-012"),
    "too many fields": (b"a,b,c,d\n", "MS-CSV-013"),
    "too many fields, quoted": (b'a,"b",c,d\n', "MS-CSV-013"),
    "NUL": (b"a,\x00,c\n", "MS-CSV-014"),
    "escape": (b"a,\x1b[2J,c\n", "MS-CSV-014"),
    "carriage return inside": (b"a,b\rb,c\n", "MS-CSV-014"),
    "too long": (b"a," + b"x" * MAX_LINE_BYTES + b",c\n", "MS-CSV-015"),
    "far too long": (b"a," + b"x" * 3 * 1024 * 1024 + b",c\n", "MS-CSV-015"),
    "stray quote": (b'a,b"b,c\n', "MS-CSV-016"),
    "text after closing quote": (b'a,"b"b,c\n', "MS-CSV-017"),
    "quote left open": (b'a,"b,c\n', "MS-CSV-018"),
}


def _read(path: Path) -> tuple[CsvFile, list[tuple[Any, ...]], list[tuple[int, str]]]:
    csv = CsvFile(path, read_header(path))
    blocks = list(csv.blocks())
    accepted = [row for block in blocks for row in block.accepted.iter_rows()]
    rejected = [(row[0], row[2]) for block in blocks for row in block.rejected.iter_rows()]
    return csv, accepted, rejected


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_bad_line_is_rejected_with_its_number_and_takes_no_other_with_it(tmp_path: Path, kind: str) -> None:
    """One bad line between good ones is named by line and reason; all others are accepted."""
    line, code = BAD_LINES[kind]
    _, accepted, rejected = _read(write_bytes(tmp_path / "t.csv", "x,y,z", GOOD, GOOD, line, GOOD))
    assert rejected == [(4, code)]
    assert [row[0] for row in accepted] == [2, 3, 5]


@pytest.mark.parametrize("block_bytes", [7, 64, 100_000])
def test_all_bad_lines_together_are_each_found_whatever_the_block_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    """Blocks may end anywhere, even inside a line that is too long: numbers and reasons stay right."""
    monkeypatch.setattr(files, "BLOCK_BYTES", block_bytes)
    bad = {kind: line for kind, line in BAD_LINES.items() if block_bytes > 64 or len(line[0]) < MAX_LINE_BYTES}
    path = write_bytes(tmp_path / "t.csv", "x,y,z", *(part for line, _ in bad.values() for part in (line, GOOD)))
    csv, accepted, rejected = _read(path)
    assert rejected == [(2 + 2 * place, code) for place, (_, code) in enumerate(bad.values())]
    assert len(accepted) + len(rejected) == 2 * len(bad)
    assert csv.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert csv.size_bytes == path.stat().st_size


def test_a_quote_left_open_swallows_no_line(tmp_path: Path) -> None:
    """A line break inside quotes spoils the two lines it is on and no other."""
    _, accepted, rejected = _read(write_bytes(tmp_path / "t.csv", "x,y,z", GOOD, b'a,"b\n', b'b",c\n', GOOD))
    assert rejected == [(3, "MS-CSV-018"), (4, "MS-CSV-016")]
    assert [row[0] for row in accepted] == [2, 5]


def test_crlf_bom_quoted_commas_and_a_last_line_without_break_are_fine(tmp_path: Path) -> None:
    """What RFC 4180 allows on one line is accepted, and a byte order mark is no part of a name."""
    lines = (b"a,b,c\r\n", b'"a,a","b ""b""",\r\n', b",,", b"")
    path = write_bytes(tmp_path / "t.csv", "\ufeffx,y,z\r", *lines)
    assert read_header(path) == ["x", "y", "z"]
    _, accepted, rejected = _read(path)
    assert accepted == [(2, "a", "b", "c"), (3, "a,a", 'b "b"', None), (4, None, None, None)]
    assert rejected == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x,y\n", "MS-CSV-002"),
        (b"x,y", "MS-CSV-002"),
        (b"x,,z\n1,2,3\n", "MS-CSV-001"),
        (b'x,"y\n1,2\n', "MS-CSV-001"),
        (b"x,\xff\n1,2\n", "MS-CSV-001"),
        (b"\n1,2\n", "MS-CSV-001"),
    ],
)
def test_a_header_that_is_none_is_a_problem_of_the_file(tmp_path: Path, content: bytes, code: str) -> None:
    """Without a header or without rows nothing is read."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_header(path)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_small_files_are_read_row_by_row_in_order(tmp_path: Path) -> None:
    """Rows and problems come in the order of their lines."""
    path = write_bytes(tmp_path / "t.csv", "x,y", b"1,\n", b"2\n", b'"3",4\n')
    rows = list(read_records(path, ["x"], ["y"]))
    assert rows[0] == (2, {"x": "1"})
    assert isinstance(rows[1], Problem)
    assert str(rows[1]).startswith("MS-CSV-012 t.csv:3 y: too few fields (1), expected 2. Fix: ")
    assert rows[2] == (4, {"x": "3", "y": "4"})


def test_a_mistyped_column_is_told_its_likely_name(tmp_path: Path) -> None:
    """An unknown column comes with the column that was probably meant."""
    path = write_bytes(tmp_path / "t.csv", "acquirer id,amount_minor,amount_minor", b"1,2,3\n")
    with pytest.raises(InputError) as caught:
        list(read_records(path, ["acquirer_id"], ["amount_minor"]))
    found = [(problem.code, problem.column, problem.expected) for problem in caught.value.problems]
    assert found == [
        ("MS-COL-001", "acquirer_id", "the column"),
        ("MS-COL-002", "acquirer id", "perhaps acquirer_id"),
        ("MS-COL-003", "amount_minor", "every column once"),
    ]


@pytest.mark.parametrize("line", ['"', 'a"', '"a"b', '"a""', '""",', 'a,"b', 'a,b"c'])
def test_the_strict_splitter_refuses_quotes_gone_wrong(line: str) -> None:
    """The oracle repairs nothing."""
    with pytest.raises(RecordError):
        split_record(line)


def test_the_strict_splitter_reads_what_rfc_4180_allows() -> None:
    """Empty fields, quoted commas and doubled quotes are read."""
    assert split_record("") == [""]
    assert split_record(",") == ["", ""]
    assert split_record('"","a,b","""",c ') == ["", "a,b", '"', "c "]
