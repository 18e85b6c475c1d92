"""Tells a disk that failed from everything else that can go wrong while files are written or read."""

from __future__ import annotations

import errno
import re
from typing import Final

_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What a disk says that is full, limited, read-only or broken; no input file can cause it."""
_SYSTEM_ERROR: Final = re.compile(r"\(os error ([0-9]+)\)")


def disk_error(error: BaseException) -> int | None:
    """Return the number of the system's error if the disk failed; Polars only tells it in words."""
    told = _SYSTEM_ERROR.search(str(error)) if _is_of_polars(error) else None
    number = int(told[1]) if told else error.errno if isinstance(error, OSError) else None
    return number if number in _DISK else None


def _is_of_polars(error: BaseException) -> bool:
    """Know the errors of Polars by name: whoever tells how a command ended must not need all of Polars for it."""
    return any((base.__module__, base.__name__) == ("polars.exceptions", "PolarsError") for base in type(error).__mro__)
