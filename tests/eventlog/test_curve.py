"""Public keys that an honest holder cannot have are refused before they can vouch for anything.

Weak keys and the signatures that go with them: `attack/test_ed25519_suites.py`.
"""

from __future__ import annotations

from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.errors import InputError
from merchantscreen.eventlog.curve import _decoded, is_sound_key
from merchantscreen.eventlog.notes import Verifier

PRIME: Final = 2**255 - 19
SIGN: Final = 2**255


@pytest.mark.parametrize("sign", [0, SIGN])
def test_no_second_way_to_write_a_point_is_a_key(sign: int) -> None:
    """A y of the prime or above stands for a smaller one, and where x is 0 there is no sign."""
    seconds = [*range(PRIME, SIGN), *([1, PRIME - 1] if sign else [])]
    for number in seconds:
        with pytest.raises(InputError) as raised:
            Verifier("log.example/key", (number | sign).to_bytes(32, "little"))
        assert raised.value.problems[0].code == "MS-LOG-010"


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
