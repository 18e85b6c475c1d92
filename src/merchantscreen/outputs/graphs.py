"""The neighbourhood of accounts as a graph that Gephi and Cytoscape open: GraphML or GEXF.

Rules kept here:
* a view of the ledger: every edge is an item, a contribution or a link of the bundle, none is computed;
* the same run gives the same bytes: nodes and edges in sorted order, and no clock in the file;
* a hub is drawn once, with its number of holders; what is folded away is counted on the hub and on the account;
* domains are defanged, and text from files can act neither as markup nor as a control character;
* ids are name tokens, as the schema of GraphML wants them; the label says what a node stands for;
* accounts of the sealed list are not drawn.

Source: DESIGN 6; the schemas of GraphML 1.0 and GEXF 1.2; row 17 of the threat model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from io import BytesIO
from typing import Any, Final
from xml.etree import ElementTree as ET

import networkx as nx
import polars as pl

from merchantscreen.identifiers import BY_NAME
from merchantscreen.nano import NANO
from merchantscreen.outputs.console import DISCLAIMER
from merchantscreen.outputs.manifest import written_moment
from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.text import defanged, visible
from merchantscreen.vocabulary import EvidenceFamily, Tier

HUB_EDGES: Final = 10
"""Edges drawn at a hub, strongest first; the rest is folded."""
_LONGEST: Final = 4096
_MAY_NAME_HOSTS: Final = frozenset({"website", "descriptor"})
_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9:_-]")
"""What stays may stand in an XML name token, which an id of GraphML has to be; dots go, so no domain is live."""
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Thing = tuple[str, str, str]
"""What it is, its kind (identifiers only), its value."""
Attributes = dict[str, str | int | float | bool]


class GraphFormat(StrEnum):
    """The formats a graph can be written in."""

    GRAPHML = "graphml"
    GEXF = "gexf"


@dataclass(frozen=True, slots=True)
class _Edge:
    """One tie: from an account to what it touches, or from a domain to the one it leads to."""

    start: Thing
    end: Thing
    kind: str
    role: str
    strength_nano: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.start, self.end, self.kind, self.role)


def cases_of(bundle: Bundle) -> tuple[str, ...]:
    """List the accounts of a run that are cases: in T1 to T3."""
    return tuple(bundle.ranking.filter(pl.col("tier") != Tier.WATCH)["account_id"].sort())


def neighbourhood_graph(bundle: Bundle, accounts: Sequence[str]) -> nx.MultiDiGraph[str]:
    """Draw the accounts, what they are linked by, who passes risk on to them, and the domains behind it all.

    Args:
        bundle: The run.
        accounts: Accounts in the middle.

    Returns:
        A directed graph with one edge per tie. Nodes have `label`, `type`, `kind`, `title` and, where they are known,
        counts; edges `kind`, `title`, `role` (evidence, contribution, context, domain) and, where known, strength and
        times. What is not known has no attribute.
    """
    frames = _Frames.of(bundle)
    edges = {edge.key: edge for edge in _edges(frames, accounts)}
    holders = frames.holders()
    hubs = frozenset(thing for thing, count in holders.items() if count > frames.hub_holders)
    drawn, folded = _folded(edges.values(), hubs)
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=_clean(f"run {bundle.manifest.run_id}"), meaning=DISCLAIMER)
    things = {_account(name) for name in accounts} | {end for edge in drawn for end in (edge.start, edge.end)}
    names = _names(things)
    for thing in sorted(things):
        graph.add_node(names[thing], **_node(frames, thing, holders, folded))
    for number, edge in enumerate(sorted(drawn, key=lambda edge: edge.key), start=1):
        graph.add_edge(names[edge.start], names[edge.end], key=f"e{number:06d}", **_edge(edge))
    return graph


def graph_bytes(graph: nx.MultiDiGraph[str], form: GraphFormat, as_of: str) -> bytes:
    """Write a graph.

    Args:
        graph: From `neighbourhood_graph`.
        form: GraphML or GEXF.
        as_of: Moment of the run as its manifest states it; GEXF carries its day instead of today's.
    """
    if form is GraphFormat.GRAPHML:
        stream = BytesIO()
        nx.write_graphml_xml(graph, stream)
        return stream.getvalue() + b"\n"
    writer = nx.readwrite.gexf.GEXFWriter(version="1.2draft")
    writer.add_graph(graph)
    root = writer.xml
    _settle(root, graph, as_of)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _settle(root: ET.Element, graph: nx.MultiDiGraph[str], as_of: str) -> None:
    """Take the clock out of a GEXF file, and bring it under its schema, where a graph has no name."""
    for drawn in root.iter("graph"):
        drawn.attrib.pop("name", None)
    for meta in root.iter("meta"):
        meta.set("lastmodifieddate", as_of[:10])
        for creator in meta.iter("creator"):
            creator.text = "merchantscreen"
        ET.SubElement(meta, "description").text = f"{graph.graph['name']}: {graph.graph['meaning']}"


# --------------------------------------------------------------------------- what is drawn


@dataclass(frozen=True, slots=True)
class _Frames:
    """The rows of a bundle that a graph is drawn from."""

    ranked: Mapping[str, Mapping[str, Any]]
    domains: Mapping[str, Mapping[str, Any]]
    items: pl.DataFrame
    domain_items: pl.DataFrame
    terms: pl.DataFrame
    links: pl.DataFrame
    rounds: int
    hub_holders: int

    @classmethod
    def of(cls, bundle: Bundle) -> _Frames:
        last = bundle.manifest.model["account_rounds"]
        sealed = set(bundle.sealed["account_id"]) - set(bundle.ranking["account_id"])
        seen = ~pl.col("account_id").is_in(sorted(sealed))
        return cls(
            ranked={row["account_id"]: row for row in bundle.ranking.iter_rows(named=True)},
            domains={row["domain"]: row for row in bundle.domains.iter_rows(named=True)},
            items=bundle.ledger.filter(
                (pl.col("round") == last) & (pl.col("family") != EvidenceFamily.TYPOLOGY)
            ).filter(~pl.col("subject").is_in(sorted(sealed))),
            domain_items=bundle.ledger.filter(pl.col("round") == 0),
            terms=bundle.contributions.filter((pl.col("round") == last) & seen),
            links=bundle.links.filter(seen),
            rounds=last,
            hub_holders=bundle.manifest.model["widely_shared_count"],
        )

    def holders(self) -> dict[Thing, int]:
        """Count the holders of every shared identifier, in the full data."""
        shared = self.items.filter(pl.col("others_count").is_not_null())
        return {
            ("identifier", kind, value): count + 1
            for kind, value, count in shared.select("kind", "counterpart", "others_count").iter_rows()
        }


def _account(name: str) -> Thing:
    return ("account", "", name)


def _domain(name: str) -> Thing:
    return ("domain", "", name)


def _edges(frames: _Frames, accounts: Sequence[str]) -> Iterator[_Edge]:
    """Walk from the accounts to what they share, to those who pass risk on, and so on to the domains."""
    wanted, seen = set(accounts), set(accounts)
    domains: set[str] = set()
    for step in range(frames.rounds + 1):
        items = frames.items.filter(pl.col("subject").is_in(sorted(wanted)))
        links = items.filter(pl.col("family") == EvidenceFamily.LINK)
        outside = frames.links.filter(~pl.col("in_window") & pl.col("account_id").is_in(sorted(wanted)))
        domains |= {*links["counterpart"], *outside["domain"]}
        yield from map(_link_edge, links.iter_rows(named=True))
        yield from map(_outside_edge, outside.iter_rows(named=True))
        if step == frames.rounds:
            break
        shared = items.filter(pl.col("family") == EvidenceFamily.IDENTIFIER)
        terms = frames.terms.join(shared.select("kind", value="counterpart").unique(), on=["kind", "value"], how="semi")
        yield from map(_shared_edge, shared.iter_rows(named=True))
        yield from map(_term_edge, terms.iter_rows(named=True))
        if step == 0:
            yield from map(_shared_edge, _beside(frames, shared).iter_rows(named=True))
        wanted = set(terms["account_id"]) - seen
        seen |= wanted
    yield from _domain_edges(frames.domain_items, domains)


def _beside(frames: _Frames, shared: pl.DataFrame) -> pl.DataFrame:
    """Find the other ranked accounts that hold the same identifiers."""
    keys = shared.select("kind", "counterpart").unique()
    return frames.items.join(keys, on=["kind", "counterpart"], how="semi")


def _domain_edges(items: pl.DataFrame, domains: set[str]) -> Iterator[_Edge]:
    """Follow stated domain links back until nothing new is found."""
    wanted, seen = set(domains), set(domains)
    while wanted:
        found = items.filter(pl.col("subject").is_in(sorted(wanted)))
        for row in found.iter_rows(named=True):
            yield _Edge(
                _domain(row["counterpart"]), _domain(row["subject"]), row["kind"], "domain", row["strength_nano"]
            )  # fmt: skip
        wanted = set(found["counterpart"]) - seen
        seen |= wanted


def _link_edge(row: Mapping[str, Any]) -> _Edge:
    facts = {name: row[name] for name in ("match", "seen_as", "transaction_count", "first_at", "last_at")}
    facts |= {"points": row["points_nano"] / NANO, "in_window": True}
    return _Edge(
        _account(row["subject"]), _domain(row["counterpart"]), row["kind"], "evidence", row["strength_nano"], facts
    )


def _outside_edge(row: Mapping[str, Any]) -> _Edge:
    names = ("match", "seen_as", "transaction_count", "first_at", "last_at", "in_window")
    return _Edge(
        _account(row["account_id"]), _domain(row["domain"]), row["kind"], "context", 0, {n: row[n] for n in names}
    )


def _shared_edge(row: Mapping[str, Any]) -> _Edge:
    end = ("identifier", row["kind"], row["counterpart"])
    facts = {"points": row["points_nano"] / NANO}
    return _Edge(_account(row["subject"]), end, row["kind"], "evidence", row["strength_nano"], facts)


def _term_edge(row: Mapping[str, Any]) -> _Edge:
    end = ("identifier", row["kind"], row["value"])
    return _Edge(_account(row["account_id"]), end, row["kind"], "contribution", row["contribution_nano"])


def _folded(edges: Iterable[_Edge], hubs: frozenset[Thing]) -> tuple[list[_Edge], dict[Thing, int]]:
    """Keep the strongest edges at each hub, and count the rest on both of their ends."""
    drawn: list[_Edge] = []
    at_hub: dict[Thing, list[_Edge]] = {}
    for edge in edges:
        (at_hub.setdefault(edge.end, []) if edge.end in hubs else drawn).append(edge)
    folded: dict[Thing, int] = {}
    for hub in sorted(at_hub):
        ordered = sorted(at_hub[hub], key=lambda edge: (edge.role != "contribution", -edge.strength_nano, edge.key))
        drawn += ordered[:HUB_EDGES]
        for edge in ordered[HUB_EDGES:]:
            folded[edge.start] = folded.get(edge.start, 0) + 1
            folded[hub] = folded.get(hub, 0) + 1
    return drawn, folded


# --------------------------------------------------------------------------- names and attributes


def _names(things: Iterable[Thing]) -> dict[Thing, str]:
    """Give every node a readable id of its own; what cannot stand in an id never makes one of two."""
    names: dict[Thing, str] = {}
    taken: set[str] = set()
    for thing in sorted(things):
        what, kind, value = thing
        name = wanted = _NOT_IN_IDS.sub("_", ":".join(part for part in (what, kind, value) if part))
        number = 1
        while name in taken:
            number += 1
            name = f"{wanted}-{number}"
        names[thing] = name
        taken.add(name)
    return names


def _label(what: str, kind: str, value: str) -> str:
    return _clean(defanged(value) if what == "domain" or kind in _MAY_NAME_HOSTS else value)


def _clean(value: str) -> str:
    """Escape what cannot be seen or must not stand in XML."""
    return _NOT_XML.sub(lambda found: f"\\u{ord(found.group()):04x}", visible(value, _LONGEST))


def _node(frames: _Frames, thing: Thing, holders: Mapping[Thing, int], folded: Mapping[Thing, int]) -> Attributes:
    what, kind, value = thing
    stated: dict[str, Any] = {"label": _label(*thing), "type": what, "kind": kind or what}
    if what == "account":
        stated |= _account_facts(frames.ranked.get(value))
    elif what == "domain":
        stated |= _domain_facts(frames.domains.get(value))
    else:
        stated["title"] = BY_NAME[kind].title if kind in BY_NAME else kind
        stated["holder_count"] = holders.get(thing)
        stated["hub"] = holders.get(thing, 0) > frames.hub_holders
    if thing in folded:
        stated["folded_edge_count"] = folded[thing]
    return _attributes(stated)


def _account_facts(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"title": "account, not ranked"}
    names = ("tier", "rank", "points", "score", "hops", "mcc", "country", "referral_ids")
    said = {"title": "account", "against": row["counter_evidence"]}
    said["dba_name"] = None if row["dba_name"] is None else defanged(row["dba_name"])
    return said | {name: row[name] for name in names}


def _domain_facts(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"title": "domain"}
    names = ("confirmed", "dedicated", "assurance", "referral_ids", "hotlines", "caveats")
    dates = {"valid_from": row["window_from_at"], "valid_until": row["window_until_at"]}
    return {"title": "domain"} | {name: row[name] for name in names} | dates


def _edge(edge: _Edge) -> Attributes:
    title = BY_NAME[edge.kind].title if edge.kind in BY_NAME else edge.kind
    facts = dict(edge.facts)
    if facts.get("seen_as") is not None:
        facts["seen_as"] = defanged(facts["seen_as"])
    return _attributes({"kind": edge.kind, "title": title, "role": edge.role, "strength": edge.strength_nano / NANO}
                       | facts)  # fmt: skip


def _attributes(stated: Mapping[str, Any]) -> Attributes:
    """Bring values into the types both formats have; what is not known is left out."""
    return {name: _plain(value) for name, value in stated.items() if value is not None}


def _plain(value: Any) -> str | int | float | bool:
    match value:
        case bool() | int() | float():
            return value
        case datetime():
            return written_moment(value)
        case list():
            return "; ".join(_clean(str(part)) for part in value)
        case _:
            return _clean(str(value))
