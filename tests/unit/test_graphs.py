"""Graphs for other programs: the ledger drawn, the same bytes every time, and nothing hostile in them."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import networkx as nx
import polars as pl
import pytest
from unit import small_run

from merchantscreen.outputs import graphs
from merchantscreen.outputs.graphs import GraphFormat, cases_of, graph_bytes, neighbourhood_graph

AS_OF = "2026-11-01T00:00:00Z"

NAME_TOKEN = re.compile(r"[A-Za-z0-9._:-]+")
GEXF = {
    "gexf": ({"meta", "graph"}, {"version"}, {"version", "variant"}),
    "meta": ({"creator", "keywords", "description"}, set(), {"lastmodifieddate"}),
    "creator": (set(), set(), set()),
    "description": (set(), set(), set()),
    "graph": ({"attributes", "nodes", "edges"}, set(), {"defaultedgetype", "idtype", "mode"}),
    "attributes": ({"attribute"}, {"class"}, {"class", "mode"}),
    "attribute": ({"default", "options"}, {"id", "title", "type"}, {"id", "title", "type"}),
    "nodes": ({"node"}, set(), {"count"}),
    "node": ({"attvalues"}, {"id"}, {"id", "label"}),
    "edges": ({"edge"}, set(), {"count"}),
    "edge": ({"attvalues"}, {"id", "source", "target"}, {"id", "source", "target", "type", "label", "weight"}),
    "attvalues": ({"attvalue"}, set(), set()),
    "attvalue": (set(), {"for", "value"}, {"for", "value"}),
}
"""What may stand in an element, which attributes it needs and which it may have. Source: gexf.xsd, data.xsd 1.2."""
GRAPHML = {
    "graphml": ({"desc", "key", "data", "graph"}, set(), set()),
    "key": ({"desc", "default"}, {"id"}, {"id", "for", "attr.name", "attr.type"}),
    "graph": ({"desc", "data", "node", "edge"}, {"edgedefault"}, {"id", "edgedefault"}),
    "node": ({"desc", "data", "port", "graph"}, {"id"}, {"id"}),
    "edge": ({"desc", "data", "graph"}, {"source", "target"}, {"id", "source", "target", "directed"}),
    "data": (set(), {"key"}, {"key", "id"}),
}
"""The same for GraphML. Source: graphml-structure.xsd 1.0, whose ids are name tokens."""
TYPES = {"boolean", "int", "integer", "long", "float", "double", "string"}


def _read(data: bytes, form: GraphFormat) -> nx.MultiDiGraph[str]:
    if form is GraphFormat.GRAPHML:
        return nx.read_graphml(io.BytesIO(data), force_multigraph=True)
    return nx.read_gexf(io.BytesIO(data))


def test_the_neighbourhood_leads_from_the_account_to_the_domain(tmp_path: Path) -> None:
    """An account is tied to what it shares, that to who passes risk on, and that to the confirmed domain."""
    graph = neighbourhood_graph(small_run.bundle(tmp_path), ["400001/M2"])
    ends = {(a, b, data["role"]) for a, b, data in graph.edges(data=True)}
    assert {
        ("account:400001_M2", "identifier:settlement_account:acct-1", "evidence"),
        ("account:400001_M1", "identifier:settlement_account:acct-1", "contribution"),
        ("account:400001_M1", "domain:amber-shop_example", "evidence"),
        ("account:400001_M2", "domain:old-shop_example", "context"),
    } <= ends
    node = graph.nodes["identifier:settlement_account:acct-1"]
    assert (node["holder_count"], node["hub"], node["title"]) == (2, False, "settlement account")
    assert graph.nodes["account:400001_M2"]["tier"] == "T3"


def test_stated_domain_links_lead_back_to_the_confirmed_domain(tmp_path: Path) -> None:
    """A domain that is only linked is drawn with the one it came from, in the direction a hotline stated."""
    stated = small_run.LEDGER.head(1).with_columns(
        round=pl.lit(0, dtype=pl.Int64), subject=pl.lit("amber-shop.example"), kind=pl.lit("moved_to"),
        counterpart=pl.lit("first-shop.example"),
    )  # fmt: skip
    bundle = small_run.bundle(tmp_path, replace(small_run.RESULT, ledger=pl.concat([stated, small_run.LEDGER])))
    graph = neighbourhood_graph(bundle, ["400001/M2"])
    ((_, end, data),) = graph.out_edges("domain:first-shop_example", data=True)
    assert (end, data["kind"], data["role"]) == ("domain:amber-shop_example", "moved_to", "domain")


def test_a_hub_is_folded_and_what_is_folded_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub keeps its strongest edges and says how many holders it has and how many edges are not drawn."""
    monkeypatch.setattr(graphs, "HUB_EDGES", 2)
    graph = neighbourhood_graph(small_run.bundle(tmp_path), ["400001/M2"])
    hub = graph.nodes["identifier:ip:ip-1"]
    assert (hub["hub"], hub["holder_count"], hub["folded_edge_count"]) == (True, 400, 2)
    assert graph.in_degree("identifier:ip:ip-1") == 2
    assert "account:400001_M4" not in graph


