"""`merchantscreen log verify`: is the log still what it was when its checkpoints were signed?

Everything is recomputed, and all that is wrong is told together. What lies in the workspace can be changed by
whoever can change the workspace; against that help a checkpoint and a verifier line kept elsewhere. An exported log
is checked with those alone, on any machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from merchantscreen.cli.log.keys import Keys, head_facts, head_line, known_keys
from merchantscreen.cli.progress import shown_progress
from merchantscreen.cli.referrals.common import unreadable
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import IntegrityError, Problem, UsageError
from merchantscreen.eventlog.exported import verify_export
from merchantscreen.eventlog.notes import Checkpoint, Verifier, open_checkpoint
from merchantscreen.eventlog.verification import Verified
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import counted, visible
from merchantscreen.workspace.checkpoints import read_note
from merchantscreen.workspace.files import open_regular
from merchantscreen.workspace.session import Workspace

T = TypeVar("T")

_Against = Annotated[
    list[Path],
    typer.Option("--against", metavar="NOTE", help="Checkpoint that was kept outside; may be repeated."),
]


_File = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Check this exported log, without a workspace; needs --key."),
]


@dataclass(slots=True)
class _Findings:
    """What does not check out, each difference once."""

    problems: dict[Problem, None] = field(default_factory=dict)

    def attempt(self, step: Callable[[], T]) -> T | None:
        """Run a step; None where something is wrong."""
        try:
            return step()
        except IntegrityError as error:
            self.problems |= dict.fromkeys(error.problems)
            return None


@dataclass(frozen=True, slots=True)
class _Checked:
    """A log that checks out, and the checkpoints it was compared with."""

    verified: Verified
    latest: Checkpoint
    against: tuple[Checkpoint, ...]


def verify_log(
    *,
    against: _Against = [],  # noqa: B006 - typer's form of an option without a value
    keys: Keys = [],  # noqa: B006
    file: _File = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Recompute the whole log: its tree, its personal values, and its checkpoints with their signatures.

    Exit code 4, with everything that differs. Without --against and --key only what lies in the workspace is
    compared with each other, and somebody who changed all of it would not be noticed. With --file an exported log is
    checked instead; it holds no personal values.
    """
    if file is not None:
        if workspace is not None or as_name is not None or not keys:
            said = "--file needs --key, and neither --workspace nor --as"
            raise UsageError("Options that do not fit.", (PROBLEMS["MS-RUN-001"].at("command line", found=said),))
        _verify_file(file, tuple(map(Verifier.parsed, keys)), against, as_json=as_json)
        return
    with opened(workspace, as_name, trusting=False) as place:
        place.allow("log.verify")
        checked = _check(place, against, keys)
    if as_json:
        show_json(_facts(checked))
    else:
        show_lines(_told(checked, is_anchored=bool(against)))


def _check(place: Workspace, against: Sequence[Path], lines: Sequence[str]) -> _Checked:
    """Compare the log with every checkpoint; IntegrityError with all that differs."""
    known, found = known_keys(lines, place), _Findings()
    latest = found.attempt(partial(place.checkpoints.latest, known))
    notes = [read_note(path) for path in against]
    kept = [found.attempt(partial(open_checkpoint, note, known)) for note in notes]
    verified = None
    with shown_progress() as progress:
        for one in {latest, *kept}:
            verified = found.attempt(partial(place.log.verify, one, progress))
    if found.problems or verified is None or latest is None:
        raise IntegrityError("The log does not check out.", tuple(found.problems))
    return _Checked(verified, latest, tuple(one for one in kept if one is not None))


def _facts(checked: _Checked) -> dict[str, Any]:
    return {
        "log": head_facts(checked.verified.head),
        "latest_checkpoint": head_facts(checked.latest),
        "against": [head_facts(one) for one in checked.against],
        "events_since_checkpoint": checked.verified.head.size - checked.latest.size,
        "personal_kept": checked.verified.personal_kept,
        "personal_erased": checked.verified.personal_erased,
    }


def _told(checked: _Checked, *, is_anchored: bool) -> Iterator[str]:
    verified = checked.verified
    yield f"The log checks out: {head_line(verified.head)}"
    yield (
        f"  {counted(verified.head.size, 'event')}; personal values: {verified.personal_kept:,} kept, "
        f"{verified.personal_erased:,} erased"
    )
    since = verified.head.size - checked.latest.size
    yield f"  latest checkpoint: {checked.latest.size:,}; {counted(since, 'event')} since"
    yield from map(_beginning, checked.against)
    if not is_anchored:
        yield "  Compared only with checkpoints of the workspace itself; --against one that was kept outside says more."


def _verify_file(path: Path, known: Sequence[Verifier], against: Sequence[Path], *, as_json: bool) -> None:
    """Check an exported log and tell of it."""
    kept = [open_checkpoint(read_note(one), known) for one in against]
    try:
        with os.fdopen(open_regular(path), "rb") as file, shown_progress() as progress:
            head = verify_export(file, path.name, known, kept, progress)
    except OSError as error:
        raise unreadable(path, error) from error
    if as_json:
        show_json({"log": head_facts(head), "against": [head_facts(one) for one in kept]})
    else:
        show_lines(_told_file(path, head, kept))


def _told_file(path: Path, head: Checkpoint, kept: Sequence[Checkpoint]) -> Iterator[str]:
    yield f"{visible(path.name)} checks out: {head_line(head)}"
    yield f"  {counted(head.size, 'event')}; personal values are not in it"
    yield from map(_beginning, kept)
    if not kept:
        yield "  It may have been cut to an older checkpoint; --against a newer one that was kept outside would tell."


def _beginning(one: Checkpoint) -> str:
    return f"  begins with what was signed at {one.size:,}: {head_line(one)}"
