"""Takes signed statements in: each envelope is verified, then read, then judged by its place in its stream.

Rules kept here:
* one import is one step: the answers to all envelopes are recorded together, or none is;
* `read = accepted + quarantined + duplicate + refused`, and every line has its answer;
* what stops one hotline's stream stops no other's;
* what cannot be read leaves a count and codes in the log, and nothing of its content.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final

from merchantscreen.cli.referrals import problems
from merchantscreen.cli.referrals.common import EXIT_REFUSED, ahead, current_trust, decided, unreadable
from merchantscreen.errors import InputError, Problem
from merchantscreen.eventlog.records import Draft, Event
from merchantscreen.referrals.admission import Admission, Silent, admit, staleness
from merchantscreen.referrals.bulk import without_collector
from merchantscreen.referrals.exchange_problems import EXIT_UNTRUSTED, PROBLEMS, EnvelopeError, SignatureError
from merchantscreen.referrals.history import Folding, History, Key
from merchantscreen.referrals.logged import admission_record
from merchantscreen.referrals.opening import Opened, open_all
from merchantscreen.referrals.streams import Outcome, Reason
from merchantscreen.referrals.trust import Trust, takes_back
from merchantscreen.referrals.wire import LARGEST_ENVELOPE
from merchantscreen.workspace.files import open_regular
from merchantscreen.workspace.session import Workspace

UNREAD: Final = "envelope.refused"
"""Kind of the log event that counts what could not be read in a file."""
EXIT_STALE: Final = 7
MOST: Final = 200_000
_ONE: Final = ".dsse.json"
_MANY: Final = ".dsse.jsonl"
_UNTRUSTED: Final = frozenset({Reason.GAP, Reason.FORK, Reason.UNTRUSTED, Reason.STALE_TRUST})


@dataclass(frozen=True, slots=True)
class Sent:
    """A file of envelopes: its name, its sha256, and each envelope with its line; None for a file of one."""

    name: str
    sha256: str
    envelopes: tuple[tuple[int | None, bytes], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one envelope.

    Attributes:
        file: Name of the file it was in.
        line: Its line; None in a file of one.
        admission: The answer; None if it could not be read.
        problems: What there is to say against it.
        number: Short number of its referral; empty if it has none.
        log_index: Log event that records the answer; None if none does.
        is_untrusted: Whether it was refused for its signatures.
    """

    file: str
    line: int | None
    admission: Admission | None
    problems: tuple[Problem, ...]
    number: str = ""
    log_index: int | None = None
    is_untrusted: bool = False

    @property
    def outcome(self) -> Outcome:
        """Return the outcome; what could not be read is refused."""
        return self.admission.outcome if self.admission is not None else Outcome.REFUSED


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import came to."""

    answers: tuple[Answer, ...]
    silent: tuple[Silent, ...]
    history: History

    def count(self, outcome: Outcome) -> int:
        """Count the answers with an outcome."""
        return sum(answer.outcome is outcome for answer in self.answers)

    @property
    def taken_back(self) -> list[Key]:
        """Return the referrals that were taken back."""
        found = (answer.admission for answer in self.answers if answer.outcome is Outcome.ACCEPTED)
        return [
            (one.statement.issuer, one.statement.event.referral_id)
            for one in found
            if one is not None and takes_back(one.statement.event) and one.statement.event.referral_id is not None
        ]

    @property
    def exit_code(self) -> int:
        """Return how the command ends: what is not trusted comes before what is malformed, and both before silence."""
        admissions = [answer.admission for answer in self.answers if answer.admission is not None]
        is_stopped = any(one.stops_stream or _is_untrusted(one) for one in admissions)
        if is_stopped or any(answer.is_untrusted for answer in self.answers):
            return EXIT_UNTRUSTED
        if self.count(Outcome.REFUSED):
            return EXIT_REFUSED
        return EXIT_STALE if self.silent else 0


def _is_untrusted(one: Admission) -> bool:
    return one.outcome is Outcome.REFUSED and one.reason in _UNTRUSTED


# --------------------------------------------------------------------------- files


def read_envelopes(paths: Sequence[Path]) -> tuple[Sent, ...]:
    """Read files of envelopes, none of them parsed yet.

    Raises:
        InputError: One of them cannot be read, or there are too many envelopes; all such files are named.
    """
    sent: list[Sent] = []
    wrong: list[Problem] = []
    for path in paths:
        try:
            sent.append(_read(path))
        except InputError as error:
            wrong += error.problems
    if wrong:
        raise InputError("These files cannot be used.", tuple(wrong))
    if sum(len(one.envelopes) for one in sent) > MOST:
        raise InputError("Too many envelopes.", (problems.TOO_MANY.at(paths[0].name),))
    return tuple(sent)


def _read(path: Path) -> Sent:
    if not path.name.endswith((_ONE, _MANY)):
        raise InputError("This file cannot be used.", (problems.WRONG_ENDING.at(path.name),))
    digest = hashlib.sha256()
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            if path.name.endswith(_ONE):
                data = file.read(LARGEST_ENVELOPE + 1)
                digest.update(data)
                return Sent(path.name, digest.hexdigest(), ((None, data),))
            lines: list[tuple[int | None, bytes]] = []
            for number, line in _lines(file, digest.update):
                if line.strip() and len(lines) <= MOST:
                    lines.append((number, line.rstrip(b"\r\n")))
    except OSError as error:
        raise unreadable(path, error) from error
    return Sent(path.name, digest.hexdigest(), tuple(lines))


def _lines(file: BinaryIO, seen: Callable[[bytes], None]) -> Iterator[tuple[int, bytes]]:
    """Yield lines with their breaks; of one that is too long only what shows that it is."""
    number = 0
    while line := file.readline(LARGEST_ENVELOPE + 3):
        number += 1
        seen(line)
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LARGEST_ENVELOPE)
            seen(rest)
        yield number, line


# --------------------------------------------------------------------------- answers


def take_in(place: Workspace, sent: Sequence[Sent], fresh_hours: int | None) -> Taken:
    """Judge all envelopes in order and record the answers together.

    Args:
        place: The workspace.
        sent: Files of envelopes.
        fresh_hours: Longest silence of a hotline that is in order; None if that is not asked.
    """
    opening = _Opening([data for one in sent for _, data in one.envelopes])

    def decide(folding: Folding) -> tuple[list[Draft], Taken]:
        trust = current_trust(folding)
        desk = _Desk(folding, trust, place, iter(opening.under(trust)))
        drafts = desk.drafts
        answers = [answer for one in sent for answer in _file_answers(one, desk)]
        limit = None if fresh_hours is None else timedelta(hours=fresh_hours)
        silent = () if limit is None else staleness(folding.streams, trust, place.now(), limit)
        return drafts, Taken(tuple(answers), silent, folding.history())

    with without_collector():
        return decided(place, decide)


@dataclass(slots=True)
class _Opening:
    """What all envelopes came to under a trust file; opened once, however often it has to be decided anew."""

    envelopes: Sequence[bytes]
    _trust: Trust | None = None
    _opened: Sequence[Opened] = ()

    def under(self, trust: Trust) -> Sequence[Opened]:
        """Return what the envelopes came to under this trust file."""
        if self._trust != trust:
            self._trust, self._opened = trust, tuple(open_all(self.envelopes, trust))
        return self._opened


@dataclass(slots=True)
class _Desk:
    """Where statements are judged: the log so far, and what becomes of it."""

    folding: Folding
    trust: Trust
    place: Workspace
    opened: Iterator[Opened]
    drafts: list[Draft] = field(default_factory=list)

    def record(self, admission: Admission) -> int | None:
        """Take in an answer that is about to be recorded, and return the number it will have; None for a duplicate."""
        record = admission_record(admission)
        if record is None:
            return None
        draft, index, now = self.place.draft(*record), self.folding.size, self.place.now()
        self.drafts.append(draft)
        event = Event(index, now, draft.kind, draft.actor, draft.body)
        self.folding.take(event, admission.entry(index, now))
        return index

    def record_unread(self, sent: Sent, codes: Counter[str]) -> None:
        """Take in how many envelopes of a file could not be read."""
        body = {"file_sha256": sent.sha256, "count": codes.total(), "codes": dict(sorted(codes.items()))}
        self.drafts.append(self.place.draft(UNREAD, body))
        ahead(self.folding, self.place, self.drafts[-1])


def _file_answers(sent: Sent, desk: _Desk) -> Iterator[Answer]:
    codes: Counter[str] = Counter()
    for line, _ in sent.envelopes:
        answer = _answer(next(desk.opened), desk)
        said = tuple(replace(problem, where=sent.name, line=line) for problem in answer.problems)
        if answer.admission is None:
            codes[said[0].code] += 1
        yield replace(answer, file=sent.name, line=line, problems=said)
    if codes:
        desk.record_unread(sent, codes)


def _answer(found: Opened, desk: _Desk) -> Answer:
    if isinstance(found, EnvelopeError):
        problems = found.problems or (PROBLEMS["MS-EXC-002"].at("envelope"),)
        return Answer("", None, None, problems, is_untrusted=isinstance(found, SignatureError))
    admission = admit(desk.folding.streams, found, desk.trust, desk.place.now())
    index = desk.record(admission)
    problem = admission.problem(found.issuer)
    number = desk.folding.numbers.get((found.issuer, found.event.referral_id or ""), "")
    return Answer("", None, admission, (problem,) if problem is not None else (), number, index)
