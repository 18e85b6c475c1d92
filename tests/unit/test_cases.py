"""Cases as folds: against a small oracle, in any mix of runs and decisions, and due days by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.cases.due import DEFAULTS, PRESETS, Calendar, Period, calendar
from merchantscreen.cases.frames import history_frame
from merchantscreen.cases.history import fold
from merchantscreen.cases.items import Item, RunAccount, RunFrames, RunView, view_of
from merchantscreen.cases.logged import (
    ASSIGNED,
    DECIDED,
    KINDS,
    LISTED,
    MOST_ITEMS,
    PROPOSED,
    Looked,
    confirmation_body,
    decision_body,
    listed_bodies,
)
from merchantscreen.cases.model import MEANINGS, Cases
from merchantscreen.cases.receipts import actions, decided_on, reviewed
from merchantscreen.cases.standing import Standing, standing
from merchantscreen.eventlog.records import LARGEST_BODY, Draft, Event, canonical, require_draft
from merchantscreen.tables import CaseHistory
from merchantscreen.vocabulary import CaseState, Disposition, Tier

MONDAY: Final = datetime(2026, 11, 2, 9, 30)
KEY: Final = "key-1"
REFERRAL: Final = ("hotline-a", "R-1")
DAYS: Final = calendar({})
CLOSING: Final = [one for one in Disposition if MEANINGS[one].closes]


def _item(name: str) -> Item:
    return Item("link", "declared_website", f"{name}.example", 1_000)


def _token(name: str) -> Item:
    return Item("identifier", "email", f"em_{name}", 1_000)


def _account(tier: Tier, items: Iterable[Item], key: str = KEY) -> RunAccount:
    return RunAccount(tier, frozenset({REFERRAL}), {one.digest(key): one for one in items})


@dataclass
class Desk:
    """A log of events about cases, and the run that was made last."""

    events: list[Event] = field(default_factory=list)
    run: RunView = field(default_factory=lambda: RunView("r0", "0" * 64, KEY, {}))
    number: int = 0
    clock: datetime = MONDAY

    def add(self, kind: str, body: dict[str, Any], actor: str = "anna") -> Event:
        """Record an event, its reason as a commitment."""
        self.clock += timedelta(hours=1)
        secret = {"reason": {"commitment": "0" * 64}} if kind in {DECIDED, PROPOSED} else {}
        event = Event(len(self.events), self.clock, kind, actor, {**body, **secret})
        self.events.append(event)
        return event

    def screen(self, accounts: dict[str, RunAccount], key: str = KEY) -> None:
        """Make a run of these accounts, and list its cases as `screen` does."""
        self.number += 1
        run_id = f"r{self.number}"
        self.run = RunView(run_id, "0" * 64, key, accounts)
        cases = self.cases.by_account
        listed = [(name, one.tier, name in cases and self.standing(name).brings_news)
                  for name, one in accounts.items() if one.tier is not Tier.WATCH]  # fmt: skip
        for body in listed_bodies(run_id, "0" * 64, "2026-11-02T00:00:00Z", listed):
            self.add(LISTED, body)

    def decide(
        self, account: str, disposition: Disposition = Disposition.NO_ACTION, actor: str = "anna", kind: str = DECIDED
    ) -> Event:
        """Decide or propose on the last run."""
        found = self.run.accounts[account]
        looked = Looked(account, self.run.run_id, "0" * 64, self.run.pseudonym_key_id, found.tier, found.referrals,
                        tuple(found.items))  # fmt: skip
        body = decision_body(looked, disposition, closes=MEANINGS[disposition].closes, other=None)
        return self.add(kind, body, actor)

    def confirm(self, proposal: Event, actor: str) -> Event:
        """Confirm a proposal."""
        return self.add(DECIDED, confirmation_body(proposal), actor)

    @property
    def cases(self) -> Cases:
        """Return what the log adds up to."""
        return fold(self.events)

    def standing(self, account: str, withdrawn: Sequence[tuple[str, str]] = (), days: Calendar = DAYS) -> Standing:
        """Say where a case stands against the last run."""
        return standing(self.cases.by_account[account], self.run, dict.fromkeys(withdrawn, self.clock), days)


# --------------------------------------------------------------------------- against an oracle


@dataclass
class Oracle:
    """The rules in the fewest words: what was seen, in which tier, and whether that ended it."""

    seen: set[str] = field(default_factory=set)
    tier: Tier | None = None
    disposition: Disposition | None = None
    waits: tuple[str, set[str], Tier, Disposition] | None = None

    def state(self, tier: Tier, items: set[str]) -> CaseState:
        """Say where a ranked account stands."""
        if self.waits is not None:
            return CaseState.PROPOSED
        if self.disposition is None or self.tier is None:
            return CaseState.NEW
        if self.disposition is Disposition.LE_HOLD:
            return CaseState.HELD
        if items - self.seen or tier < self.tier:
            return CaseState.REOPENED
        return CaseState.DECIDED if MEANINGS[self.disposition].closes else CaseState.WAITING

    def take(self, items: set[str], tier: Tier, disposition: Disposition) -> None:
        """Take a decision in."""
        self.seen, self.tier, self.disposition, self.waits = items, tier, disposition, None


_NAMES: Final = st.sets(st.sampled_from("uvwxyz"), max_size=4)
_CASE_TIERS: Final = st.sampled_from([Tier.T1, Tier.T2, Tier.T3])
_RUN: Final = st.tuples(st.just("run"), _CASE_TIERS, _NAMES)
_DECISION: Final = st.tuples(st.sampled_from(["decide", "propose"]), st.sampled_from(list(Disposition)),
                             st.sampled_from(["anna", "ben"]))  # fmt: skip
_CONFIRMATION: Final = st.tuples(st.just("confirm"), st.sampled_from(["anna", "ben", " Anna"]), st.none())
_STEPS: Final = st.lists(st.tuples(st.sampled_from("ab"), _RUN | _DECISION | _CONFIRMATION), max_size=25)


@given(_STEPS)
def test_any_mix_of_runs_and_decisions_stands_as_a_few_words_say(steps: list[Any]) -> None:
    """After every step the fold says what the oracle says, for two accounts whose events interleave."""
    desk = Desk()
    ranked = {"a": (Tier.T1, {"u"}), "b": (Tier.T2, {"v"})}
    oracles = {"a": Oracle(), "b": Oracle()}
    proposals: dict[str, Event] = {}
    _screen(desk, ranked)
    for name, (verb, first, second) in steps:
        oracle, (tier, items) = oracles[name], ranked[name]
        if verb == "run":
            ranked[name] = (first, second)
            _screen(desk, ranked)
        elif verb == "decide":
            desk.decide(name, first, second)
            oracle.take(items, tier, first)
        elif verb == "propose":
            proposals[name] = desk.decide(name, first, second, PROPOSED)
            oracle.waits = (second, items, tier, first)
        elif name in proposals:
            desk.confirm(proposals[name], first)
            if oracle.waits is not None and oracle.waits[0] != first.strip().casefold():
                oracle.take(*oracle.waits[1:])
        for account, (now, held) in ranked.items():
            found = desk.standing(account)
            assert found.state is oracles[account].state(now, held), (account, steps)


def _screen(desk: Desk, ranked: dict[str, tuple[Tier, set[str]]]) -> None:
    desk.screen({name: _account(tier, map(_item, sorted(items))) for name, (tier, items) in ranked.items()})


@given(_NAMES, _NAMES, st.sampled_from(CLOSING))
def test_no_decision_ever_silences_what_it_had_not_seen(
    before: set[str], after: set[str], disposition: Disposition
) -> None:
    """A closed case, a false match included, reopens exactly when the run holds an item more, and names it."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T2, map(_item, before))})
    desk.decide("a", disposition)
    desk.screen({"a": _account(Tier.T2, map(_item, after))})
    found = desk.standing("a")
    assert {item.counterpart.removesuffix(".example") for item in found.new_items} == after - before
    assert (found.state is CaseState.REOPENED) == bool(after - before)
    assert desk.cases.by_account["a"].listings[-1].reopens == bool(after - before)


