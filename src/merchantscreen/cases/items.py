"""A run's evidence by digest, so that a decision can say in a few bytes what it had seen.

Rules kept here:
* an item is what `diff` compares by: family, kind and counterpart; its points may change, the item stays;
* tokens made under another key never compare: the key is part of their digest, and whoever compares has to
  say that they are not comparable;
* only the last round of the accounts counts, the one the ranking reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from merchantscreen.cases.model import Key
from merchantscreen.eventlog.records import canonical
from merchantscreen.identifiers import KEYED_KINDS
from merchantscreen.vocabulary import Tier

DIGITS: Final = 16
"""Hexadecimal digits of a digest: 64 bits among the few items of one account."""


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of evidence of an account; points in 1e-9."""

    family: str
    kind: str
    counterpart: str
    points_nano: int

    @property
    def is_keyed(self) -> bool:
        """Tell whether its counterpart is a token under the key of the run."""
        return self.kind in KEYED_KINDS

    def digest(self, pseudonym_key_id: str) -> str:
        """Return what stands for it in a decision."""
        named = [self.family, self.kind, self.counterpart, *([pseudonym_key_id] if self.is_keyed else [])]
        return hashlib.sha256(canonical(named)).hexdigest()[:DIGITS]

    def __str__(self) -> str:
        return f"{self.kind} {self.counterpart}"


@dataclass(frozen=True, slots=True)
class RunAccount:
    """An account as a run ranks it.

    Attributes:
        tier: Its tier.
        referrals: Referrals behind it that stand.
        items: Its evidence by digest, the strongest first.
    """

    tier: Tier
    referrals: frozenset[Key]
    items: Mapping[str, Item] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as cases see it; `accounts` in review order, those on watch included."""

    run_id: str
    manifest_sha256: str
    pseudonym_key_id: str
    accounts: Mapping[str, RunAccount]


@dataclass(frozen=True, slots=True)
class RunFrames:
    """What cases need of a run: tables.Ranking, tables.Ledger, and the number of the last round."""

    ranking: pl.DataFrame
    ledger: pl.DataFrame
    account_rounds: int


def view_of(
    run_id: str, manifest_sha256: str, pseudonym_key_id: str, frames: RunFrames, standing: Collection[Key]
) -> RunView:
    """See a run as cases do.

    Args:
        run_id: The run.
        manifest_sha256: Digest of its manifest; empty before it is written.
        pseudonym_key_id: Key of its contact tokens.
        frames: Its ranking and ledger.
        standing: Referrals that stand. A ranking names ids and hotlines side by side; where two hotlines gave the
            same id, both count, as they do in the counts of a run.
    """
    items = _items(frames, pseudonym_key_id)
    known = frozenset(standing)
    accounts = {
        name: RunAccount(Tier(tier), _referrals(hotlines, ids, known), items.get(name, {}))
        for name, tier, hotlines, ids in frames.ranking.select(
            "account_id", "tier", "hotlines", "referral_ids"
        ).iter_rows()
    }
    return RunView(run_id, manifest_sha256, pseudonym_key_id, accounts)


def _referrals(hotlines: Collection[str], ids: Collection[str], known: frozenset[Key]) -> frozenset[Key]:
    return frozenset((hotline, name) for hotline in hotlines for name in ids) & known


def _items(frames: RunFrames, pseudonym_key_id: str) -> dict[str, dict[str, Item]]:
    columns = ("subject", "family", "kind", "counterpart", "points_nano")
    last = frames.ledger.filter(pl.col("round") == frames.account_rounds).select(columns)
    ordered = last.sort("points_nano", *columns[1:4], descending=[True, False, False, False])
    found: dict[str, dict[str, Item]] = {}
    for subject, *values in ordered.iter_rows():
        item = Item(*values)
        found.setdefault(subject, {})[item.digest(pseudonym_key_id)] = item
    return found
