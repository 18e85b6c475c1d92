"""The STIX export: what goes out, what stays, what is revoked, and that it comes back the same."""

from __future__ import annotations

import itertools
import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from importers.foreign_files import ASSERTED, HOTLINE, OPTIONS, read
from unit.referral_examples import BRIEF, COMPLETE

from merchantscreen.outputs.stix import LeftOut, Sender, StixExport, export_stix
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.vocabulary import Dedicated, MatchScope, SiteType

AS_OF = datetime(2026, 11, 1)
SENDER = Sender("network-one", "Network One", datetime(2026, 1, 1))
CLUE = {"merchant_id": "ACQ-1/998877", "descriptor": "AMBER SHOP", "amount_minor": 4990, "currency": "EUR"}


def confirmed(**changes: Any) -> ReferralEvent:
    """Return a confirmation of the hotline whose files are read back."""
    said = {**COMPLETE, "reporting_hotline_id": HOTLINE, **changes}
    return ReferralEvent.model_validate({name: value for name, value in said.items() if value is not None})


def later(kind: str, **changes: Any) -> ReferralEvent:
    """Return a later event of the same referral."""
    return ReferralEvent.model_validate({**BRIEF, "reporting_hotline_id": HOTLINE, "event": kind, **changes})


def exported(*events: ReferralEvent, as_of: datetime = AS_OF) -> StixExport:
    """Export events."""
    return export_stix(events, as_of, SENDER)


def indicators(export: StixExport) -> list[dict[str, Any]]:
    """Return the indicators of a bundle."""
    return [found for found in json.loads(export.data)["objects"] if found["type"] == "indicator"]


def test_an_indicator_says_what_the_hotline_said() -> None:
    """Pattern, validity, confidence, marking and reference; the sender and the marking are in the bundle."""
    export = exported(confirmed(valid_from="2026-09-01T00:00:00Z", valid_until="2027-01-01T00:00:00Z"))
    (indicator,) = indicators(export)
    assert indicator["pattern"] == "[domain-name:value = 'shop.example']"
    assert (indicator["valid_from"], indicator["valid_until"]) == (
        "2026-09-01T00:00:00.000Z",
        "2027-01-01T00:00:00.000Z",
    )
    assert (indicator["confidence"], indicator["revoked"]) == (90, False)
    assert indicator["external_references"] == [{"source_name": HOTLINE, "external_id": "R-1"}]
    kinds = [found["type"] for found in json.loads(export.data)["objects"]]
    assert kinds == ["identity", "indicator", "marking-definition"]
    assert (export.indicator_count, export.revoked_count, export.left_out) == (1, 0, {})


def test_nothing_of_a_merchant_goes_out() -> None:
    """Payment clues, legal holds and linked domains stay here."""
    data = exported(confirmed(payment_clues=[CLUE], domain_links=[{"kind": "redirect", "domain": "b.example"}])).data
    for word in (b"998877", b"AMBER SHOP", b"4990", b"b.example", b"le_hold", b"clue"):
        assert word not in data


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([confirmed(tlp="red")], LeftOut.RESTRICTED),
        ([confirmed(tlp="amber+strict")], LeftOut.RESTRICTED),
        ([confirmed(le_hold=True)], LeftOut.HELD),
        ([confirmed(event="submitted", confirmed_at=None)], LeftOut.NOT_CONFIRMED),
        ([confirmed(classification="ignore")], LeftOut.NOT_CONFIRMED),
        ([confirmed(), later("disputed")], LeftOut.DISPUTED),
        ([confirmed(valid_until="2026-10-20T00:00:00Z"), later("disputed")], LeftOut.DISPUTED),
        ([confirmed(domain="192.0.2.7")], LeftOut.NO_NAME),
        ([confirmed(domain="co.uk")], LeftOut.NOT_MATCHABLE),
        ([confirmed(valid_until="2026-01-01T00:00:00Z")], LeftOut.NO_VALIDITY),
        ([confirmed(tlp="red"), later("retracted")], LeftOut.NEVER_SHARED),
        ([later("retracted")], LeftOut.NEVER_SHARED),
    ],
)
def test_what_may_not_go_out_is_counted_with_its_reason(events: list[ReferralEvent], reason: LeftOut) -> None:
    """Nothing of it is in the bundle, and the account says why."""
    export = exported(*events)
    assert (indicators(export), export.left_out) == ([], {reason: 1})
    assert b"shop.example" not in export.data


def test_a_retraction_goes_out_as_revoked_under_the_same_id() -> None:
    """As it was when last fit to be passed on, even if it was restricted or disputed in between."""
    before = exported(confirmed())
    after = exported(confirmed(), later("disputed"), later("retracted", issued_at="2026-10-11T00:00:00Z"))
    (first,), (last,) = indicators(before), indicators(after)
    assert (last["id"], last["created"], last["pattern"]) == (first["id"], first["created"], first["pattern"])
    assert (last["revoked"], last["modified"]) == (True, "2026-10-11T00:00:00.000Z")
    assert after.revoked_count == 1


