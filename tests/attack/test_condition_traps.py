"""The six traps of SQL that is run unchecked, and everything that could keep the reader of conditions busy.

What Polars' own `sql_expr` does with these texts was measured: an aggregate is true of every
merchant, NaN is larger than any number, the clock runs, a comparison of text with a number fails
only while screening. Each trap has its test here, with the message that teaches the way out.
"""

from __future__ import annotations

import time

import polars as pl
import pytest
from attack.policy_files import MOST_SECONDS

from merchantscreen.features import FEATURE_TYPES
from merchantscreen.policy.language import ConditionError, compile_condition

SHARES = [None, float("nan"), float("inf"), float("-inf"), 0.4, 0.6]
UNKNOWN = 4
"""So many of the shares above are not known."""


def _refused(text: str) -> str:
    with pytest.raises(ConditionError) as refusal:
        compile_condition(text, FEATURE_TYPES)
    assert all(fault.line >= 1 and fault.column >= 1 for fault in refusal.value.faults)
    return "; ".join(f"{fault.found}, expected {fault.kind.expected}" for fault in refusal.value.faults)


def _outcomes(text: str) -> list[bool | None]:
    frame = pl.DataFrame({"prepaid_share": SHARES, "purchase_count": [30] * len(SHARES)})
    outcomes: list[bool | None] = compile_condition(text, FEATURE_TYPES).evaluate(frame).to_list()
    return outcomes


# --------------------------------------------------------------------------- the six traps


@pytest.mark.parametrize("text", ["sum(purchase_count) > 3", "max(prepaid_share) > 0.5", "count(*) >= 1"])
def test_trap_1_an_aggregate_would_be_true_of_every_merchant(text: str) -> None:
    """An aggregate is refused, and the message says that a condition has none."""
    assert "a condition has no aggregates" in _refused(text)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("prepaid_share > 0.5", [False, True]),
        ("prepaid_share >= 0", [True, True]),
        ("prepaid_share < 0.5", [True, False]),
        ("prepaid_share <> 0.4", [False, True]),
        ("NOT prepaid_share <= 0.5", [False, True]),
        ("prepaid_share BETWEEN 0 AND 1", [True, True]),
        ("prepaid_share NOT IN (0.4)", [False, True]),
        ("prepaid_share * 2 > 1", [False, True]),
        ("ABS(prepaid_share - 1) < 0.5", [False, True]),
        ("prepaid_share / 2 > 0.25", [False, True]),
        ("prepaid_share > 0.5 AND purchase_count >= 20", [False, True]),
        ("- prepaid_share < 0", [True, True]),
    ],
)
def test_trap_2_what_is_not_a_number_is_not_known_and_never_large(text: str, known: list[bool]) -> None:
    """NaN and infinity are not evaluated, like null, whatever is asked of them."""
    assert _outcomes(text) == [None] * UNKNOWN + known


def test_trap_2_a_fallback_takes_the_place_of_what_is_not_a_number() -> None:
    """COALESCE and IS NULL see NaN as what it is: not known."""
    assert _outcomes("COALESCE(prepaid_share, 0) > 0.5") == [False] * UNKNOWN + [False, True]
    assert _outcomes("prepaid_share IS NULL") == [True] * UNKNOWN + [False, False]


def test_trap_3_a_null_decides_nothing_and_stays_not_evaluated() -> None:
    """A null side of OR, AND and NOT leaves the outcome open where the other side does not settle it."""
    assert _outcomes("prepaid_share > 0.5 OR purchase_count < 20") == [None] * UNKNOWN + [False, True]
    assert _outcomes("prepaid_share > 0.5 OR purchase_count >= 20") == [True] * len(SHARES)
    assert _outcomes("prepaid_share > 0.5 AND purchase_count < 20") == [False] * len(SHARES)
    assert _outcomes("NOT prepaid_share > 0.5") == [None] * UNKNOWN + [True, False]


