"""A command starts with what it needs: a verb is imported when it is asked for, and not before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from cli.command import every_verb

HEAVY: Final = frozenset("dataframely jinja2 narwhals networkx numpy polars sqlalchemy sqlglot xlsxwriter".split())
"""What takes its time to import, and says neither which version this is nor that there is no such verb."""

WATCH: Final = """
import json, sys
from merchantscreen.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def _started(*words: str) -> tuple[int, set[str]]:
    """Run a command in a process of its own and return how it ended and all that was imported."""
    done = subprocess.run([sys.executable, "-c", WATCH, *words], capture_output=True, text=True, check=True)
    code, imported = json.loads(done.stderr.splitlines()[-1])
    return code, set(imported)


@pytest.mark.parametrize(
    ("words", "ends"), [("--version", 0), ("no-such-verb", 2), ("hotline no-such-verb", 2), ("screen-all --help", 2)]
)
def test_a_short_answer_imports_nothing_heavy(words: str, ends: int) -> None:
    """Neither the version nor a refusal waits for what only a verb needs."""
    code, imported = _started(*words.split())
    assert code == ends
    assert {name.partition(".")[0] for name in imported} & HEAVY == set()


def test_a_verb_imports_no_other_verb() -> None:
    """Whoever asks for one verb does not wait for those beside it."""
    _, imported = _started("explain", "--help")
    assert {"merchantscreen.cli.explain", "polars"} <= imported
    assert {"merchantscreen.cli.screen", "merchantscreen.cli.rules", "merchantscreen.simulation"} & imported == set()


def test_every_verb_is_where_its_group_says() -> None:
    """Each name leads to a command with help of its own and the name it was asked by."""
    found = every_verb()
    assert len(found) > 50
    assert {words: command.name for words, command in found.items()} == {words: words.split()[-1] for words in found}
    assert [words for words, command in found.items() if not command.help] == []


@pytest.mark.parametrize("verb", ["screen", "explain", "reproduce", "decide"])
def test_sql_waits_until_a_log_is_opened(verb: str) -> None:
    """dataframely is there and would have loaded SQLAlchemy, which is not: docs/adr/0006-dependencies.md."""
    code, imported = _started(verb, "--help")
    assert code == 0
    assert "dataframely" in imported
    assert not any(name.partition(".")[0] == "sqlalchemy" for name in imported)


def test_sql_is_there_once_a_log_is_opened(tmp_path: Path) -> None:
    """Nothing of it stays hidden: a workspace is made, and its log read, each in a process of its own."""
    for words in (["init", str(tmp_path / "desk")], ["log", "verify", "--workspace", str(tmp_path / "desk")]):
        code, imported = _started(*words)
        assert (code, "sqlalchemy" in imported) == (0, True), words
