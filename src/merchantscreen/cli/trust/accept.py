"""`merchantscreen trust accept`: a signed proposal becomes the version that counts.

Rules kept here:
* enough officers of the version before and of the new one have signed, and nobody else;
* the version and what a revocation takes away are recorded together or not at all;
* a revocation lists exactly the statements that lost a signature, the runs that had used their referrals, and
  the decisions that rest on those that no longer count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli.referrals.common import Revisit, to_revisit
from merchantscreen.cli.terminal import Json, show_json
from merchantscreen.cli.trust.proposals import CHANGE, Proposal, ground_of, read_proposal, refused, sound_history
from merchantscreen.cli.trust.telling import SHORT, differences, show_safely, signing_words
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import InputError
from merchantscreen.eventlog.records import Draft
from merchantscreen.outputs.text import counted
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.exchange_problems import PROBLEMS, TrustError
from merchantscreen.referrals.history import History, Lost, Run, runs_touched
from merchantscreen.referrals.logged import revocation_bodies, trust_body
from merchantscreen.referrals.trust import KeyGrant, Trust
from merchantscreen.referrals.trustchain import TrustState
from merchantscreen.referrals.wire import written
from merchantscreen.workspace.session import Workspace

_Pinned = Annotated[
    str | None,
    typer.Option(
        "--sha256",
        metavar="HEX",
        help="sha256 that the version has to have, learnt from the officers over another channel.",
    ),
]

_TOO_FEW: Final = frozenset({"MS-EXC-010", "MS-EXC-042", "MS-EXC-043"})
"""Refusals for too few signatures; without any the envelope itself is refused."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What accepting a version has come to; `lost`, `runs` and `revisit` are what its revocations touched."""

    before: TrustState | None
    after: TrustState
    is_new: bool
    revoked: tuple[KeyGrant, ...] = ()
    lost: tuple[Lost, ...] = ()
    runs: tuple[tuple[Run, tuple[Lost, ...]], ...] = ()
    revisit: Revisit | None = None


