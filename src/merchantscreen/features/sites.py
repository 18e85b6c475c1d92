"""The sites that payment messages name: how many, and which the account never declared.

A site is a registrable domain; a host without one, such as an IP address, stands for itself.
Hosts on the caution list, which many parties share, are passed over: seeing them says nothing.
"""

from __future__ import annotations

import polars as pl

from merchantscreen.domains import registrable_domain


def measure_sites(hosts: pl.DataFrame, declared: pl.DataFrame, caution_hosts: frozenset[str]) -> pl.DataFrame:
    """Count per account the sites observed, and those of them it never declared.

    Args:
        hosts: The stage of that name.
        declared: tables.DeclaredIdentifiers.
        caution_hosts: Hosts that many parties share; hosts below them are passed over too.

    Returns:
        One row per account with an observed host.
    """
    websites = declared.filter(pl.col("kind") == "website").select("account_id", pl.col("value").alias("host"))
    stated = sites_of(websites, frozenset()).select("account_id", "site")
    observed = sites_of(hosts, caution_hosts)
    told = observed.filter("counts")
    seen = told.group_by("account_id").agg(pl.len().cast(pl.Int64).alias("observed_site_count"))
    undeclared = told.join(stated, on=["account_id", "site"], how="anti").group_by("account_id").agg(
        pl.len().cast(pl.Int64).alias("undeclared_host_count")
    )  # fmt: skip
    comparable = stated.select("account_id", pl.lit(value=True).alias("has_stated")).unique()
    counts = observed.select("account_id").unique()
    for part in (seen, undeclared, comparable):
        counts = counts.join(part, on="account_id", how="left")
    return counts.select(
        "account_id",
        pl.col("observed_site_count").fill_null(0),
        pl.when("has_stated").then(pl.col("undeclared_host_count").fill_null(0)).alias("undeclared_host_count"),
    )


def sites_of(hosts: pl.DataFrame, caution_hosts: frozenset[str]) -> pl.DataFrame:
    """Reduce hosts (`account_id, host`, further columns are left out) to sites.

    Returns:
        One row per (account_id, site): `counts` says whether a host outside the caution list is among them.
    """
    return hosts.join(_known_sites(hosts, caution_hosts), on="host", how="inner").group_by("account_id", "site").agg(
        pl.col("counts").any()
    )  # fmt: skip


def sites_first_seen(hosts: pl.DataFrame, caution_hosts: frozenset[str]) -> pl.DataFrame:
    """Date the sites of the stage `hosts`: `account_id, site, first_at`, without those that only caution hosts name."""
    counted = hosts.join(_known_sites(hosts, caution_hosts).filter("counts"), on="host", how="inner")
    return counted.group_by("account_id", "site").agg(pl.col("first_at").min())


def _known_sites(hosts: pl.DataFrame, caution_hosts: frozenset[str]) -> pl.DataFrame:
    """Look every distinct host up once: `host, site, counts`."""
    distinct = hosts.get_column("host").unique().sort().to_list()
    sites = [registrable_domain(host) or host for host in distinct]
    counts = [caution_hosts.isdisjoint(_with_parents(host)) for host in distinct]
    return pl.DataFrame(
        {"host": distinct, "site": sites, "counts": counts},
        schema={"host": pl.String, "site": pl.String, "counts": pl.Boolean},
    )


def _with_parents(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[position:]) for position in range(len(labels))]
