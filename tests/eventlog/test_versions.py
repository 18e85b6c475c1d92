"""A log is never opened by a program that is too old for it, and an older log is taken forward, in every store."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from eventlog.stores import NEXT, Site, filled

from merchantscreen.errors import CannotCreateError, FileAccessError, IntegrityError, MerchantScreenError, UsageError
from merchantscreen.eventlog import postgresql
from merchantscreen.eventlog.log import Log, create_log, open_log
from merchantscreen.eventlog.problems import PROBLEMS
from merchantscreen.eventlog.schema import MIGRATIONS
from merchantscreen.eventlog.store import create_store, open_store


def test_a_log_from_the_future_is_refused(site: Site) -> None:
    """A newer schema is named and left alone."""
    filled(site).close()
    site.run(f"INSERT INTO eventlog_schema VALUES ({len(MIGRATIONS) + 1})")
    with pytest.raises(UsageError) as raised:
        site.open()
    assert raised.value.problems[0].code == "MS-LOG-061"


def test_an_older_log_is_taken_forward(site: Site) -> None:
    """Opening with one migration more applies it once, and the log checks out as before."""
    with filled(site) as log:
        before = log.head
    for _ in range(2):
        with Log(open_store(site.place, migrations=(*MIGRATIONS, NEXT))) as log:
            assert log.verify(before).head == before
    assert [row[0] for row in site.run("SELECT version FROM eventlog_schema ORDER BY version")] == [1, 2]


def test_a_new_log_goes_through_all_migrations(site: Site) -> None:
    """A log made today and one taken forward have the same schema."""
    create_store(site.place, "log.example/new", migrations=(*MIGRATIONS, NEXT)).close()
    assert site.run("SELECT COUNT(*) FROM eventlog_tried") == [(0,)]


def test_migrations_are_numbered_without_gap() -> None:
    """Version and place in the list are the same."""
    assert [migration.version for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_problem_codes_are_unique() -> None:
    """Every kind of problem has a code of its own, in order."""
    assert list(PROBLEMS) == sorted(PROBLEMS)
    assert all(code == kind.code and code.startswith("MS-LOG-") for code, kind in PROBLEMS.items())


@pytest.mark.parametrize(
    "address",
    ["", "log.sqlite", "sqlite:///log.sqlite", "mysql://user:hush@host/db", "postgresql://user:hush@host:port/db",
     "postgresql://user:hush@host", "postgresql+asyncpg://user:hush@host/db", "http://server.example/"],
)  # fmt: skip
def test_an_address_of_anything_else_is_refused(address: str) -> None:
    """Only a PostgreSQL database has an address, and no message repeats the password in it."""
    with pytest.raises(UsageError) as raised:
        open_log(address)
    assert raised.value.problems[0].code == "MS-LOG-055"
    assert "hush" not in f"{raised.value.message} {raised.value.problems} {raised.value.__cause__}"


def test_a_server_that_does_not_answer_is_no_crash(server_site: Site) -> None:
    """No server, no such database: 74 for opening and 73 for creating, and the password is told nowhere."""
    for address in (
        f"postgresql://me:hush@/log?host={server_site.folder}",
        f"{server_site.place}".replace("@/postgres", "@/none"),
    ):
        with pytest.raises(FileAccessError) as opened:
            open_log(address)
        with pytest.raises(CannotCreateError) as created:
            create_log(address, "log.example/new")
        for raised in (opened.value, created.value):
            assert "hush" not in f"{raised.message} {raised.problems}"


def test_a_server_that_does_not_sync_is_refused(server_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting under which an acknowledged event could be lost keeps the log closed."""
    filled(server_site).close()
    monkeypatch.setattr(postgresql, "SETTINGS", {"fsync": "off"})
    with pytest.raises(FileAccessError) as raised:
        server_site.open()
    assert raised.value.problems[0].code == "MS-LOG-062"


def test_a_commit_waits_for_the_disk_whatever_the_default(server_site: Site) -> None:
    """A database that would acknowledge early by default does not do so for the log."""
    with server_site.create() as log:
        server_site.run("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || "
                        "' SET synchronous_commit = off'; END $$")  # fmt: skip
        with server_site.open() as again, again._store.writing() as writer:
            assert writer._connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        log.verify()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE eventlog_events DISABLE TRIGGER eventlog_events_no_change",
        "CREATE OR REPLACE FUNCTION eventlog_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER more AFTER INSERT ON eventlog_events FOR EACH STATEMENT EXECUTE FUNCTION eventlog_refuse()",
        "CREATE RULE more AS ON INSERT TO eventlog_personal DO INSTEAD NOTHING",
    ],
)
def test_safeguards_that_were_changed_are_missed(server_site: Site, change: str) -> None:
    """A trigger switched off, rewritten or added, or a rule: the log is not opened."""
    filled(server_site).close()
    server_site.run(change)
    with pytest.raises(IntegrityError) as raised:
        server_site.open()
    assert raised.value.problems[0].code == "MS-LOG-060"


def test_a_database_that_loses_its_tables_is_no_crash(server_site: Site) -> None:
    """A table that disappears under an open log is damage."""
    with filled(server_site) as log:
        server_site.run("DROP TABLE eventlog_head")
        with pytest.raises(MerchantScreenError) as raised:
            log.append_all([], at=log.event(0).recorded_at)
        assert raised.value.exit_code == 4


def test_a_connection_that_is_cut_is_no_crash(server_site: Site) -> None:
    """When the server throws us out, the command fails with 74, and the next one connects again."""
    with filled(server_site) as log:
        with pytest.raises(FileAccessError):
            _read_while_thrown_out(log, server_site)
        log.verify()


def _read_while_thrown_out(log: Log, site: Site) -> None:
    with log._store.reading() as reader:
        pid = reader._connection.execute(sa.text("SELECT pg_backend_pid()")).scalar()
        site.run("SELECT pg_terminate_backend(:pid)", {"pid": pid})
        reader.head()
