"""The benchmarks compare like with like: worlds are accepted whole, and everybody finds what was planted in them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from cli.command import merchantscreen

from merchantscreen.tables import MerchantRows, TransactionRows, schema_of

SIZE = {"transactions": 30_000, "accounts": 6_000, "domains": 40, "clusters": 8}
NEAR = SIZE["clusters"] * 9
KEY = ["acquirer_id", "card_acceptor_id", "payment_facilitator_id", "sub_merchant_id"]
SHARED = ["settlement_account_token", "phone", "email", "principal_tokens"]
BUSY = """
import sys, time
held, end = bytearray(150_000_000), time.process_time() + 0.3
while time.process_time() < end: pass
"""
"""Keeps 150 MB and a processor for a while."""


@pytest.fixture(scope="module")
def scripts(repository: Path) -> Path:
    """Return the folder of the benchmarks."""
    return repository / "benchmarks"


@pytest.fixture(scope="module")
def measuring(scripts: Path) -> ModuleType:
    """Load what the benchmarks share; they are scripts, not a package."""
    spec = importlib.util.spec_from_file_location("benchmarks_measuring", scripts / "measuring.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def run(script: Path, *arguments: object) -> str:
    """Run a benchmark's script in a process of its own."""
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def make(scripts: Path, folder: Path, **sizes: int) -> Path:
    """Make a world, of the usual size where nothing else is said."""
    options = (word for name, value in (SIZE | sizes).items() for word in (f"--{name}", value))
    run(scripts / "worlds.py", *options, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def world(scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one small world for all tests."""
    return make(scripts, tmp_path_factory.mktemp("benchmarks") / "world")


@pytest.fixture(scope="module")
def screened(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Screen the world once; not one row may be rejected."""
    out = tmp_path_factory.mktemp("runs")
    ran = merchantscreen(
        "screen", "--referrals", world / "referrals.jsonl", "--merchants", world / "merchants.parquet",
        "--transactions", world / "transactions", "--as-of", "2026-11-01T00:00:00Z", "--out", out, "--run-id", "run",
        "--max-rejects", "0",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return out / "run"


@pytest.fixture(scope="module", params=["duckdb_plan.py", "pandas_networkx.py"])
def contestant(
    scripts: Path, world: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Run each contestant over the world, and return what it wrote."""
    out = tmp_path_factory.mktemp("contestant")
    run(scripts / request.param, world, "--out", out)
    return out


def accounts(file: Path) -> set[str]:
    """Read the accounts of a Parquet file."""
    return set(pl.read_parquet(file, columns=["account_id"])["account_id"])


# --------------------------------------------------------------------------- worlds


def test_worlds_hold_the_columns_that_the_tool_reads_and_no_others(world: Path) -> None:
    """The floor decodes all columns of the files: it must be neither more nor less than the tool does."""
    assert pl.read_parquet_schema(world / "merchants.parquet") == schema_of(MerchantRows)
    assert pl.scan_parquet(world / "transactions").collect_schema() == schema_of(TransactionRows)


def test_worlds_are_accepted_to_the_last_row(screened: Path) -> None:
    """Rows that are rejected would not be screened, and so not be paid for."""
    counts = json.loads((screened / "manifest.json").read_text(encoding="utf-8"))["counts"]
    told = {"transactions": "transaction_count", "accounts": "account_count", "domains": "flagged_domain_count"}
    assert {name: counts[count] for name, count in told.items()} == {name: SIZE[name] for name in told}


def test_every_planted_account_is_found_and_no_other(world: Path, screened: Path) -> None:
    """By the domain and in the way that it was planted."""
    links = pl.read_ndjson(screened / "links.jsonl").filter("in_window").select("account_id", "domain", "kind")
    assert sorted(links.rows()) == sorted(pl.read_parquet(world / "truth.parquet").rows())
    assert links.height == SIZE["clusters"]


def test_a_size_always_gives_the_same_world(scripts: Path, world: Path, tmp_path: Path) -> None:
    """Byte for byte, so that figures of two days can be compared."""
    make(scripts, tmp_path)
    for file in ("merchants.parquet", "referrals.jsonl", "truth.parquet", "transactions/part-00000.parquet"):
        assert (tmp_path / file).read_bytes() == (world / file).read_bytes(), file


@pytest.mark.parametrize("grown", ["accounts", "domains"])
def test_growing_what_is_far_leaves_clusters_alone(scripts: Path, world: Path, tmp_path: Path, grown: str) -> None:
    """Otherwise growth of what is far would be growth of what is near."""
    make(scripts, tmp_path, **{grown: SIZE[grown] * 2})
    near, near_of_grown = (
        pl.read_parquet(folder / "merchants.parquet", columns=[*KEY, *SHARED]).head(NEAR)
        for folder in (world, tmp_path)
    )
    assert near.select(*KEY[:2], *SHARED).equals(near_of_grown.select(*KEY[:2], *SHARED))
    for folder in (world, tmp_path):
        rows = pl.read_parquet(folder / "transactions", columns=KEY[:2])
        assert rows.join(near, on=KEY[:2], how="semi").height == SIZE["transactions"] // 50


# --------------------------------------------------------------------------- contestants


def test_contestants_find_what_a_screen_finds(world: Path, screened: Path, contestant: Path) -> None:
    """The same linked accounts, and the same neighbourhood around them."""
    assert accounts(contestant / "linked.parquet") == accounts(world / "truth.parquet")
    assert accounts(contestant / "near.parquet") == accounts(screened / "ranking.parquet")


def test_contestants_count_every_transaction_of_the_neighbourhood(world: Path, contestant: Path) -> None:
    """They do the work that they are compared for."""
    days = pl.read_parquet(contestant / "days.parquet").cast({"account_id": pl.String})
    told = days.group_by("account_id").agg(pl.col("transaction_count").sum().cast(pl.Int64))
    keyed = pl.read_parquet(world / "transactions", columns=KEY).select(
        account_id=pl.concat_str(KEY, separator="/", ignore_nulls=True)
    )
    near = keyed.join(pl.read_parquet(contestant / "near.parquet"), on="account_id", how="semi")
    counted = near.group_by("account_id").agg(transaction_count=pl.len().cast(pl.Int64))
    assert counted.height > SIZE["clusters"]
    assert counted.join(told, on=["account_id", "transaction_count"], how="anti").is_empty()


# --------------------------------------------------------------------------- measuring


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
def test_exponents_of_made_numbers_are_found_again(measuring: ModuleType, exponent: float) -> None:
    """From points that are not evenly spaced, as ours are."""
    sizes = [1e6, 3e6, 1e7, 1e8]
    assert measuring.exponent(sizes, [0.004 * size**exponent for size in sizes]) == pytest.approx(exponent, abs=1e-9)


def test_a_constant_part_lowers_the_exponent_and_is_not_taken_off(measuring: ModuleType) -> None:
    """From 2 to 11 while the size grows tenfold: log10 of 5.5."""
    assert measuring.exponent([1, 10], [1 + 1, 1 + 10]) == pytest.approx(0.740, abs=1e-3)


def test_memory_and_time_of_children_count(measuring: ModuleType) -> None:
    """Two processes at the same time need more than either of them."""
    child = f"import subprocess; child = subprocess.Popen([sys.executable, '-c', {BUSY!r}])"
    both = f"import sys\n{child}\n{BUSY}\nchild.wait()"
    measured = measuring.measure([sys.executable, "-c", both])
    assert measured.peak_mib > 280
    assert measured.cpu > 0.55


def test_memory_of_the_benchmark_itself_does_not_count(measuring: ModuleType) -> None:
    """A process begins as a copy of the one that starts it, and the kernel remembers that."""
    held = bytearray(b"x" * 300_000_000)
    assert measuring.measure([sys.executable, "-c", "import time; time.sleep(0.2)"]).peak_mib < 100
    assert len(held) == 300_000_000


def test_a_command_that_fails_is_named_with_what_it_said(measuring: ModuleType) -> None:
    """A figure of a command that failed would be none."""
    with pytest.raises(RuntimeError, match=r"(?s)exit 3.*no room"):
        measuring.measure([sys.executable, "-c", "import sys; print('no room'); sys.exit(3)"])


def test_ratios_are_those_of_rounds(measuring: ModuleType) -> None:
    """Medians of the two would give 6 / 2, and hide the range."""
    slow = [measuring.Measure(wall, wall, 1) for wall in (2, 40, 5)]
    base = [measuring.Measure(wall, wall, 1) for wall in (1, 10, 2)]
    assert str(measuring.ratios(slow, base, lambda one: one.wall)) == "2.5 (2 to 4)"


def test_tables_are_markdown(measuring: ModuleType) -> None:
    """So that they can be pasted into the README."""
    assert measuring.table(("", "wall, s"), [("floor", 1.234), ("screen", 12_345.0)]).splitlines() == [
        "|  | wall, s |", "| --- | ---: |", "| floor | 1.23 |", "| screen | 12,345 |",
    ]  # fmt: skip
