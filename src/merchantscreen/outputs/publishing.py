"""Exports as files: staged under a hidden name, recorded by the caller, and only then there under their own.

    with staged_file(target, data):
        workspace.record("export.made", body)

Rules kept here:
* never over something that exists, a dangling link included;
* private, synced, whole or not at all; if the block fails, nothing is left;
* the same files give the same archive: sorted names, one fixed time.

Source: row 18 and section 5.6 of the threat model.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

from merchantscreen.errors import CannotCreateError, FileAccessError
from merchantscreen.outputs.files import sync_folder, write_new
from merchantscreen.outputs.problems import PROBLEMS

_ARCHIVE_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can state: it says nothing."""
_PRIVATE_FILE: Final = 0o100600 << 16


@contextmanager
def staged_file(target: Path, data: bytes) -> Iterator[None]:
    """Write a private file that takes its name when the block ends well.

    Raises:
        CannotCreateError: There is something of that name already, or no folder for it.
        FileAccessError: Writing failed underway; nothing is left.
    """
    _refuse_taken(target)
    if not target.parent.is_dir():
        problem = PROBLEMS["MS-RUN-006"].at(target.name, found="a folder that is not there")
        raise CannotCreateError("no folder for the file", (problem,))
    partial = target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")
    try:
        with _told(target, "no export"):
            write_new(partial, [data])
        yield
        with _told(target, "no export"):
            _take_name(partial, target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def staged_folder(target: Path, files: Mapping[str, bytes]) -> Iterator[None]:
    """Write files into a private folder that takes its name when the block ends well.

    Raises:
        CannotCreateError: The folder exists already, or cannot be made.
        FileAccessError: Writing failed underway; nothing is left.
    """
    _refuse_taken(target)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    except OSError as error:
        raise CannotCreateError("no folder for the export", (PROBLEMS["MS-RUN-006"].at(target.name),)) from error
    try:
        with _told(target, "no export"):
            for name, data in files.items():
                write_new(partial / name, [data])
            sync_folder(partial)
        yield
        with _told(target, "no export"):
            _take_name(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def archived(files: Mapping[str, bytes]) -> bytes:
    """Pack files into a zip archive; the same files give the same bytes."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _ARCHIVE_TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _PRIVATE_FILE
            archive.writestr(entry, files[name])
    return stream.getvalue()


@contextmanager
def _told(target: Path, message: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        found = f"writing failed ({error.strerror})"
        raise FileAccessError(message, (PROBLEMS["MS-RUN-007"].at(target.name, found=found),)) from error


def _take_name(partial: Path, target: Path) -> None:
    _refuse_taken(target)  # a rename would silently replace a file or an empty folder
    partial.rename(target)
    sync_folder(target.parent)


def _refuse_taken(target: Path) -> None:
    if os.path.lexists(target):
        found, expected = "something that exists already", "a new name; nothing is written over"
        problem = PROBLEMS["MS-RUN-005"].at(target.name, found=found, expected=expected)
        raise CannotCreateError("the name is taken", (problem,))
