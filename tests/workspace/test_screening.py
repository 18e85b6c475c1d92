"""Screening in a workspace: the register comes from the log, and the log says what was screened."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cli.command import AS_OF, Inputs, Ran, merchantscreen
from exchange import network
from workspace.places import AT, made, opened, referral, settle, with_referrals

from merchantscreen.eventlog.notes import open_checkpoint
from merchantscreen.outputs.manifest import Manifest, parse_manifest
from merchantscreen.referrals.logged import trust_body
from merchantscreen.referrals.trust import KeyGrant
from merchantscreen.workspace.access import system_user


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Give a test the three small files."""
    (tmp_path / "data").mkdir()
    return Inputs.good(tmp_path / "data")


def _words(inputs: Inputs, folder: Path, *more: str | Path) -> list[str | Path]:
    data = inputs.folder
    return ["screen", "--merchants", data / "merchants.csv", "--transactions", data / "transactions.csv",
            "--as-of", AS_OF, "--run-id", "r", "--workspace", folder, *more]  # fmt: skip


def _screened(inputs: Inputs, folder: Path, *more: str | Path) -> Ran:
    return merchantscreen(*_words(inputs, folder, *more))


def _manifest(run: Path) -> Manifest:
    return parse_manifest((run / "manifest.json").read_bytes())


def _events(folder: Path) -> list[dict[str, Any]]:
    shown = merchantscreen("log", "show", "--json", "--workspace", folder)
    assert shown.code == 0, shown.err
    events: list[dict[str, Any]] = json.loads(shown.out)["events"]
    return events


def test_the_way_from_init_to_proof_in_both_stores(tmp_path: Path, store: str, inputs: Inputs) -> None:
    """Init, referrals, screen, show, verify against the kept checkpoint, prove: one story, in every kind of store."""
    folder = tmp_path / "desk"
    assert merchantscreen("init", folder, "--audience", "network-one", "--store", store).code == 0
    key = merchantscreen("log", "key", "--workspace", folder).out.strip()
    with_referrals(folder)
    kept = tmp_path / "kept.note"
    kept.write_text(merchantscreen("log", "checkpoint", "--workspace", folder).out, encoding="utf-8")

    ran = _screened(inputs, folder, "--json")
    assert ran.code == 0, ran.err
    summary = json.loads(ran.out)
    run = folder / "runs" / "r"
    manifest = _manifest(run)
    assert manifest.log is not None
    checkpoint = open_checkpoint((folder / "checkpoints" / "2.note").read_bytes(), _verifiers(folder))
    assert (manifest.log.origin, manifest.log.size) == ("network-one/desk", 2) == (checkpoint.origin, checkpoint.size)
    assert summary["log"] == manifest.log.model_dump(mode="json")
    assert summary["tiers"] == manifest.tiers
    assert sum(summary["tiers"].values()) > 0

    created, imported, started, recorded, listed = _events(folder)
    assert [created["kind"], imported["kind"]] == ["workspace.created", "referral.imported"]
    assert [one["kind"] for one in (started, recorded, listed)] == ["run.started", "run.recorded", "cases.listed"]
    body = recorded["body"]
    assert body["manifest_sha256"] == hashlib.sha256((run / "manifest.json").read_bytes()).hexdigest()
    (used,) = body["referrals"]
    assert (used["hotline"], used["referral_id"]) == ("hotline-a", "R-1")
    assert used["account_count"] == sum(used["tiers"].values()) == sum(summary["tiers"].values())
    with opened(folder) as workspace:
        assert [run.run_id for run in workspace.history().runs] == ["r"]

    verified = merchantscreen("log", "verify", "--against", kept, "--key", key, "--json", "--workspace", folder)
    assert verified.code == 0, verified.err
    stated = json.loads(verified.out)
    assert (stated["log"]["size"], stated["against"][0]["size"], stated["events_since_checkpoint"]) == (5, 2, 0)

    proof = tmp_path / "proof.json"
    assert merchantscreen("log", "prove", "3", "--out", proof, "--workspace", folder).code == 0
    checked = merchantscreen("log", "verify-proof", proof, "--key", key, "--json")
    assert json.loads(checked.out)["event"]["body"] == body


def _verifiers(folder: Path) -> tuple[Any, ...]:
    with opened(folder) as workspace:
        return workspace.checkpoints.verifiers()


def test_the_log_and_the_file_give_the_same_ranking(tmp_path: Path, file_desk: Path, inputs: Inputs) -> None:
    """Where the register comes from changes nothing in what is found."""
    with_referrals(file_desk)
    key = file_desk / "keys" / "pseudonym.key"
    from_log = _screened(inputs, file_desk)
    from_file = merchantscreen(*inputs.words, "--pseudonym-key-file", key)
    assert (from_log.code, from_file.code) == (0, 0), from_log.err + from_file.err
    for name in ("ranking.csv", "ledger.jsonl", "domains.jsonl", "links.jsonl"):
        assert (file_desk / "runs" / "r" / name).read_bytes() == (inputs.out / "r" / name).read_bytes()
    assert "Log     network-one/desk 2 " in from_log.out
    assert "Log  " not in from_file.out