def accept(
    proposal: Proposal,
    *,
    pinned: _Pinned = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Take a proposal that enough officers have signed as the version that counts.

    Older versions, skipped ones, a second one of the same number, expired ones and those without enough signatures
    are refused with exit code 6, and nothing changes. Needs the role lead.
    """
    with opened(workspace, as_name) as place:
        place.allow(CHANGE)
        data = read_proposal(proposal, ground_of(place))
        taken = _take(place, data, pinned.lower() if pinned is not None else None)
    if as_json:
        show_json(_facts(taken))
    else:
        show_safely(_told(taken))


def _take(place: Workspace, data: bytes, pinned: str | None) -> _Taken:
    history = sound_history(place)
    before = history.trust
    after = _accepted(before, data, place.now(), pinned)
    if pinned is not None and pinned != after.digest:
        raise refused("MS-EXC-049")
    if before is not None and after.digest == before.digest:
        return _Taken(before, after, is_new=False)
    revoked = _newly_revoked(before.current, after.current) if before is not None else ()
    drafts = [place.draft("trust.accepted", trust_body(after.versions[-1])), *_revocations(place, history, revoked)]
    place.record_all(drafts, expected_size=history.size)
    now = place.history()
    lost = tuple(one for one in now.lost if one.log_index >= history.size)
    gone = [(one.issuer, one.referral_id) for one in lost if one.referral_id is not None and one.is_removed]
    return _Taken(before, after, True, revoked, lost, tuple(_runs(now, lost)), to_revisit(place, now, gone))


def _accepted(before: TrustState | None, data: bytes, at: datetime, pinned: str | None) -> TrustState:
    """Accept, or say of too few signatures whose they are and whose are missing, of the old officers and of the new."""
    try:
        return trustchain.accept(before, [data], at, pinned=pinned)
    except InputError as error:
        if not _TOO_FEW & {problem.code for problem in error.problems}:
            raise
        gathered = trustchain.gathered(before, data)
        found = tuple(
            PROBLEMS[code].at("trust file", found=f"{PROBLEMS[code].title} ({signing_words(signing)})")
            for code, signing in (("MS-EXC-042", gathered.old), ("MS-EXC-043", gathered.new))
            if signing.lacking
        )
        if not found:
            raise
        raise TrustError("Too few signatures.", found) from error


def _newly_revoked(old: Trust, new: Trust) -> tuple[KeyGrant, ...]:
    """Return the keys that are revoked, or revoked from an earlier moment, in the new version only."""
    known = {grant.public: grant.revoked_from for _, grant in old.grants()}
    return tuple(
        grant
        for _, grant in new.grants()
        if grant.revoked_from is not None and grant.revoked_from != known.get(grant.public)
    )


def _revocations(place: Workspace, history: History, revoked: Sequence[KeyGrant]) -> Iterator[Draft]:
    for grant in revoked:
        since, key_id = grant.revoked_from, grant.public.key_id
        if since is not None:
            places = history.streams.signed_by(key_id, since)
            for body in revocation_bodies(key_id, since, grant.reason or "", places):
                yield place.draft("key.revoked", body)


def _runs(history: History, lost: Sequence[Lost]) -> Iterator[tuple[Run, tuple[Lost, ...]]]:
    """Yield every run that used a referral of the statements lost, with one of them per referral."""
    referrals = {(one.issuer, one.referral_id): one for one in lost if one.referral_id is not None}
    touched: dict[int, tuple[Run, list[Lost]]] = {}
    for (issuer, _), one in referrals.items():
        for run in runs_touched(history, issuer, one.referral_id or ""):
            touched.setdefault(run.log_index, (run, []))[1].append(one)
    for index in sorted(touched):
        run, ones = touched[index]
        yield run, tuple(ones)


# --------------------------------------------------------------------------- telling


def _facts(taken: _Taken) -> dict[str, Any]:
    return {
        "version": taken.after.current.version,
        "sha256": taken.after.digest,
        "is_new": taken.is_new,
        "changes": _changes(taken),
        "revoked": [
            {"key_id": grant.public.key_id, "since": written(grant.revoked_from), "reason": grant.reason}
            for grant in taken.revoked
            if grant.revoked_from is not None
        ],
        "statements": [
            {"issuer": one.issuer, "seq": one.seq, "sha256": one.digest, "referral_id": one.referral_id,
             "number": one.number or None, "is_removed": one.is_removed}
            for one in taken.lost
        ],
        "runs": [
            {"run_id": run.run_id, "as_of": run.as_of, "referrals": [one.number for one in ones]}
            for run, ones in taken.runs
        ],
        "dispositions": taken.revisit.facts()["dispositions"] if taken.revisit is not None else [],
    }  # fmt: skip


def _changes(taken: _Taken) -> list[str]:
    old = taken.before.current if taken.before is not None else None
    return differences(old, taken.after.current) if taken.is_new else []


def _told(taken: _Taken) -> Iterator[str]:
    version = taken.after.current.version
    if not taken.is_new:
        yield f"Version {version} of the trust file counts already; nothing was changed."
        return
    yield f"Accepted version {version} of the trust file."
    yield f"sha256 {taken.after.digest}"
    if taken.before is None:
        yield "This is the first version here: compare the sha256 with every officer over another channel."
    yield from _changes(taken)
    for grant in taken.revoked:
        yield f"Revoked key {grant.public.key_id[:SHORT]}."
    if taken.revoked:
        yield from _told_of_revocation(taken)


def _told_of_revocation(taken: _Taken) -> Iterator[str]:
    if not taken.lost:
        yield "No statement hung on it, so no run has to be looked at again."
        return
    removed = sum(one.is_removed for one in taken.lost)
    yield f"{counted(len(taken.lost), 'statement')} lost a signature; {removed} of them no longer count:"
    for one in taken.lost:
        about = f"{one.number} ({one.referral_id})" if one.referral_id is not None else "no referral"
        yield f"  {one.issuer} {one.seq}  {about}  {'removed' if one.is_removed else 'others still stand behind it'}"
    yield f"{counted(len(taken.runs), 'run')} used these referrals and should be looked at again:"
    for run, ones in taken.runs:
        yield f"  {run.run_id}  as of {run.as_of}  {', '.join(one.number for one in ones)}"
    if taken.revisit is None or not taken.revisit.cases:
        yield "No decision rests on them."
    else:
        yield from taken.revisit.decision_lines()
