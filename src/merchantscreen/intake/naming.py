"""The names behind texts: hosts of URLs and normalised descriptors, made once however often a text turns up.

Rules kept here:
* a text whose name was made for an earlier file is not made again: the same shops turn up day after day;
* what is remembered of a text is a keyed hash of 128 bits; its names lie on the disk of the run;
* a text that the short way of reading cannot read as it should is an exception, and exceptions are few.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen.contacts import HAS_ADDRESS
from merchantscreen.intake.hosts import HOST_COLUMNS, cut_expression, hosts_of
from merchantscreen.intake.keys import wide_hash
from merchantscreen.intake.transactions import descriptors_of, is_emptied

NAMED: Final = (*HOST_COLUMNS, "descriptor")
"""Fields whose texts become names."""
MOST_EXCEPTIONS: Final = 100_000
"""Exceptions of a field up to which its rows are read in place: each of them is looked for in every row."""
_MOST_REMEMBERED: Final = 8_000_000
"""Texts of a field that are remembered, 16 bytes each."""
_NAMES: Final = pl.Schema({"field": pl.String(), "raw": pl.String(), "name": pl.String()})


class CrowdedError(Exception):
    """A file holds more texts, or more exceptions among them, than can be kept apart from its rows."""


class NameBook:
    """Names of all texts that were met so far."""

    def __init__(self) -> None:
        self._has_written = False
        self._seeds = secrets.randbits(63), secrets.randbits(63)
        self._met = {field: pl.Series(dtype=pl.UInt128) for field in NAMED}
        self._exceptions = {field: _no_texts() for field in NAMED}
        self._cut_counts: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def add(self, texts: Mapping[str, pl.Series], stem: Path) -> dict[str, list[str]]:
        """Make the names of texts that are new, and write them.

        Args:
            texts: Texts by field, as `new` gave them.
            stem: Start of the paths of the tables.

        Returns:
            `names` and `exceptions`, the tables (field, raw, name; the name null where none can be made out)
            with the new texts; absent where there are none, but for the first time.

        Raises:
            CrowdedError: There are more exceptions than can be looked for.
        """
        made = {field: _made_out(field, self._remembered(field, found)) for field, found in texts.items()}
        for field, rows in made.items():
            self._exceptions[field] = pl.concat([self._exceptions[field], rows.filter(~pl.col("is_plain"))])
            self._cut_counts[field] += int(rows["cut"].sum())
            self._counts[field] += rows.height
        if any(rows.height > MOST_EXCEPTIONS for rows in self._exceptions.values()):
            raise CrowdedError
        each = (rows.select(pl.lit(field).alias("field"), pl.all()) for field, rows in made.items())
        named = pl.concat([_no_texts().select(pl.lit("").alias("field"), pl.all()), *each])
        tables = {"names": named, "exceptions": named.filter(~pl.col("is_plain"))}
        paths = {
            table: stem.with_name(f"{stem.name}-{table}.parquet")
            for table, rows in tables.items()
            if rows.height or not self._has_written
        }
        for table, path in paths.items():
            tables[table].select(_NAMES.names()).write_parquet(path, compression="lz4")
        self._has_written = True
        return {table: [str(path)] for table, path in paths.items()}

    def is_cut(self, field: str, column: pl.Expr) -> pl.Expr:
        """Tell the texts of which only a part was kept."""
        plain = column.str.contains(HAS_ADDRESS) if field == "descriptor" else cut_expression(column)
        known = self._exceptions[field]
        if known.is_empty():
            return plain
        cut = known.filter("cut")["raw"]
        return (plain & ~column.is_in(known["raw"].implode())) | column.is_in(cut.implode())

    def has_cut(self, field: str) -> bool:
        """Tell whether any text so far was kept in part only."""
        return bool(self._cut_counts[field])

    def is_mostly_cut(self, field: str) -> bool:
        """Tell whether most texts so far were kept in part only."""
        return 2 * self._cut_counts[field] > self._counts[field]

    def is_lost(self, field: str, column: pl.Expr) -> pl.Expr:
        """Tell the texts that no name can be made of."""
        lost = column.is_in(self._exceptions[field].filter(pl.col("name").is_null())["raw"].implode())
        return lost | is_emptied(column) if field == "descriptor" else lost

    def has_lost(self, field: str) -> bool:
        """Tell whether any text so far had no name."""
        return bool(self._exceptions[field]["name"].null_count())

    def new(self, field: str, texts: pl.Series) -> pl.Series:
        """Keep the texts of a field whose names were not made before, once each."""
        rows = self._marked(texts)
        return rows.filter(~pl.col("mark").is_in(self._met[field].implode())).unique("mark")["raw"]

    def _remembered(self, field: str, texts: pl.Series) -> pl.Series:
        marks = self._marked(texts)["mark"]
        met = pl.concat([self._met[field], marks])
        self._met[field] = met if met.len() <= _MOST_REMEMBERED else marks
        return texts

    def _marked(self, texts: pl.Series) -> pl.DataFrame:
        return texts.alias("raw").to_frame().with_columns(mark=self._marks(pl.col("raw")))

    def _marks(self, texts: pl.Expr) -> pl.Expr:
        return wide_hash(*(texts.hash(seed) for seed in self._seeds))


def _no_texts() -> pl.DataFrame:
    return pl.DataFrame(schema={"raw": pl.String, "name": pl.String, "cut": pl.Boolean, "is_plain": pl.Boolean})


def _made_out(field: str, texts: pl.Series) -> pl.DataFrame:
    """Make the names of distinct texts of one field: `raw, name, cut, is_plain`."""
    if field == "descriptor":
        return descriptors_of(texts)
    return hosts_of(texts).select(raw="value", name="host", cut="stripped", is_plain="is_plain")
