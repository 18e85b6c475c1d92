"""The main job from the command line: options, exit codes, what is on which stream, what is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import pytest
from cli.command import (
    AS_OF,
    MERCHANT_COLUMNS,
    MERCHANTS,
    TRANSACTION_COLUMNS,
    TRANSACTIONS,
    Inputs,
    merchantscreen,
    process,
)

from merchantscreen import cli
from merchantscreen.cli import failures, words
from merchantscreen.cli import screen as screen_command


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Give three good files."""
    return Inputs.good(tmp_path)


def _evidence(run: Path) -> dict[str, bytes]:
    about_the_run = {"manifest.json", "report.html"}
    return {path.name: path.read_bytes() for path in run.iterdir() if path.name not in about_the_run}


# --------------------------------------------------------------------------- what it does


def test_one_command_ranks_the_linked_accounts(inputs: Inputs) -> None:
    """The declared seller comes first, its sister by settlement account second, the unrelated shop not at all."""
    ran = merchantscreen(*inputs.words)
    assert (ran.code, ran.err) == (0, "")
    ranking = pl.read_ndjson(inputs.out / "r" / "ranking.jsonl")
    assert ranking["account_id"].to_list() == ["400001/M1", "400001/M2"]
    assert re.search(r"merchants +1 file +3 read = +3 accepted \+ 0 rejected", ran.out)
    assert str(inputs.out / "r") in ran.out


def test_the_work_folder_is_gone(inputs: Inputs) -> None:
    """Accepted rows wait in a private folder that is removed at the end, also when the run fails."""
    merchantscreen(*inputs.words)
    assert [path.name for path in inputs.out.iterdir()] == ["r"]
    inputs.write("merchants.csv", "")
    assert merchantscreen(*inputs.words, "--run-id", "s").code == 65
    assert [path.name for path in inputs.out.iterdir()] == ["r"]


def test_several_files_after_one_option(inputs: Inputs) -> None:
    """An option may be followed by several files, be repeated, or name a folder: the evidence is the same."""
    merchantscreen(*inputs.words)
    inputs.write("m1.csv", [MERCHANT_COLUMNS, *MERCHANTS[:1]])
    inputs.write("m2.csv", [MERCHANT_COLUMNS, *MERCHANTS[1:]])
    (inputs.folder / "tx").mkdir()
    inputs.write("tx/a.csv", [TRANSACTION_COLUMNS, *TRANSACTIONS[:5]])
    inputs.write("tx/b.csv", [TRANSACTION_COLUMNS, *TRANSACTIONS[5:]])
    common = ["screen", "--referrals", inputs.folder / "referrals.jsonl", "--as-of", AS_OF, "--out", inputs.out]
    tx = ["--transactions", inputs.folder / "tx"]
    first = merchantscreen(
        *common, *tx, "--run-id", "s", "--merchants", inputs.folder / "m1.csv", inputs.folder / "m2.csv"
    )
    second = merchantscreen(
        *common, *tx, "--run-id", "t", "--merchants", inputs.folder / "m2.csv", "--merchants", inputs.folder / "m1.csv"
    )
    assert (first.code, second.code) == (0, 0)
    assert "merchants    2 files" in first.out
    assert _evidence(inputs.out / "r") == _evidence(inputs.out / "s") == _evidence(inputs.out / "t")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("screen --referrals a b --out o", "screen --referrals a --referrals b --out o"),
        ("screen --merchants=a b c", "screen --merchants=a --merchants b --merchants c"),
        ("screen --transactions d --referrals a b", "screen --transactions d --referrals a --referrals b"),
        ("screen --out o --json", "screen --out o --json"),
        ("explain a --run r", "explain a --run r"),
        ("simulate --referrals 3 --out o", "simulate --referrals 3 --out o"),
    ],
)
def test_words_after_an_option_belong_to_it(given: str, read: str) -> None:
    """Only options of screen that take files gather the words behind them."""
    assert words.prepared(given.split()) == (read.split(), False)


def test_errors_as_json_are_asked_for_anywhere() -> None:
    """The switch moves to the front, where the program itself takes it."""
    assert words.prepared(["verify", "r", "--json-errors"]) == (["--json-errors", "verify", "r"], True)


def test_the_same_inputs_give_the_same_bytes(inputs: Inputs) -> None:
    """Another hash seed, other thread counts and shuffled rows leave every evidence file as it was."""
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, *MERCHANTS])
    first = process(*inputs.words, PYTHONHASHSEED="1", POLARS_MAX_THREADS="1")
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, *reversed(MERCHANTS)])
    inputs.write("transactions.csv", [TRANSACTION_COLUMNS, *reversed(TRANSACTIONS)])
    second = process(*inputs.words, "--run-id", "s", PYTHONHASHSEED="2", POLARS_MAX_THREADS="4")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert _evidence(inputs.out / "r") == _evidence(inputs.out / "s")


