"""URL columns become host columns; what is cut off or cannot be read is counted, never kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from merchantscreen.domains import hosts_of


@dataclass(frozen=True, slots=True)
class Losses:
    """What was lost on the way, per column: cut to the host, or not readable."""

    stripped: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)


def to_hosts(urls: pl.Series, losses: Losses, column: str | None = None) -> pl.Series:
    """Return the host of each URL, null where there is none, and count what is lost under `column`."""
    name = column or urls.name
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


def _add(counter: Counter[str], name: str, count: int) -> None:
    if count:
        counter[name] += count
