"""STIX indicators: patterns, versions, revocation, validity, markings, ids, and an account of every object."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from importers.foreign_files import ASSERTED, HOTLINE, SECRET, bundle, indicator, notes, read, refusals

from merchantscreen.errors import InputError
from merchantscreen.referrals.importers import NoteKind
from merchantscreen.referrals.importers.pattern import PatternError, names_in
from merchantscreen.referrals.importers.stix import TLP_MARKINGS
from merchantscreen.vocabulary import Tlp

LABELS = ["merchantscreen:classification=baseline", "merchantscreen:confirmed_at=2026-10-01T08:30:00Z"]


def test_an_indicator_becomes_a_submission() -> None:
    """A bundle and a single indicator give the same referral, never a confirmed one."""
    single, wrapped = read("stix", indicator(confidence=80)), read("stix", bundle(indicator(confidence=80)))
    assert single == wrapped
    (event,) = single.events
    assert (event.event.value, event.referral_id, event.domain) == ("submitted", "N-0001", "amber-shop.example")
    assert (event.issued_at, event.received_at) == (datetime(2026, 10, 1, 9), datetime(2026, 9, 28, 8))
    assert (event.valid_from, event.confidence, event.classification) == (datetime(2026, 9, 28, 8), 80, "ignore")


def test_a_confirmation_needs_our_labels_and_the_callers_word() -> None:
    """Labels alone leave it submitted; the caller's word alone does, too."""
    assert [event.event.value for event in read("stix", indicator(labels=LABELS)).events] == ["submitted"]
    assert [event.event.value for event in read("stix", indicator(), ASSERTED).events] == ["submitted"]
    assert [event.event.value for event in read("stix", indicator(labels=LABELS), ASSERTED).events] == ["confirmed"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("[domain-name:value = 'a.example']", ["a.example"]),
        ("[domain-name:value='a.example' OR domain-name:value == 'b.example']", ["a.example", "b.example"]),
        ("[domain-name:value = 'a.example'] OR ([domain-name:value = 'b.example'])", ["a.example", "b.example"]),
        ("[domain-name:value IN ('a.example', 'b.example', 'a.example')]", ["a.example", "b.example"]),
        ("[(domain-name:value = 'a.example')]", ["a.example"]),
        (r"[domain-name:value = 'it\'s\\']", [r"it's" + "\\"]),
    ],
)
def test_a_choice_between_names_is_read(pattern: str, names: list[str]) -> None:
    """Names joined by OR, within one observation or across several."""
    assert list(names_in(pattern)) == names


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("[domain-name:value = 'a.example' AND domain-name:value = 'b.example']", "MS-IMP-034"),
        ("[domain-name:value = 'a.example'] AND [domain-name:value = 'b.example']", "MS-IMP-034"),
        ("[domain-name:value = 'a.example'] FOLLOWEDBY [domain-name:value = 'b.example']", "MS-IMP-034"),
        ("[domain-name:value = 'a.example'] REPEATS 5 TIMES", "MS-IMP-034"),
        ("[domain-name:value LIKE '%.example']", "MS-IMP-035"),
        ("[domain-name:value != 'a.example']", "MS-IMP-035"),
        ("[NOT domain-name:value = 'a.example']", "MS-IMP-035"),
        ("[domain-name:value NOT = 'a.example']", "MS-IMP-035"),
        ("[url:value = 'http://a.example/x']", "MS-IMP-033"),
        ("[file:hashes.'SHA-256' = 'aa']", "MS-IMP-033"),
        ("[domain-name:value = 'a.example' OR ipv4-addr:value = '192.0.2.1']", "MS-IMP-033"),
        ("domain-name:value = 'a.example'", "MS-IMP-032"),
        ("[domain-name:value = 'a.example", "MS-IMP-032"),
        ("[]", "MS-IMP-032"),
        ("", "MS-IMP-032"),
        ("(" * 5000, "MS-IMP-032"),
        ("[domain-name:value = 'a.example']]", "MS-IMP-032"),
        ("[domain-name:value IN (" + ",".join(f"'{n}.example'" for n in range(101)) + ")]", "MS-IMP-037"),
    ],
)
def test_every_other_pattern_is_refused_with_its_reason(pattern: str, code: str) -> None:
    """What has to be met together, likeness, other objects and broken patterns."""
    with pytest.raises(PatternError) as caught:
        names_in(pattern)
    assert caught.value.code == code


