"""Every vector of three public Ed25519 suites: no weak key is ever trusted, no wrong signature accepted.

What libraries differ on is decided here as follows, and each vector of the suites is held to it:

| a vector with | we |
| --- | --- |
| a key of low order, with a low-order part, or not canonical | refuse the key, so no signature of it counts |
| a sound key, and R with a low-order part or not canonical | refuse the signature: R is compared byte for byte |
| a sound key, and S not below the order of the group | refuse the signature |
| a sound key, and an equation that holds only times the cofactor | refuse the signature |
| a sound key, and R the neutral element | accept: RFC 8032 does, and only the key's holder can make it |

Source: RFC 8032, 5.1.7; Chalkias, Garillot and Nikolaenko (2020); `tests/data/ed25519_suites`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from exchange.network import FIRST_OFFICER, NORTH, trust
from securesystemslib.signer import Signature  # type: ignore[attr-defined]  # public, without __all__

from merchantscreen.errors import InputError
from merchantscreen.eventlog.curve import is_sound_key
from merchantscreen.eventlog.notes import Verifier
from merchantscreen.referrals.envelope import STATEMENT_TYPE, _is_right, sign, verify
from merchantscreen.referrals.exchange_problems import EnvelopeError, SignatureError
from merchantscreen.referrals.keys import VerifyKey
from merchantscreen.referrals.trust import read_trust

SUITES: Final = Path(__file__).parents[1] / "data/ed25519_suites"
NAME: Final = "log.example/key"
WEAK_KEY: Final = {"low_order_A", "low_order_component_A", "non_canonical_A"}
WRONG_SIGNATURE: Final = {"low_order_component_R", "non_canonical_R", "low_order_residue", "reencoded_k"}
WEAK_KEY_TYPES: Final = {"SmallOrderPublicKey", "MixedOrderPublicKey"}


@dataclass(frozen=True, slots=True)
class Vector:
    """One vector and what has to become of it.

    Attributes:
        name: Suite and number.
        key: Public key, as bytes.
        message: What is signed.
        signature: As given, of any length.
        sound: Whether the key may become a value at all.
        right: Whether the signature counts; never under a key that is not sound.
    """

    name: str
    key: bytes
    message: bytes
    signature: bytes
    sound: bool
    right: bool


@cache
def vectors() -> tuple[Vector, ...]:
    """Return all vectors of all suites."""
    return (*_wycheproof(), *_cctv(), *_speccheck())


def _read(name: str) -> Any:
    return json.loads((SUITES / name).read_text(encoding="utf-8"))


def _wycheproof() -> Iterator[Vector]:
    for group in _read("wycheproof.json")["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            sound = not WEAK_KEY_TYPES & set(test["flags"])
            message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            right = sound and test["result"] == "valid"
            yield Vector(f"wycheproof {test['tcId']}", key, message, signature, sound, right)


def _cctv() -> Iterator[Vector]:
    for test in _read("cctv.json"):
        flags = set(test["flags"] or ())
        key, signature = bytes.fromhex(test["key"]), bytes.fromhex(test["sig"])
        sound = not flags & WEAK_KEY
        right = sound and not flags & WRONG_SIGNATURE
        yield Vector(f"cctv {test['number']}", key, test["msg"].encode(), signature, sound, right)


def _speccheck() -> Iterator[Vector]:
    """Yield vectors of which only 9 and 10 have a sound key; theirs is an S that is not below the order."""
    for number, test in enumerate(_read("speccheck.json")):
        key, message, signature = (bytes.fromhex(test[name]) for name in ("pub_key", "message", "signature"))
        yield Vector(f"speccheck {number}", key, message, signature, number in {9, 10}, right=False)


WEAK_KEYS: Final = sorted({one.key for one in vectors() if not one.sound})


def _codes(error: pytest.ExceptionInfo[InputError]) -> list[str]:
    return [problem.code for problem in error.value.problems]


# --------------------------------------------------------------------------- the suites themselves


def test_the_suites_are_whole() -> None:
    """210, 914 and 15 vectors; 45 different keys among them must never be trusted, 57 may be."""
    assert Counter(one.name.split()[0] for one in vectors()) == {"wycheproof": 210, "cctv": 914, "speccheck": 15}
    assert len(WEAK_KEYS) == 45
    assert sum(one.sound for one in vectors()) == 210
    assert sum(one.right for one in vectors()) == 119


# --------------------------------------------------------------------------- keys


def test_a_key_is_sound_exactly_where_the_suites_say_so() -> None:
    """The check of a key agrees with the suites' own descriptions, key by key."""
    assert {one.key: one.sound for one in vectors()} == {key: is_sound_key(key) for key in {v.key for v in vectors()}}


