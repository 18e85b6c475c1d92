"""A note counts for what a known key has signed, and for nothing else.

The vector is the example of the package `sumdb/note` of Go, an independent implementation of the same format.
"""

from __future__ import annotations

import base64
import dataclasses
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.errors import InputError, IntegrityError
from merchantscreen.eventlog.notes import (
    MOST_SIGNATURES,
    Checkpoint,
    Signer,
    Verifier,
    countersign,
    open_checkpoint,
    parse_note,
    require_name,
    sign,
    verified,
)

GO_SEED: Final = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_KEY: Final = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT: Final = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE: Final = (
    GO_TEXT + "\n\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

CHECKPOINT: Final = Checkpoint("log.example/behind-the-sofa", 20852163, bytes(range(32)))


def signer(number: int = 1, name: str = "log.example/tests") -> Signer:
    """Make the same key for the same number."""
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


def test_another_implementation_signs_and_checks_the_same() -> None:
    """Key, id, signature and note are byte for byte those of Go."""
    go = Signer("PeterNeumann", Ed25519PrivateKey.from_private_bytes(base64.b64decode(GO_SEED)[1:]))
    assert str(go.verifier) == GO_KEY
    assert sign(GO_TEXT, [go]) == GO_NOTE
    assert verified(GO_NOTE, [Verifier.parsed(GO_KEY)]).text == GO_TEXT


def test_the_example_checkpoint_of_the_specification_is_read() -> None:
    """The text of the C2SP example is taken apart and put together again."""
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    checkpoint = Checkpoint.parsed(text)
    assert (checkpoint.origin, checkpoint.size, len(checkpoint.root)) == ("example.com/behind-the-sofa", 20852163, 32)
    assert checkpoint.text == text


def test_every_flipped_bit_of_a_checkpoint_is_refused() -> None:
    """Whatever bit of a signed checkpoint changes, nobody takes it."""
    note, known = CHECKPOINT.signed(signer()), [signer().verifier]
    assert open_checkpoint(note, known) == CHECKPOINT
    for bit in range(len(note) * 8):
        changed = bytearray(note)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IntegrityError):
            open_checkpoint(bytes(changed), known)


def test_every_truncation_of_a_checkpoint_is_refused() -> None:
    """Nobody takes the beginning of a note for the note."""
    note, known = CHECKPOINT.signed(signer()), [signer().verifier]
    for length in range(len(note)):
        with pytest.raises(IntegrityError):
            open_checkpoint(note[:length], known)


def test_unknown_signers_are_passed_over() -> None:
    """A signature of a stranger neither helps nor hurts, even a broken one."""
    note = CHECKPOINT.signed(signer(2, "stranger.example"), signer(1))
    broken = note.replace(b"stranger.example ", b"stranger.example AAAA")
    for raw in (note, broken):
        assert open_checkpoint(raw, [signer(1).verifier]) == CHECKPOINT
    assert [one.name for one in verified(note, [signer(1).verifier]).signatures] == ["log.example/tests"]


def test_a_known_signer_is_required() -> None:
    """A note without a signature of a known key is refused, and so is one where only the name is known."""
    note = CHECKPOINT.signed(signer(2))
    for known in ([], [signer(1).verifier], [signer(2, "other.example").verifier]):
        assert _code(note, known) == "MS-LOG-014"


def test_a_known_signer_has_to_be_right() -> None:
    """One false signature of a known key spoils the note, although another known key's is right."""
    good, other = signer(1), signer(2)
    elsewhere = parse_note(dataclasses.replace(CHECKPOINT, size=1).signed(other)).signatures[0]
    note = CHECKPOINT.signed(good) + str(elsewhere).encode()
    assert _code(note, [good.verifier, other.verifier]) == "MS-LOG-015"
    assert open_checkpoint(note, [good.verifier]) == CHECKPOINT


def test_a_second_officer_countersigns() -> None:
    """A countersigned note carries both signatures over the same text."""
    note = countersign(CHECKPOINT.signed(signer(1)), signer(2, "second.example"))
    for one in (signer(1), signer(2, "second.example")):
        assert open_checkpoint(note, [one.verifier]) == CHECKPOINT
    assert len(verified(note, [signer(1).verifier, signer(2, "second.example").verifier]).signatures) == 2


LINE: Final = "\u2014 log.example/tests AAAAAAAA\n"
MALFORMED: Final = {
    "empty": b"",
    "no signature": b"text\n\n",
    "no text": b"\n\n" + LINE.encode(),
    "no empty line": b"text\n" + LINE.encode(),
    "no last line break": ("text\n\n" + LINE).encode()[:-1],
    "two line breaks at the end": ("text\n\n" + LINE + "\n").encode(),
    "carriage return": ("text\r\n\n" + LINE).encode(),
    "nul": ("te\0xt\n\n" + LINE).encode(),
    "not UTF-8": b"text\xff\n\n" + LINE.encode(),
    "hyphen for dash": ("text\n\n" + LINE.replace("\u2014", "-")).encode(),
    "no name": ("text\n\n" + LINE.replace("log.example/tests", "")).encode(),
    "plus in the name": ("text\n\n" + LINE.replace("log.", "log+")).encode(),
    "two blanks": ("text\n\n" + LINE.replace(" AAAA", "  AAAA")).encode(),
    "signature without value": ("text\n\n" + LINE.replace("AAAAAAAA", "AAAAAA==")).encode(),
    "loose base64": ("text\n\n" + LINE.replace("AAAAAAAA", "AAAAAAB=")).encode(),
    "url base64": ("text\n\n" + LINE.replace("AAAAAAAA", "AAAAAA__")).encode(),
    "too many": ("text\n\n" + LINE * (MOST_SIGNATURES + 1)).encode(),
    "too long": ("x" * 70_000 + "\n\n" + LINE).encode(),
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_note_is_refused(raw: bytes) -> None:
    """Bytes that are no note are called so."""
    assert _code(raw, [signer().verifier]) == "MS-LOG-013"


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        "origin\n01\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n\u0661\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n9999999999999999999\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n1\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "origin\n1\nnot base64\n",
        "origin\n1\n" + base64.b64encode(bytes(32)).decode() + "\n\nmore\n",
    ],
)
def test_a_signed_note_that_is_no_checkpoint_is_refused(text: str) -> None:
    """A right signature does not make a checkpoint of another text."""
    with pytest.raises(IntegrityError) as raised:
        open_checkpoint(sign(text, [signer()]), [signer().verifier])
    assert raised.value.problems[0].code == "MS-LOG-016"


