"""docs/exports.md: its commands are run as printed, in a workspace and outside of one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cli.command import AS_OF, Inputs, merchantscreen
from workspace.places import made, with_referrals


def commands(repository: Path) -> list[list[str]]:
    """Return the words of every command of the page."""
    page = (repository / "docs" / "exports.md").read_text(encoding="utf-8")
    lines = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).splitlines()
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.parametrize("is_workspace", [True, False], ids=["workspace", "files"])
def test_every_command_of_the_page_works(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_workspace: bool
) -> None:
    """Each writes its file; in a workspace each is an event in the log, outside it needs no purpose."""
    folder = tmp_path / "desk"
    if is_workspace:
        with_referrals(made(folder).folder)
    else:
        folder.mkdir()
    Inputs.good(folder)
    monkeypatch.chdir(folder)
    files = ["--merchants", "merchants.csv", "--transactions", "transactions.csv", "--as-of", AS_OF]
    referrals = [] if is_workspace else ["--referrals", "referrals.jsonl"]
    assert merchantscreen("screen", *referrals, *files, "--run-id", "first").code == 0
    words = commands(repository)
    assert {line[1] for line in words} == {"case-file", "xlsx", "graph", "match", "vmss"}
    for line in words:
        given = line if is_workspace else line[: line.index("--purpose")]
        ran = merchantscreen(*given)
        assert (ran.code, given) == (0, given), ran.err
        assert (folder / line[line.index("--out") + 1]).exists()
    if is_workspace:
        assert merchantscreen("log", "show", "--json").out.count('"export.made"') == len(words)
