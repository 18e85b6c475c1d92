"""What has to be known of a Parquet file so that its rows can stay where they are: gathered while it is judged.

Rules kept here:
* a file is read in place only where its columns have our types already; all others are staged;
* the names in it (hosts, descriptors) are made out once for each distinct text of the whole file;
* nothing of a rejected row is kept, and of no row more than its account, its names, and a hash of its key.

A file with too many distinct names is staged as well: its list of names would be another copy of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from merchantscreen.intake.hosts import HOST_COLUMNS, hosts_of
from merchantscreen.intake.keys import hashes_of
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.mapping import ColumnPlan
from merchantscreen.intake.transactions import account_ids, descriptors_of
from merchantscreen.tables import TransactionRows, Transactions, schema_of

NAMED: Final = (*HOST_COLUMNS, "descriptor")
"""Fields whose texts become names."""
MOST_NAMES: Final = 1_000_000
"""Distinct texts up to which a file is read in place."""
_MOST_KEPT: Final = 1_500_000
"""Texts whose names are kept from file to file: about 150 MB."""
_MADE_SCHEMA: Final = pl.Schema(
    {"field": pl.String(), "raw": pl.String(), "name": pl.String(), "cut": pl.Boolean(), "is_plain": pl.Boolean()}
)
NAMES_SCHEMA: Final = pl.Schema({"field": pl.String(), "raw": pl.String(), "name": pl.String()})


def is_plain(schema: Mapping[str, pl.DataType], plan: ColumnPlan) -> bool:
    """Tell whether the columns of a file can be used as they are: one for each field, of its type."""
    types = schema_of(TransactionRows)
    return (
        not plan.constants
        and not plan.values
        and all(_fits(schema[theirs], types[ours]) for ours, theirs in plan.columns.items())
    )


def _fits(theirs: pl.DataType, ours: pl.DataType) -> bool:
    match ours:
        case pl.Int64():
            return theirs.is_integer()
        case pl.Datetime():
            return isinstance(theirs, pl.Datetime)
        case _:
            return theirs == ours


class CrowdedError(Exception):
    """A file has more distinct names than is worth keeping apart from it."""


class KnownNames:
    """Names that were made out of texts of earlier files: the same shops turn up day after day."""

    def __init__(self) -> None:
        self._made = pl.DataFrame(schema=_MADE_SCHEMA)

    def made_out(self, counted: pl.DataFrame) -> pl.DataFrame:
        """Give each distinct text its name.

        Args:
            counted: `field, raw, rows`.

        Returns:
            The same with `name` (null where none can be made out), `cut` and `is_plain`.
        """
        fresh = counted.join(self._made, on=["field", "raw"], how="anti")
        made = pl.concat([self._made, *(_made_out(field, fresh) for field in NAMED)])
        if made.height <= _MOST_KEPT:
            self._made = made
        return counted.join(made, on=["field", "raw"], how="left")


class Survey:
    """Gathers what is to be known of one file, batch by batch.

    Args:
        known: Names of earlier files.
    """

    def __init__(self, known: KnownNames | None = None) -> None:
        self._known = known or KnownNames()
        self._accounts: list[pl.DataFrame] = []
        self._names: list[pl.DataFrame] = []
        self._hashes: list[pl.Series] = []
        self._present: set[str] = set()
        self._span: tuple[datetime, datetime] | None = None

    def add(self, accepted: pl.DataFrame) -> None:
        """Take in accepted rows (`LINE` and tables.TransactionRows).

        Raises:
            CrowdedError: The file is to be staged instead.
        """
        if accepted.is_empty():
            return
        keyed = accepted.with_columns(account_ids(accepted))
        self._accounts.append(
            keyed.group_by("account_id", "card_acceptor_id").agg(
                first_line=pl.col(LINE).min(), rows=pl.len().cast(pl.Int64)
            )
        )
        self._hashes.append(hashes_of(keyed))
        self._names += [_counted(accepted[field]) for field in NAMED]
        self._present |= {name for name in accepted.columns if accepted[name].null_count() < accepted.height}
        self._lengthen(accepted["occurred_at"])
        if sum(frame.height for frame in self._names) > 2 * MOST_NAMES:
            self._names = [_summed(self._names)]
            if self._names[0].height > MOST_NAMES:
                raise CrowdedError

    def _lengthen(self, moments: pl.Series) -> None:
        ends = [moments.min(), moments.max(), *(self._span or ())]
        known = [end for end in ends if isinstance(end, datetime)]
        self._span = (min(known), max(known))

    def close(self, folder: Path, name: str) -> dict[str, Any]:
        """Write the tables of the file and state the rest.

        Args:
            folder: Where they go.
            name: Start of their names.

        Returns:
            `tables`, the file of each; `stripped` and `unreadable` per field; `present`, columns of
            tables.Transactions with values; `first_at` and `last_at`, ISO 8601, None without rows.
        """
        names = self._known.made_out(_summed(self._names)).with_columns(lost=pl.col("name").is_null())
        tables = {
            "accounts": pl.concat([_NO_ACCOUNTS, *self._accounts])
            .group_by("account_id", "card_acceptor_id").agg(pl.col("first_line").min(), pl.col("rows").sum()),
            "names": names.select(NAMES_SCHEMA.names()),
            "exceptions": names.filter(~pl.col("is_plain")).select(NAMES_SCHEMA.names()),
            "hashes": pl.concat([pl.Series("hash", [], pl.UInt64), *self._hashes]).to_frame("hash"),
        }  # fmt: skip
        paths = {table: folder / f"{name}-{table}.parquet" for table in tables}
        for table, rows in tables.items():
            rows.write_parquet(paths[table], compression="lz4")
        first, last = self._span or (None, None)
        return {
            "tables": {table: str(path) for table, path in paths.items()},
            "stripped": _losses(names, "cut"),
            "unreadable": _losses(names.filter(pl.col("field") != "descriptor"), "lost"),
            "present": sorted(self._columns_present(names)),
            "first_at": first and first.isoformat(),
            "last_at": last and last.isoformat(),
        }

    def _columns_present(self, names: pl.DataFrame) -> set[str]:
        """Name the columns of tables.Transactions with values: names only where one could be made out."""
        derived = {"terminal_id": "terminal", **HOST_COLUMNS}
        made_out = set(names.filter(pl.col("name").is_not_null())["field"])
        found = {derived.get(name, name) for name in self._present if name not in NAMED or name in made_out}
        always = {"account_id", "transaction_type", "outcome"} if self._present else set()
        return (found | always) & set(schema_of(Transactions))


_NO_ACCOUNTS: Final = pl.DataFrame(
    schema={"account_id": pl.String, "card_acceptor_id": pl.String, "first_line": pl.Int64, "rows": pl.Int64}
)


def _counted(values: pl.Series) -> pl.DataFrame:
    known = values.drop_nulls().alias("raw").value_counts(name="rows")
    return known.select(pl.lit(values.name).alias("field"), "raw", pl.col("rows").cast(pl.Int64))


def _summed(parts: list[pl.DataFrame]) -> pl.DataFrame:
    nothing = pl.DataFrame(schema={"field": pl.String, "raw": pl.String, "rows": pl.Int64})
    return pl.concat([nothing, *parts]).group_by("field", "raw").agg(pl.col("rows").sum())


def _made_out(field: str, counted: pl.DataFrame) -> pl.DataFrame:
    """Make the names of one field's texts."""
    raws = counted.filter(pl.col("field") == field)["raw"]
    made = descriptors_of(raws) if field == "descriptor" else _hosts(raws)
    return made.select(pl.lit(field).alias("field"), "raw", "name", "cut", "is_plain")


def _hosts(raws: pl.Series) -> pl.DataFrame:
    return hosts_of(raws).select(raw="value", name="host", cut="stripped", is_plain="is_plain")


def _losses(names: pl.DataFrame, mark: str) -> dict[str, int]:
    counted = names.filter(mark).group_by("field").agg(pl.col("rows").sum())
    return dict(Counter(dict(counted.iter_rows())))
