"""Whether 32 bytes are an Ed25519 public key that an honest key holder could have.

Libraries check signatures, not keys: a low-order key accepts one signature for
many messages, and a second way to write a key lets two parties disagree about
who signed. So a key is taken only if it is written canonically and lies in the
prime-order group, as every generated key does.

About ten milliseconds a key, once: the answer is remembered, since a command meets the same few keys again and again.

Source: RFC 8032, 5.1.2, 5.1.3 and 5.1.4; threat model 5.2.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

KEY_BYTES: Final = 32

_PRIME: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _PRIME) % _PRIME
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_ROOT_OF_MINUS_ONE: Final = pow(2, (_PRIME - 1) // 4, _PRIME)

_Point = tuple[int, int]
_NEUTRAL: Final[_Point] = (0, 1)


@lru_cache(maxsize=1024)
def is_sound_key(encoded: bytes) -> bool:
    """Tell whether bytes are the canonical form of a point of prime order."""
    point = _decoded(encoded)
    return point is not None and point != _NEUTRAL and _times_order(point) == _NEUTRAL


def _decoded(encoded: bytes) -> _Point | None:
    """Return the point, or None if the bytes are not the one canonical form of a point on the curve."""
    if len(encoded) != KEY_BYTES:
        return None
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    x = _x_of(y) if y < _PRIME else None
    if x is None or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else _PRIME - x), y


def _x_of(y: int) -> int | None:
    """Return one of the two x of a y, or None where no point has that y."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _PRIME) % _PRIME
    x = pow(square, (_PRIME + 3) // 8, _PRIME)
    if x * x % _PRIME != square:
        x = x * _ROOT_OF_MINUS_ONE % _PRIME
    return x if x * x % _PRIME == square else None


def _times_order(point: _Point) -> _Point:
    """Return the point added to itself as often as the order of the group says."""
    total, power, left = _NEUTRAL, point, _ORDER
    while left:
        if left & 1:
            total = _sum(total, power)
        power, left = _sum(power, power), left >> 1
    return total


def _sum(one: _Point, other: _Point) -> _Point:
    (x1, y1), (x2, y2) = one, other
    bend = _D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + bend, -1, _PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - bend, -1, _PRIME)
    return x % _PRIME, y % _PRIME
