"""Measure a screening end to end beside the floor, the same plan in DuckDB without and with checks, and pandas.

    python benchmarks/run.py [--size small|medium|large] [--against floor duckdb ...] [--rounds N] [--work DIR]

By turns, in processes of their own. Printed as Markdown: wall and processor time, peak memory of all processes
together, and the ratios round by round, of medians with their range. Then whether all found the same linked accounts:
a benchmark of programs that do different things says nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import measuring
import polars as pl
import worlds
from measuring import Contestant, merchantscreen, say, script
from worlds import World

SCREEN: Final = "screen"
RUN_ID: Final = "bench"
CHECKED: Final = "duckdb-with-checks"
AGAINST: Final = ("floor", "duckdb", CHECKED, "pandas")
LARGEST_FOR_PANDAS: Final = 10_000_000
"""Beyond this many transactions pandas does not fit into the memory of a usual machine; it is left out."""


def screening(world: World, runs: Path, **options: object) -> Contestant:
    """Screen a world; `options` are more options of `screen`, or others than usual."""
    inputs = {"referrals": world.referrals, "merchants": world.merchants, "transactions": world.transactions}
    usual = {"as_of": f"{worlds.AS_OF.isoformat()}Z", "out": runs, "run_id": RUN_ID, "max_rejects": 0}
    return Contestant(SCREEN, merchantscreen("screen", **{**inputs, **usual, **options}), runs)


def contestants(world: World, work: Path) -> dict[str, Contestant]:
    """List all that can be measured, by name."""
    duckdb, checked, pandas = work / "duckdb", work / CHECKED, work / "pandas"
    listed = (
        Contestant("floor", script("floor.py", world.merchants, world.transactions)),
        screening(world, work / "runs"),
        Contestant("duckdb", script("duckdb_plan.py", world.folder, "--out", duckdb), duckdb),
        Contestant(CHECKED, script("duckdb_plan.py", world.folder, "--out", checked, "--checks"), checked),
        Contestant("pandas", script("pandas_networkx.py", world.folder, "--out", pandas), pandas),
    )
    return {contestant.name: contestant for contestant in listed}


# --------------------------------------------------------------------------- did they do the same?


def linked_accounts(contestant: Contestant) -> set[str]:
    """Read the accounts with a link inside the window off what a contestant wrote.

    Raises:
        ValueError: It writes nothing, like the floor.
    """
    if contestant.out is None:
        raise ValueError(f"{contestant.name} finds nothing")
    if contestant.name == SCREEN:
        schema = {"account_id": pl.String, "in_window": pl.Boolean}
        links = pl.read_ndjson(contestant.out / RUN_ID / "links.jsonl", schema=schema)
        return set(links.filter("in_window")["account_id"])
    return set(pl.read_parquet(contestant.out / "linked.parquet", columns=["account_id"])["account_id"])


def agreement(listed: Iterable[Contestant], world: World) -> str:
    """Say whether all found the accounts that were planted.

    Raises:
        RuntimeError: Somebody found others.
    """
    planted = set(pl.read_parquet(world.truth, columns=["account_id"])["account_id"])
    found = {one.name: linked_accounts(one) for one in listed if one.out}
    if strayed := [name for name, accounts in found.items() if accounts != planted]:
        raise RuntimeError(f"other linked accounts than were planted: {', '.join(strayed)}")
    return f"{' and '.join(found)} found the same {len(planted):,} linked accounts, those that were planted."


# --------------------------------------------------------------------------- command line


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all benchmarks on worlds have."""
    worlds.add_options(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for worlds and results, kept; a temporary one by default")


@contextmanager
def workplace(options: argparse.Namespace) -> Iterator[Path]:
    """Give the folder to work in."""
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        yield options.work
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def world_of(options: argparse.Namespace, work: Path) -> World:
    """Make the world that was asked for, or find it again."""
    size = worlds.size_of(options)
    say(f"world: {size}")
    return worlds.make(size, work / size.name)


def main() -> None:
    """Make a world, measure by turns, print the table."""
    parser = argparse.ArgumentParser(description="Measure a screening beside the floor and its alternatives.")
    add_options(parser)
    parser.add_argument("--against", nargs="*", choices=AGAINST, help="all of them, where they fit, when absent")
    options = parser.parse_args()
    size = worlds.size_of(options)
    fitting = AGAINST if size.transactions <= LARGEST_FOR_PANDAS else AGAINST[:-1]
    wanted = {SCREEN, *(fitting if options.against is None else options.against)}
    with workplace(options) as work:
        world = world_of(options, work)
        everyone = contestants(world, work)
        listed = {name: one for name, one in everyone.items() if name in wanted}
        # Once uncounted, so that everybody finds the files in the page cache.
        measuring.measure(everyone["floor"].command)
        measured = measuring.by_turns(list(listed.values()), options.rounds)
        bases = [name for name in ("floor", SCREEN) if name in listed]
        print(f"{size}; {options.rounds} rounds; {measuring.machine()}\n")
        print(measuring.against(measured, *bases))
        print(f"\n{agreement(listed.values(), world)}")


if __name__ == "__main__":
    main()
