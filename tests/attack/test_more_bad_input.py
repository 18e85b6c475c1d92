"""Bad input beyond the table of the issue: each has its code, place, fix and exit code, and never a traceback."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from cli.command import (
    MERCHANT_COLUMNS,
    MERCHANTS,
    REFERRAL,
    TRANSACTION_COLUMNS,
    TRANSACTIONS,
    Inputs,
    Ran,
    merchantscreen,
)

URL: Final = ",requestor_url"


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Give three good files."""
    return Inputs.good(tmp_path)


def _is_well_said(ran: Ran) -> None:
    lines = [line for line in ran.err.splitlines() if line.startswith("MS-")]
    assert lines
    assert all(re.fullmatch(r"MS-[A-Z]+-\d{3} .+, expected .+\. Fix: .+", line) for line in lines), ran.err
    assert "Traceback" not in ran.err


# --------------------------------------------------------------------------- a line costs itself


REFERRAL_LINES: Final[dict[str, tuple[bytes, str]]] = {
    "a line of a megabyte": (b'{"event":"' + b"x" * 1_000_000 + b'"}', "MS-REF-010"),
    "deep lists": (b"[" * 50_000 + b"]" * 10_000, "MS-REF-017"),
    "deep objects": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "MS-REF-017"),
    "not a number": (b'{"confidence":NaN}', "MS-REF-016"),
    "endless": (b'{"confidence":-Infinity}', "MS-REF-016"),
    "a number without end": (b'{"confidence":' + b"9" * 6_000 + b"}", "MS-REF-013"),
    "too large a number": (REFERRAL.replace("90,", "1e999,").encode(), "MS-REF-027"),
    "a key twice, inside": (REFERRAL[:-1].encode() + b',"payment_clues":[{"currency":"EUR","currency":"USD"}]}',
                            "MS-REF-015"),
    "half a character": (REFERRAL.replace("hotline-a", "\\ud800").encode(), "MS-REF-028"),
    "half a character in a host": (REFERRAL.replace("amber-shop.", "\\udfff.").encode(), "MS-REF-025"),
    "a NUL": (b'{"event":"\x00"}', "MS-REF-012"),
    "a byte of Latin-1": (b'{"event":"\xe9"}', "MS-REF-011"),
    "a word": (b'"confirmed"', "MS-REF-014"),
    "two objects": (b"{} {}", "MS-REF-013"),
    "the end of all years": (REFERRAL.replace("2026-09-10T", "9999-12-31T").encode(), "MS-REF-030"),
}  # fmt: skip


def test_broken_events_cost_their_lines(inputs: Inputs) -> None:
    """Whatever a line of referrals holds, it is refused with its number and the other lines count."""
    lines = [REFERRAL.encode(), *(line for line, _ in REFERRAL_LINES.values())]
    inputs.write("referrals.jsonl", b"\n".join(lines) + b"\n")
    ran = merchantscreen(*inputs.words)
    _is_well_said(ran)
    assert ran.code == 0
    expected = [(number, code) for number, (_, code) in enumerate(REFERRAL_LINES.values(), start=2)]
    assert _rejected(inputs) == expected
    assert f"{len(lines)} read =  1 accepted + {len(expected)} rejected" in ran.out
    assert "400001/M1" in ran.out


def _rejected(inputs: Inputs) -> list[tuple[int, str]]:
    with (inputs.out / "r" / "rejects.csv").open(encoding="utf-8", newline="") as file:
        return sorted({(int(row["line"]), row["code"]) for row in csv.DictReader(file)})


