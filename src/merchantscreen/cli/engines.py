"""Which engine runs a screen: the options that say so, and the engine made of them.

Only the whole-table steps run on the engine; what it brings home is weighed and ranked here,
so the evidence is the same whichever was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from merchantscreen.engines import Engine
from merchantscreen.engines.lake import take_in_tables
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.engines.problems import PROBLEMS
from merchantscreen.engines.spark import SparkEngine, SparkPlace, spark_engine
from merchantscreen.errors import UsageError
from merchantscreen.intake import Intake, load_mapping
from merchantscreen.intake.mapping import RoleMapping
from merchantscreen.records import Progress


class EngineName(StrEnum):
    """The engines there are."""

    POLARS = "polars"
    SPARK = "spark"


EngineOption = Annotated[
    EngineName, typer.Option("--engine", help="Where whole tables are searched and counted; the result is the same.")
]
SparkMaster = Annotated[
    str | None,
    typer.Option("--spark-master", metavar="URL", help="With --engine spark: the master; this machine when absent."),
]
SparkRemote = Annotated[
    str | None,
    typer.Option(
        "--spark-remote", metavar="URL", help="With --engine spark: a Connect server, such as sc://spark.example."
    ),
]
SparkShared = Annotated[
    bool,
    typer.Option(
        "--spark-shared-out", help="Every executor sees the folder of --out under the same path: rows wait there."
    ),
]


SparkTransactions = Annotated[
    list[str],
    typer.Option(
        "--spark-transactions", metavar="TABLE_OR_URI",
        help="With --engine spark, instead of --transactions: a table of its catalogue, or the address of Parquet "
        "files. Judged on the executors, where this package has to be installed. One or more.",
    ),
]  # fmt: skip


SPARK_READ: Final = "transactions_read_by_spark"
"""Parameter in the manifest: the digests of its transactions are then of accepted rows, and not of files."""


@dataclass(frozen=True, slots=True)
class EngineOrder:
    """The engine that the caller ordered.

    Attributes:
        name: Which engine.
        master: Master of Spark, if one was named.
        remote: Connect server, if one was named.
        is_shared: Whether executors see the folder in which rows wait.
        tables: Transactions that Spark reads where they are, instead of files.
    """

    name: EngineName = EngineName.POLARS
    master: str | None = None
    remote: str | None = None
    is_shared: bool = False
    tables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse options that do not go together, before anything is read."""
        named = [place for place in (self.master, self.remote) if place is not None]
        is_idle = self.name is not EngineName.SPARK and (named or self.is_shared or self.tables)
        if is_idle or len(named) > 1:
            raise UsageError("Options of Spark.", (PROBLEMS["MS-ENG-003"].at("command line"),))


def require_one_place(files: Sequence[Path], order: EngineOrder) -> None:
    """Refuse a screen of no transactions, and one of files and tables together, before anything is read."""
    if bool(files) == bool(order.tables):
        found = "transactions from files and from Spark" if files else "no transactions"
        raise UsageError("Transactions.", (PROBLEMS["MS-ENG-008"].at("command line", found=found),))


def require_files(parameters: Mapping[str, object]) -> None:
    """Refuse to make a run again whose transactions are in Spark: what is there now need not be what was."""
    if parameters.get(SPARK_READ):
        raise UsageError("Transactions in Spark.", (PROBLEMS["MS-ENG-009"].at("manifest.json"),))


@contextmanager
def running(order: EngineOrder, work: Path, row_count: int) -> Iterator[Engine]:
    """Give the engine that was ordered, and let go of it whatever happens.

    Args:
        order: Which engine, and where.
        work: Private folder for stages.
        row_count: Accepted transactions from files.
    """
    if order.name is EngineName.POLARS:
        yield PolarsEngine(work)
        return
    place = SparkPlace(work, order.master, order.remote, order.is_shared)
    with spark_engine(place, None if order.tables else row_count) as engine:
        yield engine


def with_tables(order: EngineOrder, engine: Engine, intake: Intake, mapping: Path | None, progress: Progress) -> Intake:
    """Add the transactions that Spark reads where they are, if there are any."""
    if not order.tables or not isinstance(engine, SparkEngine):
        return intake
    of_transactions = load_mapping(mapping).transactions if mapping else RoleMapping()
    return take_in_tables(engine, order.tables, of_transactions, intake, progress)


def stated(order: EngineOrder, engine: Engine) -> dict[str, str | bool]:
    """Say for the manifest which engine searched and counted, and whether it read the transactions itself."""
    if not isinstance(engine, SparkEngine):
        return {"engine": order.name.value}
    return {"engine": order.name.value, "spark_version": engine.version, SPARK_READ: bool(order.tables)}
