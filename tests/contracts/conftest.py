"""One engine at a time for all contracts, started once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from contracts.places import ENGINES, NAMES

from merchantscreen.engines import Engine


@pytest.fixture(scope="session", params=NAMES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give every engine in turn; a session's scope makes pytest run all tests of one before it starts the next."""
    with ENGINES[request.param](tmp_path_factory.mktemp("engine")) as started:
        yield started


@pytest.fixture(params=["Asia/Kolkata", "America/New_York"])
def far_away(request: pytest.FixtureRequest) -> Iterator[str]:
    """Move this machine into another zone, east and west of UTC, and back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()
