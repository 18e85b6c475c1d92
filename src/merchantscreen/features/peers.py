"""How an account compares with a sample of its own trade: robust z scores, one per row of a small table.

Rules kept here:

* the sample of an MCC is the same from any part of the data that contains it;
* where peers are alike, a smallest scale keeps trifles from looking large;
* with too few peers nothing is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from merchantscreen.features.definition import ratio, whole_ratio
from merchantscreen.policy.model import NANO, EvidenceModel, Measures

_DRAWN_AT_ONCE: Final = 100_000
"""Accounts whose lots are numbers of Python at the same time, in some 10 MB."""
NORMAL_CONSISTENCY: Final = 1.4826
"""Makes the median absolute deviation comparable with a standard deviation. Source: Rousseeuw and Croux 1993."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing that is compared with peers.

    Attributes:
        name: The feature it becomes.
        value: What is compared, null where it is not known.
        peers: Columns that peers have in common.
        floor: Smallest scale; may refer to the peers' `median`.
    """

    name: str
    value: pl.Expr
    peers: tuple[str, ...]
    floor: pl.Expr


def comparisons(model: EvidenceModel, measures: Measures) -> tuple[Comparison, ...]:
    """List what is compared, with the floors of rules/."""
    share_floor = pl.lit(model.peer_scale_floor_nano / NANO)
    ticket_floor = pl.col("median") * (measures.peer_ticket_scale_floor_nano / NANO)
    ticket = whole_ratio("volume_minor", "volume_count")
    shares = {
        "cross_border_peer_z": ratio("cross_border_count", "cross_border_known_count"),
        "refund_share_peer_z": ratio("refund_count", "purchase_count"),
        "even_amount_peer_z": ratio("even_amount_count", "unit_price_count"),
        "night_share_peer_z": ratio("night_count", "clocked_count"),
    }
    return (
        *(Comparison(name, share, ("mcc",), share_floor) for name, share in shares.items()),
        Comparison("average_ticket_peer_z", ticket, ("mcc", "volume_currency"), ticket_floor),
    )


def measure_peers(base: pl.DataFrame, model: EvidenceModel, measures: Measures) -> pl.DataFrame:
    """Compare accounts with the peer sample among them.

    Args:
        base: Accounts and their peer sample, with MCC and all measures that are compared.
        model: Peer counts and the floor for shares.
        measures: The floor for tickets.

    Returns:
        One row per account with an MCC: a column per comparison.
    """
    trades = base.filter(pl.col("mcc").is_not_null())
    sample = peer_sample(trades, trades["mcc"].unique(), model.peer_sample_count).to_frame()
    compared = trades.select("account_id")
    for comparison in comparisons(model, measures):
        scores = _scores(trades, sample, comparison, model.peer_minimum_count)
        compared = compared.join(scores, on="account_id", how="left")
    return compared


def _scores(trades: pl.DataFrame, sample: pl.DataFrame, comparison: Comparison, fewest: int) -> pl.DataFrame:
    key = list(comparison.peers)
    values = trades.select("account_id", *key, comparison.value.cast(pl.Float64).alias("value")).drop_nulls()
    peers = values.join(sample, on="account_id", how="semi")
    centre = peers.group_by(key).agg(pl.col("value").median().alias("median"), pl.len().alias("peer_count"))
    deviation = (pl.col("value") - pl.col("median")).abs().median()
    scale = peers.join(centre, on=key, how="inner").group_by(key).agg(deviation.alias("mad"))
    compared = values.join(centre, on=key, how="inner").join(scale, on=key, how="inner")
    floored = NORMAL_CONSISTENCY * pl.max_horizontal(pl.col("mad"), comparison.floor)
    z = (pl.col("value") - pl.col("median")) / floored
    is_told = (pl.col("peer_count") >= fewest) & (floored > 0)
    return compared.select("account_id", pl.when(is_told).then(z).alias(comparison.name))


def peer_sample(
    accounts: pl.DataFrame, mccs: Iterable[str], sample_count: int, lots: pl.Series | None = None
) -> pl.Series:
    """Choose the accounts that stand for their MCC: those with the lowest SHA-256 of their id.

    Deterministic, and the same from any part of the data that contains the sample.

    Args:
        accounts: account_id and mcc (tables.Accounts fits).
        mccs: Codes to choose for.
        sample_count: Most accounts per code.
        lots: The lot of each account, row by row, where somebody kept them; drawn when absent.

    Returns:
        Account ids, sorted.
    """
    wanted = pl.col("mcc").is_in(sorted(set(mccs)))
    if lots is None:
        members = accounts.select("account_id", "mcc").filter(wanted)
        members = members.with_columns(draws(members.get_column("account_id")).alias("_order"))
    else:
        members = accounts.select("account_id", "mcc", lots.alias("_order")).filter(wanted)
    # the last that can be chosen, first: sorting all accounts by three columns costs several times as much
    last = pl.col("_order").bottom_k(sample_count).max().over("mcc")
    ranked = members.filter(pl.col("_order") <= last).sort("mcc", "_order", "account_id")
    chosen = ranked.group_by("mcc", maintain_order=True).head(sample_count)
    return chosen.get_column("account_id").sort()


def draws(accounts: pl.Series) -> pl.Series:
    """Draw for each account the lot by which it stands for its MCC, the lowest first: the same everywhere, always."""
    return draws_of(accounts.to_frame().lazy())


def draws_of(accounts: pl.LazyFrame) -> pl.Series:
    """Draw the lots of one column of accounts, which need not be in memory all at once."""
    count = int(accounts.select(pl.len()).collect().item())
    some = (accounts.slice(start, _DRAWN_AT_ONCE).collect() for start in range(0, count, _DRAWN_AT_ONCE))
    drawn = (pl.Series([_draw(account) for account in one.to_series()], dtype=pl.UInt64) for one in some)
    return pl.concat([pl.Series([], dtype=pl.UInt64), *drawn])


def _draw(account: str) -> int:
    return int.from_bytes(hashlib.sha256(account.encode()).digest()[:8], "big")
