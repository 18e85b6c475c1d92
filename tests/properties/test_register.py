"""What holds for every stream of referral events: order does not matter, and retraction undoes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from unit.referral_examples import AS_OF, BRIEF, a_platform, event, later, policy

from merchantscreen import tables
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.flagging import Flagged, flag
from merchantscreen.referrals.register import Referral, fold
from merchantscreen.vocabulary import BlindSpot, CounterEvidence, ReferralState

POLICY = policy("pages.example")
HOSTS = ["a.example", "www.a.example", "b.example", "tenant.pages.example", "amber.test", "192.0.2.7"]


@st.composite
def events(draw: st.DrawFn) -> ReferralEvent:
    """Draw an event on one of a few referrals of two hotlines, often at the same moment as others."""
    kind = draw(st.sampled_from(["submitted", "confirmed", "confirmed", "amended", "moved", "site_down", "disputed",
                                 "retracted", "heartbeat"]))  # fmt: skip
    fields: dict[str, Any] = {
        "event": kind,
        "reporting_hotline_id": draw(st.sampled_from(["hotline-a", "hotline-b"])),
        "referral_id": draw(st.sampled_from(["R-1", "R-2", "R-3"])),
        "issued_at": f"2026-10-{draw(st.integers(1, 6)):02}T09:00:00Z",
    }
    host = st.sampled_from(HOSTS)
    if kind in {"submitted", "confirmed"}:
        changed = st.fixed_dictionaries(
            {
                "domain": host,
                "match_scope": st.sampled_from(["host", "registrable_domain"]),
                "domain_dedicated": st.sampled_from(["yes", "no", "unknown"]),
                "classification": st.sampled_from(["baseline", "baseline", "ignore"]),
                "confidence": st.sampled_from([None, 40, 90]),
                "valid_until": st.sampled_from([None, "2026-10-20T00:00:00Z", "2027-01-01T00:00:00Z"]),
                "le_hold": st.sampled_from([False, False, True]),
                "domain_links": st.lists(st.fixed_dictionaries(
                    {"kind": st.sampled_from(["redirect", "shared_payment_page"]), "domain": host}), max_size=2),
                "payment_clues": st.lists(st.fixed_dictionaries(
                    {"merchant_id": st.sampled_from(["0042", "0043"])}), max_size=2),
            }
        )  # fmt: skip
        return event(**fields, **draw(changed))
    if kind == "moved":
        fields["moved_to_domain"] = draw(host)
    if kind in {"amended", "site_down"}:
        fields["status"] = draw(st.sampled_from(["active", "removed", "not_illegal"]))
    return later(kind, **fields)


STREAMS = st.lists(events(), max_size=12)


def flagged(stream: list[ReferralEvent], as_of: datetime = AS_OF) -> Flagged:
    """Fold a stream and flag what counts."""
    return flag(fold(stream, as_of), POLICY, as_of)


def the_referral(*stream: ReferralEvent) -> Referral:
    """Fold events of one referral."""
    (referral,) = fold(stream, AS_OF).referrals
    return referral


def caveats(*stream: ReferralEvent) -> set[str]:
    """Return the caveats of the one domain a stream flags."""
    return set(flagged(list(stream)).domains["caveats"].item().to_list())


def frames(result: Flagged) -> list[pl.DataFrame]:
    """Return the frames that say which domains count."""
    return [result.domains, result.domain_links, result.clues]


# --------------------------------------------------------------------------- properties


@given(STREAMS, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(stream: list[ReferralEvent], random: Any) -> None:
    """Any permutation of the same events gives the same register and the same frames."""
    shuffled = random.sample(stream, len(stream))
    assert fold(shuffled, AS_OF) == fold(stream, AS_OF)
    for one, other in zip(frames(flagged(shuffled)), frames(flagged(stream)), strict=True):
        assert_frame_equal(one, other)


@given(STREAMS)
def test_repeated_events_change_nothing_and_are_counted(stream: list[ReferralEvent]) -> None:
    """Every event twice is every event once, with the repetitions counted."""
    once, twice = fold(stream, AS_OF), fold([*stream, *stream], AS_OF)
    assert twice.referrals == once.referrals
    assert twice.duplicate_count == once.duplicate_count + len(stream)


@given(STREAMS, st.sampled_from(HOSTS), st.sampled_from(["host", "registrable_domain"]))
def test_retracting_a_referral_restores_what_was_flagged(stream: list[ReferralEvent], host: str, scope: str) -> None:
    """A referral that is added and retracted leaves domains, links and clues as they were."""
    new = {"reporting_hotline_id": "hotline-c", "referral_id": "R-9"}
    added = event(**new, domain=host, match_scope=scope, domain_links=[{"kind": "redirect", "domain": "x.example"}],
                  payment_clues=[{"merchant_id": "0099"}])  # fmt: skip
    undone = [*stream, added, later("retracted", **new)]
    for before, after in zip(frames(flagged(stream)), frames(flagged(undone)), strict=True):
        assert_frame_equal(before, after)


@given(STREAMS, st.integers(1, 7))
def test_later_events_cannot_change_an_earlier_register(stream: list[ReferralEvent], day: int) -> None:
    """The register as of a moment is the register of the events up to it."""
    as_of = datetime(2026, 10, day)
    prefix = [event for event in stream if event.issued_at <= as_of]
    assert fold(stream, as_of).referrals == fold(prefix, as_of).referrals
    set_aside = sum(later.event_count for later in fold(stream, as_of).set_aside)
    late = {event.canonical() for event in stream if event.issued_at > as_of and event.event != "heartbeat"}
    assert set_aside == len(late)


@given(STREAMS)
def test_every_referral_counts_or_is_a_blind_spot(stream: list[ReferralEvent]) -> None:
    """No referral disappears: it is behind a flagged domain, or a blind spot says why not."""
    register, result = fold(stream, AS_OF), flagged(stream)
    behind = set(result.domains["referral_ids"].explode().to_list())
    spots = set(result.blind_spots["subject"].to_list())
    for referral in register.referrals:
        if not referral.counts:
            assert referral.referral_id in spots
        elif not referral.is_held:
            assert referral.referral_id in behind
        else:
            assert referral.referral_id in spots


@given(STREAMS)
def test_frames_fit_their_tables_and_are_sorted(stream: list[ReferralEvent]) -> None:
    """Every frame has the types, keys and value sets of its table."""
    result = flagged(stream)
    tables.FlaggedDomains.validate(result.domains)
    tables.DomainLinks.validate(result.domain_links)
    tables.PaymentClues.validate(result.clues)
    tables.BlindSpots.validate(result.blind_spots)
    assert result.domains["domain"].is_sorted()


@given(STREAMS)
def test_nothing_of_a_held_referral_shows_on_an_open_domain(stream: list[ReferralEvent]) -> None:
    """An open domain, a link between open domains and a clue on one never name a referral that is only held."""
    referrals = fold(stream, AS_OF).referrals
    free = {referral.referral_id for referral in referrals if referral.counts and not referral.is_held}
    result = flagged(stream)
    open_domains = result.domains.filter(~pl.col("held"))
    assert set(open_domains["referral_ids"].explode().drop_nulls().to_list()) <= free
    names = open_domains["domain"].to_list()
    ties = result.domain_links.filter(pl.col("from_domain").is_in(names), pl.col("to_domain").is_in(names))
    assert set(ties["referral_ids"].explode().drop_nulls().to_list()) <= free
    assert set(result.clues.filter(pl.col("domain").is_in(names))["referral_id"].to_list()) <= free


# --------------------------------------------------------------------------- the life of a referral


def test_a_submission_waits_for_confirmation() -> None:
    """A submitted referral flags nothing until it is confirmed, whatever it is classified as."""
    submitted = event(event="submitted", issued_at="2026-09-29T00:00:00Z")
    assert the_referral(submitted).state is ReferralState.AWAITING_CONFIRMATION
    assert the_referral(submitted, event()).state is ReferralState.CONFIRMED
    assert the_referral(event(classification="ignore")).state is ReferralState.AWAITING_CONFIRMATION


@pytest.mark.parametrize("clearing", [later("retracted"), later("amended", status="not_illegal"),
                                      later("site_down", status="not_illegal")])  # fmt: skip
def test_a_retraction_clears_until_a_later_confirmation(clearing: ReferralEvent) -> None:
    """Retracted and not illegal clear a referral; only a confirmation issued later opens it again."""
    assert the_referral(event(), clearing).state is ReferralState.RETRACTED
    amended = later("amended", issued_at="2026-10-12T00:00:00Z", status="active")
    assert the_referral(event(), clearing, amended).state is ReferralState.RETRACTED
    assert the_referral(event(issued_at="2026-10-12T00:00:00Z"), clearing).state is ReferralState.CONFIRMED


def test_a_retraction_wins_within_one_moment() -> None:
    """A confirmation and a retraction of the same moment leave nothing flagged."""
    assert the_referral(event(), later("retracted", issued_at="2026-10-01T09:00:00Z")).state is ReferralState.RETRACTED


def test_another_hotline_cannot_retract() -> None:
    """A hotline's referral of the same id is another referral."""
    stream = [event(), later("retracted", reporting_hotline_id="hotline-b")]
    assert [referral.state for referral in fold(stream, AS_OF).referrals] == [
        ReferralState.CONFIRMED,
        ReferralState.RETRACTED,
    ]


