"""What hotlines are told of decisions: per referral how many accounts were acted on, and how many reviewed.

Counts only, no account. An account counts for the referrals that its latest decision names: those that stood
behind it then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from merchantscreen.cases.model import Case, Cases, Decision, Key
from merchantscreen.cases.standing import is_stronger
from merchantscreen.vocabulary import Disposition


def actions(cases: Cases) -> Counter[Key]:
    """Count per referral the accounts whose latest decision refers them to their acquirer."""
    return _per_referral(
        case.decision
        for case in cases.by_account.values()
        if case.decision is not None and case.decision.disposition is Disposition.REFER_TO_ACQUIRER
    )


def reviewed(cases: Cases, run_id: str) -> Counter[Key]:
    """Count per referral the cases of a run that are decided, with nothing new since as far as the log says."""
    return _per_referral(
        case.decision
        for case in cases.by_account.values()
        if case.decision is not None and any(one.run_id == run_id for one in case.listings) and _is_closed(case)
    )


def decided_on(cases: Cases, referral: Key) -> tuple[Case, ...]:
    """Return the cases whose latest decision rests on a referral: what its withdrawal makes worth a new look."""
    found = (case for case in cases.by_account.values() if case.decision is not None)
    return tuple(case for case in found if case.decision is not None and referral in case.decision.referrals)


def _is_closed(case: Case) -> bool:
    last = case.decision
    if last is None or not last.closes or case.proposal is not None:
        return False
    later = (one for one in case.listings if one.log_index > last.log_index)
    return not any(one.reopens or is_stronger(one.tier, last.tier) for one in later)


def _per_referral(decisions: Iterable[Decision | None]) -> Counter[Key]:
    return Counter(key for decision in decisions if decision is not None for key in decision.referrals)
