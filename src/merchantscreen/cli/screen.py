"""`merchantscreen screen`: the main job, from files to a run bundle and a table on the screen.

Reads everything first and reports all that is wrong with any input together, then
screens, writes the bundle, and only then shows it. Accepted rows wait in a private
folder beside the runs, which is removed whatever happens.

Referrals come from files, or from the log of a workspace; then the run names the log it used, and the log
says that a run was begun before anything can be seen of it, and what it came to.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer

from merchantscreen import bundle
from merchantscreen.cases.items import RunFrames
from merchantscreen.cli import options, rejects
from merchantscreen.cli.comparing import comparison_with
from merchantscreen.cli.engines import (
    EngineName,
    EngineOption,
    EngineOrder,
    SparkMaster,
    SparkRemote,
    SparkShared,
    SparkTransactions,
    require_one_place,
    running,
    stated,
    with_tables,
)
from merchantscreen.cli.failures import publishing, report
from merchantscreen.cli.inputs import (
    AsOf,
    IndexFolder,
    InputFiles,
    Inputs,
    MappingFile,
    Merchants,
    Transactions,
    read_inputs,
)
from merchantscreen.cli.progress import shown_progress
from merchantscreen.cli.terminal import output
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder
from merchantscreen.errors import (
    EXIT_FAIL_ON,
    InputError,
    IntegrityError,
    PolicyError,
    Problem,
)
from merchantscreen.outputs import manifest as m
from merchantscreen.outputs.console import TOP_ROWS, Shown, show_run
from merchantscreen.outputs.text import counted, visible
from merchantscreen.policy import folder
from merchantscreen.policy.loading import load_files, load_policy
from merchantscreen.policy.locking import altered_files, require_approved
from merchantscreen.policy.model import Policy
from merchantscreen.records import Progress
from merchantscreen.referrals.flagging import flag
from merchantscreen.referrals.register import Register, fold
from merchantscreen.screening import ScreenResult
from merchantscreen.screening import screen as screen_accounts
from merchantscreen.vocabulary import Tier

if TYPE_CHECKING:
    from merchantscreen.cli.desk import Desk, Referred


class CaseTier(StrEnum):
    """The tiers that are cases; `watch` is none, so nothing can fail on it."""

    T1 = Tier.T1.value
    T2 = Tier.T2.value
    T3 = Tier.T3.value


_Referrals = Annotated[
    list[Path],
    typer.Option(
        "--referrals", metavar="FILE...",
        help="Referral events: JSON lines or CSV. One or more files; those of the workspace when absent.",
    ),
]  # fmt: skip
_Rules = Annotated[
    Path | None,
    typer.Option("--rules", help="Rule folder; without it that of the workspace, or what came along.", metavar="DIR"),
]
_Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of all runs; without it that of the workspace, or runs.", metavar="DIR"),
]
_RunId = Annotated[
    str | None,
    typer.Option("--run-id", help="Name of the run; made from --as-of when absent.", metavar="ID"),
]
_MaxRejects = Annotated[
    int | None,
    typer.Option(
        "--max-rejects", min=0, metavar="N",
        help="Most rejected rows per kind of input; 100, or 1 in 1,000, when absent.",
    ),
]  # fmt: skip
_FailOn = Annotated[
    CaseTier | None,
    typer.Option("--fail-on", metavar="T1|T2|T3", help="End with exit code 1 if an account is in this tier or above."),
]
_KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--pseudonym-key-file", metavar="FILE",
        help="Key of the contact tokens: 32 bytes or more, mode 0600. Made from the inputs when absent.",
    ),
]  # fmt: skip
_RequireApproved = Annotated[
    bool,
    typer.Option(
        "--require-approved",
        help="Refuse to screen unless somebody other than the authors approved the rules, byte for byte.",
    ),
]
_RequireFresh = Annotated[
    bool,
    typer.Option("--require-fresh", help="In a workspace: refuse to screen while a hotline is silent for too long."),
]
_Since = Annotated[
    Path | None,
    typer.Option(
        "--since", metavar="RUN",
        help="An earlier run to compare with; in a workspace the one recorded last when absent.",
    ),
]  # fmt: skip
_Top = Annotated[
    int, typer.Option("--top", min=1, metavar="N", help="Accounts shown on the screen; all are in the files.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print a summary as JSON instead of the table.")]


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller ordered, read and checked; without referral files those of the workspace."""

    referrals: tuple[Path, ...]
    merchants: tuple[Path, ...]
    transactions: tuple[Path, ...]
    rules: Path | None
    mapping: Path | None
    key_file: Path | None
    as_of: datetime
    out: Path
    run_id: str
    max_rejects: int | None
    fail_on: CaseTier | None
    require_approved: bool
    require_fresh: bool = False
    since: Path | None = None
    desk: Desk | None = None
    engine: EngineOrder = field(default_factory=EngineOrder)
    index: Path | None = None


