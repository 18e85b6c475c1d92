"""The match vector: per field of the account one of N (none), E (exact) or P (partial), or ? (not tested).

Rules kept here:
* the fields are those an acquirer knows from listing services; the letters are theirs;
* E and P rest on a row of the ledger; N on a search that found nothing; without data it is `?`, never N;
* a link outside its referral's validity matches nothing and is said.

Source: VMSS per-field match flags, domain.md 1.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from merchantscreen.outputs.report.figures import Row, kind_title, shown
from merchantscreen.vocabulary import HostMatch

_LISTED: Final = 3


@dataclass(frozen=True, slots=True)
class Field:
    """One field: kinds of evidence it covers, the feature that tells whether it was searched, its columns."""

    title: str
    kinds: tuple[str, ...]
    feature: str | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """Fields that came to the same letter on the same ground; `count` is how many."""

    letter: str
    word: str
    fields: str
    basis: str
    count: int


@dataclass(frozen=True, slots=True)
class Match:
    """What one field came to: the letter, the word for it, and what it rests on."""

    title: str
    letter: str
    word: str
    basis: str


FIELDS: Final = (
    Field("Declared website", ("declared_website", "website"), "referred_declared_count", ("merchants.website_urls",)),
    Field("Observed URL", ("observed_requestor_url", "observed_acceptor_url"), "referred_observed_count",
          ("transactions.requestor_url", "transactions.acceptor_url")),
    Field("Descriptor", ("descriptor_domain", "clue_descriptor", "descriptor"), "referred_descriptor_count",
          ("transactions.descriptor",)),
    Field("E-mail domain", ("email_domain",), "referred_email_domain_count", ("merchants.email",)),
    Field("Merchant id seen by a hotline", ("clue_merchant_id",), "clue_merchant_id_count", ()),
    Field("Price seen by a hotline", ("clue_amount",), "clue_amount_count", ()),
    Field("Settlement account", ("settlement_account",), None, ("merchants.settlement_account_token",)),
    Field("Tax id", ("tax_id",), None, ("merchants.tax_id_token",)),
    Field("Owner or director", ("principal",), None, ("merchants.principal_tokens",)),
    Field("E-mail", ("email",), None, ("merchants.email",)),
    Field("Phone", ("phone",), None, ("merchants.phone",)),
    Field("Address", ("address",), None, ("merchants.address",)),
    Field("Device", ("device",), None, ("transactions.device_token",)),
    Field("Terminal", ("terminal",), None, ("transactions.terminal_id",)),
    Field("Network address", ("ip",), None, ("transactions.ip_token",)),
    Field("Agent", ("agent",), None, ("merchants.agent_id",)),
    Field("Payment facilitator", ("payment_facilitator",), None, ("merchants.payment_facilitator_id",)),
)  # fmt: skip

WORDS: Final = {"E": "exact", "P": "partial", "N": "none", "?": "not tested"}
_PARTIAL_KINDS: Final = frozenset({"clue_amount"})
"""Kinds that match near a value and a moment, not by equality."""


def match_vector(
    items: Sequence[Row], links: Sequence[Row], searched: Mapping[str, Any], absent: Collection[str]
) -> tuple[Match, ...]:
    """Say for every field how it meets what is flagged.

    Args:
        items: The account's items of the final round.
        links: Its account links.
        searched: What its rules observed; a feature that has a value was searched.
        absent: Input columns that were absent, such as `merchants.phone`.
    """
    return tuple(_match(field, items, links, searched, absent) for field in FIELDS)


def lines_of(matches: Sequence[Match]) -> tuple[Line, ...]:
    """Put fields that came to the same on the same ground on one line: what matches first."""
    joined: dict[tuple[str, str], list[Match]] = {}
    for match in sorted(matches, key=lambda match: list(WORDS).index(match.letter)):
        joined.setdefault((match.letter, match.basis), []).append(match)
    return tuple(
        Line(letter, WORDS[letter], ", ".join(match.title for match in same), basis, len(same))
        for (letter, basis), same in joined.items()
    )


def _match(
    field: Field, items: Sequence[Row], links: Sequence[Row], searched: Mapping[str, Any], absent: Collection[str]
) -> Match:
    found = [item for item in items if item["kind"] in field.kinds]
    if found:
        exact = [item for item in found if _is_exact(item)]
        letter = "E" if exact else "P"
        return Match(field.title, letter, WORDS[letter], "; ".join(_basis(exact or found)))
    outside = [link for link in links if link["kind"] in field.kinds and not link["in_window"]]
    if outside:
        return Match(field.title, "N", WORDS["N"], "only outside the validity of the referral")
    reason = _untested(field, searched, absent)
    if reason:
        return Match(field.title, "?", WORDS["?"], reason)
    told = "searched, nothing found" if field.feature else "no linked account is known to share it"
    return Match(field.title, "N", WORDS["N"], told)


def _is_exact(item: Row) -> bool:
    return item["match"] in {None, HostMatch.EXACT} and item["kind"] not in _PARTIAL_KINDS


def _basis(items: Sequence[Row]) -> Iterator[str]:
    for item in items[:_LISTED]:
        near = f" ({item['match']} match)" if item["match"] not in {None, HostMatch.EXACT} else ""
        yield f"{kind_title(item['kind'])}: {shown(item['counterpart'])}{near}"
    if len(items) > _LISTED:
        yield f"{len(items) - _LISTED:,} more"


def _untested(field: Field, searched: Mapping[str, Any], absent: Collection[str]) -> str:
    if field.columns and all(column in absent for column in field.columns):
        return "the column was absent from the input"
    if field.feature is not None and searched.get(field.feature) is None:
        return "no value of this kind is known for the account, or no hotline gave one"
    return ""


def observed(rules: Sequence[Row]) -> dict[str, Any]:
    """Merge what all rules observed; a feature has one value per account."""
    return merged(row["observed"] for row in rules)


def merged(texts: Iterable[str]) -> dict[str, Any]:
    """Merge observed values, as rules wrote them, of one account."""
    values: dict[str, Any] = {}
    for text in texts:
        values |= _values(text)
    return values


@lru_cache(maxsize=1 << 14)
def _values(text: str) -> Mapping[str, Any]:
    """Read observed values; of a page's ninety thousand texts some six thousand differ."""
    values: dict[str, Any] = json.loads(text)
    return values
