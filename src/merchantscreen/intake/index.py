"""The index: a folder of entries, and which transaction files a run can take from it.

Rules kept here:
* the index never changes a result: what it cannot answer exactly is read from the file again;
* a file is known by its digest, which is taken of the file as it is now, or was taken of it as it still is (`digests`);
* entries that have a transaction in common with another file of the run are left out, as repetitions are told
  by comparing rows;
* one writer at a time; readers need no lock, as entries never change.

What an entry is stands in `entries`, what its tables are in `reducing`, what is made of several in `merged`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from merchantscreen.errors import BusyError, CannotCreateError, UsageError
from merchantscreen.intake import digests, duplicates
from merchantscreen.intake import known as merchant_sets
from merchantscreen.intake import merged as merged_tables
from merchantscreen.intake.entries import FACTS, Entry, find, open_entry, recipe, replace_file, sealed, unsealed
from merchantscreen.intake.mapping import ColumnMapping
from merchantscreen.intake.merged import Merged
from merchantscreen.intake.problems import PROBLEMS

MARK: Final = "merchantscreen-index.json"
_MARKED: Final = b'{"format": 1}\n'
_OVERLAPS: Final = "overlaps.json"
_DIGESTS: Final = "digests.json"
_LOCK: Final = "lock"
_BEFORE_MARKED: Final = frozenset({_LOCK, Path(MARK).with_suffix(".new").name})
"""What a stop can leave in a folder that was to become an index."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an index holds.

    Attributes:
        entries: An entry per file.
        merged: Tables that stand for several entries at once.
        sharing_count: Pairs of files that have a transaction in common, as a file that was sent again.
    """

    entries: tuple[Entry, ...]
    merged: tuple[Merged, ...]
    sharing_count: int


@dataclass(frozen=True, slots=True)
class Index:
    """An index folder.

    Attributes:
        folder: The folder, which holds `MARK`.
    """

    folder: Path

    @property
    def transactions(self) -> Path:
        """Return the folder of the entries of transaction files."""
        return self.folder / "transactions"

    @property
    def merchants(self) -> Path:
        """Return the folder of what merchant files came to."""
        return self.folder / "merchants"

    @property
    def merged(self) -> Path:
        """Return the folder of the merged tables of groups of entries."""
        return self.folder / "merged"

    def known(self, paths: Sequence[Path], mapping: ColumnMapping) -> dict[Path, Entry]:
        """Find the entries of files that can stand for them together.

        Entries that share a transaction with one another are left out: their files are to be read again.
        """
        found = self.entries(paths, mapping)
        names = {entry.name: entry for entry in found.values()}
        sharing = {name for pair in self._overlaps(names) for name in pair}
        return {path: entry for path, entry in found.items() if entry.name not in sharing}

    def entries(self, paths: Sequence[Path], mapping: ColumnMapping) -> dict[Path, Entry]:
        """Find the entries of files by their digests."""
        how = recipe(mapping.transactions)
        taken = digests.digests_of(paths, digests.read_note(self.folder / _DIGESTS))
        found = {path: find(self.transactions, sha256, how) for path, sha256 in zip(paths, taken, strict=True)}
        return {path: entry for path, entry in found.items() if entry is not None}

    def all_entries(self) -> list[Entry]:
        """List every whole entry, whatever it was read with."""
        marks = sorted(self.transactions.glob(f"*/{FACTS}"))
        found = [open_entry(mark.parent) for mark in marks]
        return [entry for entry in found if entry is not None]

    def all_merchants(self) -> list[merchant_sets.KnownMerchants]:
        """List every whole set of merchant files."""
        marks = sorted(self.merchants.glob(f"*/{FACTS}"))
        found = [merchant_sets.find(self.merchants, mark.parent.name) for mark in marks]
        return [one for one in found if one is not None]

    def all_merged(self) -> list[Merged]:
        """List all merged tables that are whole."""
        return merged_tables.find_all(self.merged)

    def kept(self) -> Kept:
        """Give one entry for every file, the one made last where a file was read in several ways."""
        newest = sorted(self.all_entries(), key=lambda entry: (entry.made_at_ns, entry.name))
        by_file = {entry.facts.sha256: entry for entry in newest}
        entries = sorted(by_file.values(), key=lambda entry: entry.name)
        return Kept(
            tuple(entries), self.merged_of(entries), len(self._overlaps({entry.name: entry for entry in entries}))
        )

    def merged_of(self, entries: Iterable[Entry]) -> tuple[Merged, ...]:
        """Find the merged tables all of whose entries are among some; no entry is in two of them."""
        left = {entry.name for entry in entries}
        found: list[Merged] = []
        for one in self.all_merged():
            if one.entries <= left:
                left -= one.entries
                found.append(one)
        return tuple(found)

    def merge(self, how: str, work: Path) -> None:
        """Merge the tables of entries that make a full group, and clear away what was merged of entries that are gone.

        Entries that share a transaction with another stay out: a screen of both reads the files again.

        Args:
            how: How their files were read, see `recipe`.
            work: Folder to work in.
        """
        entries = {entry.name: entry for entry in self.all_entries()}
        merged_tables.clear(self.merged, entries)
        done = {name for one in self.all_merged() for name in one.entries}
        sharing = {name for pair in self._overlaps(entries) for name in pair}
        waiting = [entry for name, entry in entries.items() if entry.facts.recipe == how and name not in done | sharing]
        for group in merged_tables.groups(waiting):
            merged_tables.merge(self.merged, group, work)

    def altered(self) -> Iterator[str]:
        """Yield the files that are not as they were written, by their place in the index; reads all of them."""
        marks = [
            mark for folder in (self.transactions, self.merchants, self.merged) for mark in folder.glob(f"*/{FACTS}")
        ]
        for mark in sorted(marks):
            kept = (
                open_entry(mark.parent)
                or merchant_sets.find(self.merchants, mark.parent.name)
                or merged_tables.open_merged(mark.parent)
            )
            names = [mark.name] if kept is None else kept.altered()
            yield from (f"{mark.parent.name}/{name}" for name in names)
        if (self.folder / _OVERLAPS).exists() and not self._noted():
            yield _OVERLAPS
        if (self.folder / _DIGESTS).exists() and not digests.read_note(self.folder / _DIGESTS):
            yield _DIGESTS

    def note_digests(self, found: Mapping[Path, Entry], states: Mapping[Path, digests.State]) -> None:
        """Note the digests of files that have an entry, for as long as the files are as they are.

        Args:
            found: Their entries.
            states: See `digests.settled`.
        """
        noted, kept = digests.read_note(self.folder / _DIGESTS), {entry.facts.sha256 for entry in self.all_entries()}
        now = {states[path]: entry.facts.sha256 for path, entry in found.items() if path in states}
        both = {state: sha256 for state, sha256 in (noted | now).items() if sha256 in kept}
        if not both:
            (self.folder / _DIGESTS).unlink(missing_ok=True)
        elif both != noted:
            digests.write_note(self.folder / _DIGESTS, both)

    def note_overlaps(self) -> None:
        """Compare the keys of all entries with one another, and note what they have in common, unless it is noted."""
        names, noted = {entry.name: entry for entry in self.all_entries()}, self._noted()
        if noted and noted["compared"] == sorted(names):
            return
        pairs = _compare(names)
        content = {"compared": sorted(names), "pairs": sorted(sorted(pair) for pair in pairs)}
        replace_file(self.folder / _OVERLAPS, sealed(content))

    def _overlaps(self, names: Mapping[str, Entry]) -> set[frozenset[str]]:
        """Say which of some entries share a transaction; compared now where that is not noted."""
        noted = self._noted()
        if not noted or not set(names) <= set(noted["compared"]):
            return _compare(names)
        return {frozenset(pair) for pair in noted["pairs"] if set(pair) <= set(names)}

    def _noted(self) -> dict[str, list[Any]]:
        """Read what was noted: `compared`, names of entries, sorted, and `pairs` of them; nothing if it is altered."""
        try:
            noted: dict[str, list[Any]] = unsealed((self.folder / _OVERLAPS).read_bytes())
        except (OSError, ValueError):
            return {}
        return noted


def _compare(names: Mapping[str, Entry]) -> set[frozenset[str]]:
    return duplicates.sharing({name: entry.keys for name, entry in names.items()})


# --------------------------------------------------------------------------- opening and making


def open_index(folder: Path) -> Index:
    """Open an index that exists.

    Raises:
        UsageError: The folder is none.
    """
    if not (folder / MARK).is_file():
        raise UsageError("no index", (PROBLEMS["MS-IDX-001"].at(folder.name),))
    return Index(folder)


def make_index(folder: Path) -> Index:
    """Open an index, made in a new or empty folder if there is none.

    Raises:
        UsageError: The folder holds something else.
        CannotCreateError: It cannot be made.
    """
    try:
        if not (folder / MARK).is_file():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if any(entry.name not in _BEFORE_MARKED for entry in folder.iterdir()):
                raise UsageError("not an index", (PROBLEMS["MS-IDX-002"].at(folder.name),))
            replace_file(folder / MARK, _MARKED)
        for part in ("transactions", "merchants", "merged"):
            (folder / part).mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotCreateError(f"the index cannot be made: {error.strerror}") from error
    return Index(folder)


@contextmanager
def writing(index: Index) -> Iterator[Path]:
    """Hold the index for writing and give an empty folder to work in, removed afterwards.

    Raises:
        BusyError: Somebody else is writing.
    """
    handle = os.open(index.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    work = index.folder / "work"
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError("the index is in use", (PROBLEMS["MS-IDX-003"].at(index.folder.name),)) from error
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    finally:
        os.close(handle)