def test_the_policy_in_the_package_is_used_without_rules(inputs: Inputs, repository: Path) -> None:
    """Without --rules the run works with the policy that came along, the same as the checkout's."""
    merchantscreen(*inputs.words)
    merchantscreen(*inputs.words, "--run-id", "s", "--rules", repository / "rules")
    manifests = [json.loads((inputs.out / run / "manifest.json").read_bytes()) for run in ("r", "s")]
    assert manifests[0]["policy"]["digest"] == manifests[1]["policy"]["digest"]
    assert [manifest["parameters"]["policy_came_along"] for manifest in manifests] == [True, False]


# --------------------------------------------------------------------------- exit codes


@pytest.mark.parametrize(("tier", "code"), [("T1", 1), ("T2", 1), ("T3", 1)])
def test_fail_on_ends_with_one(inputs: Inputs, tier: str, code: int) -> None:
    """With an account in T1, every --fail-on trips, after the bundle is written."""
    assert merchantscreen(*inputs.words, "--fail-on", tier).code == code
    assert merchantscreen("verify", inputs.out / "r").code == 0


def test_fail_on_is_quiet_below_its_tier(inputs: Inputs) -> None:
    """Without a link nothing trips."""
    inputs.write("merchants.csv", [MERCHANT_COLUMNS, MERCHANTS[2]])
    assert merchantscreen(*inputs.words, "--fail-on", "T3").code == 0


@pytest.mark.parametrize(
    "wrong",
    [
        ["--as-of", "yesterday"], ["--as-of", "2026-13-01"], ["--as-of", "20261101"], ["--fail-on", "watch"],
        ["--max-rejects", "-1"], ["--run-id", "../up"], ["--bogus"], ["--top", "0"],
    ],
)  # fmt: skip
def test_usage_mistakes_end_with_two(inputs: Inputs, wrong: list[str]) -> None:
    """A mistake on the command line has a code, a fix and exit code 2, and leaves nothing behind."""
    ran = merchantscreen(*inputs.words, *wrong)
    assert ran.code == 2
    assert len(ran.codes) == 1
    assert " Fix: " in ran.err
    assert not inputs.out.exists()


def test_a_missing_option_is_usage(inputs: Inputs) -> None:
    """Without merchants there is nothing to screen, and that is said in one line."""
    ran = merchantscreen("screen", "--referrals", inputs.folder / "referrals.jsonl")
    assert (ran.code, ran.codes) == (2, ["MS-RUN-001"])


def test_an_existing_run_ends_with_73(inputs: Inputs) -> None:
    """A run id that is taken is refused before any work, and the first run is untouched."""
    merchantscreen(*inputs.words)
    before = _evidence(inputs.out / "r")
    ran = merchantscreen(*inputs.words)
    assert (ran.code, ran.codes) == (73, ["MS-RUN-005"])
    assert _evidence(inputs.out / "r") == before


def test_a_run_is_named_after_its_moment(inputs: Inputs) -> None:
    """Without --run-id the folder has the name of the moment, whatever offset it was given in."""
    ran = merchantscreen(*inputs.words[:-2], "--as-of", "2026-11-01T02:00:00+02:00")
    assert ran.code == 0
    assert (inputs.out / "20261101T000000Z" / "manifest.json").is_file()


# --------------------------------------------------------------------------- streams


def test_json_is_one_object_on_stdout(inputs: Inputs) -> None:
    """With --json a program reads the counts, the folder and the manifest's digest from stdout."""
    ran = merchantscreen(*inputs.words, "--json")
    summary = json.loads(ran.out)
    assert summary["run_id"] == "r"
    assert summary["totals"]["merchants"]["rows_accepted"] == 3
    assert sum(summary["tiers"].values()) == 2
    assert Path(summary["folder"]) == inputs.out / "r"
    assert summary["manifest_sha256"] in merchantscreen("verify", inputs.out / "r").out


def test_json_errors_may_stand_anywhere(inputs: Inputs) -> None:
    """Problems as JSON lines carry the same facts as the lines for people."""
    inputs.write("merchants.csv", "")
    for place in (["--json-errors", *inputs.words], [*inputs.words, "--json-errors"]):
        ran = merchantscreen(*place)
        (problem,) = [json.loads(line) for line in ran.err.splitlines()]
        assert (ran.code, problem["where"], problem["code"]) == (65, "merchants.csv", "MS-FILE-010")
        assert set(problem) == {"code", "where", "line", "column", "found", "expected", "fix", "position"}


def test_pipes_are_quiet_and_plain(inputs: Inputs) -> None:
    """In a pipe there are no escape sequences and no progress bars."""
    ran = process(*inputs.words)
    assert ran.code == 0
    assert ran.err == ""
    assert "\x1b" not in ran.out


