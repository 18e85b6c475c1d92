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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen import nano
from merchantscreen.engines import Engine, Frame
from merchantscreen.identifiers import identifier_kinds
from merchantscreen.numbering import IDENTIFIER, Holders
from merchantscreen.policy.model import EvidenceModel
from merchantscreen.tables import Breadths, Degrees, Holdings, conform, empty
from merchantscreen.traffic import Traffic

_STATED = [kind.name for kind in identifier_kinds("merchants")]
"""Kinds among the declared identifiers that tie accounts to each other."""
_NOBODY = pl.DataFrame(schema={"account_id": pl.String, "identifier": pl.Int64})
"""Who holds which identifier, by its number: its row in the table of degrees."""
_NOTHING = pl.DataFrame(schema={"identifier": pl.Int64, "kind": pl.String, "value": pl.String})
"""Identifiers with their numbers."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What was cut out.

    Attributes:
        accounts: `account_id, hop`; hop 0 has a link, hop h shares an identifier with hop h-1.
        holders: What they hold that can carry evidence, and the degrees of all that was followed or counted.
        breadths: tables.Breadths of every account that can pass risk on.
    """

    accounts: pl.DataFrame
    holders: Holders
    breadths: pl.DataFrame

    @property
    def holdings(self) -> pl.DataFrame:
        """Give tables.Holdings that can carry evidence, sorted by account, kind and value."""
        return self.holders.texts

    @property
    def degrees(self) -> pl.DataFrame:
        """Give tables.Degrees of every identifier that was followed or counted."""
        return self.holders.identifiers


def cut(
    traffic: Traffic, declared: Frame, linked: pl.DataFrame, model: EvidenceModel, *, by_account: Frame | None = None
) -> Neighbourhood:
    """Cut out the accounts that can hold evidence.

    Args:
        traffic: The transactions up to the moment of the run.
        declared: tables.DeclaredIdentifiers, on the same engine.
        linked: Accounts with a link to a flagged domain, and what they carry from it: `account_id, risk_nano`.
        model: The numbers of rules/evidence.yml.
        by_account: The rows of `declared` in the order of accounts, where somebody kept them so.
    """
    accounts = linked.select("account_id", pl.lit(0, pl.Int64).alias("hop"), _most_carried(model))
    degrees = empty(Degrees)
    own, followed, found = [_NOBODY], [_NOTHING], [_NOBODY]
    taken: list[Frame] = []
    frontier = accounts
    for hop in range(1, model.account_rounds):
        held = holdings_of(traffic, declared if by_account is None else by_account, frontier)
        unmet = held.select(IDENTIFIER).unique().join(degrees, on=IDENTIFIER, how="anti")
        taken.append(take_holders(traffic, declared, unmet, f"holders-{hop}"))
        degrees = pl.concat([degrees, count_holders(traffic.engine, taken[-1])])
        own.append(held.join(_numbered(degrees), on=IDENTIFIER).select(_NOBODY.columns))
        worth = _worth_following(pl.concat(own), accounts, degrees, model)
        followed.append(worth.join(pl.concat(followed), on="identifier", how="anti"))
        found.append(holders_of(traffic.engine, taken, followed[-1]))
        if hop < model.account_rounds - 1:
            frontier = _reached(found[-1]["account_id"], hop, model).join(accounts, on="account_id", how="anti")
            accounts = pl.concat([accounts, frontier])
    mine = pl.concat(own)
    shared = mine.filter((degrees["holder_count"] >= 2).gather(mine["identifier"]))
    # all holders of what was followed have been found, these among them
    rest = shared.join(pl.concat(followed), on="identifier", how="anti")
    near = accounts.sort("account_id")
    holders = _in_order(pl.concat([*found, rest]), degrees).including(near["account_id"])
    return Neighbourhood(_hops(near, holders.accounts, model), holders, _breadths(shared, degrees))


# --------------------------------------------------------------------------- whole-data steps


def holdings_of(traffic: Traffic, declared: Frame, accounts: pl.DataFrame) -> pl.DataFrame:
    """List every identifier that some accounts hold."""
    engine = traffic.engine
    own = declared.filter(nw.col("kind").is_in(_STATED))
    stated = engine.collect(engine.among(own, "account_id", accounts["account_id"]))
    names = {kind.column: kind.name for kind in identifier_kinds("transactions")}
    seen = engine.collect(traffic.rows_of(accounts["account_id"], ["account_id", *names]).unique()).rename(names)
    observed = seen.unpivot(list(names.values()), index="account_id", variable_name="kind").drop_nulls().unique()
    return pl.concat([conform(part, Holdings) for part in (stated, observed)])


def take_holders(traffic: Traffic, declared: Frame, wanted: pl.DataFrame, name: str) -> Frame:
    """Take out who holds some identifiers in the full data: `kind, value, account_id`, each once.

    Onto the disk, in one pass over each column: a hub's holders lie there and are counted, and none of them is fetched.

    Args:
        traffic: The transactions up to the moment of the run.
        declared: tables.DeclaredIdentifiers.
        wanted: `kind, value`.
        name: Name of the stages, used for nothing else.
    """
    engine = traffic.engine
    found = [engine.save(held, f"{name}-{kind}") for kind, held in _holders(traffic, declared, wanted)]
    return nw.concat(found) if found else engine.load(empty(Holdings))


