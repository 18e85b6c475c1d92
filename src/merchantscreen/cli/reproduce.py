"""`merchantscreen reproduce RUN`: screen the same data again, with the policy out of the run, and compare every byte.

Rules kept here:
* rules come from the run itself; referrals from the same files, or from the log as it stood at the run;
* other input files than those of the run are refused before anything is compared;
* every evidence file is compared; of one that differs the first differing line is named;
* nothing is published: the second run lives in a private folder that is removed.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.text import Text

from merchantscreen import bundle
from merchantscreen.cases.items import RunFrames
from merchantscreen.cli import options
from merchantscreen.cli.comparing import comparison_again
from merchantscreen.cli.engines import require_files
from merchantscreen.cli.inputs import InputFiles, MappingFile, Merchants, Transactions, read_inputs
from merchantscreen.cli.progress import shown_progress
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.errors import InputError, IntegrityError, NotReproducibleError, Problem
from merchantscreen.outputs import manifest as m
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.runpolicy import policy_of_run
from merchantscreen.outputs.text import counted, visible
from merchantscreen.policy.model import Policy
from merchantscreen.records import Progress, SourceFile
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.flagging import flag
from merchantscreen.referrals.history import History, register_of
from merchantscreen.referrals.register import Register, fold
from merchantscreen.screening import ScreenResult, screen
from merchantscreen.workspace import cases
from merchantscreen.workspace.runs import source_of
from merchantscreen.workspace.session import Workspace, head_of

_Run = Annotated[Path, typer.Argument(help="Folder of a run, such as runs/20261101T000000Z.")]
_Referrals = Annotated[
    list[Path],
    typer.Option("--referrals", metavar="FILE...", help="The referral files of the run; none if it was a workspace's."),
]
_Since = Annotated[
    Path | None,
    typer.Option("--since", metavar="RUN", help="The run it was compared with, if that is not beside it."),
]
_Key = Annotated[
    Path | None,
    typer.Option("--pseudonym-key-file", metavar="FILE", help="Key of the contact tokens, if the run had one."),
]


def reproduce(
    run: _Run,
    *,
    merchants: Merchants,
    transactions: Transactions,
    referrals: _Referrals = [],  # noqa: B006 - typer's form of an option without a value
    mapping: MappingFile = None,
    pseudonym_key_file: _Key = None,
    since: _Since = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Make a run again from the same files and compare every byte of its evidence.

    The rules come out of the run; the referrals out of the same files, or out of the log as it stood then.
    Exit code 5 where anything differs, with the first differing line of each file.
    """
    manifest = bundle.verify_bundle(run)
    require_files(manifest.parameters)
    compared, is_compared = comparison_again(run, manifest, since)
    with _from_log(manifest, workspace, as_name) as log, shown_progress() as progress, _private() as place:
        key_file = pseudonym_key_file or log.key_file
        files = InputFiles(tuple(referrals), tuple(merchants), tuple(transactions), mapping, key_file)
        again = _again(_First(run, manifest, log, compared), files, place, progress)
        differing = tuple(_differences(run, again, manifest))
    if differing:
        raise NotReproducibleError("the run cannot be made again byte for byte", (*differing, *_versions(manifest)))
    if as_json:
        counts = {"files": len(manifest.outputs), "changes_compared": is_compared}
        show_json({"run_id": manifest.run_id, "reproduced": True} | counts)
        return
    for line in banner(manifest):
        output().print(line, soft_wrap=True)
    said = f"{visible(manifest.run_id)}: made again, {counted(len(manifest.outputs), 'file')} equal byte for byte"
    output().print(Text(said), soft_wrap=True)
    if not is_compared:
        told = "The run it was compared with is not beside it: changes.jsonl was taken over, not made again (--since)"
        output().print(Text(told), soft_wrap=True)


# --------------------------------------------------------------------------- the second run


@dataclass(frozen=True, slots=True)
class _Log:
    """What the workspace of a run says; nothing for a run from files."""

    place: Workspace | None = None
    history: History | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class _First:
    """The run to be made again, with what it rests on beside its input files."""

    run: Path
    manifest: m.Manifest
    log: _Log
    compared: bundle.Comparison | None


@contextmanager
def _private() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="merchantscreen-") as name:
        yield Path(name)


@contextmanager
def _from_log(manifest: m.Manifest, folder: Path | None, as_name: str | None) -> Iterator[_Log]:
    """Fold the log as it stood at the run, and name the workspace's key.

    Raises:
        IntegrityError: The log of this workspace never was the one that the run names.
    """
    if manifest.log is None:
        yield _Log()
        return
    with opened(folder, as_name) as place:
        place.allow("screen")
        then = place.log.consistency(manifest.log.size).old if manifest.log.size <= place.log.size else None
        if then is None or head_of(then) != manifest.log:
            raise IntegrityError("another log", (PROBLEMS["MS-RUN-052"].at(m.NAME, column="log"),))
        key = place.settings.pseudonym_key
        yield _Log(place, place.history(manifest.log.size), place.path(key) if key else None)


