"""Whoever owns the store can change it, but not so that `verify` and an old checkpoint fail to show it."""

from __future__ import annotations

import json
from typing import Final

import pytest
from eventlog.stores import AT, ORIGIN, Site, filled, leaves, rewrite_head

from merchantscreen.errors import IntegrityError
from merchantscreen.eventlog.log import Log
from merchantscreen.eventlog.notes import Checkpoint
from merchantscreen.eventlog.records import ERASED, Draft, make_leaf

SET_LEAF: Final = "UPDATE eventlog_events SET leaf = :leaf WHERE position = :position"


def codes(log: Log, against: Checkpoint | None = None) -> set[str]:
    """Return what verification finds."""
    with pytest.raises(IntegrityError) as raised:
        log.verify(against)
    assert raised.value.exit_code == 4
    return {problem.code for problem in raised.value.problems}


def test_a_changed_byte_is_found(site: Site) -> None:
    """One letter of one body, still a fine event, and the stored root no longer fits."""
    with filled(site) as log:
        before = log.head
        changed = leaves(site)[3].replace(b'"r3"', b'"r4"')
        site.tamper(SET_LEAF, leaf=changed, position=3)
        assert codes(log) == {"MS-LOG-024"}
        assert codes(log, before) == {"MS-LOG-024", "MS-LOG-032"}
        with pytest.raises(IntegrityError):
            log.prove(5)
        with pytest.raises(IntegrityError):
            log.consistency(2)


def test_every_flipped_bit_of_an_event_is_found(site: Site) -> None:
    """Whatever bit of a stored event changes, verification finds it and reading raises nothing of its own."""
    with filled(site, 2) as log:
        whole = leaves(site)[1]
        for bit in range(0, len(whole) * 8, 29 if site.is_file else 41):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            site.tamper(SET_LEAF, leaf=bytes(changed), position=1)
            assert codes(log) & {"MS-LOG-020", "MS-LOG-021", "MS-LOG-022", "MS-LOG-024"}
        site.tamper(SET_LEAF, leaf=whole, position=1)
        log.verify()


def test_two_swapped_events_are_found(site: Site) -> None:
    """Events in each other's place are named."""
    with filled(site) as log:
        second, third = leaves(site)[2:4]
        site.tamper(SET_LEAF, leaf=third, position=2)
        site.tamper(SET_LEAF, leaf=second, position=3)
        assert codes(log) >= {"MS-LOG-021", "MS-LOG-024"}
        with pytest.raises(IntegrityError):
            list(log.events())


def test_a_dropped_last_event_is_found(site: Site) -> None:
    """A log cut short does not fit its size; cut with its head rewritten, it does not fit an old checkpoint."""
    with filled(site) as log:
        before = log.head
        site.tamper("DELETE FROM eventlog_events WHERE position = 7")
        assert codes(log) == {"MS-LOG-023"}
        rewrite_head(site)
        log.verify()
        assert codes(log, before) == {"MS-LOG-031"}


def test_a_dropped_event_in_the_middle_is_found(site: Site) -> None:
    """A gap is named where it is."""
    with filled(site) as log:
        site.tamper(
            "DELETE FROM eventlog_personal WHERE position = 4", "DELETE FROM eventlog_events WHERE position = 4"
        )
        assert codes(log) >= {"MS-LOG-021", "MS-LOG-023"}


def test_a_log_that_was_rewritten_as_a_whole_is_found_by_an_old_checkpoint(site: Site) -> None:
    """All hashes recomputed, nothing inside of the store is wrong; only the checkpoint outside tells."""
    with filled(site) as log:
        before = log.head
        site.tamper(SET_LEAF, leaf=leaves(site)[3].replace(b'"r3"', b'"r9"'), position=3)
        rewrite_head(site)
        assert log.verify().head != before
        assert codes(log, before) == {"MS-LOG-032"}
        log.append("a.b", "staff", {}, at=AT)
        assert codes(log, before) == {"MS-LOG-032"}


def test_a_checkpoint_of_another_log_is_no_help(site: Site) -> None:
    """A checkpoint speaks for the log it names."""
    with filled(site) as log:
        now = log.head
        assert codes(log, Checkpoint("other.example/log", now.size, now.root)) == {"MS-LOG-030"}
        assert codes(log, Checkpoint(ORIGIN, 0, now.root)) == {"MS-LOG-032"}


def test_an_event_listed_under_another_kind_is_found(site: Site) -> None:
    """The column that look-ups use says what the event says."""
    with filled(site) as log:
        site.tamper("UPDATE eventlog_events SET kind = 'run.hidden' WHERE position = 3")
        assert codes(log) == {"MS-LOG-022"}
        with pytest.raises(IntegrityError):
            list(log.events(kinds=["run.hidden"]))


