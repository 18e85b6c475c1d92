"""Ed25519 keys of hotlines and officers: values that can be compared, written down, and never shown by mistake.

Rules kept here:
* a public key is a canonical point of prime order, or it does not become a value;
* a key is known by the sha256 of its 32 bytes, which nobody can choose;
* the private half is in no `repr`, no message and no error; it leaves only through `private_pem`.

Pure: bytes in, bytes out. Left to others: key files and their permissions (command line), whom to trust (`trust`).
Source: RFC 8032; RFC 8410 for the private file; threat model 5.2.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]  # public, without __all__

from merchantscreen.errors import InputError
from merchantscreen.eventlog.curve import KEY_BYTES, is_sound_key
from merchantscreen.referrals.exchange_problems import PROBLEMS
from merchantscreen.referrals.wire import decode_base64, encode_base64

TEXT_PREFIX: Final = "ed25519:"
LARGEST_PEM: Final = 4096
_KEYS_REMEMBERED: Final = 4096
_ALGORITHM: Final = "ed25519"


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key.

    Attributes:
        public: 32 bytes, the canonical form of a point of prime order.
        key_id: Their sha256, hexadecimal; it names the key in envelopes and in the trust file.
    """

    public: bytes
    key_id: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not _is_sound(self.public):
            raise _unusable("MS-EXC-021")
        object.__setattr__(self, "key_id", hashlib.sha256(self.public).hexdigest())

    @property
    def text(self) -> str:
        """Return the key as a line that can be copied: `ed25519:` and base64."""
        return TEXT_PREFIX + encode_base64(self.public)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Read a key from its line.

        Raises:
            InputError: It is no such line, or the key must not be trusted.
        """
        public = decode_base64(text.removeprefix(TEXT_PREFIX)) if text.startswith(TEXT_PREFIX) else None
        if public is None or len(public) != KEY_BYTES:
            raise _unusable("MS-EXC-020")
        return cls(public)

    def has_signed(self, covered: bytes, signature: bytes) -> bool:
        """Tell whether a signature over some bytes is of this key."""
        try:
            _loaded(self.public).verify(signature, covered)
        except InvalidSignature:
            return False
        return True

    def for_library(self) -> SSlibKey:
        """Return the key as securesystemslib takes it."""
        return SSlibKey(self.key_id, _ALGORITHM, _ALGORITHM, {"public": self.public.hex()})


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; `repr` shows its public half only."""

    _private: Ed25519PrivateKey = field(repr=False, compare=False)
    verify_key: VerifyKey = field(init=False)

    def __post_init__(self) -> None:
        public = VerifyKey(self._private.public_key().public_bytes_raw())
        object.__setattr__(self, "verify_key", public)

    @classmethod
    def generated(cls) -> Self:
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, private: bytes) -> Self:
        """Take the 32 private bytes; InputError if they are not 32."""
        if len(private) != KEY_BYTES:
            raise _unusable("MS-EXC-022")
        return cls(Ed25519PrivateKey.from_private_bytes(private))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read an unencrypted PKCS 8 file; InputError if it is anything else."""
        if len(pem) > LARGEST_PEM:
            raise _unusable("MS-EXC-022")
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # The cause might tell of the key: not passed on.
            raise _unusable("MS-EXC-022") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable("MS-EXC-022", "a key of another algorithm")
        return cls(key)

    @property
    def key_id(self) -> str:
        """Return the id of the public half."""
        return self.verify_key.key_id

    def private_pem(self) -> bytes:
        """Return the private key as unencrypted PKCS 8 in PEM, for a file that only its owner may read."""
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self._private.private_bytes(pem, pkcs8, serialization.NoEncryption())

    def for_library(self) -> CryptoSigner:
        """Return the signer that securesystemslib signs with."""
        return CryptoSigner(self._private, self.verify_key.for_library())


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _is_sound(public: bytes) -> bool:
    """Remember the answer: the check takes milliseconds and every version of a trust file repeats its keys."""
    return is_sound_key(public)


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _loaded(public: bytes) -> Ed25519PublicKey:
    """Load a key once: a hotline signs thousands of statements with it."""
    return Ed25519PublicKey.from_public_bytes(public)


def _unusable(code: str, found: str | None = None) -> InputError:
    return InputError("This key cannot be used.", (PROBLEMS[code].at("key", found=found),))
