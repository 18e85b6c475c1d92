"""The tree gives the published roots and proofs, and no proof survives a change.

The vectors are those of the reference code for RFC 6962 (certificate transparency), transcribed.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.eventlog.merkle import (
    EMPTY_ROOT,
    Edge,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

LEAVES: Final = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS: Final = [
    bytes.fromhex(text)
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
"""Roots of the first 0 to 8 leaves."""

A: Final = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B: Final = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C: Final = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D: Final = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E: Final = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F: Final = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
G: Final = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
FOUR: Final = ROOTS[4].hex()

INCLUSIONS: Final = [(0, 8, [A, B, C]), (5, 8, [D, E, FOUR]), (2, 3, [ROOTS[2].hex()]), (1, 5, [ROOTS[1].hex(), B, D])]
CONSISTENCIES: Final = [(1, 8, [A, B, C]), (6, 8, [F, E, FOUR]), (2, 5, [B, D]), (6, 7, [F, G, FOUR])]

HASHES: Final = [leaf_hash(leaf) for leaf in LEAVES]
MANY: Final = [leaf_hash(bytes([number])) for number in range(64)]
MANY_ROOTS: Final = [root_of(MANY[:size]) for size in range(65)]


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots(size: int) -> None:
    """The tree over the first leaves of the reference code has the published root, at once and one by one."""
    assert root_of(HASHES[:size]) == ROOTS[size]
    assert Edge().extended(HASHES[:size]).root == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSIONS)
def test_the_published_inclusion_proofs(index: int, size: int, proof: list[str]) -> None:
    """Proofs that a leaf is in a tree are those of the reference code."""
    assert [step.hex() for step in inclusion_proof(HASHES[:size], index)] == proof
    assert verify_inclusion(index, size, HASHES[index], [*map(bytes.fromhex, proof)], ROOTS[size])


@pytest.mark.parametrize(("old", "size", "proof"), CONSISTENCIES)
def test_the_published_consistency_proofs(old: int, size: int, proof: list[str]) -> None:
    """Proofs that a tree only grew are those of the reference code."""
    assert [step.hex() for step in consistency_proof(HASHES[:size], old)] == proof
    assert verify_consistency(old, size, ROOTS[old], ROOTS[size], [*map(bytes.fromhex, proof)])


def test_every_leaf_of_every_tree_up_to_64_is_proven() -> None:
    """An inclusion proof holds for its own leaf, index and size."""
    for size in range(1, 65):
        for index in range(size):
            proof = inclusion_proof(MANY[:size], index)
            assert verify_inclusion(index, size, MANY[index], proof, MANY_ROOTS[size])


def test_every_growth_up_to_64_is_proven() -> None:
    """A consistency proof holds for every pair of sizes."""
    for size in range(65):
        for old in range(size + 1):
            proof = consistency_proof(MANY[:size], old)
            assert verify_consistency(old, size, MANY_ROOTS[old], MANY_ROOTS[size], proof)


def test_a_consistency_proof_shows_no_other_history() -> None:
    """For no pair of sizes does the proof hold when either root is that of other leaves."""
    other = [leaf_hash(b"other"), *MANY[1:]]
    for size in range(1, 33):
        for old in range(1, size + 1):
            proof, false = consistency_proof(MANY[:size], old), consistency_proof(other[:size], old)
            rewritten = root_of(other[:size])
            assert not verify_consistency(old, size, MANY_ROOTS[old], rewritten, proof)
            assert not verify_consistency(old, size, MANY_ROOTS[old], rewritten, false)
            assert not verify_consistency(old, size, root_of(other[:old]), MANY_ROOTS[size], proof)


def test_every_flipped_bit_of_an_inclusion_is_refused() -> None:
    """No bit of proof, leaf or root can change."""
    for index, size in ((0, 8), (5, 8), (2, 3), (6, 7), (4, 5)):
        proof, root = inclusion_proof(HASHES[:size], index), ROOTS[size]
        for changed in _flipped([HASHES[index], root, *proof]):
            assert not verify_inclusion(index, size, changed[0], changed[2:], changed[1])


def test_every_flipped_bit_of_a_consistency_is_refused() -> None:
    """No bit of proof or of either root can change."""
    for old, size in ((1, 8), (6, 8), (2, 5), (6, 7), (4, 8), (3, 3)):
        proof = consistency_proof(HASHES[:size], old)
        for changed in _flipped([ROOTS[old], ROOTS[size], *proof]):
            assert not verify_consistency(old, size, changed[0], changed[1], changed[2:])


def test_a_proof_of_another_length_is_refused() -> None:
    """A hash too many or too few, in front or behind, makes a proof worthless."""
    for old, size in ((1, 8), (6, 8), (2, 5), (4, 8), (8, 8), (0, 8)):
        proof = consistency_proof(HASHES[:size], old)
        for wrong in _other_lengths(proof):
            assert not verify_consistency(old, size, ROOTS[old], ROOTS[size], wrong)
    for index, size in ((0, 8), (5, 8), (2, 3), (0, 1)):
        proof = inclusion_proof(HASHES[:size], index)
        for wrong in _other_lengths(proof):
            assert not verify_inclusion(index, size, HASHES[index], wrong, ROOTS[size])


def test_a_proof_holds_for_no_other_index() -> None:
    """A leaf is proven at its own index only."""
    for size in range(1, 33):
        for index in range(size):
            proof = inclusion_proof(MANY[:size], index)
            holds = [at for at in range(-1, size + 1)
                     if verify_inclusion(at, size, MANY[index], proof, MANY_ROOTS[size])]  # fmt: skip
            assert holds == [index]


def test_sizes_that_cannot_be_are_refused() -> None:
    """A log neither shrinks nor has negative sizes, and the empty log has one root."""
    assert not verify_consistency(3, 2, ROOTS[3], ROOTS[2], [])
    assert not verify_consistency(-1, 2, ROOTS[1], ROOTS[2], [])
    assert not verify_consistency(0, 2, ROOTS[1], ROOTS[2], [])
    assert not verify_consistency(2, 2, ROOTS[1], ROOTS[2], [])
    assert not verify_inclusion(0, 0, HASHES[0], [], EMPTY_ROOT)
    assert not verify_inclusion(0, 1, b"short", [], b"short")
    with pytest.raises(IndexError):
        inclusion_proof(HASHES, 8)
    with pytest.raises(IndexError):
        consistency_proof(HASHES, 9)


def test_an_inner_node_does_not_pass_for_a_leaf() -> None:
    """Hashes of leaves and nodes differ although the bytes under them are the same."""
    left, right = HASHES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)


@pytest.mark.parametrize(("size", "packed"), [(-1, b""), (1, b""), (2, b"x" * 64), (3, b"x" * 32), (0, b"x" * 32)])
def test_an_edge_that_does_not_fit_its_size_is_refused(size: int, packed: bytes) -> None:
    """A stored edge has one hash for each full subtree."""
    with pytest.raises(ValueError, match="edge"):
        Edge.unpacked(size, packed)
    with pytest.raises(ValueError, match="edge"):
        Edge(1, (b"short",))


@given(st.lists(st.binary(max_size=8), max_size=70), st.data())
def test_edge_and_tree_agree(leaves: list[bytes], data: st.DataObject) -> None:
    """However leaves come in, the edge has the root of the whole tree, and survives the store."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    cut = data.draw(st.integers(0, len(hashes)))
    edge = Edge().extended(hashes[:cut])
    edge = Edge.unpacked(edge.size, edge.packed()).extended(hashes[cut:])
    assert (edge.size, edge.root) == (len(hashes), root_of(hashes))


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=40), st.data())
def test_a_proof_for_a_leaf_proves_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    """An inclusion proof holds exactly for the leaf that is there."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    index = data.draw(st.integers(0, len(hashes) - 1))
    other = data.draw(st.binary(max_size=3))
    proof = inclusion_proof(hashes, index)
    assert verify_inclusion(index, len(hashes), leaf_hash(other), proof, root_of(hashes)) is (other == leaves[index])


def _flipped(values: list[bytes]) -> list[list[bytes]]:
    """Return the values with each bit of each of them changed in turn."""
    changed = []
    for at, value in enumerate(values):
        for bit in range(len(value) * 8):
            new = bytearray(value)
            new[bit // 8] ^= 1 << bit % 8
            changed.append([*values[:at], bytes(new), *values[at + 1 :]])
    return changed


def _other_lengths(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    longer = [(*proof, ROOTS[1]), (ROOTS[1], *proof), (*proof, b""), (b"", *proof), (*proof, *proof, ROOTS[8])]
    return longer + ([proof[:-1], proof[1:]] if proof else [])
