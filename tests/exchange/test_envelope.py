"""Keys and envelopes: what was signed comes out, and nothing else ever does."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from typing import Any

import pytest
from exchange.network import NORTH, SOUTH, key, north, referral, trust
from hypothesis import given, settings
from hypothesis import strategies as st

from merchantscreen.errors import InputError
from merchantscreen.referrals import envelope
from merchantscreen.referrals.admission import open_statement
from merchantscreen.referrals.envelope import STATEMENT_TYPE, TRUST_TYPE, countersign, sign, unverified, verify
from merchantscreen.referrals.exchange_problems import EnvelopeError, SignatureError
from merchantscreen.referrals.keys import SigningKey, VerifyKey
from merchantscreen.referrals.statements import NO_PREDECESSOR, as_fields, read_statement, write_statement
from merchantscreen.referrals.wire import LARGEST_ENVELOPE, LARGEST_PAYLOAD

PAYLOAD = b'{"a":1}'
PUBLIC = NORTH.verify_key


def codes(error: pytest.ExceptionInfo[InputError]) -> list[str]:
    """Return the codes of an error's problems."""
    return [problem.code for problem in error.value.problems]


def edited(data: bytes, **changes: Any) -> bytes:
    """Return an envelope with some of its fields changed."""
    return json.dumps({**json.loads(data), **changes}).encode()


# --------------------------------------------------------------------------- keys


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=50, deadline=None)
def test_random_bytes_are_a_key_or_a_named_refusal(encoded: bytes) -> None:
    """Whatever 32 bytes come, they are a key or refused by code."""
    with contextlib.suppress(InputError):
        assert VerifyKey(encoded).public == encoded


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "ED25519:" + PUBLIC.text[8:], PUBLIC.text + "=",
                                  PUBLIC.text + "\n", PUBLIC.text[8:], PUBLIC.text[:-2] + "B=" * 1])  # fmt: skip
def test_only_the_line_of_a_key_is_read(text: str) -> None:
    """A key has one line; anything near it is refused."""
    with pytest.raises(InputError):
        VerifyKey.parsed(text)
    assert VerifyKey.parsed(PUBLIC.text) == PUBLIC


def test_a_private_key_shows_nowhere() -> None:
    """Neither repr nor error of a private key holds a private byte; PEM brings it back."""
    private = bytes(range(32))
    made = SigningKey.from_bytes(private)
    shown = repr(made) + str(made)
    assert private.hex() not in shown
    assert base64.b64encode(private).decode() not in shown
    assert SigningKey.from_pem(made.private_pem()) == made
    assert SigningKey.generated() != SigningKey.generated()


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\n", NORTH.private_pem()[:-40], b"\xff" * 5000])
def test_what_is_no_private_key_is_refused_without_a_cause(pem: bytes) -> None:
    """A broken file is refused, and nothing of it is in the chain of errors."""
    with pytest.raises(InputError) as error:
        SigningKey.from_pem(pem)
    assert codes(error) == ["MS-EXC-022"]
    assert error.value.__cause__ is None


# --------------------------------------------------------------------------- signing and verifying


def test_what_was_signed_comes_out() -> None:
    """Payload and signers come back; keys that did not sign do not matter."""
    checked = verify(sign(PAYLOAD, STATEMENT_TYPE, [NORTH, SOUTH]), STATEMENT_TYPE,
                     [PUBLIC, SOUTH.verify_key, key("x").verify_key])  # fmt: skip
    assert (checked.payload, checked.key_ids) == (PAYLOAD, {NORTH.key_id, SOUTH.key_id})


def test_no_flipped_bit_is_accepted() -> None:
    """Every bit of a real statement's envelope, flipped: not one is accepted, and each refusal has a code."""
    said = trust()
    data = north().states()
    open_statement(data, said)
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EnvelopeError) as error:
            open_statement(bytes(flipped), said)
        assert error.value.problems[0].code.startswith("MS-EXC-")


def test_no_truncation_is_accepted() -> None:
    """Every beginning of an envelope is refused."""
    said, data = trust(), north().states()
    for length in range(len(data)):
        with pytest.raises(EnvelopeError):
            open_statement(data[:length], said)


def test_a_signature_covers_what_the_payload_is() -> None:
    """A trust file is no statement, even if its type is rewritten."""
    data = sign(PAYLOAD, TRUST_TYPE, [NORTH])
    with pytest.raises(EnvelopeError) as error:
        verify(data, STATEMENT_TYPE, [PUBLIC])
    assert codes(error) == ["MS-EXC-009"]
    with pytest.raises(SignatureError) as error:
        verify(edited(data, payloadType=STATEMENT_TYPE), STATEMENT_TYPE, [PUBLIC])
    assert codes(error) == ["MS-EXC-013"]


