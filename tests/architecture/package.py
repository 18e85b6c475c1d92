"""The package as its architecture tests see it: modules, floors and imports, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "src"
NAME: Final = "merchantscreen"

FLOORS: Final[dict[str, int]] = {
    "": 0, "errors": 0, "vocabulary": 0,
    "records": 1, "tables": 1, "cards": 1, "contacts": 1, "disk": 1, "domains": 1, "identifiers": 1, "nano": 1,
    "numbering": 1,
    "intake": 2, "policy": 2, "features": 2, "eventlog": 2,
    "referrals": 3, "engines": 3, "traffic": 3, "unstaged": 3,
    "links": 4, "blindspots": 4, "neighbourhood": 4, "evidence": 4, "paths": 4, "ranking": 4,
    "measuring": 4, "skew": 4,
    "screening": 5, "cases": 5, "retro": 5,
    "bundle": 6, "rundiff": 6, "outputs": 6, "simulation": 6, "backtest": 6, "workspace": 6,
    "cli": 7, "__main__": 7,
}  # fmt: skip
"""The floor of every module or folder right under the package. DESIGN: imports go down or sideways, never up."""


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its path and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def area(self) -> str:
        """Name of the module or folder right under the package; empty for the package itself."""
        return [*self.name.split("."), ""][1]

    @property
    def floor(self) -> int:
        """Return the floor it lives on."""
        return FLOORS[self.area]

    @property
    def is_package(self) -> bool:
        """Tell whether it is a folder's `__init__`."""
        return self.path.name == "__init__.py"


@cache
def modules() -> dict[str, Module]:
    """Read every source file of the package, by dotted name."""
    found = {}
    for path in sorted((SOURCE / NAME).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return found


def imported_names(module: Module) -> Iterator[tuple[str, int]]:
    """Yield every dotted name a file imports, at any depth, for run time or for types only, with its line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def imported_modules(module: Module) -> set[str]:
    """Return our own modules that a file imports."""
    ours = (name for name, _ in imported_names(module) if name.split(".")[0] == NAME)
    return {_existing(name) for name in ours} - {module.name}


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.name.split(".")
    base = parts if module.is_package else parts[:-1]
    kept = base[: len(base) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _existing(name: str) -> str:
    """Cut a dotted name back to the module that it is in."""
    while name not in modules():
        name = name.rpartition(".")[0]
    return name
