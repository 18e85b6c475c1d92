"""A log in a PostgreSQL database, for teams: many writers, each event still numbered without a gap.

Rules kept here:
* writers queue at the row of the head; whoever waits too long is told that the log is busy;
* a commit waits for the disk, whatever the server's default, and a server that never does is refused;
* the triggers are looked up at each opening: a log whose safeguards were removed or switched off is not opened.

Erasing deletes the row; the server frees its room with the next vacuum, and
copies in backups and write-ahead logs live as long as those do.
"""

from __future__ import annotations

import re
from typing import Final

import sqlalchemy as sa

from merchantscreen.errors import (
    BusyError,
    CannotCreateError,
    FileAccessError,
    IntegrityError,
    MerchantScreenError,
    UsageError,
)
from merchantscreen.eventlog import problems
from merchantscreen.eventlog.backend import Backend, apply, require_known, stored_version
from merchantscreen.eventlog.schema import HEAD, METADATA, SCHEMA, Migration
from merchantscreen.eventlog.stored import refusal

DRIVERS: Final = frozenset({"postgresql", "postgresql+psycopg"})
SETTINGS: Final = {"fsync": "on", "full_page_writes": "on", "server_encoding": "UTF8"}
"""What a server has to say of itself."""

_CONNECT_SECONDS: Final = 10
_BUSY: Final = frozenset({"40001", "40P01", "53300", "55P03", "57P03"})
_DAMAGED: Final = frozenset({"42P01", "42703", "42804", "XX001", "XX002"})
_EXISTS: Final = frozenset({"23505", "42723", "42P07"})
_REFUSED: Final = "23"
"""Class of the codes by which constraints and our triggers refuse."""

_TRIGGERS: Final = """
SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relname = ANY(:tables) AND pg_table_is_visible(c.oid) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
"""
_FUNCTIONS: Final = """
SELECT p.proname, p.prosrc FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE c.relname = ANY(:tables) AND pg_table_is_visible(c.oid) AND NOT t.tgisinternal
"""
_RULES: Final = "SELECT rulename FROM pg_rules WHERE tablename = ANY(:tables) AND schemaname = current_schema()"

_TRIGGER_NAME: Final = re.compile(r"CREATE TRIGGER (\w+)")
_FUNCTION: Final = re.compile(r"CREATE FUNCTION (\w+)\(\).*?\$\$(.*)\$\$", re.DOTALL)


def create_schema(address: str, origin: str, busy_seconds: float, migrations: tuple[Migration, ...]) -> None:
    """Make the tables of a new log in an existing database; CannotCreateError if there is one or it cannot be."""
    backend = _backend(address, busy_seconds)
    try:
        with backend.transaction(writes=True) as connection:
            _require_settings(connection, backend.name)
            if sa.inspect(connection).has_table(SCHEMA.name):
                raise refusal(CannotCreateError, problems.EXISTS, backend.name)
            for migration in migrations:
                apply(connection, migration)
            connection.execute(sa.insert(HEAD).values(id=1, origin=origin, size=0, edge=b""))
    except (FileAccessError, IntegrityError) as error:
        raise refusal(CannotCreateError, problems.CANNOT_CREATE, backend.name, _found(error)) from error
    finally:
        backend.engine.dispose()


def open_schema(address: str, busy_seconds: float, migrations: tuple[Migration, ...]) -> Backend:
    """Open the log in a database, check its schema and take it forward where it is older."""
    backend = _backend(address, busy_seconds)
    try:
        with backend.transaction(writes=False) as connection:
            _require_settings(connection, backend.name)
            version = _version(connection, backend.name)
        require_known(backend.name, version, migrations)
        if version < len(migrations):
            _migrate(backend, migrations)
        with backend.transaction(writes=False) as connection:
            _require_safeguards(connection, backend.name, migrations)
    except BaseException:
        backend.engine.dispose()
        raise
    return backend


def _backend(address: str, busy_seconds: float) -> Backend:
    try:
        url = sa.make_url(address)
        if url.drivername not in DRIVERS or not url.database:
            raise refusal(UsageError, problems.ADDRESS_WRONG, "the address of the log")
        connecting = {"connect_timeout": _CONNECT_SECONDS, "application_name": "merchantscreen"}
        engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), connect_args=connecting)
    except (sa.exc.ArgumentError, ImportError, ValueError):  # The cause may quote the password: not passed on.
        raise refusal(UsageError, problems.ADDRESS_WRONG, "the address of the log") from None
    return Backend(
        f"database {url.database}",
        engine,
        _failure,
        reading={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
        writing={"isolation_level": "READ COMMITTED"},
        opening=(f"SET LOCAL lock_timeout = {max(1, round(busy_seconds * 1000))}", "SET LOCAL synchronous_commit = on"),
    )


def _failure(name: str, error: BaseException | None) -> MerchantScreenError:
    state = getattr(error, "sqlstate", None) or ""
    said = f"PostgreSQL reports {state or 'no connection'}"
    if state in _BUSY:
        return refusal(BusyError, problems.BUSY, name)
    if state in _EXISTS:
        return refusal(CannotCreateError, problems.EXISTS, name)
    if state in _DAMAGED:
        return refusal(IntegrityError, problems.DAMAGED, name, said)
    if state.startswith(_REFUSED):
        return refusal(IntegrityError, problems.REFUSED, name, said)
    return refusal(FileAccessError, problems.NOT_ACCESSIBLE, name, said)


def _migrate(backend: Backend, migrations: tuple[Migration, ...]) -> None:
    """Apply what is missing in one transaction; backups are the server's."""
    with backend.transaction(writes=True) as connection:
        connection.exec_driver_sql(f"LOCK TABLE {SCHEMA.name} IN ACCESS EXCLUSIVE MODE")
        for migration in migrations[stored_version(connection) :]:
            apply(connection, migration)


def _version(connection: sa.Connection, name: str) -> int:
    if not sa.inspect(connection).has_table(SCHEMA.name):
        raise refusal(FileAccessError, problems.MISSING, name)
    return stored_version(connection)


def _require_settings(connection: sa.Connection, name: str) -> None:
    for setting, expected in SETTINGS.items():
        found = connection.exec_driver_sql(f"SHOW {setting}").scalar()
        if found != expected:
            raise refusal(FileAccessError, problems.SERVER_UNFIT, name, f"{setting} {found}")


def _require_safeguards(connection: sa.Connection, name: str, migrations: tuple[Migration, ...]) -> None:
    """Refuse a log whose triggers, or what they do, differ from what the migrations made."""
    steps = "\n;\n".join(step for migration in migrations for step in migration.postgresql)
    bodies = {match[1]: match[2] for step in steps.split("\n;\n") for match in _FUNCTION.finditer(step)}
    tables = {"tables": list(METADATA.tables)}
    triggers = connection.execute(sa.text(_TRIGGERS), tables).scalars().all()
    functions = {(row.proname, row.prosrc) for row in connection.execute(sa.text(_FUNCTIONS), tables)}
    rules = connection.execute(sa.text(_RULES), tables).all()
    if sorted(triggers) != sorted(_TRIGGER_NAME.findall(steps)) or functions != set(bodies.items()) or rules:
        raise refusal(IntegrityError, problems.SCHEMA_DIFFERS, name)


def _found(error: MerchantScreenError) -> str | None:
    return error.problems[0].found if error.problems else None