def test_nothing_unchecked_rides_along() -> None:
    """A right signature does not excuse one of an unknown key, or a wrong one."""
    both = sign(PAYLOAD, STATEMENT_TYPE, [NORTH, SOUTH])
    with pytest.raises(SignatureError) as error:
        verify(both, STATEMENT_TYPE, [PUBLIC])
    assert codes(error) == ["MS-EXC-012"]
    signatures = json.loads(both)["signatures"]
    signatures[0]["sig"], signatures[1]["sig"] = signatures[1]["sig"], signatures[0]["sig"]
    with pytest.raises(SignatureError) as error:
        verify(edited(both, signatures=signatures), STATEMENT_TYPE, [PUBLIC, SOUTH.verify_key])
    assert codes(error) == ["MS-EXC-013"]


def test_a_signature_has_one_form() -> None:
    """Adding the order of the group to a signature's number gives no second signature."""
    data = sign(PAYLOAD, STATEMENT_TYPE, [NORTH])
    signature = base64.b64decode(json.loads(data)["signatures"][0]["sig"])
    order = 2**252 + 27742317777372353535851937790883648493
    raised = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    other = {"keyid": NORTH.key_id, "sig": base64.b64encode(signature[:32] + raised).decode()}
    with pytest.raises(SignatureError):
        verify(edited(data, signatures=[other]), STATEMENT_TYPE, [PUBLIC])


def test_one_key_signs_once() -> None:
    """The same signature twice, and a second one by countersigning, are refused."""
    data = sign(PAYLOAD, STATEMENT_TYPE, [NORTH])
    twice = edited(data, signatures=json.loads(data)["signatures"] * 2)
    for attempt in (lambda: verify(twice, STATEMENT_TYPE, [PUBLIC]), lambda: countersign(data, STATEMENT_TYPE, NORTH),
                    lambda: sign(PAYLOAD, STATEMENT_TYPE, [NORTH, NORTH])):  # fmt: skip
        with pytest.raises(EnvelopeError) as error:
            attempt()
        assert codes(error) == ["MS-EXC-011"]


def test_a_countersignature_adds_and_changes_nothing_else() -> None:
    """Signing one after the other is signing together."""
    one_by_one = countersign(countersign(sign(PAYLOAD, STATEMENT_TYPE), STATEMENT_TYPE, SOUTH), STATEMENT_TYPE, NORTH)
    assert one_by_one == sign(PAYLOAD, STATEMENT_TYPE, [NORTH, SOUTH])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signatures": []}, "MS-EXC-010"),
        ({"signatures": [{}] * 33}, "MS-EXC-010"),
        ({"signatures": {}}, "MS-EXC-007"),
        ({"signatures": ["x"]}, "MS-EXC-007"),
        ({"signatures": [{"keyid": NORTH.key_id, "sig": "AA=="}]}, "MS-EXC-008"),
        ({"signatures": [{"keyid": NORTH.key_id.upper(), "sig": "A" * 86 + "=="}]}, "MS-EXC-014"),
        ({"signatures": [{"keyid": None, "sig": "A" * 86 + "=="}]}, "MS-EXC-014"),
        ({"payload": 1}, "MS-EXC-008"),
        ({"payload": "eyJh Ijox fQ=="}, "MS-EXC-008"),
        ({"payload": "eyJhIjoxfQ"}, "MS-EXC-008"),
        ({"payload": "eyJhIjoxfR=="}, "MS-EXC-008"),
        ({"payload": "_-__"}, "MS-EXC-008"),
        ({"extra": 1}, "MS-EXC-007"),
        ({"payloadType": None}, "MS-EXC-009"),
        ({"payload": base64.b64encode(b"x" * (LARGEST_PAYLOAD + 1)).decode()}, "MS-EXC-001"),
        ({"payload": "e\u0301"}, "MS-EXC-006"),
        ({"payload": "\ud800"}, "MS-EXC-006"),
    ],
)
def test_an_envelope_has_one_form(changes: dict[str, Any], code: str) -> None:
    """Everything that is not in the one form is refused by its own code."""
    with pytest.raises(EnvelopeError) as error:
        verify(edited(sign(PAYLOAD, STATEMENT_TYPE, [NORTH]), **changes), STATEMENT_TYPE, [PUBLIC])
    assert codes(error) == [code]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "MS-EXC-002"),
        (b"\xff", "MS-EXC-002"),
        (b"[]", "MS-EXC-002"),
        (b"null", "MS-EXC-002"),
        (b"{} {}", "MS-EXC-002"),
        (b"\xef\xbb\xbf{}", "MS-EXC-002"),
        (b'{"a":1,"a":1}', "MS-EXC-003"),
        (b'{"a":1,"\\u0061":2}', "MS-EXC-003"),
        (b'{"a":{"b":1,"b":2}}', "MS-EXC-003"),
        (b'{"a":1.0}', "MS-EXC-004"),
        (b'{"a":NaN}', "MS-EXC-004"),
        (b'{"a":-Infinity}', "MS-EXC-004"),
        (b'{"a":9007199254740993}', "MS-EXC-004"),
        (b'{"a":' + b"9" * 60_000 + b"}", "MS-EXC-004"),
        (b"[" * 60_000, "MS-EXC-005"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "MS-EXC-005"),
        (b'{"a":"' + b'\\"' * 30_000, "MS-EXC-002"),
        (b"[[[[[[[[[[[[[[[[[" + b'\\"' * 30_000, "MS-EXC-005"),
        (b'"' * 65_000, "MS-EXC-002"),
        (b" " * (LARGEST_ENVELOPE + 1), "MS-EXC-001"),
        (b'{"\\u0000":' * 3, "MS-EXC-002"),
    ],
)
def test_hostile_json_is_refused_at_once(data: bytes, code: str) -> None:
    """Deep, huge, doubled and odd JSON is named, and never keeps us busy."""
    begun = time.perf_counter()
    with pytest.raises(EnvelopeError) as error:
        verify(data, STATEMENT_TYPE, [PUBLIC])
    assert codes(error) == [code]
    assert time.perf_counter() - begun < 10


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["payload", "payloadType", "signatures", "keyid", "sig"]), inner, max_size=3),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
@settings(deadline=None)
def test_no_error_of_a_library_comes_through(data: bytes) -> None:
    """Any bytes at all give an EnvelopeError."""
    for read in (lambda: verify(data, STATEMENT_TYPE, [PUBLIC]), lambda: unverified(data, STATEMENT_TYPE),
                 lambda: countersign(data, STATEMENT_TYPE, NORTH)):  # fmt: skip
        with pytest.raises(EnvelopeError):
            read()


