"""Verbs that are imported when they are asked for, so that a short command starts without what long ones need.

Rules kept here:
* a group knows the name of a verb and where it is written, as an entry point is: `module:attribute`;
* whoever names a verb gets that one; only a listing with its lines of help reads them all;
* what a verb says of itself stands beside the verb, and nowhere else;
* no verb loads SQL before a log is opened, and nothing that would like to have it at hand loads it for us;
* what a verb consists of lives as long as the process, so nobody looks for garbage in it: that is a sixth of a start.

The mapping takes the place of typer's dict of commands, so help, refusals and suggestions stay typer's own.
Source: the LazyGroup of click's documentation, "Lazily Loading Subcommands".
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from merchantscreen.referrals.bulk import without_collector


class _Verbs(MutableMapping[str, Any]):
    """The verbs of a group by name, in the order of its listing; each is made once."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places: Final = places
        self._made: Final[dict[str, Any]] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _command(name, self._places[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        raise TypeError(f"{name}: a verb is added by a line in the table of its group")

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"{name}: a verb goes with its line in the table of its group")

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _command(name: str, place: str) -> Any:
    """Import a verb, or a group of verbs, and make typer's command of it."""
    module, _, attribute = place.partition(":")
    with without_collector(), _out_of_sight("sqlalchemy"):
        found = getattr(import_module(module), attribute)
    gc.freeze()
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name)(found)
    return typer.main.get_command(alone)


@contextmanager
def _out_of_sight(package: str) -> Iterator[None]:
    """Let a package that nobody has loaded look like one that is not installed, as long as a block lasts.

    dataframely can describe tables for SQLAlchemy and loads all of it where it is there: an eighth of a start, for
    what nobody asks of it here.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # the import system's own mark of what cannot be had
    try:
        yield
    finally:
        del sys.modules[package]


def verbs(places: Mapping[str, str]) -> type[TyperGroup]:
    """Make the kind of group whose verbs are imported on demand; give it to `typer.Typer` as `cls`.

    Args:
        places: `module:attribute` of each verb by its name, in the order of the listing. An attribute is a function,
            or the `typer.Typer` of a group below.
    """

    class OnDemand(TyperGroup):
        """A group with the verbs of one table."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands = _Verbs(places)

    return OnDemand
