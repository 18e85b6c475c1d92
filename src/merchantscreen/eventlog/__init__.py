"""The append-only event log: events, their Merkle tree, signed checkpoints and the store that keeps them."""
