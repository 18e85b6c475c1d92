"""Which engine runs a screen: the options that say so, and the engine made of them.

Only the whole-table steps run on the engine; what it brings home is weighed and ranked here,
so the evidence is the same whichever was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.engines import Engine
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.engines.problems import PROBLEMS
from merchantscreen.engines.spark import SparkPlace, spark_engine
from merchantscreen.errors import UsageError


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


@dataclass(frozen=True, slots=True)
class EngineOrder:
    """The engine that the caller ordered.

    Attributes:
        name: Which engine.
        master: Master of Spark, if one was named.
        remote: Connect server, if one was named.
        is_shared: Whether executors see the folder in which rows wait.
    """

    name: EngineName = EngineName.POLARS
    master: str | None = None
    remote: str | None = None
    is_shared: bool = False

    def __post_init__(self) -> None:
        """Refuse options that do not go together, before anything is read."""
        named = [place for place in (self.master, self.remote) if place is not None]
        is_idle = self.name is not EngineName.SPARK and (named or self.is_shared)
        if is_idle or len(named) > 1:
            raise UsageError("Options of Spark.", (PROBLEMS["MS-ENG-003"].at("command line"),))


@contextmanager
def running(order: EngineOrder, work: Path, row_count: int) -> Iterator[Engine]:
    """Give the engine that was ordered, and let go of it whatever happens.

    Args:
        order: Which engine, and where.
        work: Private folder for stages.
        row_count: Accepted transactions.
    """
    if order.name is EngineName.POLARS:
        yield PolarsEngine(work)
        return
    with spark_engine(SparkPlace(work, order.master, order.remote, order.is_shared), row_count) as engine:
        yield engine
