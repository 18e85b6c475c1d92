"""The run bundle: a folder that is there whole, or not at all, and that proves itself.

Rules kept here:
* everything is written into a private folder beside the place it will have, synced, and
  only then renamed; the manifest is written last and is the mark that the run is complete;
* a run is never overwritten; what fails underway leaves nothing published;
* the same result gives the same bytes, whatever the machine was doing;
* a bundle is checked against its manifest whenever it is read.

Left to others: what the rows mean (tables.py), how each format is written (outputs/).
Source: rows 21 and 22 and 5.6 of the threat model.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import dataframely as dy
import polars as pl

from merchantscreen import __version__
from merchantscreen.cards import looks_like_card_number
from merchantscreen.domains import suffix_list_date
from merchantscreen.errors import CannotCreateError, FileAccessError, InputError, IntegrityError, Problem, UsageError
from merchantscreen.outputs import manifest as m
from merchantscreen.outputs.csvfile import csv_lines
from merchantscreen.outputs.files import Written, read_regular, replace_whole, sync_folder, write_new
from merchantscreen.outputs.jsonlines import json_lines, read_json_lines
from merchantscreen.outputs.manifest import written_moment
from merchantscreen.outputs.parts import FORMATS, MAY_BE_ABSENT, PAGE, PARTS, Bundle, Part
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.report import Extent, pieces
from merchantscreen.policy.locking import approval_of
from merchantscreen.policy.model import EvidenceModel, Policy
from merchantscreen.records import SourceFile
from merchantscreen.screening import ScreenResult
from merchantscreen.tables import (
    Breadths,
    CaseHistory,
    Degrees,
    LinkDegrees,
    Rejects,
    RunChanges,
    conform,
    empty,
    schema_of,
)
from merchantscreen.vocabulary import Tier

__all__ = [
    "PARTS", "Bundle", "Comparison", "Part", "RunFacts", "compile_manifest", "prepare", "read_bundle", "read_ranking",
    "read_rejects", "verify_bundle", "versions", "work_folder", "write_bundle", "write_rejects", "written_moment",
]  # fmt: skip

FROZEN: Final[Mapping[str, type[dy.Schema]]] = {
    "degrees": Degrees,
    "breadths": Breadths,
    "link_degrees": LinkDegrees,
}
"""Full-data tables that shaped the scores; the manifest holds their digests."""

_PACKAGES: Final = ("polars", "narwhals", "dataframely", "networkx", "numpy", "publicsuffixlist", "can_ada", "sqlglot")
"""Packages whose version could change a result."""
_READ: Final = tuple(part for part in PARTS if "jsonl" in part.formats)
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Comparison:
    """An earlier run that the new one is compared with.

    Attributes:
        run: Its name and the digest of its manifest.
        changes: Gives tables.RunChanges for the new run.
    """

    run: m.ComparedRun
    changes: Callable[[Bundle], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a manifest tells beside the result.

    Attributes:
        run_id: Name of the run and its folder.
        as_of: The moment the screen looked from, UTC.
        created_at: When the run was made, UTC; read by the command line.
        sources: Every input file.
        policy: The rules it worked with.
        pseudonym_key_id: Key of the contact tokens.
        parameters: What the caller chose, without paths.
        log: The log that the register was folded from; None without a workspace.
        history: tables.CaseHistory as that log stood; None without a workspace.
        compared: The run to compare with; None where there is none.
    """

    run_id: str
    as_of: datetime
    created_at: datetime
    sources: tuple[SourceFile, ...]
    policy: Policy
    pseudonym_key_id: str
    parameters: Mapping[str, m.Parameter]
    log: m.LogHead | None = None
    history: pl.DataFrame | None = None
    compared: Comparison | None = None


# --------------------------------------------------------------------------- writing


