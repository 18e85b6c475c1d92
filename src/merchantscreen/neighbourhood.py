"""The cut around the flagged domains: only accounts near enough to hold evidence are looked at.

From the accounts with a link, step by step over shared identifiers: which identifiers
do they hold, how many accounts hold each in the full data, and who are those accounts.
Every whole-data step is a semi-join or a count in Narwhals and runs on any engine.

Rules kept here:
* degrees are counted over the full data, before anything is cut;
* an identifier is followed only if an item through it could reach the floor of
  rules/evidence.yml; the test uses an upper bound, so the cut changes no score;
* a hub, with more holders than rules/evidence.yml allows, costs a count and not an expansion.

Source: reference "candidates first" measurements; EVID-2 property "R-hop cut = full graph".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen import nano
from merchantscreen.engines import Engine, Frame
from merchantscreen.identifiers import identifier_kinds
from merchantscreen.policy.model import EvidenceModel
from merchantscreen.tables import Breadths, Degrees, Holdings, conform, empty

_IDENTIFIER = ["kind", "value"]


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What was cut out.

    Attributes:
        accounts: `account_id, hop`; hop 0 has a link, hop h shares an identifier with hop h-1.
        holdings: tables.Holdings that can carry evidence.
        degrees: tables.Degrees of every identifier that was followed or counted.
        breadths: tables.Breadths of every account that can pass risk on.
    """

    accounts: pl.DataFrame
    holdings: pl.DataFrame
    degrees: pl.DataFrame
    breadths: pl.DataFrame


def cut(
    engine: Engine,
    transactions: Frame,
    declared: Frame,
    linked: pl.DataFrame,
    model: EvidenceModel,
) -> Neighbourhood:
    """Cut out the accounts that can hold evidence.

    Args:
        engine: Where the data is.
        transactions: tables.Transactions.
        declared: tables.DeclaredIdentifiers.
        linked: Accounts with a link to a flagged domain, and what they carry from it: `account_id, risk_nano`.
        model: The numbers of rules/evidence.yml.
    """
    accounts = linked.select("account_id", pl.lit(0, pl.Int64).alias("hop"), _most_carried(model))
    found, degrees = [empty(Holdings)], [empty(Degrees)]
    own = [empty(Holdings)]
    frontier = accounts
    for hop in range(1, model.account_rounds):
        held = holdings_of(engine, transactions, declared, frontier)
        own.append(held)
        holders = holders_of(engine, transactions, declared, held, f"holders-{hop}")
        counted = conform(engine.collect(count_holders(holders)), Degrees)
        degrees.append(counted)
        followed = _worth_following(pl.concat(own).unique(), accounts, counted, model)
        expanded = conform(engine.collect(holders.join(engine.load(followed), on=_IDENTIFIER, how="semi")), Holdings)
        found.append(expanded)
        frontier = _reached(expanded["account_id"], hop, model).join(accounts, on="account_id", how="anti")
        accounts = pl.concat([accounts, frontier])
    shared = pl.concat(degrees).unique(_IDENTIFIER).sort(_IDENTIFIER)
    mine = pl.concat(own).join(shared.filter(pl.col("holder_count") >= 2), on=_IDENTIFIER, how="semi")
    return Neighbourhood(
        accounts.select("account_id", "hop").sort("account_id"),
        pl.concat([*found, mine]).unique().sort(*_IDENTIFIER, "account_id"),
        shared,
        _breadths(mine),
    )


# --------------------------------------------------------------------------- whole-data steps