def count_holders(engine: Engine, taken: Frame) -> pl.DataFrame:
    """Count the accounts that hold each identifier of what was taken out: tables.Degrees."""
    return conform(engine.collect(taken.group_by(IDENTIFIER).agg(nw.len().alias("holder_count"))), Degrees)


def holders_of(engine: Engine, taken: Sequence[Frame], followed: pl.DataFrame) -> pl.DataFrame:
    """List every account that holds one of these identifiers.

    Args:
        engine: Where the frames are.
        taken: What was taken out, no identifier in two of them.
        followed: `identifier, kind, value`.

    Returns:
        `account_id, identifier`, each pair once.
    """
    holders = nw.concat(taken).join(engine.load(followed), on=IDENTIFIER, how="inner")
    return engine.collect(holders.select(*_NOBODY.columns))


def _holders(traffic: Traffic, declared: Frame, wanted: pl.DataFrame) -> Iterator[tuple[str, Frame]]:
    """Give `kind, value, account_id` of some identifiers, under a name each.

    What is declared stands in one column and is scanned once. Transactions are scanned kind by kind, as each has a
    column of its own: all of them together would be in memory at once.
    """
    engine, stated = traffic.engine, wanted.filter(pl.col("kind").is_in(_STATED))
    if not stated.is_empty():
        of_kinds = engine.among(declared, "kind", stated["kind"])
        alike = engine.among(of_kinds, "value", stated["value"]).select(*IDENTIFIER, "account_id")
        # an equal value of another declared kind is another identifier
        yield "declared", alike.join(engine.load(stated.select(IDENTIFIER)), on=IDENTIFIER, how="semi")
    for kind in identifier_kinds("transactions"):
        values = wanted.filter(pl.col("kind") == kind.name)["value"]
        if not values.is_empty():
            held = traffic.holders(kind.column, values).with_columns(nw.lit(kind.name).alias("kind"))
            yield kind.name, held.select(*IDENTIFIER, "account_id")


# --------------------------------------------------------------------------- what can matter


def _worth_following(
    held: pl.DataFrame, accounts: pl.DataFrame, degrees: pl.DataFrame, model: EvidenceModel
) -> pl.DataFrame:
    """Keep identifiers through which an item could reach the floor, by an upper bound on k: `identifier, kind, value`.

    Args:
        held: `account_id, identifier`.
        accounts: The most that each account can carry.
        degrees: tables.Degrees by number.
        model: The numbers of rules/evidence.yml.
    """
    bound = (
        held.join(accounts, on="account_id")
        .group_by("identifier")
        .agg(shared_risk_nano=pl.col("most_nano").sum())
        .join(_numbered(degrees), on="identifier")
        .filter(pl.col("holder_count").is_between(2, model.hub_holder_count))
        .with_columns(
            *map(model.of_kind, ("weight_nano", "reliability_nano", "base_rate_nano", "kappa_nano")),
            others_count=pl.col("holder_count") - 1,
        )
    )
    # one nano below the floor: the estimate is a float, the floor test on items is exact
    reaches = nano.shared_strength_estimate(model.residual_nano) >= max(1, model.floor_nano) - 1
    return bound.filter(reaches).select(_NOTHING.columns)


def _numbered(degrees: pl.DataFrame) -> pl.DataFrame:
    return degrees.with_columns(identifier=pl.int_range(pl.len()))


def _in_order(held: pl.DataFrame, degrees: pl.DataFrame) -> Holders:
    """Put accounts and identifiers, which have been numbered as they were met, into the order of their texts."""
    ordered = _numbered(degrees).sort(IDENTIFIER)
    place = ordered["identifier"].arg_sort()
    rows = held.select("account_id", place.gather(held["identifier"]).alias("identifier"))
    return Holders.in_order(rows.sort("account_id", "identifier"), ordered.drop("identifier"))


def _breadths(shared: pl.DataFrame, degrees: pl.DataFrame) -> pl.DataFrame:
    kinds = shared.with_columns(degrees["kind"].gather(shared["identifier"]))
    counted = kinds.group_by("kind", "account_id").agg(breadth_count=pl.len().cast(pl.Int64))
    return conform(counted, Breadths).sort("kind", "account_id")


def _most_carried(model: EvidenceModel) -> pl.Expr:
    """Bound what a linked account ever carries: its links' share now, or lambda of a score that may still grow."""
    grows = model.account_rounds > 2
    return pl.max_horizontal("risk_nano", pl.lit(model.indirect_carry_nano if grows else 0)).alias("most_nano")


def _hops(near: pl.DataFrame, accounts: pl.Series, model: EvidenceModel) -> pl.DataFrame:
    """Say in which hop each account was reached; all that are not among the nearer ones in the last.

    Args:
        near: `account_id, hop`.
        accounts: All accounts, sorted.
        model: The numbers of rules/evidence.yml.
    """
    last = pl.repeat(model.account_rounds - 1, accounts.len(), dtype=pl.Int64, eager=True)
    hop = last.scatter(accounts.search_sorted(near["account_id"]), near["hop"])
    return pl.DataFrame({"account_id": accounts, "hop": hop})


def _reached(accounts: Iterable[str], hop: int, model: EvidenceModel) -> pl.DataFrame:
    """Note accounts without a link of their own; they carry lambda at most."""
    ids = pl.Series("account_id", accounts, dtype=pl.String).unique()
    noted = {"hop": pl.lit(hop, pl.Int64), "most_nano": pl.lit(model.indirect_carry_nano, pl.Int64)}
    return pl.DataFrame({"account_id": ids}).with_columns(**noted)