def test_another_domain_revokes_the_first_and_has_an_id_of_its_own() -> None:
    """A corrected domain was wrong before: partners drop it at once, and get the new one when it is confirmed."""
    corrected = later("amended", domain="b.example")
    waiting = exported(confirmed(), corrected)
    assert [(found["revoked"], found["pattern"]) for found in indicators(waiting)] == [
        (True, "[domain-name:value = 'shop.example']")
    ]
    assert waiting.left_out == {LeftOut.NOT_CONFIRMED: 1}
    done = exported(confirmed(), corrected, confirmed(domain="b.example", issued_at="2026-10-12T00:00:00Z"))
    assert sorted((found["external_references"][0]["external_id"], found["revoked"]) for found in indicators(done)) == [
        ("R-1", True),
        ("R-1.2", False),
    ]
    assert (done.indicator_count, done.revoked_count, done.left_out) == (2, 1, {})
    events = read("stix", done.data, ASSERTED).events
    assert sorted((event.event.value, event.referral_id) for event in events) == [
        ("confirmed", "R-1.2"), ("retracted", "R-1"),
    ]  # fmt: skip


def test_a_referral_confirmed_again_does_not_come_back_from_revoked() -> None:
    """STIX knows no way back, so the second confirmation is another indicator."""
    again = confirmed(issued_at="2026-10-12T00:00:00Z")
    export = exported(confirmed(), later("retracted"), again)
    assert sorted(found["revoked"] for found in indicators(export)) == [False, True]
    assert len({found["id"] for found in indicators(export)}) == 2


def test_what_is_restricted_later_is_left_out_and_not_revoked() -> None:
    """A dispute, a hold or a stricter marking is no retraction; the indicator keeps its id when they end."""
    open_again = later("amended", tlp="green", issued_at="2026-10-12T00:00:00Z")
    assert exported(confirmed(), later("amended", tlp="red")).left_out == {LeftOut.RESTRICTED: 1}
    (before,), (after,) = (
        indicators(exported(confirmed())),
        indicators(exported(confirmed(), later("amended", tlp="red"), open_again)),
    )
    assert (before["id"], before["created"]) == (after["id"], after["created"])
    assert after["modified"] == "2026-10-12T00:00:00.000Z"


def test_a_hold_that_runs_out_opens_the_referral() -> None:
    """The end of a hold is no event; the indicator still has the times of events."""
    held = confirmed(le_hold=True, hold_until="2026-10-15T00:00:00Z")
    assert exported(held, as_of=datetime(2026, 10, 14)).left_out == {LeftOut.HELD: 1}
    (indicator,) = indicators(exported(held))
    assert indicator["created"] == "2026-10-01T09:00:00.000Z"


def test_later_events_are_not_told() -> None:
    """An export as of a moment knows nothing of what came after."""
    events = confirmed(), later("retracted")
    assert exported(*events, as_of=datetime(2026, 10, 5)) == exported(events[0])


def test_the_same_events_give_the_same_bytes() -> None:
    """Order and repetition of events change nothing; other hotlines have ids of their own."""
    events = [confirmed(), confirmed(referral_id="R-2", domain="b.example"), later("amended", confidence=50),
              confirmed(reporting_hotline_id="hotline-south")]  # fmt: skip
    outcomes = {exported(*order, order[0]).data for order in itertools.permutations(events)}
    assert len(outcomes) == 1
    assert len({found["id"] for found in indicators(exported(*events))}) == 3


def test_ids_are_name_based_and_frozen() -> None:
    """A changed namespace would show partners every indicator a second time."""
    (indicator,) = indicators(exported(confirmed()))
    assert re.fullmatch(
        r"indicator--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", indicator["id"]
    )
    assert indicator["id"] == "indicator--77fb09d0-70eb-5ae8-b3ac-58b72de33b90"


KEPT = ("referral_id", "domain", "match_scope", "domain_dedicated", "site_type", "commerciality", "payment_methods",
        "classification", "classification_country", "legal_basis", "received_at", "confirmed_at", "observed_at",
        "status", "valid_until", "confidence", "tlp")  # fmt: skip


@given(
    st.fixed_dictionaries(
        {
            "match_scope": st.sampled_from(MatchScope),
            "domain_dedicated": st.sampled_from(Dedicated),
            "site_type": st.sampled_from(SiteType),
            "tlp": st.sampled_from(["amber", "green", "clear"]),
            "confidence": st.none() | st.integers(0, 100),
            "observed_at": st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2026, 9, 1)),
            "valid_until": st.none() | st.datetimes(datetime(2027, 1, 1), datetime(2030, 1, 1)),
            "legal_basis": st.sampled_from(["Section 1 = 2", "§ 4"]),
            "classification": st.just("national"),
            "classification_country": st.just("NL"),
        }
    )
)
def test_what_goes_out_comes_back(changes: dict[str, Any]) -> None:
    """Read back with the word that it was confirmed, a referral says what it said; without, it is submitted."""
    event = confirmed(**changes)
    (back,) = read("stix", exported(event).data, ASSERTED).events
    assert {name: getattr(back, name) for name in KEPT} == {name: getattr(event, name) for name in KEPT}
    assert back.event == event.event
    (unasserted,) = read("stix", exported(event).data, OPTIONS).events
    assert unasserted.event.value == "submitted"


def test_a_revocation_comes_back_as_a_retraction() -> None:
    """The partner's register drops what ours dropped."""
    (back,) = read("stix", exported(confirmed(), later("retracted")).data).events
    assert (back.event.value, back.referral_id) == ("retracted", "R-1")
