"""Looking back: which accounts a referral would have found in what was indexed, since when, and in which run.

Rules kept here:
* links are found by the very search of a screen, over entries of the index instead of files; nothing is
  weighed, so there are no points and no tiers but those of the earlier runs;
* a domain under a law-enforcement hold is left out and counted;
* a run is named only if it had read a file in which the account used the name by the moment of that run;
* merchant files are not looked at: declared websites and contacts are found by a screen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from merchantscreen.engines import Engine
from merchantscreen.features import naive_utc
from merchantscreen.intake.entries import Entry
from merchantscreen.intake.index import Kept
from merchantscreen.links import FlaggedNames, find_links
from merchantscreen.policy.model import Policy
from merchantscreen.referrals.flagging import Flagged
from merchantscreen.screening import parts_of_entries
from merchantscreen.tables import Accounts, DeclaredIdentifiers, RetroLinks, conform, empty
from merchantscreen.traffic import Traffic

LOOK_BACK_DAYS: Final = 180
"""Days that are looked back over unless another number is given."""
_NAME_COLUMNS: Final = {
    "observed_requestor_url": "requestor_host",
    "observed_acceptor_url": "acceptor_host",
    "descriptor_domain": "descriptor",
    "clue_descriptor": "descriptor",
}
"""Columns of the index in which a link of each kind is seen; a price is no name and has none."""
_KEY: Final = ["account_id", "kind", "seen_as"]
_HELD_AS: Final = {"column": "column", "value": "seen_as"}
"""Columns of the pairs of an entry, and of what is looked for in them."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """An earlier run.

    Attributes:
        run_id: Its name.
        as_of: Its moment, UTC without zone.
        files: Digests of the transaction files it read.
        tiers: Gives `account_id, tier` of its ranked accounts; called for runs that matter alone.
    """

    run_id: str
    as_of: datetime
    files: frozenset[str]
    tiers: Callable[[], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class LookBack:
    """What looking back came to.

    Attributes:
        links: tables.RetroLinks, sorted by domain and account.
        from_at: Start of the period.
        until_at: End of it.
        domain_count: Domains that were looked for.
        held_count: Domains under a hold, which were not.
        entry_count: Entries that were looked at.
        outside_count: Entries without a transaction in the period.
        outside_window_count: Links seen only outside the validity of their referral.
        sharing_count: Pairs of files that share transactions, which count in each of them.
    """

    links: pl.DataFrame
    from_at: datetime
    until_at: datetime
    domain_count: int
    held_count: int
    entry_count: int
    outside_count: int
    outside_window_count: int
    sharing_count: int


@dataclass(frozen=True, slots=True)
class Period:
    """The period that is looked at: some days up to a moment."""

    until_at: datetime
    days: int = LOOK_BACK_DAYS

    @property
    def from_at(self) -> datetime:
        """Return its first moment."""
        return naive_utc(self.until_at) - timedelta(days=self.days)

    def touches(self, entry: Entry) -> bool:
        """Tell whether an entry has transactions in it, as far as its first and last one say."""
        first, last = entry.facts.first_at, entry.facts.last_at
        return first is not None and last is not None and first <= naive_utc(self.until_at) and last >= self.from_at


def look_back(
    kept: Kept, flagged: Flagged, policy: Policy, engine: Engine, period: Period, runs: Sequence[PastRun]
) -> LookBack:
    """Find the accounts that are linked to flagged domains in indexed transactions.

    Args:
        kept: What the index holds.
        flagged: Flagged domains and clues, as of the end of the period.
        policy: For free mail providers and the days around a clue.
        engine: Where the tables are.
        period: What is looked at.
        runs: Earlier runs that may have read the same files.
    """
    inside = [entry for entry in kept.entries if period.touches(entry)]
    domains = flagged.domains.filter(~pl.col("held")).with_columns(
        pl.max_horizontal("window_from_at", pl.lit(period.from_at, pl.Datetime("us")))
    )
    clues = flagged.clues.join(domains, on="domain", how="semi")
    names = FlaggedNames(domains, clues, policy.free_mail_domains)
    traffic = Traffic(engine, parts_of_entries(engine, inside, kept.merged, period.until_at))
    nothing = engine.load(empty(DeclaredIdentifiers))
    found = find_links(traffic, nothing, empty(Accounts), names, period.until_at, policy.evidence)
    seen = found.filter("in_window")
    dated = seen.join(_first_runs(inside, seen, runs), on=_KEY, how="left")
    told = dated.join(domains.select("domain", "referral_ids"), on="domain")
    return LookBack(
        links=conform(told, RetroLinks).sort("domain", "account_id", "kind", "seen_as"),
        from_at=period.from_at,
        until_at=naive_utc(period.until_at),
        domain_count=domains.height,
        held_count=flagged.domains.height - domains.height,
        entry_count=len(inside),
        outside_count=len(kept.entries) - len(inside),
        outside_window_count=found.height - seen.height,
        sharing_count=kept.sharing_count,
    )


# --------------------------------------------------------------------------- earlier runs


def _first_runs(entries: Sequence[Entry], links: pl.DataFrame, runs: Sequence[PastRun]) -> pl.DataFrame:
    """Name, per link, the earliest run that could have shown it: `*_KEY, run_id, run_as_of, run_tier`."""
    read = pl.DataFrame(
        [(sha256, run.run_id, run.as_of) for run in runs for sha256 in run.files],
        schema={"sha256": pl.String, "run_id": pl.String, "run_as_of": pl.Datetime("us")},
        orient="row",
    )
    places = _places(entries, links)
    could = places.join(read, on="sha256").filter(pl.col("first_at") <= pl.col("run_as_of"))
    first = could.sort("run_as_of", "run_id").unique(_KEY, keep="first", maintain_order=True)
    tiers = _tiers({run.run_id: run for run in runs}, first["run_id"].unique())
    return first.join(tiers, on=["run_id", "account_id"], how="left").select(*_KEY, "run_id", "run_as_of", "run_tier")


def _places(entries: Sequence[Entry], links: pl.DataFrame) -> pl.DataFrame:
    """Find the files in which each link was seen, and when first: `*_KEY, sha256, first_at`."""
    columns = pl.col("kind").replace_strict(_NAME_COLUMNS, default=None, return_dtype=pl.String)
    wanted = links.select(*_KEY, column=columns).drop_nulls("column").unique()
    if wanted.is_empty() or not entries:
        return wanted.select(*_KEY, sha256=pl.lit(None, pl.String), first_at=pl.lit(None, pl.Datetime("us"))).clear()
    # one pass over all entries: hundreds of small ones take twice as long
    named = pl.concat([_named(entry, wanted) for entry in entries]).collect(engine="streaming")
    held = named.join(wanted, left_on=["account_id", "column", "value"], right_on=["account_id", "column", "seen_as"])
    return held.group_by("account_id", "kind", "sha256", seen_as="value").agg(pl.col("first_at").min())


def _named(entry: Entry, wanted: pl.DataFrame) -> pl.LazyFrame:
    """Give who holds wanted names in an entry: conditions alone, which its bounds and dictionaries answer."""
    among = [pl.col(name).is_in(wanted[own].unique().implode()) for name, own in _HELD_AS.items()]
    pairs = pl.scan_parquet(entry.table("pairs"), glob=False).filter(*among)
    return pairs.select("account_id", "column", "value", "first_at", pl.lit(entry.facts.sha256).alias("sha256"))


def _tiers(runs: Mapping[str, PastRun], wanted: pl.Series) -> pl.DataFrame:
    """Read the tiers of the runs that are named."""
    found = [
        runs[name].tiers().select(pl.lit(name).alias("run_id"), "account_id", run_tier="tier")
        for name in sorted(wanted)
    ]
    return pl.concat([pl.DataFrame(schema=dict.fromkeys(("run_id", "account_id", "run_tier"), pl.String)), *found])
