"""`merchantscreen trust revoke`: propose that a key counts no longer since some moment, and say what hangs on it."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from merchantscreen.cli.terminal import Json
from merchantscreen.cli.trust import problems
from merchantscreen.cli.trust.proposals import (
    CHANGE,
    Expires,
    Out,
    held,
    key_id_of,
    moment,
    publish,
    sound_history,
    times,
)
from merchantscreen.cli.trust.telling import show_safely
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import UsageError
from merchantscreen.outputs.text import counted
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.events import REFERENCE_PATTERN

_KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="Key to revoke; the first 8 digits or more will do.")]
_Since = Annotated[str, typer.Option("--since", metavar="DATE", help="Moment from which nothing it signed counts.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="Why, as a short code such as key-stolen.")]


def revoke(
    key_id: _KeyId,
    *,
    since: _Since,
    reason: _Reason,
    expires: Expires = None,
    out: Out = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Propose a version in which a key counts no longer since a moment, whatever its validity was.

    Once trust accept takes it, every statement that the key signed and that was issued or received since then loses
    this signature; trust accept lists them. Needs the role lead.
    """
    if not re.fullmatch(REFERENCE_PATTERN, reason):
        raise UsageError("No reason.", (problems.REASON_MALFORMED.at("--reason"),))
    with opened(workspace, as_name) as place:
        place.allow(CHANGE)
        history = sound_history(place)
        state = held(history)
        span = times(place, state.current, expires)
        at = moment(since, "--since", span.issued_at)
        whole = key_id_of(state.current, key_id)
        if state.current.owner_of(whole) is None:
            raise UsageError("An officer's key.", (problems.OFFICERS_KEY.at("KEY_ID"),))
        change = trustchain.revoked(state.current, whole, at, reason)
        trust = trustchain.changed(state.current, span.issued_at, span.expires_at, **change)
        count = len(history.streams.signed_by(whole, at))
    publish(state, trust, out, as_json=as_json, also={"statements_so_far": count})
    if not as_json:
        show_safely([f"So far {counted(count, 'statement')} would lose this key's signature."])
