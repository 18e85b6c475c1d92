"""`merchantscreen export graph`: the neighbourhood of accounts for Gephi or Cytoscape."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli.export.desk import Armoured, Export, Purpose, Run, Sealing, To, account_named, at_desk
from merchantscreen.cli.export.telling import tell
from merchantscreen.cli.terminal import Json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder
from merchantscreen.errors import UsageError
from merchantscreen.outputs.graphs import GraphFormat, cases_of, graph_bytes, neighbourhood_graph
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import counted


def graph(
    account: Annotated[
        str | None, typer.Argument(help="account_id, as in ranking.csv; or the number of its case; or --all.")
    ] = None,
    *,
    run: Run,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New file to write.")],
    form: Annotated[GraphFormat, typer.Option("--format", help="Format of the file.")] = GraphFormat.GRAPHML,
    every: Annotated[bool, typer.Option("--all", help="Draw all cases, T1 to T3.")] = False,
    purpose: Purpose = None,
    recipients: To = [],  # noqa: B006 - typer's form of an option without a value
    armoured: Armoured = False,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Write the neighbourhood of an account, or of all cases, as a graph for Gephi or Cytoscape.

    Hubs are drawn once with their number of holders; domains are defanged.
    """
    if (account is None) is not every:
        expected = "one account, or --all"
        raise UsageError("what to draw", (PROBLEMS["MS-RUN-001"].at("ACCOUNT", expected=expected),))
    with at_desk(run, "export.graph", purpose, workspace, as_name) as desk:
        bundle = desk.read(run)
        subject = None if account is None else account_named(bundle, account)
        seen = desk.seen(bundle)
        drawn = neighbourhood_graph(seen.bundle, cases_of(bundle) if subject is None else (subject,))
        count = sum(what == "account" for _, what in drawn.nodes(data="type"))
        export = Export("graph", bundle.manifest.run_id, count, subject)
        data = graph_bytes(drawn, form, bundle.manifest.as_of)
        digest = desk.deliver(export, out, data, Sealing(recipients, armoured))
    facts = {
        "node_count": drawn.number_of_nodes(), "edge_count": drawn.number_of_edges(), "format": form.value,
        "sha256": digest,
    }  # fmt: skip
    said = f"{counted(drawn.number_of_nodes(), 'node')} and {counted(drawn.number_of_edges(), 'edge')}"
    tell(bundle, desk, out, said, facts, withheld=seen.withheld, recipients=recipients, as_json=as_json)
