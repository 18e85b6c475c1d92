"""The sample run, byte for byte: pinned, and the same whatever the form of its input."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_data"
EXPECTED = SAMPLE / "expected"
AS_OF = "2026-11-01T00:00:00Z"


def run_screen(out: Path, referrals: list[Path], merchants: list[Path], moved: list[Path], **environment: str) -> Path:
    """Run the main job as a process of its own and return the folder of the run."""
    command = [
        sys.executable,
        "-m",
        "merchantscreen.cli",
        "screen",
        "--as-of",
        AS_OF,
        "--out",
        str(out),
        "--run-id",
        "run",
    ]
    for option, files in (("--referrals", referrals), ("--merchants", merchants), ("--transactions", moved)):
        command += [option, *(str(file) for file in files)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "run"


NAMES_INPUT = {"manifest.json", "rejects.csv", "report.html"}
"""Files that name what was read, and so differ with its form."""


def digests(run: Path, without: set[str]) -> dict[str, str]:
    """Return the digest of every file of a run but some."""
    files = [file for file in sorted(run.iterdir()) if file.name not in without]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def evidence(run: Path) -> dict[str, str]:
    """Return the digest of every evidence file."""
    return digests(run, NAMES_INPUT)


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the sample once."""
    files = ([SAMPLE / "referrals.jsonl"], [SAMPLE / "merchants.csv"], [SAMPLE / "transactions.csv"])
    return run_screen(tmp_path_factory.mktemp("sample"), *files)


# --------------------------------------------------------------------------- pinned


def test_the_ranking_of_the_sample_is_pinned_byte_for_byte(sample_run: Path) -> None:
    """sample_data/expected/ranking.csv is exactly what a run writes; `make golden` renews it."""
    assert (sample_run / "ranking.csv").read_bytes() == (EXPECTED / "ranking.csv").read_bytes()


