"""What the log holds about referrals: the kinds of its events, and how each is written and read back.

Rules kept here:
* every kind has its fields in `KINDS`; a body with others is not read, and said;
* what is too long for one event is split into parts that each stand for themselves;
* a refused statement is recorded without its content;
* a transcribed list needs two different officers, or it is not written.

How the events add up is left to `history`; numbering, hashing and keeping them, to eventlog/.
Source: contract of issue 4; threat model 5.3 and 5.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from merchantscreen.errors import UsageError
from merchantscreen.eventlog.records import Event
from merchantscreen.referrals.admission import Admission
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.exchange_problems import PROBLEMS
from merchantscreen.referrals.statements import as_fields, recall_statement
from merchantscreen.referrals.streams import Entry, Outcome, Place, Reason
from merchantscreen.referrals.trustchain import Version
from merchantscreen.referrals.wire import LARGEST_PAYLOAD, canonical, decode_base64, encode_base64, written
from merchantscreen.vocabulary import Assurance

ROOM: Final = 60_000
"""Bytes of listed things in one event; a body of the log holds 65,536."""
OFFICERS_NEEDED: Final = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of log event.

    Attributes:
        name: As the log has it.
        purpose: What it records, in a sentence.
        fields: Types of its fields by name.
        optional: Names that may be left out.
    """

    name: str
    purpose: str
    fields: Mapping[str, type]
    optional: frozenset[str] = frozenset()

    def fits(self, body: Mapping[str, Any]) -> bool:
        """Tell whether a body has the fields of this kind, each of its type, and no others."""
        if any([type(value) is not self.fields.get(name) for name, value in body.items()]):  # noqa: C419  # Faster.
            return False
        return len(body) == len(self.fields) or self.fields.keys() - self.optional <= body.keys()


_STATEMENT: Final[dict[str, type]] = {
    "issuer": str, "seq": int, "statement_sha256": str, "key_ids": list, "assurance": str, "organisations": list,
    "reason": str,
}  # fmt: skip
_PARTS: Final[dict[str, type]] = {"part": int, "parts": int}

_KINDS: Final = (
    Kind("workspace.created", "A workspace was made.", {"name": str, "audience": str, "version": str}),
    Kind("trust.accepted", "A version of the trust file was accepted.",
         {"version": int, "sha256": str, "envelope": str}),
    Kind("referral.accepted", "A statement was taken in.", {**_STATEMENT, "payload": str}),
    Kind("referral.quarantined", "A statement was taken in and waits.", {**_STATEMENT, "payload": str}),
    Kind("referral.refused", "A statement was refused; its content is not kept.", _STATEMENT),
    Kind("referral.released", "An officer released a statement that waited.",
         {"issuer": str, "seq": int, "statement_sha256": str, "officer": str, "reason": str}),
    Kind("referral.transcribed", "Two officers countersigned a list that came outside the exchange.",
         {"list_sha256": str, "officers": list, "events": list, **_PARTS}),
    Kind("referral.imported", "A file without signatures was imported.",
         {"format": str, "file_sha256": str, "count": int, "refused": int, "assurance": str, "events": list, **_PARTS}),
    Kind("key.revoked", "A key was revoked; the statements that it alone carried count no longer.",
         {"key_id": str, "since": str, "reason": str, "statements": list, **_PARTS}),
    Kind("run.recorded", "A screening used the register as of this log.",
         {"run_id": str, "manifest_sha256": str, "as_of": str, "log_size": int, "log_root": str, "referrals": list,
          **_PARTS}, frozenset(_PARTS)),
    Kind("lookup", "Somebody asked whether something is referred, and why they asked.",
         {"purpose": str, "subject_kind": str, "subject": dict}),
    Kind("receipt.issued", "A hotline was told what became of its referrals.",
         {"issuer": str, "referral_count": int, "sha256": str}),
    Kind("export.made", "Referrals, or a part of a run, left the workspace.",
         {"kind": str, "sha256": str, "recipient": str, "run": str, "count": int, "purpose": str, "subject": dict},
         frozenset({"recipient", "run", "count", "purpose", "subject"})),
)  # fmt: skip

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _KINDS}
"""Kinds of this exchange; other kinds of a log belong to others and are passed over. The log's own record of
an erasure is `log.erased`."""

_KIND_OF: Final[dict[Outcome, str]] = {
    Outcome.ACCEPTED: "referral.accepted",
    Outcome.QUARANTINED: "referral.quarantined",
    Outcome.REFUSED: "referral.refused",
}
_OUTCOME_OF: Final[dict[str, Outcome]] = {kind: outcome for outcome, kind in _KIND_OF.items()}


# --------------------------------------------------------------------------- writing


def trust_body(version: Version) -> dict[str, Any]:
    """Return the body of `trust.accepted`."""
    stated = {"version": version.trust.version, "sha256": version.digest}
    return {**stated, "envelope": encode_base64(version.envelope)}


