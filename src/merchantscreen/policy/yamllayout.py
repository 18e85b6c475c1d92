"""Where ruamel.yaml takes more than YAML 1.2 allows, or something else than YAML means: found and named.

Rules kept here:

* what stands in a block is indented further than the block, also inside quotes and brackets;
* a comment has a blank before it, a key no question mark, a key in brackets no colon as its last sign;
* a block of text cannot begin with blanks or end without a line break: its indentation would be a guess.

Works on parser events and the text they came from; what the events mean is left to yamlfiles.py.
Source: YAML 1.2.2 chapters 6 to 8; yaml-test-suite (tests/data/yaml_suite), and a comparison with
the `yaml` package of npm on some hundred thousand mutated files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

_BRACKETS: Final = frozenset("[]{}")
_BLOCK_STYLES: Final = frozenset({"|", ">"})
_GLUED_COMMENT: Final = re.compile(r"(?m)^[^#\n]*[^\s#]#")
"""The first `#` of a line straight after a sign, which YAML does not take for the start of a comment."""
_COMMENT: Final = re.compile(r"#.*")
_LONE_INDICATOR: Final = re.compile(r"[-?:](\s|$)")


class Breach(NamedTuple):
    """A breach of YAML's rules; line and column from 1."""

    line: int
    column: int
    found: str


class Layout:
    """Walks along with the parser and compares what it read with how it was written."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.split("\n")
        self._end = 0
        self._end_line = 0

    def breaches(self, event: Any, indent: int, *, in_flow: bool) -> Iterator[Breach]:
        """Check one event; `indent` is the column, from 0, that its lines must exceed."""
        start, end = event.start_mark, event.end_mark
        signs = self._text[start.index : end.index]
        if signs and (hasattr(event, "value") or signs in _BRACKETS):
            yield from self.before(event)
            if in_flow:
                yield from self._indented(self._end_line + 1, start.line, indent, with_comments=False)
            elif not self._lines[start.line][: start.column].strip():
                yield from self._indented(start.line, start.line, indent)
            yield from self._scalar_breaches(event, indent, in_flow=in_flow)
            self._end, self._end_line = end.index, end.line

    def before(self, event: Any) -> Iterator[Breach]:
        """Check what stands between the last part and an event."""
        start = max(self._end - 1, 0)
        glued = _GLUED_COMMENT.search(self._text[start : event.start_mark.index])
        if glued:
            yield self._breach(start + glued.end() - 1, "a comment without a blank before it")

    def before_key(self, event: Any) -> Iterator[Breach]:
        """Refuse `? key`: hardly anybody reads it right, and ruamel.yaml takes the key `?key` for it."""
        between = _COMMENT.sub("", self._text[self._end : event.start_mark.index])
        if "?" in between:
            yield self._breach(event.start_mark.index, "a key after a question mark")
        elif event.start_mark.index == event.end_mark.index:
            yield self._breach(event.start_mark.index, "a value without a key")

    def _scalar_breaches(self, event: Any, indent: int, *, in_flow: bool) -> Iterator[Breach]:
        style, start = getattr(event, "style", None), event.start_mark
        if style in _BLOCK_STYLES:
            yield from self._block_breaches(event)
            return
        yield from self._indented(start.line + 1, event.end_mark.line, indent)
        if in_flow and style is None and hasattr(event, "value"):
            if event.value.endswith(":"):
                yield self._breach(event.end_mark.index - 1, "a colon without a blank after it")
            if _LONE_INDICATOR.match(event.value):
                yield self._breach(start.index, f"`{event.value[0]}` in brackets without a value")

    def _block_breaches(self, event: Any) -> Iterator[Breach]:
        first = event.start_mark.line + 1
        while first < len(self._lines) and not self._lines[first].strip():
            if self._lines[first]:
                yield Breach(first + 1, 1, "blanks in an empty line at the beginning of a block of text")
                return
            first += 1
        if event.end_mark.index >= len(self._text) and self._lines[-1].isspace():
            yield Breach(len(self._lines), 1, "blanks after the last line break")

    def _indented(self, first: int, last: int, indent: int, *, with_comments: bool = True) -> Iterator[Breach]:
        for line in range(first, last + 1):
            said = self._lines[line].lstrip(" ")
            column = len(self._lines[line]) - len(said)
            if said and column <= indent and (with_comments or not said.startswith("#")):
                yield Breach(line + 1, column + 1, "a line that is not indented far enough")

    def _breach(self, index: int, found: str) -> Breach:
        before = self._text[:index]
        return Breach(before.count("\n") + 1, index - before.rfind("\n"), found)
