"""Strict YAML: text in, a tree of places and texts out, every fault of the file with its line.

Rules kept here:

* YAML 1.2, one document, no directives, anchors, aliases, tags, merge keys or duplicate keys,
  no tabs and nothing that cannot be seen: what a reviewer reads is what is loaded;
* a file that is written the plain way is read by yamlplain, which gives the same tree sooner;
* where ruamel.yaml takes more than YAML 1.2 allows, the checks here take it back;
* every scalar stays text, so `0.95` is decimal and `NO` is a country; whoever knows
  the field gives it its type;
* size, lines, depth and number of parts are limited before anything is built from the file.

Leaves the meaning of fields to the caller.
Source: YAML 1.2.2; yaml-test-suite (tests/data/yaml_suite) for what ruamel.yaml takes too easily.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from merchantscreen.errors import Problem, ProblemKind
from merchantscreen.policy import problems
from merchantscreen.policy.yamllayout import Breach, Layout
from merchantscreen.policy.yamlplain import read_plain
from merchantscreen.policy.yamltree import Listing, Mapping, Node, Place, Scalar

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 20
MAX_LINES: Final = 50_000
MAX_LINE_LENGTH: Final = 5_000
MAX_PARTS: Final = 10_000
"""Keys, values, lists and mappings; more would take the reader over a second."""
MAX_KEY_LENGTH: Final = 200
MAX_PROBLEMS: Final = 100
"""A file is left after so many: it was not written by hand."""
_SIGN_NAMES: Final = {
    "\t": "a tab",
    "\r": "a carriage return without a line feed",
    "\ufeff": "a byte order mark",
    "\u00a0": "a no-break space",
}
NULL_TEXTS: Final = frozenset({"", "~", "null", "Null", "NULL"})
"""Plain scalars that mean null. Source: YAML 1.2 core schema."""


def read_yaml(name: str, data: bytes) -> tuple[Mapping | None, list[Problem]]:
    """Read one file; the mapping is None where it cannot be used at all."""
    if len(data) > MAX_BYTES:
        line = data.count(b"\n", 0, MAX_BYTES) + 1
        return None, [problems.FILE_TOO_LARGE.at(name, line, found=f"{len(data)} bytes", position=1)]
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n")
        return None, [problems.NOT_UTF8.at(name, before.count(b"\n") + 1, position=column)]
    lines = text.split("\n")
    if len(lines) > MAX_LINES + 1:
        what, wanted = f"{len(lines)} lines", f"at most {MAX_LINES} lines"
        return None, [problems.FILE_TOO_LARGE.at(name, MAX_LINES + 1, found=what, expected=wanted, position=1)]
    found = [problem for line, said in enumerate(lines, start=1) if (problem := _line_problem(name, line, said))]
    if found:
        return None, found[:MAX_PROBLEMS]
    plain = read_plain(text)
    return _Reader(name, text).read() if plain is None else (plain, [])


def _line_problem(name: str, line: int, text: str) -> Problem | None:
    """Find what no line of a policy file may hold, wherever in the YAML it stands."""
    if text.startswith("%"):
        return problems.NOT_ONE_DOCUMENT.at(name, line, found="a directive", position=1)
    if len(text) > MAX_LINE_LENGTH:
        found, wanted = f"a line of {len(text)} characters", f"at most {MAX_LINE_LENGTH} characters"
        return problems.FILE_TOO_LARGE.at(name, line, found=found, expected=wanted, position=1)
    if text.isprintable():
        return None
    column, sign = next((at, sign) for at, sign in enumerate(text, start=1) if not sign.isprintable())
    found = _SIGN_NAMES.get(sign) or f"the character U+{ord(sign):04X}, which cannot be seen"
    return problems.NOT_YAML.at(name, line, found=found, expected="spaces and visible characters", position=column)


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


def text_place(node: Node, path: Sequence[str | int], line: int, column: int) -> Place:
    """Return the place in the file of a place within a text field, as near as the field's style tells."""
    for step in path:
        if isinstance(node, Mapping) and step in node.entries:
            node = node.entries[str(step)]
        elif isinstance(node, Listing) and isinstance(step, int):
            node = node.items[step]
    if isinstance(node, Scalar) and node.style == "|":
        return Place(node.place.line + line, column)
    if isinstance(node, Scalar) and line == 1 and node.style != ">":
        return Place(node.place.line, node.place.column + column - (1 if node.plain else 0))
    return node.place


class _StopError(Exception):
    """Raised to leave the recursion; why is among the problems."""


