"""Transactions that stay where Spark finds them: looked at from here, judged and kept on its executors.

Rules kept here:
* all sources are looked at before any is read, and all their problems are raised together;
* a source is read once; every further step sees what was read then;
* `read = accepted + rejected` for every source, which records.SourceFile asserts on counts made apart;
* home come counts, reasons with their places, and the accounts without a merchant row: no transaction does.

A source has no file whose bytes could be hashed, and the version of a table is a claim of its catalogue. Its digest
is therefore that of its accepted rows, in no order: it tells whether two runs saw the same rows. Each row is written
as the columns of tables.Transactions in their order, a value as its length, a colon and its text, a null as `-`; the
digest is the sum of the four quarters of the SHA-256 of every row, each modulo 2^64. Nobody is kept from making other
rows with the same sum on purpose, if he has the means; it names what was read, and proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen.engines import Frame
from merchantscreen.engines.executors import (
    JUDGED,
    PARTITION,
    REPEATED,
    ROW_BITS,
    TOLD,
    VERSIONS,
    Judging,
    own_versions,
    repeated,
    versions,
)
from merchantscreen.engines.problems import PROBLEMS
from merchantscreen.engines.spark import SparkEngine, shown
from merchantscreen.errors import FileAccessError, InputError, Problem, UsageError
from merchantscreen.intake import Intake, parquet
from merchantscreen.intake.mapping import ColumnPlan, RoleMapping, plan_columns
from merchantscreen.intake.problems import PROBLEMS as INTAKE_PROBLEMS
from merchantscreen.intake.problems import REJECT_ROW_SCHEMA, reject_table
from merchantscreen.intake.strangers import NAMED
from merchantscreen.intake.tally import FileTally, blind_spots_of
from merchantscreen.intake.transactions import COLUMNS, SOURCE_COLUMNS
from merchantscreen.records import Progress, SourceFile
from merchantscreen.tables import TransactionRows

_KEY: Final = ["account_id", "transaction_id"]
_WORDS: Final = tuple(f"word_{number}" for number in range(4))


def take_in_tables(
    engine: SparkEngine, sources: Sequence[str], mapping: RoleMapping, intake: Intake, progress: Progress
) -> Intake:
    """Read transactions where Spark finds them, and add them to an intake that has none.

    Args:
        engine: The session that reads them.
        sources: Tables of its catalogue, or addresses of Parquet files and folders.
        mapping: What their columns mean.
        intake: Merchants, and all else that came from files.
        progress: Told of the stages.

    Raises:
        UsageError: The executors cannot run this package.
        InputError: A source cannot be used at all; the problems of all sources are named.
    """
    progress.stage("reading transactions where they are")
    _require_package(engine)
    tables = _look(engine, sources, mapping)
    staged = [_staged(engine, table, number) for number, table in enumerate(tables)]
    tallies = [_tally(engine, *pair) for pair in zip(tables, staged, strict=True)]
    accounts = list(zip(tables, tallies, strict=True))
    _refuse_empty(accounts)
    progress.stage("looking for repeated transactions")
    rows = _without_repeated(engine, nw.concat([_accepted(part) for part in staged]), tallies)
    seen = _seen(engine, rows)
    found = [reject_table("transactions", *part) for account in accounts for part in _reasons(*account)]
    sources_read = [_source(table, tally, seen.filter(source_file=n)) for n, (table, tally) in enumerate(accounts)]
    return replace(
        intake,
        elsewhere=rows.select(*COLUMNS),
        knows_everybody=False,
        present=frozenset(name for name in COLUMNS if seen[name].sum()),
        sources=(*intake.sources, *sources_read),
        rejects=pl.concat([intake.rejects, *found]).sort("role", "file", "line", "column", "code"),
        blind_spots=pl.concat([intake.blind_spots, blind_spots_of(tallies)]).sort("kind", "subject"),
        notices=(*intake.notices, *_strangers(engine, rows, intake.accounts, tables)),
    )


# --------------------------------------------------------------------------- before anything is read


@dataclass(frozen=True, slots=True)
class _Table:
    """A source that has been looked at: the columns that are needed, and what they fill."""

    name: str
    rows: Frame
    plan: ColumnPlan


def _require_package(engine: SparkEngine) -> None:
    """Have the executors say which version of this package they hold, before they are sent any work of it."""
    wanted = own_versions()
    try:
        found = engine.collect(engine.mapped(engine.load(pl.DataFrame({"number": range(8)})), versions, VERSIONS))
    except FileAccessError as error:
        raise UsageError("Executors without this package.", (PROBLEMS["MS-ENG-006"].at("spark"),)) from error
    other = sorted(set(found["package"]) - {wanted["package"]})
    if other:
        said = f"executors with version {', '.join(other)} of this package, and {wanted['package']} here"
        raise UsageError("Executors with another version.", (PROBLEMS["MS-ENG-006"].at("spark", found=said),))


def _look(engine: SparkEngine, sources: Sequence[str], mapping: RoleMapping) -> list[_Table]:
    """Look at the columns of all sources."""
    twice = {source for source in sources if sources.count(source) > 1}
    problems = [_unusable(shown(source), "a source that is named twice", "every source once") for source in twice]
    tables = []
    for source in sources:
        try:
            table, wrong = _looked_at(engine, source, mapping)
        except InputError as error:
            problems += error.problems
        else:
            tables.append(table)
            problems += wrong
    if problems:
        raise InputError(f"{len(problems)} problems with the tables", tuple(problems))
    return tables


def _looked_at(engine: SparkEngine, source: str, mapping: RoleMapping) -> tuple[_Table, list[Problem]]:
    name, whole = shown(source), engine.table(source)
    plan, problems = plan_columns(name, whole.columns, TransactionRows, mapping)
    rows, renamed = _needed(engine, whole, plan)
    schema = engine.collect(rows.head(0)).schema
    return _Table(name, rows, renamed), problems + parquet.type_problems(name, schema, renamed, TransactionRows)


def _unusable(name: str, found: str, expected: str) -> Problem:
    return PROBLEMS["MS-ENG-007"].at(name, found=found, expected=expected)


def _needed(engine: SparkEngine, whole: Frame, plan: ColumnPlan) -> tuple[Frame, ColumnPlan]:
    """Take the columns that fill a field, under names that mean nothing to Spark: a dot in one would."""
    there = [theirs for theirs in dict.fromkeys(plan.columns.values()) if theirs in whole.columns]
    names = {theirs: f"column_{number}" for number, theirs in enumerate(there)}
    rows = engine.expressed(whole, *(f"{_quoted(theirs)} AS {name}" for theirs, name in names.items()))
    renamed = {ours: names[theirs] for ours, theirs in plan.columns.items() if theirs in names}
    return rows, replace(plan, columns=renamed)


def _quoted(name: str) -> str:
    """Write a column's name as Spark's SQL takes any name."""
    return f"`{name.replace('`', '``')}`"


# --------------------------------------------------------------------------- on the executors


def _staged(engine: SparkEngine, table: _Table, number: int) -> Frame:
    """Judge every row of a source, once, and keep what was accepted and why the rest was not."""
    numbered = engine.expressed(table.rows, "*", f"spark_partition_id() AS {_quoted(PARTITION)}")
    return engine.save(engine.mapped(numbered, Judging(number, table.plan), JUDGED), f"judged-{number}")


def _accepted(staged: Frame) -> Frame:
    return staged.filter(~nw.col("account_id").is_null()).select(*COLUMNS, *SOURCE_COLUMNS)


def _tally(engine: SparkEngine, table: _Table, staged: Frame) -> FileTally:
    """Bring home what became of the rows of a source."""
    tally = FileTally("transactions", Path(table.name), table.plan.fields)
    told = engine.collect(staged.filter(~nw.col(TOLD).is_null()).select(TOLD))
    for facts in map(json.loads, told[TOLD]):
        tally.rows_read += facts["rows"]
        tally.stripped.update(facts["stripped"])
        tally.unreadable.update(facts["unreadable"])
    refused = staged.filter(~nw.col("code").is_null())
    reasons = [nw.col("source_line").alias("line") if name == "line" else nw.col(name) for name in REJECT_ROW_SCHEMA]
    tally.rejected.append(engine.collect(refused.select(*reasons)).cast(REJECT_ROW_SCHEMA))
    return tally


def _refuse_empty(accounts: Sequence[tuple[_Table, FileTally]]) -> None:
    """Refuse a source without rows, as a file without rows is refused: it is not what somebody meant to give."""
    problems = [
        _unusable(table.name, "a table or folder without rows", "at least one row")
        for table, tally in accounts
        if not tally.rows_read
    ]
    if problems:
        raise InputError("tables without rows", tuple(problems))


def _without_repeated(engine: SparkEngine, rows: Frame, tallies: Sequence[FileTally]) -> Frame:
    """Take repeated ids out, and book them; rows without an id are never compared."""
    counted = rows.filter(~nw.col("transaction_id").is_null()).group_by(*_KEY).agg(nw.len().alias("count"))
    candidates = rows.join(counted.filter(nw.col("count") > 1).select(*_KEY), on=_KEY, how="semi")
    refused = engine.save(engine.mapped(candidates, repeated, REPEATED, together=_KEY), "repeated")
    found = engine.collect(refused)
    if found.is_empty():
        return rows
    for (number, code), places in found.partition_by("source_file", "code", as_dict=True).items():
        tallies[int(number)].reject(places["source_line"].to_list(), str(code))
    return engine.save(rows.join(refused, on=list(SOURCE_COLUMNS), how="anti"), "accepted")


# --------------------------------------------------------------------------- what comes home


def _seen(engine: SparkEngine, rows: Frame) -> pl.DataFrame:
    """Count rows and values per source, and sum up the digests of the rows."""
    written = [f"coalesce(concat(char_length(CAST({name} AS STRING)), ':', {name}), '-')" for name in COLUMNS]
    digested = engine.expressed(rows, "source_file", *COLUMNS, f"sha2(concat({', '.join(written)}), 256) AS digest")
    quarters = [
        f"CAST(conv(substring(digest, {1 + 16 * number}, 16), 16, 10) AS DECIMAL(20, 0)) AS {word}"
        for number, word in enumerate(_WORDS)
    ]
    counted = [nw.len().alias("count"), *(nw.col(name).count() for name in COLUMNS)]
    words = engine.expressed(digested, "source_file", *COLUMNS, *quarters)
    return engine.collect(words.group_by("source_file").agg(*counted, *(nw.col(word).sum() for word in _WORDS)))


def _source(table: _Table, tally: FileTally, seen: pl.DataFrame) -> SourceFile:
    """Close the account of a source: what was counted while reading, against what is there."""
    digest = "".join(f"{int(seen[word].sum()) % 2**64:016x}" for word in _WORDS)
    return SourceFile(
        "transactions", table.name, 0, digest, tally.rows_read, int(seen["count"].sum()), tally.rows_rejected
    )


def _reasons(table: _Table, tally: FileTally) -> Iterator[tuple[str, pl.DataFrame]]:
    """Give rejected rows by the partition in which they were read, with the number of the row in it."""
    whole = pl.concat(tally.rejected)
    split = whole.with_columns(pl.col("line") % 2**ROW_BITS, part=pl.col("line") // 2**ROW_BITS)
    for (part,), rows in split.partition_by("part", as_dict=True, include_key=False).items():
        yield _named(table, int(part)), rows


def _named(table: _Table, partition: int) -> str:
    return f"{table.name} (partition {partition})"


def _strangers(engine: SparkEngine, rows: Frame, accounts: pl.DataFrame, tables: Sequence[_Table]) -> Iterator[Problem]:
    """Name the first accounts that have transactions but no merchant row, as `intake.strangers` does for files."""
    unknown = rows.join(engine.load(accounts.select("account_id")), on="account_id", how="anti")
    counted = unknown.group_by("account_id", "source_file").agg(nw.col("source_line").min(), nw.len().alias("count"))
    ordered = engine.collect(counted).sort(SOURCE_COLUMNS)
    first = ordered.group_by("account_id", maintain_order=True).agg(
        pl.col(SOURCE_COLUMNS).first(), pl.col("count").sum()
    )
    kind = INTAKE_PROBLEMS["MS-KEY-005"]
    for number, place, count in first.head(NAMED).select(*SOURCE_COLUMNS, "count").iter_rows():
        partition, row = divmod(place, 2**ROW_BITS)
        found = f"{kind.title} (rows: {count:,})"
        yield kind.at(_named(tables[number], partition), row, "card_acceptor_id", found=found)
