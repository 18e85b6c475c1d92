"""Turns a URL or a bare host into the key under which sites are compared, or refuses it with a reason.

Rules kept here:
* hosts are read the way browsers read them (WHATWG, through can_ada), so that what a
  payment message carries and what a hotline saw meet under one name;
* an IP address is recognised before the public suffix list is asked, which would
  otherwise take `1.2.3.4` for a name under `4`;
* the public suffix list is used with its private section: a tenant of a shared host is a
  site of its own, and an unlisted suffix counts as one label;
* after IDNA the labels are checked again: letters, digits and hyphens, 63 octets a label,
  253 in all. An underscore is refused: it is legal in DNS records but not in a host name,
  no certificate is issued for one, and so no shop is paid under one;
* a name without a dot is refused: in merchant files it is `none`, `n/a` or a shop's name;
* scripts mixed within a label are flagged and never matched by likeness;
* an explanation never repeats the value.

What counts as flagged, and how wide, is decided in referrals/flagging.py.
Source: WHATWG URL standard; RFC 952, 1123, 5890; publicsuffix.org; UTS 39 for mixed scripts.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import can_ada
import publicsuffixlist

MAX_TEXT_LENGTH: Final = 2048
"""Longest URL that is read. Source: EMV 3-D Secure, threeDSRequestorURL."""
MAX_HOST_LENGTH: Final = 253
"""Longest host name in octets. Source: RFC 1035, 2.3.4."""


class Refusal(StrEnum):
    """Why a text is not a host."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    UNSEEN_CHARACTER = "unseen_character"
    NOT_A_WEB_ADDRESS = "not_a_web_address"
    NOT_A_HOST = "not_a_host"
    BAD_LABEL = "bad_label"
    NO_DOT = "no_dot"
    PUBLIC_SUFFIX = "public_suffix"


_EXPLANATIONS: Final[dict[Refusal, str]] = {
    Refusal.EMPTY: "there is no text",
    Refusal.TOO_LONG: "the text or the host in it is longer than any host name or web address may be",
    Refusal.UNSEEN_CHARACTER: "there is a blank, a control character or an invisible character inside",
    Refusal.NOT_A_WEB_ADDRESS: "it is an address, but not one of a web page (http or https)",
    Refusal.NOT_A_HOST: "no host name can be read from it the way a browser reads one",
    Refusal.BAD_LABEL: "a part between dots is empty, too long, or not of letters, digits and inner hyphens",
    Refusal.NO_DOT: "a name without a dot is no public host name",
    Refusal.PUBLIC_SUFFIX: "it is a public suffix, under which many unrelated owners have their sites",
}


@dataclass(frozen=True, slots=True)
class DomainKey:
    """A host as it is compared.

    Attributes:
        host: Lower-case A-label without trailing dot; IPv4 in four decimals; IPv6 in brackets.
        registrable: Registrable domain, private suffixes included; None for an IP or a bare public suffix.
        label: The label left of the public suffix, or None where there is no registrable domain.
        is_ip: Whether the host is an IP address.
        mixed_script: Whether one label mixes scripts; shown, never matched by likeness.
        stripped: What was cut off: path, query, fragment, credentials, port, trailing_dot.
    """

    host: str
    registrable: str | None
    label: str | None
    is_ip: bool
    mixed_script: bool
    stripped: frozenset[str]


@dataclass(frozen=True, slots=True)
class DomainRefusal:
    """A text that is no host, with the reason in words that never contain the text."""

    reason: Refusal
    explanation: str


def refuse(reason: Refusal) -> DomainRefusal:
    """Return the refusal of this kind with its explanation."""
    return DomainRefusal(reason, _EXPLANATIONS[reason])


# --------------------------------------------------------------------------- one value, exactly


_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]{2}")
_WEB_SCHEME: Final = re.compile(r"https?:[/\\]{2}", re.IGNORECASE)
_AFTER_AUTHORITY: Final = re.compile(r"[/\\?#]")
_IPV4: Final = re.compile(r"[0-9]+(\.[0-9]+){3}")
_ORDINARY: Final = re.compile(r"[!-~]+")
"""Visible ASCII, which needs no look at its characters one by one."""
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_JOINERS: Final = frozenset("\u200c\u200d")
"""Invisible, but words of Persian and Indic scripts need them; IDNA checks where they stand."""


