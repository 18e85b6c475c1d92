"""Public keys that an honest holder cannot have are refused before they can vouch for anything."""

from __future__ import annotations

from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.errors import InputError
from merchantscreen.eventlog.curve import _decoded, _sum, is_sound_key
from merchantscreen.eventlog.notes import Verifier

LOW_ORDER: Final = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
)
"""The eight points of low order, as Chalkias, Garillot and Nikolaenko (2020) list them."""

NOT_CANONICAL: Final = (
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
"""Second ways to write a point: a y above the prime, or a sign without an x."""


@pytest.mark.parametrize("key", [*LOW_ORDER, *NOT_CANONICAL])
def test_a_key_that_nobody_generated_is_refused(key: str) -> None:
    """Low-order and non-canonical keys are no keys, neither alone nor in a verifier line."""
    assert not is_sound_key(bytes.fromhex(key))
    with pytest.raises(InputError) as raised:
        Verifier("log.example/key", bytes.fromhex(key))
    assert raised.value.problems[0].code == "MS-LOG-010"


@pytest.mark.parametrize("low", LOW_ORDER[1:])
def test_a_key_with_a_low_order_part_is_refused(low: str) -> None:
    """An honest key plus a low-order point is a sound point of the curve, but not of the prime-order group."""
    honest, part = _decoded(_public(1)), _decoded(bytes.fromhex(low))
    assert honest is not None
    assert part is not None
    x, y = _sum(honest, part)
    assert not is_sound_key((y | (x & 1) << 255).to_bytes(32, "little"))


def test_a_key_of_another_length_is_refused() -> None:
    """A key is 32 bytes."""
    assert not is_sound_key(b"")
    assert not is_sound_key(_public(1)[:-1])
    assert not is_sound_key(_public(1) + b"\x00")


def test_bytes_that_are_no_point_are_refused() -> None:
    """About half of all y have no x; such bytes are no key."""
    decoded = [_decoded(number.to_bytes(32, "little")) for number in range(2, 40)]
    assert 10 < decoded.count(None) < 30


@given(st.integers(0, 2**256 - 1))
def test_every_generated_key_is_taken(seed: int) -> None:
    """No honest key is refused."""
    assert is_sound_key(_public(seed))


def _public(seed: int) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "little")).public_key().public_bytes_raw()
