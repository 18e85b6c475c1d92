"""The worked example of docs/method.md, held against the shipped arithmetic and against plain decimals."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen import nano

ROW: Final = re.compile(
    r"^\| (?P<item>[a-z ]+) \| (?P<risk>[0-9.]+) \| (?P<count>\d+) \| (?P<kappa>[0-9–]+) "
    r"\| (?P<weight>[0-9.]+) \| (?P<strength>[0-9.]+) \| (?P<points>[0-9.]+) \|$",
    re.MULTILINE,
)
BASE_RATE: Final = 100_000
RESIDUAL: Final = 50_000_000


def _nano(text: str) -> int:
    return int(Decimal(text) * nano.NANO)


def _rows(repository: Path) -> list[dict[str, str]]:
    text = (repository / "docs" / "method.md").read_text(encoding="utf-8")
    return [match.groupdict() for match in ROW.finditer(text)]


def _frame(row: dict[str, str]) -> pl.DataFrame:
    """Put one row of the page into the columns of the ledger."""
    columns = {
        "weight_nano": _nano(row["weight"]), "reliability_nano": nano.NANO, "match_factor_nano": nano.NANO,
        "risk_nano": _nano(row["risk"]), "linked_count": int(row["count"]), "shared_risk_nano": _nano(row["risk"]),
        "others_count": int(row["count"]), "base_rate_nano": BASE_RATE,
        "kappa_nano": 0 if row["kappa"] == "–" else int(row["kappa"]) * nano.NANO,
        "strength_nano": _nano(row["strength"]),
    }  # fmt: skip
    return pl.DataFrame({name: [value] for name, value in columns.items()})


def test_every_row_of_the_example_recomputes(repository: Path) -> None:
    """The strengths and points on the page are what the code gives, to the last nano-unit."""
    rows = _rows(repository)
    assert [row["item"] for row in rows] == [
        "declared website",
        "settlement account",
        "contact phone",
        "network address",
    ]
    for row in rows:
        frame = _frame(row)
        is_link = row["kappa"] == "–"
        strength = nano.link_strength(frame) if is_link else nano.shared_strength(frame, RESIDUAL)
        assert strength.item() == _nano(row["strength"]), row
        assert nano.points(frame).item() == _nano(row["points"]), row


def test_the_total_of_the_example_adds_up(repository: Path) -> None:
    """E is the sum of the rows, and the score on the page follows from it."""
    total = sum(_nano(row["points"]) for row in _rows(repository)[1:])
    text = (repository / "docs" / "method.md").read_text(encoding="utf-8")
    stated = re.search(r"= \*\*([0-9.]+)\*\*, S = ([0-9.]+), score \*\*([0-9.]+)\*\*", text)
    assert stated is not None
    with localcontext() as context:
        context.prec = 50
        score = 1 - (-Decimal(total) / nano.NANO).exp()
    assert total == _nano(stated[1])
    assert round(score, 9) == Decimal(stated[2])
    assert round(100 * score, 1) == Decimal(stated[3])
