"""Takes files in that carry no signatures, through the importers; what they say is unsigned and stays so.

Rules kept here:
* all files are read before anything is recorded; one that must not come in refuses them all;
* exactly the same import a second time records nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from merchantscreen.cli.referrals.common import ahead, decided, read_file
from merchantscreen.errors import InputError, Problem
from merchantscreen.eventlog.records import Draft, canonical
from merchantscreen.referrals.bulk import without_collector
from merchantscreen.referrals.history import Folding, History, Key
from merchantscreen.referrals.importers import MAX_BYTES, Imported, Options, import_referrals, load_mapping
from merchantscreen.referrals.importers.problems import PROBLEMS
from merchantscreen.referrals.logged import import_bodies
from merchantscreen.referrals.trust import takes_back
from merchantscreen.vocabulary import Tlp
from merchantscreen.workspace.session import Workspace

IMPORTED: Final = "referral.imported"


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller says about the files; `mapping` is a file."""

    form: str
    hotline: str
    mapping: Path | None
    confirmed_by_reporter: bool
    tlp: Tlp
    le_hold: bool


@dataclass(frozen=True, slots=True)
class OneFile:
    """What one file held; `is_repetition` if it was taken in before, exactly like this."""

    file: str
    sha256: str
    imported: Imported
    is_repetition: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import came to: the files, the short numbers that are new, and the log with it."""

    files: tuple[OneFile, ...]
    numbers: tuple[str, ...]
    history: History

    @property
    def rejected_count(self) -> int:
        """Count the records that were rejected."""
        return sum(one.imported.rejected_count for one in self.files)

    @property
    def problems(self) -> list[Problem]:
        """Return everything that is wrong with them."""
        return [problem for one in self.files for problem in one.imported.problems]

    @property
    def taken_back(self) -> list[Key]:
        """Return the referrals that were taken back."""
        events = (event for one in self.files if not one.is_repetition for event in one.imported.events)
        return [
            (event.reporting_hotline_id, event.referral_id)
            for event in events
            if takes_back(event) and event.referral_id is not None
        ]


def take_in(place: Workspace, paths: Sequence[Path], order: Order) -> Taken:
    """Read the files and record what they say.

    Raises:
        InputError: One of them is refused as a whole; nothing is recorded then.
    """
    options = _options(order)
    read: list[OneFile] = []
    wrong: list[Problem] = []
    for path in paths:
        try:
            data = read_file(path, MAX_BYTES, PROBLEMS["MS-IMP-001"])
            imported = import_referrals(order.form, data, path.name, options)
            read.append(OneFile(path.name, hashlib.sha256(data).hexdigest(), imported))
        except InputError as error:
            wrong += error.problems
    if wrong:
        raise InputError("Nothing was taken in.", tuple(wrong))

    def decide(folding: Folding) -> tuple[list[Draft], Taken]:
        known = {canonical(event.body) for event in place.log.events(kinds=(IMPORTED,))}
        before, drafts, files = len(folding.numbers), list[Draft](), list[OneFile]()
        for one in read:
            bodies = import_bodies(order.form, one.sha256, one.imported.events, one.imported.rejected_count)
            is_repetition = all(canonical(body) in known for body in bodies)
            files.append(OneFile(one.file, one.sha256, one.imported, is_repetition))
            if not is_repetition:
                drafts += _drafts(place, folding, bodies)
        numbers = tuple(list(folding.numbers.values())[before:])
        return drafts, Taken(tuple(files), numbers, folding.history())

    with without_collector():
        return decided(place, decide)


def _options(order: Order) -> Options:
    plain = Options(order.hotline, order.confirmed_by_reporter, order.tlp, order.le_hold)
    if order.mapping is None:
        return plain
    data = read_file(order.mapping, MAX_BYTES, PROBLEMS["MS-IMP-001"])
    return replace(plain, mapping=load_mapping(data, order.mapping.name))


def _drafts(place: Workspace, folding: Folding, bodies: Sequence[Mapping[str, Any]]) -> list[Draft]:
    drafts = [place.draft(IMPORTED, body) for body in bodies]
    for draft in drafts:
        ahead(folding, place, draft)
    return drafts
