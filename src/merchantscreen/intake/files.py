"""Opening input files: by us, by name, once, and nothing but plain files.

Rules kept here:
* a name that a reader could take for an address or a pattern is refused, so nothing downstream can;
* a symbolic link, a pipe, a device and a compressed file are refused, each with its own code;
* a folder stands for its files with an expected ending, sorted by name;
* problems of all paths are collected before any is raised.

What is in the files is left to `lines` and `worker`.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from merchantscreen.errors import FileAccessError, InputError, Problem
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.records import Role

ENDINGS: Final[dict[Role, tuple[str, ...]]] = {
    "merchants": (".csv", ".parquet"),
    "transactions": (".csv", ".parquet"),
    "referrals": (".csv", ".jsonl"),
}
"""Endings that count when a folder is given."""

BLOCK_BYTES: Final = 16 * 1024 * 1024
"""How much is read at once. Source: measured, larger blocks were not faster."""

PARQUET_MAGIC: Final = b"PAR1"
_COMPRESSED: Final = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")
"""First bytes of gzip, zip, bzip2, xz, zstd and lz4 files."""
_ADDRESS: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")
"""`pathlib` folds `://` to `:/`, so one slash must do; a drive letter has no second letter."""


def expand(paths: Sequence[Path], role: Role) -> tuple[Path, ...]:
    """Return the files that the paths stand for, folders replaced by their files in name order.

    Raises:
        InputError: One or more paths cannot be used; all of them are named.
    """
    files, problems = find(paths, role)
    if problems:
        raise InputError(f"{len(problems)} of the {role} paths cannot be used", tuple(problems))
    return files


def find(paths: Sequence[Path], role: Role) -> tuple[tuple[Path, ...], list[Problem]]:
    """Do `expand`, but hand the problems back so that a caller can add its own."""
    files: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        found, wrong = _one(Path(path), role)
        files.extend(found)
        problems.extend(wrong)
    return tuple(files), problems + _repeated(files)


def _one(path: Path, role: Role) -> tuple[list[Path], list[Problem]]:
    code = _name_problem(str(path)) or _kind_problem(path)
    if code is not None:
        return [], [PROBLEMS[code].at(path.name)]
    if not path.is_dir():
        wrong = _content_problem(path, role)
        return ([], [wrong]) if wrong else ([path], [])
    return _folder(path, role)


def _folder(folder: Path, role: Role) -> tuple[list[Path], list[Problem]]:
    """List a folder's files of the expected endings, which must all have the same one."""
    endings = ENDINGS[role]
    inside = sorted(
        (entry for entry in folder.iterdir() if entry.suffix.lower() in endings and not entry.name.startswith(".")),
        key=lambda entry: entry.name,
    )
    if not inside:
        return [], [PROBLEMS["MS-FILE-008"].at(folder.name, expected=f"files that end in {' or '.join(endings)}")]
    if len({entry.suffix.lower() for entry in inside}) > 1:
        return [], [PROBLEMS["MS-FILE-009"].at(folder.name)]
    problems: list[Problem] = []
    for entry in inside:
        code = _name_problem(str(entry)) or _kind_problem(entry)
        wrong = PROBLEMS[code].at(entry.name) if code else _content_problem(entry, role)
        problems += [wrong] if wrong else []
    return ([], problems) if problems else (inside, [])


def _name_problem(text: str) -> str | None:
    if "://" in text or _ADDRESS.match(text):
        return "MS-FILE-002"
    return "MS-FILE-003" if any(sign in text for sign in "*?[") else None


def _kind_problem(path: Path) -> str | None:
    """Say why the thing at the path may not be opened; None when it may."""
    try:
        mode = path.lstat().st_mode
    except PermissionError:
        return "MS-FILE-012"
    except (OSError, ValueError):
        return "MS-FILE-001"
    if stat.S_ISLNK(mode):
        return "MS-FILE-004"
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "MS-FILE-005"


def _content_problem(path: Path, role: Role) -> Problem | None:
    """Look at the first bytes of a file: empty, compressed, or not what its ending says."""
    try:
        with open_binary(path) as stream:
            head = stream.read(8)
    except InputError as error:
        return error.problems[0]
    if not head:
        return PROBLEMS["MS-FILE-010"].at(path.name)
    if head.startswith(_COMPRESSED):
        return PROBLEMS["MS-FILE-006"].at(path.name)
    is_parquet = head.startswith(PARQUET_MAGIC)
    if role != "referrals" and is_parquet != (path.suffix.lower() == ".parquet"):
        return PROBLEMS["MS-FILE-007"].at(path.name)
    return None


def _repeated(files: Sequence[Path]) -> list[Problem]:
    """Report files with the same content; only files of equal size are compared."""
    by_size: dict[int, list[Path]] = {}
    for path in files:
        by_size.setdefault(path.stat().st_size, []).append(path)
    problems: list[Problem] = []
    for same_size in by_size.values():
        seen: set[str] = set()
        for path in same_size if len(same_size) > 1 else ():
            sha256 = digest(path)[1]
            problems += [PROBLEMS["MS-FILE-011"].at(path.name)] if sha256 in seen else []
            seen.add(sha256)
    return problems


def is_parquet(path: Path) -> bool:
    """Tell a Parquet file from text by its ending, which `expand` has held against its content."""
    return path.suffix.lower() == ".parquet"


@contextmanager
def open_binary(path: Path) -> Iterator[FileIO]:
    """Open a regular file for reading, never through a link and never blocking on a pipe.

    Raises:
        InputError: There is no such file, it is a link, not a regular file, or may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        code = _kind_problem(path) or "MS-FILE-012"
        raise InputError("a file cannot be opened", (PROBLEMS[code].at(path.name),)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError("a file cannot be opened", (PROBLEMS["MS-FILE-005"].at(path.name),))
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        yield stream


def disk_failure(where: str, number: int) -> FileAccessError:
    """Make the error for a disk that failed while we worked."""
    kind = PROBLEMS["MS-FILE-013"]
    return FileAccessError("the disk failed", (kind.at(where, found=f"{kind.title} ({os.strerror(number)})"),))


def digest(path: Path) -> tuple[int, str]:
    """Return size in bytes and SHA-256 of a file, read in blocks."""
    with open_binary(path) as stream:
        sha256 = hashlib.file_digest(stream, "sha256")  # into one small buffer: half the time of fresh large ones
        return stream.tell(), sha256.hexdigest()
