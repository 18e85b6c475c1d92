"""The command over the whole list of naughty strings: nothing a merchant chose acts on the terminal."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from cli.command import AS_OF, MERCHANT_COLUMNS, REFERRAL, TRANSACTION_COLUMNS, Inputs, Ran, merchantscreen, process
from exports.naughty_run import CORPUS
from rich.cells import cell_len
from workspace.places import made, with_referrals

FREE = ("dba_name", "legal_name", "address", "phone", "email", "website_urls")
"""Columns of the merchant file that hold what account holders write."""
OURS = re.compile(r"\x1b\[[0-9;]*m")
EXPLAINED = 6
WIDTHS = ("40", "200")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make two runs of accounts that are linked to the flagged domain; in the second the names have moved on."""
    folder = tmp_path_factory.mktemp("hostile")
    inputs = Inputs(folder)
    inputs.write("referrals.jsonl", [REFERRAL])
    paid = [(f"t{number}", "2026-10-02T12:00:00Z", "400001", f"N{number}", "1000", "EUR", text)
            for number, text in enumerate(CORPUS)]  # fmt: skip
    _frame(TRANSACTION_COLUMNS.split(","), paid).write_parquet(folder / "t.parquet")
    for run, shift in (("r", 0), ("s", 7)):
        _merchants(shift).write_parquet(folder / "m.parquet")
        ran = merchantscreen(*_screen(folder, run))
        assert ran.code == 0, ran.err
        assert _acting(ran.out + ran.err) == set()
    return inputs.out / "r", inputs.out / "s"


def _merchants(shift: int) -> pl.DataFrame:
    columns = [*MERCHANT_COLUMNS.split(","), "legal_name", "address", "phone"]
    rows = []
    for number in range(len(CORPUS)):
        text = CORPUS[(number + shift) % len(CORPUS)]
        row = dict.fromkeys(FREE, text) | {
            "acquirer_id": "400001", "card_acceptor_id": f"N{number}", "mcc": "5732", "country": "NL",
            "opened_on": "2026-09-01", "settlement_account_token": "acct-1",
        }  # fmt: skip
        row["website_urls"] = f"https://amber-shop.example/;{text}" if number % 2 else "https://amber-shop.example/"
        rows.append(tuple(row[name] for name in columns))
    return _frame(columns, rows)


