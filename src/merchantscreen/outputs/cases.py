"""Cases for people and programs: the queue of a workspace, and one case with its history and what to do next.

Rules kept here:
* a view: nothing is computed but days left; states and dates come from `cases`;
* linked, for review: neutral words, and no disposition is suggested;
* what is decided or held is counted where it is not shown;
* an account that the run no longer ranks is told as such; that clears nobody;
* the next command is one that can be typed as it stands, but for what only a person can fill in.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from merchantscreen.cases.items import Item
from merchantscreen.cases.model import MEANINGS, Case, Decision
from merchantscreen.cases.standing import Standing
from merchantscreen.identifiers import BY_NAME
from merchantscreen.outputs.columns import ALWAYS, Column, fitted
from merchantscreen.outputs.console import COUNTER_EVIDENCE, DISCLAIMER, TIER_STYLES
from merchantscreen.outputs.explanation import nano
from merchantscreen.outputs.sections import say, section
from merchantscreen.outputs.text import counted, defanged, safe_text, visible
from merchantscreen.referrals.wire import written
from merchantscreen.vocabulary import CaseState, Disposition, EvidenceFamily

_NO_NUMBER: Final = "-"
_NEW_SHOWN: Final = 12
_LONGEST_REASON: Final = 1_000
_STATE_STYLES: Final[Mapping[CaseState, str]] = {
    CaseState.REVISIT: "bold red",
    CaseState.REOPENED: "bold yellow",
    CaseState.NEW: "bold",
    CaseState.HELD: "dim",
    CaseState.DECIDED: "dim",
}
_STATES: Final[Mapping[CaseState, str]] = {
    CaseState.REVISIT: "what the decision rested on was taken back",
    CaseState.REOPENED: "there is more than the decision had seen",
    CaseState.NEW: "nobody has looked at it yet",
    CaseState.ASSIGNED: "somebody has it, and nothing is decided",
    CaseState.PROPOSED: "a second person has to confirm what is proposed",
    CaseState.WAITING: "somebody was asked, and the answer is not in",
    CaseState.HELD: "held on request of the police",
    CaseState.DECIDED: "nothing new since",
}
_NEXT: Final[Mapping[CaseState, str]] = {
    CaseState.REVISIT: "See who took what back and tell whoever acted on the decision; then decide anew.",
    CaseState.REOPENED: "Look at what is new; the decision does not cover it. Then decide anew.",
    CaseState.NEW: "Read the evidence, rule the innocent explanations out first, then decide.",
    CaseState.ASSIGNED: "Read the evidence, rule the innocent explanations out first, then decide.",
    CaseState.PROPOSED: "Somebody else than its author looks at it, and confirms or decides otherwise.",
    CaseState.WAITING: "Decide once the answer is in.",
    CaseState.HELD: "Do nothing and tell nobody until the hold is lifted; then decide.",
    CaseState.DECIDED: "Nothing, until a run brings something new.",
}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """A case as it is shown.

    Attributes:
        case: The case; its number is empty where the log does not name the account yet.
        standing: Where it stands against the run.
        row: Its row of tables.Ranking; None if the run does not rank it.
        withdrawn: Short numbers of the referrals that were taken back.
    """

    case: Case
    standing: Standing
    row: Row | None
    withdrawn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """The cases of a workspace against a run: those shown in order, and how many there are of each state."""

    run_id: str
    as_of: str
    today: date
    shown: Sequence[Shown]
    counts: Mapping[CaseState, int]

    @property
    def hidden(self) -> Mapping[CaseState, int]:
        """Count the cases that are not shown."""
        return Counter(self.counts) - Counter(one.standing.state for one in self.shown)


# --------------------------------------------------------------------------- the queue


def due_words(one: Standing, today: date) -> str:
    """Say how long there is: `overdue by 2 d`, `today`, `in 3 d`; empty while nobody has to look."""
    if one.due is None:
        return ""
    left = one.due.days_left(today)
    if left < 0:
        return f"overdue by {-left} d"
    return f"in {left} d" if left else "today"


def news(one: Shown) -> str:
    """Say in a line what is new, or what was decided."""
    found, case = one.standing, one.case
    said = [f"{', '.join(one.withdrawn)} taken back"] if one.withdrawn else []
    if found.tier is None:
        said.append("no longer ranked")
    compared = case.proposal or case.decision
    if found.is_stronger and compared is not None:
        said.append(f"was {compared.tier.value}")
    if found.new_items:
        first, rest = found.new_items[0], len(found.new_items) - 1
        said.append(f"new: {item_words(first)}{f' and {rest:,} more' if rest else ''}")
    if found.not_comparable:
        said.append(f"{counted(len(found.not_comparable), 'token')} under another key, not comparable")
    if case.proposal is not None:
        said.append(f"{case.proposal.disposition.value} proposed by {visible(case.proposal.actor)}")
    elif case.decision is not None:
        said.append(f"{case.decision.disposition.value} by {visible(case.decision.author)}")
    return "; ".join(said)


def item_words(item: Item) -> str:
    """Name a piece of evidence as people know it, its site defanged."""
    title = BY_NAME[item.kind].title if item.kind in BY_NAME else "rule"
    shown = visible(item.counterpart)
    is_site = item.family == EvidenceFamily.LINK or item.kind == "website"
    return f"{title} {defanged(shown) if is_site else shown}"


def _columns(today: date) -> tuple[Column[Shown], ...]:
    return (
        Column("case", ALWAYS, 8, lambda one: Text(one.case.number or _NO_NUMBER)),
        Column("state", ALWAYS, 8, _state_cell),
        Column("tier", ALWAYS, 4, _tier_cell),
        Column("due", 8, 14, lambda one: _due_cell(one.standing, today)),
        Column("assignee", 5, 8, lambda one: safe_text(one.case.assignee)),
        Column("account", ALWAYS, 24, lambda one: safe_text(one.case.account_id)),
        Column("trading name", 4, 14, lambda one: safe_text(one.row["dba_name"] if one.row else "")),
        Column("strongest link", 6, 24, _link_cell),
        Column("what is new", 7, 20, lambda one: Text(news(one))),
    )


def _state_cell(one: Shown) -> Text:
    return Text(one.standing.state.value, style=_STATE_STYLES.get(one.standing.state, ""))


def _tier_cell(one: Shown) -> Text:
    tier = one.standing.tier
    return Text(tier.value, style=TIER_STYLES[tier]) if tier is not None else Text(_NO_NUMBER)


def _due_cell(found: Standing, today: date) -> Text:
    is_over = found.due is not None and found.due.days_left(today) < 0
    return Text(due_words(found, today), style="bold red" if is_over else "")


def _link_cell(one: Shown) -> Text:
    return Text(defanged(visible(one.row["strongest_link"])) if one.row else "")


def show_queue(console: Console, queue: Queue) -> None:
    """Print the queue: what wants work first, the most urgent on top."""
    console.print(
        Text.assemble(("Cases ", "bold"), f"{visible(queue.run_id)} · as of {queue.as_of} · {DISCLAIMER}"),
        soft_wrap=True,
    )
    if queue.shown:
        columns = [one for one in _columns(queue.today) if one.keep == ALWAYS or any(map(one.cell, queue.shown))]
        console.print(fitted(columns, queue.shown, console.width, _row_style))
    else:
        console.print(Text("  nothing to show"))
    counts = [f"{count:,} {state.value}" for state in CaseState if (count := queue.counts.get(state))]
    say(console, [Text(f"{counted(sum(queue.counts.values()), 'case')}{': ' if counts else ''}{' · '.join(counts)}")])
    hidden = [f"{count:,} {state.value}" for state, count in queue.hidden.items()]
    if hidden:
        say(console, [Text(f"Not shown: {', '.join(hidden)}; --state or --all shows them.")])
    urgent = next((one for one in queue.shown if one.standing.is_open), None)
    if urgent is not None:
        say(console, [Text(f"Next: merchantscreen cases show {_name(urgent.case)}")])


def _row_style(one: Shown) -> str:
    return "" if one.standing.is_open else "dim"


def _name(case: Case) -> str:
    """Name a case as it can be typed."""
    return case.number or shlex.quote(visible(case.account_id))


# --------------------------------------------------------------------------- one case


@dataclass(frozen=True, slots=True)
class Told:
    """One case with all that is said about it.

    Attributes:
        shown: The case and where it stands.
        today: Today; UTC.
        run: Folder of the run it is held against, as the reader may type it.
        run_id: Id of that run.
        reasons: Reasons by log index, of those that are not erased.
        number_of: Gives the number of an account's case.
    """

    shown: Shown
    today: date
    run: str
    run_id: str
    reasons: Mapping[int, str]
    number_of: Callable[[str], str]


def show_case(console: Console, told: Told) -> None:
    """Print one case: where it stands, what is new, its history, and what to do next."""
    one = told.shown
    name = f" · {visible(one.row['dba_name'])}" if one.row and one.row["dba_name"] else ""
    console.print(Text.assemble((_name(one.case), "bold"), f" · {visible(one.case.account_id)}{name}"), soft_wrap=True)
    say(console, _about(told), hanging=10)
    section(console, "What is new", _new_lines(one), hanging=2)
    section(console, "History", _history_lines(told), hanging=2)
    section(console, "What to do next", [Text(f"  {_sentence(one)}")])
    for command in next_commands(told):
        console.print(Text(f"  {command}"), soft_wrap=True)


def _about(told: Told) -> Iterator[Text]:
    one, found = told.shown, told.shown.standing
    yield _field("State", f"{found.state.value}: {_STATES[found.state]}", _STATE_STYLES.get(found.state, ""))
    if found.due is not None:
        yield _field("Due", f"{found.due.on.isoformat()}, {due_words(found, told.today)}")
    yield _field("Assigned", visible(one.case.assignee) if one.case.assignee else "to nobody")
    if one.row is not None:
        place = f"{one.row['tier']}, rank {one.row['rank']:,}, {nano(one.row['points_nano'])} points; {DISCLAIMER}"
        yield _field("Run", f"{visible(told.run_id)}: {place}")
        yield _field("Link", defanged(visible(one.row["strongest_link"])))
        against = ", ".join(COUNTER_EVIDENCE.get(note, visible(note)) for note in one.row["counter_evidence"])
        yield _field("Against", against or "nothing that the run knows of")
    else:
        yield _field("Run", f"{visible(told.run_id)} does not rank it; that clears nobody")
    listed = one.case.listings
    if listed:
        yield _field("Listed", f"in {counted(len(listed), 'run')}, first {_time(listed[0].at)}, last "
                     f"{_time(listed[-1].at)} ({visible(listed[-1].run_id)}, {listed[-1].tier.value})")  # fmt: skip


def _field(name: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"{name:<10}", "bold"), (text, style))


def _new_lines(one: Shown) -> Iterator[Text]:
    found, compared = one.standing, one.case.proposal or one.case.decision
    if compared is None:
        return
    for number in one.withdrawn:
        yield Text(f"  ! {number} was taken back; the decision of log {compared.log_index} rests on it")
    if found.is_stronger and found.tier is not None:
        yield Text(f"  ^ {found.tier.value} now, {compared.tier.value} at log {compared.log_index}")
    for item in found.new_items[:_NEW_SHOWN]:
        yield Text(f"  + {item_words(item)}, {nano(item.points_nano)} points")
    if len(found.new_items) > _NEW_SHOWN:
        yield Text(f"  and {counted(len(found.new_items) - _NEW_SHOWN, 'item')} more; --json lists all")
    if found.not_comparable:
        count = counted(len(found.not_comparable), "contact token")
        yield Text(f"  ? {count} made under another key: nobody can tell whether they are new")


def _history_lines(told: Told) -> Iterator[Text]:
    case = told.shown.case
    lines = [(one.log_index, _assigned_lines(one.log_index, one.at, one.by, one.to)) for one in case.assignments]
    lines += [(one.log_index, _decision_lines(one, told, "proposed")) for one in case.proposals]
    lines += [(one.log_index, _decision_lines(one, told, "decided")) for one in case.decisions]
    for _, several in sorted(lines, key=lambda pair: pair[0]):
        yield from several


def _assigned_lines(log_index: int, at: datetime, by: str, to: str) -> list[Text]:
    return [Text(f"  log {log_index}  {_time(at)}  given to {visible(to)} by {visible(by)}")]


def _decision_lines(one: Decision, told: Told, word: str) -> list[Text]:
    verb = "confirmed" if one.confirms is not None else word
    waits = " (waits for a second person)" if one == told.shown.case.proposal else ""
    of = f" of {told.number_of(one.duplicate_of)}" if one.duplicate_of is not None else ""
    by = f"{visible(one.actor)}{f', proposed by {visible(one.author)}' if one.proposed_by else ''}"
    about = f"{one.tier.value} in {visible(one.run_id)}"
    head = Text.assemble(f"  log {one.log_index}  {_time(one.at)}  {verb} ", (one.disposition.value, "bold"),
                         f"{of} by {by}; {about}{waits}")  # fmt: skip
    return [head, Text(f"      {_reason(told, one)}")]


def _reason(told: Told, one: Decision) -> str:
    reason = told.reasons.get(one.log_index)
    return "reason erased" if reason is None else f"“{defanged(visible(reason, _LONGEST_REASON))}”"


def next_commands(told: Told) -> list[str]:
    """Return the commands that come next, ready to be typed; CODE and WHY are the reviewer's."""
    one = told.shown
    name, account, run = _name(one.case), shlex.quote(visible(one.case.account_id)), shlex.quote(told.run)
    last = one.case.listings[-1].run_id if one.row is None and one.case.listings else ""
    again = f" --run {shlex.quote(visible(last))}" if last else ""
    explain = [f"merchantscreen explain {account} --run {run}"] if one.row is not None else []
    decide = f'merchantscreen decide {name} --disposition CODE --reason "WHY"{again}'
    match one.standing.state:
        case CaseState.PROPOSED:
            return [*explain, f'merchantscreen decide {name} --confirm --reason "WHY"']
        case CaseState.REVISIT:
            return [*(f"merchantscreen referrals status {number}" for number in one.withdrawn), decide]
        case CaseState.DECIDED:
            file = f'merchantscreen export case-file {account} --run {run} --out case-{name} --purpose "WHY"'
            return [file] if _is_referred(one) else []
        case CaseState.WAITING | CaseState.HELD:
            return [decide]
        case _:
            return [*explain, decide]


