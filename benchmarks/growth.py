"""Measure how a screening grows: with transactions, with flagged domains, and with accounts far from any of them.

    python benchmarks/growth.py [--size small|medium|large] [--along transactions domains accounts] [--rounds N]
                                [--points N...] [--work DIR]

Along each of the three, everything else stays as it is: the clusters around linked accounts are the same, flagged
domains that are added have no account, accounts that are added share nothing with a cluster but hubs. The floor is
measured beside every point, as more accounts are more bytes to read.

Printed as Markdown, per point: the measures, the ratio to the floor, and the exponent b of cost = a * size^b from the
point before to this one; then b over all points, by least squares. Nothing is taken off: starting the program is in
all figures, and keeps the exponents of small worlds low.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import measuring
import worlds
from measuring import Contestant, Measure, Spread, exponent, ratios, say, script, table
from run import SCREEN, screening, workplace
from worlds import Size

THOUSAND, MILLION = 1_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Way:
    """One way to grow.

    Attributes:
        base: What all points have in common.
        points: Sizes along it.
    """

    base: Size
    points: Sequence[int]


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
        contestants += [
            Contestant(f"floor {point}", script("floor.py", world.merchants, world.transactions)),
            replace(screening(world, work / "runs"), name=f"{SCREEN} {point}"),
        ]
    measured = measuring.by_turns(contestants, rounds)
    return {name: [measured[f"{name} {point}"] for point in way.points] for name in ("floor", SCREEN)}


# --------------------------------------------------------------------------- the tables


def points_table(along: str, points: Sequence[int], measured: Mapping[str, Sequence[Sequence[Measure]]]) -> str:
    """Write one row per point, with the exponent from the point before."""
    heads = (along, "floor, s", "wall, s", "cpu, s", "peak, MiB", "wall / floor", "b of wall", "b of cpu", "b of peak")
    rows = []
    for place, point in enumerate(points):
        floor, screen = measured["floor"][place], measured[SCREEN][place]
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


def fits_table(along: str, points: Sequence[int], measured: Mapping[str, Sequence[Sequence[Measure]]]) -> str:
    """Write the exponents over all points."""
    heads = (f"b over {along}", "wall", "cpu", "peak")
    return table(heads, [(name, *_steps(points, taken)) for name, taken in measured.items()])


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
            way = replace(way, points=options.points) if options.points else way
            measured = measure(along, way, options.rounds, work)
            print(
                f"\n{points_table(along, way.points, measured)}\n\n{fits_table(along, way.points, measured)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
