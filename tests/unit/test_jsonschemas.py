"""JSON Schemas of policy files: what the loader takes they take, and what is plainly wrong they mark."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from merchantscreen.features import FEATURE_TYPES
from merchantscreen.policy import folder
from merchantscreen.policy.jsonschemas import FORMS, schema
from merchantscreen.policy.lints import LINTS
from merchantscreen.policy.model import EvidenceModel, Measures

RULES: Final = Path(__file__).resolve().parents[2] / "rules"
EXCEPTION: Final = {
    "id": "gift-shop", "title": "Gift shop", "version": "1.0.0", "rules": ["few-price-points"],
    "account": "400001/M1", "owner": "desk", "approver": None, "reason": "Sells two gift cards.",
    "effective_from": "2026-11-22", "expires_on": "2027-11-01",
}  # fmt: skip


@cache
def _validator(kind: str) -> Draft202012Validator:
    made = schema(kind)
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


def _kind(name: str) -> str:
    if folder.is_exception(name):
        return "exception"
    return "rule" if folder.is_rule(name) else name.removesuffix(".yml")


def _read(name: str) -> Any:
    """Read a file as an editor does: YAML 1.2 with numbers as numbers, dates as text."""
    return _plain(YAML(typ="safe", pure=True).load((RULES / name).read_text(encoding="utf-8")))


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case date():
            return value.isoformat()
        case _:
            return value


def _names() -> list[str]:
    return sorted(path.relative_to(RULES).as_posix() for path in RULES.rglob("*.yml"))


@pytest.mark.parametrize("name", _names())
def test_every_file_of_the_policy_fits_its_schema(name: str) -> None:
    """What the loader takes, an editor marks nowhere."""
    errors = [error.message for error in _validator(_kind(name)).iter_errors(_read(name))]
    assert errors == []


def test_there_is_a_schema_for_every_file_that_a_folder_needs() -> None:
    """No kind of policy file is without a schema."""
    assert {_kind(name) for name in folder.NEEDED} | {"rule", "exception"} == set(FORMS)


@pytest.mark.parametrize("kind", FORMS)
def test_every_field_says_what_it_is_for(kind: str) -> None:
    """An editor shows a meaning for every field at the top of a file."""
    bare = [name for name, entry in schema(kind)["properties"].items() if not entry.get("description")]
    assert bare == []


def test_parameters_and_measures_are_all_described() -> None:
    """Every number of evidence.yml and measures.yml carries the meaning of the record it becomes."""
    for kind, name, record in (("evidence", "ParametersEntry", EvidenceModel), ("measures", "MeasuresEntry", Measures)):
        entries = schema(kind)["$defs"][name]["properties"]
        assert [field for field, entry in entries.items() if not entry.get("description")] == []
        assert set(entries) <= {field.removesuffix("_nano") for field in record.__dataclass_fields__}


def test_only_features_and_suppressible_lints_are_offered() -> None:
    """Completion offers every feature, with its type, and only lints that may be suppressed."""
    made = schema("rule")
    offered = [entry["const"] for entry in made["properties"]["requires"]["items"]["oneOf"]]
    given = made["$defs"]["CaseEntry"]["properties"]["given"]["properties"]
    lints = [entry["const"] for entry in made["$defs"]["SuppressionEntry"]["properties"]["lint"]["oneOf"]]
    assert set(offered) == set(given) == set(FEATURE_TYPES)
    assert lints == [lint.name for lint in LINTS if lint.suppressible]


# --------------------------------------------------------------------------- what is wrong

RULE_FILE: Final = "transaction-pattern/few-price-points.yml"
Spoil = Callable[[Any], None]


def _set(*path: str | int, to: Any) -> Spoil:
    def spoil(file: Any) -> None:
        for step in path[:-1]:
            file = file[step]
        file[path[-1]] = to

    return spoil


def _drop(*path: str | int) -> Spoil:
    def spoil(file: Any) -> None:
        for step in path[:-1]:
            file = file[step]
        del file[path[-1]]

    return spoil


BROKEN: Final[tuple[tuple[str, str, Spoil], ...]] = (
    (RULE_FILE, "a field nobody reads", _set("serverity", to="low")),
    (RULE_FILE, "a missing field", _drop("owner")),
    (RULE_FILE, "a severity that is none", _set("severity", to="grave")),
    (RULE_FILE, "a role that is none", _set("role", to="block")),
    (RULE_FILE, "a version with two numbers", _set("version", to="1.0")),
    (RULE_FILE, "a version as a number", _set("version", to=1.0)),
    (RULE_FILE, "a date in words", _set("review_by", to="next year")),
    (RULE_FILE, "a date with slashes", _set("review_by", to="2027/11/01")),
    (RULE_FILE, "a feature that does not exist", _set("requires", to=["top3_price_shares"])),
    (RULE_FILE, "a feature twice", _set("requires", to=["purchase_count", "purchase_count"])),
    (RULE_FILE, "a test of a feature that does not exist", _set("tests", 0, "given", to={"purchases": 1})),
    (RULE_FILE, "a count with a fraction", _set("tests", 0, "given", to={"purchase_count": 1.5})),
    (RULE_FILE, "a share as text", _set("tests", 0, "given", to={"top3_price_share": "0.9"})),
    (RULE_FILE, "a code as a number", _set("tests", 0, "given", to={"mcc": 5815})),
    (RULE_FILE, "a flag as a word", _set("tests", 0, "given", to={"under_facilitator": "perhaps"})),
    (RULE_FILE, "an outcome that is none", _set("tests", 0, "expect", to="maybe")),
    (RULE_FILE, "no reference", _set("references", to=[])),
    (RULE_FILE, "an id in capitals", _set("id", to="Few-Prices")),
    (RULE_FILE, "a condition that is too long", _set("when", to="purchase_count > 1 AND " * 200)),
    (RULE_FILE, "an origin that is none", _set("threshold", "origin", to="guessed")),
    (
        RULE_FILE,
        "a suppression of a lint that cannot be suppressed",
        _set("suppress", to=[{"lint": "no-citation", "reason": "because", "until": "2027-01-01"}]),
    ),
    (
        RULE_FILE,
        "a suppression without an end",
        _set("suppress", to=[{"lint": "condition-twice", "reason": "because"}]),
    ),
    ("evidence.yml", "a weight of 1", _set("kinds", "tax_id", "weight", to=1)),
    ("evidence.yml", "a weight as text", _set("kinds", "tax_id", "weight", to="0.9")),
    ("evidence.yml", "a kind that is missing", _drop("kinds", "tax_id")),
    ("evidence.yml", "a kind that does not exist", _set("kinds", "shoe_size", to={})),
    ("evidence.yml", "an identifier without a base rate", _drop("kinds", "tax_id", "base_rate")),
    ("evidence.yml", "a link with a base rate", _set("kinds", "declared_website", "base_rate", to=0.1)),
    ("evidence.yml", "an exponent that differs", _set("fixed_exponents", "link_degree", "value", to=0.6)),
    ("evidence.yml", "two rounds between domains", _set("parameters", "domain_rounds", "value", to=2)),
    ("evidence.yml", "days below zero", _set("parameters", "lookback_days", "value", to=-1)),
    ("evidence.yml", "a share above 1", _set("parameters", "residual", "value", to=1.5)),
    ("evidence.yml", "another formula", _set("formula", to="evid-9")),
    ("measures.yml", "an hour that is none", _set("measures", "night_from_hour", "value", to=24)),
    ("measures.yml", "no days at all", _set("measures", "referral_change_days", "value", to=0)),
    ("measures.yml", "a currency that is none", _set("measures", "unit_currencies", "values", to=["EURO"])),
    ("measures.yml", "an entry mode as a number", _set("measures", "card_present_entry_modes", "values", to=[5])),
    ("payer_clocks.yml", "a country that is none", _set("clocks", "XX", to={"earliest": 0, "latest": 0})),
    ("payer_clocks.yml", "an offset of a day", _set("clocks", "NL", "latest", to=1440)),
    ("listing_codes.yml", "a code of no list", _set("classes", 0, "codes", 0, "code", to="TMF-1")),
    ("listing_codes.yml", "a class that is none", _set("classes", 0, "class", to="worst")),
    ("tiers.yml", "a tier that is none", _set("tiers", 0, "tier", to="T4")),
    ("tiers.yml", "no tier at all", _set("tiers", to=[])),
    ("indicators.yml", "an id of another form", _set("indicators", 0, "id", to="A1")),
    ("indicators.yml", "measurable or not", _set("indicators", 0, "measurable", to=True)),
    ("caution_hosts.yml", "a URL for a host", _set("categories", 0, "hosts", to=["https://shop.example/"])),
    ("free_mail_domains.yml", "an address for a domain", _set("domains", to=["owner@shop.example"])),
)


@pytest.mark.parametrize(("name", "what", "spoil"), BROKEN, ids=[what for _, what, _ in BROKEN])
def test_what_is_plainly_wrong_is_marked(name: str, what: str, spoil: Spoil) -> None:
    """An editor shows a red line for each of these while they are typed."""
    file = _read(name)
    spoil(file)
    assert not _validator(_kind(name)).is_valid(file), what


def _exceptions() -> Iterator[tuple[str, dict[str, Any], bool]]:
    holder = {"kind": "settlement_account", "value": "acct-1"}
    yield "one account", {}, True
    yield "one identifier", {"account": None, "identifier": holder}, True
    yield "both", {"identifier": holder}, False
    yield "neither", {"account": None}, False
    yield "a kind that ties nobody", {"account": None, "identifier": {"kind": "declared_website", "value": "a"}}, False
    yield "no rule", {"rules": []}, False


@pytest.mark.parametrize(("what", "change", "fits"), list(_exceptions()), ids=[what for what, _, _ in _exceptions()])
def test_an_exception_is_for_an_account_or_an_identifier(what: str, change: dict[str, Any], *, fits: bool) -> None:
    """Exactly one target, of a kind that accounts share."""
    assert _validator("exception").is_valid(copy.deepcopy(EXCEPTION) | change) is fits, what
