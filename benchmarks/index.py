"""Measure a screening with the link index beside one without it, for new referrals over the same transactions.

    python benchmarks/index.py [--size small|medium|large] [--referrals N] [--rounds N] [--work DIR] [--keep-index]

The index is made once and measured, unless the one of an earlier run is kept. Then 100 new referrals, half of them
about domains that somebody has an account for, are screened cold and with the index, and looked back for with `retro`,
which reads no transaction file, by turns. Both screens must give the same ranking, ledger and links, byte for byte.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final

import measuring
import run
import worlds
from measuring import MIB, Contestant, merchantscreen
from worlds import World

INDEX: Final = "index"
"""The verb that makes an index, and the option of `screen` that uses one. Written here only."""
SAME: Final = ("ranking.jsonl", "ledger.jsonl", "links.jsonl")


def indexing(world: World, index: Path) -> Contestant:
    """Reduce the transactions of a world to an index."""
    command = merchantscreen(INDEX, transactions=world.transactions, merchants=world.merchants, index=index)
    return Contestant("make the index", command, index)


def looking_back(referrals: Path, index: Path, runs: Path) -> Contestant:
    """Look back for referrals, over the whole index, beside no earlier run."""
    as_of = f"{worlds.AS_OF.isoformat()}Z"
    return Contestant("retro", merchantscreen("retro", referrals=referrals, index=index, runs=runs, as_of=as_of))


def new_referrals(world: World, count: int, file: Path) -> None:
    """Take some referrals of a world: the first ones have accounts, the last ones have none."""
    lines = world.referrals.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: count // 2] + lines[-(count - count // 2) :]))


def differing(one: Path, other: Path) -> list[str]:
    """Name the parts in which two runs differ."""
    return [name for name in SAME if (one / name).read_bytes() != (other / name).read_bytes()]


def size_of(folder: Path) -> float:
    """Add up the files of a folder, in MiB."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / MIB


def main() -> None:
    """Make an index, screen with it and without, print the table."""
    parser = argparse.ArgumentParser(description="Measure screening with the link index and without.")
    run.add_options(parser)
    parser.add_argument("--referrals", type=int, default=100)
    parser.add_argument("--keep-index", action="store_true", help="use the index that an earlier run made in --work")
    options = parser.parse_args()
    with run.workplace(options) as work:
        world, index, referrals = run.world_of(options, work), work / "index", work / "new.jsonl"
        new_referrals(world, options.referrals, referrals)
        decoded = run.contestants(world, work)["floor"].command
        # Uncounted, before what is counted, so that everybody finds what it reads in the page cache.
        measuring.measure(decoded)
        made = {} if options.keep_index else measuring.by_turns([indexing(world, index)], 1)
        cold = run.screening(world, work / "cold", referrals=referrals)
        warm = run.screening(world, work / "warm", referrals=referrals, index=index)
        named = [replace(cold, name="cold"), replace(warm, name="with the index")]
        back = looking_back(referrals, index, work / "none")
        measuring.measure(decoded)
        measuring.by_turns([warm], 1)
        measured = measuring.by_turns([*named, back], options.rounds)
        if parts := differing(work / "cold" / run.RUN_ID, work / "warm" / run.RUN_ID):
            raise RuntimeError(f"results with the index differ: {', '.join(parts)}")
        print(f"{options.referrals} referrals; {options.rounds} rounds; {measuring.machine()}\n")
        if made:
            print(f"{measuring.against(made)}\n")
        print(f"The index takes {size_of(index):,.0f} MiB, the transactions {size_of(world.transactions):,.0f} MiB.")
        print(f"\n{measuring.against(measured, 'with the index')}")
        print("\nBoth screens gave the same ranking, ledger and links, byte for byte.")


if __name__ == "__main__":
    main()
