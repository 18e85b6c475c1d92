"""Intake: hostile bytes in, accepted rows and counted rejects out.

    files        opening files ourselves, and nothing but plain files
    lines        CSV as lines of bytes; strict is the exact splitter for lines with quotes
    mapping      which column of a foreign file fills which field
    fields       texts become what the schema says, or their record is rejected
    cards        the card-number guard
    parquet      decoding, in the child process that worker runs
    merchants    accounts and their declared identifiers; pseudonyms makes the tokens
    transactions staged as Parquet parts; duplicates takes repetitions out
    index        files that were read before; entries and known are what is kept; reducing makes it, of columns
    merged       tables of many entries put together, for one small read
    digests      of files that nobody has touched since: noted, not taken again
    strangers    accounts with transactions but without a merchant row
    survey       judges a Parquet file that stays where it is; naming makes its names, inplace reads its rows
    tally        what became of every row and field
    problems     every code, with its meaning and its fix

`take_in` is the whole of it. `read = accepted + rejected` holds for every file, no rejected
value is repeated anywhere, and no path, card token or raw contact data reaches the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen.disk import disk_error
from merchantscreen.errors import CannotCreateError, InputError, Problem
from merchantscreen.intake import duplicates, files, known
from merchantscreen.intake.entries import Entry
from merchantscreen.intake.index import Index
from merchantscreen.intake.inplace import PlainFile, unchanged
from merchantscreen.intake.lines import read_records
from merchantscreen.intake.mapping import ColumnMapping, load_mapping
from merchantscreen.intake.merged import Merged, accounts_in
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.intake.reading import OpenFile, Reader, Rows, at_once, look_at
from merchantscreen.intake.strangers import Seen, unknown_accounts
from merchantscreen.intake.tally import FileTally, blind_spots_of, rejects_of
from merchantscreen.intake.transactions import COLUMNS, with_values
from merchantscreen.intake.worker import Worker
from merchantscreen.records import Progress, Silent, SourceFile

WORKERS: Final = 2
"""Parquet files that are decoded side by side; each takes about half a gigabyte."""
ASKED_OF_ALL: Final = ["account_id", "card_acceptor_id", "payment_facilitator_id", "sub_merchant_id", "mcc", "country",
                       "opened_on", "closed_on"]  # fmt: skip
"""Columns of tables.Accounts that stay in memory for all accounts; the others, names above all, are twice as much."""

__all__ = ["PROBLEMS", "ColumnMapping", "Intake", "load_mapping", "read_records", "take_in"]


@dataclass(frozen=True, slots=True)
class Intake:
    """All that was accepted, and an account of all that was not.

    Attributes:
        accounts: What every account is asked for, ASKED_OF_ALL of tables.Accounts, sorted by account_id.
        declared_file: Parquet of tables.DeclaredIdentifiers, kind by kind.
        declared_by_account: Files of the same in the order of accounts, where the index kept them.
        accounts_file: Parquet of tables.Accounts in the same order; what only some accounts are asked for stays there.
        transaction_files: Parquet parts of tables.Transactions, with two more columns, source_file and
            source_line, that name the row of the input and are never evidence.
        present: Columns of tables.Transactions that hold at least one value.
        sources: Every input file and what became of its rows.
        rejects: tables.Rejects, sorted by role, file, line, column, code.
        blind_spots: tables.BlindSpots of absent columns, cut and unreadable fields.
        pseudonym_key_id: Which key the contact tokens were made with.
        notices: What is worth a look though its rows were accepted: accounts without a merchant row.
        entries: Entries of the index that stand for transaction files, which were not read.
        merged: Tables of the index that stand for several of these entries at once.
        in_merged: The accounts with rows in these, each once, sorted; None without such tables.
        lots: The lot of each account by which it stands for its trade; None for few, which are drawn as needed.
        plain_files: Transaction files that are read where they are.
        elsewhere: More of tables.Transactions, where an engine has read them; no file of ours holds these.
        knows_everybody: Whether every account with transactions is known to have a merchant row.
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
    entries: tuple[Entry, ...] = ()
    merged: tuple[Merged, ...] = ()
    lots: pl.Series | None = None
    plain_files: tuple[PlainFile, ...] = ()
    elsewhere: nw.LazyFrame[Any] | None = None
    knows_everybody: bool = False
    declared_by_account: tuple[Path, ...] = ()
    in_merged: pl.Series | None = None


