"""Signed notes and the checkpoints of a log: who vouches for which size and root.

A checkpoint is three lines of text (origin, size, root), an empty line, and
one line per signature:

    log.example/screening
    42
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — log.example/screening Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp...

Rules kept here:
* the text counts for nothing until a known key's signature over exactly these bytes is checked;
* a signature under a known name and id has to be right, one under any other is passed over;
* one way to write each thing: strict base64, no leading zeros, sound keys only (curve.py);
* a private key shows itself nowhere; it leaves only through `private_pem`.

Pure: keys and notes come in as bytes. Left to others: reading key files and
asking for their permissions (command line), whom to trust (trust file).

Source: C2SP signed-note and tlog-checkpoint; RFC 8032; RFC 4648, 4.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from merchantscreen.errors import InputError, IntegrityError, ProblemKind
from merchantscreen.eventlog import problems
from merchantscreen.eventlog.curve import KEY_BYTES, is_sound_key
from merchantscreen.eventlog.merkle import HASH_BYTES

LONGEST_NOTE: Final = 64 * 1024
MOST_SIGNATURES: Final = 32
LONGEST_PEM: Final = 4096

_ED25519: Final = b"\x01"
_ID_BYTES: Final = 4
_DASH: Final = "\u2014 "
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,17}")


def require_name(name: str) -> str:
    """Return a name that a key or a log may have; InputError otherwise."""
    if not _NAME.fullmatch(name):
        raise InputError("This name cannot be used.", (problems.KEY_NAME_WRONG.at("name"),))
    return name


# --------------------------------------------------------------------------- keys


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key and the name it signs under.

    Attributes:
        name: Name without space or plus sign, often that of the log itself.
        public: Ed25519 public key, 32 bytes.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        require_name(self.name)
        if not is_sound_key(self.public):
            raise _unusable(problems.KEY_WRONG, "an Ed25519 key that is no sound point of the curve")

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that stand for name, algorithm and key in a signature line."""
        return _key_id(self.name, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public)}"

    @classmethod
    def parsed(cls, line: str) -> Self:
        """Read `name+id+base64`; InputError if it is anything else or the id does not fit."""
        name, _, rest = line.strip("\n").partition("+")
        key_id, _, encoded = rest.partition("+")
        key = _from_base64(encoded)
        if key is None or len(key) != 1 + KEY_BYTES or key[:1] != _ED25519:
            raise _unusable(problems.KEY_WRONG)
        verifier = cls(name, key[1:])
        if verifier.key_id.hex() != key_id:
            raise _unusable(problems.KEY_WRONG, "a key id that does not fit name and key")
        return verifier

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Tell whether a signature over a text is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and the name it signs under; `repr` shows neither the key nor anything made from it."""

    name: str
    _key: Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        require_name(self.name)

    @classmethod
    def generated(cls, name: str) -> Self:
        """Make a new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> Self:
        """Read an unencrypted PKCS 8 key; InputError if the bytes are anything else."""
        if len(pem) > LONGEST_PEM:
            raise _unusable(problems.PRIVATE_KEY_WRONG, "a file that is too large for a key")
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # The cause might tell of the key: not passed on.
            raise _unusable(problems.PRIVATE_KEY_WRONG) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable(problems.PRIVATE_KEY_WRONG, "a key of another algorithm")
        return cls(name, key)

    @property
    def verifier(self) -> Verifier:
        """Return the public half."""
        return Verifier(self.name, self._public)

    @property
    def _public(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def private_pem(self) -> bytes:
        """Return the private key as unencrypted PKCS 8 in PEM, for a file of mode 0600."""
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self._key.private_bytes(pem, pkcs8, serialization.NoEncryption())

    def signature(self, text: bytes) -> Signature:
        """Sign a text."""
        return Signature(self.name, _key_id(self.name, self._public), self._key.sign(text))


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_ID_BYTES]


# --------------------------------------------------------------------------- notes


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the name and id of a key, and its signature, as stated and not yet checked."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a line break, and the signature lines under it."""

    text: str
    signatures: tuple[Signature, ...]

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()


