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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from merchantscreen.identifiers import normalise_address, normalise_email, normalise_phone

TOKEN_DIGITS: Final = 32
"""Hexadecimal digits of a token: 128 bits, so that chance collisions need not be thought of."""


_SLICE_ROWS: Final = 100_000


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
    distinct = values.drop_nulls().unique().alias("value")
    return pl.DataFrame({"value": distinct, "normal": _each(distinct, lambda value: kind.normalise(value) or None)})


def tokens(key: bytes, kind: ContactKind, normals: pl.Series) -> pl.Series:
    """Return the token of each normal form, null for null."""
    return _each(normals, lambda normal: normal and token(key, kind, normal))


def _each(values: pl.Series, change: Callable[[Any], str | None]) -> pl.Series:
    """Apply a function value by value, in slices, so that few Python texts exist at once."""
    slices = (values[start : start + _SLICE_ROWS] for start in range(0, values.len(), _SLICE_ROWS))
    changed = [pl.Series([change(value) for value in part], dtype=pl.String) for part in slices]
    return pl.concat(changed) if changed else pl.Series(dtype=pl.String)


def derive_key(contacts: Mapping[str, pl.Series]) -> bytes:
    """Derive a key from all normalised contact data, whatever its order."""
    sha256 = hashlib.sha256(b"merchantscreen pseudonym key 1\n")
    for kind in CONTACT_KINDS:
        sha256.update(kind.prefix.encode())
        for value in contacts[kind.name].unique().sort():
            data = value.encode()
            sha256.update(len(data).to_bytes(8, "big") + data)
    return sha256.digest()


def key_id(key: bytes) -> str:
    """Return a short name of a key that gives nothing away."""
    return hmac.digest(key, b"key-id", "sha256").hex()[:12]


def token(key: bytes, kind: ContactKind, normal: str) -> str:
    """Return the token of a normalised value; kinds never share a token."""
    return kind.prefix + hmac.digest(key, f"{kind.prefix}{normal}".encode(), "sha256").hex()[:TOKEN_DIGITS]
