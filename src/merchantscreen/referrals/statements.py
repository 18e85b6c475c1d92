"""A statement: one referral event of one hotline with its place in the hotline's stream.

Rules kept here:
* a statement is read from bytes whose signatures were checked, and from nothing else;
* issuer and time of issue are said twice, once for the stream and once for the event, and agree;
* every statement names the sha256 of the one before it; the first names 64 zeros;
* a problem of the event inside is listed with its own code, all of them at once.

Whether a statement is taken in is left to `admission`, and what events add up to, to `register`.
Source: threat model 5.1 and row 3 of its table.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from merchantscreen.errors import Problem
from merchantscreen.referrals.envelope import Verified
from merchantscreen.referrals.events import Issue, Moment, Reference, ReferralEvent
from merchantscreen.referrals.exchange_problems import PROBLEMS, EnvelopeError
from merchantscreen.referrals.plain import read_event, recall_event
from merchantscreen.referrals.problems import PROBLEMS as EVENT_PROBLEMS
from merchantscreen.referrals.wire import (
    LARGEST_NUMBER,
    LARGEST_PAYLOAD,
    canonical,
    field_problems,
    read_object,
    written,
)

SCHEMA: Final = "merchantscreen-statement/1"
NO_PREDECESSOR: Final = "0" * 64
_WHERE: Final = "statement"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a hotline signed.

    Attributes:
        issuer: The hotline; an organisation of the trust file.
        audience: The network it is meant for.
        seq: Its number in the hotline's stream, from 1.
        prev: Digest of the statement before it.
        issued_at: When the hotline says it made it; UTC without zone.
        event: The referral event.
        payload: The signed bytes.
        digest: Their sha256, hexadecimal; it names the statement.
        key_ids: Keys that signed it.
    """

    issuer: str
    audience: str
    seq: int
    prev: str
    issued_at: datetime
    event: ReferralEvent
    payload: bytes
    digest: str
    key_ids: frozenset[str]


class _Fields(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    schema_name: Literal["merchantscreen-statement/1"] = Field(alias="schema")
    issuer: Reference
    audience: Reference
    seq: Annotated[int, Field(strict=True, ge=1, le=LARGEST_NUMBER)]
    prev: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    issued_at: Moment
    event: dict[str, Any]


def write_statement(event: ReferralEvent, audience: str, seq: int, prev: str) -> bytes:
    """Return the payload to sign for an event; the hotline and the time are those of the event.

    Args:
        event: What is stated.
        audience: The network.
        seq: One more than the hotline's last number.
        prev: Digest of its last payload; `NO_PREDECESSOR` for number 1.

    Raises:
        EnvelopeError: The parts do not make a statement.
    """
    stated: dict[str, Any] = {
        "schema": SCHEMA,
        "issuer": event.reporting_hotline_id,
        "audience": audience,
        "seq": seq,
        "prev": prev,
        "issued_at": written(event.issued_at),
        "event": as_fields(event),
    }
    payload = canonical(stated)
    read_statement(Verified(payload, frozenset()))
    return payload


def read_statement(verified: Verified) -> Statement:
    """Read a statement from checked bytes.

    Raises:
        EnvelopeError: It is none; all that is wrong is in it.
    """
    raw = read_object(verified.payload, _WHERE, LARGEST_PAYLOAD)
    try:
        stated = _Fields.model_validate(raw)
    except ValidationError as error:
        problems = field_problems(error, "MS-EXC-030", _WHERE)
        raise EnvelopeError("This statement cannot be read.", problems) from None
    event = read_event(stated.event)
    if not isinstance(event, ReferralEvent):
        raise EnvelopeError("This statement cannot be read.", tuple(event_problem(issue, _WHERE) for issue in event))
    _require_agreement(stated, event)
    return Statement(
        stated.issuer, stated.audience, stated.seq, stated.prev, stated.issued_at, event, verified.payload,
        digest_of(verified.payload), verified.key_ids,
    )  # fmt: skip


def recall_statement(payload: bytes, key_ids: frozenset[str]) -> Statement:
    """Read a statement that was read and recorded before, without the checks of its first reading.

    Raises:
        ValueError, KeyError, TypeError: It cannot have been recorded.
    """
    stated = json.loads(payload)
    event = recall_event(stated["event"])
    return Statement(
        stated["issuer"], stated["audience"], stated["seq"], stated["prev"], event.issued_at, event, payload,
        digest_of(payload), key_ids,
    )  # fmt: skip


def digest_of(payload: bytes) -> str:
    """Return the name of a statement, which the next one carries as `prev`."""
    return hashlib.sha256(payload).hexdigest()


def as_fields(event: ReferralEvent) -> dict[str, Any]:
    """Return an event as plain JSON with times that say they are UTC; `read_event` gives the same event back."""
    stated = event.model_dump(mode="json", exclude_none=True)
    for name in stated.keys() & _MOMENTS:
        stated[name] = written(getattr(event, name))
    for clue, made in zip(stated.get("payment_clues", ()), event.payment_clues or (), strict=True):
        if made.seen_at is not None:
            clue["seen_at"] = written(made.seen_at)
    return stated


_MOMENTS: Final = frozenset(
    "issued_at received_at confirmed_at observed_at status_at hold_until valid_from valid_until".split()
)


def event_problem(issue: Issue, where: str) -> Problem:
    """Turn an issue of an event into a problem."""
    return EVENT_PROBLEMS[issue.code].at(where, column=issue.column, found=issue.found, expected=issue.expected)


def _require_agreement(stated: _Fields, event: ReferralEvent) -> None:
    found = (
        ("MS-EXC-031", "issuer", stated.issuer != event.reporting_hotline_id),
        ("MS-EXC-032", "issued_at", stated.issued_at != event.issued_at),
        ("MS-EXC-033", "prev", (stated.seq == 1) != (stated.prev == NO_PREDECESSOR)),
    )
    problems = tuple(PROBLEMS[code].at(_WHERE, column=column) for code, column, is_wrong in found if is_wrong)
    if problems:
        raise EnvelopeError("This statement contradicts itself.", problems)