@pytest.mark.parametrize("weak", WEAK_KEYS, ids=bytes.hex)
def test_no_weak_key_becomes_a_value(weak: bytes) -> None:
    """Neither as bytes nor as a line that people copy, neither for hotlines nor for logs."""
    text, tagged = base64.b64encode(weak).decode(), b"\x01" + weak
    key_id = hashlib.sha256(NAME.encode() + b"\n" + tagged).hexdigest()[:8]
    line = f"{NAME}+{key_id}+{base64.b64encode(tagged).decode()}"
    for take, code in (
        (lambda: VerifyKey(weak), "MS-EXC-021"),
        (lambda: VerifyKey.parsed(f"ed25519:{text}"), "MS-EXC-021"),
        (lambda: Verifier(NAME, weak), "MS-LOG-010"),
        (lambda: Verifier.parsed(line), "MS-LOG-010"),
    ):
        with pytest.raises(InputError) as refused:
            take()
        assert _codes(refused) == [code]


def test_no_trust_file_brings_a_weak_key_in() -> None:
    """A trust file that names a weak key, of a hotline or of an officer, is refused whole."""
    sound = trust().payload()
    assert read_trust(sound) == trust()
    for trusted in (NORTH, FIRST_OFFICER):
        text = trusted.verify_key.text.encode()
        assert sound.count(text) == 1
        for weak in WEAK_KEYS:
            with pytest.raises(EnvelopeError) as refused:
                read_trust(sound.replace(text, b"ed25519:" + base64.b64encode(weak)))
            assert "MS-EXC-040" in _codes(refused)


# --------------------------------------------------------------------------- signatures


def test_a_signature_counts_exactly_where_it_must() -> None:
    """With every sound key of the suites, in notes and in envelopes."""
    for one in vectors():
        if one.sound:
            key = VerifyKey(one.key)
            stated = Signature(key.key_id, one.signature.hex())
            assert _verifier(one.key).accepts(one.message, one.signature) is one.right, one.name
            assert _is_right(stated, key, one.message) is one.right, one.name


def test_a_signature_over_something_else_is_refused_in_a_whole_envelope() -> None:
    """A signature of the suites under a payload of ours is refused by name, whatever its length."""
    for one in vectors():
        if one.sound:
            with pytest.raises(EnvelopeError) as refused:
                verify(_envelope(one), STATEMENT_TYPE, [VerifyKey(one.key)])
            assert _codes(refused) == ["MS-EXC-013" if len(one.signature) == 64 else "MS-EXC-008"], one.name


def test_an_envelope_of_a_weak_key_is_of_nobody() -> None:
    """Signatures of weak keys, which may hold for any payload, meet no key that they could be checked with."""
    for weak in WEAK_KEYS:
        forged = next(one for one in vectors() if one.key == weak and len(one.signature) == 64)
        with pytest.raises(SignatureError) as refused:
            verify(_envelope(forged), STATEMENT_TYPE, [NORTH.verify_key])
        assert _codes(refused) == ["MS-EXC-012"]


@cache
def _verifier(key: bytes) -> Verifier:
    return Verifier(NAME, key)


def _envelope(vector: Vector) -> bytes:
    """Return an envelope of ours with the signature of a vector under the id of its key."""
    fields = json.loads(sign(b'{"a":1}', STATEMENT_TYPE, [NORTH]))
    signature = base64.b64encode(vector.signature).decode()
    fields["signatures"] = [{"keyid": hashlib.sha256(vector.key).hexdigest(), "sig": signature}]
    return json.dumps(fields).encode()
