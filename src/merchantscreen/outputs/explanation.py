"""The ledger of one account as arithmetic that a person can follow with a calculator.

Rules kept here:
* every figure comes from the bundle; nothing is computed but what is shown to add up;
* each item shows its formula with its numbers put in, then the result that is stored;
* what speaks against a link, the innocent explanations and what could not be
  evaluated stand beside the evidence, never in a footnote;
* the parts must add up to the account's points, or there is no explanation.

Source: formula EVID-2, docs/method.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Final

import polars as pl
from rich.text import Text

from merchantscreen.errors import IntegrityError
from merchantscreen.identifiers import BY_NAME
from merchantscreen.outputs.console import COUNTER_EVIDENCE, DISCLAIMER
from merchantscreen.outputs.manifest import written_row
from merchantscreen.outputs.problems import PROBLEMS
from merchantscreen.outputs.text import counted, defanged, visible
from merchantscreen.records import EvidencePath, Step
from merchantscreen.vocabulary import CounterEvidence, EvidenceFamily, HostMatch, RuleOutcome

_SHOWN_TERMS: Final = 8
"""Contributions listed per identifier; all are in contributions.jsonl."""
_DOMAIN_STEPS: Final = 3
"""How far back the risk of a domain is followed."""
_OUTCOMES: Final[Mapping[str, str]] = {
    RuleOutcome.HIT: "hit",
    RuleOutcome.NO_HIT: "no hit",
    RuleOutcome.NOT_EVALUATED: "not evaluated",
}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """All a bundle holds about one account.

    Attributes:
        account: Its row of the ranking.
        items: Its items of the final round, the kind with most points first.
        domain_items: Items of round 0, of all domains.
        terms: Contributions of the final round to the identifiers it shares.
        links: Its rows of the account links, those outside validity included.
        rules: Its rule results.
        drafts: Results of rules in draft, which count nothing.
        paths: Its strongest paths.
        model: Whole-number parameters of the model, from the manifest.
    """

    account: Row
    items: Sequence[Row]
    domain_items: Sequence[Row]
    terms: Sequence[Row]
    links: Sequence[Row]
    rules: Sequence[Row]
    drafts: Sequence[Row]
    paths: Sequence[EvidencePath]
    model: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CaseFrames:
    """The frames of a run from which cases are put together.

    Attributes:
        ledger: tables.Ledger.
        contributions: tables.Contributions.
        links: tables.AccountLinks.
        rules: tables.RuleResults of the rules in use.
        shadow: tables.RuleResults of rules in draft.
    """

    ledger: pl.DataFrame
    contributions: pl.DataFrame
    links: pl.DataFrame
    rules: pl.DataFrame
    shadow: pl.DataFrame


def case_of(account: Row, frames: CaseFrames, paths: Sequence[EvidencePath], model: Mapping[str, int]) -> Case:
    """Pick one account's rows out of the frames of a bundle.

    Args:
        account: Its row of the ranking.
        frames: The frames of the run.
        paths: Its strongest paths.
        model: Whole-number parameters of the model, from the manifest.

    Raises:
        IntegrityError: its kinds do not add up to its points.
    """
    name, last = account["account_id"], model["account_rounds"]
    ledger, contributions, links = frames.ledger, frames.contributions, frames.links
    items = ledger.filter(pl.col("round") == last, pl.col("subject") == name)
    shared = items.filter(pl.col("family") == EvidenceFamily.IDENTIFIER).select("kind", value="counterpart")
    terms = contributions.filter(pl.col("round") == last, pl.col("account_id") != name).join(
        shared, on=["kind", "value"], how="semi"
    )
    case = Case(
        account=account,
        items=items.sort(
            "kind_points_nano",
            "family",
            "kind",
            "points_nano",
            "counterpart",
            descending=[True, False, False, True, False],
        ).to_dicts(),
        domain_items=ledger.filter(pl.col("round") == 0).sort("subject", "kind", "counterpart").to_dicts(),
        terms=terms.sort("contribution_nano", "account_id", descending=[True, False]).to_dicts(),
        links=links.filter(pl.col("account_id") == name).to_dicts(),
        rules=frames.rules.filter(pl.col("account_id") == name).sort("rule_id").to_dicts(),
        drafts=frames.shadow.filter(pl.col("account_id") == name).sort("rule_id").to_dicts(),
        paths=paths,
        model=model,
    )
    if sum(_kind_points(case).values()) != account["points_nano"]:
        raise IntegrityError("points do not add up", (PROBLEMS["MS-RUN-016"].at("ledger.jsonl"),))
    return case


def explanation_values(case: Case) -> dict[str, Any]:
    """Return what an explanation rests on as plain values, rows as in the files of the run, for JSON."""
    rows = {
        "items": case.items,
        "contributions": case.terms,
        "links": case.links,
        "rules": case.rules,
        "drafts": case.drafts,
    }
    kinds = [
        {"family": family, "kind": kind, "points_nano": points} for (family, kind), points in _kind_points(case).items()
    ]
    return {
        "account": written_row(case.account),
        **{name: [written_row(row) for row in some] for name, some in rows.items()},
        "paths": [asdict(path) for path in case.paths],
        "kind_points_nano": kinds,
    }


def explain(case: Case) -> Iterator[Text]:
    """Explain one account, line by line."""
    for title, lines in (
        ("", _head(case)),
        ("Evidence, item by item", _evidence(case)),
        ("Points", _sum(case)),
        ("Strongest paths", _paths(case)),
        ("Rules", _rules(case.rules)),
        ("Rules on trial (drafts; they count nothing)", _rules(case.drafts)),
        ("What speaks against it", _against(case)),
        ("Innocent explanations to rule out first", _innocent(case)),
        ("Could not be evaluated", _unknown(case)),
    ):
        body = list(lines)
        if body and title:
            yield Text()
            yield Text(title, style="bold")
        yield from body


# --------------------------------------------------------------------------- who


def _head(case: Case) -> Iterator[Text]:
    row = case.account
    tie = f", tied with {row['tied_with']}" if row["tied_with"] else ""
    yield Text.assemble(("account   ", "dim"), (_shown(row["account_id"]), "bold"), f"  ({DISCLAIMER})")
    yield _fact("name", row["dba_name"])
    yield _fact("business", " ".join(part for part in (row["mcc"], row["country"]) if part) or None)
    yield _fact("place", f"{row['rank']}{tie}, tier {row['tier']}")
    yield _fact("because", row["tier_reason"])
    yield _fact(
        "score", f"{row['score']:.1f} of 100, {nano(row['points_nano'])} points, {counted(row['hops'], 'step')} away"
    )
    yield _fact("referrals", ", ".join(row["referral_ids"]))
    yield _fact("hotlines", f"{', '.join(row['hotlines'])} ({row['assurance']})")


def _fact(name: str, value: str | None) -> Text:
    return Text.assemble((f"{name:<10}", "dim"), "not known" if value is None else _shown(value))


# --------------------------------------------------------------------------- the items


def _evidence(case: Case) -> Iterator[Text]:
    formulas = {
        EvidenceFamily.LINK: _link,
        EvidenceFamily.IDENTIFIER: _identifier,
        EvidenceFamily.TYPOLOGY: _typology,
    }
    for number, item in enumerate(case.items, start=1):
        yield Text(f"{number:>3}. {_title(item)}")
        for line in formulas[EvidenceFamily(item["family"])](item, case):
            yield Text(f"     {line}")
        yield Text(f"     e = −ln(1 − s) = −ln(1 − {nano(item['strength_nano'])}) = {nano(item['points_nano'])}")
    if not case.items:
        yield Text("  none: linked only outside the validity of the referral, which counts for nothing")


def _title(item: Row) -> str:
    if item["family"] == EvidenceFamily.TYPOLOGY:
        return f"rule {_shown(item['counterpart'])}"
    return f"{_kind_title(item['kind'])}: {_counterpart(item)}"


def _counterpart(item: Row) -> str:
    shown = _shown(item["counterpart"])
    is_site = item["family"] == EvidenceFamily.LINK or item["kind"] == "website"
    return defanged(shown) if is_site else shown


def _link(item: Row, case: Case) -> Iterator[str]:
    yield from _seen(item)
    w, g, f, rho = (nano(item[name]) for name in ("weight_nano", "reliability_nano", "match_factor_nano", "risk_nano"))
    degree = item["linked_count"]
    yield f"s = w·g·f·ρ / √deg = {w}·{g}·{f}·{rho} / √{degree} = {nano(item['strength_nano'])}"
    yield f"    deg: {counted(degree, 'account')} linked to this domain in this way, in all data"
    yield from (f"    {line}" for line in _domain_risk(item, case.domain_items, _DOMAIN_STEPS))
    yield f"    referrals: {', '.join(_shown(name) for name in item['referral_ids'])}"


def _seen(item: Row) -> Iterator[str]:
    if item["seen_as"] is not None:
        match = f", {item['match']} match" if item["match"] else ""
        yield f"seen as {defanged(_shown(item['seen_as']))}{match}"
    if item["transaction_count"]:
        until = f" to {item['last_at']:%Y-%m-%d}" if item["last_at"] else ""
        since = f", {item['first_at']:%Y-%m-%d}{until}" if item["first_at"] else ""
        example = item["example_transaction_id"]
        reference = f", for example {_shown(example)}" if example else ""
        yield f"in {counted(item['transaction_count'], 'transaction')}{since}{reference}"


def _domain_risk(item: Row, domain_items: Sequence[Row], steps: int) -> Iterator[str]:
    """Say where the risk of a domain comes from: a hotline, or the domains it is stated with."""
    domain = defanged(_shown(item["counterpart"]))
    if item["from_confirmed"]:
        yield f"ρ: {domain} is confirmed by a hotline"
        return
    yield f"ρ: {domain} is not confirmed itself; it carries risk from domains that hotlines name with it"
    for other in domain_items:
        if other["subject"] != item["counterpart"] or not steps:
            continue
        formula = "·".join(nano(other[name]) for name in ("weight_nano", "reliability_nano", "risk_nano"))
        site = defanged(_shown(other["counterpart"]))
        strength = f"s = {formula} / √{other['linked_count']} = {nano(other['strength_nano'])}"
        yield f"   {_kind_title(other['kind'])}: {site}, {strength}"
        if not other["from_confirmed"]:
            yield from (f"   {line}" for line in _domain_risk(other, domain_items, steps - 1))


def _identifier(item: Row, case: Case) -> Iterator[str]:
    w, g, k, pi, kappa = (
        nano(item[name])
        for name in ("weight_nano", "reliability_nano", "shared_risk_nano", "base_rate_nano", "kappa_nano")
    )
    n, r = item["others_count"], nano(case.model["residual_nano"])
    yield "u = min(1, max((k − π·n) / (κ + n^¾), r·k / (κ + n)))"
    yield f"  = min(1, max(({k} − {pi}·{n}) / ({kappa} + {n}^¾), {r}·{k} / ({kappa} + {n})))"
    yield f"s = w·g·u = {w}·{g}·u = {nano(item['strength_nano'])}"
    yield f"    n: {counted(n, 'other account')} with it, in all data"
    yield from (f"    {line}" for line in _shares(item, case))
    if item["referral_ids"]:
        yield f"    referrals behind them: {', '.join(_shown(name) for name in item['referral_ids'])}"


def _shares(item: Row, case: Case) -> Iterator[str]:
    """List the contributions that make up k."""
    terms = [term for term in case.terms if (term["kind"], term["value"]) == (item["kind"], item["counterpart"])]
    yield f"k = Σ ρ/d over the accounts that pass risk on = {nano(item['shared_risk_nano'])}"
    indirect, direct = nano(case.model["indirect_carry_nano"]), nano(case.model["direct_carry_nano"])
    yield f"    ρ = max({indirect}·S, {direct}·S_direct) of that account, one round before"
    for term in terms[:_SHOWN_TERMS]:
        ratio = f"{nano(term['risk_nano'])} / {term['breadth_count']}"
        yield f"    {ratio} = {nano(term['contribution_nano'])}  from {_shown(term['account_id'])}"
    rest = terms[_SHOWN_TERMS:]
    if rest:
        together = nano(sum(term["contribution_nano"] for term in rest))
        yield f"    and {len(rest):,} more, together {together}, in contributions.jsonl"


def _typology(item: Row, _: Case) -> Iterator[str]:
    yield f"s = strength of a hit of this severity = {nano(item['strength_nano'])}"


# --------------------------------------------------------------------------- the sum


def _kind_points(case: Case) -> dict[tuple[str, str], int]:
    return {(item["family"], item["kind"]): item["kind_points_nano"] for item in case.items}


def _sum(case: Case) -> Iterator[Text]:
    """Combine the items of each kind, then add the kinds up to E and the score."""
    for (family, kind), group in groupby(case.items, key=lambda item: (item["family"], item["kind"])):
        yield Text(f"  {_kind_title(kind)}: E = {_combined(family, list(group), case.model)}")
    row = case.account
    parts = " + ".join(nano(points) for points in _kind_points(case).values()) or "0"
    yield Text(f"  total: E = {parts} = {nano(row['points_nano'])}")
    yield Text(f"  score: 100·(1 − exp(−E)) = {row['score']:.1f}")


def _combined(family: str, items: Sequence[Row], model: Mapping[str, int]) -> str:
    points = " + ".join(f"{nano(item['points_nano'])}^{_exponent(family)}" for item in items)
    cap = nano(model["typology_cap_nano" if family == EvidenceFamily.TYPOLOGY else "kind_cap_nano"])
    root = "^(2/3)" if family == EvidenceFamily.LINK else "^½"
    result = nano(items[0]["kind_points_nano"])
    if len(items) == 1:
        return f"min({cap}, {nano(items[0]['points_nano'])}) = {result}"
    return f"min({cap}, ({points}){root}) = {result}"


def _exponent(family: str) -> str:
    return "1.5" if family == EvidenceFamily.LINK else "2"


# --------------------------------------------------------------------------- paths, rules, doubts


def _paths(case: Case) -> Iterator[Text]:
    for path in case.paths:
        ways = " → ".join(_step(step) for step in path.steps)
        yield Text(f"  {ways}  (strength {path.strength:.3f})")


def _step(step: Step) -> str:
    value = defanged(_shown(step.value)) if step.what == "domain" else _shown(step.value)
    return value if step.what in {"domain", "account", "link"} else f"{step.what} {value}"


def _rules(results: Sequence[Row]) -> Iterator[Text]:
    order = list(_OUTCOMES)
    for row in sorted(results, key=lambda row: (order.index(row["outcome"]), row["rule_id"])):
        said = f": {_shown(row['reason'])}" if row["reason"] else ""
        yield Text(f"  {_OUTCOMES[row['outcome']]:<14}{_shown(row['rule_id'])} {_shown(row['rule_version'])}{said}")
        if row["exception_id"] is not None:
            aside = f"set aside by the exception {_shown(row['exception_id'])}: counts nothing"
            yield Text(f"{'':16}{aside}", style="bold")
        observed = _observed(row["observed"])
        if observed:
            yield Text(f"{'':16}observed {observed}", style="dim")


def _observed(text: str) -> str:
    """Write the observed values of a rule, which the bundle holds as JSON in full length."""
    return ", ".join(f"{_shown(name)} = {_value(value)}" for name, value in json.loads(text).items())


def _value(value: object) -> str:
    match value:
        case None:
            return "not known"
        case float():
            return f"{value:.6g}"
        case _:
            return _shown(str(value))


def _against(case: Case) -> Iterator[Text]:
    for note in case.account["counter_evidence"]:
        yield Text(f"  · {COUNTER_EVIDENCE.get(CounterEvidence(note), note)}")
    for link in case.links:
        if not link["in_window"]:
            when = (
                f" ({link['first_at']:%Y-%m-%d} to {link['last_at']:%Y-%m-%d})"
                if link["first_at"] and link["last_at"]
                else ""
            )
            site = defanged(_shown(link["domain"]))
            yield Text(
                f"  · {_kind_title(link['kind'])} {site}{when}: outside the validity of the referral, worth nothing"
            )
        elif link["match"] != HostMatch.EXACT:
            seen = defanged(_shown(link["seen_as"]))
            yield Text(f"  · {seen} is only a {link['match']} match for {defanged(_shown(link['domain']))}")


def _innocent(case: Case) -> Iterator[Text]:
    kinds = {item["kind"] for item in case.items} | {link["kind"] for link in case.links}
    for kind in BY_NAME.values():
        if kind.name in kinds:
            yield Text(f"  · {kind.title}: {kind.innocent}")


def _unknown(case: Case) -> Iterator[Text]:
    """List rules without data; their silence is not a clean result."""
    for row in case.rules:
        if row["outcome"] == RuleOutcome.NOT_EVALUATED:
            missing = ", ".join(_shown(name) for name in row["missing"]) or "its data"
            yield Text(f"  · {_shown(row['rule_id'])}: {missing} not known; that is not a clean result")


# --------------------------------------------------------------------------- figures and names


@lru_cache(maxsize=1 << 14)
def nano(amount: int) -> str:
    """Write nano-units as a decimal number, exactly and without empty digits."""
    sign, size = ("−" if amount < 0 else ""), abs(amount)
    fraction = f"{size % 1_000_000_000:09d}".rstrip("0")
    return f"{sign}{size // 1_000_000_000}{'.' if fraction else ''}{fraction}"


def _kind_title(kind: str) -> str:
    return BY_NAME[kind].title if kind in BY_NAME else "rule hits" if kind == EvidenceFamily.TYPOLOGY else kind


def _shown(text: str) -> str:
    return visible(text)
