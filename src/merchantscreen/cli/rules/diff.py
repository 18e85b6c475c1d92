"""`merchantscreen rules diff OLD NEW`: what differs between two policies, in meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Annotated, Any, Final

import typer

from merchantscreen.cli.rules.revisions import Side, read_sides
from merchantscreen.cli.terminal import show_json, show_lines
from merchantscreen.errors import EXIT_FAIL_ON
from merchantscreen.outputs.text import counted
from merchantscreen.policy.differences import Difference, DifferenceKind, differences

PLACES: Final = "A folder, a run's folder, built-in, or a git revision such as v1.0:rules."
_HEADINGS: Final = (
    ("Rules", DifferenceKind.RULE_DRAFTED),
    ("Ways into a tier", DifferenceKind.TIER_MOVED),
    ("Conditions and thresholds", DifferenceKind.THRESHOLD_MOVED),
    ("What a rule is and says", DifferenceKind.TYPOLOGY_CHANGED),
    ("Weights and measures", DifferenceKind.MEASURE_CHANGED),
    ("Lists", DifferenceKind.FREE_MAIL_REMOVED),
    ("Exceptions", DifferenceKind.EXCEPTION_CHANGED),
    ("Texts, dates and people", DifferenceKind.VERSION_ONLY),
    ("Layout only", DifferenceKind.LAYOUT_ONLY),
)
"""Headings of the groups, each with the last kind in it; kinds stand in the order of the enumeration."""


def diff(
    old: Annotated[str, typer.Argument(help=PLACES)],
    new: Annotated[str, typer.Argument(help=PLACES)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with exit code 1 if the policies differ in meaning.")
    ] = False,
) -> None:
    """Say what differs between two policies, by what they mean.

    Comments and layout are no difference. A git revision is read from the repository around the folder
    on the other side, or around the current one; nothing is fetched.
    """
    before, after = read_sides(old, new)
    found = differences(before.policy, after.policy)
    if as_json:
        show_json(summary(before, after, found))
    else:
        show_lines(told(before.name, after.name, found))
    if exit_code and any(one.in_meaning for one in found):
        raise typer.Exit(EXIT_FAIL_ON)


def summary(before: Side, after: Side, found: Sequence[Difference]) -> dict[str, Any]:
    """State the differences for a program."""
    return {
        "old": {"name": before.name, "digest": before.policy.digest},
        "new": {"name": after.name, "digest": after.policy.digest},
        "differs_in_meaning": any(one.in_meaning for one in found),
        "differs_in_results": any(one.in_results for one in found),
        "differences": [as_values(one) for one in found],
    }


def as_values(difference: Difference) -> dict[str, Any]:
    """Write a difference as JSON values."""
    return {
        "kind": difference.kind.value,
        "subject": difference.subject,
        "field": difference.field,
        "old": difference.old,
        "new": difference.new,
        "sentence": difference.sentence,
        "in_results": difference.in_results,
    }


def told(old: str, new: str, found: Sequence[Difference]) -> Iterator[str]:
    """Tell the differences in groups, what shapes results first."""
    yield f"From {old} to {new}:"
    if not any(one.in_meaning for one in found):
        yield "no difference in meaning"
    elif not any(one.in_results for one in found):
        yield "no difference in what shapes results"
    else:
        shaping = sum(one.in_results for one in found)
        yield f"{counted(shaping, 'difference')} in what shapes results, {len(found) - shaping} in anything else"
    for heading, group in groupby(found, key=_heading):
        yield ""
        yield heading
        yield from _lines(group)


def _lines(group: Iterable[Difference]) -> Iterator[str]:
    for one in group:
        yield f"  {one.subject}: {one.sentence}"


def _heading(difference: Difference) -> str:
    order = list(DifferenceKind)
    place = order.index(difference.kind)
    return next(heading for heading, last in _HEADINGS if place <= order.index(last))