def admission_record(admission: Admission) -> tuple[str, dict[str, Any]] | None:
    """Return kind and body for an answer; None for a duplicate, which leaves no trace in the register."""
    if admission.outcome is Outcome.DUPLICATE:
        return None
    said = admission.statement
    body: dict[str, Any] = {
        "issuer": said.issuer,
        "seq": said.seq,
        "statement_sha256": said.digest,
        "key_ids": sorted(said.key_ids),
        "assurance": admission.assurance.value,
        "organisations": sorted(admission.organisations),
        "reason": admission.reason.value if admission.reason is not None else "",
    }
    content = {} if admission.outcome is Outcome.REFUSED else {"payload": encode_base64(said.payload)}
    return _KIND_OF[admission.outcome], body | content


def release_body(place: Place, officer: str, reason: str) -> dict[str, Any]:
    """Return the body of `referral.released`.

    Raises:
        UsageError: The statement waits for no officer.
    """
    if not place.needs_release or place.is_revoked:
        raise _unusable("MS-EXC-082", "statement")
    entry = place.entry
    named = {"issuer": entry.issuer, "seq": entry.seq, "statement_sha256": entry.digest}
    return {**named, "officer": officer, "reason": reason}


def transcription_bodies(
    list_sha256: str, officers: Sequence[str], events: Sequence[ReferralEvent]
) -> list[dict[str, Any]]:
    """Return the bodies of `referral.transcribed` for a list, one or more.

    Raises:
        UsageError: Not two different officers compared it, or an event is too large.
    """
    if not are_two_people(officers):
        raise _unusable("MS-EXC-081", "list")
    return parted({"list_sha256": list_sha256, "officers": list(officers)}, "events", _written_events(events))


def import_bodies(
    file_format: str, file_sha256: str, events: Sequence[ReferralEvent], refused_count: int
) -> list[dict[str, Any]]:
    """Return the bodies of `referral.imported` for a file, one or more; `count` and `refused` are of the whole file.

    Raises:
        UsageError: An event is too large.
    """
    counts = {"count": len(events), "refused": refused_count, "assurance": Assurance.UNSIGNED.value}
    whole = {"format": file_format, "file_sha256": file_sha256, **counts}
    return parted(whole, "events", _written_events(events))


def revocation_bodies(key_id: str, since: datetime, reason: str, places: Sequence[Place]) -> list[dict[str, Any]]:
    """Return the bodies of `key.revoked` for the statements that `Streams.signed_by` lists, one or more."""
    whole = {"key_id": key_id, "since": written(since), "reason": reason}
    return parted(whole, "statements", [place.entry.digest for place in places])


def are_two_people(officers: Sequence[object]) -> bool:
    """Tell whether at least two names differ in more than case and blanks, and none is empty."""
    names = [" ".join(name.split()).casefold() for name in officers if isinstance(name, str)]
    return all(names) and len(names) == len(officers) and len(set(names)) >= OFFICERS_NEEDED


def _written_events(events: Sequence[ReferralEvent]) -> list[dict[str, Any]]:
    fields = [as_fields(event) for event in events]
    if any(len(canonical(one)) > LARGEST_PAYLOAD for one in fields):
        raise _unusable("MS-EXC-083", "referral event")
    return fields


def parted(whole: Mapping[str, Any], name: str, listed: Sequence[Any]) -> list[dict[str, Any]]:
    """Split a long list over several bodies that repeat what is said of the whole."""
    parts = list(_chunks(listed)) or [[]]
    return [{**whole, name: part, "part": at, "parts": len(parts)} for at, part in enumerate(parts, start=1)]


def _chunks(listed: Sequence[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    size = 0
    for one in listed:
        length = len(canonical({"": one}))
        if chunk and size + length > ROOM:
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += length
    if chunk:
        yield chunk


def _unusable(code: str, where: str) -> UsageError:
    return UsageError("This cannot be recorded.", (PROBLEMS[code].at(where),))


# --------------------------------------------------------------------------- reading


def read_entry(event: Event) -> Entry:
    """Read what a log event says of one statement.

    Raises:
        ValueError, KeyError, TypeError: It does not say what its kind says.
    """
    body, outcome = event.body, _OUTCOME_OF[event.kind]
    key_ids, organisations = frozenset(body["key_ids"]), frozenset(body["organisations"])
    payload = decode_base64(body.get("payload"))
    statement = recall_statement(payload, key_ids) if payload is not None else None
    named = (body["issuer"], body["seq"], body["statement_sha256"])
    if statement is not None and named != (statement.issuer, statement.seq, statement.digest):
        raise ValueError("a payload of another statement")
    if (statement is None) != (outcome is Outcome.REFUSED):
        raise ValueError("a payload that does not belong to the outcome")
    reason = Reason(body["reason"]) if body["reason"] else None
    return Entry(event.index, event.recorded_at, outcome, reason, *named, statement, key_ids, organisations)