@given(st.permutations(["a", "b", "c"]))
def test_the_order_within_a_listing_changes_nothing_but_numbers(order: list[str]) -> None:
    """Accounts of one event do not depend on each other."""
    desk, other = Desk(), Desk()
    accounts = {name: _account(Tier.T2, [_item(name)]) for name in "abc"}
    desk.screen(accounts)
    other.screen({name: accounts[name] for name in order})
    assert [case.number for case in other.cases.by_account.values()] == ["C-000001", "C-000002", "C-000003"]
    assert {name: case.listings for name, case in other.cases.by_account.items()} == {
        name: case.listings for name, case in desk.cases.by_account.items()
    }


# --------------------------------------------------------------------------- single rules


def test_nobody_confirms_their_own_proposal() -> None:
    """A confirmation by its author, in whatever case and blanks, counts nothing and is told."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T1, [_item("u")])})
    proposal = desk.decide("a", actor="anna", kind=PROPOSED)
    for own in ("anna", "ANNA", " anna "):
        desk.confirm(proposal, own)
    assert [one.code for one in desk.cases.problems] == ["MS-CSE-002"] * 3
    assert desk.standing("a").state is CaseState.PROPOSED
    desk.confirm(proposal, "ben")
    case = desk.cases.by_account["a"]
    assert case.decision is not None
    assert (case.decision.author, case.decision.confirmed_by) == ("anna", "ben")
    desk.confirm(proposal, "carla")
    assert len(desk.cases.by_account["a"].decisions) == 1


def test_a_confirmation_of_something_else_counts_nothing() -> None:
    """What is confirmed is what was proposed, item for item."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T1, [_item("u")])})
    proposal = desk.decide("a", kind=PROPOSED)
    changed = confirmation_body(proposal) | {"items": ["0" * 16]}
    desk.add(DECIDED, changed, "ben")
    assert desk.standing("a").state is CaseState.PROPOSED
    assert [one.code for one in desk.cases.problems] == ["MS-CSE-002"]


