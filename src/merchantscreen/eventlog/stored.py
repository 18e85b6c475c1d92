"""What a store gives and takes, apart from the database behind it: SQL is loaded where a log is opened, and only there.

Whoever screens from files, verifies a run or compares two opens none, and need not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from merchantscreen.errors import MerchantScreenError, ProblemKind
from merchantscreen.eventlog.merkle import Edge

Place = Path | str
"""Path of a SQLite file, or address of a PostgreSQL database as text."""

BUSY_SECONDS: Final = 10.0
"""How long to wait for another writer."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a store keeps of the whole log: its name and the right edge of its tree."""

    origin: str
    edge: Edge


@dataclass(frozen=True, slots=True)
class Row:
    """One stored event: its position, the kind it is listed under, and its canonical bytes."""

    position: int
    kind: str
    leaf: bytes


def refusal(
    raised: type[MerchantScreenError], kind: ProblemKind, name: str, found: str | None = None
) -> MerchantScreenError:
    """Make an error of one problem with a store."""
    return raised(f"{name}: {kind.title}.", (kind.at(name, found=found),))
