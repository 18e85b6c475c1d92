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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import polars as pl

from merchantscreen.identifiers import (
    address_expression,
    email_expression,
    normalise_address,
    normalise_email,
    normalise_phone,
    phone_expression,
)

TOKEN_DIGITS: Final = 32
"""Hexadecimal digits of a token: 128 bits, so that chance collisions need not be thought of."""
_SLICE_ROWS: Final = 100_000
_LARGEST_ASCII: Final = 127
"""Lengths up to here are written as ASCII, so that the engine can join them with the texts, at half the cost."""
_BLOCK_BYTES: Final = 64
"""Block of SHA-256, to which HMAC fills a key up."""


@dataclass(frozen=True, slots=True)
class ContactKind:
    """A kind of contact data: its name, the prefix of its tokens, and when two values are equal.

    `expression` does `normalise` for a whole column of plain ASCII.
    """

    name: str
    prefix: str
    normalise: Callable[[str], str]
    expression: Callable[[pl.Expr], pl.Expr]


CONTACT_KINDS: Final = (
    ContactKind("email", "em_", normalise_email, email_expression),
    ContactKind("phone", "ph_", normalise_phone, phone_expression),
    ContactKind("address", "ad_", normalise_address, address_expression),
)


def normalised(values: pl.Series, kind: ContactKind) -> pl.Series:
    """Return the normal form of each value, null where nothing is left of it."""
    texts = values.alias("text").to_frame()
    normal = texts.select(kind.expression(pl.col("text"))).to_series()
    beyond_ascii = (values.str.len_bytes() != values.str.len_chars()).arg_true()
    if beyond_ascii.len():
        normal = normal.scatter(beyond_ascii, _each(values.gather(beyond_ascii), kind.normalise, pl.col("text")))
    return normal.to_frame("normal").select(pl.when(pl.col("normal") != "").then("normal")).to_series()


def tokens(key: bytes, kind: ContactKind, normals: pl.Series) -> pl.Series:
    """Return the token of each normal form, null for null; kinds never share a token.

    One by one and not by distinct value: nearly all differ, and finding the others costs more than they would.
    """
    digest = _hmac_sha256(key, kind.prefix.encode())
    return _each(normals.cast(pl.Binary), digest, pl.lit(kind.prefix) + pl.col("text").str.head(TOKEN_DIGITS))


def _each(values: pl.Series, change: Callable[[Any], str], finish: pl.Expr) -> pl.Series:
    """Apply a function value by value but null, and an expression to its `text`.

    In slices, so that few Python texts exist at once, and few that are not finished.
    """
    slices = (values[start : start + _SLICE_ROWS].to_list() for start in range(0, values.len(), _SLICE_ROWS))
    texts = ([None if value is None else change(value) for value in part] for part in slices)
    changed = [pl.DataFrame({"text": part}, {"text": pl.String}).select(finish).to_series() for part in texts]
    return pl.concat(changed) if changed else pl.Series(dtype=pl.String)


def derive_key(contacts: Iterable[tuple[ContactKind, pl.Series]]) -> bytes:
    """Derive a key from all normalised contact data, whatever its order within a kind."""
    sha256 = hashlib.sha256(b"merchantscreen pseudonym key 1\n")
    for kind, normals in contacts:
        sha256.update(kind.prefix.encode())
        ordered = normals.drop_nulls().sort()
        distinct = ordered.filter(ordered.ne_missing(ordered.shift()))
        for start in range(0, distinct.len(), _SLICE_ROWS):
            sha256.update(_framed(distinct[start : start + _SLICE_ROWS]))
    return sha256.digest()


def _framed(values: pl.Series) -> bytes:
    """Write every value behind its length in bytes, so that no two lists of values read alike."""
    sizes = values.str.len_bytes()
    heads = {size: size.to_bytes(8, "big") for size in sizes.unique()}
    if max(heads) > _LARGEST_ASCII:
        return b"".join(chain.from_iterable((heads[len(value)], value) for value in values.cast(pl.Binary)))
    texts = {size: head.decode("ascii") for size, head in heads.items()}
    joined: str = (sizes.replace_strict(texts, return_dtype=pl.String) + values).str.join().item()
    return joined.encode()


def key_id(key: bytes) -> str:
    """Return a short name of a key that gives nothing away."""
    return hmac.digest(key, b"key-id", "sha256").hex()[:12]


def _hmac_sha256(key: bytes, start: bytes) -> Callable[[bytes], str]:
    """Return what makes the HMAC-SHA256 of messages that all begin alike, as hexadecimal digits.

    The two states are primed once, which halves its cost; a test holds it against the library's. Source: RFC 2104.
    """
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    begin = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + start).copy
    end = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy

    def digest(message: bytes) -> str:
        inner, outer = begin(), end()
        inner.update(message)
        outer.update(inner.digest())
        return outer.hexdigest()

    return digest
