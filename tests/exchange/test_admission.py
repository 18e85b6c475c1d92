"""What is taken into a hotline's stream: exhaustively against a small oracle, then rule by rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import permutations, product

import pytest
from exchange.network import (
    END,
    NORTH,
    NOW,
    SOUTH,
    START,
    WEST,
    Hotline,
    Workspace,
    key,
    north,
    organisation,
    outcomes,
    south,
    trust,
    west,
    workspace,
)

from merchantscreen.referrals import envelope, trustchain
from merchantscreen.referrals.admission import CODES, FLOOD_FEWEST, admit, flood_from, open_statement, spans, staleness
from merchantscreen.referrals.envelope import STATEMENT_TYPE
from merchantscreen.referrals.exchange_problems import PROBLEMS, EnvelopeError
from merchantscreen.referrals.statements import Statement
from merchantscreen.referrals.streams import Outcome, Reason, Streams
from merchantscreen.vocabulary import Assurance

TRUST = trust()
LATER = "2026-10-15T11:30:00Z"

# --------------------------------------------------------------------------- the oracle


@dataclass
class Oracle:
    """All that can be said about one stream, in the fewest words."""

    chain: dict[int, str] = field(default_factory=dict)
    forked: bool = False

    def expects(self, said: Statement) -> tuple[str, tuple[int, ...]]:
        """Tell what becomes of a statement, and which numbers are missing before it."""
        if said.digest in self.chain.values():
            return "duplicate", ()
        head = next(number for number in range(1, 99) if number not in self.chain) - 1
        before = self.chain.get(said.seq - 1)
        if self.forked or said.seq in self.chain or (said.seq > 1 and before not in (None, said.prev)):
            self.forked = True
            return "refused(fork)", ()
        if said.seq > head + 1:
            missing = tuple(number for number in range(head + 1, said.seq) if number not in self.chain)
            if said.event.event != "retracted":
                return "refused(gap)", missing
            self.chain[said.seq] = said.digest
            return "accepted(gap)", missing
        self.chain[said.seq] = said.digest
        return "accepted", ()


def received(deliveries: Sequence[Statement]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Receive statements; yield what becomes of each, and the missing numbers."""
    streams = Streams()
    for place, said in enumerate(deliveries):
        answer = admit(streams, said, TRUST, NOW)
        if answer.outcome is not Outcome.DUPLICATE:
            streams.take(answer.entry(place, NOW), TRUST)
        yield outcomes([answer])[0], tuple(n for first, last in answer.missing for n in range(first, last + 1))


def agree(deliveries: Sequence[Statement]) -> None:
    """Compare an order of delivery with the oracle."""
    oracle = Oracle()
    assert list(received(deliveries)) == [oracle.expects(said) for said in deliveries]


def stream_of(*kinds: str) -> list[Statement]:
    """Return one statement of each kind, in order."""
    hotline = north()
    return [hotline.says(event=kind, referral_id=f"R-{place}") for place, kind in enumerate(kinds)]


def test_every_order_of_six_statements() -> None:
    """Every permutation of every part of six statements: nothing is ever accepted out of order."""
    stream = stream_of(*["confirmed"] * 6)
    for length in range(7):
        for deliveries in permutations(stream, length):
            agree(deliveries)


def test_every_delivery_of_four_statements_with_repetitions() -> None:
    """Six deliveries out of four statements, repeated and dropped at will: repetitions change nothing."""
    stream = stream_of(*["confirmed"] * 4)
    for length in range(7):
        for deliveries in product(stream, repeat=length):
            agree(deliveries)


def test_every_order_with_retractions_among_them() -> None:
    """A retraction is taken in wherever it comes, with its gap named; everything else still waits its turn."""
    stream = stream_of("confirmed", "retracted", "confirmed", "retracted", "confirmed")
    for deliveries in permutations(stream):
        agree([*deliveries, *deliveries])


def test_every_order_with_a_fork_among_them() -> None:
    """A different statement with a used number, or after another predecessor, stops the stream."""
    stream = stream_of(*["confirmed"] * 4)
    other = Hotline("hotline-north", [NORTH], seq=1, prev=stream[0].digest)
    branch = [other.says(referral_id="X-2"), other.says(referral_id="X-3")]
    for deliveries in permutations([*stream, *branch]):
        agree(deliveries)


