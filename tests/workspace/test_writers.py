"""Several commands on one workspace at once: each decides on what the others recorded, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Final

from cli.command import merchantscreen
from exchange import network
from workspace.places import opened

from merchantscreen.referrals import trustchain
from merchantscreen.referrals.history import fold
from merchantscreen.referrals.trust import KeyGrant, Organisation, Trust

WRITERS: Final = 4
EACH: Final = 40
"""Statements per command; more than the twenty a day that would be a flood without a limit."""
BEGIN, END = datetime(2020, 1, 1), datetime(2100, 1, 1)
NAMES: Final = [f"hotline-{place}" for place in range(WRITERS)]


def _trust() -> Trust:
    """Return a trust file that holds on whatever day the real clock of the commands shows."""
    organisations = [
        Organisation(
            id=name, name=name, keys=(KeyGrant(public=network.key(name).verify_key, valid_from=BEGIN),),
            events=network.ALL_EVENTS, daily_limit=1000,
        )
        for name in NAMES
    ]  # fmt: skip
    return trustchain.first_version(
        network.AUDIENCE, network.officers(), BEGIN, END, organisations=tuple(organisations)
    )


def _file(folder: Path, name: str) -> Path:
    """Write the first statements of a hotline."""
    hotline = network.Hotline(name, [network.key(name)])
    path = folder / f"{name}.dsse.jsonl"
    said = (hotline.states(referral_id=f"R-{number}", issued_at="2021-01-01") for number in range(EACH))
    path.write_bytes(b"".join(one + b"\n" for one in said))
    return path


def _started(desk: Path, *words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "merchantscreen.cli", *map(str, words), "--workspace", str(desk), "--json"],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_four_imports_at_once_lose_nothing(desk: Path, tmp_path: Path) -> None:
    """Every statement that a command called accepted is in the log once, in its place, under a checkpoint."""
    (tmp_path / "trust.json").write_bytes(network.signed_trust(_trust()))
    assert merchantscreen("trust", "accept", tmp_path / "trust.json", "--workspace", desk).code == 0
    files = [_file(tmp_path, name) for name in NAMES]
    writers = [_started(desk, "referrals", "import", path) for path in files]
    told = [one.communicate(timeout=300) for one in writers]
    assert [one.returncode for one in writers] == [0] * WRITERS, [err for _, err in told]
    answers = [answer for out, _ in told for answer in json.loads(out)["statements"]]
    assert [answer["outcome"] for answer in answers] == ["accepted"] * WRITERS * EACH
    with opened(desk) as workspace:
        verified = workspace.log.verify(workspace.checkpoints.latest())
        assert verified.head.size == workspace.checkpoints.latest().size == 2 + WRITERS * EACH
        history = fold(workspace.log.events())
    assert history.problems == ()
    assert {one.log_index: one.digest for one in history.received} == {
        answer["log_index"]: answer["statement_sha256"] for answer in answers
    }
    assert {stream.issuer: stream.head for stream in history.streams} == dict.fromkeys(NAMES, EACH)
    assert {answer["number"] for answer in answers} == set(history.numbers.values())
    assert len(history.numbers) == WRITERS * EACH


def test_four_lists_at_once_lose_nothing(desk: Path, tmp_path: Path) -> None:
    """The same of files without signatures: every row of every file has its number."""
    columns = "referral_id,issued_at,domain,received_at\n"
    for name in NAMES:
        rows = (f"D-{number},2021-01-01,shop-{number}.example,2021-01-01\n" for number in range(EACH))
        (tmp_path / f"{name}.csv").write_text(columns + "".join(rows), encoding="utf-8")
    writers = [
        _started(desk, "referrals", "import", tmp_path / f"{name}.csv", "--format", "csv", "--hotline", name)
        for name in NAMES
    ]
    told = [one.communicate(timeout=300) for one in writers]
    assert [one.returncode for one in writers] == [0] * WRITERS, [err for _, err in told]
    numbers = [number for out, _ in told for number in json.loads(out)["numbers"]]
    assert sorted(numbers) == [f"R-{number:06}" for number in range(1, WRITERS * EACH + 1)]
    with opened(desk) as workspace:
        workspace.log.verify(workspace.checkpoints.latest())
        assert sorted(fold(workspace.log.events()).numbers.values()) == sorted(numbers)
