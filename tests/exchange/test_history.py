"""What a log adds up to: what counts, what was taken away again, and who had used it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from exchange.network import (
    END,
    NORTH,
    NOW,
    SOUTH,
    START,
    Hotline,
    Workspace,
    key,
    north,
    organisation,
    outcomes,
    referral,
    south,
    trust,
    workspace,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from unit.referral_examples import policy

from merchantscreen.errors import UsageError
from merchantscreen.eventlog.records import LARGEST_BODY, canonical
from merchantscreen.referrals import envelope, logged, trustchain
from merchantscreen.referrals.envelope import STATEMENT_TYPE
from merchantscreen.referrals.flagging import flag
from merchantscreen.referrals.history import History, fold, register_of, runs_touched
from merchantscreen.referrals.keys import SigningKey
from merchantscreen.vocabulary import Assurance, ReferralState

AS_OF = datetime(2026, 11, 1)
POLICY = policy("pages.example")
LATER = "2026-10-15T11:30:00Z"


def states(history: History) -> dict[str, ReferralState]:
    """Return the state of every referral by its number."""
    return {one.number: one.state for one in register_of(history, AS_OF).referrals}


def assurances(history: History) -> list[Assurance]:
    """Return the assurance of every referral, in the order of the register."""
    return [one.assurance for one in register_of(history, AS_OF).referrals]


# --------------------------------------------------------------------------- numbers and assurance


def test_a_referral_keeps_its_number() -> None:
    """Numbers follow the first appearance of a hotline's referral, and stay whatever becomes of it."""
    desk, one, two = workspace(), north(), south()
    desk.receive(one.states(), two.states(), one.states(event="retracted"), one.states(referral_id="R-9"))
    history = desk.history()
    assert history.numbers == {
        ("hotline-north", "R-1"): "R-000001",
        ("hotline-south", "R-1"): "R-000002",
        ("hotline-north", "R-9"): "R-000003",
    }  # fmt: skip
    assert history.referral_of("R-000002") == ("hotline-south", "R-1")
    assert states(history)["R-000001"] is ReferralState.RETRACTED


def test_transcribed_and_imported_events_say_how_they_came() -> None:
    """A list that two officers countersigned is transcribed, a file is unsigned, and both are below a signature."""
    desk = workspace()
    for body in logged.transcription_bodies("0" * 64, ["A. One", "B. Two"], [referral(referral_id="R-1")]):
        desk.append("referral.transcribed", body)
    for body in logged.import_bodies("csv", "1" * 64, [referral(referral_id="R-2")], 0):
        desk.append("referral.imported", body)
    desk.receive(north().states(referral_id="R-3"), south().states(keys=[SOUTH, NORTH]))
    assert assurances(desk.history()) == [
        Assurance.TRANSCRIBED, Assurance.UNSIGNED, Assurance.SIGNED, Assurance.SIGNED_2ORG,
    ]  # fmt: skip
    domains = flag(register_of(desk.history(), AS_OF), POLICY, AS_OF).domains
    assert domains["assurance"].to_list() == ["signed-2org"]


def test_a_referral_is_as_well_proven_as_its_weakest_change() -> None:
    """An unsigned amendment weakens a signed referral; a dispute does not; a new confirmation begins anew."""
    desk, hotline = workspace(), north()
    desk.receive(hotline.states())
    for kind in ("disputed", "amended"):
        assert assurances(desk.history()) == [Assurance.SIGNED]
        for body in logged.import_bodies("csv", "1" * 64, [referral(event=kind, issued_at=LATER)], 0):
            desk.append("referral.imported", body)
    assert assurances(desk.history()) == [Assurance.UNSIGNED]
    desk.receive(hotline.states(issued_at="2026-10-15T11:45:00Z"))
    assert assurances(desk.history()) == [Assurance.SIGNED]


def test_the_same_event_counts_with_its_best_proof() -> None:
    """A signed statement that was also imported without a signature stays signed."""
    desk, hotline = workspace(), north()
    for body in logged.import_bodies("csv", "1" * 64, [referral()], 0):
        desk.append("referral.imported", body)
    desk.receive(hotline.states())
    assert assurances(desk.history()) == [Assurance.SIGNED]


