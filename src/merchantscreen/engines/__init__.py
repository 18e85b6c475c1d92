"""Where frames live and how they are run; the logic is elsewhere, written once in Narwhals.

An engine opens files, keeps stages, and brings compact results home. It knows
nothing of referrals, evidence or rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import narwhals.stable.v2 as nw
import polars as pl

Frame = nw.LazyFrame[Any]


class Engine(Protocol):
    """What every engine can do. The same Narwhals definitions run on each of them."""

    def scan(self, files: Sequence[Path]) -> Frame:
        """Open Parquet files as one frame, nothing read yet."""

    def load(self, frame: pl.DataFrame) -> Frame:
        """Bring a compact table to where the data is."""

    def among(self, frame: Frame, column: str, values: pl.Series) -> Frame:
        """Keep the rows whose text in a column is one of some values, each of them known."""

    def save(self, frame: Frame, name: str) -> Frame:
        """Write a stage to Parquet and go on from there: a checkpoint that also bounds memory."""

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Bring a compact result home."""
