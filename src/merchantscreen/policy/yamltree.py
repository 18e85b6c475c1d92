"""What a policy file is read into: texts, lists and mappings, each with its place in the file."""

from __future__ import annotations

from dataclasses import dataclass, field


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