def test_a_proven_referral_that_leads_to_a_domain_proves_nothing_of_it() -> None:
    """A domain confirmed without a signature stays unsigned though a signed referral moved there."""
    desk, hotline = workspace(), north()
    desk.receive(hotline.states(), hotline.states(event="moved", moved_to_domain="other.example"))
    for body in logged.import_bodies("csv", "1" * 64, [referral("hotline-south", domain="other.example")], 0):
        desk.append("referral.imported", body)
    domains = flag(register_of(desk.history(), AS_OF), POLICY, AS_OF).domains
    assert dict(zip(domains["domain"], domains["assurance"], strict=True)) == {
        "other.example": "unsigned", "shop.example": "signed",
    }  # fmt: skip


@pytest.mark.parametrize("officers", [[], ["A. One"], ["A. One", "A. One"], ["A. One", " a.  one "], ["A. One", ""]])
def test_one_person_cannot_transcribe(officers: list[str]) -> None:
    """Two different officers or nothing, when it is written and when it is read."""
    with pytest.raises(UsageError):
        logged.transcription_bodies("0" * 64, officers, [referral()])
    desk = workspace()
    (body,) = logged.transcription_bodies("0" * 64, ["A", "B"], [referral()])
    desk.append("referral.transcribed", {**body, "officers": officers})
    assert (desk.history().received, desk.history().problems[0].code) == ((), "MS-EXC-081")


# --------------------------------------------------------------------------- order


def test_a_clock_that_went_back_does_not_lose_a_retraction() -> None:
    """A retraction with an earlier time than the confirmation it follows still takes it back."""
    desk, hotline = workspace(), north()
    desk.receive(hotline.states(), hotline.states(event="retracted", issued_at="2026-10-15T10:00:00Z"))
    assert states(desk.history()) == {"R-000001": ReferralState.RETRACTED}
    (_, taken_back) = desk.history().received
    assert taken_back.effective_at == datetime(2026, 10, 15, 11)
    assert taken_back.event.issued_at == datetime(2026, 10, 15, 10)


def test_a_retraction_before_its_confirmation_still_takes_it_back() -> None:
    """The retraction arrives first, through a gap; when the confirmation comes, nothing is flagged."""
    desk, hotline = workspace(), north()
    confirmation, retraction = hotline.states(), hotline.states(event="retracted")
    assert outcomes(desk.receive(retraction, confirmation)) == ["accepted(gap)", "accepted"]
    assert states(desk.history()) == {"R-000001": ReferralState.RETRACTED}


def test_a_prefix_is_a_prefix() -> None:
    """Folding a beginning of the log gives what the history was then, later revocations or not."""
    desk = workspace()
    desk.receive(north().states())
    size, then = len(desk.events), desk.history()
    desk.revoke(NORTH, START)
    assert desk.history().received == ()
    assert fold(desk.events[:size]).received == then.received


