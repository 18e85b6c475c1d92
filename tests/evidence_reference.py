"""EVID-2 written a second time, in plain Python with decimals: the oracle of the evidence tests.

It shares no code with the package, of which it takes the type of the model only, and prefers
the slow and obvious way: dictionaries, loops, 60 digits. Every stored quantity is rounded
half to even to a whole nano-unit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from fractions import Fraction

from merchantscreen.policy.model import EvidenceModel

getcontext().prec = 60
N = 10**9

LinkRow = tuple[str, str, str, str | None, bool]
"""subject, domain, kind, match, whether the domain is confirmed"""
LinkItems = dict[str, dict[str, list[tuple[int, bool]]]]


@dataclass
class World:
    """A small world of domains and accounts, with its frozen tables."""

    confidence: dict[str, int] = field(default_factory=dict)
    """Flagged domains; 0 for one that is only reached by a domain link."""
    domain_links: list[tuple[str, str, str]] = field(default_factory=list)
    links: list[tuple[str, str, str, str]] = field(default_factory=list)
    """account, domain, kind, match"""
    holdings: list[tuple[str, str, str]] = field(default_factory=list)
    """kind, value, account"""
    degrees: dict[tuple[str, str], int] = field(default_factory=dict)
    breadths: dict[tuple[str, str], int] = field(default_factory=dict)
    link_degrees: dict[tuple[str, str], int] = field(default_factory=dict)

    def freeze(self) -> World:
        """Count the degree tables from the world as it stands."""
        holders = defaultdict(set)
        for kind, value, account in self.holdings:
            holders[kind, value].add(account)
        self.degrees = {key: len(who) for key, who in holders.items()}
        shared = defaultdict(set)
        for kind, value, account in self.holdings:
            if self.degrees[kind, value] >= 2:
                shared[kind, account].add(value)
        self.breadths = {key: len(values) for key, values in shared.items()}
        linked = defaultdict(set)
        for account, domain, kind, _ in self.links:
            linked[domain, kind].add(account)
        self.link_degrees = {key: len(who) for key, who in linked.items()}
        return self


def rounded(value: Decimal | Fraction) -> int:
    """Round half to even to an integer."""
    if isinstance(value, Fraction):
        return round(value)
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def points(strength: int) -> int:
    """e = -ln(1 - s)."""
    return rounded(-(1 - Decimal(strength) / N).ln() * N)


def link_norm(values: list[int]) -> int:
    """(sum e^1.5)^(2/3)."""
    total = sum((Decimal(e) ** Decimal("1.5") for e in values), Decimal(0))
    return rounded(total ** (Decimal(2) / 3)) if total else 0


def square_norm(values: list[int]) -> int:
    """(sum e^2)^0.5."""
    return rounded(Decimal(sum(e * e for e in values)).sqrt())


def score(total: int) -> int:
    """S = 1 - exp(-E)."""
    return rounded((1 - (-Decimal(total) / N).exp()) * N)


def carry(kinds: dict[str, int], confirmed_kinds: dict[str, int], model: EvidenceModel) -> int:
    """rho of one subject from its points per kind and from those of confirmed domains alone."""
    indirect = rounded(Fraction(model.indirect_carry_nano * score(sum(kinds.values())), N))
    direct = rounded(Fraction(model.direct_carry_nano * score(sum(confirmed_kinds.values())), N))
    return max(indirect, direct)


def link_items(
    pairs: list[LinkRow], risk: dict[str, int], degree: dict[tuple[str, str], int], model: EvidenceModel
) -> LinkItems:
    """subject -> kind -> list of (points, whether from a confirmed domain)."""
    found = defaultdict(lambda: defaultdict(list))
    for subject, domain, kind, match, confirmed in pairs:
        if not risk.get(domain):
            continue
        w, f = model.kinds[kind], model.match_factor_nano[match] if match else N
        exact = Decimal(w.weight_nano * w.reliability_nano * f * risk[domain]) / Decimal(N) ** 3
        strength = rounded(exact / Decimal(degree[domain, kind]).sqrt())
        if strength >= max(1, model.floor_nano):
            found[subject][kind].append((points(strength), confirmed))
    return found


def capped(values: list[int], norm: Callable[[list[int]], int], cap: int) -> int:
    """Sum points of one kind and cap them."""
    return min(cap, norm(values))


def kinds_of_links(
    items: dict[str, list[tuple[int, bool]]], model: EvidenceModel, *, confirmed_only: bool = False
) -> dict[str, int]:
    """kind -> points of one subject's link items."""
    result = {}
    for kind, values in items.items():
        chosen = [e for e, confirmed in values if confirmed or not confirmed_only]
        if chosen:
            result[kind] = capped(chosen, link_norm, model.kind_cap_nano)
    return result


