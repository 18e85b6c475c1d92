"""What a row of the feature catalogue is, and the three ways in which a feature follows from measures.

Rule kept here: exact integers are divided once and last, and what cannot be divided is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import polars as pl

from merchantscreen.vocabulary import ColumnType

Profile = Literal["network", "network+acquirer"]

NETWORK: Final = "network"
ACQUIRER: Final = "network+acquirer"
COUNT, DAYS, SHARE, RATIO, MINOR, CODE = "count", "days", "share 0-1", "ratio", "minor units", "code"
ROBUST_Z: Final = "robust z"
YES_NO: Final = "yes/no"


@dataclass(frozen=True, slots=True)
class Feature:
    """One row of the catalogue.

    Attributes:
        name: As rules write it.
        type: What it holds.
        unit: Unit, also used to write it for people.
        value: How it follows from the measures of an account.
        needs: Input columns without which it is not known.
        profile: The least an input must hold: what a network sees, or also what its acquirers know.
        meaning: What it says, and when it is null.
        source: Where the idea comes from.
        group: What it is about, for readers.
    """

    name: str
    type: ColumnType
    unit: str
    value: pl.Expr = field(compare=False, repr=False)
    needs: tuple[str, ...]
    profile: Profile
    meaning: str
    source: str
    group: str = ""


def as_measured(column: str) -> pl.Expr:
    """Take a measure as it is."""
    return pl.col(column)


def ratio(part: str, whole: str) -> pl.Expr:
    """Divide two exact integers; null where the whole is 0 or not known."""
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def whole_ratio(part: str, whole: str) -> pl.Expr:
    """Divide two exact integers, rounding down; null where the whole is 0 or not known."""
    return pl.when(pl.col(whole) > 0).then(pl.col(part) // pl.col(whole))
