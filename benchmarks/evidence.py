"""Measure evidence scoring beside personalised PageRank in igraph, networkx and scipy, on one generated graph.

    python benchmarks/evidence.py [--small] [--nodes N] [--edges N] [--seeds N] [--rounds N] [--without NAME]

The graph: three fifths of the nodes are accounts, the rest identifiers, spread over the declared kinds. Identifiers
are held by very different numbers of accounts (a power law; at full size about 14,000 hold the largest), and accounts
hold moderately different numbers of them. `--seeds` accounts declare a flagged domain each. Drawn the same every time.

Contestants run by turns, each in a process of its own that builds once and solves once:

* evidence: build writes down the direct links; solve is all that `screen` does between links and ranking, with the
  default policy: risk of the direct links, the cut of the neighbourhood from the declared identifiers (a Parquet file,
  whose reading counts, in the order, compression and row groups of the intake), all rounds of the ledger with every
  item, share and contributor, and the totals;
* igraph, networkx, scipy: build makes their graph from two arrays of integers in memory; solve is PageRank from the
  seeds with damping 0.85: PRPACK, which is exact, and power iteration until the L1 change is below 1e-10.

So the references start from a finished graph of integers in memory, and we from texts on the disk, which are in the
page cache after the first round. In return we stop at hubs and at items below the floor, which the references do not.
Importing libraries counts for nobody, and nothing but memory is taken of the whole process. What is compared is solve
with solve; the times with building stand beside it. PRPACK uses OpenMP, whose threads wait actively: on a busy machine
its processor time counts waiting as well, unless OMP_NUM_THREADS=1 is set. The references are held against each other:
the table says how far (L1) each lies from the first of them. Evidence is another quantity; here it is compared in cost
alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import measuring
import numpy as np
import numpy.typing as npt
import polars as pl

from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.evidence import Links, assess, open_rounds, totals
from merchantscreen.identifiers import identifier_kinds
from merchantscreen.intake.transactions import ROW_GROUP_ROWS
from merchantscreen.links import count_links
from merchantscreen.neighbourhood import cut
from merchantscreen.numbering import Holders
from merchantscreen.policy.loading import load_policy
from merchantscreen.tables import (
    AccountLinks,
    Breadths,
    DeclaredIdentifiers,
    Degrees,
    DomainLinks,
    FlaggedDomains,
    Holdings,
    Transactions,
    conform,
    empty,
)
from merchantscreen.traffic import Traffic, WholeTable

DAMPING: Final = 0.85
L1_CHANGE: Final = 1e-10
MOST_ITERATIONS: Final = 1_000
ACCOUNT_SHARE: Final = 0.6
IDENTIFIER_EXPONENT: Final = 0.62
"""Identifier number i is held in proportion to 1 / i^0.62: of 5 million edges the largest one gets about 14,000."""
ACCOUNT_SPREAD: Final = 0.8
"""Standard deviation of the logarithm of what accounts hold in proportion to."""
ORDERED_BY_VALUE: Final = ("principal", "website")
"""Kinds of which an account may name several; the intake writes them by value, all others by account."""
AS_OF: Final = datetime(2026, 11, 1)
OURS: Final = "evidence"

Ranks = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class World:
    """A graph on disk.

    Attributes:
        folder: Where it lies.
    """

    folder: Path

    @property
    def arrays(self) -> Path:
        """For the references: `account` and `identifier`, one entry per edge; `seeds`; `counts` of both node kinds."""
        return self.folder / "graph.npz"

    @property
    def declared(self) -> Path:
        """The same edges as tables.DeclaredIdentifiers, written as intake/merchants.py writes accepted merchants."""
        return self.folder / "declared.parquet"

    def took(self, contestant: str) -> Path:
        """One line per round: seconds of building and solving."""
        return self.folder / f"{contestant}.jsonl"

    def ranks(self, contestant: str) -> Path:
        """What a reference found."""
        return self.folder / f"{contestant}.npy"


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one round of one contestant, wall and processor time, and what it says of its result."""

    build: float
    build_cpu: float
    solve: float
    solve_cpu: float
    said: str


# --------------------------------------------------------------------------- the graph


