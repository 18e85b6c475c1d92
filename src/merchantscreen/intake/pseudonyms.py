"""Keyed tokens for e-mail addresses, phone numbers and postal addresses: equal in, equal out, no way back.

Rules kept here:
* plain hashes can be guessed by trying all phone numbers, so tokens are HMAC-SHA256 under a key;
* the key is the operator's, or it is derived from the very contact data of the merchant file:
  the same data gives the same tokens in any order, and without the data the key cannot be
  guessed. Derived keys change with the data, so tokens of different runs only compare under
  a key of the operator's;
* neither key nor raw value is written anywhere; the key's id is.

Source: threat model, keyed, never plain, hashes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from merchantscreen.identifiers import normalise_address, normalise_email, normalise_phone

TOKEN_DIGITS: Final = 32
"""Hexadecimal digits of a token: 128 bits, so that chance collisions need not be thought of."""


@dataclass(frozen=True, slots=True)
class ContactKind:
    """A kind of contact data: its name, the prefix of its tokens, and when two values are equal."""

    name: str
    prefix: str
    normalise: Callable[[str], str]


CONTACT_KINDS: Final = (
    ContactKind("email", "em_", normalise_email),
    ContactKind("phone", "ph_", normalise_phone),
    ContactKind("address", "ad_", normalise_address),
)


def normalised(values: pl.Series, kind: ContactKind) -> pl.DataFrame:
    """Return one row per distinct value: value and its normal form, null where nothing is left of it."""
    distinct = values.drop_nulls().unique().to_list()
    rows = [(value, kind.normalise(value) or None) for value in distinct]
    return pl.DataFrame(rows, schema={"value": pl.String, "normal": pl.String}, orient="row")


def derive_key(contacts: Mapping[str, Iterable[str]]) -> bytes:
    """Derive a key from all normalised contact data, whatever its order."""
    sha256 = hashlib.sha256(b"merchantscreen pseudonym key 1\n")
    for kind in CONTACT_KINDS:
        sha256.update(kind.prefix.encode())
        for value in sorted(set(contacts.get(kind.name, ()))):
            data = value.encode()
            sha256.update(len(data).to_bytes(8, "big") + data)
    return sha256.digest()


def key_id(key: bytes) -> str:
    """Return a short name of a key that gives nothing away."""
    return hmac.digest(key, b"key-id", "sha256").hex()[:12]


def token(key: bytes, kind: ContactKind, normal: str) -> str:
    """Return the token of a normalised value; kinds never share a token."""
    return kind.prefix + hmac.digest(key, f"{kind.prefix}{normal}".encode(), "sha256").hex()[:TOKEN_DIGITS]
