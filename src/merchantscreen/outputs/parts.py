"""What a run bundle holds: its tables, the formats they come in, and all of it read back.

Left to others: writing and checking the folder (bundle.py), what the rows mean (tables.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dataframely as dy
import polars as pl

from merchantscreen.outputs.csvfile import csv_lines
from merchantscreen.outputs.jsonlines import json_lines
from merchantscreen.outputs.manifest import Manifest
from merchantscreen.outputs.parquet import parquet_bytes
from merchantscreen.tables import (
    AccountFacts,
    AccountLinks,
    BlindSpots,
    CaseHistory,
    Contributions,
    ExceptionResults,
    FlaggedDomains,
    Ledger,
    PolicyFiles,
    Ranking,
    Rejects,
    RuleResults,
    RunChanges,
    Skew,
)

PAGE: Final = "report.html"
"""The report, written after all tables and before the manifest."""
Writer = Callable[[pl.DataFrame], Iterable[bytes]]

FORMATS: Final[Mapping[str, Writer]] = {"csv": csv_lines, "jsonl": json_lines, "parquet": parquet_bytes}
"""Every format a table can be written in."""


@dataclass(frozen=True, slots=True)
class Part:
    """One table of a bundle and the formats it comes in."""

    name: str
    table: type[dy.Schema]
    formats: tuple[str, ...]


PARTS: Final = (
    Part("ranking", Ranking, ("csv", "jsonl", "parquet")),
    Part("ledger", Ledger, ("jsonl", "parquet")),
    Part("contributions", Contributions, ("jsonl", "parquet")),
    Part("links", AccountLinks, ("jsonl",)),
    Part("domains", FlaggedDomains, ("jsonl",)),
    Part("rules", RuleResults, ("jsonl",)),
    Part("facts", AccountFacts, ("jsonl",)),
    Part("shadow", RuleResults, ("jsonl",)),
    Part("exceptions", ExceptionResults, ("jsonl",)),
    Part("skew", Skew, ("jsonl",)),
    Part("policy", PolicyFiles, ("jsonl",)),
    Part("rejects", Rejects, ("csv",)),
    Part("blind_spots", BlindSpots, ("jsonl",)),
    Part("sealed", Ranking, ("jsonl",)),
    Part("history", CaseHistory, ("jsonl",)),
    Part("changes", RunChanges, ("jsonl",)),
)
"""What a bundle holds, in the order of writing."""
MAY_BE_ABSENT: Final = frozenset({"sealed", "history", "changes"})
"""Parts without which a run reads as if they were empty: `sealed` is there only when it has rows, runs made by
version 0.3 have no `history` and no `changes`."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A run: the frames of its tables and its manifest. While it is being written, the manifest names no page yet."""

    folder: Path
    manifest: Manifest
    ranking: pl.DataFrame
    ledger: pl.DataFrame
    contributions: pl.DataFrame
    links: pl.DataFrame
    domains: pl.DataFrame
    rules: pl.DataFrame
    facts: pl.DataFrame
    shadow: pl.DataFrame
    exceptions: pl.DataFrame
    skew: pl.DataFrame
    policy: pl.DataFrame
    blind_spots: pl.DataFrame
    sealed: pl.DataFrame
    history: pl.DataFrame
    changes: pl.DataFrame