# --------------------------------------------------------------------------- gaps and forks


def test_a_gap_is_named_and_filled() -> None:
    """The missing numbers are named; once they came, the same statement is accepted."""
    desk, hotline = workspace(), north()
    one, two, three, four = (hotline.states(referral_id=f"R-{n}") for n in range(4))
    (_, gap) = desk.receive(one, four)
    assert spans(gap.missing) == "2-3"
    problem = gap.problem("four.json")
    assert problem is not None
    assert (problem.code, "2-3" in problem.found, gap.stops_stream) == ("MS-EXC-060", True, True)
    assert desk.folding.streams.of("hotline-north").missing == ((2, 3),)
    assert outcomes(desk.receive(three, two, three, four)) == ["refused(gap)", "accepted", "accepted", "accepted"]
    assert desk.folding.streams.of("hotline-north").missing == ()


def test_a_fork_stops_one_hotline_and_no_other() -> None:
    """After a fork its hotline can only take back; the others go on."""
    desk, hotline, twin, other = workspace(), north(), north(), south()
    desk.receive(hotline.states(), other.states())
    assert outcomes(desk.receive(twin.states(referral_id="R-2"), hotline.states(referral_id="R-3"),
                                 other.states(referral_id="S-2"))) == [
        "refused(fork)", "refused(fork)", "accepted",
    ]  # fmt: skip
    assert outcomes(desk.receive(twin.states(event="retracted"))) == ["accepted(fork)"]
    assert desk.history().received[-1].event.event == "retracted"


def test_an_early_retraction_holds_its_hotline_to_its_word() -> None:
    """A statement that is not the one a retraction already followed is a fork."""
    desk, hotline, twin = workspace(), north(), north()
    first, second, third = hotline.states(), hotline.states(referral_id="R-2"), hotline.states(event="retracted")
    twin.states()
    assert outcomes(desk.receive(first, third, twin.states(referral_id="X-2"))) == [
        "accepted", "accepted(gap)", "refused(fork)",
    ]  # fmt: skip
    assert outcomes(desk.receive(second)) == ["refused(fork)"]


def test_a_fork_ends_when_its_key_is_revoked() -> None:
    """The officers revoke the key behind the fork; the hotline goes on with a new one."""
    keys = (NORTH, key("north 2"))
    desk, hotline, thief = workspace(organisations=(organisation("hotline-north", *keys),)), north(), north()
    desk.receive(hotline.states(keys=keys[1:]), thief.states(referral_id="X-1"))
    assert outcomes(desk.receive(hotline.states(keys=keys[1:], referral_id="R-2"))) == ["refused(fork)"]
    desk.revoke(NORTH, desk.now - timedelta(hours=1))
    assert outcomes(desk.receive(hotline.states(keys=keys[1:], referral_id="R-3"))) == ["refused(gap)"]
    hotline.seq, hotline.prev = 1, desk.folding.streams.of("hotline-north").places[1].entry.digest
    assert outcomes(desk.receive(hotline.states(keys=keys[1:], referral_id="R-2"))) == ["accepted"]


def test_a_number_from_afar_costs_nothing() -> None:
    """A retraction numbered in the billions is taken in at once, with the gap as one run."""
    desk, hotline = workspace(), Hotline("hotline-north", [NORTH], seq=10**12, prev="1" * 64)
    (answer,) = desk.receive(hotline.states(event="retracted"))
    assert spans(answer.missing) == f"1-{10**12}"


# --------------------------------------------------------------------------- who, when, for whom


def test_three_keys_out_of_scope_are_not_accepted() -> None:
    """A key for other events, one for another country and one for another suffix: refused, and their streams go on."""
    limits = ({"events": ["submitted"]}, {"jurisdictions": ["DE"]}, {"suffixes": ["test"]})
    for limit in limits:
        desk = workspace(organisations=(organisation("hotline-north", NORTH, **limit),))
        hotline = north()
        answers = desk.receive(hotline.states(assigned_country="NL"), hotline.states(event="retracted"))
        assert outcomes(answers) == ["refused(scope)", "accepted"]
        assert [one.event.event for one in desk.history().received] == ["retracted"]
        assert "payload" not in desk.events[2].body


