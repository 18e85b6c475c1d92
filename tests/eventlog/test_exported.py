"""A log as a file: no bit of it can be changed, no byte cut, no event touched, without being refused and named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
from eventlog.stores import AT, ORIGIN, Site

from merchantscreen.errors import InputError, IntegrityError
from merchantscreen.eventlog import problems
from merchantscreen.eventlog.exported import HEADER, verify_export, written_log
from merchantscreen.eventlog.merkle import leaf_hash, root_of
from merchantscreen.eventlog.notes import Checkpoint, Signer, countersign
from merchantscreen.eventlog.records import Draft, make_leaf

COUNT: Final = 12
SIGNER: Final = Signer.generated(ORIGIN)
STRANGER: Final = Signer.generated(ORIGIN)
KNOWN: Final = (SIGNER.verifier,)


def leaf(number: int, text: str = "amber-shop.example €") -> bytes:
    """Return an event; every second commits to a personal value."""
    personal = {"reason": f"said {number}"} if number % 2 else {}
    draft = Draft("test.made", "staff-17", {"number": number, "text": text}, personal)
    return make_leaf(number, AT, draft, {name: hashlib.sha256(name.encode()).digest() for name in personal})[0]


LEAVES: Final = tuple(map(leaf, range(COUNT)))


def checkpoint(leaves: Sequence[bytes], origin: str = ORIGIN) -> Checkpoint:
    """Return what an honest log of these events is."""
    return Checkpoint(origin, len(leaves), root_of([leaf_hash(one) for one in leaves]))


def exported(leaves: Sequence[bytes], signer: Signer = SIGNER, origin: str = ORIGIN) -> bytes:
    """Return an exported log whose checkpoint was signed for exactly these events."""
    return b"".join(written_log(leaves, checkpoint(leaves, origin).signed(signer)))


def under(leaves: Sequence[bytes], note: bytes) -> bytes:
    """Return a file of events above a checkpoint that need not be theirs."""
    return HEADER + b"".join(one + b"\n" for one in leaves) + b"\n" + note


def refusal(data: bytes, *against: Checkpoint) -> set[str]:
    """Return the codes by which a file is refused; empty if it is believed."""
    try:
        verify_export(BytesIO(data), "log.txt", KNOWN, against)
    except (InputError, IntegrityError) as error:
        return {problem.code for problem in error.problems}
    return set()


GOOD: Final = exported(LEAVES)


def test_an_exported_log_is_believed() -> None:
    """With its key, and with every checkpoint it ever had."""
    assert verify_export(BytesIO(GOOD), "log.txt", KNOWN) == checkpoint(LEAVES)
    assert refusal(GOOD, *(checkpoint(LEAVES[:size]) for size in range(COUNT + 1))) == set()
    assert refusal(exported([])) == set()
    assert refusal(exported([]), checkpoint([])) == set()


def test_every_single_bit_counts() -> None:
    """Whichever bit of the file is flipped, in an event, between two, or in the checkpoint: refused, with a reason."""
    believed = []
    for place in range(len(GOOD) * 8):
        changed = bytearray(GOOD)
        changed[place // 8] ^= 1 << place % 8
        if not refusal(bytes(changed)):
            believed.append(place)
    assert believed == []


def test_every_byte_that_is_missing_shows() -> None:
    """However short the file is cut, however much of its beginning is gone, whichever byte was left out or doubled."""
    places = range(len(GOOD))
    assert [place for place in places if not refusal(GOOD[:place])] == []
    assert [place for place in places[1:] if not refusal(GOOD[place:])] == []
    assert [place for place in places if not refusal(GOOD[:place] + GOOD[place + 1 :])] == []
    assert [place for place in places if not refusal(GOOD[: place + 1] + GOOD[place:])] == []
    assert [extra for extra in range(256) if not refusal(GOOD + bytes([extra]))] == []


@pytest.mark.parametrize("kept", range(1, COUNT + 1))
def test_every_truncation_shows_against_every_older_checkpoint(kept: int) -> None:
    """A log that was cut, and given the true checkpoint it had at that size, is short of any later one."""
    for size in range(kept):
        cut = exported(LEAVES[:size])
        assert refusal(cut) == set()
        assert refusal(cut, checkpoint(LEAVES[:kept])) == {"MS-LOG-031"}
        assert refusal(under(LEAVES[:size], checkpoint(LEAVES[:kept]).signed(SIGNER))) == {"MS-LOG-031"}


def swapped(at: int) -> list[bytes]:
    """Return the events with two neighbours changed over."""
    return [*LEAVES[:at], LEAVES[at + 1], LEAVES[at], *LEAVES[at + 2 :]]


def renumbered(texts: Sequence[str]) -> list[bytes]:
    """Return other events, numbered as they have to be."""
    return [leaf(number, text) for number, text in enumerate(texts)]


CHANGES: Final[dict[str, tuple[Callable[[int], list[bytes]], set[str]]]] = {
    "removed": (lambda at: [*LEAVES[:at], *LEAVES[at + 1 :]], {"MS-LOG-021"}),
    "doubled": (lambda at: [*LEAVES[: at + 1], *LEAVES[at:]], {"MS-LOG-021"}),
    "swapped": (swapped, {"MS-LOG-021"}),
    "rewritten": (lambda at: [*LEAVES[:at], leaf(at, "x"), *LEAVES[at + 1 :]], {"MS-LOG-032"}),
    "rewritten from here on": (lambda at: [*LEAVES[:at], *map(partial(leaf, text="x"), range(at, COUNT))],
                               {"MS-LOG-032"}),
    "removed and numbered anew": (lambda at: [*LEAVES[:at], *map(leaf, range(at, COUNT - 1))], {"MS-LOG-031"}),
    "in another form": (lambda at: [*LEAVES[:at], LEAVES[at].replace(b":", b": ", 1), *LEAVES[at + 1 :]],
                        {"MS-LOG-020"}),
    "no event": (lambda at: [*LEAVES[:at], b"{}", *LEAVES[at + 1 :]], {"MS-LOG-020"}),
}  # fmt: skip


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("at", range(COUNT - 1))
def test_whatever_is_done_to_an_event_shows(how: str, at: int) -> None:
    """Under the true checkpoint, and when everything is hashed and signed anew: an older checkpoint tells."""
    change, codes = CHANGES[how]
    leaves, kept = change(at), checkpoint(LEAVES)
    assert refusal(under(leaves, kept.signed(SIGNER))) == codes
    assert refusal(under(leaves, checkpoint(leaves).signed(STRANGER)))
    assert refusal(under(leaves, checkpoint(leaves).signed(SIGNER)), kept)


def test_what_is_added_shows_under_the_old_checkpoint_only() -> None:
    """More events are a log that grew, if somebody signed for them; they are no damage to older checkpoints."""
    more = [*LEAVES, leaf(COUNT)]
    assert refusal(under(more, checkpoint(LEAVES).signed(SIGNER))) == {"MS-LOG-035"}
    assert refusal(exported(more), checkpoint(LEAVES)) == set()


def test_who_signs_counts() -> None:
    """A stranger's signature, a second one, or that of another log is not believed."""
    note = checkpoint(LEAVES).signed(SIGNER)
    assert refusal(exported(LEAVES, STRANGER)) == {"MS-LOG-014"}
    assert refusal(under(LEAVES, countersign(note, STRANGER))) == {"MS-LOG-035"}
    assert refusal(exported(LEAVES, origin="log.example/other"), checkpoint(LEAVES)) == {"MS-LOG-030"}


