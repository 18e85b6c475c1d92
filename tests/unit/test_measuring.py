"""Measuring the neighbourhood: who is measured with it, what is counted over all accounts, and what comes home."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from feature_worlds import MEASURES, MODEL, POLICY, bought, payments
from frames import AS_OF, account_links, accounts, clues, declared, flagged, traffic

from merchantscreen import measuring
from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.evidence import Links, open_rounds
from merchantscreen.features import CATALOGUE
from merchantscreen.links import count_links
from merchantscreen.measuring import Data, Measured, measure
from merchantscreen.neighbourhood import cut
from merchantscreen.numbering import Holders
from merchantscreen.referrals.flagging import Flagged
from merchantscreen.tables import BlindSpots, Breadths, Degrees, DomainLinks, Holdings, empty

NUMBERS = replace(POLICY, evidence=MODEL, measures=MEASURES)
LINKED = {"account_id": "A/seller", "domain": "amber.example"}


def measured(
    folder: Path, own: pl.DataFrame, stated: pl.DataFrame, rows: pl.DataFrame, *links: dict[str, Any]
) -> Measured:
    """Cut the neighbourhood of some links out and measure it."""
    engine = PolarsEngine(folder)
    moved, said = traffic(engine, rows), engine.load(stated)
    found = account_links(*(links or (LINKED,)))
    known = Flagged(flagged({"domain": "amber.example"}), empty(DomainLinks), clues(), empty(BlindSpots))
    alone = Links(
        domains=known.domains, domain_links=known.domain_links, account_links=found,
        holders=Holders.of(empty(Holdings), empty(Degrees)), breadths=empty(Breadths), link_degrees=count_links(found),
    )  # fmt: skip
    around = cut(moved, said, open_rounds(alone, MODEL).carried, MODEL)
    return measure(Data(moved, said, own), found, known, around, NUMBERS, AS_OF)


def row(result: Measured, account: str) -> dict[str, Any]:
    """Return the features of one account."""
    return result.features.row(by_predicate=pl.col("account_id") == account, named=True)


def test_the_neighbourhood_is_measured_and_nobody_else(tmp_path: Path) -> None:
    """The seller and its sister have a row each, an unrelated account has none; columns are the catalogue."""
    own = accounts(*({"account_id": f"A/{name}"} for name in ("seller", "sister", "stranger")))
    stated = declared(("tax_id", "t", "A/seller"), ("tax_id", "t", "A/sister"))
    result = measured(tmp_path, own, stated, payments({"account_id": "A/sister"}, {"account_id": "A/stranger"}))
    assert result.features["account_id"].to_list() == ["A/seller", "A/sister"]
    assert result.accounts["account_id"].to_list() == ["A/seller", "A/sister"]
    assert result.features.columns == ["account_id", *(feature.name for feature in CATALOGUE)]
    assert (row(result, "A/sister")["purchase_count"], row(result, "A/sister")["linked_sibling_count"]) == (1, 1)
    assert row(result, "A/seller")["purchase_count"] is None


def test_an_account_without_a_merchant_row_is_measured_too(tmp_path: Path) -> None:
    """A link found in payments alone leads to an account that only payments know."""
    linked = {"account_id": "B/9", "domain": "amber.example", "kind": "observed_requestor_url"}
    rows = payments({"account_id": "B/9", "requestor_host": "amber.example"})
    result = measured(tmp_path, accounts({"account_id": "A/1"}), declared(), rows, linked)
    seen = row(result, "B/9")
    assert (seen["purchase_count"], seen["referred_observed_count"], seen["mcc"]) == (1, 1, None)
    assert result.accounts.is_empty()


def test_siblings_beyond_the_neighbourhood_are_measured_for_comparison(tmp_path: Path) -> None:
    """The sister's own sibling is two steps away, has no row, and yet tells when it stopped and at which prices."""
    own = accounts(*({"account_id": f"A/{name}"} for name in ("seller", "sister", "cousin")))
    stated = declared(
        ("tax_id", "t", "A/seller"), ("tax_id", "t", "A/sister"),
        ("principal", "p", "A/sister"), ("principal", "p", "A/cousin"),
    )  # fmt: skip
    rows = payments(*bought([60, 50], account_id="A/cousin"), *bought([20], account_id="A/sister"))
    sister = row(measured(tmp_path, own, stated, rows), "A/sister")
    assert (sister["sibling_count"], sister["days_since_sibling_stopped"]) == (2, 30)
    assert sister["sibling_price_overlap_share"] == 1.0


