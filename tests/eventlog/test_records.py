"""An event has one form, holds plain JSON only, and commits to personal values without holding them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import rfc8785
from eventlog.stores import AT
from hypothesis import example, given
from hypothesis import strategies as st

from merchantscreen.errors import InputError
from merchantscreen.eventlog.records import (
    ERASED,
    Draft,
    Personal,
    _simple_canonical,
    canonical,
    make_leaf,
    parse_leaf,
    require_draft,
    require_time,
)

TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS: Final = st.integers(-(2**53) + 1, 2**53 - 1)
PLAIN: Final = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BODIES: Final = st.dictionaries(TEXT, PLAIN, max_size=4)
SALT: Final = bytes(range(32))


def test_a_leaf_is_canonical_json_of_the_event() -> None:
    """The bytes that the tree covers are these, forever."""
    draft = Draft("run.finished", "staff-17", {"run": "r1", "accounts": [2, 1]}, {"note": "Zoë"})
    leaf, personal = make_leaf(3, AT, draft, {"note": SALT})
    commitment = hashlib.sha256(SALT + '["note","Zoë"]'.encode()).hexdigest()
    assert leaf.decode() == (
        '{"actor":"staff-17","body":{"accounts":[2,1],"note":{"commitment":"' + commitment + '"},"run":"r1"},'
        '"index":3,"kind":"run.finished","recorded_at":"2026-11-01T12:30:00.000250Z","version":1}'
    )
    assert personal == [Personal(3, "note", SALT, "Zoë")]
    assert parse_leaf(leaf).commitments == {"note": commitment}


@given(BODIES, st.integers(0, 2**53 - 1), st.datetimes())
def test_an_event_is_read_back_as_it_was_recorded(body: dict[str, Any], index: int, at: datetime) -> None:
    """Any body, number and time comes back from the leaf, and gives the same leaf again."""
    leaf, _ = make_leaf(index, at, Draft("a.b", "staff", body), {})
    event = parse_leaf(leaf)
    assert (event.index, event.recorded_at, event.kind, event.actor, event.body) == (index, at, "a.b", "staff", body)
    assert event.leaf == leaf


@given(BODIES)
@example({"\uffff": 1, "\U00010000": 2})
@example({"a": '\x00\x1f\x7f\x80\u2028"\\/\b\f\n\r\t'})
def test_the_fast_form_is_the_canonical_form(body: dict[str, Any]) -> None:
    """Without characters beyond U+FFFF, the fast way writes what RFC 8785 says."""
    if all(ord(character) < 0x10000 for character in json.dumps(body, ensure_ascii=False)):
        assert _simple_canonical(body) == rfc8785.dumps(body)
    assert canonical(body) == rfc8785.dumps(body)


LEAF: Final = make_leaf(0, AT, Draft("a.b", "staff", {"n": 1, "t": "x"}), {})[0].decode()
OTHER_FORMS: Final = {
    "blank": LEAF.replace('"n":1', '"n": 1'),
    "order": LEAF.replace('"n":1,"t":"x"', '"t":"x","n":1'),
    "twice": LEAF.replace('"n":1', '"n":1,"n":1'),
    "escape": LEAF.replace('"x"', '"\\u0078"'),
    "float": LEAF.replace('"n":1', '"n":1.0'),
    "exponent": LEAF.replace('"n":1', '"n":1e0'),
    "minus zero": LEAF.replace('"n":1', '"n":-0'),
    "NaN": LEAF.replace('"n":1', '"n":NaN'),
    "large": LEAF.replace('"n":1', '"n":9007199254740993'),
    "very large": LEAF.replace('"n":1', f'"n":{"9" * 5000}'),
    "surrogate": LEAF.replace('"x"', '"\\ud800"'),
    "astral escape": LEAF.replace('"x"', '"\\ud83d\\ude00"'),
    "no index": LEAF.replace('"index":0,', ""),
    "text index": LEAF.replace('"index":0', '"index":"0"'),
    "true index": LEAF.replace('"index":0', '"index":true'),
    "negative index": LEAF.replace('"index":0', '"index":-1'),
    "more": LEAF.replace('"version":1', '"version":1,"zzz":1'),
    "other version": LEAF.replace('"version":1', '"version":2'),
    "time": LEAF.replace("12:30:00.000250Z", "12:30:00Z"),
    "zone": LEAF.replace(".000250Z", ".000250+00:00"),
    "no time": LEAF.replace("2026-11-01T12:30:00.000250Z", "yesterday"),
    "numeric kind": LEAF.replace('"kind":"a.b"', '"kind":1'),
    "list body": LEAF.replace('{"n":1,"t":"x"}', "[]"),
    "no object": "[]",
    "empty": "",
    "deep": "[" * 40_000 + "]" * 40_000,
    "huge": LEAF.replace('"x"', f'"{"x" * 80_000}"'),
    "byte order mark": "\ufeff" + LEAF,
}


@pytest.mark.parametrize("text", OTHER_FORMS.values(), ids=OTHER_FORMS.keys())
def test_a_leaf_in_any_other_form_is_refused(text: str) -> None:
    """What an event says can be written in one way only."""
    assert text != LEAF
    with pytest.raises(ValueError, match="no event"):
        parse_leaf(text.encode())


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail_otherwise(raw: bytes) -> None:
    """Whatever bytes are stored, they are an event or a ValueError."""
    with pytest.raises(ValueError, match="no event"):
        parse_leaf(raw)


def _draft(**changed: Any) -> Draft:
    return Draft(**({"kind": "a.b", "actor": "staff", "body": {}} | changed))


DEEP: Final[Any] = json.loads('{"a":' * 17 + "1" + "}" * 17)
REFUSED: Final = [
    ("MS-LOG-001", _draft(kind="")),
    ("MS-LOG-001", _draft(kind="Run Finished")),
    ("MS-LOG-001", _draft(kind="a" * 65)),
    ("MS-LOG-001", _draft(kind=ERASED)),
    ("MS-LOG-001", _draft(kind="log.other")),
    ("MS-LOG-001", _draft(kind="a.b\n")),
    ("MS-LOG-002", _draft(actor="")),
    ("MS-LOG-002", _draft(actor="a\x1b[2J")),
    ("MS-LOG-002", _draft(actor="\ud800")),
    ("MS-LOG-002", _draft(actor="a" * 201)),
    ("MS-LOG-004", _draft(body=["a"])),
    ("MS-LOG-004", _draft(body={"a": 0.5})),
    ("MS-LOG-004", _draft(body={"a": float("nan")})),
    ("MS-LOG-004", _draft(body={"a": 2**53})),
    ("MS-LOG-004", _draft(body={"a": [{"b": b"bytes"}]})),
    ("MS-LOG-004", _draft(body={"a": AT})),
    ("MS-LOG-004", _draft(body={"a": {1: 2}})),
    ("MS-LOG-004", _draft(body={"a": "\ud800"})),
    ("MS-LOG-004", _draft(body={"\udfff": 1})),
    ("MS-LOG-004", _draft(body=DEEP)),
    ("MS-LOG-004", _draft(body={"a": {"commitment": "0" * 64}})),
    ("MS-LOG-005", _draft(body={"a": "x" * 65_536})),
    ("MS-LOG-005", _draft(personal={"a": "x" * 65_536})),
    ("MS-LOG-005", _draft(personal={f"a{number}": "x" for number in range(17)})),
    ("MS-LOG-006", _draft(body={"a": 1}, personal={"a": "x"})),
    ("MS-LOG-006", _draft(personal={"A b": "x"})),
    ("MS-LOG-006", _draft(personal={"a": 1})),
    ("MS-LOG-004", _draft(personal={"a": "\ud800"})),
]


@pytest.mark.parametrize(("code", "draft"), REFUSED)
def test_what_no_event_can_hold_is_refused(code: str, draft: Draft) -> None:
    """Each thing that cannot be recorded is named by its code, and never quoted."""
    with pytest.raises(InputError) as raised:
        require_draft(draft)
    assert [problem.code for problem in raised.value.problems] == [code]
    assert raised.value.exit_code == 65


def test_plain_things_are_taken() -> None:
    """Every kind of plain value is recorded as it is, text neither trimmed nor normalised."""
    body = {"a": [None, True, 0, -(2**53) + 1, " e\u0301 ", "\U0001f600", ["\x00"], {"b": (1, 2)}], "commitment": "x"}
    require_draft(_draft(kind="log-book.entry_2", body=body))
    leaf, _ = make_leaf(0, AT, _draft(body=body), {})
    assert parse_leaf(leaf).body["a"][4:] == [" e\u0301 ", "\U0001f600", ["\x00"], {"b": [1, 2]}]


def test_a_time_with_a_zone_is_refused() -> None:
    """Times have no zone and mean UTC."""
    with pytest.raises(InputError) as raised:
        require_time(AT.replace(tzinfo=UTC))
    assert raised.value.problems[0].code == "MS-LOG-003"


@given(TEXT, TEXT, TEXT, TEXT)
@example("ab", "c", "a", "bc")
def test_a_commitment_binds_to_field_and_value(field: str, value: str, other_field: str, other_value: str) -> None:
    """No letter can move from the value into the name of the field."""
    one, other = Personal(0, field, SALT, value), Personal(0, other_field, SALT, other_value)
    assert (one.commitment == other.commitment) is ((field, value) == (other_field, other_value))
    assert one.commitment != Personal(0, field, SALT[::-1], value).commitment
