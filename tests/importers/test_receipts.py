"""Receipts: counts per referral for its hotline, and nothing that names a merchant."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime

from unit.referral_examples import BRIEF, event

from merchantscreen.outputs.receipts import (
    Caveat,
    Receipt,
    ReceiptFacts,
    ReceiptLine,
    RunFacts,
    ScreenedReferral,
    receipt,
    render,
)
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.register import Referral, fold
from merchantscreen.vocabulary import Assurance

AS_OF = datetime(2026, 11, 1)
HOTLINE = "hotline-a"


def referrals(*events: ReferralEvent) -> tuple[Referral, ...]:
    """Fold events into referrals."""
    return fold(events, AS_OF).referrals


def run(run_id: str, as_of: datetime, count: int = 3, hotline: str = HOTLINE, **tiers: int) -> RunFacts:
    """Return a run that screened the one referral."""
    return RunFacts(run_id, as_of, (ScreenedReferral(hotline, "R-1", count, tiers),))


def issued(found: tuple[Referral, ...], *runs: RunFacts, facts: ReceiptFacts | None = None) -> Receipt:
    """Write a receipt."""
    return receipt(
        HOTLINE, found, runs, network="network-one", issued_at=datetime(2026, 11, 2), as_of=AS_OF, facts=facts
    )


def only(found: Receipt) -> ReceiptLine:
    """Return the one line of a receipt."""
    (line,) = found.referrals
    return line


def test_counts_are_those_of_the_latest_run() -> None:
    """Runs are counted, accounts are not added up; watch is no review."""
    runs = run("b", datetime(2026, 10, 20), T1=1, T3=1, watch=1), run("a", datetime(2026, 10, 10), count=9)
    line = only(issued(referrals(event()), *runs))
    assert (line.run_count, line.last_as_of) == (2, "2026-10-20T00:00:00Z")
    assert (line.accounts_linked, line.under_review, line.action_taken) == (3, 2, None)
    assert (line.state.value, line.assurance.value, line.caveats) == ("confirmed", "unsigned", ())


def test_what_no_run_has_seen_is_not_zero() -> None:
    """Null before the first run, 0 after one that linked nothing, and each says what it means."""
    unseen = only(issued(referrals(event())))
    assert (unseen.run_count, unseen.accounts_linked, unseen.caveats) == (0, None, (Caveat.NOT_SCREENED,))
    empty = only(issued(referrals(event()), run("a", datetime(2026, 10, 10), count=0)))
    assert (empty.accounts_linked, empty.under_review, empty.caveats) == (0, 0, (Caveat.NONE_FOUND,))


def test_a_hold_withholds_the_counts() -> None:
    """Silence is silence towards the hotline's desk, too."""
    line = only(issued(referrals(event(le_hold=True)), run("a", datetime(2026, 10, 10), T1=3)))
    assert (line.accounts_linked, line.under_review, line.action_taken) == (None, None, None)
    assert line.caveats == (Caveat.HELD,)


def test_states_and_facts_are_told() -> None:
    """Retracted and expired referrals say so; assurance and actions come from the caller."""
    retraction = ReferralEvent.model_validate({**BRIEF, "event": "retracted"})
    assert only(issued(referrals(event(), retraction))).caveats == (Caveat.NOT_COUNTING, Caveat.NOT_SCREENED)
    expired = only(issued(referrals(event(valid_until="2026-10-30T00:00:00Z"))))
    assert Caveat.EXPIRED in expired.caveats
    facts = ReceiptFacts({"R-1": Assurance.SIGNED}, {"R-1": 2})
    line = only(issued(referrals(event()), run("a", datetime(2026, 10, 10)), facts=facts))
    assert (line.assurance, line.action_taken) == (Assurance.SIGNED, 2)


def test_another_hotline_is_not_mentioned() -> None:
    """Neither its referrals nor its runs are in the receipt, even under the same id."""
    others = [event(reporting_hotline_id="hotline-b", referral_id=name) for name in ("R-1", "R-2")]
    found = issued(referrals(event(), *others), run("a", datetime(2026, 10, 10), hotline="hotline-b"))
    assert only(found).run_count == 0
    assert b"hotline-b" not in found.payload()


def test_the_payload_is_canonical_and_closed() -> None:
    """Exact keys, read back to the same receipt; no domain, account, name, country or tier."""
    found = issued(referrals(event()), run("a", datetime(2026, 10, 10), T1=1))
    value = json.loads(found.payload())
    assert value["schema"] == "merchantscreen-receipt/1"
    assert set(value["referrals"][0]) == {
        "referral_id", "state", "assurance", "run_count", "last_as_of", "accounts_linked", "under_review",
        "action_taken", "caveats",
    }  # fmt: skip
    assert b"shop.example" not in found.payload()
    assert b"T1" not in found.payload()
    assert Receipt.model_validate_json(found.payload()).payload() == found.payload()


def test_a_run_has_no_field_for_a_merchant() -> None:
    """What the form is made from could not name one either."""
    known = {"hotline", "referral_id", "account_count", "tiers", "reviewed_count"}
    assert {field.name for field in fields(ScreenedReferral)} == known


def test_the_text_says_the_same() -> None:
    """Every number and caveat is in the text for people."""
    text = render(issued(referrals(event()), run("a", datetime(2026, 10, 10), count=1, T2=1)))
    assert "1 account linked, 1 under review, action not known" in text
    assert "screened in 1 run, last as of 2026-10-10T00:00:00Z" in text
    held = render(issued(referrals(event(le_hold=True)), run("a", datetime(2026, 10, 10))))
    assert "counts are withheld while the hold stands" in held
    assert "linked," not in held
