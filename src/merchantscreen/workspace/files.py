"""Private files of a workspace, read with care: regular files, no links, and keys that only their owner may read.

They are written by `outputs.files`.

Source: threat model 5.6.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from merchantscreen.errors import InputError
from merchantscreen.workspace import problems

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_regular(path: Path) -> int:
    """Open a regular file for reading, through no link; OSError if it is anything else."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(0, "not a regular file")


@dataclass(frozen=True, slots=True)
class Content:
    """What was read of a file.

    Attributes:
        data: Its bytes, at most one more than was asked for.
        mode: Its permissions.
    """

    data: bytes
    mode: int

    @property
    def is_exposed(self) -> bool:
        """Tell whether others than its owner may use it."""
        return bool(self.mode & _OTHERS)


def read_content(path: Path, most: int) -> Content:
    """Read a regular file as far as one byte beyond `most`, which tells that it is larger; OSError if that fails."""
    with os.fdopen(open_regular(path), "rb") as file:
        return Content(file.read(most + 1), stat.S_IMODE(os.fstat(file.fileno()).st_mode))


def read_bounded(path: Path, most: int, *, private: bool = False) -> bytes:
    """Read a file that is small; InputError if it cannot be read, is larger, or not `private` where that is asked."""
    try:
        content = read_content(path, most)
    except OSError as error:
        raise _unusable(path, f"a file that cannot be read ({error.strerror})") from error
    if private and content.is_exposed:
        raise _unusable(path, f"a file that others may use (mode {content.mode:04o})")
    if len(content.data) > most:
        raise _unusable(path, "a file that is too large")
    return content.data


def _unusable(path: Path, found: str) -> InputError:
    return InputError("This key file cannot be used.", (problems.KEY_FILE_WRONG.at(path.name, found=found),))
