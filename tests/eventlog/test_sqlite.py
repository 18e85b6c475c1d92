"""What holds for a log in a file: privacy, whole or not there, hostile files, disks that fail, and migrations."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest
from eventlog.stores import AT, NEXT, ORIGIN, Site, filled, raw_file

from merchantscreen.errors import CannotCreateError, FileAccessError, IntegrityError, MerchantScreenError, UsageError
from merchantscreen.eventlog import sqlite
from merchantscreen.eventlog.log import Log, open_log
from merchantscreen.eventlog.notes import Checkpoint
from merchantscreen.eventlog.schema import MIGRATIONS, Migration
from merchantscreen.eventlog.sqlite import filesystem_of
from merchantscreen.eventlog.store import create_store, open_store

FULL: Final = """
import resource, sys
from datetime import datetime
from pathlib import Path
from merchantscreen.errors import MerchantScreenError
from merchantscreen.eventlog.log import open_log
from merchantscreen.eventlog.records import Draft
log = open_log(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
done = 0
try:
    while True:
        log.append("a.b", "staff", {"text": "x" * 5000}, at=datetime(2026, 11, 1))
        done += 1
except MerchantScreenError as error:
    print(done, error.exit_code, error.problems[0].code)
"""


def path_of(site: Site) -> Path:
    """Return the path of a site's file."""
    assert isinstance(site.place, Path)
    return site.place


def names(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def refusal(call: Callable[[], object]) -> tuple[type[MerchantScreenError], str]:
    """Return how a call is refused."""
    with pytest.raises(MerchantScreenError) as raised:
        call()
    return raised.type, raised.value.problems[0].code


def test_a_log_file_is_private_and_alone(file_site: Site) -> None:
    """The file has mode 0600 whatever the umask, and nothing is left beside it."""
    before = os.umask(0)
    try:
        filled(file_site).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path_of(file_site).stat().st_mode) == 0o600
    assert names(file_site.folder) == ["log.sqlite"]


def test_every_connection_is_durable_and_careful(file_site: Site) -> None:
    """The settings that make an acknowledged event survive are on in every connection."""
    expected = {"journal_mode": "delete", "synchronous": 3, "foreign_keys": 1, "trusted_schema": 0,
                "cell_size_check": 1, "secure_delete": 1}  # fmt: skip
    with file_site.create() as log, log._store.reading(), log._store.reading() as reader:
        found = {name: reader._connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in expected}
    assert found == expected


def test_a_log_can_be_anywhere_a_file_can(tmp_path: Path) -> None:
    """Names with blanks, percent signs, question marks and letters of any language are names."""
    for name in ("a b.sqlite", "50%.sqlite", "what?.sqlite", "h#sh.sqlite", "Zoë.sqlite", "-x.sqlite"):
        filled(Site(tmp_path / name, tmp_path), 1).close()
    assert len(names(tmp_path)) == 6


def test_a_log_that_cannot_be_created_is_no_crash(tmp_path: Path) -> None:
    """Without its folder, or where nothing can be written, a log is refused with 73 and leaves nothing."""
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "none" / "log", tmp_path / "file" / "log", Path("/proc/log"), tmp_path / ("x" * 300)):
        assert refusal(lambda path=path: create_store(path, ORIGIN)) == (CannotCreateError, "MS-LOG-051")
    assert names(tmp_path) == ["file"]


def test_what_is_no_regular_file_is_no_log(file_site: Site) -> None:
    """A link, a pipe and a folder are refused before anything is read; a pipe keeps nobody waiting."""
    filled(file_site).close()
    link, pipe, folder = (file_site.folder / name for name in ("link", "pipe", "folder"))
    link.symlink_to(path_of(file_site))
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (link, pipe, folder, Path("/dev/null")):
        assert refusal(lambda path=path: open_log(path)) == (FileAccessError, "MS-LOG-053")
    assert refusal(lambda: create_store(link, ORIGIN)) == (CannotCreateError, "MS-LOG-050")


@pytest.fixture
def guarded() -> Iterator[Path]:
    """Give a test a folder that its owner may write to and others may only look into."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # Folders of pytest let nobody else in at all.
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def without_rights(*paths: Path) -> Iterator[None]:
    """Run a block as somebody who is not the owner; without the rights of root, take the owner's own away."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        for path in paths:
            path.chmod(path.stat().st_mode & 0o555 if path.is_dir() or path.stat().st_mode & 0o077 else 0)
        yield


def test_a_file_without_permission_is_no_crash(guarded: Path) -> None:
    """A log we may not read cannot be opened (74), and where we may not write none is created (73)."""
    path = guarded / "log"
    filled(Site(path, guarded)).close()
    with without_rights(path, guarded):
        assert refusal(lambda: open_log(path)) == (FileAccessError, "MS-LOG-057")
        assert refusal(lambda: create_store(guarded / "new", ORIGIN)) == (CannotCreateError, "MS-LOG-051")


