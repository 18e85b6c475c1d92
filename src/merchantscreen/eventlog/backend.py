"""What a store needs to know of the database under it; sqlite.py and postgresql.py each make one.

Foreign errors end here: whatever SQLAlchemy or a driver raises becomes one of
ours, and none of its words, which may quote a value or an address, is passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from merchantscreen.errors import MerchantScreenError, UsageError
from merchantscreen.eventlog import problems
from merchantscreen.eventlog.schema import SCHEMA, Migration
from merchantscreen.eventlog.stored import refusal


@dataclass(frozen=True, slots=True)
class Backend:
    """A database that holds a log.

    Attributes:
        name: What messages call it: a file name or the name of a database, without folders or passwords.
        engine: SQLAlchemy's engine.
        failure: Turns a driver's error into ours.
        reading: Execution options of a transaction that only reads.
        writing: Execution options of a transaction that writes.
        opening: Statements at the beginning of a transaction that writes.
    """

    name: str
    engine: sa.Engine
    failure: Callable[[str, BaseException | None], MerchantScreenError]
    reading: Mapping[str, Any] = field(default_factory=dict)
    writing: Mapping[str, Any] = field(default_factory=dict)
    opening: tuple[str, ...] = ()

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        """Run a block in one transaction: all of it becomes durable, or nothing."""
        options = self.writing if writes else self.reading
        with self.translated(), self.engine.connect() as plain:
            connection = plain.execution_options(**options)
            with connection.begin():
                for statement in self.opening if writes else ():
                    connection.exec_driver_sql(statement)
                yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn foreign errors of a block into ours."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self.failure(self.name, error.orig) from error
        except (sa.exc.SQLAlchemyError, UnicodeError, OverflowError) as error:
            # A damaged file can make SQLite's driver stumble over the text of its own message.
            raise self.failure(self.name, None) from error


def stored_version(connection: sa.Connection) -> int:
    """Return the version of the schema in a database."""
    return connection.execute(sa.select(sa.func.max(SCHEMA.c.version))).scalar_one() or 0


def require_known(name: str, version: int, migrations: tuple[Migration, ...]) -> None:
    """Refuse a schema that is newer than this program with a UsageError."""
    if version > len(migrations):
        found = f"schema version {version}, where this program knows up to {len(migrations)}"
        raise refusal(UsageError, problems.SCHEMA_TOO_NEW, name, found)


def apply(connection: sa.Connection, migration: Migration) -> None:
    """Take the schema one version forward, inside the transaction of a connection."""
    steps = migration.sqlite if connection.dialect.name == "sqlite" else migration.postgresql
    for step in steps:
        connection.execute(sa.text(step))
    connection.execute(sa.insert(SCHEMA).values(version=migration.version))
