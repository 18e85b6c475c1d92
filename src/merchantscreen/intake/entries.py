"""One entry of the index: what was made of one transaction file, in a folder that is whole or not there.

Rules kept here:
* an entry is found by the digest of its file and by how it was read, and by nothing else: another mapping,
  another version of the tool or of what reads its files is another entry;
* `facts.json` comes last and is the mark that an entry is whole; a folder without it is an attempt, which a
  later one goes on with, bucket by bucket; a folder whose files no longer bear it out is begun anew;
* an entry never changes; what no longer fits is made anew beside it.

Tables are described in `reducing`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict

from merchantscreen import __version__
from merchantscreen.intake import keys, reducing
from merchantscreen.intake.columns import Columns
from merchantscreen.intake.files import digest
from merchantscreen.intake.mapping import RoleMapping
from merchantscreen.intake.problems import REJECT_ROW_SCHEMA
from merchantscreen.intake.tally import FileTally
from merchantscreen.intake.transactions import with_values

FORMAT: Final = 2
"""Another one whenever other rows are in a bucket: an attempt is gone on with bucket by bucket."""
FACTS: Final = "facts.json"
_KEYS: Final = "keys.parquet"
_REJECTS: Final = "rejects.parquet"
_READERS: Final = ("polars", "can-ada", "dataframely")
"""Packages on whose version depends what an entry holds."""


class FileFact(BaseModel):
    """Size and digest of a file of an entry."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    size_bytes: int
    sha256: str


class FolderFacts(BaseModel):
    """What a folder of the index says of itself, last of all: the mark that it is whole.

    Attributes:
        files: Every other file of the folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    files: dict[str, FileFact]


class Facts(FolderFacts):
    """What is known of an entry without opening its tables.

    Attributes:
        format: Version of this form; what an earlier one says is read in the same way.
        recipe: How the file was read, see `recipe`.
        sha256: Digest of the file.
        size_bytes: Its size.
        rows_read: Records in it.
        row_count: Accepted rows in the tables.
        fields: Our fields that its columns fill.
        present: Columns of tables.Transactions with at least one value.
        stripped: Per column, values of which only the host was kept.
        unreadable: Per column, values that could not be read.
        first_at: Earliest transaction, microseconds since 1970 in UTC; null without rows.
        last_at: Latest transaction.
        bucket_count: Buckets of every table.
    """

    format: Literal[1, 2]
    recipe: str
    sha256: str
    size_bytes: int
    rows_read: int
    row_count: int
    fields: tuple[str, ...]
    present: tuple[str, ...]
    stripped: dict[str, int]
    unreadable: dict[str, int]
    first_at: datetime | None
    last_at: datetime | None
    bucket_count: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A whole entry.

    Attributes:
        folder: Where its tables are.
        facts: What is known of it.
    """

    folder: Path
    facts: Facts

    @property
    def name(self) -> str:
        """Return the name by which the index knows it."""
        return self.folder.name

    @property
    def made_at_ns(self) -> int:
        """Return when it was finished, nanoseconds since 1970 by the clock of its disk."""
        return (self.folder / FACTS).stat().st_mtime_ns

    def table(self, name: str) -> list[Path]:
        """Return the files of one table of `reducing`, a file per bucket."""
        return [self.folder / _bucket_file(name, number) for number in range(self.facts.bucket_count)]

    @property
    def keys(self) -> Path:
        """Return the file of key hashes, see duplicates."""
        return self.folder / _KEYS

    def tally(self, path: Path) -> FileTally:
        """Give the account of the file as it was when it was read."""
        facts = self.facts
        is_whole = facts.row_count == facts.rows_read
        rejected = [] if is_whole else [pl.read_parquet(self.folder / _REJECTS, glob=False)]
        return FileTally(
            "transactions", path, frozenset(facts.fields), facts.size_bytes, facts.sha256, facts.rows_read,
            rejected, Counter(facts.stripped), Counter(facts.unreadable),
        )  # fmt: skip

    def altered(self) -> Iterator[str]:
        """Yield the names of files that are not as they were written; reads all of them."""
        return altered_files(self.folder, self.facts.files)


def recipe(mapping: RoleMapping) -> str:
    """Name how transaction files are read: the form of entries and hashes, the mapping, and versions that matter."""
    versions = {name: version(name) for name in _READERS}
    said = {"format": FORMAT, "keys": keys.FORM, "tool": __version__, "versions": versions, "mapping": asdict(mapping)}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def entry_name(sha256: str, how: str) -> str:
    """Return the name of the entry of a file that is read in some way."""
    return f"{sha256[:40]}-{how[:16]}"


def find(folder: Path, sha256: str, how: str) -> Entry | None:
    """Find a whole entry; None if there is none, or one that its files no longer bear out.

    Files are held against their sizes; their digests are looked at by `Entry.altered`.
    """
    entry = open_entry(folder / entry_name(sha256, how))
    return entry if entry and (entry.facts.sha256, entry.facts.recipe) == (sha256, how) else None


def open_entry(place: Path) -> Entry | None:
    """Open the entry in a folder; None where it is not whole."""
    facts = read_facts(place, Facts)
    return Entry(place, facts) if facts else None


_Said = TypeVar("_Said", bound=FolderFacts)


