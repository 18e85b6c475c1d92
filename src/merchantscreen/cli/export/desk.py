"""Where an export is made: in a workspace by a person with a role, or outside of any.

Rules kept here:
* a run that lies in a workspace is exported under its rules, wherever the command is typed;
* in a workspace the person has to be allowed to, and to say why;
* an export is recorded before the file is readable at its name: what it is, of which run, of how many accounts,
  its sha256 and why; the account it is about is a personal value that can be erased;
* short of a lead an export shows contact data as tokens only (outputs/redaction.py).

Left to others: what is written (outputs/), what is told (telling.py).
Source: row 18 of the threat model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import polars as pl
import typer

from merchantscreen.bundle import Bundle, read_bundle
from merchantscreen.cli.ranked import no_such_name, ranked_account
from merchantscreen.cli.workspaces import opened
from merchantscreen.errors import UsageError
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.publishing import staged_file
from merchantscreen.outputs.redaction import Seen, Sight, seen_with
from merchantscreen.outputs.sealing import seal
from merchantscreen.workspace.access import Role
from merchantscreen.workspace.session import Workspace, stated_purpose
from merchantscreen.workspace.settings import find_folder
from merchantscreen.workspace.today import with_decisions_of_today

MADE: Final = "export.made"
_CASE_NUMBER: Final = re.compile(r"[Cc]-[0-9]{6,}")

Account = Annotated[str, typer.Argument(help="account_id, as in ranking.csv; or the number of its case, C-000001.")]
Run = Annotated[Path, typer.Option("--run", metavar="DIR", help="Folder of a run, such as runs/20261101T000000Z.")]
Purpose = Annotated[
    str | None, typer.Option("--purpose", metavar="TEXT", help="Why it is made; recorded, and needed in a workspace.")
]
To = Annotated[
    list[str], typer.Option("--to", metavar="AGE_KEY", help="Encrypt for this public key (age1...); may be repeated.")
]
Armoured = Annotated[bool, typer.Option("--armoured", help="Encrypted as text that survives e-mail.")]


@dataclass(frozen=True, slots=True)
class Export:
    """What leaves.

    Attributes:
        kind: As the log names it.
        run_id: Run it comes from.
        count: Accounts in it.
        subject: The account it is about; None where it is about many.
    """

    kind: str
    run_id: str
    count: int
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Sealing:
    """For whom a file is encrypted; for nobody where there is no recipient."""

    recipients: Sequence[str] = ()
    armoured: bool = False

    def of(self, data: bytes) -> bytes:
        """Encrypt bytes, or give them back as they are."""
        return seal(data, self.recipients, armoured=self.armoured) if self.recipients else data


@dataclass(frozen=True, slots=True)
class Desk:
    """Who makes an export, and why.

    Attributes:
        workspace: The workspace of the run; None outside of any.
        sight: How much the person may let out.
        purpose: Why it is made; None only outside of a workspace.
    """

    workspace: Workspace | None
    sight: Sight
    purpose: str | None

    @property
    def actor(self) -> str | None:
        """Return who is at work, where that is known."""
        return None if self.workspace is None else self.workspace.actor

    def seen(self, bundle: Bundle, *, for_account: str | None = None) -> Seen:
        """Cut a bundle down to what this person may let out."""
        return seen_with(bundle, self.sight, for_account=for_account)

    def read(self, run: Path) -> Bundle:
        """Read a run, checked against its manifest, in a workspace with the decisions of today."""
        bundle = read_bundle(run)
        return bundle if self.workspace is None else with_decisions_of_today(self.workspace, bundle)

    def record(self, export: Export, sha256: str, recipients: Sequence[str] = ()) -> None:
        """Record an export; nothing outside of a workspace."""
        if self.workspace is None:
            return
        body = {"kind": export.kind, "run": export.run_id, "count": export.count, "sha256": sha256}
        told = {"recipient": ", ".join(recipients)} if recipients else {}
        personal = {} if export.subject is None else {"subject": export.subject}
        self.workspace.record(MADE, {**body, **told, "purpose": self.purpose}, personal)

    def deliver(self, export: Export, out: Path, data: bytes, sealing: Sealing) -> str:
        """Write one new file and record it before it is there; returns its sha256."""
        sealed = sealing.of(data)
        digest = hashlib.sha256(sealed).hexdigest()
        with staged_file(out, sealed):
            self.record(export, digest, sealing.recipients)
        return digest


@contextmanager
def at_desk(
    run: Path, operation: str, purpose: str | None, folder: Path | None, as_name: str | None
) -> Iterator[Desk]:  # fmt: skip
    """Open the workspace an export is made in, if there is one, and let in who may.

    Args:
        run: Folder of the run.
        operation: Of `access.OPERATIONS`.
        purpose: Why, as the person says.
        folder: Workspace as given; None to look for it around the current folder and around the run.
        as_name: Name to act under.

    Raises:
        UsageError: The person may not, or does not say why.
    """
    found = find_folder(folder, Path.cwd()) or find_folder(None, run.resolve())
    if found is None:
        if as_name is not None:
            said = "--as without a workspace"
            raise UsageError("No workspace.", (PROBLEMS["MS-RUN-001"].at("command line", found=said),))
        yield Desk(None, Sight.WHOLE, purpose)
        return
    with opened(found, as_name) as place:
        place.allow(operation)
        yield Desk(place, _sight(place), stated_purpose(purpose or ""))


def _sight(place: Workspace) -> Sight:
    """Tell how much a person may let out; where nobody has a role, everybody is a lead."""
    roles = place.settings.roles
    return Sight.WHOLE if not roles or Role.LEAD in roles.get(place.actor, ()) else Sight.TOKENS


def account_named(bundle: Bundle, name: str) -> str:
    """Return the account a person named by its id or by the number of its case.

    Raises:
        UsageError: The run ranks no such account, or knows no such case.
    """
    if not _CASE_NUMBER.fullmatch(name):
        return str(ranked_account(bundle, name)["account_id"])
    known = bundle.history.filter(pl.col("number") == name.upper())["account_id"]
    if known.is_empty():
        numbers = bundle.history["number"].unique().sort()
        raise UsageError("no such case", (no_such_name("MS-RUN-004", "history.jsonl", "number", name, numbers),))
    return str(known[0])
