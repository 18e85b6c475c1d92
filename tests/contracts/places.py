"""Every engine that has to pass the contract, and how a test gets one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from merchantscreen.engines import Engine
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.engines.spark import SparkPlace, spark_engine

SERVER: Final = "org.apache.spark.sql.connect.service.SparkConnectServer"
QUICK_JAVA: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
SETTINGS: Final = {
    "spark.driver.memory": "1g",
    "spark.executor.memory": "1g",
    "spark.driver.extraJavaOptions": QUICK_JAVA,
    "spark.executor.extraJavaOptions": QUICK_JAVA,
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
}
"""Small worlds on a small machine: little memory, no long warming up of Java, few tasks. None of it changes a value."""


@contextmanager
def polars(work: Path) -> Iterator[Engine]:
    """Give the embedded engine."""
    yield PolarsEngine(work)


@contextmanager
def spark_here(work: Path) -> Iterator[Engine]:
    """Start Spark in one process with two threads."""
    with started(work, "local[2]") as engine:
        yield engine


@contextmanager
def spark_cluster(work: Path) -> Iterator[Engine]:
    """Start Spark with two executors that are processes of their own."""
    folder = installed() / "work"
    there = set(folder.iterdir()) if folder.exists() else set()
    with started(work, "local-cluster[2,1,2048]") as engine:
        yield engine
    for left in set(folder.iterdir()) - there:
        shutil.rmtree(left)


@contextmanager
def spark_connect(work: Path) -> Iterator[Engine]:
    """Start a Connect server in a process of its own, and reach it as a client does."""
    needs_java()
    with server(work) as address, spark_engine(SparkPlace(work, remote=address, settings=SETTINGS), 1) as engine:
        yield engine


ENGINES: Final[dict[str, Callable[[Path], AbstractContextManager[Engine]]]] = {
    "polars": polars,
    "spark local": spark_here,
    "spark local-cluster": spark_cluster,
    "spark connect": spark_connect,
}
"""Whoever adds an engine adds it here, and it has to pass."""
NAMES: Final = [pytest.param(name, marks=pytest.mark.spark) if name.startswith("spark") else name for name in ENGINES]
"""The same as parameters; those of Spark are marked."""


def needs_java() -> None:
    """Skip where there is no Java; where every test has to run (CI), its absence is a failure."""
    if os.environ.get("JAVA_HOME") or shutil.which("java"):
        return
    said = "there is no Java here (Debian: default-jre-headless)"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


@contextmanager
def started(work: Path, master: str) -> Iterator[Engine]:
    """Start Spark on this machine."""
    needs_java()
    with spark_engine(SparkPlace(work, master, settings=SETTINGS), 1) as engine:
        yield engine


@contextmanager
def server(work: Path) -> Iterator[str]:
    """Run a Connect server on a free port of this machine, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1", "spark.connect.grpc.binding.port": str(port),
        "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false",
        "spark.local.dir": str(work), "spark.sql.warehouse.dir": str(work / "warehouse"), **SETTINGS,
    }  # fmt: skip
    words = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    command = [str(installed() / "bin/spark-submit"), "--class", SERVER, "--master", "local[2]", *words]
    with (work / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=clean_environment())
    try:
        wait_for(port, process, work / "server.log")
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def clean_environment() -> dict[str, str]:
    """Give a server what a shell would: nothing that a Spark in this process has left behind."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    return ours | {"PYSPARK_PYTHON": sys.executable}


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until something listens, or fail if the server has ended or two minutes are over."""
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, f"the Connect server ended:\n{log.read_text()[-2000:]}"
        time.sleep(0.1)
    pytest.fail(f"the Connect server does not listen:\n{log.read_text()[-2000:]}")


def installed() -> Path:
    """Return the folder of pyspark."""
    found = find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent
