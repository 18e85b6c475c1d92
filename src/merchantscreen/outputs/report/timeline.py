"""When things were: the account's life, the validity of referrals, and the activity that links the two.

Rules kept here: every bar has its days written beside it; what has no date is said, not drawn;
activity outside a validity looks different without colour; a bar that goes on ends at the run's moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from merchantscreen.outputs.report.figures import Row, day, fitting, kind_title, shown

_LEFT: Final = 330
_SPAN: Final = 640
_ROW: Final = 30
_TOP: Final = 24
_MOST: Final = 16
_MOST_TICKS: Final = 6
_PLACES: Final = 48
_AGE: Final = "account_age_days"


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the drawing: what, from and until, where on the sheet, and how it looks."""

    label: str
    days: str
    look: str
    y: int
    x: int
    length: int
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """A month on the axis."""

    x: int
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes, the axis, and what could not be drawn, in words."""

    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    now: int
    undrawn: tuple[str, ...]

    @property
    def bars(self) -> list[tuple[str, str]]:
        """Return all bars, one path for each look."""
        joined: dict[str, str] = {}
        for lane in self.lanes:
            joined[lane.look] = joined.get(lane.look, "") + f"M{lane.x} {lane.y + 4}h{lane.length}v14h-{lane.length}z"
        return sorted(joined.items())

    @property
    def marks(self) -> str:
        """Return the diamonds of first confirmations as one path."""
        return "".join(f"M{lane.mark} {lane.y}l6 11l-6 11l-6-11z" for lane in self.lanes if lane.mark is not None)

    @property
    def months(self) -> str:
        """Return the lines of the axis as one path."""
        return "".join(f"M{tick.x} 18V{self.height}" for tick in self.ticks)

    @property
    def height(self) -> int:
        """Height in drawing units."""
        return _TOP + len(self.lanes) * _ROW + 6


@dataclass(frozen=True, slots=True)
class _Span:
    label: str
    look: str
    first: datetime
    last: datetime
    open_end: bool = False
    mark: datetime | None = None


def build(links: Sequence[Row], observed: Mapping[str, Any], domains: Mapping[str, Row], as_of: datetime) -> Timeline:
    """Put an account's dates on one axis.

    Args:
        links: Its account links, those outside validity included.
        observed: What its rules observed; the opening of the account is read off its age.
        domains: tables.FlaggedDomains by name.
        as_of: Moment of the run.
    """
    age = observed.get(_AGE)
    opened = as_of - timedelta(days=age) if isinstance(age, int) else None
    spans = list(_spans(links, domains, opened, as_of))
    undrawn = list(_undated(links, opened))
    if len(spans) > _MOST:
        undrawn.append(f"{len(spans) - _MOST:,} more periods are in links.jsonl and domains.jsonl")
    spans = spans[:_MOST]
    start = min([span.first for span in spans] + [as_of - timedelta(days=30)])
    scale = _Scale(start, max([span.last for span in spans] + [as_of]))
    lanes = tuple(_lane(span, place, scale) for place, span in enumerate(spans))
    return Timeline(lanes, tuple(_ticks(scale)), scale.at(as_of), tuple(undrawn))


def _spans(
    links: Sequence[Row], domains: Mapping[str, Row], opened: datetime | None, as_of: datetime
) -> Iterator[_Span]:
    if opened is not None:
        yield _Span("account, from its opening", "life", min(opened, as_of), as_of, open_end=True)
    for name in dict.fromkeys(link["domain"] for link in links):
        domain = domains.get(name)
        if domain is not None:
            yield _validity(domain, as_of)
        for link in links:
            if link["domain"] == name and link["first_at"] is not None:
                look = "inside" if link["in_window"] else "outside"
                last = link["last_at"] or link["first_at"]
                yield _Span(f"{kind_title(link['kind'])}: {shown(name)}", look, link["first_at"], last)


def _validity(domain: Row, as_of: datetime) -> _Span:
    first, until = domain["window_from_at"] or as_of, domain["window_until_at"]
    return _Span(
        f"referral valid: {shown(domain['domain'])}", "validity", first, until or max(first, as_of),
        open_end=until is None, mark=domain["first_confirmed_at"],
    )  # fmt: skip


def _undated(links: Sequence[Row], opened: datetime | None) -> Iterator[str]:
    if opened is None:
        yield "the day the account was opened is not known here"
    for link in links:
        if link["first_at"] is None:
            yield f"{kind_title(link['kind'])}: {shown(link['domain'])} has no date"


@dataclass(frozen=True, slots=True)
class _Scale:
    first: datetime
    last: datetime

    def at(self, moment: datetime) -> int:
        """Place a moment on the sheet."""
        whole = max(1.0, (self.last - self.first).total_seconds())
        passed = min(max((moment - self.first).total_seconds(), 0.0), whole)
        return _LEFT + round(_SPAN * passed / whole)


def _lane(span: _Span, place: int, scale: _Scale) -> Lane:
    x, end = scale.at(span.first), scale.at(span.last)
    until = "still" if span.open_end else day(span.last)
    days = day(span.first) if until == day(span.first) else f"{day(span.first)} – {until}"
    confirmed = f", confirmed {day(span.mark)}" if span.mark else ""
    mark = scale.at(span.mark) if span.mark else None
    y = _TOP + place * _ROW
    return Lane(fitting(span.label, _PLACES), days + confirmed, span.look, y, x, max(4, end - x), mark)


def _ticks(scale: _Scale) -> Iterator[Tick]:
    """Mark the first of every month, or of every few, as far as there is room."""
    months = (scale.last.year - scale.first.year) * 12 + scale.last.month - scale.first.month
    step = max(1, -(-months // _MOST_TICKS))
    year, month = scale.first.year, scale.first.month
    for number in range(step, months + 1, step):
        total = year * 12 + month - 1 + number
        moment = datetime(total // 12, total % 12 + 1, 1)
        yield Tick(scale.at(moment), f"{moment:%Y-%m}")
