"""Every bad input of the issue through the real command: code, place, fix, exit code, no value, no traceback."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command import (
    MERCHANT_COLUMNS,
    MERCHANTS,
    REFERRAL,
    TRANSACTION_COLUMNS,
    TRANSACTIONS,
    Inputs,
    merchantscreen,
    process,
)

SECRET = "SECRET-VALUE"
CARD = "4111 1111 1111 1111"


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Give three good files."""
    return Inputs.good(tmp_path)


def _merchant(**changed: str) -> str:
    row = dict(zip(MERCHANT_COLUMNS.split(","), MERCHANTS[2].split(","), strict=True))
    return ",".join((row | {"card_acceptor_id": "M9"} | changed).values())


def _transaction(**changed: str) -> str:
    row = dict(zip(TRANSACTION_COLUMNS.split(","), TRANSACTIONS[0].split(","), strict=True))
    return ",".join((row | {"transaction_id": "t99"} | changed).values())


def _referral(**changed: object) -> str:
    return json.dumps(json.loads(REFERRAL) | {"referral_id": "R-9"} | changed)


# --------------------------------------------------------------------------- a row is rejected, the rest runs


MERCHANT_ROWS = {
    "too few fields": (_merchant().rpartition(",")[0].encode(), "MS-CSV-012", None),
    "too many fields": ((_merchant() + ",more").encode(), "MS-CSV-013", None),
    "not UTF-8": (_merchant(dba_name="Caf\xe9").encode("latin-1"), "MS-CSV-011", None),
    "a NUL": (_merchant(dba_name="Sh\x00op").encode(), "MS-CSV-014", None),
    "a bare quote": (_merchant(dba_name='Sh"op').encode(), "MS-CSV-016", None),
    "text after a quote": (_merchant(dba_name='"Shop" x').encode(), "MS-CSV-017", None),
    "an open quote": (_merchant(dba_name='"Shop').encode(), "MS-CSV-018", None),
    "no acceptor": (_merchant(card_acceptor_id="").encode(), "MS-FLD-001", "card_acceptor_id"),
    "a word for a date": (_merchant(opened_on=SECRET).encode(), "MS-FLD-010", "opened_on"),
    "a day that is none": (_merchant(opened_on="2026-02-30").encode(), "MS-FLD-012", "opened_on"),
    "an unknown country": (_merchant(country="ZQ").encode(), "MS-FLD-018", "country"),
    "a short code": (_merchant(mcc="742").encode(), "MS-FLD-015", "mcc"),
    "a card number": (_merchant(dba_name=f"Shop {CARD}").encode(), "MS-CARD-001", "dba_name"),
    "the same account again": (MERCHANTS[2].encode(), "MS-KEY-002", None),
}
TRANSACTION_ROWS = {
    "a negative amount": (_transaction(amount_minor="-100"), "MS-FLD-003", "amount_minor"),
    "a fraction": (_transaction(amount_minor="12.34"), "MS-FLD-004", "amount_minor"),
    "a word for an amount": (_transaction(amount_minor=SECRET), "MS-FLD-002", "amount_minor"),
    "an exponent": (_transaction(amount_minor="1e3"), "MS-FLD-007", "amount_minor"),
    "an unknown currency": (_transaction(currency="XQX"), "MS-FLD-017", "currency"),
    "no moment": (_transaction(occurred_at=SECRET), "MS-FLD-011", "occurred_at"),
    "a card number": (_transaction(descriptor=CARD), "MS-CARD-001", "descriptor"),
    "another row of the same id": (_transaction(transaction_id="t1", amount_minor="5"), "MS-KEY-003", None),
}
REFERRAL_LINES = {
    "no JSON": ("{" + SECRET, "MS-REF-013"),
    "a key twice": (_referral()[:-1] + ',"domain":"other.example"}', "MS-REF-015"),
    "an unknown field": (_referral(colour=SECRET), "MS-REF-021"),
    "a forbidden field": (_referral(victim_age=SECRET), "MS-REF-022"),
    "a full URL": (_referral(domain=f"https://amber-shop.example/{SECRET}"), "MS-REF-024"),
    "no domain": (_referral(domain=f"{SECRET} shop"), "MS-REF-025"),
    "an unknown event": (_referral(event=SECRET), "MS-REF-026"),
    "a card number": (_referral(hotline_reference=CARD), "MS-REF-023"),
}