def _sentence(one: Shown) -> str:
    """Say what comes next; what was referred has to be handed over first."""
    handed = f"Hand the case file to the acquirer. {_NEXT[CaseState.DECIDED]}"
    return handed if _is_referred(one) else _NEXT[one.standing.state]


def _is_referred(one: Shown) -> bool:
    last = one.case.decision
    is_decided = one.standing.state is CaseState.DECIDED and one.row is not None
    return is_decided and last is not None and last.disposition is Disposition.REFER_TO_ACQUIRER


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


# --------------------------------------------------------------------------- for programs


def queue_facts(queue: Queue) -> dict[str, Any]:
    """State the queue for a program."""
    return {
        "run_id": queue.run_id,
        "as_of": queue.as_of,
        "counts": {state.value: queue.counts.get(state, 0) for state in CaseState},
        "cases": [shown_facts(one, queue.today) for one in queue.shown],
    }


def shown_facts(one: Shown, today: date) -> dict[str, Any]:
    """State for a program where a case stands."""
    found, case, row = one.standing, one.case, one.row
    return {
        "number": case.number or None,
        "account_id": case.account_id,
        "state": found.state.value,
        "is_open": found.is_open,
        "tier": found.tier.value if found.tier is not None else None,
        "rank": row["rank"] if row else None,
        "dba_name": row["dba_name"] if row else None,
        "strongest_link": row["strongest_link"] if row else None,
        "due_on": found.due.on.isoformat() if found.due is not None else None,
        "days_left": found.due.days_left(today) if found.due is not None else None,
        "assignee": case.assignee,
        "disposition": case.decision.disposition.value if case.decision is not None else None,
        "new_items": [_item_facts(item) for item in found.new_items],
        "not_comparable": [_item_facts(item) for item in found.not_comparable],
        "is_stronger": found.is_stronger,
        "withdrawn": list(one.withdrawn),
    }


