"""The page of an investigation file: one self-contained document that prints to PDF as it stands.

Rules kept here:
* drawings, tables and style are those of the report, so that both look and read alike;
* nothing is folded away: what is not on the screen would not be on the paper;
* no script at all, nothing to load, style admitted by its hash; foreign text stands between tags only.

Source: rows 8, 9 and 17 of the threat model; DESIGN 6.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import polars as pl
from jinja2 import Environment
from markupsafe import Markup

from merchantscreen.identifiers import KINDS
from merchantscreen.outputs.casefile.activity import KNOWN, NOT_KNOWN, NOT_MEASURED
from merchantscreen.outputs.casefile.contents import NOT_HELD, Contents, absent_columns
from merchantscreen.outputs.parts import Bundle
from merchantscreen.outputs.report.cases import Case, Surroundings, case_of
from merchantscreen.outputs.report.figures import UNKNOWN, Row, Table, day, kind_title, listed, measured, nano, shown
from merchantscreen.outputs.report.glossary import Glossary, glossary_of
from merchantscreen.outputs.report.index import index_of
from merchantscreen.outputs.report.summary import moment_of
from merchantscreen.outputs.templates import admitted, asset, engine
from merchantscreen.outputs.text import counted
from merchantscreen.vocabulary import EvidenceFamily, RuleOutcome, RuleStatus

_OURS: Final = "merchantscreen.outputs.casefile.assets"
_REPORTS: Final = "merchantscreen.outputs.report.assets"
_TEMPLATES: Final = {"casefile.html.j2": _OURS, "drawings.html.j2": _REPORTS}
_STYLES: Final = ((_REPORTS, "style.css"), (_OURS, "casefile.css"))
_SECTION: Final = 1
"""The page has one case, so its parts carry this number."""


def page_of(bundle: Bundle, account: Row, contents: Contents, head: Mapping[str, Any]) -> str:
    """Write the page.

    Args:
        bundle: The run.
        account: The account's row of the ranking.
        contents: Its rows.
        head: What the manifest of the file states before its digests.

    Raises:
        IntegrityError: The account's points do not add up.
    """
    glossary = glossary_of(bundle)
    values = {
        "c": _drawn(bundle, account, glossary),
        "innocent": tuple(_innocent(contents, glossary)),
        "head": head,
        "manifest": bundle.manifest,
        "record": tuple((name, value) for name, value in contents.record if name not in NOT_HELD),
        "vector": _vector(contents),
        "linked": _linked(contents.linked),
        "items": _items(contents.evidence, account["points_nano"]),
        "activity": _activity(contents.activity),
        "unknown": tuple(_unknown(contents.activity)),
        "links": _links(contents.links),
        "domains": _domains(contents.domains),
        "hits": _hits(contents.rules),
        "other_rules": tuple(_other_rules(contents.rules)),
        "decisions": _decisions(contents.decisions),
    }
    return _engine().get_template("casefile.html.j2").render(values | dict(_admitted()))


def _drawn(bundle: Bundle, account: Row, glossary: Glossary) -> Case:
    """Put the case together as the report does."""
    around = Surroundings(
        index=index_of(bundle, [account["account_id"]]),
        glossary=glossary,
        absent=absent_columns(bundle),
        as_of=moment_of(bundle.manifest.as_of),
    )
    return case_of(_SECTION, account, around)


def _innocent(contents: Contents, glossary: Glossary) -> Iterator[tuple[str, str]]:
    """List what to rule out first: the explanation of each kind of tie, and those of each rule that counts."""
    kinds = {*contents.evidence["kind"], *contents.links["kind"]}
    yield from ((kind.title, kind.innocent) for kind in KINDS if kind.name in kinds)
    entries = {entry.key: entry.lines for entry in glossary.rule_entries}
    counting = contents.evidence.filter(pl.col("family") == EvidenceFamily.TYPOLOGY)["counterpart"]
    for rule in counting:
        yield from ((shown(rule), line) for line in entries[glossary.rules[rule]])


# --------------------------------------------------------------------------- tables


def _table(columns: Sequence[str], rows: Iterator[tuple[str, ...]], *figures: int) -> Table:
    return Table(tuple(columns), tuple(rows), frozenset(figures))


def _vector(contents: Contents) -> Table:
    rows = ((one.title, f"{one.letter} ({one.word})", one.basis) for one in contents.vector)
    return _table(("Field", "Match", "On what"), rows)


def _linked(linked: pl.DataFrame) -> Table:
    rows = (
        (shown(row["account_id"]), row["attribute"], shown(row["value"]), measured(row["other_holder_count"]),
         nano(row["contribution_nano"]))
        for row in linked.iter_rows(named=True)
    )  # fmt: skip
    return _table(("Account", "By what", "Token or value", "Other holders", "Risk passed on"), rows, 3, 4)


def _items(evidence: pl.DataFrame, points_nano: int) -> Table:
    """List the items of the final round, and under them what their shares add up to."""
    rows = [
        (kind_title(row["kind"]), _with(row), nano(row["strength_nano"]), nano(row["points_nano"]),
         nano(row["share_nano"]), _seen_between(row))
        for row in evidence.iter_rows(named=True)
    ]  # fmt: skip
    columns = ("Kind", "With", "Strength s", "Points e", "Share", "Seen")
    return _table(columns, iter([*rows, ("E, all shares", "", "", "", nano(points_nano), "")]), 2, 3, 4)


def _with(row: Row) -> str:
    seen = "" if row["seen_as"] in {None, row["counterpart"]} else f", seen as {shown(row['seen_as'])}"
    match = "" if row["match"] is None else f" ({row['match']} match{seen})"
    holders = "" if row["others_count"] is None else f" (held by {row['others_count']:,} others)"
    return f"{shown(row['counterpart'])}{match}{holders}"


def _seen_between(row: Row) -> str:
    if row["first_at"] is None:
        return "–"
    payments = "" if row["transaction_count"] is None else f", {counted(row['transaction_count'], 'transaction')}"
    return f"{day(row['first_at'])} to {day(row['last_at'])}{payments}"


def _activity(activity: pl.DataFrame) -> Table:
    known = activity.filter(pl.col("standing") == KNOWN)
    rows = ((row["fact"], _valued(row["value"], row["unit"]), row["meaning"]) for row in known.iter_rows(named=True))
    return _table(("Fact", "Value", "Meaning"), rows, 1)


def _unknown(activity: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Name the facts without a value, once per reason."""
    for reason in (NOT_KNOWN, NOT_MEASURED):
        names = activity.filter(pl.col("standing") == reason)["fact"]
        if not names.is_empty():
            yield reason, ", ".join(names)


