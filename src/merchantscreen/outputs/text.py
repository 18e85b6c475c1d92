"""Foreign text made safe for a terminal.

Rules kept here:
* whatever came from a file reaches the terminal only through `safe_text` or `visible`;
* control, format, separator and surrogate characters are shown as escapes, never sent;
* the result is a rich `Text`, which has no markup, so `ACME [/] LTD` is just a name;
* domains are defanged, so no terminal turns them into links.

Source: row 9 of the threat model; rich passes control bytes through unchanged.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from rich.text import Text

from merchantscreen.domains import defang

MAX_LENGTH: Final = 200
"""Longest text shown from one field; more would only push the rest of the table off the screen."""
_UNSAFE: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
_HOST: Final = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_LAST_LABEL: Final = re.compile(r"[^\W\d_]{2,63}|xn--[a-z0-9-]+", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


def visible(text: str, limit: int = MAX_LENGTH) -> str:
    r"""Show unsafe characters as escapes such as `\x1b` and cut what is longer than `limit`."""
    if len(text) <= limit and text.isprintable():  # nearly every text, and a page has half a million of them
        return text
    shown = escaped(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def escaped(text: str) -> str:
    r"""Show unsafe characters as escapes such as `\x1b`, whatever the length."""
    if text.isprintable():  # which is false for every unsafe character, and quick
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _UNSAFE else c for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe_text(value: object, style: str = "", limit: int = MAX_LENGTH) -> Text:
    """Make a rich text of a foreign value: escaped, cut, without markup; null becomes empty."""
    return Text("" if value is None else visible(str(value), limit), style=style)


def defanged(text: str) -> str:
    """Defang every host name and address inside a text: `shop[.]example`."""
    return _HOST.sub(_defang_host, text) if "." in text else text


def _defang_host(match: re.Match[str]) -> str:
    word = match.group()
    is_host = _ADDRESS.fullmatch(word) or _LAST_LABEL.fullmatch(word.rpartition(".")[2])
    return defang(word) if is_host else word


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Write a count with its noun: `1 referral`, `2,000 referrals`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
