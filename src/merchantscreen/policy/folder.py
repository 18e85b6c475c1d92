"""Which files make up a rule folder, and their bytes.

Rules kept here:
* anything that does not belong is named, never skipped; only hidden files and Markdown are passed over;
* a link, a device or a folder in the place of a file is refused: what is read is what lies there;
* a policy can be read back from a run, so a folder is only one of the places files come from.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from merchantscreen.errors import FileAccessError, Problem
from merchantscreen.policy import problems

EVIDENCE: Final = "evidence.yml"
MEASURES: Final = "measures.yml"
CLOCKS: Final = "payer_clocks.yml"
LISTINGS: Final = "listing_codes.yml"
TIERS: Final = "tiers.yml"
CAUTION: Final = "caution_hosts.yml"
FREE_MAIL: Final = "free_mail_domains.yml"
INDICATORS: Final = "indicators.yml"
NEEDED: Final = (EVIDENCE, MEASURES, CLOCKS, LISTINGS, TIERS, CAUTION, FREE_MAIL, INDICATORS)
"""Files at the top that every rule folder holds."""

LOCK: Final = "rules.lock"
APPROVALS: Final = "approvals.jsonl"
RECORDS: Final = (LOCK, APPROVALS)
"""Files at the top that the tool writes; a folder may do without them."""

EXCEPTIONS: Final = "exceptions"
"""Folder of exceptions; every other folder is a typology."""

PACKAGED_FOLDER: Final = "default_policy"
_MOST_FILES: Final = 5000
_MOST_BYTES: Final = 16 * 1024 * 1024


def default_folder() -> Traversable:
    """Return the policy inside the wheel, or the checkout's rules folder where there is no wheel."""
    packaged = importlib.resources.files("merchantscreen") / PACKAGED_FOLDER
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3] / "rules"


def read_files(folder: Path | Traversable) -> tuple[dict[str, bytes], list[Problem]]:
    """Read every file of a rule folder.

    Returns:
        The bytes by name within the folder, such as `tiers.yml` or `account-profile/new-account.yml`,
        and what does not belong.

    Raises:
        FileAccessError: A file cannot be read.
    """
    if not folder.is_dir():
        return {}, [problems.FOLDER_UNREADABLE.at(folder.name, found="no folder of this name")]
    files: dict[str, bytes] = {}
    found: list[Problem] = []
    try:
        for name, entry in _entries(folder):
            if entry is None or len(files) >= _MOST_FILES:
                found.append(problems.FILE_UNEXPECTED.at(name))
            else:
                files[name] = _bytes(entry)
    except OSError as error:
        raise FileAccessError(f"A file of the rule folder cannot be read: {error.strerror}.") from error
    return files, found


def missing_files(files: dict[str, bytes]) -> list[Problem]:
    """Name the files that every rule folder holds and this one does not."""
    return [problems.FILE_MISSING.at(name) for name in NEEDED if name not in files]


def is_rule(name: str) -> bool:
    """Tell whether a file is a rule, by its name within the folder."""
    return "/" in name and not is_exception(name)


def is_exception(name: str) -> bool:
    """Tell whether a file is an exception, by its name within the folder."""
    return name.startswith(f"{EXCEPTIONS}/")


def _entries(folder: Path | Traversable) -> Iterator[tuple[str, Traversable | None]]:
    """Walk the folder in order of names; None stands for something that is in the wrong place."""
    for entry in _visible(folder):
        if entry.is_dir():
            for inner in _visible(entry):
                is_yaml = inner.is_file() and inner.name.endswith(".yml")
                yield f"{entry.name}/{inner.name}", inner if is_yaml and not _is_link(inner) else None
        else:
            known = entry.name in {*NEEDED, *RECORDS} and entry.is_file()
            yield entry.name, entry if known and not _is_link(entry) else None


def _bytes(entry: Traversable) -> bytes:
    """Read a file, but not much more of it than any file of a rule folder may hold."""
    with entry.open("rb") as stream:
        return stream.read(_MOST_BYTES + 1)


def _is_link(entry: Traversable) -> bool:
    return isinstance(entry, Path) and entry.is_symlink()


def _visible(folder: Traversable) -> list[Traversable]:
    entries = [e for e in folder.iterdir() if not e.name.startswith(".") and not e.name.endswith(".md")]
    return sorted(entries, key=lambda entry: entry.name)
