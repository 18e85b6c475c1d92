"""The card-number guard: what looks like a card number never gets past intake.

Rules kept here:
* 13 to 19 digits, Luhn-valid, in an issuer range at a length that issuer uses;
* digits of any script count, and single blanks, dashes or dots may stand between them;
* a number is looked for between whole groups of digits, so a longer number is not cut into one;
* a `+` before at most 15 digits makes it a phone number (ITU-T E.164), and a word that is
  written in hexadecimal at the length of a digest, or a UUID, is a token;
* the answer is yes or no: no value leaves this module.

What is done for whole columns is in intake/cards.py, which a property test holds to this.
References made of digits only can collide with a card number once in about ten times their
share of issuer ranges; they are refused as well, because nobody can tell them apart.

Source: ISO/IEC 7812-1 (length, Luhn) and the issuers' published ranges.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class IssuerRange:
    """Leading digits `low` to `high`, equally long, at the lengths the issuer uses."""

    issuer: str
    low: int
    high: int
    lengths: frozenset[int]


def _range(issuer: str, low: int, high: int, *lengths: int) -> IssuerRange:
    return IssuerRange(issuer, low, high, frozenset(lengths))


ISSUER_RANGES: Final[tuple[IssuerRange, ...]] = (
    _range("Mir", 2200, 2204, 16, 17, 18, 19),
    _range("Mastercard", 2221, 2720, 16),
    _range("Diners Club", 300, 305, 14, 16, 19),
    _range("Diners Club", 3095, 3095, 14, 16, 19),
    _range("American Express", 34, 34, 15),
    _range("JCB", 3528, 3589, 16, 17, 18, 19),
    _range("Diners Club", 36, 36, 14, 16, 19),
    _range("American Express", 37, 37, 15),
    _range("Diners Club", 38, 39, 14, 16, 19),
    _range("Visa", 4, 4, 13, 16, 19),
    _range("Maestro, Verve, RuPay", 50, 50, 16, 18, 19),
    _range("Mastercard", 51, 55, 16),
    _range("Maestro", 56, 58, 16, 18, 19),
    _range("Maestro, Discover, UnionPay, RuPay", 60, 69, 16, 17, 18, 19),
    _range("UnionPay, RuPay", 81, 82, 16, 17, 18, 19),
    _range("Troy", 9792, 9792, 16),
)
"""Issuer ranges of card networks in use. Lengths that only withdrawn cards had are left out where
they would collide with 15-digit card acceptor ids."""

MIN_DIGITS: Final = 13
MAX_DIGITS: Final = 19
_E164_DIGITS: Final = 15
_DIGEST_LENGTHS: Final = frozenset(range(16, 129, 8))

_ENOUGH_DIGITS: Final = re.compile(r"[0-9](?:[ .-]?[0-9]){12}")
"""What every card number has, as long as it is ASCII; most texts have not, and need no closer look."""
_GROUPS: Final = re.compile(r"[0-9]+(?:[ .-][0-9]+)*")
_HEX_WORD: Final = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-f]{16,128}|[0-9A-F]{16,128})(?![0-9A-Za-z])")
_UUID: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])")


def looks_like_card_number(text: str) -> bool:
    """Say whether a text holds what looks like a card number."""
    folded = text if text.isascii() else _fold(text)
    if not _ENOUGH_DIGITS.search(folded):
        return False
    readable = _HEX_WORD.sub(_without_digest, _UUID.sub(_without_uuid, folded))
    return any(_groups_hold_card(match, readable) for match in _GROUPS.finditer(readable))


def _fold(text: str) -> str:
    """Rewrite digits, blanks and dashes of any script as ASCII; drop invisible characters."""
    return "".join(_fold_sign(sign) for sign in unicodedata.normalize("NFKC", text))


def _fold_sign(sign: str) -> str:
    match unicodedata.category(sign):
        case "Nd":
            return str(unicodedata.digit(sign))
        case "Zs":
            return " "
        case "Pd":
            return "-"
        case "Cf":
            return ""
        case _:
            return "-" if sign == "\N{MINUS SIGN}" else sign


def _without_digest(match: re.Match[str]) -> str:
    """Blank out a hexadecimal word that is a digest: letters in it, and a digest's length."""
    word = match.group()
    return "#" if len(word) in _DIGEST_LENGTHS and not word.isdigit() else word


def _without_uuid(match: re.Match[str]) -> str:
    word = match.group()
    return word if word.replace("-", "").isdigit() else "#"


def _groups_hold_card(match: re.Match[str], text: str) -> bool:
    """Try every stretch of whole digit groups that has the length of a card number."""
    groups = re.split(r"[ .-]", match.group())
    after_plus = text[: match.start()].endswith("+")
    for first in range(len(groups)):
        number = ""
        for group in groups[first:]:
            number += group
            if len(number) > MAX_DIGITS:
                break
            if len(number) >= MIN_DIGITS and is_card_number(number):
                whole = first == 0 and len(number) <= _E164_DIGITS
                if not (after_plus and whole):
                    return True
    return False


def is_card_number(digits: str) -> bool:
    """Say whether a text of ASCII digits is in an issuer range and Luhn-valid."""
    return _in_issuer_range(digits) and luhn_sum(digits) % 10 == 0


def _in_issuer_range(digits: str) -> bool:
    return any(
        len(digits) in row.lengths and row.low <= int(digits[: len(str(row.low))]) <= row.high for row in ISSUER_RANGES
    )


def luhn_sum(digits: str) -> int:
    """Add up digits as Luhn does, every second from the right doubled. Source: ISO/IEC 7812-1 annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total