def _item_facts(item: Item) -> dict[str, Any]:
    return {"family": item.family, "kind": item.kind, "counterpart": item.counterpart, "points_nano": item.points_nano}


def case_facts(told: Told) -> dict[str, Any]:
    """State one case for a program, with its history and reasons; a reason is null once it is erased."""
    case = told.shown.case
    return {
        **shown_facts(told.shown, told.today),
        "run_id": told.run_id,
        "listings": [
            {"log_index": one.log_index, "recorded_at": written(one.at), "run_id": one.run_id, "tier": one.tier.value,
             "reopens": one.reopens}
            for one in case.listings
        ],
        "assignments": [
            {"log_index": one.log_index, "recorded_at": written(one.at), "by": one.by, "to": one.to}
            for one in case.assignments
        ],
        "proposals": [decision_facts(one, told.reasons.get(one.log_index)) for one in case.proposals],
        "decisions": [decision_facts(one, told.reasons.get(one.log_index)) for one in case.decisions],
        "waits_for_second": case.proposal.log_index if case.proposal is not None else None,
        "next": {"sentence": _sentence(told.shown), "commands": next_commands(told)},
    }  # fmt: skip


def decision_facts(one: Decision, reason: str | None) -> dict[str, Any]:
    """State a decision or proposal for a program."""
    return {
        "log_index": one.log_index,
        "recorded_at": written(one.at),
        "actor": one.actor,
        "proposed_by": one.proposed_by,
        "confirms": one.confirms,
        "disposition": one.disposition.value,
        "meaning": MEANINGS[one.disposition].text,
        "closes": one.closes,
        "duplicate_of": one.duplicate_of,
        "run_id": one.run_id,
        "manifest_sha256": one.manifest_sha256,
        "tier": one.tier.value,
        "referrals": [{"hotline": hotline, "referral_id": name} for hotline, name in sorted(one.referrals)],
        "item_count": len(one.items),
        "reason": reason,
    }
