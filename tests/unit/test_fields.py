"""Fields: what each type reads, and the reason each refused text gets."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from intake_files import card_numbers, merchant, transaction

from merchantscreen.intake.fields import Judged, judge
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.tables import MerchantRows, TransactionRows


def _judge(table: type[dy.Schema], *rows: dict[str, str]) -> Judged:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) or None for row in rows] for name in names}
    lines = {LINE: pl.Series(range(2, 2 + len(rows)), dtype=pl.Int64)}
    return judge(pl.DataFrame({**lines, **columns}, schema_overrides=dict.fromkeys(names, pl.String)), table)


def _only_reject(table: type[dy.Schema], row: dict[str, str]) -> dict[str, Any]:
    judged = _judge(table, row)
    assert judged.accepted.is_empty()
    assert judged.rejected.height == 1
    return judged.rejected.row(0, named=True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("-3", "MS-FLD-003"),
        ("3.5", "MS-FLD-004"),
        ("3,50", "MS-FLD-004"),
        ("-3.5", "MS-FLD-004"),
        ("+3", "MS-FLD-005"),
        ("0003", "MS-FLD-006"),
        ("1e3", "MS-FLD-007"),
        ("0x10", "MS-FLD-007"),
        (" 3", "MS-FLD-008"),
        ("3 ", "MS-FLD-008"),
        ("99999999999999999999", "MS-FLD-009"),
        ("EUR 3", "MS-FLD-002"),
        ("٣", "MS-FLD-002"),
        ("", "MS-FLD-001"),
        (card_numbers()[0], "MS-CARD-001"),
        ("-".join(card_numbers()[0]), "MS-CARD-001"),
    ],
)
def test_an_amount_that_is_no_integer_of_minor_units_is_refused_with_its_reason(text: str, code: str) -> None:
    """Signs, fractions, zeros, exponents and blanks are each named for what they are."""
    reject = _only_reject(TransactionRows, transaction(amount_minor=text))
    assert (reject["column"], reject["code"]) == ("amount_minor", code)


@pytest.mark.parametrize("text", ["0", "1999", "10000000000000"])
def test_an_integer_is_read_exactly(text: str) -> None:
    """Digits are read to the last one."""
    assert _judge(TransactionRows, transaction(amount_minor=text)).accepted["amount_minor"].item() == int(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12)),
        ("2026-01-31 12:00:00", datetime(2026, 1, 31, 12)),
        ("2026-01-31T12:00:00.5Z", datetime(2026, 1, 31, 12, 0, 0, 500_000)),
        ("2026-01-31T12:00:00.000001", datetime(2026, 1, 31, 12, 0, 0, 1)),
        ("2026-01-31T12:00:00+05:30", datetime(2026, 1, 31, 6, 30)),
        ("2026-01-31T23:00:00.25-02:00", datetime(2026, 2, 1, 1, 0, 0, 250_000)),
    ],
)
def test_a_moment_becomes_utc(text: str, moment: datetime) -> None:
    """Offsets are taken off, decimals kept to the microsecond, and no zone means UTC."""
    judged = _judge(TransactionRows, transaction(), transaction(occurred_at=text))
    assert judged.accepted["occurred_at"].to_list() == [datetime(2026, 1, 31, 12), moment]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("31.01.2026", "MS-FLD-011"),
        ("2026-01-31", "MS-FLD-011"),
        ("2026-01-31T12:00Z", "MS-FLD-011"),
        ("2026-01-31T12:00:00.1234567Z", "MS-FLD-011"),
        ("2026-02-31T12:00:00Z", "MS-FLD-012"),
        ("2026-01-31T25:00:00Z", "MS-FLD-012"),
        ("2026-01-31T12:00:00+25:00", "MS-FLD-012"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, code: str) -> None:
    """A moment of the wrong shape and one that does not exist have reasons of their own."""
    reject = _only_reject(TransactionRows, transaction(occurred_at=text))
    assert (reject["column"], reject["code"]) == ("occurred_at", code)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"currency": "EURO"}, "MS-FLD-017"),
        ({"currency": "eur"}, "MS-FLD-017"),
        ({"issuer_country": "XX"}, "MS-FLD-018"),
        ({"card_product": "gold"}, "MS-FLD-016"),
        ({"mcc": "742"}, "MS-FLD-015"),
        ({"acquirer_id": " 400001"}, "MS-FLD-015"),
        ({"acquirer_id": ""}, "MS-FLD-001"),
        ({"descriptor": "x" * 100}, "MS-FLD-014"),
        ({"descriptor": "AMBER\x00SHOP"}, "MS-FLD-019"),
    ],
)
def test_the_schema_decides_about_texts(changed: dict[str, str], code: str) -> None:
    """Shape, length, closed set and presence are judged by the schema and named."""
    reject = _only_reject(TransactionRows, transaction(**changed))
    assert (reject["column"], reject["code"]) == (*changed, code)


def test_codes_stay_text() -> None:
    """A leading zero of a merchant category code survives."""
    assert _judge(MerchantRows, merchant(mcc="0742")).accepted["mcc"].item() == "0742"


def test_dates_booleans_and_lists_are_read() -> None:
    """Dates are days, booleans are true or false, lists are split at semicolons."""
    row = merchant(opened_on="2026-01-31", natural_person="false", principal_tokens="p-1; p-2;;", website_urls=" ; ")
    accepted = _judge(MerchantRows, row).accepted.row(0, named=True)
    assert accepted["opened_on"] == date(2026, 1, 31)
    assert accepted["natural_person"] is False
    assert accepted["principal_tokens"] == ["p-1", "p-2"]
    assert accepted["website_urls"] is None


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"opened_on": "31/01/2026"}, "MS-FLD-010"),
        ({"opened_on": "2026-13-01"}, "MS-FLD-012"),
        ({"natural_person": "True"}, "MS-FLD-013"),
        ({"natural_person": "1"}, "MS-FLD-013"),
        ({"principal_tokens": f"p-1;{card_numbers()[0]}"}, "MS-CARD-001"),
    ],
)
def test_other_types_refuse_with_their_reason(changed: dict[str, str], code: str) -> None:
    """A date, a boolean and a list that cannot be taken say why."""
    reject = _only_reject(MerchantRows, merchant(**changed))
    assert (reject["column"], reject["code"]) == (*changed, code)


def test_one_record_gives_one_reject_that_names_the_other_columns() -> None:
    """The first failing column in the order of the schema gives the code; the others are named."""
    reject = _only_reject(TransactionRows, transaction(currency="EURO", mcc="1", occurred_at="never"))
    assert (reject["column"], reject["code"]) == ("occurred_at", "MS-FLD-011")
    assert reject["found"] == "a text that is not a moment (also failing: currency, mcc)"


def test_a_card_number_outranks_every_other_reason() -> None:
    """The sender is told of the card number even when an earlier column is wrong as well."""
    reject = _only_reject(TransactionRows, transaction(occurred_at="never", descriptor=card_numbers()[0]))
    assert (reject["column"], reject["code"]) == ("descriptor", "MS-CARD-001")


def test_good_records_go_on_between_bad_ones() -> None:
    """Every record is accepted or rejected, and keeps its line number."""
    rows = [transaction(amount_minor=text) for text in ("1", "-1", "2", "x", "3")]
    judged = _judge(TransactionRows, *rows)
    assert judged.accepted[LINE].to_list() == [2, 4, 6]
    assert judged.rejected["line"].to_list() == [3, 5]
    assert judged.accepted["amount_minor"].to_list() == [1, 2, 3]


def test_every_problem_says_what_to_do() -> None:
    """Each code has a title, an expectation and a fix that ends as a sentence."""
    for code, kind in PROBLEMS.items():
        assert code == kind.code
        assert kind.title
        assert kind.expected
        assert kind.fix.endswith(".")


def test_an_amount_beyond_any_real_one_is_refused() -> None:
    """A sum of amounts can then not overflow unseen."""
    assert _judge(TransactionRows, transaction(amount_minor="10000000000000")).rejected.is_empty()
    reject = _only_reject(TransactionRows, transaction(amount_minor="10000000000001"))
    assert (reject["column"], reject["code"]) == ("amount_minor", "MS-FLD-021")
