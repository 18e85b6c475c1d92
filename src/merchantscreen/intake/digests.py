"""Digests of files that nobody has touched since they were taken: half a year of files is hashed once, not every night.

Rules kept here:
* a digest is taken from the note for a file alone whose place on the disk, size and both times are what they were. The
  time of its last change is set by the kernel at every write and by no program, short of setting the clock, so a file
  that was written to and given its old date back is hashed again; so are a copy, and a disk that was mounted elsewhere;
* nothing is noted of a file that changed shortly before: another change within the same tick would not be seen;
* a note that is missing or altered costs time and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from merchantscreen.intake import files
from merchantscreen.intake.entries import replace_file, sealed, unsealed

SETTLED_NS: Final = 60 * 1_000_000_000
"""How long a file has to be as it is before its state is noted: far more than a tick of any disk, two seconds at most,
and than disks of one network differ by."""
_HASHED_AT_ONCE: Final = 2


class State(NamedTuple):
    """What a disk says of a file, the content aside: another one after every change."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int


def state_of(path: Path) -> State:
    """Ask the disk for the state of a file; opened for it, as a disk of a network may answer from memory otherwise.

    Raises:
        InputError: The file cannot be opened.
    """
    with files.open_binary(path) as stream:
        found = os.fstat(stream.fileno())
    return State(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def digests_of(paths: Sequence[Path], noted: Mapping[State, str]) -> list[str]:
    """Give the SHA-256 of each file: the noted one if the file is as it was, or else of its bytes as they are now."""
    with ThreadPoolExecutor(_HASHED_AT_ONCE) as threads:
        return list(threads.map(lambda path: noted.get(state_of(path)) or files.digest(path)[1], paths))


def settled(before: Mapping[Path, State], since_ns: int) -> dict[Path, State]:
    """Keep the states of files that are as they were, and had been for long enough.

    Args:
        before: States that were taken before the files were read.
        since_ns: A moment before these were taken, by the clock of a disk.
    """
    is_old = {path: state.changed_ns < since_ns - SETTLED_NS for path, state in before.items()}
    return {path: state for path, state in before.items() if is_old[path] and state_of(path) == state}


def read_note(file: Path) -> dict[State, str]:
    """Read what was noted; nothing if there is no note, or one that was altered."""
    try:
        return {State(*row[:-1]): row[-1] for row in unsealed(file.read_bytes())["files"]}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def write_note(file: Path, noted: Mapping[State, str]) -> None:
    """Write a note in place of an older one."""
    replace_file(file, sealed({"files": sorted([*state, sha256] for state, sha256 in noted.items())}))
