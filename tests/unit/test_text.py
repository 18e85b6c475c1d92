"""Foreign text on a terminal: nothing acts, nothing hides, nothing becomes a link."""

from __future__ import annotations

import unicodedata
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from merchantscreen.outputs.text import counted, defanged, safe_text, visible


def _printed(value: object) -> str:
    sink = StringIO()
    Console(file=sink, force_terminal=True, width=10_000, color_system=None).print(safe_text(value), soft_wrap=True)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b]52;c;Zm9v\x07", r"\x1b]52;c;Zm9v\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\x9bb", r"a\x9bb"),
        ("safe\u202eexe.gpj", r"safe\u202eexe.gpj"),
        ("one\u2028two\u2029", r"one\u2028two\u2029"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("line\r\nbreak\ttab\x00", r"line\x0d\x0abreak\x09tab\x00"),
        ("soft\u00adhyphen\u200b", r"soft\xadhyphen\u200b"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_control_bytes_are_shown_not_sent(hostile: str, shown: str) -> None:
    """A name that would clear the screen, set the clipboard or turn text around is shown as escapes."""
    assert visible(hostile) == shown
    assert _printed(hostile) == shown + "\n"


@given(st.text(st.characters(exclude_categories=[])))
def test_no_text_reaches_the_terminal_raw(text: str) -> None:
    """Whatever the text, no character of an unsafe category leaves for the terminal."""
    shown = visible(text)
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert len(shown) <= 200


@pytest.mark.parametrize(
    "name", ["ACME [/] LTD", "[link=https://a.example]x[/link]", "[bold]x", ":smile:", "Ö & Söhne"]
)
def test_a_name_is_just_a_name(name: str) -> None:
    """Square brackets and colons in a trading name are no markup."""
    assert _printed(name) == name + "\n"


def test_long_text_is_cut_visibly() -> None:
    """A text longer than the limit ends in an ellipsis, also when escapes made it long."""
    assert visible("a" * 500) == "a" * 199 + "…"
    assert len(visible("\x1b" * 200)) == 200


def test_a_missing_value_is_empty() -> None:
    """Null shows as nothing, not as a word."""
    assert safe_text(None).plain == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("declared website: amber-shop.example", "declared website: amber-shop[.]example"),
        ("www.amber-shop.example", "www[.]amber-shop[.]example"),
        ("amber-shop[.]example", "amber-shop[.]example"),
        ("address 192.0.2.1", "address 192[.]0[.]2[.]1"),
        ("xn--80ak6aa92e.example and 1.5 of 2.25", "xn--80ak6aa92e[.]example and 1.5 of 2.25"),
        ("settlement account: acct-1", "settlement account: acct-1"),
    ],
)
def test_no_host_stays_clickable(text: str, shown: str) -> None:
    """Hosts and addresses inside a text are defanged once; figures are left alone."""
    assert defanged(text) == shown


def test_counts_have_their_noun() -> None:
    """One referral, two referrals, two thousand referrals."""
    assert [counted(n, "referral") for n in (0, 1, 2000)] == ["0 referrals", "1 referral", "2,000 referrals"]
