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


@pytest.fixture(scope="module", params=["duckdb_plan.py", "duckdb_plan.py --checks", "pandas_networkx.py"])
def contestant(
    scripts: Path, world: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Run each contestant over the world, and return what it wrote."""
    out = tmp_path_factory.mktemp("contestant")
    name, *options = request.param.split()
    run(scripts / name, world, "--out", out, *options)
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


# --------------------------------------------------------------------------- DuckDB with the checks

CARD = "4111111111111111"
BROKEN_KEYS = {
    "network": ["net\u00e9"],
    "acquirer_id": [None, "1 "],
    "card_acceptor_id": [None, "x" * 65, CARD],
    "payment_facilitator_id": ["pay@facilitator.example"],
    "sub_merchant_id": ["https://shop.example"],
}
BROKEN_TRANSACTIONS: dict[str, list[object]] = {
    **BROKEN_KEYS,
    "transaction_id": ["a b", "x" * 129, f"no-{CARD}"],
    "occurred_at": [None],
    "amount_minor": [None, -1, 10**13 + 1, 4222222222222],
    "currency": [None, "XXX"],
    "transaction_type": ["gift"],
    "outcome": ["maybe"],
    "card_token": [CARD, "shop.example/path"],
    "card_product": ["gift"],
    "issuer_country": ["ZZ"],
    "merchant_country": ["gb"],
    "mcc": ["123", "74291"],
    "entry_mode": ["05070"],
    "eci": ["\x07"],
    "descriptor": ["SHOP\x07", "x" * 100, "4111-1111 1111.1111", "12 4111111111111111", "+4111111111111111"],
    "requestor_url": [f"https://shop.example/{CARD}", "https://\x01"],
    "acceptor_url": ["shop.example\x7f"],
    "terminal_id": ["+999 12345678"],
    "device_token": ["\u00fc"],
    "ip_token": ["4012888888881881"],
}
BROKEN_MERCHANTS: dict[str, list[object]] = {
    **BROKEN_KEYS,
    "legal_name": ["x" * 201],
    "dba_name": [f"Shop {CARD}"],
    "mcc": ["74"],
    "country": ["XX"],
    "status": ["gone"],
    "website_urls": [[f"https://{CARD}.example"]],
    "email": ["x" * 255],
    "phone": ["1" * 41],
    "address": ["Mill\x00Lane"],
    "settlement_account_token": ["a b"],
    "tax_id_token": ["5555555555554444"],
    "principal_tokens": [["own-1", "John Doe"], [CARD]],
    "agent_id": [" AG"],
    "declared_monthly_volume_minor": [-1],
    "declared_average_ticket_minor": [10**13 + 1],
    "currency": ["EURO"],
    "listing_codes": [["a@b.example"]],
}
WELL: dict[str, list[object]] = {
    "descriptor": ["4111 1111 1111 1112", "+41111111111", "SHOP\t1", "x" * 99],
    "device_token": ["00000000-0000-4111-1111-111111111111", "a.b:c"],
    "terminal_id": ["A 1"],
    "ip_token": [None],
}
"""Values that look like broken ones and are none."""
REPEATED = 3 + 2 * 3
"""Of three rows that are repeated one each, of three that are contradicted both."""


def break_rows(file: Path, broken: dict[str, list[object]]) -> None:
    """Put each value into a row of its own, from the first row on."""
    rows = pl.read_parquet(file)
    columns = rows.to_dict(as_series=False)
    for place, (name, value) in enumerate((name, value) for name, values in broken.items() for value in values):
        columns[name][place] = value
    pl.DataFrame(columns, schema=rows.schema).write_parquet(file)


def repeat_rows(file: Path, count: int, other: str) -> None:
    """Append the last rows of a file as they are, and those before them with another content."""
    rows = pl.read_parquet(file)
    contrary = rows.slice(rows.height - 2 * count, count).with_columns(pl.col(other) + 1)
    pl.concat([rows, rows.tail(count), contrary]).write_parquet(file)


@pytest.fixture(scope="module")
def broken(scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a world in which every field is broken in every way that DuckDB is to find."""
    folder = make(scripts, tmp_path_factory.mktemp("broken") / "world", transactions=3_000, accounts=600)
    transactions, merchants = folder / "transactions" / "part-00000.parquet", folder / "merchants.parquet"
    break_rows(transactions, {name: [*values, *WELL.get(name, [])] for name, values in BROKEN_TRANSACTIONS.items()})
    break_rows(merchants, BROKEN_MERCHANTS)
    repeat_rows(transactions, 3, "amount_minor")
    repeat_rows(merchants, 3, "declared_average_ticket_minor")
    return folder


def test_duckdb_with_checks_refuses_the_rows_that_a_screen_rejects(scripts: Path, broken: Path, tmp_path: Path) -> None:
    """Field by field, card numbers in any grouping, and repetitions: otherwise it would be compared for less work."""
    run(scripts / "duckdb_plan.py", broken, "--out", tmp_path / "duckdb", "--checks")
    ran = merchantscreen(
        "screen", "--referrals", broken / "referrals.jsonl", "--merchants", broken / "merchants.parquet",
        "--transactions", broken / "transactions", "--as-of", "2026-11-01T00:00:00Z", "--out", tmp_path,
        "--run-id", "run", "--max-rejects", "100",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    refused = pl.read_parquet(tmp_path / "duckdb" / "refused.parquet").select(
        pl.col("filename").str.split("/").list.last(), pl.col("file_row_number") + 1
    )
    rejected = pl.read_csv(tmp_path / "run" / "rejects.csv")
    assert sorted(refused.rows()) == sorted(rejected.select("file", "line").rows())
    told = {role: rows for (role,), rows in rejected.group_by("role")}
    assert told["transactions"].height == sum(map(len, BROKEN_TRANSACTIONS.values())) + REPEATED
    assert told["merchants"].height == sum(map(len, BROKEN_MERCHANTS.values())) + REPEATED


# --------------------------------------------------------------------------- measuring


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
def test_exponents_of_made_numbers_are_found_again(measuring: ModuleType, exponent: float) -> None:
    """From points that are not evenly spaced, as ours are."""
    sizes = [1e6, 3e6, 1e7, 1e8]
    assert measuring.exponent(sizes, [0.004 * size**exponent for size in sizes]) == pytest.approx(exponent, abs=1e-9)


def test_a_constant_part_lowers_the_exponent_and_is_not_taken_off(measuring: ModuleType) -> None:
    """From 2 to 11 while the size grows tenfold: log10 of 5.5."""
    assert measuring.exponent([1, 10], [1 + 1, 1 + 10]) == pytest.approx(0.740, abs=1e-3)


@pytest.fixture
def growth(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load the benchmark of growth, which finds the others beside it."""
    monkeypatch.syspath_prepend(str(scripts))
    return importlib.import_module("growth")


def grown(growth: ModuleType, points: list[int]) -> dict[str, list[list[object]]]:
    """Make measures of two rounds: the floor reads each one in 1 us; the screen needs 5 s, and 3 us, or 4 of cpu."""
    costs = {growth.FLOOR: (0, 1e-6, 1e-6), growth.SCREEN: (5, 3e-6, 4e-6)}
    return {
        name: [[growth.Measure(begin + point * wall, begin + point * cpu, 100.0)] * 2 for point in points]
        for name, (begin, wall, cpu) in costs.items()
    }


def cells(table: str) -> list[list[str]]:
    """Read the rows of a Markdown table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_what_is_added_is_told_beside_what_decoding_it_takes(growth: ModuleType) -> None:
    """The cost of starting is no cost of the added; so growth beyond the scan can be seen."""
    points = [1_000_000, 3_000_000, 10_000_000]
    told = cells(growth.added_table("accounts", points, grown(growth, points)))
    assert [row[0] for row in told] == [
        "1,000,000 to 3,000,000", "3,000,000 to 10,000,000", "1,000,000 to 10,000,000",
    ]  # fmt: skip
    assert all([round(float(cell)) for cell in row[1:]] == [1, 3, 1, 4] for row in told)


def test_what_is_not_reading_has_an_exponent_of_its_own(growth: ModuleType) -> None:
    """Files that grow have to be read; the rest may stay as it is, and half as much again over a factor of ten does."""
    begin = {"starting": 1.0, "reading rules and referrals": 0.5}
    found = [
        begin | {"reading transactions": 3.0, "ranking": 1.0},
        begin | {"reading transactions": 30.0, "ranking": 2.0},
    ]
    told = cells(growth.stages_table("accounts", [10, 100], found))
    assert [row[1:3] for row in told] == [["3.5", "2"], ["30.5", "3"], ["", ""]]
    assert float(told[1][3]) == float(told[2][3]) == pytest.approx(0.176, abs=1e-3)  # log10(3 / 2)


def test_the_stages_of_a_screen_are_timed(scripts: Path, world: Path) -> None:
    """Each by the title that a person sees, from the start to the bundle."""
    seconds = json.loads(run(scripts / "stages.py", world))
    assert (next(iter(seconds)), next(reversed(seconds))) == ("starting", "writing the bundle")
    assert "reading merchants and transactions" in seconds
    assert all(took >= 0 for took in seconds.values())


def test_exponents_are_fitted_over_all_points_and_over_the_judged_ones(growth: ModuleType) -> None:
    """Starting the program, five seconds here, lowers those of small worlds, which the judged ones leave out."""
    points = [1_000_000, 10_000_000, 100_000_000]
    way = growth.Way(growth.PLANS["large"]["transactions"].base, points, judged_from=10_000_000)
    told = cells(growth.fits_table("transactions", way, grown(growth, points)))
    assert [row[:2] for row in told] == [
        [name, f"{first} to 100,000,000"] for name in ("floor", "screen") for first in ("1,000,000", "10,000,000")
    ]
    over_all, judged = (float(row[2]) for row in told[2:])
    assert over_all == pytest.approx(0.791, abs=1e-3)  # log10(305 s / 8 s) / 2
    assert judged == pytest.approx(0.940, abs=1e-3)  # log10(305 s / 35 s)


def test_the_largest_benchmark_has_the_points_that_were_asked_for(growth: ModuleType) -> None:
    """Transactions 1 to 100 million, flagged domains a thousand to a million, accounts to ten million."""
    ends = {along: (way.points[0], way.points[-1]) for along, way in growth.PLANS["large"].items()}
    assert ends == {
        "transactions": (10**6, 10**8), "domains": (10**3, 10**6), "accounts": (10**5, 10**7),
    }  # fmt: skip
    assert growth.PLANS["large"]["transactions"].judged_from == 10**7


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
