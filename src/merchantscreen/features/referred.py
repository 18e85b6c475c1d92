"""How an account is linked to referred domains: by which of its data, how well, and what hotlines saw paid.

Rules kept here:

* only links inside the referral's validity count, and, but for one feature, only confirmed domains;
* a count is null where the account shows nothing that could have been compared;
* a payment clue that no hotline gave cannot be missing from an account.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from merchantscreen.vocabulary import HostMatch

_HOST_KINDS = {
    "declared_website": "referred_declared_count",
    "observed_requestor_url": "referred_observed_count",
    "observed_acceptor_url": "referred_observed_count",
    "descriptor_domain": "referred_descriptor_count",
    "email_domain": "referred_email_domain_count",
}
"""Kinds of links through a host, and where an exact match counts."""
_CLUE_KINDS = {
    "clue_merchant_id": "clue_merchant_id_count",
    "clue_descriptor": "clue_descriptor_count",
    "clue_amount": "clue_amount_count",
}


def direct_links(links: pl.DataFrame, domains: pl.DataFrame) -> pl.DataFrame:
    """Keep the links to confirmed domains inside their validity.

    Args:
        links: tables.AccountLinks.
        domains: tables.FlaggedDomains.

    Returns:
        Rows of tables.AccountLinks with the domain's first_confirmed_at.
    """
    confirmed = domains.filter("confirmed").select("domain", "first_confirmed_at")
    return links.filter("in_window").join(confirmed, on="domain", how="inner")


def measure_referred(
    base: pl.DataFrame,
    links: pl.DataFrame,
    domains: pl.DataFrame,
    declared: pl.DataFrame,
    names: Mapping[str, pl.DataFrame],
    clues: pl.DataFrame,
) -> pl.DataFrame:
    """Count the referred domains that an account is linked to.

    Args:
        base: Accounts with transaction_count; acquirer_id where there is a merchant row.
        links: tables.AccountLinks.
        domains: tables.FlaggedDomains.
        declared: tables.DeclaredIdentifiers.
        names: The name stages, of which `hosts` and `described` are used.
        clues: tables.PaymentClues.

    Returns:
        One row per account.
    """
    counts = _counted(_named(links, domains))
    observed = names["hosts"].select("account_id").unique().with_columns(has_observed=pl.lit(value=True))
    described = names["described"].with_columns(has_descriptor=pl.lit(value=True))
    said = declared.group_by("account_id").agg(
        (pl.col("kind") == "website").any().alias("has_website"),
        (pl.col("kind") == "email_domain").any().alias("has_email_domain"),
    )
    known = base.select("account_id", "acquirer_id", "transaction_count")
    for part in (observed, described, said, counts):
        known = known.join(part, on="account_id", how="left")
    conditions = _what_is_known(clues)
    return known.select(
        "account_id",
        *(pl.when(holds).then(pl.col(name).fill_null(0)).alias(name) for name, holds in conditions.items()),
    )


def _named(links: pl.DataFrame, domains: pl.DataFrame) -> pl.DataFrame:
    """Say which feature a link counts for: `account_id, domain, feature`, once each."""
    direct = direct_links(links, domains)
    through_host = direct.filter(pl.col("kind").is_in(list(_HOST_KINDS)))
    exact = through_host.filter(pl.col("match") == HostMatch.EXACT)
    reached = links.filter("in_window").join(domains.filter(~pl.col("confirmed")), on="domain", how="semi")
    parts = (
        exact.with_columns(feature=pl.col("kind").replace_strict(_HOST_KINDS, return_dtype=pl.String)),
        direct.filter(pl.col("kind").is_in(list(_CLUE_KINDS))).with_columns(
            feature=pl.col("kind").replace_strict(_CLUE_KINDS, return_dtype=pl.String)
        ),
        through_host.filter(pl.col("match") == HostMatch.CLOSE).with_columns(feature=pl.lit("referred_close_count")),
        through_host.filter(pl.col("match") == HostMatch.LABEL).with_columns(feature=pl.lit("referred_label_count")),
        reached.with_columns(feature=pl.lit("referred_linked_domain_count")),
    )
    return pl.concat([part.select("account_id", "domain", "feature") for part in parts]).unique()


def _counted(named: pl.DataFrame) -> pl.DataFrame:
    features = sorted({*_HOST_KINDS.values(), *_CLUE_KINDS.values(), *_BY_MATCH})
    counts = [(pl.col("feature") == name).sum().cast(pl.Int64).alias(name) for name in features]
    return named.group_by("account_id").agg(*counts)


_BY_MATCH = ("referred_close_count", "referred_label_count", "referred_linked_domain_count")


def _what_is_known(clues: pl.DataFrame) -> dict[str, pl.Expr]:
    """Say per feature when it is known; a link that was found always is."""
    observed = pl.col("has_observed").fill_null(value=False)
    website = pl.col("has_website").fill_null(value=False)
    email = pl.col("has_email_domain").fill_null(value=False)
    descriptor = pl.col("has_descriptor").fill_null(value=False)
    any_host = observed | website | email
    timed_prices = clues.filter(pl.col("amount_minor").is_not_null() & pl.col("seen_at").is_not_null())
    given = {
        "clue_merchant_id_count": (clues["card_acceptor_id"].count(), pl.col("acquirer_id").is_not_null()),
        "clue_descriptor_count": (clues["descriptor"].count(), descriptor),
        "clue_amount_count": (timed_prices.height, pl.col("transaction_count").is_not_null()),
    }
    conditions = {
        "referred_declared_count": website,
        "referred_observed_count": observed,
        "referred_descriptor_count": descriptor,
        "referred_email_domain_count": email,
        **dict.fromkeys(_BY_MATCH, any_host),
        **{name: pl.lit(bool(count)) & holds for name, (count, holds) in given.items()},
    }
    return {name: holds | (pl.col(name) > 0).fill_null(value=False) for name, holds in conditions.items()}