@pytest.mark.parametrize(
    "text",
    ["now() > purchase_count", "current_date > mcc", "CURRENT_TIMESTAMP > mcc", "current_time > mcc", "today() = mcc"],
)
def test_trap_4_the_clock_would_give_another_result_tomorrow(text: str) -> None:
    """The clock is refused, and the message says so."""
    assert "clock" in _refused(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mcc > 5000", "text compared with number, expected numbers with numbers"),
        ("purchase_count > '20'", "integer compared with text"),
        ("under_facilitator + 1 > 0", "arithmetic with boolean"),
        ("LOWER(purchase_count) = 'a'", "LOWER of integer"),
        ("purchase_count", "an expression that is not true or false"),
    ],
)
def test_trap_5_types_that_clash_are_found_before_any_screening(text: str, said: str) -> None:
    """A comparison that could only fail while screening is refused at load, with both types named."""
    assert said in _refused(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("purchase_count > 1 -- really", "a comment; say it in `rationale`"),
        ("purchase_count > 1 AS many", "AS; a condition has no names of its own"),
        ("1 = 1", "a comparison of constants, expected a feature in every comparison"),
        ("purchase_count > (SELECT 1)", "a subquery; a condition sees one account's row and nothing else"),
        ("row_number() OVER (ORDER BY mcc) > 1", "a window; a condition sees one row"),
        ("accounts.purchase_count > 1", "a dot; write the feature's name alone"),
        ("purchase_count NOT IN (1, NULL)", "NULL in a list, expected NULL only in IS NULL and IS NOT NULL"),
    ],
)
def test_trap_6_what_parses_but_decides_nothing_is_refused(text: str, said: str) -> None:
    """Comments, names, constants, subqueries, windows and NULL in a list are refused with the way out."""
    assert said in _refused(text)


def test_trap_6_not_in_a_list_leaves_a_null_open() -> None:
    """NOT IN of a list without NULL is right for what is known and open for what is not."""
    frame = pl.DataFrame({"purchase_count": [1, 2, None]})
    outcome = compile_condition("purchase_count NOT IN (1, 3)", FEATURE_TYPES).evaluate(frame)
    assert outcome.to_list() == [False, True, None]


# --------------------------------------------------------------------------- patterns and sizes

PATTERNS = [
    "(a+)+$", "(a*)*$", "(a|a)*$", "(a|aa)+$", "(a|a?)+$", "(.*a){25}", "(a?){30}a{30}", "^(a+)+b", "(a+)*b",
    "((a+)+)+$", "(a*)*b", "(aa|aab?)*b", "([a-z]+)*$", "([a-zA-Z]+)*", "(x+x+)+y", "(x*)*y", "(.*)*$", "(.+)+$",
    "(\\w+\\s?)*$", "(\\d+)+$", "(\\s*)*$", "^(\\w+)*@", "^(([a-z])+.)+[A-Z]([a-z])+$", "(?:a+){10}b",
    "a{1,1000}{1,1000}",
    "(a{1,99}){1,99}", "(?=a+)+b", "(?!a)*b", "(a)\\1+$", "(a+)\\1*b", "(.)*\\1", "^(.*?,){20}P", "(?:(?:a*)*)*b",
    "[^x]*[^y]*[^z]*w", "(a.?)+b", "(a.*)+b", "(.*)(.*)(.*)(.*)$", "(0|1|01)*2", "(ab|a)*c", "(foo|fo|f)*x",
    "^[\\s\\u200c]+|[\\s\\u200c]+$", '("([^"]|"")*")*x',
    "<([a-z]+)*>", "(.+)*\\.(.+)*", "((a|b)+)+c", "(a{2})*{3}",
    "(?i)(a+)+$", "(?s)(.*\n)*x", "%" * 90, "_%" * 45, "%a" * 45,
]  # fmt: skip
OPERATORS = ["LIKE", "NOT LIKE", "ILIKE", "SIMILAR TO", "REGEXP", "RLIKE", "GLOB", "~", "~*", "!~"]


