"""What the verbs share: the chain of the workspace, key ids, moments, and proposals as files.

Rules kept here:
* the chain is that of a log that reads without a problem; otherwise nothing is changed or shown;
* a proposal for another network is refused before anybody signs it;
* a new version never claims to be older than the one before it;
* an officer at another machine needs no workspace: the version in force as a file, or the name of the network for a
  first version, tells as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli import options
from merchantscreen.cli.hotline.files import create, read_small
from merchantscreen.cli.terminal import show_json, show_lines
from merchantscreen.cli.trust import problems
from merchantscreen.cli.trust.telling import differences, progress_facts, progress_line, show_safely
from merchantscreen.errors import IntegrityError, UsageError
from merchantscreen.outputs.problems import PROBLEMS as RUN_PROBLEMS
from merchantscreen.referrals import trustchain
from merchantscreen.referrals.exchange_problems import PROBLEMS, TrustError
from merchantscreen.referrals.history import History
from merchantscreen.referrals.trust import Trust
from merchantscreen.referrals.trustchain import TrustState
from merchantscreen.referrals.wire import LARGEST_ENVELOPE
from merchantscreen.workspace.session import Workspace

LIFETIME: Final = timedelta(days=365)
CHANGE: Final = "trust.change"
_SHORTEST_KEY_ID: Final = 8

Proposal = Annotated[Path, typer.Argument(metavar="PROPOSAL", help="File that trust add, rotate or revoke wrote.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="New file for the proposal; trust-VERSION.json here when absent."),
]
Expires = Annotated[
    str | None,
    typer.Option(
        "--expires", metavar="DATE",
        help="Until when the version may be relied on; as before when absent, or a year where that is over.",
    ),
]  # fmt: skip

Current = Annotated[
    Path | None,
    typer.Option(
        "--current", metavar="FILE",
        help="Without a workspace: the trust file in force, which the proposal has to follow. Compare its sha256.",
    ),
]  # fmt: skip
FirstOf = Annotated[
    str | None,
    typer.Option("--first-of", metavar="NETWORK", help="Without a workspace: the network whose first version it is."),
]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a proposal is judged by.

    Attributes:
        state: The chain it has to follow; None before the first version.
        audience: The network it has to be for.
        at: Now.
    """

    state: TrustState | None
    audience: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Times:
    """When a version is made and until when it may be relied on."""

    issued_at: datetime
    expires_at: datetime


def sound_history(place: Workspace) -> History:
    """Return what the log adds up to; IntegrityError if an event of it does not say what its kind says."""
    history = place.history()
    if history.problems:
        raise IntegrityError("The log cannot be read in full.", history.problems)
    return history


def held(history: History) -> TrustState:
    """Return the chain that the workspace holds; TrustError before the first version."""
    if history.trust is None:
        raise refused("MS-EXC-053")
    return history.trust


def refused(code: str, where: str = "trust file", found: str | None = None) -> TrustError:
    """Return the error for a trust file that must not be taken."""
    return TrustError("This trust file is refused.", (PROBLEMS[code].at(where, found=found),))


def moment(text: str | None, option: str, otherwise: datetime) -> datetime:
    """Read the date or time of an option; UsageError that names the option."""
    if text is None:
        return otherwise
    try:
        return options.moment(text)
    except UsageError as error:
        raise UsageError("no moment", (RUN_PROBLEMS["MS-RUN-002"].at(option),)) from error


def times(place: Workspace, old: Trust | None, expires: str | None) -> Times:
    """Return the times of the next version."""
    issued_at = place.now() if old is None else max(place.now(), old.issued_at)
    usual = issued_at + LIFETIME if old is None or old.is_expired(issued_at) else old.expires_at
    return Times(issued_at, moment(expires, "--expires", usual))


def key_id_of(trust: Trust, given: str) -> str:
    """Return the whole id of a key of an organisation or an officer.

    Raises:
        UsageError: The digits are too few, or of several keys.
        TrustError: No such key is there.
    """
    keys = (*trust.verify_keys, *trust.officers.verify_keys)
    found = {key.key_id for key in keys if key.key_id.startswith(given.lower())}
    if len(given) < _SHORTEST_KEY_ID or len(found) > 1:
        raise UsageError("Which key?", (problems.KEY_UNCLEAR.at("KEY_ID"),))
    if not found:
        raise refused("MS-EXC-051")
    return found.pop()


def ground_of(place: Workspace) -> Ground:
    """Judge by a workspace."""
    return Ground(sound_history(place).trust, place.settings.audience, place.now())


def ground_elsewhere(current: Path | None, first_of: str | None) -> Ground | None:
    """Judge without a workspace, by the version in force or by the name of the network; None if neither is given."""
    if current is not None and first_of is not None:
        raise UsageError("Two grounds.", (problems.TWO_GROUNDS.at("command line"),))
    if current is None:
        return Ground(None, first_of, options.now()) if first_of is not None else None
    state = trustchain.standing(read_small(current, LARGEST_ENVELOPE).strip())
    return Ground(state, state.current.audience, options.now())


def read_proposal(path: Path, ground: Ground) -> bytes:
    """Read a proposal.

    Raises:
        EnvelopeError: It is none.
        TrustError: It is for another network, or a later version that is to be judged as a first.
    """
    data = read_small(path, LARGEST_ENVELOPE).strip()
    trust = trustchain.gathered(None, data).trust
    if trust.audience != ground.audience:
        raise refused("MS-EXC-048", path.name)
    if ground.state is None and trust.version != 1:
        raise refused("MS-EXC-045", path.name)
    return data


def told_ground(ground: Ground) -> list[str]:
    """Say by which version a proposal was judged where no workspace vouches for it."""
    if ground.state is None:
        return ["Compared with nothing: this is the first version."]
    held = f"version {ground.state.current.version}, sha256 {ground.state.digest}"
    return [f"Compared with {held}: ask whether that one is in force."]


def publish(
    state: TrustState | None, trust: Trust, out: Path | None, *, as_json: bool, also: Mapping[str, Any] | None = None
) -> None:
    """Write the next version as a proposal, and say what it changes and who has to sign it."""
    data = trustchain.propose(trust)
    gathered = trustchain.gathered(state, data)
    path = out if out is not None else Path(f"trust-{trust.version}.json")
    create(path, [data, b"\n"])
    old = state.current if state is not None else None
    if as_json:
        stated = {"file": str(path), "changes": differences(old, trust), **progress_facts(gathered)}
        show_json(stated | dict(also or {}))
        return
    show_lines([f"Proposed version {trust.version} of the trust file: {path}"])
    show_safely([*differences(old, trust), progress_line(gathered)])
    show_lines([f"Next: merchantscreen trust sign {path} --key FILE, then trust accept."])
