"""The language of conditions: what is refused, with what advice, and what is true when."""

from __future__ import annotations

import itertools

import polars as pl
import pytest

from merchantscreen.policy.language import ConditionError, compile_condition
from merchantscreen.vocabulary import ColumnType

CATALOGUE = {
    "purchase_count": ColumnType.INTEGER,
    "refund_count": ColumnType.INTEGER,
    "prepaid_share": ColumnType.NUMBER,
    "mcc": ColumnType.TEXT,
    "country": ColumnType.TEXT,
    "status": ColumnType.TEXT,
    "disputed": ColumnType.BOOLEAN,
    "expired": ColumnType.BOOLEAN,
}

REFUSED = [
    ("", "MS-POL-030", "nothing"),
    ("   ", "MS-POL-030", "nothing"),
    ("purchase_count", "MS-POL-033", "not true or false"),
    ("purchase_count >", "MS-POL-030", "breaks off"),
    ("mcc = 'open", "MS-POL-030", "not closed"),
    ("purchase_count > 1; refund_count > 1", "MS-POL-031", "semicolon"),
    ("purchase_count > 1 -- really", "MS-POL-031", "comment"),
    ("/* why */ purchase_count > 1", "MS-POL-031", "comment"),
    ("1 = 1", "MS-POL-034", "constants"),
    ("purchase_count > 1 OR 1 = 1", "MS-POL-034", "constants"),
    ("'a' = 'b' AND disputed", "MS-POL-034", "constants"),
    ("TRUE", "MS-POL-034", "without any feature"),
    ("disputed OR TRUE", "MS-POL-034", "standing alone"),
    ("purchase_count = purchase_count", "MS-POL-034", "with itself"),
    ("COALESCE(1, purchase_count) > 0", "MS-POL-034", "constant before its end"),
    ("purchase_count BETWEEN 9 AND 3", "MS-POL-034", "above its upper bound"),
    ("purchase_count = NULL", "MS-POL-035", "NULL"),
    ("purchase_count NOT IN (1, NULL)", "MS-POL-035", "NULL in a list"),
    ("sum(purchase_count) > 3", "MS-POL-031", "no aggregates"),
    ("count(*) > 3", "MS-POL-031", "no aggregates"),
    ("sum(purchase_count) OVER () > 3", "MS-POL-031", "no aggregates"),
    ("LOWER(mcc) OVER () = 'x'", "MS-POL-031", "a window"),
    ("purchase_count > (SELECT 1)", "MS-POL-031", "subquery"),
    ("EXISTS(SELECT 1)", "MS-POL-031", "subquery"),
    ("now() > 1", "MS-POL-031", "no clock"),
    ("current_date > purchase_count", "MS-POL-031", "the clock"),
    ("read_csv('/etc/hosts') = mcc", "MS-POL-031", "no files"),
    ("getenv('HOME') = mcc", "MS-POL-031", "the function getenv"),
    ("CASE WHEN disputed THEN expired END", "MS-POL-031", "CASE"),
    ("mcc LIKE '59%'", "MS-POL-031", "LIKE"),
    ("accounts.purchase_count > 1", "MS-POL-031", "a dot"),
    ('"purchase_count" > 1', "MS-POL-031", "quoted name"),
    ("purchase_counts > 1", "MS-POL-032", "did you mean `purchase_count`?"),
    ("Purchase_Count > 1", "MS-POL-032", "did you mean `purchase_count`?"),
    ("purchase_count > '20'", "MS-POL-033", "integer compared with text"),
    ("mcc > '5000'", "MS-POL-033", "an order between values of type text"),
    ("ABS(mcc) > 1", "MS-POL-033", "text"),
    ("LOWER(purchase_count) = 'x'", "MS-POL-033", "LOWER of integer"),
    ("purchase_count + 1 IN (2)", "MS-POL-031", "IN of something other than a feature"),
    ("1 IN (1)", "MS-POL-031", "IN of something other than a feature"),
    ("purchase_count IN ('a')", "MS-POL-033", "does not fit integer"),
    ("(purchase_count > 1) = (refund_count > 1)", "MS-POL-033", "comparison of comparisons"),
    ("1 < purchase_count < 3", "MS-POL-033", "boolean compared with number"),
    ("purchase_count / 0 > 1", "MS-POL-031", "a division by"),
    ("purchase_count / refund_count > 1", "MS-POL-031", "a division by"),
    ("purchase_count % 2 = 1", "MS-POL-031", "%"),
    ("purchase_count::text = '1'", "MS-POL-031", "a cast"),
    ("CAST(purchase_count AS text) = '1'", "MS-POL-031", "function CAST"),
    ("purchase_count > ?", "MS-POL-031", "placeholder"),
    ("purchase_count > :limit", "MS-POL-031", "placeholder"),
    ("purchase_count <=> 1", "MS-POL-031", "IS NULL"),
    ("purchase_count == 1", "MS-POL-031", "equality is written ="),
    ("purchase_count IS TRUE", "MS-POL-031", "IS with something other than NULL"),
    ("purchase_count > 1e400", "MS-POL-036", "1e400"),
    ("purchase_count > 0.1234567890123456789", "MS-POL-036", "0.123"),
    ("(" * 300 + "disputed" + ")" * 300, "MS-POL-037", "too deeply"),
    ("NOT " * 400 + "disputed", "MS-POL-037", "nesting"),
    ("disputed AND " * 150 + "disputed", "MS-POL-037", "301 parts"),
    ("disputed OR " * 400 + "disputed", "MS-POL-037", "characters"),
    ("purchase_count > 1 AS many", "MS-POL-031", "AS"),
    ("purchase_count > 1 many", "MS-POL-032", "many"),
    ("(purchase_count, refund_count) = (1, 2)", "MS-POL-031", "TUPLE"),
    ("COALESCE(purchase_count > 1, disputed)", "MS-POL-031", "hides what is not known"),
]


