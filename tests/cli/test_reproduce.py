"""`reproduce`: the same files, the policy out of the run, and every byte compared."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cli.command import AS_OF, Inputs, Ran, merchantscreen
from workspace.places import made, referral, with_referrals

from merchantscreen.outputs.manifest import parse_manifest


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Give a test the three small files."""
    (tmp_path / "data").mkdir()
    return Inputs.good(tmp_path / "data")


@pytest.fixture
def run(tmp_path: Path, inputs: Inputs) -> Path:
    """Screen them."""
    words = ("--referrals", inputs.folder / "referrals.jsonl", "--out", tmp_path / "runs", "--run-id", "r")
    assert merchantscreen("screen", *words, *_data(inputs), "--as-of", AS_OF).code == 0
    return tmp_path / "runs" / "r"


def _data(inputs: Inputs) -> tuple[str | Path, ...]:
    data = inputs.folder
    return "--merchants", data / "merchants.csv", "--transactions", data / "transactions.csv"


def _again(run: Path, inputs: Inputs, *more: str | Path) -> Ran:
    return merchantscreen("reproduce", run, "--referrals", inputs.folder / "referrals.jsonl", *_data(inputs), *more)


def test_a_run_is_made_again_byte_for_byte(run: Path, inputs: Inputs) -> None:
    """Every file is equal, the rules come from the run, and nothing is left behind."""
    ran = _again(run, inputs)
    assert (ran.code, "equal byte for byte" in ran.out) == (0, True)
    assert json.loads(_again(run, inputs, "--json").out)["reproduced"] is True
    assert [path.name for path in run.parent.iterdir()] == ["r"]


def test_the_names_of_the_files_do_not_matter(run: Path, inputs: Inputs, tmp_path: Path) -> None:
    """Inputs are known by their digests."""
    other = tmp_path / "renamed.csv"
    shutil.copy(inputs.folder / "merchants.csv", other)
    ran = merchantscreen(
        "reproduce", run, "--referrals", inputs.folder / "referrals.jsonl", "--merchants", other,
        "--transactions", inputs.folder / "transactions.csv",
    )  # fmt: skip
    assert ran.code == 0


def test_other_inputs_are_named_and_nothing_is_compared(run: Path, inputs: Inputs) -> None:
    """A file that the run did not read, and the one it read, are both named; exit 65."""
    path = inputs.folder / "merchants.csv"
    path.write_text(path.read_text() + "400001,M9,New Shop,5732,NL,2026-09-01,https://new-shop.example/,,acct-9\n")
    ran = _again(run, inputs)
    assert ran.code == 65
    assert ran.err.count("MS-RUN-050 merchants.csv") == 2


def test_a_result_that_was_changed_with_its_manifest_is_not_reproduced(run: Path, inputs: Inputs) -> None:
    """Whoever changes a rank and fits the manifest passes verify, and is found here: exit 5, file and line."""
    path = run / "ranking.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b'"tier":"T1"', b'"tier":"T3"')
    path.write_bytes(b"".join(lines))
    manifest = parse_manifest((run / "manifest.json").read_bytes())
    entry = manifest.outputs["ranking.jsonl"]
    fitted = entry.model_copy(update={"sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    forged = manifest.model_copy(update={"outputs": {**manifest.outputs, "ranking.jsonl": fitted}})
    (run / "manifest.json").write_bytes(forged.canonical())
    assert merchantscreen("verify", run).code == 0
    ran = _again(run, inputs)
    assert (ran.code, "MS-RUN-051 ranking.jsonl:1" in ran.err) == (5, True)


def test_a_damaged_bundle_is_not_compared_at_all(run: Path, inputs: Inputs) -> None:
    """What does not match its manifest ends with 4."""
    (run / "ledger.jsonl").write_bytes(b"")
    assert _again(run, inputs).code == 4


def test_a_run_of_a_workspace_folds_the_log_as_it_stood(tmp_path: Path, inputs: Inputs) -> None:
    """Referrals that came later change nothing; another workspace is refused."""
    folder = made(tmp_path / "desk").folder
    with_referrals(folder)
    assert merchantscreen("screen", *_data(inputs), "--as-of", AS_OF, "--run-id", "r", "--workspace", folder).code == 0
    run = folder / "runs" / "r"
    merchantscreen("log", "checkpoint", "--workspace", folder)
    again = merchantscreen("reproduce", run, *_data(inputs), "--workspace", folder)
    assert (again.code, "equal byte for byte" in again.out) == (0, True)
    stranger = made(tmp_path / "other").folder
    with_referrals(stranger, referral(referral_id="R-9"))
    refused = merchantscreen("reproduce", run, *_data(inputs), "--workspace", stranger)
    assert (refused.code, "MS-RUN-052" in refused.err) == (4, True)
