"""Write the pages of docs/ that the code already knows, or check that they are up to date.

    python docs/generate.py            writes them
    python docs/generate.py --check    writes nothing; shows the difference and exits 1 if a page is stale

A page is a function without arguments that returns its text; PAGES lists them.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import dataframely as dy
import language_page
import lint_pages
import polars as pl
import settings_page
import typer

from merchantscreen import errors, features, identifiers, tables
from merchantscreen.cli.app import app
from merchantscreen.errors import MerchantScreenError, ProblemKind
from merchantscreen.intake import mapping
from merchantscreen.outputs import rulepages
from merchantscreen.outputs.pagefiles import stale_pages, write_pages
from merchantscreen.policy import jsonschemas
from merchantscreen.policy.loading import load_policy
from merchantscreen.policy.model import NANO
from merchantscreen.referrals import events, reading, register
from merchantscreen.referrals.exchange_problems import SignatureError
from merchantscreen.vocabulary import EvidenceFamily, ReferralEventKind

HERE: Final = Path(__file__).resolve().parent
NOTE: Final = "<!-- Made by `make docs`. Change the code, not this page. -->"
PROBLEM_AREAS: Final[Mapping[str, str]] = {
    "Intake": "intake.problems", "Referrals": "referrals.problems", "Policy": "policy.problems",
    "Backtest": "backtest.problems", "Outputs": "outputs.problems", "Engines": "engines.problems",
    "Signed statements and trust": "referrals.exchange_problems", "Importers": "referrals.importers.problems",
    "Encryption": "outputs.sealing", "Event log": "eventlog.problems", "Workspace": "workspace.problems",
    "Hotline's own commands": "cli.hotline.problems", "Trust commands": "cli.trust.problems",
    "Referral commands": "cli.referrals.problems", "Cases and decisions": "cases.problems",
}  # fmt: skip


# ----------------------------------------------------------------------------------- markdown


def page(title: str, *blocks: str) -> str:
    """Put a page together from its title and its blocks."""
    return "\n\n".join([f"# {title}", NOTE, *(block for block in blocks if block)]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay rows out as a Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows])


def code(value: object) -> str:
    """Mark a value as code."""
    return f"`{value}`"


def prose(docstring: str | None) -> str:
    """Take a docstring's indentation off and leave its paragraphs."""
    return "\n".join(line.strip() for line in (docstring or "").strip().splitlines())


def bullets(docstring: str | None) -> str:
    """Take the listed rules out of a docstring, one line each."""
    listed = prose(docstring).partition("\n* ")[2].partition("\n\n")[0]
    return "\n".join(f"- {' '.join(rule.split())}" for rule in listed.split("\n* "))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


# ----------------------------------------------------------------------- tables and identifiers


def data_dictionary() -> str:
    """Describe every column of every table."""
    found = [item for item in vars(tables).values() if isinstance(item, type) and issubclass(item, dy.Schema)]
    blocks = [_table_block(schema) for schema in found if schema is not dy.Schema]
    return page(
        "Data dictionary",
        prose(tables.__doc__).partition("\n\n")[2],
        "The first two tables are also what `--mapping` leads to, see [the mapping file](#mapping-file). "
        "What a hotline sends is on a page of its own: [referrals.md](referrals.md).",
        *blocks,
        _mapping_block(),
    )


def _mapping_block() -> str:
    """Show the mapping file as its module does."""
    lines = (mapping.__doc__ or "").split("Rules kept here:")[0].strip().splitlines()
    shape = "\n".join(line.removeprefix("    ") for line in lines[1:]).strip("\n")
    shown = f"{lines[0]}\n\n```yaml\n{shape}\n```"
    return f'<a id="mapping-file"></a>\n\n## The mapping file\n\n{shown}\n\n{bullets(mapping.__doc__)}'


def _table_block(schema: type[dy.Schema]) -> str:
    rows = [_column_row(name, column) for name, column in schema.columns().items()]
    return f"## {schema.__name__}\n\n{prose(schema.__doc__)}\n\n" + table(
        ("column", "type", "may be empty", "unit", "meaning", "source"), rows
    )


def _column_row(name: str, column: dy.Column) -> tuple[object, ...]:
    about: Mapping[str, Any] = column.metadata or {}
    key = " (key)" if column.primary_key else ""
    empty = "yes" if column.nullable else "no"
    return (
        code(name) + key,
        _type_name(column.dtype),
        empty,
        about.get("unit"),
        about.get("meaning"),
        about.get("source"),
    )


