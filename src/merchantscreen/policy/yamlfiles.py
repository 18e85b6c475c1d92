"""Strict YAML: text in, a tree of places and texts out, every fault of the file with its line.

Rules kept here:

* YAML 1.2, one document, no directives, anchors, aliases, tags, merge keys or duplicate keys:
  what a reviewer reads is what is loaded;
* every scalar stays text, so `0.95` is decimal and `NO` is a country; whoever knows
  the field gives it its type;
* size and depth are limited before anything is built from the file.

Leaves the meaning of fields to the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from merchantscreen.errors import Problem, ProblemKind
from merchantscreen.policy import problems

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 20
NULL_TEXTS: Final = frozenset({"", "~", "null", "Null", "NULL"})
"""Plain scalars that mean null. Source: YAML 1.2 core schema."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in its file, both from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Scalar:
    """A text; `plain` is false where it was quoted or a block, so that "null" can be told from null."""

    text: str
    plain: bool
    place: Place
    style: str | None = None


@dataclass(slots=True)
class Listing:
    """A sequence in file order."""

    place: Place
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """A mapping in file order, with the places of its keys."""

    place: Place
    entries: dict[str, Node] = field(default_factory=dict)
    key_places: dict[str, Place] = field(default_factory=dict)


Node = Scalar | Listing | Mapping


def read_yaml(name: str, data: bytes) -> tuple[Mapping | None, list[Problem]]:
    """Read one file; the mapping is None where it cannot be used at all."""
    if len(data) > MAX_BYTES:
        return None, [problems.FILE_TOO_LARGE.at(name, found=f"{len(data)} bytes")]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, [problems.NOT_UTF8.at(name, line)]
    return _Reader(name, text).read()


def plain_value(node: Node) -> object:
    """Return the tree as dicts, lists, texts and None, for validation."""
    match node:
        case Scalar():
            return None if node.plain and node.text in NULL_TEXTS else node.text
        case Listing():
            return [plain_value(item) for item in node.items]
        case Mapping():
            return {key: plain_value(value) for key, value in node.entries.items()}


def place_of(node: Node, path: Sequence[str | int]) -> Place:
    """Return the place of a field, or of the nearest part above it that exists."""
    place = node.place
    for step in path:
        if isinstance(node, Mapping) and step in node.entries:
            place, node = node.key_places[str(step)], node.entries[str(step)]
        elif isinstance(node, Listing) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
        else:
            break
    return place


def text_line(node: Node, path: Sequence[str | int], line: int) -> int:
    """Return the file line on which line `line` of a text field stands, as near as its style tells."""
    for step in path:
        if isinstance(node, Mapping) and step in node.entries:
            node = node.entries[str(step)]
        elif isinstance(node, Listing) and isinstance(step, int):
            node = node.items[step]
    is_block = isinstance(node, Scalar) and node.style == "|"
    return node.place.line + (line if is_block else 0)


class _TooDeepError(Exception):
    """Raised to leave the recursion; reported as a problem."""


class _Reader:
    """Builds the tree from parser events and notes what is not allowed."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._problems: list[Problem] = []

    def read(self) -> tuple[Mapping | None, list[Problem]]:
        """Build the tree of the whole file."""
        try:
            root = self._document(self._events())
        except _TooDeepError:
            return None, self._problems
        except YAMLError as error:
            return None, [*self._problems, self._syntax_problem(error)]
        if isinstance(root, Mapping) and root.entries:
            return root, self._problems
        self._note(problems.NOT_A_MAPPING, root.place if root else Place(1, 1))
        return None, self._problems

    def _events(self) -> Iterator[Any]:
        yaml = YAML(typ="safe", pure=True)
        yield from yaml.parse(self._text)

    def _document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                self._check_document(event, root)
            elif kind not in {"StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"}:
                node = self._node(event, events, depth=1)
                root = root or node
        return root

    def _check_document(self, event: Any, root: Node | None) -> None:
        if root is not None or event.tags or event.version not in (None, (1, 2)):
            self._note(problems.NOT_ONE_DOCUMENT, _place(event))

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        place = _place(event)
        if depth > MAX_DEPTH:
            self._note(problems.TOO_DEEP, place)
            raise _TooDeepError
        if event.anchor is not None:
            self._note(problems.ANCHOR, place)
        if getattr(event, "ctag", None) is not None:
            self._note(problems.TAG, place)
        match type(event).__name__:
            case "MappingStartEvent":
                return self._mapping(place, events, depth)
            case "SequenceStartEvent":
                return self._listing(place, events, depth)
            case _:
                plain = event.style is None if hasattr(event, "style") else True
                return Scalar(getattr(event, "value", "") or "", plain, place, getattr(event, "style", None))

    def _mapping(self, place: Place, events: Iterator[Any], depth: int) -> Mapping:
        mapping = Mapping(place)
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                break
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            self._add(mapping, key, value)
        return mapping

    def _add(self, mapping: Mapping, key: Node, value: Node) -> None:
        if not isinstance(key, Scalar):
            self._note(problems.NOT_YAML, key.place, "a key that is not text")
        elif key.plain and key.text == "<<":
            self._note(problems.MERGE_KEY, key.place)
        elif key.text in mapping.entries:
            first = mapping.key_places[key.text].line
            self._note(problems.DUPLICATE_KEY, key.place, f"`{key.text}`, which stands on line {first} already")
        else:
            mapping.entries[key.text] = value
            mapping.key_places[key.text] = key.place

    def _listing(self, place: Place, events: Iterator[Any], depth: int) -> Listing:
        listing = Listing(place)
        for event in events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            listing.items.append(self._node(event, events, depth + 1))
        return listing

    def _note(self, kind: ProblemKind, place: Place, found: str | None = None) -> None:
        what = f"{found or kind.title} (column {place.column})"
        self._problems.append(kind.at(self._name, place.line, found=what))

    def _syntax_problem(self, error: YAMLError) -> Problem:
        if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
            mark = error.problem_mark
            found = f"{error.problem} (column {mark.column + 1})"
            return problems.NOT_YAML.at(self._name, mark.line + 1, found=found)
        position = getattr(error, "position", 0) or 0
        line = self._text.count("\n", 0, position) + 1
        return problems.NOT_YAML.at(self._name, line, found="a control character")


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)