def _again(first: _First, files: InputFiles, place: Path, progress: Progress) -> Path:
    """Read the inputs, hold them against the manifest, screen and write."""
    manifest, history = first.manifest, first.log.history
    as_of = datetime.fromisoformat(manifest.as_of.removesuffix("Z"))
    with bundle.work_folder(place) as work:
        policy, read = read_inputs(files, work, progress, lambda: _policy(first.run, manifest))
        sources = read.sources if history is None else (source_of(history), *read.intake.sources)
        _require_same(manifest, sources, read.intake.pseudonym_key_id)
        register = _register(read.referrals.events, history, as_of)
        result = screen(read.intake, flag(register, policy, as_of), policy, PolarsEngine(work), as_of, progress)
    facts = bundle.RunFacts(
        run_id=manifest.run_id, as_of=as_of, created_at=options.now(), sources=sources, policy=policy,
        pseudonym_key_id=read.intake.pseudonym_key_id, parameters=manifest.parameters, log=manifest.log,
        history=_decisions(first, register, result), compared=first.compared,
    )  # fmt: skip
    return bundle.write_bundle(place, facts, result, read.rejects)


def _decisions(first: _First, register: Register, result: ScreenResult) -> pl.DataFrame | None:
    """Say what was decided before the run, out of the log as it stood then."""
    manifest, place = first.manifest, first.log.place
    if place is None or manifest.log is None:
        return None
    frames = RunFrames(result.ranking, result.ledger, manifest.model["account_rounds"])
    return cases.history_of(place, manifest.log.size, register, frames, manifest.pseudonym_key_id)


def _policy(run: Path, manifest: m.Manifest) -> Policy:
    return policy_of_run(bundle.read_bundle(run).policy, manifest.policy.digest, manifest.policy.files)


def _register(events: Sequence[ReferralEvent], history: History | None, as_of: datetime) -> Register:
    return fold(events, as_of) if history is None else register_of(history, as_of)


def _require_same(manifest: m.Manifest, sources: Sequence[SourceFile], key_id: str) -> None:
    """Refuse other inputs than those of the run: a difference would say nothing."""
    stated = Counter((entry.role, entry.sha256) for entry in manifest.inputs)
    given = Counter((source.role, source.sha256) for source in sources)
    names = {(entry.role, entry.sha256): entry.name for entry in manifest.inputs}
    names |= {(source.role, source.sha256): source.name for source in sources}
    found = [
        PROBLEMS["MS-RUN-050"].at(names[key], found=f"a file of {key[0]} that the run {said}")
        for part, said in ((stated - given, "read and that is not given"), (given - stated, "did not read"))
        for key in sorted(part)
    ]
    if key_id != manifest.pseudonym_key_id:
        found.append(PROBLEMS["MS-RUN-050"].at("--pseudonym-key-file", found="another key of the contact tokens"))
    if found:
        raise InputError("other inputs than those of the run", tuple(found))


# --------------------------------------------------------------------------- comparing


def _differences(run: Path, again: Path, manifest: m.Manifest) -> Iterator[Problem]:
    """Compare every file of the run but its manifest."""
    made = {path.name for path in again.iterdir()} - {m.NAME}
    for name in sorted(made | set(manifest.outputs)):
        old = (run / name).read_bytes() if name in manifest.outputs else None
        new = (again / name).read_bytes() if name in made else None
        if old is None or new is None:
            yield PROBLEMS["MS-RUN-051"].at(name, found="a file that only one of the two runs holds")
        elif hashlib.sha256(old).digest() != hashlib.sha256(new).digest():
            yield PROBLEMS["MS-RUN-051"].at(name, _first_line(old, new) if name.endswith(("csv", "jsonl")) else None)


def _first_line(old: bytes, new: bytes) -> int:
    """Return the number of the first line that differs."""
    pairs = zip(old.splitlines(), new.splitlines(), strict=False)
    same = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
    return (min(old.count(b"\n"), new.count(b"\n")) if same is None else same) + 1


def _versions(manifest: m.Manifest) -> Iterator[Problem]:
    """Name versions that differ: the likeliest reason."""
    now = bundle.versions()
    for name, version in sorted(manifest.versions.items()):
        if now.get(name) != version:
            found = f"{name} {version} then and {now.get(name, 'none')} now"
            yield replace(PROBLEMS["MS-RUN-053"].at(m.NAME, column="versions"), found=found)
