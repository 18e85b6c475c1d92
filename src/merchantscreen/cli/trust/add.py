"""`merchantscreen trust add`: propose a version with more in it: organisations, keys, officers, protected hosts.

What is given is added to what is there: a key that an organisation has stays as it is, since what it signed hangs
on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli.hotline.files import read_small
from merchantscreen.cli.terminal import Json
from merchantscreen.cli.trust import problems
from merchantscreen.cli.trust.proposals import CHANGE, Expires, Out, moment, publish, sound_history, times
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import InputError, Problem, UsageError
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.trust import (
    ALWAYS_ALLOWED,
    FEWEST_OFFICERS,
    LARGEST_TRUST,
    Organisation,
    Trust,
    make_trust,
)
from merchantscreen.referrals.wire import read_object, written
from merchantscreen.vocabulary import ReferralEventKind

_USUAL_EVENTS: Final = [kind.value for kind in ReferralEventKind if kind not in ALWAYS_ALLOWED]

_Text = str | None
_Files = Annotated[
    list[Path],
    typer.Argument(metavar="[ORGANISATION.json...]", help="Organisations, in the form of trust show --json."),
]
_Organisation = Annotated[_Text, typer.Option("--organisation", metavar="ID", help="Organisation to add or to extend.")]
_Name = Annotated[_Text, typer.Option("--name", metavar="TEXT", help="Its name.")]
_Kind = Annotated[_Text, typer.Option("--kind", metavar="KIND", help="hotline, or network; hotline when new.")]
_Public = Annotated[list[str], typer.Option("--public", metavar="KEY", help="Its key, ed25519:...; may be repeated.")]
_Events = Annotated[
    _Text, typer.Option("--events", metavar="LIST", help="Events it may state, commas between them; all when new.")
]
_From = Annotated[_Text, typer.Option("--valid-from", metavar="DATE", help="Its keys count from; now when absent.")]
_Until = Annotated[_Text, typer.Option("--valid-until", metavar="DATE", help="Its keys count until.")]
_Countries = Annotated[_Text, typer.Option("--jurisdictions", metavar="LIST", help="Countries it is limited to.")]
_Suffixes = Annotated[_Text, typer.Option("--suffixes", metavar="LIST", help="Domain endings it is limited to.")]
_Daily = Annotated[int | None, typer.Option("--daily-limit", metavar="N", help="Most statements of it in a day.")]
_Officers = Annotated[
    list[str], typer.Option("--officer", metavar="NAME=KEY", help="Officer with key; may be repeated.")
]
_Needed = Annotated[
    int | None, typer.Option("--officers-needed", metavar="N", help="Officers who have to sign; 2 at first.")
]
_Confirmed = Annotated[
    int | None,
    typer.Option("--organisations-needed", metavar="N", help="Organisations that have to confirm; 1 at first."),
]
_Protect = Annotated[list[str], typer.Option("--protect", metavar="HOST", help="Protected host; may be repeated.")]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the next version is to hold besides what there is; fields of the organisation as the trust file has them."""

    files: Sequence[Path]
    organisation: str | None
    fields: dict[str, Any]
    keys: list[dict[str, Any]]
    officers: Sequence[str]
    officers_needed: int | None
    organisations_needed: int | None
    protect: Sequence[str]

    @property
    def is_nothing(self) -> bool:
        """Tell whether nothing is to change."""
        counts = (self.officers_needed, self.organisations_needed)
        return not (self.files or self.organisation or self.officers or self.protect) and counts == (None, None)