@dataclass(frozen=True, slots=True)
class _Inputs(Inputs):
    """Everything that was read, the rules and the register included."""

    policy: Policy
    register: Register
    referred: Referred | None


@dataclass(frozen=True, slots=True)
class _Done:
    """A run that was written down."""

    folder: Path
    result: ScreenResult
    rejects: pl.DataFrame
    notices: tuple[Problem, ...]
    files_from_index: int


def screen(
    context: typer.Context,
    *,
    referrals: _Referrals = [],  # noqa: B006 - typer's form of an option without a value
    merchants: Merchants,
    transactions: Transactions = [],  # noqa: B006 - as for --referrals
    rules: _Rules = None,
    mapping: MappingFile = None,
    index: IndexFolder = None,
    as_of: AsOf = None,
    out: _Out = None,
    run_id: _RunId = None,
    max_rejects: _MaxRejects = None,
    fail_on: _FailOn = None,
    pseudonym_key_file: _KeyFile = None,
    require_approved: _RequireApproved = False,
    require_fresh: _RequireFresh = False,
    since: _Since = None,
    engine: EngineOption = EngineName.POLARS,
    spark_master: SparkMaster = None,
    spark_remote: SparkRemote = None,
    spark_shared_out: SparkShared = False,
    spark_transactions: SparkTransactions = [],  # noqa: B006 - as for --referrals
    top: _Top = TOP_ROWS,
    as_json: _Json = False,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
) -> None:
    """Rank accounts by their links to confirmed domains.

    Writes a run bundle with the evidence behind every rank and shows the first accounts. An option may be
    followed by several files or given several times. Linked accounts are for review; a link is not a finding.
    In a workspace and without --referrals its log says what was referred, and the run is recorded there.
    """
    moment = options.moment(as_of)
    order = Order(
        tuple(referrals), tuple(merchants), tuple(transactions), rules, mapping, pseudonym_key_file, moment,
        out or Path("runs"), options.run_id_of(moment) if run_id is None else run_id, max_rejects, fail_on,
        require_approved, require_fresh, since,
        engine=EngineOrder(engine, spark_master, spark_remote, spark_shared_out, tuple(spark_transactions)),
        index=index,
    )  # fmt: skip
    require_one_place(transactions, order.engine)
    with _in_workspace(order, workspace, as_name, is_out_given=out is not None) as placed:
        json_errors = bool(context.find_root().params.get("json_errors"))
        ranking = _run_and_tell(placed, top, as_json=as_json, json_errors=json_errors)
    if fail_on and _reaches(ranking, fail_on):
        raise typer.Exit(EXIT_FAIL_ON)


@contextmanager
def _in_workspace(order: Order, folder: Path | None, as_name: str | None, *, is_out_given: bool) -> Iterator[Order]:
    """Give the order with what the workspace says where the caller did not; as it is where referral files are named."""
    if order.referrals and folder is None and as_name is None:
        yield order
        return
    from merchantscreen.cli.desk import sat_down, two_registers  # noqa: PLC0415 - only in a workspace

    if order.referrals:
        raise two_registers()
    with sat_down(folder, as_name) as desk:
        yield replace(
            order,
            rules=order.rules or desk.rules,
            out=order.out if is_out_given else desk.runs,
            key_file=order.key_file or desk.pseudonym_key,
            index=order.index or desk.index,
            require_approved=order.require_approved or desk.require_approved,
            desk=desk,
        )