# --------------------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("referral.accepted", {}),
        ("referral.refused", {"issuer": 1}),
        ("trust.accepted", {"version": 2, "sha256": "x", "envelope": "AAAA"}),
        ("referral.imported", {"format": "csv", "file_sha256": "x", "count": 1, "refused": 0, "assurance": "signed",
                               "events": [{"memo": "x"}], "part": 1, "parts": 1}),
        ("run.recorded", {"run_id": "r", "manifest_sha256": "x", "as_of": "x", "log_size": 1, "log_root": "x",
                          "referrals": ["x"]}),
        ("referral.released", {"issuer": "a", "seq": 1, "statement_sha256": "x", "officer": "o", "reason": "r"}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_changes_nothing(kind: str, body: dict[str, Any]) -> None:
    """A log event that does not say what its kind says is a problem with its index."""
    desk = workspace()
    desk.append(kind, body)
    history = desk.history()
    assert [(problem.line, problem.column) for problem in history.problems] == [(2, kind)]
    assert (history.received, history.refused, history.runs) == ((), (), ())


def test_a_payload_of_another_statement_is_not_read() -> None:
    """An entry whose digest and payload part ways counts nothing."""
    desk = workspace()
    desk.receive(north().states())
    event = desk.events[-1]
    swapped = replace(event, body={**event.body, "statement_sha256": "0" * 64})
    history = fold([*desk.events[:-1], swapped])
    assert (history.received, history.problems[0].code) == ((), "MS-EXC-080")


def test_other_kinds_are_passed_over() -> None:
    """Kinds of other parts of the program do not concern us."""
    desk = workspace()
    desk.append("disposition.recorded", {"anything": 1})
    assert (desk.history().problems, desk.history().size) == ((), 3)


def test_a_long_list_comes_in_parts_that_each_fit() -> None:
    """A thousand events are split; every part fits into the log and all of them are read back."""
    events = [referral(referral_id=f"R-{number}") for number in range(1000)]
    bodies = logged.import_bodies("csv", "1" * 64, events, 3)
    assert all(len(canonical(body)) <= LARGEST_BODY for body in bodies)
    assert [body["part"] for body in bodies] == list(range(1, bodies[0]["parts"] + 1))
    desk = workspace()
    for body in bodies:
        desk.append("referral.imported", body)
    assert [one.event for one in desk.history().received] == events


# --------------------------------------------------------------------------- random histories


@dataclass(frozen=True)
class Step:
    """One thing that happens in a random history."""

    hotline: str
    kind: str
    referral_id: str
    domain: str
    is_cosigned: bool

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of its event."""
        more: dict[str, Any] = {
            "confirmed": {"domain": self.domain},
            "submitted": {"domain": self.domain},
            "moved": {"moved_to_domain": self.domain},
            "amended": {"domain_dedicated": "no"},
        }.get(self.kind, {})
        return {"event": self.kind, "referral_id": self.referral_id, **more}


KINDS = ["confirmed", "confirmed", "confirmed", "submitted", "amended", "moved", "disputed", "retracted", "run"]
STEPS = st.builds(
    Step, st.sampled_from(["hotline-north", "hotline-south", "hotline-west", "files"]), st.sampled_from(KINDS),
    st.sampled_from(["R-1", "R-2"]), st.sampled_from(["a.example", "b.example", "big.example"]), st.booleans(),
)  # fmt: skip
PLANS = st.lists(STEPS, max_size=10)
THRESHOLDS = st.sampled_from([1, 2])
STOLEN = key("south, stolen")
KEYS = {"hotline-north": NORTH, "hotline-south": SOUTH, "hotline-west": key("west")}
KEY_OF_TAIL = {**KEYS, "hotline-south": STOLEN}


def used(history: History) -> list[dict[str, Any]]:
    """Return the referrals that a screening would use now, as a run records them."""
    counting = [one for one in register_of(history, AS_OF).referrals if one.counts]
    return [{"hotline": one.hotline, "referral_id": one.referral_id, "tiers": {"T1": 1}, "account_count": 1}
            for one in counting]  # fmt: skip


class World:
    """A workspace in which a plan is carried out."""

    def __init__(self, threshold: int) -> None:
        hotlines = (
            organisation("hotline-north", NORTH),
            organisation("hotline-south", SOUTH, STOLEN),
            organisation("hotline-west", key("west")),
        )
        thresholds = {"confirmed": threshold}
        self.desk: Workspace = workspace(
            organisations=hotlines, thresholds=thresholds, protected_hosts=("big.example",)
        )
        self.hotlines = {name: Hotline(name, [signer]) for name, signer in KEYS.items()}
        self.moment = datetime(2026, 10, 1)
        self.runs = 0

    def do(self, step: Step, keys: dict[str, SigningKey] = KEYS, cosigner: SigningKey | None = None) -> None:
        """Carry out one step; an officer releases whatever waits for one."""
        self.moment += timedelta(minutes=1)
        at = self.moment.isoformat() + "Z"
        if step.kind == "run":
            self.run()
        elif step.hotline == "files":
            for body in logged.import_bodies(
                "csv", "1" * 64, [referral("hotline-north", issued_at=at, **step.fields)], 0
            ):
                self.desk.append("referral.imported", body)
        else:
            signers = [keys[step.hotline], *([cosigner] if cosigner is not None else [])]
            said = self.hotlines[step.hotline].says(keys=signers, issued_at=at, **step.fields)
            (answer,) = self.desk.receive(said)
            place = self.desk.folding.streams.of(step.hotline).place_of(said.digest)
            if answer.outcome == "quarantined" and place is not None and place.needs_release:
                self.desk.release(step.hotline, said.digest)

    def run(self) -> None:
        """Record a screening with the referrals it would use."""
        self.runs += 1
        self.desk.append("run.recorded", {
            "run_id": f"run-{self.runs}", "manifest_sha256": "0" * 64, "as_of": AS_OF.isoformat(),
            "log_size": len(self.desk.events), "log_root": "0" * 64, "referrals": used(self.desk.history()),
        })  # fmt: skip


def assert_same_flags(one: History, other: History) -> None:
    """Two histories flag the same domains, links and clues; blind spots may differ."""
    frames = [flag(register_of(history, AS_OF), POLICY, AS_OF) for history in (one, other)]
    assert_frame_equal(frames[0].domains, frames[1].domains)
    assert_frame_equal(frames[0].domain_links, frames[1].domain_links)
    assert_frame_equal(frames[0].clues, frames[1].clues)


@given(PLANS, STEPS, st.data(), THRESHOLDS)
@settings(max_examples=60, deadline=None)
def test_a_retracted_referral_leaves_nothing_but_its_record(
    plan: Sequence[Step], new: Step, data: st.DataObject, threshold: int
) -> None:
    """G6: whatever happens around it, a referral that is made and retracted flags nothing, and its runs are listed."""
    hotline = new.hotline if new.hotline != "files" else "hotline-west"
    made = replace(new, hotline=hotline, kind="confirmed", referral_id="NEW")
    first = data.draw(st.integers(0, len(plan)))
    last = data.draw(st.integers(first, len(plan)))
    plain, changed = World(threshold), World(threshold)
    for step in plan:
        plain.do(step)
    expected = []
    for place in range(len(plan) + 1):
        if place == first:
            changed.do(made)
        if place == last:
            changed.do(replace(made, kind="retracted"))
        if place < len(plan):
            changed.do(plan[place])
            if plan[place].kind == "run" and (hotline, "NEW") in changed.desk.history().runs[-1].referrals:
                expected.append(f"run-{changed.runs}")
    history = changed.desk.folded()
    assert_same_flags(plain.desk.folded(), history)
    assert [run.run_id for run in runs_touched(history, hotline, "NEW")] == expected
    assert history.problems == ()


@given(PLANS, st.integers(0, 10), THRESHOLDS)
@settings(max_examples=60, deadline=None)
def test_revoking_a_key_removes_exactly_what_it_contributed(plan: Sequence[Step], theft: int, threshold: int) -> None:
    """A history with statements of a stolen key, revoked, is the history without them, but for numbers and records."""
    full, without, contributed = World(threshold), World(threshold), 0
    for place, step in enumerate(plan):
        is_stolen = place >= theft
        is_theirs = is_stolen and step.hotline == "hotline-south" and step.kind != "run"
        is_theirs_too = is_stolen and step.is_cosigned and step.hotline in {"hotline-north", "hotline-west"}
        contributed += is_theirs or (is_theirs_too and step.kind != "run")
        full.do(step, KEY_OF_TAIL if is_stolen else KEYS, STOLEN if is_theirs_too else None)
        if is_theirs:
            without.moment += timedelta(minutes=1)
        else:
            without.do(step)
    full.desk.revoke(STOLEN, datetime(2026, 9, 1))
    with_them, without_them = full.desk.folded(), without.desk.folded()
    assert [plainly(one) for one in with_them.received] == [plainly(one) for one in without_them.received]
    assert [plainly(one.received) for one in with_them.waiting] == [
        plainly(one.received) for one in without_them.waiting
    ]
    assert len(with_them.lost) == contributed
    assert {one.issuer for one in with_them.lost if one.is_removed} <= {"hotline-south"}
    assert_same_flags(with_them, without_them)
    for name in KEYS:
        assert plain_stream(with_them, name) == plain_stream(without_them, name)


def plainly(one: Any) -> tuple[Any, ...]:
    """Return what an event says and how well it is proven, without numbers and records."""
    return one.event, one.assurance, one.organisations, one.effective_at, one.seq, one.digest


def plain_stream(history: History, issuer: str) -> tuple[Any, ...]:
    """Return the state of a stream without what was revoked."""
    stream = history.streams.of(issuer)
    kept = {number: place.entry.digest for number, place in stream.places.items() if not place.is_revoked}
    return kept, stream.missing, stream.fork, stream.sites, dict(stream.days)


@given(PLANS, THRESHOLDS)
@settings(max_examples=30, deadline=None)
def test_folding_anew_gives_what_was_kept_up_to_date(plan: Sequence[Step], threshold: int) -> None:
    """The state a session keeps while it appends is the state that the log gives from its beginning."""
    world = World(threshold)
    for step in plan:
        world.do(step)
    kept, anew = world.desk.history(), world.desk.folded()
    names = ("size", "received", "waiting", "refused", "lost", "runs", "numbers", "trust", "problems")
    assert [getattr(kept, name) for name in names] == [getattr(anew, name) for name in names]


# --------------------------------------------------------------------------- revocation in words


def test_after_a_revocation_the_hotline_goes_on_from_its_own_last() -> None:
    """The thief's statements at the end of the stream give their numbers back, and the thief has none left."""
    keys = organisation("hotline-north", NORTH, key("north 2"))
    desk, hotline, thief = workspace(organisations=(keys,)), north(), north()
    desk.receive(hotline.states(keys=[key("north 2")]))
    thief.seq, thief.prev = hotline.seq, hotline.prev
    desk.receive(thief.states(referral_id="X-1"), thief.states(event="retracted"))
    desk.revoke(NORTH, desk.now - timedelta(minutes=1))
    assert states(desk.history()) == {"R-000001": ReferralState.CONFIRMED}
    assert outcomes(desk.receive(thief.states(referral_id="X-2"))) == ["refused(untrusted)"]
    assert outcomes(desk.receive(hotline.states(keys=[key("north 2")], referral_id="R-2"))) == ["accepted"]
    assert [one.number for one in desk.history().lost] == ["R-000002", "R-000001"]


def test_a_stolen_countersignature_leaves_the_statement() -> None:
    """Revoking the second organisation's key makes a statement weaker and does not remove it."""
    desk = workspace()
    desk.receive(envelope.countersign(north().states(), STATEMENT_TYPE, SOUTH))
    desk.revoke(SOUTH, START)
    (left,) = desk.history().received
    assert (left.assurance, left.organisations) == (Assurance.SIGNED, ("hotline-north",))
    assert [one.is_removed for one in desk.history().lost] == [False]


def test_a_statement_under_two_keys_of_its_hotline_survives_one() -> None:
    """Only when the last key of its own hotline is revoked does a statement stop to count."""
    keys = (NORTH, key("north 2"))
    desk = workspace(organisations=(organisation("hotline-north", *keys),))
    desk.receive(north().states(keys=keys))
    for stolen, left in zip(keys, (1, 0), strict=True):
        desk.revoke(stolen, START)
        assert len(desk.history().received) == left


def test_a_revoked_retraction_from_afar_leaves_no_gap() -> None:
    """Nobody has to fill the gap before a statement that was revoked."""
    keys = (NORTH, key("north 2"))
    desk, thief = workspace(organisations=(organisation("hotline-north", *keys),)), Hotline("hotline-north", [NORTH])
    thief.seq, thief.prev = 99, "1" * 64
    desk.receive(thief.states(event="retracted"))
    assert desk.folding.streams.of("hotline-north").missing == ((1, 99),)
    desk.revoke(NORTH, START)
    assert desk.folding.streams.of("hotline-north").missing == ()
    assert outcomes(desk.receive(north().states(keys=keys[1:]))) == ["accepted"]


def test_a_statement_dated_after_the_theft_goes_though_it_came_before() -> None:
    """A revocation takes what was issued since, even if the hotline's clock was ahead of ours."""
    desk = workspace()
    desk.receive(north().states(issued_at="2026-10-15T12:05:00Z"))
    desk.revoke(NORTH, NOW + timedelta(minutes=3))
    assert desk.history().received == ()


def test_since_is_asked_of_both_times() -> None:
    """What was received before, and issued before, stays; a statement that was backdated does not."""
    desk, hotline = workspace(), north()
    desk.receive(hotline.states())
    theft = desk.now + timedelta(hours=1)
    desk.now = theft + timedelta(minutes=1)
    desk.receive(hotline.states(referral_id="R-2"))
    desk.revoke(NORTH, theft)
    assert [one.event.referral_id for one in desk.history().received] == ["R-1"]


def test_a_rotation_changes_nothing_that_was_received() -> None:
    """A key that ended in order keeps what it signed."""
    desk = workspace()
    desk.receive(north().states())
    change = trustchain.rotated(desk.trust, NORTH.key_id, key("north 2").verify_key, desk.now)
    desk.trusts(trustchain.changed(desk.trust, NOW, END, **change))
    assert len(desk.folded().received) == 1


def test_a_history_without_trust_is_empty_and_says_so() -> None:
    """Before the first trust file there is no trust, and nothing signed."""
    history = fold([])
    assert (history.trust, history.received, history.size) == (None, (), 0)
    assert trust().version == 1
