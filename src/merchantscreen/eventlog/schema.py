"""The tables of a log, and the triggers by which the store itself refuses what a log must not suffer.

    eventlog_schema    one row per applied migration
    eventlog_head      one row: origin, size and right edge of the tree, so that appending needs no other row
    eventlog_events    position, kind (for look-ups), leaf: the event's canonical bytes
    eventlog_personal  salts and values of personal fields; the only rows that may be deleted

The triggers keep honest programs honest, and accidents from happening. They do
not stop who owns the database; that such a person was at work is what the
tree and the checkpoints outside show (verification.py).

Migrations only go forward, and each is text that never changes once released.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()

SCHEMA: Final = sa.Table("eventlog_schema", METADATA, sa.Column("version", sa.Integer, primary_key=True))

HEAD: Final = sa.Table(
    "eventlog_head",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("edge", sa.LargeBinary, nullable=False),
)

EVENTS: Final = sa.Table(
    "eventlog_events",
    METADATA,
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
)

PERSONAL: Final = sa.Table(
    "eventlog_personal",
    METADATA,
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
"""Values are UTF-8 bytes, because PostgreSQL's text holds no NUL."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema, as statements for each kind of store.

    Attributes:
        version: Version of the schema after it, one more than before.
        sqlite: Statements for SQLite.
        postgresql: Statements for PostgreSQL.
    """

    version: int
    sqlite: tuple[str, ...]
    postgresql: tuple[str, ...]


_SQLITE_1: Final = (
    "CREATE TABLE eventlog_schema (version INTEGER PRIMARY KEY) STRICT",
    """CREATE TABLE eventlog_head (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  origin TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  edge BLOB NOT NULL
) STRICT""",
    """CREATE TABLE eventlog_events (
  position INTEGER PRIMARY KEY CHECK (position >= 0),
  kind TEXT NOT NULL,
  leaf BLOB NOT NULL
) STRICT""",
    "CREATE INDEX eventlog_events_by_kind ON eventlog_events (kind, position)",
    """CREATE TABLE eventlog_personal (
  position INTEGER NOT NULL REFERENCES eventlog_events (position),
  field TEXT NOT NULL,
  salt BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (position, field)
) STRICT, WITHOUT ROWID""",
    """CREATE TRIGGER eventlog_events_at_the_end BEFORE INSERT ON eventlog_events
WHEN NEW.position IS NOT (SELECT COALESCE(MAX(position) + 1, 0) FROM eventlog_events)
BEGIN SELECT RAISE(ABORT, 'eventlog: events are appended at the end'); END""",
    """CREATE TRIGGER eventlog_events_no_update BEFORE UPDATE ON eventlog_events
BEGIN SELECT RAISE(ABORT, 'eventlog: events are never changed'); END""",
    """CREATE TRIGGER eventlog_events_no_delete BEFORE DELETE ON eventlog_events
BEGIN SELECT RAISE(ABORT, 'eventlog: events are never deleted'); END""",
    """CREATE TRIGGER eventlog_head_one_row BEFORE INSERT ON eventlog_head
WHEN EXISTS (SELECT 1 FROM eventlog_head)
BEGIN SELECT RAISE(ABORT, 'eventlog: a log has one head'); END""",
    """CREATE TRIGGER eventlog_head_only_forward BEFORE UPDATE ON eventlog_head
WHEN NEW.id IS NOT OLD.id OR NEW.origin IS NOT OLD.origin OR NEW.size <= OLD.size
BEGIN SELECT RAISE(ABORT, 'eventlog: a log only grows'); END""",
    """CREATE TRIGGER eventlog_head_no_delete BEFORE DELETE ON eventlog_head
BEGIN SELECT RAISE(ABORT, 'eventlog: a log has one head'); END""",
    """CREATE TRIGGER eventlog_personal_once BEFORE INSERT ON eventlog_personal
