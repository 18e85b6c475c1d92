"""An import that is killed before any of its writes, or whose server is: all of it is there, or nothing.

What was said to be accepted is in the log; the log checks out; and the same import again ends where it would have.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from attack.killing import COMMIT, Ended, Killer, Strike, children
from eventlog.server import Server, running_server
from exchange import network
from workspace.places import opened

ACCEPTED: Final = re.compile(r"(hotline-\w+) (\d+)  R-\d+ \w+: accepted")
STATEMENTS: Final = 6
_NUMBERS: Final = count()
LEFT: Final = re.compile(r"\.?(\d+|latest)\.note(\.[0-9a-f]{8})?|store\.sqlite3-journal")
SERVER: Final = "postgresql"


@dataclass
class Place:
    """A workspace that can be put back to how it was, and a batch of statements to import.

    Attributes:
        folder: Where the workspace is; beside it, as it was, `before`.
        batch: File of statements.
        killer: Runs commands.
        server: Server of its log; None for a file.
    """

    folder: Path
    batch: Path
    killer: Killer
    server: Server | None

    def put_back(self) -> None:
        """Make everything as it was before the import."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.folder.with_name("before"), self.folder)
        if self.server is not None:
            name, settings = f"desk_{next(_NUMBERS)}", self.folder / "merchantscreen.toml"
            with psycopg.connect(self.server.address.format("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE before")
            text = settings.read_text(encoding="utf-8")
            settings.write_text(text.replace("@/before?", f"@/{name}?"), encoding="utf-8")

    def imports(self, **options: Any) -> Ended:
        """Import the batch, and be killed as the options say."""
        return self.killer.run(["referrals", "import", self.batch, "--workspace", self.folder], **options)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Return kinds and bodies of the log; it has to check out, also against its latest checkpoint."""
        with opened(self.folder) as workspace:
            workspace.log.verify(workspace.checkpoints.latest())
            return [(event.kind, dict(event.body)) for event in workspace.log.events()]


def batch() -> bytes:
    """Return statements of two hotlines, one a retraction, long enough for several pages of a database."""
    north, south = network.north(), network.south()
    told = [
        one.states(referral_id=f"R-{number}", domain=f"shop-{number}.example", hotline_reference="x" * 60)
        for number in range(STATEMENTS // 2)
        for one in (north, south)
    ]
    told[-1] = south_retracts(south)
    return b"".join(one + b"\n" for one in told)


def south_retracts(south: network.Hotline) -> bytes:
    """Return its retraction of its first referral, in place of its last statement."""
    south = network.Hotline(south.name, south.keys)
    for number in range(STATEMENTS // 2 - 1):
        south.payload(referral_id=f"R-{number}", domain=f"shop-{number}.example", hotline_reference="x" * 60)
    return south.states(event="retracted", referral_id="R-0", reason_code="mistaken-site")


def made(folder: Path, killer: Killer, server: Server | None) -> Place:
    """Make a workspace that trusts the hotlines."""
    before, trust, sent = folder / "before", folder / "trust.json", folder / "batch.dsse.jsonl"
    trust.write_bytes(network.signed_trust(network.trust()))
    sent.write_bytes(batch())
    store: list[str] = []
    if server is not None:
        store = ["--store", server.address.format("before")]
        with psycopg.connect(server.address.format("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS before")
            connection.execute("CREATE DATABASE before")
    for words in (["init", before, "--audience", network.AUDIENCE, *store],
                  ["trust", "accept", trust, "--workspace", before]):  # fmt: skip
        ended = killer.run(words)
        assert ended.code == 0, ended.err
    return Place(folder / "desk", sent, killer, server)


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    """Start the process that runs commands, once."""
    with Killer.started(network.NOW) as started:
        yield started


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a server of our own: it is going to be killed."""
    with running_server() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, killer: Killer, request: pytest.FixtureRequest) -> Place:
    """Give a test a workspace in the kind of store it names."""
    running = request.getfixturevalue("server") if request.param == SERVER else None
    return made(tmp_path, killer, running)


@dataclass(frozen=True)
class Course:
    """What an import does when nobody disturbs it: the log before, the log after, and the changes it makes."""

    before: list[tuple[str, dict[str, Any]]]
    after: list[tuple[str, dict[str, Any]]]
    calls: tuple[str, ...]