def prepare(out: Path, run_id: str) -> Path:
    """Make the folder of all runs and refuse a run id that is unusable or taken.

    Call it before long work; `write_bundle` checks again.

    Returns:
        The folder the run will have.
    """
    if not _RUN_ID.fullmatch(run_id) or looks_like_card_number(run_id):
        raise UsageError("unusable run id", (PROBLEMS["MS-RUN-003"].at("--run-id"),))
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = os.path.lexists(out / run_id)
    except OSError as error:
        found = f"a folder that cannot be created ({error.strerror})"
        raise CannotCreateError("no folder for runs", (PROBLEMS["MS-RUN-006"].at(out.name, found=found),)) from error
    if taken:
        raise CannotCreateError("the run exists already", (PROBLEMS["MS-RUN-005"].at(run_id),))
    return out / run_id


@contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """Give a private folder beside the runs for what waits, and remove it whatever happens."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".work-", dir=out, ignore_cleanup_errors=True)
    except OSError as error:
        found = f"a folder that cannot be created ({error.strerror})"
        raise CannotCreateError("no work folder", (PROBLEMS["MS-RUN-006"].at(out.name, found=found),)) from error
    with folder as name:
        yield Path(name)


def write_bundle(out: Path, facts: RunFacts, result: ScreenResult, rejects: pl.DataFrame) -> Path:
    """Write a run bundle, whole or not at all.

    Args:
        out: Folder of all runs.
        facts: What the manifest tells beside the result.
        result: The screen's result.
        rejects: tables.Rejects of all inputs.

    Returns:
        The folder of the run.

    Raises:
        UsageError: the run id cannot be a folder name.
        CannotCreateError: the run exists already, or its folder cannot be made.
        FileAccessError: writing failed underway; nothing is published.
    """
    target = prepare(out, facts.run_id)
    with _published_whole(target) as partial:
        run = _compared(_drafted(partial, facts, result), facts.compared)
        outputs = dict(_write_parts(partial, run, rejects))
        stated = run.manifest.model_copy(update={"outputs": outputs})
        page = write_new(partial / PAGE, pieces(replace(run, manifest=stated), Extent(rejects=rejects)))
        whole = {**outputs, PAGE: m.OutputFile(size_bytes=page.size_bytes, sha256=page.sha256, rows=None)}
        write_new(partial / m.NAME, [run.manifest.model_copy(update={"outputs": whole}).canonical()])
    return target


@contextmanager
def _published_whole(target: Path) -> Iterator[Path]:
    """Give a private folder that takes its final name only if all went well."""
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    except OSError as error:
        raise CannotCreateError("no folder for the run", (PROBLEMS["MS-RUN-006"].at(target.name),)) from error
    try:
        yield partial
        sync_folder(partial)
        _rename(partial, target)
    except OSError as error:
        found = f"writing failed ({error.strerror})"
        raise FileAccessError(
            "the run was not published", (PROBLEMS["MS-RUN-007"].at(target.name, found=found),)
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _rename(partial: Path, target: Path) -> None:
    """Rename unless the name was taken meanwhile: a rename would silently replace an empty folder.

    A run whose name may not survive a power cut is taken back.
    """
    if os.path.lexists(target):
        raise CannotCreateError("the run exists already", (PROBLEMS["MS-RUN-005"].at(target.name),))
    partial.rename(target)
    try:
        sync_folder(target.parent)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _drafted(folder: Path, facts: RunFacts, result: ScreenResult) -> Bundle:
    """Put the run together as it will read; its manifest names no file yet, and its `changes` are empty."""
    history = empty(CaseHistory) if facts.history is None else facts.history
    own = {"history": history, "changes": empty(RunChanges)}
    frames = {one.name: conform(own[one.name] if one.name in own else getattr(result, one.name), one.table)
              for one in _READ}  # fmt: skip
    return Bundle(folder=folder, manifest=compile_manifest(facts, result, {}), **frames)


def _compared(run: Bundle, comparison: Comparison | None) -> Bundle:
    if comparison is None:
        return run
    return replace(run, changes=conform(comparison.changes(run), RunChanges))


def _write_parts(folder: Path, run: Bundle, rejects: pl.DataFrame) -> Iterator[tuple[str, m.OutputFile]]:
    for part in PARTS:
        frame = conform(rejects, Rejects) if part.name == "rejects" else getattr(run, part.name)
        if part.name == "sealed" and frame.is_empty():
            continue
        for ending in part.formats:
            name = f"{part.name}.{ending}"
            done = write_new(folder / name, FORMATS[ending](frame))
            yield name, m.OutputFile(size_bytes=done.size_bytes, sha256=done.sha256, rows=frame.height)


def write_rejects(out: Path, run_id: str, rejects: pl.DataFrame) -> Path:
    """Write the rejects of a run that did not take place beside the runs, replacing an earlier list."""
    target = out / f"{run_id}.rejects.csv"
    try:
        replace_whole(target, csv_lines(conform(rejects, Rejects)))
    except OSError as error:
        raise FileAccessError("no rejects file", (PROBLEMS["MS-RUN-007"].at(target.name),)) from error
    return target


# --------------------------------------------------------------------------- the manifest


def compile_manifest(facts: RunFacts, result: ScreenResult, outputs: dict[str, m.OutputFile]) -> m.Manifest:
    """State what was read, with what it was worked, and what was written."""
    tiers = {tier.value: int((result.ranking["tier"] == tier.value).sum()) for tier in Tier}
    return m.Manifest(
        run_id=facts.run_id,
        as_of=written_moment(facts.as_of),
        created_at=written_moment(facts.created_at),
        versions=versions(),
        suffix_list_date=suffix_list_date(),
        parameters=dict(facts.parameters),
        model=_model_numbers(facts.policy.evidence),
        inputs=m.input_files(facts.sources),
        totals=m.totals(facts.sources),
        policy=_policy_facts(facts.policy, facts.as_of),
        pseudonym_key_id=facts.pseudonym_key_id,
        frozen_tables={name: _frozen(getattr(result, name), table) for name, table in FROZEN.items()},
        counts=dict(result.counts),
        tiers=tiers,
        sealed_count=result.sealed.height,
        outputs=outputs,
        log=facts.log,
        compared_with=facts.compared.run if facts.compared else None,
    )


def _policy_facts(policy: Policy, as_of: datetime) -> m.PolicyFacts:
    """State which policy was at work, whether anybody approved it, and what of it was out of its time."""
    status = approval_of(policy)
    day = as_of.date()
    return m.PolicyFacts(
        digest=policy.digest,
        files=policy.file_digests,
        approval=m.Approval(
            state=status.state,
            approver=status.approver,
            approved_at=status.approved_at,
            statement=status.statement,
            lock_sha256=status.lock_sha256,
            reasons=[str(problem) for problem in status.reasons],
        ),
        review_overdue=[name for name, document in policy.documents.items() if document.review_by < day],
        not_yet_effective=[name for name, document in policy.documents.items() if document.effective_from > day],
    )


def versions() -> dict[str, str]:
    """Return the versions of everything that could change a result."""
    ours = {"merchantscreen": __version__, "python": platform.python_version()}
    return ours | {package: version(package) for package in _PACKAGES}


def _model_numbers(model: EvidenceModel) -> dict[str, int]:
    """List the whole-number parameters of the model: what an auditor needs beside the ledger."""
    values = {field.name: getattr(model, field.name) for field in fields(model)}
    return {name: value for name, value in values.items() if isinstance(value, int)}


def _frozen(frame: pl.DataFrame, table: type[dy.Schema]) -> m.FrozenTable:
    """Digest a table as its JSON lines, rows sorted by key."""
    ordered = conform(frame, table).sort(table.primary_key())
    digest = hashlib.sha256()
    for piece in json_lines(ordered):
        digest.update(piece)
    return m.FrozenTable(rows=ordered.height, sha256=digest.hexdigest())


# --------------------------------------------------------------------------- reading and verifying


def read_bundle(run: Path) -> Bundle:
    """Read a bundle back; every file that is read is checked against the manifest.

    Raises:
        InputError: the folder is not a run, or its manifest cannot be read.
        IntegrityError: a file is missing or differs from the manifest.
    """
    manifest = _read_manifest(run)[0]
    frames = {part.name: _read_part(run, part, manifest) for part in _READ}
    return Bundle(folder=run, manifest=manifest, **frames)


def verify_bundle(run: Path) -> m.Manifest:
    """Check every file of a bundle against its manifest; the inputs are not needed.

    Raises:
        InputError: the folder is not a run, or its manifest cannot be read.
        IntegrityError: naming every file that differs, is missing or is not in the manifest.
    """
    manifest, content = _read_manifest(run)
    problems = [] if content == manifest.canonical() else [PROBLEMS["MS-RUN-015"].at(m.NAME)]
    for name in sorted(manifest.outputs):
        problems += _differences(run, name, manifest.outputs[name])
    extra = {entry.name for entry in run.iterdir()} - manifest.outputs.keys() - {m.NAME}
    problems += [PROBLEMS["MS-RUN-014"].at(name) for name in sorted(extra)]
    if problems:
        raise IntegrityError("the bundle does not match its manifest", tuple(problems))
    return manifest


def read_rejects(run: Path) -> pl.DataFrame:
    """Read tables.Rejects of a run; call `verify_bundle` first, which checks the file."""
    lines = csv.DictReader(io.StringIO((run / "rejects.csv").read_text(encoding="utf-8"), newline=""))
    names = schema_of(Rejects)
    rows = [{name: line[name] or None for name in names} for line in lines]
    return conform(pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String)), Rejects)


def read_ranking(run: Path) -> tuple[m.Manifest, pl.DataFrame]:
    """Read the manifest and tables.Ranking of a bundle alone.

    Raises:
        InputError: the folder is not a run, or its manifest cannot be read.
        IntegrityError: the ranking is missing or differs from the manifest.
    """
    manifest = _read_manifest(run)[0]
    (ranking,) = (part for part in _READ if part.name == "ranking")
    return manifest, _read_part(run, ranking, manifest)


def _read_manifest(run: Path) -> tuple[m.Manifest, bytes]:
    try:
        content = read_regular(run / m.NAME)
    except OSError as error:
        raise InputError("not a run", (PROBLEMS["MS-RUN-010"].at(run.name or str(run)),)) from error
    try:
        return m.parse_manifest(content), content
    except ValueError as error:
        raise InputError("unreadable manifest", (PROBLEMS["MS-RUN-011"].at(m.NAME),)) from error


def _read_part(run: Path, part: Part, manifest: m.Manifest) -> pl.DataFrame:
    name = f"{part.name}.jsonl"
    if name not in manifest.outputs:
        if part.name in MAY_BE_ABSENT:
            return empty(part.table)
        raise InputError("incomplete manifest", (PROBLEMS["MS-RUN-011"].at(m.NAME, found=f"no entry for {name}"),))
    problems = _differences(run, name, manifest.outputs[name])
    if problems:
        raise IntegrityError("the bundle does not match its manifest", tuple(problems))
    return read_json_lines((run / name).read_bytes(), part.table, name)


def _differences(run: Path, name: str, expected: m.OutputFile) -> list[Problem]:
    """Compare one file with its entry; a name that leads out of the folder never is a file of it."""
    if Path(name).name != name:
        return [PROBLEMS["MS-RUN-013"].at(m.NAME, found="the name of a file outside the run folder")]
    try:
        content = read_regular(run / name)
    except FileNotFoundError:
        return [PROBLEMS["MS-RUN-013"].at(name)]
    except OSError as error:
        return [PROBLEMS["MS-RUN-012"].at(name, found=f"a file that cannot be read ({error.strerror})")]
    found = Written(len(content), hashlib.sha256(content).hexdigest())
    return [] if found == Written(expected.size_bytes, expected.sha256) else [PROBLEMS["MS-RUN-012"].at(name)]
