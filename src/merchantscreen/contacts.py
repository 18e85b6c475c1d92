"""Contact data and web addresses in texts that should hold none: taken out, or found.

Trading names, descriptors and identifiers are printed in every result, so what they
carry beyond themselves would be too. Rules kept here:

* free text loses it: of a web address or an e-mail address only the host stays, of a
  telephone number nothing;
* an identifier cannot be cut without becoming another one, so there it is only found;
* each pattern is one text that Python and Polars read alike, so a single text and a
  whole column (identifiers.py) come out the same.

Names and postal addresses look like any other words and are not recognised. Card
numbers are the business of cards.py.
"""

from __future__ import annotations

import re
from typing import Final

_LETTER: Final = "A-Za-z\u0080-\U0010ffff"
_LABELS: Final = f"(?:[0-9{_LETTER}_-]+\\.)+"
_WEB_ADDRESS: Final = r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]{1,2}(?:[^ \t/\\?#@]*@)?([^ \t/\\?#:;,]*)[^ \t;,]*"
_EMAIL: Final = r"[^ \t@＠;,]+[@＠]"
"""The part before the host, and the sign."""
_PATH: Final = f"({_LABELS}[{_LETTER}][{_LETTER}0-9-]+)(?::[0-9]+)?[/\\\\?#][^ \\t;,]*"
_PHONE: Final = r"(?:\+|\b)\(?[0-9](?:[ ()./-]{0,2}[0-9]){6,14}\b"
"""Seven to fifteen digits, grouped or not. Source: ITU-T E.164 for the longest."""
STEPS: Final = ((_WEB_ADDRESS, 1), (_EMAIL, 0), (_PATH, 1), (_PHONE, 0))
"""What is replaced, in this order, and the group that stays of it (0 for nothing)."""

HAS_ADDRESS: Final = f"{_WEB_ADDRESS}|{_EMAIL}|{_PATH}"
"""Tells whether a free text loses a web or e-mail address; telephone numbers are expected in descriptors."""
IN_IDENTIFIER: Final = r"(?m)@.+\.|:[/\\]{2}|^\+[0-9 ().-]{7,}$"
"""What no identifier or token needs: an e-mail address, a web address, an international telephone number."""
IN_TOKEN: Final = rf"{IN_IDENTIFIER}| |\.[A-Za-z]{{2,}}/"
"""Besides, what no opaque token needs: the blanks of names and postal addresses, the path behind a host."""


def without_contacts(text: str) -> str:
    """Reduce web and e-mail addresses in a text to their hosts and take telephone numbers out."""
    for pattern, kept in STEPS:
        text = re.sub(pattern, rf"\{kept}" if kept else "", text)
    return text


def without_addresses(text: str) -> str:
    """Take web and e-mail addresses out of a message of ours, which has digits of its own."""
    for pattern in (_WEB_ADDRESS, rf"{_EMAIL}[^ \t;,]+", _PATH):
        text = re.sub(pattern, "(not shown)", text)
    return text
