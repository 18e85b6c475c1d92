"""`merchantscreen export graph|case-file|match|vmss`: what leaves a run for other programs and other desks.

Every export is a new private file or folder; nothing is sent anywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from merchantscreen.bundle import Bundle, read_bundle
from merchantscreen.cli.ranked import ranked_account
from merchantscreen.cli.rules.telling import show_json
from merchantscreen.cli.terminal import output
from merchantscreen.errors import UsageError
from merchantscreen.outputs.casefile import DECISION, case_files, write_case_folder, write_whole
from merchantscreen.outputs.graphs import GraphFormat, cases_of, graph_bytes, neighbourhood_graph
from merchantscreen.outputs.listingdrafts import STATUS, ListingKind, listing_draft
from merchantscreen.outputs.policyview import banner
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.runpolicy import policy_of_run
from merchantscreen.outputs.text import counted, visible

export_app: Final = typer.Typer(
    name="export",
    help="Write parts of a run for other programs and other desks. Nothing is sent.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Account = Annotated[str, typer.Argument(help="account_id, as in ranking.csv.")]
_Run = Annotated[Path, typer.Option("--run", metavar="DIR", help="Folder of a run, such as runs/20261101T000000Z.")]
_Json = Annotated[bool, typer.Option("--json", help="Print what was written as one JSON object.")]
_Code = Annotated[
    str | None,
    typer.Option("--reason-code", metavar="CODE", help="Reason a person chose, of listing_codes.yml; never filled in."),
]
_DraftOut = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="New file for the draft; printed when absent.")
]


@export_app.command("graph")
def graph(
    account: Annotated[str | None, typer.Argument(help="account_id, as in ranking.csv; or --all.")] = None,
    *,
    run: _Run,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New file to write.")],
    form: Annotated[GraphFormat, typer.Option("--format", help="Format of the file.")] = GraphFormat.GRAPHML,
    every: Annotated[bool, typer.Option("--all", help="Draw all cases, T1 to T3.")] = False,
    as_json: _Json = False,
) -> None:
    """Write the neighbourhood of an account, or of all cases, as a graph for Gephi or Cytoscape.

    Hubs are drawn once with their number of holders; domains are defanged.
    """
    if (account is None) is not every:
        expected = "one account, or --all"
        raise UsageError("what to draw", (PROBLEMS["MS-RUN-001"].at("ACCOUNT", expected=expected),))
    bundle = read_bundle(run)
    names = cases_of(bundle) if account is None else (str(ranked_account(bundle, account)["account_id"]),)
    drawn = neighbourhood_graph(bundle, names)
    data = graph_bytes(drawn, form, bundle.manifest.as_of)
    write_whole(out, data)
    facts = {
        "node_count": drawn.number_of_nodes(), "edge_count": drawn.number_of_edges(), "format": form.value,
        "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    said = f"{counted(drawn.number_of_nodes(), 'node')} and {counted(drawn.number_of_edges(), 'edge')}"
    _tell(bundle, out, facts, f"{said}, sha256 {facts['sha256']}", as_json=as_json)


@export_app.command("case-file")
def case_file(
    account: _Account,
    *,
    run: _Run,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder to write.")],
    decision: Annotated[
        str, typer.Option("--decision", metavar="TEXT", help="For which decision the file is meant.")
    ] = DECISION,
    as_json: _Json = False,
) -> None:
    """Write the investigation file of an account: text, CSV, JSON and a manifest, in a new private folder.

    Other accounts appear by account id alone, where the points rest on what they share.
    """
    bundle = read_bundle(run)
    ranked_account(bundle, account)
    files = case_files(bundle, account, decision)
    write_case_folder(out, files)
    digest = hashlib.sha256(files["manifest.json"]).hexdigest()
    said = f"{counted(len(files), 'file')}, manifest sha256 {digest}"
    _tell(bundle, out, {"files": sorted(files), "manifest_sha256": digest}, said, as_json=as_json)


@export_app.command("match")
def match(account: _Account, *, run: _Run, out: _DraftOut = None, reason_code: _Code = None) -> None:
    """Draft a MATCH listing for a person to complete; never sent, and no reason code by itself."""
    _draft(ListingKind.MATCH, account, run, out, reason_code)


@export_app.command("vmss")
def vmss(account: _Account, *, run: _Run, out: _DraftOut = None, reason_code: _Code = None) -> None:
    """Draft a VMSS listing for a person to complete, in its public field names; never sent."""
    _draft(ListingKind.VMSS, account, run, out, reason_code)


def _draft(kind: ListingKind, account: str, run: Path, out: Path | None, reason_code: str | None) -> None:
    bundle = read_bundle(run)
    ranked_account(bundle, account)
    draft = listing_draft(bundle, account, kind, _known_codes(bundle) if reason_code is not None else (), reason_code)
    text = json.dumps(draft, ensure_ascii=True, indent=2, sort_keys=True)
    if out is None:
        output().print(text, soft_wrap=True)
    else:
        write_whole(out, f"{text}\n".encode())
        _tell(bundle, out, {}, f"{STATUS}; {counted(len(draft['missing']), 'field')} missing", as_json=False)


def _known_codes(bundle: Bundle) -> frozenset[str]:
    """Return the codes of the policy the run worked with."""
    stated = bundle.manifest.policy
    codes = policy_of_run(bundle.policy, stated.digest, stated.files).measures.listing_codes
    return frozenset[str]().union(*codes.values())


def _tell(bundle: Bundle, out: Path, facts: Mapping[str, Any], said: str, *, as_json: bool) -> None:
    console = output()
    if as_json:
        stated = {"written": str(out), "policy_approved": bundle.manifest.approved} | dict(facts)
        show_json(stated)
        return
    for line in banner(bundle.manifest):
        console.print(line, soft_wrap=True)
    console.print(Text(f"{visible(str(out), 4096)}: {said}"), soft_wrap=True)
