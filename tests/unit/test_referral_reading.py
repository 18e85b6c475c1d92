"""Referral files: what is accepted, and the code, line and field of everything that is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from unit.referral_examples import BRIEF, COMPLETE, confirmation, json_lines

from merchantscreen.errors import InputError
from merchantscreen.referrals.events import FORBIDDEN_FIELDS, ReferralEvent
from merchantscreen.referrals.problems import PROBLEMS
from merchantscreen.referrals.reading import CSV_COLUMNS, ReferralIntake, read_referrals
from merchantscreen.tables import Rejects
from merchantscreen.vocabulary import DomainLinkKind

SECRET = "hunter2"
"""A value that must never come back in a message."""
CARD = "4" + "1" * 15
"""The test number every card scheme publishes; never a real card."""


def rejects_of(intake: ReferralIntake) -> list[tuple[int, str | None, str]]:
    """Return line, field and code of every reject."""
    return intake.rejects.select("line", "column", "code").rows()


def refusals(folder: Path, line: Mapping[str, Any] | str) -> list[tuple[str | None, str]]:
    """Return field and code of all that is wrong with one JSON line."""
    return [(column, code) for _, column, code in rejects_of(read_referrals([json_lines(folder, [line])]))]


def test_a_complete_confirmation_is_accepted(tmp_path: Path) -> None:
    """An event that is right in every field comes out typed, its domain and times normalised."""
    line = confirmation(domain="Shop.Example.", issued_at="2026-10-01T11:00:00+02:00")
    (event,) = read_referrals([json_lines(tmp_path, [line])]).events
    assert event.domain == "shop.example"
    assert event.issued_at == datetime(2026, 10, 1, 9)
    assert event.confidence == COMPLETE["confidence"]


@pytest.mark.parametrize("kind", ["amended", "retracted", "site_down", "disputed"])
def test_later_events_need_only_name_their_referral(tmp_path: Path, kind: str) -> None:
    """An event after the first needs no more than what identifies it."""
    assert refusals(tmp_path, {**BRIEF, "event": kind}) == []


def test_a_move_needs_the_new_domain_and_a_heartbeat_needs_no_referral(tmp_path: Path) -> None:
    """A move without its target is incomplete; a sign of life names only its hotline."""
    assert refusals(tmp_path, {**BRIEF, "event": "moved"}) == [("moved_to_domain", "MS-REF-020")]
    alive = {name: value for name, value in BRIEF.items() if name != "referral_id"}
    assert refusals(tmp_path, {**alive, "event": "heartbeat"}) == []


@pytest.mark.parametrize(
    "field",
    [name for name in COMPLETE if name not in {"schema_version", "observed_at", "confidence"}],
)
def test_a_confirmation_needs_its_full_set(tmp_path: Path, field: str) -> None:
    """Each required field that is missing is named; schema version, observation and confidence may be absent."""
    line = confirmation(**{field: None})
    wrong = refusals(tmp_path, line)
    assert (field, "MS-REF-020") in wrong
    assert {code for _, code in wrong} == {"MS-REF-020"}


def test_a_national_classification_names_its_country_and_law(tmp_path: Path) -> None:
    """What is illegal in one country only has to say in which, and by which law."""
    assert refusals(tmp_path, confirmation(classification="national")) == [
        ("classification_country", "MS-REF-020"),
        ("legal_basis", "MS-REF-020"),
    ]


BAD_FIELDS = [
    ("domain", "https://shop.example/item/1?x=hunter2", "MS-REF-024"),
    ("domain", "shop.example/hunter2", "MS-REF-024"),
    ("domain", "hunter2:pw@shop.example", "MS-REF-024"),
    ("domain", "shop.example:8443", "MS-REF-024"),
    ("domain", "hunter2 shop.example", "MS-REF-025"),
    ("domain", "hunter2", "MS-REF-025"),
    ("domain", "hunter2_shop.example", "MS-REF-025"),
    ("domain", 7, "MS-REF-027"),
    ("moved_to_domain", "http://hunter2.example/", "MS-REF-024"),
    ("match_scope", "hunter2", "MS-REF-026"),
    ("event", "hunter2", "MS-REF-026"),
    ("schema_version", "hunter2", "MS-REF-026"),
    ("payment_methods[0]", ["hunter2"], "MS-REF-026"),
    ("payment_methods", "visa", "MS-REF-027"),
    ("payment_methods", ["visa"] * 101, "MS-REF-032"),
    ("hosting_country", "hunter2", "MS-REF-026"),
    ("le_hold", "true", "MS-REF-027"),
    ("le_hold", 1, "MS-REF-027"),
    ("confidence", "90", "MS-REF-027"),
    ("confidence", 90.0, "MS-REF-027"),
    ("confidence", 101, "MS-REF-029"),
    ("confidence", -1, "MS-REF-029"),
    ("referral_id", "hunter2/..", "MS-REF-028"),
    ("referral_id", "R-1\n", "MS-REF-028"),
    ("legal_basis", "hunter2\u001b[2J", "MS-REF-028"),
    ("legal_basis", "hunter2\u202e", "MS-REF-028"),
    ("legal_basis", "hunter2 " * 40, "MS-REF-028"),
    ("issued_at", "hunter2", "MS-REF-030"),
    ("issued_at", 1790000000, "MS-REF-030"),
    ("issued_at", "2026-02-30", "MS-REF-030"),
    ("issued_at", "0001-01-01", "MS-REF-030"),
    ("memo", "hunter2", "MS-REF-022"),
    ("sourceUrlPassword", "hunter2", "MS-REF-022"),
    ("url", "https://shop.example/hunter2", "MS-REF-022"),
    ("victim_age_range", "hunter2", "MS-REF-022"),
    ("hosting_ip", "192.0.2.1", "MS-REF-022"),
    ("colour", "hunter2", "MS-REF-021"),
    ("hotline_reference", CARD, "MS-REF-023"),
    ("legal_basis", " ".join([CARD[:4], *["1111"] * 3]), "MS-REF-023"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "code"), BAD_FIELDS)
def test_a_bad_field_is_named_and_its_value_never_shown(tmp_path: Path, place: str, value: Any, code: str) -> None:
    """Each kind of bad value has its code and its field, and never comes back in any column of the rejects."""
    intake = read_referrals([json_lines(tmp_path, [confirmation(**{place.partition("[")[0]: value})])])
    assert (1, place, code) in rejects_of(intake)
    assert intake.events == ()
    shown = "\n".join(str(cell) for row in intake.rejects.rows() for cell in row)
    assert SECRET not in shown
    assert "1111" not in shown


@pytest.mark.parametrize("name", sorted(FORBIDDEN_FIELDS))
def test_every_forbidden_field_refuses_its_row(tmp_path: Path, name: str) -> None:
    """A field that must not come in is refused in any spelling, even when it is empty."""
    assert refusals(tmp_path, {**COMPLETE, name.title(): ""}) == [(name.title(), "MS-REF-022")]


def test_a_field_name_that_is_itself_a_value_is_not_shown(tmp_path: Path) -> None:
    """A name that no field could have is not repeated."""
    intake = read_referrals([json_lines(tmp_path, [{**COMPLETE, f"https://shop.example/{SECRET}": 1}])])
    assert rejects_of(intake) == [(1, "(a name that is not shown)", "MS-REF-021")]


CLUES = [
    ({"merchant_id": "0042"}, []),
    ({"descriptor": "AMBER SHOP", "amount_minor": 1999, "currency": "EUR"}, []),
    ({}, [("payment_clues[0]", "MS-REF-031")]),
    ({"amount_minor": 1999}, [("payment_clues[0]", "MS-REF-031")]),
    ({"amount_minor": -1, "currency": "EUR"}, [("payment_clues[0].amount_minor", "MS-REF-029")]),
    ({"amount_minor": 19.99, "currency": "EUR"}, [("payment_clues[0].amount_minor", "MS-REF-027")]),
    ({"amount_minor": 1999, "currency": "XXZ"}, [("payment_clues[0].currency", "MS-REF-026")]),
    ({"merchant_id": "0042", "email": "a@shop.example"}, [("payment_clues[0].email", "MS-REF-022")]),
    ({"merchant_id": "0042", "colour": "amber"}, [("payment_clues[0].colour", "MS-REF-021")]),
    ({"merchant_id": CARD}, [("payment_clues", "MS-REF-023")]),
]  # fmt: skip


@pytest.mark.parametrize(("clue", "wrong"), CLUES)
def test_payment_clues_are_checked_field_by_field(
    tmp_path: Path, clue: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    """A clue is whole minor units with a known currency, an id or a descriptor, and nothing else."""
    assert refusals(tmp_path, confirmation(payment_clues=[clue])) == wrong


def test_links_between_domains_are_hosts_of_a_known_kind(tmp_path: Path) -> None:
    """A link to a full URL and a link of unknown kind are refused where they stand."""
    links = [{"kind": "redirect", "domain": "https://b.example/x"}, {"kind": "friend", "domain": "c.example"}]
    assert refusals(tmp_path, confirmation(domain_links=links)) == [
        ("domain_links[0].domain", "MS-REF-024"),
        ("domain_links[1].kind", "MS-REF-026"),
    ]


def test_fields_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    """A validity that ends where it begins, and a hold date without a hold, are no statements."""
    moment = "2026-10-01T00:00:00Z"
    assert refusals(tmp_path, confirmation(valid_from=moment, valid_until=moment)) == [(None, "MS-REF-031")]
    assert refusals(tmp_path, confirmation(hold_until=moment)) == [(None, "MS-REF-031")]


def test_all_problems_of_a_row_are_reported_and_the_row_counts_once(tmp_path: Path) -> None:
    """One bad row is one rejected row, however much is wrong with it."""
    bad = confirmation(domain="https://shop.example/", memo="x", tlp="purple", received_at=None)
    intake = read_referrals([json_lines(tmp_path, [confirmation(), bad])])
    assert rejects_of(intake) == [
        (2, "domain", "MS-REF-024"),
        (2, "memo", "MS-REF-022"),
        (2, "received_at", "MS-REF-020"),
        (2, "tlp", "MS-REF-026"),
    ]
    (source,) = intake.sources
    assert (source.rows_read, source.rows_accepted, source.rows_rejected) == (2, 1, 1)


BAD_LINES = [
    (b"{", "MS-REF-013"),
    (b"not json", "MS-REF-013"),
    (b"[]", "MS-REF-014"),
    (b'"text"', "MS-REF-014"),
    (b'{"event": "confirmed", "event": "retracted"}', "MS-REF-015"),
    (b'{"payment_clues": [{"currency": "EUR", "currency": "EUR"}]}', "MS-REF-015"),
    (b'{"confidence": NaN}', "MS-REF-016"),
    (b'{"confidence": -Infinity}', "MS-REF-016"),
    (b'{"a":' * 17 + b"1" + b"}" * 17, "MS-REF-017"),
    (b"[" * 30_000, "MS-REF-017"),
    (b'{"memo": "' + b"x" * 65_536 + b'"}', "MS-REF-010"),
    (b'{"memo": "\xff"}', "MS-REF-011"),
    (b'{"memo": "\x00"}', "MS-REF-012"),
    (b'{"confidence": ' + b"1" * 5000 + b"}", "MS-REF-013"),
]


@pytest.mark.parametrize(("line", "code"), BAD_LINES)
def test_a_line_that_is_no_event_is_rejected_and_the_rest_goes_on(tmp_path: Path, line: bytes, code: str) -> None:
    """A broken line gets its own code, and the lines around it are read."""
    good = json.dumps(COMPLETE).encode()
    path = tmp_path / "referrals.jsonl"
    path.write_bytes(b"\n".join([good, line, good, b""]))
    intake = read_referrals([path])
    assert [(number, found) for number, _, found in rejects_of(intake)] == [(2, code)]
    assert (intake.sources[0].rows_read, len(intake.events)) == (3, 2)


def test_brackets_inside_texts_are_not_nesting(tmp_path: Path) -> None:
    """Depth is counted outside texts, so a text full of brackets is only a text."""
    line = confirmation(classification="national", classification_country="NL", legal_basis='[{"' * 30)
    assert refusals(tmp_path, line) == []


def test_a_byte_order_mark_blank_lines_and_crlf_do_no_harm(tmp_path: Path) -> None:
    """What editors add to a file is no reason to refuse it."""
    path = tmp_path / "referrals.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(COMPLETE).encode() + b"\r\n\r\n" + json.dumps(COMPLETE).encode())
    assert read_referrals([path]).sources[0].rows_read == 2


# --------------------------------------------------------------------------- CSV


HEADER = [name for name in COMPLETE if name != "schema_version"]


def csv_file(folder: Path, extra: Mapping[str, str] | None = None, name: str = "referrals.csv", **changes: str) -> Path:
    """Write a CSV file with one confirmation, with more columns or other values."""
    cells = {name: csv_cell(COMPLETE[name]) for name in HEADER} | dict(extra or {}) | changes
    path = folder / name
    path.write_text(",".join(cells) + "\r\n" + ",".join(cells.values()) + "\r\n", encoding="utf-8")
    return path


def csv_cell(value: Any) -> str:
    """Write a value as CSV files have it."""
    match value:
        case bool():
            return str(value).lower()
        case list():
            return ";".join(value)
        case _:
            return str(value)


def test_csv_and_json_say_the_same(tmp_path: Path) -> None:
    """The same confirmation in either format is the same event, byte for byte."""
    (from_csv,) = read_referrals([csv_file(tmp_path)]).events
    (from_json,) = read_referrals([json_lines(tmp_path, [COMPLETE])]).events
    assert from_csv.canonical() == from_json.canonical()


def test_csv_carries_a_clue_and_links_in_columns(tmp_path: Path) -> None:
    """Clue and link columns become a clue and links."""
    extra = {
        "clue_merchant_id": "0042",
        "clue_amount_minor": "1999",
        "clue_currency": "EUR",
        "redirects_to": "b.example;c.example",
        "shares_payment_page_with": "d.example",
    }
    (event,) = read_referrals([csv_file(tmp_path, extra)]).events
    assert event.payment_clues is not None
    assert event.domain_links is not None
    assert (event.payment_clues[0].merchant_id, event.payment_clues[0].amount_minor) == ("0042", 1999)
    assert [(link.kind, link.domain) for link in event.domain_links] == [
        (DomainLinkKind.REDIRECT, "b.example"),
        (DomainLinkKind.REDIRECT, "c.example"),
        (DomainLinkKind.SHARED_PAYMENT_PAGE, "d.example"),
    ]


BAD_CELLS = [
    ({"clue_amount_minor": "19.99", "clue_currency": "EUR"}, "clue_amount_minor", "MS-REF-027"),
    ({"clue_amount_minor": "-5", "clue_currency": "EUR"}, "clue_amount_minor", "MS-REF-029"),
    ({"clue_amount_minor": "5"}, "clue_merchant_id", "MS-REF-031"),
    ({"shares_payment_page_with": "b.example;https://c.example/x"}, "shares_payment_page_with", "MS-REF-024"),
    ({"domain": "https://shop.example/a"}, "domain", "MS-REF-024"),
    ({"le_hold": "yes"}, "le_hold", "MS-REF-027"),
    ({"payment_methods": "visa;cheque"}, "payment_methods", "MS-REF-026"),
    ({"tlp": ""}, "tlp", "MS-REF-020"),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "column", "code"), BAD_CELLS)
def test_a_bad_cell_is_named_by_its_column(tmp_path: Path, cells: dict[str, str], column: str, code: str) -> None:
    """Problems of a CSV record name the columns of the file, not our inner shape."""
    assert rejects_of(read_referrals([csv_file(tmp_path, cells)])) == [(2, column, code)]


BAD_RECORDS = [
    ("a,b", "MS-CSV-012"),
    ("," * 40, "MS-CSV-013"),
    ('a"b', "MS-CSV-016"),
    ('"a', "MS-CSV-018"),
    ("", "MS-CSV-010"),
]


@pytest.mark.parametrize(("record", "code"), BAD_RECORDS)
def test_a_csv_line_that_is_no_record_is_rejected(tmp_path: Path, record: str, code: str) -> None:
    """Short, long and badly quoted lines are rejected one by one, with the codes of the intake."""
    path = csv_file(tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + record + "\r\n", encoding="utf-8")
    intake = read_referrals([path])
    assert rejects_of(intake) == [(3, None, code)]
    assert intake.sources[0].rows_read == 2


# --------------------------------------------------------------------------- whole files


def whole_file(paths: list[Path]) -> list[tuple[str, str | None, str]]:
    """Return file, column and code of what makes files unusable."""
    with pytest.raises(InputError) as raised:
        read_referrals(paths)
    return [(found.where, found.column, found.code) for found in raised.value.problems]


def test_unusable_headers_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    """Missing, unknown, forbidden and repeated columns of every file come in one error."""
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("event,colour,memo,event,reporting_hotline_id\nx,x,x,x,x\n", encoding="utf-8")
    two.write_text('"open\n', encoding="utf-8")
    assert whole_file([one, two]) == [
        ("one.csv", "issued_at", "MS-REF-003"),
        ("one.csv", "colour", "MS-REF-004"),
        ("one.csv", "memo", "MS-REF-005"),
        ("one.csv", "event", "MS-REF-006"),
        ("two.csv", None, "MS-REF-007"),
    ]


def test_files_without_events_are_unusable(tmp_path: Path) -> None:
    """An empty file, a header alone, blank lines alone and a foreign type are each refused."""
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "blank.jsonl").write_text("\n\n", encoding="utf-8")
    (tmp_path / "header.csv").write_text(",".join(HEADER) + "\n", encoding="utf-8")
    (tmp_path / "referrals.xml").write_text("<a/>", encoding="utf-8")
    names = ["empty.jsonl", "blank.jsonl", "header.csv", "referrals.xml"]
    assert whole_file([tmp_path / name for name in names]) == [
        ("empty.jsonl", None, "MS-FILE-010"),
        ("blank.jsonl", None, "MS-REF-002"),
        ("header.csv", None, "MS-REF-002"),
        ("referrals.xml", None, "MS-REF-001"),
    ]


def test_a_split_file_gives_the_same_events(tmp_path: Path) -> None:
    """Two files with half the lines each give what one file with all of them gives."""
    lines = [confirmation(referral_id=f"R-{number}") for number in range(4)]
    whole = read_referrals([json_lines(tmp_path, lines)])
    parts = read_referrals([json_lines(tmp_path, lines[:2], "a.jsonl"), json_lines(tmp_path, lines[2:], "b.jsonl")])
    assert parts.events == whole.events
    assert sum(source.rows_read for source in parts.sources) == whole.sources[0].rows_read


def test_rejects_have_the_shape_of_their_table(tmp_path: Path) -> None:
    """Rejects fit their table, with and without rows."""
    for line in (COMPLETE, "{"):
        rejects = read_referrals([json_lines(tmp_path, [line])]).rejects
        assert Rejects.validate(rejects, cast=False).equals(rejects)


def test_every_csv_column_is_a_field_or_a_known_part_of_one() -> None:
    """Every field of an event can be written in CSV."""
    nested = {"payment_clues", "domain_links"}
    assert set(ReferralEvent.model_fields) - nested <= set(CSV_COLUMNS)
    assert nested.isdisjoint(CSV_COLUMNS)


def test_codes_are_unique_and_follow_their_pattern() -> None:
    """Every problem has a code of this area, an expectation and a fix."""
    for code, kind in PROBLEMS.items():
        assert code.startswith("MS-REF-")
        assert len(code) == len("MS-REF-000")
        assert kind.fix.endswith(".")
