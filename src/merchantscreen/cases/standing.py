"""Where a case stands against a run.

Rules kept here:
* a decision covers what it had seen and nothing else: evidence it had not seen, or a stronger tier, reopens the
  case, whatever was decided, a false match included;
* tokens that cannot be compared are never taken for unchanged;
* a decision whose referral was taken back is to be looked at again before anything else;
* a hold stays a hold, with what is new beside it;
* an account that the run no longer ranks is told as such; that clears nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from merchantscreen.cases.due import Calendar, Due
from merchantscreen.cases.items import Item, RunAccount, RunView
from merchantscreen.cases.model import Case, Decision, Key
from merchantscreen.vocabulary import CaseState, Disposition, Tier

Withdrawn = Mapping[Key, datetime]
"""Referrals that were taken back, with the moment from which that was known; UTC without zone."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a case stands.

    Attributes:
        state: The state.
        tier: Tier of the account in the run; None if the run does not rank it.
        new_items: Evidence that the latest decision or waiting proposal had not seen, the strongest first; empty
            before the first.
        not_comparable: Evidence of which nobody can tell, because its tokens were made under another key.
        is_stronger: Whether the tier is stronger than at the latest decision.
        withdrawn: Referrals the latest decision or proposal rested on that were taken back since.
        due: When somebody has to have looked; None while nobody has to.
    """

    state: CaseState
    tier: Tier | None
    new_items: tuple[Item, ...] = ()
    not_comparable: tuple[Item, ...] = ()
    is_stronger: bool = False
    withdrawn: tuple[Key, ...] = ()
    due: Due | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether it wants somebody's work."""
        return self.state not in {CaseState.DECIDED, CaseState.HELD}

    @property
    def brings_news(self) -> bool:
        """Tell whether the run holds anything that the latest decision or proposal had not seen."""
        return bool(self.new_items or self.not_comparable or self.is_stronger)


def standing(case: Case, run: RunView, withdrawn: Withdrawn, calendar: Calendar) -> Standing:
    """Say where a case stands against a run.

    Args:
        case: The case.
        run: The run.
        withdrawn: Referrals that were taken back.
        calendar: Days within which somebody has to look.
    """
    account = run.accounts.get(case.account_id)
    compared = case.proposal or case.decision
    tier = account.tier if account is not None else None
    found = Standing(CaseState.NEW, tier)
    if compared is not None:
        found = _compared(compared, account, run.pseudonym_key_id)
    gone = tuple(sorted(compared.referrals & withdrawn.keys())) if compared is not None else ()
    state = _state(case, gone, reopens=found.brings_news)
    due = _due(case, run, state, min((withdrawn[key] for key in gone), default=None), tier, calendar)
    return Standing(state, tier, found.new_items, found.not_comparable, found.is_stronger, gone, due)


def _compared(last: Decision, account: RunAccount | None, pseudonym_key_id: str) -> Standing:
    """Compare an account with what a decision had seen of it."""
    if account is None:
        return Standing(CaseState.DECIDED, None)
    unseen = [item for digest, item in account.items.items() if digest not in last.items]
    other_key = last.pseudonym_key_id != pseudonym_key_id
    return Standing(
        CaseState.DECIDED,
        account.tier,
        tuple(item for item in unseen if not (other_key and item.is_keyed)),
        tuple(item for item in unseen if other_key and item.is_keyed),
        is_stronger(account.tier, last.tier),
    )


def is_stronger(now: Tier, before: Tier) -> bool:
    """Tell whether a tier is above another."""
    order = list(Tier)
    return order.index(now) < order.index(before)


def _state(case: Case, withdrawn: tuple[Key, ...], *, reopens: bool) -> CaseState:
    last = case.decision
    if withdrawn:
        return CaseState.REVISIT
    if case.proposal is not None:
        return CaseState.PROPOSED
    if last is None:
        return CaseState.ASSIGNED if case.assignments else CaseState.NEW
    if last.disposition is Disposition.LE_HOLD:
        return CaseState.HELD
    if reopens:
        return CaseState.REOPENED
    return CaseState.DECIDED if last.closes else CaseState.WAITING


# --------------------------------------------------------------------------- due


def _due(
    case: Case, run: RunView, state: CaseState, withdrawn_at: datetime | None, tier: Tier | None, calendar: Calendar
) -> Due | None:
    since = withdrawn_at if state is CaseState.REVISIT else _since(case, run, state)
    counted = _tier_of(case, tier)
    return calendar.due(counted, since) if since is not None and counted is not None else None


def _since(case: Case, run: RunView, state: CaseState) -> datetime | None:
    """Return when the clock of a case began; a proposal does not stop it."""
    last = case.decision
    match state:
        case CaseState.DECIDED | CaseState.HELD:
            return None
        case CaseState.WAITING:
            return last.at if last is not None else None
        case _ if last is None:
            return case.listings[0].at if case.listings else None
        case _:
            return _reopened_at(case, last, run)


def _reopened_at(case: Case, last: Decision, run: RunView) -> datetime:
    """Return when the log first said that there is more than was decided on; else when it listed this run."""
    after = [one.at for one in case.listings if one.log_index > last.log_index
             and (one.reopens or is_stronger(one.tier, last.tier))]  # fmt: skip
    this = [one.at for one in case.listings if one.run_id == run.run_id]
    return min([*after[:1], *this], default=last.at)


def _tier_of(case: Case, tier: Tier | None) -> Tier | None:
    """Return the tier whose days count: that of the run, or the one the case had when it was last listed."""
    if tier is not None:
        return tier
    return case.listings[-1].tier if case.listings else None
