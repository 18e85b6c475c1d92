"""`merchantscreen referrals receipt` and `verify-receipt`: tell a hotline what became of its referrals, signed.

No merchant is in it, only counts.

The key that signs receipts is made on first use and lies with the other keys of the workspace. Its public half is
printed; hotlines get it over a channel they already trust. A receipt holds 100 referrals at most: more of them
make more receipts, one a line.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from merchantscreen.cases.receipts import actions, reviewed
from merchantscreen.cli.referrals import problems
from merchantscreen.cli.referrals.common import read_file, require_new, write_output
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.errors import InputError, UsageError
from merchantscreen.outputs import receipts
from merchantscreen.outputs.files import write_new
from merchantscreen.outputs.receipts import Receipt, ReceiptFacts, RunFacts, ScreenedReferral
from merchantscreen.referrals import envelope
from merchantscreen.referrals.exchange_problems import PROBLEMS
from merchantscreen.referrals.history import Key, Run, register_of
from merchantscreen.referrals.keys import LARGEST_PEM, SigningKey, VerifyKey
from merchantscreen.referrals.register import Referral
from merchantscreen.workspace.cases import Known, read_cases
from merchantscreen.workspace.files import read_bounded
from merchantscreen.workspace.session import Workspace

ISSUED: Final = "receipt.issued"
KEY: Final = Path("keys/receipt.key")
PUBLIC: Final = Path("keys/receipt.pub")
LARGEST: Final = 16 * 1024 * 1024
AT_ONCE: Final = 100
"""Referrals in one receipt; signed, it then stays below what an envelope may hold."""

_Hotline = Annotated[str, typer.Argument(help="Id of the hotline.", metavar="HOTLINE")]
_Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="New file for the signed receipts, one envelope a line.")
]
_File = Annotated[Path, typer.Argument(help="A receipt as `referrals receipt --out` writes it.", metavar="FILE")]
_Key = Annotated[str, typer.Option("--key", metavar="KEY", help="The network's public key for receipts, ed25519:...")]


@dataclass(frozen=True, slots=True)
class _Issued:
    """Receipts, their envelopes, and the key that signed them."""

    receipts: tuple[Receipt, ...]
    envelopes: tuple[bytes, ...]
    public: str

    @property
    def data(self) -> bytes:
        """Return the file that the hotline gets."""
        return b"".join(one + b"\n" for one in self.envelopes)


def receipt(
    hotline: _Hotline,
    *,
    out: _Out = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """Write the receipt of a hotline: per referral its state, and how many accounts were linked and are under review.

    It is recorded before it is given out.
    """
    require_new(out)
    with opened(workspace, as_name) as place:
        place.allow("referral.receipt")
        issued = _issued(place, hotline)
        count = sum(len(one.referrals) for one in issued.receipts)
        digest = hashlib.sha256(issued.data).hexdigest()
        place.record(ISSUED, {"issuer": hotline, "referral_count": count, "sha256": digest})
    if out is not None:
        write_output(out, [issued.data])
    if as_json:
        show_json(_facts(issued, digest))
    else:
        show_lines(_told(issued, out))


def verify_receipt(file: _File, *, key: _Key, as_json: Json = False) -> None:
    """Check a receipt with the key that the network has told you, and show it; no workspace is needed.

    Exit code 6 if it is not signed with that key.
    """
    known = VerifyKey.parsed(key)
    lines = read_file(file, LARGEST, PROBLEMS["MS-EXC-001"]).splitlines()
    checked = [envelope.verify(line, envelope.RECEIPT_TYPE, [known]) for line in lines if line.strip()]
    found = [_read(one.payload, file.name) for one in checked]
    if as_json:
        show_json({"receipts": [one.model_dump(mode="json", by_alias=True) for one in found]})
    else:
        show_lines(line for one in found for line in receipts.render(one).rstrip("\n").split("\n"))


def _read(payload: bytes, name: str) -> Receipt:
    try:
        return Receipt.model_validate_json(payload)
    except ValidationError:
        raise InputError("This is no receipt.", (PROBLEMS["MS-EXC-030"].at(name),)) from None


def _issued(place: Workspace, hotline: str) -> _Issued:
    now, known = place.now(), read_cases(place)
    history = known.history
    acted = actions(known.cases)
    own = [one for one in register_of(history, now).referrals if one.hotline == hotline]
    if not any(known == hotline for known, _ in history.numbers):
        raise UsageError("No such hotline.", (problems.HOTLINE_UNKNOWN.at("command line"),))
    key = receipt_key(place)
    written = tuple(
        receipts.receipt(
            hotline, part, _runs(known), network=place.settings.audience, issued_at=now, as_of=now,
            facts=ReceiptFacts(
                assurance={one.referral_id: one.assurance for one in part},
                actions={one.referral_id: acted[hotline, one.referral_id] for one in part},
            ),
        )
        for part in _parts(own)
    )  # fmt: skip
    signed = tuple(envelope.sign(one.payload(), envelope.RECEIPT_TYPE, [key]) for one in written)
    return _Issued(written, signed, key.verify_key.text)


def receipt_key(place: Workspace) -> SigningKey:
    """Return the key that signs receipts, made on first use."""
    path = place.path(KEY)
    if not os.path.lexists(path):
        made = SigningKey.generated()
        write_new(path, [made.private_pem()])
        write_new(place.path(PUBLIC), [f"{made.verify_key.text}\n".encode()])
    return SigningKey.from_pem(read_bounded(path, LARGEST_PEM, private=True))


def _parts(own: Sequence[Referral]) -> Iterator[Sequence[Referral]]:
    for start in range(0, max(1, len(own)), AT_ONCE):
        yield own[start : start + AT_ONCE]


def _runs(known: Known) -> list[RunFacts]:
    return [
        RunFacts(run.run_id, _moment(run.as_of), tuple(_screened(run, reviewed(known.cases, run.run_id))))
        for run in known.history.runs
    ]


def _screened(run: Run, seen: Mapping[Key, int]) -> Iterator[ScreenedReferral]:
    for key, said in run.referrals.items():
        yield ScreenedReferral(*key, int(said["account_count"]), dict(said["tiers"]), seen.get(key, 0))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def _facts(issued: _Issued, digest: str) -> dict[str, Any]:
    return {
        "receipts": [one.model_dump(mode="json", by_alias=True) for one in issued.receipts],
        "envelopes": [one.decode("ascii") for one in issued.envelopes],
        "public_key": issued.public,
        "sha256": digest,
    }


def _told(issued: _Issued, out: Path | None) -> Iterator[str]:
    for one in issued.receipts:
        yield from receipts.render(one).rstrip("\n").split("\n")
    yield ""
    if out is None:
        yield "--out writes the signed receipt that the hotline gets."
    else:
        yield f"Signed: {out.name}, key {issued.public}"