def test_tokens_under_another_key_are_never_taken_for_unchanged() -> None:
    """Another key makes tokens incomparable: said so, and the case is open again."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T2, [_item("u"), _token("t")])})
    desk.decide("a")
    desk.screen({"a": _account(Tier.T2, [_item("u"), _token("t")], "key-2")}, "key-2")
    found = desk.standing("a")
    assert (found.state, found.new_items) == (CaseState.REOPENED, ())
    assert [item.kind for item in found.not_comparable] == ["email"]
    desk.screen({"a": _account(Tier.T2, [_item("u")], "key-2")}, "key-2")
    assert desk.standing("a").state is CaseState.DECIDED


def test_a_stronger_tier_reopens_and_a_weaker_one_does_not() -> None:
    """The same evidence in a higher tier wants another look."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T2, [_item("u")])})
    desk.decide("a")
    desk.screen({"a": _account(Tier.T3, [_item("u")])})
    assert desk.standing("a").state is CaseState.DECIDED
    desk.screen({"a": _account(Tier.T1, [_item("u")])})
    assert (desk.standing("a").state, desk.standing("a").is_stronger) == (CaseState.REOPENED, True)


def test_a_hold_stays_a_hold_with_what_is_new_beside_it() -> None:
    """Nothing that comes in ends what police asked for."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T2, [_item("u")])})
    desk.decide("a", Disposition.LE_HOLD)
    desk.screen({"a": _account(Tier.T1, [_item("u"), _item("v")])})
    found = desk.standing("a")
    assert (found.state, len(found.new_items), found.due) == (CaseState.HELD, 1, None)


def test_a_withdrawn_referral_asks_for_another_look_until_somebody_decides_anew() -> None:
    """What rested on it is to be revisited; a decision that no longer names it settles that."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T2, [_item("u")])})
    desk.decide("a", Disposition.REFER_TO_ACQUIRER)
    assert desk.standing("a").state is CaseState.DECIDED
    assert decided_on(desk.cases, REFERRAL)[0].account_id == "a"
    found = desk.standing("a", [REFERRAL])
    assert (found.state, found.withdrawn) == (CaseState.REVISIT, (REFERRAL,))
    desk.run = RunView("r1", "0" * 64, KEY, {"a": RunAccount(Tier.T2, frozenset(), desk.run.accounts["a"].items)})
    desk.decide("a", Disposition.REFERRAL_WITHDRAWN)
    assert desk.standing("a", [REFERRAL]).state is CaseState.DECIDED
    assert decided_on(desk.cases, REFERRAL) == ()