def undisturbed(place: Place) -> Course:
    """Import once without a kill, and put everything back."""
    place.put_back()
    before = place.events()
    ended = place.imports(at=0)
    after = place.events()
    assert ended.code == 0, ended.err
    assert len(ACCEPTED.findall(ended.out)) == STATEMENTS == len(after) - len(before)
    place.put_back()
    return Course(before, after, ended.calls)


def is_there(place: Place, course: Course, ended: Ended) -> bool:
    """Require that all or nothing of a disturbed import is there, and all it said; tell which it is."""
    found = place.events()
    assert found in (course.before, course.after)
    said = {(issuer, int(seq)) for issuer, seq in ACCEPTED.findall(ended.out)}
    assert said <= {(body["issuer"], body["seq"]) for kind, body in found if kind == "referral.accepted"}
    return found == course.after


def import_again(place: Place, course: Course, outcome: str) -> None:
    """Require that the same import completes the log, and once only."""
    again = place.imports()
    assert again.code == 0, again.err
    assert f"{STATEMENTS} {outcome}" in again.out
    assert place.events() == course.after
    place.put_back()


@pytest.mark.parametrize("place", ["sqlite", SERVER], indirect=True)
def test_an_import_killed_before_any_write_is_whole_or_not_there(place: Place) -> None:
    """Killed before its first change, its second, and so on to the last: never half, and never lost once it was said.

    First nothing of it is there, from one moment on all of it. Each try goes on from what the one before left, until
    the import is there; then it is put back.
    """
    course, was_there = undisturbed(place), []
    again_each = 4 if place.server is None else 12
    for at in count(1):
        ended = place.imports(at=at)
        if ended.code is not None:
            break
        assert len(ended.calls) == at
        was_there.append(is_there(place, course, ended))
        if was_there[-1] or at % again_each == 0:
            require_known_names(place)
            import_again(place, course, "duplicate" if was_there[-1] else "accepted")
    assert {False, True} == set(was_there)
    assert len(was_there) > 30
    if place.server is None:  # What goes to a server is cut into pieces as it takes them, now one more, now one less.
        assert len(was_there) == len(course.calls)
        assert was_there == sorted(was_there)


def require_known_names(place: Place) -> None:
    """Require that nothing is left over but what a later command replaces or takes back."""
    left = {path.relative_to(place.folder) for path in place.folder.rglob("*")}
    before = place.folder.with_name("before")
    added = left - {path.relative_to(before) for path in before.rglob("*")}
    assert [path for path in added if not LEFT.fullmatch(path.name)] == []


def moments(course: Course) -> Iterator[tuple[int, float]]:
    """Yield changes and milliseconds after them: four on the way, many around the commit of the events, the last."""
    sent = [at for at, call in enumerate(course.calls, 1) if call in {"sendto", COMMIT}]
    commits = [at for at in sent if course.calls[at - 1] == COMMIT]
    committing = max(commits, key=lambda at: at - max([0, *(one for one in commits if one < at)]))
    yield from ((at, 0) for at in sent[:: len(sent) // 4])
    yield from ((committing, wait) for wait in (0, 0.2, 0.5, 1, 2, 4))
    yield sent[-1], 0


@pytest.mark.parametrize("spares_parent", [True, False], ids=["backend", "server"])
@pytest.mark.parametrize("place", [SERVER], indirect=True)
def test_an_import_whose_server_is_killed_is_whole_or_not_there(place: Place, *, spares_parent: bool) -> None:
    """Killed are all processes of the server, or only those that serve; the import ends with a code and says why."""
    assert place.server is not None
    course, ends = undisturbed(place), []
    for at, wait in moments(course):
        serving = children(place.server.process.pid)
        ended = place.imports(at=at, strike=Strike(place.server.process.pid, spares_parent, wait))
        assert ended.code in {0, 74, 75}, ended.err
        assert "Traceback" not in ended.err
        recover(place.server, serving, spares_parent=spares_parent)
        ends.append((ended.code, is_there(place, course, ended)))
        if ends[-1][1]:
            import_again(place, course, "duplicate")
    assert 74 in {code for code, _ in ends}
    assert {there for _, there in ends} == {False, True}
    assert (0, False) not in ends


def recover(server: Server, serving: list[int], *, spares_parent: bool) -> None:
    """Wait until what served is gone and the server is back."""
    if not spares_parent:
        server.process.wait(60)
        server.start()
        return
    deadline = time.monotonic() + 60
    while set(serving) & set(children(server.process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.wait()
