"""What a person who waits is shown, on a real pseudo-terminal; a pipe is shown nothing."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command import AS_OF, MERCHANT_COLUMNS, MERCHANTS, REFERRAL, TRANSACTION_COLUMNS, TRANSACTIONS

_WAITING = """
from time import sleep
from merchantscreen.cli.progress import shown_progress
with shown_progress() as progress:
    progress.stage("reading [b]half[/b]", 200)
    progress.advance(100, 1234)
    sleep(1.2)
    progress.stage("weighing")
    sleep(0.4)
"""
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _watched(words: list[str], width: int) -> tuple[int, str, str]:
    """Run a program with a terminal as stderr; give its exit code, its stdout, and what the terminal was sent."""
    reader, writer = pty.openpty()
    environment = os.environ | {"COLUMNS": str(width), "TERM": "xterm"}
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=writer, env=environment) as child:
        os.close(writer)
        sent = b""
        try:
            while chunk := os.read(reader, 65_536):
                sent += chunk
        except OSError:  # the other end is gone: how Linux says that a terminal is closed
            pass
        out = child.communicate(timeout=60)[0]
    os.close(reader)
    return child.returncode, out.decode(), _SEQUENCE.sub("", sent.decode())


@pytest.mark.parametrize("width", [80, 140])
def test_a_stage_of_known_size_shows_rows_rate_and_time_left(width: int) -> None:
    """Half of it done after a second: as long again is left; a stage of unknown size shows its time alone."""
    code, out, shown = _watched(["-c", _WAITING], width)
    assert (code, out) == (0, "")
    assert re.search(r"reading \[b\]half\[/b\] .*50 % +1,234 rows, [0-9,]+/s +0:00:01 left", shown)
    weighing = re.findall(r"weighing[^\r\n]*", shown)
    assert any("0:00:00" in line for line in weighing)
    assert not any("left" in line or "rows" in line for line in weighing)


def _files(folder: Path) -> list[str]:
    written = {
        "merchants.csv": (MERCHANT_COLUMNS, *MERCHANTS),
        "transactions.csv": (TRANSACTION_COLUMNS, *TRANSACTIONS),
        "referrals.jsonl": (REFERRAL,),
    }
    for name, lines in written.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    inputs = [word for name in written for word in (f"--{name.partition('.')[0]}", str(folder / name))]
    return ["-m", "merchantscreen.cli", "screen", *inputs, "--as-of", AS_OF, "--out", str(folder / "runs")]


def test_a_screen_tells_of_the_rows_that_it_reads(tmp_path: Path) -> None:
    """Reading shows how many rows there were, of each input; the result stays on stdout."""
    code, out, shown = _watched([*_files(tmp_path), "--run-id", "watched"], 140)
    assert code == 0, shown
    assert "Amber Shop" in out
    assert re.search(rf"reading merchants and transactions[^\r\n]* {len(MERCHANTS) + len(TRANSACTIONS)} rows", shown)


def test_a_pipe_is_shown_nothing(tmp_path: Path) -> None:
    """No bar, no figure and no escape sequence where no person watches."""
    ran = subprocess.run([sys.executable, *_files(tmp_path), "--run-id", "piped"], capture_output=True, check=True)
    assert ran.stderr == b""