def test_an_account_that_is_no_longer_ranked_is_told_and_not_dropped() -> None:
    """It keeps its case and its state; only the tier is gone."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T2, [_item("u")])})
    desk.screen({"b": _account(Tier.T2, [_item("u")])})
    found = desk.standing("a")
    assert (found.state, found.tier) == (CaseState.NEW, None)
    assert found.due is not None


def test_events_that_do_not_say_what_their_kind_says_are_named_and_passed_over() -> None:
    """A damaged or foreign event changes no case."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T2, [_item("u")])})
    before = desk.cases.by_account
    desk.add(ASSIGNED, {"account_id": "a", "to": 7})
    desk.add(LISTED, {"run_id": "r", "manifest_sha256": "0", "as_of": "x", "accounts": [{"account_id": "b"}], "part": 1,
                      "parts": 1})  # fmt: skip
    desk.add("lookup", {"anything": 1})
    cases = desk.cases
    assert cases.by_account == before
    assert [(one.code, one.line) for one in cases.problems] == [("MS-CSE-001", 1), ("MS-CSE-001", 2)]


def test_a_case_is_found_by_account_and_by_number() -> None:
    """Numbers are given by first appearance, whatever the event, and are stable."""
    desk = Desk()
    desk.add(ASSIGNED, {"account_id": "z", "to": "ben"})
    desk.screen({"a": _account(Tier.T2, [_item("u")])})
    desk.screen({"a": _account(Tier.T2, [_item("u")]), "z": _account(Tier.T1, [_item("u")])})
    cases = desk.cases
    assert (cases.number_of("z"), cases.number_of("a"), cases.number_of("b")) == ("C-000001", "C-000002", "")
    assert cases.find("c-000001") is cases.find("z")
    assert (cases.by_account["z"].assignee, desk.standing("z").state) == ("ben", CaseState.ASSIGNED)


def test_the_largest_events_fit_into_the_log() -> None:
    """Thousands of cases go out in parts, and a decision on thousands of items keeps the strongest."""
    names = [(f"400001/{'M' * 100}{number}", Tier.T1, True) for number in range(5_000)]
    bodies = listed_bodies("r" * 64, "0" * 64, "2026-11-02T00:00:00Z", names)
    assert [one["account_id"] for body in bodies for one in body["accounts"]] == [name for name, _, _ in names]
    digests = [f"{number:016x}" for number in range(10_000)]
    looked = Looked("a", "r" * 64, "0" * 64, KEY, Tier.T1, frozenset({REFERRAL}), digests)
    decision = decision_body(looked, Disposition.NO_ACTION, closes=True, other=None)
    assert set(decision["items"]) == set(digests[:MOST_ITEMS])
    for kind, body in [(DECIDED, decision), *((LISTED, body) for body in bodies)]:
        require_draft(Draft(kind, "anna", body))
        assert len(canonical(body)) <= LARGEST_BODY