def _judge(inputs: Inputs, place: str, code: str, column: str | None = None) -> None:
    ran = merchantscreen(*inputs.words)
    assert ran.code == 0, ran.err
    line = next(line for line in ran.err.splitlines() if line.startswith(f"{code} {place}"))
    assert re.fullmatch(rf"{code} {re.escape(place)}(?: {column or '[a-z_]+'})?: .+, expected .+\. Fix: .+", line)
    assert SECRET not in ran.err + ran.out
    assert "4111" not in ran.err + ran.out
    assert "Traceback" not in ran.err
    run = inputs.out / "r"
    rejected = list(csv.DictReader((run / "rejects.csv").read_text(encoding="utf-8").splitlines()))
    assert [(f"{row['file']}:{row['line']}", row["code"]) for row in rejected if row["code"] == code][:1] == [
        (place, code)
    ]
    assert not [path.name for path in run.iterdir() if SECRET.encode() in path.read_bytes()]
    totals = json.loads((run / "manifest.json").read_bytes())["totals"]
    assert all(t["rows_read"] == t["rows_accepted"] + t["rows_rejected"] for t in totals.values())
    assert "400001/M1" in ran.out


@pytest.mark.parametrize("name", MERCHANT_ROWS)
def test_a_bad_merchant_row_is_rejected_and_the_rest_runs(inputs: Inputs, name: str) -> None:
    """A row that cannot be used is named with file, line and column; the valid rows are screened."""
    row, code, column = MERCHANT_ROWS[name]
    good = "".join(f"{line}\n" for line in (MERCHANT_COLUMNS, *MERCHANTS)).encode()
    inputs.write("merchants.csv", good + row + b"\n")
    _judge(inputs, "merchants.csv:5", code, column)


@pytest.mark.parametrize("name", TRANSACTION_ROWS)
def test_a_bad_transaction_row_is_rejected_and_the_rest_runs(inputs: Inputs, name: str) -> None:
    """An amount, currency or moment that cannot be right costs its row and nothing else."""
    row, code, column = TRANSACTION_ROWS[name]
    inputs.write("transactions.csv", [TRANSACTION_COLUMNS, *TRANSACTIONS, row])
    place = "transactions.csv:2" if code == "MS-KEY-003" else f"transactions.csv:{len(TRANSACTIONS) + 2}"
    _judge(inputs, place, code, column)


@pytest.mark.parametrize("name", REFERRAL_LINES)
def test_a_bad_referral_is_rejected_and_the_rest_runs(inputs: Inputs, name: str) -> None:
    """A referral event that cannot be trusted as written is refused whole, its values unseen."""
    line, code = REFERRAL_LINES[name]
    inputs.write("referrals.jsonl", [REFERRAL, line])
    _judge(inputs, "referrals.jsonl:2", code)


# --------------------------------------------------------------------------- a file cannot be used


def test_all_unusable_inputs_are_named_at_once(inputs: Inputs) -> None:
    """Broken rules, referrals, merchants and transactions are reported together, each with its place."""
    (inputs.folder / "rules").mkdir()
    inputs.write("referrals.jsonl", "")
    inputs.write("merchants.csv", [MERCHANT_COLUMNS.replace("acquirer_id", "colour"), *MERCHANTS])
    inputs.write("transactions.csv", b"\x1f\x8b\x08\x00zip")
    ran = process(*inputs.words, "--rules", inputs.folder / "rules")
    assert ran.code == 65
    for expected in ("MS-POL", "MS-FILE-010 referrals.jsonl", "MS-COL-001 merchants.csv", "MS-COL-002 merchants.csv",
                     "MS-FILE-006 transactions.csv"):  # fmt: skip
        assert any(line.startswith(expected) for line in ran.err.splitlines()), (expected, ran.err)
    assert all(" Fix: " in line for line in ran.err.splitlines())
    assert list(inputs.out.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("merchants.csv", b"", "MS-FILE-010"),
        ("merchants.csv", MERCHANT_COLUMNS.encode() + b"\n", "MS-CSV-002"),
        (
            "merchants.csv",
            MERCHANT_COLUMNS.replace("mcc", "dba_name").encode() + b"\n" + MERCHANTS[0].encode(),
            "MS-COL-003",
        ),
        ("transactions.csv", b"", "MS-FILE-010"),
        ("transactions.csv", b"\xff\xfe\x00", "MS-CSV-001"),
        ("referrals.jsonl", b"\n\n", "MS-REF-002"),
    ],
)
def test_an_unusable_file_ends_with_65(inputs: Inputs, name: str, content: bytes, code: str) -> None:
    """An empty file, a header alone or a header gone wrong is bad input, named with its fix."""
    inputs.write(name, content)
    ran = merchantscreen(*inputs.words)
    assert ran.code == 65
    assert f"{code} {name}" in ran.err
    assert " Fix: " in ran.err


@pytest.mark.parametrize("name", ["nowhere.csv", "https://shop.example/merchants.csv", "mer*.csv"])
def test_a_name_that_is_no_file_is_refused(inputs: Inputs, name: str) -> None:
    """A missing file, an address and a pattern are refused; nothing is fetched or expanded."""
    ran = merchantscreen(*inputs.words, "--merchants", name)
    assert ran.code == 65
    assert ran.codes
    assert all(code.startswith("MS-FILE-00") for code in ran.codes)


