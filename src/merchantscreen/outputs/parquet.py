"""Frames as Parquet, for tools that read tables; the same bytes over thread counts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import polars as pl

_ROW_GROUP: Final = 65_536
"""Fixed, because a size chosen by the writer depends on the number of threads."""


def parquet_bytes(frame: pl.DataFrame) -> Iterator[bytes]:
    """Write a frame as one Parquet file.

    Into memory first: a writer that meets a full disk on its own leaves a partial file behind.
    """
    sink = io.BytesIO()
    frame.rechunk().write_parquet(sink, compression="zstd", row_group_size=_ROW_GROUP, statistics=True)
    yield sink.getvalue()
