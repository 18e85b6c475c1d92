"""Measure a screening on Spark on this machine beside one on Polars, and hold their results together byte for byte.

    python benchmarks/spark.py [--size small|medium|large] [--master local[2]] [--rounds N] [--work DIR]

On one machine Spark only shows that the result is the same; its use begins where one machine ends. Needs Java and the
extra `merchantscreen[spark]`; without them it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
from dataclasses import replace

import measuring
import run
from index import SAME, differing

POLARS, SPARK = "polars", "spark"


def main() -> None:
    """Screen on both engines by turns, compare, print the table."""
    parser = argparse.ArgumentParser(description="Measure screening on Spark and on Polars.")
    run.add_options(parser)
    parser.add_argument("--master", default="local[2]")
    options = parser.parse_args()
    if missing := _missing():
        print(f"Spark was not measured: {missing} is not installed.")
        return
    with run.workplace(options) as work:
        world = run.world_of(options, work)
        polars = replace(run.screening(world, work / POLARS), name=POLARS)
        spark = run.screening(world, work / SPARK, engine=SPARK, spark_master=options.master)
        measured = measuring.by_turns([polars, replace(spark, name=SPARK)], options.rounds)
        if parts := differing(work / POLARS / run.RUN_ID, work / SPARK / run.RUN_ID):
            raise RuntimeError(f"the engines differ in {', '.join(parts)}")
        print(f"{options.rounds} rounds; {measuring.machine()}\n")
        print(measuring.against(measured, POLARS))
        print(f"\nThe same bytes on both: {', '.join(SAME)}.")


def _missing() -> str | None:
    """Name what Spark lacks here."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark"
    return None if shutil.which("java") else "Java"


if __name__ == "__main__":
    main()
