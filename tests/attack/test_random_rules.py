"""Randomly damaged rule files and conditions: refused with problems, or right; nothing else ever happens."""

from __future__ import annotations

from attack.policy_files import GOOD, RULE, check_form, folder
from hypothesis import given, settings
from hypothesis import strategies as st

from merchantscreen.errors import PolicyError
from merchantscreen.features import FEATURE_TYPES
from merchantscreen.policy.language import ConditionError, compile_condition
from merchantscreen.policy.loading import load_files
from merchantscreen.policy.yamlfiles import read_yaml

DATA = GOOD.encode()
SIGNS = [bytes([sign]) for sign in b"-?:,[]{}#&*!|>'\"%@` \n\t\\~=<.+0\0\r\x1b\x7f"]
PIECES = [
    *SIGNS, b"- ", b"? ", b": ", b"  ", b"\n\n", b" #", b"|-\n", b">+2\n", b"---\n", b"...\n", b"<<: ", b"\\x00",
    b'"\\',
    b"!!str ", b"&a ", b"*a ", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8", b"\xed\xa0\x80",
    b"null",
    b"{a: b}", b"[a, b]", b"when: ", b"NULL", b" AND ", b"(", b")", b"'", b"0x1", b"1e9", b"-- ", b"/*", b"%YAML 1.2\n",
]  # fmt: skip
positions = st.integers(0, len(DATA))
edits = st.one_of(
    st.tuples(st.just("insert"), positions, st.sampled_from(PIECES)),
    st.tuples(st.just("insert"), positions, st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("cut"), positions, st.integers(1, 40)),
    st.tuples(st.just("flip"), positions, st.integers(0, 7)),
    st.tuples(st.just("copy"), positions, positions),
)
WORDS = [
    "purchase_count", "prepaid_share", "mcc", "under_facilitator", "AND", "OR", "NOT", "BETWEEN", "IN", "IS", "NULL",
    "TRUE",
    "=", "<>", "<", ">=", "+", "-", "*", "/", "(", ")", ",", "1", "0.5", "'a'", "COALESCE(", "ABS(", "LOWER(", ";",
    "--",
    "/*", ".", "::", "CASE", "SELECT", "OVER", "(", ")", "purchase_count >", "1)", "\n", "''", "==", "!", "~", "[",
    "{", "%",
    "INTERVAL", "DATE", "LIKE", "ANY", "DISTINCT", "1e5", "1e", "é", "\uff11", "\u00a0", "$1", "?", ":x", "@", "\\",
    '"', "`",
]  # fmt: skip


def _damaged(changes: list[tuple[str, int, bytes | int]]) -> bytes:
    data = DATA
    for what, at, detail in changes:
        if what == "insert" and isinstance(detail, bytes):
            data = data[:at] + detail + data[at:]
        elif what == "cut" and isinstance(detail, int):
            data = data[:at] + data[at + detail :]
        elif what == "flip" and isinstance(detail, int) and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << detail)]) + data[at + 1 :]
        elif isinstance(detail, int):
            data = data[:detail] + data[at : at + 30] + data[detail:]
    return data


@settings(max_examples=150)
@given(changes=st.lists(edits, min_size=1, max_size=4))
def test_a_damaged_rule_is_refused_with_problems_or_loads(changes: list[tuple[str, int, bytes | int]]) -> None:
    """Whatever happens to a rule file, loading raises PolicyError or nothing."""
    data = _damaged(changes)
    try:
        policy = load_files(folder(**{RULE: data}))
    except PolicyError as error:
        check_form(error.problems)
    else:
        assert policy.rules


@settings(max_examples=400)
@given(changes=st.lists(edits, min_size=1, max_size=6))
def test_a_damaged_file_is_read_or_its_problems_have_places(changes: list[tuple[str, int, bytes | int]]) -> None:
    """The reader gives a mapping or problems, and every problem stands inside the file."""
    data = _damaged(changes)
    root, problems = read_yaml("a.yml", data)
    assert root is not None or problems
    for problem in problems:
        assert 1 <= (problem.line or 0) <= data.count(b"\n") + 1


@settings(max_examples=200)
@given(text=st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_read_or_has_problems(text: str) -> None:
    """No text at all makes the reader fail."""
    root, problems = read_yaml("a.yml", text.encode())
    assert root is not None or problems


@settings(max_examples=600)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=14), blank=st.sampled_from([" ", " ", "", "\n"]))
def test_words_in_any_order_are_a_condition_or_refused(words: list[str], blank: str) -> None:
    """Words of the language and around it, in any order, compile or are refused with places inside the text."""
    text = blank.join(words)
    try:
        compile_condition(text, FEATURE_TYPES)
    except ConditionError as error:
        places = [(fault.line, fault.column) for fault in error.faults]
    else:
        places = [(1, 1)]
    assert places
    assert all(1 <= line <= text.count("\n") + 1 and column >= 1 for line, column in places)
