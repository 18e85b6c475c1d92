"""Where a log is kept: one SQLite file, or a PostgreSQL database. Both behave alike, and one test suite says so.

A store knows positions, leaves and the edge of the tree, and nothing of what
an event means. Reading and writing happen in transactions: a reader sees the
log as it was at one moment, a writer is alone, and what it wrote is on the disk
when its block ends without an error.

Rules kept here:
* a value of a wrong type or size never leaves the store: it is an IntegrityError;
* every error of a driver becomes busy (75), no access (74), cannot create (73) or integrity (4).
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import sqlalchemy as sa

from merchantscreen.errors import IntegrityError
from merchantscreen.eventlog import postgresql, problems, sqlite
from merchantscreen.eventlog.backend import Backend
from merchantscreen.eventlog.merkle import Edge
from merchantscreen.eventlog.notes import require_name
from merchantscreen.eventlog.records import Personal
from merchantscreen.eventlog.schema import EVENTS, HEAD, MIGRATIONS, PERSONAL, Migration
from merchantscreen.eventlog.stored import BUSY_SECONDS, Head, Place, Row, refusal

_AT_ONCE: Final = 2000
"""Rows fetched at a time."""


class Reader:
    """What can be asked inside of a transaction; `name` is what messages call the store.

    Rows come in streams. Read a stream to its end, or close it, before the transaction ends.
    """

    def __init__(self, connection: sa.Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def head(self, *, alone: bool = False) -> Head:
        """Return the head; `alone` makes every other writer wait until this transaction ends."""
        asked = sa.select(HEAD.c.origin, HEAD.c.size, HEAD.c.edge)
        row = self._connection.execute(asked.with_for_update() if alone else asked).one_or_none()
        if row is None or not isinstance(row.origin, str) or not isinstance(row.size, int):
            raise self._damaged("a head of another form")
        try:
            return Head(row.origin, Edge.unpacked(row.size, bytes(row.edge)))
        except (TypeError, ValueError) as error:
            raise self._damaged("a right edge that does not fit the size") from error

    def rows(
        self, start: int, stop: int | None = None, kinds: Collection[str] | None = None, most: int | None = None
    ) -> Generator[Row, None, None]:
        """Yield the events from `start` to before `stop` in their order, only some kinds and only so many if asked."""
        asked = sa.select(EVENTS.c.position, EVENTS.c.kind, EVENTS.c.leaf).where(EVENTS.c.position >= start)
        if stop is not None:
            asked = asked.where(EVENTS.c.position < stop)
        if kinds is not None:
            asked = asked.where(EVENTS.c.kind.in_(sorted(kinds)))
        asked = asked.order_by(EVENTS.c.position).limit(most)
        with self._streamed(asked) as found:
            for position, kind, leaf in found:
                if not isinstance(position, int) or not isinstance(kind, str) or not isinstance(leaf, bytes):
                    raise self._damaged("an event with values of another type")
                yield Row(position, kind, leaf)

    def personal(self, index: int | None = None) -> Generator[Personal, None, None]:
        """Yield the personal values of one event, or of all, by event and field."""
        asked = sa.select(PERSONAL.c.position, PERSONAL.c.field, PERSONAL.c.salt, PERSONAL.c.value)
        if index is not None:
            asked = asked.where(PERSONAL.c.position == index)
        asked = asked.order_by(PERSONAL.c.position, PERSONAL.c.field)
        with self._streamed(asked) as found:
            for position, field, salt, value in found:
                try:
                    one = Personal(position, field, bytes(salt), bytes(value).decode("utf-8"))
                except (TypeError, ValueError) as error:
                    raise self._damaged("a personal value of another form") from error
                yield one

    def _streamed(self, asked: sa.Select[*tuple[Any, ...]]) -> sa.CursorResult[*tuple[Any, ...]]:
        return self._connection.execute(asked, execution_options={"yield_per": _AT_ONCE})

    def _damaged(self, found: str) -> Exception:
        return refusal(IntegrityError, problems.DAMAGED, self.name, found)


class Writer(Reader):
    """What can be done inside of a transaction that writes."""

    def append(self, rows: Sequence[Row], personal: Sequence[Personal], edge: Edge) -> None:
        """Add events at the end, their personal values, and the edge of the tree they lead to."""
        add, beside = sa.insert(EVENTS), sa.insert(PERSONAL)
        self._connection.execute(add, [{"position": r.position, "kind": r.kind, "leaf": r.leaf} for r in rows])
        if personal:
            self._connection.execute(beside, [_personal_row(one) for one in personal])
        self._connection.execute(sa.update(HEAD).values(size=edge.size, edge=edge.packed()))

    def erase(self, index: int, field: str) -> bool:
        """Delete a personal value and its salt; False if there is none."""
        gone = sa.delete(PERSONAL).where(PERSONAL.c.position == index, PERSONAL.c.field == field)
        return self._connection.execute(gone).rowcount > 0


class Store:
    """An open store; close it, or use it as a context."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def name(self) -> str:
        """Return what messages call this store."""
        return self._backend.name

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Run a block that sees the log as it is at one moment."""
        with self._backend.transaction(writes=False) as connection:
            yield Reader(connection, self.name)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Run a block that may append, alone; BusyError if another writer does not end in time."""
        with self._backend.transaction(writes=True) as connection:
            yield Writer(connection, self.name)

    def close(self) -> None:
        """Let go of the file or the server."""
        self._backend.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def create_store(
    place: Place,
    origin: str,
    *,
    busy_seconds: float = BUSY_SECONDS,
    migrations: tuple[Migration, ...] = MIGRATIONS,
) -> Store:
    """Make an empty log named `origin` and open it.

    Args:
        place: Path of a file that is not there yet, or address of a database without a log.
        origin: Name of the log in its checkpoints, such as ``log.example/screening``; it never changes.
        busy_seconds: How long to wait for another writer.
        migrations: Steps of the schema; others than ours are for tests.

    Raises:
        CannotCreateError: There is a log already, or none can be made there.
        InputError: The origin is no name.
        UsageError: The address is none of a PostgreSQL database.
    """
    require_name(origin)
    if isinstance(place, Path):
        sqlite.create_file(place, origin, busy_seconds, migrations)
    else:
        postgresql.create_schema(place, origin, busy_seconds, migrations)
    return open_store(place, busy_seconds=busy_seconds, migrations=migrations)


def open_store(
    place: Place, *, busy_seconds: float = BUSY_SECONDS, migrations: tuple[Migration, ...] = MIGRATIONS
) -> Store:
    """Open a log; one with an older schema is taken forward first, a SQLite file after a backup beside it.

    Raises:
        IntegrityError: The store is damaged, is no log, or lacks its safeguards.
        UsageError: The log was written by a newer version, or the address is none of a PostgreSQL database.
        FileAccessError: There is nothing, or it cannot be read.
        BusyError: Somebody else holds it for longer than `busy_seconds`.
    """
    if isinstance(place, Path):
        return Store(sqlite.open_file(place, busy_seconds, migrations))
    return Store(postgresql.open_schema(place, busy_seconds, migrations))


def _personal_row(one: Personal) -> dict[str, int | str | bytes]:
    return {"position": one.index, "field": one.field, "salt": one.salt, "value": one.value.encode("utf-8")}
