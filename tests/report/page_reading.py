"""A report page read back: its tags without their text, and its tables by id."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

VOID: Final = frozenset("meta input br link img".split())
IMPLIED: Final = {"td": "td th", "th": "td th", "tr": "td th tr", "li": "li", "dt": "dt dd", "dd": "dt dd"}
"""Elements that the beginning of another ends without a tag of their own, by the HTML standard."""
OPTIONAL: Final = frozenset("td th tr li dt dd".split())
BREAKS: Final = frozenset("td th tr li dt dd p text tspan h4".split())
"""Elements whose text does not run on from what stands before."""
Tag = tuple[str, tuple[tuple[str, str | None], ...]]


@dataclass
class Part:
    """An element with its text and its rows, where it has any."""

    tag: str
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)


class Page(HTMLParser):
    """Reads a page; fails where tags do not pair up."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[Tag] = []
        self.ids: dict[str, Part] = {}
        self.texts: dict[str, str] = {}
        self.headings: list[int] = []
        self._open: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, end what it ends, and open its element."""
        while self._open and self._open[-1][0] in IMPLIED.get(tag, "").split():
            self._open.pop()
        self.tags.append((tag, tuple(attrs)))
        if tag in BREAKS:
            self._say("\n")
        name = dict(attrs).get("id")
        if tag in VOID or (self.get_starttag_text() or "").endswith("/>"):
            return
        if name is not None:
            assert name not in self.ids, name
            self.ids[name] = Part(tag)
        if tag in {"h1", "h2", "h3", "h4"}:
            self.headings.append(int(tag[1]))
        self._open.append((tag, name))
        for _, inside in self._open[:-1]:
            if inside is not None and self.ids[inside].tag == "table":
                if tag == "tr":
                    self.ids[inside].rows.append([])
                elif tag in {"td", "th"}:
                    self.ids[inside].rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag without content."""
        self.tags.append((tag, tuple(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close an element; it has to be the last one opened but for those whose end may go unsaid."""
        while self._open and self._open[-1][0] in OPTIONAL and self._open[-1][0] != tag:
            self._open.pop()
        assert self._open
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        """Add text to every element it is in."""
        if self._open and self._open[-1][0] in {"style", "script"}:
            self.texts[self._open[-1][0]] = self.texts.get(self._open[-1][0], "") + data
        in_cell = any(tag in {"td", "th"} for tag, _ in self._open)
        self._say(data)
        for _, name in self._open:
            if name is not None:
                part = self.ids[name]
                if part.tag == "table" and in_cell:
                    part.rows[-1][-1] += data

    def _say(self, data: str) -> None:
        """Add text to every element with a name that is open."""
        for _, name in self._open:
            if name is not None:
                self.ids[name].text += data

    def cells(self, name: str) -> list[list[str]]:
        """Give the rows of a table under its heading."""
        return [[" ".join(cell.split()) for cell in row] for row in self.ids[name].rows[1:]]
