"""Where a hotline's stream is: number and digest of the last statement, and which events are in it.

    {"schema": "merchantscreen-stream/1", "issuer": ..., "audience": ..., "seq": 12, "prev": "<sha256>",
     "events": ["<sha256 of each event>", ...]}

Rules kept here:
* the state moves on only after the statements were handed out; whoever is interrupted in between signs the same
  events again and gets the same bytes, since numbers and signatures follow from events and key alone;
* an event that is in the stream gets no second number.

The state holds no key and no event. Without it a hotline cannot go on: it asks the network where its stream is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from merchantscreen.cli.hotline import problems
from merchantscreen.cli.hotline.files import read_small
from merchantscreen.errors import InputError, Problem
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.exchange_problems import EnvelopeError
from merchantscreen.referrals.statements import NO_PREDECESSOR, as_fields, digest_of, write_statement
from merchantscreen.referrals.wire import LARGEST_NUMBER, canonical, read_object

SCHEMA: Final = "merchantscreen-stream/1"
_LARGEST: Final = 64 * 1024 * 1024
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StreamState:
    """The end of a hotline's stream.

    Attributes:
        issuer: The hotline.
        audience: The network.
        seq: Number of the last statement; 0 before the first.
        prev: Digest of the last statement.
        events: Digests of the events signed, in order.
    """

    issuer: str
    audience: str
    seq: int = 0
    prev: str = NO_PREDECESSOR
    events: tuple[str, ...] = ()

    def payload(self) -> bytes:
        """Return the bytes of the state file."""
        stated = {"issuer": self.issuer, "audience": self.audience, "seq": self.seq, "prev": self.prev}
        return canonical({"schema": SCHEMA, **stated, "events": list(self.events)}) + b"\n"


@dataclass(frozen=True, slots=True)
class Continued:
    """What signing some events comes to: statements to sign, in order, and the end of the stream after them.

    Attributes:
        state: The end of the stream.
        payloads: One statement per new event.
        skipped: Places of events that are in the stream already, from 1.
    """

    state: StreamState
    payloads: tuple[bytes, ...]
    skipped: tuple[int, ...]


def read_state(path: Path) -> StreamState | None:
    """Read a state file; None if there is none, InputError if it is not as we write it."""
    if not path.exists() and not path.is_symlink():
        return None
    try:
        stated = read_object(read_small(path, _LARGEST), path.name, _LARGEST)
    except EnvelopeError as error:
        raise InputError("Malformed state.", (problems.STATE_MALFORMED.at(path.name),)) from error
    if not _is_state(stated):
        raise InputError("Malformed state.", (problems.STATE_MALFORMED.at(path.name),))
    return StreamState(
        stated["issuer"], stated["audience"], stated["seq"], stated["prev"], tuple(stated.get("events", ()))
    )


def continued(state: StreamState, events: Sequence[ReferralEvent], where: str) -> Continued:
    """Number and chain the events that are not in the stream yet.

    Args:
        state: Where the stream is.
        events: Events of its hotline, in order.
        where: What to call them in a message.

    Raises:
        InputError: An event does not make a statement; all that do not are in it.
    """
    known, added, skipped = set(state.events), list[str](), list[int]()
    payloads, found = list[bytes](), list[Problem]()
    seq, prev = state.seq, state.prev
    for place, event in enumerate(events, start=1):
        digest = hashlib.sha256(canonical(as_fields(event))).hexdigest()
        if digest in known:
            skipped.append(place)
            continue
        try:
            payload = write_statement(event, state.audience, seq + 1, prev)
        except EnvelopeError as error:
            found += _placed(error, f"{where} (event {place})")
            continue
        seq, prev = seq + 1, digest_of(payload)
        known.add(digest)
        added.append(digest)
        payloads.append(payload)
    if found:
        raise InputError("Events that make no statements.", tuple(found))
    after = replace(state, seq=seq, prev=prev, events=(*state.events, *added))
    return Continued(after, tuple(payloads), tuple(skipped))


def _placed(error: EnvelopeError, where: str) -> Iterator[Problem]:
    return (Problem(p.code, where, p.line, p.column, p.found, p.expected, p.fix) for p in error.problems)


def _is_state(stated: dict[str, Any]) -> bool:
    events = stated.get("events", [])
    if stated.get("schema") != SCHEMA or not isinstance(events, list):
        return False
    seq, texts = stated.get("seq"), [stated.get("issuer"), stated.get("audience")]
    if type(seq) is not int or not all(isinstance(text, str) for text in texts):
        return False
    digests = [stated.get("prev"), *events]
    is_chained = (seq == 0) == (stated.get("prev") == NO_PREDECESSOR) and len(events) <= seq <= LARGEST_NUMBER
    return is_chained and all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in digests)
