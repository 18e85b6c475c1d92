"""A run as a person likes to read it: what was read, who is linked, what could not be tested.

Rules kept here:
* a view of the bundle: nothing is computed, every figure is in a file of it;
* linked, for review: neutral words, and what speaks against a link beside it;
* counts add up on the screen: read = accepted + rejected;
* what was not shown is counted, and what could not be tested is said;
* narrow terminals lose columns, never the account or its tier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from merchantscreen.outputs import policyview
from merchantscreen.outputs.blindspots import sentences
from merchantscreen.outputs.columns import ALWAYS, Column, fitted
from merchantscreen.outputs.manifest import ROLES, Manifest
from merchantscreen.outputs.text import counted, defanged, safe_text, visible
from merchantscreen.vocabulary import CounterEvidence, Tier

TOP_ROWS: Final = 30
"""Accounts on the screen; all are in ranking.csv."""
DISCLAIMER: Final = "linked, for review — not a finding"

COUNTER_EVIDENCE: Final[Mapping[str, str]] = {
    CounterEvidence.OUTSIDE_VALIDITY: "activity outside the referral's validity",
    CounterEvidence.SHARED_HOST: "shared host",
    CounterEvidence.NOT_DEDICATED: "domain not dedicated",
    CounterEvidence.SINGLE_HOTLINE: "one hotline only",
    CounterEvidence.DISPUTED: "referral disputed",
    CounterEvidence.EXPIRED: "referral expired",
    CounterEvidence.SITE_DOWN: "site reported down",
    CounterEvidence.NEAR_MATCH_ONLY: "near match only",
    CounterEvidence.WIDELY_SHARED_IDENTIFIER: "widely shared identifier",
    CounterEvidence.MIXED_SCRIPT: "mixed scripts in the name",
}
"""What speaks against a link, in a reader's words."""

TIER_STYLES: Final[Mapping[str, str]] = {
    Tier.T1: "bold magenta",
    Tier.T2: "yellow",
    Tier.T3: "cyan",
    Tier.WATCH: "dim",
}
"""How tiers look where there is colour; the word says the same without."""

Row = Mapping[str, Any]


def _place(row: Row) -> Text:
    return Text(f"={row['rank']}" if row["tied_with"] else str(row["rank"]))


def _tier(row: Row) -> Text:
    return safe_text(row["tier"], TIER_STYLES.get(row["tier"], ""))


def _strongest(row: Row) -> Text:
    return Text(defanged(visible(row["strongest_link"])))


def _where(row: Row) -> Text:
    return safe_text(" ".join(part for part in (row["mcc"], row["country"]) if part))


def _rules(row: Row) -> Text:
    hits = row["rule_hits"]
    return safe_text(f"{len(hits)}: {', '.join(hits)}" if hits else "")


def _against(row: Row) -> Text:
    return safe_text(", ".join(COUNTER_EVIDENCE.get(note, note) for note in row["counter_evidence"]))


