"""The wheel: what is installed works without a checkout, and holds nothing that does not belong."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel with the locked backend, as `make` does."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    done = subprocess.run(build, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_default_policy_travels_inside(repository: Path, wheel: zipfile.ZipFile) -> None:
    """Every file of rules/ is in the wheel, byte for byte, and nothing else is in its place."""
    rules = repository / "rules"
    expected = {str(path.relative_to(rules)): path.read_bytes() for path in rules.rglob("*") if path.is_file()}
    prefix = "merchantscreen/default_policy/"
    held = {name.removeprefix(prefix): wheel.read(name) for name in wheel.namelist() if name.startswith(prefix)}
    assert len(expected) > 8
    assert held == expected


def test_every_module_is_inside(repository: Path, wheel: zipfile.ZipFile) -> None:
    """The wheel holds every source file, and the marker that says it is typed."""
    source = repository / "src"
    expected = {str(path.relative_to(source)) for path in source.rglob("*.py")} | {"merchantscreen/py.typed"}
    assert sorted(expected - set(wheel.namelist())) == []


def test_nothing_else_is_inside(wheel: zipfile.ZipFile) -> None:
    """Tests, sample data and caches stay outside."""
    tops = {name.split("/")[0].split("-")[0] for name in wheel.namelist()}
    assert tops == {"merchantscreen"}
    assert [name for name in wheel.namelist() if name.endswith((".pyc", ".csv", ".jsonl"))] == []


def test_the_command_is_declared(wheel: zipfile.ZipFile) -> None:
    """Installing the wheel brings the `merchantscreen` command and the licence."""
    names = {name.partition(".dist-info/")[2]: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "merchantscreen = merchantscreen.cli:main" in wheel.read(names["entry_points.txt"]).decode()
    assert "licenses/LICENSE" in names