def test_several_names_become_several_referrals_with_lasting_ids() -> None:
    """Each name gets an id of its own that depends on the name alone, so a retraction finds it again."""
    either = "[domain-name:value = 'a.example' OR domain-name:value = 'B.example.']"
    imported = read("stix", indicator(pattern=either))
    assert [event.domain for event in imported.events] == ["a.example", "b.example"]
    ids = {event.referral_id for event in imported.events}
    assert all(text and text.startswith("N-0001.") for text in ids)
    assert (imported.read_count, imported.accepted_count) == (1, 1)
    revoked = read("stix", indicator(pattern=either, revoked=True))
    assert {event.referral_id for event in revoked.events} == ids
    assert {event.event.value for event in revoked.events} == {"retracted"}


def test_one_bad_name_refuses_the_indicator() -> None:
    """An indicator is taken whole or not at all."""
    imported = read("stix", indicator(pattern="[domain-name:value IN ('a.example', 'http://b.example/x')]"))
    assert imported.events == ()
    assert refusals(imported) == [(1, "domain", "MS-REF-024")]


@pytest.mark.parametrize("changes", [{}, {"valid_until": "2030-01-01T00:00:00Z"}, {"pattern": "[url:value = 'x']"}])
def test_revoked_beats_dates_and_patterns(changes: dict[str, Any]) -> None:
    """A revoked indicator retracts, whatever else it says."""
    (event,) = read("stix", indicator(revoked=True, **changes)).events
    assert (event.event.value, event.referral_id, event.domain) == ("retracted", "N-0001", None)


def test_a_revocation_in_any_version_holds() -> None:
    """A later version cannot take a revocation back; the older ones are counted."""
    imported = read("stix", bundle(indicator(revoked=True), indicator(modified="2026-10-02T09:00:00Z")))
    (event,) = imported.events
    assert (event.event.value, event.issued_at) == ("retracted", datetime(2026, 10, 2, 9))
    assert notes(imported, NoteKind.SUPERSEDED) == {None: 1}


def test_the_latest_version_holds_and_contradictory_ones_are_refused() -> None:
    """Fractions of a second count; two different versions of one moment are nobody's word."""
    later = indicator(modified="2026-10-01T09:00:00.5Z", pattern="[domain-name:value = 'b.example']")
    imported = read("stix", bundle(later, indicator(), indicator()))
    assert [event.domain for event in imported.events] == ["b.example"]
    assert notes(imported, NoteKind.SUPERSEDED) == {None: 2}
    assert refusals(read("stix", bundle(indicator(), indicator(confidence=1)))) == [(1, "modified", "MS-IMP-036")]
    assert notes(read("stix", bundle(indicator(), indicator())), NoteKind.REPEATED) == {None: 1}


def test_a_validity_that_ends_as_it_begins_is_over() -> None:
    """It neither breaks the import nor becomes one without end."""
    imported = read("stix", indicator(valid_until="2026-09-28T08:00:00Z"))
    (event,) = imported.events
    assert (event.valid_from, event.valid_until) == (None, datetime(2026, 9, 28, 8))
    assert notes(imported, NoteKind.VALIDITY_EMPTY) == {None: 1}
    assert refusals(read("stix", indicator(valid_until="2026-01-01T00:00:00Z")))[0][2] == "MS-REF-031"


def test_the_strictest_marking_holds_and_unknown_ones_are_counted() -> None:
    """Markings of parts count for the whole; without any, the options say."""
    marked = indicator(
        object_marking_refs=[TLP_MARKINGS[Tlp.GREEN], "marking-definition--00000000-0000-4000-8000-000000000009"],
        granular_markings=[{"marking_ref": TLP_MARKINGS[Tlp.RED], "selectors": ["pattern"]}],
    )
    imported = read("stix", marked)
    assert [event.tlp for event in imported.events] == [Tlp.RED]
    assert notes(imported, NoteKind.MARKING_UNKNOWN) == {None: 1}
    assert [event.tlp for event in read("stix", indicator()).events] == [Tlp.AMBER_STRICT]


@pytest.mark.parametrize(
    ("references", "referral_id"),
    [
        ([{"source_name": "capec", "external_id": "CAPEC-1"}, {"source_name": "x", "external_id": "X-1"}], "X-1"),
        ([{"source_name": "x", "external_id": "X-1"}, {"source_name": HOTLINE, "external_id": "N-9"}], "N-9"),
        ([{"source_name": "x", "external_id": "X-1"}, {"source_name": "y", "external_id": "Y-1"}], None),
        ([{"source_name": "x", "external_id": f"https://{SECRET}"}], None),
        ([{"source_name": "x", "url": f"https://x.example/{SECRET}"}], None),
        ("none", None),
    ],
)
def test_the_referral_id_is_the_one_external_id(references: Any, referral_id: str | None) -> None:
    """Where there is none, or more than one to choose from, it is the id of the object."""
    imported = read("stix", indicator(external_references=references))
    assert [event.referral_id for event in imported.events] == [referral_id or indicator()["id"]]
    assert SECRET not in repr(imported)