def _run_and_tell(order: Order, top: int, *, as_json: bool, json_errors: bool) -> pl.DataFrame:
    """Do the job, tell of it, and return the ranking."""
    with publishing(bundle.prepare(order.out, order.run_id) / m.NAME):
        with shown_progress() as progress:
            done = run(order, progress)
        _tell_index(done, as_json=json_errors)
        _tell_rejects(done, as_json=json_errors)
        report(done.notices, as_json=json_errors)
        _show(done, top, as_json=as_json)
        sys.stdout.flush()
    return done.result.ranking


def run(order: Order, progress: Progress) -> _Done:
    """Read, screen, write; the whole job without a word on the screen."""
    with bundle.work_folder(order.out) as work:
        inputs = _read(order, work, progress)
        flagged = flag(inputs.register, inputs.policy, order.as_of)
        rows = sum(source.rows_accepted for source in inputs.intake.sources if source.role == "transactions")
        with running(order.engine, work, rows) as engine:
            intake = with_tables(order.engine, engine, inputs.intake, order.mapping, progress)
            inputs, searched_by = replace(inputs, intake=intake), stated(order.engine, engine)
            _refuse_too_many_rejects(order, inputs)
            result = screen_accounts(inputs.intake, flagged, inputs.policy, engine, order.as_of, progress)
    progress.stage("writing the bundle")
    facts = _facts(order, inputs, result, searched_by)
    desk, referred = order.desk, inputs.referred
    if desk and referred:
        desk.record_start(order.run_id, order.as_of, referred.head)
    folder = bundle.write_bundle(order.out, facts, result, inputs.rejects)
    if desk and referred:
        desk.record(folder, referred, result.ranking, result.ledger)
    notices = (*(referred.notices if referred else ()), *inputs.intake.notices)
    return _Done(folder, result, inputs.rejects, notices, len(inputs.intake.entries))


# --------------------------------------------------------------------------- reading


def _read(order: Order, work: Path, progress: Progress) -> _Inputs:
    """Read rules, referrals, merchants and transactions; what is wrong anywhere comes together."""
    files = InputFiles(order.referrals, order.merchants, order.transactions, order.mapping, order.key_file,
                       order.index, in_place=order.engine.name is EngineName.POLARS)  # fmt: skip
    policy, read = read_inputs(files, work, progress, _loader(order))
    if order.desk is None:
        return _Inputs(read.referrals, read.intake, policy, fold(read.referrals.events, order.as_of), None)
    referred = order.desk.referred(order.as_of, require_fresh=order.require_fresh)
    referrals = replace(read.referrals, sources=(referred.source,))
    return _Inputs(referrals, read.intake, policy, referred.register, referred)


def _loader(order: Order) -> Callable[[], Policy]:
    """Load the rules beside the data; where they have to be approved, before any data is read."""
    if not order.require_approved:
        return lambda: load_policy(order.rules)
    loaded: Future[Policy] = Future()
    try:
        loaded.set_result(_approved(order))
    except InputError as error:
        loaded.set_exception(error)  # told together with all that is wrong with the data
    return loaded.result


def _approved(order: Order) -> Policy:
    """Load the rules, and refuse unapproved ones."""
    files, found = folder.read_files(folder.default_folder() if order.rules is None else order.rules)
    try:
        policy = load_files(files) if not found else load_policy(order.rules)
    except PolicyError as error:
        # an altered byte can break another file than its own; name the one that was altered
        altered = altered_files(files)
        if not altered:
            raise
        raise IntegrityError("altered rules", tuple(altered)) from error
    require_approved(policy)
    return policy


def _refuse_too_many_rejects(order: Order, inputs: _Inputs) -> None:
    problems = rejects.over_limit(m.totals(inputs.sources), order.max_rejects)
    if not problems:
        return
    written = bundle.write_rejects(order.out, order.run_id, inputs.rejects)
    named = tuple(replace(problem, fix=f"{problem.fix} All of them: {written}") for problem in problems)
    raise rejects.stop(named, inputs.rejects)


