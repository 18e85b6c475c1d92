"""`screen --require-approved`: only rules that somebody else approved, byte for byte, are worked with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli.command import Ran, merchantscreen

NAMES = ("referrals.jsonl", "merchants.csv", "transactions.csv")


@pytest.fixture
def approved(repository: Path, tmp_path: Path) -> Path:
    """Copy the rules of the checkout, lock them and have them approved."""
    folder = Path(shutil.copytree(repository / "rules", tmp_path / "rules"))
    assert merchantscreen("rules", "lock", str(folder)).code == 0
    words = ("--approver", "R. Brandt, compliance", "--statement", "Read all of it.")
    assert merchantscreen("rules", "approve", str(folder), *words).code == 0
    return folder


def _screen(repository: Path, rules: Path, *words: str) -> Ran:
    referrals, merchants, transactions = (str(repository / "sample_data" / name) for name in NAMES)
    return merchantscreen(
        "screen", "--referrals", referrals, "--merchants", merchants, "--transactions", transactions,
        "--rules", str(rules), "--as-of", "2026-11-01", "--out", str(rules.parent / "runs"), "--run-id", "r", *words,
    )  # fmt: skip


def test_an_approved_policy_runs_and_says_who_approved_it(repository: Path, approved: Path) -> None:
    """No banner, the approver on the screen, in the manifest and in every row; explain and verify agree."""
    ran = _screen(repository, approved, "--require-approved")
    assert (ran.code, "UNAPPROVED" in ran.out) == (0, False)
    assert "approved by R. Brandt, compliance" in ran.out
    run = approved.parent / "runs" / "r"
    manifest = json.loads((run / "manifest.json").read_text())
    approval = manifest["policy"]["approval"]
    assert (approval["state"], approval["approver"], approval["reasons"]) == ("approved", "R. Brandt, compliance", [])
    assert manifest["parameters"]["require_approved"] is True
    rows = [json.loads(line) for line in (run / "ranking.jsonl").read_text().splitlines()]
    assert {row["policy_state"] for row in rows} == {"approved"}
    for words in (("verify", str(run)), ("explain", rows[0]["account_id"], "--run", str(run))):
        assert "UNAPPROVED" not in merchantscreen(*words).out


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("transaction-pattern/few-price-points.yml", "0.9", "0.8"),
        ("transaction-pattern/few-price-points.yml", "id: few", "id:  few"),
        ("indicators.yml", "id: C20", "id: C99"),
        ("tiers.yml", "# Review order.", "# Review  order."),
        ("rules.lock", '"version"', '"versioN"'),
        ("approvals.jsonl", "R. Brandt", "R. Brand"),
    ],
)
def test_one_changed_byte_stops_the_run_and_is_named(
    repository: Path, approved: Path, name: str, old: str, new: str
) -> None:
    """A threshold, a blank, a comment, a lock, a name: nothing is screened, and the file is named."""
    path = approved / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    ran = _screen(repository, approved, "--require-approved")
    assert ran.code == 4
    assert name in ran.err
    assert not (approved.parent / "runs" / "r").exists()


def test_an_unapproved_policy_runs_with_a_banner_in_every_output(repository: Path, tmp_path: Path) -> None:
    """Screen, explain, verify, the manifest, the summary and every ranked row say so."""
    rules = Path(shutil.copytree(repository / "rules", tmp_path / "rules"))
    (rules / "approvals.jsonl").unlink(missing_ok=True)
    ran = _screen(repository, rules)
    assert ran.code == 0
    assert ran.out.startswith("UNAPPROVED POLICY")
    run = tmp_path / "runs" / "r"
    first = json.loads((run / "ranking.jsonl").read_text().splitlines()[0])
    assert first["policy_state"] == "unapproved"
    account = first["account_id"]
    for words in (
        ("verify", str(run)),
        ("explain", account, "--run", str(run)),
        ("rules", "explain", "tier", "--account", account, "--run", str(run)),
    ):
        said = merchantscreen(*words).out
        assert "UNAPPROVED" in said or "approved    by nobody" in said
    assert _screen(repository, rules, "--require-approved", "--out", str(tmp_path / "other")).code == 4
