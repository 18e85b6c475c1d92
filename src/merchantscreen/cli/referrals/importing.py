"""`merchantscreen referrals import`: take in what hotlines sent, signed or not.

Signed statements come as envelopes, `.dsse.json` or `.dsse.jsonl`. Everything else has to be named by --format and
comes in as unsigned.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli.failures import report
from merchantscreen.cli.referrals import problems, signed, unsigned
from merchantscreen.cli.referrals.common import EXIT_REFUSED, Revisit, to_revisit, wants_json_errors
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import Problem, UsageError
from merchantscreen.outputs.text import counted
from merchantscreen.referrals.admission import Silent
from merchantscreen.referrals.importers import EXPLANATIONS
from merchantscreen.referrals.streams import Outcome
from merchantscreen.vocabulary import Tlp

_SHOWN: Final = 200
"""Accepted lines are listed one by one up to so many; what needs somebody is always listed."""
_PROBLEMS_SHOWN: Final = 100


class ForeignForm(StrEnum):
    """Forms without signatures; each has an importer."""

    CSV = "csv"
    STIX = "stix"
    XARF = "xarf"


_Files = Annotated[
    list[Path],
    typer.Argument(help="Envelopes: NAME.dsse.json (one) or NAME.dsse.jsonl (one a line).", metavar="FILE..."),
]
_Form = Annotated[
    ForeignForm | None,
    typer.Option("--format", metavar="csv|stix|xarf", help="The files carry no signatures and have this form."),
]
_Hotline = Annotated[str | None, typer.Option("--hotline", metavar="ID", help="Whose referrals they are.")]
_Mapping = Annotated[Path | None, typer.Option("--mapping", metavar="FILE", help="YAML file that names the columns.")]
_Confirmed = Annotated[
    bool,
    typer.Option("--confirmed-by-reporter", help="You state that the hotline confirmed what it dates as confirmed."),
]
_Tlp = Annotated[
    Tlp | None, typer.Option("--tlp", metavar="TLP", help="Handling of records without one; amber+strict when absent.")
]
_Hold = Annotated[bool, typer.Option("--le-hold", help="Law enforcement asks for silence about all of it.")]
_Fresh = Annotated[
    int | None,
    typer.Option(
        "--require-fresh", min=1, max=8760, metavar="HOURS",
        help="End with exit code 7 if a hotline of the trust file was not heard for so long.",
    ),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Shown:
    """How to tell it."""

    as_json: bool
    json_errors: bool


def import_(
    context: typer.Context,
    files: _Files,
    *,
    form: _Form = None,
    hotline: _Hotline = None,
    mapping: _Mapping = None,
    confirmed_by_reporter: _Confirmed = False,
    tlp: _Tlp = None,
    le_hold: _Hold = False,
    require_fresh: _Fresh = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Take referrals in; every line gets its answer, and all answers are recorded in one step.

    Exit codes: 6 for a gap, a fork, or something that is not signed as it has to be; 65 for anything else that was
    refused; 7 for a silent hotline. What was not refused is taken in whatever the code says.
    """
    shown = _Shown(as_json, wants_json_errors(context))
    foreign = any((hotline, mapping, tlp, confirmed_by_reporter, le_hold))
    if (form is None and foreign) or (form is not None and (hotline is None or require_fresh is not None)):
        raise UsageError("Options that do not go together.", (problems.OPTIONS_DIFFER.at("command line"),))
    with opened(workspace, as_name) as place:
        place.allow("referral.import")
        if form is None or hotline is None:
            taken = signed.take_in(place, signed.read_envelopes(files), require_fresh)
            revisit = to_revisit(place, taken.history, taken.taken_back)
            tell, code = partial(_tell_signed, taken, revisit, shown), taken.exit_code
        else:
            handling = tlp or Tlp.AMBER_STRICT
            order = unsigned.Order(form.value, hotline, mapping, confirmed_by_reporter, handling, le_hold)
            imported = unsigned.take_in(place, files, order)
            revisit = to_revisit(place, imported.history, imported.taken_back)
            tell = partial(_tell_unsigned, imported, revisit, shown)
            code = EXIT_REFUSED if imported.rejected_count else 0
    tell()
    if code:
        sys.stdout.flush()
        raise typer.Exit(code)


# --------------------------------------------------------------------------- signed


def _tell_signed(taken: signed.Taken, revisit: Revisit, shown: _Shown) -> None:
    found = [problem for answer in taken.answers for problem in answer.problems]
    found += [_silence(one) for one in taken.silent]
    _report(found, shown)
    if shown.as_json:
        show_json(_signed_facts(taken) | revisit.facts())
    else:
        show_lines([*_signed_lines(taken), *revisit.lines()])