def test_another_network_the_future_and_a_stale_trust_file() -> None:
    """What is not for us, from the future, or received under an expired trust file is refused; later it may do."""
    desk, ahead = workspace(), north()
    other = Hotline("hotline-south", [SOUTH], audience="network-two")
    future = ahead.states(issued_at="2026-10-15T12:11:00Z")
    assert outcomes(desk.receive(other.states(), future)) == ["refused(audience)", "refused(future)"]
    desk.now += timedelta(minutes=2)
    assert outcomes(desk.receive(future)) == ["accepted"]
    desk.now = END
    assert outcomes(desk.receive(ahead.states(event="retracted"))) == ["refused(stale_trust)"]


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_ten_years_off_lets_nothing_in(years: int) -> None:
    """With our clock far off, or the hotline's, statements are refused with a reason."""
    desk = workspace()
    desk.now = NOW.replace(year=NOW.year + years)
    assert outcomes(desk.receive(north().states()))[0] in {"refused(future)", "refused(stale_trust)"}
    hotline = Hotline("hotline-south", [SOUTH])
    desk.now = NOW
    assert outcomes(desk.receive(hotline.states(issued_at=f"{NOW.year + years}-10-15T11:00:00Z"))) in (
        ["refused(future)"], ["refused(untrusted)"],
    )  # fmt: skip


def test_a_key_counts_only_for_its_own_hotline() -> None:
    """A statement signed by another hotline alone, or by a key outside its validity, is not trusted."""
    desk = workspace()
    assert outcomes(desk.receive(north().states(keys=[SOUTH]))) == ["refused(untrusted)"]
    desk.trusts(trustchain.changed(TRUST, START, END, **trustchain.rotated(
        TRUST, NORTH.key_id, key("north 2").verify_key, NOW - timedelta(minutes=30))))  # fmt: skip
    assert outcomes(desk.receive(north().states())) == ["refused(untrusted)"]
    assert outcomes(desk.receive(north().states(keys=[key("north 2")]))) == ["refused(untrusted)"]
    assert outcomes(desk.receive(north().states(keys=[key("north 2")], issued_at=LATER))) == ["accepted"]


def test_an_unknown_key_never_gets_that_far() -> None:
    """A key that the trust file does not hold is refused when the envelope is opened."""
    with pytest.raises(EnvelopeError) as error:
        open_statement(north().states(keys=[key("stranger")]), TRUST)
    assert error.value.problems[0].code == "MS-EXC-012"


# --------------------------------------------------------------------------- two organisations


def test_two_organisations_make_a_statement_stronger() -> None:
    """Signed by two: signed-2org. Two keys of one hotline are still one."""
    two_keys = organisation("hotline-north", NORTH, key("north 2"))
    desk, hotline = workspace(organisations=(two_keys, organisation("hotline-south", SOUTH))), north()
    answers = desk.receive(hotline.states(keys=[NORTH, key("north 2")]), hotline.states(keys=[NORTH, SOUTH]))
    assert [one.assurance for one in answers] == [Assurance.SIGNED, Assurance.SIGNED_2ORG]


def test_a_countersignature_that_comes_later_counts() -> None:
    """The same statement with one more organisation is new; with the same ones it is not."""
    desk = workspace()
    data = north().states()
    both = envelope.countersign(data, STATEMENT_TYPE, SOUTH)
    assert outcomes(desk.receive(data, both, both, data)) == [
        "accepted", "accepted(countersigned)", "duplicate", "duplicate",
    ]  # fmt: skip
    (received_one,) = desk.history().received
    assert received_one.assurance is Assurance.SIGNED_2ORG
    assert desk.folded().received == desk.history().received


