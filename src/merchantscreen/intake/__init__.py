"""Intake: hostile bytes in, accepted rows and counted rejects out.

    files        opening files ourselves, and nothing but plain files
    lines        CSV as lines of bytes; strict is the exact splitter for lines with quotes
    mapping      which column of a foreign file fills which field
    fields       texts become what the schema says, or their record is rejected
    cards        the card-number guard
    parquet      decoding, in the child process that worker runs
    merchants    accounts and their declared identifiers; pseudonyms makes the tokens
    transactions staged as Parquet parts; duplicates takes repetitions out
    strangers    accounts with transactions but without a merchant row
    tally        what became of every row and field
    problems     every code, with its meaning and its fix

`take_in` is the whole of it. `read = accepted + rejected` holds for every file, no rejected
value is repeated anywhere, and no path, card token or raw contact data reaches the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen.errors import CannotCreateError, InputError, Problem
from merchantscreen.intake import duplicates, files
from merchantscreen.intake import merchants as merchant_rows
from merchantscreen.intake.lines import LINE, read_records
from merchantscreen.intake.mapping import ColumnMapping, load_mapping
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.intake.reading import OpenFile, Reader, look_at
from merchantscreen.intake.strangers import unknown_accounts
from merchantscreen.intake.tally import blind_spots_of, rejects_of
from merchantscreen.intake.transactions import COLUMNS, ROW_GROUP_ROWS
from merchantscreen.intake.worker import Worker
from merchantscreen.records import Progress, Silent, SourceFile
from merchantscreen.tables import DeclaredIdentifiers, conform

WORKERS: Final = 2
"""Parquet files that are decoded side by side; each takes about half a gigabyte."""

__all__ = ["PROBLEMS", "ColumnMapping", "Intake", "load_mapping", "read_records", "take_in"]


@dataclass(frozen=True, slots=True)
class Intake:
    """All that was accepted, and an account of all that was not.

    Attributes:
        accounts: tables.Accounts, sorted by account_id.
        declared_file: Parquet of tables.DeclaredIdentifiers, sorted by kind, value, account_id.
        accounts_file: Parquet of `accounts`.
        transaction_files: Parquet parts of tables.Transactions, with two more columns, source_file and
            source_line, that name the row of the input and are never evidence.
        present: Columns of tables.Transactions that hold at least one value.
        sources: Every input file and what became of its rows.
        rejects: tables.Rejects, sorted by role, file, line, column, code.
        blind_spots: tables.BlindSpots of absent columns, cut and unreadable fields.
        pseudonym_key_id: Which key the contact tokens were made with.
        notices: What is worth a look though its rows were accepted: accounts without a merchant row.
    """

    accounts: pl.DataFrame
    declared_file: Path
    accounts_file: Path
    transaction_files: tuple[Path, ...]
    present: frozenset[str]
    sources: tuple[SourceFile, ...]
    rejects: pl.DataFrame
    blind_spots: pl.DataFrame
    pseudonym_key_id: str
    notices: tuple[Problem, ...] = ()


def take_in(
    merchants: Sequence[Path],
    transactions: Sequence[Path],
    work: Path,
    *,
    mapping: ColumnMapping | None = None,
    pseudonym_key: bytes | None = None,
    progress: Progress | None = None,
) -> Intake:
    """Read merchant and transaction files into tables that can be trusted.

    Args:
        merchants: Files or folders of tables.MerchantRows.
        transactions: Files or folders of tables.TransactionRows.
        work: Folder for the staged tables; created if absent.
        mapping: What the columns of foreign files mean.
        pseudonym_key: Key of the contact tokens; derived from the data when absent.
        progress: Told of stages and of bytes read.

    Raises:
        InputError: One or more files cannot be used at all; all their problems are named.
        CannotCreateError: The work folder cannot be made.
        FileAccessError: Reading or writing failed underway.
    """
    staging = _staging(work)
    try:
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker(staging, f"parquet-{number}")) for number in range(WORKERS)]
            return _take_in((merchants, transactions), work, mapping or ColumnMapping(), pseudonym_key, workers,
                            progress or Silent())  # fmt: skip
    except (OSError, pl.exceptions.PolarsError) as error:
        number = error.errno if isinstance(error, OSError) else files.disk_error(error)
        if number is None:
            raise
        raise files.disk_failure("(staged data)", number) from error


def _staging(work: Path) -> Path:
    staging = work / "transactions"
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreateError(f"the work folder cannot be made: {error.strerror}") from error
    return staging


def _take_in(
    inputs: tuple[Sequence[Path], Sequence[Path]],
    work: Path,
    mapping: ColumnMapping,
    key: bytes | None,
    workers: Sequence[Worker],
    progress: Progress,
) -> Intake:
    """Look at all files, read them, and put the results together."""
    of_merchants, of_transactions = _look(inputs, mapping, workers[0])
    reader = Reader(mapping, workers, progress)
    progress.stage("reading merchants", _bytes(of_merchants))
    declared = DeclaredFile(work)
    combined = _combine(reader, of_merchants, key, declared)
    progress.stage("reading transactions", _bytes(of_transactions))
    parts, present = _stage_transactions(reader, of_transactions, work / "transactions")
    accounts_file = work / "accounts.parquet"
    combined.accounts.write_parquet(accounts_file, compression="lz4", row_group_size=ROW_GROUP_ROWS)
    tallies = [file.tally for file in (*of_merchants, *of_transactions)]
    return Intake(
        accounts=combined.accounts,
        declared_file=declared.close(),
        accounts_file=accounts_file,
        transaction_files=parts,
        present=present,
        sources=tuple(tally.source() for tally in tallies),
        rejects=rejects_of(tallies),
        blind_spots=blind_spots_of(tallies),
        pseudonym_key_id=combined.key_id,
        notices=unknown_accounts(parts, combined.accounts, [file.tally.path.name for file in of_transactions]),
    )


def _look(
    inputs: tuple[Sequence[Path], Sequence[Path]], mapping: ColumnMapping, worker: Worker
) -> tuple[list[OpenFile], list[OpenFile]]:
    """Look at all files before any is read."""
    of_merchants, problems = look_at("merchants", inputs[0], mapping, worker)
    of_transactions, more = look_at("transactions", inputs[1], mapping, worker)
    if problems or more:
        raise InputError(f"{len(problems) + len(more)} problems with the input files", (*problems, *more))
    return of_merchants, of_transactions


def _bytes(opened: Sequence[OpenFile]) -> int:
    return sum(file.tally.path.stat().st_size for file in opened)


class DeclaredFile:
    """Collects declared identifiers kind by kind and makes one file of them, in order.

    Args:
        work: Folder for the file and, until it is closed, its parts.
    """

    def __init__(self, work: Path) -> None:
        self._path = work / "declared.parquet"
        self._parts: list[Path] = []

    def keep(self, rows: pl.DataFrame) -> None:
        """Put the identifiers of one kind away."""
        part = self._path.with_name(f"declared-{len(self._parts):02d}.parquet")
        conform(rows, DeclaredIdentifiers).write_parquet(part, compression="lz4", row_group_size=ROW_GROUP_ROWS)
        self._parts.append(part)

    def close(self) -> Path:
        """Join the parts in order and return the file."""
        joined = pl.scan_parquet(self._parts, glob=False)
        joined.sink_parquet(self._path, compression="lz4", row_group_size=ROW_GROUP_ROWS, maintain_order=True)
        for part in self._parts:
            part.unlink()
        return self._path


def _combine(
    reader: Reader, opened: Sequence[OpenFile], key: bytes | None, declared: DeclaredFile
) -> merchant_rows.Merchants:
    combined = merchant_rows.combine(reader.merchants(opened), key, declared.keep)
    _reject(opened, combined.repeated.select(merchant_rows.SOURCE_FILE, LINE, "code"))
    if opened:
        opened[0].tally.stripped.update(combined.losses.stripped)
        opened[0].tally.unreadable.update(combined.losses.unreadable)
    return combined


def _stage_transactions(
    reader: Reader, opened: Sequence[OpenFile], staging: Path
) -> tuple[tuple[Path, ...], frozenset[str]]:
    """Stage the transactions, take repetitions out, and keep the files' accounts right."""
    parts, present = reader.transactions(opened, staging)
    rejected = duplicates.drop_repeated(parts, sum(file.tally.rows_accepted for file in opened))
    _reject(opened, rejected)
    if rejected.height:
        counts = pl.scan_parquet(parts, glob=False).select(pl.col(COLUMNS).count()).collect()
        present = {name for name in COLUMNS if counts[name].item()}
    return tuple(parts), frozenset(present)


def _reject(opened: Sequence[OpenFile], repeated: pl.DataFrame) -> None:
    """Book rejected repetitions (file index, line, code) with the files they came from."""
    index, line, code = repeated.columns
    for (place, reason), rows in repeated.partition_by(index, code, as_dict=True).items():
        opened[int(str(place))].tally.reject(rows[line].to_list(), str(reason))