def holdings_of(engine: Engine, transactions: Frame, declared: Frame, accounts: pl.DataFrame) -> pl.DataFrame:
    """List every identifier that some accounts hold."""
    wanted = engine.load(accounts.select("account_id"))
    names = {kind.column: kind.name for kind in identifier_kinds("merchants")}
    stated = engine.collect(
        declared.filter(nw.col("kind").is_in(sorted(names))).join(wanted, on="account_id", how="semi")
    ).with_columns(pl.col("kind").replace_strict(names, return_dtype=pl.String))
    columns = [kind.column for kind in identifier_kinds("transactions")]
    seen = engine.collect(
        transactions.select("account_id", *columns).join(wanted, on="account_id", how="semi").unique()
    )
    observed = [
        seen.select(pl.lit(kind.name).alias("kind"), pl.col(kind.column).alias("value"), "account_id")
        for kind in identifier_kinds("transactions")
    ]
    return pl.concat([conform(part, Holdings) for part in (stated, *observed)]).drop_nulls().unique()


def holders_of(engine: Engine, transactions: Frame, declared: Frame, held: pl.DataFrame, name: str) -> Frame:
    """List every account in the full data that holds one of these identifiers, as a saved stage.

    One kind at a time: together the scans would keep a dozen columns in memory at once.
    """
    stages = [engine.load(empty(Holdings))]
    for kind in (*identifier_kinds("merchants"), *identifier_kinds("transactions")):
        values = held.filter(pl.col("kind") == kind.name).select("value").unique()
        if values.is_empty():
            continue
        if kind.source == "merchants":
            holders = declared.filter(nw.col("kind") == kind.column).select("value", "account_id")
        else:
            holders = transactions.select(nw.col(kind.column).alias("value"), nw.col("account_id"))
        wanted = holders.join(engine.load(values), on="value", how="semi").unique()
        named = wanted.select(nw.lit(kind.name).alias("kind"), nw.col("value"), nw.col("account_id"))
        stages.append(engine.save(named, f"{name}-{kind.name}"))
    return nw.concat(stages)


def count_holders(holders: Frame) -> Frame:
    """Count the accounts per identifier."""
    return holders.group_by("kind", "value").agg(nw.len().alias("holder_count"))


# --------------------------------------------------------------------------- what can matter


def _worth_following(
    held: pl.DataFrame, accounts: pl.DataFrame, degrees: pl.DataFrame, model: EvidenceModel
) -> pl.DataFrame:
    """Keep identifiers through which an item could reach the floor, by an upper bound on k."""
    bound = (
        held.join(accounts, on="account_id")
        .group_by(_IDENTIFIER)
        .agg(shared_risk_nano=pl.col("most_nano").sum())
        .join(degrees.filter(pl.col("holder_count").is_between(2, model.hub_holder_count)), on=_IDENTIFIER)
        .with_columns(
            *map(model.of_kind, ("weight_nano", "reliability_nano", "base_rate_nano", "kappa_nano")),
            others_count=pl.col("holder_count") - 1,
        )
    )
    # one nano below the floor: the estimate is a float, the floor test on items is exact
    reaches = nano.shared_strength_estimate(model.residual_nano) >= max(1, model.floor_nano) - 1
    return bound.filter(reaches).select(_IDENTIFIER)


def _breadths(mine: pl.DataFrame) -> pl.DataFrame:
    counted = mine.unique().group_by("kind", "account_id").agg(breadth_count=pl.len().cast(pl.Int64))
    return conform(counted, Breadths).sort("kind", "account_id")


def _most_carried(model: EvidenceModel) -> pl.Expr:
    """Bound what a linked account ever carries: its links' share now, or lambda of a score that may still grow."""
    grows = model.account_rounds > 2
    return pl.max_horizontal("risk_nano", pl.lit(model.indirect_carry_nano if grows else 0)).alias("most_nano")


def _reached(accounts: Iterable[str], hop: int, model: EvidenceModel) -> pl.DataFrame:
    """Note accounts without a link of their own; they carry lambda at most."""
    ids = pl.Series("account_id", accounts, dtype=pl.String).unique().sort()
    noted = {"hop": pl.lit(hop, pl.Int64), "most_nano": pl.lit(model.indirect_carry_nano, pl.Int64)}
    return pl.DataFrame({"account_id": ids}).with_columns(**noted)