def _history(order: Order, inputs: _Inputs, result: ScreenResult) -> pl.DataFrame | None:
    """Say what was decided about the accounts before; nothing without a workspace."""
    if order.desk is None or inputs.referred is None:
        return None
    frames = RunFrames(result.ranking, result.ledger, inputs.policy.evidence.account_rounds)
    return order.desk.history(inputs.referred, frames, inputs.intake.pseudonym_key_id)


def _comparison(order: Order, inputs: _Inputs) -> bundle.Comparison | None:
    """Find the earlier run: the one that was named, or the latest of the workspace that is there."""
    if order.since is not None:
        return comparison_with(order.since)
    return order.desk.latest(inputs.referred) if order.desk and inputs.referred else None


def _facts(
    order: Order, inputs: _Inputs, result: ScreenResult, searched_by: Mapping[str, str | bool]
) -> bundle.RunFacts:
    return bundle.RunFacts(
        run_id=order.run_id,
        as_of=order.as_of,
        created_at=options.now(),
        sources=inputs.sources,
        policy=inputs.policy,
        pseudonym_key_id=inputs.intake.pseudonym_key_id,
        parameters={
            "max_rejects": order.max_rejects,
            "fail_on": order.fail_on.value if order.fail_on else None,
            "require_approved": order.require_approved,
            "mapping_sha256": hashlib.sha256(order.mapping.read_bytes()).hexdigest() if order.mapping else None,
            "policy_came_along": order.rules is None,
            "pseudonym_key_given": order.key_file is not None,
            "files_from_index": len(inputs.intake.entries),
            **searched_by,
        },
        log=inputs.referred.head if inputs.referred else None,
        history=_history(order, inputs, result),
        compared=_comparison(order, inputs),
    )


# --------------------------------------------------------------------------- telling


def _tell_index(done: _Done, *, as_json: bool) -> None:
    """Say on stderr how many files were not read because the index stands for them."""
    if done.files_from_index and not as_json:
        sys.stderr.write(f"{counted(done.files_from_index, 'transaction file')} taken from the index\n")


def _tell_rejects(done: _Done, *, as_json: bool) -> None:
    """Sum rejected rows up on stderr, with the first of them; all are in the bundle."""
    if done.rejects.is_empty():
        return
    if not as_json:
        total = counted(done.rejects.height, "problem")
        lines = [f"{total} in rejected rows, listed in {visible(str(done.folder / 'rejects.csv'), 4096)}:"]
        sys.stderr.write("\n".join([*lines, *rejects.per_code(done.rejects), "The first of them:"]) + "\n")
    report(rejects.first_rejects(done.rejects, rejects.SHOWN_BELOW_LIMIT), as_json=as_json)


def _show(done: _Done, top: int, *, as_json: bool) -> None:
    manifest = m.parse_manifest((done.folder / m.NAME).read_bytes())
    if as_json:
        summary = _summary(done, manifest)
        output().print(json.dumps(summary, ensure_ascii=True, indent=2), soft_wrap=True)
        return
    result = done.result
    shown = Shown(result.ranking, result.blind_spots, result.shadow, result.exceptions, result.skew)
    show_run(output(), manifest, shown, str(done.folder), top)


def _summary(done: _Done, manifest: m.Manifest) -> dict[str, Any]:
    """Pick what a calling program asks first; everything else is in the files."""
    stated = manifest.model_dump(mode="json", include={"run_id", "as_of", "totals", "counts", "tiers", "sealed_count"})
    log = {"log": manifest.log.model_dump(mode="json")} if manifest.log else {}
    return (
        stated
        | log
        | {
            "folder": str(done.folder),
            "manifest_sha256": hashlib.sha256(manifest.canonical()).hexdigest(),
            "blind_spot_count": done.result.blind_spots.height,
            "files_from_index": done.files_from_index,
            "assurance": manifest.assurance,
            "policy": manifest.policy.model_dump(mode="json", exclude={"files"}),
            "exceptions": dict(done.result.exceptions.group_by("state").agg(pl.len()).sort("state").iter_rows()),
        }
    )


def _reaches(ranking: pl.DataFrame, tier: CaseTier) -> bool:
    """Tell whether any account is in this tier or a higher one."""
    order = list(CaseTier)
    return bool(ranking["tier"].is_in([case.value for case in order[: order.index(tier) + 1]]).any())
