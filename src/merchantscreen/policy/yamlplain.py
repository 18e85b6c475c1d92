"""Reads policy files that are written the plain way, ten times as fast as the full reader of yamlfiles.

Rules kept here:

* plain is: block mappings and lists; after a key or a dash one line of plain text, of quoted text without escapes or
  of flat brackets, or a block of text without blank lines; comments on lines of their own;
* of whatever is written another way nothing is read here, so the full reader alone says what is wrong with a file;
* a tree that is read here is the one that the full reader gives, with all its places; a property test holds the two
  together.

The caller has looked at size, lines and characters before.
"""

from __future__ import annotations

import re
from typing import Final

from merchantscreen.policy.yamltree import Listing, Mapping, Node, Place, Scalar

_DEEPEST: Final = 10
_MOST_SIGNS: Final = 9_000
"""More line breaks, colons and commas than this may be more parts than a file may have."""
_KEY: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,99}):(?: (?=\S)|$)")
_PLAIN: Final = re.compile(r"-?[A-Za-z0-9_(](?:(?!: | #).)*(?<![ :])")
_QUOTED: Final = re.compile(r"""(["'])((?:(?!\1)[^\\])*)\1""")
_ITEM: Final = re.compile(
    r"""(?:(?P<key>[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}):\ )?
        (?:(?P<style>["'])(?P<quoted>(?:(?!(?P=style))[^\\])*)(?P=style)|(?P<plain>-?\w(?:[\w./+\ -]*[\w./+-])?))
        (?P<end>,\ |$)""",
    re.VERBOSE,
)
_BLOCKS: Final = {">": " ", "|": "\n"}
"""What stands between the lines of a block of text, by its sign."""
_BRACKETS: Final = {"[": "]", "{": "}"}


class _NotPlainError(Exception):
    """Raised where a file is written another way."""


def read_plain(text: str) -> Mapping | None:
    """Read a file that is written the plain way; None if it is not, whatever is the reason.

    Args:
        text: The whole file, every character of which is visible, a blank or a line feed.
    """
    signs = text.count("\n") + 2 * text.count(":") + text.count(",")
    if not text.endswith("\n") or signs > _MOST_SIGNS:
        return None
    try:
        return _Reader(text.split("\n")).read()
    except _NotPlainError:
        return None


class _Reader:
    """Walks down the lines of a file."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0

    def read(self) -> Mapping:
        """Read all lines as one mapping."""
        if self._next() != 0:
            raise _NotPlainError
        root = self._mapping(0, 1)
        if self._at < len(self._lines):
            raise _NotPlainError
        return root

    def _next(self) -> int:
        """Go to the next line that says something and return its indentation; -1 at the end."""
        for self._at in range(self._at, len(self._lines)):  # noqa: B020  # Goes on from where it stands.
            line = self._lines[self._at]
            said = line.lstrip(" ")
            if line and not said:
                raise _NotPlainError
            if said and not said.startswith("#"):
                return len(line) - len(said)
        self._at = len(self._lines)
        return -1

    def _goes_on(self, indent: int) -> bool:
        """Tell whether the next line belongs to the same block; what is indented further belongs to nothing."""
        following = self._next()
        if following > indent:
            raise _NotPlainError
        return following == indent

    def _mapping(self, indent: int, depth: int) -> Mapping:
        """Read a mapping whose keys begin at a column, from 0; the first of them is in the line at hand."""
        mapping = Mapping(Place(self._at + 1, indent + 1))
        while True:
            line = self._lines[self._at]
            key = _KEY.match(line, indent)
            if key is None or key[1] in mapping.entries:
                raise _NotPlainError
            mapping.key_places[key[1]] = Place(self._at + 1, indent + 1)
            mapping.entries[key[1]] = self._value(key.end(), indent, depth + 1)
            if not self._goes_on(indent):
                return mapping

    def _listing(self, indent: int, depth: int) -> Listing:
        """Read a list whose dashes stand at a column, from 0; the first of them is in the line at hand."""
        listing, inner = Listing(Place(self._at + 1, indent + 1)), indent + 2
        while True:
            line = self._lines[self._at]
            if line[indent:inner] != "- " or line[inner : inner + 1] in {"", " "}:
                raise _NotPlainError
            is_mapping = _KEY.match(line, inner) is not None
            item = self._mapping(inner, depth + 1) if is_mapping else self._value(inner, indent, depth + 1)
            listing.items.append(item)
            if not self._goes_on(indent):
                return listing

    def _value(self, column: int, indent: int, depth: int) -> Node:
        """Read what begins at a column of the line at hand; it belongs to a block of some indentation."""
        said, place = self._lines[self._at][column:], Place(self._at + 1, column + 1)
        if depth > _DEEPEST:
            raise _NotPlainError
        if not said:
            return self._inner_block(indent, depth)
        if said[0] in _BLOCKS:
            return self._text(said, place, indent)
        self._at += 1
        if said[0] in _BRACKETS:
            return _flow(said, place)
        if quoted := _QUOTED.fullmatch(said):
            return Scalar(quoted[2], plain=False, place=place, style=quoted[1])
        if _PLAIN.fullmatch(said):
            return Scalar(said, plain=True, place=place)
        raise _NotPlainError

    def _inner_block(self, indent: int, depth: int) -> Node:
        self._at += 1
        inner = self._next()
        if inner <= indent:
            raise _NotPlainError
        return (self._listing if self._lines[self._at].startswith("- ", inner) else self._mapping)(inner, depth)

    def _text(self, sign: str, place: Place, indent: int) -> Scalar:
        """Read a block of text, all its lines indented alike."""
        if sign[1:] not in {"", "-"}:
            raise _NotPlainError
        first = self._lines[self._at + 1]
        inner = len(first) - len(first.lstrip(" "))
        said: list[str] = []
        self._at += 1
        while (line := self._lines[self._at]).startswith(" " * inner) and line[inner:]:
            if line[inner] == " " or line.endswith(" "):
                raise _NotPlainError
            said.append(line[inner:])
            self._at += 1
        if not said or inner <= indent or self._next() > indent:
            raise _NotPlainError
        return Scalar(_BLOCKS[sign[0]].join(said) + ("" if sign[1:] else "\n"), plain=False, place=place, style=sign[0])


def _flow(said: str, place: Place) -> Node:
    """Read flat brackets in one line."""
    if not said.endswith(_BRACKETS[said[0]]):
        raise _NotPlainError
    mapping, listing, at = Mapping(place), Listing(place), 1
    while item := _ITEM.match(said[:-1], at):
        key, column = item["key"], place.column + item.start("style" if item["style"] else "plain")
        text = item["plain"] or item["quoted"]
        value = Scalar(text, plain=not item["style"], place=Place(place.line, column), style=item["style"])
        if (key is None) != (said[0] == "[") or key in mapping.entries:
            raise _NotPlainError
        listing.items.append(value)
        if key is not None:
            mapping.entries[key] = value
            mapping.key_places[key] = Place(place.line, place.column + at)
        at = item.end()
        if not item["end"]:
            return listing if key is None else mapping
    raise _NotPlainError
