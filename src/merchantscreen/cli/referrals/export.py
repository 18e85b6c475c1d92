"""`merchantscreen referrals export`: referrals for partners as STIX 2.1, encrypted if recipients are named.

Only what its hotline confirmed and marked for passing on leaves; what stays is counted with its reason. The export is
recorded before the file is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli.referrals.common import require_new, write_output
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.outputs import stix
from merchantscreen.outputs.sealing import seal
from merchantscreen.outputs.stix import EXPLANATIONS, Sender, StixExport, export_stix
from merchantscreen.outputs.text import counted
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.history import Received
from merchantscreen.workspace.session import Workspace

MADE: Final = "export.made"

_Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="New file.")]
_To = Annotated[
    list[str], typer.Option("--to", metavar="AGE_KEY", help="Encrypt for this public key (age1...); may be repeated.")
]
_Armoured = Annotated[bool, typer.Option("--armoured", help="Encrypted as text that survives e-mail.")]


@dataclass(frozen=True, slots=True)
class _Made:
    """An export, and the bytes of its file."""

    found: StixExport
    data: bytes

    @property
    def sha256(self) -> str:
        """Return the digest of the file."""
        return hashlib.sha256(self.data).hexdigest()


def export(
    *,
    out: _Out,
    recipients: _To = [],  # noqa: B006 - typer's form of an option without a value
    armoured: _Armoured = False,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Write the referrals that may be passed on as a STIX 2.1 bundle; needs the role lead.

    TLP red and amber+strict stay here, and so does whatever is disputed or under a law-enforcement hold.
    """
    require_new(out)
    with opened(workspace, as_name) as place:
        place.allow("export")
        made = _made(place, recipients, armoured=armoured)
        body = {"kind": "stix", "sha256": made.sha256}
        place.record(MADE, body | ({"recipient": ", ".join(recipients)} if recipients else {}))
    write_output(out, [made.data])
    if as_json:
        show_json(_facts(made, recipients))
    else:
        show_lines(_told(made, recipients, out))


def _made(place: Workspace, recipients: list[str], *, armoured: bool) -> _Made:
    first = place.log.event(0)
    sender = Sender(place.settings.audience, place.settings.name, first.recorded_at)
    events = [_effective(received) for received in place.history().received]
    found = export_stix(events, place.now(), sender)
    return _Made(found, seal(found.data, recipients, armoured=armoured) if recipients else found.data)


def _effective(received: Received) -> ReferralEvent:
    """Return an event with the time at which it applies, as the register takes it."""
    return received.event.model_copy(update={"issued_at": received.effective_at})


def _facts(made: _Made, recipients: list[str]) -> dict[str, Any]:
    found = made.found
    return {
        "indicators": found.indicator_count,
        "revoked": found.revoked_count,
        "left_out": {reason.value: count for reason, count in found.left_out.items()},
        "recipients": recipients,
        "sha256": made.sha256,
    }


def _told(made: _Made, recipients: list[str], out: Path) -> Iterator[str]:
    found = made.found
    sealed = f", encrypted for {counted(len(recipients), 'recipient')}" if recipients else ", NOT encrypted"
    yield f"{counted(found.indicator_count, 'indicator')} ({found.revoked_count:,} revoked) in {out.name}{sealed}"
    yield f"sha256 {made.sha256}"
    for reason, count in found.left_out.items():
        yield f"  {counted(count, 'referral')} left out: {EXPLANATIONS[stix.LeftOut(reason)]}"
