"""Where a policy to compare comes from: a folder, the one built in, a run, or a git revision.

Rules kept here:
* git is the local program, called without a shell, with an environment of our own that lets it
  reach no network, ask no question, run no hook and read no object through a replacement;
* a revision is checked before git sees it, and stands behind the end of the options;
* the files of a revision go through the same reader as a folder: what would be refused there is refused here;
* what is wrong with either side is told for both at once, each under its name.

Left to others: what a policy means (policy/loading.py), what differs (policy/differences.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.resources.abc import Traversable
from io import BytesIO, TextIOWrapper
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Literal

from merchantscreen.bundle import read_bundle
from merchantscreen.errors import InputError, MerchantScreenError, UsageError
from merchantscreen.outputs import manifest
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.runpolicy import policy_of_run
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Policy

BUILT_IN: Final = "built-in"
DEFAULT_FOLDER: Final = "rules"
_REVISION: Final = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_./@{}~^+-]{0,199}")
_OBJECT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_KEPT: Final = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR")
"""What git still learns about its surroundings: where its programs are, and which folders their owner trusts."""
_ENVIRONMENT: Final[dict[str, str]] = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "LC_ALL": "C",
}
_SECONDS: Final = 60
_MOST_FILES: Final = 5000
_MOST_BYTES: Final = 64 * 1024 * 1024
_REGULAR: Final = frozenset({"100644", "100755"})


@dataclass(frozen=True, slots=True)
class Side:
    """One of two policies: how the caller named it, and what it is."""

    name: str
    policy: Policy


def read_sides(old: str, new: str) -> tuple[Side, Side]:
    """Read two policies; what is wrong with either comes together.

    Raises:
        PolicyError: A rule folder cannot be used.
        UsageError: A word names no policy.
        InputError: A run or an answer of git cannot be used.
    """
    sides: list[Side] = []
    errors: list[MerchantScreenError] = []
    for label, word, other in (("OLD", old, new), ("NEW", new, old)):
        try:
            sides.append(Side(word, read_policy(word, other)))
        except (InputError, UsageError) as error:
            problems = tuple(replace(one, where=f"{label}/{one.where}") for one in error.problems)
            errors.append(type(error)(error.message, problems))
    if errors:
        kind = UsageError if any(isinstance(error, UsageError) for error in errors) else type(errors[0])
        raise kind("; ".join(error.message for error in errors), tuple(p for error in errors for p in error.problems))
    return sides[0], sides[1]


def read_policy(word: str, other: str | None = None) -> Policy:
    """Read the policy that a word names.

    Args:
        word: `built-in`, a folder of rules, a folder of a run, `REVISION:path` or `REVISION`.
        other: The word of the other side: a bare revision means the same folder there.
    """
    if word == BUILT_IN:
        return load_policy()
    path = Path(word)
    if path.is_dir():
        return _of_run(path) if (path / manifest.NAME).is_file() else load_policy(path)
    revision, colon, inside = word.partition(":")
    if not _REVISION.fullmatch(revision) or ".." in revision or "\0" in inside:
        raise UsageError("no policy", (PROBLEMS["MS-RUN-040"].at(path.name or "command line"),))
    return _of_revision(revision, inside if colon else None, other)


def _of_run(run: Path) -> Policy:
    """Read the policy back that a run was made with."""
    bundle = read_bundle(run)
    if bundle.policy.is_empty():
        raise InputError("a run without its policy", (PROBLEMS["MS-RUN-045"].at(run.name),))
    stated = bundle.manifest.policy
    return policy_of_run(bundle.policy, stated.digest, stated.files)


# --------------------------------------------------------------------------- git


def _of_revision(revision: str, inside: str | None, other: str | None) -> Policy:
    """Read the rule folder of a revision; a path within it is from the top of the repository."""
    beside = Path(other) if other and inside is None and Path(other).is_dir() else None
    git = _Git(beside or Path())
    top = git.top()
    folder = PurePosixPath(inside) if inside else _place_in(top, beside) if beside else PurePosixPath(DEFAULT_FOLDER)
    if other and inside is None and beside is None and ":" in other:
        folder = PurePosixPath(other.partition(":")[2])
    if folder.is_absolute() or ".." in folder.parts:
        raise _unknown(f"{revision}:...", "a path that leads out of the repository")
    return load_policy(git.folder(git.commit(revision), folder, revision))


def _place_in(top: Path, folder: Path) -> PurePosixPath:
    try:
        return PurePosixPath(folder.resolve().relative_to(top).as_posix())
    except ValueError:
        raise _unknown(folder.name, "a folder outside of the repository") from None


def _unknown(where: str, found: str | None = None) -> UsageError:
    return UsageError("no such revision", (PROBLEMS["MS-RUN-043"].at(where, found=found),))


@dataclass(frozen=True, slots=True)
class _Git:
    """The local git, working in one folder."""

    place: Path

    def top(self) -> Path:
        """Return the top of the repository."""
        done = self._run("rev-parse", "--show-toplevel")
        if done.returncode:
            raise UsageError("no repository", (PROBLEMS["MS-RUN-042"].at("git", found=_said(done)),))
        return Path(os.fsdecode(done.stdout).rstrip("\n")).resolve()

    def commit(self, revision: str) -> str:
        """Return the id of a revision's commit."""
        done = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        commit = done.stdout.decode("ascii", "replace").strip()
        if done.returncode or not _OBJECT.fullmatch(commit):
            raise _unknown(revision)
        return commit

    def folder(self, commit: str, folder: PurePosixPath, revision: str) -> Traversable:
        """Read all files of a folder, as they are in a commit."""
        prefix = "" if str(folder) == "." else f"{folder}/"
        done = self._run("ls-tree", "-r", "-z", "-l", "--full-tree", commit, *([prefix] if prefix else []))
        if done.returncode:
            raise _unusable(_said(done))
        entries = [_entry(line, prefix) for line in os.fsdecode(done.stdout).split("\0") if line]
        if not entries:
            raise _unknown(revision, f"a revision without the folder {folder}")
        if len(entries) > _MOST_FILES or sum(entry.size for entry in entries) > _MOST_BYTES:
            raise _unusable("more or larger files than a rule folder has")
        contents = self._contents([entry.object_id for entry in entries if entry.is_regular])
        root = _Entry(folder.name or "rules", entries={})
        for entry in entries:
            root.add(entry.name.split("/"), contents.get(entry.object_id) if entry.is_regular else None)
        return root

    def _contents(self, objects: list[str]) -> dict[str, bytes]:
        """Read objects in one go: `<id> blob <size>`, a line feed, the bytes, a line feed, each."""
        wanted = sorted(set(objects))
        done = self._run("cat-file", "--batch", said="".join(f"{name}\n" for name in wanted).encode("ascii"))
        found: dict[str, bytes] = {}
        rest = done.stdout
        for name in wanted:
            head, _, rest = rest.partition(b"\n")
            parts = head.split(b" ")
            if len(parts) != 3 or parts[:2] != [name.encode("ascii"), b"blob"]:
                raise _unusable("an object that is missing or no file")
            size = int(parts[2])
            found[name], rest = rest[:size], rest[size + 1 :]
        return found

    def _run(self, *words: str, said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        program = shutil.which("git")
        if program is None:
            raise UsageError("no git", (PROBLEMS["MS-RUN-041"].at("git"),))
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | _ENVIRONMENT
        try:
            return subprocess.run(  # noqa: S603 - a fixed program, no shell, every word checked or an object id
                [program, "--no-pager", "-c", "core.fsmonitor=false", *words],
                cwd=self.place, env=environment, input=said, capture_output=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise _unusable(f"no answer within {_SECONDS} seconds") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the line in which git said what ended it."""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    fatal = [line.removeprefix("fatal: ") for line in lines if line.startswith("fatal: ")]
    return [*fatal, *lines, "no answer of git"][0][:200]


def _unusable(found: str) -> InputError:
    return InputError("an answer of git", (PROBLEMS["MS-RUN-044"].at("git", found=found),))


@dataclass(frozen=True, slots=True)
class _Listed:
    """A line of `git ls-tree -l`."""

    name: str
    object_id: str
    is_regular: bool
    size: int


def _entry(line: str, prefix: str) -> _Listed:
    about, _, path = line.partition("\t")
    mode, kind, object_id, size = about.split()
    is_regular = mode in _REGULAR and kind == "blob"
    return _Listed(path.removeprefix(prefix), object_id, is_regular, int(size) if is_regular else 0)


@dataclass(slots=True)
class _Entry(Traversable):
    """A file or folder of a revision, in memory; a link or submodule is neither."""

    label: str
    content: bytes | None = None
    entries: dict[str, _Entry] | None = field(default=None)

    @property
    def name(self) -> str:
        """Return the name within its folder."""
        return self.label

    def add(self, path: list[str], content: bytes | None) -> None:
        """Put a file in its place below this folder."""
        first, *rest = path
        if self.entries is None:
            raise _unusable("a file in the place of a folder")
        if rest:
            self.entries.setdefault(first, _Entry(first, entries={})).add(rest, content)
        else:
            self.entries[first] = _Entry(first, content)

    def iterdir(self) -> Iterator[_Entry]:
        """Yield what is in this folder."""
        return iter((self.entries or {}).values())

    def is_dir(self) -> bool:
        """Tell whether it is a folder."""
        return self.entries is not None

    def is_file(self) -> bool:
        """Tell whether it is a regular file."""
        return self.content is not None

    def read_bytes(self) -> bytes:
        """Return the bytes as they are."""
        return self.content or b""

    def read_text(self, encoding: str | None = None) -> str:
        """Return the bytes as text."""
        return self.read_bytes().decode(encoding or "utf-8")

    def joinpath(self, *descendants: Any) -> _Entry:
        """Return what lies below under some names."""
        found = self
        for name in "/".join(map(str, descendants)).split("/"):
            found = (found.entries or {})[name]
        return found

    def open(self, mode: Literal["r", "rb"] = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        """Open the bytes for reading."""
        stream = BytesIO(self.read_bytes())
        return stream if "b" in mode else TextIOWrapper(stream, *args, **kwargs)
