"""What merchant files came to, kept in the index: accounts and declared identifiers of a set of files, whole.

Beside them lie the lots by which accounts stand for their trade: drawing a million of them takes a second; and what
accounts declare once more, in the order of accounts: what some of them declare is found in a third of the time.

Rules kept here:
* a set is found by the digests of its files in their order, by how they were read and are kept, and by the key of
  the contact tokens; one other byte in any of them is another set;
* contact data is in it only as the tokens that a run makes of it anyway;
* `facts.json` comes last, when all tables have reached the disk, and is the mark that a set is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from merchantscreen.features.peers import draws
from merchantscreen.intake import files
from merchantscreen.intake.entries import (
    FACTS,
    FolderFacts,
    begin,
    facts_of_files,
    read_facts,
    recipe,
    replace_file,
    sealed,
    sync,
)
from merchantscreen.intake.mapping import RoleMapping
from merchantscreen.intake.problems import REJECT_ROW_SCHEMA
from merchantscreen.intake.tally import FileTally

FORMAT: Final = 3
ACCOUNTS, DECLARED, REJECTS, LOTS = "accounts.parquet", "declared.parquet", "rejects.parquet", "lots.parquet"
_BY_ACCOUNT: Final = "by-account-"
SPAN_ACCOUNTS: Final = 100_000
"""Accounts whose identifiers are put in order at once, in some 150 MB."""
_FILE: Final = "file"
_LOT: Final = "lot"


class FileAccount(BaseModel):
    """What became of the rows of one file, its rejected rows aside."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: str
    size_bytes: int
    rows_read: int
    fields: tuple[str, ...]
    stripped: dict[str, int]
    unreadable: dict[str, int]


class SetFacts(FolderFacts):
    """What is known of a set without opening its tables.

    Attributes:
        format: Version of this form.
        key_id: Which key the contact tokens were made with.
        accounts: The files in their order.
    """

    format: Literal[3]
    key_id: str
    accounts: tuple[FileAccount, ...]


@dataclass(frozen=True, slots=True)
class KnownMerchants:
    """A whole set.

    Attributes:
        folder: Where its tables are.
        facts: What is known of it.
    """

    folder: Path
    facts: SetFacts

    @property
    def accounts(self) -> Path:
        """Return the file of tables.Accounts."""
        return self.folder / ACCOUNTS

    @property
    def declared(self) -> Path:
        """Return the file of tables.DeclaredIdentifiers."""
        return self.folder / DECLARED

    @property
    def by_account(self) -> tuple[Path, ...]:
        """Return files of the same, in the order of accounts."""
        return tuple(self.folder / name for name in sorted(self.facts.files) if name.startswith(_BY_ACCOUNT))

    def lots(self) -> pl.Series:
        """Read the lot of each account by which it stands for its trade, see features.peers, in their order."""
        return pl.read_parquet(self.folder / LOTS, glob=False)[_LOT]

    def tallies(self, paths: Sequence[Path]) -> list[FileTally]:
        """Give the accounts of the files as they were when they were read."""
        rejected = pl.read_parquet(self.folder / REJECTS, glob=False)
        return [
            FileTally(
                "merchants", path, frozenset(one.fields), one.size_bytes, one.sha256, one.rows_read,
                _of_file(rejected, number), Counter(one.stripped), Counter(one.unreadable),
            )
            for number, (path, one) in enumerate(zip(paths, self.facts.accounts, strict=True))
        ]  # fmt: skip

    def altered(self) -> Iterator[str]:
        """Yield the names of files that are not as they were written; reads all of them."""
        for name, fact in self.facts.files.items():
            path = self.folder / name
            if not path.is_file() or files.digest(path) != (fact.size_bytes, fact.sha256):
                yield name


def _of_file(rejected: pl.DataFrame, number: int) -> list[pl.DataFrame]:
    own = rejected.filter(pl.col(_FILE) == number).drop(_FILE)
    return [own] if own.height else []


def set_name(digests: Sequence[str], mapping: RoleMapping, key: bytes | None) -> str:
    """Return the name of the set of some files that are read in some way, with a key of the operator or their own."""
    said = [FORMAT, *digests, recipe(mapping), hashlib.sha256(key).hexdigest() if key else "own key"]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def find(folder: Path, name: str) -> KnownMerchants | None:
    """Find a whole set; None if there is none, or one that its files no longer bear out."""
    place = folder / name
    facts = read_facts(place, SetFacts)
    return KnownMerchants(place, facts) if facts else None


def keep(
    folder: Path,
    name: str,
    tables: tuple[Path, Path],
    tallies: Sequence[FileTally],
    key_id: str,
    lots: pl.Series | None = None,
) -> None:
    """Keep what merchant files came to.

    Args:
        folder: Folder of sets.
        name: See `set_name`.
        tables: Files of tables.Accounts and tables.DeclaredIdentifiers on the disk of the index, which are moved.
        tallies: What became of the rows of each file.
        key_id: Which key the contact tokens were made with.
        lots: The lots of the accounts, where they were drawn already.
    """
    place = folder / name
    begin(place)
    empty = pl.DataFrame(schema={**REJECT_ROW_SCHEMA, _FILE: pl.Int32})
    rejected = [
        rows.with_columns(pl.lit(number, pl.Int32).alias(_FILE))
        for number, tally in enumerate(tallies)
        for rows in tally.rejected
    ]
    rejects, drawn = tables[0].with_name(REJECTS), tables[0].with_name(LOTS)
    pl.concat([empty, *rejected]).write_parquet(rejects)
    accounts = pl.read_parquet(tables[0], columns=["account_id"], glob=False)["account_id"]
    (draws(accounts) if lots is None else lots).to_frame(_LOT).write_parquet(drawn)
    ordered = [(path, path.name) for path in _by_account(tables[1], accounts)]
    for source, target in ((tables[0], ACCOUNTS), (tables[1], DECLARED), (rejects, REJECTS), (drawn, LOTS), *ordered):
        sync(source)
        source.replace(place / target)
    facts = SetFacts(
        format=FORMAT, key_id=key_id, accounts=tuple(_account(tally) for tally in tallies), files=facts_of_files(place)
    )
    replace_file(place / FACTS, sealed(facts.model_dump(mode="json")))
    sync(folder)


def _by_account(declared: Path, accounts: pl.Series) -> Iterator[Path]:
    """Write what accounts declare in their order, some accounts after the other, beside the table.

    An account stands in several rows there, one below the other, so ids are kept once each and compared once each.
    """
    rows, whose = pl.scan_parquet(declared, glob=False), pl.col("account_id")
    for number, start in enumerate(range(0, accounts.len(), SPAN_ACCOUNTS)):
        some = accounts.slice(start, SPAN_ACCOUNTS)
        own = rows.filter(whose.is_between(pl.lit(some.min()), pl.lit(some.max()))).collect(engine="streaming")
        path = declared.with_name(f"{_BY_ACCOUNT}{number:03d}.parquet")
        own.sort("account_id", "kind", "value").write_parquet(path, compression="lz4")
        yield path


def _account(tally: FileTally) -> FileAccount:
    return FileAccount(
        sha256=tally.sha256, size_bytes=tally.size_bytes, rows_read=tally.rows_read, fields=tuple(sorted(tally.fields)),
        stripped=dict(tally.stripped), unreadable=dict(tally.unreadable),
    )  # fmt: skip