def domain_key(text: str) -> DomainKey | DomainRefusal:
    """Read a URL or a bare host.

    Args:
        text: As it came; blanks around it do not matter.

    Returns:
        The key, or why there is none. Idempotent: the key of a key's host is the same host.
    """
    text = text.strip(" \t")
    refused = _refuse_text(text)
    if refused is not None:
        return refuse(refused)
    try:
        url = can_ada.parse(_with_scheme(text))
    except ValueError:
        return refuse(Refusal.NOT_A_HOST)
    host = url.hostname
    stripped = _stripped(url)
    if host.startswith("[") or _IPV4.fullmatch(host):
        return DomainKey(host, None, None, is_ip=True, mixed_script=False, stripped=stripped)
    return _named_host(host, stripped)


def registrable_domain(host: str) -> str | None:
    """Return the registrable domain of a host; None for an IP address or a bare public suffix."""
    if host.startswith("[") or _IPV4.fullmatch(host):
        return None
    return _suffix_list().privatesuffix(host)


def suffix_list_date() -> str:
    """Return the version of the public suffix list in use, for the manifest."""
    with Path(publicsuffixlist.PSLFILE).open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("// VERSION:"):
                return line.removeprefix("// VERSION:").strip()
            if line.startswith("// ==="):
                break
    return version("publicsuffixlist")


def defang(host: str) -> str:
    """Write a host so that no program makes a link of it: ``shop[.]example``. Idempotent."""
    if host.startswith("["):
        return host if "[:]" in host else "[" + host.strip("[]").replace(":", "[:]") + "]"
    return re.sub(r"(?<!\[)\.(?!\])", "[.]", host)


def _refuse_text(text: str) -> Refusal | None:
    if not text:
        return Refusal.EMPTY
    if len(text) > MAX_TEXT_LENGTH:
        return Refusal.TOO_LONG
    if not _ORDINARY.fullmatch(text) and any(_is_unseen(character) for character in text):
        return Refusal.UNSEEN_CHARACTER
    if _SCHEME.match(text):
        return None if _WEB_SCHEME.match(text) else Refusal.NOT_A_WEB_ADDRESS
    return None if text.startswith("//") else _refuse_bare(_AFTER_AUTHORITY.split(text, maxsplit=1)[0])


def _refuse_bare(authority: str) -> Refusal | None:
    """Refuse what only turns into a host because `http://` is put in front of it.

    `/index` would become the host `index`, an e-mail address the host of its mail,
    and the number `1` the address 0.0.0.1.
    """
    if not authority or "@" in authority:
        return Refusal.NOT_A_HOST
    if authority.startswith("[") or any(dot in authority for dot in ".\u3002\uff0e\uff61"):
        return None
    return Refusal.NO_DOT


def _is_unseen(character: str) -> bool:
    category = unicodedata.category(character)
    return category in {"Cc", "Cs", "Zs", "Zl", "Zp"} or (category == "Cf" and character not in _JOINERS)


def _with_scheme(text: str) -> str:
    if text.startswith("//"):
        return "http:" + text
    return text if _WEB_SCHEME.match(text) else "http://" + text


def _stripped(url: can_ada.URL) -> frozenset[str]:
    parts = {
        "path": url.pathname not in {"", "/"},
        "query": bool(url.search),
        "fragment": bool(url.hash),
        "credentials": bool(url.username or url.password),
        "port": bool(url.port),
        "trailing_dot": url.hostname.endswith("."),
    }
    return frozenset(name for name, present in parts.items() if present)


def _named_host(host: str, stripped: frozenset[str]) -> DomainKey | DomainRefusal:
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > MAX_HOST_LENGTH:
        return refuse(Refusal.TOO_LONG)
    if not all(_LABEL.fullmatch(label) for label in labels):
        return refuse(Refusal.BAD_LABEL)
    if len(labels) == 1:
        return refuse(Refusal.NO_DOT)
    registrable = registrable_domain(host)
    label = None if registrable is None else registrable.partition(".")[0]
    mixed = any(_mixes_scripts(part) for part in labels if part.startswith("xn--"))
    return DomainKey(host, registrable, label, is_ip=False, mixed_script=mixed, stripped=stripped)


@cache
def _suffix_list() -> publicsuffixlist.PublicSuffixList:
    """Load the list once, when it is first needed: an import must cost nothing."""
    return publicsuffixlist.PublicSuffixList(accept_unknown=True)


# --------------------------------------------------------------------------- scripts


_WRITTEN_TOGETHER: Final = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
"""Scripts that ordinary words mix. Source: UTS 39, 5.2, highly restrictive."""


def _mixes_scripts(a_label: str) -> bool:
    try:
        label = a_label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return False
    scripts = frozenset(_script(character) for character in label if character.isalpha())
    return len(scripts) > 1 and not any(scripts <= together for together in _WRITTEN_TOGETHER)


def _script(letter: str) -> str:
    """Return the script of a letter, which its Unicode name begins with."""
    return unicodedata.name(letter, "UNNAMED").split(" ")[0].split("-")[0]
