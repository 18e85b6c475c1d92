"""What every store of a log promises, tried on a SQLite file and on a PostgreSQL server alike."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa
from eventlog.stores import AT, ORIGIN, Site, filled, leaves
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merchantscreen.errors import (
    BusyError,
    CannotCreateError,
    FileAccessError,
    InputError,
    IntegrityError,
    MerchantScreenError,
    UsageError,
)
from merchantscreen.eventlog.log import Consistency, Inclusion, Log, create_log
from merchantscreen.eventlog.merkle import EMPTY_ROOT, leaf_hash, root_of
from merchantscreen.eventlog.notes import Checkpoint, Signer, open_checkpoint
from merchantscreen.eventlog.records import ERASED, Draft

WRITING: Final = Path(__file__).parent / "writing.py"


def started(*words: str) -> subprocess.Popen[bytes]:
    """Start the program that writes, or writes and kills."""
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, str(WRITING), *words], env=os.environ | paths, stdout=subprocess.PIPE)


def test_a_new_log_is_empty(site: Site) -> None:
    """A log begins with no event and the root of the empty tree."""
    with site.create() as log:
        assert log.head == Checkpoint(ORIGIN, 0, EMPTY_ROOT)
        assert list(log.events()) == []
        assert log.verify().head == log.head


def test_an_event_is_read_back_as_it_was_appended(site: Site) -> None:
    """What append returns is what everybody reads later, in the order of the numbers."""
    with site.create() as log:
        late = log.append("run.finished", "staff-17", {"run": "r1", "nul": "\x00", "smile": "\U0001f600"}, at=AT)
        early = log.append("run.viewed", "staff-18", {}, at=AT - timedelta(days=3650))
        assert [late.index, early.index] == [0, 1]
        assert list(log.events()) == [late, early]
        assert log.event(1) == early
    with site.open() as log:
        assert list(log.events()) == [late, early]


def test_events_are_found_by_number_and_kind(site: Site) -> None:
    """A part of the log, and some kinds only, come in the same order."""
    with site.create() as log:
        drafts = [Draft("a.even" if number % 2 == 0 else "b.odd", "staff", {"n": number}) for number in range(10)]
        log.append_all(drafts, at=AT)
        assert [event.index for event in log.events(3, 7)] == [3, 4, 5, 6]
        assert [event.index for event in log.events(kinds=["b.odd"])] == [1, 3, 5, 7, 9]
        assert [event.index for event in log.events(4, kinds=["a.even", "c.none"])] == [4, 6, 8]
        assert [event.index for event in log.events(0, 99, kinds=[])] == []
        assert [event.index for event in log.events(20)] == []


def test_long_logs_are_read_in_pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost or doubled between two pages, whatever kinds are asked for."""
    monkeypatch.setattr("merchantscreen.eventlog.log._PAGE", 3)
    with site.create() as log:
        log.append_all([Draft("a.b" if n % 3 else "c.d", "staff", {"n": n}) for n in range(20)], at=AT)
        assert [event.index for event in log.events()] == list(range(20))
        assert [event.index for event in log.events(kinds=["c.d"])] == list(range(0, 20, 3))
        assert [event.index for event in log.events(1, 18, kinds=["a.b"])] == [n for n in range(1, 18) if n % 3]


def test_several_events_are_appended_together_or_not_at_all(site: Site) -> None:
    """One draft that cannot be recorded keeps out all of its batch."""
    with site.create() as log:
        with pytest.raises(InputError):
            log.append_all([Draft("a.b", "staff", {}), Draft("a.b", "staff", {"x": 0.5})], at=AT)
        assert log.append_all([], at=AT) == ()
        assert log.size == 0


def test_the_root_is_that_of_the_leaves(site: Site) -> None:
    """The root that is kept with each append is the root over the stored bytes."""
    with filled(site, 13) as log:
        assert log.root == root_of([leaf_hash(leaf) for leaf in leaves(site)])
        assert log.size == 13


def test_who_decided_on_an_older_log_is_told(site: Site) -> None:
    """An append that counts on nothing having come in between is refused when something has."""
    with filled(site, 3) as log:
        assert log.append("a.b", "staff", {}, at=AT, expected_size=3).index == 3
        with pytest.raises(BusyError) as raised:
            log.append("a.b", "staff", {}, at=AT, expected_size=3)
        assert raised.value.problems[0].code == "MS-LOG-043"
        assert log.size == 4


