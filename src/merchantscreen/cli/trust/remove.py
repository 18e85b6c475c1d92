"""`merchantscreen trust remove`: propose a version without an officer, or in which keys of an organisation end.

Rules kept here:
* nothing that may have signed a statement leaves the trust file: a key ends, and what it signed stays and can still
  be revoked; an organisation that leaves is one whose keys have all ended;
* an officer does leave; enough of them stay to sign the next version, and the number needed is lowered only by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from merchantscreen.cli.terminal import Json, show_lines
from merchantscreen.cli.trust import problems
from merchantscreen.cli.trust.proposals import (
    CHANGE,
    Expires,
    Out,
    held,
    key_id_of,
    moment,
    publish,
    refused,
    sound_history,
    times,
)
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import Problem, UsageError
from merchantscreen.outputs.text import counted
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.trust import FEWEST_OFFICERS, Trust

_Officers = Annotated[list[str], typer.Option("--officer", metavar="NAME", help="Officer to take out; repeat.")]
_Keys = Annotated[
    list[str],
    typer.Option("--key", metavar="KEY_ID", help="Key of an organisation to end; its first 8 digits will do; repeat."),
]
_Organisations = Annotated[
    list[str], typer.Option("--organisation", metavar="ID", help="Organisation all of whose keys end; repeat.")
]
_Hosts = Annotated[list[str], typer.Option("--unprotect", metavar="HOST", help="Host to protect no longer; repeat.")]
_From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="When the keys end; now when absent.")]
_Needed = Annotated[
    int | None,
    typer.Option("--officers-needed", metavar="N", help="Officers who have to sign from then on; as before if absent."),
]


@dataclass(frozen=True, slots=True)
class _Unwanted:
    """What the next version is to do without."""

    officers: Sequence[str]
    keys: Sequence[str]
    organisations: Sequence[str]
    hosts: Sequence[str]
    officers_needed: int | None


def remove(
    *,
    officers: _Officers = [],  # noqa: B006 - typer's form of an option without a value
    keys: _Keys = [],  # noqa: B006
    organisations: _Organisations = [],  # noqa: B006
    hosts: _Hosts = [],  # noqa: B006
    start: _From = None,
    officers_needed: _Needed = None,
    expires: Expires = None,
    out: Out = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Propose a version without an officer or a protected host, or in which keys of organisations end.

    A key that ends stays listed, and what it signed stays as it is: for a stolen key use trust revoke. Who is taken
    out may still sign the proposal as an officer of the version before. Needs the role lead.
    """
    unwanted = _Unwanted(officers, keys, organisations, hosts, officers_needed)
    if not (officers or keys or organisations or hosts):
        raise UsageError("This removes nothing.", (problems.NO_REMOVAL.at("trust remove"),))
    with opened(workspace, as_name) as place:
        place.allow(CHANGE)
        state = held(sound_history(place))
        span = times(place, state.current, expires)
        changes = _changes(state.current, unwanted, moment(start, "--from", span.issued_at))
        trust = trustchain.changed(state.current, span.issued_at, span.expires_at, **changes)
    publish(state, trust, out, as_json=as_json)
    if not as_json:
        show_lines(_warnings(trust, span.issued_at))


def _changes(trust: Trust, unwanted: _Unwanted, at: datetime) -> dict[str, Any]:
    """Return the fields of the next version that change; UsageError with all that is not there."""
    wrong = [*_unknown(trust, unwanted), *_too_few(trust, unwanted)]
    if wrong:
        raise UsageError("This cannot be removed.", tuple(wrong))
    changes = trustchain.ended(trust, _key_ids(trust, unwanted), at)
    if unwanted.officers or unwanted.officers_needed is not None:
        changes["officers"] = {"threshold": _needed(trust, unwanted), "keys": _staying(trust, unwanted)}
    if unwanted.hosts:
        changes["protected_hosts"] = [host for host in trust.protected_hosts if host not in unwanted.hosts]
    return changes


def _unknown(trust: Trust, unwanted: _Unwanted) -> Iterator[Problem]:
    names = {officer.name for officer in trust.officers.keys}
    yield from (problems.NO_OFFICER.at("--officer") for name in unwanted.officers if name not in names)
    yield from (
        problems.NOT_PROTECTED.at("--unprotect") for host in unwanted.hosts if host not in trust.protected_hosts
    )


def _too_few(trust: Trust, unwanted: _Unwanted) -> Iterator[Problem]:
    """Tell whether too few officers would stay: fewer than two, or than have to sign."""
    left, needed = len(_staying(trust, unwanted)), _needed(trust, unwanted)
    if left < max(needed, FEWEST_OFFICERS) or needed < FEWEST_OFFICERS:
        kind = problems.TOO_FEW_OFFICERS
        yield kind.at("--officer", found=f"{counted(left, 'officer')} left where {needed} have to sign")


def _staying(trust: Trust, unwanted: _Unwanted) -> list[Any]:
    return [officer for officer in trust.officers.keys if officer.name not in unwanted.officers]


def _needed(trust: Trust, unwanted: _Unwanted) -> int:
    return trust.officers.threshold if unwanted.officers_needed is None else unwanted.officers_needed


def _key_ids(trust: Trust, unwanted: _Unwanted) -> frozenset[str]:
    """Return the ids of all keys that end; those that have ended or been revoked already stay as they are."""
    found = {key_id_of(trust, given) for given in unwanted.keys}
    if any(trust.owner_of(key_id) is None for key_id in found):
        raise UsageError("An officer's key.", (problems.OFFICERS_KEY.at("--key"),))
    for name in unwanted.organisations:
        leaving = trust.organisation(name)
        if leaving is None:
            raise refused("MS-EXC-052")
        found |= {grant.public.key_id for grant in leaving.keys}
    return frozenset(found)


def _warnings(trust: Trust, at: datetime) -> Iterator[str]:
    """Say what a version like this can no longer do."""
    count = len(trust.officers.keys)
    if trust.officers.threshold == count:
        yield f"All {count} officers have to sign from then on: one lost key, and nobody can change the trust file."
    for found in trust.organisations:
        if not any(grant.counts_at(at) for grant in found.keys):
            yield f"{found.id} has no key that counts: nothing that it signs will come in, retractions neither."
