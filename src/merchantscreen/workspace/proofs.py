"""Proofs that an event is in the log, as a file that can be checked without the log.

    {"checkpoint": NOTE, "hashes": [HEX, …], "index": 7, "leaf": BASE64, "schema": "merchantscreen-proof/1"}

Whoever checks one needs the verifier line of the log from elsewhere: a proof vouches for nothing by
the key it might bring along. Source: RFC 6962, 2.1.1; C2SP tlog-checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from merchantscreen.errors import InputError, IntegrityError
from merchantscreen.eventlog.log import Inclusion
from merchantscreen.eventlog.notes import Checkpoint, Verifier, open_checkpoint
from merchantscreen.eventlog.records import Event, parse_leaf
from merchantscreen.referrals.exchange_problems import EnvelopeError
from merchantscreen.referrals.wire import read_object
from merchantscreen.workspace import problems

SCHEMA: Final = "merchantscreen-proof/1"
LARGEST: Final = 256 * 1024
_KEYS: Final = {"checkpoint", "hashes", "index", "leaf", "schema"}
_HASH_DIGITS: Final = 64
_MOST_HASHES: Final = 64


@dataclass(frozen=True, slots=True)
class Proven:
    """An event, and the signed checkpoint of the log that holds it."""

    event: Event
    checkpoint: Checkpoint


def written_proof(inclusion: Inclusion, note: bytes) -> bytes:
    """Return a proof as a file; `note` is the signed checkpoint of the proof's own head."""
    stated = {
        "schema": SCHEMA,
        "index": inclusion.index,
        "leaf": base64.b64encode(inclusion.leaf).decode("ascii"),
        "hashes": [one.hex() for one in inclusion.hashes],
        "checkpoint": note.decode("utf-8"),
    }
    return (json.dumps(stated, ensure_ascii=True, indent=2, sort_keys=True) + "\n").encode()


def checked_proof(data: bytes, known: Iterable[Verifier]) -> Proven:
    """Check a proof with keys obtained elsewhere.

    Raises:
        InputError: It is no proof.
        IntegrityError: No known key signed its checkpoint, or it does not lead there.
    """
    index, leaf, hashes, note = _stated(data)
    checkpoint = open_checkpoint(note, known)
    inclusion = Inclusion(index, leaf, hashes, checkpoint)
    try:
        event, holds = parse_leaf(leaf), inclusion.holds
    except ValueError as error:
        raise _failed() from error
    if not holds or event.index != index:
        raise _failed()
    return Proven(event, checkpoint)


def _stated(data: bytes) -> tuple[int, bytes, tuple[bytes, ...], bytes]:
    try:
        stated = read_object(data, "proof", LARGEST)
        if stated.keys() != _KEYS or stated["schema"] != SCHEMA:
            _refuse()
        index, hashes, note = stated["index"], stated["hashes"], stated["checkpoint"]
        if type(index) is not int or index < 0 or not isinstance(note, str) or not isinstance(hashes, list):
            _refuse()
        leaf = base64.b64decode(stated["leaf"].encode("ascii"), validate=True)
        return index, leaf, tuple(map(_hash, hashes[: _MOST_HASHES + 1])), note.encode("utf-8")
    except (EnvelopeError, ValueError, AttributeError, binascii.Error) as error:
        raise InputError("This is no proof.", (problems.PROOF_MALFORMED.at("proof"),)) from error


def _hash(text: Any) -> bytes:
    if not isinstance(text, str) or len(text) != _HASH_DIGITS:
        _refuse()
    return bytes.fromhex(text)


def _refuse() -> NoReturn:
    raise ValueError("a proof of another form")


def _failed() -> IntegrityError:
    return IntegrityError("The proof does not hold.", (problems.PROOF_FAILS.at("proof"),))
