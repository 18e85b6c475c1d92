"""`merchantscreen referrals retract` and `dispute`: what the network itself records about a referral.

A retraction is its hotline's: signed by the hotline it comes by `import`. `retract` is for one that came otherwise, by
telephone or letter: two officers stand behind it. A dispute only marks, so one person may record it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli.referrals import problems
from merchantscreen.cli.referrals.common import (
    ahead,
    current_trust,
    decided,
    folded,
    referral_of,
    require_new,
    to_revisit,
    write_output,
)
from merchantscreen.cli.referrals.intake import recorded_facts, recorded_lines
from merchantscreen.cli.referrals.officers import Listed, OfficerKeys, OfficerNames, Signers, record_list
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import UsageError
from merchantscreen.eventlog.records import Draft
from merchantscreen.referrals.events import ReferralEvent, read_event
from merchantscreen.referrals.history import Folding, History, Key, register_of
from merchantscreen.referrals.logged import import_bodies
from merchantscreen.referrals.register import Referral
from merchantscreen.referrals.statements import as_fields, event_problem
from merchantscreen.referrals.wire import canonical, written
from merchantscreen.vocabulary import ReferralEventKind, ReferralState
from merchantscreen.workspace.session import Workspace

IMPORTED: Final = "referral.imported"
DISPUTE: Final = "dispute"
"""Form under which a dispute of the network is recorded."""

_Number = Annotated[str, typer.Argument(help="A number of `referrals list`.", metavar="R-...")]
_Code = Annotated[str, typer.Option("--reason-code", metavar="CODE", help="Why, as a short code; no names.")]
_Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the list for the officers to sign by `intake`; record nothing."),
]


def retract(
    number: _Number,
    *,
    reason_code: _Code,
    officers: OfficerNames = [],  # noqa: B006 - typer's form of an option without a value
    keys: OfficerKeys = [],  # noqa: B006
    out: _Out = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Retract a referral on its hotline's word, with two officers behind it, and list the runs that used it.

    Where the hotline signs, import its retraction instead. If the officers are not at one place, --out writes the
    retraction as a list that each of them signs with `referrals intake --signatures`.
    """
    require_new(out)
    with opened(workspace, as_name) as place:
        place.allow("referral.retract")
        folding = folded(place)
        event = _event(folding.history(), number, ReferralEventKind.RETRACTED, reason_code, place.now())
        line = canonical(as_fields(event)) + b"\n"
        listed = Listed(hashlib.sha256(line).hexdigest(), (event,))
        if out is not None:
            write_output(out, [line])
            show_lines([f"Written: {out.name}, sha256 {listed.sha256}. Nothing is recorded yet."])
            return
        recorded = record_list(place, listed, Signers(officers, keys, None), current_trust(folding))
        revisit = to_revisit(place, recorded.history, recorded.taken_back)
    if as_json:
        show_json(recorded_facts(listed, recorded, revisit))
    else:
        show_lines(recorded_lines(listed, recorded, revisit))


def dispute(
    number: _Number,
    *,
    reason_code: _Code,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Mark a referral as disputed: it stays, is shown as disputed, and places no account in the highest tier.

    Only a new confirmation of its hotline ends that.
    """
    with opened(workspace, as_name) as place:
        place.allow("referral.dispute")
        key, history = decided(place, lambda folding: _disputed(place, folding, number, reason_code))
        revisit = to_revisit(place, history, [key])
    if as_json:
        show_json({"number": number, "state": "disputed", **revisit.facts()})
    else:
        show_lines([f"{number} is marked as disputed. Nothing was removed.", *revisit.lines()])


def _disputed(place: Workspace, folding: Folding, number: str, code: str) -> tuple[list[Draft], tuple[Key, History]]:
    history = folding.history()
    event = _event(history, number, ReferralEventKind.DISPUTED, code, place.now())
    digest = hashlib.sha256(canonical(as_fields(event)) + b"\n").hexdigest()
    drafts = [place.draft(IMPORTED, body) for body in import_bodies(DISPUTE, digest, [event], 0)]
    for draft in drafts:
        ahead(folding, place, draft)
    return drafts, (referral_of(history, number), folding.history())


def _event(history: History, number: str, kind: ReferralEventKind, code: str, now: datetime) -> ReferralEvent:
    """Make the event in its hotline's name; it applies after everything the hotline has said so far."""
    key = referral_of(history, number)
    _require_standing(history, key, kind, now)
    said = (received.effective_at for received in history.received if _key(received.event) == key)
    at = max([now, *said])
    fields: dict[str, Any] = {
        "event": kind.value,
        "reporting_hotline_id": key[0],
        "referral_id": key[1],
        "issued_at": written(at),
        "reason_code": code,
    }
    event = read_event(fields)
    if not isinstance(event, ReferralEvent):
        raise UsageError("This cannot be stated.", tuple(event_problem(issue, "command line") for issue in event))
    return event


def _require_standing(history: History, key: Key, kind: ReferralEventKind, now: datetime) -> None:
    """Refuse what has been taken back; what waits, or applies later, can be retracted but not disputed yet."""
    found = next((one for one in register_of(history, now).referrals if _of(one) == key), None)
    is_unknown = found is None and kind is ReferralEventKind.DISPUTED
    if is_unknown or (found is not None and found.state is ReferralState.RETRACTED):
        raise UsageError("Nothing to take back.", (problems.TAKEN_BACK.at(history.numbers[key]),))


def _of(referral: Referral) -> Key:
    return referral.hotline, referral.referral_id


def _key(event: ReferralEvent) -> tuple[str, str | None]:
    return event.reporting_hotline_id, event.referral_id
