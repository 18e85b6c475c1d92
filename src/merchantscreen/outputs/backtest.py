"""A comparison of two policies as tables for a person, and as values for a program.

Rules kept here:
* nothing is computed, every figure is in the comparison; what is not shown is counted;
* tables fit a hundred columns; an account is folded over lines, never cut;
* linked, for review: neutral words, whatever tier an account enters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from merchantscreen.backtest import ABSENT, CASES, Change, Comparison, Line, Place
from merchantscreen.backtest.comparison import PLACES
from merchantscreen.backtest.expectations import Checked
from merchantscreen.outputs.console import DISCLAIMER
from merchantscreen.outputs.text import counted, safe_text

WIDTH: Final = 100
"""Most columns of a table."""
SHOWN: Final = 30
"""Accounts shown per table; all are in the values."""
_NANO: Final = 1_000_000_000
_CHANGES: Final[Mapping[str, str]] = {
    Change.ENTERED: "enter T1 to T3",
    Change.LEFT: "leave T1 to T3",
    Change.MOVED: "move",
    Change.POINTS: "change in points only",
}
_PLACES: Final[Mapping[str, str]] = {
    Place.ABOVE: "above the line, holds with both",
    Place.BETWEEN: "between the two numbers",
    Place.BELOW: "below the line, holds with neither",
}


# --------------------------------------------------------------------------- for a person


def show_comparison(console: Console, comparison: Comparison, account_count: int) -> None:
    """Print what changes: places, accounts, rules, and what lies near each line."""
    _say(console, [*_counts(comparison, account_count), ""])
    _print(console, _matrix(comparison.matrix))
    changed = comparison.moves.filter(pl.col("change") != Change.POINTS)
    if not changed.is_empty():
        _say(console, [f"Accounts that change their place ({DISCLAIMER})"])
        _print(console, _moves(changed.head(SHOWN)))
    if changed.height > SHOWN:
        _say(console, [f"and {counted(changed.height - SHOWN, 'account')} more; --json lists all"])
    if not comparison.rules.is_empty():
        _say(console, ["Rules that decide otherwise, in accounts with evidence"])
        _print(console, _rules(comparison.rules))
    for line in comparison.lines:
        _say(console, _line_head(line))
        _print(console, _groups(line))
        if any(group.sample for group in line.groups):
            _print(console, _samples(line))


def show_checked(console: Console, checked: Sequence[Checked]) -> None:
    """Print what became of the expectations, failures first."""
    failed = [one for one in checked if one.failure is not None]
    lines = [f"{'failed' if one.fails else 'warning'}: {one.name} ({one.subject}): {one.failure}" for one in failed]
    met = len(checked) - len(failed)
    fails = sum(one.fails for one in failed)
    _say(console, [*lines, f"Expectations: {met:,} met, {fails:,} failed, {counted(len(failed) - fails, 'warning')}"])


def _say(console: Console, lines: Iterable[str]) -> None:
    console.print()
    for line in lines:
        console.print(safe_text(line, limit=4096), soft_wrap=True)


def _print(console: Console, table: Table) -> None:
    console.print(table, width=min(WIDTH, console.width))


def _table(titles: Sequence[str], right: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left", overflow="fold")
    return table


def _counts(comparison: Comparison, account_count: int) -> Iterator[str]:
    before, after = (_cases(comparison.matrix, f"tier_{when}") for when in ("before", "after"))
    yield f"{counted(account_count, 'account')} read; in T1 to T3: {before:,} before, {after:,} now"
    for change, words in _CHANGES.items():
        yield f"  {comparison.count(Change(change)):,} {words}"


def _cases(matrix: pl.DataFrame, column: str) -> int:
    return int(matrix.filter(pl.col(column).is_in(CASES))["account_count"].sum())


def _matrix(matrix: pl.DataFrame) -> Table:
    """Lay the counts out: a row per place before, a column per place now."""
    cells = {(row[0], row[1]): row[2] for row in matrix.iter_rows()}
    columns = [place for place in PLACES if any(place == now for _, now in cells)]
    table = _table(["before \\ now", *columns], columns)
    for was in PLACES:
        if any(was == before for before, _ in cells):
            table.add_row(was, *(f"{cells.get((was, now), 0):,}" for now in columns))
    return table


def _moves(moves: pl.DataFrame) -> Table:
    table = _table(["account", "before", "now", "points now", "because"], ["points now"])
    for row in moves.iter_rows(named=True):
        reason = row["reason_after"] if row["reason_after"] is not None else "holds no evidence any more"
        table.add_row(
            safe_text(row["account_id"]), row["tier_before"], row["tier_after"], _points(row["points_after_nano"]),
            safe_text(reason.partition(":")[0]),
        )  # fmt: skip
    return table


def _points(nano: int | None) -> str:
    return "" if nano is None else f"{nano / _NANO:.3f}"


def _rules(rules: pl.DataFrame) -> Table:
    titles = ["rule", "hits gained", "hits lost", "not evaluated now", "evaluated now"]
    table = _table(titles, titles[1:])
    for row in rules.iter_rows():
        table.add_row(Text(row[0]), *(f"{count:,}" for count in row[1:]))
    return table


def _line_head(line: Line) -> Iterator[str]:
    yield f"Near the line: {line.subject}, {line.side} {line.operator} {line.old} becomes {line.operator} {line.new}"
    if line.unknown_count:
        yield f"  {line.side} is not known for {counted(line.unknown_count, 'account')} with evidence"


def _groups(line: Line) -> Table:
    titles = ["where", "accounts", "decided otherwise", "in T1 to T3 before", "now"]
    table = _table(titles, titles[1:])
    for group in line.groups:
        counts = (group.account_count, group.changed_count, group.cases_before, group.cases_after)
        table.add_row(_PLACES[group.place], *(f"{count:,}" for count in counts))
    return table


def _samples(line: Line) -> Table:
    table = _table(["sampled account", "where", "value", "before", "now", "tier"], ["value"])
    for group in line.groups:
        for one in group.sample:
            tier = one.tier_after if one.tier_before == one.tier_after else f"{one.tier_before} to {one.tier_after}"
            table.add_row(
                safe_text(one.account_id), group.place.value, f"{one.value:.6g}", _words(one.outcome_before),
                _words(one.outcome_after), tier,
            )  # fmt: skip
    return table


def _words(outcome: str) -> str:
    return "no evidence" if outcome == ABSENT else outcome.replace("_", " ")


# --------------------------------------------------------------------------- for a program


def comparison_values(comparison: Comparison) -> dict[str, Any]:
    """State a comparison as JSON values, with every account."""
    return {
        "counts": {change.value: comparison.count(change) for change in Change},
        "accounts": comparison.moves.to_dicts(),
        "tier_matrix": comparison.matrix.to_dicts(),
        "rules": comparison.rules.to_dicts(),
        "lines": [asdict(line) for line in comparison.lines],
    }


def checked_values(checked: Sequence[Checked]) -> list[dict[str, Any]]:
    """State what became of the expectations."""
    return [asdict(one) | {"met": one.failure is None} for one in checked]
