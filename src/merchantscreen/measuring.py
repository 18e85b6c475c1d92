"""Which accounts are measured, and what has to be fetched for it: features of the neighbourhood, frame out.

The neighbourhood and all linked accounts are wanted. With them go the peer sample of their
trades and their siblings, whose transactions are compared. Rules kept here:

* the transactions of all these are taken out of the full data first, in one pass; every stage of
  counting then reads that small part;
* identifiers and members of intermediaries are counted over the full data, and only counts and
  compact tables come home;
* nothing is judged here: what features mean is in features/, rules are evaluated in screening.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen import features
from merchantscreen.engines import Engine, Frame
from merchantscreen.features import AGENT, FACILITATOR, Crowds, Numbers, Surroundings
from merchantscreen.identifiers import kinds_of
from merchantscreen.neighbourhood import Neighbourhood
from merchantscreen.policy.model import EvidenceModel, Measures, Policy
from merchantscreen.referrals.flagging import Flagged
from merchantscreen.traffic import Asked, Taken, Traffic
from merchantscreen.vocabulary import Specificity

AT_ONCE: Final = 10_000
"""Accounts that are counted at once: half a year of their days takes some 300 MB."""
COMPARED_AT_ONCE: Final = 50_000
"""The same of accounts that are only compared with, as their days are not counted: fewer passes over their rows."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the neighbourhood once it is measured.

    Attributes:
        accounts: tables.Accounts of the neighbourhood.
        features: account_id and a column per feature of the catalogue, one row per wanted account.
    """

    accounts: pl.DataFrame
    features: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Data:
    """The full data of a run.

    Attributes:
        traffic: The transactions up to the moment of the run.
        declared: tables.DeclaredIdentifiers, on the same engine.
        accounts: Columns of tables.Accounts that all accounts are asked for.
        accounts_file: tables.Accounts, sorted by account_id; None where `accounts` holds all columns.
        lots: The lot of each account by which it stands for its trade, where somebody kept them.
        by_account: The rows of `declared` in the order of accounts, where somebody kept them so.
    """

    traffic: Traffic
    declared: Frame
    accounts: pl.DataFrame
    lots: pl.Series | None = None
    by_account: Frame | None = None
    accounts_file: Path | None = None

    def accounts_of(self, ids: pl.Series) -> pl.DataFrame:
        """Fetch tables.Accounts of those of some ids that have a merchant row, in their order."""
        every = self.accounts.lazy() if self.accounts_file is None else pl.scan_parquet(self.accounts_file, glob=False)
        return every.filter(pl.col("account_id").is_in(ids.implode())).collect(engine="streaming")


def measure(
    data: Data, links: pl.DataFrame, flagged: Flagged, around: Neighbourhood, policy: Policy, as_of: datetime
) -> Measured:
    """Measure the accounts of the neighbourhood and all that are linked.

    Args:
        data: The full data.
        links: tables.AccountLinks.
        flagged: The domains these lead to, and the clues hotlines gave.
        around: The neighbourhood, with its identifiers.
        policy: Numbers of the evidence model and of the measures, caution hosts.
        as_of: Moment of the run.
    """
    model = policy.evidence
    ids = pl.concat([around.accounts["account_id"], links["account_id"]]).unique().sort()
    wanted = pl.DataFrame({"account_id": ids})
    known = data.accounts.join(wanted, on="account_id", how="semi")
    declared = _declared_around(data, wanted)
    direct = features.direct_links(links, flagged.domains).select("account_id").unique().sort("account_id")
    to_measure = _to_measure(data, known, wanted, declared, model)
    rows_of = {features.PAYMENTS: to_measure.near, features.NAMES: wanted["account_id"]}
    taken = data.traffic.take(Asked(rows_of, compared=to_measure.peers), "measured")
    names = _names(data.traffic.engine, taken, wanted, direct)
    everyone = pl.concat([to_measure.near, to_measure.peers, declared["account_id"]]).unique()
    around_them = data.accounts_of(everyone)
    surroundings = Surroundings(
        accounts=around_them,
        declared=declared,
        links=links,
        domains=flagged.domains,
        clues=flagged.clues,
        contacts=_contacts(around, model),
        crowds=_crowds(data, known, declared, direct),
    )
    caution = frozenset(entry.host for entry in policy.caution_hosts)
    engine, measures = data.traffic.engine, policy.measures
    payments = _counted(engine, to_measure.near, AT_ONCE, partial(_paid, taken, measures=measures))
    compared = _counted(engine, to_measure.peers, COMPARED_AT_ONCE, taken.compared)
    numbers = Numbers(model, measures, caution)
    table = features.assemble(payments, compared, names, surroundings, numbers, as_of)
    own = around_them.join(wanted, on="account_id", how="semi")
    return Measured(own, wanted.join(table, on="account_id", how="left"))


# --------------------------------------------------------------------------- whose transactions


@dataclass(frozen=True, slots=True)
class _ToMeasure:
    """Whose payments are counted.

    Attributes:
        near: The wanted accounts and their siblings.
        peers: Others, with which these are only compared.
    """

    near: pl.Series
    peers: pl.Series


def _to_measure(
    data: Data, own: pl.DataFrame, wanted: pl.DataFrame, declared: pl.DataFrame, model: EvidenceModel
) -> _ToMeasure:
    """List whose payments are counted; names are compared with nobody's."""
    trades = own["mcc"].drop_nulls().unique()
    peers = features.peer_sample(data.accounts, trades, model.peer_sample_count, data.lots)
    pairs = features.sibling_pairs(declared, model.widely_shared_count).join(wanted, on="account_id", how="semi")
    near = pl.concat([wanted["account_id"], pairs["sibling_id"]]).unique().sort()
    return _ToMeasure(near, peers.filter(~peers.is_in(near.implode())))