def test_an_id_that_indicators_share_is_replaced() -> None:
    """Two sites under one id would contradict each other in the register."""
    same = [{"source_name": "x", "external_id": "X-1"}]
    imported = read("stix", bundle(indicator(1, external_references=same), indicator(2, external_references=same)))
    assert [event.referral_id for event in imported.events] == [indicator(1)["id"], indicator(2)["id"]]
    assert notes(imported, NoteKind.ID_NOT_UNIQUE) == {"external_id": 2}


def test_every_object_is_accounted_for() -> None:
    """What refers no site is counted by type; a type nobody knows is counted without its name."""
    others = [{"type": "identity"}, {"type": "identity"}, {"type": "language-content"}, {"type": SECRET}]
    imported = read("stix", bundle(*others, indicator(), 7))
    assert notes(imported, NoteKind.OBJECT_UNUSED) == {"identity": 2, "language-content": 1, "another type": 1}
    assert refusals(imported) == [(6, "type", "MS-IMP-012")]
    assert (imported.read_count, imported.accepted_count, imported.rejected_count) == (2, 1, 1)
    assert SECRET not in repr(imported)


@pytest.mark.parametrize(
    ("changes", "column", "code"),
    [
        ({"spec_version": "2.0"}, "spec_version", "MS-IMP-030"),
        ({"spec_version": None}, "spec_version", "MS-IMP-030"),
        ({"id": "indicator--1"}, "id", "MS-IMP-029"),
        ({"pattern_type": "sigma"}, "pattern_type", "MS-IMP-031"),
        ({"pattern_type": None}, "pattern", "MS-IMP-032"),
        ({"pattern": None}, "pattern", "MS-IMP-032"),
        ({"modified": None}, "modified", "MS-IMP-027"),
        ({"modified": "2026-10-01"}, "modified", "MS-IMP-029"),
        ({"valid_from": "2026-13-01T00:00:00Z"}, "valid_from", "MS-REF-030"),
        ({"confidence": 101}, "confidence", "MS-REF-029"),
        ({"labels": ["merchantscreen:status=active", "merchantscreen:status=moved"]}, "labels", "MS-IMP-029"),
        ({"labels": ["merchantscreen:site_type=palace"]}, "site_type", "MS-REF-026"),
    ],
)
def test_an_indicator_that_cannot_be_taken_is_refused_by_field(changes: dict[str, Any], column: str, code: str) -> None:
    """Each refusal names its field and leaves the other indicators alone."""
    imported = read("stix", bundle(indicator(1, **changes), indicator(2)))
    assert refusals(imported) == [(1, column, code)]
    assert len(imported.events) == 1


def test_descriptions_are_counted_and_never_kept() -> None:
    """Names, descriptions and whatever a producer added stay outside."""
    imported = read("stix", indicator(name=SECRET, description=SECRET, x_note=SECRET, labels=[SECRET]))
    assert notes(imported, NoteKind.FIELD_STRIPPED) == {"name": 1, "description": 1, "another field": 1, "labels": 1}
    assert SECRET not in repr(imported)


def test_patterns_cannot_multiply_a_file() -> None:
    """What becomes of a file is limited like the file: small patterns with many names add up."""
    names = ",".join(f"'{number}.example'" for number in range(100))
    pattern = f"[domain-name:value IN ({names})]"
    with pytest.raises(InputError) as caught:
        read("stix", bundle(*(indicator(number, pattern=pattern) for number in range(1100))))
    assert [problem.code for problem in caught.value.problems] == ["MS-IMP-008"]


def test_nanoseconds_are_cut_to_microseconds() -> None:
    """STIX allows any precision."""
    (event,) = read("stix", indicator(modified="2026-10-01T09:00:00.123456789Z")).events
    assert event.issued_at == datetime(2026, 10, 1, 9, 0, 0, 123456)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (bundle(), "MS-IMP-011"),
        (bundle({"type": "identity"}), "MS-IMP-011"),
        ({"type": "bundle", "objects": 7}, "MS-IMP-012"),
        ([indicator()], "MS-IMP-012"),
        (bundle(indicator(), {"type": "artifact", "payload_bin": SECRET}), "MS-IMP-010"),
    ],
)
def test_files_that_cannot_be_used_are_refused_as_a_whole(value: Any, code: str) -> None:
    """No indicator, another shape, or content itself."""
    with pytest.raises(InputError) as caught:
        read("stix", value)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert SECRET not in str(caught.value.problems)