def test_a_site_that_is_down_stays_flagged() -> None:
    """Taking a site down clears nobody, and is said."""
    assert the_referral(event(), later("site_down")).state is ReferralState.CONFIRMED
    assert CounterEvidence.SITE_DOWN in caveats(event(), later("site_down"))


def test_a_disputed_referral_stays_flagged_and_says_so() -> None:
    """A dispute is a caveat; a later confirmation settles it."""
    assert CounterEvidence.DISPUTED in caveats(event(), later("disputed"))
    settled = event(issued_at="2026-10-12T00:00:00Z")
    assert CounterEvidence.DISPUTED not in caveats(event(), later("disputed"), settled)


def test_an_expired_referral_keeps_its_window() -> None:
    """After its validity a referral still flags, for activity within the window, and says so."""
    domains = flagged([event(valid_until="2026-10-20T00:00:00Z")]).domains
    assert domains["window_until_at"].item() == datetime(2026, 10, 20)
    assert CounterEvidence.EXPIRED in domains["caveats"].item()


def test_a_move_links_a_new_domain_that_is_not_confirmed() -> None:
    """The new domain is listed with confidence 0, linked from the old one, which stays confirmed."""
    result = flagged([event(), later("moved", moved_to_domain="new.example")])
    assert result.domains.select("domain", "confirmed", "confidence_nano").rows() == [
        ("new.example", False, 0),
        ("shop.example", True, 900_000_000),
    ]
    assert result.domain_links.rows() == [("shop.example", "new.example", "moved_to", ["R-1"])]


