"""Random numbers that are a pure function of (seed, stream, index).

Nothing is drawn "next": the value for row 7,000,000 of the stream "prepaid" is computed
without the rows before it. So a simulated world does not depend on the size of the
chunks it is written in, on threads, or on the version of a library's generator.

The mixer is splitmix64 (Steele, Lea, Flood 2014, the finaliser of MurmurHash3 variant 13),
on unsigned 64-bit integers that wrap round. Everything stays in integers: no float can
round differently on another machine. Not for secrets: anyone can compute these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

_GAMMA: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
_FIRST_MULTIPLIER: Final = np.uint64(0xBF58_476D_1CE4_E5B9)
_SECOND_MULTIPLIER: Final = np.uint64(0x94D0_49BB_1331_11EB)
_EVEN_STEPS: Final = (
    0x9E37_79B9_7F4A_7C15,
    0x6A09_E667_F3BC_C909,
    0xBB67_AE85_84CA_A73B,
    0x3C6E_F372_FE94_F82B,
    0xA54F_F53A_5F1D_36F1,
    0x510E_527F_ADE6_82D1,
    0x9B05_688C_2B3E_6C1F,
)
"""Golden ratio, then the fractions of the square roots of 2, 3, 5, 7, 11 and 13, in 64 bits: they spread evenly."""


@dataclass(frozen=True, slots=True)
class Draws:
    """All random numbers of one world, addressed by stream name and index."""

    seed: int

    def words(self, stream: str, index: NDArray[np.generic]) -> Words:
        """Return one 64-bit word per index."""
        state = index.astype(np.uint64) * _GAMMA
        state += np.uint64(self._key(stream))
        state ^= state >> np.uint64(30)
        state *= _FIRST_MULTIPLIER
        state ^= state >> np.uint64(27)
        state *= _SECOND_MULTIPLIER
        state ^= state >> np.uint64(31)
        return state

    def below(self, stream: str, index: NDArray[np.generic], limit: int) -> Integers:
        """Return one integer from 0 to limit - 1 per index."""
        return below(self.words(stream, index), limit)

    def chance(self, stream: str, index: NDArray[np.generic], percent: int) -> NDArray[np.bool_]:
        """Return true for about this percentage of the indices."""
        return self.below(stream, index, 100) < percent

    def one(self, stream: str, index: int, limit: int) -> int:
        """Return a single integer from 0 to limit - 1."""
        return int(self.below(stream, np.array([index]), limit)[0])

    def _key(self, stream: str) -> int:
        text = f"{self.seed}:{stream}".encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def below(words: Words, limit: int) -> Integers:
    """Scale words to integers from 0 to limit - 1, without a division; limit below 2^32."""
    return (((words >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32)).astype(np.int64)


def even_words(ordinals: NDArray[np.generic], which: int) -> Words:
    """Return words that spread evenly over an account's own rows.

    Forty independent draws at 60 % may give 40 %; forty even ones give 60 %, give or take
    one. Planted accounts use these, so that a small one shows the share it is meant to show.
    `which` picks one of seven unrelated sequences.
    """
    return ordinals.astype(np.uint64) * np.uint64(_EVEN_STEPS[which]) + np.uint64(1 << 63)


def scramble(index: NDArray[np.generic], multiplier: int, bits: int) -> Integers:
    """Map indices below 2^bits to other such integers, no two to the same one.

    Multiplication by an odd number modulo a power of two is a bijection; names and tokens
    made from it look unordered and never collide.
    """
    mask = np.uint64((1 << bits) - 1)
    return ((index.astype(np.uint64) * np.uint64(multiplier | 1)) & mask).astype(np.int64)