def _report(found: Sequence[Problem], shown: _Shown) -> None:
    report(found[:_PROBLEMS_SHOWN], as_json=shown.json_errors)
    if len(found) > _PROBLEMS_SHOWN and not shown.json_errors:
        sys.stderr.write(f"and {len(found) - _PROBLEMS_SHOWN:,} more; --json lists what became of every line\n")


def _silence(one: Silent) -> Problem:
    heard = f"last heard {one.heard_at.isoformat()}Z" if one.heard_at is not None else "never heard"
    return problems.SILENT.at(one.issuer, found=f"{problems.SILENT.title} ({heard})")


def _signed_facts(taken: signed.Taken) -> dict[str, Any]:
    return {
        "read": len(taken.answers),
        **{outcome.value: taken.count(outcome) for outcome in Outcome},
        "statements": [_answer_facts(answer) for answer in taken.answers],
        "silent": [one.issuer for one in taken.silent],
    }


def _answer_facts(answer: signed.Answer) -> dict[str, Any]:
    one = answer.admission
    return {
        "file": answer.file,
        "line": answer.line,
        "outcome": answer.outcome.value,
        "reason": one.reason.value if one is not None and one.reason is not None else None,
        "codes": [problem.code for problem in answer.problems],
        "issuer": one.statement.issuer if one is not None else None,
        "seq": one.statement.seq if one is not None else None,
        "event": one.statement.event.event.value if one is not None else None,
        "number": answer.number or None,
        "assurance": one.assurance.value if one is not None else None,
        "statement_sha256": one.statement.digest if one is not None else None,
        "log_index": answer.log_index,
    }


def _signed_lines(taken: signed.Taken) -> Iterator[str]:
    listed = [a for a in taken.answers if a.outcome is not Outcome.ACCEPTED or len(taken.answers) <= _SHOWN]
    yield from map(_answer_line, listed)
    counts = ", ".join(f"{taken.count(outcome):,} {outcome.value}" for outcome in Outcome)
    yield f"{counted(len(taken.answers), 'statement')} read: {counts}"


def _answer_line(answer: signed.Answer) -> str:
    where = answer.file if answer.line is None else f"{answer.file}:{answer.line}"
    one = answer.admission
    if one is None:
        return f"{where}  refused ({', '.join(problem.code for problem in answer.problems)})"
    reason = f" ({one.reason.value})" if one.reason is not None else ""
    said = one.statement
    about = " ".join(part for part in (answer.number, said.event.event.value) if part)
    proof = f", {one.assurance.value}" if one.outcome is not Outcome.REFUSED else ""
    return f"{where}  {said.issuer} {said.seq}  {about}: {one.outcome.value}{reason}{proof}"


# --------------------------------------------------------------------------- unsigned


def _tell_unsigned(taken: unsigned.Taken, revisit: Revisit, shown: _Shown) -> None:
    _report(taken.problems, shown)
    if shown.as_json:
        show_json(_unsigned_facts(taken) | revisit.facts())
    else:
        show_lines([*_unsigned_lines(taken), *revisit.lines()])


def _unsigned_facts(taken: unsigned.Taken) -> dict[str, Any]:
    files = [
        {"file": one.file, "read": one.imported.read_count, "accepted": one.imported.accepted_count,
         "rejected": one.imported.rejected_count, "events": len(one.imported.events), "sha256": one.sha256,
         "is_repetition": one.is_repetition,
         "notes": [{"kind": note.kind.value, "detail": note.detail, "count": note.count}
                   for note in one.imported.notes]}
        for one in taken.files
    ]  # fmt: skip
    return {"files": files, "assurance": "unsigned", "numbers": list(taken.numbers)}


def _unsigned_lines(taken: unsigned.Taken) -> Iterator[str]:
    for one in taken.files:
        found = one.imported
        yield (
            f"{one.file}: {counted(found.read_count, 'record')} read, {found.accepted_count:,} accepted, "
            f"{found.rejected_count:,} rejected, {counted(len(found.events), 'event')}, unsigned"
        )
        if one.is_repetition:
            yield "  taken in before, exactly like this; not recorded again"
        for note in found.notes:
            detail = f" ({note.detail})" if note.detail else ""
            yield f"  {note.count:,} x {EXPLANATIONS[note.kind]}{detail}"
    if taken.numbers:
        first, last = taken.numbers[0], taken.numbers[-1]
        yield f"New: {counted(len(taken.numbers), 'referral')}, {first}{f' to {last}' if last != first else ''}"