def test_every_kind_and_every_disposition_says_what_it_means() -> None:
    """Nothing is left without a sentence."""
    assert all(kind.purpose.endswith(".") for kind in KINDS.values())
    assert set(MEANINGS) == set(Disposition)
    assert {one for one in Disposition if not MEANINGS[one].closes} == {
        Disposition.REQUEST_INFORMATION, Disposition.LE_HOLD,
    }  # fmt: skip


# --------------------------------------------------------------------------- what others are told


def test_receipts_count_actions_and_what_is_reviewed() -> None:
    """Referred accounts are acted on; decided ones are no longer under review, until something new comes."""
    desk = Desk()
    ranked = {name: _account(Tier.T2, [_item(name)]) for name in "abc"}
    desk.screen(ranked)
    desk.decide("a", Disposition.REFER_TO_ACQUIRER)
    desk.decide("b", Disposition.FALSE_MATCH)
    desk.decide("c", Disposition.REQUEST_INFORMATION)
    assert (actions(desk.cases)[REFERRAL], reviewed(desk.cases, "r1")[REFERRAL]) == (1, 2)
    desk.screen(ranked | {"b": _account(Tier.T2, [_item("b"), _item("x")])})
    assert (actions(desk.cases)[REFERRAL], reviewed(desk.cases, "r2")[REFERRAL]) == (1, 1)


def test_the_table_of_a_run_has_every_decision_and_no_reason() -> None:
    """Decisions in order, the second person beside the first, and what is new now; nothing that was written."""
    desk = Desk()
    desk.screen({name: _account(Tier.T1, [_item("u")]) for name in "ab"})
    desk.decide("a", Disposition.NO_LINK_FOUND)
    desk.confirm(desk.decide("a", Disposition.FALSE_MATCH, kind=PROPOSED), "ben")
    desk.screen(
        {"a": _account(Tier.T1, [_item("u"), _item("v")]), "b": _account(Tier.T1, []), "w": _account(Tier.WATCH, [])}
    )
    frame = history_frame(desk.cases, desk.run, {})
    assert CaseHistory.validate(frame).height == 3
    first, second, other = frame.to_dicts()
    assert (first["disposition"], first["actor"], first["confirmed_by"]) == ("no_link_found", "anna", None)
    assert (second["disposition"], second["actor"], second["confirmed_by"]) == ("false_match", "anna", "ben")
    assert second["new_items"] == first["new_items"] == ["declared_website v.example"]
    assert (second["state"], other["state"], other["log_index"]) == ("reopened", "new", None)
    assert "reason" not in frame.columns


def test_a_run_is_seen_by_its_last_round() -> None:
    """Digests stand for family, kind and counterpart; points and earlier rounds do not matter."""
    ledger = pl.DataFrame(
        {"round": [0, 1, 2, 2], "subject": ["d.example", "a", "a", "a"],
         "family": ["link", "link", "link", "identifier"],
         "kind": ["redirect", "declared_website", "declared_website", "tax_id"],
         "counterpart": ["x.example", "u.example", "v.example", "t-1"], "points_nano": [1, 2, 3, 4]}
    )  # fmt: skip
    ranking = pl.DataFrame(
        {"account_id": ["a"], "tier": ["T1"], "hotlines": [["hotline-a", "hotline-b"]], "referral_ids": [["R-1"]]}
    )
    run = view_of("r1", "0" * 64, KEY, RunFrames(ranking, ledger, 2), {REFERRAL})
    account = run.accounts["a"]
    assert [item.counterpart for item in account.items.values()] == ["t-1", "v.example"]
    assert account.referrals == {REFERRAL}
    assert _item("v").digest(KEY) == _item("v").digest("key-2") in account.items
    assert _token("v").digest(KEY) != _token("v").digest("key-2")


