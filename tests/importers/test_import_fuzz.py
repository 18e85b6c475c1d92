"""Hostile bytes: whatever comes in, the account adds up, or it is refused by one of our errors."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from importers.foreign_files import ASSERTED, INDICATOR, REPORT, SECRET, bundle, csv_lines

from merchantscreen.errors import InputError
from merchantscreen.referrals.importers import FORMATS, Imported, import_referrals, load_mapping
from merchantscreen.referrals.importers.pattern import PatternError, names_in
from merchantscreen.vocabulary import ReferralEventKind

TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from([*map(str, REPORT.values()), *map(str, INDICATOR.values()), "4.0.0", "2.1", "indicator", "\ud800"]),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
MORE_FIELDS = """labels valid_until revoked tags evidence domain object_marking_refs granular_markings victim_age
    content_removed""".split()
FIELDS = st.sampled_from(sorted({*REPORT, *INDICATOR, *MORE_FIELDS}))
CHANGES = st.dictionaries(FIELDS, VALUES, max_size=4)
SIGNS = st.sampled_from(
    ["[", "]", "(", ")", "domain-name:value", "=", "IN", "OR", "AND", "NOT", ",", "'a.example'", "'", "\\", " "]
)


def attempt(form: str, data: bytes, file: str = "theirs.json") -> Imported | None:
    """Import bytes; None if they are refused as a whole by our own error."""
    with suppress(InputError):
        imported = import_referrals(form, data, file, ASSERTED)
        return _adds_up(imported)
    return None


def _adds_up(imported: Imported) -> Imported:
    assert imported.read_count == imported.accepted_count + imported.rejected_count
    assert bool(imported.problems) == bool(imported.rejected_count)
    assert len(imported.events) >= imported.accepted_count
    return imported


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("file", ["theirs.json", "theirs.jsonl"])
@given(data=st.binary(max_size=200))
def test_any_bytes(form: str, file: str, data: bytes) -> None:
    """No foreign exception, whatever the bytes."""
    attempt(form, data, file)


@pytest.mark.parametrize("form", ["stix", "xarf"])
@given(value=VALUES)
def test_any_json(form: str, value: Any) -> None:
    """No foreign exception, whatever the shape."""
    attempt(form, json.dumps(value).encode())


@given(changes=st.lists(CHANGES, min_size=1, max_size=4))
def test_changed_reports(changes: list[dict[str, Any]]) -> None:
    """Reports with any fields replaced are taken or refused, each for itself."""
    attempt("xarf", json.dumps([{**REPORT, **change} for change in changes]).encode())


@given(changes=st.lists(CHANGES, min_size=1, max_size=4))
def test_changed_bundles(changes: list[dict[str, Any]]) -> None:
    """Indicators with any fields replaced are taken or refused, and never confirm without our labels."""
    imported = attempt("stix", json.dumps(bundle(*({**INDICATOR, **change} for change in changes))).encode())
    confirmed = ReferralEventKind.CONFIRMED
    assert imported is None or all(event.event is not confirmed for event in imported.events)


@given(data=st.data())
def test_flipped_bytes(data: st.DataObject) -> None:
    """A byte changed anywhere in a good file leaves an account or a refusal."""
    form, value = data.draw(st.sampled_from([("xarf", [REPORT]), ("stix", bundle(INDICATOR))]))
    raw = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    attempt(form, bytes(raw))


@given(rows=st.lists(st.lists(TEXTS, min_size=4, max_size=4), max_size=5))
def test_any_rows(rows: list[list[str]]) -> None:
    """Cells of any text are taken or refused, row by row."""
    lines = ["referral_id,issued_at,domain,confidence", *(",".join(row) for row in rows)]
    attempt("csv", csv_lines(lines).encode(errors="surrogatepass"), "theirs.csv")


@given(signs=st.lists(SIGNS, max_size=20))
def test_any_pattern(signs: list[str]) -> None:
    """Patterns made of the right signs in any order are read or refused."""
    with suppress(PatternError):
        assert names_in("".join(signs))


@given(data=st.binary(max_size=100) | st.text(max_size=60).map(str.encode) | st.just(b"referrals: {}"))
def test_any_mapping(data: bytes) -> None:
    """Mapping files are as hostile as the rest."""
    with suppress(InputError):
        load_mapping(data, "theirs.yml")


def test_an_unknown_form_is_refused() -> None:
    """A form is said, never guessed."""
    with pytest.raises(InputError) as caught:
        import_referrals(SECRET, b"", "theirs", ASSERTED)
    assert [problem.code for problem in caught.value.problems] == ["MS-IMP-002"]
