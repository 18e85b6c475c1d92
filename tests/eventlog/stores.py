"""Kinds of stores the contract is tried on, and what somebody who owns the store can do to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from merchantscreen.eventlog.log import Log, create_log, open_log
from merchantscreen.eventlog.merkle import Edge, leaf_hash
from merchantscreen.eventlog.schema import MIGRATIONS, Migration
from merchantscreen.eventlog.stored import Place

ORIGIN: Final = "log.example/tests"
AT: Final = datetime(2026, 11, 1, 12, 30, 0, 250)


@dataclass
class Site:
    """A place for one log, and the way to it past our program.

    Attributes:
        place: What a log is created and opened with.
        folder: A folder for other files.
    """

    place: Place
    folder: Path
    _engines: list[sa.Engine] = field(default_factory=list)
    _log: Log | None = None

    @property
    def is_file(self) -> bool:
        """Tell whether the log is a SQLite file."""
        return isinstance(self.place, Path)

    def create(self, **options: Any) -> Log:
        """Make a new log."""
        return create_log(self.place, ORIGIN, **options)

    def open(self, **options: Any) -> Log:
        """Open the log again."""
        return open_log(self.place, **options)

    def shared(self) -> Log:
        """Return one log for all examples of a test, closed with the site."""
        self._log = self._log or self.create()
        return self._log

    def engine(self) -> sa.Engine:
        """Return a way to the database that knows nothing of ours."""
        address = f"sqlite:///{self.place}" if self.is_file else str(self.place).replace(":", "+psycopg:", 1)
        self._engines.append(sa.create_engine(address))
        return self._engines[-1]

    def run(self, statement: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Run one statement as any program could."""
        with self.engine().begin() as connection:
            answer = connection.execute(sa.text(statement), values or {})
            return list(answer) if answer.returns_rows else []

    def tamper(self, *statements: str, **values: Any) -> None:
        """Run statements as the owner of the store can: with the triggers off, and on again afterwards."""
        with self.engine().begin() as connection:
            triggers = self._switch_off(connection)
            for statement in statements:
                connection.execute(sa.text(statement), values)
            for trigger in triggers:
                connection.exec_driver_sql(trigger)

    def close(self) -> None:
        """Let go of all connections."""
        if self._log is not None:
            self._log.close()
        for engine in self._engines:
            engine.dispose()

    def _switch_off(self, connection: sa.Connection) -> list[str]:
        if not self.is_file:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            return []
        asked = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        triggers = connection.exec_driver_sql(asked).all()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        return [sql for _, sql in triggers]


def filled(site: Site, count: int = 8) -> Log:
    """Make a log with a few events; every second has a personal value."""
    log = site.create()
    for number in range(count):
        personal = {"note": f"note {number}"} if number % 2 == 0 else {}
        log.append("run.finished", "staff-17", {"run": f"r{number}"}, at=AT, personal=personal)
    return log


def leaves(site: Site) -> list[bytes]:
    """Return the stored bytes of all events."""
    return [bytes(row[0]) for row in site.run("SELECT leaf FROM eventlog_events ORDER BY position")]


def rewrite_head(site: Site) -> None:
    """Recompute what the store keeps of the tree, as a careful forger would."""
    edge = Edge().extended(leaf_hash(leaf) for leaf in leaves(site))
    size = f"UPDATE eventlog_head SET size = {edge.size}, edge = :edge"
    gone = f"DELETE FROM eventlog_personal WHERE position >= {edge.size}"
    site.tamper(size, edge=edge.packed())
    site.tamper(gone)


NEXT: Final = Migration(
    len(MIGRATIONS) + 1,
    ("CREATE TABLE eventlog_tried (id INTEGER PRIMARY KEY) STRICT",),
    ("CREATE TABLE eventlog_tried (id INTEGER PRIMARY KEY)",),
)
"""A migration that does not exist, to try what migrations do."""


def raw_file(path: Path, *statements: str) -> None:
    """Run statements on a SQLite file without any of our settings."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
