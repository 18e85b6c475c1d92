"""Measure deciding rules against the least that has to come before it: reading the features they read.

    python benchmarks/rules.py [--accounts N] [--rules N] [--repeat N] [--work DIR]

The rules are those of the default policy, then the same with every number moved, until there
are as many as asked for. The features are a random frame of the catalogue's columns, a tenth
of it not known, written by our own Parquet writer. Both are measured by turns in one process,
after one round that is not counted; the file is in the page cache, so reading it is decoding only.
Reported: the median of each with its range, and the median of the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from merchantscreen.features import CATALOGUE
from merchantscreen.outputs.parquet import parquet_bytes
from merchantscreen.policy.evaluation import outcomes
from merchantscreen.policy.language import compile_condition
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Rule
from merchantscreen.tables import COLUMN_DTYPES
from merchantscreen.vocabulary import ColumnType, RuleStatus

NOT_KNOWN_SHARE: Final = 0.1
TEXTS: Final = {
    "mcc": ["0742", "4816", "5411", "5732", "5815", "5968", "7372"],
    "country": ["AU", "CA", "DE", "FR", "GB", "JP", "NL", "PL", "SE", "US"],
    "status": ["active", "closed", "suspended"],
}
_TYPES: Final = {feature.name: feature.type for feature in CATALOGUE}
_NUMBER_OR_TEXT: Final = re.compile(r"'[^']*'|\b\d+(?:\.\d+)?\b")


@dataclass(frozen=True)
class Round:
    """Seconds that reading and deciding took, one after the other."""

    read: float
    decide: float

    @property
    def ratio(self) -> float:
        """Deciding in terms of reading."""
        return self.decide / self.read


# --------------------------------------------------------------------------- what is measured


def rules_of(wanted: int) -> list[Rule]:
    """Return the policy's rules, then copies with moved numbers, as many as wanted."""
    policy = [rule for rule in load_policy().rules if rule.status is not RuleStatus.RETIRED]
    return list(islice(_repeated(policy), wanted))


def _repeated(rules: Sequence[Rule]) -> Iterator[Rule]:
    yield from rules
    for step in count(1):
        for rule in rules:
            condition = compile_condition(_moved(rule.condition.text, step), _TYPES)
            yield replace(rule, id=f"{rule.id}-{step}", condition=condition)


def _moved(text: str, step: int) -> str:
    """Move every number of a condition, and none in quotes: whole ones by the step, others by a hundredth of it."""

    def move(match: re.Match[str]) -> str:
        found = match.group()
        if found.startswith("'"):
            return found
        return f"{float(found) + step / 100:.4f}" if "." in found else str(int(found) + step)

    return _NUMBER_OR_TEXT.sub(move, text)


def features_of(accounts: int) -> pl.DataFrame:
    """Make features at random: counts and amounts, shares as quotients of counts, a tenth of all not known."""
    random = np.random.default_rng(20261101)
    columns = [pl.Series("account_id", [f"099301/{number:010d}" for number in range(accounts)])]
    columns += [_column(name, kind, accounts, random) for name, kind in _TYPES.items()]
    return pl.DataFrame(columns)


def _column(name: str, kind: ColumnType, accounts: int, random: np.random.Generator) -> pl.Series:
    known = random.random(accounts) >= NOT_KNOWN_SHARE
    values = _values(name, kind, accounts, random)
    nothing = pl.Series([None], dtype=values.dtype)
    return values.zip_with(pl.Series(known), nothing).cast(COLUMN_DTYPES[kind]).alias(name)


def _values(name: str, kind: ColumnType, accounts: int, random: np.random.Generator) -> pl.Series:
    match kind:
        case ColumnType.BOOLEAN:
            return pl.Series(random.random(accounts) < 0.5)
        case ColumnType.INTEGER:
            return pl.Series(random.geometric(0.02, accounts) - 1)
        case ColumnType.NUMBER:
            return pl.Series(_quotients(accounts, random))
        case ColumnType.TEXT:
            return pl.Series(random.choice(TEXTS[name], accounts).tolist())


def _quotients(accounts: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Divide a count by one of up to twenty to two thousand, as shares and ratios do."""
    whole = random.integers(20, 2_000, accounts)
    return random.integers(0, 2 * whole) / whole


# --------------------------------------------------------------------------- measuring


def by_turns(path: Path, rules: Sequence[Rule], repeat: int) -> list[Round]:
    """Read the features and decide the rules on them, again and again; the first round warms up."""
    rounds = []
    for _ in range(repeat + 1):
        read, features = _timed(lambda: pl.read_parquet(path))
        decide, _ = _timed(lambda: outcomes(rules, features))  # noqa: B023  -- called before the name changes
        rounds.append(Round(read, decide))
    return rounds[1:]


def _timed(work: Callable[[], pl.DataFrame]) -> tuple[float, pl.DataFrame]:
    started = time.perf_counter()
    frame = work()
    return time.perf_counter() - started, frame


def report(rounds: Sequence[Round], rules: Sequence[Rule], path: Path, features: pl.DataFrame) -> None:
    """Print medians with their range, and the ratio."""
    size = path.stat().st_size / 2**20
    print(f"{features.height:,} accounts, {features.width - 1} features ({size:.1f} MiB), {len(rules)} rules, "
          f"{len(rounds)} rounds, {pl.thread_pool_size()} threads")  # fmt: skip
    print(_line("read", [1_000 * one.read for one in rounds], "ms"))
    print(_line("decide", [1_000 * one.decide for one in rounds], "ms"))
    print(_line("ratio", [one.ratio for one in rounds], ""))


def _line(name: str, values: Sequence[float], unit: str) -> str:
    return f"{name:8}{median(values):9.2f} {unit:3} from {min(values):.2f} to {max(values):.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure deciding rules against reading their features.")
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--rules", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--work", type=Path, help="folder for the features; a temporary one by default")
    return parser.parse_args()


def main() -> None:
    """Make rules and features, measure, report."""
    options = _options()
    rules, features = rules_of(options.rules), features_of(options.accounts)
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        path = Path(work) / "features.parquet"
        with path.open("xb") as file:
            file.writelines(parquet_bytes(features))
        report(by_turns(path, rules, options.repeat), rules, path, features)


if __name__ == "__main__":
    main()
