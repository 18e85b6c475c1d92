"""What looking back found, as a table for a person and as values for a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich import box
from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from merchantscreen.identifiers import BY_NAME
from merchantscreen.outputs.console import DISCLAIMER
from merchantscreen.outputs.manifest import written_moment, written_row
from merchantscreen.outputs.text import counted, defanged, safe_text
from merchantscreen.retro import LookBack

SHOWN: Final = 50
"""Links in the table; --json lists all."""


def show_look_back(console: Console, found: LookBack) -> None:
    """Print what was found, and what was not looked at."""
    for part in _parts(found):
        console.print(part, soft_wrap=not isinstance(part, Table))


def look_back_values(found: LookBack) -> dict[str, Any]:
    """Give everything as one JSON object."""
    return {
        "from_at": written_moment(found.from_at),
        "until_at": written_moment(found.until_at),
        "domain_count": found.domain_count,
        "held_count": found.held_count,
        "file_count": found.entry_count,
        "files_outside_count": found.outside_count,
        "outside_window_count": found.outside_window_count,
        "files_sharing_count": found.sharing_count,
        "links": [written_row(row) for row in found.links.iter_rows(named=True)],
    }


def _parts(found: LookBack) -> Iterator[RenderableType]:
    yield Text(
        f"Looked back from {written_moment(found.until_at)} to {written_moment(found.from_at)}: "
        f"{counted(found.domain_count, 'domain')}, {counted(found.entry_count, 'indexed file')}"
    )
    yield Text(f"{counted(found.links.height, 'link')} ({DISCLAIMER})")
    if found.links.height:
        yield _table(found)
    if found.links.height > SHOWN:
        yield Text(f"{found.links.height - SHOWN:,} more; --json lists all")
    yield from map(Text, _not_looked_at(found))


def _not_looked_at(found: LookBack) -> Iterator[str]:
    yield "Not looked at: merchant files (declared websites, contacts, identifiers); screen for these"
    if found.outside_count:
        yield f"Not looked at: {counted(found.outside_count, 'indexed file')} without transactions in this period"
    if found.sharing_count:
        yield f"Counted in each: transactions that {counted(found.sharing_count, 'pair')} of files have in common"
    if found.held_count:
        yield f"Left out: {counted(found.held_count, 'domain')} under a law-enforcement hold"
    if found.outside_window_count:
        yield f"Not listed: {counted(found.outside_window_count, 'link')} seen only outside the validity of a referral"


def _table(found: LookBack) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for title in ("account", "domain", "kind", "seen as", "transactions", "first", "last", "first run to show it"):
        justify: JustifyMethod = "right" if title == "transactions" else "left"
        table.add_column(title, overflow="fold", justify=justify, no_wrap=title == "account")
    for row in found.links.head(SHOWN).iter_rows(named=True):
        table.add_row(
            safe_text(row["account_id"]),
            defanged(row["domain"]),
            BY_NAME[row["kind"]].title,
            defanged(row["seen_as"]),
            f"{row['transaction_count']:,}",
            f"{row['first_at']:%Y-%m-%d}",
            f"{row['last_at']:%Y-%m-%d}",
            _run(row),
        )
    return table


def _run(row: dict[str, Any]) -> Text:
    """Say which run could have shown a link, and what it said of the account."""
    if row["run_id"] is None:
        return Text("none")
    was = f"ranked {row['run_tier']}" if row["run_tier"] else "not ranked"
    return Text.assemble(safe_text(row["run_id"]), f" ({row['run_as_of']:%Y-%m-%d}): {was}")
