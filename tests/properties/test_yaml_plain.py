"""Files that are read the plain way give the tree, with all its places, that the full reader gives."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from merchantscreen.policy.yamlfiles import _Reader, read_yaml
from merchantscreen.policy.yamlplain import read_plain

RULES: Final = sorted((Path(__file__).parents[2] / "rules").rglob("*.yml"))
TEXTS: Final = [path.read_text(encoding="utf-8") for path in RULES]
SHORT: Final = [text for text in TEXTS if len(text) < 4_000]
PIECES: Final = st.sampled_from([
    "", " ", "  ", "\n", "\n\n", "#", " #", "# c", ":", ": ", "- ", "-", "? ", ",", ", ", "[", "]", "{", "}", "{a: b}",
    "[a, b]", "'", '"', "\\", "''", ">", ">-", "|", "|-", "|2", "&a", "*a", "!t", "<<: a", "%", "@", "`", "~", "null",
    "---", "...", "a", "1", "-1", "\u00e9", "a: b", "key:\n", "key:\n  ", "- - a", "\n  x", "\n# c\n", "+", "=", "(",
])  # fmt: skip
LINES: Final = st.sampled_from([
    "a:", "b: 1", "c: x y", "a: [x, -1, 'y']", 'd: {k: v, m: "n"}', "e: >-", "f: |", "- x", "- k: v", "-", "k: 'q'",
    "text of a block", '- "q"', "# said", "", " ", "g: http://x", "h: a: b", "i: a #b", "j: a#b", "n: -", "o: - x",
    "p: x ", "q: {}", "r: []", "s: [a,b]", "t: [a: b]", "u: {a}", "- [x]", "- {k: v}", "-  x", "v:  x", "? w", "x: ?",
    "y: *a", "1: 2", "-1: 2", "- -1", "null: null", "z: (x", "- 'x': y", "'x': y", "a.b-c: d", "a: {a: 1, a: 2}",
])  # fmt: skip


@st.composite
def altered_rules(draw: st.DrawFn) -> str:
    """Draw a rule file of ours with something put in the place of a few signs."""
    text = draw(st.sampled_from(SHORT))
    for _ in range(draw(st.integers(1, 2))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(PIECES) + text[start + draw(st.integers(0, 3)) :]
    return text


@st.composite
def drawn_files(draw: st.DrawFn) -> str:
    """Draw a file line by line, more or less indented."""
    said = draw(st.lists(st.tuples(st.sampled_from([0, 0, 0, 2, 2, 4, 1]), LINES), min_size=1, max_size=9))
    return "".join(f"{' ' * indent}{line}\n" for indent, line in said)


def require_same(text: str) -> None:
    """Ask the full reader whatever was read the plain way."""
    plain = read_plain(text)
    if plain is not None and text.replace("\n", "").isprintable():
        assert _Reader("a.yml", text).read() == (plain, [])
        assert read_yaml("a.yml", text.encode()) == (plain, [])


def test_our_own_files_are_read_the_plain_way() -> None:
    """All of them are, and alike both ways; otherwise the tests below would hardly compare anything."""
    for text in TEXTS:
        assert read_plain(text) is not None
        assert read_yaml("a.yml", text.encode()) == _Reader("a.yml", text).read()


@settings(max_examples=150, deadline=None)
@given(altered_rules())
def test_altered_rules_are_read_alike(text: str) -> None:
    """A slip in a rule file is either left to the full reader, or means the same to both."""
    require_same(text)


@settings(max_examples=400, deadline=None)
@given(drawn_files())
@example("a:\n  - x\n  - k: v\n    l: >-\n      one\n      two\nb: {k: v, l: 'm'}\n")
@example("a: >\n  one\n # said\n  two\n")
@example("a: >-\n  one\n\n  two\n")
@example("a:\n- x\n")
def test_drawn_files_are_read_alike(text: str) -> None:
    """What is read the plain way is what the full reader reads, without a problem."""
    require_same(text)
