"""`merchantscreen hotline sign`: events become signed statements that continue the hotline's stream.

Rules kept here:
* what was signed is verified and read back before it is written;
* the state file moves on only after the statements are complete on the disk or on standard output;
* an event that is in the stream already is passed over, and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli import options
from merchantscreen.cli.hotline import problems
from merchantscreen.cli.hotline.files import alone_in, create, read_events, read_signing_key, replace
from merchantscreen.cli.hotline.stream import Continued, StreamState, continued, read_state
from merchantscreen.cli.terminal import Json, output, show_json, show_lines
from merchantscreen.errors import FileAccessError, InputError
from merchantscreen.outputs.text import counted, safe_text
from merchantscreen.referrals import envelope
from merchantscreen.referrals.envelope import STATEMENT_TYPE
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.exchange_problems import PROBLEMS
from merchantscreen.referrals.keys import SigningKey
from merchantscreen.referrals.statements import read_statement
from merchantscreen.referrals.trustchain import CLOCK_TOLERANCE

_ENDING: Final = ".dsse.jsonl"
"""Ending under which `referrals import` takes signed statements."""

_Events = Annotated[Path, typer.Argument(metavar="EVENTS", help="Events in order: JSON lines, or CSV.")]
_Key = Annotated[Path, typer.Option("--key", metavar="FILE", help="Private key of the hotline, from hotline keygen.")]
_Second = Annotated[
    list[Path],
    typer.Option("--second-key", metavar="FILE", help="Private key that signs as well; may be repeated."),
]
_Audience = Annotated[str, typer.Option("--audience", metavar="ID", help="Network the statements are for.")]
_State = Annotated[
    Path | None,
    typer.Option(
        "--state", metavar="FILE",
        help="Where the stream is kept; beside the key, with the ending .stream.json, when absent. After a change of "
        "keys name the old one.",
    ),
]  # fmt: skip
_Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help=f"New file for the statements, NAME{_ENDING}; printed when absent."),
]


@dataclass(frozen=True, slots=True)
class _Done:
    before: StreamState
    made: Continued
    lines: tuple[bytes, ...]
    state_file: Path
    out: Path | None


def sign(
    events: _Events,
    *,
    key: _Key,
    audience: _Audience,
    second_keys: _Second = [],  # noqa: B006 - typer's form of an option without a value
    state: _State = None,
    out: _Out = None,
    as_json: Json = False,
) -> None:
    """Sign events, each as a statement with the next number of your stream, one envelope per line.

    The stream is kept in a state file; keep it as safe as the key, though it holds no secret. Events that are in the
    stream already are passed over, so a file that grows can be signed again and again. After an interruption sign
    the same events again: they get the same numbers.
    """
    keys = [read_signing_key(path) for path in (key, *second_keys)]
    stated = read_events(events)
    _require_signable(stated, events.name)
    state_file = state if state is not None else key.with_name(f"{key.name}.stream.json")
    with alone_in(state_file.parent):
        before = _before(state_file, stated[0].reporting_hotline_id, audience)
        made = continued(before, stated, events.name)
        done = _Done(before, made, tuple(_signed(payload, keys) for payload in made.payloads), state_file, out)
        _hand_out(done, as_json=as_json)
    if not as_json:
        (show_lines if out is not None else _aside)(list(_told(done)))


def _require_signable(events: Sequence[ReferralEvent], where: str) -> None:
    """Refuse what the network would refuse anyhow, before it has a number in the stream."""
    if len({event.reporting_hotline_id for event in events}) > 1:
        raise InputError("Several hotlines.", (problems.SEVERAL_HOTLINES.at(where),))
    latest = options.now() + CLOCK_TOLERANCE
    early = [place for place, event in enumerate(events, start=1) if event.issued_at > latest]
    if early:
        found = tuple(PROBLEMS["MS-EXC-065"].at(f"{where} (event {place})", column="issued_at") for place in early)
        raise InputError("Events from the future.", found)


def _before(path: Path, issuer: str, audience: str) -> StreamState:
    state = read_state(path)
    if state is None:
        return StreamState(issuer, audience)
    if (state.issuer, state.audience) != (issuer, audience):
        raise InputError("The state of another stream.", (problems.STATE_DIFFERS.at(path.name),))
    return state


def _signed(payload: bytes, keys: Sequence[SigningKey]) -> bytes:
    """Sign a statement and read it back as its receiver will."""
    data = envelope.sign(payload, STATEMENT_TYPE, keys)
    verified = envelope.verify(data, STATEMENT_TYPE, [key.verify_key for key in keys])
    if read_statement(verified).payload != payload or len(verified.key_ids) != len(keys):
        raise AssertionError("a signed statement that reads differently")
    return data


def _hand_out(done: _Done, *, as_json: bool) -> None:
    """Write the statements, then the state; without new statements neither."""
    if done.lines and done.out is not None:
        create(done.out, (line + b"\n" for line in done.lines))
    elif not as_json:
        for line in done.lines:
            output().print(safe_text(line.decode(), limit=len(line)), soft_wrap=True)
    if as_json:
        show_json(_facts(done))
    if done.lines:
        output().file.flush()
        _keep(done)


def _keep(done: _Done) -> None:
    try:
        replace(done.state_file, done.made.state.payload())
    except FileAccessError as error:
        if done.out is not None:
            done.out.unlink()
        raise FileAccessError("No state.", (problems.STATE_UNWRITTEN.at(done.state_file.name),)) from error


def _facts(done: _Done) -> dict[str, Any]:
    return {
        "issuer": done.before.issuer,
        "audience": done.before.audience,
        "signed": len(done.lines),
        "first_seq": done.before.seq + 1 if done.lines else None,
        "last_seq": done.made.state.seq,
        "last_sha256": done.made.state.prev,
        "skipped_events": list(done.made.skipped),
        "file": str(done.out) if done.out is not None and done.lines else None,
        "state_file": str(done.state_file),
        "envelopes": [line.decode() for line in done.lines] if done.out is None else None,
    }


def _told(done: _Done) -> Iterator[str]:
    after, skipped = done.made.state, done.made.skipped
    if done.lines:
        span = f"{done.before.seq + 1} to {after.seq}" if len(done.lines) > 1 else f"{after.seq}"
        where = f" in {done.out}" if done.out is not None else ""
        yield f"Signed {counted(len(done.lines), 'statement')}, number {span} of {after.issuer}{where}."
    else:
        yield f"Nothing to sign: the stream of {after.issuer} stays at number {after.seq}."
    if skipped:
        shown = ", ".join(map(str, skipped[:10])) + (" and more" if len(skipped) > 10 else "")
        yield f"Passed over {counted(len(skipped), 'event')} that the stream has already: line {shown} of the events."
    if done.lines and done.out is not None and not done.out.name.endswith(_ENDING):
        yield f"Give the file a name that ends in {_ENDING} before you send it: by that networks know what it is."
    if done.lines and done.before.seq == 0:
        yield f"This begins a stream; it is kept in {done.state_file}. After a change of keys name that file: --state."


def _aside(lines: Sequence[str]) -> None:
    """Say on standard error what standard output has no place for."""
    for line in lines:
        typer.echo(safe_text(line, limit=4096).plain, err=True)
