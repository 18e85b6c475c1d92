"""The optional engine: Apache Spark, for what outgrows one machine.

Runs the same Narwhals definitions as the embedded engine and brings home the same rows.
Rules kept here:

* nothing of Spark is imported before somebody asks for it, and what is missing is one clear problem;
* a session means the same everywhere: UTC, times without zone, errors instead of nulls (ANSI);
* Spark started here listens on this machine's loopback address only and shows no web page;
* a path is a name, never a pattern, and no folder name becomes a column;
* what Spark says of a failure may quote data, so only the name of its error class is passed on.

Where the executors see our folders, accepted rows are read from there and stages are Parquet
files there. Where they do not, rows go through the driver and stages stay on the executors' disks.

Source: pyspark 4 reference; engine measurements, sections 2.5, 3.1 and 4.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen.engines import Frame
from merchantscreen.engines.problems import PROBLEMS
from merchantscreen.errors import FileAccessError, InputError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BatchWork = Callable[[Iterator[Any]], Iterator[Any]]

LOCAL_MASTER: Final = "local[*]"
ROWS_PER_PARTITION: Final = 1_000_000
"""Rows per shuffle partition. Source: measured, a 10 M and a 50 M set within 6 to 10 GB."""
_FEWEST_PARTITIONS: Final = 2
_MOST_DRIVER_MB: Final = 8192
"""Heap of a Spark that runs on this machine; the process takes up to 1.65 times as much (measured)."""
_PATTERN_SIGNS: Final = re.compile(r"[\\*?{}\[\]]")
"""What Hadoop reads as a pattern in a path."""
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/@]*@)?([^?#]*)")
"""Scheme, and what follows, without the credentials and the query that an address may hold."""
_SPARK_PACKAGES: Final = frozenset({"pyspark", "py4j", "grpc"})
_TYPES: Final[dict[pl.DataType, str]] = {
    pl.String(): "string", pl.Int64(): "bigint", pl.Float64(): "double", pl.Boolean(): "boolean",
    pl.Date(): "date", pl.Datetime("us"): "timestamp_ntz",
}  # fmt: skip
"""Spark's name of each type that is brought over. Stated, as a table without rows shows none; Spark has no
unsigned integers and nothing finer than microseconds."""

_MEANING: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.parquet.compression.codec": "lz4",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
}
"""Settings of every session. Times without zone: a literal would else be read in the zone of this machine. Batches
for work of ours are large, as each costs some milliseconds however small it is."""
_ON_LOOPBACK: Final = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
"""Settings of a Spark that is started on this machine."""


@dataclass(frozen=True, slots=True)
class SparkPlace:
    """Where Spark runs, and where rows wait for it.

    Attributes:
        work: Existing private folder for rows and stages; the caller removes it.
        master: Master of a Spark that is started from here; this machine when absent.
        remote: Address of a Connect server, `sc://…`, instead of a master.
        is_shared: Whether every executor sees `work` under the same path.
        settings: More settings of Spark, which win over ours.
    """

    work: Path
    master: str | None = None
    remote: str | None = None
    is_shared: bool = False
    settings: Mapping[str, str] | None = None

    @property
    def is_here(self) -> bool:
        """Tell whether all of Spark runs on this machine."""
        return self.remote is None and (self.master or LOCAL_MASTER).startswith("local")


class SparkEngine:
    """Runs the plan on a Spark session, over the JVM or over Connect.

    Args:
        session: The session; the caller stops it.
        stages: Existing folder for stages that the executors see too; None keeps stages on their disks.
    """

    def __init__(self, session: SparkSession, stages: Path | None) -> None:
        self._session = session
        self._stages = stages
        self._stage_count = 0

    def scan(self, files: Sequence[Path]) -> Frame:
        """Open Parquet files as one frame; where executors do not see them, bring their rows over."""
        if self._stages is not None:
            return self._in_place(files)
        parts = [self._on_executors(self._native(pl.read_parquet(file, glob=False))) for file in files]
        whole: Frame = nw.concat([_frame(part) for part in parts])
        return whole

    def load(self, frame: pl.DataFrame) -> Frame:
        """Bring a compact table to where the data is."""
        return _frame(self._native(frame))

    def among(self, frame: Frame, column: str, values: pl.Series) -> Frame:
        """Keep the rows whose text in a column is one of some values."""
        return frame.join(self.load(values.unique().alias(column).to_frame()), on=column, how="semi")

    def save(self, frame: Frame, name: str) -> Frame:
        """Write a stage and go on from there; every stage is a new one, as plans may still read the old."""
        if self._stages is None:
            return _frame(self._on_executors(frame.to_native()))
        self._stage_count += 1
        folder, native = self._stages / f"stage-{self._stage_count:03d}-{name}", frame.to_native()
        with _reported():
            native.write.parquet(_address(folder))
            # a schema that is given need not be looked for, which would be one more job
            return _frame(self._session.read.schema(native.schema).parquet(_pattern(folder)))

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Bring a compact result home."""
        with _reported():
            return pl.DataFrame(frame.to_native().toArrow())

    @property
    def version(self) -> str:
        """Version of the Spark that does the work."""
        return str(self._session.version)

    def table(self, source: str) -> Frame:
        """Open what Spark itself can read.

        Args:
            source: A table of the session's catalogue, or the address of a Parquet file or folder.

        Raises:
            InputError: There is none of that name that we may read.
        """
        try:
            native = self._parquet(_literal(source)) if "/" in source else self._session.table(source)
            native.columns  # noqa: B018 - a plan is looked at when its columns are asked for
            return _frame(native)
        except Exception as error:
            if not _is_sparks(error):
                raise
            found = f"a table or folder that Spark cannot open ({_condition(error) or type(error).__name__})"
            problem = PROBLEMS["MS-ENG-007"].at(shown(source), found=found)
            raise InputError("a table cannot be opened", (problem,)) from error

    def expressed(self, frame: Frame, *expressions: str) -> Frame:
        """Select expressions of Spark's SQL, for what Narwhals has no word for."""
        with _reported():
            return _frame(frame.to_native().selectExpr(*expressions))

    def mapped(
        self, frame: Frame, work: BatchWork, schema: Mapping[str, pl.DataType], *, together: Sequence[str] = ()
    ) -> Frame:
        """Have the executors turn Arrow batches into others.

        Args:
            frame: The rows.
            work: Called once per partition with its batches; the executors import it by its name.
            schema: Of the batches it gives.
            together: Columns; rows that are equal in them come into one partition.
        """
        with _reported(), _words_on_pandas_unsaid():
            native = frame.to_native()
            placed = native.repartition(*together) if together else native
            return _frame(placed.mapInArrow(work, _columns(schema)))

    def _in_place(self, files: Sequence[Path]) -> Frame:
        with _reported():
            return _frame(self._parquet(*map(_pattern, files)))

    def _parquet(self, *patterns: str) -> DataFrame:
        # recursive look-up switches off that folder names of the form key=value become columns
        return self._session.read.option("recursiveFileLookup", "true").parquet(*patterns)

    def _native(self, frame: pl.DataFrame) -> DataFrame:
        typed = frame.cast(
            {pl.selectors.integer(): pl.Int64(), pl.selectors.datetime(time_zone=None): pl.Datetime("us")}
        )
        with _reported():
            arrow = typed.to_arrow(compat_level=pl.CompatLevel.oldest())
            return self._session.createDataFrame(arrow, _columns(typed.schema))

    def _on_executors(self, frame: DataFrame) -> DataFrame:
        """Keep rows on the executors' disks: a checkpoint that needs no folder of ours, gone with the session."""
        from pyspark.storagelevel import StorageLevel  # noqa: PLC0415 - only where Spark is used

        with _reported():
            return frame.localCheckpoint(eager=True, storageLevel=StorageLevel.DISK_ONLY)


