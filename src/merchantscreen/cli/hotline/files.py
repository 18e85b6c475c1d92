"""The small files of hotlines and officers: keys, events, envelopes, proposals.

Rules kept here:
* what is read is a regular file of a bounded size and no link; a private key is its owner's only;
* what is written is private, on the disk before anybody is told, and over nothing unless that is the point;
* two commands do not change what lies in one folder at the same time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from merchantscreen.cli.hotline import problems
from merchantscreen.cli.rejects import first_rejects
from merchantscreen.errors import BusyError, CannotCreateError, FileAccessError, InputError
from merchantscreen.outputs.files import replace_whole, sync_folder, write_new
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.keys import LARGEST_PEM, SigningKey
from merchantscreen.referrals.reading import read_referrals
from merchantscreen.workspace.files import read_content

LARGEST_FILE: Final = 1024 * 1024
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def read_small(path: Path, most: int = LARGEST_FILE, *, private: bool = False) -> bytes:
    """Read a file; InputError if it cannot be read, is larger than `most` bytes, or open to others though `private`."""
    try:
        content = read_content(path, most)
    except OSError as error:
        said = f"{problems.UNREADABLE.title} ({error.strerror})"
        raise InputError("Unreadable file.", (problems.UNREADABLE.at(path.name, found=said),)) from error
    if private and content.is_exposed:
        said = f"{problems.KEY_EXPOSED.title} (mode {content.mode:04o})"
        raise InputError("Exposed key.", (problems.KEY_EXPOSED.at(path.name, found=said),))
    if len(content.data) > most:
        said = f"a file of more than {most:,} bytes"
        raise InputError("Large file.", (problems.UNREADABLE.at(path.name, found=said),))
    return content.data


def read_signing_key(path: Path) -> SigningKey:
    """Read a private key as `hotline keygen` writes it; InputError if it is none, or open to others."""
    return SigningKey.from_pem(read_small(path, LARGEST_PEM, private=True))


def read_events(path: Path, usual: Mapping[str, str] = _NOTHING) -> tuple[ReferralEvent, ...]:
    """Read a file of referral events in the order of its lines.

    Args:
        path: JSON lines, or CSV.
        usual: Cells by column, for rows of a CSV file that have none there.

    Raises:
        InputError: A line is refused; all that is wrong with any line is in it.
    """
    intake = read_referrals([path], usual=usual)
    if intake.rejects.height:
        raise InputError("Refused events.", first_rejects(intake.rejects, intake.rejects.height))
    return tuple(intake.events)


def create(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a new private file; CannotCreateError if there is something of its name, or no room for it."""
    try:
        write_new(path, pieces)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise CannotCreateError("There is something already.", (problems.EXISTS.at(path.name),)) from error
    except OSError as error:
        said = f"{problems.CANNOT_CREATE.title} ({error.strerror})"
        raise CannotCreateError("Not created.", (problems.CANNOT_CREATE.at(path.name, found=said),)) from error


def replace(path: Path, data: bytes) -> None:
    """Write a private file in place of an older one, in one step; FileAccessError if that fails."""
    try:
        replace_whole(path, [data])
    except OSError as error:
        said = f"{problems.CANNOT_CREATE.title} ({error.strerror})"
        raise FileAccessError("Not written.", (problems.CANNOT_CREATE.at(path.name, found=said),)) from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other commands that change files of a folder out; BusyError if there is one."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError("No folder.", (problems.UNREADABLE.at(folder.name or ".", found="no folder"),)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BusyError("Another command is signing.", (problems.BUSY.at(folder.name or "."),)) from error
    finally:
        os.close(handle)
