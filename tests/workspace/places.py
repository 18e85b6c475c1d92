"""Workspaces for tests: made in a temporary folder, with a clock that does not move by itself."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cli.command import REFERRAL

from merchantscreen.referrals.events import ReferralEvent, read_event
from merchantscreen.referrals.logged import import_bodies
from merchantscreen.workspace.access import system_user
from merchantscreen.workspace.layout import Made, Plan, make_workspace
from merchantscreen.workspace.session import Workspace, open_workspace

AT: Final = datetime(2026, 11, 1, 12, 30)
SQLITE: Final = "sqlite:store.sqlite3"


def made(folder: Path, store: str = SQLITE) -> Made:
    """Make a workspace."""
    return make_workspace(Plan(folder, "desk", "network-one", store), system_user(), AT)


def opened(folder: Path, **options: Any) -> Workspace:
    """Open it."""
    return open_workspace(folder, clock=lambda: AT, **options)


def referral(**changes: Any) -> ReferralEvent:
    """Return the event that the command's tests use, changed."""
    event = read_event(json.loads(REFERRAL) | changes)
    assert isinstance(event, ReferralEvent)
    return event


def with_referrals(folder: Path, *events: ReferralEvent) -> None:
    """Record events of a file that nobody signed."""
    with opened(folder) as workspace:
        bodies = import_bodies("jsonl", "0" * 64, events or (referral(),), 0)
        workspace.record_all([workspace.draft("referral.imported", body) for body in bodies])


def settle(folder: Path, *lines: str) -> None:
    """Write settings of one's own under the two that are needed."""
    text = "\n".join(['name = "desk"', 'audience = "network-one"', *lines]) + "\n"
    path = folder / "merchantscreen.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