@pytest.mark.parametrize(("text", "code", "found"), REFUSED, ids=[text[:40] for text, _, _ in REFUSED])
def test_what_is_not_in_the_language_is_refused_with_advice(text: str, code: str, found: str) -> None:
    """A wrong or hostile expression is refused with its code and a hint of what to write."""
    with pytest.raises(ConditionError) as refusal:
        compile_condition(text, CATALOGUE)
    told = {fault.kind.code: fault.found for fault in refusal.value.faults}
    assert code in told
    assert any(found in fault.found for fault in refusal.value.faults), told


def test_every_fault_is_told_with_its_place() -> None:
    """All faults of an expression come at once, each with line and column."""
    with pytest.raises(ConditionError) as refusal:
        compile_condition("purchase_count > 1\n  AND prepaid > 2\n  OR refund > 3", CATALOGUE)
    assert [(fault.line, fault.column) for fault in refusal.value.faults] == [(2, 7), (3, 6)]


VALUES = (True, False, None)


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


@pytest.mark.parametrize(("left", "right"), list(itertools.product(VALUES, VALUES)))
def test_and_or_not_follow_the_truth_tables_of_sql(left: bool | None, right: bool | None) -> None:
    """A null decides nothing, and is decided by a false in AND and a true in OR."""
    row = pl.DataFrame({"disputed": [left], "expired": [right]}, schema={"disputed": pl.Boolean, "expired": pl.Boolean})
    negated = [None if value is None else not value for value in (left, right)]
    either = _and(*negated)
    assert _outcome("disputed AND expired", row) is _and(left, right)
    assert _outcome("disputed OR expired", row) is (None if either is None else not either)
    assert _outcome("NOT disputed", row) is negated[0]


def test_what_is_not_known_makes_a_comparison_not_known() -> None:
    """A comparison, BETWEEN or IN of a null is null, and IS NULL is true of it."""
    row = pl.DataFrame({"purchase_count": [None], "mcc": [None]}, schema={"purchase_count": pl.Int64, "mcc": pl.String})
    conditions = ("purchase_count > 1", "purchase_count BETWEEN 1 AND 2", "mcc NOT IN ('5967')", "mcc <> '1'")
    assert [_outcome(text, row) for text in conditions] == [None] * 4
    assert _outcome("purchase_count IS NULL", row) is True
    assert _outcome("COALESCE(purchase_count, 0) < 1", row) is True


def test_a_share_that_is_not_a_number_is_not_large() -> None:
    """NaN and infinity count as not known, so no comparison with them is true."""
    row = pl.DataFrame({"prepaid_share": [float("nan"), float("inf"), 0.6]})
    condition = compile_condition("prepaid_share > 0.5", CATALOGUE)
    assert condition.evaluate(row).to_list() == [None, None, True]


def test_arithmetic_that_leaves_the_range_of_numbers_is_not_known() -> None:
    """A product too large to hold is not known, instead of wrapping around."""
    large = " * ".join(["purchase_count"] * 30)
    row = pl.DataFrame({"purchase_count": [10**15, 1]})
    assert compile_condition(f"{large} > 0", CATALOGUE).evaluate(row).to_list() == [None, True]


def test_a_column_that_is_absent_is_not_known() -> None:
    """A feature that an input cannot give makes the condition undecided, not false."""
    row = pl.DataFrame({"account_id": ["a", "b"]})
    assert compile_condition("purchase_count > 1", CATALOGUE).evaluate(row).to_list() == [None, None]


def test_the_outcome_of_a_row_does_not_depend_on_other_rows() -> None:
    """Each row is decided on its own."""
    rows = pl.DataFrame({"purchase_count": [1, 50, None], "prepaid_share": [0.9, 0.9, 0.9]})
    condition = compile_condition("purchase_count >= 20 AND prepaid_share > 0.5", CATALOGUE)
    apart = [condition.evaluate(rows[position]).item() for position in range(3)]
    assert condition.evaluate(rows).to_list() == apart == [False, True, None]


def test_the_canonical_form_keeps_meaning_and_drops_layout() -> None:
    """Blanks, letter case of words, parentheses and trailing zeros do not show; numbers and names do."""
    plain = compile_condition("purchase_count >= 20 AND prepaid_share > 0.90", CATALOGUE).canonical
    laid_out = compile_condition("((purchase_count)>=20)\n  and (prepaid_share > 0.9)", CATALOGUE).canonical
    other = compile_condition("purchase_count >= 20 AND prepaid_share > 0.91", CATALOGUE).canonical
    assert plain == laid_out
    assert plain != other


def test_a_condition_names_the_features_it_reads() -> None:
    """The names of a condition are its features, once each."""
    condition = compile_condition("purchase_count > 1 OR purchase_count < 0 OR LOWER(mcc) = 'x'", CATALOGUE)
    assert condition.names == {"purchase_count", "mcc"}


def _outcome(text: str, row: pl.DataFrame) -> bool | None:
    outcome: bool | None = compile_condition(text, CATALOGUE).evaluate(row).item()
    return outcome
