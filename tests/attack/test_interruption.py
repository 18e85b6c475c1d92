"""A run that is killed, terminated or out of disk leaves no run without its manifest, and nothing in the open."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attack.canaries import canaries, texts_under, traces
from cli.command import AS_OF, MERCHANT_COLUMNS, MERCHANTS, Inputs, merchantscreen, process

from merchantscreen.simulation import small_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Write a small world as Parquet, and return the words that screen it."""
    files = small_world(tmp_path_factory.mktemp("world"), file_format="parquet")
    return ["screen", "--referrals", str(files.referrals), "--merchants", str(files.merchants),
            "--transactions", str(files.transactions), "--as-of", AS_OF, "--run-id", "r"]  # fmt: skip


def _start(words: list[str], out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "merchantscreen.cli", *words, "--out", str(out)],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _interrupt(words: list[str], out: Path, moment: str, number: signal.Signals) -> tuple[int, str, str]:
    """Send a signal once something that fits the pattern is there."""
    running = _start(words, out)
    deadline = time.monotonic() + 30
    while not list(out.glob(moment)) and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    running.send_signal(number)
    said, told = running.communicate(timeout=60)
    return running.returncode, said, told


@pytest.mark.parametrize("moment", [".work-*/transactions/*", ".r.partial-*"])
def test_a_killed_run_is_whole_or_not_there(tmp_path: Path, world: list[str], moment: str) -> None:
    """Whenever the process is killed, a run folder has its manifest, and what is left over is closed to others."""
    _interrupt(world, tmp_path, moment, signal.SIGKILL)
    left = list(tmp_path.iterdir())
    assert all(path.name == "r" or path.name.startswith((".work-", ".r.partial-")) for path in left)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in left)
    if (tmp_path / "r").exists():
        assert merchantscreen("verify", tmp_path / "r").code == 0
    else:
        assert merchantscreen(*world, "--out", tmp_path).code == 0


@pytest.mark.parametrize("moment", [".r.partial-*", "r/manifest.json"])
def test_a_terminated_run_says_truly_what_became_of_it(tmp_path: Path, world: list[str], moment: str) -> None:
    """Whenever SIGTERM comes, nothing is left over, and the last line agrees with what is in the folder."""
    code, _, told = _interrupt(world, tmp_path, moment, signal.SIGTERM)
    published = (tmp_path / "r" / "manifest.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == (["r"] if published else [])
    assert (code, told) in {
        (0, ""),
        (143, f"merchantscreen: terminated; {'the run is complete' if published else 'nothing was published'}\n"),
    }


def test_what_a_killed_run_leaves_holds_no_contact_data(tmp_path: Path, world: list[str]) -> None:
    """The working folder of a killed run holds tokens and hosts, and no card token, address or path."""
    inputs = Inputs.good(tmp_path)
    planted = [canary for canary in canaries(5001) if canary.kind in {"e-mail", "web address", "phone", "address"}]
    mail, web, phone, address = (canary.text for canary in planted)
    row = MERCHANTS[0].replace("owner@amber-shop.example", mail).replace("https://amber-shop.example/", web)
    rows = [f"{row},{phone},{address}", *(f"{row},," for row in MERCHANTS[1:])]
    inputs.write("merchants.csv", [MERCHANT_COLUMNS + ",phone,address", *rows])
    words = [str(word) for word in inputs.words]
    slow = [*words[: words.index("--out")], "--run-id", "r", "--transactions", world[world.index("--transactions") + 1]]
    _interrupt(slow, inputs.out, ".work-*/accounts.parquet", signal.SIGKILL)
    left = texts_under(inputs.out)
    assert any(name.endswith(".parquet") for name in left)
    assert traces(planted, left) == []


@pytest.mark.parametrize(("limit", "file_format"), [(2_000, "csv"), (60_000, "csv"), (60_000, "parquet")])
def test_a_full_disk_ends_with_74(tmp_path: Path, limit: int, file_format: str) -> None:
    """When the disk takes no more, be it from us or from the decoder's process, the code is 74 and nothing is there."""
    files = small_world(tmp_path / "world", file_format="csv" if file_format == "csv" else "parquet")
    done = subprocess.run(
        [sys.executable, "-m", "merchantscreen.cli", "screen", "--referrals", files.referrals,
         "--merchants", files.merchants, "--transactions", files.transactions, "--as-of", AS_OF,
         "--out", tmp_path / "runs", "--run-id", "r"],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.split(" ")[0]) in {(74, "MS-FILE-013"), (74, "MS-RUN-007")}, done.stderr
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_full_output_does_not_unsay_the_run(tmp_path: Path) -> None:
    """When the screen's own words cannot be written, the code is 74, and the run that is complete is said to be."""
    inputs = Inputs.good(tmp_path)
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "merchantscreen.cli", *map(str, inputs.words)], stdout=full, stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": ":".join(sys.path)}, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 74
    assert done.stderr.startswith("MS-RUN-009 ")
    assert "nothing was published" not in done.stderr
    assert process("verify", inputs.out / "r").code == 0


@pytest.mark.parametrize("out", ["/dev/null", "/dev/null/runs", "/proc/nowhere", "/proc/self"])
def test_a_place_that_takes_no_folder_ends_with_73(tmp_path: Path, out: str) -> None:
    """A file, a path behind a file and a folder that takes no new one are refused before anything is read."""
    inputs = Inputs.good(tmp_path)
    ran = merchantscreen(*inputs.words, "--out", out)
    assert (ran.code, ran.codes) == (73, ["MS-RUN-006"])


@pytest.mark.parametrize("run_id", ["..", ".", "../up", "a/b", "/tmp/x", ".hidden", "-", "a b", "r\n", "", "ü",
                                    "x" * 65, "4111111111111111"])  # fmt: skip
def test_a_run_id_leads_nowhere(tmp_path: Path, run_id: str) -> None:
    """A run id that is no plain name, or a card number, is refused, and nothing is made anywhere."""
    inputs = Inputs.good(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ran = merchantscreen(*inputs.words, f"--run-id={run_id}")
    assert (ran.code, ran.codes) == (2, ["MS-RUN-003"])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_in_place_of_the_run_is_not_followed(tmp_path: Path) -> None:
    """Where a link has the name of the run, dangling or not, the run is refused."""
    inputs = Inputs.good(tmp_path)
    inputs.out.mkdir()
    (inputs.out / "r").symlink_to(tmp_path / "elsewhere")
    ran = merchantscreen(*inputs.words)
    assert (ran.code, ran.codes) == (73, ["MS-RUN-005"])
    assert not (tmp_path / "elsewhere").exists()
