"""`merchantscreen referrals status R-000001`: what is known of one referral, who said it, and who used it.

Opinions of other hotlines about the same site stand beside it; nothing is decided between them. Host names are shown
with --show-domains and a purpose only, which is recorded first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from merchantscreen.cli.referrals.common import referral_of, run_facts, run_line
from merchantscreen.cli.referrals.listing import waiting_facts, waiting_line
from merchantscreen.cli.referrals.views import (
    ONLY_HERE,
    Purpose,
    ShowDomains,
    View,
    about,
    look_up,
    moment_text,
    plain_facts,
)
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.referrals.history import Key, Lost, Received, Run, runs_touched

_Number = Annotated[str, typer.Argument(help="A number of `referrals list`.", metavar="R-...")]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One referral in a view, and whether its host is shown."""

    view: View
    key: Key
    shows_domains: bool

    @property
    def lost(self) -> list[Lost]:
        """Return its statements that lost a signature."""
        return [one for one in self.view.history.lost if (one.issuer, one.referral_id) == self.key]

    @property
    def runs(self) -> tuple[Run, ...]:
        """Return the screenings that used it."""
        return runs_touched(self.view.history, *self.key)


def status(
    number: _Number,
    *,
    show_domains: ShowDomains = False,
    purpose: Purpose = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Show one referral: state, facts, other opinions on the site, statements with log indexes, runs that used it."""
    with opened(workspace, as_name) as place:
        place.allow("referral.status")
        if show_domains:
            look_up(place, purpose, "domain", number)
        history = place.history()
        key = referral_of(history, number)
        asked = _Asked(View(about(history, key), place.now()), key, show_domains)
    if as_json:
        show_json(_facts(asked))
    else:
        show_lines(_told(asked))


# --------------------------------------------------------------------------- for programs


def _facts(asked: _Asked) -> dict[str, Any]:
    view, key = asked.view, asked.key
    return {
        **_opinion(asked, key),
        "reason": _reason(asked),
        "as_of": moment_text(view.as_of),
        "facts": plain_facts(view.referrals.get(key), with_names=asked.shows_domains),
        "opinions": [_opinion(asked, other) for other in view.others_on_site(key)],
        "statements": [_statement_facts(one) for one in view.statements.get(key, [])],
        "waiting": [waiting_facts(one) for one in view.waiting.get(key, [])],
        "lost": [
            {"log_index": one.log_index, "seq": one.seq, "key_id": one.key_id, "is_removed": one.is_removed}
            for one in asked.lost
        ],
        "runs": [{"log_index": run.log_index, **run_facts(run, key)} for run in asked.runs],
    }


def _opinion(asked: _Asked, key: Key) -> dict[str, Any]:
    view = asked.view
    referral = view.referrals.get(key)
    facts = plain_facts(referral, with_names=False)
    return {
        "number": view.history.numbers[key],
        "hotline": key[0],
        "referral_id": key[1],
        "state": view.state(key),
        "assurance": view.assurance(key),
        "is_disputed": referral.is_disputed if referral is not None else None,
        "is_held": referral.is_held if referral is not None else None,
        **{name: facts.get(name) for name in ("classification", "domain_dedicated", "match_scope", "status")},
        **({"domain": view.domain(key)} if asked.shows_domains else {}),
    }


def _statement_facts(one: Received) -> dict[str, Any]:
    return {
        "log_index": one.log_index,
        "event": one.event.event.value,
        "seq": one.seq,
        "issued_at": moment_text(one.event.issued_at),
        "effective_at": moment_text(one.effective_at),
        "received_at": moment_text(one.received_at),
        "assurance": one.assurance.value,
        "organisations": list(one.organisations),
        "reason_code": one.event.reason_code,
        "statement_sha256": one.digest,
    }


def _reason(asked: _Asked) -> str:
    found = asked.view.referrals.get(asked.key)
    return found.reason if found is not None else ONLY_HERE[asked.view.state(asked.key)]


# --------------------------------------------------------------------------- for people


def _told(asked: _Asked) -> Iterator[str]:
    view, key = asked.view, asked.key
    yield _opinion_line(asked, key)
    if _reason(asked):
        yield f"  {_reason(asked)}"
    for name, value in plain_facts(view.referrals.get(key), with_names=asked.shows_domains).items():
        yield f"  {name:<24}{_shown(value)}"
    others = view.others_on_site(key)
    if others:
        yield "Other hotlines on the same site:"
        yield from (f"  {_opinion_line(asked, other)}" for other in others)
    yield "Statements:"
    yield from (f"  {_statement_line(one)}" for one in view.statements.get(key, []))
    yield from map(waiting_line, view.waiting.get(key, []))
    yield from map(_lost_line, asked.lost)
    yield "Runs that used it:" if asked.runs else "No run has used it."
    yield from (run_line(run, key) for run in asked.runs)


def _opinion_line(asked: _Asked, key: Key) -> str:
    facts = _opinion(asked, key)
    marks = [word for word, name in (("disputed", "is_disputed"), ("held", "is_held")) if facts[name]]
    said = [facts["classification"] and f"classified {facts['classification']}", facts.get("domain")]
    words = [facts["state"].replace("_", " "), facts["assurance"], *marks, *(word for word in said if word)]
    return f"{facts['number']}  {facts['hotline']} {facts['referral_id']}: {', '.join(dict.fromkeys(words))}"


def _statement_line(one: Received) -> str:
    number = f" {one.seq}" if one.seq is not None else ""
    behind = f" by {', '.join(one.organisations)}" if one.organisations else ""
    code = f", reason {one.event.reason_code}" if one.event.reason_code else ""
    issued = moment_text(one.event.issued_at)
    return f"log {one.log_index}  {issued}  {one.event.event.value}{number}, {one.assurance.value}{behind}{code}"


def _lost_line(one: Lost) -> str:
    after = "no longer counts" if one.is_removed else "others still stand behind it"
    return f"  lost a signature: number {one.seq}, log {one.log_index}; {after}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