def domain_risk(world: World, model: EvidenceModel) -> dict[str, int]:
    """rho of every domain after the domain round."""
    risk = dict(world.confidence)
    if not model.domain_rounds:
        return risk
    pairs = {(a, b, kind) for a, b, kind in world.domain_links if a != b}
    pairs |= {(b, a, kind) for a, b, kind in pairs}
    degree = defaultdict(int)
    for _, other, kind in pairs:
        degree[other, kind] += 1
    rows = [(to, origin, kind, None, world.confidence.get(origin, 0) > 0) for to, origin, kind in sorted(pairs)]
    items = link_items(rows, risk, degree, model)
    for domain, found in items.items():
        rho = carry(kinds_of_links(found, model), kinds_of_links(found, model, confirmed_only=True), model)
        if domain in risk:
            risk[domain] = max(risk[domain], rho)
    return risk


def shared_items(world: World, risk: dict[str, int], model: EvidenceModel) -> dict[str, dict[str, list[int]]]:
    """account -> kind -> list of points, from the others' contributions."""
    contributions = defaultdict(dict)
    for kind, value, account in set(world.holdings):
        if risk.get(account) and 2 <= world.degrees[kind, value] <= model.hub_holder_count:
            a = rounded(Fraction(risk[account], world.breadths[kind, account]))
            if a:
                contributions[kind, value][account] = a
    found = defaultdict(lambda: defaultdict(list))
    for kind, value, account in sorted(set(world.holdings)):
        k = sum(a for who, a in contributions[kind, value].items() if who != account)
        n = world.degrees[kind, value] - 1
        if not k:
            continue
        w = model.kinds[kind]
        excess = Decimal(k - w.base_rate_nano * n) / (w.kappa_nano + N * Decimal(n) ** Decimal("0.75"))
        floor = Decimal(model.residual_nano * k) / N / (w.kappa_nano + N * n)
        u = min(Decimal(1), max(excess, floor))
        strength = rounded(u * w.weight_nano * w.reliability_nano / N)
        if strength >= max(1, model.floor_nano):
            found[account][kind].append(points(strength))
    return found


def evid2(world: World, model: EvidenceModel) -> dict[str, int]:
    """Score every account: account -> E in nano-units."""
    confirmed = {domain for domain, c in world.confidence.items() if c > 0}
    rows = [(a, d, kind, match, d in confirmed) for a, d, kind, match in sorted(set(world.links))]
    direct = link_items(rows, domain_risk(world, model), world.link_degrees, model)
    risk: dict[str, int] = {}
    totals: dict[str, int] = {}
    for _ in range(model.account_rounds):
        shared = shared_items(world, risk, model)
        risk, totals = {}, {}
        for account in set(direct) | set(shared):
            link_kinds = kinds_of_links(direct.get(account, {}), model)
            kinds = dict(link_kinds)
            for kind, values in shared.get(account, {}).items():
                kinds[kind] = capped(values, square_norm, model.kind_cap_nano)
            sure = kinds_of_links(direct.get(account, {}), model, confirmed_only=True)
            risk[account] = carry(kinds, sure, model)
            totals[account] = sum(kinds.values())
    return {account: total for account, total in totals.items() if total}