def _type_name(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"list of {_type_name(pl.String())}"
    names = {"String": "text", "Int64": "integer", "Float64": "number", "Boolean": "yes/no", "Date": "date"}
    return names.get(str(dtype), "time" if isinstance(dtype, pl.Datetime) else str(dtype))


def identifier_page() -> str:
    """Describe everything that can tie an account to a domain or to another account."""
    weights = load_policy(None).evidence.kinds
    heads = ("name", "what it is", "class", "set by", "carried by", "weight", "innocent explanation")
    families = {EvidenceFamily.LINK: "Links to a domain", EvidenceFamily.IDENTIFIER: "Identifiers that accounts share"}
    blocks = [
        f"## {title}\n\n"
        + table(heads, (_kind_row(kind, weights) for kind in identifiers.KINDS if kind.family is family))
        for family, title in families.items()
    ]
    return page("Identifiers", prose(identifiers.__doc__).partition("\n\n")[2], *blocks)


def _kind_row(kind: identifiers.IdentifierKind, weights: Mapping[str, Any]) -> tuple[object, ...]:
    weight = f"{weights[kind.name].weight_nano / NANO:g}" if kind.name in weights else ""
    return code(kind.name), kind.title, kind.specificity, kind.set_by, kind.source, weight, kind.innocent


# --------------------------------------------------------------------------------- referrals


FIELD_MEANINGS: Final[Mapping[str, str]] = {
    "schema_version": "Version of this form; may be left out.",
    "event": "What has happened; see the events above.",
    "reporting_hotline_id": "Who speaks. Only the hotline that made a referral can confirm, change or retract it.",
    "referral_id": "The hotline's own id of the referral; together with the hotline its identity.",
    "hotline_reference": "The hotline's file number, for its own use.",
    "issued_at": "When the statement was made. Events of one referral apply in this order, "
    "whatever the order of lines; later than `--as-of` is set aside.",
    "domain": "The site, as a bare host: no scheme, path, port or credentials. Another domain later on "
    "has to be confirmed again.",
    "match_scope": "How much of the name was assessed: this host alone, or everything under its registrable domain. "
    "On a shared host only the exact host counts, whatever is said here.",
    "domain_dedicated": "Whether the whole domain serves the referred purpose (`yes`), or lawful sites live on it "
    "too (`no`). The strictest tier asks for `yes`; `no` ends all near matches.",
    "site_type": "What kind of site it is.",
    "commerciality": "Whether it sells. `not_determined` means unknown, never non-commercial.",
    "payment_methods": "Payment methods that the site shows.",
    "payment_clues": "What was seen of the payment; `clue_amount_minor` and the others in CSV. See below.",
    "domain_links": "Domains that the site leads to. They are not confirmed by that. See below.",
    "classification": "Outcome of the assessment: illegal by INTERPOL criteria (`baseline`), by national law "
    "(`national`), or neither (`ignore`, which never confirms).",
    "classification_country": "Whose law; needed with `national`.",
    "legal_basis": "Which provision; needed with `national`.",
    "received_at": "When the hotline received the report.",
    "confirmed_at": "When its assessors confirmed it.",
    "observed_at": "When the site was last seen as described.",
    "hosting_country": "Where it is hosted.",
    "assigned_country": "Which country's hotline handles it.",
    "forwarded_to": "Ids of the bodies it was passed to.",
    "status": "State of the site. `removed` and `unavailable` clear nobody; `not_illegal` retracts.",
    "status_at": "When that state was seen.",
    "moved_to_domain": "Where the site went, as a bare host.",
    "le_hold": "Whether law enforcement asks for silence. What rests on it alone then goes to `sealed.jsonl`.",
    "hold_until": "End of the hold; without it the hold stands until it is lifted.",
    "valid_from": "Since when the site is known to be what it is. Activity counts from `lookback_days` before the "
    "earliest of this, `observed_at` and `confirmed_at`.",
    "valid_until": "Until when; later activity does not count, and the referral is then shown as expired.",
    "confidence": "How sure the hotline is, in per cent; 100 where nothing is said.",
    "tlp": "How far the statement may be passed on (TLP 2.0).",
    "reason_code": "Why something was amended, disputed or retracted, as a code of the hotline's own.",
}
"""What each field of a referral event says, and what it does in a screening."""

INNER_MEANINGS: Final[Mapping[str, str]] = {
    "payment_clues[].merchant_id": "Card acceptor or sub-merchant id seen on the site: the strongest clue. "
    "At most 64 ASCII signs.",
    "payment_clues[].descriptor": "Text on the statement.",
    "payment_clues[].amount_minor": "Price in minor units; only together with `currency`.",
    "payment_clues[].currency": "Its currency; only together with `amount_minor`.",
    "payment_clues[].seen_at": "When it was seen; otherwise `observed_at` counts.",
    "domain_links[].kind": "How the two belong together.",
    "domain_links[].domain": "The other domain, as a bare host.",
}
"""The same for what lists hold."""

EFFECTS: Final[Mapping[ReferralEventKind, str]] = {
    ReferralEventKind.SUBMITTED: "Makes the referral known. It waits, and flags no domain.",
    ReferralEventKind.CONFIRMED: "Flags the domain. States every fact anew: what it leaves out is gone. "
    "Earlier moves still hold. Also ends a dispute, and reopens a retracted referral.",
    ReferralEventKind.AMENDED: "Replaces the fields it names and leaves all others. "
    "To take a field away, confirm again without it. "
    "Another `domain` has to be confirmed before it counts.",
    ReferralEventKind.MOVED: "Links the new domain to the referral. The old one stays flagged; the new one carries "
    "risk from it, and is not confirmed itself.",
    ReferralEventKind.SITE_DOWN: "Notes that the site is gone. Clears nobody; shown as counter-evidence `site_down`.",
    ReferralEventKind.DISPUTED: "The domain stays flagged and is shown as disputed, whoever else confirmed it; "
    "it places no account in T1. Only a new confirmation ends this.",
    ReferralEventKind.RETRACTED: "Wipes the referral: for every account the next run is as if it had never come.",
    ReferralEventKind.HEARTBEAT: "A sign of life; changes nothing.",
}
"""What each kind of event does."""

_ABOUT: Final = {"reporting_hotline_id": "hotline-north", "referral_id": "N-0001"}
_FACTS: Final = {
    "domain": "amber-shop.example", "match_scope": "registrable_domain", "domain_dedicated": "yes",
    "site_type": "website", "commerciality": "commercial", "payment_methods": ["visa", "mastercard"],
    "classification": "baseline", "received_at": "2026-10-01T15:00:00Z", "observed_at": "2026-10-02T08:30:00Z",
    "status": "active", "le_hold": False, "tlp": "amber",
}  # fmt: skip
EXAMPLES: Final[tuple[Mapping[str, Any], ...]] = (
    {"event": "submitted", **_ABOUT, "issued_at": "2026-10-02T09:00:00Z", **_FACTS},
    {"event": "confirmed", **_ABOUT, "issued_at": "2026-10-05T14:00:00Z", **_FACTS,
     "confirmed_at": "2026-10-05T14:00:00Z", "confidence": 90,
     "payment_clues": [{"descriptor": "AMBER SHOP", "amount_minor": 4990, "currency": "EUR"}]},
    {"event": "amended", **_ABOUT, "issued_at": "2026-10-06T10:00:00Z", "domain_dedicated": "unknown",
     "reason_code": "correction"},
    {"event": "moved", **_ABOUT, "issued_at": "2026-10-09T11:00:00Z", "moved_to_domain": "amber-outlet.example"},
    {"event": "site_down", **_ABOUT, "issued_at": "2026-10-12T08:00:00Z", "status": "removed"},
    {"event": "disputed", **_ABOUT, "issued_at": "2026-10-14T08:00:00Z", "reason_code": "owner-objects"},
    {"event": "retracted", **_ABOUT, "issued_at": "2026-10-20T16:00:00Z", "reason_code": "mistaken-site"},
)  # fmt: skip
"""One referral from its submission to its retraction; every event is read before it is printed."""

REFUSED: Final[Mapping[str, Mapping[str, Any]]] = {
    "`domain` with scheme or path": {"domain": "https://amber-shop.example/pay"},
    "`domain` that is no host name": {"domain": "amber shop"},
    "`le_hold` left out": {"le_hold": None},
    "`status` with the word `gone`": {"status": "gone"},
    "`confidence` written as text": {"confidence": "90"},
    "`confidence` of 120": {"confidence": 120},
    "a misspelt field, `domian`": {"domian": "amber-shop.example"},
    "a field named `notes`": {"notes": "text"},
    "`observed_at` written `5 October`": {"observed_at": "5 October"},
    "`national` without country and provision": {"classification": "national"},
    "`valid_until` before `valid_from`": {"valid_from": "2026-10-02", "valid_until": "2026-10-01"},
}
"""What happens to the first example when one thing in it is wrong."""


def referral_page() -> str:
    """Describe what a hotline can send, what is refused, and what its statements add up to."""
    return page(
        "Referrals",
        "For hotlines, and for whoever prepares their files. A referral is told in *events*: one line, one statement "
        "of one hotline. Lines are never edited or taken back; what changes is said in a further event, "
        "and old and new lines are screened together.",
        "Events come as files, JSON lines or CSV, and are then shown as `unsigned`; or signed, numbered and chained, "
        "into a workspace that keeps them and answers with receipts: [exchange.md](exchange.md).",
        "## Rules\n\n" + bullets(events.__doc__),
        "## Events\n\n" + table(("event", "what it does", "needs, besides kind, hotline and time"), _event_rows()),
        "## Fields\n\n" + table(("field", "type or values", "needed by", "meaning"), _field_rows()),
        "### Inside the lists\n\nA clue names at least one of merchant id, descriptor and price. "
        "A list holds at most 100 entries.\n\n" + table(("field", "type or values", "meaning"), _inner_rows()),
        _csv_block(),
        _forbidden_block(),
        _example_block(),
        "## What is refused\n\nA line is taken whole or refused whole; the other lines go on. Each refused line is "
        "in `rejects.csv` of the run, with the field and without its value. Some cases:\n\n"
        + table(("an event with", "code", "what to do"), (_refusal_row(*item) for item in REFUSED.items()))
        + "\n\nAll codes are in [errors.md](errors.md#referrals).",
        "## How events add up\n\nThe order of lines and files does not matter.\n\n" + bullets(register.__doc__),
        _answer_block(),
    )


def _event_rows() -> Iterable[Sequence[object]]:
    for kind in ReferralEventKind:
        needed = [name for name in events.missing_fields({"event": kind}) if name not in _always_needed()]
        yield code(kind.value), EFFECTS[kind], ", ".join(map(code, needed)) or "–"


def _always_needed() -> tuple[str, ...]:
    return ("event", *events.missing_fields({"event": ReferralEventKind.HEARTBEAT}))


def _field_rows() -> Iterable[Sequence[object]]:
    hints = get_type_hints(events.ReferralEvent, include_extras=True)
    for name in events.ReferralEvent.model_fields:
        yield code(name), _value_set(hints[name]), _needed_by(name), FIELD_MEANINGS[name]


def _needed_by(name: str) -> str:
    if name in _always_needed():
        return "every event"
    kinds = [kind.value for kind in ReferralEventKind if name in events.missing_fields({"event": kind})]
    with_national = events.missing_fields({"event": "heartbeat", "classification": "national"})
    return "all but heartbeat" if len(kinds) == len(ReferralEventKind) - 1 else ", ".join(kinds) or (
        "classification `national`" if name in with_national else "–"
    )  # fmt: skip


def _inner_rows() -> Iterable[Sequence[object]]:
    for name, meaning in INNER_MEANINGS.items():
        owner, _, inner = name.partition("[].")
        model = {"payment_clues": events.ClueEvent, "domain_links": events.DomainLinkEvent}[owner]
        yield code(name), _value_set(get_type_hints(model, include_extras=True)[inner]), meaning


def _value_set(hint: Any) -> str:
    """Say what a field may hold, from its type."""
    known = ((events.Host, "host name"), (events.Moment, "time, ISO 8601"), (events.Reference, _reference()),
             (events.Country, "ISO 3166-1 code"), (events.Currency, "ISO 4217 code"),
             (events.Flag, "`true` or `false`"))  # fmt: skip
    named = next((text for kind, text in known if hint == kind), None)
    if named is not None:
        return named
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return ", ".join(code(value.value) for value in hint)
    if get_origin(hint) in {Union, UnionType}:
        return " or ".join(_value_set(part) for part in get_args(hint) if part is not NoneType)
    return _value_set_of_parts(hint)


def _value_set_of_parts(hint: Any) -> str:
    """Say it for a type with limits, a list, or one of our own objects."""
    if get_origin(hint) is tuple:
        return f"list of {_value_set(get_args(hint)[0])}"
    if hasattr(hint, "__metadata__"):
        limits = [_limits(item) for item in hint.__metadata__]
        return " ".join(filter(None, [_value_set(hint.__origin__), *limits]))
    plain = {str: "text", int: "whole number", events.ClueEvent: "clues", events.DomainLinkEvent: "links"}
    return plain.get(hint, "`1`")


def _limits(item: Any) -> str:
    """Read the limits of a number or the longest length of a text or list off pydantic's field."""
    names = ("ge", "le", "max_length")
    parts = getattr(item, "metadata", ())
    found = {name: getattr(part, name) for part in parts for name in names if hasattr(part, name)}
    if "le" in found:
        return f"{found['ge']} to {found['le']:,}"
    return f"(up to {found['max_length']})" if "max_length" in found else ""


def _reference() -> str:
    return "id (letters, digits, `.` `_` `-`; up to 64)"


def _csv_block() -> str:
    return (
        "## CSV\n\nThe same fields as columns, in any order; `event`, `reporting_hotline_id` and `issued_at` must be "
        "present. Lists are split at `;`, an empty cell says nothing, `le_hold` is `true` or `false`. A CSV line holds "
        "one payment clue; `redirects_to` and `shares_payment_page_with` name linked domains. Columns:\n\n"
        + ", ".join(map(code, reading.CSV_COLUMNS))
        + f"\n\nA line, in JSON or CSV, has at most {reading.MAX_LINE_BYTES:,} bytes."
    )


def _forbidden_block() -> str:
    names = ", ".join(map(code, sorted(events.FORBIDDEN_FIELDS)))
    return (
        "## Fields that must not come in\n\nA field that is not listed above is refused. These are refused by name, in "
        "any spelling (case, blanks, hyphens and underscores do not count), because they could carry web addresses, "
        "people or descriptions. A refused value is never stored and never repeated.\n\n"
        f"{names}\n\nand every name that begins as if the field held a person, a picture, a film, evidence or "
        "a source address. A value anywhere that looks like a card number refuses its line too."
    )


def _example_block() -> str:
    lines = "\n".join(json.dumps(example) for example in EXAMPLES)
    return (
        "## Example\n\nOne referral, from submission to retraction. Copy what you need into a file whose name ends in "
        f"`.jsonl`:\n\n```json\n{lines}\n```\n\nWhat the register says after each line:\n\n"
        + table(("after", "state", "flags", "leads to", "dedicated"), _story_rows())
    )


def _story_rows() -> Iterable[Sequence[object]]:
    """Fold the examples up to each of them."""
    told = [_read(example) for example in EXAMPLES]
    for count, last in enumerate(told, start=1):
        (referral,) = register.fold(told[:count], datetime(2026, 11, 1)).referrals
        leads = ", ".join(code(domain) for _, domain in referral.links) or "–"
        flags = code(referral.facts["domain"]) if referral.counts else "–"
        yield code(last.event.value), referral.state.value, flags, leads, referral.facts.get("domain_dedicated", "–")


def _read(example: Mapping[str, Any]) -> events.ReferralEvent:
    outcome = events.read_event(example)
    if not isinstance(outcome, events.ReferralEvent):
        raise ValueError(f"the example {example['event']} is refused: {outcome}")  # noqa: TRY004  # a wrong example
    return outcome


def _refusal_row(title: str, change: Mapping[str, Any]) -> tuple[object, ...]:
    outcome = events.read_event({**EXAMPLES[0], **change})
    if isinstance(outcome, events.ReferralEvent):
        raise ValueError(f"an event with {title} is not refused")  # noqa: TRY004  # a wrong example
    codes = sorted({issue.code for issue in outcome})
    return title, ", ".join(map(code, codes)), " ".join(_problems("referrals.problems")[found].fix for found in codes)


def _answer_block() -> str:
    return (
        "## What comes back\n\nThere is no receipt yet. Whoever screens your events has the answers in the files "
        "of the run, and can pass them on:\n\n"
        "- `rejects.csv`: your lines that were refused, with field and code.\n"
        "- `blind_spots.jsonl`: your referrals that did not count, and why (`referral_not_confirmed`, "
        "`referral_retracted`, `referral_not_matchable`, `referral_after_as_of`), or counted more narrowly than you "
        "asked (`scope_narrowed_to_host`).\n"
        "- `ranking.csv`: your ids in `referral_ids` of the accounts they led to. These rows name merchant accounts: "
        "who may see them is for the acquirer or network to say.\n\n"
        "To try your own file without anyone's data, screen it against the sample:\n\n```sh\n"
        "merchantscreen screen --referrals my-events.jsonl --merchants sample_data/merchants.csv \\\n"
        "    --transactions sample_data/transactions.csv --run-id my-events\n```\n\n"
        "The line `referrals` of the result says how many events were read, accepted and rejected. The refused ones "
        "are in `runs/my-events/rejects.csv`; when there are more than 100, the message names the file."
    )


# ------------------------------------------------------------------------------------- errors


def error_page() -> str:
    """List every exit code and every problem code, with what to do."""
    classes = [
        item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, MerchantScreenError)
    ]
    exits = [
        (errors.EXIT_DONE, "done; hits are not a failure"),
        (errors.EXIT_FAIL_ON, "`--fail-on` was tripped; a test, an expectation or a `--check` failed"),
        (SignatureError.exit_code, "a statement, stream or trust file that is not trusted"),
    ]
    exits += sorted({(kind.exit_code, _first_line(kind)) for kind in classes if kind is not errors.PolicyError})
    blocks = [_problem_block(area, _problems(module)) for area, module in PROBLEM_AREAS.items()]
    shape = (
        "`CODE file:line column: what was found, expected what. Fix: what to do now.` All problems of a file are "
        "reported together; `--json-errors` gives the same as JSON. A value that could be sensitive is described, "
        "never shown."
    )
    return page("Errors", shape, "## Exit codes\n\n" + table(("code", "meaning"), sorted(exits)), *blocks)


