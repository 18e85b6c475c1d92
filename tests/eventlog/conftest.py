"""The stores every test of the contract runs on: a SQLite file and a database of a PostgreSQL server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from eventlog.server import postgresql
from eventlog.stores import Site

_NUMBERS: Final = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Run one PostgreSQL server for all tests of a process."""
    with postgresql() as address:
        yield address


@pytest.fixture
def file_site(tmp_path: Path) -> Iterator[Site]:
    """Give a test a place for a SQLite file."""
    site = Site(tmp_path / "log.sqlite", tmp_path)
    yield site
    site.close()


@pytest.fixture
def server_site(server: str, tmp_path: Path) -> Iterator[Site]:
    """Give a test a schema of its own: much cheaper than a database of its own, and the same to the log."""
    name = f"log_{next(_NUMBERS)}"
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    site = Site(server.format("postgres") + f"&options=-csearch_path%3D{name}", tmp_path)
    yield site
    site.close()


@pytest.fixture(params=["file_site", "server_site"], ids=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest) -> Site:
    """Give a test a place for a log, once in each kind of store."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Site)
    return found
