"""Reading, folding and flagging many referrals at once gives what the same steps give one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from unit.referral_examples import AS_OF, BRIEF, COMPLETE, a_platform, confirmation, policy

from merchantscreen.referrals.alike import Events
from merchantscreen.referrals.flagging import flag
from merchantscreen.referrals.reading import MANY, ReferralIntake, read_referrals
from merchantscreen.referrals.register import Referrals, fold

POLICY: Final = policy("pages.example")
HOSTS: Final = st.sampled_from([
    "a.example", "a.example", "www.a.example", "b.example", "tenant.pages.example", "pages.example", "amber.test",
    "tenant.long-name.example", "www.long-name.example", "long-name.example", "192.0.2.7", "Shop.example", "www.test",
    a_platform(), f"tenant.{a_platform()}", 'x,"y', "xn--bcher-kva.example",
])  # fmt: skip
IDS: Final = st.sampled_from(["R-1", "R-2", "R-3", "R-4", "R-5", "4111111111111111", 'R,"x":1'])
DAYS: Final = st.sampled_from(["2026-09-01T09:00:00Z", "2026-10-01", "2026-10-02T09:00:00Z", "2026-12-01T00:00:00Z"])
VALUES: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "event": st.sampled_from(["submitted", "confirmed", "amended"]),
    "reporting_hotline_id": st.sampled_from(["hotline-a", "hotline-b"]),
    "domain": HOSTS,
    "match_scope": st.sampled_from(["host", "registrable_domain", "all"]),
    "domain_dedicated": st.sampled_from(["yes", "no", "unknown"]),
    "classification": st.sampled_from(["baseline", "ignore", "national"]),
    "classification_country": st.sampled_from(["NL", "XX"]),
    "legal_basis": st.sampled_from(["Art. 1, 2", "a \\ b", "b\u00fccher", '","tlp":"clear']),
    "payment_methods": st.lists(st.sampled_from(["visa", "bitcoin", "x"]), max_size=2),
    "forwarded_to": st.lists(IDS, max_size=2),
    "status": st.sampled_from(["active", "removed", "unavailable", "moved", "not_illegal"]),
    "issued_at": DAYS,
    "confirmed_at": DAYS,
    "observed_at": DAYS,
    "valid_from": DAYS,
    "valid_until": DAYS,
    "hold_until": DAYS,
    "le_hold": st.sampled_from([True, False, 0, None]),
    "confidence": st.sampled_from([0, 40, 100, 101, True, "40", 1.5]),
    "moved_to_domain": HOSTS,
    "schema_version": st.sampled_from(["1", 1, "2"]),
    "domain_links": st.lists(st.fixed_dictionaries({"kind": st.just("redirect"), "domain": HOSTS}), max_size=1),
    "note": st.just("x"),
}
ODD_LINES: Final = st.sampled_from([
    "", " ", "[]", "{}", "NaN", "{", '{"event":"confirmed"}', '{"event": "confirmed", "event": "submitted"}', "[" * 40,
    json.dumps(dict(COMPLETE)).replace('"active"', '"active", "status": "removed"'),
    json.dumps(dict(COMPLETE)).replace('"active"', "NaN"),
    json.dumps(dict(COMPLETE)).replace('"R-1"', '"R-1","domain":"b.example"'),
    json.dumps(dict(COMPLETE)) + "}", " " + json.dumps(dict(COMPLETE)), json.dumps({**BRIEF, "event": "retracted"}),
    json.dumps({**BRIEF, "event": "moved", "moved_to_domain": "a.example"}),
])  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Draw a line: mostly a submission or confirmation with a few changes, in one of the usual ways of writing."""
    if draw(st.integers(0, 7)) == 0:
        return draw(ODD_LINES)
    stated = confirmation(
        event=draw(st.sampled_from(["confirmed", "confirmed", "submitted"])), referral_id=draw(IDS), domain=draw(HOSTS)
    )
    for name in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=2)):
        stated[name] = draw(VALUES[name])
    if draw(st.integers(0, 5)) == 0:
        stated = dict(reversed(stated.items()))
    tight = draw(st.booleans())
    return json.dumps(stated, separators=(",", ":") if tight else None, ensure_ascii=draw(st.booleans()))


EACH: Final = [
    json.dumps(confirmation(referral_id=f"R-{number}", domain=f"shop-{number}.test", **changes))
    for number, changes in enumerate([
        {"le_hold": True}, {"status": "removed"}, {"status": "not_illegal"}, {"domain_dedicated": "no"},
        {"valid_until": "2026-10-20"}, {"valid_until": "2026-09-01", "valid_from": "2026-09-02"},
        {"classification": "ignore"}, {"classification": "national"}, {"match_scope": "host"}, {"confidence": None},
        {"event": "submitted"}, {"issued_at": "2026-12-01"}, {"valid_from": "2026-07-01"},
    ])
]  # fmt: skip
"""Referrals that nothing else bears on, each with one change that counts for something."""

FILES: Final = st.lists(st.lists(lines(), min_size=1, max_size=6), min_size=1, max_size=2)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for the files of all examples."""
    return tmp_path_factory.mktemp("alike")


_numbers: Final = count()


def read_both_ways(room: Path, texts: list[list[str]]) -> tuple[ReferralIntake, ReferralIntake]:
    """Read the same files together and line by line."""
    folder = room / str(next(_numbers))
    folder.mkdir()
    confirmed = json.dumps(confirmation(referral_id="R-9"))
    for place, text in enumerate(texts):
        (folder / f"{place}.jsonl").write_text("\n".join([f"[{place}]", confirmed, *text]) + "\n", encoding="utf-8")
    return read_referrals([folder], many=1), read_referrals([folder], many=MANY)


@settings(max_examples=60, deadline=None)
@given(FILES)
@example([EACH])
def test_many_lines_are_what_they_are_one_by_one(room: Path, texts: list[list[str]]) -> None:
    """The same events in the same order, the same rejects, the same counts; then the same register and flags."""
    together, single = read_both_ways(room, texts)
    assert tuple(together.events) == single.events
    assert [one.model_fields_set for one in together.events] == [one.model_fields_set for one in single.events]
    assert together.sources == single.sources
    assert_frame_equal(together.rejects, single.rejects)
    quick, full = fold(together.events, AS_OF), fold(single.events, AS_OF)
    assert tuple(quick.referrals) == full.referrals
    assert (quick.set_aside, quick.duplicate_count, quick.heartbeats) == (
        full.set_aside, full.duplicate_count, full.heartbeats)  # fmt: skip
    for name in ("domains", "domain_links", "clues", "blind_spots"):
        one, other = (getattr(flag(register, POLICY, AS_OF), name) for register in (quick, full))
        assert_frame_equal(one, other)


def test_ordinary_lines_are_read_together_and_settled(room: Path) -> None:
    """The usual case takes the quick way; otherwise the test above would compare line by line with itself."""
    stated = [confirmation(event=kind, referral_id=f"R-{number}", domain=f"d{number}.example")
              for number in range(3) for kind in ("submitted", "confirmed")]  # fmt: skip
    together, _ = read_both_ways(room, [[json.dumps(one) for one in stated]])
    assert isinstance(together.events, Events)
    assert (together.events.single, together.events.rows.height) == ((), 7)
    referrals = fold(together.events, AS_OF).referrals
    assert isinstance(referrals, Referrals)
    assert (referrals.single, referrals.settled.height) == ((), 4)
