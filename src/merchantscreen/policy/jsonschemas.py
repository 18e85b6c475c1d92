"""The form of every policy file as JSON Schema, for editors: completion, hints and red lines while typing.

Rules kept here:
* made from the models that the loader uses (fileschema.py), so the two cannot drift apart;
* editors see numbers as numbers and dates as text, though the loader reads all values as text, exactly;
* where a word has to be of a catalogue, the catalogue is in the schema, with what each word means;
* the loader refuses more: what files mean together, and what an SQL condition says, no schema can check.
  A schema refuses more in one thing only: texts made of digits need their quotes.

Source: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from merchantscreen.features import CATALOGUE, FACTS
from merchantscreen.identifiers import KINDS
from merchantscreen.policy import fileschema, model
from merchantscreen.policy.fileschema import FIXED_EXPONENTS, FileModel
from merchantscreen.policy.language import MAX_LENGTH
from merchantscreen.policy.lints import LINTS
from merchantscreen.vocabulary import COUNTRIES, CURRENCIES, ColumnType, EvidenceFamily, HostMatch, Level

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
FORMS: Final[Mapping[str, tuple[type[FileModel], str]]] = {
    "rule": (fileschema.RuleFile, "<typology>/<rule-id>.yml"),
    "exception": (fileschema.ExceptionFile, "exceptions/<id>.yml"),
    "evidence": (fileschema.EvidenceFile, "evidence.yml"),
    "tiers": (fileschema.TiersFile, "tiers.yml"),
    "measures": (fileschema.MeasuresFile, "measures.yml"),
    "payer_clocks": (fileschema.ClocksFile, "payer_clocks.yml"),
    "listing_codes": (fileschema.ListingCodesFile, "listing_codes.yml"),
    "indicators": (fileschema.IndicatorsFile, "indicators.yml"),
    "caution_hosts": (fileschema.CautionFile, "caution_hosts.yml"),
    "free_mail_domains": (fileschema.FreeMailFile, "free_mail_domains.yml"),
}
"""Every kind of file: its model, and where such files lie within a rule folder."""

_TYPES: Final[Mapping[ColumnType, str]] = {
    ColumnType.INTEGER: "integer", ColumnType.NUMBER: "number", ColumnType.TEXT: "string",
    ColumnType.BOOLEAN: "boolean",
}  # fmt: skip
_ENTRY: Final = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


def schema(kind: str) -> Schema:
    """Build the JSON Schema of one kind of file, one of `FORMS`."""
    form, place = FORMS[kind]
    made: Schema = form.model_json_schema(by_alias=True)
    parts: dict[str, Schema] = {form.__name__: made, **made.get("$defs", {})}
    for name, part in parts.items():
        _complete(name, part)
    for refine in _REFINEMENTS.get(kind, ()):
        refine(parts)
    head = {"$schema": DIALECT, "$id": f"urn:merchantscreen:rules:{kind}", "title": f"merchantscreen: {place}"}
    return {**made, **head}


# --------------------------------------------------------------------------- meanings and limits


def _complete(name: str, part: Schema) -> None:
    """Add to one object what pydantic leaves out: meanings, limits of counts, and the look of a date."""
    if "enum" in part:
        part["description"] = _first_sentence(part.get("description", ""))
    known: type[FileModel] | None = getattr(fileschema, name, None)
    for field, entry in part.get("properties", {}).items():
        entry.pop("title", None)
        _dated(entry)
        if meaning := _MEANINGS.get(name, {}).get(field) or _SHARED.get(field):
            entry["description"] = meaning
        info = known.model_fields.get(field) if known is not None else None
        for limit in info.metadata if info is not None else ():
            names = {"ge": "minimum", "le": "maximum"}
            entry.update({names[sign]: getattr(limit, sign) for sign in names if hasattr(limit, sign)})


def _dated(entry: Schema) -> None:
    if entry.get("format") == "date":
        entry["pattern"] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def _attributes(cls: type) -> dict[str, str]:
    """Read what a class says of its attributes."""
    described = inspect.getdoc(cls) or ""
    return {name: " ".join(text.split()) for name, text in _ENTRY.findall(described.partition("Attributes:")[2])}


def _parameters() -> dict[str, str]:
    """Name the parameters as files do: without the unit that a record carries."""
    return {name.removesuffix("_nano"): text for name, text in _attributes(model.EvidenceModel).items()}


_SHARED: Final[Mapping[str, str]] = {
    "version": "Three numbers, such as 1.0.0. Has to rise when the meaning changes.",
    "owner": "Who wrote it and answers for it.",
    "approver": "Who has to approve it, where somebody in particular must; null for anybody but the owner.",
    "effective_from": "First day it is meant for, such as 2026-11-22.",
    "review_by": "Day by which somebody looks at it again.",
    "expires_on": "Last day it is in force; at most 366 days after the first.",
    "origin": "Where the number comes from: published (a public document), tuned (measured), design (our judgement).",
    "rationale": "Why, for auditors.",
    "references": "Public documents it rests on; at least one.",
    "reason": "What an analyst reads.",
}
_MEANINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "ParametersEntry": _parameters(),
    "KindEntry": {name.removesuffix("_nano"): text for name, text in _attributes(model.KindWeight).items()},
    "MeasuresEntry": {name.removesuffix("_nano"): text for name, text in _attributes(model.Measures).items()},
    "RuleFile": {
        "id": "The file's name without .yml; never reused for another rule.",
        "title": "What was seen, in a few words that accuse nobody.",
        "status": "draft: evaluated beside the run and never counted; active; retired: not evaluated.",
        "typology": "The folder the file lies in.",
        "role": "gate: states a link, reads link features only. rank: behaviour, adds points to accounts that hold a "
        "link. context: only informs.",
        "severity": "How bad it would be.",
        "confidence": "How sure one can be.",
        "indicators": "Ids of indicators.yml that it looks for, such as B09.",
        "false_positives": "Honest businesses that it hits.",
        "innocent_explanations": "What to rule out first.",
        "requires": "Exactly the features that `when` reads.",
        "threshold": "Where the numbers in `when` come from.",
        "when": "An SQL condition over features, see docs/rule-language.md and docs/features.md.",
        "reason": "What an analyst reads, with observed values as {feature}.",
        "tests": "Its own tests: one per outcome at least, and one exactly on each threshold.",
        "suppress": "Lints that do not apply, each with a reason and an end.",
    },
    "CaseEntry": {
        "name": "What is tested.",
        "given": "Values by feature; null, or left out, for not known.",
        "expect": "hit, no_hit, or not_evaluated where something decisive is not known.",
    },
    "SuppressionEntry": {"lint": "Name of a lint that allows it, see docs/lints.", "until": "Last day."},
    "EvidenceFile": {
        "formula": "The formula the numbers are for.",
        "fixed_exponents": "Numbers of the formula itself, listed for readers.",
        "parameters": "Numbers that hold for all kinds.",
        "match_factors": "f: what a host match counts, by how it meets the domain.",
        "typology_strengths": "Strength of a rule hit, by severity.",
        "kinds": "Numbers per kind of link or identifier.",
    },
    "TiersFile": {"tiers": "Ways into a tier, strictest first; the first that holds places the account."},
    "MeasuresFile": {"measures": "Numbers and lists inside features."},
    "ClocksFile": {"clocks": "Offsets from UTC by country of the card."},
    "ListingCodesFile": {"classes": "Codes that say the same for our purpose."},
    "IndicatorsFile": {"indicators": "Documented signs, those that no rule may use included."},
    "CautionFile": {"categories": "Hosts that many unrelated parties share, by how they share them."},
    "FreeMailFile": {"domains": "Domains where anybody gets an e-mail address."},
    "TierEntry": {
        "tier": "T1 is reviewed first.",
        "when": f"An SQL condition over facts of the ledger: {', '.join(fact.name for fact in FACTS)}.",
    },
    "ExceptionFile": {
        "id": "The file's name without .yml.",
        "title": "What is explained, in a few words.",
        "reason": "Why these hits are no surprise here, and who checked it.",
        "rules": "Ids of rules of role rank or context whose hits are set aside.",
        "account": "The account, as account_id in ranking.csv; or give an identifier.",
        "identifier": "The identifier whose holders are meant; or give an account.",
    },
}


# --------------------------------------------------------------------------- catalogues


def _one_of(words: Iterable[tuple[str, str]]) -> Schema:
    """Allow some words, each with its meaning, as editors show them."""
    return {"type": "string", "oneOf": [{"const": word, "description": meaning} for word, meaning in words]}


def _features(parts: dict[str, Schema]) -> None:
    """Allow names of features only, and values of their types."""
    rule, case = parts["RuleFile"]["properties"], parts["CaseEntry"]["properties"]
    rule["requires"]["items"] = _one_of((feature.name, _meaning(feature)) for feature in CATALOGUE)
    rule["requires"] |= {"uniqueItems": True, "minItems": 1}
    rule["when"]["maxLength"] = MAX_LENGTH
    for name in ("references", "indicators", "tests"):
        rule[name]["minItems"] = 1
    case["given"] = {
        "type": "object",
        "description": case["given"]["description"],
        "properties": {
            feature.name: {"type": [_TYPES[feature.type], "null"], "description": _meaning(feature)}
            for feature in CATALOGUE
        },
        "additionalProperties": False,
    }


def _meaning(feature: Any) -> str:
    return f"{feature.unit}. {feature.meaning}"


def _lints(parts: dict[str, Schema]) -> None:
    words = [(lint.name, lint.why) for lint in LINTS if lint.suppressible]
    parts["SuppressionEntry"]["properties"]["lint"] |= _one_of(words)


def _targets(parts: dict[str, Schema]) -> None:
    """Ask an exception for an account or an identifier, and not for both."""
    kinds = [(kind.name, kind.title) for kind in KINDS if kind.family is EvidenceFamily.IDENTIFIER]
    parts["IdentifierEntry"]["properties"]["kind"] |= _one_of(kinds)
    parts["ExceptionFile"]["oneOf"] = [
        {"required": ["account"], "properties": {"account": {"type": "string"}}},
        {"required": ["identifier"], "properties": {"identifier": {"type": "object"}}},
    ]


def _weights(parts: dict[str, Schema]) -> None:
    """Ask for every kind of the identifier table; base rate and damping for identifiers only."""
    evidence = parts["EvidenceFile"]["properties"]
    evidence["kinds"] = _complete_map("KindEntry", {kind.name: kind.title for kind in KINDS})
    for kind in KINDS:
        entry = evidence["kinds"]["properties"][kind.name]
        if kind.family is EvidenceFamily.IDENTIFIER:
            entry |= {"required": ["base_rate", "kappa"]}
        else:
            entry |= {"properties": {"base_rate": {"type": "null"}, "kappa": {"type": "null"}}}
    evidence["match_factors"] = _complete_map("ShareEntry", {match.value: "" for match in HostMatch})
    evidence["typology_strengths"] = _complete_map("StrengthEntry", {level.value: "" for level in Level})
    evidence["fixed_exponents"] = _complete_map("ExponentEntry", dict.fromkeys(FIXED_EXPONENTS, "Not adjustable."))
    for name, meaning in _MEANINGS["EvidenceFile"].items():
        evidence[name]["description"] = meaning
    for name, value in FIXED_EXPONENTS.items():
        entry = evidence["fixed_exponents"]["properties"][name]
        entry["properties"] = {"value": {"const": float(Decimal(value))}}


def _complete_map(entry: str, meanings: Mapping[str, str]) -> Schema:
    """Describe a mapping with exactly these keys."""
    properties = {
        name: {"$ref": f"#/$defs/{entry}"} | ({"description": meaning} if meaning else {})
        for name, meaning in meanings.items()
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _currencies(parts: dict[str, Schema]) -> None:
    parts["CurrenciesEntry"]["properties"]["values"]["items"] = {"type": "string", "enum": sorted(CURRENCIES)}


def _countries(parts: dict[str, Schema]) -> None:
    parts["ClocksFile"]["properties"]["clocks"]["propertyNames"] = {"enum": sorted(COUNTRIES)}


_REFINEMENTS: Final[Mapping[str, tuple[Callable[[dict[str, Schema]], None], ...]]] = {
    "rule": (_features, _lints),
    "exception": (_targets,),
    "evidence": (_weights,),
    "measures": (_currencies,),
    "payer_clocks": (_countries,),
}
