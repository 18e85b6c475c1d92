"""`merchantscreen retro`: what a referral of today would have found in the transactions that were indexed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from merchantscreen.bundle import read_ranking
from merchantscreen.cli import options
from merchantscreen.cli.failures import report
from merchantscreen.cli.inputs import AsOf, IndexFolder
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.errors import MerchantScreenError, Problem, UsageError
from merchantscreen.features import naive_utc
from merchantscreen.intake.index import open_index
from merchantscreen.intake.problems import PROBLEMS as INTAKE_PROBLEMS
from merchantscreen.outputs.manifest import NAME as MANIFEST
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.retro import look_back_values, show_look_back
from merchantscreen.policy.loading import load_policy
from merchantscreen.referrals.flagging import flag
from merchantscreen.referrals.history import register_of
from merchantscreen.referrals.reading import read_referrals
from merchantscreen.referrals.register import Register, fold
from merchantscreen.retro import LOOK_BACK_DAYS, LookBack, PastRun, Period, look_back
from merchantscreen.workspace.settings import find_folder

_Referrals = Annotated[
    list[Path],
    typer.Option(
        "--referrals", metavar="FILE...",
        help="Referral events: JSON lines or CSV. One or more files; those of the workspace when absent.",
    ),
]  # fmt: skip
_Days = Annotated[int, typer.Option("--days", min=1, max=3660, metavar="N", help="Days to look back.")]
_Rules = Annotated[
    Path | None,
    typer.Option("--rules", metavar="DIR", help="Rule folder; without it that of the workspace, or what came along."),
]
_Runs = Annotated[
    Path | None,
    typer.Option("--runs", metavar="DIR", help="Folder of earlier runs; that of the workspace, or runs, when absent."),
]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where everything is, and the register."""

    register: Register
    index: Path
    runs: Path
    rules: Path | None


def retro(
    context: typer.Context,
    *,
    referrals: _Referrals = [],  # noqa: B006 - typer's form of an option without a value
    index: IndexFolder = None,
    days: _Days = LOOK_BACK_DAYS,
    as_of: AsOf = None,
    rules: _Rules = None,
    runs: _Runs = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Look back: which accounts a referral would have found, since when, and in which earlier run.

    Searches what `merchantscreen index` has kept of transactions and reads no transaction file again. Accounts
    are linked, for review; nothing is weighed here, a screen does that.
    """
    moment = options.moment(as_of)
    places = _places(referrals, (index, runs, rules), (workspace, as_name), moment)
    found, unreadable = _found(places, Period(moment, days))
    report(unreadable, as_json=bool(context.find_root().params.get("json_errors")))
    if as_json:
        show_json(look_back_values(found))
    else:
        show_look_back(output(), found)


def _places(
    referrals: Sequence[Path],
    named: tuple[Path | None, Path | None, Path | None],
    workspace: tuple[Path | None, str | None],
    moment: datetime,
) -> _Places:
    """Take what was named, and the rest from the workspace."""
    index, runs, rules = named
    if referrals or find_folder(workspace[0], Path.cwd()) is None:
        if not referrals:
            said = "--referrals is missing, and there is no workspace"
            raise UsageError("No referrals.", (PROBLEMS["MS-RUN-001"].at("command line", found=said),))
        if index is None:
            raise UsageError("No index.", (INTAKE_PROBLEMS["MS-IDX-006"].at("command line"),))
        register = fold(read_referrals(referrals).events, moment)
        return _Places(register, index, runs or Path("runs"), rules)
    with opened(*workspace) as place:
        place.allow("screen")
        register = register_of(place.history(), moment)
        settings = place.settings
        return _Places(
            register,
            index or place.path(settings.index),
            runs or place.path(settings.runs),
            rules or place.path(settings.rules),
        )


def _found(places: _Places, period: Period) -> tuple[LookBack, tuple[Problem, ...]]:
    kept = open_index(places.index).kept()
    policy = load_policy(places.rules)
    past, unreadable = _past_runs(places.runs)
    flagged = flag(places.register, policy, naive_utc(period.until_at))
    with _private() as work:
        return look_back(kept, flagged, policy, PolarsEngine(work), period, past), unreadable


def _past_runs(folder: Path) -> tuple[list[PastRun], tuple[Problem, ...]]:
    """Read the manifests of the runs in a folder; one that cannot be read is a problem and no run."""
    found: list[PastRun] = []
    problems: list[Problem] = []
    for place in sorted(manifest.parent for manifest in folder.glob(f"*/{MANIFEST}")):
        try:
            found.append(_past_run(place))
        except MerchantScreenError as error:
            problems += error.problems
    return found, tuple(problems)


def _past_run(place: Path) -> PastRun:
    manifest, ranking = read_ranking(place)

    def tiers() -> pl.DataFrame:
        return ranking.select("account_id", "tier")

    read = frozenset(file.sha256 for file in manifest.inputs if file.role == "transactions")
    return PastRun(manifest.run_id, naive_utc(datetime.fromisoformat(manifest.as_of)), read, tiers)


@contextmanager
def _private() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="merchantscreen-") as folder:
        yield Path(folder)
