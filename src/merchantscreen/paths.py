"""Strongest paths from a confirmed domain to an account, for eyes; the ledger is the arithmetic.

A path is as strong as the product of its steps, so the search runs over -ln(strength).
Edges are inserted in sorted order, because the library breaks ties by insertion.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice, pairwise

import networkx as nx
import polars as pl

from merchantscreen.identifiers import BY_NAME
from merchantscreen.nano import NANO
from merchantscreen.records import EvidencePath, Step
from merchantscreen.vocabulary import EvidenceFamily

_SOURCE = ("source", "", "")
_MOST_CONTRIBUTORS = 50
"""Contributors per identifier that are drawn; the ledger lists all."""

Node = tuple[str, str, str]


def strongest_paths(
    ledger: pl.DataFrame, contributions: pl.DataFrame, account_id: str, limit: int = 3
) -> tuple[EvidencePath, ...]:
    """Find the strongest ways in which an account is tied to confirmed domains.

    Args:
        ledger: tables.Ledger.
        contributions: tables.Contributions.
        account_id: Account to look at.
        limit: Most paths to return.

    Returns:
        Paths, strongest first; none where the account holds no evidence.
    """
    graph = _graph_towards(ledger, contributions, account_id)
    target: Node = ("account", account_id, "")
    if target not in graph or _SOURCE not in graph or not nx.has_path(graph, _SOURCE, target):
        return ()
    ways = nx.shortest_simple_paths(graph, _SOURCE, target, weight="cost")
    return tuple(_path(graph, way) for way in islice(ways, limit))


def _graph_towards(ledger: pl.DataFrame, contributions: pl.DataFrame, account_id: str) -> nx.DiGraph[Node]:
    """Walk back from the account, round by round, and collect the edges that lead to it."""
    edges: set[tuple[Node, Node, int]] = set()
    wanted = {account_id}
    last = ledger["round"].max()
    for number in range(last if isinstance(last, int) else 0, 0, -1):
        items = ledger.filter((pl.col("round") == number) & pl.col("subject").is_in(sorted(wanted)))
        edges.update(_link_edges(items, "account"))
        found, wanted = _identifier_edges(items, contributions.filter(pl.col("round") == number))
        edges.update(found)
    edges.update(_link_edges(ledger.filter(pl.col("round") == 0), "domain"))
    graph: nx.DiGraph[Node] = nx.DiGraph()
    for start, end, strength in sorted(edges):
        graph.add_edge(start, end, cost=-math.log(strength / NANO), strength=strength)
    return graph


def _link_edges(items: pl.DataFrame, subject: str) -> Iterator[tuple[Node, Node, int]]:
    links = items.filter(pl.col("family") == EvidenceFamily.LINK)
    for name, kind, domain, strength, confirmed in links.select(
        "subject", "kind", "counterpart", "strength_nano", "from_confirmed"
    ).iter_rows():
        if confirmed:
            yield _SOURCE, ("domain", domain, ""), NANO
        middle: Node = ("link", kind, f"{domain}>{name}")
        yield ("domain", domain, ""), middle, strength
        yield middle, (subject, name, ""), NANO


def _identifier_edges(items: pl.DataFrame, contributions: pl.DataFrame) -> tuple[set[tuple[Node, Node, int]], set[str]]:
    """Lead from contributors over an identifier to its holder; return the edges and the contributors."""
    shared = items.filter(pl.col("family") == EvidenceFamily.IDENTIFIER)
    terms = contributions.join(
        shared.select("kind", value="counterpart").unique(), on=["kind", "value"], how="semi"
    ).sort("kind", "value", "contribution_nano", "account_id", descending=[False, False, True, False])
    drawn = terms.group_by("kind", "value", maintain_order=True).head(_MOST_CONTRIBUTORS)
    edges: set[tuple[Node, Node, int]] = {
        (("account", holder, ""), ("identifier", kind, value), NANO)
        for kind, value, holder in drawn.select("kind", "value", "account_id").iter_rows()
    }
    for name, kind, value, strength in shared.select("subject", "kind", "counterpart", "strength_nano").iter_rows():
        edges.add((("identifier", kind, value), ("account", name, ""), strength))
    return edges, set(drawn["account_id"])


def _path(graph: nx.DiGraph[Node], way: list[Node]) -> EvidencePath:
    strengths = [NANO, *(graph.edges[pair]["strength"] for pair in pairwise(way[1:]))]
    steps = tuple(_step(node, strength) for node, strength in zip(way[1:], strengths, strict=True))
    return EvidencePath(steps, math.prod(strength / NANO for strength in strengths))


def _step(node: Node, strength: int) -> Step:
    what, first, second = node
    if what == "link":
        return Step("link", BY_NAME[first].title, strength)
    if what == "identifier":
        return Step(BY_NAME[first].title, second, strength)
    return Step(what, first, strength)
