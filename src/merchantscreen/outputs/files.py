"""Files that are whole or not there: new, private, synced to the disk.

Rules kept here:
* a file is created, never opened over another (`O_EXCL`), never through a link, mode 0600;
* data reach the disk before a name says so; a failed sync is final and never tried again.

Source: 5.6 of the threat model.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Written:
    """Size and sha256 of what was written."""

    size_bytes: int
    sha256: str


def write_new(path: Path, pieces: Iterable[bytes]) -> Written:
    """Write a new private file and sync it; where that fails nothing of it is left."""
    digest, size = hashlib.sha256(), 0
    handle = os.open(path, _NEW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Written(size, digest.hexdigest())


def replace_whole(path: Path, pieces: Iterable[bytes], mode: int | None = None) -> None:
    """Write a file in place of an older one, in one step: at every moment the old or the new one is there.

    Args:
        path: The file.
        pieces: What it holds.
        mode: Its mode; private when None.
    """
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_new(hidden, pieces)
        if mode is not None:
            hidden.chmod(mode)
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder, so that a rename survives a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_regular(path: Path) -> bytes:
    """Read a file that is no link, device or pipe; OSError otherwise."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read()