def test_four_writers_at_once_leave_no_gap(site: Site) -> None:
    """Four processes append a hundred events each: four hundred numbers, a tree that fits, nothing lost."""
    site.create().close()
    writers = [started(str(site.place), "100") for _ in range(4)]
    acknowledged = [len(writer.communicate(timeout=300)[0]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    with site.open() as log:
        log.verify()
        events = list(log.events())
    assert acknowledged == [100] * 4
    assert [event.index for event in events] == list(range(400))
    for actor in {event.actor for event in events}:
        assert [event.body["number"] for event in events if event.actor == actor] == list(range(100))


def test_a_killed_writer_loses_nothing_it_was_promised(site: Site) -> None:
    """However often writers are killed at any moment, every acknowledged event is there and the log checks out."""
    site.create().close()
    killing = started(str(site.place), "kill", "40" if site.is_file else "10")
    promised = int(killing.communicate(timeout=300)[0])
    with site.open() as log:
        log.verify()
        assert promised > 0
        assert promised <= log.size <= promised + 40  # At most the one event each victim was busy with comes on top.


CHANGES: Final = [
    "UPDATE eventlog_events SET kind = 'x'",
    "UPDATE eventlog_events SET leaf = leaf WHERE position = 1",
    "DELETE FROM eventlog_events",
    "DELETE FROM eventlog_events WHERE position = 3",
    "TRUNCATE eventlog_events CASCADE",
    "INSERT INTO eventlog_events SELECT 9, kind, leaf FROM eventlog_events WHERE position = 1",
    "INSERT INTO eventlog_events SELECT 1, kind, leaf FROM eventlog_events WHERE position = 2",
    "INSERT OR REPLACE INTO eventlog_events SELECT 1, kind, leaf FROM eventlog_events WHERE position = 2",
    "INSERT INTO eventlog_events VALUES (1, 'a', '') ON CONFLICT (position) DO UPDATE SET leaf = excluded.leaf",
    "UPDATE eventlog_head SET size = 3",
    "UPDATE eventlog_head SET origin = 'x', size = 99",
    "DELETE FROM eventlog_head",
    "TRUNCATE eventlog_head",
    "INSERT INTO eventlog_head SELECT 2, origin, size, edge FROM eventlog_head",
    "UPDATE eventlog_personal SET salt = value",
    "TRUNCATE eventlog_personal",
    "INSERT INTO eventlog_personal SELECT * FROM eventlog_personal",
    "INSERT OR REPLACE INTO eventlog_personal SELECT * FROM eventlog_personal",
    "UPDATE eventlog_schema SET version = 9",
    "DELETE FROM eventlog_schema",
    "TRUNCATE eventlog_schema",
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_store_itself_refuses_changes(site: Site, change: str) -> None:
    """Whatever program sends the statement, events are neither changed nor deleted nor replaced.

    A statement that one of the two does not know, such as TRUNCATE in SQLite, is refused there as well.
    """
    with filled(site, 4) as log:
        before = leaves(site)
        with pytest.raises(sa.exc.DBAPIError):
            site.run(change)
        assert leaves(site) == before
        log.verify()


def test_a_personal_value_is_beside_the_log_and_not_in_it(site: Site) -> None:
    """The event holds a commitment, the value comes from beside, and nobody finds it in a leaf."""
    with site.create() as log:
        event = log.append("a.b", "staff", {"n": 1}, at=AT, personal={"note": "Zoë \x00", "mail": "zoe@shop.example"})
        assert log.personal(0) == {"mail": "zoe@shop.example", "note": "Zoë \x00"}
        assert set(event.body) == {"n", "note", "mail"}
        assert b"zoe" not in leaves(site)[0]
        assert log.verify().personal_kept == 2


def test_erasing_removes_value_and_salt_and_keeps_the_tree(site: Site) -> None:
    """After an erasure the value and its salt are gone, the erasure is an event, and all proofs still hold."""
    key = Signer.generated(ORIGIN)
    with filled(site) as log:
        before = open_checkpoint(log.checkpoint(key), [key.verifier])
        salt = site.run("SELECT salt FROM eventlog_personal WHERE position = 2")[0][0]
        event = log.erase(2, "note", actor="staff-9", reason="request 4", at=AT)
        assert (event.index, event.kind) == (8, ERASED)
        assert event.body == {"event": 2, "field": "note", "reason": "request 4"}
        assert log.personal(2) == {}
        done = log.verify(before)
        assert (done.personal_kept, done.personal_erased) == (3, 1)
        assert log.prove(2).holds
        assert log.consistency(8).holds
    if isinstance(site.place, Path):
        image = site.place.read_bytes()
        assert b"note 4" in image
        assert b"note 2" not in image
        assert bytes(salt) not in image


def test_only_what_is_there_is_erased(site: Site) -> None:
    """An erasure of nothing, or a second one, is refused and leaves no event."""
    with filled(site) as log:
        log.erase(0, "note", actor="staff", reason="", at=AT)
        for index, field in ((0, "note"), (1, "note"), (2, "other"), (99, "note")):
            with pytest.raises(UsageError):
                log.erase(index, field, actor="staff", reason="", at=AT)
        assert log.size == 9
        log.verify()


def test_proofs_hold_and_nothing_else_is_proven(site: Site) -> None:
    """Every event is proven in the tree, and every earlier size is proven to be its beginning."""
    with filled(site, 7) as log:
        head = log.head
        for index, leaf in enumerate(leaves(site)):
            proof = log.prove(index)
            assert (proof.head, proof.leaf, proof.holds) == (head, leaf, True)
            assert not Inclusion((index + 1) % 7, proof.leaf, proof.hashes, head).holds
            assert not Inclusion(index, proof.leaf + b" ", proof.hashes, head).holds
        for old in range(8):
            growth = log.consistency(old)
            assert (growth.old.size, growth.head, growth.holds) == (old, head, True)
        assert not Consistency(log.consistency(5).old, head, log.consistency(6).hashes).holds


def test_what_the_log_never_had_is_a_usage_error(site: Site) -> None:
    """A number or a size beyond the log is the caller's mistake."""
    with filled(site, 3) as log:
        for ask in (lambda: log.prove(3), lambda: log.event(3), lambda: log.event(-1), lambda: log.personal(3),
                    lambda: log.consistency(4), lambda: log.consistency(-1)):  # fmt: skip
            with pytest.raises(UsageError):
                ask()


def test_a_checkpoint_is_signed_and_read(site: Site) -> None:
    """A checkpoint states origin, size and root as they are, and an old one is verified before the next is signed."""
    key, other = Signer.generated(ORIGIN), Signer.generated("second.example")
    with filled(site, 3) as log:
        first = open_checkpoint(log.checkpoint(key, other), [other.verifier])
        assert first == log.head
        log.append("a.b", "staff", {}, at=AT)
        second = open_checkpoint(log.checkpoint(key, after=first), [key.verifier])
        assert second == log.head
        with pytest.raises(IntegrityError):
            log.checkpoint(key, after=Checkpoint(ORIGIN, 3, second.root))


def test_a_log_is_made_once(site: Site) -> None:
    """A second log never takes the place of the first."""
    filled(site, 2).close()
    with pytest.raises(CannotCreateError) as raised:
        site.create()
    assert (raised.value.exit_code, raised.value.problems[0].code) == (73, "MS-LOG-050")
    with site.open() as log:
        assert log.size == 2


def test_a_place_without_a_log_is_named(site: Site) -> None:
    """Opening what is not there creates nothing."""
    with pytest.raises(FileAccessError) as raised:
        site.open()
    assert raised.value.problems[0].code == "MS-LOG-052"
    if isinstance(site.place, Path):
        assert not site.place.exists()


def test_a_log_needs_a_name(site: Site) -> None:
    """A log whose checkpoints could not be read back is not made."""
    with pytest.raises(InputError):
        create_log(site.place, "two words")


def test_who_waits_too_long_is_told_that_the_log_is_busy(site: Site) -> None:
    """While another writer holds the log, readers read, and a second writer is told to come again."""
    with filled(site, 2) as log, site.open(busy_seconds=0.2) as second:
        held, done = threading.Event(), threading.Event()
        holding = threading.Thread(target=_hold, args=(log, held, done))
        holding.start()
        try:
            assert held.wait(10)
            assert [event.index for event in second.events()] == [0, 1]
            with pytest.raises(BusyError) as raised:
                second.append("a.b", "staff", {}, at=AT)
        finally:
            done.set()
            holding.join()
        assert (raised.value.exit_code, raised.value.problems[0].code) == (75, "MS-LOG-056")
        assert second.append("a.b", "staff", {}, at=AT).index == 2


def _hold(log: Log, held: threading.Event, done: threading.Event) -> None:
    with log._store.writing() as writer:
        writer.head(alone=True)
        held.set()
        done.wait(10)


def test_safeguards_that_are_gone_are_missed(site: Site) -> None:
    """A log without one of its triggers, or with a table more, is not opened."""
    filled(site, 2).close()
    table = "" if site.is_file else " ON eventlog_head"
    site.run(f"DROP TRIGGER eventlog_head_no_delete{table}")
    assert _refused(site) == (4, "MS-LOG-060")


def test_a_failing_block_leaves_nothing(site: Site) -> None:
    """An error in the middle of writing takes back all of it."""
    with filled(site, 2) as log:
        with pytest.raises(RuntimeError):
            _erase_and_fail(log)
        assert log.personal(0) == {"note": "note 0"}


def _erase_and_fail(log: Log) -> None:
    with log._store.writing() as writer:
        assert writer.erase(0, "note")
        raise RuntimeError


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=6), st.data())
def test_any_history_checks_out(site: Site, batches: list[list[str]], data: st.DataObject) -> None:
    """Whatever is appended, in whatever batches, with whatever erased: the log verifies against every checkpoint."""
    log = site.shared()
    heads = [log.head]
    for batch in batches:
        events = log.append_all([Draft(f"k.{letter}", "staff", {}, {"p": letter}) for letter in batch], at=AT)
        if events and data.draw(st.booleans()):
            log.erase(events[0].index, "p", actor="staff", reason="", at=AT)
        heads.append(log.head)
    for head in heads:
        assert log.verify(head).head == log.head
        assert log.consistency(head.size).holds


def _refused(site: Site) -> tuple[int, str]:
    with pytest.raises(MerchantScreenError) as raised:
        site.open()
    return raised.value.exit_code, raised.value.problems[0].code
