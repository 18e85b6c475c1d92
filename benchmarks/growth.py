"""Measure how a screening grows: with transactions, with flagged domains, and with accounts far from any of them.

    python benchmarks/growth.py [--size small|medium|large] [--along transactions domains accounts] [--rounds N]
                                [--points N...] [--work DIR]

Along each of the three, everything else stays as it is: the clusters around linked accounts are the same, flagged
domains that are added have no account, accounts that are added share nothing with a cluster but hubs. The floor is
measured beside every point, and here it reads the referrals as well: more accounts and more domains are more bytes.

Printed as Markdown: per point the measures, the ratio to the floor, and the exponent b of cost = a * size^b from the
point before to this one; then b over all points, by least squares, and over those that are judged, where these are
fewer. Nothing is taken off: starting the program is in all figures, and keeps the exponents of small worlds low. Last,
what each added transaction, domain or account cost, beside what the floor took to decode it: how much of the growth is
reading the file that it is in. Then, of one more screening of every point, what it took to read and to do all else.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Final

import measuring
import worlds
from measuring import Contestant, Measure, Spread, exponent, ratios, say, script, table
from run import SCREEN, screening, workplace
from stages import beyond_reading
from worlds import Size

THOUSAND, MILLION = 1_000, 1_000_000
FLOOR: Final = "floor"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to grow.

    Attributes:
        base: What all points have in common.
        points: Sizes along it, ascending.
        judged_from: Smallest size that counts where the exponent is judged: below, starting the program shows.
    """

    base: Size
    points: Sequence[int]
    judged_from: int = 0


_SMALL: Final = Size(transactions=100 * THOUSAND, accounts=10 * THOUSAND, domains=THOUSAND, clusters=25)
_MEDIUM: Final = Size(transactions=MILLION, accounts=100 * THOUSAND, domains=THOUSAND, clusters=100)
_LARGE: Final = Size(transactions=10 * MILLION, accounts=100 * THOUSAND, domains=THOUSAND, clusters=250)
PLANS: Final[Mapping[str, Mapping[str, Way]]] = {
    "small": {
        "transactions": Way(_SMALL, (100 * THOUSAND, 300 * THOUSAND)),
        "domains": Way(_SMALL, (THOUSAND, 10 * THOUSAND)),
        "accounts": Way(_SMALL, (10 * THOUSAND, 40 * THOUSAND)),
    },
    "medium": {
        "transactions": Way(_MEDIUM, (MILLION, 3 * MILLION, 10 * MILLION)),
        "domains": Way(_MEDIUM, (THOUSAND, 10 * THOUSAND, 100 * THOUSAND)),
        "accounts": Way(_MEDIUM, (100 * THOUSAND, 300 * THOUSAND, MILLION)),
    },
    "large": {
        "transactions": Way(
            replace(_LARGE, accounts=MILLION, domains=100 * THOUSAND, clusters=2_500),
            (MILLION, 3 * MILLION, 10 * MILLION, 30 * MILLION, 100 * MILLION),
            judged_from=10 * MILLION,
        ),
        "domains": Way(_LARGE, (THOUSAND, 10 * THOUSAND, 100 * THOUSAND, MILLION)),
        "accounts": Way(_LARGE, (100 * THOUSAND, MILLION, 10 * MILLION)),
    },
}
"""What is measured at each size of the benchmark."""


def measure(along: str, way: Way, rounds: int, work: Path) -> dict[str, list[list[Measure]]]:
    """Measure every point of one way to grow, all points in every round.

    Returns:
        For the floor and for the screening: the rounds of every point, in the order of the points.
    """
    contestants = []
    for point in way.points:
        size = replace(way.base, **{along: point})
        say(f"world: {size}")
        world = worlds.make(size, work / size.name)
        floor = script("floor.py", world.merchants, world.transactions, world.referrals)
        # Once uncounted, so that everybody finds the files in the page cache.
        measuring.measure(floor)
        contestants += [
            Contestant(f"{FLOOR} {point}", floor),
            replace(screening(world, work / "runs"), name=f"{SCREEN} {point}"),
        ]
    measured = measuring.by_turns(contestants, rounds)
    return {name: [measured[f"{name} {point}"] for point in way.points] for name in (FLOOR, SCREEN)}


