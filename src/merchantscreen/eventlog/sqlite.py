"""A log in one SQLite file on a local disk.

Rules kept here:
* a new file appears whole, private (0600) and never over another; its name is synced to the disk;
* `journal_mode=DELETE` and `synchronous=EXTRA`: what was acknowledged survives a power cut (no WAL: SQLite
  before 3.51.3 can corrupt one); `BEGIN IMMEDIATE`: one writer at a time, which waits its turn;
* a file is believed only after SQLite's own integrity check, and with exactly our tables and triggers;
* erased values are overwritten in the file (`secure_delete`);
* before a migration the whole file is copied to a backup beside it, which still holds what is erased later.

Source: threat model 0.5, 5.6 and rows 20 to 22 and 28.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from merchantscreen.errors import (
    BusyError,
    CannotCreateError,
    FileAccessError,
    IntegrityError,
    MerchantScreenError,
    ProblemKind,
)
from merchantscreen.eventlog import problems
from merchantscreen.eventlog.backend import Backend, apply, require_known, stored_version
from merchantscreen.eventlog.schema import HEAD, Migration
from merchantscreen.eventlog.stored import refusal

OLDEST: Final = (3, 37, 0)
"""First SQLite with STRICT tables."""

LARGEST_VALUE: Final = 1024 * 1024
MOUNTS: Final = Path("/proc/self/mountinfo")
NETWORK_FILESYSTEMS: Final = frozenset(
    "9p afs beegfs ceph cifs coda davfs fuse.glusterfs fuse.s3fs fuse.sshfs glusterfs gfs2 lustre ncpfs nfs nfs4 "
    "ocfs2 orangefs smb3 smbfs vboxsf".split()
)
"""File systems whose locks are not to be relied on, as /proc/self/mountinfo names them."""

_PRAGMAS: Final = (
    "PRAGMA journal_mode=DELETE",
    "PRAGMA synchronous=EXTRA",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA secure_delete=ON",
    "PRAGMA mmap_size=0",
)
_SCHEMA_ROWS: Final = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
_BEGIN: Final = "eventlog_begin"
_OCTAL: Final = re.compile(r"\\([0-7]{3})")

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_OUTSIDE: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""Codes that tell of the disk or the permissions, not of the log."""


def create_file(path: Path, origin: str, busy_seconds: float, migrations: tuple[Migration, ...]) -> None:
    """Make a new log file; CannotCreateError if there is one or it cannot be."""
    _require_library(path.name)
    with _as_cannot_create(path.name):
        _require_local(path, CannotCreateError)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        draft = Path(name)
        try:
            _fill(draft, origin, busy_seconds, migrations)
            _publish(draft, path)
        finally:
            draft.unlink()


def open_file(path: Path, busy_seconds: float, migrations: tuple[Migration, ...]) -> Backend:
    """Open a log file, check it and take its schema forward where it is older."""
    _require_library(path.name)
    _require_regular(path)
    _require_local(path, FileAccessError)
    backend = _backend(path, path.name, busy_seconds)
    try:
        with backend.transaction(writes=False) as connection:
            version = _checked_version(connection, path.name)
        require_known(path.name, version, migrations)
        if version < len(migrations):
            _migrate(backend, path, migrations)
        with backend.transaction(writes=False) as connection:
            _require_schema(connection, path.name, migrations)
    except BaseException:
        backend.engine.dispose()
        raise
    return backend


def filesystem_of(path: Path, mounts: str) -> str | None:
    """Return the type of the file system a path is on, by the text of /proc/self/mountinfo; None if not told."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")[0]
        point = Path(_OCTAL.sub(_character, fields[4])) if len(fields) > 4 else None
        # The later of two mounts at the same point lies on top.
        if point and kind and path.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), kind)
    return best and best[1]


def _character(written: re.Match[str]) -> str:
    """Return the blank or backslash that mountinfo writes as an octal number."""
    return chr(int(written[1], 8))


# --------------------------------------------------------------------------- connections


def _backend(path: Path, name: str, busy_seconds: float) -> Backend:
    connect = partial(_connect, path.absolute().as_uri(), busy_seconds)
    engine = sa.create_engine("sqlite+pysqlite://", creator=connect, poolclass=sa.pool.QueuePool)
    sa.event.listen(engine, "begin", _begin)
    return Backend(name, engine, _failure, writing={_BEGIN: "BEGIN IMMEDIATE"})


def _connect(uri: str, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{uri}?mode=rw", uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        for pragma in _PRAGMAS:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _begin(connection: sa.Connection) -> None:
    """Begin as the transaction asks: SQLite's driver would begin late, and without the right to write."""
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _failure(name: str, error: BaseException | None) -> MerchantScreenError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    said = f"SQLite reports {getattr(error, 'sqlite_errorname', type(error).__name__)}"
    if code in _BUSY:
        return refusal(BusyError, problems.BUSY, name)
    if code in _OUTSIDE:
        return refusal(FileAccessError, problems.NOT_ACCESSIBLE, name, said)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return refusal(IntegrityError, problems.REFUSED, name, said)
    return refusal(IntegrityError, problems.DAMAGED, name, said)


