"""Writes the records of a rule folder: whole or not at all, and one writer at a time.

Rules kept here:
* data reach the disk under a hidden name, then take their own in one step; the folder is synced last;
* a record is as readable as the rules beside it, because it travels with them;
* who finds another writer at work is told so and writes nothing.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from merchantscreen.errors import BusyError
from merchantscreen.outputs.files import replace_whole
from merchantscreen.policy.folder import EVIDENCE

_USUAL_MODE: Final = 0o644


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other writers of the same folder out.

    Raises:
        BusyError: There is one already.
    """
    if not folder.is_dir():  # whoever loads it says so better
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BusyError("another command writes to this rule folder; try again when it is done") from error
    finally:
        os.close(handle)


def write_record(folder: Path, name: str, data: bytes) -> None:
    """Write a record of a rule folder, in place of an older one."""
    replace_file(folder / name, data, mode=stat.S_IMODE((folder / EVIDENCE).stat().st_mode))


def replace_file(path: Path, data: bytes, mode: int = _USUAL_MODE) -> None:
    """Write a file that others may read in place of an older one."""
    replace_whole(path, [data], mode)