def test_a_corrected_domain_has_to_be_confirmed_again() -> None:
    """An amendment to another domain does not carry the confirmation over."""
    assert the_referral(event(), later("amended", domain="other.example")).state is ReferralState.AWAITING_CONFIRMATION


def test_contradictory_statements_of_one_moment_are_not_resolved() -> None:
    """Two different confirmations of one moment flag nothing until the hotline speaks again."""
    stream = [event(), event(domain="other.example")]
    assert the_referral(*stream).state is ReferralState.NOT_MATCHABLE
    assert flagged(stream).blind_spots["kind"].to_list() == [BlindSpot.REFERRAL_NOT_MATCHABLE]
    assert the_referral(*stream, event(issued_at="2026-10-12T00:00:00Z")).state is ReferralState.CONFIRMED


def test_events_without_their_submission_are_a_blind_spot() -> None:
    """A dispute about a referral nobody sent us is kept and named."""
    assert flagged([later("disputed")]).blind_spots["kind"].to_list() == [BlindSpot.REFERRAL_NOT_MATCHABLE]


# --------------------------------------------------------------------------- flagged domains


def test_the_key_follows_the_match_scope() -> None:
    """A host counts as itself, a registrable domain as the whole of it."""
    assert flagged([event(domain="www.shop.example")]).domains["domain"].to_list() == ["shop.example"]
    host = flagged([event(domain="www.shop.example", match_scope="host")]).domains
    assert host.select("domain", "registrable").rows() == [("www.shop.example", "shop.example")]


def test_referrals_of_several_hotlines_merge() -> None:
    """Two hotlines give one row: highest confidence, `no` before `yes`, widest scope, joined window."""
    other = event(reporting_hotline_id="hotline-b", referral_id="B-7", confidence=40, domain_dedicated="no",
                  match_scope="host", observed_at="2026-08-31", valid_until="2026-12-31")  # fmt: skip
    row = flagged([event(), other]).domains.row(0, named=True)
    assert (row["confidence_nano"], row["dedicated"], row["match_scope"]) == (900_000_000, "no", "registrable_domain")
    assert (row["window_from_at"], row["window_until_at"]) == (datetime(2026, 8, 31) - timedelta(days=30), None)
    assert (row["referral_ids"], row["hotlines"]) == (["B-7", "R-1"], ["hotline-a", "hotline-b"])
    assert CounterEvidence.SINGLE_HOTLINE not in row["caveats"]