TRANSACTION_ROWS: Final = {
    "year 0": ("t99,0000-01-01T00:00:00Z,400001,M1,100,EUR,SHOP", "MS-FLD-012"),
    "before year 1 by its offset": ("t99,0001-01-01T00:00:00+23:59,400001,M1,100,EUR,SHOP", "MS-FLD-012"),
    "after year 9999 by its offset": ("t99,9999-12-31T23:59:59-23:59,400001,M1,100,EUR,SHOP", "MS-FLD-012"),
    "a line of a megabyte": (f"t99,2026-10-02T12:00:00Z,400001,M1,100,EUR,{'x' * 1_000_000}", "MS-CSV-015"),
    "a blank line": ("", "MS-CSV-010"),
    "an amount beyond 64 bits": ("t99,2026-10-02T12:00:00Z,400001,M1,9223372036854775808,EUR,SHOP", "MS-FLD-009"),
    "an e-mail address for an id": ("a@mail.example,2026-10-02T12:00:00Z,400001,M1,100,EUR,SHOP", "MS-FLD-020"),
}


def test_broken_transactions_cost_their_rows(inputs: Inputs) -> None:
    """Rows at the edge of what a file can hold are rejected, and every account can still be explained."""
    rows = [f"{line},https://amber-shop.example/" for line in TRANSACTIONS]
    bad = [f"{row},https://amber-shop.example/" if row else row for row, _ in TRANSACTION_ROWS.values()]
    inputs.write("transactions.csv", [TRANSACTION_COLUMNS + URL, *rows, *bad])
    ran = merchantscreen(*inputs.words)
    _is_well_said(ran)
    assert ran.code == 0
    assert _rejected(inputs) == [(n, code) for n, (_, code) in enumerate(TRANSACTION_ROWS.values(), start=14)]
    assert f"{len(rows + bad)} read = 12 accepted + {len(bad)} rejected" in ran.out
    for account in ("400001/M1", "400001/M2", "400001/M3"):
        assert merchantscreen("explain", account, "--run", inputs.out / "r").code == 0


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_days_that_stand_for_never_can_be_explained(inputs: Inputs, day: str) -> None:
    """Days that other systems write for `never` and `for ever` are dates like any other."""
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, MERCHANTS[0].replace("2026-09-01", day), *MERCHANTS[1:]])
    assert merchantscreen(*inputs.words).code == 0
    assert merchantscreen("explain", "400001/M1", "--run", inputs.out / "r").code == 0


def test_the_largest_amounts_break_nothing(inputs: Inputs) -> None:
    """Amounts at the end of 64 bits and declared volumes of zero give a run that verifies and explains."""
    extra = ",declared_monthly_volume_minor,declared_average_ticket_minor,currency"
    rows = [f"z{n},2026-10-{n % 28 + 1:02d}T12:00:00Z,400001,M1,{2**63 - 1},EUR,SHOP" for n in range(30)]
    inputs.write("merchants.csv", [MERCHANT_COLUMNS + extra, *(f"{row},0,0,EUR" for row in MERCHANTS)])
    inputs.write("transactions.csv", [TRANSACTION_COLUMNS, *TRANSACTIONS, *rows])
    assert merchantscreen(*inputs.words).code == 0
    assert merchantscreen("verify", inputs.out / "r").code == 0
    assert merchantscreen("explain", "400001/M1", "--run", inputs.out / "r").code == 0


# --------------------------------------------------------------------------- a file that cannot be used


def _frame() -> pl.DataFrame:
    rows = [line.split(",") for line in TRANSACTIONS]
    return pl.DataFrame(rows, schema=dict.fromkeys(TRANSACTION_COLUMNS.split(","), pl.String), orient="row")