def test_there_are_fifty_patterns() -> None:
    """The corpus of patterns is as large as it is said to be."""
    assert len(set(PATTERNS)) >= 50


@pytest.mark.parametrize("operator", OPERATORS)
def test_no_operator_of_patterns_is_in_the_language(operator: str) -> None:
    """Every operator that takes a pattern is refused, so no pattern is ever run."""
    for pattern in PATTERNS:
        text = f"mcc {operator} '{pattern}'"
        started = time.thread_time()
        _refused(text)
        assert time.thread_time() - started < MOST_SECONDS


def test_a_pattern_as_a_text_is_compared_and_not_run() -> None:
    """Texts that would be catastrophic patterns are plain texts here: refused as such, or compared letter by letter."""
    frame = pl.DataFrame({"mcc": ["a" * 100_000 + "!", *PATTERNS]})
    for pattern in PATTERNS:
        started = time.thread_time()
        try:
            condition = compile_condition(f"mcc = '{pattern}'", FEATURE_TYPES)
        except ConditionError:
            pass
        else:
            assert condition.evaluate(frame).sum() == PATTERNS.count(pattern)
        assert time.thread_time() - started < MOST_SECONDS


SIZES = {
    "ten thousand ANDs": " AND ".join(["purchase_count > 1"] * 10_000),
    "ten thousand parentheses": "(" * 10_000 + "under_facilitator" + ")" * 10_000,
    "a list of ten thousand": f"purchase_count IN ({', '.join(map(str, range(10_000)))})",
    "ten thousand NOTs": "NOT " * 10_000 + "under_facilitator",
    "a million letters": "a" * 1_000_000,
    "a long text": f"mcc = '{'é' * 100_000}'",
    "a long text of signs of four bytes": f"mcc = '{chr(0x1F600) * 1900}'",
    "a long number": "purchase_count > " + "9" * 1_900,
    "many numbers": "purchase_count > " + "1." * 900,
    "sums": "1+" * 900 + "1 > purchase_count",
    "signs": "- " * 900 + "purchase_count > 1",
    "comparisons": "mcc=" * 480 + "'a'",
    "quotients": "purchase_count" + "/2" * 900 + " > 1",
    "parentheses side by side": "()" * 900,
    "open parentheses": "(" * 1_900,
    "parentheses and signs": "-(" * 900 + "1" + ")" * 100,
    "brackets": "[" * 1_900,
    "braces": "{{" * 900,
    "quotes": "'" * 1_999,
    "comments": "/*" * 900,
    "dollars": "$" * 1_999,
    "cases": "CASE WHEN " * 190,
    "functions": "ABS(" * 480,
    "commas": "," * 1_999,
    "line breaks": "\n" * 1_999,
    "lists in lists": "purchase_count IN (" * 100,
}


@pytest.mark.parametrize("text", SIZES.values(), ids=SIZES.keys())
def test_a_condition_of_any_size_or_depth_is_refused_in_time(text: str) -> None:
    """Long, deep and endless conditions are refused within a second, with few words."""
    started = time.thread_time()
    said = _refused(text)
    assert time.thread_time() - started < MOST_SECONDS
    assert len(said) < 5_000


@pytest.mark.parametrize(
    "text",
    [
        " OR ".join(["purchase_count = 1"] * 50),
        f"purchase_count IN ({', '.join(map(str, range(190)))})",
        "purchase_count" + " + 1" * 95 + " > 1",
        "(" * 19 + "under_facilitator" + ")" * 19,
        "NOT " * 18 + "under_facilitator",
        "COALESCE(" * 17 + "purchase_count" + ", 0)" * 17 + " > 1",
    ],
)
def test_the_largest_conditions_are_compiled_and_run_in_time(text: str) -> None:
    """What is just within the limits compiles and runs within a second."""
    started = time.thread_time()
    compile_condition(text, FEATURE_TYPES).evaluate(pl.DataFrame({"purchase_count": list(range(1_000))}))
    assert time.thread_time() - started < MOST_SECONDS
