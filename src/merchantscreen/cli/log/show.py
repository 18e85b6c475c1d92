"""`merchantscreen log show`: the events, in the order they were recorded.

For people the bodies are shortened, escaped and their host names defanged; `--json` gives them as they are. Personal
values are in neither: a body holds commitments to them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from merchantscreen.cli.terminal import Json, output, show_json
from merchantscreen.cli.workspaces import ActingAs, WorkspaceFolder, opened
from merchantscreen.eventlog.records import Event
from merchantscreen.outputs.text import counted, defanged, visible

_LONGEST_TEXT: Final = 72
_LONGEST_LIST: Final = 5
_LONGEST_LINE: Final = 1000

_Kinds = Annotated[list[str], typer.Option("--kind", metavar="KIND", help="Only this kind; may be repeated.")]
_First = Annotated[int, typer.Option("--from", min=0, metavar="N", help="First event.")]
_Last = Annotated[int | None, typer.Option("--to", min=0, metavar="N", help="Last event; that of the log when absent.")]


def show(
    *,
    kinds: _Kinds = [],  # noqa: B006 - typer's form of an option without a value
    first: _First = 0,
    last: _Last = None,
    workspace: WorkspaceFolder = None,
    as_name: ActingAs = None,
    as_json: Json = False,
) -> None:
    """List what was recorded: number, time, kind, person and facts.

    Needs the role auditor or lead.
    """
    with opened(workspace, as_name) as place:
        place.allow("log.read")
        stop = None if last is None else last + 1
        events = place.log.events(first, stop, kinds=kinds or None)
        if as_json:
            show_json({"log": place.head.model_dump(mode="json"), "events": [event_facts(event) for event in events]})
            return
        count = 0
        for count, event in enumerate(events, start=1):  # noqa: B007 - counted for the last line
            output().print(Text(event_line(event)), soft_wrap=True)
        output().print(Text(f"{counted(count, 'event')} of {place.head.size:,}"))


def event_facts(event: Event) -> dict[str, Any]:
    """State an event for a program."""
    return {
        "index": event.index,
        "recorded_at": _time(event),
        "kind": event.kind,
        "actor": event.actor,
        "body": event.body,
    }


def event_line(event: Event) -> str:
    """State an event in a line, safe for a terminal."""
    body = json.dumps(_shortened(event.body), ensure_ascii=False, sort_keys=True)
    shown = defanged(visible(body, _LONGEST_LINE))
    return f"{event.index:>6}  {_time(event)}  {event.kind}  {visible(event.actor)}  {shown}"


def _time(event: Event) -> str:
    return f"{event.recorded_at.isoformat()}Z"


def _shortened(value: Any) -> Any:
    """Cut long texts and lists and hide the form of commitments, so that one event stays about one line."""
    match value:
        case str():
            return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}… ({len(value):,} characters)"
        case {"commitment": str()}:
            return "(personal, not in the log)"
        case dict():
            return {name: _shortened(inner) for name, inner in value.items()}
        case list():
            return list(_shortened_list(value))
        case _:
            return value


def _shortened_list(values: list[Any]) -> Iterator[Any]:
    yield from map(_shortened, values[:_LONGEST_LIST])
    if len(values) > _LONGEST_LIST:
        yield f"… and {len(values) - _LONGEST_LIST:,} more"
