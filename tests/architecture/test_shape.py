"""The shape of the code: functions that fit on a screen, and a description of its own for everything public."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from architecture.package import Module, modules

LONGEST: Final = 60
"""Most lines of a function, its docstring included: it has to fit on a screen."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Described = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def test_every_function_fits_on_a_screen() -> None:
    """No function is longer than a screen."""
    long = [
        f"{module.name}.{node.name}: {_lines(node)} lines"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, Function) and _lines(node) > LONGEST
    ]
    assert long == []


def test_every_public_thing_is_described() -> None:
    """Every module, public class and public function says what it is for."""
    bare = [module.name for module in modules().values() if not ast.get_docstring(module.tree)]
    bare += [f"{module.name}.{name}" for module, name, node in _public() if not ast.get_docstring(node)]
    assert bare == []


def test_no_description_is_copied() -> None:
    """A copied sentence is a wrong one; only a method that fills in a protocol's method may repeat it."""
    said: dict[str, list[str]] = defaultdict(list)
    for module in modules().values():
        said[ast.get_docstring(module.tree) or ""].append(module.name)
    for module, name, node in _public():
        said[ast.get_docstring(node) or ""].append(f"{module.name}.{name}")
    assert {text: places for text, places in said.items() if text and _copied(places)} == {}


def _copied(places: list[str]) -> bool:
    """Tell whether places that say the same are anything but one method in several classes."""
    owners = [place.split(".")[:-1][-1:] for place in places]
    one_method = len({place.rpartition(".")[2] for place in places}) == 1 and all(
        o[0][:1].isupper() for o in owners if o
    )
    return len(places) > 1 and not one_method


def _lines(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _public() -> Iterator[tuple[Module, str, Described]]:
    """Yield public classes, their public methods and public functions, with the name inside the module."""
    for module in modules().values():
        yield from ((module, name, node) for name, node in _public_in(module.tree.body, ""))


def _public_in(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, Described]]:
    for node in body:
        if isinstance(node, Described) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public_in(node.body, f"{prefix}{node.name}.")