def test_a_log_we_may_only_read_is_read(guarded: Path) -> None:
    """Who may read the file verifies it, and is refused when appending (74)."""
    path = guarded / "log"
    filled(Site(path, guarded)).close()
    path.chmod(0o644)
    with without_rights(path, guarded), open_log(path) as log:
        assert log.verify().head.size == 8
        assert refusal(lambda: log.append("a.b", "staff", {}, at=AT)) == (FileAccessError, "MS-LOG-057")


@pytest.mark.parametrize("limit", [60_000, 100_000, 131_072, 200_001])
def test_a_full_disk_keeps_what_was_acknowledged(file_site: Site, limit: int) -> None:
    """When no byte more can be written, the append is refused with 74, and the log is as it was before it."""
    file_site.create().close()
    words = [sys.executable, "-c", FULL, str(file_site.place), str(limit)]
    said = subprocess.run(words, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                          capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    assert said[1:] == ["74", "MS-LOG-057"]
    with file_site.open() as log:
        assert log.size == int(said[0])
        log.verify()


# --------------------------------------------------------------------------- hostile files


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00", b"x" * 5000, bytes(100_000)])
def test_a_file_that_is_no_log_is_refused(file_site: Site, content: bytes) -> None:
    """Whatever lies at the place of the log is refused cleanly and stays as it is."""
    path_of(file_site).write_bytes(content)
    assert refusal(file_site.open) == (IntegrityError, "MS-LOG-058")
    assert path_of(file_site).read_bytes() == content


def test_random_bytes_are_refused(file_site: Site) -> None:
    """No random file makes anything else happen than a refusal, with the right first bytes or without."""
    chance = random.Random(1)
    for size in (1, 100, 512, 4096, 20_000):
        for start in (b"", b"SQLite format 3\x00"):
            path_of(file_site).write_bytes(start + chance.randbytes(size))
            assert refusal(file_site.open)[0] in {IntegrityError, FileAccessError}


def test_another_database_is_refused(file_site: Site) -> None:
    """A sound SQLite file with other tables, or none, is no log."""
    raw_file(path_of(file_site), "CREATE TABLE merchants (id INTEGER)")
    assert refusal(file_site.open) == (IntegrityError, "MS-LOG-058")


EXTRAS: Final = (
    "CREATE TABLE other (id INTEGER)",
    "CREATE VIEW v AS SELECT load_extension('x')",
    "CREATE TRIGGER eventlog_more AFTER INSERT ON eventlog_events BEGIN UPDATE eventlog_head SET size = size + 9; END",
    "CREATE INDEX other ON eventlog_events (leaf)",
    "DROP INDEX eventlog_events_by_kind",
    "DROP TRIGGER eventlog_events_no_update",
    "ALTER TABLE eventlog_events ADD COLUMN more TEXT",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'never', 'ever')",
)


@pytest.mark.parametrize("change", EXTRAS)
def test_a_schema_that_is_not_ours_is_refused(file_site: Site, change: str) -> None:
    """A table, view, trigger or index more, less or otherwise: the file is not opened."""
    filled(file_site).close()
    with closing(sqlite3.connect(path_of(file_site))) as connection:
        connection.executescript(change)
    assert refusal(file_site.open) == (IntegrityError, "MS-LOG-060")


def test_a_file_in_wal_mode_is_taken_back(file_site: Site) -> None:
    """A log that somebody switched to WAL is written with a rollback journal again."""
    filled(file_site).close()
    raw_file(path_of(file_site), "PRAGMA journal_mode=WAL")
    with file_site.open() as log:
        log.append("a.b", "staff", {}, at=AT)
    assert path_of(file_site).read_bytes()[18:20] == b"\x01\x01"


def test_every_truncation_is_refused(file_site: Site) -> None:
    """A file cut anywhere is refused, or still checks out because only unused room was cut."""
    filled(file_site).close()
    whole = path_of(file_site).read_bytes()
    for length in range(0, len(whole), 997):
        path_of(file_site).write_bytes(whole[:length])
        assert refusal(file_site.open)[0] in {IntegrityError, FileAccessError}