def sign(text: str, signers: Sequence[Signer]) -> bytes:
    """Return a note: a text of whole lines under the signatures of some keys; ValueError for any other text."""
    if not signers or not text.endswith("\n") or not _is_clean(text):
        raise ValueError("a note is whole lines of plain text under at least one signature")
    return bytes(Note(text, tuple(signer.signature(text.encode()) for signer in signers)))


def countersign(raw: bytes, signer: Signer) -> bytes:
    """Return a note with one more signature, the others kept as they are."""
    note = parse_note(raw)
    return bytes(Note(note.text, (*note.signatures, signer.signature(note.text.encode()))))


def parse_note(raw: bytes) -> Note:
    """Take a note apart without checking any signature; IntegrityError if it is none."""
    if len(raw) > LONGEST_NOTE:
        raise _refused(problems.NOTE_MALFORMED, "a note that is too long")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(problems.NOTE_MALFORMED, "bytes that are not UTF-8") from error
    text, gap, under = whole.rpartition("\n\n")
    lines = under.split("\n")
    if not gap or not text or not _is_clean(whole) or lines.pop() or not 0 < len(lines) <= MOST_SIGNATURES:
        raise _refused(problems.NOTE_MALFORMED)
    return Note(text + "\n", tuple(map(_signature, lines)))


def verified(raw: bytes, known: Iterable[Verifier]) -> Note:
    """Return a note that a known key has signed, with the signatures of known keys only; IntegrityError otherwise."""
    note, keys = parse_note(raw), {(key.name, key.key_id): key for key in known}
    ours = [one for one in note.signatures if (one.name, one.key_id) in keys]
    if not ours:
        raise _refused(problems.NOTE_UNSIGNED)
    text = note.text.encode()
    if not all(keys[one.name, one.key_id].accepts(text, one.value) for one in ours):
        raise _refused(problems.NOTE_FORGED)
    return Note(note.text, tuple(ours))


def _signature(line: str) -> Signature:
    dash, name, encoded = line[: len(_DASH)], *_halves(line[len(_DASH) :])
    blob = _from_base64(encoded)
    if dash != _DASH or not _NAME.fullmatch(name) or blob is None or len(blob) <= _ID_BYTES:
        raise _refused(problems.NOTE_MALFORMED, "a signature line of another form")
    return Signature(name, blob[:_ID_BYTES], blob[_ID_BYTES:])


def _halves(line: str) -> tuple[str, str]:
    name, _, encoded = line.partition(" ")
    return name, encoded


# --------------------------------------------------------------------------- checkpoints


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is vouched for: the log of this origin had this root when it had this size.

    Attributes:
        origin: Name of the log.
        size: Number of events.
        root: Root of their Merkle tree, 32 bytes.
        extensions: Further lines, which other programs may add and nobody here reads.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the lines that are signed."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, _base64(self.root), *self.extensions))

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Read the text of a note; IntegrityError if it is no checkpoint."""
        lines = text.removesuffix("\n").split("\n")
        origin, size, encoded = (*lines, "", "", "")[:3]
        root = _from_base64(encoded)
        if not all(lines) or not origin or not _SIZE.fullmatch(size) or root is None or len(root) != HASH_BYTES:
            raise _refused(problems.CHECKPOINT_MALFORMED)
        return cls(origin, int(size), root, tuple(lines[3:]))

    def signed(self, *signers: Signer) -> bytes:
        """Return the checkpoint as a note under the signatures of some keys."""
        return sign(self.text, signers)


def open_checkpoint(raw: bytes, known: Iterable[Verifier]) -> Checkpoint:
    """Return the checkpoint in a note that a known key has signed; IntegrityError otherwise."""
    return Checkpoint.parsed(verified(raw, known).text)


# --------------------------------------------------------------------------- one way to write each thing


def _is_clean(text: str) -> bool:
    """Tell whether a text holds no control character but line breaks."""
    return not any(character < " " and character != "\n" for character in text)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str) -> bytes | None:
    """Decode strict base64; None if any character, or any unused bit, could be written otherwise."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return data if _base64(data) == text else None


def _unusable(kind: ProblemKind, found: str | None = None) -> InputError:
    return InputError("This key cannot be used.", (kind.at("key", found=found),))


def _refused(kind: ProblemKind, found: str | None = None) -> IntegrityError:
    return IntegrityError("This note cannot be relied on.", (kind.at("note", found=found),))
