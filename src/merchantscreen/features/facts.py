"""The facts of rules/tiers.yml: what the ledger establishes about an account, in one table.

Facts are made in ranking.py; here is only what they are. Rule kept here: a fact is never null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from merchantscreen.vocabulary import ColumnType

BOOLEAN, INTEGER, NUMBER, TEXT = ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.TEXT


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the ledger establishes about an account, for rules/tiers.yml; never null.

    Attributes:
        name: As rules/tiers.yml writes it.
        type: What it holds.
        meaning: What it says, and what it is where there is nothing.
    """

    name: str
    type: ColumnType
    meaning: str


FACTS: Final[tuple[Fact, ...]] = (
    Fact("clue_merchant_id", BOOLEAN, "A hotline saw this account's merchant id on a confirmed, undisputed domain."),
    Fact("direct_dedicated_certainty", NUMBER,
         "Largest weight x reliability x match factor x risk over links to confirmed, dedicated, undisputed domains, "
         "of kinds that not just anyone can set; 0 if none."),
    Fact("direct_certainty", NUMBER, "The same over all links to confirmed domains; 0 if none."),
    Fact("linked_domain_certainty", NUMBER,
         "The same over links to domains that only a hotline's domain link reaches; 0 if none."),
    Fact("direct_kind_count", INTEGER,
         "Different kinds of links to confirmed domains, of kinds that not just anyone can set."),
    Fact("direct_linked_count", INTEGER,
         "Accounts linked in the same way to the domain of its surest link (dedicated first, then by certainty); "
         "0 if none."),
    Fact("direct_forgeable", BOOLEAN, "Whether every direct link is of a kind that anyone can set."),
    Fact("hard_strength", NUMBER, "Strongest item over a settlement account, tax id or principal; 0 if none."),
    Fact("medium_strength", NUMBER, "Strongest item over an e-mail, phone, website, device or terminal; 0 if none."),
    Fact("soft_strength", NUMBER, "Strongest item over an address, network address, descriptor or agent; 0 if none."),
    Fact("identifier_kind_count", INTEGER, "Different kinds of shared identifiers among the items."),
    Fact("rule_hit_count", INTEGER, "Rules of role rank that hit; hits that an exception sets aside do not count."),
    Fact("behaviour_hit_count", INTEGER, "Those of them about transactions, networks and time."),
    Fact("gate_hit_count", INTEGER, "Rules of role gate that hit: the links to referred domains, as rules state them."),
    Fact("not_evaluated_count", INTEGER, "Rules in use, whatever their role, that could not be evaluated."),
    Fact("hotline_count", INTEGER, "Hotlines behind the referrals."),
    Fact("disputed", BOOLEAN, "Whether every referral behind it is disputed."),
    Fact("expired", BOOLEAN, "Whether every referral behind it has expired."),
    Fact("assurance", TEXT, "Best proof of origin among its referrals; 'unsigned' if none."),
)  # fmt: skip

FACT_TYPES: Final[dict[str, ColumnType]] = {fact.name: fact.type for fact in FACTS}
"""The columns that tier conditions may read."""
