"""Signed envelopes (DSSE, Ed25519): sign bytes together with what they are, and check before reading them.

Rules kept here:
* a signature covers the payload type and the payload, byte for byte;
* an envelope counts only if every signature in it is right and of a key that was asked for:
  nothing unchecked rides along, and no bit of an envelope can be changed;
* one key signs once; how many organisations stand behind the keys is for others to count;
* the payload is handed out only after it was checked, and only those bytes may be parsed;
* no error of a library comes through.

What is inside is left to `statements` and `trust`. Only `unverified` looks at a payload before that, to
name an older file as such.
Source: DSSE 1.0.2; threat model 5.1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature  # type: ignore[attr-defined]  # public, without __all__

from merchantscreen.referrals.exchange_problems import PROBLEMS, SignatureError
from merchantscreen.referrals.keys import SigningKey, VerifyKey
from merchantscreen.referrals.wire import (
    LARGEST_ENVELOPE,
    LARGEST_PAYLOAD,
    canonical,
    decode_base64,
    encode_base64,
    read_object,
    refused,
)

STATEMENT_TYPE: Final = "application/vnd.merchantscreen.referral-event.v1+json"
TRUST_TYPE: Final = "application/vnd.merchantscreen.trust.v1+json"
RECEIPT_TYPE: Final = "application/vnd.merchantscreen.receipt.v1+json"
PAYLOAD_TYPE: Final = STATEMENT_TYPE
MOST_SIGNATURES: Final = 32
_WHERE: Final = "envelope"
_FIELDS: Final = {"payload", "payloadType", "signatures"}
_SIGNATURE_FIELDS: Final = {"keyid", "sig"}
_SIGNATURE_BYTES: Final = 64
_KEY_ID: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Verified:
    """A payload whose signatures were checked.

    Attributes:
        payload: The bytes that were signed; parse these and no others.
        key_ids: Keys that signed it.
    """

    payload: bytes
    key_ids: frozenset[str]

    @property
    def digest(self) -> str:
        """Return the sha256 of the payload, hexadecimal."""
        return hashlib.sha256(self.payload).hexdigest()


def sign(payload: bytes, payload_type: str, keys: Sequence[SigningKey] = ()) -> bytes:
    """Return an envelope around some bytes; without keys it is a proposal that others sign with `countersign`.

    Raises:
        EnvelopeError: The payload is too large, or a key signs twice.
    """
    if len(payload) > LARGEST_PAYLOAD:
        raise refused("MS-EXC-001", _WHERE)
    if len({key.key_id for key in keys}) != len(keys):
        raise refused("MS-EXC-011", _WHERE)
    envelope = Envelope(payload, payload_type, {})
    for key in keys:
        envelope.sign(key.for_library())
    return _written(envelope)


def countersign(data: bytes, payload_type: str, key: SigningKey) -> bytes:
    """Return an envelope with one more signature; the ones in it are kept and not checked.

    Raises:
        EnvelopeError: It is no envelope of this type, or the key has signed already.
    """
    envelope = _opened(data, payload_type, may_be_unsigned=True)
    if key.key_id in envelope.signatures:
        raise refused("MS-EXC-011", _WHERE)
    envelope.sign(key.for_library())
    if len(envelope.signatures) > MOST_SIGNATURES:
        raise refused("MS-EXC-010", _WHERE)
    return _written(envelope)


def verify(data: bytes, payload_type: str, keys: Iterable[VerifyKey]) -> Verified:
    """Return the payload of an envelope whose every signature is right and of one of these keys.

    Raises:
        EnvelopeError: It is no envelope of this type.
        SignatureError: A signature is wrong, or of another key.
    """
    envelope, known = _opened(data, payload_type), {key.key_id: key for key in keys}
    if not envelope.signatures.keys() <= known.keys():
        raise _not_signed("MS-EXC-012")
    _require_right(envelope, {key_id: known[key_id] for key_id in envelope.signatures})
    return Verified(envelope.payload, frozenset(envelope.signatures))


def verify_some(data: bytes, payload_type: str, keys: Iterable[VerifyKey]) -> Verified:
    """Return the payload with those of these keys that signed it, which may be none; other keys are passed over.

    For a payload that itself names the other keys: read it, then `verify` the envelope with all of them.

    Raises:
        EnvelopeError: It is no envelope of this type.
        SignatureError: A signature of one of these keys is wrong.
    """
    envelope, known = _opened(data, payload_type, may_be_unsigned=True), {key.key_id: key for key in keys}
    ours = {key_id: known[key_id] for key_id in envelope.signatures if key_id in known}
    _require_right(envelope, ours)
    return Verified(envelope.payload, frozenset(ours))


def unverified(data: bytes, payload_type: str) -> Verified:
    """Return the payload of an envelope and the keys it claims, with no signature checked: to name, never to use."""
    envelope = _opened(data, payload_type, may_be_unsigned=True)
    return Verified(envelope.payload, frozenset(envelope.signatures))


# --------------------------------------------------------------------------- inside


def _opened(data: bytes, payload_type: str, *, may_be_unsigned: bool = False) -> Envelope:
    """Take an envelope apart, refusing whatever is not in the one form that we would write."""
    raw = read_object(data, _WHERE, LARGEST_ENVELOPE)
    signatures = raw.get("signatures")
    if raw.keys() != _FIELDS or not isinstance(signatures, list):
        raise refused("MS-EXC-007", _WHERE)
    if raw["payloadType"] != payload_type:
        raise refused("MS-EXC-009", _WHERE, "payloadType")
    payload = decode_base64(raw["payload"])
    if payload is None:
        raise refused("MS-EXC-008", _WHERE, "payload")
    if len(payload) > LARGEST_PAYLOAD:
        raise refused("MS-EXC-001", _WHERE, "payload")
    if len(signatures) > MOST_SIGNATURES or not (signatures or may_be_unsigned):
        raise refused("MS-EXC-010", _WHERE, "signatures")
    read = [_signature(signature, f"signatures[{place}]") for place, signature in enumerate(signatures)]
    by_key = {signature.keyid: signature for signature in read}
    if len(by_key) != len(read):
        raise refused("MS-EXC-011", _WHERE, "signatures")
    return Envelope(payload, payload_type, by_key)


def _signature(signature: Any, place: str) -> Signature:
    if not isinstance(signature, dict) or signature.keys() != _SIGNATURE_FIELDS:
        raise refused("MS-EXC-007", _WHERE, place)
    key_id, value = signature["keyid"], decode_base64(signature["sig"])
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise refused("MS-EXC-014", _WHERE, f"{place}.keyid")
    if value is None or len(value) != _SIGNATURE_BYTES:
        raise refused("MS-EXC-008", _WHERE, f"{place}.sig")
    return Signature(key_id, value.hex())


def _require_right(envelope: Envelope, keys: Mapping[str, VerifyKey]) -> None:
    covered = envelope.pae()
    for key_id, key in keys.items():
        if not _is_right(envelope.signatures[key_id], key, covered):
            raise _not_signed("MS-EXC-013")


def _is_right(signature: Signature, key: VerifyKey, covered: bytes) -> bool:
    return key.has_signed(covered, bytes.fromhex(signature.signature))


def _written(envelope: Envelope) -> bytes:
    signatures = [
        {"keyid": key_id, "sig": encode_base64(bytes.fromhex(signature.signature))}
        for key_id, signature in sorted(envelope.signatures.items())
    ]
    fields = {"payload": encode_base64(envelope.payload), "payloadType": envelope.payload_type}
    return canonical({**fields, "signatures": signatures})


def _not_signed(code: str) -> SignatureError:
    return SignatureError("This envelope is not signed by whom it has to be.", (PROBLEMS[code].at(_WHERE),))
