"""The floors of the package: imports go down or sideways, and never in a circle."""

from __future__ import annotations

import ast

import networkx as nx

from architecture.package import FLOORS, Module, imported_modules, modules

_ON_REQUEST = {
    "merchantscreen.cli.screen": "merchantscreen.cli.desk",
    "merchantscreen.cli.workspaces": "merchantscreen.workspace",
    "merchantscreen.engines.spark": "pyspark",
    "merchantscreen.eventlog.log": "merchantscreen.eventlog",
    "merchantscreen.eventlog.verification": "merchantscreen.eventlog",
}
"""What a module imports when it is ordered, or for its types alone: docs/adr/0025-spark-is-optional.md; SQL and all of
a workspace by docs/adr/0006-dependencies.md."""


def test_every_module_is_on_a_floor() -> None:
    """A module that nobody has given a floor to is an error."""
    assert sorted({module.area for module in modules().values()} - set(FLOORS)) == []


def test_imports_never_go_up() -> None:
    """A module imports from its own floor or from below, in-function and typing-only imports included."""
    upward = [
        f"{module.name} (floor {module.floor}) imports {name} (floor {modules()[name].floor})"
        for module in modules().values()
        for name in sorted(imported_modules(module))
        if modules()[name].floor > module.floor
    ]
    assert upward == []


def test_no_two_modules_import_each_other() -> None:
    """No circle of imports exists anywhere in the package, in-function and typing-only imports included."""
    graph = nx.DiGraph((module.name, name) for module in modules().values() for name in imported_modules(module))
    circles = [sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1]
    assert circles == []


def test_the_ground_floor_imports_nothing_of_ours() -> None:
    """Errors and vocabulary stand on nothing else in the package."""
    ground = [module for module in modules().values() if module.floor == 0]
    assert {module.name: sorted(imported_modules(module)) for module in ground} == {m.name: [] for m in ground}


def test_imports_stand_at_the_top_of_the_file() -> None:
    """A module shows at its top what it depends on; no import hides inside a function."""
    hidden = []
    for module in modules().values():
        # an optional package is tried for, at the top like all others
        tried = [node for outer in module.tree.body if isinstance(outer, ast.Try) for node in outer.body]
        top = {id(node) for node in (*module.tree.body, *tried)}
        hidden += [f"{module.name}:{node.lineno}" for node in _imports(module.tree)
                   if id(node) not in top and not _is_on_request(module, node)]  # fmt: skip
    assert hidden == []


def _is_on_request(module: Module, node: ast.Import | ast.ImportFrom) -> bool:
    """Tell an import of what waits until it is ordered."""
    wanted = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    return module.name in _ON_REQUEST and f"{wanted}.".startswith(f"{_ON_REQUEST[module.name]}.")


def _imports(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
