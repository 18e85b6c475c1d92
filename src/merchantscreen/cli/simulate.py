"""`merchantscreen simulate`: a simulated payment network with known truth, written to disk."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from merchantscreen.cli.progress import shown_progress
from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.outputs.text import visible
from merchantscreen.simulation import SimulationOptions
from merchantscreen.simulation import simulate as simulate_world


class TableFormat(StrEnum):
    """Formats that the tables of a simulated network come in."""

    PARQUET = "parquet"
    CSV = "csv"


def simulate(
    accounts: Annotated[int, typer.Option("--accounts", help="Merchant accounts.", metavar="N")],
    transactions: Annotated[int, typer.Option("--transactions", help="Transactions.", metavar="N")],
    referrals: Annotated[int, typer.Option("--referrals", help="Referrals.", metavar="N")],
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another world.", metavar="S")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write into; must not hold a world yet.", metavar="DIR")],
    table_format: Annotated[
        TableFormat, typer.Option("--format", help="Format of merchants, transactions and truth.")
    ] = TableFormat.PARQUET,
    *,
    as_json: Json = False,
) -> None:
    """Write a simulated payment network with its truth.

    Merchants, transactions, referrals, and what each account truly is. Seeded: the same
    options give the same bytes. Reserved names only, nobody real is in it.
    """
    options = SimulationOptions(accounts, transactions, referrals, seed, table_format.value)
    with shown_progress() as progress:
        files = simulate_world(options, out, progress)
    written = {
        "referrals": files.referrals,
        "merchants": files.merchants,
        "transactions": files.transactions,
        "truth": files.truth,
    }
    if as_json:
        show_json({role: str(path) for role, path in written.items()})
        return
    console = output()
    for role, path in written.items():
        console.print(Text(f"{role:<13}{visible(str(path), 4096)}"), soft_wrap=True)
