"""A run with the decisions of today, for pages and files that are made after it.

The bundle holds the history as the log stood at the run; what was decided since is put in its place here, and
nothing is written into the run.
"""

from __future__ import annotations

from dataclasses import replace

from merchantscreen.bundle import Bundle
from merchantscreen.cases.frames import history_frame
from merchantscreen.cases.items import RunFrames, view_of
from merchantscreen.workspace.cases import read_cases
from merchantscreen.workspace.session import Workspace


def with_decisions_of_today(place: Workspace, bundle: Bundle) -> Bundle:
    """Return a run with tables.CaseHistory as of now; as it is where the workspace never recorded the run."""
    known, stated = read_cases(place), bundle.manifest
    if stated.sha256 not in {run.manifest_sha256 for run in known.history.runs}:
        return bundle
    frames = RunFrames(bundle.ranking, bundle.ledger, stated.model["account_rounds"])
    view = view_of(stated.run_id, stated.sha256, stated.pseudonym_key_id, frames, known.standing)
    return replace(bundle, history=history_frame(known.cases, view, known.withdrawn))
