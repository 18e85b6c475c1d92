"""docs/index.md: its commands are run as printed, and what it says of deleting is done."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from pathlib import Path

import pytest
from cli.command import Inputs, merchantscreen


def test_every_command_of_the_page_works(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ends well, and the screen takes from the index what was put there."""
    page = (repository / "docs" / "index.md").read_text(encoding="utf-8")
    words = [shlex.split(line)[1:] for line in "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).splitlines()]
    assert [line[0] for line in words] == ["index", "index", "screen", "retro", "index"]
    Inputs.good(tmp_path)
    (tmp_path / "days").mkdir()
    (tmp_path / "transactions.csv").rename(tmp_path / "days" / "2026-05-01.csv")
    monkeypatch.chdir(tmp_path)
    told = [merchantscreen(*line) for line in words]
    assert [ran.code for ran in told] == [0] * 5, told
    assert "1 transaction file taken from the index" in told[2].err


def test_an_entry_is_deleted_as_the_page_says(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is named by the digest of the file, and nothing else misses it."""
    page = (repository / "docs" / "index.md").read_text(encoding="utf-8")
    assert "rm -r index/transactions/$(sha256sum days/2026-05-01.csv | cut -c1-40)-*" in page
    inputs = Inputs.good(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert merchantscreen("index", "--index", "index", "--transactions", "transactions.csv").code == 0
    digest = hashlib.sha256((tmp_path / "transactions.csv").read_bytes()).hexdigest()
    (entry,) = (tmp_path / "index" / "transactions").glob(f"{digest[:40]}-*")
    shutil.rmtree(entry)
    assert merchantscreen("index", "--index", "index", "--check").code == 0
    ran = merchantscreen(*inputs.words, "--index", "index")
    assert (ran.code, "from the index" in ran.err) == (0, False), ran.err
