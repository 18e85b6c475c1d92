"""The Merkle tree of RFC 6962: roots, and short proofs that an event is in a log or that a log only grew.

Rules kept here:
* leaves and inner nodes are hashed under different first bytes, so that neither passes for the other;
* a proof is checked against sizes and roots the caller trusts, and any surplus or missing hash refuses it;
* nothing but the plain tree: no chain beside it that a proof could be bent along.

Pure: hashes in, hashes out. Every hash is SHA-256, 32 bytes. Left to others:
what a leaf is (records.py), where it is kept (store.py) and who vouches for a root (notes.py).

Source: RFC 6962, 2.1; the checks follow RFC 9162, 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash the bytes of one leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours into the node above them."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: all that is needed to append to it and to know its root.

    Attributes:
        size: Number of leaves.
        hashes: Roots of the full subtrees the leaves fall into, the largest first: one per 1 bit of `size`.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if len(self.hashes) != self.size.bit_count() or any(len(one) != HASH_BYTES for one in self.hashes):
            raise ValueError("an edge that does not fit its size")

    @property
    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.hashes:
            return EMPTY_ROOT
        *rest, root = self.hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root

    def extended(self, leaf_hashes: Iterable[bytes]) -> Edge:
        """Return the edge after more leaves; each costs two hashes on average."""
        size, hashes = self.size, list(self.hashes)
        for added in leaf_hashes:
            node, full = added, size
            while full & 1:
                node, full = node_hash(hashes.pop(), node), full >> 1
            hashes.append(node)
            size += 1
        return Edge(size, tuple(hashes))

    def packed(self) -> bytes:
        """Return the hashes as one text of bytes, for the store."""
        return b"".join(self.hashes)

    @classmethod
    def unpacked(cls, size: int, packed: bytes) -> Edge:
        """Read an edge back; ValueError if it does not fit its size."""
        if size < 0 or len(packed) != size.bit_count() * HASH_BYTES:
            raise ValueError("an edge that does not fit its size")
        starts = range(0, len(packed), HASH_BYTES)
        return cls(size, tuple(packed[start : start + HASH_BYTES] for start in starts))


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of leaves, level by level."""
    level = list(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        above = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = above + level[len(above) * 2 :]
    return level[0]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the hashes that lead from the leaf `index` to the root, the lowest first; IndexError outside."""
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(index)
    if len(leaf_hashes) == 1:
        return ()
    split = _split(len(leaf_hashes))
    left, right = leaf_hashes[:split], leaf_hashes[split:]
    if index < split:
        return (*inclusion_proof(left, index), root_of(right))
    return (*inclusion_proof(right, index - split), root_of(left))


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the hashes that show the first `old_size` leaves to be the beginning of all; IndexError outside."""
    if not 0 <= old_size <= len(leaf_hashes):
        raise IndexError(old_size)
    return _subproof(leaf_hashes, old_size, whole=True) if old_size else ()


def verify_inclusion(index: int, size: int, hashed: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a proof puts a leaf's hash at `index` into the tree of this size and root."""
    if not 0 <= index < size or not _all_hashes(hashed, root, *proof):
        return False
    at, last, found = index, size - 1, hashed
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(step, found)
            at, last = _to_left_child(at, last)
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows the tree of `old_size` and `old_root` to be the beginning of the other.

    The empty tree is the beginning of every tree, so for it the proof is
    empty and says nothing about `root`.
    """
    if not 0 <= old_size <= size or not _all_hashes(old_root, root, *proof):
        return False
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    if old_size == size:
        return not proof and old_root == root
    path = [old_root, *proof] if old_size.bit_count() == 1 else list(proof)
    if not path:
        return False
    at, last = _to_right_sibling(old_size - 1, size - 1)
    return _climb(at, last, path) == (old_root, root)


def _climb(at: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the old and the new root that a path leads to; None if it has a hash too many or too few."""
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            old, new = node_hash(step, old), node_hash(step, new)
            at, last = _to_left_child(at, last)
        else:
            new = node_hash(new, step)
        at, last = at >> 1, last >> 1
    return (old, new) if last == 0 else None


def _to_left_child(at: int, last: int) -> tuple[int, int]:
    """Pass over the levels on which the last node has no neighbour and is carried up as it is."""
    while at & 1 == 0 and at != 0:
        at, last = at >> 1, last >> 1
    return at, last


def _to_right_sibling(at: int, last: int) -> tuple[int, int]:
    """Pass over the levels inside of the full subtree that ends the old tree."""
    while at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _subproof(leaf_hashes: Sequence[bytes], old_size: int, *, whole: bool) -> tuple[bytes, ...]:
    """`SUBPROOF(m, D[n], b)` of RFC 6962; `whole` says that the old root is known to whoever checks."""
    if old_size == len(leaf_hashes):
        return () if whole else (root_of(leaf_hashes),)
    split = _split(len(leaf_hashes))
    left, right = leaf_hashes[:split], leaf_hashes[split:]
    if old_size <= split:
        return (*_subproof(left, old_size, whole=whole), root_of(right))
    return (*_subproof(right, old_size - split, whole=False), root_of(left))


def _split(size: int) -> int:
    """Return the largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def _all_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
