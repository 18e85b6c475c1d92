"""What a number of `referrals` stands for at a moment, for the verbs that show it.

Rules kept here:
* every number that was given out is shown, also where nothing of it counts;
* host names, and what could name a merchant, are left out unless a look-up with its purpose was recorded before;
* what several hotlines say about one site stands side by side; nothing is decided between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import BaseModel

from merchantscreen.domains import defang
from merchantscreen.referrals.events import ReferralEvent
from merchantscreen.referrals.history import History, Key, Received, Waiting, register_of
from merchantscreen.referrals.register import Referral
from merchantscreen.referrals.trust import counted_name
from merchantscreen.referrals.wire import written
from merchantscreen.vocabulary import Assurance, MatchScope
from merchantscreen.workspace.session import Workspace

K = TypeVar("K")
V = TypeVar("V")

WAITING: Final = "waiting"
LATER: Final = "later"
REMOVED: Final = "removed"
ONLY_HERE: Final[Mapping[str, str]] = {
    WAITING: "nothing of it counts yet: it waits",
    LATER: "it was stated for a later moment",
    REMOVED: "its statements lost their signatures when a key was revoked",
}
"""States of a number of which the register knows nothing, with their meaning."""
_NAMING: Final = frozenset({"domain", "moved_to_domain", "domain_links", "payment_clues", "hotline_reference"})

ShowDomains = Annotated[
    bool,
    typer.Option("--show-domains", help="Show host names, defanged. Recorded as a look-up first; needs --purpose."),
]
Purpose = Annotated[str | None, typer.Option("--purpose", metavar="TEXT", help="Why you look; it is recorded.")]


def look_up(place: Workspace, purpose: str | None, kind: str, subject: str) -> None:
    """Record that host names are about to be shown; UsageError without a purpose."""
    place.lookup(purpose or "", kind, subject)


@dataclass(frozen=True)
class View:
    """The referrals of a log at a moment; `as_of` is UTC without zone."""

    history: History
    as_of: datetime

    @cached_property
    def referrals(self) -> dict[Key, Referral]:
        """Return the register by referral."""
        return {(one.hotline, one.referral_id): one for one in register_of(self.history, self.as_of).referrals}

    @cached_property
    def statements(self) -> dict[Key, list[Received]]:
        """Return what counts of each referral, in the order of the log."""
        return _grouped((_key(one.event), one) for one in self.history.received)

    @cached_property
    def waiting(self) -> dict[Key, list[Waiting]]:
        """Return what waits of each referral, in the order of the log."""
        return _grouped((_key(one.received.event), one) for one in self.history.waiting)

    @cached_property
    def sites(self) -> dict[Key, frozenset[str]]:
        """Return the names each referral has stood for, also before it was taken back, and while it waits."""
        keys = dict.fromkeys((*self.statements, *self.waiting))
        return {key: frozenset(_names(one.event for one in self._everything(key))) for key in keys}

    def _everything(self, key: Key) -> list[Received]:
        return [*self.statements.get(key, []), *(one.received for one in self.waiting.get(key, []))]

    @cached_property
    def _by_site(self) -> dict[str, list[Key]]:
        return _grouped((name, key) for key, names in self.sites.items() for name in sorted(names))

    @cached_property
    def _hotlines_by_site(self) -> dict[str, set[str]]:
        return {name: {hotline for hotline, _ in keys} for name, keys in self._by_site.items()}

    def other_hotlines(self, key: Key) -> int:
        """Count the other hotlines that have referred a site of this referral."""
        names = self.sites.get(key, frozenset())
        return len({hotline for name in names for hotline in self._hotlines_by_site[name]} - {key[0]})

    def others_on_site(self, key: Key) -> list[Key]:
        """Return the referrals of other hotlines about a site of this one, sorted."""
        found = {other for name in self.sites.get(key, frozenset()) for other in self._by_site[name]}
        return sorted(other for other in found if other[0] != key[0])

    def state(self, key: Key) -> str:
        """Return the state of a referral, or why the register does not know it."""
        if key in self.referrals:
            return self.referrals[key].state.value
        if key in self.waiting:
            return WAITING
        return LATER if key in self.statements else REMOVED

    def assurance(self, key: Key) -> str:
        """Return how well the origin of a referral is proven; of one that waits, as it is so far."""
        if key in self.referrals:
            return self.referrals[key].assurance.value
        found = self._everything(key)
        order = list(Assurance)
        return max((one.assurance for one in found), key=order.index, default=Assurance.UNSIGNED).value

    def heard_at(self, key: Key) -> datetime | None:
        """Return when something of a referral was last taken in."""
        found = self._everything(key)
        return max((one.received_at for one in found), default=None)

    def domain(self, key: Key) -> str | None:
        """Return the host a referral is, or was last, about; defanged."""
        hosts = [one.event.domain for one in self._everything(key) if one.event.domain is not None]
        return defang(hosts[-1]) if hosts else None


def about(history: History, key: Key) -> History:
    """Return what there is of one referral and of all others on a site of it: enough for its view, and much less."""
    everything = [*history.received, *(one.received for one in history.waiting)]
    mine = set(_names(one.event for one in everything if _key(one.event) == key))
    near = {_key(one.event) for one in everything if _is_near(one.event.domain, mine)} | {key}
    return replace(
        history,
        received=tuple(one for one in history.received if _key(one.event) in near),
        waiting=tuple(one for one in history.waiting if _key(one.received.event) in near),
    )


def _is_near(host: str | None, names: AbstractSet[str]) -> bool:
    """Tell whether a host is one of some names or below one; only then can it count under one of them."""
    if host is None:
        return False
    labels = host.split(".")
    return any(".".join(labels[start:]) in names for start in range(len(labels)))


def plain_facts(referral: Referral | None, *, with_names: bool) -> dict[str, Any]:
    """State the facts of a referral for a program; without names, what could name a site or merchant is left out."""
    stated = {} if referral is None else dict(referral.facts)
    kept = {name: value for name, value in stated.items() if with_names or name not in _NAMING}
    return {name: _plain(name, value) for name, value in sorted(kept.items())}


def moment_text(moment: datetime | None) -> str | None:
    """Write a moment with a Z; None stays None."""
    return None if moment is None else written(moment)


def _plain(name: str, value: Any) -> Any:
    match value:
        case datetime():
            return written(value)
        case BaseModel():
            dumped = value.model_dump(mode="json", exclude_none=True)
            return {inner: _plain(inner, one) for inner, one in dumped.items()}
        case tuple() | list():
            return [_plain(name, one) for one in value]
        case str() if name in {"domain", "moved_to_domain"}:
            return defang(str(value))
        case str():
            return str(value)
        case _:
            return value


def _names(events: Iterable[ReferralEvent]) -> Iterable[str]:
    """Return host and counted name of everything a referral was said to be about."""
    scope = MatchScope.HOST
    for event in events:
        scope = event.match_scope or scope
        if event.domain is not None:
            yield event.domain
            yield counted_name(event.domain, scope)


def _key(event: ReferralEvent) -> Key:
    return event.reporting_hotline_id, event.referral_id or ""


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