def take_in(
    merchants: Sequence[Path],
    transactions: Sequence[Path],
    work: Path,
    *,
    mapping: ColumnMapping | None = None,
    pseudonym_key: bytes | None = None,
    index: Index | None = None,
    in_place: bool = False,
    progress: Progress | None = None,
) -> Intake:
    """Read merchant and transaction files into tables that can be trusted.

    Args:
        merchants: Files or folders of tables.MerchantRows.
        transactions: Files or folders of tables.TransactionRows.
        work: Folder for the staged tables; created if absent.
        mapping: What the columns of foreign files mean.
        pseudonym_key: Key of the contact tokens; derived from the data when absent.
        index: Where files may have been read before; it changes no result.
        in_place: Whether Parquet files whose columns fit may stay where they are, for the embedded engine.
        progress: Told of stages and of bytes read.

    Raises:
        InputError: One or more files cannot be used at all; all their problems are named.
        CannotCreateError: The work folder cannot be made.
        FileAccessError: Reading or writing failed underway.
    """
    staging = _staging(work)
    with disk_errors_told(), ExitStack() as stack:
        workers = [stack.enter_context(Worker(staging, f"parquet-{number}")) for number in range(WORKERS)]
        order = _Order(merchants, transactions, mapping or ColumnMapping(), pseudonym_key, index, in_place)
        return _take_in(order, work, workers, progress or Silent())


@contextmanager
def disk_errors_told() -> Iterator[None]:
    """Turn what a failing disk does to us or to a library into one clear error.

    Raises:
        FileAccessError: The disk is full, limited or broken.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        number = error.errno if isinstance(error, OSError) else disk_error(error)
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


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked of `take_in`."""

    merchants: Sequence[Path]
    transactions: Sequence[Path]
    mapping: ColumnMapping
    key: bytes | None
    index: Index | None
    in_place: bool


def _take_in(order: _Order, work: Path, workers: Sequence[Worker], progress: Progress) -> Intake:
    """Look at all files, read them, and put the results together."""
    known_merchants = _known_merchants(order)
    of_merchants, of_transactions = _look(order, workers[0], is_known=known_merchants is not None)
    reader = Reader(order.mapping, workers, progress, in_place=order.in_place)
    title = "reading transactions" if known_merchants else "reading merchants and transactions"
    progress.stage(title, _bytes([*of_merchants, *of_transactions]))
    merchants, rows = at_once(
        lambda: known_merchants or read_merchants(reader, of_merchants, order.key, work),
        lambda: _read_transactions(reader, of_transactions, work / "transactions"),
        reader.give_up,
    )
    tallies = [*merchants.tallies, *(file.tally for file in of_transactions)]
    entries = {number: file.entry for number, file in enumerate(of_transactions) if file.entry}
    accounts = pl.read_parquet(merchants.accounts_file, columns=ASKED_OF_ALL, glob=False)
    merged = order.index.merged_of(entries.values()) if order.index else ()
    in_merged = accounts_in(merged) if merged else None
    strangers = unknown_accounts(
        Seen(rows, entries, merged, in_merged), accounts, [file.tally.path.name for file in of_transactions]
    )
    return Intake(
        accounts=accounts,
        declared_file=merchants.declared_file,
        declared_by_account=merchants.declared_by_account,
        accounts_file=merchants.accounts_file,
        transaction_files=tuple(rows.parts),
        plain_files=tuple(rows.plain.values()),
        present=frozenset(rows.present),
        sources=tuple(tally.source() for tally in tallies),
        rejects=rejects_of(tallies),
        blind_spots=blind_spots_of(tallies),
        pseudonym_key_id=merchants.key_id,
        entries=tuple(entries.values()),
        merged=merged,
        in_merged=in_merged,
        lots=merchants.lots,
        notices=strangers,
        knows_everybody=not strangers,
    )


@dataclass(frozen=True, slots=True)
class MerchantTables:
    """What the merchant files came to, on the disk: nothing of it is in the way while transactions are read.

    Attributes:
        accounts_file: Parquet of tables.Accounts, sorted by account_id.
        declared_file: Parquet of tables.DeclaredIdentifiers.
        tallies: What became of the rows of each file.
        key_id: Which key the contact tokens were made with.
        lots: The lots of the accounts, where they were kept or drawn.
        declared_by_account: Files of tables.DeclaredIdentifiers in the order of accounts, where they were kept.
    """

    accounts_file: Path
    declared_file: Path
    tallies: tuple[FileTally, ...]
    key_id: str
    lots: pl.Series | None = None
    declared_by_account: tuple[Path, ...] = ()