# --------------------------------------------------------------------------- due


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("5 business days", date(2026, 11, 2), date(2026, 11, 9)),  # Monday to Monday
        ("1 business day", date(2026, 11, 6), date(2026, 11, 9)),  # Friday to Monday
        ("1 business day", date(2026, 11, 7), date(2026, 11, 9)),  # Saturday to Monday
        ("mmsp-notice", date(2026, 12, 23), date(2027, 1, 4)),  # over Christmas and New Year
        ("mmsp-remedy", date(2026, 12, 23), date(2027, 1, 7)),
        ("15 days", date(2026, 2, 20), date(2026, 3, 7)),
    ],
)
def test_days_are_counted_as_a_calendar_does(text: str, start: date, end: date) -> None:
    """By hand: the first day does not count, business days pass over weekends and holidays."""
    days = calendar({Tier.T1: text}, frozenset({date(2026, 12, 25), date(2026, 12, 28), date(2027, 1, 1)}))
    due = days.due(Tier.T1, datetime.combine(start, MONDAY.time()))
    assert due is not None
    assert due.on == end


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 60), st.sets(st.integers(0, 90)))
def test_a_business_period_holds_that_many_business_days(start: date, days: int, off: set[int]) -> None:
    """Whatever the holidays, exactly so many working days lie between, and the last is one."""
    holidays = frozenset(start + timedelta(days=number) for number in off)
    due = calendar({Tier.T1: f"{days} business days"}, holidays).due(
        Tier.T1, datetime(start.year, start.month, start.day)
    )
    assert due is not None
    span = [start + timedelta(days=number) for number in range(1, (due.on - start).days + 1)]
    worked = [day for day in span if day.weekday() < 5 and day not in holidays]
    assert len(worked) == days
    assert worked[-1] == due.on


@pytest.mark.parametrize("text", ["0 days", "5 weeks", "1000 days", "five days", "", "5 business  days", "-5 days"])
def test_other_periods_are_refused(text: str) -> None:
    """Only the forms of the page are read."""
    with pytest.raises(ValueError, match="business days"):
        Period.parsed(text)


def test_presets_and_defaults_can_be_read() -> None:
    """What comes along is in a form that settings may have."""
    assert {name: Period.parsed(name) for name in PRESETS} == {
        "mmsp-notice": Period(5, is_business=True), "mmsp-remedy": Period(15, is_business=False),
    }  # fmt: skip
    assert all(map(Period.parsed, DEFAULTS.values()))
    assert DAYS.due(Tier.WATCH, MONDAY) is None


_CLOCKS: Final[list[tuple[str, Callable[[Desk], object], date]]] = [
    ("asked: from the question", lambda desk: desk.decide("a", Disposition.REQUEST_INFORMATION), date(2026, 11, 27)),
    ("proposed: goes on", lambda desk: desk.decide("a", kind=PROPOSED), date(2026, 11, 17)),
    ("given: goes on", lambda desk: desk.add(ASSIGNED, {"account_id": "a", "to": "ben"}), date(2026, 11, 17)),
]


@pytest.mark.parametrize(("_story", "step", "end"), _CLOCKS, ids=[story for story, _, _ in _CLOCKS])
def test_the_clock_of_a_case(_story: str, step: Callable[[Desk], object], end: date) -> None:
    """A question starts it anew; giving a case to somebody or proposing does not stop it."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T2, [_item("u")])})
    desk.clock += timedelta(days=10)
    step(desk)
    desk.clock += timedelta(days=2)
    desk.screen({"a": _account(Tier.T2, [_item("u")])})
    due = desk.standing("a").due
    assert due is not None
    assert due.on == end


def test_what_is_new_has_its_own_clock() -> None:
    """A reopened case is due from the run that first held what is new, not from the last one."""
    desk = Desk()
    desk.screen({"a": _account(Tier.T2, [_item("u")])})
    desk.decide("a")
    desk.clock = datetime(2026, 12, 1)
    desk.screen({"a": _account(Tier.T2, [_item("u"), _item("v")])})
    desk.clock = datetime(2026, 12, 10)
    desk.screen({"a": _account(Tier.T2, [_item("u"), _item("v")])})
    due = desk.standing("a").due
    assert due is not None
    assert (due.on, due.days_left(date(2026, 12, 18))) == (date(2026, 12, 16), -2)