def _valued(value: float, unit: str) -> str:
    return f"{measured(int(value) if value.is_integer() else value)} {unit}"


def _hits(rules: pl.DataFrame) -> Table:
    """Tell the rules that hit, those that an exception sets aside and drafts included, with what they saw."""
    hits = rules.filter(pl.col("outcome") == RuleOutcome.HIT)
    rows = (
        (shown(row["rule_id"]), _standing(row), shown(row["reason"]), _observed(row))
        for row in hits.iter_rows(named=True)
    )
    return _table(("Rule", "Counts", "Seen", "Values"), rows)


def _standing(row: Row) -> str:
    if row["exception_id"] is not None:
        return f"no, set aside by the exception {shown(row['exception_id'])}"
    return "no, on trial" if row["status"] == RuleStatus.DRAFT else f"as {row['role']}, {row['severity']}"


def _observed(row: Row) -> str:
    return ", ".join(f"{shown(name)} {measured(value)}" for name, value in json.loads(row["observed"]).items())


def _other_rules(rules: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Name the rules in use that did not hit, by what came out."""
    in_use = rules.filter(pl.col("status") != RuleStatus.DRAFT)
    said = {RuleOutcome.NOT_EVALUATED: "Not evaluated, which is not clean", RuleOutcome.NO_HIT: "No hit"}
    for outcome, title in said.items():
        names = in_use.filter(pl.col("outcome") == outcome)["rule_id"]
        if not names.is_empty():
            yield f"{title}: {names.len()}", listed(names.to_list())


def _links(links: pl.DataFrame) -> Table:
    rows = (
        (row["kind"].replace("_", " "), shown(row["seen_as"]), shown(row["domain"]), row["match"],
         "in force" if row["in_window"] else "outside the validity, counts for nothing",
         measured(row["transaction_count"]), day(row["first_at"]), day(row["last_at"]))
        for row in links.iter_rows(named=True)
    )  # fmt: skip
    columns = ("Kind", "Seen as", "Flagged domain", "Match", "Referral", "Transactions", "First", "Last")
    return _table(columns, rows, 5)


def _domains(domains: pl.DataFrame) -> Table:
    rows = (
        (shown(row["domain"]), "confirmed" if row["confirmed"] else "linked only", day(row["first_confirmed_at"]),
         _period(row), row["assurance"], listed(row["referral_ids"]), listed(row["hotlines"]))
        for row in domains.iter_rows(named=True)
    )  # fmt: skip
    columns = ("Domain", "Standing", "First confirmed", "Valid", "Origin", "Referrals", "Hotlines")
    return _table(columns, rows)


def _period(row: Row) -> str:
    return (
        f"{day(row['window_from_at'])} – {'still' if row['window_until_at'] is None else day(row['window_until_at'])}"
    )


def _decisions(decisions: pl.DataFrame) -> Table:
    rows = (
        (UNKNOWN if row["decided_at"] is None else f"{row['decided_at']:%Y-%m-%d %H:%M} UTC", shown(row["number"]),
         shown(row["disposition"]).replace("_", " "), shown(row["actor"]),
         "–" if row["confirmed_by"] is None else shown(row["confirmed_by"]), shown(row["run_id"]), shown(row["tier"]))
        for row in decisions.iter_rows(named=True)
        if row["disposition"] is not None
    )  # fmt: skip
    return _table(("When", "Case", "Decided", "By", "Confirmed by", "Run", "Tier then"), rows)


# --------------------------------------------------------------------------- the engine


@cache
def _engine() -> Environment:
    return engine(_TEMPLATES)


@cache
def _admitted() -> Mapping[str, Markup]:
    return admitted("".join(asset(package, name) for package, name in _STYLES))
