"""Typed file forms -> the plain records of a policy: nothing is checked here, only put in place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from merchantscreen.policy import fileschema as schema
from merchantscreen.policy.language import CompiledCondition
from merchantscreen.policy.model import (
    CautionHost,
    EvidenceModel,
    Indicator,
    KindWeight,
    Measures,
    Rule,
    RuleCase,
    RuleException,
    Suppression,
    TierCondition,
)
from merchantscreen.vocabulary import ColumnType

_FRACTIONS = ("indirect_carry", "direct_carry", "kind_cap", "residual", "floor", "typology_cap", "peer_scale_floor")


def evidence_model(form: schema.EvidenceFile) -> EvidenceModel:
    """Build the parameters of the score."""
    parameters = {name: getattr(form.parameters, name).value for name in type(form.parameters).model_fields}
    named = {f"{name}_nano" if name in _FRACTIONS else name: value for name, value in parameters.items()}
    return EvidenceModel(
        kinds={name: _kind_weight(entry) for name, entry in sorted(form.kinds.items())},
        match_factor_nano={match: entry.value for match, entry in sorted(form.match_factors.items())},
        typology_strength_nano={level: entry.value for level, entry in sorted(form.typology_strengths.items())},
        **named,
    )


def _kind_weight(entry: schema.KindEntry) -> KindWeight:
    return KindWeight(entry.weight, entry.reliability, entry.base_rate or 0, entry.kappa or 0, entry.rationale)


def measures(form: schema.MeasuresFile, clocks: schema.ClocksFile, listings: schema.ListingCodesFile) -> Measures:
    """Build the numbers and lists inside features, from the three files that hold them."""
    entries = {name: getattr(form.measures, name) for name in type(form.measures).model_fields}
    values: dict[str, Any] = {
        name: frozenset(entry.values) if hasattr(entry, "values") else entry.value for name, entry in entries.items()
    }
    values["peer_ticket_scale_floor_nano"] = values.pop("peer_ticket_scale_floor")
    return Measures(
        payer_clocks={country: (clock.earliest, clock.latest) for country, clock in sorted(clocks.clocks.items())},
        listing_codes={entry.class_: frozenset(code.code for code in entry.codes) for entry in listings.classes},
        **values,
    )


def caution_hosts(form: schema.CautionFile) -> tuple[CautionHost, ...]:
    """Build the caution list, sorted; its order in the file says nothing."""
    hosts = {CautionHost(host, entry.category) for entry in form.categories for host in entry.hosts}
    return tuple(sorted(hosts, key=lambda entry: (entry.host, entry.category)))


def indicators(form: schema.IndicatorsFile) -> tuple[Indicator, ...]:
    """Build the catalogue of indicators, in file order."""
    return tuple(Indicator(**entry.model_dump()) for entry in form.indicators)


def tier(entry: schema.TierEntry, condition: CompiledCondition) -> TierCondition:
    """Build one way into a tier."""
    return TierCondition(entry.tier, entry.id, condition, entry.reason, entry.rationale)


def rule(form: schema.RuleFile, condition: CompiledCondition, cases: Sequence[RuleCase], name: str) -> Rule:
    """Build one rule."""
    shared = form.model_dump(exclude={"threshold", "when", "tests", "suppress"})
    return Rule(
        **shared,
        threshold_origin=form.threshold.origin,
        threshold_note=form.threshold.note,
        condition=condition,
        cases=tuple(cases),
        suppressions=tuple(Suppression(entry.lint, entry.reason, entry.until) for entry in form.suppress),
        file=name,
    )


def rule_exception(form: schema.ExceptionFile, name: str) -> RuleException:
    """Build one exception."""
    shared = form.model_dump(exclude={"account", "identifier"})
    target = form.identifier
    return RuleException(
        **shared,
        account_id=form.account,
        kind=None if target is None else target.kind,
        value=None if target is None else target.value,
        file=name,
    )


def typed(text: str, kind: ColumnType) -> object:
    """Read a test value as its feature is typed.

    Raises:
        ValueError: It does not fit.
    """
    match kind:
        case ColumnType.TEXT:
            return text
        case ColumnType.BOOLEAN:
            return {"true": True, "false": False}[_matching(text, "true|false")]
        case ColumnType.INTEGER:
            return int(_matching(text, r"-?[0-9]{1,15}"))
        case ColumnType.NUMBER:
            return float(_matching(text, r"-?[0-9]{1,15}(\.[0-9]{1,15})?"))


def _matching(text: str, pattern: str) -> str:
    if re.fullmatch(pattern, text) is None:
        raise ValueError("a text of another form")
    return text