def _first_line(kind: type[MerchantScreenError]) -> str:
    if kind is MerchantScreenError:
        return "A mistake of ours; the run left nothing behind."
    return (kind.__doc__ or "").strip().splitlines()[0].replace("``", "`")


def _problems(module: str) -> Mapping[str, ProblemKind]:
    found: Mapping[str, ProblemKind] = import_module(f"merchantscreen.{module}").PROBLEMS
    return found


def _problem_block(area: str, problems: Mapping[str, ProblemKind]) -> str:
    rows = [(code(kind.code), kind.title, kind.expected, kind.fix) for _, kind in sorted(problems.items())]
    return f"## {area}\n\n" + table(("code", "found", "expected", "what to do"), rows)


# ----------------------------------------------------------------------------------- features


def feature_page() -> str:
    """Describe what rules may ask of an account, and what tiers are decided on."""
    groups = dict.fromkeys(feature.group for feature in features.CATALOGUE)
    return page(
        "Features",
        "What rules may ask of an account. A feature that is not known is empty, and a rule that needs it is *not "
        "evaluated*. How conditions are written: [rule-language.md](rule-language.md).",
        "*Needs* lists input columns; without all of them a feature is not known. *Sees* is the least an input must "
        "hold: what a card network sees by itself, or also what its acquirers know. Numbers that are named in a "
        "meaning, such as `referral_change_days`, stand in [rules/measures.md](rules/measures.md) and "
        "[rules/evidence.md](rules/evidence.md).",
        *(f"## {group}\n\n{_feature_table(group)}" for group in groups),
        "## Facts of the ledger, for tiers\n\nA fact is never empty.\n\n"
        + table(("fact", "type", "meaning"), ((code(fact.name), fact.type, fact.meaning) for fact in features.FACTS)),
    )