def make_world(world: World, nodes: int, edges: int, seeds: int) -> str:
    """Write a graph; return what it looks like."""
    random = np.random.default_rng(1)
    accounts = int(nodes * ACCOUNT_SHARE)
    identifiers = nodes - accounts
    held = np.cumsum(np.arange(1, identifiers + 1) ** -IDENTIFIER_EXPONENT)
    holding = np.cumsum(random.lognormal(0, ACCOUNT_SPREAD, accounts))
    pairs = np.empty(0, np.int64)
    while len(pairs) < edges:
        missing = int((edges - len(pairs)) * 1.1) + 100
        drawn = _draw(random, held, missing) * accounts + _draw(random, holding, missing)
        pairs = np.unique(np.concatenate([pairs, drawn]))
    pairs = np.sort(random.choice(pairs, edges, replace=False))
    identifier, account = np.divmod(pairs, accounts)
    chosen = random.choice(accounts, seeds, replace=False)
    np.savez(world.arrays, account=account, identifier=identifier, seeds=chosen, counts=[accounts, identifiers])
    declared = _declared(account, identifier)
    declared.write_parquet(world.declared, compression="lz4", row_group_size=ROW_GROUP_ROWS)
    return (
        f"{nodes:,} nodes, {edges:,} edges, {seeds:,} seeds; the largest identifier has "
        f"{np.bincount(identifier).max():,} accounts, the largest account {np.bincount(account).max():,} identifiers"
    )


def _draw(random: np.random.Generator, up_to: Ranks, count: int) -> Numbers:
    """Draw numbers in proportion to weights that are given as running sums."""
    drawn: Numbers = np.searchsorted(up_to, random.random(count) * up_to[-1], side="right")
    return drawn.clip(max=len(up_to) - 1)


def _declared(account: Numbers, identifier: Numbers) -> pl.DataFrame:
    kinds = pl.Series([kind.column for kind in identifier_kinds("merchants")])
    numbered = pl.DataFrame({"identifier": identifier, "account": account})
    named = numbered.select(
        kind=kinds.gather(numbered["identifier"] % kinds.len()),
        value=pl.format("value-{}", "identifier"),
        account_id=_account_ids("account"),
    )
    first = pl.when(pl.col("kind").is_in(ORDERED_BY_VALUE)).then("value")
    return conform(named, DeclaredIdentifiers).sort("kind", first, "account_id", "value")


def _account_ids(column: str) -> pl.Expr:
    return pl.format("ACQ{}/{}", pl.col(column) % 50, pl.col(column).cast(pl.String).str.zfill(9))


# --------------------------------------------------------------------------- evidence


def direct_links(seeds: Numbers) -> Links:
    """Link every seed to a flagged domain of its own."""
    numbers = pl.DataFrame({"seed": seeds}).with_row_index("number")
    domain, referral = pl.format("site-{}.example", "number"), pl.format("R-{}", "number")
    domains = numbers.select(
        domain=domain, match_scope=pl.lit("registrable_domain"), registrable=domain, confidence_nano=10**9,
        confirmed=True, dedicated=pl.lit("yes"), window_from_at=pl.lit(datetime(2026, 1, 1)),
        referral_ids=pl.concat_list(referral), hotlines=pl.concat_list(pl.lit("hotline")),
        assurance=pl.lit("unsigned"), caveats=pl.lit([], pl.List(pl.String)), held=False,
    )  # fmt: skip
    linked = numbers.select(
        account_id=_account_ids("seed"), domain=domain, kind=pl.lit("declared_website"), in_window=True,
        match=pl.lit("exact"), seen_as=domain,
    )  # fmt: skip
    found = conform(linked, AccountLinks)
    return Links(
        conform(domains, FlaggedDomains), empty(DomainLinks), found, Holders.of(empty(Holdings), empty(Degrees)),
        empty(Breadths), count_links(found),
    )  # fmt: skip


