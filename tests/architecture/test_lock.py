"""The lock: every dependency pinned and hashed, for more than one machine, with no index and no path in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

LOCKS = ("requirements.txt", "requirements-dev.txt")
BINARY = ("polars-runtime-32", "pydantic-core", "numpy")


def _pins(lock: Path) -> dict[str, str]:
    """Return each requirement's lines by its name."""
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {_name(line): line for line in lines}


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[ =<>!~;\[]", requirement, maxsplit=1)[0]).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_and_hashed(repository: Path, lock: str) -> None:
    """Each requirement names one version and at least one sha256."""
    pins = _pins(repository / lock)
    assert [line for line in pins.values() if not re.match(r"\S+==\S+( ; .+)? +--hash=sha256:[0-9a-f]{64}", line)] == []
    assert len(pins) > 10


@pytest.mark.parametrize("lock", LOCKS)
def test_no_index_and_no_path(repository: Path, lock: str) -> None:
    """The lock installs from whatever index a machine has, so it names none, and no folder either."""
    text = (repository / lock).read_text(encoding="utf-8")
    assert re.findall(r"(?i)\w+://|--index|--extra|--find-links|--trusted|\bfile:|(?<![\w\\])/\w", text) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_binary_packages_are_hashed_for_several_platforms(repository: Path, lock: str) -> None:
    """Packages with compiled parts carry the hashes of several platforms, not only of ours."""
    pins = _pins(repository / lock)
    assert {name: pins[name].count("--hash=") >= 4 for name in BINARY} == dict.fromkeys(BINARY, True)


def test_the_lock_covers_what_the_project_asks_for(repository: Path) -> None:
    """Every dependency in pyproject.toml, and the build backend, is in the lock that goes with it."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = {_name(text) for text in project["project"]["dependencies"] + project["build-system"]["requires"]}
    dev = runtime | {_name(text) for text in project["project"]["optional-dependencies"]["dev"]}
    assert sorted(runtime - set(_pins(repository / LOCKS[0]))) == []
    assert sorted(dev - set(_pins(repository / LOCKS[1]))) == []


def test_both_locks_agree(repository: Path) -> None:
    """What runs in tests is what runs in production, to the hash."""
    runtime, dev = (_pins(repository / lock) for lock in LOCKS)
    assert {name: dev.get(name) for name in runtime} == runtime