def test_every_evidence_file_of_the_sample_is_pinned(sample_run: Path) -> None:
    """The digests of all evidence files and of the report are those of sample_data/expected/SHA256SUMS."""
    lines = (EXPECTED / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert {name: digest for digest, name in (line.split("  ") for line in lines)} == digests(
        sample_run, {"manifest.json", "rejects.csv"}
    )


# --------------------------------------------------------------------------- the labels of the simulated network


def truth() -> list[dict[str, str]]:
    """Read what the simulated network knows of its accounts."""
    with (SAMPLE / "truth.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tiers(run: Path) -> dict[str, str]:
    """Read the tier of every ranked account."""
    lines = (run / "ranking.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["account_id"]: row["tier"] for row in map(json.loads, lines)}


def test_every_planted_seller_reaches_a_tier(sample_run: Path) -> None:
    """No seller of any typology is missed."""
    placed = tiers(sample_run)
    sellers = [row for row in truth() if row["label"] == "seller" and row["expectation"] == "T1-T3"]
    assert len(sellers) >= 20
    missed = [row["typology"] for row in sellers if placed.get(row["account_id"]) not in {"T1", "T2", "T3"}]
    assert missed == []


def test_no_labelled_innocent_reaches_the_first_tier(sample_run: Path) -> None:
    """Accounts that only look alike are never placed first."""
    placed = tiers(sample_run)
    innocents = [row for row in truth() if row["label"] == "innocent"]
    assert len(innocents) >= 20
    assert [row["typology"] for row in innocents if placed.get(row["account_id"]) == "T1"] == []


def test_ordinary_accounts_are_not_cases(sample_run: Path) -> None:
    """Accounts without a planted story stay out of the three tiers."""
    placed = tiers(sample_run)
    ordinary = {row["account_id"] for row in truth() if row["label"] == "background"}
    assert [account for account, tier in placed.items() if account in ordinary and tier != "watch"] == []


# --------------------------------------------------------------------------- the auditor's own check


def test_every_digit_recomputes_without_our_code(sample_run: Path) -> None:
    """docs/recompute_ledger.py, which imports nothing of ours, agrees to the last nano-unit."""
    script = ROOT / "docs" / "recompute_ledger.py"
    assert "merchantscreen" not in script.read_text(encoding="utf-8")
    command = [sys.executable, "-I", str(script), str(sample_run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "every digit agrees" in done.stdout


@pytest.mark.parametrize(
    ("file", "field"),
    [("ledger", "strength_nano"), ("ledger", "points_nano"), ("ledger", "risk_nano"), ("ledger", "share_nano"),
     ("contributions", "risk_nano"), ("contributions", "contribution_nano"), ("ranking", "points_nano")],
)  # fmt: skip
def test_one_changed_nano_unit_is_found(sample_run: Path, tmp_path: Path, file: str, field: str) -> None:
    """The auditor's check notices a difference of one in any number it recomputes."""
    for source in sample_run.glob("*.json*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    changed = tmp_path / f"{file}.jsonl"
    rows = [json.loads(line) for line in changed.read_text(encoding="utf-8").splitlines()]
    victim = next(row for row in rows if row[field])
    victim[field] += 1
    changed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, "-I", str(ROOT / "docs" / "recompute_ledger.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "DIFFERS" in done.stderr


# --------------------------------------------------------------------------- form of the input


def shuffled(source: Path, target: Path, *, header: bool) -> Path:
    """Write a file's rows in another order."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    head, rows = (lines[:1], lines[1:]) if header else ([], lines)
    random.Random(20261101).shuffle(rows)
    target.write_text("".join([*head, *rows]), encoding="utf-8")
    return target


def in_pieces(source: Path, folder: Path, count: int, *, header: bool) -> Iterator[Path]:
    """Deal a file's rows out to several files."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    head, rows = (lines[:1], lines[1:]) if header else ([], lines)
    for i in range(count):
        piece = folder / f"{source.stem}-{i}{source.suffix}"
        piece.write_text("".join([*head, *rows[i::count]]), encoding="utf-8")
        yield piece


def test_shuffled_rows_give_identical_bytes(sample_run: Path, tmp_path: Path) -> None:
    """The order of referral events, merchants and transactions does not matter."""
    run = run_screen(
        tmp_path,
        [shuffled(SAMPLE / "referrals.jsonl", tmp_path / "r.jsonl", header=False)],
        [shuffled(SAMPLE / "merchants.csv", tmp_path / "m.csv", header=True)],
        [shuffled(SAMPLE / "transactions.csv", tmp_path / "t.csv", header=True)],
    )
    assert evidence(run) == evidence(sample_run)


def test_input_in_several_files_gives_identical_bytes(sample_run: Path, tmp_path: Path) -> None:
    """One file, three files or a folder of files: the same evidence."""
    folder = tmp_path / "transactions"
    folder.mkdir()
    list(in_pieces(SAMPLE / "transactions.csv", folder, 5, header=True))
    run = run_screen(
        tmp_path,
        list(in_pieces(SAMPLE / "referrals.jsonl", tmp_path, 3, header=False)),
        list(in_pieces(SAMPLE / "merchants.csv", tmp_path, 3, header=True)),
        [folder],
    )
    assert evidence(run) == evidence(sample_run)


@pytest.mark.parametrize(
    ("threads", "seed", "zone"), [("1", "0", "UTC"), ("2", "1", "Asia/Tokyo"), ("4", "4242", "America/Lima")]
)
def test_threads_hash_seeds_and_time_zones_give_identical_bytes(
    sample_run: Path, tmp_path: Path, threads: str, seed: str, zone: str
) -> None:
    """Nothing of the machine shows in the evidence."""
    files = ([SAMPLE / "referrals.jsonl"], [SAMPLE / "merchants.csv"], [SAMPLE / "transactions.csv"])
    run = run_screen(tmp_path, *files, POLARS_MAX_THREADS=threads, PYTHONHASHSEED=seed, TZ=zone)
    assert evidence(run) == evidence(sample_run)


def test_parquet_input_gives_the_same_evidence_as_csv(sample_run: Path, tmp_path: Path) -> None:
    """The same rows as Parquet files: the same evidence."""
    merchants = pl.read_csv(SAMPLE / "merchants.csv", infer_schema=False)
    merchants.with_columns(
        pl.col("opened_on", "closed_on").str.to_date(),
        pl.col("declared_monthly_volume_minor", "declared_average_ticket_minor").cast(pl.Int64),
        pl.col("natural_person") == "true",
        pl.col("website_urls").str.split(";"),
    ).write_parquet(tmp_path / "merchants.parquet")
    moved = pl.read_csv(SAMPLE / "transactions.csv", infer_schema=False)
    moved.with_columns(
        pl.col("occurred_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ"), pl.col("amount_minor").cast(pl.Int32)
    ).write_parquet(tmp_path / "transactions.parquet")
    run = run_screen(
        tmp_path,
        [SAMPLE / "referrals.jsonl"],
        [tmp_path / "merchants.parquet"],
        [tmp_path / "transactions.parquet"],
    )
    assert evidence(run) == evidence(sample_run)
