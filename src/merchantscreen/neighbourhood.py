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

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen import nano
from merchantscreen.engines import Frame
from merchantscreen.identifiers import identifier_kinds
from merchantscreen.policy.model import EvidenceModel
from merchantscreen.tables import Breadths, Degrees, Holdings, conform, empty
from merchantscreen.traffic import Traffic

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


def cut(traffic: Traffic, declared: Frame, linked: pl.DataFrame, model: EvidenceModel) -> Neighbourhood:
    """Cut out the accounts that can hold evidence.

    Args:
        traffic: The transactions up to the moment of the run.
        declared: tables.DeclaredIdentifiers, on the same engine.
        linked: Accounts with a link to a flagged domain, and what they carry from it: `account_id, risk_nano`.
        model: The numbers of rules/evidence.yml.
    """
    accounts = linked.select("account_id", pl.lit(0, pl.Int64).alias("hop"), _most_carried(model))
    found, degrees = [empty(Holdings)], [empty(Degrees)]
    own = [empty(Holdings)]
    frontier = accounts
    for hop in range(1, model.account_rounds):
        held = holdings_of(traffic, declared, frontier)
        own.append(held)
        counted = count_holders(traffic, declared, held)
        degrees.append(counted)
        followed = _worth_following(pl.concat(own).unique(), accounts, counted, model)
        expanded = holders_of(traffic, declared, followed)
        found.append(expanded)
        if hop < model.account_rounds - 1:
            frontier = _reached(expanded["account_id"], hop, model).join(accounts, on="account_id", how="anti")
            accounts = pl.concat([accounts, frontier])
    shared = pl.concat(degrees).unique(_IDENTIFIER).sort(_IDENTIFIER)
    mine = pl.concat(own).join(shared.filter(pl.col("holder_count") >= 2), on=_IDENTIFIER, how="semi")
    holdings = _without_repeats(pl.concat([*found, mine]).sort("account_id", *_IDENTIFIER))
    return Neighbourhood(
        _with_last_reached(accounts, holdings, model),
        holdings,
        shared,
        _breadths(mine),
    )


# --------------------------------------------------------------------------- whole-data steps


def holdings_of(traffic: Traffic, declared: Frame, accounts: pl.DataFrame) -> pl.DataFrame:
    """List every identifier that some accounts hold."""
    engine = traffic.engine
    names = {kind.column: kind.name for kind in identifier_kinds("merchants")}
    own = engine.collect(engine.among(declared, "account_id", accounts["account_id"]))
    stated = own.filter(pl.col("kind").is_in(list(names))).with_columns(
        pl.col("kind").replace_strict(names, return_dtype=pl.String)
    )
    columns = [kind.column for kind in identifier_kinds("transactions")]
    seen = engine.collect(traffic.rows_of(accounts["account_id"], ["account_id", *columns]).unique())
    observed = [
        seen.select(pl.lit(kind.name).alias("kind"), pl.col(kind.column).alias("value"), "account_id")
        for kind in identifier_kinds("transactions")
    ]
    return pl.concat([conform(part, Holdings) for part in (stated, *observed)]).drop_nulls().unique()


def count_holders(traffic: Traffic, declared: Frame, held: pl.DataFrame) -> pl.DataFrame:
    """Count the accounts in the full data that hold each of these identifiers: tables.Degrees.

    Before anything is fetched, so that a hub costs a number here and not a row per holder.
    """
    counted = [
        traffic.engine.collect(holders.group_by("value").agg(nw.len().alias("holder_count"))).with_columns(
            kind=pl.lit(kind)
        )
        for kind, holders in _holders(traffic, declared, held)
    ]
    return pl.concat([empty(Degrees), *(conform(part, Degrees) for part in counted)])


def holders_of(traffic: Traffic, declared: Frame, followed: pl.DataFrame) -> pl.DataFrame:
    """List every account in the full data that holds one of these identifiers: tables.Holdings."""
    found = [
        traffic.engine.collect(holders).with_columns(kind=pl.lit(kind))
        for kind, holders in _holders(traffic, declared, followed)
    ]
    return pl.concat([empty(Holdings), *(conform(part, Holdings) for part in found)])


def _holders(traffic: Traffic, declared: Frame, wanted: pl.DataFrame) -> Iterator[tuple[str, Frame]]:
    """Give `value, account_id` of some identifiers, each pair once, kind by kind.

    One kind at a time: together the scans would keep a dozen columns in memory at once.
    """
    for kind in (*identifier_kinds("merchants"), *identifier_kinds("transactions")):
        values = wanted.filter(pl.col("kind") == kind.name)["value"].unique()
        if values.is_empty():
            continue
        if kind.source == "merchants":
            of_kind = declared.filter(nw.col("kind") == kind.column)
            yield kind.name, traffic.engine.among(of_kind, "value", values).select("value", "account_id")
        else:
            yield kind.name, traffic.holders(kind.column, values)


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


def _without_repeats(ordered: pl.DataFrame) -> pl.DataFrame:
    """Keep each of some sorted rows once: quicker than looking for equal ones anywhere."""
    return ordered.filter(pl.any_horizontal(pl.all().ne_missing(pl.all().shift())))


def _with_last_reached(accounts: pl.DataFrame, holdings: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """Add the accounts of the last hop, by far the most, from the sorted holdings; `account_id, hop`, sorted."""
    holders = _without_repeats(holdings.select("account_id"))
    last = holders.join(accounts, on="account_id", how="anti", maintain_order="left")
    noted = last.with_columns(hop=pl.lit(model.account_rounds - 1, pl.Int64))
    return noted.merge_sorted(accounts.select("account_id", "hop").sort("account_id"), key="account_id")


def _reached(accounts: Iterable[str], hop: int, model: EvidenceModel) -> pl.DataFrame:
    """Note accounts without a link of their own; they carry lambda at most."""
    ids = pl.Series("account_id", accounts, dtype=pl.String).unique()
    noted = {"hop": pl.lit(hop, pl.Int64), "most_nano": pl.lit(model.indirect_carry_nano, pl.Int64)}
    return pl.DataFrame({"account_id": ids}).with_columns(**noted)
