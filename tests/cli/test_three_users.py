"""Three people at work: the analyst who ranks, the auditor who recomputes, the operator who automates."""

from __future__ import annotations

import csv
import json
import shutil
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from cli.command import AS_OF, Ran, merchantscreen

SIZES = ("--accounts", "300", "--transactions", "9000", "--referrals", "44", "--seed", "7", "--format", "csv")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulate a payment network with known truth."""
    out = tmp_path_factory.mktemp("world")
    assert merchantscreen("simulate", *SIZES, "--out", out / "world").code == 0
    return out / "world"


@pytest.fixture(scope="module")
def screened(world: Path) -> tuple[Path, Ran]:
    """Screen it once."""
    ran = merchantscreen(*_words(world, world.parent / "runs"), "--run-id", "r")
    assert ran.code == 0, ran.err
    return world.parent / "runs" / "r", ran


def _words(world: Path, out: Path) -> list[str | Path]:
    return ["screen", "--referrals", world / "referrals.jsonl", "--merchants", world / "merchants.csv",
            "--transactions", world / "transactions.csv", "--as-of", AS_OF, "--out", out]  # fmt: skip


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# --------------------------------------------------------------------------- the analyst


def test_the_analyst_finds_every_seller_and_accuses_nobody(world: Path, screened: tuple[Path, Ran]) -> None:
    """Every planted seller is a case, and no innocent is in the first tier."""
    tiers = {row["account_id"]: row["tier"] for row in _rows(screened[0] / "ranking.csv")}
    truth = _rows(world / "truth.csv")
    missed = [
        row for row in truth if row["label"] == "seller" and tiers.get(row["account_id"]) not in {"T1", "T2", "T3"}
    ]
    framed = [row for row in truth if row["label"] != "seller" and tiers.get(row["account_id"]) == "T1"]
    assert (missed, framed) == ([], [])


def test_the_analyst_reads_the_screen_and_asks_why(screened: tuple[Path, Ran]) -> None:
    """The first account of the table can be explained at once, and the explanation names its domain defanged."""
    run, ran = screened
    first = _rows(run / "ranking.csv")[0]
    line = next(line for line in ran.out.splitlines() if first["account_id"] in line)
    assert line.split()[0] in {"1", "=1"}
    assert line.split()[1] == "T1"
    told = merchantscreen("explain", first["account_id"], "--run", run)
    assert (told.code, told.err) == (0, "")
    assert "not a finding" in told.out
    assert "[.]example" in told.out
    assert ".example" not in told.out.replace("[.]example", "")


def test_every_ranked_account_can_be_explained(screened: tuple[Path, Ran]) -> None:
    """There is no account on the list whose place cannot be told as arithmetic that adds up."""
    run = screened[0]
    for row in _lines(run / "ranking.jsonl")[:40]:
        told = merchantscreen("explain", row["account_id"], "--run", run)
        assert told.code == 0, told.err
        assert "total: E = " in told.out


# --------------------------------------------------------------------------- the auditor


def test_the_auditor_needs_the_bundle_alone(screened: tuple[Path, Ran], tmp_path: Path) -> None:
    """A copied bundle verifies far from its inputs, and explains an account."""
    run = shutil.copytree(screened[0], tmp_path / "copy")
    assert merchantscreen("verify", run).code == 0
    account = _lines(run / "ranking.jsonl")[0]["account_id"]
    assert merchantscreen("explain", account, "--run", run).code == 0


def test_the_auditor_recomputes_points_from_the_ledger(screened: tuple[Path, Ran]) -> None:
    """With a decimal calculator the strengths of links, all points, shares and totals come out to the last digit."""
    run = screened[0]
    nano = Decimal(10) ** 9
    last = json.loads((run / "manifest.json").read_bytes())["model"]["account_rounds"]
    totals: dict[str, dict[tuple[str, str], int]] = {}
    shares: dict[str, int] = {}
    with localcontext() as context:
        context.prec = 50
        for item in _lines(run / "ledger.jsonl"):
            if item["family"] == "link":
                w, g, f, risk = (
                    item[name] for name in ("weight_nano", "reliability_nano", "match_factor_nano", "risk_nano")
                )
                strength = Decimal(w * g * f * risk) / nano**3 / Decimal(item["linked_count"]).sqrt()
                assert item["strength_nano"] == round(strength)
            assert item["points_nano"] == round(-(1 - item["strength_nano"] / nano).ln() * nano)
            if item["round"] == last:
                kinds = totals.setdefault(item["subject"], {})
                kinds[item["family"], item["kind"]] = item["kind_points_nano"]
                shares[item["subject"]] = shares.get(item["subject"], 0) + item["share_nano"]
    ranked = {row["account_id"]: row["points_nano"] for row in _lines(run / "ranking.jsonl") if row["points_nano"]}
    assert {name: sum(kinds.values()) for name, kinds in totals.items()} == ranked == shares


def test_the_auditor_is_told_of_an_edit(screened: tuple[Path, Ran], tmp_path: Path) -> None:
    """Somebody who lowers one account's tier in the copy is found out, with the files named."""
    run = shutil.copytree(screened[0], tmp_path / "copy")
    for name in ("ranking.csv", "ranking.jsonl"):
        path = run / name
        path.write_bytes(path.read_bytes().replace(b"T1", b"T3", 1))
    ran = merchantscreen("verify", run)
    assert (ran.code, ran.codes) == (4, ["MS-RUN-012", "MS-RUN-012"])
    assert "ranking.csv" in ran.err
    assert "ranking.jsonl" in ran.err


def test_the_auditor_finds_no_personal_data(world: Path, screened: tuple[Path, Ran]) -> None:
    """No e-mail address, phone number, address, card token or URL path of the inputs is in any file of the run."""
    merchants, transactions = _rows(world / "merchants.csv"), _rows(world / "transactions.csv")
    canaries = {row[name] for row in merchants for name in ("email", "phone", "address") if row[name]}
    canaries |= {row["card_token"] for row in transactions[:500] if len(row["card_token"]) > 6}
    text = b"\n".join(path.read_bytes() for path in screened[0].iterdir() if path.suffix != ".parquet").decode()
    assert len(canaries) > 500
    assert [canary for canary in sorted(canaries) if canary in text] == []


# --------------------------------------------------------------------------- the operator


def test_the_operator_acts_on_exit_codes_and_json(world: Path, tmp_path: Path) -> None:
    """A nightly job reads counts from stdout, problems from stderr, and what to do from the exit code."""
    spoiled = tmp_path / "transactions.csv"
    lines = (world / "transactions.csv").read_text(encoding="utf-8").splitlines()
    spoiled.write_text("\n".join([*lines, lines[1].replace(",approved,", ",perhaps,")]) + "\n", encoding="utf-8")
    words = [spoiled if word == world / "transactions.csv" else word for word in _words(world, tmp_path / "runs")]
    ran = merchantscreen(*words, "--json", "--json-errors", "--fail-on", "T1")
    summary = json.loads(ran.out)
    problems = [json.loads(line) for line in ran.err.splitlines()]
    assert ran.code == 1
    assert summary["run_id"] == "20261101T000000Z"
    total = summary["totals"]["transactions"]
    assert total["rows_read"] == len(lines) == total["rows_accepted"] + total["rows_rejected"]
    assert problems
    assert {problem["where"] for problem in problems} == {"transactions.csv"}
    again = merchantscreen(*words, "--json", "--json-errors")
    assert (again.code, json.loads(again.err)["code"]) == (73, "MS-RUN-005")
    assert merchantscreen("verify", summary["folder"]).code == 0
