"""`merchantscreen hotline countersign`: a second organisation stands behind what another one signed.

Each organisation signs on its own machine with its own key; the file of statements goes from one to the other.

Rules kept here:
* nothing is countersigned before the first signature was checked against the public line given;
* what is countersigned is shown, with host names defanged; without --key it is only shown;
* one statement that cannot be countersigned, and none of the file is;
* what was signed is verified again before it is written, and the bytes of the statements stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli.hotline import problems
from merchantscreen.cli.hotline.files import create, read_signing_key, read_small
from merchantscreen.cli.terminal import Json, show_json, show_lines
from merchantscreen.errors import InputError, Problem, UsageError
from merchantscreen.outputs.text import counted, defanged
from merchantscreen.referrals import envelope
from merchantscreen.referrals.envelope import STATEMENT_TYPE
from merchantscreen.referrals.exchange_problems import PROBLEMS, EnvelopeError, SignatureError
from merchantscreen.referrals.keys import SigningKey, VerifyKey
from merchantscreen.referrals.statements import Statement, as_fields, read_statement
from merchantscreen.referrals.wire import written

ENVELOPES_ENDING: Final = ".dsse.jsonl"
"""Ending of a file with one envelope on each line; any other file is one envelope."""
_LARGEST: Final = 64 * 1024 * 1024
_IN_THE_HEAD: Final = ("reporting_hotline_id", "issued_at", "schema_version")
"""Fields of an event that its first line says already, or that say nothing about the site."""

_File = Annotated[Path, typer.Argument(metavar="FILE", help="Signed statements, as the other organisation sent them.")]
_Signed = Annotated[
    list[str],
    typer.Option(
        "--signed-by", metavar="KEY",
        help="Public line of a key that has signed, ed25519:..., learnt on another way; repeat for every one.",
    ),
]  # fmt: skip
_Audience = Annotated[str, typer.Option("--audience", metavar="ID", help="Network the statements are for.")]
_Chosen = Annotated[
    list[str],
    typer.Option("--referral-id", metavar="ID", help="Only statements about this referral; may be repeated."),
]
_Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Private key of your organisation; leave it out to look first."),
]
_Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help=f"New file for what you countersigned, NAME{ENVELOPES_ENDING}."),
]


@dataclass(frozen=True, slots=True)
class _Sent:
    """One envelope: its line, its bytes, and the statement in it, read after its signatures were checked."""

    line: int | None
    data: bytes
    statement: Statement


def countersign(
    file: _File,
    *,
    signed_by: _Signed,
    audience: _Audience,
    referral_ids: _Chosen = [],  # noqa: B006 - typer's form of an option without a value
    key: _Key = None,
    out: _Out = None,
    as_json: Json = False,
) -> None:
    """Add your organisation's signature to statements of another one, which makes them signed-2org.

    Run it without --key first: that shows what you would stand behind. Every signature in the file has to be of a
    key named by --signed-by. Whoever has the first file may have sent it already: yours is taken in beside it.
    """
    if (key is None) != (out is None):
        raise UsageError("Half a request.", (problems.KEY_AND_OUT.at("command line"),))
    known = [VerifyKey.parsed(line) for line in signed_by]
    signer = read_signing_key(key) if key is not None else None
    sent = _chosen(_read(file, known, signer, audience), referral_ids, file.name)
    if signer is not None and out is not None:
        create(out, (_countersigned(one, known, signer) + b"\n" for one in sent))
    if as_json:
        show_json(_facts(sent, signer, out))
    else:
        show_lines(_told(sent, signer, out))


# --------------------------------------------------------------------------- reading


def _read(file: Path, known: Sequence[VerifyKey], signer: SigningKey | None, audience: str) -> list[_Sent]:
    """Check and read every envelope of a file; InputError with all that is wrong with any.

    The error is a SignatureError as soon as one signature is not what it has to be.
    """
    sent, found, is_untrusted = list[_Sent](), list[Problem](), False
    for line, data in _envelopes(file):
        try:
            sent.append(_Sent(line, data, _checked(data, known, signer, audience)))
        except EnvelopeError as error:
            found += (replace(problem, where=file.name, line=line) for problem in error.problems)
            is_untrusted = is_untrusted or isinstance(error, SignatureError)
    if not (sent or found):
        found.append(PROBLEMS["MS-EXC-002"].at(file.name))
    if found:
        raise (SignatureError if is_untrusted else InputError)("Nothing was countersigned.", tuple(found))
    return sent


def _envelopes(file: Path) -> Iterator[tuple[int | None, bytes]]:
    content = read_small(file, _LARGEST)
    if not file.name.endswith(ENVELOPES_ENDING):
        yield None, content.strip()
        return
    lines = enumerate(content.split(b"\n"), start=1)
    yield from ((number, line.rstrip(b"\r")) for number, line in lines if line.strip())


def _checked(data: bytes, known: Sequence[VerifyKey], signer: SigningKey | None, audience: str) -> Statement:
    own = [signer.verify_key] if signer is not None else []
    verified = envelope.verify(data, STATEMENT_TYPE, [*known, *own])
    if signer is not None and signer.key_id in verified.key_ids:
        raise EnvelopeError("Signed already.", (PROBLEMS["MS-EXC-011"].at("envelope"),))
    statement = read_statement(verified)
    if statement.audience != audience:
        raise EnvelopeError(
            "Another network.", (PROBLEMS["MS-EXC-064"].at("statement", expected="that of --audience"),)
        )
    return statement


def _chosen(sent: Sequence[_Sent], referral_ids: Sequence[str], name: str) -> list[_Sent]:
    """Return the statements about some referrals, or all; UsageError for a referral of which there is none."""
    there = {one.statement.event.referral_id for one in sent}
    absent = [wanted for wanted in referral_ids if wanted not in there]
    if absent:
        raise UsageError("No such referral.", tuple(problems.NOTHING_CHOSEN.at(name) for _ in absent))
    return [one for one in sent if not referral_ids or one.statement.event.referral_id in referral_ids]


def _countersigned(one: _Sent, known: Sequence[VerifyKey], signer: SigningKey) -> bytes:
    """Add a signature, and read the result back as its receiver will."""
    data = envelope.countersign(one.data, STATEMENT_TYPE, signer)
    verified = envelope.verify(data, STATEMENT_TYPE, [*known, signer.verify_key])
    if verified.payload != one.statement.payload or verified.key_ids != one.statement.key_ids | {signer.key_id}:
        raise AssertionError("a countersigned statement that reads differently")
    return data


# --------------------------------------------------------------------------- telling


def _facts(sent: Sequence[_Sent], signer: SigningKey | None, out: Path | None) -> dict[str, Any]:
    return {
        "countersigned": len(sent) if signer is not None else 0,
        "key_id": signer.key_id if signer is not None else None,
        "file": str(out) if out is not None else None,
        "statements": [
            {"line": one.line, "issuer": one.statement.issuer, "seq": one.statement.seq,
             "event": as_fields(one.statement.event),
             "statement_sha256": one.statement.digest, "signed_by": sorted(one.statement.key_ids)}
            for one in sent
        ],
    }  # fmt: skip


def _told(sent: Sequence[_Sent], signer: SigningKey | None, out: Path | None) -> Iterator[str]:
    for one in sent:
        yield from map(defanged, _lines(one.statement))
    if signer is None:
        yield f"{counted(len(sent), 'statement')}, signed by whom you named. To stand behind them add --key and --out."
        return
    yield f"Countersigned {counted(len(sent), 'statement')} in {out}. Send the file to the network."


def _lines(said: Statement) -> Iterator[str]:
    """Tell all that a statement says: a signature stands behind every field of it."""
    fields = as_fields(said.event)
    event, about = fields.pop("event"), [fields.pop(name, None) for name in ("referral_id", "domain")]
    for name in _IN_THE_HEAD:
        fields.pop(name, None)
    yield f"{said.issuer} {said.seq}  {event}: {' '.join(filter(None, about))}  (issued {written(said.issued_at)})"
    if fields:
        yield f"  {', '.join(f'{name} {_value(fields[name])}' for name in sorted(fields))}"


def _value(value: Any) -> str:
    """Write a field as words: lists with `+` between them."""
    if isinstance(value, list):
        return " + ".join(map(_value, value))
    if isinstance(value, dict):
        return f"({', '.join(f'{name} {_value(inner)}' for name, inner in sorted(value.items()))})"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
