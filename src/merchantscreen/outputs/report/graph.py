"""The evidence of one account as a drawing: from flagged domains, over accounts and identifiers, to the account.

Rules kept here:
* the same rows give the same drawing; nothing is random and nothing is moved by hand;
* four columns, read from left to right; items in the order of the evidence table;
* hubs are folded into one node that says how many stand behind it; nothing is left out silently;
* kinds of nodes differ by shape and kinds of edges by dashes, so no colour is needed;
* all outlines of one shape are one path, and all edges of one dash: a page of two thousand drawings stays small;
* what the drawing shows, the evidence table beside it says in words.

Left to others: the markup (assets/drawings.html.j2), the words (evidence.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from merchantscreen.outputs.report.figures import Row, fitting, kind_title, nano, shown
from merchantscreen.outputs.report.index import Index
from merchantscreen.vocabulary import EvidenceFamily, HostMatch

WIDTH: Final = 1000
_COLUMNS: Final = (2, 262, 524, 786)
_BOX: Final = (212, 40)
_ROW: Final = 54
_TOP: Final = 30
_PLACES: Final = 28
_MOST_ITEMS: Final = 14
_MOST_PER_ITEM: Final = 3
_MOST_ACCOUNTS: Final = 14
_MOST_OUTSIDE: Final = 4
_MOST_DOMAINS: Final = 16


@dataclass(frozen=True, slots=True)
class Node:
    """One node: shape, corner in drawing units, and two lines of text."""

    shape: str
    x: int
    y: int
    first: str
    second: str
    width: int = _BOX[0]
    height: int = _BOX[1]


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge: its dashes, and the numbers of its curve."""

    dashes: str
    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def middle(self) -> int:
        """Where the curve turns."""
        return (self.x1 + self.x2) // 2


@dataclass(frozen=True, slots=True)
class Graph:
    """A drawing: its nodes and edges, and the paths they make."""

    height: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def outlines(self) -> list[tuple[str, str]]:
        """Return the outlines of all nodes, one path for each shape."""
        return _merged((node.shape, _OUTLINES[node.shape](node)) for node in self.nodes)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Return the curves of all edges, one path for each kind of dash."""
        return _merged(
            (e.dashes, f"M{e.x1} {e.y1}C{e.middle} {e.y1} {e.middle} {e.y2} {e.x2} {e.y2}") for e in self.edges
        )


def _merged(parts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    joined: dict[str, str] = {}
    for look, path in parts:
        joined[look] = joined.get(look, "") + path
    return sorted(joined.items())


def _hexagon(n: Node) -> str:
    return f"M{n.x} {n.y + 20}l12-20h{n.width - 24}l12 20l-12 20h-{n.width - 24}z"


def _arrow(n: Node) -> str:
    return f"M{n.x} {n.y}h{n.width - 14}l14 20l-14 20h-{n.width - 14}z"


def _pill(n: Node) -> str:
    side = n.width - 40
    return f"M{n.x + 20} {n.y}h{side}a20 20 0 0 1 0 40h-{side}a20 20 0 0 1 0-40z"


def _box(n: Node) -> str:
    return f"M{n.x} {n.y}h{n.width}v40h-{n.width}z"


def _frame(n: Node) -> str:
    return f"{_box(n)}M{n.x + 3} {n.y + 3}h{n.width - 6}v34h-{n.width - 6}z"


_OUTLINES: Final[Mapping[str, Callable[[Node], str]]] = {
    "domain": _hexagon, "link": _arrow, "shared": _pill, "account": _box, "fold": _box, "self": _frame,
}  # fmt: skip


@dataclass(slots=True)
class _Sheet:
    """The drawing while it is laid out: places taken per column, and where each thing stands."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    free: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    placed: dict[tuple[str, str], Node] = field(default_factory=dict)
    folded_domains: set[str] = field(default_factory=set)

    def put(self, column: int, shape: str, lines: tuple[str, str], row: int = 0) -> Node:
        """Place a node in the first free row of a column that is not above `row`."""
        at = max(row, self.free[column])
        self.free[column] = at + 1
        first, second = lines
        places = fitting(first, _PLACES), fitting(second, _PLACES)
        node = Node(shape, _COLUMNS[column], _TOP + at * _ROW, *places)
        self.nodes.append(node)
        return node

    def join(self, start: Node, end: Node, dashes: str) -> None:
        """Draw an edge from one node's right side to another's left."""
        half = _BOX[1] // 2
        self.edges.append(Edge(dashes, start.x + start.width, start.y + half, end.x, end.y + half))


def _row_of(node: Node) -> int:
    return (node.y - _TOP) // _ROW


def draw(account: Row, items: Sequence[Row], links: Sequence[Row], index: Index) -> Graph | None:
    """Lay out the evidence of an account; None where there is nothing to draw.

    Args:
        account: Its row of the ranking.
        items: Its items of the final round; rule hits are no part of the drawing.
        links: Its account links.
        index: The bundle by account.
    """
    sheet = _Sheet()
    ties = [item for item in items if item["family"] != EvidenceFamily.TYPOLOGY]
    direct = [item for item in ties if item["family"] == EvidenceFamily.LINK]
    outside = [link for link in links if not link["in_window"]]
    if not ties and not outside:
        return None
    drawn = direct[:_MOST_ITEMS]
    ends = [_link(sheet, item, index) for item in drawn]
    ends += [_outside(sheet, link, index) for link in outside[:_MOST_OUTSIDE]]
    sheet.free[1] = max(sheet.free[1], sheet.free[2])
    shared = [item for item in ties if item["family"] == EvidenceFamily.IDENTIFIER]
    room = max(2, _MOST_ITEMS - len(drawn))
    ends += [_identifier(sheet, item, index) for item in shared[:room]]
    ends += _rest(sheet, direct[_MOST_ITEMS:] + shared[room:], len(outside) - _MOST_OUTSIDE)
    return _finish(sheet, account, ends)