def evidence(world: World) -> tuple[Took, None]:
    """Score accounts as `screen` does."""
    model = load_policy().evidence
    with np.load(world.arrays) as graph, tempfile.TemporaryDirectory(dir=world.folder) as work:
        engine = PolarsEngine(Path(work))

        def build() -> tuple[Links, Traffic]:
            return direct_links(graph["seeds"]), Traffic(
                engine, (WholeTable(engine, engine.load(empty(Transactions)), AS_OF),)
            )

        def solve(opened: tuple[Links, Traffic]) -> str:
            links, traffic = opened
            opening = open_rounds(links, model)
            near = cut(traffic, engine.scan([world.declared]), opening.carried, model)
            weighed = replace(links, holders=near.holders, breadths=near.breadths)
            assessed = assess(weighed, model, opening)
            return f"{totals(assessed).height:,} accounts scored by {assessed.ledger.height:,} items"

        return _timed(build, solve, str), None


# --------------------------------------------------------------------------- the references


def igraph(world: World) -> tuple[Took, Ranks]:
    """Solve PageRank exactly with PRPACK."""
    import igraph as library  # noqa: PLC0415 - one process loads one library

    accounts, nodes, ends, seeds = _graph(world)

    def build() -> Any:
        return library.Graph(n=nodes, edges=ends)

    def solve(graph: Any) -> Ranks:
        ranks = graph.personalized_pagerank(damping=DAMPING, reset_vertices=seeds.tolist(), implementation="prpack")
        return np.asarray(ranks)

    return _ranked(build, solve, accounts)


def networkx(world: World) -> tuple[Took, Ranks]:
    """Solve PageRank by the power iteration of networkx, which multiplies its tolerance by the number of nodes."""
    import networkx as nx  # noqa: PLC0415 - one process loads one library

    accounts, nodes, ends, seeds = _graph(world)

    def build() -> Any:
        graph = nx.Graph()
        graph.add_nodes_from(range(nodes))
        graph.add_edges_from(ends.tolist())
        return graph

    def solve(graph: Any) -> Ranks:
        start = dict.fromkeys(seeds.tolist(), 1.0)
        ranks = nx.pagerank(graph, DAMPING, start, max_iter=MOST_ITERATIONS, tol=L1_CHANGE / nodes)
        return np.fromiter((ranks[node] for node in range(nodes)), float, nodes)

    return _ranked(build, solve, accounts)


def scipy(world: World) -> tuple[Took, Ranks]:
    """Solve PageRank by power iteration over a sparse matrix: the shortest that one would write oneself."""
    from scipy import sparse  # noqa: PLC0415 - one process loads one library

    accounts, nodes, ends, seeds = _graph(world)

    def build() -> Any:
        there, back = ends[:, 0], ends[:, 1]
        both = (np.concatenate([there, back]), np.concatenate([back, there]))
        return sparse.csr_array((np.ones(len(both[0])), both), shape=(nodes, nodes))

    def solve(matrix: Any) -> Ranks:
        degree = matrix.sum(axis=1)
        share = np.divide(1.0, degree, out=np.zeros(nodes), where=degree > 0)
        start = np.zeros(nodes)
        start[seeds] = 1 / len(seeds)
        ranks = start
        for _ in range(MOST_ITERATIONS):
            # what nodes without neighbours hold goes back to the seeds, as in the other libraries
            stray = DAMPING * ranks[degree == 0].sum()
            moved: Ranks = DAMPING * (matrix @ (ranks * share)) + (1 - DAMPING + stray) * start
            if np.abs(moved - ranks).sum() < L1_CHANGE:
                return moved
            ranks = moved
        raise RuntimeError("power iteration did not converge")

    return _ranked(build, solve, accounts)


def _graph(world: World) -> tuple[int, int, Numbers, Numbers]:
    """Return accounts, nodes, edges as pairs of node numbers, and the seeds; identifiers come after accounts."""
    with np.load(world.arrays) as graph:
        accounts, identifiers = map(int, graph["counts"])
        ends = np.column_stack([graph["account"], graph["identifier"] + accounts])
        return accounts, accounts + identifiers, ends, graph["seeds"]


CONTESTANTS: Final[Mapping[str, Callable[[World], tuple[Took, Ranks | None]]]] = {
    OURS: evidence,
    "igraph": igraph,
    "scipy": scipy,
    "networkx": networkx,
}


# --------------------------------------------------------------------------- one round, in a process of its own


