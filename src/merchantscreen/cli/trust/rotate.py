"""`merchantscreen trust rotate`: propose that another key takes the place of a key from some moment on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from merchantscreen.cli.terminal import Json
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
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.keys import VerifyKey
from merchantscreen.referrals.trust import Trust

_KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="Key to replace; the first 8 digits or more will do.")]
_New = Annotated[str, typer.Option("--new", metavar="KEY", help="Public line of the new key, ed25519:...")]
_From = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="When the new key takes over; now when absent.")
]


def rotate(
    key_id: _KeyId,
    *,
    new: _New,
    start: _From = None,
    expires: Expires = None,
    out: Out = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Propose a version in which a new key replaces one of a hotline or an officer.

    What the old key signed before that moment stays. For a key that was stolen use trust revoke. Needs the role lead.
    """
    public = VerifyKey.parsed(new)
    with opened(workspace, as_name) as place:
        place.allow(CHANGE)
        state = held(sound_history(place))
        span = times(place, state.current, expires)
        at = moment(start, "--from", span.issued_at)
        change = _rotated(state.current, key_id_of(state.current, key_id), public, at)
        trust = trustchain.changed(state.current, span.issued_at, span.expires_at, **change)
    publish(state, trust, out, as_json=as_json)


def _rotated(trust: Trust, key_id: str, new: VerifyKey, at: datetime) -> dict[str, Any]:
    """Return the change: officers have one key each, without dates; organisations keep the old one beside the new."""
    if trust.owner_of(key_id) is not None:
        return trustchain.rotated(trust, key_id, new, at)
    keys = [
        officer.model_copy(update={"public": new}) if officer.public.key_id == key_id else officer
        for officer in trust.officers.keys
    ]
    return {"officers": {"threshold": trust.officers.threshold, "keys": keys}}
