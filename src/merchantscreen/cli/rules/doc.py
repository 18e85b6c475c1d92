"""`merchantscreen rules doc`: the pages of a rule folder, written or checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.errors import EXIT_FAIL_ON
from merchantscreen.outputs import rulepages
from merchantscreen.outputs.pagefiles import stale_pages, write_pages
from merchantscreen.outputs.text import counted, visible
from merchantscreen.policy.loading import load_policy

_Folder = Annotated[
    Path | None, typer.Argument(help="Rule folder; without it the policy that came along.", metavar="[DIR]")
]
_Out = Annotated[Path, typer.Option("--out", help="Folder of the pages.", metavar="DIR")]
_Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; end with exit code 1 and name the pages that are stale.")
]


def doc(
    folder: _Folder = None, *, out: _Out = Path("docs/rules"), check: _Check = False, as_json: Json = False
) -> None:
    """Write the pages of a rule folder, or check that they are up to date.

    One page per rule, an index, and pages on weights, tiers, numbers, indicators and exceptions, in Markdown.
    Pages of rules that are gone are removed; pages that were not generated are never touched.
    """
    made = rulepages.pages(load_policy(folder))
    stale = stale_pages(out, made, rulepages.NOTE) if check else write_pages(out, made, rulepages.NOTE)
    if as_json:
        record = {"out": str(out), "pages": sorted(made), "stale": stale, "written": not check}
        show_json(record)
    else:
        said = "stale" if check else "changed"
        output().print(
            f"{counted(len(made), 'page')} in {visible(str(out), 4096)}, {len(stale)} {said}", soft_wrap=True
        )
        for name in stale:
            output().print(f"  {visible(name)}", soft_wrap=True)
    if check and stale:
        raise typer.Exit(EXIT_FAIL_ON)