def test_zero_rules_are_never_a_clean_run(inputs: Inputs) -> None:
    """A rule folder without rules ends the run."""
    (inputs.folder / "rules").mkdir()
    ran = merchantscreen(*inputs.words, "--rules", inputs.folder / "rules")
    assert ran.code == 65
    assert any(code.startswith("MS-POL") for code in ran.codes)


# --------------------------------------------------------------------------- limits


def test_more_rejects_than_allowed_screen_nothing(inputs: Inputs) -> None:
    """Above the limit the run ends with 3; the rejects are in a file, the first of them on the screen."""
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, *MERCHANTS, *(_merchant(country="ZQ") for _ in range(30))])
    ran = merchantscreen(*inputs.words, "--max-rejects", "29")
    assert ran.code == 3
    assert ran.codes[0] == "MS-RUN-020"
    assert ran.codes[1:] == ["MS-FLD-018"] * 20
    assert "30 of 33 rows rejected, expected at most 29" in ran.err
    assert [path.name for path in inputs.out.iterdir()] == ["r.rejects.csv"]
    assert len((inputs.out / "r.rejects.csv").read_text(encoding="utf-8").splitlines()) == 31


def test_rejects_within_the_limit_are_summed_up(inputs: Inputs) -> None:
    """Up to the limit the run goes on and says how many rows it left out, and why."""
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, *MERCHANTS, *(_merchant(country="ZQ") for _ in range(30))])
    ran = merchantscreen(*inputs.words, "--max-rejects", "30")
    assert ran.code == 0
    assert "  30 × MS-FLD-018" in ran.err
    assert ran.codes == ["MS-FLD-018"] * 5
    assert re.search(r"merchants +1 file +33 read = +3 accepted \+ 30 rejected", ran.out)


def test_the_limit_grows_with_the_file(inputs: Inputs) -> None:
    """Without --max-rejects a hundred rejected rows pass and a hundred and one do not."""
    rows = [_merchant(country="ZQ", card_acceptor_id=f"X{n}") for n in range(101)]
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, *MERCHANTS, *rows[:100]])
    assert merchantscreen(*inputs.words).code == 0
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, *MERCHANTS, *rows])
    assert merchantscreen(*inputs.words, "--run-id", "s").code == 3


def test_a_file_without_any_good_row_is_not_clean(inputs: Inputs) -> None:
    """Where every row was rejected, the run ends with 3 at any limit instead of finding nothing."""
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, _merchant(country="ZQ")])
    ran = merchantscreen(*inputs.words, "--max-rejects", "1000")
    assert (ran.code, ran.codes[0]) == (3, "MS-RUN-021")


# --------------------------------------------------------------------------- asking about a run


def test_an_unknown_account_gets_near_names(inputs: Inputs) -> None:
    """An account the run does not hold ends with 2 and the nearest ids."""
    merchantscreen(*inputs.words)
    ran = merchantscreen("explain", "400001/M", "--run", inputs.out / "r")
    assert (ran.code, ran.codes) == (2, ["MS-RUN-004"])
    assert "Did you mean 400001/M1 or 400001/M2?" in ran.err


@pytest.mark.parametrize("command", [["verify"], ["explain", "400001/M1", "--run"]])
def test_a_folder_that_is_no_run_is_bad_input(inputs: Inputs, command: list[str]) -> None:
    """A folder without a manifest is no run."""
    ran = merchantscreen(*command, inputs.folder)
    assert (ran.code, ran.codes) == (65, ["MS-RUN-010"])


def test_a_changed_bundle_ends_with_four(inputs: Inputs) -> None:
    """A bundle that somebody edited is neither verified nor explained."""
    merchantscreen(*inputs.words)
    ledger = inputs.out / "r" / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b"amber", b"umber"))
    assert merchantscreen("verify", inputs.out / "r").code == 4
    ran = merchantscreen("explain", "400001/M1", "--run", inputs.out / "r")
    assert (ran.code, ran.codes) == (4, ["MS-RUN-012"])


def test_what_libraries_log_is_not_heard() -> None:
    """A library that logs an error of its own, with a value in it, says nothing on the screen."""
    talk = "import logging; logging.getLogger('sqlalchemy.pool').error('%s', 'planted', exc_info=ValueError('planted'))"
    script = f"from merchantscreen.cli import main; main(['--version']); {talk}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                          env=os.environ | {"PYTHONPATH": ":".join(sys.path)})  # fmt: skip
    assert done.stdout.startswith("merchantscreen ")
    assert done.stderr == ""