def stages_of(way: Way, along: str, work: Path) -> list[dict[str, float]]:
    """Screen every point once more, and give the seconds of its stages."""
    found = []
    for point in way.points:
        folder = work / replace(way.base, **{along: point}).name
        done = subprocess.run(script("stages.py", folder, "--runs", work), capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
    return found


# --------------------------------------------------------------------------- the tables


def points_table(along: str, points: Sequence[int], measured: Mapping[str, Sequence[Sequence[Measure]]]) -> str:
    """Write one row per point, with the exponent from the point before."""
    heads = (along, "floor, s", "wall, s", "cpu, s", "peak, MiB", "wall / floor", "b of wall", "b of cpu", "b of peak")
    rows = []
    for place, point in enumerate(points):
        floor, screen = measured[FLOOR][place], measured[SCREEN][place]
        rows.append(
            (
                f"{point:,}",
                Spread.over(one.wall for one in floor),
                *measuring.took(screen),
                ratios(screen, floor, lambda one: one.wall),
                *(_steps(points[place - 1 : place + 1], measured[SCREEN][place - 1 : place + 1])),
            )
        )
    return table(heads, rows)


def fits_table(along: str, way: Way, measured: Mapping[str, Sequence[Sequence[Measure]]]) -> str:
    """Write the exponents over all points, and over the judged ones where these are others and more than one."""
    heads = (f"b over {along}", "points", "wall", "cpu", "peak")
    first = sum(point < way.judged_from for point in way.points)
    begins = {0, first if first < len(way.points) - 1 else 0}
    rows = [
        (name, f"{way.points[begin]:,} to {way.points[-1]:,}", *_steps(way.points[begin:], taken[begin:]))
        for name, taken in measured.items()
        for begin in sorted(begins)
    ]
    return table(heads, rows)


def added_table(along: str, points: Sequence[int], measured: Mapping[str, Sequence[Sequence[Measure]]]) -> str:
    """Write what each added one cost, in microseconds: from point to point, and from the first to the last."""
    heads = (f"added {along}", *(f"{name}, {what} µs" for what in ("wall", "cpu") for name in (FLOOR, SCREEN)))
    pairs = [*pairwise(points), *([(points[0], points[-1])] if len(points) > 2 else [])]
    return table(heads, [(f"{one:,} to {other:,}", *_added(points, measured, one, other)) for one, other in pairs])


def stages_table(along: str, points: Sequence[int], found: Sequence[dict[str, float]]) -> str:
    """Write what reading took, and what all else took, with its exponent from the point before and over all."""
    beyond = [beyond_reading(seconds) for seconds in found]
    steps = ["", *(exponent(pair, costs) for pair, costs in zip(pairwise(points), pairwise(beyond), strict=True))]
    heads = (along, "reading, s", "all else, s", "b of all else")
    rows = [
        (f"{point:,}", sum(seconds.values()) - rest, rest, step)
        for point, seconds, rest, step in zip(points, found, beyond, steps, strict=True)
    ]
    return table(heads, [*rows, ("over all", "", "", exponent(points, beyond) if len(points) > 1 else "")])


def _added(
    points: Sequence[int], measured: Mapping[str, Sequence[Sequence[Measure]]], one: int, other: int
) -> Iterator[Spread]:
    """Give microseconds per added one between two points, round by round: wall of floor and screen, then processor."""
    before, after = points.index(one), points.index(other)
    for of in map(attrgetter, ("wall", "cpu")):
        for taken in (measured[FLOOR], measured[SCREEN]):
            rounds = zip(taken[before], taken[after], strict=True)
            yield Spread.over((of(last) - of(first)) * 1e6 / (other - one) for first, last in rounds)


def _steps(points: Sequence[int], taken: Sequence[Sequence[Measure]]) -> tuple[object, object, object]:
    """Fit the exponents of wall time, processor time and peak memory; none for a single point."""
    if len(points) < 2:
        return "", "", ""
    wall = exponent(points, [Spread.over(one.wall for one in rounds).middle for rounds in taken])
    cpu = exponent(points, [Spread.over(one.cpu for one in rounds).middle for rounds in taken])
    return wall, cpu, exponent(points, [max(one.peak_mib for one in rounds) for rounds in taken])


def main() -> None:
    """Grow worlds, measure, print the tables."""
    parser = argparse.ArgumentParser(description="Measure how a screening grows.")
    parser.add_argument("--size", choices=sorted(PLANS), default="small")
    ways = ("transactions", "domains", "accounts")
    parser.add_argument("--along", nargs="+", choices=ways, default=ways)
    parser.add_argument("--points", nargs="+", type=int, help="other points than those of the size; for one --along")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for worlds and results, kept; a temporary one by default")
    options = parser.parse_args()
    if options.points and len(options.along) != 1:
        parser.error("--points needs one --along")
    print(f"{options.size}; {options.rounds} rounds; {measuring.machine()}")
    with workplace(options) as work:
        for along in options.along:
            way = PLANS[options.size][along]
            way = replace(way, points=sorted(options.points)) if options.points else way
            measured = measure(along, way, options.rounds, work)
            tables = (
                points_table(along, way.points, measured),
                fits_table(along, way, measured),
                added_table(along, way.points, measured),
                stages_table(along, way.points, stages_of(way, along, work)),
            )
            print("\n" + "\n\n".join(tables), flush=True)


if __name__ == "__main__":
    main()