def test_further_lines_of_a_checkpoint_are_kept() -> None:
    """Lines that another program adds are signed and kept, and nobody here reads them."""
    more = dataclasses.replace(CHECKPOINT, extensions=("a line", "another"))
    assert open_checkpoint(more.signed(signer()), [signer().verifier]) == more


@pytest.mark.parametrize("text", ["", "no line break", "control\x07\n"])
def test_what_is_no_note_is_not_signed(text: str) -> None:
    """Nobody signs what could not be read back."""
    with pytest.raises(ValueError, match="note"):
        sign(text, [signer()])
    with pytest.raises(ValueError, match="note"):
        sign("text\n", [])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("c74f20a3", "C74F20A3"),
        GO_KEY.replace("PeterNeumann", "Peter Neumann"),
        GO_KEY.replace("PeterNeumann", "PeterNeuman"),
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        GO_KEY[:-1],
        GO_KEY + "=",
    ],
)
def test_a_malformed_verifier_key_is_refused(line: str) -> None:
    """A key line with any part out of place is refused; two of these are Go's own bad examples."""
    with pytest.raises(InputError):
        Verifier.parsed(line)


def test_no_mangled_verifier_key_passes() -> None:
    """No part of a key line is a key line, and no letter of it can be another."""
    for start in range(len(GO_KEY)):
        for end in range(start + 1, len(GO_KEY) + 1):
            if end - start < len(GO_KEY):
                with pytest.raises(InputError):
                    Verifier.parsed(GO_KEY[start:end])
    for at, letter in enumerate(GO_KEY):
        with pytest.raises(InputError):
            Verifier.parsed(GO_KEY[:at] + chr(ord(letter) + 1) + GO_KEY[at + 1 :])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2003b", "a\x7fb", "\ud800", "x" * 201])
def test_a_name_that_would_break_a_line_is_refused(name: str) -> None:
    """Names of keys and logs hold no blank, plus sign or control character."""
    with pytest.raises(InputError):
        require_name(name)


def test_a_private_key_goes_to_a_file_and_back() -> None:
    """A key is written as PKCS 8 in PEM and read again, and signs the same."""
    one = Signer.generated("log.example/tests")
    again = Signer.from_pem("log.example/tests", one.private_pem())
    assert again.verifier == one.verifier
    assert CHECKPOINT.signed(again) == CHECKPOINT.signed(one)


def test_a_private_key_shows_itself_nowhere() -> None:
    """Neither text nor repr of a signer tells of the key, and no error does."""
    one = signer(7)
    secret = bytes([7]) * 32
    told = repr(one) + str(one)
    for error in (_refusal(one.private_pem()[:-30]), _refusal(one.private_pem().replace(b"PRIVATE", b"PUBLIC"))):
        told += repr(error) + repr(error.__cause__) + repr(error.problems)
    assert secret.hex() not in told
    assert base64.b64encode(secret).decode()[:12] not in told
    assert "Ed25519PrivateKey" not in told


def test_other_private_keys_are_refused() -> None:
    """Another algorithm, an encrypted key, and bytes that are no key are refused."""
    other = ec.generate_private_key(ec.SECP256R1())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    bare, locked = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"password")
    encrypted = Ed25519PrivateKey.generate().private_bytes(pem, pkcs8, locked)
    for raw in (other.private_bytes(pem, pkcs8, bare), encrypted, b"", b"\xff" * 32, signer().private_pem() * 100):
        assert _refusal(raw).problems[0].code == "MS-LOG-011"


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_fail_otherwise(raw: bytes) -> None:
    """Whatever bytes come in, a note is refused and nothing else happens."""
    with pytest.raises(IntegrityError):
        verified(raw, [signer().verifier])


@given(st.text(max_size=80))
def test_no_text_makes_the_key_reader_fail_otherwise(line: str) -> None:
    """Whatever text comes in, a key line is refused and nothing else happens."""
    with pytest.raises(InputError):
        Verifier.parsed(line)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_private_key_reader_fail_otherwise(raw: bytes) -> None:
    """Whatever bytes come in, a private key is refused and nothing else happens."""
    _refusal(raw)
    _refusal(b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(raw) + b"\n-----END PRIVATE KEY-----\n")


def _code(raw: bytes, known: list[Verifier]) -> str:
    with pytest.raises(IntegrityError) as raised:
        verified(raw, known)
    return raised.value.problems[0].code


def _refusal(pem: bytes) -> InputError:
    with pytest.raises(InputError) as raised:
        Signer.from_pem("log.example/tests", pem)
    return raised.value