def _truncated(folder: Path) -> Path:
    _frame().write_parquet(folder / "t.parquet")
    data = (folder / "t.parquet").read_bytes()
    (folder / "t.parquet").write_bytes(data[: len(data) // 2])
    return folder / "t.parquet"


def _with_column(name: str, values: pl.Series) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        _frame().with_columns(values.new_from_index(0, len(TRANSACTIONS)).alias(name)).write_parquet(
            folder / "t.parquet"
        )
        return folder / "t.parquet"

    return write


def _folder(*names: str, kind: str = "file") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "tx").mkdir()
        for number, name in enumerate(names):
            if kind == "link":
                (folder / "tx" / name).symlink_to(folder / "transactions.csv")
            elif kind == "pipe":
                os.mkfifo(folder / "tx" / name)
            else:
                _frame().slice(number * 3, 3).write_csv(folder / "tx" / name)
        return folder / "tx"

    return write


def _named(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


def _link(folder: Path) -> Path:
    (folder / "link.csv").symlink_to(folder / "transactions.csv")
    return folder / "link.csv"


HEADER: Final = TRANSACTION_COLUMNS.encode()
FILES: Final[dict[str, tuple[Callable[[Path], Path], str]]] = {
    "a Parquet file cut in half": (_truncated, "MS-PQT-003"),
    "fractions for amounts": (_with_column("amount_minor", pl.Series([1.5])), "MS-COL-005"),
    "numbers for codes": (_with_column("card_acceptor_id", pl.Series([1])), "MS-COL-006"),
    "bytes for text": (_with_column("descriptor", pl.Series([b"x"])), "MS-COL-004"),
    "a list for text": (_with_column("descriptor", pl.Series([["x"]])), "MS-COL-004"),
    "an object for text": (_with_column("descriptor", pl.Series([{"a": 1}])), "MS-COL-004"),
    "a day for a moment": (_with_column("occurred_at", pl.Series([0]).cast(pl.Date)), "MS-COL-004"),
    "a column of another's": (_with_column("(line)", pl.Series([1])), "MS-COL-002"),
    "CSV and Parquet in one folder": (_folder("a.csv", "b.parquet"), "MS-FILE-009"),
    "no table in the folder": (_folder("a.txt", ".b.csv"), "MS-FILE-008"),
    "a link in the folder": (_folder("a.csv", kind="link"), "MS-FILE-004"),
    "a pipe in the folder": (_folder("a.csv", kind="pipe"), "MS-FILE-005"),
    "a link": (_link, "MS-FILE-004"),
    "a device": (lambda _: Path("/dev/zero"), "MS-FILE-005"),
    "an address": (lambda _: Path("file:///etc/hosts"), "MS-FILE-002"),
    "text named Parquet": (_named("t.parquet", HEADER), "MS-FILE-007"),
    "Parquet named CSV": (_named("t.csv", b"PAR1xxxxPAR1"), "MS-FILE-007"),
    "a zip file": (_named("t.csv", b"PK\x03\x04xx"), "MS-FILE-006"),
    "a zstd file": (_named("t.csv", b"\x28\xb5\x2f\xfdxx"), "MS-FILE-006"),
    "UTF-16": (_named("t.csv", TRANSACTION_COLUMNS.encode("utf-16")), "MS-CSV-001"),
    "a header of a megabyte": (_named("t.csv", b"x" * 1_000_000 + b"\n1\n"), "MS-CSV-001"),
    "an open quote in the header": (_named("t.csv", b'"' + HEADER + b"\n1\n"), "MS-CSV-001"),
    "semicolons for commas": (_named("t.csv", HEADER.replace(b",", b";") + b"\n1\n"), "MS-COL-001"),
    "a wrong column": (_named("t.csv", HEADER.replace(b"currency", b"curency") + b"\n1\n"), "MS-COL-002"),
}


@pytest.mark.parametrize("name", FILES)
def test_an_unusable_transaction_file_is_named(inputs: Inputs, name: str) -> None:
    """A file that cannot be what it should be ends with 65 and its code, and publishes nothing."""
    make, code = FILES[name]
    words = [*inputs.words[: inputs.words.index("--transactions")], "--out", inputs.out, "--run-id", "r"]
    ran = merchantscreen(*words, "--transactions", make(inputs.folder))
    _is_well_said(ran)
    assert ran.code == 65
    assert code in ran.codes
    assert list(inputs.out.iterdir()) == []


MAPPINGS: Final = {
    "no YAML": ("merchants: [", "MS-MAP-001"),
    "not UTF-8": (b"\xff\xfe", "MS-MAP-001"),
    "an alias": ("merchants: &a {ignore: [x]}\ntransactions: *a", "MS-MAP-002"),
    "a tag": ("merchants: !!python/object:x {}", "MS-MAP-002"),
    "a key twice": ("merchants: {ignore: [x]}\nmerchants: {ignore: [y]}", "MS-MAP-002"),
    "too large": ("#" * 300_000, "MS-MAP-003"),
    "an unknown section": ("merchant: {}", "MS-MAP-004"),
    "an unknown field": ("merchants: {columns: {colour: x}}", "MS-MAP-005"),
    "a list for a map": ("merchants: {columns: [x]}", "MS-MAP-006"),
    "a field filled twice": ("merchants: {columns: {mcc: x}, constants: {mcc: '1'}}", "MS-MAP-007"),
    "a column used twice": ("merchants: {columns: {mcc: x}, ignore: [x]}", "MS-MAP-008"),
    "a column that is not there": ("merchants: {columns: {mcc: nowhere}}", "MS-COL-001"),
    "a thousand levels": ("a: " + "[" * 3_000, "MS-MAP-001"),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_an_unusable_mapping_is_named(inputs: Inputs, name: str) -> None:
    """A mapping file that cannot be followed to the letter ends with 65 and its code."""
    text, code = MAPPINGS[name]
    path = inputs.write("map.yml", text)
    ran = merchantscreen(*inputs.words, "--mapping", path)
    _is_well_said(ran)
    assert ran.code == 65
    assert code in ran.codes


@pytest.mark.parametrize("kind", ["link", "folder", "nothing"])
def test_a_mapping_that_is_no_file_is_named(inputs: Inputs, kind: str) -> None:
    """A link, a folder and nothing at all in place of the mapping file are refused."""
    path = inputs.folder / "map.yml"
    if kind == "link":
        path.symlink_to(inputs.folder / "merchants.csv")
    elif kind == "folder":
        path.mkdir()
    ran = merchantscreen(*inputs.words, "--mapping", path)
    _is_well_said(ran)
    assert ran.code == 65
    assert ran.codes[0].startswith("MS-FILE-0")


def test_an_account_without_a_merchant_row_is_kept_and_named(inputs: Inputs) -> None:
    """Transactions of an account that no merchant file holds are screened, and their first row is named."""
    stranger = "t99,2026-10-02T12:00:00Z,400001,M77,100,EUR,SHOP,https://amber-shop.example/x"
    rows = [f"{line}," for line in TRANSACTIONS]
    inputs.write("transactions.csv", [TRANSACTION_COLUMNS + URL, *rows, stranger])
    ran = merchantscreen(*inputs.words)
    assert (ran.code, ran.codes) == (0, ["MS-KEY-005"])
    assert "transactions.csv:14 card_acceptor_id" in ran.err
    assert "400001/M77" in ran.out


# --------------------------------------------------------------------------- a forged bundle


def _forge(inputs: Inputs, name: str, content: bytes) -> None:
    """Replace a file of the run and correct the manifest, as someone could who holds the folder."""
    run = inputs.out / "r"
    merchantscreen(*inputs.words)
    (run / name).write_bytes(content)
    manifest = json.loads((run / "manifest.json").read_bytes())
    manifest["outputs"][name] |= {"size_bytes": len(content), "sha256": sha256(content).hexdigest()}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    "content", [b"[" * 200_000 + b"\n", b'{"round":NaN}\n', b"\xff\n", b"{}\n", b"9" * 6_000 + b"\n"]
)
def test_a_forged_bundle_is_refused_line_by_line(inputs: Inputs, content: bytes) -> None:
    """A ledger that was replaced together with its digest is refused with its line, and never crashes the reader."""
    _forge(inputs, "ledger.jsonl", content)
    ran = merchantscreen("explain", "400001/M1", "--run", inputs.out / "r")
    assert (ran.code, ran.codes) == (65, ["MS-RUN-017"])
    assert "ledger.jsonl:1" in ran.err