def test_a_threshold_counts_organisations() -> None:
    """Where two have to confirm, the first waits, and both count once the second has said the same."""
    desk, one, two = workspace(thresholds={"confirmed": 2}), north(), south()
    assert outcomes(desk.receive(one.states(), one.states(referral_id="R-2"))) == ["quarantined(threshold)"] * 2
    assert desk.history().received == ()
    assert outcomes(desk.receive(two.states(domain="other.example"))) == ["quarantined(threshold)"]
    assert outcomes(desk.receive(two.states(referral_id="S-2"))) == ["accepted"]
    assert {(r.event.reporting_hotline_id, r.event.referral_id) for r in desk.history().received} == {
        ("hotline-north", "R-1"), ("hotline-north", "R-2"), ("hotline-south", "S-2"),
    }  # fmt: skip
    desk.receive(two.states(event="retracted", referral_id="S-2", issued_at=LATER))
    assert {r.event.reporting_hotline_id for r in desk.history().received} == {"hotline-south"}
    assert len(desk.history().waiting) == 3


def second_voice(desk: Workspace, **changes: str) -> str:
    """Let the southern hotline confirm what the northern one may have confirmed, and tell what becomes of it."""
    return outcomes(desk.receive(south().states(referral_id="S-1", **changes)))[0]


def test_only_a_confirmation_that_stands_supports_another() -> None:
    """Taken back before it came, held back as a flood, or amended to another name: it supports nobody."""
    desk, hotline = workspace(thresholds={"confirmed": 2}), north()
    confirmation, retraction = hotline.states(), hotline.states(event="retracted")
    desk.receive(retraction, confirmation)
    assert second_voice(desk) == "quarantined(threshold)"

    limited = (organisation("hotline-north", NORTH, daily_limit=1), organisation("hotline-south", SOUTH))
    desk, hotline = workspace(thresholds={"confirmed": 2}, organisations=limited), north()
    desk.receive(hotline.states(domain="a.example"))
    (held_back,) = desk.receive(hotline.states(referral_id="R-2"))
    assert outcomes([held_back]) == ["quarantined(flood)"]
    assert second_voice(desk) == "quarantined(threshold)"
    desk.release("hotline-north", held_back.statement.digest)
    assert desk.history().waiting[0].received.event.domain == "a.example"
    assert len(desk.history().received) == 2

    desk, hotline = workspace(thresholds={"confirmed": 2}), north()
    desk.receive(hotline.states(domain="www.shop.example"), hotline.states(event="amended", match_scope="host"))
    assert second_voice(desk) == "quarantined(threshold)"


# --------------------------------------------------------------------------- protected hosts and floods


def test_a_protected_host_needs_two_organisations_and_an_officer() -> None:
    """Neither a second organisation nor an officer's release is enough alone."""
    desk, one, two = workspace(protected_hosts=("shop.example",)), north(), south()
    (first, second) = desk.receive(one.states(), two.states(referral_id="S-1"))
    assert outcomes([first, second]) == ["quarantined(protected_host)"] * 2
    assert desk.history().received == ()
    desk.release("hotline-north", first.statement.digest)
    assert [r.event.reporting_hotline_id for r in desk.history().received] == ["hotline-north"]
    desk.receive(two.states(event="retracted", referral_id="S-1", issued_at=LATER))
    assert [waiting.reason.value for waiting in desk.history().waiting] == ["threshold", "protected_host"]


def test_a_cosigned_statement_has_its_second_organisation() -> None:
    """One statement of two organisations fulfils a threshold, and on a protected host waits for the officer only."""
    desk, hotline = workspace(protected_hosts=("shop.example",), thresholds={"confirmed": 2}), north()
    both = [NORTH, SOUTH]
    plain, protected = desk.receive(hotline.states(keys=both, domain="a.example"), hotline.states(keys=both))
    assert outcomes([plain, protected]) == ["accepted", "quarantined(protected_host)"]
    desk.release("hotline-north", protected.statement.digest)
    assert desk.history().waiting == ()


def test_one_stolen_key_cannot_name_a_protected_host_in_steps() -> None:
    """Widening, moving or re-submitting a referral onto a protected host waits as well."""
    desk, hotline = workspace(protected_hosts=("shop.example",)), north()
    answers = desk.receive(
        hotline.states(domain="tenant.shop.example", match_scope="host"),
        hotline.states(event="amended", match_scope="registrable_domain"),
        hotline.states(event="submitted", domain="tenant.shop.example"),
        hotline.states(event="moved", moved_to_domain="shop.example"),
        hotline.states(event="amended", confidence=10),
    )
    assert outcomes(answers) == ["accepted", *["quarantined(protected_host)"] * 3, "accepted"]


