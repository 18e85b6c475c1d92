"""Generated pages in a folder: written, or compared with what is there.

Rules kept here:
* a page is known by its mark; what carries none was written by somebody and is neither replaced nor removed;
* a generated page that nobody makes any more is stale, and is removed when the others are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from merchantscreen.errors import CannotCreateError
from merchantscreen.outputs.problems import PROBLEMS


def stale_pages(folder: Path, made: Mapping[str, str], mark: str) -> list[str]:
    """Name the pages that differ from what is made now, are missing, or are made no more, sorted."""
    differing = {name for name, text in made.items() if _read(folder / name) != text}
    return sorted(differing | set(_surplus(folder, made, mark)))


def write_pages(folder: Path, made: Mapping[str, str], mark: str) -> list[str]:
    """Write pages into a folder, and remove generated ones that are made no more.

    Args:
        folder: Made if it is not there.
        made: Text by file name.
        mark: Text that every generated page holds.

    Returns:
        Names of the pages that were written or removed because they were stale, sorted.

    Raises:
        CannotCreateError: The folder cannot be used, or holds a page of the same name that carries no mark.
    """
    stale = stale_pages(folder, made, mark)
    foreign = [name for name in made if mark not in (_read(folder / name) or mark)]
    if foreign:
        raise CannotCreateError("pages of somebody else", tuple(PROBLEMS["MS-RUN-033"].at(name) for name in foreign))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in stale:
            if name in made:
                (folder / name).write_text(made[name], encoding="utf-8")
            else:
                (folder / name).unlink()
    except OSError as error:
        found = f"a folder that cannot be written ({error.strerror})"
        raise CannotCreateError("no pages", (PROBLEMS["MS-RUN-006"].at(folder.name, found=found),)) from error
    return stale


def _surplus(folder: Path, made: Mapping[str, str], mark: str) -> list[str]:
    endings = {Path(name).suffix for name in made}
    there = [path for path in folder.glob("*") if path.suffix in endings and path.name not in made]
    return [path.name for path in there if mark in (_read(path) or "")]


def _read(path: Path) -> str | None:
    """Read a page; None where there is none, or none that is text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
