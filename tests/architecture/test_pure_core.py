"""The core takes the clock, chance and the environment as arguments, and neither prints nor exits."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from architecture.package import Module, imported_names, modules

CLOCK_CALLS: Final = ("datetime.now", "datetime.today", "datetime.utcnow", "date.today")
CLOCK_IMPORTS: Final = ("time.time", "time.monotonic", "time.perf_counter", "time.localtime", "time.gmtime")
CHANCE: Final = frozenset({"random", "secrets", "uuid"})
ENVIRONMENT: Final = frozenset({"environ", "getenv", "urandom", "getlogin", "getpid", "gethostname"})
OUTSIDE_THE_CORE: Final = frozenset({"intake", "engines", "eventlog"})
"""Areas of floors 1 to 5 that touch files and processes; they still read no clock."""


def test_no_clock_below_the_command_line() -> None:
    """What time it is comes in as an argument everywhere below the command line."""
    found = [f"{m.name}:{line} {what}" for m in _below_the_command_line() for what, line in _clock(m)]
    assert found == []


def test_no_chance_and_no_environment_in_the_core() -> None:
    """The core draws no random numbers and reads no environment variable."""
    core = [m for m in _below_the_command_line() if m.floor <= 5 and m.area not in OUTSIDE_THE_CORE]
    imports = [f"{m.name}:{line} {name}" for m in core for name, line in imported_names(m)
               if name.split(".")[0] in CHANCE or name.startswith("numpy.random")]  # fmt: skip
    reads = [f"{m.name}:{node.lineno} {node.attr}" for m in core for node in _attributes(m) if node.attr in ENVIRONMENT]
    assert imports + reads == []


def test_the_library_is_silent_and_never_exits() -> None:
    """Nothing below the command line prints, writes to the terminal or ends the process."""
    found = [f"{m.name}:{node.lineno} {ast.unparse(node)}" for m in _below_the_command_line() for node in _speech(m)]
    assert found == []


def _below_the_command_line() -> list[Module]:
    return [module for module in modules().values() if module.floor < 7]


def _clock(module: Module) -> Iterator[tuple[str, int]]:
    yield from ((name, line) for name, line in imported_names(module) if name.startswith(CLOCK_IMPORTS))
    for node in _attributes(module):
        if ast.unparse(node).endswith(CLOCK_CALLS) or ast.unparse(node) in CLOCK_IMPORTS:
            yield ast.unparse(node), node.lineno


def _attributes(module: Module) -> Iterator[ast.Attribute]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute))


def _speech(module: Module) -> Iterator[ast.expr]:
    """Find calls of print and of whatever ends the process; a child process may end itself in intake."""
    spoken = {"print", "exit", "quit", "input", "sys.exit", "SystemExit", "sys.stdout.write", "sys.stderr.write"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in spoken:
            yield node
