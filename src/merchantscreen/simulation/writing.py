"""Write a world to disk, chunk by chunk: CSV or Parquet tables, and referral events as JSON lines.

CSV: RFC 4180 with line feeds, lists joined by `;`, times as `2026-08-01T09:00:00Z`.
Parquet: lists and times with their own types; transactions in parts. What is written
does not depend on chunk sizes; existing files are never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

from merchantscreen.errors import CannotCreateError, FileAccessError
from merchantscreen.simulation.cast import Referral

_CSV_MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"


def refuse_existing(paths: Iterable[Path]) -> None:
    """Raise when any of these is there already.

    Raises:
        CannotCreateError: A world is never written over another.
    """
    for path in paths:
        if path.exists():
            raise CannotCreateError(
                f"{path.name} exists already in that folder. Fix: choose a new folder for the world."
            )


def make_folder(folder: Path) -> None:
    """Create a folder with its parents; it may exist.

    Raises:
        CannotCreateError: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreateError(f"The folder {folder.name} cannot be created: {error.strerror}.") from error


def write_csv(chunks: Iterable[pl.DataFrame], path: Path) -> None:
    """Write chunks under one header."""
    try:
        with path.open("xb") as file:
            for number, chunk in enumerate(chunks):
                _joined(chunk).write_csv(file, include_header=number == 0, datetime_format=_CSV_MOMENT)
    except OSError as error:
        raise FileAccessError(f"{path.name} cannot be written: {error.strerror}.") from error


def write_parquet(chunks: Iterable[pl.DataFrame], table: Mapping[str, pl.DataType], path: Path) -> None:
    """Write chunks into one Parquet file without ever holding them all."""

    def source(*_pushed_down: object) -> Iterator[pl.DataFrame]:
        yield from chunks

    try:
        frame = register_io_source(source, schema=dict(table))
        frame.sink_parquet(path, compression="zstd", compression_level=1, maintain_order=True)
    except OSError as error:
        raise FileAccessError(f"{path.name} cannot be written: {error.strerror}.") from error


def write_events(referrals: Iterable[Referral], path: Path) -> None:
    """Write the events of each referral in the order of their issue, one JSON object a line."""
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(event) + "\n" for referral in referrals for event in referral.events())
    except OSError as error:
        raise FileAccessError(f"{path.name} cannot be written: {error.strerror}.") from error


def _joined(chunk: pl.DataFrame) -> pl.DataFrame:
    """Join lists with `;`, the only way a CSV field can hold them."""
    lists = [name for name, dtype in chunk.schema.items() if dtype == pl.List(pl.String)]
    return chunk.with_columns(pl.col(lists).list.join(";")) if lists else chunk