# --------------------------------------------------------------------------- statements


def test_a_statement_gives_its_event_back() -> None:
    """What a hotline stated is what we read, clues and times included."""
    hotline = north()
    clues = [{"descriptor": "AMBER", "seen_at": "2026-10-01T10:00:00.5Z"}]
    statement = open_statement(hotline.states(payment_clues=clues, valid_until="2026-12-01"), trust())
    assert (statement.issuer, statement.seq, statement.prev) == ("hotline-north", 1, NO_PREDECESSOR)
    assert statement.digest == hotline.prev
    assert statement.event.canonical() == type(statement.event).model_validate(as_fields(statement.event)).canonical()
    assert statement.event.payment_clues is not None
    assert statement.event.payment_clues[0].seen_at is not None


def restated(**changes: Any) -> envelope.Verified:
    """Return a right statement with some fields changed, as if it were signed."""
    said = json.loads(north().payload())
    event = {**said["event"], **changes.pop("event", {})}
    return envelope.Verified(json.dumps({**said, "event": event, **changes}).encode(), frozenset())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": "hotline-south"}, "MS-EXC-031"),
        ({"issued_at": "2026-10-15T11:00:01Z"}, "MS-EXC-032"),
        ({"seq": 2}, "MS-EXC-033"),
        ({"prev": "1" * 64}, "MS-EXC-033"),
        ({"prev": "0" * 63}, "MS-EXC-030"),
        ({"seq": 0}, "MS-EXC-030"),
        ({"seq": "1"}, "MS-EXC-030"),
        ({"seq": True}, "MS-EXC-030"),
        ({"schema": "merchantscreen-statement/2"}, "MS-EXC-030"),
        ({"more": 1}, "MS-EXC-030"),
        ({"audience": "a b"}, "MS-EXC-030"),
        ({"event": {"memo": "x"}}, "MS-REF-022"),
        ({"event": {"domain": "http://shop.example/x"}}, "MS-REF-024"),
        ({"event": {"confidence": 120}}, "MS-REF-029"),
    ],
)
def test_a_statement_has_one_form(changes: dict[str, Any], code: str) -> None:
    """A statement that contradicts itself, or holds what must not come in, is refused by its own code."""
    with pytest.raises(EnvelopeError) as error:
        read_statement(restated(**changes))
    assert codes(error) == [code]


def test_a_refused_value_is_not_repeated() -> None:
    """No message holds what a hotline should not have sent."""
    with pytest.raises(EnvelopeError) as error:
        read_statement(restated(event={"memo": "canary-1"}, audience="canary 2", canary_3="canary-4"))
    said = " ".join(str(problem) for problem in error.value.problems)
    assert not {"canary-1", "canary 2", "canary-4"} & set(said.split())
    assert "canary 2" not in said


def test_a_statement_is_checked_before_it_is_signed() -> None:
    """Nothing is written that would be refused when it arrives."""
    with pytest.raises(EnvelopeError):
        write_statement(referral(), "network-one", 2, NO_PREDECESSOR)
