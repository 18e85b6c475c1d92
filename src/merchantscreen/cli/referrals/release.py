"""`merchantscreen referrals release`: let statements count that waited for somebody to look at them.

Only what waits for a look is released: a flood, a protected host. What lacks a second organisation goes on
waiting for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli.referrals import problems
from merchantscreen.cli.referrals.common import ahead, decided, referral_of
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import UsageError
from merchantscreen.eventlog.records import Draft
from merchantscreen.outputs.text import counted
from merchantscreen.referrals.history import Folding, Waiting
from merchantscreen.referrals.logged import release_body
from merchantscreen.workspace.session import Workspace

RELEASED: Final = "referral.released"
_REASON: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{3,200}")

_Targets = Annotated[
    list[str],
    typer.Argument(help="Referrals (R-000001) or log indexes of statements that wait.", metavar="R-...|INDEX..."),
]
_Hotline = Annotated[
    str | None, typer.Option("--hotline", metavar="ID", help="Everything of this hotline that waits for a look.")
]
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded and stays.")]


@dataclass(frozen=True, slots=True)
class _Released:
    """What was released, and which of it still waits for a second organisation."""

    statements: tuple[Waiting, ...]
    still_waiting: frozenset[str | None]


def release(
    targets: _Targets = [],  # noqa: B006 - typer's form of an argument without a value
    *,
    reason: _Reason,
    hotline: _Hotline = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Release statements that were held back as a flood or for a protected host.

    Needs the role lead. Look at them first: `referrals list`, `referrals status`.
    """
    stated = " ".join(reason.split())
    if not _REASON.fullmatch(stated):
        raise UsageError("A release needs a reason.", (problems.REASON_WRONG.at("--reason"),))
    with opened(workspace, as_name) as place:
        place.allow("referral.release")
        released = _release(place, targets, hotline, stated)
    if as_json:
        show_json({"released": [_facts(one, released) for one in released.statements]})
    else:
        show_lines(_told(released))


def _release(place: Workspace, targets: Sequence[str], hotline: str | None, reason: str) -> _Released:
    def decide(folding: Folding) -> tuple[list[Draft], _Released]:
        chosen = _chosen(folding, targets, hotline)
        drafts = []
        for one in chosen:
            found = folding.streams.of(one.received.event.reporting_hotline_id).place_of(one.received.digest or "")
            if found is None:
                raise AssertionError("what waits has a place in its stream")
            drafts.append(place.draft(RELEASED, release_body(found, place.actor, reason)))
            ahead(folding, place, drafts[-1])
        still = frozenset(waiting.received.digest for waiting in folding.history().waiting)
        return drafts, _Released(chosen, still)

    return decided(place, decide)


def _chosen(folding: Folding, targets: Sequence[str], hotline: str | None) -> tuple[Waiting, ...]:
    """Return what is meant, in the order of the log; UsageError if a word means nothing that waits for a look."""
    history = folding.history()
    held = {waiting.received.log_index: waiting for waiting in history.waiting if waiting.needs_release}
    chosen: dict[int, Waiting] = {}
    for target in targets:
        if not target.isascii() or not target.isdigit():
            referral_of(history, target)
        chosen |= _required({
            index: one for index, one in held.items() if target in (str(index), one.received.number)
        })  # fmt: skip
    if hotline is not None or not targets:
        chosen |= _required({
            index: one for index, one in held.items() if one.received.event.reporting_hotline_id == hotline
        })  # fmt: skip
    return tuple(chosen[index] for index in sorted(chosen))


def _required(found: dict[int, Waiting]) -> dict[int, Waiting]:
    if not found:
        raise UsageError("Nothing waits.", (problems.NOTHING_WAITS.at("command line"),))
    return found


def _facts(one: Waiting, released: _Released) -> dict[str, Any]:
    received = one.received
    return {
        "number": received.number,
        "hotline": received.event.reporting_hotline_id,
        "seq": received.seq,
        "log_index": received.log_index,
        "reason": one.reason.value,
        "counts": received.digest not in released.still_waiting,
    }


def _told(released: _Released) -> Iterator[str]:
    for one in released.statements:
        received = one.received
        is_waiting = received.digest in released.still_waiting
        after = "released; it waits for another organisation" if is_waiting else "released; it counts now"
        yield (
            f"{received.number}  {received.event.reporting_hotline_id} {received.seq}  (log {received.log_index}, "
            f"{one.reason.value}): {after}"
        )
    yield f"{counted(len(released.statements), 'statement')} released"
