"""How an export tells what it wrote: the policy banner, the file, its digest, and what is not in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merchantscreen.bundle import Bundle
from merchantscreen.cli.export.desk import Desk
from merchantscreen.cli.terminal import output, show_json, show_lines
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.text import counted


def tell(
    bundle: Bundle, desk: Desk, out: Path, said: str, facts: Mapping[str, Any], *,
    withheld: Sequence[str] = (), recipients: Sequence[str] = (), as_json: bool,
) -> None:  # fmt: skip
    """Say what was written, for a person or for a program.

    Args:
        bundle: The run.
        desk: Where it was made.
        out: The new file or folder.
        said: What is in it, in words.
        facts: The same for a program; `sha256` is told to people too.
        withheld: What was redacted, a sentence each.
        recipients: Whom it is encrypted for.
        as_json: Speak to a program.
    """
    if as_json:
        stated = {
            "written": str(out),
            "policy_approved": bundle.manifest.approved,
            "redacted": list(withheld),
            "recipients": list(recipients),
            "recorded": desk.workspace is not None,
        }
        show_json(stated | dict(facts))
        return
    for line in banner(bundle.manifest):
        output().print(line, soft_wrap=True)
    sealed = f", encrypted for {counted(len(recipients), 'recipient')}" if recipients else ""
    recorded = "recorded in the log" if desk.workspace is not None else "not recorded: no workspace"
    show_lines([f"{out}: {said}{sealed}", f"sha256 {facts['sha256']}, {recorded}"])
    show_lines(f"redacted: {line}" for line in withheld)
