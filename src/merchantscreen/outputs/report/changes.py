"""What changed since the run before: sums for the head of the page, a mark for the list, lines for a case.

Rules kept here: every line is a row of `changes`; an account that is no longer ranked is told, and not called clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.report.figures import Row, Table, kind_title, nano, shown
from merchantscreen.rundiff import Move, State

MOVES: Final[Mapping[Move, str]] = {
    Move.ENTERED: "entered the list",
    Move.MOVED_UP: "moved to a stronger tier",
    Move.LEFT: "no longer ranked",
    Move.MOVED_DOWN: "moved to a weaker tier",
    Move.PLACE: "another place within the tier",
    Move.POINTS: "other points only",
    Move.EVIDENCE: "other evidence, same points",
}
"""What became of an account, in a sentence for the sums."""
_SHORT: Final[Mapping[Move, str]] = {
    Move.ENTERED: "new", Move.MOVED_UP: "up from", Move.LEFT: "gone", Move.MOVED_DOWN: "down from",
    Move.PLACE: "place", Move.POINTS: "points", Move.EVIDENCE: "evidence",
}  # fmt: skip
_STATES: Final[Mapping[State, str]] = {
    State.APPEARED: "new",
    State.DISAPPEARED: "gone",
    State.CHANGED: "changed",
    State.NOT_COMPARABLE: "not comparable",
}
_LISTED: Final = 300
_TIERED: Final = frozenset({Move.ENTERED, Move.MOVED_UP, Move.LEFT, Move.MOVED_DOWN})


@dataclass(frozen=True, slots=True)
class Since:
    """What changed since another run; `untold` accounts entered, left or moved beyond the table."""

    run_id: str
    manifest_sha256: str
    moves: Table
    accounts: Table
    untold: int


@dataclass(frozen=True, slots=True)
class ItemMove:
    """One item of an account that is new, gone or different."""

    state: str
    title: str
    value: str
    points: str


def since_of(bundle: Bundle) -> Since | None:
    """Sum up what changed; None for a run that was compared with no other."""
    stated = bundle.manifest.compared_with
    if stated is None:
        return None
    accounts = [row for row in bundle.changes.iter_rows(named=True) if row["family"] is None]
    counts = Counter(Move(row["move"]) for row in accounts)
    moves = tuple((words, f"{counts[move]:,}") for move, words in MOVES.items())
    tiered = [row for row in accounts if Move(row["move"]) in _TIERED]
    columns = ("Account", "What", "Tier before", "Tier now", "Points before", "Points now")
    return Since(
        shown(stated.run_id),
        stated.manifest_sha256,
        Table(("Accounts that", "How many"), moves, frozenset({1})),
        Table(columns, tuple(_line(row) for row in tiered[:_LISTED]), frozenset({4, 5})),
        max(0, len(tiered) - _LISTED),
    )


def _line(row: Row) -> tuple[str, ...]:
    tiers = (row[name] or "–" for name in ("tier_before", "tier_after"))
    return shown(row["account_id"]), MOVES[Move(row["move"])], *tiers, *_points(row)


def _points(row: Row) -> tuple[str, str]:
    before, after = ("–" if row[name] is None else nano(row[name]) for name in _AMOUNTS)
    return before, after


_AMOUNTS: Final = ("points_before_nano", "points_after_nano")


def mark_of(changes: Sequence[Row]) -> str:
    """Say in a word or two what became of an account; empty where nothing did."""
    if not changes:
        return ""
    row = changes[0]
    move = Move(row["move"])
    return f"{_SHORT[move]} {row['tier_before']}" if move in {Move.MOVED_UP, Move.MOVED_DOWN} else _SHORT[move]


def items_of(changes: Sequence[Row]) -> Iterator[ItemMove]:
    """List the items of an account that are new, gone or different."""
    for row in changes:
        if row["family"] is not None:
            value = shown(row["counterpart"]) if row["counterpart"] else "tokens under another key"
            points = " → ".join(_points(row))
            yield ItemMove(_STATES[State(row["state"])], kind_title(row["kind"]), value, points)