@contextmanager
def spark_engine(place: SparkPlace, row_count: int | None) -> Iterator[SparkEngine]:
    """Start or reach Spark, give an engine on it, and stop the session whatever happens.

    Args:
        place: Where Spark runs.
        row_count: About how many transactions there are, as more rows are spread over more partitions; None
            leaves that to Spark.

    Raises:
        UsageError: PySpark or Java is missing.
        FileAccessError: Spark cannot be reached, or a job failed.
    """
    session = _session(place)
    try:
        chosen = {**_MEANING, **_spread(row_count), **(place.settings or {})}
        with _reported():
            for name, value in chosen.items():
                if name.startswith("spark.sql."):
                    session.conf.set(name, value)
        yield SparkEngine(session, place.work if place.is_here or place.is_shared else None)
    finally:
        session.stop()


def _spread(row_count: int | None) -> dict[str, str]:
    if row_count is None:
        return {}
    return {"spark.sql.shuffle.partitions": str(max(_FEWEST_PARTITIONS, -(-row_count // ROWS_PER_PARTITION)))}


# --------------------------------------------------------------------------- starting and reaching Spark


def _session(place: SparkPlace) -> SparkSession:
    """Start Spark here, at a master, or reach the one behind a Connect server."""
    try:
        return _reached(place.remote) if place.remote else _started(place)
    except ImportError as error:
        raise UsageError("Spark cannot be used.", (PROBLEMS["MS-ENG-001"].at("command line"),)) from error
    except Exception as error:
        if not _is_sparks(error):
            raise
        code = "MS-ENG-002" if _condition(error) == "JAVA_GATEWAY_EXITED" else "MS-ENG-004"
        kind = UsageError if code == "MS-ENG-002" else FileAccessError
        raise kind("Spark cannot be used.", (PROBLEMS[code].at("command line"),)) from error


def _reached(remote: str) -> SparkSession:
    with _words_on_pandas_unsaid():
        from pyspark.sql.connect.session import SparkSession  # noqa: PLC0415 - only where Spark is used

    session: SparkSession = SparkSession.builder.remote(remote).appName("merchantscreen").create()
    return session


def _frame(native: DataFrame) -> Frame:
    """Put a frame of Spark under the definitions of the method."""
    frame: Frame = nw.from_native(native)
    return frame


def _started(place: SparkPlace) -> SparkSession:
    from pyspark.core.context import SparkContext  # noqa: F401, PLC0415 - missing in the thin client
    from pyspark.sql import SparkSession  # noqa: PLC0415 - only where Spark is used

    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise UsageError("Spark cannot be used.", (PROBLEMS["MS-ENG-002"].at("command line"),))
    builder = SparkSession.builder.master(place.master or LOCAL_MASTER).appName("merchantscreen")
    for name, value in {**(_here(place.work) if place.is_here else {}), **(place.settings or {})}.items():
        builder = builder.config(name, value)
    with _words_kept(place.work / "spark.log"):
        session: SparkSession = builder.getOrCreate()
    if place.is_here and "PYSPARK_PYTHON" not in os.environ:
        # our own interpreter, which has our package, and not the first on the PATH
        session.sparkContext.pythonExec = sys.executable
    return session


def _here(work: Path) -> dict[str, str]:
    """Give the settings of a Spark on this machine: a third of its memory, and its files in our folder."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {
        **_ON_LOOPBACK,
        "spark.driver.memory": f"{min(_MOST_DRIVER_MB, memory // 3)}m",
        "spark.local.dir": str(work),
        "spark.sql.warehouse.dir": str(work / "warehouse"),
    }


@contextmanager
def _words_on_pandas_unsaid() -> Iterator[None]:
    """Keep to itself what PySpark says of a pandas that it loads and we never use."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


@contextmanager
def _words_kept(log: Path) -> Iterator[None]:
    """Have the Java process, which inherits our stderr and keeps it, write to a file instead."""
    sys.stderr.flush()
    ours = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)


# --------------------------------------------------------------------------- what passes between us and Spark


def _address(path: Path) -> str:
    """Name a path on this machine's file system, whatever file system the cluster uses otherwise."""
    return f"file://{path.absolute()}"


def _pattern(path: Path) -> str:
    return _literal(_address(path))


def _literal(address: str) -> str:
    """Write an address as the pattern that matches it alone: what is read is a pattern, what is written is not."""
    return _PATTERN_SIGNS.sub(lambda sign: f"\\{sign[0]}", address)


def shown(source: str) -> str:
    """Name a source without the credentials of an address, and without the folders of a machine."""
    address = _ADDRESS.match(source)
    if address is None or address[1] == "file":
        return Path(source).name
    return f"{address[1]}://{address[2]}"


def _columns(schema: Mapping[str, pl.DataType]) -> str:
    return ", ".join(f"`{name}` {_TYPES[dtype]}" for name, dtype in schema.items())


@contextmanager
def _reported() -> Iterator[None]:
    """Turn a failure of Spark into a problem that quotes no data."""
    try:
        yield
    except Exception as error:
        if not _is_sparks(error):
            raise
        condition = _condition(error) or type(error).__name__
        problem = PROBLEMS["MS-ENG-005"].at("spark", found=f"a Spark job that failed ({condition})")
        raise FileAccessError("A Spark job failed.", (problem,)) from error


def _is_sparks(error: Exception) -> bool:
    return any(base.__module__.split(".")[0] in _SPARK_PACKAGES for base in type(error).__mro__)


def _condition(error: Exception) -> str | None:
    """Return the name of Spark's error class, such as DIVIDE_BY_ZERO."""
    ask = getattr(error, "getCondition", None)
    return ask() if ask else None