def _names(engine: Engine, taken: Taken, wanted: pl.DataFrame, direct: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """List what wanted accounts named, and what changed at linked ones."""
    ids = wanted["account_id"]
    observed, changed = taken.rows(features.HOSTS, ids), taken.rows(features.CHANGES, direct["account_id"])
    stages = features.name_stages(observed, changed, taken.naming("descriptor"), taken.naming(*features.CONTACTS))
    return {name: engine.collect(stage) for name, stage in stages.items()}


def _paid(taken: Taken, accounts: pl.Series, measures: Measures) -> dict[str, Frame]:
    return features.payment_stages(taken.rows(features.PAYMENTS, accounts), measures)


def _counted(
    engine: Engine, accounts: pl.Series, at_once: int, stages: Callable[[pl.Series], dict[str, Frame]]
) -> Iterator[dict[str, pl.DataFrame]]:
    """Count the payments of some accounts after the other: their days are the most of what is counted."""
    for start in range(0, max(1, accounts.len()), at_once):
        yield {name: engine.collect(stage) for name, stage in stages(accounts.slice(start, at_once)).items()}


# --------------------------------------------------------------------------- identifiers and intermediaries


def _declared_around(data: Data, wanted: pl.DataFrame) -> pl.DataFrame:
    """Fetch what accounts declare, and every holder of their hard identifiers: their siblings."""
    engine, declared = data.traffic.engine, data.declared
    of_accounts = declared if data.by_account is None else data.by_account
    own = engine.collect(engine.among(of_accounts, "account_id", wanted["account_id"]))
    hard = own.filter(pl.col("kind").is_in(list(kinds_of(Specificity.HARD)))).select("kind", "value").unique()
    # one condition leaves so few that a join on both columns costs nothing
    of_kinds = engine.among(declared, "kind", hard["kind"])
    alike = engine.among(of_kinds, "value", hard["value"])
    siblings = engine.collect(alike.join(engine.load(hard), on=["kind", "value"], how="semi"))
    return pl.concat([own, siblings]).unique().sort("kind", "value", "account_id")


def _contacts(around: Neighbourhood, model: EvidenceModel) -> pl.DataFrame:
    """Keep the holdings of contact data, devices and terminals that are not widely shared."""
    narrow = around.degrees.filter(pl.col("holder_count") < model.widely_shared_count)
    medium = around.holdings.filter(pl.col("kind").is_in(list(kinds_of(Specificity.MEDIUM))))
    return medium.join(narrow, on=["kind", "value"], how="semi")


def _crowds(data: Data, own: pl.DataFrame, declared: pl.DataFrame, direct: pl.DataFrame) -> Crowds:
    """Count the accounts, and the linked ones, of every facilitator and agent of a wanted account."""
    facilitators = own.select(value="payment_facilitator_id").drop_nulls().unique()
    agents = declared.filter(pl.col("kind") == AGENT).select("value").unique()
    clients = data.accounts.select("account_id", value="payment_facilitator_id").join(
        facilitators, on="value", how="semi"
    )
    counted = clients.with_columns(linked=pl.col("account_id").is_in(direct["account_id"].implode()))
    members = counted.group_by("value").agg(
        member_count=pl.len().cast(pl.Int64), linked_count=pl.col("linked").sum().cast(pl.Int64)
    )
    return Crowds(
        members=pl.concat(
            [
                members.select(pl.lit(FACILITATOR).alias("kind"), "value", "member_count", "linked_count"),
                _agents(data, agents, direct),
            ]
        ),
        names_facilitators=bool(data.accounts["payment_facilitator_id"].count()),
    )


def _agents(data: Data, agents: pl.DataFrame, direct: pl.DataFrame) -> pl.DataFrame:
    """Count an agent's accounts where the data is."""
    engine = data.traffic.engine
    of_agents = data.declared.filter(nw.col("kind") == AGENT).join(engine.load(agents), on="value", how="semi")
    linked = of_agents.join(engine.load(direct), on="account_id", how="semi")
    members = engine.collect(_count_per_value(of_agents, "member_count"))
    counted = members.join(engine.collect(_count_per_value(linked, "linked_count")), on="value", how="left")
    return counted.select(pl.lit(AGENT).alias("kind"), "value", "member_count", pl.col("linked_count").fill_null(0))


def _count_per_value(holders: Frame, name: str) -> Frame:
    return holders.group_by("value").agg(nw.len().cast(nw.Int64).alias(name))