def _known_merchants(order: _Order) -> MerchantTables | None:
    """Take from the index what the merchant files came to, if they were read before, all of them and alike."""
    if order.index is None:
        return None
    paths, problems = files.find(order.merchants, "merchants")
    digests = [] if problems else [files.digest(path)[1] for path in paths]
    name = known.set_name(digests, order.mapping.merchants, order.key)
    found = known.find(order.index.merchants, name) if digests else None
    if found is None:
        return None
    tallies = tuple(found.tallies(paths))
    return MerchantTables(found.accounts, found.declared, tallies, found.facts.key_id, found.lots(), found.by_account)


def read_merchants(reader: Reader, opened: Sequence[OpenFile], key: bytes | None, work: Path) -> MerchantTables:
    """Read merchant files that have been looked at.

    Args:
        reader: Reads them.
        opened: The files.
        key: Key of the contact tokens; derived from the data when None.
        work: Where the tables go.
    """
    combined = reader.merchants(opened, key, work)
    _reject(opened, combined.repeated)
    if opened:
        opened[0].tally.stripped.update(combined.losses.stripped)
        opened[0].tally.unreadable.update(combined.losses.unreadable)
    tallies = tuple(file.tally for file in opened)
    return MerchantTables(combined.accounts, combined.declared, tallies, combined.key_id, combined.lots)


def _look(order: _Order, worker: Worker, *, is_known: bool) -> tuple[list[OpenFile], list[OpenFile]]:
    """Look at all files before any is read, at merchant files only if nothing stands for them."""
    nothing: tuple[list[OpenFile], list[Problem]] = ([], [])
    of_merchants, problems = nothing if is_known else look_at("merchants", order.merchants, order.mapping, worker)
    of_transactions, more = look_at("transactions", order.transactions, order.mapping, worker, order.index)
    if problems or more:
        raise InputError(f"{len(problems) + len(more)} problems with the input files", (*problems, *more))
    return of_merchants, of_transactions


def _bytes(opened: Sequence[OpenFile]) -> int:
    return sum(file.tally.path.stat().st_size for file in opened)


def _read_transactions(reader: Reader, opened: list[OpenFile], staging: Path) -> Rows:
    """Read the transactions, take repetitions out, and keep the files' accounts right.

    A file whose entry shares a transaction with a file that had to be read is read after all.
    """
    rows = reader.transactions({n: file for n, file in enumerate(opened) if file.entry is None}, staging)
    entries = {file.entry.name: file.entry.keys for file in opened if file.entry}
    keys = duplicates.key_hashes(sources_of(rows)) if entries else None
    repeating = frozenset() if keys is None else duplicates.holding(entries, keys)
    again = {n: reader.look_again(file) for n, file in enumerate(opened) if file.entry and file.entry.name in repeating}
    if again:
        for number, file in again.items():
            opened[number] = file
        rows.add(reader.transactions(again, staging))
    with unchanged(tuple(rows.plain.values())):
        if drop_repeated(opened, rows):
            rows.present = _present(rows)
    rows.present |= {name for file in opened if file.entry for name in file.entry.facts.present}
    return rows


def sources_of(rows: Rows) -> list[duplicates.Source]:
    """List all that was read as sources of keys."""
    staged = [duplicates.StagedPart(part) for part in rows.parts]
    return [*staged, *(duplicates.FileInPlace(file, number) for number, file in rows.plain.items())]


def drop_repeated(opened: Sequence[OpenFile], rows: Rows) -> bool:
    """Take repeated transactions out of what was read, and book them with their files.

    Args:
        opened: All files, in the order of `source_file`.
        rows: What was read of them.

    Returns:
        Whether there were any; then `present` of the rows may hold too much.
    """
    accepted = sum(file.tally.rows_accepted for file in opened if not file.entry)
    rejected = duplicates.find_repeated(sources_of(rows), accepted)
    if rejected.is_empty():
        return False
    _reject(opened, rejected)
    duplicates.drop_from(rows.parts, rejected)
    lines = dict(rejected.group_by("source_file").agg("source_line").iter_rows())
    rows.plain = {number: file.without_repeated(lines.get(number, [])) for number, file in rows.plain.items()}
    return True


def _present(rows: Rows) -> set[str]:
    """Count the values of every column anew."""
    staged = [pl.scan_parquet(rows.parts, glob=False)] if rows.parts else []
    plain = [file.transactions(file.rows(), COLUMNS) for file in rows.plain.values()]
    return {name for frame in (*staged, *plain) for name in with_values(frame)}


def _reject(opened: Sequence[OpenFile], repeated: pl.DataFrame) -> None:
    """Book rejected repetitions (file index, line, code) with the files they came from."""
    index, line, code = repeated.columns
    for (place, reason), rows in repeated.partition_by(index, code, as_dict=True).items():
        opened[int(str(place))].tally.reject(rows[line].to_list(), str(reason))
