"""`merchantscreen index`: read transaction and merchant files once, so that later screens need not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from merchantscreen.cli import options
from merchantscreen.cli.inputs import MappingFile
from merchantscreen.cli.progress import shown_progress
from merchantscreen.cli.terminal import Json, output, show_json, show_lines
from merchantscreen.errors import IntegrityError, UsageError
from merchantscreen.intake.index import Index, make_index, open_index, writing
from merchantscreen.intake.indexing import Indexed, MerchantOrder, index_files, index_merchants
from merchantscreen.intake.mapping import ColumnMapping, load_mapping
from merchantscreen.intake.problems import PROBLEMS
from merchantscreen.outputs.text import counted

_Folder = Annotated[Path, typer.Option("--index", metavar="DIR", help="Folder of the index; made if there is none.")]
_Transactions = Annotated[
    list[Path],
    typer.Option("--transactions", metavar="FILE_OR_DIR...", help="Transactions: CSV or Parquet. Files or folders."),
]
_Merchants = Annotated[
    list[Path],
    typer.Option(
        "--merchants", metavar="FILE...", help="Merchant accounts: all files of a screen, in the order it names them."
    ),
]
_Key = Annotated[
    Path | None,
    typer.Option("--pseudonym-key-file", metavar="FILE", help="Key of the contact tokens, if screens are given one."),
]
_Check = Annotated[
    bool, typer.Option("--check", help="Read the whole index and say whether anything in it was altered.")
]


def index(
    folder: _Folder,
    transactions: _Transactions = [],  # noqa: B006 - typer's form of an option without a value
    merchants: _Merchants = [],  # noqa: B006 - typer's form of an option without a value
    *,
    mapping: MappingFile = None,
    pseudonym_key_file: _Key = None,
    check: _Check = False,
    as_json: Json = False,
) -> None:
    """Read transaction and merchant files once, so that later screens of them need not.

    A screen with --index takes what it can from there; its result is the same. Files are known by their
    content: a day's file is added when it has come, and what is there already is left as it is.
    """
    if check:
        _check(open_index(folder), as_json=as_json)
        return
    if not transactions and not merchants:
        raise UsageError("Nothing to index.", (PROBLEMS["MS-IDX-005"].at("command line"),))
    known = load_mapping(mapping) if mapping else ColumnMapping()
    order = MerchantOrder(known, options.read_key(pseudonym_key_file) if pseudonym_key_file else None)
    made = make_index(folder)
    with shown_progress() as progress, writing(made) as work:
        is_read = bool(merchants) and index_merchants(made, merchants, work, order, progress)
        done = index_files(made, transactions, work, known, progress) if transactions else Indexed((), ())
    if as_json:
        show_json(_stated(done) | {"merchants_read": is_read})
        return
    if merchants:
        show_lines(["merchant files read and kept" if is_read else "merchant files known already"])
    show_lines(_told(done))


def _told(done: Indexed) -> Iterator[str]:
    for path, entry in done.made:
        read, accepted = entry.facts.rows_read, entry.facts.row_count
        yield f"{path.name}: read {read:,} = accepted {accepted:,} + rejected {read - accepted:,}"
    yield f"{counted(len(done.made), 'file')} indexed, {len(done.known):,} known already"


def _stated(done: Indexed) -> dict[str, object]:
    files = [
        {
            "file": path.name,
            "sha256": entry.facts.sha256,
            "rows_read": entry.facts.rows_read,
            "rows_accepted": entry.facts.row_count,
            "rows_rejected": entry.facts.rows_read - entry.facts.row_count,
        }
        for path, entry in done.made
    ]
    return {"indexed": files, "known_count": len(done.known)}


def _check(checked: Index, *, as_json: bool) -> None:
    """Compare every file of every entry with its digest."""
    altered = tuple(PROBLEMS["MS-IDX-004"].at(place) for place in checked.altered())
    if altered:
        raise IntegrityError("the index was altered", altered)
    entries = [*checked.all_entries(), *checked.all_merchants()]
    if as_json:
        show_json({"entries": len(entries), "altered": 0})
        return
    output().print(f"{counted(len(entries), 'entry', 'entries')} as written", soft_wrap=True)
