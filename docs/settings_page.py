"""The page on the settings of a workspace: every setting as the code has it, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from merchantscreen.outputs.rulepages import code, table
from merchantscreen.workspace.access import OPERATIONS, Role
from merchantscreen.workspace.settings import FILE, FILE_ONLY, PREFIX, WORKSPACE_VARIABLE, Settings

NOTE: Final = "<!-- Made by `make docs`. Change the code, not this page. -->"

EXAMPLE: Final = """\
name = "desk"
audience = "network-one"
store = "postgresql://merchantscreen@db.example/desk"
require_approved = true
stale_after_hours = 48
four_eyes = ["T1"]
holidays = [2026-12-25, 2027-01-01]

[due]
T1 = "5 business days"
T2 = "mmsp-remedy"

[roles]
anna = ["intake"]
ben = ["analyst"]
carla = ["lead"]
dora = ["auditor"]

[people]
desk = ["anna", "ben"]
"""
"""A file that the tests of this page read."""

_FRAME: Final = (
    f"A workspace has one settings file, {code(FILE)}. A variable of the environment wins over it, but cannot set what "
    "holds people to something. What is not known is refused, in the file and in the environment, with the line where "
    "the file has it. Paths are taken from the folder of the workspace, which is the one of "
    f"{code('--workspace')}, of {code(WORKSPACE_VARIABLE)}, or the nearest around the current folder."
)
_ROLES: Final = (
    "## Roles\n\nA person is the system user that runs the program, or with `--as` a name that `people` lists for "
    "that user. While nobody has a role, everybody who can open the workspace may do everything."
)
_WORTH: Final = (
    "## What roles are worth\n\nThey keep colleagues to their tasks, and every refusal is in the log as "
    "`access.refused`. They do not stop whoever administers the machine: such a person can become any user, change "
    "this file, or work on the store directly. The log makes that show against a checkpoint that was kept elsewhere "
    "(`log verify --against`): it is detected, not prevented."
)
_WORDS: Final = {str: "text", int: "whole number", bool: "`true` or `false`", Path: "path", date: "date"}


def page() -> str:
    """Put the page together."""
    blocks = (
        "# Settings", NOTE, _FRAME, table(("setting", "type", "default", "meaning", "environment"), _rows()),
        f"## Example\n\n```toml\n{EXAMPLE}```", _ROLES, table(("operation", *Role), _operations()), _WORTH,
    )  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def _rows() -> Iterator[tuple[object, ...]]:
    for name, field in Settings.model_fields.items():
        variable = "none: the file only" if name in FILE_ONLY else code(f"{PREFIX}{name.upper()}")
        yield code(name), _type(field.annotation), _default(field), field.description, variable


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "none: it has to be set"
    if field.default is None or (not field.default and not isinstance(field.default, bool | int)):
        return "none"
    value = field.default
    if isinstance(value, Mapping):
        return ", ".join(code(f"{name} = {inner}") for name, inner in value.items())
    return code(str(value).lower() if isinstance(value, bool) else value)


def _type(annotation: Any) -> str:
    """Say what a value looks like in the file."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _type(inner[0])
    if origin is Union or NoneType in inner:
        return _type(next(one for one in inner if one is not NoneType))
    if origin is frozenset and get_origin(inner[0]) is Literal:
        return f"list, each {_type(inner[0])}"
    if origin is frozenset:
        return f"list of {_type(inner[0])}s"
    if isinstance(origin, type) and len(inner) == 2:
        return f"table of {_type(inner[1])}"
    if origin is Literal:
        return f"one of {', '.join(code(one) for one in inner)}"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "role"
    return _WORDS[annotation]


def _operations() -> Iterator[tuple[object, ...]]:
    for operation, allowed in OPERATIONS.items():
        yield code(operation), *("yes" if role in allowed else "" for role in Role)
