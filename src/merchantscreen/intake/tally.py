"""What became of the rows and fields of each file, counted while it is read.

Rules kept here:
* nothing disappears: a row is accepted or rejected, a cut or unreadable field is counted;
* `read = accepted + rejected` for every file, which records.SourceFile asserts;
* what ends in evidence (the blind spots) does not depend on how rows are split over files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from merchantscreen.intake.problems import REJECT_ROW_SCHEMA, reject_table
from merchantscreen.records import Role, SourceFile
from merchantscreen.tables import BlindSpots, Rejects, conform, empty
from merchantscreen.vocabulary import BlindSpot

WATCHED: Final[dict[Role, dict[str, str]]] = {
    "merchants": {
        "website_urls": "no account is linked by a declared website",
        "email": "no account is linked by its e-mail address or its domain",
        "phone": "no accounts are linked by a phone number",
        "address": "no accounts are linked by a postal address",
        "settlement_account_token": "no accounts are linked by a settlement account",
        "tax_id_token": "no accounts are linked by a tax id",
        "principal_tokens": "no accounts are linked by owners or directors",
        "opened_on": "new accounts are not recognised by their opening date",
    },
    "transactions": {
        "requestor_url": "no account is linked by a website seen in 3-D Secure messages",
        "acceptor_url": "no account is linked by a website seen in payment messages",
        "descriptor": "no account is linked by its descriptor",
        "card_product": "prepaid cards are not recognised",
        "issuer_country": "cross-border cards are not recognised",
        "device_token": "no accounts are linked by a device",
        "ip_token": "no accounts are linked by a network address",
        "terminal_id": "no accounts are linked by a terminal",
    },
}
"""Optional columns whose absence leaves something untested, and what."""


@dataclass(slots=True)
class FileTally:
    """Running account of one file.

    Attributes:
        role: Which input it belongs to.
        path: The file.
        fields: Our fields that its columns fill.
        size_bytes: Size as read.
        sha256: Digest of the bytes.
        rows_read: Records in it, the header not counted.
        rejected: Reject rows, see `problems.REJECT_ROW_SCHEMA`.
        stripped: Per column, values of which only the host was kept.
        unreadable: Per column, values that could not be read and became null.
    """

    role: Role
    path: Path
    fields: frozenset[str]
    size_bytes: int = 0
    sha256: str = ""
    rows_read: int = 0
    rejected: list[pl.DataFrame] = field(default_factory=list)
    stripped: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)

    @property
    def rows_rejected(self) -> int:
        """Records that do not go on."""
        return sum(frame.height for frame in self.rejected)

    @property
    def rows_accepted(self) -> int:
        """Records that go on."""
        return self.rows_read - self.rows_rejected

    def reject(self, lines: Sequence[int], code: str) -> None:
        """Reject records that other records of the table contradict or repeat."""
        rows = pl.DataFrame({"line": lines}, schema={"line": pl.Int64}).with_columns(code=pl.lit(code))
        self.rejected.append(rows.select(pl.col(n) if n in rows.columns else pl.lit(None, t).alias(n)
                                         for n, t in REJECT_ROW_SCHEMA.items()))  # fmt: skip

    def source(self) -> SourceFile:
        """Close the account."""
        counts = (self.rows_read, self.rows_accepted, self.rows_rejected)
        return SourceFile(self.role, self.path.name, self.size_bytes, self.sha256, *counts)


def rejects_of(tallies: Iterable[FileTally]) -> pl.DataFrame:
    """Return tables.Rejects of all files, sorted."""
    frames = [reject_table(tally.role, tally.path.name, rows) for tally in tallies for rows in tally.rejected]
    return pl.concat([empty(Rejects), *frames]).sort("role", "file", "line", "column", "code", maintain_order=True)


def blind_spots_of(tallies: Sequence[FileTally]) -> pl.DataFrame:
    """Return tables.BlindSpots: absent columns, cut and unreadable fields, sorted."""
    rows: list[tuple[str, str, int, str]] = []
    roles: tuple[Role, ...] = ("merchants", "transactions")
    for role in roles:
        of_role = [tally for tally in tallies if tally.role == role]
        rows += _absent(role, of_role)
        rows += _counted(role, of_role)
    frame = pl.DataFrame(rows, schema=["kind", "subject", "count", "detail"], orient="row")
    return conform(frame, BlindSpots).sort("kind", "subject") if rows else empty(BlindSpots)


def _absent(role: Role, tallies: Sequence[FileTally]) -> list[tuple[str, str, int, str]]:
    found: list[tuple[str, str, int, str]] = []
    for column, consequence in WATCHED[role].items():
        lacking = [tally for tally in tallies if column not in tally.fields]
        if lacking:
            count = sum(tally.rows_accepted for tally in lacking)
            detail = f"The column is absent from these rows: there, {consequence}."
            found.append((BlindSpot.COLUMN_ABSENT.value, f"{role}.{column}", count, detail))
    return found


def _counted(role: Role, tallies: Sequence[FileTally]) -> list[tuple[str, str, int, str]]:
    stripped: Counter[str] = sum((tally.stripped for tally in tallies), Counter())
    unreadable: Counter[str] = sum((tally.unreadable for tally in tallies), Counter())
    cut = "At most a host was kept; path, query, port, credentials and contact data were dropped."
    lost = "The value could not be read and counts as not known; the row was kept."
    return [(BlindSpot.FIELD_STRIPPED.value, f"{role}.{name}", count, cut) for name, count in stripped.items()] + [
        (BlindSpot.FIELD_UNREADABLE.value, f"{role}.{name}", count, lost) for name, count in unreadable.items()
    ]
