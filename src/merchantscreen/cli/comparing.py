"""Which earlier run a run is compared with, for `screen` and `reproduce`.

Rules kept here: a run is compared only as it was recorded or named, digest for digest; where it is no longer there,
what was said of it is taken over and told to be so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import polars as pl

from merchantscreen.bundle import Bundle, Comparison, read_bundle
from merchantscreen.errors import IntegrityError, MerchantScreenError
from merchantscreen.outputs import manifest as m
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.rundiff import changes


class Recorded(Protocol):
    """A run as a log recorded it."""

    @property
    def run_id(self) -> str:
        """Return its name."""

    @property
    def manifest_sha256(self) -> str:
        """Return the digest of its manifest."""


def comparison_with(folder: Path) -> Comparison:
    """Compare with a run that was named.

    Raises:
        InputError: the folder is not a run.
        IntegrityError: a file of it differs from its manifest.
    """
    old = read_bundle(folder)
    stated = m.ComparedRun(run_id=old.manifest.run_id, manifest_sha256=old.manifest.sha256)
    return Comparison(stated, partial(changes, old))


def comparison_with_latest(recorded: Sequence[Recorded], runs: Path) -> Comparison | None:
    """Compare with the latest recorded run that is still there as it was recorded; None where there is none."""
    for run in reversed(recorded):
        found = _as_recorded(runs, run.run_id, run.manifest_sha256)
        if found is not None:
            return found
    return None


def comparison_again(run: Path, manifest: m.Manifest, since: Path | None) -> tuple[Comparison | None, bool]:
    """Give what a run was compared with, to make it again, and whether it is really compared again.

    Args:
        run: Folder of the run; what it was compared with is looked for beside it.
        manifest: Its manifest.
        since: Where the other run is; None to look beside the run.

    Raises:
        IntegrityError: `since` is not the run that the manifest names.
    """
    stated = manifest.compared_with
    if stated is None:
        return None, True
    if since is not None:
        found = comparison_with(since)
        if found.run != stated:
            raise IntegrityError("another run than was compared with", (PROBLEMS["MS-RUN-054"].at("--since"),))
        return found, True
    beside = _as_recorded(run.resolve().parent, stated.run_id, stated.manifest_sha256)
    return (beside, True) if beside is not None else (Comparison(stated, partial(_kept, run)), False)


def _as_recorded(runs: Path, run_id: str, manifest_sha256: str) -> Comparison | None:
    if Path(run_id).name != run_id:
        return None
    try:
        found = comparison_with(runs / run_id)
    except MerchantScreenError:
        return None
    return found if found.run.manifest_sha256 == manifest_sha256 else None


def _kept(run: Path, _: Bundle) -> pl.DataFrame:
    return read_bundle(run).changes
