"""Linked accounts around an account: among its siblings, its contacts, and the clients of one intermediary.

Linked means: directly, to a domain a hotline confirmed, inside its validity. Rules kept here:

* no account is evidence of itself: it is left out of every count and share;
* widely shared contact data ties nobody;
* members of a facilitator or agent are counted over all accounts, never over the neighbourhood.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from merchantscreen.features.siblings import sibling_pairs
from merchantscreen.identifiers import kinds_of
from merchantscreen.vocabulary import Specificity

FACILITATOR, AGENT = "payment_facilitator", "agent"


@dataclass(frozen=True, slots=True)
class Crowds:
    """How many of an intermediary's accounts are linked, in the full data.

    Attributes:
        members: `kind, value, member_count, linked_count` per facilitator and agent.
        names_facilitators: Whether any account names a facilitator.
    """

    members: pl.DataFrame
    names_facilitators: bool


def measure_around(
    base: pl.DataFrame,
    declared: pl.DataFrame,
    contacts: pl.DataFrame,
    met: pl.DataFrame,
    linked: pl.DataFrame,
    widely_shared: int,
) -> pl.DataFrame:
    """Count the linked among siblings and contacts.

    Args:
        base: The accounts.
        declared: tables.DeclaredIdentifiers.
        contacts: tables.Holdings of medium identifiers that are not widely shared.
        met: The stage of that name.
        linked: Linked accounts, by account_id.
        widely_shared: From this many holders on, a value ties no siblings.

    Returns:
        One row per account.
    """
    others = linked.select(pl.col("account_id").alias("other_id"))
    siblings = sibling_pairs(declared, widely_shared).rename({"sibling_id": "other_id"})
    shared = contacts.join(contacts.rename({"account_id": "other_id"}), on=["kind", "value"], how="inner")
    touching = shared.filter(pl.col("account_id") != pl.col("other_id")).select("account_id", "other_id").unique()
    reachable = declared.filter(pl.col("kind").is_in(kinds_of(Specificity.MEDIUM))).select("account_id")
    can_meet = pl.concat([reachable, met, contacts.select("account_id")]).unique()
    has_hard = declared.filter(pl.col("kind").is_in(kinds_of(Specificity.HARD))).select("account_id").unique()
    measured = base.select("account_id")
    parts = (("linked_sibling_count", siblings, has_hard), ("linked_contact_count", touching, can_meet))
    for name, pairs, known in parts:
        counted = pairs.join(others, on="other_id", how="semi").group_by("account_id").agg(
            pl.len().cast(pl.Int64).alias(name)
        )  # fmt: skip
        told = known.join(counted, on="account_id", how="left").with_columns(pl.col(name).fill_null(0))
        measured = measured.join(told, on="account_id", how="left")
    return measured


def measure_crowds(
    accounts: pl.DataFrame, declared: pl.DataFrame, linked: pl.DataFrame, crowds: Crowds
) -> pl.DataFrame:
    """Count the linked among an intermediary's other accounts.

    Never held against all accounts: what strangers do would then change what is said of this one.

    Args:
        accounts: tables.Accounts, for the facilitator.
        declared: tables.DeclaredIdentifiers, for the agent.
        linked: Linked accounts, by account_id.
        crowds: What was counted over all accounts.

    Returns:
        One row per account of `accounts`.
    """
    agents = declared.filter(pl.col("kind") == AGENT).select("account_id", "value")
    facilitators = accounts.select("account_id", value="payment_facilitator_id").drop_nulls()
    flags = linked.select("account_id", pl.lit(1, pl.Int64).alias("own")).unique()
    measured = accounts.select("account_id", under_facilitator=_under_facilitator(crowds))
    for kind, name, held in ((FACILITATOR, "facilitator", facilitators), (AGENT, "agent", agents)):
        members = crowds.members.filter(pl.col("kind") == kind).drop("kind")
        own = held.join(members, on="value", how="inner").join(flags, on="account_id", how="left")
        told = own.with_columns(pl.col("own").fill_null(0)).select("account_id", *_counts(name))
        # an account has one agent; were there two, the one with more linked accounts would count
        first = told.sort("account_id", f"{name}_linked_count", f"{name}_linked_share", descending=[False, True, True])
        measured = measured.join(first.unique("account_id", keep="first"), on="account_id", how="left")
    return measured


def _under_facilitator(crowds: Crowds) -> pl.Expr:
    named = pl.col("payment_facilitator_id").is_not_null()
    return pl.when(pl.lit(crowds.names_facilitators)).then(named)


def _counts(name: str) -> list[pl.Expr]:
    """Count the linked among the others, and divide once."""
    others, linked = pl.col("member_count") - 1, pl.col("linked_count") - pl.col("own")
    share = pl.when(others > 0).then(linked / others)
    return [linked.alias(f"{name}_linked_count"), share.alias(f"{name}_linked_share")]
