"""What the words of the command line mean: moments, run ids, keys. The only clock is here."""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from merchantscreen.errors import InputError, UsageError
from merchantscreen.outputs.problems import PROBLEMS

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_KEY_BYTES: Final = range(32, 4097)


def now() -> datetime:
    """Read the clock: UTC without zone, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0, tzinfo=None)


def moment(text: str | None) -> datetime:
    """Read `--as-of`: an ISO 8601 date or time; without an offset it means UTC, absent it means now.

    Returns:
        UTC without zone, as all tables hold it.
    """
    if text is None:
        return now()
    try:
        read = datetime.fromisoformat(text if _MOMENT.fullmatch(text) else "")
        return read if read.tzinfo is None else read.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise UsageError("no moment", (PROBLEMS["MS-RUN-002"].at("--as-of"),)) from error


def run_id_of(as_of: datetime) -> str:
    """Name a run after the moment it looks from: `20261101T000000Z`."""
    return f"{as_of:%Y%m%dT%H%M%S}Z"


def read_key(path: Path) -> bytes:
    """Read the key of the contact tokens from a private file.

    Raises:
        InputError: it is a link, readable by others, too short or too long.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unusable(path, f"a file that cannot be opened ({error.strerror})") from error
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise _unusable(path, "something that is not a regular file")
        if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise _unusable(path, f"a file that others may use (mode {stat.S_IMODE(about.st_mode):04o})")
        key = file.read(_KEY_BYTES.stop)
    if len(key) not in _KEY_BYTES:
        raise _unusable(path, "a key that is too short or too long")
    return key


def _unusable(path: Path, found: str) -> InputError:
    return InputError("unusable key file", (PROBLEMS["MS-RUN-030"].at(path.name, found=found),))
