"""The evidence of one account as a table: each item in words, with exact figures and its bar of the waterfall.

Rules kept here:
* the shares of the items end exactly at E, or there is no page; lengths of bars are for the eye, numbers are exact;
* items beyond the table are added up in one line that says how many they are;
* over whom a shared identifier brings risk is said by name, the rest by number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from merchantscreen.errors import IntegrityError
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.report.figures import Row, day, kind_title, listed, nano, shown
from merchantscreen.outputs.text import counted
from merchantscreen.vocabulary import EvidenceFamily

SPAN: Final = 150
"""Length of E in the waterfall, in drawing units."""
MOST: Final = 60
_NAMED: Final = 3
_LETTERS: Final[Mapping[str, Mapping[str, str]]] = {
    EvidenceFamily.LINK: {
        "w": "weight_nano", "g": "reliability_nano", "f": "match_factor_nano", "ρ": "risk_nano",
    },
    EvidenceFamily.IDENTIFIER: {
        "w": "weight_nano", "g": "reliability_nano", "k": "shared_risk_nano", "π": "base_rate_nano", "κ": "kappa_nano",
    },
    EvidenceFamily.TYPOLOGY: {"w": "weight_nano", "g": "reliability_nano"},
}  # fmt: skip
_COUNTS: Final[Mapping[str, str]] = {"deg": "linked_count", "n": "others_count"}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the evidence table.

    `key` is its place in the glossary; `start` and `length` are its bar, `family` how the bar looks.
    """

    title: str
    key: str
    value: str
    seen: str
    made_of: str
    strength: str
    points: str
    kind_points: str
    share: str
    is_new: bool
    family: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All items, the sum, and what did not fit into the table: how many items, and their points."""

    items: tuple[Item, ...]
    total: str
    rest_count: int
    rest: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the words of an item need.

    Attributes:
        direct: Domains by account that it is linked to, of every account.
        rules: Rule results of the account by rule.
        keys: Places in the glossary by rule.
        new: Items that the latest decision had not seen, as `kind counterpart`.
    """

    direct: Mapping[str, Sequence[str]]
    rules: Mapping[str, Row]
    keys: Mapping[str, str]
    new: Collection[str]


def evidence_of(account: Row, items: Sequence[Row], known: Known) -> Evidence:
    """Put the items of an account into words.

    Args:
        account: Its row of the ranking.
        items: Its items of the final round, in the order of the table.
        known: What their words need.

    Raises:
        IntegrityError: the shares do not add up to the points of the account.
    """
    total = account["points_nano"]
    if sum(item["share_nano"] for item in items) != total:
        raise IntegrityError("points do not add up", (PROBLEMS["MS-RUN-016"].at("ledger.jsonl"),))
    lines, reached = [], 0
    for item in items[:MOST]:
        lines.append(_item(item, (reached, total), known))
        reached += item["share_nano"]
    return Evidence(tuple(lines), nano(total), len(items) - len(lines), nano(total - reached))


def _item(item: Row, stacked: tuple[int, int], known: Known) -> Item:
    reached, total = stacked
    start, end = (SPAN * points // max(1, total) for points in (reached, reached + item["share_nano"]))
    rule = known.rules.get(item["counterpart"]) if item["family"] == EvidenceFamily.TYPOLOGY else None
    name = shown(item["counterpart"])
    return Item(
        title=name if rule else kind_title(item["kind"]),
        key=known.keys.get(item["counterpart"], "") if rule else "",
        value="" if rule else name,
        seen=shown(rule["reason"]) if rule else "; ".join(_seen(item, known.direct)),
        made_of=", ".join(_made_of(item)),
        strength=nano(item["strength_nano"]),
        points=nano(item["points_nano"]),
        kind_points=nano(item["kind_points_nano"]),
        share=nano(item["share_nano"]),
        is_new=f"{item['kind']} {item['counterpart']}" in known.new,
        family=item["family"][0],
        start=start,
        length=max(2, end - start),
    )


def _seen(item: Row, direct: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if item["seen_as"] is not None and item["seen_as"] != item["counterpart"]:
        yield f"seen as {shown(item['seen_as'])}"
    if item["match"] is not None:
        yield f"{item['match']} match"
    if item["from_confirmed"] is False:
        yield "domain not confirmed itself"
    if item["contributor_count"]:
        yield f"risk from {_contributors(item, direct)}"
    when = ", ".join(_when(item))
    if when:
        yield when
    if item["referral_ids"]:
        yield _some(item["referral_ids"])


def _some(referrals: Sequence[str]) -> str:
    """Name the first referrals; all of the account's are above the table."""
    behind = len(referrals) - _NAMED
    return listed(referrals[:_NAMED]) + (f" and {behind:,} more" if behind > 0 else "")


def _contributors(item: Row, direct: Mapping[str, Sequence[str]]) -> str:
    named = [_contributor(name, direct) for name in item["contributors"][:_NAMED]]
    behind = item["contributor_count"] - len(named)
    return ", ".join(named) + (f" and {counted(behind, 'other account')}" if behind else "")


def _contributor(name: str, direct: Mapping[str, Sequence[str]]) -> str:
    domains = direct.get(name, ())
    linked = f" ({shown(domains[0])}{f' and {len(domains) - 1:,} more' if len(domains) > 1 else ''})" if domains else ""
    return shown(name) + linked


def _made_of(item: Row) -> Iterator[str]:
    """Write what the strength is made of, with the letters of the method."""
    for letter, column in _LETTERS[item["family"]].items():
        if item[column] is not None:
            yield f"{letter} {nano(item[column])}"
    for letter, column in _COUNTS.items():
        if item[column] is not None:
            yield f"{letter} {item[column]:,}"


def _when(item: Row) -> Iterator[str]:
    if item["transaction_count"]:
        yield counted(item["transaction_count"], "transaction")
    if item["first_at"]:
        yield f"{day(item['first_at'])} to {day(item['last_at'])}" if item["last_at"] else day(item["first_at"])
    if item["example_transaction_id"]:
        yield f"for example {shown(item['example_transaction_id'])}"