def test_the_first_confirmation_of_a_domain_is_kept() -> None:
    """Of several confirmations the earliest counts; a domain that is only linked has none."""
    other = event(reporting_hotline_id="hotline-b", referral_id="B-7", confirmed_at="2026-09-29T10:00:00Z",
                  received_at="2026-09-28T08:00:00Z")  # fmt: skip
    moved = later("moved", moved_to_domain="new.example")
    assert flagged([event(), other, moved]).domains.select("domain", "first_confirmed_at").rows() == [
        ("new.example", None),
        ("shop.example", datetime(2026, 9, 29, 10)),
    ]


def test_a_shared_host_is_narrowed_and_says_so() -> None:
    """On a host of the caution list only the exact host counts, with a caveat and a blind spot."""
    result = flagged([event(domain="tenant.pages.example")])
    row = result.domains.row(0, named=True)
    assert (row["domain"], row["match_scope"], row["label"]) == ("tenant.pages.example", "host", None)
    assert CounterEvidence.SHARED_HOST in row["caveats"]
    assert result.blind_spots["kind"].to_list() == [BlindSpot.SCOPE_NARROWED_TO_HOST]


def test_a_bare_public_suffix_is_never_matched() -> None:
    """A referral of a whole platform or registry accuses nobody."""
    platform = a_platform()
    assert the_referral(event(domain=platform)).state is ReferralState.NOT_MATCHABLE
    assert flagged([event(domain=platform)]).domains.is_empty()


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "amber-shop"),
        ({"domain_dedicated": "unknown"}, None),
        ({"domain": "tin.example"}, None),
        ({"domain": "192.0.2.7"}, None),
        ({"domain": "www.amber-shop.example", "match_scope": "host"}, "amber-shop"),
        ({"domain": "tenant.amber-shop.example", "match_scope": "host"}, None),
        ({"domain": "amber-shop.pages.example"}, None),
    ],
)
def test_only_the_name_of_a_dedicated_site_is_looked_for_elsewhere(changes: dict[str, str], label: str | None) -> None:
    """A label is given for long enough names of dedicated sites, never for tenants, addresses or shared hosts."""
    assert flagged([event(**{"domain": "amber-shop.example", **changes})]).domains["label"].item() == label


def test_a_target_that_is_confirmed_itself_stays_confirmed() -> None:
    """A link to a host inside a confirmed domain leads to that domain."""
    links = [{"kind": "redirect", "domain": "pay.other.example"}]
    result = flagged([event(domain_links=links), event(referral_id="R-2", domain="other.example")])
    assert result.domains["confirmed"].to_list() == [True, True]
    assert result.domain_links["to_domain"].to_list() == ["other.example"]


def test_clues_come_normalised_and_dated() -> None:
    """A clue has its descriptor folded, and without a time of its own that of the observation."""
    clues = [{"descriptor": " amber  shop 12345678", "amount_minor": 1999, "currency": "EUR"}]
    row = flagged([event(payment_clues=clues)]).clues.row(0, named=True)
    assert (row["descriptor"], row["seen_at"]) == ("AMBER SHOP", datetime(2026, 9, 30, 12))


def test_a_hold_ends_when_it_says() -> None:
    """A referral is held until its date, and the domain is held while all its referrals are."""
    held = event(le_hold=True, hold_until="2026-12-01T00:00:00Z")
    assert flagged([held]).domains["held"].to_list() == [True]
    assert flagged([held], datetime(2026, 12, 1)).domains["held"].to_list() == [False]
    open_too = flagged([held, event(reporting_hotline_id="hotline-b", referral_id="B-7")])
    assert open_too.domains.select("held", "referral_ids").rows() == [(False, ["B-7"])]
    assert open_too.blind_spots["kind"].to_list() == [BlindSpot.HELD_FOR_LAW_ENFORCEMENT]


def test_events_after_the_moment_are_named() -> None:
    """What is issued later is set aside, counted and named."""
    spots = flagged([later("retracted", **{**BRIEF, "issued_at": "2026-11-02T00:00:00Z"}), event()]).blind_spots
    assert spots.select("kind", "subject", "count").rows() == [(BlindSpot.REFERRAL_AFTER_AS_OF, "R-1", 1)]
