"""Names made to act on a terminal or a spreadsheet are shown and written as the plain text they are."""

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from cli.command import AS_OF, MERCHANT_COLUMNS, TRANSACTION_COLUMNS, Inputs, Ran, merchantscreen, process

FORMULAS: Final = ("=cmd|'/c calc'!A0", "+1+1", "-1+1", "@SUM(1)", "＝1+1", "＋1", "－1", "＠A1",
                   " =1", "\u00a0=1", "\u200b=1", "\ufeff=1",
                   "﹦1", "−1+1", ";=1", "x;=1")  # fmt: skip
TERMINAL: Final = (
    "\x9b2J",
    "\x9d52;c;AAAA\x9c",
    "\x85next",
    "\u202eevil",
    "\u2066a\u2069",
    "\u2028b",
    "\u200fc",
    "\ufeffd",
)
MARKUP: Final = (
    "ACME [/] LTD",
    "[bold]x",
    "[link=https://shop.example/x]y[/link]",
    "[red",
    "]x[",
    ":smile:",
    "{x}%s",
    "\\[/]",
)
CONTROL: Final = ("\x1b[2J", "\x07", "\x08", "\x00", "\x7f")
NAMES: Final = FORMULAS + TERMINAL + MARKUP + CONTROL
IDS: Final = ("=1+1", "+1", "-1", "@A1", "[/]", "[red]", "a'b", "<b>", "%2F", "a;=1")
"""What the shape of an identifier lets through."""
FORMULA_SIGN: Final = "=+-@＝＋－＠﹦﹢﹣﹫−"


@pytest.fixture(params=["csv", "parquet"])
def inputs(tmp_path: Path, request: pytest.FixtureRequest) -> Inputs:
    """Give accounts that are all linked to the flagged domain, with hostile names, ids, tokens and descriptors."""
    inputs = Inputs.good(tmp_path)
    merchants = MERCHANT_COLUMNS.split(",")
    names = [(f"N{number}", name, "acct-1") for number, name in enumerate(NAMES)]
    keys = [(key, "Shop", key) for key in IDS]
    rows = [["400001", key, name, "5732", "NL", "2026-09-01", "https://amber-shop.example/", "a@mail.example", token]
            for key, name, token in names + keys]  # fmt: skip
    paid = [[f"t{number}{twin}", "2026-10-02T12:00:00Z", "400001", key, "1000", "EUR", name or "S"]
            for twin in "ab" for number, (key, name, _) in enumerate(names + keys)]  # fmt: skip
    _write(inputs.folder / f"m.{request.param}", merchants, rows)
    _write(inputs.folder / f"t.{request.param}", TRANSACTION_COLUMNS.split(","), paid)
    return inputs


def _write(path: Path, columns: list[str], rows: list[list[str]]) -> None:
    if path.suffix == ".parquet":
        texts = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
        texts.write_parquet(path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def _screen(inputs: Inputs) -> Ran:
    ending = next(inputs.folder.glob("m.*")).suffix
    words = ["screen", "--referrals", inputs.folder / "referrals.jsonl", "--merchants", inputs.folder / f"m{ending}",
             "--transactions", inputs.folder / f"t{ending}", "--as-of", AS_OF, "--out", inputs.out, "--run-id", "r",
             "--top", "999"]  # fmt: skip
    return process(*words, FORCE_COLOR="1", COLUMNS="250")


def _unsafe(text: str) -> set[str]:
    """Return the characters that act on a terminal; colours are ours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\n", "")
    return {sign for sign in plain if unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp", "Cs"}}


def test_no_name_acts_on_the_terminal_or_in_a_spreadsheet(inputs: Inputs) -> None:
    """The table, the explanations and the CSV files hold no control character and no cell that is a formula."""
    ran = _screen(inputs)
    assert ran.code == 0, ran.err
    assert _unsafe(ran.out + ran.err) == set()
    assert "\x1b]" not in ran.out
    assert "ACME [/] LTD" in ran.out
    ranked = pl.read_ndjson(inputs.out / "r" / "ranking.jsonl")["account_id"].to_list()
    assert len(ranked) >= len(NAMES) - len(CONTROL) + len(IDS)
    for account in (*ranked[:3], *(f"400001/{key}" for key in ("[red]", "=1+1"))):
        explained = merchantscreen("explain", account, "--run", inputs.out / "r")
        assert explained.code == 0, explained.err
        assert _unsafe(explained.out) == set()
    for name in ("ranking.csv", "rejects.csv"):
        with (inputs.out / "r" / name).open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert [cell for cell in cells if _is_formula(cell)] == []


def _is_formula(cell: str) -> bool:
    """Tell what a spreadsheet could take for a formula, also where `;` separates cells."""
    starts = [re.sub(r"^[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]+", "", part)[:1] for part in cell.split(";")]
    return any(start and start in FORMULA_SIGN for start in starts) or cell[:1] in {"\t", "\r", "\n", "\0"}


def test_a_file_named_like_a_formula_is_only_a_name(tmp_path: Path) -> None:
    """The name of an input file, an escape sequence or a formula, reaches screen and rejects harmlessly."""
    inputs = Inputs.good(tmp_path)
    name = "=cmd|'!A0\x1b]52;c;x\x07\u202e.csv"
    good = (inputs.folder / "merchants.csv").read_text(encoding="utf-8")
    inputs.write(name, good + "400001,M9,short\n")
    ran = merchantscreen(*inputs.words, "--merchants", inputs.folder / name)
    assert ran.code == 0, ran.err
    assert _unsafe(ran.out + ran.err) == set()
    with (inputs.out / "r" / "rejects.csv").open(encoding="utf-8", newline="") as file:
        assert {row["file"][0] for row in csv.DictReader(file)} <= {"'", "m"}