# --------------------------------------------------------------------------- creating and migrating


def _fill(draft: Path, origin: str, busy_seconds: float, migrations: tuple[Migration, ...]) -> None:
    backend = _backend(draft, "the new log", busy_seconds)
    try:
        with backend.transaction(writes=True) as connection:
            for migration in migrations:
                apply(connection, migration)
            connection.execute(sa.insert(HEAD).values(id=1, origin=origin, size=0, edge=b""))
    finally:
        backend.engine.dispose()


def _migrate(backend: Backend, path: Path, migrations: tuple[Migration, ...]) -> None:
    """Apply what is missing in one transaction; nobody else writes between the backup and its end."""
    with backend.transaction(writes=True) as connection:
        version = stored_version(connection)
        if version < len(migrations):
            _back_up(path, version)
        for migration in migrations[version:]:
            apply(connection, migration)


def _back_up(path: Path, version: int) -> None:
    """Copy the file beside itself; FileAccessError if that fails, and then nothing is migrated."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        draft = Path(name)
        try:
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft)) as target:
                source.backup(target)
            _publish(draft, _free_name(path, version))
        finally:
            draft.unlink()
    except (OSError, sqlite3.Error) as error:
        found = f"a backup before the migration that failed ({type(error).__name__})"
        raise refusal(FileAccessError, problems.NOT_ACCESSIBLE, path.name, found) from error


def _free_name(path: Path, version: int) -> Path:
    """Return the first name of a backup that is not taken, as it is after a migration that was cut off."""
    names = (path.with_name(f"{path.name}.schema-{version}.backup{number or ''}") for number in range(1000))
    return next(name for name in names if not name.exists())


def _publish(draft: Path, path: Path) -> None:
    """Give a finished file its name, never over another, and sync both."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    os.link(draft, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _as_cannot_create(name: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise refusal(CannotCreateError, problems.EXISTS, name) from error
    except OSError as error:
        raise refusal(CannotCreateError, problems.CANNOT_CREATE, name, error.strerror) from error
    except FileAccessError as error:
        raise refusal(CannotCreateError, problems.CANNOT_CREATE, name) from error


# --------------------------------------------------------------------------- checks


def _require_library(name: str) -> None:
    if sqlite3.sqlite_version_info < OLDEST:
        raise refusal(FileAccessError, problems.SQLITE_TOO_OLD, name, f"SQLite {sqlite3.sqlite_version}")


def _require_regular(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError as error:
        raise refusal(FileAccessError, problems.MISSING, path.name) from error
    except OSError as error:
        raise refusal(FileAccessError, problems.NOT_ACCESSIBLE, path.name, error.strerror) from error
    if not stat.S_ISREG(mode):
        raise refusal(FileAccessError, problems.NOT_REGULAR, path.name)


def _require_local(path: Path, raised: type[MerchantScreenError]) -> None:
    """Refuse a network file system where the system tells of it; elsewhere the documentation has to."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = filesystem_of(path.parent.resolve(), mounts)
    if kind in NETWORK_FILESYSTEMS:
        raise refusal(raised, problems.NETWORK_FOLDER, path.name, f"a folder on {kind}")


def _checked_version(connection: sa.Connection, name: str) -> int:
    """Return the version of the schema after SQLite has looked through the whole file."""
    answers = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalars().all()
    mode: Any = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    if answers != ["ok"] or mode != "delete":
        raise _damaged(problems.DAMAGED, name)
    if not connection.exec_driver_sql("SELECT 1 FROM sqlite_schema WHERE name = 'eventlog_schema'").all():
        raise _damaged(problems.DAMAGED, name)
    return stored_version(connection)


def _require_schema(connection: sa.Connection, name: str, migrations: tuple[Migration, ...]) -> None:
    """Refuse any table, index, view or trigger that is not ours, and the lack of one that is."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for statement in (step for migration in migrations for step in migration.sqlite):
            model.execute(statement)
        expected = model.execute(_SCHEMA_ROWS).fetchall()
    if [tuple(row) for row in connection.exec_driver_sql(_SCHEMA_ROWS)] != expected:
        raise _damaged(problems.SCHEMA_DIFFERS, name)


def _damaged(kind: ProblemKind, name: str) -> MerchantScreenError:
    return refusal(IntegrityError, kind, name)
