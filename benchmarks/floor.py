"""The floor: decode every column that `screen` reads, of the same files, and nothing else.

    python benchmarks/floor.py [--way null_count|sink|hash|min|len] FILE_OR_FOLDER...

No screening can be faster than reading its input. The question is how to make Polars decode without doing more, and
without letting it decode less. The files of `worlds.py` have the columns that the tool reads and no others, so all of
them are decoded; JSON lines (`.jsonl`) are parsed whole. `--way` names what was tried; benchmarks/README.md has the
figures:

* `null_count` counts the nulls of every column: every page is decompressed and decoded, and of the result only the
  bits of validity are counted. The cheapest that decodes everything, and so the floor;
* `sink` hands every decoded batch to a function that drops it;
* `hash` and `min` look at every value as well;
* `len` is no floor: Polars answers from the footers.

Nothing but Polars is imported, so that the floor does not pay for starting anything else.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

import polars as pl

Way = Callable[[pl.LazyFrame], object]


def _select(expression: pl.Expr) -> Way:
    return lambda rows: rows.select(expression).collect(engine="streaming")


def _sink(rows: pl.LazyFrame) -> None:
    rows.sink_batches(lambda _: None, engine="streaming")


WAYS: Final[dict[str, Way]] = {
    "null_count": _select(pl.all().null_count()),
    "sink": _sink,
    "hash": _select(pl.all().hash().sum()),
    "min": _select(pl.exclude(pl.List(pl.String)).min()),
    "len": _select(pl.all().len()),
}


def main() -> None:
    """Decode some files."""
    parser = argparse.ArgumentParser(description="Decode all columns of Parquet files, and do nothing else.")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--way", choices=sorted(WAYS), default="null_count")
    options = parser.parse_args()
    for path in options.paths:
        WAYS[options.way](pl.scan_ndjson(path) if path.endswith(".jsonl") else pl.scan_parquet(path))


if __name__ == "__main__":
    main()
