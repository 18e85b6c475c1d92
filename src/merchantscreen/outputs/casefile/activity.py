"""What a run knows of an account's payments: counts, values, price points, issuer countries.

Rules kept here:
* nothing is computed: every value is one that a rule of the run observed, by the name of its feature;
* what is not there is said with its reason: not known from the data, or not measured because no rule asked.

Source: domain.md 1, transaction window of an investigation file; meanings and units of the feature catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from merchantscreen.features import CATALOGUE
from merchantscreen.outputs.report.vector import observed

_ASKED: Final = (
    "purchase_count", "purchase_count_30d", "purchase_count_90d", "refund_count", "chargeback_count", "declined_count",
    "days_first_to_last", "volume_minor_30d", "volume_minor_90d", "average_ticket_minor", "distinct_price_count",
    "top3_price_share", "low_value_share", "even_amount_share", "issuer_country_count", "top_issuer_country_share",
    "home_issuer_share", "cross_border_share", "foreign_currency_share", "prepaid_share", "night_share",
    "observed_site_count", "undeclared_host_count", "account_age_days", "listing_count", "sibling_listing_count",
)  # fmt: skip
"""Features an investigation asks for, in the order of the file."""
_FEATURES: Final = {feature.name: feature for feature in CATALOGUE}

KNOWN: Final = "known"
NOT_KNOWN: Final = "not known from the data"
NOT_MEASURED: Final = "not measured, since no rule of this run asks for it"
SCHEMA: Final[Mapping[str, Any]] = {
    "fact": pl.String, "value": pl.Float64, "unit": pl.String, "standing": pl.String, "meaning": pl.String,
}  # fmt: skip


def activity_of(rules: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """List what the run knows of an account's payments.

    Args:
        rules: The account's rows of tables.RuleResults, drafts included.

    Returns:
        One row per fact: its value (null where there is none), unit, standing and meaning.
    """
    seen = observed(rules)
    return pl.DataFrame([_fact(name, seen) for name in _ASKED], schema=SCHEMA)


def _fact(name: str, seen: Mapping[str, Any]) -> dict[str, Any]:
    feature, value = _FEATURES[name], seen.get(name)
    standing = KNOWN if value is not None else NOT_KNOWN if name in seen else NOT_MEASURED
    return {
        "fact": name,
        "value": None if value is None else float(value),
        "unit": feature.unit,
        "standing": standing,
        "meaning": feature.meaning,
    }
