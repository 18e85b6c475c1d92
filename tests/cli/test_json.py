"""`--json` on every verb: one object for machines, and nothing else on standard output."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cli.command import Inputs, every_verb, merchantscreen

IS_JSON_ANYWAY = {"log prove", "rules schema"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Screen three small files once."""
    inputs = Inputs.good(tmp_path_factory.mktemp("json"))
    assert merchantscreen(*inputs.words).code == 0
    return inputs.out / "r"


def _said(*words: str | Path) -> dict[str, Any]:
    ran = merchantscreen(*words, "--json")
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    assert isinstance(said, dict)
    return said


def test_every_verb_speaks_json() -> None:
    """A script never has to read a table."""
    verbs = every_verb()
    without = {name for name, verb in verbs.items() if not any("--json" in option.opts for option in verb.params)}
    assert len(verbs) > 40
    assert without == IS_JSON_ANYWAY


def test_explain_gives_the_rows_its_sum_rests_on(run: Path) -> None:
    """The items of each kind add up to the points of the account, as on the screen."""
    said = _said("explain", "400001/M1", "--run", run)
    assert sum(kind["points_nano"] for kind in said["kind_points_nano"]) == said["account"]["points_nano"]
    assert {item["kind"] for item in said["items"]} == {kind["kind"] for kind in said["kind_points_nano"]}
    assert {"hit", "no_hit", "not_evaluated"} >= {result["outcome"] for result in said["rules"]}
    assert said["paths"][0]["steps"][-1]["value"] == "400001/M1"


def test_verify_and_report_name_what_they_checked_and_wrote(run: Path) -> None:
    """The digests are those of the files on the disk."""
    checked, written = _said("verify", run), _said("report", run)
    assert checked["verified"] is True
    assert checked["manifest_sha256"] == hashlib.sha256((run / "manifest.json").read_bytes()).hexdigest()
    assert written["sha256"] == hashlib.sha256(Path(written["file"]).read_bytes()).hexdigest()
    assert written["size_bytes"] == Path(written["file"]).stat().st_size


def test_simulate_names_its_files(tmp_path: Path) -> None:
    """Each file it names is there."""
    sizes = ("--accounts", "40", "--transactions", "200", "--referrals", "2", "--seed", "1")
    said = _said("simulate", *sizes, "--out", tmp_path / "world")
    assert set(said) == {"merchants", "referrals", "transactions", "truth"}
    assert all(Path(path).exists() for path in said.values())
