"""Reports in the XARF form: what becomes a referral, what is cut off, what refuses a report or the file."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from importers.foreign_files import ASSERTED, HOTLINE, OPTIONS, SECRET, notes, read, refusals, report

from merchantscreen.errors import InputError, UsageError
from merchantscreen.referrals.importers import NoteKind, Options
from merchantscreen.referrals.importers.xarf import ABOUT_PERSONS, refang


def test_a_report_becomes_a_submission_with_the_host_alone() -> None:
    """Whatever a report says of itself, it is entered as submitted; its address is cut and the cut is counted."""
    imported = read("xarf", report())
    (event,) = imported.events
    assert (event.event.value, event.reporting_hotline_id, event.domain) == ("submitted", HOTLINE, "amber-shop.example")
    assert event.referral_id == "550e8400-e29b-41d4-a716-446655440000"
    assert (event.confirmed_at, event.observed_at) == (None, datetime(2026, 10, 1, 8, 30))
    assert (event.match_scope, event.domain_dedicated, event.confidence) == ("host", "unknown", 90)
    assert notes(imported, NoteKind.ADDRESS_STRIPPED) == {"url": 1}
    assert notes(imported, NoteKind.LEFT_UNCONFIRMED) == {"assertion": 1}
    assert SECRET not in repr(imported)


def test_a_confirmation_needs_the_callers_word_and_a_date_and_a_classification() -> None:
    """Only with all three is a report confirmed; without one it says which was lacking."""
    (event,) = read("xarf", report(), ASSERTED).events
    assert (event.event.value, event.confirmed_at) == ("confirmed", datetime(2026, 10, 1, 8, 30))
    undated = read("xarf", report(verified_at=None), ASSERTED)
    assert [event.event.value for event in undated.events] == ["submitted"]
    ungraded = read("xarf", report(classification="another"), ASSERTED)
    assert [event.event.value for event in ungraded.events] == ["submitted"]
    assert notes(ungraded, NoteKind.LEFT_UNCONFIRMED) == {"classification": 1}


def test_an_unmapped_classification_never_becomes_baseline() -> None:
    """A grade without counterpart is not kept; the report is entered as what never confirms."""
    imported = read("xarf", report(classification="ZZ-grade"))
    (event,) = imported.events
    assert event.classification == "ignore"
    assert notes(imported, NoteKind.CLASSIFICATION_UNMAPPED) == {None: 1}
    assert "ZZ-grade" not in repr(imported)


def test_what_a_report_does_not_say_is_not_known_and_counted() -> None:
    """Commerciality and payment stay undetermined, and the marking keeps the referral inside."""
    imported = read("xarf", report())
    (event,) = imported.events
    assert (event.commerciality, event.payment_methods) == ("not_determined", ("not_determined",))
    assert (event.tlp, event.le_hold) == ("amber+strict", False)
    assert set(notes(imported, NoteKind.FIELD_ASSUMED)) == {
        "match_scope", "domain_dedicated", "site_type", "commerciality", "payment_methods", "status", "tlp", "le_hold",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"content_type": "image/jpeg", "payload": SECRET}, "evidence[0].payload"),
        ({"content_type": "text/plain", "payload": ""}, "evidence[0].payload"),
        ({"content_type": "text/plain", "Pay-Load": None}, "evidence[0].Pay-Load"),
    ],
)
def test_any_payload_refuses_the_file_and_only_the_field_is_named(item: dict[str, Any], field: str) -> None:
    """One payload in one of many reports, and nothing of the file is kept."""
    with pytest.raises(InputError) as caught:
        read("xarf", [report(), report(evidence=[item])])
    (problem,) = caught.value.problems
    assert (problem.code, problem.column) == ("MS-IMP-010", f"[1].{field}")
    assert SECRET not in str(problem)


def test_a_payload_in_a_line_refuses_all_lines() -> None:
    """JSON lines are looked through before the first of them is taken."""
    lines = f"{json.dumps(report())}\n{json.dumps(report(evidence=[{'payload': SECRET}]))}\n"
    with pytest.raises(InputError) as caught:
        read("xarf", lines, file="theirs.jsonl")
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(2, "evidence[0].payload")]


def test_evidence_without_payload_is_left_behind() -> None:
    """Digests and types of evidence are not kept either; that it was there is counted."""
    imported = read("xarf", report(evidence=[{"content_type": "text/plain", "hash": f"md5:{SECRET}"}]))
    assert notes(imported, NoteKind.FIELD_STRIPPED)["evidence"] == 1
    assert SECRET not in repr(imported)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"type": ABOUT_PERSONS}, ("type", "MS-IMP-022")),
        ({"type": "phishing"}, ("type", "MS-IMP-021")),
        ({"category": "messaging"}, ("category", "MS-IMP-021")),
        ({"xarf_version": "3"}, ("xarf_version", "MS-IMP-020")),
        ({"xarf_version": None}, ("xarf_version", "MS-IMP-020")),
        ({"victim_age_range": SECRET}, ("victim_age_range", "MS-IMP-023")),
        ({"context": {"Perpetrator Indicators": SECRET}}, ("(a name that is not shown)", "MS-IMP-023")),
        ({"tags": ["lifecycle:test"]}, ("tags", "MS-IMP-028")),
        ({"url": None}, ("url", "MS-IMP-024")),
        ({"url": "https:///"}, ("url", "MS-IMP-025")),
        ({"url": "ftp://amber-shop.example/"}, ("url", "MS-IMP-025")),
        ({"domain": "plain-shop.example"}, ("domain", "MS-IMP-026")),
        ({"report_id": "../../etc"}, ("report_id", "MS-IMP-029")),
        ({"report_id": None}, ("report_id", "MS-IMP-027")),
        ({"confidence": 2}, ("confidence", "MS-IMP-029")),
        ({"timestamp": "yesterday"}, ("issued_at", "MS-REF-030")),
    ],
)
def test_a_report_that_cannot_be_taken_is_refused_by_field(changes: dict[str, Any], refusal: tuple[str, str]) -> None:
    """Each refusal names its field and reason, leaves the other reports alone, and quotes nothing."""
    imported = read("xarf", [report(**changes), report()])
    assert refusal in [(column, code) for _, column, code in refusals(imported)]
    assert (imported.read_count, imported.accepted_count, imported.rejected_count) == (2, 1, 1)
    assert SECRET not in repr(imported)


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"url": "hxxp://amber-shop[.]example/x"}, "amber-shop.example"),
        ({"url": "hXXps[:]//Amber-Shop(.)example"}, "amber-shop.example"),
        ({"url": "amber-shop.example"}, "amber-shop.example"),
        ({"url": "https://bücher-laden.example/"}, "xn--bcher-laden-thb.example"),
        ({"url": None, "domain": "XN--BCHER-LADEN-THB.Example."}, "xn--bcher-laden-thb.example"),
        ({"url": "https://shop.amber.example/", "domain": "amber.example"}, "shop.amber.example"),
    ],
)
def test_hosts_are_read_where_the_form_cannot(changes: dict[str, Any], host: str) -> None:
    """Defanged addresses, bare names, other scripts and upper case all give the host they mean."""
    assert [event.domain for event in read("xarf", report(**changes)).events] == [host]


def test_refang_leaves_whole_addresses_alone() -> None:
    """What is not defanged stays as it is."""
    assert refang(" https://amber-shop.example/a(b)c ") == "https://amber-shop.example/a(b)c"


def test_broken_lines_are_refused_one_by_one() -> None:
    """A line that is no JSON, or no object, spoils no other line; lines keep their numbers."""
    lines = "\n".join([json.dumps(report()), "", "{", '{"a": 1, "a": 2}', "null", json.dumps(report())])
    imported = read("xarf", lines, file="theirs.jsonl")
    assert refusals(imported) == [
        (3, None, "MS-IMP-004"),
        (4, "a", "MS-IMP-005"),
        (5, None, "MS-IMP-012"),
    ]
    assert (imported.read_count, len(imported.events)) == (5, 2)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "MS-IMP-004"),
        (b"[]", "MS-IMP-011"),
        (b"\xff", "MS-IMP-003"),
        (b"[1, NaN]", "MS-IMP-006"),
        (b'{"a": {"a": 1, "a": 2}}', "MS-IMP-005"),
        (b"[" * 17 + b"]" * 17, "MS-IMP-007"),
        (b"[" * 2_000_000, "MS-IMP-007"),
        (b'"' + b'\\"' * 4_000_000, "MS-IMP-004"),
        (b'["' + b"a" * 20_000 + b'"]', "MS-IMP-009"),
        (b"[" + b"1," * 100_001 + b"1]", "MS-IMP-008"),
        (json.dumps(dict.fromkeys(map(str, range(1001)))).encode(), "MS-IMP-013"),
        (b" " * (16 * 1024 * 1024 + 1), "MS-IMP-001"),
    ],
)
def test_files_beyond_the_limits_are_refused_as_a_whole(data: bytes, code: str) -> None:
    """Each limit has its code, and the largest hostile file is refused as fast as any."""
    with pytest.raises(InputError) as caught:
        read("xarf", data)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_the_caller_states_what_no_file_can() -> None:
    """Hold and marking come from the options; the hotline has to be an id."""
    (event,) = read("xarf", report(), Options(HOTLINE, le_hold=True)).events
    assert event.le_hold is True
    with pytest.raises(UsageError):
        Options("not an id")
    assert OPTIONS.confirmed_by_reporter is False
