"""Two officers behind one list: who compared it, under their signatures.

Officers sign a short statement that names the sha256 of the list and the network, as a DSSE envelope. They can do that
one after the other, each on a machine of their own, with the envelope as a file between them.

Rules kept here:
* a name counts only with the key that the current trust file gives it;
* the envelope is recorded with the list, so that anybody can check it later.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from merchantscreen.cli.referrals import problems
from merchantscreen.cli.referrals.common import ahead, decided, read_file
from merchantscreen.errors import InputError, UsageError
from merchantscreen.eventlog.records import Draft
from merchantscreen.outputs.files import replace_whole
from merchantscreen.referrals import envelope
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.exchange_problems import PROBLEMS, TrustError
from merchantscreen.referrals.history import Folding, History, Key
from merchantscreen.referrals.keys import LARGEST_PEM, SigningKey
from merchantscreen.referrals.logged import OFFICERS_NEEDED, transcription_bodies
from merchantscreen.referrals.trust import Trust, takes_back
from merchantscreen.referrals.wire import LARGEST_ENVELOPE, canonical, encode_base64
from merchantscreen.workspace.files import read_bounded
from merchantscreen.workspace.session import Workspace

TRANSCRIPTION_TYPE: Final = "application/vnd.merchantscreen.transcription.v1+json"
SCHEMA: Final = "merchantscreen-transcription/1"
TRANSCRIBED: Final = "referral.transcribed"
SIGNED: Final = "transcription.signed"
"""Kind of the log event that keeps the officers' envelope."""

OfficerNames = Annotated[
    list[str],
    typer.Option("--officer", metavar="NAME", help="Officer who compared it, as the trust file names them; repeat."),
]
OfficerKeys = Annotated[
    list[Path], typer.Option("--key", metavar="FILE", help="Private key of that officer, in the same order.")
]
Signatures = Annotated[
    Path | None,
    typer.Option(
        "--signatures", metavar="FILE", help="Envelope that gathers the officers' signatures; made if it is not there."
    ),
]


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signs now: names and key files in pairs, and where signatures are gathered."""

    names: Sequence[str]
    keys: Sequence[Path]
    gathered: Path | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that officers stand behind: the sha256 of its bytes, and its events."""

    sha256: str
    events: tuple[ReferralEvent, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a list.

    Attributes:
        officers: Who signed so far.
        is_recorded: Whether it was recorded now.
        is_repetition: Whether it had been recorded before.
        numbers: Short numbers of its referrals.
        taken_back: Referrals that it takes back.
        history: The log with it.
    """

    officers: tuple[str, ...]
    is_recorded: bool
    is_repetition: bool
    numbers: tuple[str, ...]
    taken_back: tuple[Key, ...]
    history: History


def record_list(place: Workspace, listed: Listed, signers: Signers, trust: Trust) -> Recorded:
    """Sign a list, and record it once two officers have.

    Raises:
        InputError, UsageError, TrustError: A name, a key or a signature is not that of an officer.
    """
    signed = _signed(place, listed.sha256, signers, trust)
    officers = _names(signed, trust)
    is_enough = len(officers) >= OFFICERS_NEEDED
    if not is_enough and signers.gathered is None:
        raise UsageError("Two officers are needed.", (PROBLEMS["MS-EXC-081"].at("command line"),))
    if not is_enough and signers.gathered is not None:
        replace_whole(signers.gathered, [signed])

    def decide(folding: Folding) -> tuple[list[Draft], Recorded]:
        known = place.log.events(kinds=(TRANSCRIBED,))
        is_repetition = any(event.body["list_sha256"] == listed.sha256 for event in known)
        drafts = _drafts(place, listed, officers, signed) if is_enough and not is_repetition else []
        for draft in drafts:
            ahead(folding, place, draft)
        keys = tuple((one.reporting_hotline_id, one.referral_id) for one in listed.events if one.referral_id)
        numbers = tuple(dict.fromkeys(folding.numbers[key] for key in keys if key in folding.numbers))
        return drafts, Recorded(
            officers, bool(drafts), is_repetition, numbers, _taken_back(listed) if drafts else (), folding.history()
        )

    return decided(place, decide)


def payload_of(audience: str, list_sha256: str) -> bytes:
    """Return the bytes that officers sign for a list."""
    return canonical({"schema": SCHEMA, "audience": audience, "list_sha256": list_sha256})


def require_current(trust: Trust, at: datetime) -> None:
    """Refuse to count officers of an expired trust file."""
    if trust.is_expired(at):
        raise TrustError("The trust file has expired.", (PROBLEMS["MS-EXC-047"].at("trust file"),))


def _signed(place: Workspace, list_sha256: str, signers: Signers, trust: Trust) -> bytes:
    """Return the envelope with the signatures there were and those made now."""
    require_current(trust, place.now())
    payload = payload_of(trust.audience, list_sha256)
    gathered = signers.gathered
    if gathered is not None and os.path.lexists(gathered):
        signed = read_file(gathered, LARGEST_ENVELOPE, PROBLEMS["MS-EXC-001"])
        if envelope.unverified(signed, TRANSCRIPTION_TYPE).payload != payload:
            raise InputError("These signatures are for another list.", (problems.LIST_DIFFERS.at(gathered.name),))
    else:
        signed = envelope.sign(payload, TRANSCRIPTION_TYPE)
    for key in _keys(signers, trust):
        signed = envelope.countersign(signed, TRANSCRIPTION_TYPE, key)
    return signed


def _keys(signers: Signers, trust: Trust) -> list[SigningKey]:
    """Read the keys, and refuse whoever is not the officer named."""
    if len(signers.names) != len(signers.keys):
        raise _not_an_officer()
    keys = [SigningKey.from_pem(read_bounded(path, LARGEST_PEM, private=True)) for path in signers.keys]
    known = {(officer.name, officer.public) for officer in trust.officers.keys}
    if any((name, key.verify_key) not in known for name, key in zip(signers.names, keys, strict=True)):
        raise _not_an_officer()
    return keys


def _not_an_officer() -> UsageError:
    return UsageError("Not an officer.", (problems.NOT_AN_OFFICER.at("--officer"),))


def _names(signed: bytes, trust: Trust) -> tuple[str, ...]:
    """Return the officers whose signatures are right; SignatureError if one is not, or is of somebody else."""
    if not envelope.unverified(signed, TRANSCRIPTION_TYPE).key_ids:
        return ()
    verified = envelope.verify(signed, TRANSCRIPTION_TYPE, trust.officers.verify_keys)
    return tuple(officer.name for officer in trust.officers.keys if officer.public.key_id in verified.key_ids)


def _drafts(place: Workspace, listed: Listed, officers: Sequence[str], signed: bytes) -> list[Draft]:
    proof = {"list_sha256": listed.sha256, "officers": list(officers), "envelope": encode_base64(signed)}
    bodies = transcription_bodies(listed.sha256, officers, listed.events)
    return [place.draft(SIGNED, proof), *(place.draft(TRANSCRIBED, body) for body in bodies)]


def _taken_back(listed: Listed) -> tuple[Key, ...]:
    return tuple(
        (one.reporting_hotline_id, one.referral_id)
        for one in listed.events
        if takes_back(one) and one.referral_id is not None
    )
