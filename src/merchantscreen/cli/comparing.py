"""Which earlier run a run is compared with, for `screen` and `reproduce`.

Rules kept here: a run is compared only as it was recorded or named, digest for digest; where it is no longer there,
what was said of it is taken over and told to be so.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from merchantscreen.bundle import Bundle, Comparison, read_bundle
from merchantscreen.errors import IntegrityError, MerchantScreenError
from merchantscreen.outputs import manifest as m
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.rundiff import changes


def comparison_with(folder: Path) -> Comparison:
    """Compare with a run that was named.

    Raises:
        InputError: the folder is not a run.
        IntegrityError: a file of it differs from its manifest.
    """
    old = read_bundle(folder)
    stated = m.ComparedRun(run_id=old.manifest.run_id, manifest_sha256=old.manifest.sha256)
    return Comparison(stated, partial(changes, old))


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
    beside = as_recorded(run.resolve().parent, stated.run_id, stated.manifest_sha256)
    return (beside, True) if beside is not None else (Comparison(stated, partial(_kept, run)), False)


def as_recorded(runs: Path, run_id: str, manifest_sha256: str) -> Comparison | None:
    """Compare with a run that a log or a manifest names; None where it is no longer there as it was then."""
    if Path(run_id).name != run_id:
        return None
    try:
        found = comparison_with(runs / run_id)
    except MerchantScreenError:
        return None
    return found if found.run.manifest_sha256 == manifest_sha256 else None


def _kept(run: Path, _: Bundle) -> pl.DataFrame:
    return read_bundle(run).changes
