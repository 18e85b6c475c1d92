"""Workspaces in both kinds of stores."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from eventlog.server import postgresql
from workspace.places import SQLITE, made

_NUMBERS: Final = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Run one PostgreSQL server for all tests of a process."""
    with postgresql() as address:
        yield address


@pytest.fixture
def database(server: str) -> str:
    """Give a test a schema of its own."""
    name = f"desk_{next(_NUMBERS)}"
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return server.format("postgres") + f"&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    """Give a test each kind of store."""
    found = SQLITE if request.param == "sqlite" else request.getfixturevalue("database")
    assert isinstance(found, str)
    return found


@pytest.fixture
def desk(tmp_path: Path, store: str) -> Path:
    """Give a test a workspace in each kind of store."""
    return made(tmp_path / "desk", store).folder


@pytest.fixture
def file_desk(tmp_path: Path) -> Path:
    """Give a test a workspace in a file."""
    return made(tmp_path / "desk").folder