def add(
    files: _Files = [],  # noqa: B006 - typer's form of words that may be absent
    *,
    organisation: _Organisation = None,
    name: _Name = None,
    kind: _Kind = None,
    public: _Public = [],  # noqa: B006
    events: _Events = None,
    valid_from: _From = None,
    valid_until: _Until = None,
    jurisdictions: _Countries = None,
    suffixes: _Suffixes = None,
    daily_limit: _Daily = None,
    officers: _Officers = [],  # noqa: B006
    officers_needed: _Needed = None,
    organisations_needed: _Confirmed = None,
    protect: _Protect = [],  # noqa: B006
    expires: Expires = None,
    out: Out = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Propose a version with more in it; the first version needs two officers or more.

    Nothing changes until enough officers have signed the file with trust sign and trust accept has taken it.
    Needs the role lead.
    """
    fields = {
        "name": name, "kind": kind, "events": _split(events), "jurisdictions": _split(jurisdictions),
        "suffixes": _split(suffixes), "daily_limit": daily_limit,
    }  # fmt: skip
    stated = {key: value for key, value in fields.items() if value is not None}
    with opened(workspace, as_name) as place:
        place.allow(CHANGE)
        keys = _keys(public, moment(valid_from, "--valid-from", place.now()), valid_until)
        wanted = _Wanted(
            files, organisation, stated, keys, officers, officers_needed, organisations_needed, protect
        )  # fmt: skip
        state = sound_history(place).trust
        old = state.current if state is not None else None
        _require_a_change(wanted, old, is_renewal=expires is not None)
        span = times(place, old, expires)
        changes = _changes(wanted, old)
        if old is None:
            timed = {"issued_at": span.issued_at, "expires_at": span.expires_at}
            trust = make_trust({"version": 1, "audience": place.settings.audience, **timed, **changes})
        else:
            trust = trustchain.changed(old, span.issued_at, span.expires_at, **changes)
            _require_kept_keys(old, trust)
    publish(state, trust, out, as_json=as_json)


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _keys(public: Sequence[str], start: datetime, until: str | None) -> list[dict[str, Any]]:
    end = written(moment(until, "--valid-until", start)) if until is not None else None
    return [{"public": line, "valid_from": written(start), "valid_until": end} for line in public]


def _require_a_change(wanted: _Wanted, old: Trust | None, *, is_renewal: bool) -> None:
    found: list[Problem] = []
    if wanted.organisation is None and (wanted.fields or wanted.keys):
        found.append(problems.NO_ORGANISATION.at("--organisation"))
    if old is None and len(wanted.officers) < FEWEST_OFFICERS:
        found.append(problems.NO_OFFICERS.at("--officer"))
    elif wanted.is_nothing and not is_renewal and not found:
        found.append(problems.NO_CHANGE.at("trust add"))
    if found:
        raise UsageError("This proposes nothing.", tuple(found))


def _changes(wanted: _Wanted, old: Trust | None) -> dict[str, Any]:
    """Return the fields of the next version that change; what is wrong with them is for the trust file to say."""
    changes: dict[str, Any] = {"organisations": _organisations(wanted, old)}
    if wanted.officers or wanted.officers_needed is not None:
        there = list(old.officers.keys) if old is not None else []
        usual = old.officers.threshold if old is not None else FEWEST_OFFICERS
        needed = usual if wanted.officers_needed is None else wanted.officers_needed
        changes["officers"] = {"threshold": needed, "keys": [*there, *map(_officer, wanted.officers)]}
    if wanted.organisations_needed is not None:
        rest = old.thresholds.model_dump() if old is not None else {}
        changes["thresholds"] = rest | {"confirmed": wanted.organisations_needed}
    if wanted.protect:
        changes["protected_hosts"] = [*(old.protected_hosts if old is not None else ()), *wanted.protect]
    return changes


def _officer(text: str) -> dict[str, str]:
    name, _, public = text.partition("=")  # A key ends in an equals sign too.
    if not name.strip() or not public:
        raise UsageError("No officer.", (problems.OFFICER_MALFORMED.at("--officer"),))
    return {"name": name.strip(), "public": public}


def _organisations(wanted: _Wanted, old: Trust | None) -> list[Organisation | dict[str, Any]]:
    there: dict[str, Organisation | dict[str, Any]] = {}
    there |= {found.id: found for found in (old.organisations if old is not None else ())}
    for path in wanted.files:
        stated = _read_organisation(path)
        there[str(stated.get("id"))] = stated
    if wanted.organisation is not None:
        there[wanted.organisation] = _extended(there.get(wanted.organisation), wanted)
    return [there[name] for name in sorted(there)]


def _read_organisation(path: Path) -> dict[str, Any]:
    """Read an organisation, without what `trust show --json` adds to its keys."""
    stated = read_object(read_small(path, LARGEST_TRUST), path.name, LARGEST_TRUST)
    keys = stated.get("keys")
    for key in keys if isinstance(keys, list) else ():
        if isinstance(key, dict):
            key.pop("key_id", None)
            key.pop("state", None)
    return stated


def _extended(known: Organisation | dict[str, Any] | None, wanted: _Wanted) -> dict[str, Any]:
    """Return an organisation with the fields and keys of the command line over those that it has."""
    if known is None:
        new: dict[str, Any] = {"id": wanted.organisation, "events": _USUAL_EVENTS, **wanted.fields}
        return new | ({"keys": wanted.keys} if wanted.keys else {})
    has = known.model_dump(mode="json") if isinstance(known, Organisation) else known
    return {**has, **wanted.fields, "keys": [*has.get("keys", ()), *wanted.keys]}


def _require_kept_keys(old: Trust, new: Trust) -> None:
    """Refuse a file that would take a key away, or change when it counts, without saying so."""
    kept = {(found.id, grant) for found, grant in new.grants()}
    lost = sorted({found.id for found, grant in old.grants() if (found.id, grant) not in kept})
    if lost:
        raise InputError("Keys would be lost.", tuple(problems.KEY_LOST.at(name) for name in lost))