def test_a_hostile_file_is_read_no_further_than_needed() -> None:
    """A line without end, a checkpoint without end, an empty file, another file: each named."""
    assert refusal(HEADER + b"x" * 10_000_000) == {"MS-LOG-020"}
    assert refusal(GOOD + b"x" * 10_000_000) == {"MS-LOG-013"}
    assert refusal(b"") == refusal(b"merchantscreen-log/2\n") == refusal(b"%PDF-1.7\n") == {"MS-LOG-033"}
    assert refusal(HEADER) == refusal(HEADER + b"\n") == {"MS-LOG-034"}


def test_events_that_are_not_those_signed_are_not_exported(tmp_path: Path) -> None:
    """A store that changes between the checkpoint and the export gives no file that looks whole."""
    note = checkpoint(LEAVES).signed(SIGNER)
    for leaves in (LEAVES[:-1], [*LEAVES[:-1], leaf(COUNT - 1, "x")], [*LEAVES, leaf(COUNT)]):
        with pytest.raises(IntegrityError) as caught:
            list(written_log(leaves, note))
        assert caught.value.problems[0].code == problems.ROOT_DIFFERS.code


def test_a_stored_log_is_exported_in_pages(site: Site) -> None:
    """From either store, beyond a page, with checkpoints at and around its end."""
    with site.create() as log:
        kept = [log.head]
        for part in (999, 1, 1, 1100):
            log.append_all([Draft("test.made", "staff-17", {"n": n}) for n in range(part)], at=AT)
            kept.append(log.head)
        data = b"".join(written_log(log.leaves(log.size), log.checkpoint(SIGNER)))
        assert verify_export(BytesIO(data), "log.txt", KNOWN, kept) == log.head
        assert list(log.leaves(3)) == [event.leaf for event in log.events(0, 3)]
