"""The sites that payment messages name: how many, and which the account never declared.

A site is a registrable domain; a host without one, such as an IP address, stands for itself.
Hosts on the caution list, which many parties share, are passed over: seeing them says nothing.
"""

from __future__ import annotations

import polars as pl

from merchantscreen.domains import registrable_domain


def known_sites(hosts: pl.DataFrame, declared: pl.DataFrame, caution_hosts: frozenset[str]) -> pl.DataFrame:
    """Look every distinct host up once: `host, site, counts`; a host below one of many parties does not count.

    Args:
        hosts: The stage of that name.
        declared: tables.DeclaredIdentifiers.
        caution_hosts: Hosts that many parties share.
    """
    distinct = pl.concat([hosts["host"], _websites(declared)["host"]]).unique().sort().to_list()
    sites = [registrable_domain(host) or host for host in distinct]
    counts = [not _is_below(host, caution_hosts) for host in distinct]
    return pl.DataFrame(
        {"host": distinct, "site": sites, "counts": counts},
        schema={"host": pl.String, "site": pl.String, "counts": pl.Boolean},
    )


def measure_sites(hosts: pl.DataFrame, declared: pl.DataFrame, sites: pl.DataFrame) -> pl.DataFrame:
    """Count per account the sites observed, and those of them it never declared.

    Args:
        hosts: The stage of that name.
        declared: tables.DeclaredIdentifiers.
        sites: What `known_sites` says of these hosts.

    Returns:
        One row per account with an observed host.
    """
    stated = _websites(declared).join(sites, on="host", how="inner").select("account_id", "site").unique()
    observed = hosts.join(sites, on="host", how="inner")
    told = observed.filter("counts").select("account_id", "site").unique()
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


def sites_first_seen(hosts: pl.DataFrame, sites: pl.DataFrame) -> pl.DataFrame:
    """Date the sites of the stage `hosts`: `account_id, site, first_at`, without those that only caution hosts name."""
    counted = hosts.join(sites.filter("counts"), on="host", how="inner")
    return counted.group_by("account_id", "site").agg(pl.col("first_at").min())


def _websites(declared: pl.DataFrame) -> pl.DataFrame:
    return declared.filter(pl.col("kind") == "website").select("account_id", pl.col("value").alias("host"))


def _is_below(host: str, hosts: frozenset[str]) -> bool:
    """Tell whether a host is one of some hosts, or below one."""
    while host and host not in hosts:
        host = host.partition(".")[2]
    return bool(host)