WHEN EXISTS (SELECT 1 FROM eventlog_personal WHERE position = NEW.position AND field = NEW.field)
BEGIN SELECT RAISE(ABORT, 'eventlog: a personal value is written once'); END""",
    """CREATE TRIGGER eventlog_personal_no_update BEFORE UPDATE ON eventlog_personal
BEGIN SELECT RAISE(ABORT, 'eventlog: a personal value is erased, never changed'); END""",
    """CREATE TRIGGER eventlog_schema_only_forward BEFORE INSERT ON eventlog_schema
WHEN NEW.version IS NOT (SELECT COALESCE(MAX(version), 0) + 1 FROM eventlog_schema)
BEGIN SELECT RAISE(ABORT, 'eventlog: the schema only goes forward'); END""",
    """CREATE TRIGGER eventlog_schema_no_update BEFORE UPDATE ON eventlog_schema
BEGIN SELECT RAISE(ABORT, 'eventlog: the schema only goes forward'); END""",
    """CREATE TRIGGER eventlog_schema_no_delete BEFORE DELETE ON eventlog_schema
BEGIN SELECT RAISE(ABORT, 'eventlog: the schema only goes forward'); END""",
)

_POSTGRESQL_1: Final = (
    "CREATE TABLE eventlog_schema (version INTEGER PRIMARY KEY)",
    """CREATE TABLE eventlog_head (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  origin TEXT NOT NULL,
  size BIGINT NOT NULL CHECK (size >= 0),
  edge BYTEA NOT NULL
)""",
    """CREATE TABLE eventlog_events (
  position BIGINT PRIMARY KEY CHECK (position >= 0),
  kind TEXT COLLATE "C" NOT NULL,
  leaf BYTEA NOT NULL
)""",
    "CREATE INDEX eventlog_events_by_kind ON eventlog_events (kind, position)",
    """CREATE TABLE eventlog_personal (
  position BIGINT NOT NULL REFERENCES eventlog_events (position),
  field TEXT COLLATE "C" NOT NULL,
  salt BYTEA NOT NULL,
  value BYTEA NOT NULL,
  PRIMARY KEY (position, field)
)""",
    """CREATE FUNCTION eventlog_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'eventlog: % of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$""",
    """CREATE FUNCTION eventlog_at_the_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.position IS DISTINCT FROM (SELECT COALESCE(MAX(position) + 1, 0) FROM eventlog_events) THEN
    RAISE EXCEPTION 'eventlog: events are appended at the end' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$""",
    """CREATE FUNCTION eventlog_only_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id <> OLD.id OR NEW.origin <> OLD.origin OR NEW.size <= OLD.size THEN
    RAISE EXCEPTION 'eventlog: a log only grows' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$""",
    """CREATE TRIGGER eventlog_events_at_the_end BEFORE INSERT ON eventlog_events
FOR EACH ROW EXECUTE FUNCTION eventlog_at_the_end()""",
    """CREATE TRIGGER eventlog_events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON eventlog_events
FOR EACH STATEMENT EXECUTE FUNCTION eventlog_refuse()""",
    """CREATE TRIGGER eventlog_head_only_forward BEFORE UPDATE ON eventlog_head
FOR EACH ROW EXECUTE FUNCTION eventlog_only_forward()""",
    """CREATE TRIGGER eventlog_head_no_delete BEFORE DELETE OR TRUNCATE ON eventlog_head
FOR EACH STATEMENT EXECUTE FUNCTION eventlog_refuse()""",
    """CREATE TRIGGER eventlog_personal_no_update BEFORE UPDATE OR TRUNCATE ON eventlog_personal
FOR EACH STATEMENT EXECUTE FUNCTION eventlog_refuse()""",
    """CREATE TRIGGER eventlog_schema_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON eventlog_schema
FOR EACH STATEMENT EXECUTE FUNCTION eventlog_refuse()""",
)

MIGRATIONS: Final = (Migration(1, _SQLITE_1, _POSTGRESQL_1),)
"""Every migration, in order; a new log goes through all of them."""