def test_flipped_bits_of_a_file_are_found_or_change_nothing(file_site: Site) -> None:
    """A bit that changes anywhere in the file is found, or lies where it changes no event and no personal value."""
    filled(file_site).close()
    whole, chance, found = path_of(file_site).read_bytes(), random.Random(2), 0
    with file_site.open() as log:
        head = log.head
    before = _contents(file_site, head)
    for _ in range(300):
        changed = bytearray(whole)
        changed[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path_of(file_site).write_bytes(changed)
        try:
            assert _contents(file_site, head) == before
        except (IntegrityError, FileAccessError, UsageError):
            found += 1
    assert found > 50


def _contents(site: Site, head: Checkpoint) -> list[object]:
    with site.open(busy_seconds=0.1) as log:
        return [log.verify(head).head, list(log.events()), [log.personal(event.index) for event in log.events()]]


def test_a_value_too_large_to_be_ours_is_not_loaded(file_site: Site) -> None:
    """A file with an enormous value is refused before it fills the memory."""
    with filled(file_site) as log:
        file_site.tamper("UPDATE eventlog_events SET leaf = zeroblob(50000000) WHERE position = 3")
        assert refusal(log.verify) == (IntegrityError, "MS-LOG-058")


# --------------------------------------------------------------------------- file systems

MOUNTED: Final = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /mnt/team rw shared:5 - nfs4 server.example:/team rw
31 30 0:27 / /mnt/team/local rw - xfs /dev/vdb rw
32 22 0:28 / /mnt/with\\040blank rw - cifs //server.example/share rw
33 22 0:29 / /mnt/over rw - nfs server.example:/over rw
34 22 0:30 / /mnt/over rw - tmpfs none rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/log", "ext4"), ("/mnt/team/log", "nfs4"), ("/mnt/team/local/log", "xfs"), ("/mnt/teams", "ext4"),
     ("/mnt/with blank/log", "cifs"), ("/mnt/over/log", "tmpfs")],
)  # fmt: skip
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    """The longest mount point counts, and of two at one point the upper one."""
    assert filesystem_of(Path(path), MOUNTED) == kind
    assert filesystem_of(Path(path), "not a line of mountinfo\n\n") is None


def test_a_network_file_system_is_refused(file_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is a log created on one nor opened from it; where the system tells nothing, it is."""
    filled(file_site).close()
    mounts = file_site.folder / "mountinfo"
    mounts.write_text("1 1 0:1 / / rw - nfs4 server.example:/ rw\n", encoding="utf-8")
    monkeypatch.setattr(sqlite, "MOUNTS", mounts)
    assert refusal(file_site.open) == (FileAccessError, "MS-LOG-054")
    assert refusal(lambda: create_store(file_site.folder / "new", ORIGIN)) == (CannotCreateError, "MS-LOG-054")
    mounts.unlink()
    file_site.open().close()


def test_an_old_library_is_refused(file_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite without strict tables is named instead of failing at the first statement."""
    monkeypatch.setattr(sqlite, "OLDEST", (99, 0, 0))
    assert refusal(file_site.create) == (FileAccessError, "MS-LOG-063")


# --------------------------------------------------------------------------- migrations


def test_an_older_log_is_backed_up_and_taken_forward(file_site: Site) -> None:
    """A migration leaves the log as it was, one version further, and a whole copy of what was before."""
    with filled(file_site) as log:
        before = log.head
    Log(open_store(path_of(file_site), migrations=(*MIGRATIONS, NEXT))).close()
    backup = file_site.folder / f"log.sqlite.schema-{len(MIGRATIONS)}.backup"
    assert names(file_site.folder) == ["log.sqlite", backup.name]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with Log(open_store(path_of(file_site), migrations=(*MIGRATIONS, NEXT))) as log:
        assert log.verify(before).head == before
    with open_log(backup) as log:
        assert log.verify(before).head == before
    assert len(names(file_site.folder)) == 2


def test_a_failed_migration_changes_nothing(file_site: Site) -> None:
    """A step that fails takes back all steps; the backup stays, and the next attempt makes its own."""
    filled(file_site).close()
    broken = Migration(NEXT.version, (*NEXT.sqlite, "CREATE TABLE no way"), ())
    for _ in range(2):
        with pytest.raises(IntegrityError):
            open_store(path_of(file_site), migrations=(*MIGRATIONS, broken))
    with file_site.open() as log:
        log.verify()
    assert len(names(file_site.folder)) == 3


def test_without_a_backup_nothing_is_migrated(file_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the copy cannot be made, the log stays at its version."""
    filled(file_site).close()
    monkeypatch.setattr(sqlite.os, "link", _no_room)
    assert refusal(lambda: open_store(path_of(file_site), migrations=(*MIGRATIONS, NEXT)))[0] is FileAccessError
    monkeypatch.undo()
    file_site.open().close()
    assert names(file_site.folder) == ["log.sqlite"]


def _no_room(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_copy_of_a_log_is_a_log(file_site: Site) -> None:
    """An auditor verifies a copy of the file, read-only, against the checkpoint."""
    with filled(file_site) as log:
        before = log.head
    copy = Path(shutil.copy(path_of(file_site), file_site.folder / "copy"))
    copy.chmod(0o400)
    with open_log(copy) as log:
        assert log.verify(before).head == before