def _frame(columns: list[str], rows: Sequence[tuple[str, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def _screen(folder: Path, run: str) -> list[str | Path]:
    return ["screen", "--referrals", folder / "referrals.jsonl", "--merchants", folder / "m.parquet", "--transactions",
            folder / "t.parquet", "--as-of", AS_OF, "--out", folder / "runs", "--run-id", run,
            "--top", "999", "--max-rejects", "99999"]  # fmt: skip


def _acting(text: str) -> set[str]:
    """Return the characters that would act on a terminal; colours and line ends are ours."""
    plain = OURS.sub("", text).replace("\n", "")
    return {sign for sign in plain if unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp", "Cs"}}


def _said(*words: str | Path, **environment: str) -> Ran:
    """Run the command with an environment of a terminal, and hold what it says against the rule."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
            patched.delenv(name, raising=False)
        for name, value in environment.items():
            patched.setenv(name, value)
        ran = merchantscreen(*words)
    assert ran.code == 0, ran.err
    assert _acting(ran.out + ran.err) == set()
    return ran


@pytest.mark.parametrize("width", WIDTHS)
def test_the_table_shows_every_name_and_fits(runs: tuple[Path, Path], width: str) -> None:
    """In colour and at any width, no line of the table is wider than the terminal and no name acts."""
    folder = runs[0].parents[1]
    run = f"w{width}"
    ran = _said(*_screen(folder, run), FORCE_COLOR="1", COLUMNS=width)
    assert OURS.search(ran.out)
    table = [line for line in OURS.sub("", ran.out).splitlines() if "400001/" in line]
    assert table
    assert max(map(cell_len, table)) <= int(width)


def test_colour_is_only_support(runs: tuple[Path, Path]) -> None:
    """NO_COLOR and a pipe take the colours away and leave every word."""
    folder, words = runs[0].parents[1], ("explain", "400001/N1", "--run", runs[0])
    colourful = _said(*words, FORCE_COLOR="1").out
    assert OURS.search(colourful)
    assert OURS.sub("", colourful) == _said(*words).out
    assert "\x1b[3" not in _said(*_screen(folder, "n"), FORCE_COLOR="1", NO_COLOR="1").out
    assert "\x1b" not in _said("diff", *runs).out


def test_a_name_full_of_markup_is_just_a_name(runs: tuple[Path, Path]) -> None:
    """`ACME [/] LTD` prints as such, in the table, in an explanation and in a difference."""
    folder = runs[0].parents[1]
    account = f"400001/N{CORPUS.index('ACME [/] LTD')}"
    ran = process(*_screen(folder, "m"), COLUMNS="200")
    assert (ran.code, _acting(ran.out + ran.err)) == (0, set())
    assert "ACME [/] LTD" in ran.out
    assert "ACME [/] LTD" in _said("explain", account, "--run", runs[0]).out


@pytest.mark.parametrize("width", WIDTHS)
def test_explanations_and_differences_act_on_nothing(runs: tuple[Path, Path], width: str) -> None:
    """Accounts over the whole list explained, and all their differences told."""
    ranked = pl.read_ndjson(runs[0] / "ranking.jsonl")["account_id"].to_list()
    assert len(ranked) > len(CORPUS) // 2
    for account in ranked[:: len(ranked) // EXPLAINED]:
        _said("explain", account, "--run", runs[0], FORCE_COLOR="1", COLUMNS=width)
    _said("diff", *runs, FORCE_COLOR="1", COLUMNS=width)
    _said("diff", *runs, "--account", ranked[0], FORCE_COLOR="1", COLUMNS=width)


def test_what_exports_and_reports_say_acts_on_nothing(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """Every export is made and told, for people and for programs, also into a folder of a hostile name."""
    account = pl.read_ndjson(runs[0] / "ranking.jsonl")["account_id"][0]
    place = tmp_path / "a\x1b]52;c;x\x07\u202e[red]"
    place.mkdir()
    for number, flags in enumerate(((), ("--json",))):
        for kind in ("case-file", "graph", "match", "vmss"):
            words = ("export", kind, account, "--run", runs[0], "--out", place / f"{kind}{number}", *flags)
            told = _said(*words, FORCE_COLOR="1")
            assert not flags or json.loads(OURS.sub("", told.out))["written"].endswith(f"{kind}{number}")
        _said("export", "xlsx", runs[0], "--out", place / f"{number}.xlsx", *flags, FORCE_COLOR="1")
    _said("export", "match", account, "--run", runs[0], FORCE_COLOR="1")
    _said("report", runs[0], "--out", place / "page.html", FORCE_COLOR="1")


@pytest.fixture(scope="module")
def queue(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Screen the list in a workspace once; return the workspace and the numbers of its cases."""
    data, desk = runs[0].parents[1], made(tmp_path_factory.mktemp("queue") / "desk").folder
    with_referrals(desk)
    inputs = ("--merchants", data / "m.parquet", "--transactions", data / "t.parquet", "--max-rejects", "99999")
    _said("screen", *inputs, "--as-of", AS_OF, "--run-id", "r", "--workspace", desk)
    listed = json.loads(_said("cases", "list", "--all", "--json", "--workspace", desk).out)["cases"]
    assert len(listed) > 200
    return desk, [case["number"] for case in listed]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_queue_of_cases_acts_on_nothing(queue: tuple[Path, list[str]], width: str) -> None:
    """Names in the queue and in a case, and reasons over the whole list, are shown and never obeyed."""
    desk, numbers = queue
    place = ("--workspace", desk)
    _said("cases", "list", "--all", *place, FORCE_COLOR="1", COLUMNS=width)
    reasons = CORPUS[int(width) % 7 :: len(CORPUS) // 8]
    undecided = numbers[WIDTHS.index(width) :: len(WIDTHS)]
    for number, reason in zip(undecided, reasons, strict=False):
        words = ("decide", number, "--disposition", "no_action", "--reason", reason, *place)
        ran = merchantscreen(*words)
        assert ran.code in {0, 2, 65}
        assert _acting(ran.out + ran.err) == set()
        _said("cases", "show", number, *place, FORCE_COLOR="1", COLUMNS=width)
