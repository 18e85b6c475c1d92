"""Which column of a foreign file fills which of our fields, from a strict YAML file.

    transactions:
      columns: {amount_minor: AMT, occurred_at: TS}      # our field <- their column
      constants: {acquirer_id: "412345"}                 # the same for every row
      values: {transaction_type: {S: purchase, R: refund}}   # their value -> ours
      ignore: [INTERNAL_REF]                             # columns that are left behind

Rules kept here:
* plain YAML only: no anchors, aliases, tags or repeated keys, at most 256 KiB; every scalar is text,
  so `0742` stays `0742` and `NO` is Norway;
* a field that does not exist, a field filled twice and a column nobody asked for are problems,
  never silently passed over;
* a column whose name is already ours needs no entry.

The values themselves are judged in `fields`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import dataframely as dy
import polars as pl
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from merchantscreen.errors import InputError, Problem
from merchantscreen.intake import files
from merchantscreen.intake.lines import header_problems, shown
from merchantscreen.intake.problems import PROBLEMS, nearest
from merchantscreen.tables import INPUT_TABLES

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 8
_PARTS: Final = ("columns", "constants", "values", "ignore")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """The part of a mapping for one table.

    Attributes:
        columns: Our field to their column.
        constants: Our field to the text every row has.
        values: Our field to a table of their text to ours.
        ignore: Their columns that are left behind.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """A whole mapping file, one part per table."""

    merchants: RoleMapping = RoleMapping()
    transactions: RoleMapping = RoleMapping()

    def of(self, role: str) -> RoleMapping:
        """Return the part for a table."""
        return self.merchants if role == "merchants" else self.transactions


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How the columns of one file become ours: their column of each field, constants, values."""

    columns: Mapping[str, str]
    constants: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]

    @property
    def fields(self) -> frozenset[str]:
        """Our fields that this file fills."""
        return frozenset(self.columns) | frozenset(self.constants)

    def apply(self, frame: pl.DataFrame, *kept: str) -> pl.DataFrame:
        """Rename, translate and fill in; `kept` columns are carried along."""
        taken = [self._translated(pl.col(theirs), ours).alias(ours) for ours, theirs in self.columns.items()]
        fixed = [pl.lit(text, dtype=pl.String).alias(ours) for ours, text in self.constants.items()]
        return frame.select(*kept, *taken, *fixed)

    def _translated(self, column: pl.Expr, ours: str) -> pl.Expr:
        table = self.values.get(ours)
        return column.cast(pl.String).replace(dict(table)) if table else column


def plan_columns(
    where: str, names: Sequence[str], table: type[dy.Schema], mapping: RoleMapping
) -> tuple[ColumnPlan, list[Problem]]:
    """Work out which column of a file fills which field, and what is wrong with its columns."""
    spare = set(names) - set(mapping.columns.values()) - set(mapping.ignore)
    filled = set(mapping.columns) | set(mapping.constants)
    own = {name: name for name in table.column_names() if name in spare and name not in filled}
    plan = ColumnPlan({**own, **mapping.columns}, mapping.constants, mapping.values)
    return plan, header_problems(where, names, _wanted(table, mapping), _known(table, mapping))


def _wanted(table: type[dy.Schema], mapping: RoleMapping) -> set[str]:
    """Name the columns a file must have: those mapped, and the required fields nothing else fills."""
    required = {name for name, column in table.columns().items() if not column.nullable}
    return (required - set(mapping.columns) - set(mapping.constants)) | set(mapping.columns.values())


def _known(table: type[dy.Schema], mapping: RoleMapping) -> set[str]:
    own = set(table.column_names()) - set(mapping.columns) - set(mapping.constants)
    return own | set(mapping.columns.values()) | set(mapping.ignore)


# --------------------------------------------------------------------------- the file


def load_mapping(path: Path) -> ColumnMapping:
    """Read a mapping file.

    Raises:
        InputError: The file cannot be used; all its problems are named with their lines.
    """
    with files.open_binary(path) as stream:
        data = stream.read(MAX_BYTES + 1)
    problems: list[Problem] = []
    root = None if len(data) > MAX_BYTES else _compose(path.name, data, problems)
    if len(data) > MAX_BYTES:
        problems.append(PROBLEMS["MS-MAP-003"].at(path.name))
    reader = _Reader(path.name, problems)
    parts = {key: reader.role(key, node) for key, node in reader.entries(root, INPUT_TABLES)} if root else {}
    if problems:
        raise InputError("the mapping file cannot be used", tuple(problems))
    return ColumnMapping(parts.get("merchants", RoleMapping()), parts.get("transactions", RoleMapping()))


def _compose(where: str, data: bytes, problems: list[Problem]) -> Node | None:
    """Parse YAML to nodes, which keep the text of every scalar and its line."""
    yaml = YAML(typ="safe", pure=True)
    try:
        text = data.decode("utf-8")
        marked = [event for event in _flat(yaml.parse(text)) if getattr(event, "anchor", None) or _is_tagged(event)]
        problems += [PROBLEMS["MS-MAP-002"].at(where, event.start_mark.line + 1) for event in marked]
        return None if problems else yaml.compose(text)
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        problems.append(PROBLEMS["MS-MAP-001"].at(where, mark.line + 1 if mark else None))
        return None


def _flat(events: Iterator[Any]) -> Iterator[Any]:
    """Pass events on until they nest deeper than any mapping does; the parser takes ever longer from there."""
    depth = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith(("MappingStartEvent", "SequenceStartEvent"))
        depth -= name.endswith(("MappingEndEvent", "SequenceEndEvent"))
        if depth > MAX_DEPTH:
            raise YAMLError("nested too deeply")
        yield event


def _is_tagged(event: Any) -> bool:
    return bool(getattr(event, "ctag", None) or getattr(event, "tag", None))


class _Reader:
    """Walks the nodes of a mapping file and collects what is wrong with them."""

    def __init__(self, where: str, problems: list[Problem]) -> None:
        self._where = where
        self._problems = problems

    def role(self, role: str, node: Node) -> RoleMapping:
        """Read the part for one table."""
        parts = dict(self.entries(node, _PARTS))
        known = INPUT_TABLES[role].column_names()
        columns = self._texts(parts.get("columns"), known)
        constants = self._texts(parts.get("constants"), known)
        values = {key: self._texts(part, None) for key, part in self.entries(parts.get("values"), known, "MS-MAP-005")}
        ignore = tuple(self._list(parts.get("ignore")))
        for name in sorted(set(columns) & set(constants)):
            self._note("MS-MAP-007", parts["constants"], name)
        for name in sorted(set(columns.values()) & set(ignore)):
            self._note("MS-MAP-008", parts["ignore"], shown(name))
        return RoleMapping(columns, constants, values, ignore)

    def entries(
        self, node: Node | None, known: Sequence[str] | Mapping[str, Any] | None, code: str = "MS-MAP-004"
    ) -> Iterator[tuple[str, Node]]:
        """Yield the entries of a mapping node whose keys are known; the rest are problems."""
        if node is None or not isinstance(node, MappingNode):
            if node is not None:
                self._note("MS-MAP-006", node)
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._note("MS-MAP-006", key)
            elif key.value in seen:
                self._note("MS-MAP-002", key, shown(key.value))
            elif known is not None and key.value not in known:
                self._unknown(code, key, known)
            else:
                seen.add(key.value)
                yield key.value, value

    def _texts(self, node: Node | None, known: Sequence[str] | None) -> dict[str, str]:
        texts: dict[str, str] = {}
        for key, value in self.entries(node, known, "MS-MAP-005"):
            if isinstance(value, ScalarNode) and value.value:
                texts[key] = value.value
            else:
                self._note("MS-MAP-006", value, shown(key))
        return texts

    def _list(self, node: Node | None) -> Iterator[str]:
        items = node.value if isinstance(node, SequenceNode) else []
        if node is not None and not isinstance(node, SequenceNode):
            self._note("MS-MAP-006", node)
        for item in items:
            if isinstance(item, ScalarNode) and item.value:
                yield item.value
            else:
                self._note("MS-MAP-006", item)

    def _unknown(self, code: str, key: ScalarNode, known: Sequence[str] | Mapping[str, Any]) -> None:
        guess = nearest(key.value, list(known))
        expected = f"perhaps {guess}" if guess else None
        line = key.start_mark.line + 1
        self._problems.append(PROBLEMS[code].at(self._where, line, shown(key.value), expected=expected))

    def _note(self, code: str, node: Node, name: str | None = None) -> None:
        self._problems.append(PROBLEMS[code].at(self._where, node.start_mark.line + 1, name))