def _feature_table(group: str) -> str:
    """Lay out one group; windows of one count that differ in their days only share a row."""
    rows: dict[tuple[object, ...], list[features.Feature]] = {}
    for feature in features.CATALOGUE:
        if feature.group == group:
            rows.setdefault(_without_days(feature), []).append(feature)
    return table(("feature", "unit", "meaning, *source*", "needs", "sees"), map(_feature_row, rows.values()))


def _without_days(feature: features.Feature) -> tuple[object, ...]:
    stem, days = re.fullmatch(r"(.+?)(?:_(\d+)d)?", feature.name).groups()  # type: ignore[union-attr]  # matches all
    meaning = feature.meaning.replace(f" {days} days", " … days") if days else feature.meaning
    return stem, meaning, feature.unit, feature.needs, feature.profile, feature.source


def _feature_row(alike: Sequence[features.Feature]) -> tuple[object, ...]:
    one = alike[0]
    meaning = one.meaning if len(alike) == 1 else str(_without_days(one)[1]).replace("…", "7, 30 or 90")
    names = ", ".join(code(feature.name) for feature in alike)
    return names, one.unit, f"{meaning} *{one.source}*", rulepages.needed(one.needs), one.profile.replace("+", " + ")


# ------------------------------------------------------------------------------- command line