def test_a_wrong_edge_is_found(site: Site) -> None:
    """The stored edge is compared with the events, not believed."""
    with filled(site) as log:
        site.tamper("UPDATE eventlog_head SET edge = :edge", edge=b"x" * 32)
        assert codes(log) == {"MS-LOG-024"}
        site.tamper("UPDATE eventlog_head SET edge = :edge", edge=b"x" * 33)
        assert codes(log) == {"MS-LOG-058"}
        with pytest.raises(IntegrityError):
            log.append("a.b", "staff", {}, at=AT)


def test_a_missing_head_is_found(site: Site) -> None:
    """Without its head a log is damaged, for readers and writers alike."""
    with filled(site) as log:
        site.tamper("DELETE FROM eventlog_head")
        assert codes(log) == {"MS-LOG-058"}


@pytest.mark.parametrize("column", ["value", "salt"])
def test_a_changed_personal_value_is_found(site: Site, column: str) -> None:
    """A value, or the salt that would make another value fit, was committed to."""
    with filled(site) as log:
        site.tamper(f"UPDATE eventlog_personal SET {column} = :new WHERE position = 2", new=b"note x")
        assert codes(log) == {"MS-LOG-025"}
        with pytest.raises(IntegrityError):
            log.personal(2)


def test_a_personal_value_that_was_never_committed_to_is_found(site: Site) -> None:
    """A value put beside an event that holds no commitment to it is named."""
    add = "INSERT INTO eventlog_personal (position, field, salt, value) VALUES (:position, 'note', :salt, :salt)"
    with filled(site) as log:
        site.tamper(add, position=3, salt=b"x")
        assert codes(log) == {"MS-LOG-025"}


def test_a_personal_value_that_is_no_text_is_found(site: Site) -> None:
    """Bytes that are no UTF-8 are damage, not a crash."""
    with filled(site) as log:
        site.tamper("UPDATE eventlog_personal SET value = :new WHERE position = 2", new=b"\xff")
        assert codes(log) == {"MS-LOG-058"}


def test_a_personal_value_deleted_behind_the_log_is_found(site: Site) -> None:
    """Only an erasure in the log explains why a value is gone."""
    with filled(site) as log:
        site.run("DELETE FROM eventlog_personal WHERE position = 2")
        assert codes(log) == {"MS-LOG-026"}


def test_an_erased_value_that_came_back_is_found(site: Site) -> None:
    """Whoever puts an erased value back is found out, although value and salt fit."""
    add = "INSERT INTO eventlog_personal (position, field, salt, value) VALUES (2, 'note', :salt, :value)"
    with filled(site) as log:
        [(salt, value)] = site.run("SELECT salt, value FROM eventlog_personal WHERE position = 2")
        log.erase(2, "note", actor="staff", reason="", at=AT)
        site.tamper(add, salt=bytes(salt), value=bytes(value))
        assert codes(log) == {"MS-LOG-027"}


@pytest.mark.parametrize("body", [{"event": 1, "field": "note"}, {"event": 99, "field": "note"}, {"event": "2"}, {}])
def test_an_erasure_of_nothing_is_found(site: Site, body: dict[str, object]) -> None:
    """An erasure event that names nothing that was there is itself a difference."""
    with filled(site) as log:
        leaf, _ = make_leaf(7, AT, Draft(ERASED, "staff", body), {})
        site.tamper(
            SET_LEAF, "UPDATE eventlog_events SET kind = 'log.erased' WHERE position = 7", leaf=leaf, position=7
        )
        rewrite_head(site)
        assert codes(log) == {"MS-LOG-020"}


def test_many_differences_are_counted_and_not_all_told(site: Site) -> None:
    """A log that is wrong everywhere is reported without end neither on the screen nor in memory."""
    with site.create() as log:
        log.append_all([Draft("a.b", "staff", {"n": n}) for n in range(150)], at=AT)
        site.tamper("UPDATE eventlog_events SET kind = 'c.d'")
        with pytest.raises(IntegrityError) as raised:
            log.verify()
        assert len(raised.value.problems) == 100
        assert "150 differences" in raised.value.message


def test_a_report_of_differences_quotes_no_event(site: Site) -> None:
    """What is wrong is named by number and field; bodies and personal values stay where they are."""
    with site.create() as log:
        log.append("a.b", "staff", {"secret": "body-canary"}, at=AT, personal={"note": "personal-canary"})
        site.tamper("UPDATE eventlog_personal SET salt = :salt", salt=b"x" * 32)
        site.tamper(SET_LEAF, leaf=leaves(site)[0] + b" ", position=0)
        with pytest.raises(IntegrityError) as raised:
            log.verify()
        told = json.dumps([problem.as_dict() for problem in raised.value.problems]) + raised.value.message
        assert "canary" not in told
