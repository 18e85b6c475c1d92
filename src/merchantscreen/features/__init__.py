"""The features of accounts: what rules may ask, and how it is measured.

`CATALOGUE` says what each feature is. `payment_stages`, `compared_stages` and `name_stages` count transactions in small
stages, written once in Narwhals, so the same definition runs on every engine; `assemble` joins
the compact stages with what merchants declare and what links say, in Polars. Who is to be
measured, and where, is left to measuring.py; thresholds are left to rules/.
"""

from merchantscreen.features.around import AGENT, FACILITATOR, Crowds
from merchantscreen.features.assembly import Numbers, Surroundings, assemble
from merchantscreen.features.catalogue import CATALOGUE, FEATURE_TYPES, LINK_FEATURES
from merchantscreen.features.definition import Feature
from merchantscreen.features.facts import FACT_TYPES, FACTS, Fact
from merchantscreen.features.peers import peer_sample
from merchantscreen.features.referred import direct_links
from merchantscreen.features.siblings import sibling_pairs
from merchantscreen.features.stages import (
    CHANGES,
    COMPARED,
    CONTACTS,
    HOSTS,
    NAMES,
    PAYMENTS,
    added,
    compared_stages,
    moment_literal,
    naive_utc,
    name_stages,
    payment_stages,
)

__all__ = [
    "AGENT",
    "CATALOGUE",
    "CHANGES",
    "COMPARED",
    "CONTACTS",
    "FACILITATOR",
    "FACTS",
    "FACT_TYPES",
    "FEATURE_TYPES",
    "HOSTS",
    "LINK_FEATURES",
    "NAMES",
    "PAYMENTS",
    "Crowds",
    "Fact",
    "Feature",
    "Numbers",
    "Surroundings",
    "added",
    "assemble",
    "compared_stages",
    "direct_links",
    "moment_literal",
    "naive_utc",
    "name_stages",
    "payment_stages",
    "peer_sample",
    "sibling_pairs",
]
