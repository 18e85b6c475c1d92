"""The fold of a log into cases.

Rules kept here:
* a fold over a prefix of the log and nothing else: the same prefix gives the same cases, on every machine;
* a case is numbered when the log first names its account, and keeps its number;
* the latest decision is the one that stands; earlier ones stay and are never changed;
* a confirmation counts only for the proposal that waits, and only from another person than its author;
* what a log event does not say in the form of its kind is a problem with its index, never a guess.

Within one event accounts do not depend on each other, nor do the events of one account on those of another,
but for the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from merchantscreen.cases import problems
from merchantscreen.cases.logged import KINDS, read_assigned, read_decision, read_listed
from merchantscreen.cases.model import Assigned, Case, Cases, Decision, Listed
from merchantscreen.errors import Problem, ProblemKind
from merchantscreen.eventlog.records import Event
from merchantscreen.referrals.logged import are_two_people


def fold(events: Iterable[Event]) -> Cases:
    """Fold a log into cases, from its first event on; events of other kinds may be left out."""
    folding = Folding()
    for event in events:
        folding.take(event)
    return folding.cases()


@dataclass(slots=True)
class _Open:
    """One case so far."""

    listings: list[Listed] = field(default_factory=list)
    assignments: list[Assigned] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    proposals: list[Decision] = field(default_factory=list)

    def named(self, account_id: str, number: int) -> Case:
        """Return it as a case."""
        return Case(
            account_id, f"C-{number:06}", tuple(self.listings), tuple(self.assignments), tuple(self.decisions),
            tuple(self.proposals),
        )  # fmt: skip


@dataclass(slots=True)
class Folding:
    """A fold underway: give it every event of the log in order, and ask it for the cases at any point."""

    size: int = 0
    _open: dict[str, _Open] = field(default_factory=dict)
    _problems: list[Problem] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Take in the next event; kinds of others are passed over."""
        self.size += 1
        kind = KINDS.get(event.kind)
        if kind is None:
            return
        if not kind.fits(event.body):
            self._complain(event, problems.EVENT_MALFORMED)
            return
        try:
            self._take(event)
        except (ValueError, TypeError, KeyError, AttributeError):
            self._complain(event, problems.EVENT_MALFORMED)

    def cases(self) -> Cases:
        """Return the cases so far, in the order of their numbers."""
        named = {name: one.named(name, number) for number, (name, one) in enumerate(self._open.items(), start=1)}
        return Cases(self.size, named, tuple(self._problems))

    def _take(self, event: Event) -> None:
        match event.kind:
            case "cases.listed":
                for account_id, listed in read_listed(event):
                    self._of(account_id).listings.append(listed)
            case "case.assigned":
                self._of(event.body["account_id"]).assignments.append(read_assigned(event))
            case "case.proposed":
                self._of(event.body["account_id"]).proposals.append(read_decision(event))
            case "case.decided":
                self._decide(event, read_decision(event))
            case _:
                raise ValueError("a kind that nobody reads")

    def _decide(self, event: Event, decision: Decision) -> None:
        if decision.confirms is None:
            self._of(decision.account_id).decisions.append(decision)
            return
        known = self._open.get(decision.account_id, _Open()).named(decision.account_id, 0)
        proposal = known.proposal
        if proposal is not None and _confirms(decision, proposal):
            self._of(decision.account_id).decisions.append(replace(decision, proposed_by=proposal.actor))
        else:
            self._complain(event, problems.CONFIRMS_NOTHING)

    def _of(self, account_id: str) -> _Open:
        """Return the case of an account, giving it the next number if the log names it for the first time."""
        found = self._open.get(account_id)
        if found is None:
            found = self._open[account_id] = _Open()
        return found

    def _complain(self, event: Event, kind: ProblemKind) -> None:
        self._problems.append(kind.at("log", event.index, event.kind))


def _confirms(decision: Decision, proposal: Decision) -> bool:
    waits = decision.confirms == proposal.log_index
    return waits and may_confirm(decision.actor, proposal) and decision.says_the_same(proposal)


def may_confirm(person: str, proposal: Decision) -> bool:
    """Tell whether somebody is another person than the author of a proposal; case and blanks make no other."""
    return are_two_people([person, proposal.actor])