def flood(desk: Workspace, hotline: Hotline, count: int) -> list[str]:
    """Let a hotline confirm many sites at once."""
    return outcomes(desk.receive(*(hotline.says(referral_id=f"F-{hotline.seq}") for _ in range(count))))


def test_an_extraordinary_day_waits_and_a_retraction_does_not() -> None:
    """From the twentieth statement of a new hotline's day on, statements wait for an officer; retractions never do."""
    desk, hotline = workspace(), north()
    answers = flood(desk, hotline, FLOOD_FEWEST + 5)
    assert answers == ["accepted"] * (FLOOD_FEWEST - 1) + ["quarantined(flood)"] * 6
    assert outcomes(desk.receive(hotline.states(event="retracted", referral_id="F-0", issued_at=LATER),
                                 hotline.states(event="heartbeat"))) == ["accepted", "accepted"]  # fmt: skip
    assert len(desk.history().waiting) == 6
    desk.release("hotline-north", desk.history().waiting[0].received.digest or "")
    assert len(desk.history().waiting) == 5
    desk.now += timedelta(days=1)
    assert flood(desk, hotline, 1) == ["accepted"]


def test_the_limit_follows_the_usual_day() -> None:
    """A hundred times the median of the days on which the hotline stated anything, or what the trust file says."""
    desk, hotline = workspace(), north()
    for count in (1, 3, 2):
        flood(desk, hotline, count)
        desk.now += timedelta(days=5)
    stream = desk.folding.streams.of("hotline-north")
    assert flood_from(stream, desk.trust, desk.now) == 200
    assert flood_from(stream, desk.trust, desk.now + timedelta(days=60)) == FLOOD_FEWEST
    limited = trust(organisations=(organisation("hotline-north", NORTH, daily_limit=2),))
    assert flood_from(stream, limited, desk.now) == 3


def test_what_waits_does_not_make_a_flood_usual() -> None:
    """A held-back day raises no limit until an officer has released it."""
    desk, hotline = workspace(organisations=(organisation("hotline-north", NORTH, daily_limit=1),)), north()
    flood(desk, hotline, 300)
    unlimited, tomorrow = trust(), desk.now + timedelta(days=1)
    assert flood_from(desk.folding.streams.of("hotline-north"), unlimited, tomorrow) == 100


# --------------------------------------------------------------------------- revocation and silence


def test_a_revoked_statement_that_comes_again_is_a_replay() -> None:
    """What was revoked cannot come back, not even with another signature."""
    desk = workspace()
    data = north().states()
    desk.receive(data)
    desk.revoke(NORTH, desk.now - timedelta(hours=2))
    again = envelope.countersign(data, STATEMENT_TYPE, WEST)
    assert outcomes(desk.receive(data, again)) == ["refused(replay)", "refused(replay)"]


def test_a_silent_hotline_is_named() -> None:
    """Never heard, silent beyond the limit, or later than its heartbeat promised."""
    desk, hotline = workspace(), north()
    desk.receive(hotline.says(event="heartbeat", valid_until="2026-10-16T12:00:00Z"), west().says())

    def silent(**after: int) -> list[str]:
        moment = NOW + timedelta(**after)
        return [one.issuer for one in staleness(desk.folding.streams, desk.trust, moment, timedelta(days=7))]

    assert silent(hours=1) == ["hotline-south"]
    assert silent(days=2) == ["hotline-north", "hotline-south"]
    assert silent(days=8) == ["hotline-north", "hotline-south", "hotline-west"]


def test_a_hotline_with_a_gap_is_silent_too() -> None:
    """What is known to be missing makes a hotline stale, however lately it spoke."""
    desk, hotline = workspace(), north()
    desk.receive(hotline.says(), *[hotline.says(referral_id=f"R-{n}") for n in (2, 3)][1:])
    found = staleness(desk.folding.streams, desk.trust, desk.now, timedelta(days=7))
    assert [(one.issuer, one.missing) for one in found if one.missing] == [("hotline-north", ((2, 2),))]


def test_every_reason_has_words() -> None:
    """Each refusal of admission has a problem with a fix for a person."""
    assert set(CODES) == set(Reason) - {Reason.COUNTERSIGNED}
    assert set(CODES.values()) <= set(PROBLEMS)