def command_page() -> str:
    """Show the help of every command, as the terminal shows it."""
    names = list(_verbs(typer.main.get_group(app), ()))
    helps = _helps([(), *names])
    blocks = [f"## merchantscreen {' '.join(words)}\n\n```text\n{helps[words]}\n```" for words in names]
    return page("Command line", f"```text\n{helps[()]}\n```", *blocks)


def _verbs(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words of every verb below a command, each group before its verbs."""
    for name, below in getattr(command, "commands", {}).items():
        yield (*words, name)
        yield from _verbs(below, (*words, name))


_ASK: Final = """
import io, json, sys
from contextlib import redirect_stdout
from merchantscreen.cli import main

for words in json.load(sys.stdin):
    with redirect_stdout(io.StringIO()) as said:
        code = main([*words, "--help"])
    print(json.dumps(said.getvalue()))
    assert code == 0, words
"""


def _helps(commands: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Ask one process of its own for them all, so that width and colour do not depend on who asks."""
    plain = {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", _ASK], input=json.dumps(commands),
        env=os.environ | plain, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(zip(commands, map(_trimmed, map(json.loads, done.stdout.splitlines())), strict=True))


def _trimmed(said: str) -> str:
    return "\n".join(line.rstrip() for line in said.strip("\n").splitlines())


# --------------------------------------------------------------------------------------- pages


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "data-dictionary.md": data_dictionary,
    "referrals.md": referral_page,
    "identifiers.md": identifier_page,
    "errors.md": error_page,
    "features.md": feature_page,
    "rule-language.md": language_page.page,
    "settings.md": settings_page.page,
    "cli.md": command_page,
}


def schema_files() -> dict[str, str]:
    """Write the JSON Schema of every kind of policy file."""
    return {
        f"{kind}.schema.json": json.dumps(jsonschemas.schema(kind), indent=2, ensure_ascii=True) + "\n"
        for kind in jsonschemas.FORMS
    }


FOLDERS: Final[Mapping[str, tuple[Callable[[], dict[str, str]], str]]] = {
    "rules": (lambda: rulepages.pages(load_policy(None)), rulepages.NOTE),
    "lints": (lint_pages.pages, lint_pages.NOTE),
    "schemas": (schema_files, jsonschemas.DIALECT),
}
"""Folders of generated pages: who makes them, and the mark by which they are known."""


def difference(made: Mapping[str, str]) -> list[str]:
    """Return the difference of each page that is not what the code says."""
    found: list[str] = []
    for name, text in made.items():
        path = HERE / name
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        found += difflib.unified_diff(
            old.splitlines(), text.splitlines(), f"docs/{name}", f"docs/{name} (made now)", n=1
        )
    return found


def check() -> int:
    """Show what is stale; return the exit code."""
    told = difference({name: make() for name, make in PAGES.items()})
    for folder, (make, mark) in FOLDERS.items():
        made = make()
        stale = stale_pages(HERE / folder, made, mark)
        told += [f"docs/{folder}/{name} is made no more" for name in stale if name not in made]
        told += difference({f"{folder}/{name}": made[name] for name in stale if name in made})
    print("\n".join([*told, "Stale pages: run `make docs`."] if told else ["Generated pages are up to date."]))
    return 1 if told else 0


def main(arguments: Sequence[str]) -> int:
    """Write or check all pages; return the exit code."""
    if "--check" in arguments:
        return check()
    made = {name: make() for name, make in PAGES.items()}
    folders = {folder: (make(), mark) for folder, (make, mark) in FOLDERS.items()}
    for name, text in made.items():
        (HERE / name).write_text(text, encoding="utf-8")
        print(f"docs/{name}")
    for folder, (pages, mark) in folders.items():
        print(f"docs/{folder}/ ({len(write_pages(HERE / folder, pages, mark))} changed)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
