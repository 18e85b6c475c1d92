"""The inputs of a screening as a command takes them: the options that name them, and how they are read.

Everything is read before anything is done with it, and all that is wrong with any input is
reported together. Which policy the data meets is the caller's: one for `screen`, two for `rules backtest`.

Rules and referrals are read beside the data: child processes and native code read this, and leave the interpreter to
those.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import polars as pl
import typer

from merchantscreen.cli import options
from merchantscreen.errors import InputError, MerchantScreenError, UsageError
from merchantscreen.intake import Intake, take_in
from merchantscreen.intake.index import open_index
from merchantscreen.intake.mapping import load_mapping
from merchantscreen.records import Progress, SourceFile
from merchantscreen.referrals.reading import ReferralIntake, read_referrals

T = TypeVar("T")

Referrals = Annotated[
    list[Path],
    typer.Option("--referrals", help="Referral events: JSON lines or CSV. One or more files.", metavar="FILE..."),
]
Merchants = Annotated[
    list[Path],
    typer.Option("--merchants", help="Merchant accounts: CSV or Parquet. One or more files.", metavar="FILE..."),
]
Transactions = Annotated[
    list[Path],
    typer.Option("--transactions", help="Transactions: CSV or Parquet. Files or folders.", metavar="FILE_OR_DIR..."),
]
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", help="YAML file that names our field for each of theirs.", metavar="FILE")
]
IndexFolder = Annotated[
    Path | None,
    typer.Option(
        "--index", metavar="DIR", help="Index of transaction files that were read before; it changes no result."
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="Moment to look from, ISO 8601, UTC without offset; now when absent.", metavar="DATETIME"
    ),
]


@dataclass(frozen=True, slots=True)
class InputFiles:
    """The files that a caller named.

    Attributes:
        referrals: Referral files.
        merchants: Merchant files.
        transactions: Transaction files and folders.
        mapping: Mapping file.
        key_file: Key of the contact tokens.
        index: Where transaction files may have been read before.
        in_place: Whether transactions may stay where they are: the engine is the embedded one.
    """

    referrals: tuple[Path, ...]
    merchants: tuple[Path, ...]
    transactions: tuple[Path, ...]
    mapping: Path | None
    key_file: Path | None = None
    index: Path | None = None
    in_place: bool = True


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that was read, the rules aside."""

    referrals: ReferralIntake
    intake: Intake

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """Return every file that was read, in order of its role."""
        return (*self.referrals.sources, *self.intake.sources)

    @property
    def rejects(self) -> pl.DataFrame:
        """Return tables.Rejects of all files together."""
        together = pl.concat([self.referrals.rejects, self.intake.rejects])
        return together.sort("role", "file", "line", "column", "code")


class Collected:
    """Runs the stages of reading and keeps what is wrong with any of them."""

    def __init__(self) -> None:
        self._errors: list[MerchantScreenError] = []

    def attempt(self, stage: Callable[[], T]) -> T | None:
        """Run a stage; None when its input cannot be used."""
        try:
            return stage()
        except (InputError, UsageError) as error:
            self._errors.append(error)
            return None

    def and_then(self, others: Collected) -> Collected:
        """Give what is wrong here, and after it what others collected."""
        both = Collected()
        both._errors = [*self._errors, *others._errors]
        return both

    def settle(self) -> None:
        """Raise one error with the problems of all."""
        if not self._errors:
            return
        problems = tuple(problem for error in self._errors for problem in error.problems)
        kind = InputError if any(isinstance(error, InputError) for error in self._errors) else UsageError
        raise kind("; ".join(error.message for error in self._errors), problems)


def read_inputs(files: InputFiles, work: Path, progress: Progress, load: Callable[[], T]) -> tuple[T, Inputs]:
    """Read rules, referrals, merchants and transactions; what is wrong anywhere comes together.

    Args:
        files: What to read.
        work: Private folder in which accepted rows wait.
        progress: Told of the stages.
        load: Loads the rules, or whatever else the caller needs beside the data.

    Returns:
        What `load` gave, and what was read.
    """
    progress.stage("reading rules and referrals")
    said, given = Collected(), Collected()
    with ThreadPoolExecutor(1) as beside:
        loading = beside.submit(said.attempt, load)
        reading = beside.submit(said.attempt, lambda: read_referrals(files.referrals))
        mapping = given.attempt(lambda: load_mapping(files.mapping) if files.mapping else None)
        key = given.attempt(lambda: options.read_key(files.key_file) if files.key_file else None)
        index = given.attempt(lambda: open_index(files.index) if files.index else None)
        intake = given.attempt(
            lambda: take_in(
                files.merchants, files.transactions, work, mapping=mapping, pseudonym_key=key, index=index,
                in_place=files.in_place, progress=progress,
            )
        )  # fmt: skip
        loaded, events = loading.result(), reading.result()
    said.and_then(given).settle()
    if loaded is None or events is None or intake is None:
        raise AssertionError("a stage gave neither a result nor an error")
    return loaded, Inputs(events, intake)
