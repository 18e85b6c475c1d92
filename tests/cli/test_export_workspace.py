"""Exports of a workspace: by whom, why, recorded before they can be read, no more in them than the role lets out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pyrage
import pytest
from cli.command import AS_OF, Inputs, merchantscreen
from workspace.places import made, opened, settle, with_referrals

from merchantscreen.outputs import publishing
from merchantscreen.workspace.access import OPERATIONS, Role, system_user

KINDS = {"case-file": 1, "xlsx": 2, "graph": 2, "match": 1, "vmss": 1}
"""Every kind of export, and how many accounts one of M2, or of the run, names."""
PEOPLE = (
    "[roles]", 'anna = ["analyst"]', 'lena = ["lead"]', 'otto = ["auditor"]',
    "[people]", f'{system_user()} = ["anna", "lena", "otto"]',
)  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a workspace with a run, in which an analyst, a lead and an auditor work."""
    place = tmp_path_factory.mktemp("made")
    folder = made(place / "desk").folder
    with_referrals(folder)
    data = Inputs.good(place).folder
    ran = merchantscreen(
        "screen", "--merchants", data / "merchants.csv", "--transactions", data / "transactions.csv", "--as-of", AS_OF,
        "--run-id", "r", "--workspace", folder,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    settle(folder, *PEOPLE)
    return folder


@pytest.fixture
def run(desk: Path, tmp_path: Path) -> Path:
    """Give the run in a copy of the workspace."""
    return Path(shutil.copytree(desk, tmp_path / "desk")) / "runs" / "r"


def _words(kind: str, run: Path, out: Path, name: str, *more: str) -> list[str | Path]:
    what = [run] if kind == "xlsx" else ["400001/M2", "--run", run]
    return ["export", kind, *what, "--out", out, "--as", name, *more]


def _made(run: Path) -> list[dict[str, Any]]:
    with opened(run.parents[1]) as workspace:
        return [{"actor": event.actor, **event.body} for event in workspace.log.events(kinds=("export.made",))]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_export_says_who_what_and_why_without_naming_the_account(run: Path, tmp_path: Path, kind: str) -> None:
    """From whatever folder it is typed: run, number of accounts, digest and purpose stand in the log."""
    out = tmp_path / "out"
    ran = merchantscreen(*_words(kind, run, out, "lena", "--purpose", "for the file", "--json"))
    assert ran.code == 0, ran.err
    stated = json.loads(ran.out)
    assert (stated["recorded"], stated["written"]) == (True, str(out))
    (event,) = _made(run)
    assert (event["actor"], event["kind"], event["run"], event["purpose"]) == ("lena", kind, "r", "for the file")
    assert (event["count"], event["sha256"]) == (KINDS[kind], stated["sha256"])
    file = out / "manifest.json" if out.is_dir() else out
    assert hashlib.sha256(file.read_bytes()).hexdigest() == event["sha256"]
    assert "400001/M2" not in json.dumps(event)
    with opened(run.parents[1]) as workspace:
        assert workspace.history().problems == ()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nobody_exports_without_a_role_or_without_a_reason(run: Path, tmp_path: Path, kind: str) -> None:
    """A refusal leaves no file, and the attempt stays in the log; a listing is for a lead alone."""
    out = tmp_path / "out"
    assert merchantscreen(*_words(kind, run, out, "otto", "--purpose", "curious")).codes == ["MS-WSP-020"]
    assert merchantscreen(*_words(kind, run, out, "lena")).codes == ["MS-WSP-022"]
    by_analyst = merchantscreen(*_words(kind, run, out, "anna", "--purpose", "my case"))
    assert by_analyst.code == (2 if kind in {"match", "vmss"} else 0)
    assert out.exists() is (by_analyst.code == 0)
    with opened(run.parents[1]) as workspace:
        refused = [event.body["operation"] for event in workspace.log.events(kinds=("access.refused",))]
    operation = {"match": "export.listing", "vmss": "export.listing"}.get(kind, f"export.{kind.replace('-', '_')}")
    assert set(refused) == {operation}
    assert OPERATIONS["export.listing"] == {Role.LEAD}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_it_is_recorded_before_it_is_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """If the machine stops between the record and the name, the log knows of an export that nobody can read."""

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "_take_name", stopped)
    out = tmp_path / "out"
    assert merchantscreen(*_words(kind, run, out, "lena", "--purpose", "for the file")).code != 0
    assert [event["kind"] for event in _made(run)] == [kind]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk"]


