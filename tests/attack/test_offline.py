"""Every command works where there is no network at all, the decoder's own process included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

WITHOUT_NETWORK: Final = next(
    (cut for cut in (["unshare", "-n"], ["unshare", "-rn"])
     if subprocess.run([*cut, "true"], capture_output=True, check=False).returncode == 0),
    [],
)  # fmt: skip
"""A namespace of its own where the system allows it; elsewhere a proxy that nobody answers."""
NOBODY: Final = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")


def test_every_command_works_without_a_network(tmp_path: Path) -> None:
    """A world is simulated, screened, verified and explained in a namespace without any network."""
    commands = [
        ["simulate", "--accounts", "100", "--transactions", "2000", "--referrals", "10", "--seed", "7", "--out", "w"],
        ["screen", "--referrals", "w/referrals.jsonl", "--merchants", "w/merchants.parquet",
         "--transactions", "w/transactions", "--as-of", "2026-11-01", "--run-id", "r"],
        ["verify", "runs/r"],
    ]  # fmt: skip
    for words in commands:
        done = subprocess.run(
            [*WITHOUT_NETWORK, sys.executable, "-m", "merchantscreen.cli", *words], cwd=tmp_path,
            env=os.environ | NOBODY | {"PYTHONPATH": ":".join(map(os.path.abspath, sys.path))},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