def read_facts(place: Path, form: type[_Said]) -> _Said | None:
    """Read what a folder says of itself; None where it says nothing, or its files are not there with their sizes."""
    try:
        facts = form.model_validate(unsealed((place / FACTS).read_bytes()))
        is_whole = all((place / name).stat().st_size == fact.size_bytes for name, fact in facts.files.items())
    except (OSError, ValueError):
        return None
    return facts if is_whole else None


def altered_files(folder: Path, files: Mapping[str, FileFact]) -> Iterator[str]:
    """Yield the names of files of a folder that are not as they were written; reads all of them."""
    for name, fact in files.items():
        path = folder / name
        if not path.is_file() or digest(path) != (fact.size_bytes, fact.sha256):
            yield name


# --------------------------------------------------------------------------- making one


@dataclass(frozen=True, slots=True)
class Accepted:
    """What reading a file came to.

    Attributes:
        tally: The account of the file, repetitions within it included.
        columns: Its accepted rows.
        keys: Hashes of all its keys, also of rows that were refused as repetitions: Int64.
    """

    tally: FileTally
    columns: Columns
    keys: pl.Series


def write_entry(folder: Path, accepted: Accepted, how: str) -> Entry:
    """Make an entry, or go on with one that an earlier attempt began.

    Args:
        folder: Folder of entries.
        accepted: What was read.
        how: See `recipe`.
    """
    tally, count = accepted.tally, reducing.bucket_count(accepted.tally.rows_accepted)
    place = folder / entry_name(tally.sha256, how)
    begin(place)
    done = [number for number in range(count) if _is_done(place, number)]
    made = (pl.scan_parquet(place / _bucket_file("rows", number), glob=False) for number in done)
    present = {name for rows in made for name in with_values(rows)}
    for number, bucket in reducing.buckets(accepted.columns, count, done):
        present |= bucket.present
        for name, table in reducing.tables_of(bucket).items():
            _write(table, place / _bucket_file(name, number))
    _write(accepted.keys.to_frame("key"), place / _KEYS)
    _write(pl.concat(tally.rejected) if tally.rejected else _NO_REJECTS, place / _REJECTS)
    first, last = _span(place, count)
    facts = Facts(
        format=FORMAT, recipe=how, sha256=tally.sha256, size_bytes=tally.size_bytes, rows_read=tally.rows_read,
        row_count=tally.rows_accepted, fields=tuple(sorted(tally.fields)), present=tuple(sorted(present)),
        stripped=dict(tally.stripped), unreadable=dict(tally.unreadable), first_at=first, last_at=last,
        bucket_count=count, files=facts_of_files(place),
    )  # fmt: skip
    replace_file(place / FACTS, sealed(facts.model_dump(mode="json")))
    sync(folder)
    return Entry(place, facts)


_NO_REJECTS: Final = pl.DataFrame(schema=REJECT_ROW_SCHEMA)


def begin(place: Path) -> None:
    """Make the folder of an entry, or keep what an attempt has finished; what was an entry once is cleared away."""
    place.mkdir(exist_ok=True)
    facts = place / FACTS
    if facts.exists():
        for path in place.iterdir():
            if path != facts:
                path.unlink()
        facts.unlink()  # last, so that whoever is stopped here begins by clearing again


def _bucket_file(table: str, number: int) -> str:
    return f"{table}-{number:03d}.parquet"


def _is_done(place: Path, number: int) -> bool:
    return all((place / _bucket_file(name, number)).exists() for name in reducing.TABLES)


def _span(place: Path, count: int) -> tuple[datetime | None, datetime | None]:
    """Read when the first and the last transaction happened, from the small table."""
    days = pl.scan_parquet([place / _bucket_file("days", number) for number in range(count)], glob=False)
    row = days.select(pl.col("first_at").min(), pl.col("last_at").max()).collect().row(0)
    return row[0], row[1]


def facts_of_files(place: Path) -> dict[str, FileFact]:
    """Take size and digest of every table in a folder."""
    names = sorted(path.name for path in place.iterdir() if path.suffix == ".parquet")
    found = {name: digest(place / name) for name in names}
    return {name: FileFact(size_bytes=size, sha256=sha256) for name, (size, sha256) in found.items()}


def _write(table: pl.DataFrame, path: Path) -> None:
    """Write a table under a name of its own, and give it its name once it is on the disk."""
    waiting = path.with_suffix(".new")
    reducing.write_table(table, waiting)
    sync(waiting)
    waiting.replace(path)


def sealed(content: Mapping[str, Any]) -> bytes:
    """Write a small JSON object with its digest."""
    digest_of = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps({"content": content, "sha256": digest_of}, indent=1, sort_keys=True).encode()


def unsealed(data: bytes) -> Any:
    """Read what `sealed` wrote; ValueError where a single byte is another."""
    try:
        stated = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested without end") from error
    if not isinstance(stated, dict) or sealed(stated.get("content", {})) != data:
        raise ValueError("not as it was written")
    return stated["content"]


def replace_file(path: Path, content: bytes) -> None:
    """Write a small file in place of an older one, in one step."""
    waiting = path.with_suffix(".new")
    waiting.write_bytes(content)
    sync(waiting)
    waiting.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
