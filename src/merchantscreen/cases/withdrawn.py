"""Referrals that were taken back: what earlier decisions rest on no longer.

A referral stands while it flags its domain. It no longer does once it is retracted, found not illegal, or no longer
carried by a key that counts. That its validity is over, or that it is disputed, takes nothing back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from merchantscreen.cases.model import Key
from merchantscreen.cases.standing import Withdrawn
from merchantscreen.referrals.history import History
from merchantscreen.referrals.register import Register


def standing_referrals(register: Register) -> frozenset[Key]:
    """Return the referrals that stand at the moment of the register."""
    return frozenset((one.hotline, one.referral_id) for one in register.referrals if one.counts)


def withdrawn_referrals(history: History, register: Register) -> Withdrawn:
    """Return the referrals that do not stand, with the moment from which that was known; UTC without zone.

    Args:
        history: What a log adds up to.
        register: The register of the same log at a moment; a referral of which everything was issued later is left
            out, because at that moment nobody had made it.
    """
    later = {(one.hotline, one.referral_id) for one in register.set_aside}
    gone = history.numbers.keys() - standing_referrals(register) - later
    known: dict[Key, datetime] = {}
    for key, at in _heard(history):
        if key in gone:
            known[key] = max(at, known.get(key, at))
    return known


def _heard(history: History) -> Iterator[tuple[Key, datetime]]:
    """Yield when the log heard of a referral, or lost what carried it."""
    for one in history.received:
        if one.event.referral_id is not None:
            yield (one.event.reporting_hotline_id, one.event.referral_id), one.received_at
    for lost in history.lost:
        if lost.referral_id is not None:
            yield (lost.issuer, lost.referral_id), lost.recorded_at
