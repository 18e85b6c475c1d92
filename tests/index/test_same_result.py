"""The same files give the same result, whichever way their rows came: staged, in place, from the index, mixed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index.worlds import MOMENTS, Screened, World, decode_here, drawn, indexed, screened, tables_of
from polars.testing import assert_frame_equal

from merchantscreen.intake import merged


@contextmanager
def world_of(seed: int) -> Iterator[tuple[World, Path]]:
    """Draw a world into a folder of its own, which is removed afterwards; few entries and rows are merged there."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        decode_here(patch)
        patch.setattr(merged, "GROUP_ENTRIES", 1 + seed % 3)
        patch.setattr(merged, "FIRST_ACCOUNTS", seed % 5)
        patch.setattr(merged, "PASS_ROWS", 20)
        patch.setattr(merged, "BLOCK_ROWS", 7)
        yield drawn(seed, Path(name)), Path(name)


def assert_same(found: Screened, expected: Screened) -> None:
    """Compare all that was read and all that was found, value by value."""
    wanted = dict(tables_of(expected))
    for name, value in tables_of(found):
        if isinstance(value, pl.DataFrame):
            try:
                assert_frame_equal(value, wanted[name], check_exact=True)
            except AssertionError as error:
                raise AssertionError(f"{name} differs: {error}") from error
        else:
            assert value == wanted[name], name


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.sampled_from(MOMENTS))
def test_every_way_to_the_rows_gives_the_same_result(seed: int, as_of: datetime) -> None:
    """Ranking, evidence, blind spots, rejects, counts and notices are equal, row by row."""
    with world_of(seed) as (world, folder):
        staged = screened(world, folder / "staged", as_of)
        assert_same(screened(world, folder / "in-place", as_of, in_place=True), staged)
        index = indexed(folder / "index", folder / "work", world.transactions[:1])
        assert_same(screened(world, folder / "mixed", as_of, index=index, in_place=seed % 2 == 0), staged)
        index = indexed(folder / "index", folder / "work", world.transactions)
        assert_same(screened(world, folder / "indexed", as_of, index=index), staged)