def test_a_reader_that_leaves_is_no_error_message(inputs: Inputs) -> None:
    """When the reader of a pipe goes away, the command ends without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "merchantscreen.cli", *map(str, inputs.words)],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)}, stdout=writer, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
    assert (inputs.out / "r" / "manifest.json").is_file()


def test_version_and_help_say_themselves() -> None:
    """The version and the help of every command come on stdout with exit code 0."""
    assert merchantscreen("--version").out.startswith("merchantscreen ")
    for command in ("screen", "explain", "verify", "simulate"):
        ran = merchantscreen(command, "--help")
        assert (ran.code, ran.err) == (0, "")
        assert "Usage: merchantscreen" in ran.out


# --------------------------------------------------------------------------- bad ends


class _PanicError(BaseException):
    """What a panic of a native library looks like: no Exception."""


def test_a_panic_gives_an_id_and_a_redacted_file(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw ends with 70, one line and a file of types and places, without any value."""

    def broken(*_: object) -> None:
        secret = "4111111111111111"
        raise _PanicError(f"thread panicked at {secret}")

    monkeypatch.setattr(screen_command, "screen_accounts", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ran = merchantscreen(*inputs.words)
    (crash,) = tmp_path.glob("merchantscreen-crash-*.json")
    facts = json.loads(crash.read_text(encoding="utf-8"))
    assert (ran.code, ran.codes) == (70, ["MS-RUN-070"])
    assert facts["id"] in ran.err
    assert facts["errors"][0]["type"] == "_PanicError"
    assert any(frame.startswith("cli/screen.py:") for frame in facts["errors"][0]["frames"])
    assert "4111" not in ran.err + ran.out + crash.read_text(encoding="utf-8")
    assert "Traceback" not in ran.err
    assert list(inputs.out.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "merchantscreen: interrupted; nothing was published\n"),
        (failures.Terminated(), 143, "merchantscreen: terminated; nothing was published\n"),
        (OSError(28, "No space left on device", "/secret/place/part.parquet"), 74, "MS-RUN-007 part.parquet: "),
        (PermissionError(13, "Permission denied", "/secret/place/x.csv"), 74, "MS-RUN-008 x.csv: "),
        (pl.exceptions.ComputeError("failed: No space left on device (os error 28)"), 74, "MS-RUN-007 "),
    ],
)
def test_the_world_may_fail(
    inputs: Inputs, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    """Interruptions and a full disk have their exit codes, name no folder, and publish nothing."""

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(screen_command, "screen_accounts", broken)
    ran = merchantscreen(*inputs.words)
    assert ran.code == code
    assert ran.err.startswith(line)
    assert "/secret" not in ran.err
    assert list(inputs.out.iterdir()) == []


def test_a_signal_that_native_code_swallows_still_ends_the_run(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """What such code makes of it is no fault of ours, and no crash: the run was asked to end, and ends."""

    class Native:
        """What cannot pass an exception on, and says on stderr that it ignores it."""

        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def broken(*_: object) -> None:
        Native()
        raise TypeError("nothing where a value was expected")

    monkeypatch.setattr(screen_command, "screen_accounts", broken)
    ran = merchantscreen(*inputs.words)
    assert (ran.code, ran.err) == (143, "merchantscreen: terminated; nothing was published\n")
    assert list(inputs.out.iterdir()) == []


def test_sigterm_removes_the_work_folder(tmp_path: Path) -> None:
    """A terminated run leaves neither a run nor the folder in which accepted rows waited."""
    world = tmp_path / "world"
    merchantscreen("simulate", "--accounts", "5000", "--transactions", "1500000", "--referrals", "40", "--seed", "1",
                   "--out", world)  # fmt: skip
    out = tmp_path / "runs"
    command = ["screen", "--referrals", world / "referrals.jsonl", "--merchants", world / "merchants.parquet",
               "--transactions", world / "transactions", "--out", out, "--as-of", AS_OF]  # fmt: skip
    running = subprocess.Popen(
        [sys.executable, "-m", "merchantscreen.cli", *map(str, command)],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(out.glob(".work-*/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (143, b"merchantscreen: terminated; nothing was published\n")
    assert list(out.iterdir()) == []


# --------------------------------------------------------------------------- the key


def test_a_key_of_ones_own(inputs: Inputs) -> None:
    """A private key file changes the contact tokens' key id; the key itself is nowhere."""
    key = inputs.folder / "key"
    key.write_bytes(b"k" * 40)
    key.chmod(0o600)
    merchantscreen(*inputs.words)
    ran = merchantscreen(*inputs.words, "--run-id", "s", "--pseudonym-key-file", key)
    ids = [json.loads((inputs.out / run / "manifest.json").read_bytes())["pseudonym_key_id"] for run in ("r", "s")]
    assert ran.code == 0
    assert ids[0] != ids[1]
    assert not [path for path in (inputs.out / "s").iterdir() if b"kkkkkkkk" in path.read_bytes()]


@pytest.mark.parametrize(("size", "mode"), [(31, 0o600), (4097, 0o600), (40, 0o640), (40, 0o604)])
def test_a_weak_or_open_key_is_refused(inputs: Inputs, size: int, mode: int) -> None:
    """A key that is short, endless or readable by others is refused with its code."""
    key = inputs.folder / "key"
    key.write_bytes(b"k" * size)
    key.chmod(mode)
    ran = merchantscreen(*inputs.words, "--pseudonym-key-file", key)
    assert (ran.code, ran.codes) == (65, ["MS-RUN-030"])


def test_main_is_what_the_package_installs() -> None:
    """The installed command calls main and passes its exit code on."""
    assert cli.main(["--version"]) == 0
