"""`merchantscreen screen`: the main job, from files to a run bundle and a table on the screen.

Reads everything first and reports all that is wrong with any input together, then
screens, writes the bundle, and only then shows it. Accepted rows wait in a private
folder beside the runs, which is removed whatever happens.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import polars as pl
import typer

from merchantscreen import bundle
from merchantscreen.cli import options, rejects
from merchantscreen.cli.failures import publishing, report
from merchantscreen.cli.progress import shown_progress
from merchantscreen.cli.terminal import output
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.errors import EXIT_FAIL_ON, InputError, MerchantScreenError, Problem, UsageError
from merchantscreen.intake import Intake, take_in
from merchantscreen.intake.mapping import load_mapping
from merchantscreen.outputs import manifest as m
from merchantscreen.outputs.console import TOP_ROWS, show_run
from merchantscreen.outputs.text import counted, visible
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import Policy
from merchantscreen.records import Progress, SourceFile
from merchantscreen.referrals.flagging import flag
from merchantscreen.referrals.reading import ReferralIntake, read_referrals
from merchantscreen.referrals.register import fold
from merchantscreen.screening import ScreenResult
from merchantscreen.screening import screen as screen_accounts
from merchantscreen.vocabulary import Tier

T = TypeVar("T")


class CaseTier(StrEnum):
    """The tiers that are cases; `watch` is none, so nothing can fail on it."""

    T1 = Tier.T1.value
    T2 = Tier.T2.value
    T3 = Tier.T3.value


_Referrals = Annotated[
    list[Path],
    typer.Option("--referrals", help="Referral events: JSON lines or CSV. One or more files.", metavar="FILE..."),
]
_Merchants = Annotated[
    list[Path],
    typer.Option("--merchants", help="Merchant accounts: CSV or Parquet. One or more files.", metavar="FILE..."),
]
_Transactions = Annotated[
    list[Path],
    typer.Option("--transactions", help="Transactions: CSV or Parquet. Files or folders.", metavar="FILE_OR_DIR..."),
]
_Rules = Annotated[
    Path | None, typer.Option("--rules", help="Rule folder; without it the policy that came along.", metavar="DIR")
]
_Mapping = Annotated[
    Path | None, typer.Option("--mapping", help="YAML file that names our field for each of theirs.", metavar="FILE")
]
_AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="Moment to look from, ISO 8601, UTC without offset; now when absent.", metavar="DATETIME"
    ),
]
_Out = Annotated[Path, typer.Option("--out", help="Folder of all runs.", metavar="DIR")]
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
_Top = Annotated[
    int, typer.Option("--top", min=1, metavar="N", help="Accounts shown on the screen; all are in the files.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print a summary as JSON instead of the table.")]


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller ordered, read and checked."""

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


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Everything that was read."""

    policy: Policy
    referrals: ReferralIntake
    intake: Intake

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        return (*self.referrals.sources, *self.intake.sources)

    @property
    def rejects(self) -> pl.DataFrame:
        together = pl.concat([self.referrals.rejects, self.intake.rejects])
        return together.sort("role", "file", "line", "column", "code")


@dataclass(frozen=True, slots=True)
class _Done:
    """A run that was written down."""

    folder: Path
    result: ScreenResult
    rejects: pl.DataFrame
    notices: tuple[Problem, ...]


def screen(
    context: typer.Context,
    *,
    referrals: _Referrals,
    merchants: _Merchants,
    transactions: _Transactions,
    rules: _Rules = None,
    mapping: _Mapping = None,
    as_of: _AsOf = None,
    out: _Out = Path("runs"),
    run_id: _RunId = None,
    max_rejects: _MaxRejects = None,
    fail_on: _FailOn = None,
    pseudonym_key_file: _KeyFile = None,
    top: _Top = TOP_ROWS,
    as_json: _Json = False,
) -> None:
    """Rank accounts by their links to confirmed domains.

    Writes a run bundle with the evidence behind every rank and shows the first accounts. An option may be
    followed by several files or given several times. Linked accounts are for review; a link is not a finding.
    """
    moment = options.moment(as_of)
    order = Order(
        tuple(referrals), tuple(merchants), tuple(transactions), rules, mapping, pseudonym_key_file,
        moment, out, options.run_id_of(moment) if run_id is None else run_id, max_rejects, fail_on,
    )  # fmt: skip
    with publishing(bundle.prepare(order.out, order.run_id) / m.NAME):
        with shown_progress() as progress:
            done = run(order, progress)
        json_errors = bool(context.find_root().params.get("json_errors"))
        _tell_rejects(done, as_json=json_errors)
        report(done.notices, as_json=json_errors)
        _show(done, top, as_json=as_json)
        sys.stdout.flush()
    if fail_on and _reaches(done.result.ranking, fail_on):
        raise typer.Exit(EXIT_FAIL_ON)


def run(order: Order, progress: Progress) -> _Done:
    """Read, screen, write; the whole job without a word on the screen."""
    with bundle.work_folder(order.out) as work:
        inputs = _read(order, work, progress)
        _refuse_too_many_rejects(order, inputs)
        flagged = flag(fold(inputs.referrals.events, order.as_of), inputs.policy, order.as_of)
        engine = PolarsEngine(work)
        result = screen_accounts(inputs.intake, flagged, inputs.policy, engine, order.as_of, progress)
    progress.stage("writing the bundle")
    folder = bundle.write_bundle(order.out, _facts(order, inputs), result, inputs.rejects)
    return _Done(folder, result, inputs.rejects, inputs.intake.notices)


# --------------------------------------------------------------------------- reading


class _Collected:
    """Runs the stages of reading and keeps what is wrong with any of them."""

    def __init__(self) -> None:
        self._errors: list[MerchantScreenError] = []

    def attempt(self, stage: Callable[[], T]) -> T | None:
        """Run a stage; None when its input cannot be used."""
        try:
            return stage()
        except (InputError, UsageError) as error:
            self._errors.append(error)
            return None

    def settle(self) -> None:
        """Raise one error with the problems of all."""
        if not self._errors:
            return
        problems = tuple(problem for error in self._errors for problem in error.problems)
        kind = InputError if any(isinstance(error, InputError) for error in self._errors) else UsageError
        raise kind("; ".join(error.message for error in self._errors), problems)


def _read(order: Order, work: Path, progress: Progress) -> _Inputs:
    """Read rules, referrals, merchants and transactions; what is wrong anywhere comes together."""
    progress.stage("reading rules and referrals")
    collected = _Collected()
    policy = collected.attempt(lambda: load_policy(order.rules))
    events = collected.attempt(lambda: read_referrals(order.referrals))
    mapping = collected.attempt(lambda: load_mapping(order.mapping) if order.mapping else None)
    key = collected.attempt(lambda: options.read_key(order.key_file) if order.key_file else None)
    intake = collected.attempt(
        lambda: take_in(
            order.merchants, order.transactions, work, mapping=mapping, pseudonym_key=key, progress=progress
        )
    )
    collected.settle()
    if policy is None or events is None or intake is None:
        raise AssertionError("a stage gave neither a result nor an error")
    return _Inputs(policy, events, intake)


def _refuse_too_many_rejects(order: Order, inputs: _Inputs) -> None:
    problems = rejects.over_limit(m.totals(inputs.sources), order.max_rejects)
    if not problems:
        return
    written = bundle.write_rejects(order.out, order.run_id, inputs.rejects)
    named = tuple(replace(problem, fix=f"{problem.fix} All of them: {written}") for problem in problems)
    raise rejects.stop(named, inputs.rejects)


def _facts(order: Order, inputs: _Inputs) -> bundle.RunFacts:
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
            "mapping_sha256": hashlib.sha256(order.mapping.read_bytes()).hexdigest() if order.mapping else None,
            "policy_came_along": order.rules is None,
            "pseudonym_key_given": order.key_file is not None,
        },
    )


# --------------------------------------------------------------------------- telling


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
    show_run(output(), manifest, done.result.ranking, done.result.blind_spots, str(done.folder), top)


def _summary(done: _Done, manifest: m.Manifest) -> dict[str, Any]:
    """Pick what a calling program asks first; everything else is in the files."""
    stated = manifest.model_dump(mode="json", include={"run_id", "as_of", "totals", "counts", "tiers", "sealed_count"})
    return stated | {
        "folder": str(done.folder),
        "manifest_sha256": hashlib.sha256(manifest.canonical()).hexdigest(),
        "blind_spot_count": done.result.blind_spots.height,
        "assurance": manifest.assurance,
    }


def _reaches(ranking: pl.DataFrame, tier: CaseTier) -> bool:
    """Tell whether any account is in this tier or a higher one."""
    order = list(CaseTier)
    return bool(ranking["tier"].is_in([case.value for case in order[: order.index(tier) + 1]]).any())