def test_without_a_workspace_the_manifest_has_no_log(inputs: Inputs) -> None:
    """A run from files is what it always was: not even an empty field more."""
    assert merchantscreen(*inputs.words).code == 0
    content = (inputs.out / "r" / "manifest.json").read_bytes()
    assert "log" not in json.loads(content)
    assert parse_manifest(content).canonical() == content


def test_a_run_of_a_workspace_verifies(file_desk: Path, inputs: Inputs) -> None:
    """Its manifest reads back to the same bytes; an empty log in it is not canonical."""
    with_referrals(file_desk)
    assert _screened(inputs, file_desk).code == 0
    assert merchantscreen("verify", file_desk / "runs" / "r").code == 0


def test_referral_files_and_a_workspace_exclude_each_other(file_desk: Path, inputs: Inputs) -> None:
    """Nobody has to guess which register was used."""
    ran = merchantscreen(*inputs.words, "--workspace", file_desk)
    assert (ran.code, ran.codes) == (2, ["MS-WSP-042"])


def test_with_files_the_workspace_around_is_left_alone(
    file_desk: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Referral files given by name mean a run of their own, even inside of a workspace."""
    monkeypatch.chdir(file_desk)
    assert merchantscreen(*inputs.words).code == 0
    assert len(_events(file_desk)) == 1


def test_an_empty_register_is_said(file_desk: Path, inputs: Inputs) -> None:
    """That nothing is linked says nothing where no referral counts."""
    with_referrals(file_desk, referral(issued_at="2027-01-01T00:00:00Z"))
    ran = _screened(inputs, file_desk)
    assert (ran.code, ran.codes) == (0, ["MS-WSP-043"])


def test_settings_hold_where_the_caller_says_nothing(tmp_path: Path, inputs: Inputs) -> None:
    """Rules, runs and approval come from the settings; what is given on the command line wins."""
    folder = made(tmp_path / "desk").folder
    with_referrals(folder)
    shutil.copytree(folder / "rules", tmp_path / "own")
    settle(folder, f'rules = "{tmp_path / "own"}"', 'runs = "elsewhere"')
    assert _screened(inputs, folder).code == 0
    assert (folder / "elsewhere" / "r").is_dir()
    assert _screened(inputs, folder, "--out", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "r").is_dir()
    settle(folder, "require_approved = true")
    ran = _screened(inputs, folder)
    assert ran.code == 4, ran.err
    assert not (folder / "runs" / "r").exists()


def test_who_may_not_screen_sees_nothing(file_desk: Path, inputs: Inputs) -> None:
    """Without the role no file is read and no run is made; the refusal is in the log."""
    settle(file_desk, "[roles]", f'{system_user()} = ["auditor"]')
    ran = _screened(inputs, file_desk)
    assert (ran.code, ran.codes, ran.out) == (2, ["MS-WSP-020"], "")
    assert list((file_desk / "runs").iterdir()) == []
    assert [event["kind"] for event in _events(file_desk)] == ["workspace.created", "access.refused"]


@pytest.mark.parametrize("pattern", [".work-*", ".r.partial-*", "r"])
def test_a_killed_screening_leaves_a_log_that_verifies(file_desk: Path, inputs: Inputs, pattern: str) -> None:
    """Killed at work, while writing or once published: whatever can be seen of the run, the log knows it was begun."""
    with_referrals(file_desk)
    kept = file_desk.parent / "kept.note"
    shutil.copy(file_desk / "checkpoints" / "latest.note", kept)
    runs = file_desk / "runs"
    with subprocess.Popen(
        [sys.executable, "-m", "merchantscreen.cli", *map(str, _words(inputs, file_desk))],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        while running.poll() is None and not list(runs.glob(pattern)):
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
    kinds = [event["kind"] for event in _events(file_desk)]
    assert kinds[:2] == ["workspace.created", "referral.imported"]
    assert "run.started" in kinds or not (runs / "r").exists()
    verified = merchantscreen("log", "verify", "--against", kept, "--workspace", file_desk)
    assert verified.code == 0, verified.err
    shutil.rmtree(runs)
    runs.mkdir()
    assert _screened(inputs, file_desk).code == 0
    assert merchantscreen("log", "verify", "--against", kept, "--workspace", file_desk).code == 0


def test_a_silent_hotline_is_named_and_stops_a_run_that_asks_for_fresh_referrals(
    tmp_path: Path, inputs: Inputs
) -> None:
    """Retractions may be missing: the run says so, and with --require-fresh there is none, exit 7."""
    folder = made(tmp_path / "desk").folder
    with_referrals(folder)
    silent = network.organisation("hotline-north", keys=(KeyGrant(public=network.NORTH.verify_key, valid_from=AT),))
    state = network.accepted(network.trust(organisations=(silent,), expires_at=datetime(2199, 1, 1)))
    with opened(folder) as workspace:
        workspace.record("trust.accepted", trust_body(state.versions[0]))
    ran = _screened(inputs, folder)
    assert (ran.code, "MS-WSP-044 hotline-north: a hotline never heard" in ran.err) == (0, True)
    refused = _screened(inputs, folder, "--require-fresh", "--run-id", "fresh")
    assert (refused.code, "MS-WSP-044" in refused.err) == (7, True)
    assert not (folder / "runs" / "fresh").exists()
