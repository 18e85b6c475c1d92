"""A simulated payment network with known truth: merchants, transactions, referrals, and who is who.

    files = simulate(SimulationOptions(accounts=400, transactions=20_000, referrals=40, seed=7), Path("world"))

A world is a pure function of its options: same options, same bytes, on any machine. It
streams to disk, so ten million transactions need about as much memory as one million. The stories it
tells are the table in typologies.py; the clock is never read, every world ends at `AS_OF`.

Tests use it instead of mocks, the demonstration is made with it, and so are benchmarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from merchantscreen.errors import UsageError
from merchantscreen.records import Progress, Silent
from merchantscreen.simulation import writing
from merchantscreen.simulation.calendar import AS_OF
from merchantscreen.simulation.cast import Stage
from merchantscreen.simulation.draws import Draws
from merchantscreen.simulation.population import TRUTH_COLUMNS, Population, merchants, populate, truth
from merchantscreen.simulation.transactions import TransactionFile, transaction_file
from merchantscreen.simulation.typologies import tell
from merchantscreen.simulation.volumes import rows_per_planted
from merchantscreen.tables import MerchantRows, TransactionRows, schema_of

__all__ = ["AS_OF", "SimulatedFiles", "SimulationOptions", "simulate", "small_world"]

FEWEST_ACCOUNTS: Final = 30
MOST_ACCOUNTS: Final = 50_000_000
MOST_TRANSACTIONS: Final = 10**9
ROWS_PER_PART: Final = 1_000_000
_ROWS_AT_ONCE: Final = 125_000
_ACCOUNTS_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """How large a world is, and which one of its size.

    Attributes:
        accounts: Merchant accounts.
        transactions: Transactions.
        referrals: Referrals; those that find no room among the accounts are about sites nobody here serves.
        seed: Any whole number; another seed is another world.
        file_format: Format of the tables. Referrals are JSON lines either way.

    Raises:
        UsageError: A size out of bounds.
    """

    accounts: int
    transactions: int
    referrals: int
    seed: int
    file_format: Literal["csv", "parquet"] = "csv"

    def __post_init__(self) -> None:
        _check("accounts", self.accounts, FEWEST_ACCOUNTS, MOST_ACCOUNTS)
        _check("transactions", self.transactions, 0, MOST_TRANSACTIONS)
        _check("referrals", self.referrals, 0, MOST_ACCOUNTS)
        _check("seed", self.seed, 0, 2**63 - 1)

    @property
    def most_planted(self) -> int:
        """Accounts that stories may plant: a third of all, and half of the transactions at most."""
        return min(self.accounts // 3, self.transactions // (2 * rows_per_planted(self.transactions, self.accounts)))


@dataclass(frozen=True, slots=True)
class SimulatedFiles:
    """Where a world was written; `transactions` is a file (CSV) or a folder of parts (Parquet)."""

    merchants: Path
    transactions: Path
    referrals: Path
    truth: Path


def simulate(options: SimulationOptions, out: Path, progress: Progress = Silent()) -> SimulatedFiles:  # noqa: B008
    """Write a world into a folder.

    Args:
        options: Its size and seed.
        out: Folder to write into; created if need be, but no world in it is ever overwritten.
        progress: Told of each stage, in rows.

    Raises:
        CannotCreateError: The folder cannot be created, or holds a world already.
        FileAccessError: Writing failed underway.
    """
    files = _places(options, out)
    writing.make_folder(out)
    writing.refuse_existing([files.merchants, files.transactions, files.referrals, files.truth])
    stage = tell(Draws(options.seed), options.referrals, options.most_planted)
    planted = tuple(stage.accounts)
    population = populate(stage.draws, planted, stage.facilitators, options.accounts, options.transactions)
    _write_referrals(stage, files, progress)
    _write_accounts(population, options, files, progress)
    _write_transactions(transaction_file(population, options.transactions), options, files, progress)
    return files


def small_world(out: Path, seed: int = 7, file_format: Literal["csv", "parquet"] = "csv") -> SimulatedFiles:
    """Write the world that most tests use: some hundred accounts, every typology, written in a moment."""
    options = SimulationOptions(accounts=300, transactions=12_000, referrals=40, seed=seed, file_format=file_format)
    return simulate(options, out)


# --------------------------------------------------------------------------- the files


def _places(options: SimulationOptions, out: Path) -> SimulatedFiles:
    ending = options.file_format
    return SimulatedFiles(
        merchants=out / f"merchants.{ending}",
        transactions=out / ("transactions.csv" if ending == "csv" else "transactions"),
        referrals=out / "referrals.jsonl",
        truth=out / f"truth.{ending}",
    )


def _write_referrals(stage: Stage, files: SimulatedFiles, progress: Progress) -> None:
    progress.stage("Referrals", len(stage.referrals))
    writing.write_events(stage.referrals, files.referrals)
    progress.advance(len(stage.referrals))


def _write_accounts(
    population: Population, options: SimulationOptions, files: SimulatedFiles, progress: Progress
) -> None:
    steps = list(_steps(0, options.accounts, _ACCOUNTS_AT_ONCE))
    progress.stage("Merchant accounts", options.accounts)
    rows = (merchants(population, first, last) for first, last in steps)
    _write(_counted(rows, progress), schema_of(MerchantRows), options, files.merchants)
    truths = (truth(population, first, last) for first, last in steps)
    _write(truths, {"account_id": pl.String(), **TRUTH_COLUMNS}, options, files.truth)


def _write_transactions(
    file: TransactionFile, options: SimulationOptions, files: SimulatedFiles, progress: Progress
) -> None:
    progress.stage("Transactions", options.transactions)

    def rows(begin: int, end: int) -> Iterator[pl.DataFrame]:
        chunks = (file.rows(first, last) for first, last in _steps(begin, end, _ROWS_AT_ONCE))
        return _counted(chunks, progress)

    schema = schema_of(TransactionRows)
    if options.file_format == "csv":
        _write(rows(0, options.transactions), schema, options, files.transactions)
        return
    writing.make_folder(files.transactions)
    for number, (begin, end) in enumerate(_steps(0, options.transactions, ROWS_PER_PART)):
        _write(rows(begin, end), schema, options, files.transactions / f"part-{number:05d}.parquet")


def _write(
    chunks: Iterator[pl.DataFrame], schema: Mapping[str, pl.DataType], options: SimulationOptions, path: Path
) -> None:
    match options.file_format:
        case "csv":
            writing.write_csv(chunks, path)
        case "parquet":
            writing.write_parquet(chunks, schema, path)


def _counted(chunks: Iterator[pl.DataFrame], progress: Progress) -> Iterator[pl.DataFrame]:
    for chunk in chunks:
        yield chunk
        progress.advance(chunk.height, chunk.height)


def _steps(begin: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the steps from begin to end; an empty table is one empty step, so that its header is written."""
    yield begin, min(begin + size, end)
    for first in range(begin + size, end, size):
        yield first, min(first + size, end)


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UsageError(f"{name} must be from {least} to {most}.")
