"""What a case is made of: when it was listed, who has it, what was proposed and decided.

A case is one account in one workspace. It has no fields that change: everything it says follows from the log
events in it, in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from merchantscreen.errors import Problem
from merchantscreen.vocabulary import Disposition, Tier

Key = tuple[str, str]
"""A referral: hotline and referral id."""

CASE_TIERS: Final = (Tier.T1, Tier.T2, Tier.T3)
"""Tiers whose accounts are cases without anybody asking; accounts on watch become cases by a decision."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a disposition means, and whether it ends the work on a case until something new comes."""

    text: str
    closes: bool


MEANINGS: Final[Mapping[Disposition, Meaning]] = {
    Disposition.REFER_TO_ACQUIRER: Meaning("The acquirer gets the case file and is asked to act.", closes=True),
    Disposition.REQUEST_INFORMATION: Meaning("Somebody was asked; the case waits, with a new due date.", closes=False),
    Disposition.NO_LINK_FOUND: Meaning("The evidence was checked and ties the account to nothing.", closes=True),
    Disposition.SHARED_HOST: Meaning("The domain serves many; this account is one of the others.", closes=True),
    Disposition.FALSE_MATCH: Meaning("The match is a mistake: another firm, another owner, another time.", closes=True),
    Disposition.REFERRAL_WITHDRAWN: Meaning("The hotline took back what the case rested on.", closes=True),
    Disposition.LE_HOLD: Meaning("Police asked that nothing be done; the case is held and stays so.", closes=False),
    Disposition.DUPLICATE: Meaning("Another case is about the same business and is worked on instead.", closes=True),
    Disposition.NO_ACTION: Meaning("The link holds and calls for nothing now; the reason says why.", closes=True),
}
"""Every disposition: its meaning in a sentence, and whether it closes."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A run in which the account was a case.

    Attributes:
        log_index: Log event that listed it.
        at: When that was recorded; UTC without zone.
        run_id: The run.
        tier: Tier of the account in it.
        reopens: Whether the run held anything that the latest decision before it had not seen.
    """

    log_index: int
    at: datetime
    run_id: str
    tier: Tier
    reopens: bool


@dataclass(frozen=True, slots=True)
class Assigned:
    """Somebody was given the case."""

    log_index: int
    at: datetime
    by: str
    to: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided, or proposed, about an account as a run showed it.

    Attributes:
        log_index: Log event that recorded it; its reason lies beside the log under this number.
        at: When; UTC without zone.
        actor: Who.
        account_id: About which account.
        run_id: The run that was looked at.
        manifest_sha256: Digest of that run's manifest.
        pseudonym_key_id: Key of that run's contact tokens.
        tier: Tier of the account in that run.
        disposition: What was decided.
        closes: Whether it ended the work on the case.
        referrals: Referrals behind the account that stood then.
        items: Digests of the evidence that was there then, see `items`.
        duplicate_of: Account whose case is worked on instead.
        confirms: Log event of the proposal it confirms; None where none was needed.
        proposed_by: Author of that proposal.
    """

    log_index: int
    at: datetime
    actor: str
    account_id: str
    run_id: str
    manifest_sha256: str
    pseudonym_key_id: str
    tier: Tier
    disposition: Disposition
    closes: bool
    referrals: frozenset[Key]
    items: frozenset[str]
    duplicate_of: str | None = None
    confirms: int | None = None
    proposed_by: str | None = None

    @property
    def author(self) -> str:
        """Return who decided: of a confirmed decision, its proposer."""
        return self.proposed_by or self.actor

    @property
    def confirmed_by(self) -> str | None:
        """Return the second person, if there was one."""
        return self.actor if self.proposed_by is not None else None

    def says_the_same(self, other: Decision) -> bool:
        """Tell whether another says the same on the same evidence, whoever says it and whenever."""
        return all(getattr(self, name) == getattr(other, name) for name in _SUBSTANCE)


_SUBSTANCE: Final = ("disposition", "tier", "items", "referrals", "pseudonym_key_id", "duplicate_of")


@dataclass(frozen=True, slots=True)
class Case:
    """All that the log says about one account.

    Attributes:
        account_id: The account.
        number: Short number such as C-000001, by first appearance in the log.
        listings: Runs in which it was a case, in the order of the log.
        assignments: Who was given it, likewise.
        decisions: What was decided, likewise; proposals are not among them.
        proposals: What was proposed, likewise, confirmed or not.
    """

    account_id: str
    number: str
    listings: tuple[Listed, ...] = ()
    assignments: tuple[Assigned, ...] = ()
    decisions: tuple[Decision, ...] = ()
    proposals: tuple[Decision, ...] = ()

    @property
    def assignee(self) -> str | None:
        """Return who has it now."""
        return self.assignments[-1].to if self.assignments else None

    @property
    def decision(self) -> Decision | None:
        """Return the latest decision."""
        return self.decisions[-1] if self.decisions else None

    @property
    def proposal(self) -> Decision | None:
        """Return the proposal that waits: the latest, unless something was decided since."""
        latest, decided = (self.proposals[-1] if self.proposals else None), self.decision
        return None if latest is None or (decided and decided.log_index > latest.log_index) else latest


@dataclass(frozen=True, slots=True)
class Cases:
    """What a prefix of a log adds up to.

    Attributes:
        size: Number of log events that were read.
        by_account: Every case, in the order of its number.
        problems: Log events that do not say what their kind says, or confirm what they cannot.
    """

    size: int
    by_account: Mapping[str, Case]
    problems: tuple[Problem, ...] = ()

    def find(self, name: str) -> Case | None:
        """Return the case of an account id, or of a short number in any case."""
        numbered = (case for case in self.by_account.values() if case.number == name.upper())
        return self.by_account.get(name) or next(numbered, None)

    def number_of(self, account_id: str) -> str:
        """Return the number of an account's case; empty if it has none."""
        case = self.by_account.get(account_id)
        return case.number if case is not None else ""
