"""`merchantscreen referrals list`: every referral with its number, state and assurance, and what waits.

Host names are not shown unless --show-domains asks for them with a purpose, which is recorded first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import typer

from merchantscreen.cli.referrals.views import (
    LATER,
    REMOVED,
    WAITING,
    Purpose,
    ShowDomains,
    View,
    look_up,
    moment_text,
)
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import UsageError
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import counted
from merchantscreen.referrals.admission import Silent, staleness
from merchantscreen.referrals.history import Key, Waiting
from merchantscreen.vocabulary import ReferralState
from merchantscreen.workspace.session import Workspace

_STATES = (*(state.value for state in ReferralState), WAITING, LATER, REMOVED)

_State = Annotated[
    list[str], typer.Option("--state", metavar="STATE", help=f"Only these: {', '.join(_STATES)}. May be repeated.")
]
_Hotline = Annotated[str | None, typer.Option("--hotline", metavar="ID", help="Only those of this hotline.")]


@dataclass(frozen=True, slots=True)
class _Listing:
    """What is listed: the referrals chosen, and whether their hosts are shown."""

    view: View
    keys: tuple[Key, ...]
    silent: tuple[Silent, ...]
    shows_domains: bool


def list_(
    *,
    states: _State = [],  # noqa: B006 - typer's form of an option without a value
    hotline: _Hotline = None,
    show_domains: ShowDomains = False,
    purpose: Purpose = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """List referrals: number, hotline, its own id, state, assurance, and when it was last heard of.

    What waits is listed with its log index, its reason and what it needs.
    """
    if not set(states) <= set(_STATES):
        problem = PROBLEMS["MS-RUN-001"].at("--state", expected=" ".join(_STATES))
        raise UsageError("No such state.", (problem,))
    with opened(workspace, as_name) as place:
        place.allow("referral.list")
        if show_domains:
            look_up(place, purpose, "domains", f"list state={','.join(states) or 'all'} hotline={hotline or 'all'}")
        listing = _listing(place, states, hotline, shows_domains=show_domains)
    if as_json:
        show_json(_facts(listing))
    else:
        show_lines(_told(listing))


def _listing(place: Workspace, states: list[str], hotline: str | None, *, shows_domains: bool) -> _Listing:
    history, now = place.history(), place.now()
    view = View(history, now)
    chosen = tuple(
        key for key in history.numbers if hotline in (None, key[0]) and (not states or view.state(key) in states)
    )
    limit = timedelta(hours=place.settings.stale_after_hours)
    silent = staleness(history.streams, history.trust.current, now, limit) if history.trust is not None else ()
    return _Listing(view, chosen, silent, shows_domains)


def _facts(listing: _Listing) -> dict[str, Any]:
    view = listing.view
    return {
        "as_of": moment_text(view.as_of),
        "referrals": [_referral_facts(listing, key) for key in listing.keys],
        "refused": [
            {"log_index": one.log_index, "issuer": one.issuer, "seq": one.seq,
             "reason": one.reason.value if one.reason is not None else None}
            for one in view.history.refused
        ],
        "silent": [{"issuer": one.issuer, "heard_at": moment_text(one.heard_at)} for one in listing.silent],
    }  # fmt: skip


def _referral_facts(listing: _Listing, key: Key) -> dict[str, Any]:
    view = listing.view
    return {
        "number": view.history.numbers[key],
        "hotline": key[0],
        "referral_id": key[1],
        "state": view.state(key),
        "assurance": view.assurance(key),
        "received_at": moment_text(view.heard_at(key)),
        "other_hotlines": view.other_hotlines(key),
        "waiting": [waiting_facts(one) for one in view.waiting.get(key, [])],
        **({"domain": view.domain(key)} if listing.shows_domains else {}),
    }


def waiting_facts(one: Waiting) -> dict[str, Any]:
    """State for a program what waits, and for what."""
    return {
        "log_index": one.received.log_index,
        "event": one.received.event.event.value,
        "seq": one.received.seq,
        "reason": one.reason.value,
        "organisations": list(one.received.organisations),
        "organisations_needed": one.organisations_needed,
        "needs_release": one.needs_release,
    }


def waiting_line(one: Waiting) -> str:
    """Tell what waits, and for what."""
    needs = "a look of an officer" if one.needs_release else "another organisation"
    if one.needs_release and len(one.received.organisations) < one.organisations_needed:
        needs += " and another organisation"
    event = one.received.event.event.value
    return f"  waits: {event}, log {one.received.log_index}, {one.reason.value}; needs {needs}"


def _told(listing: _Listing) -> Iterator[str]:
    view = listing.view
    if listing.keys:
        yield _line("number", "hotline", "its id", "state", "assurance", "last received")
    for key in listing.keys:
        heard = view.heard_at(key)
        yield _line(
            view.history.numbers[key], key[0], key[1], view.state(key), view.assurance(key),
            f"{heard:%Y-%m-%d %H:%M}" if heard is not None else "-", *_extras(listing, key),
        )  # fmt: skip
        yield from map(waiting_line, view.waiting.get(key, []))
    counts = Counter(view.state(key) for key in listing.keys)
    summed = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in sorted(counts.items()))
    yield f"{counted(len(listing.keys), 'referral')}{f': {summed}' if summed else ''}"
    if view.history.refused:
        yield f"{counted(len(view.history.refused), 'statement')} refused; --json and `log show` list them"
    for one in listing.silent:
        heard_at = f"last heard {one.heard_at:%Y-%m-%d %H:%M}" if one.heard_at is not None else "never heard"
        yield f"{one.issuer} is silent: {heard_at}; a retraction may be on its way"


def _extras(listing: _Listing, key: Key) -> Iterator[str]:
    count = listing.view.other_hotlines(key)
    if count:
        yield f"also by {counted(count, 'hotline')}"
    if listing.shows_domains:
        yield listing.view.domain(key) or "-"


def _line(number: str, hotline: str, referral_id: str, *rest: str) -> str:
    widths = (22, 12, 16)
    cells = [f"{cell:<{width}}" for cell, width in zip(rest, widths, strict=False)] + list(rest[len(widths) :])
    return "  ".join([f"{number:<9}", f"{hotline:<20}", f"{referral_id:<16}", *cells]).rstrip()
