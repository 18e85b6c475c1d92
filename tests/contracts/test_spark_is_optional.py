"""What a caller is told when Spark is not there, cannot be reached, or was ordered in a way that cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cli.command import Inputs, merchantscreen

from merchantscreen.engines.spark import SparkPlace, shown, spark_engine
from merchantscreen.errors import FileAccessError, UsageError


@pytest.mark.parametrize(
    "words",
    [
        ["--spark-master", "local[2]"],
        ["--spark-remote", "sc://127.0.0.1"],
        ["--spark-shared-out"],
        ["--spark-transactions", "lake.payments"],
        ["--engine", "spark", "--spark-master", "local[2]", "--spark-remote", "sc://127.0.0.1"],
    ],
)
def test_options_that_do_not_go_together_are_refused_at_once(words: list[str], tmp_path: Path) -> None:
    """Nothing is read and nothing is written before the order is understood."""
    inputs = Inputs.good(tmp_path)
    ran = merchantscreen(*inputs.words, *words)
    assert (ran.code, ran.codes, ran.out) == (2, ["MS-ENG-003"], "")
    assert not inputs.out.exists()


def test_transactions_come_from_one_place(tmp_path: Path) -> None:
    """Files and tables together are refused, and so is neither: a repeated id can only be found in one place."""
    inputs = Inputs.good(tmp_path)
    both = merchantscreen(*inputs.words, "--engine", "spark", "--spark-transactions", "lake.payments")
    files = inputs.words.index("--transactions")
    neither = merchantscreen(*inputs.words[:files], *inputs.words[files + 2 :])
    assert [(ran.code, ran.codes) for ran in (both, neither)] == [(2, ["MS-ENG-008"])] * 2
    assert not inputs.out.exists()


def test_a_missing_package_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever orders Spark without its package reads what to install, and no run is left behind."""
    for name in ("pyspark", "pyspark.core.context", "pyspark.sql"):
        monkeypatch.setitem(sys.modules, name, None)
    inputs = Inputs.good(tmp_path)
    ran = merchantscreen(*inputs.words, "--engine", "spark")
    assert (ran.code, ran.codes) == (2, ["MS-ENG-001"])
    assert "merchantscreen[spark]" in ran.err
    assert list(inputs.out.iterdir()) == []


@pytest.mark.spark
def test_a_missing_java_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package alone does not run: it needs a Java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as caught, spark_engine(SparkPlace(tmp_path, "local[1]"), 1):
        pass
    (problem,) = caught.value.problems
    assert problem.code == "MS-ENG-002"
    assert "Java 17" in str(problem)


@pytest.mark.spark
def test_a_server_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    """An address of Connect that cannot be understood ends before anything is sent."""
    with pytest.raises(FileAccessError) as caught, spark_engine(SparkPlace(tmp_path, remote="http://127.0.0.1"), 1):
        pass
    assert [problem.code for problem in caught.value.problems] == ["MS-ENG-004"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("lake.payments", "lake.payments"),
        ("s3a://key:secret@bucket/day=1?token=x", "s3a://bucket/day=1"),
        ("file:///home/somebody/payments", "payments"),
        ("/home/somebody/payments", "payments"),
    ],
)
def test_a_source_is_named_without_secrets_and_without_folders_of_a_machine(source: str, name: str) -> None:
    """Manifests and messages are shown around."""
    assert shown(source) == name
