"""CSV files of others: their columns, constants and values, and what is refused by name."""

from __future__ import annotations

import pytest
from importers.foreign_files import ASSERTED, HOTLINE, OPTIONS, SECRET, csv_lines, notes, read, refusals

from merchantscreen.errors import InputError
from merchantscreen.referrals.importers import Imported, NoteKind, Options, load_mapping

MAPPING = """\
referrals:
  columns: {referral_id: CaseNo, domain: Host, received_at: Received, issued_at: Sent, commerciality: Comm,
            payment_methods: Pay, confirmed_at: Checked, classification: Class}
  constants: {site_type: website, le_hold: "false"}
  values:
    commerciality: {Commercial: commercial, Not Determined: not_determined}
    payment_methods: {Visa: visa, Liberty Reserve: other}
    classification: {Baseline: baseline}
  ignore: [Analyst, URL]
"""
HEADER = "CaseNo,Host,Received,Sent,Comm,Pay,Checked,Class,Analyst,URL"
ROW = (
    "N-1,Amber-Shop.example,2026-09-28,2026-10-01,Commercial,Visa; Liberty Reserve,2026-09-30,Baseline,"
    f"{SECRET},{SECRET}"
)


def with_mapping(*lines: str, mapping: str = MAPPING, confirmed: bool = False) -> Imported:
    """Read lines through a mapping."""
    rules = load_mapping(mapping.encode(), "theirs.yml")
    options = Options(HOTLINE, confirmed_by_reporter=confirmed, mapping=rules)
    return read("csv", csv_lines(lines), options, "theirs.csv")


def test_a_row_becomes_a_submission_in_our_words() -> None:
    """Columns, constants and value maps, lists included; dropped columns are counted and not looked at."""
    imported = with_mapping(HEADER, ROW)
    (event,) = imported.events
    assert (event.event.value, event.referral_id, event.domain) == ("submitted", "N-1", "amber-shop.example")
    assert (event.commerciality, event.payment_methods) == ("commercial", ("visa", "other"))
    assert (event.site_type, event.le_hold, event.confirmed_at) == ("website", False, None)
    assert notes(imported, NoteKind.COLUMN_DROPPED) == {"Analyst": 1, "URL": 1}
    assert notes(imported, NoteKind.LEFT_UNCONFIRMED) == {"assertion": 1}
    assert SECRET not in repr(imported)


def test_a_confirmation_needs_the_callers_word() -> None:
    """With it, a dated row with a classification is confirmed; an unclassified one is not."""
    assert [event.event.value for event in with_mapping(HEADER, ROW, confirmed=True).events] == ["confirmed"]
    unclassified = with_mapping(HEADER, ROW.replace("Baseline", ""), confirmed=True)
    assert [(event.event.value, event.classification) for event in unclassified.events] == [("submitted", "ignore")]


def test_not_determined_stays_unknown_and_an_unmapped_value_is_refused() -> None:
    """No value falls back to another."""
    imported = with_mapping(
        HEADER,
        ROW.replace("Commercial", "Not Determined"),
        ROW.replace("Baseline", "Worse"),
        ROW.replace("Visa", "Gold"),
    )
    assert [event.commerciality for event in imported.events] == ["not_determined"]
    assert refusals(imported) == [(3, "classification", "MS-REF-026"), (4, "payment_methods", "MS-REF-026")]
    assert (imported.read_count, imported.accepted_count, imported.rejected_count) == (3, 1, 2)


def test_our_own_columns_need_no_mapping() -> None:
    """Clues, links, numbers and other kinds of events come in as in our own CSV."""
    lines = csv_lines([
        "event,referral_id,issued_at,domain,received_at,clue_amount_minor,clue_currency,redirects_to,confidence",
        "submitted,N-1,2026-10-01,a.example,2026-09-30,4990,EUR,b.example,90",
        "retracted,N-2,2026-10-01,,,,,,",
        "submitted,N-3,2026-10-01,c.example,2026-09-30,much,EUR,,90",
    ])  # fmt: skip
    imported = read("csv", lines, OPTIONS, "theirs.csv")
    assert [event.event.value for event in imported.events] == ["submitted", "retracted"]
    assert imported.events[0].payment_clues is not None
    assert imported.events[0].payment_clues[0].amount_minor == 4990
    assert refusals(imported) == [(4, "clue_amount_minor", "MS-REF-027")]