def _ranked(build: Callable[[], Any], solve: Callable[[Any], Ranks], accounts: int) -> tuple[Took, Ranks]:
    found: list[Ranks] = []

    def said(ranks: Ranks) -> str:
        found.append(ranks)
        return f"{int((ranks[:accounts] > 0).sum()):,} accounts ranked"

    took = _timed(build, solve, said)
    return took, found[0]


def _timed(build: Callable[[], Any], solve: Callable[[Any], Any], said: Callable[[Any], str]) -> Took:
    """Build once and solve once."""
    times = [(time.perf_counter(), time.process_time())]
    built = build()
    times.append((time.perf_counter(), time.process_time()))
    result = solve(built)
    times.append((time.perf_counter(), time.process_time()))
    (build_wall, build_cpu), (solve_wall, solve_cpu) = np.diff(times, axis=0).tolist()
    return Took(build_wall, build_cpu, solve_wall, solve_cpu, said(result))


def one_round(name: str, world: World) -> None:
    """Run one contestant and write down what it took."""
    took, ranks = CONTESTANTS[name](world)
    with world.took(name).open("a", encoding="utf-8") as file:
        file.write(json.dumps([took.build, took.build_cpu, took.solve, took.solve_cpu, took.said]) + "\n")
    if ranks is not None:
        np.save(world.ranks(name), ranks)


# --------------------------------------------------------------------------- the comparison


def report(world: World, measured: Mapping[str, Sequence[measuring.Measure]]) -> str:
    """Write the table: medians, spread, and ratios round by round."""
    rounds = {name: [Took(*json.loads(line)) for line in world.took(name).open(encoding="utf-8")] for name in measured}
    ours = rounds[OURS]
    heads = ["", "build, s", "solve, s", "solve, cpu s", "peak, MiB", "solve / ours", "cpu / ours", "all / ours"]
    rows = []
    for name, taken in rounds.items():
        both = list(zip(taken, ours, strict=True))
        rows.append(
            [
                name,
                measuring.Spread.over(took.build for took in taken),
                measuring.Spread.over(took.solve for took in taken),
                measuring.Spread.over(took.solve_cpu for took in taken),
                round(max(one.peak_mib for one in measured[name])),
                measuring.Spread.over(took.solve / base.solve for took, base in both),
                measuring.Spread.over(took.solve_cpu / base.solve_cpu for took, base in both),
                measuring.Spread.over((took.build + took.solve) / (base.build + base.solve) for took, base in both),
            ]
        )
    said = [f"{name}: {taken[-1].said}{_distance(world, name, rounds)}" for name, taken in rounds.items()]
    return "\n".join([measuring.table(heads, rows), "", *said])


def _distance(world: World, name: str, names: Mapping[str, object]) -> str:
    """Say how far a reference lies from the first of them."""
    first = next((other for other in names if other != OURS), name)
    if name in {OURS, first}:
        return ""
    return f", L1 distance from {first} {np.abs(np.load(world.ranks(name)) - np.load(world.ranks(first))).sum():.1e}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure evidence scoring beside personalised PageRank.")
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=5_000_000)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a smoke run: 20,000 nodes, 100,000 edges, 20 seeds, once")
    parser.add_argument(
        "--without", action="append", default=[], choices=[name for name in CONTESTANTS if name != OURS]
    )
    parser.add_argument("--work", type=Path, help="existing folder for the graph; a temporary one by default")
    parser.add_argument("--run", choices=list(CONTESTANTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.small:
        options.nodes, options.edges, options.seeds, options.rounds = 20_000, 100_000, 20, 1
    return options


def main() -> None:
    """Make the graph, run the contestants by turns, print the table."""
    options = _options()
    if options.run:
        one_round(options.run, World(options.work))
        return
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        world = World(Path(folder))
        print(make_world(world, options.nodes, options.edges, options.seeds))
        contestants = [
            measuring.Contestant(name, measuring.script("evidence.py", "--run", name, "--work", folder))
            for name in CONTESTANTS
            if name not in options.without
        ]
        measured = measuring.by_turns(contestants, options.rounds)
        print(f"{options.rounds} rounds; {measuring.machine()}\n")
        print(report(world, measured))


if __name__ == "__main__":
    main()