def test_an_export_to_recipients_is_for_them_alone(run: Path, tmp_path: Path) -> None:
    """One archive, encrypted; the log has the digest of what was written and whom it is for."""
    key = pyrage.x25519.Identity.generate()
    out = tmp_path / "case.zip.age"
    words = _words("case-file", run, out, "lena", "--purpose", "to the acquirer", "--to", str(key.to_public()))
    assert merchantscreen(*words).codes == ["MS-RUN-001"]
    ran = merchantscreen(*words, "--zip")
    assert ran.code == 0, ran.err
    assert "encrypted for 1 recipient" in ran.out
    with zipfile.ZipFile(io.BytesIO(pyrage.decrypt(out.read_bytes(), [key]))) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert set(archive.namelist()) == {*manifest["files"], "manifest.json"}
    (event,) = _made(run)
    assert event["recipient"] == str(key.to_public())
    assert event["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    printed = ("export", "match", "400001/M2", "--run", run, "--as", "lena", "--purpose", "draft", "--to", "age1")
    assert merchantscreen(*printed).codes == ["MS-RUN-001"]


def test_what_an_analyst_does_not_let_out_is_said(run: Path, tmp_path: Path) -> None:
    """Contact data are tokens for both; the file of an analyst says what else was withheld, if anything was."""
    for name in ("anna", "lena"):
        out = tmp_path / name
        ran = merchantscreen(*_words("case-file", run, out, name, "--purpose", "the case", "--json"))
        redacted = json.loads(ran.out)["redacted"]
        assert redacted[0].startswith("contact e-mail, phone and postal address: keyed tokens only")
        assert json.loads((out / "manifest.json").read_bytes())["redacted"] == redacted
        everything = b"".join(path.read_bytes() for path in out.iterdir())
        assert b"info@" not in everything
        assert redacted[0].encode() in (out / "case.html").read_bytes()


def test_a_draft_names_who_chose_the_code(run: Path) -> None:
    """A reason code is a person's choice, so the draft says whose; printing it is an export as well."""
    words = ("export", "match", "400001/M2", "--run", run, "--as", "lena", "--purpose", "draft", "--reason-code", "03")
    draft = json.loads(merchantscreen(*words).out)
    assert (draft["fields"]["TerminationReasonCode"], draft["reason_code_chosen_by"]) == ("03", "lena")
    assert [event["kind"] for event in _made(run)] == ["match"]


def test_from_a_finished_run_to_a_decided_case_file_in_the_folder(run: Path, tmp_path: Path) -> None:
    """The file is there with one command, opens as a page, and its tables are the run's."""
    out = tmp_path / "case"
    assert merchantscreen(*_words("case-file", run, out, "anna", "--purpose", "to the acquirer")).code == 0
    assert (out / "case.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with (out / "linked_accounts.csv").open(encoding="utf-8", newline="") as file:
        (linked,) = csv.DictReader(file)
    assert (linked["account_id"], linked["attribute"]) == ("400001/M1", "settlement account")


def test_decisions_made_after_the_run_are_in_the_file(run: Path, tmp_path: Path) -> None:
    """Decide, then hand over by the number of the case; the written reason stays in the log."""
    place = ("--workspace", run.parents[1], "--as", "anna")
    words = ("decide", "400001/M2", "--disposition", "refer_to_acquirer", "--reason", "shares the account", *place)
    assert merchantscreen(*words).code == 0
    number = json.loads(merchantscreen("cases", "show", "400001/M2", "--json", *place).out)["number"]
    out = tmp_path / "case"
    ran = merchantscreen("export", "case-file", number, "--run", run, "--out", out, "--as", "anna", "--purpose", "hand")
    assert ran.code == 0, ran.err
    (decision,) = json.loads((out / "case.json").read_bytes())["decisions"]
    assert (decision["actor"], decision["disposition"]) == ("anna", "refer_to_acquirer")
    assert b"refer to acquirer" in (out / "case.html").read_bytes()
    assert b"shares the account" not in b"".join(path.read_bytes() for path in out.iterdir())
    unknown = merchantscreen("export", "case-file", "C-999999", "--run", run, "--out", tmp_path / "no", *place[2:],
                             "--purpose", "hand")  # fmt: skip
    assert unknown.codes == ["MS-RUN-004"]


def test_a_name_needs_a_workspace(tmp_path: Path) -> None:
    """Outside of any, there is nobody to act as, and nothing is recorded."""
    inputs = Inputs.good(tmp_path)
    assert merchantscreen(*inputs.words).code == 0
    out = tmp_path / "run.xlsx"
    assert merchantscreen("export", "xlsx", inputs.out / "r", "--out", out, "--as", "anna").codes == ["MS-RUN-001"]
    ran = merchantscreen("export", "xlsx", inputs.out / "r", "--out", out)
    assert ran.code == 0, ran.err
    assert "not recorded: no workspace" in ran.out
    assert out.read_bytes()[:2] == b"PK"