def test_a_row_of_another_hotline_is_refused() -> None:
    """Nobody speaks for another hotline, not even in a column."""
    lines = csv_lines(["event,reporting_hotline_id,referral_id,issued_at", "retracted,hotline-south,N-2,2026-10-01"])
    assert refusals(read("csv", lines)) == [(2, "reporting_hotline_id", "MS-IMP-044")]


@pytest.mark.parametrize(
    ("header", "column", "code"),
    [
        (f"{HEADER},Victim Name", "(a name that is not shown)", "MS-IMP-040"),
        (f"{HEADER},source_url", "source_url", "MS-IMP-040"),
        (f"{HEADER},Remarks", "Remarks", "MS-IMP-041"),
        (f"{HEADER},Analyst", "Analyst", "MS-IMP-043"),
        (HEADER.replace("Sent,", ""), "Sent", "MS-IMP-042"),
        ("", None, "MS-IMP-045"),
        ('a"b,c', None, "MS-IMP-045"),
    ],
)
def test_columns_that_do_not_fit_refuse_the_file_by_name(header: str, column: str | None, code: str) -> None:
    """Forbidden, unknown, repeated and missing columns, and headers that are none."""
    with pytest.raises(InputError) as caught:
        with_mapping(header, ROW)
    assert (column, code) in [(problem.column, problem.code) for problem in caught.value.problems]
    assert SECRET not in str(caught.value.problems)


def test_a_forbidden_column_cannot_be_mapped_either() -> None:
    """Its name alone says that its cells must not be looked at."""
    mapping = "referrals: {columns: {legal_basis: memo}, constants: {issued_at: 2026-10-01}}"
    with pytest.raises(InputError) as caught:
        with_mapping("referral_id,memo", f"N-1,{SECRET}", mapping=mapping)
    assert [problem.code for problem in caught.value.problems] == ["MS-IMP-040"]


def test_lines_that_are_no_records_are_refused_with_their_number() -> None:
    """Too few, too many, empty, over-long and badly quoted lines."""
    imported = with_mapping(HEADER, "N-1", f"{ROW},x", "", f'"{ROW}', "x" * 70_000, ROW)
    assert [(line, code) for line, _, code in refusals(imported)] == [
        (2, "MS-CSV-012"), (3, "MS-CSV-013"), (4, "MS-CSV-010"), (5, "MS-CSV-018"), (6, "MS-REF-010"),
    ]  # fmt: skip
    assert len(imported.events) == 1


def test_a_file_without_rows_is_refused() -> None:
    """An empty import must not look like a done one."""
    with pytest.raises(InputError) as caught:
        with_mapping(HEADER)
    assert [problem.code for problem in caught.value.problems] == ["MS-IMP-011"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("referrals: {columns: {domian: Host}}", "MS-MAP-005"),
        ("referrals: {colums: {domain: Host}}", "MS-MAP-004"),
        ("transactions: {}", "MS-MAP-004"),
        ("referrals: {columns: {domain: [Host]}}", "MS-MAP-006"),
        ("referrals: {columns: {domain: Host}, constants: {domain: a.example}}", "MS-MAP-007"),
        ("referrals: {columns: {domain: Host}, ignore: [Host]}", "MS-MAP-008"),
        ("referrals: {ignore: Host}", "MS-MAP-006"),
        ("referrals: {columns: {domain: &a Host}}", "MS-MAP-001"),
        ("referrals: [", "MS-MAP-001"),
        ("- 1", "MS-MAP-001"),
        ("\x00", "MS-MAP-001"),
    ],
)
def test_a_mapping_that_is_not_understood_is_refused(text: str, code: str) -> None:
    """Each fault of a mapping file has its code and line."""
    with pytest.raises(InputError) as caught:
        load_mapping(text.encode(), "theirs.yml")
    assert code in {problem.code for problem in caught.value.problems}
    assert all(problem.where == "theirs.yml" for problem in caught.value.problems)


def test_an_asserted_row_that_calls_itself_submitted_stays_so() -> None:
    """The caller's word confirms what the reporter dates as confirmed, not what it calls otherwise."""
    lines = csv_lines([
        "event,referral_id,issued_at,domain,received_at,classification,confirmed_at",
        "submitted,N-1,2026-10-01,a.example,2026-09-30,baseline,2026-09-30",
        "confirmed,N-2,2026-10-01,b.example,2026-09-30,baseline,2026-09-30",
    ])  # fmt: skip
    imported = read("csv", lines, ASSERTED, "theirs.csv")
    assert [event.event.value for event in imported.events] == ["submitted", "confirmed"]
