"""URL columns become host columns; what is cut off or cannot be read is counted, never kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from merchantscreen.domains import MAX_HOST_LENGTH, MAX_TEXT_LENGTH, DomainRefusal, domain_key

_PLAIN_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN: Final = (
    r"^(?:[Hh][Tt][Tt][Pp][Ss]?://)?"
    rf"(?:{_PLAIN_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"
    r"(?:/[A-Za-z0-9_~/-]*)?(?:\?[A-Za-z0-9_~=&.%+:/,-]+)?$"
)
"""What both ways read alike: a name whose last label starts with a letter (so no IP address), no
trailing dot, port or credentials, and a path without dots or escapes, which a browser would resolve."""

_BARE: Final = rf"^(?:https?://)?(?:{_PLAIN_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?/?$"
"""The plain values of which nothing is cut off but a scheme in small letters and a last slash."""

HOST_COLUMNS: Final = {"requestor_url": "requestor_host", "acceptor_url": "acceptor_host"}
"""Fields of transactions that hold URLs, and the columns of their hosts."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What was lost on the way, per column: cut to the host, or not readable."""

    stripped: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)


def to_hosts(urls: pl.Series, losses: Losses) -> pl.Series:
    """Return the host of each URL, null where there is none, and count what is lost under the column's name."""
    name = urls.name
    table = hosts_of(urls)
    if table.is_empty():
        return pl.Series(urls.name, [None], pl.String).new_from_index(0, urls.len())
    cut = table.filter("stripped")["value"]
    found = pl.DataFrame({"value": urls}).join(
        table.select("value", "host"), on="value", how="left", maintain_order="left"
    )["host"]
    _add(losses.stripped, name, int(urls.is_in(cut.implode()).sum()) if cut.len() else 0)
    _add(losses.unreadable, name, found.null_count() - urls.null_count())
    return found.alias(urls.name)


def each_host(urls: pl.Series, losses: Losses) -> pl.Series:
    """Do `to_hosts` for a column in which nearly all differ: finding those that do not would cost more than they do.

    Most are bare hosts, which take a quarter of the work of other plain values.
    """
    url = pl.col("url")
    hosts = urls.to_frame("url").lazy().select(bare_host_expression(url)).collect().to_series().alias(urls.name)
    others = (hosts.is_null() & urls.is_not_null()).arg_true()
    return hosts.scatter(others, _each_plain(urls.gather(others), losses)) if others.len() else hosts


def _each_plain(urls: pl.Series, losses: Losses) -> pl.Series:
    """Do `to_hosts` for values that are not bare."""
    url = pl.col("url")
    read = urls.to_frame("url").lazy().select(host=host_expression(url), is_cut=cut_expression(url)).collect()
    hosts = read["host"].alias(urls.name)
    _add(losses.stripped, urls.name, int((read["is_cut"] & hosts.is_not_null()).sum()))
    others = (hosts.is_null() & urls.is_not_null()).arg_true()
    return hosts.scatter(others, to_hosts(urls.gather(others), losses)) if others.len() else hosts


def hosts_of(values: pl.Series) -> pl.DataFrame:
    """Reduce a column of URLs or hosts, each distinct value once.

    Plain values are read by one regular expression over the column, the rest by
    `domain_key`; a property test holds the two together.

    Returns:
        One row per distinct value that is not null: value, host (null if refused), refusal
        (null if read), stripped (whether anything but the host was cut off), is_plain (whether
        `host_expression` reads it).
    """
    distinct = pl.LazyFrame({"value": values.cast(pl.String).drop_nulls().unique()})
    # lazily, so that what the expression repeats is done once
    read = distinct.with_columns(host_expression(pl.col("value")).alias("host")).collect()
    fast = read.filter(pl.col("host").is_not_null()).select(
        "value",
        "host",
        pl.lit(None, pl.String).alias("refusal"),
        cut_expression(pl.col("value")).alias("stripped"),
        pl.lit(value=True).alias("is_plain"),
    )
    exact = [_exact_row(value) for value in read.filter(pl.col("host").is_null())["value"]]
    return pl.concat([fast, pl.DataFrame(exact, schema=fast.schema, orient="row")])


def host_expression(column: pl.Expr) -> pl.Expr:
    """Read the hosts of plain values in a column of URLs; null for values that only `domain_key` can read."""
    host = plain_host(column)
    is_plain = (
        column.str.contains(_PLAIN)
        & ~host.str.contains("xn--", literal=True)
        & (host.str.len_bytes() <= MAX_HOST_LENGTH)
        & (column.str.len_bytes() <= MAX_TEXT_LENGTH)
    )
    return pl.when(is_plain).then(host)


def bare_host_expression(column: pl.Expr) -> pl.Expr:
    """Do `host_expression` for values of which nothing worth counting is cut off; null for all others."""
    host = column.str.strip_prefix("https://").str.strip_prefix("http://").str.strip_suffix("/").str.to_lowercase()
    is_bare = (
        column.str.contains(_BARE)
        & ~host.str.contains("xn--", literal=True)
        & (host.str.len_bytes() <= MAX_HOST_LENGTH)
    )
    return pl.when(is_bare).then(host)


def plain_host(column: pl.Expr) -> pl.Expr:
    """Read the hosts of texts that `host_expression` can read, and of no others."""
    return column.str.replace("^[Hh][Tt][Tt][Pp][Ss]?://", "").str.replace("(?s)[/?].*", "").str.to_lowercase()


def cut_expression(column: pl.Expr) -> pl.Expr:
    """Tell plain values with more to them than a scheme, a host and one sign behind it."""
    return column.str.contains("[0-9A-Za-z][/?][!-~]")


def _exact_row(value: str) -> tuple[str, str | None, str | None, bool, bool]:
    key = domain_key(value)
    if isinstance(key, DomainRefusal):
        return value, None, key.reason.value, False, False
    return value, key.host, None, bool(key.stripped), False


def _add(counter: Counter[str], name: str, count: int) -> None:
    if count:
        counter[name] += count
