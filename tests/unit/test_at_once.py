"""Merchants and transactions are read at once: both come back, or the first failure does, and soon."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from threading import Event

import polars as pl
import pytest
from intake_files import merchant, transaction

from merchantscreen.errors import InputError, MerchantScreenError
from merchantscreen.intake import take_in
from merchantscreen.intake.reading import at_once
from merchantscreen.intake.worker import Worker


def test_both_are_done_at_the_same_time() -> None:
    """Each waits for the other to have begun."""
    begun = Event(), Event()

    def meet(own: int) -> int:
        begun[own].set()
        assert begun[1 - own].wait(20)
        return own

    assert at_once(lambda: meet(0), lambda: meet(1), lambda: None) == (0, 1)


@pytest.mark.parametrize("is_first", [True, False])
def test_the_first_failure_is_told_and_ends_the_other(tmp_path: Path, *, is_first: bool) -> None:
    """A child that would wait for ever is ended, and that it was is not what is told."""
    endless = tmp_path / "endless.parquet"
    os.mkfifo(endless)
    with Worker(tmp_path) as worker:
        worker_is_busy = Event()

        def wait() -> None:
            assert worker.process_id
            worker_is_busy.set()
            deque(worker.ask("inspect", endless, role="merchants", mapping={}), maxlen=0)

        def fail() -> None:
            assert worker_is_busy.wait(20)
            raise InputError("the true reason")

        order = (fail, wait) if is_first else (wait, fail)
        with pytest.raises(InputError, match="the true reason"):
            at_once(*order, worker.give_up)
        with pytest.raises(MerchantScreenError):
            deque(worker.ask("finish"), maxlen=0)


@pytest.mark.parametrize("in_place", [True, False])
def test_the_file_that_cannot_be_read_is_named(tmp_path: Path, *, in_place: bool) -> None:
    """Whichever of the two it is; the other is not blamed for having been stopped."""
    good = _parquet(tmp_path / "accounts.parquet", merchant()), _parquet(tmp_path / "rows.parquet", transaction())
    for role in (0, 1):
        broken = tmp_path / f"broken-{role}.parquet"
        # the footer stays, so that looking at the file finds nothing wrong
        whole = good[role].read_bytes()
        broken.write_bytes(whole[:4] + b"\xff" * 64 + whole[68:])
        with pytest.raises(InputError) as raised:
            take_in([(broken, good[0])[role]], [(good[1], broken)[role]], tmp_path / "work", in_place=in_place)
        assert [problem.where for problem in raised.value.problems] == [broken.name]


def _parquet(path: Path, row: dict[str, str]) -> Path:
    moment = pl.col("occurred_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ") if "occurred_at" in row else []
    pl.DataFrame([row] * 100).with_columns(moment).write_parquet(path)
    return path
