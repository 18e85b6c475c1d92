"""Two ways to read an event, the full one and the one for plain values: whatever they are given, they agree."""

from __future__ import annotations

from typing import Any, Final

import pytest
from exchange import network
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from unit.referral_examples import BRIEF, COMPLETE

from merchantscreen.referrals import events, plain
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.statements import as_fields
from merchantscreen.vocabulary import ReferralEventKind

WORDS: Final = st.sampled_from([member.value for member in ReferralEventKind] + [
    "yes", "no", "host", "registrable_domain", "website", "commercial", "baseline", "national", "ignore", "active",
    "moved", "not_illegal", "amber", "visa", "NL", "nl", "XX",
])  # fmt: skip
MOMENTS: Final = st.sampled_from([
    "2026-10-01T09:00:00Z", "2026-10-01", "2026-10-01T09:00:00+02:00", "2026-10-01t09:00:00z", "2026-10-01T09:00Z",
    "2026-10-01T09:00:00", "2026-10-01T09:00:00.5Z", "2026-10-01T09:00:00.123456Z", "2026-02-30", "2026-W42-4",
    "1989-12-31", "2200-01-01", "2026-10-01T24:00:00Z", "2026-10-01T23:59:60Z", "2026-10-01Z",
    "2026-10-01T09:00:00Z\n", "",
])  # fmt: skip
HOSTS: Final = st.sampled_from([
    "shop.example", "Shop.Example", "shop.example.", "xn--bcher-kva.example", "b\u00fccher.example", "1.2.3.4",
    "0x7f.1",
    "[2001:db8::1]", "example", "a--b.example", "-a.example", "a_b.example", "shop.1a", "shop.a1", "co.uk",
    "http://shop.example/", "shop.example/x", "a." * 120 + "example", " shop.example", "shop..example",
    "4111111111111111.example",
])  # fmt: skip
ODD: Final = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 101), st.floats(0, 1), st.text(max_size=20),
    st.lists(st.sampled_from(["visa", "other", "R-1", ""]), max_size=3), st.just({}), st.just([[]]),
    st.just("4111 1111 1111 1111"), st.just("4111111111111111"), st.text("a", min_size=63, max_size=66),
)  # fmt: skip
VALUES: Final = WORDS | MOMENTS | HOSTS | ODD
NAMES: Final = st.sampled_from([*ReferralEvent.model_fields, "victim_name", "note"])
BASES: Final = st.sampled_from([dict(COMPLETE), {**BRIEF, "event": "moved", "moved_to_domain": "new.example"}])


@given(BASES, st.dictionaries(NAMES, VALUES, max_size=4))
@example(dict(COMPLETE), {})
@example(dict(COMPLETE), {"valid_from": "2026-10-02", "valid_until": "2026-10-02"})
@example(dict(COMPLETE), {"le_hold": False, "hold_until": "2026-10-02"})
@example(dict(COMPLETE), {"le_hold": 0, "confidence": True})
@example(dict(COMPLETE), {"classification": "national", "classification_country": "NL", "legal_basis": "Art. 1"})
@example(dict(COMPLETE), {"payment_clues": [{"descriptor": "SHOP"}], "domain_links": []})
@example(dict(COMPLETE), {"referral_id": "4111111111111111"})
def test_both_ways_of_reading_agree(base: dict[str, Any], changes: dict[str, Any]) -> None:
    """The same event in every field, in its text and in what was stated; or the same issues."""
    raw = base | changes
    quick, full = plain.read_event(raw), events.read_event(raw)
    assert quick == full
    if isinstance(quick, ReferralEvent) and isinstance(full, ReferralEvent):
        _require_same(quick, full)


@given(BASES, st.dictionaries(NAMES, VALUES, max_size=4))
@example(dict(COMPLETE), {"note": 1})
@example(dict(COMPLETE), {"domain": None})
def test_both_ways_of_recalling_agree(base: dict[str, Any], changes: dict[str, Any]) -> None:
    """What was recorded comes back as the full check has it, and what cannot have been is refused."""
    raw = base | changes
    stated = {name: value for name, value in raw.items() if value is not None}
    try:
        full = ReferralEvent.model_validate(stated)
    except ValidationError:
        with pytest.raises(ValueError, match="ReferralEvent"):
            plain.recall_event(raw)
        return
    _require_same(plain.recall_event(raw), full)


def _require_same(quick: ReferralEvent, full: ReferralEvent) -> None:
    assert quick == full
    assert quick.model_fields_set == full.model_fields_set
    assert quick.canonical() == full.canonical()
    assert as_fields(quick) == as_fields(full)
    assert hash(quick) == hash(full)
    assert quick.model_copy(update={"issued_at": network.NOW}) == full.model_copy(update={"issued_at": network.NOW})


def test_an_ordinary_confirmation_is_plain() -> None:
    """The usual case takes the quick way; otherwise the two tests above would compare the full check with itself."""
    assert plain._plain_event(COMPLETE) is not None