_COLUMNS: Final[tuple[Column[Row], ...]] = (
    Column("rank", ALWAYS, 4, _place, right=True),
    Column("tier", ALWAYS, 5, _tier),
    Column("account", ALWAYS, 30, lambda row: safe_text(row["account_id"])),
    Column("trading name", 6, 14, lambda row: safe_text(row["dba_name"])),
    Column("MCC", 3, 7, _where),
    Column("score", ALWAYS, 5, lambda row: Text(f"{row['score']:.1f}"), right=True),
    Column("strongest link", 7, 28, _strongest),
    Column("rules that hit", 4, 14, _rules),
    Column("speaks against it", 5, 17, _against),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """The frames of a run that the screen shows.

    Attributes:
        ranking: tables.Ranking.
        blind_spots: tables.BlindSpots.
        shadow: tables.RuleResults of rules in draft.
        exceptions: tables.ExceptionResults.
        skew: tables.Skew.
    """

    ranking: pl.DataFrame
    blind_spots: pl.DataFrame
    shadow: pl.DataFrame
    exceptions: pl.DataFrame
    skew: pl.DataFrame


def show_run(console: Console, manifest: Manifest, shown: Shown, folder: str, top: int = TOP_ROWS) -> None:
    """Print a run.

    Args:
        console: Where to.
        manifest: The run's manifest.
        shown: Its frames.
        folder: Path of the bundle, as the reader may type it.
        top: Most accounts to show.
    """
    for part in _parts(console.width, manifest, shown, folder, top):
        console.print(part)


def _parts(width: int, manifest: Manifest, shown: Shown, folder: str, top: int) -> Iterator[RenderableType]:
    ranking = shown.ranking
    yield from policyview.banner(manifest)
    yield Text.assemble(("merchantscreen ", "bold"), visible(manifest.run_id), f" · as of {manifest.as_of}")
    yield Text()
    yield _inputs(manifest)
    yield Text(f"  {counts_line(manifest)}")
    yield Text()
    yield Text.assemble(("Accounts linked to confirmed domains", "bold"), f" ({DISCLAIMER})")
    yield _ranked(ranking.head(top), width) if ranking.height else Text("  none: no account read holds a link")
    yield from _below(manifest, ranking, top)
    yield policyview.approval(manifest)
    yield from policyview.exceptions(shown.exceptions)
    yield from policyview.drafts(shown.shadow)
    yield from policyview.skewed(shown.skew)
    yield Text()
    yield from _unseen(shown.blind_spots)
    yield from _log(manifest)
    yield Text.assemble(
        ("Files   ", "bold"),
        visible(folder, 4096),
        f" (unsigned; check with: merchantscreen verify {visible(folder, 4096)})",
    )


def _log(manifest: Manifest) -> Iterator[Text]:
    """State the log behind the register, so that size and root stand outside of the store as well."""
    if manifest.log is not None:
        head = manifest.log
        yield Text.assemble(("Log     ", "bold"), f"{visible(head.origin)} {head.size} {visible(head.root)}")


def _inputs(manifest: Manifest) -> Text:
    """Show per role what was read; the figures add up."""
    totals = [manifest.totals[role] for role in ROLES]
    files = [counted(total.files, "file") for total in totals]
    figures = [[f"{number:,}" for number in (t.rows_read, t.rows_accepted, t.rows_rejected)] for t in totals]
    wide = [max(len(row[place]) for row in figures) for place in range(3)]
    wide_files = max(len(text) for text in files)
    lines = [
        f"  {role:<13}{file:<{wide_files}}  {read:>{wide[0]}} read = "
        f"{kept:>{wide[1]}} accepted + {left:>{wide[2]}} rejected"
        for role, file, (read, kept, left) in zip(ROLES, files, figures, strict=True)
    ]
    return Text("\n".join(lines))


def counts_line(manifest: Manifest) -> str:
    """Say how much was screened and how much of it is linked."""
    counts = manifest.counts
    domains = counted(counts.get("flagged_domain_count", 0), "flagged domain")
    accounts = counted(counts.get("account_count", 0), "account")
    transactions = counted(counts.get("transaction_count", 0), "transaction")
    direct, ranked = counts.get("linked_account_count", 0), counts.get("ranked_account_count", 0)
    return f"{domains} · {accounts} and {transactions} screened · {direct:,} linked directly · {ranked:,} ranked"


def _ranked(ranking: pl.DataFrame, width: int) -> Table:
    return fitted(_COLUMNS, ranking.to_dicts(), width, _row_style)


def _row_style(row: Row) -> str:
    return TIER_STYLES[Tier.WATCH] if row["tier"] == Tier.WATCH else ""


def _below(manifest: Manifest, ranking: pl.DataFrame, top: int) -> Iterator[Text]:
    """Sum the tiers up, and say what is not on the screen."""
    if ranking.height > top:
        yield Text(f"  … and {ranking.height - top:,} more in ranking.csv")
    tiers = manifest.tiers
    cases = " · ".join(f"{tier.value}: {tiers[tier.value]:,}" for tier in (Tier.T1, Tier.T2, Tier.T3))
    yield Text.assemble(("Tiers   ", "bold"), f"{cases} · watch: {tiers[Tier.WATCH.value]:,} (shown, not cases)")
    if manifest.sealed_count:
        sealed = counted(manifest.sealed_count, "account")
        yield Text.assemble(("Sealed  ", "bold"), f"{sealed} for the law-enforcement liaison only, in sealed.jsonl")


def _unseen(blind_spots: pl.DataFrame) -> Iterator[RenderableType]:
    said = list(sentences(blind_spots))
    if not said:
        return
    yield Text.assemble(("Could not be tested", "bold"), " (a blind spot is never a clean result)")
    for sentence in said:
        yield Padding(Text(f"· {sentence}"), (0, 0, 0, 2), expand=False)
    yield Text()
