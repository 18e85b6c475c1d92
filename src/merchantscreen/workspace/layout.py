"""What a workspace is made of, and how one is made.

    merchantscreen.toml     settings
    store.sqlite3           the log, unless a database holds it
    keys/                   checkpoint.key, checkpoint.pub, pseudonym.key
    checkpoints/            signed checkpoints
    rules/                  the rules, to be made one's own
    runs/ inbox/            what comes out, what comes in

Rules kept here:
* folders are private (0700) and files too (0600);
* a workspace appears whole or not at all, and never over anything;
* the first event and the first checkpoint are in place before anybody can use it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from merchantscreen import __version__
from merchantscreen.errors import CannotCreateError, MerchantScreenError, Problem
from merchantscreen.eventlog.log import Log, create_log
from merchantscreen.eventlog.notes import Signer, Verifier
from merchantscreen.outputs.files import sync_folder, write_new
from merchantscreen.policy import folder as policy_folder
from merchantscreen.workspace import problems
from merchantscreen.workspace.checkpoints import PUBLIC_ENDING, Checkpoints
from merchantscreen.workspace.settings import FILE, Settings, load_settings, place_of

CREATED: Final = "workspace.created"
FOLDERS: Final = ("keys", "checkpoints", "rules", "runs", "inbox")
_KEY: Final = Path("keys/checkpoint.key")
_PSEUDONYM_KEY: Final = Path("keys/pseudonym.key")
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made; `name` and `audience` are names as settings have them, `store` as its setting."""

    folder: Path
    name: str
    audience: str
    store: str


@dataclass(frozen=True, slots=True)
class Made:
    """A new workspace: where it is, the public key of its checkpoints, and its first checkpoint."""

    folder: Path
    verifier: Verifier
    note: bytes


def origin_of(audience: str, name: str) -> str:
    """Return the name of the log in its checkpoints; it never changes."""
    return f"{audience}/{name}"


def make_workspace(plan: Plan, actor: str, at: datetime) -> Made:
    """Make a workspace.

    Args:
        plan: What to make.
        actor: Who makes it.
        at: The time now, UTC without zone.

    Raises:
        CannotCreateError: There is something of this name, or in the database, or nothing can be made there.
        InputError: A name or the store is none that settings may have.
    """
    target = Path(os.path.abspath(plan.folder))  # noqa: PTH100 - as written, through no link
    if os.path.lexists(target):
        raise CannotCreateError("There is something already.", (problems.EXISTS.at(target.name),))
    with _whole(target) as draft:
        write_new(draft / FILE, [_settings_text(plan).encode()])
        settings = load_settings(draft)
        verifier = _fill(draft, settings)
        note = _begin(draft, settings, actor, at)
    return Made(target, verifier, note)


def _fill(draft: Path, settings: Settings) -> Verifier:
    """Write everything but settings and log."""
    for name in FOLDERS:
        (draft / name).mkdir(mode=0o700)
    signer = Signer.generated(settings.checkpoint_key_name or origin_of(settings.audience, settings.name))
    write_new(draft / _KEY, [signer.private_pem()])
    write_new(draft / _KEY.with_suffix(PUBLIC_ENDING), [f"{signer.verifier}\n".encode()])
    write_new(draft / _PSEUDONYM_KEY, [secrets.token_bytes(_KEY_BYTES)])
    _copy_rules(draft / "rules")
    return signer.verifier


def _copy_rules(folder: Path) -> None:
    """Copy the rules that came along, and their lock, which holds for the same bytes; approvals are one's own."""
    files, found = policy_folder.read_files(policy_folder.default_folder())
    if found:
        raise CannotCreateError("The rules that came along are damaged.", tuple(found))
    for name, content in files.items():
        if name == policy_folder.APPROVALS:
            continue
        path = folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_new(path, [content])


def _begin(draft: Path, settings: Settings, actor: str, at: datetime) -> bytes:
    """Make the log, its first event and its first checkpoint."""
    origin = origin_of(settings.audience, settings.name)
    place = place_of(settings.store, draft)
    with create_log(place, origin) as log:
        try:
            return _first_event(draft, settings, log, actor, at)
        except (MerchantScreenError, OSError) as error:
            if isinstance(place, Path) and place.is_relative_to(draft):
                raise
            raise CannotCreateError("No workspace was made.", (problems.LOG_LEFT.at("store"),)) from error


def _first_event(draft: Path, settings: Settings, log: Log, actor: str, at: datetime) -> bytes:
    body = {"name": settings.name, "audience": settings.audience, "version": __version__}
    log.append(CREATED, actor, body, at=at, expected_size=0)
    return checkpoints_of(draft, settings, log.head.origin).write(log, first=True)


def checkpoints_of(folder: Path, settings: Settings, origin: str) -> Checkpoints:
    """Return the checkpoints of a workspace whose log has this name."""
    key = folder / settings.checkpoint_key
    name = settings.checkpoint_key_name or origin
    return Checkpoints(folder / settings.checkpoints, key, name, settings.busy_seconds)


def _settings_text(plan: Plan) -> str:
    """Write the settings file: what has no default, and the settings people look for first."""
    return f"""\
# Settings of this workspace; all of them are described in docs/settings.md.
name = {json.dumps(plan.name)}
audience = {json.dumps(plan.audience)}
store = {json.dumps(plan.store)}
pseudonym_key = {json.dumps(str(_PSEUDONYM_KEY))}
require_approved = false

# Who may do what. While nobody has a role, everybody who can open this folder may do everything.
[roles]
# anna = ["intake"]
# ben = ["analyst"]
# carla = ["lead"]
# dora = ["auditor"]

# Names that a system user may act under with --as.
[people]
# desk = ["anna", "ben"]
"""


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Give a private folder beside the target that takes its name only if all went well."""
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.init-", dir=target.parent))
    except OSError as error:
        raise _cannot(target, error) from error
    try:
        yield draft
        for name in (*FOLDERS, "."):
            sync_folder(draft / name)
        target.mkdir(mode=0o700)  # Takes the name, and fails if it is taken; the next step replaces it if still empty.
        try:
            draft.rename(target)
        except OSError:
            target.rmdir()
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise _cannot(target, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _cannot(target: Path, error: OSError) -> CannotCreateError:
    kind = problems.EXISTS if isinstance(error, FileExistsError) else problems.CANNOT_CREATE
    problem: Problem = kind.at(target.name, found=f"{kind.title} ({error.strerror})")
    return CannotCreateError("No workspace was made.", (problem,))