def test_all_cases_are_in_the_middle_of_the_whole_graph(tmp_path: Path) -> None:
    """Accounts in T1 to T3 are cases; those on watch are none."""
    assert cases_of(small_run.bundle(tmp_path)) == ("400001/M1", "400001/M2")


@pytest.mark.parametrize("form", list(GraphFormat))
def test_another_program_reads_the_same_graph_back(tmp_path: Path, form: GraphFormat) -> None:
    """Nodes, edges and the types of values survive, in both formats."""
    graph = neighbourhood_graph(small_run.bundle(tmp_path), ["400001/M1", "400001/M2"])
    back = _read(graph_bytes(graph, form, AS_OF), form)
    assert set(back.nodes) == set(graph.nodes)
    assert back.number_of_edges() == graph.number_of_edges()
    node = back.nodes["account:400001_M1"]
    assert (node["rank"], node["points"], node["label"]) == (1, 2.995732274, "400001/M1")
    assert back.nodes["domain:amber-shop_example"]["confirmed"] is True


@pytest.mark.parametrize("form", list(GraphFormat))
def test_the_same_run_gives_the_same_bytes(tmp_path: Path, form: GraphFormat) -> None:
    """The order of the rows does not matter, and no clock is in the file."""
    turned = replace(
        small_run.RESULT, ledger=small_run.LEDGER.reverse(), contributions=small_run.CONTRIBUTIONS.reverse(),
        links=small_run.LINKS.reverse(), ranking=small_run.RANKING.reverse(),
    )  # fmt: skip
    results = (small_run.RESULT, turned)
    first, second = (
        graph_bytes(neighbourhood_graph(small_run.bundle(tmp_path / str(number), result), ["400001/M2"]), form, AS_OF)
        for number, result in enumerate(results)
    )
    assert first == second
    assert b"NetworkX" not in first
    assert form is GraphFormat.GRAPHML or b'lastmodifieddate="2026-11-01"' in first


@pytest.mark.parametrize(("form", "schema"), [(GraphFormat.GEXF, GEXF), (GraphFormat.GRAPHML, GRAPHML)])
def test_the_file_keeps_to_its_schema(tmp_path: Path, form: GraphFormat, schema: dict[str, Any]) -> None:
    """Elements, attributes, types and ids are those of the published schema; every reference leads somewhere."""
    root = ET.fromstring(graph_bytes(neighbourhood_graph(small_run.bundle(tmp_path), ["400001/M2"]), form, AS_OF))
    ids = {element.get("id") for element in root.iter() if _tag(element) == "node"}
    for element in root.iter():
        children, needed, allowed = schema[_tag(element)]
        own = {name for name in element.attrib if not name.startswith("{")}
        assert {_tag(child) for child in element} <= children
        assert needed <= own <= allowed
        assert NAME_TOKEN.fullmatch(element.get("id") or "none")
        assert {element.get(end) for end in ("source", "target")} - {None} <= ids
        assert element.get("attr.type" if form is GraphFormat.GRAPHML else "type", "string") in TYPES
    keys = {element.get("id") for element in root.iter() if _tag(element) in {"key", "attribute"}}
    used = {
        element.get("key") or element.get("for") for element in root.iter() if _tag(element) in {"data", "attvalue"}
    }
    assert used <= keys


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


@pytest.mark.parametrize("form", list(GraphFormat))
def test_hostile_text_stays_text(tmp_path: Path, form: GraphFormat) -> None:
    """Markup, control characters and what XML cannot hold are shown, and two values never become one node."""
    bad = "</node><evil a='1'>&x;\x1b[2J\x00\ufffe\u202e"
    ledger = small_run.LEDGER.with_columns(
        counterpart=pl.when(kind="phone").then(pl.lit(bad)).when(kind="settlement_account")
        .then(pl.lit("\\x1b")).when(kind="ip").then(pl.lit("\x1b")).otherwise("counterpart"),
        kind=pl.when(kind="ip").then(pl.lit("settlement_account")).otherwise("kind"),
    )  # fmt: skip
    ranking = small_run.RANKING.with_columns(dba_name=pl.lit(bad))
    bundle = small_run.bundle(tmp_path, replace(small_run.RESULT, ledger=ledger, ranking=ranking))
    data = graph_bytes(neighbourhood_graph(bundle, ["400001/M2"]), form, AS_OF)
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(data).iter()}
    assert "evil" not in tags
    assert not {0x1B, 0x00} & set(data)
    nodes = {name for name in _read(data, form).nodes if name.startswith("identifier:settlement")}
    assert nodes == {"identifier:settlement_account:_x1b", "identifier:settlement_account:_"}


def test_sealed_accounts_are_not_drawn(tmp_path: Path) -> None:
    """Who is on the sealed list alone appears nowhere, not even as one who passes risk on."""
    sealed = small_run.RANKING.filter(account_id="400001/M1")
    result = replace(small_run.RESULT, sealed=sealed, ranking=small_run.RANKING.filter(pl.col("rank") > 1))
    graph = neighbourhood_graph(small_run.bundle(tmp_path, result), ["400001/M2"])
    assert not any("M1" in name for name in graph)