_FOREIGN_ERRORS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What ruamel.yaml has been seen to raise, or might, besides its own errors."""


class _Reader:
    """Builds the tree from parser events and notes what is not allowed."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._last_line = text.count("\n") + 1
        self._layout = Layout(text)
        self._place = Place(1, 1)
        self._flows = 0
        self._parts = 0
        self._problems: list[Problem] = []

    def read(self) -> tuple[Mapping | None, list[Problem]]:
        """Build the tree of the whole file."""
        try:
            root = self._document(self._events())
            if isinstance(root, Mapping) and root.entries:
                return root, self._problems
            self._note(problems.NOT_A_MAPPING, root.place if root else Place(1, 1))
        except YAMLError as error:
            self._problems.append(self._syntax_problem(error))
        except _StopError:
            pass
        return None, self._problems

    def _events(self) -> Iterator[Any]:
        yaml = YAML(typ="safe", pure=True)
        try:
            yield from yaml.parse(self._text if self._text.endswith("\n") else f"{self._text}\n")
        except _FOREIGN_ERRORS as error:
            raise YAMLError("text that the YAML reader cannot take") from error

    def _document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and root is not None:
                self._note(problems.NOT_ONE_DOCUMENT, _place(event))
                raise _StopError
            if kind == "StreamEndEvent":
                self._hold(self._layout.before(event))
            elif kind not in {"StreamStartEvent", "DocumentStartEvent", "DocumentEndEvent"}:
                root = self._node(event, events, depth=1, indent=-1)
        return root

    def _node(self, event: Any, events: Iterator[Any], depth: int, indent: int) -> Node:
        """Build what begins with an event; `indent` is the column of the block around it, from 0."""
        place, kind = _place(event), type(event).__name__
        self._place = place
        self._check_limits(place, depth)
        if event.anchor is not None:
            self._note(problems.ANCHOR, place)
        if getattr(event, "ctag", None) is not None:
            self._note(problems.TAG, place)
        self._hold(self._layout.breaches(event, indent, in_flow=self._flows > 0))
        if kind not in {"MappingStartEvent", "SequenceStartEvent"}:
            return self._scalar(event, place)
        inner = indent if event.flow_style else place.column - 1
        self._flows += bool(event.flow_style)
        build = self._mapping if kind == "MappingStartEvent" else self._listing
        node = build(place, events, depth, inner)
        self._flows -= bool(event.flow_style)
        return node

    def _check_limits(self, place: Place, depth: int) -> None:
        self._parts += 1
        if depth > MAX_DEPTH:
            self._note(problems.TOO_DEEP, place)
            raise _StopError
        if self._parts > MAX_PARTS:
            self._note(problems.FILE_TOO_LARGE, place, "too many parts", f"at most {MAX_PARTS} keys and values")
            raise _StopError

    def _scalar(self, event: Any, place: Place) -> Scalar:
        text, style = getattr(event, "value", "") or "", getattr(event, "style", None)
        if not text.replace("\n", "").isprintable():
            self._note(problems.NOT_YAML, place, "an escape for a character that cannot be seen")
        return Scalar(text, style is None, place, style)

    def _mapping(self, place: Place, events: Iterator[Any], depth: int, indent: int) -> Mapping:
        mapping = Mapping(place)
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                self._hold(self._layout.breaches(event, indent, in_flow=self._flows > 0))
                break
            self._hold(self._layout.before_key(event))
            key = self._node(event, events, depth + 1, indent if self._flows else indent - 1)
            value = self._node(next(events), events, depth + 1, indent)
            self._add(mapping, key, value)
        return mapping

    def _add(self, mapping: Mapping, key: Node, value: Node) -> None:
        if not isinstance(key, Scalar):
            self._note(problems.NOT_YAML, key.place, "a key that is not text")
        elif len(key.text) > MAX_KEY_LENGTH or not key.text.isprintable():
            self._note(problems.NOT_YAML, key.place, "a key that is too long or not in one line")
        elif key.plain and key.text == "<<":
            self._note(problems.MERGE_KEY, key.place)
        elif key.text in mapping.entries:
            first = mapping.key_places[key.text].line
            self._note(problems.DUPLICATE_KEY, key.place, f"`{key.text[:60]}`, which stands on line {first} already")
        else:
            mapping.entries[key.text] = value
            mapping.key_places[key.text] = key.place

    def _listing(self, place: Place, events: Iterator[Any], depth: int, indent: int) -> Listing:
        listing = Listing(place)
        for event in events:
            if type(event).__name__ == "SequenceEndEvent":
                self._hold(self._layout.breaches(event, indent, in_flow=self._flows > 0))
                break
            listing.items.append(self._node(event, events, depth + 1, indent))
        return listing

    def _note(self, kind: ProblemKind, place: Place, found: str | None = None, expected: str | None = None) -> None:
        line = min(place.line, self._last_line)
        self._problems.append(kind.at(self._name, line, found=found, expected=expected, position=place.column))
        if len(self._problems) >= MAX_PROBLEMS:
            raise _StopError

    def _hold(self, breaches: Iterable[Breach]) -> None:
        for breach in breaches:
            self._note(problems.NOT_YAML, Place(breach.line, breach.column), breach.found)

    def _syntax_problem(self, error: YAMLError) -> Problem:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        found = getattr(error, "problem", None) or getattr(error, "context", None) or str(error)
        place = Place(mark.line + 1, mark.column + 1) if mark else self._place
        line = min(place.line, self._last_line)
        return problems.NOT_YAML.at(self._name, line, found=found[:MAX_KEY_LENGTH], position=place.column)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)