def _finish(sheet: _Sheet, account: Row, ends: Sequence[tuple[Node, str]]) -> Graph:
    """Place the account in the middle of its evidence and close the drawing."""
    rows = [_row_of(node) for node, _ in ends]
    here = sheet.put(3, "self", (shown(account["account_id"]), "this account"), (min(rows) + max(rows)) // 2)
    for node, dashes in ends:
        sheet.join(node, here, dashes)
    height = _TOP + max(sheet.free) * _ROW
    return Graph(height, tuple(sheet.nodes), tuple(sheet.edges))


def _link(sheet: _Sheet, item: Row, index: Index) -> tuple[Node, str]:
    """Draw a direct link: its domain, then the kind of link."""
    title = kind_title(item["kind"])
    near = "" if item["match"] in {None, HostMatch.EXACT} else f" ({item['match']} match)"
    node = sheet.put(2, "link", (title, f"strength {nano(item['strength_nano'])}{near}"))
    dashes = "solid" if item["from_confirmed"] else "long"
    domain = _domain(sheet, item["counterpart"], index, _row_of(node))
    if domain is not None:
        sheet.join(domain, node, dashes)
    return node, dashes


def _outside(sheet: _Sheet, link: Row, index: Index) -> tuple[Node, str]:
    """Draw a link outside the validity of its referral: seen, and worth nothing."""
    title = kind_title(link["kind"])
    node = sheet.put(2, "link", (title, "outside validity, counts nothing"))
    domain = _domain(sheet, link["domain"], index, _row_of(node))
    if domain is not None:
        sheet.join(domain, node, "dotted")
    return node, "dotted"


def _identifier(sheet: _Sheet, item: Row, index: Index) -> tuple[Node, str]:
    """Draw a shared identifier with the accounts that bring risk over it, the largest first."""
    sheet.free[2] = max(sheet.free[2], min(sheet.free[1], sheet.free[2] + _MOST_PER_ITEM))
    node = sheet.put(2, "shared", (kind_title(item["kind"]), shown(item["counterpart"])))
    known = [name for name in item["contributors"] if ("account", name) in sheet.placed]
    fresh = [name for name in item["contributors"] if ("account", name) not in sheet.placed]
    room = max(0, _MOST_ACCOUNTS - sum(kind == "account" for kind, _ in sheet.placed))
    named = known + fresh[: min(_MOST_PER_ITEM, room)]
    for name in named:
        sheet.join(_account(sheet, name, index, _row_of(node)), node, "dashes")
    behind = int(item["contributor_count"] or 0) - len(named)
    if behind > 0:
        more = "accounts" if behind > 1 else "account"
        fold = sheet.put(1, "fold", (f"{behind:,} more {more}", "that pass risk on"), _row_of(node))
        sheet.join(fold, node, "dashes")
    return node, "dashes"


def _account(sheet: _Sheet, name: str, index: Index, row: int) -> Node:
    """Place a contributing account once, with the domains it is linked to itself."""
    key = ("account", name)
    if key not in sheet.placed:
        domains = index.direct.get(name, ())
        tier = index.tiers.get(name, "not in this list")
        sheet.placed[key] = sheet.put(1, "account", (shown(name), f"{tier}, {_how(domains)}"), row)
        for domain in domains[:2]:
            start = _domain(sheet, domain, index, _row_of(sheet.placed[key]))
            if start is not None:
                sheet.join(start, sheet.placed[key], "solid")
    return sheet.placed[key]


def _how(domains: Sequence[str]) -> str:
    if not domains:
        return "linked over others"
    return "linked" if len(domains) <= 2 else f"linked to {len(domains):,} domains"


def _domain(sheet: _Sheet, name: str, index: Index, row: int) -> Node | None:
    """Place a flagged domain once; None where the column is full."""
    key = ("domain", name)
    if key not in sheet.placed:
        if sum(kind == "domain" for kind, _ in sheet.placed) >= _MOST_DOMAINS:
            sheet.folded_domains.add(name)
            return None
        sheet.placed[key] = sheet.put(0, "domain", (shown(name), _standing(name, index)), row)
    return sheet.placed[key]


def _standing(name: str, index: Index) -> str:
    row = index.domains.get(name)
    if row is None:
        return "flagged"
    if row["confirmed"]:
        return f"confirmed, dedicated: {row['dedicated']}"
    via = [shown(item["counterpart"]) for item in index.domain_items.get(name, ())]
    return f"over {via[0]}" if via else "linked, not confirmed"


def _rest(sheet: _Sheet, items: Sequence[Row], outside: int) -> Iterator[tuple[Node, str]]:
    """Fold what is beyond the drawing into one node with its count."""
    if sheet.folded_domains:
        sheet.put(0, "fold", (f"{len(sheet.folded_domains):,} more domains", "not drawn"))
    hidden = len(items) + max(0, outside)
    if hidden:
        yield sheet.put(2, "fold", (f"{hidden:,} more in the evidence table", "not drawn")), "dashes"
