"""What may be recorded about a case: that somebody has it, proposes, decides or confirms.

Rules kept here:
* whoever decides had a recorded run before them, and the decision keeps the digests of all that it showed;
* a closing decision in a tier of `four_eyes` is a proposal until another person confirms it;
* a reason holds no card number, no address and no control character; it is kept beside the log and can be erased;
* the same decision on the same evidence is not recorded twice.

Drafts only: the caller records them against the log they were made on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from merchantscreen.cards import looks_like_card_number
from merchantscreen.cases import history, logged, problems
from merchantscreen.cases.items import RunView
from merchantscreen.cases.model import MEANINGS, Case, Decision
from merchantscreen.contacts import HAS_ADDRESS
from merchantscreen.errors import Problem, ProblemKind, UsageError
from merchantscreen.eventlog.records import Draft, Event
from merchantscreen.outputs.text import visible
from merchantscreen.vocabulary import Disposition
from merchantscreen.workspace.access import may
from merchantscreen.workspace.cases import Known, calendar_of
from merchantscreen.workspace.session import Workspace

LONGEST_REASON: Final = 1_000
_SHORTEST_REASON: Final = 3
_PERSON: Final = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]{1,64}")
_SUGGESTED: Final = 3
_DEFANGED: Final = (("[.]", "."), ("hxxp", "http"), ("[:]", ":"))
"""How addresses are written so that nobody opens them; in a reason they are addresses all the same."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks to be decided.

    Attributes:
        name: Account id, or number of the case.
        disposition: Code of a disposition; None only to confirm.
        reason: Why, in their words.
        confirms: Whether it confirms what another person proposed.
        duplicate_of: For a duplicate, the case that is worked on instead.
    """

    name: str
    disposition: str | None
    reason: str
    confirms: bool = False
    duplicate_of: str | None = None


# --------------------------------------------------------------------------- assigning


def assignment_draft(place: Workspace, known: Known, account_id: str, to: str) -> Draft | None:
    """Return the event that gives a case to somebody; None if they have it already.

    Raises:
        UsageError: Nobody of this name may work on cases.
    """
    if not _PERSON.fullmatch(to) or not may(to, "case.decide", place.settings.roles):
        raise _refused(problems.NOBODY.at("--to"))
    case = known.cases.by_account.get(account_id)
    if case is not None and case.assignee == to:
        return None
    return place.draft(logged.ASSIGNED, {"account_id": account_id, "to": to})


def account_of(known: Known, run: RunView, name: str) -> str:
    """Return the account that a person named by its id or the number of its case; UsageError if there is none."""
    found = _account(known, run, name)
    if isinstance(found, Problem):
        raise _refused(found)
    return found


def _account(known: Known, run: RunView, name: str) -> str | Problem:
    case = known.cases.find(name)
    if case is not None:
        return case.account_id
    return name if name in run.accounts else _unknown(known, run, name)


def _unknown(known: Known, run: RunView, name: str) -> Problem:
    names = [*run.accounts, *(case.number for case in known.cases.by_account.values())]
    return _suggesting(problems.NO_CASE.at("ACCOUNT"), name, names)


def _suggesting(problem: Problem, word: str, names: list[str]) -> Problem:
    """Add what was perhaps meant."""
    near = get_close_matches(word, names, _SUGGESTED)
    fix = f"Did you mean {' or '.join(near)}? {problem.fix}" if near else problem.fix
    return Problem(problem.code, problem.where, None, None, problem.found, problem.expected, fix)


# --------------------------------------------------------------------------- deciding


def decision_draft(place: Workspace, known: Known, run: RunView, order: Order) -> Draft:
    """Return the event that records a decision, a proposal or a confirmation.

    Raises:
        UsageError: It cannot be decided so; everything that is wrong is told at once.
    """
    found = [*_reason_problems(order.reason), *_disposition_problems(order)]
    account_id = _account(known, run, order.name)
    if isinstance(account_id, Problem):
        raise _refused(account_id, *found)
    if found:
        raise _refused(*found)
    case = known.cases.by_account.get(account_id, Case(account_id, ""))
    kind, body = _confirmation(place, case, order) if order.confirms else _decision(place, known, run, case, order)
    return place.draft(kind, body, {logged.REASON: order.reason.strip()})


def _decision(place: Workspace, known: Known, run: RunView, case: Case, order: Order) -> tuple[str, dict[str, Any]]:
    """Return kind and body of a decision, or of a proposal where a second person is needed."""
    account = run.accounts.get(case.account_id)
    if account is None:
        raise _refused(problems.NOT_IN_RUN.at(run.run_id))
    disposition = Disposition(order.disposition or "")
    closes = MEANINGS[disposition].closes
    looked = logged.Looked(case.account_id, run.run_id, run.manifest_sha256, run.pseudonym_key_id, account.tier,
                           account.referrals, tuple(account.items))  # fmt: skip
    body = logged.decision_body(looked, disposition, closes=closes, other=_other(known, case, order))
    needs_second = closes and account.tier.value in place.settings.four_eyes
    _refuse_repetition(place, case, body)
    return (logged.PROPOSED if needs_second else logged.DECIDED), body


def _refuse_repetition(place: Workspace, case: Case, body: Mapping[str, Any]) -> None:
    """Refuse what stands or waits already; information may be asked for again once the day for it is over."""
    made = logged.read_decision(Event(-1, place.now(), logged.DECIDED, place.actor, body))
    waiting, last = case.proposal, case.decision
    if waiting is not None and made.says_the_same(waiting):
        raise _refused(_told(problems.PROPOSED_ALREADY, waiting))
    if waiting is None and last is not None and made.says_the_same(last) and not _is_overdue(place, last):
        raise _refused(_told(problems.SAME_AGAIN, last))


def _told(kind: ProblemKind, decision: Decision) -> Problem:
    said = f"{kind.title}: {decision.disposition.value} by {visible(decision.author)}, log {decision.log_index}"
    return kind.at("--disposition", found=said)


def _is_overdue(place: Workspace, last: Decision) -> bool:
    due = None if last.closes else calendar_of(place.settings).due(last.tier, last.at)
    waits = last.disposition is Disposition.REQUEST_INFORMATION
    return waits and due is not None and due.days_left(place.now().date()) < 0


def _confirmation(place: Workspace, case: Case, order: Order) -> tuple[str, dict[str, Any]]:
    proposal = case.proposal
    if proposal is None:
        raise _refused(problems.NOTHING_PROPOSED.at("--confirm"))
    if not history.may_confirm(place.actor, proposal):
        raise _refused(_told(problems.OWN_PROPOSAL, proposal))
    if order.disposition not in {None, proposal.disposition.value} or order.duplicate_of is not None:
        raise _refused(_told(problems.PROPOSED_OTHERWISE, proposal))
    return logged.DECIDED, logged.confirmation_body(place.log.event(proposal.log_index))


def _other(known: Known, case: Case, order: Order) -> str | None:
    """Return the account whose case is worked on instead of a duplicate."""
    if order.duplicate_of is None:
        return None
    other = known.cases.find(order.duplicate_of)
    if other is None:
        names = [one.number for one in known.cases.by_account.values()]
        raise _refused(_suggesting(problems.NO_CASE.at("--duplicate-of"), order.duplicate_of, names))
    is_one_too = other.decision is not None and other.decision.disposition is Disposition.DUPLICATE
    if other.account_id == case.account_id or is_one_too:
        raise _refused(problems.DUPLICATE_WRONG.at("--duplicate-of"))
    return other.account_id


def _disposition_problems(order: Order) -> Iterator[Problem]:
    codes = [one.value for one in Disposition]
    if order.disposition is None:
        if not order.confirms:
            yield problems.NO_DISPOSITION.at("--disposition", found="no disposition", expected=", ".join(codes))
    elif order.disposition not in codes:
        unknown = problems.NO_DISPOSITION.at("--disposition", expected=", ".join(codes))
        yield _suggesting(unknown, order.disposition, codes)
    elif not order.confirms and (order.disposition == Disposition.DUPLICATE) is (order.duplicate_of is None):
        yield problems.DUPLICATE_WRONG.at("--duplicate-of")


def _reason_problems(reason: str) -> Iterator[Problem]:
    text = reason.strip()
    if not _SHORTEST_REASON <= len(text) <= LONGEST_REASON:
        yield problems.REASON_LENGTH.at("--reason", found=f"{problems.REASON_LENGTH.title} ({len(text):,} characters)")
    if visible(text, len(text)) != text:
        yield problems.REASON_UNPRINTABLE.at("--reason")
    if looks_like_card_number(text):
        yield problems.REASON_CARD.at("--reason")
    if re.search(HAS_ADDRESS, _refanged(text)):
        yield problems.REASON_ADDRESS.at("--reason")


def _refanged(text: str) -> str:
    for written, meant in _DEFANGED:
        text = text.replace(written, meant)
    return text


def _refused(*found: Problem) -> UsageError:
    return UsageError("This is refused.", found)