def test_peers_are_taken_from_all_accounts_of_the_trade(tmp_path: Path) -> None:
    """Twenty strangers of the same trade are enough to compare with; idle ones keep their place in the sample."""
    names = [f"A/p{number:02}" for number in range(20)]
    own = accounts(*({"account_id": name, "country": "NL"} for name in ("A/seller", *names)))
    rows = payments({"account_id": "A/seller", "issuer_country": "US"},
                    *({"account_id": name, "issuer_country": "NL"} for name in names))  # fmt: skip
    assert (row(measured(tmp_path, own, declared(), rows), "A/seller")["cross_border_peer_z"] or 0) > 50
    fewer = rows.filter(~pl.col("account_id").is_in(names[:2]))
    assert row(measured(tmp_path, own, declared(), fewer), "A/seller")["cross_border_peer_z"] is None


def test_intermediaries_are_counted_over_all_accounts(tmp_path: Path) -> None:
    """The agent's and the facilitator's clients are counted although most are far from any referral."""
    names = [f"A/{number}" for number in range(8)]
    own = accounts(
        {"account_id": "A/seller", "payment_facilitator_id": "F"},
        *({"account_id": name, "payment_facilitator_id": "F" if name < "A/3" else None} for name in names),
        {"account_id": "A/sister"},
    )
    stated = declared(
        ("settlement_account", "s", "A/seller"), ("settlement_account", "s", "A/sister"), ("agent", "G", "A/seller"),
        ("agent", "G", "A/sister"), *(("agent", "G", name) for name in names[:2]),
    )  # fmt: skip
    result = measured(tmp_path, own, stated, payments())
    sister, seller = row(result, "A/sister"), row(result, "A/seller")
    assert (sister["agent_linked_count"], sister["agent_linked_share"]) == (1, 1 / 3)
    assert (seller["agent_linked_count"], seller["facilitator_linked_count"]) == (0, 0)
    assert (seller["facilitator_linked_share"], seller["under_facilitator"]) == (0.0, True)
    assert (sister["facilitator_linked_share"], sister["under_facilitator"]) == (None, False)


def test_contacts_meet_over_devices_as_well(tmp_path: Path) -> None:
    """A device seen at the seller and at a stranger makes them contacts; a widely shared one does not."""
    crowd = [f"A/{number:02}" for number in range(MODEL.widely_shared_count)]
    own = accounts(*({"account_id": name} for name in ("A/seller", *crowd)))
    few = payments(*({"account_id": name, "device_token": "D"} for name in ("A/seller", "A/00")))
    assert row(measured(tmp_path, own, declared(), few), "A/00")["linked_contact_count"] == 1
    many = payments(*({"account_id": name, "device_token": "D"} for name in ("A/seller", *crowd)))
    assert row(measured(tmp_path, own, declared(), many), "A/00")["linked_contact_count"] == 0


def test_what_changed_after_the_referral_is_measured_for_linked_accounts(tmp_path: Path) -> None:
    """The seller's MCC changed after the confirmation of 1 July; its sister has no referral of its own."""
    own = accounts(*({"account_id": f"A/{name}"} for name in ("seller", "sister")))
    stated = declared(("tax_id", "t", "A/seller"), ("tax_id", "t", "A/sister"))
    moments = [(datetime(2026, 6, 20), "5411"), (datetime(2026, 7, 10), "5816")]
    rows = payments(*({"account_id": f"A/{name}", "occurred_at": at, "mcc": mcc}
                      for name in ("seller", "sister") for at, mcc in moments))  # fmt: skip
    result = measured(tmp_path, own, stated, rows)
    seller, sister = row(result, "A/seller"), row(result, "A/sister")
    assert (seller["new_mcc_after_referral_count"], seller["purchase_change_ratio"]) == (1, 1.0)
    assert (sister["new_mcc_after_referral_count"], sister["purchase_change_ratio"]) == (None, None)


def test_accounts_are_measured_alike_at_once_and_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many accounts are counted at once changes nothing, not even in what is compared between accounts."""
    names = [f"A/p{number:02}" for number in range(20)]
    own = accounts(*({"account_id": name, "country": "NL"} for name in ("A/seller", "A/sister", *names)))
    stated = declared(*(("tax_id", "t", f"A/{name}") for name in ("seller", "sister")))
    rows = payments(
        *bought([60, 50], account_id="A/sister", issuer_country="US"), *bought([20, 3, 3], account_id="A/seller"),
        *({"account_id": name, "issuer_country": "NL", "amount_minor": 990} for name in names),
    )  # fmt: skip
    at_once = measured(tmp_path, own, stated, rows)
    monkeypatch.setattr(measuring, "AT_ONCE", 1)
    assert measured(tmp_path, own, stated, rows).features.equals(at_once.features)
    assert (row(at_once, "A/seller")["sibling_price_overlap_share"], row(at_once, "A/seller")["longest_gap_days"]) == (
        1.0,
        16,
    )
