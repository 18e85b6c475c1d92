"""Nobody gets an innocent account into the review tiers by copying it, or hides a seller in a crowd."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from cli.command import Inputs, merchantscreen

COLUMNS: Final = ("acquirer_id,card_acceptor_id,dba_name,mcc,country,opened_on,website_urls,email,phone,address,"
                  "settlement_account_token")  # fmt: skip
PAID: Final = "transaction_id,occurred_at,acquirer_id,card_acceptor_id,amount_minor,currency,descriptor,requestor_url"
INNOCENT: Final = (
    "https://quiet-shop.example/",
    "info@quiet-shop.example",
    "+999 2468 4040",
    "1 Harbour Road Lakehaven",
)
FLAGGED: Final = "https://amber-shop.example/"


def _merchant(key: str, websites: str, contact: Sequence[str], account: str) -> str:
    return ",".join(("400001", key, f"Shop {key}", "5732", "NL", "2026-09-01", websites, *contact, account))


def _paid(key: str, descriptor: str, url: str = "", count: int = 12) -> list[str]:
    return [f"t-{key}-{n},2026-10-{n + 1:02d}T12:00:00Z,400001,{key},2999,EUR,{descriptor},{url}" for n in range(count)]


def _tiers(inputs: Inputs, merchants: list[str], transactions: list[str], run_id: str) -> dict[str, str]:
    """Screen, and return the tier of each ranked account."""
    inputs.write("merchants.csv", [COLUMNS, *merchants])
    inputs.write("transactions.csv", [PAID, *transactions])
    ran = merchantscreen(*inputs.words, "--run-id", run_id)
    assert ran.code == 0, ran.err
    ranking = pl.read_ndjson(inputs.out / run_id / "ranking.jsonl")
    return dict(ranking.select("account_id", "tier").iter_rows())


@pytest.mark.parametrize("count", [1, 50])
def test_copying_an_innocent_shop_does_not_frame_it(tmp_path: Path, count: int) -> None:
    """Flagged accounts that copy a shop's phone, e-mail, address, website and descriptor leave it outside T1 to T3."""
    inputs = Inputs.good(tmp_path)
    innocent = _merchant("INNOCENT", INNOCENT[0], INNOCENT[1:], "acct-innocent")
    copies = [_merchant(f"A{n}", f"{FLAGGED};{INNOCENT[0]}", INNOCENT[1:], f"acct-a{n}") for n in range(count)]
    paid = _paid("INNOCENT", "QUIET SHOP", INNOCENT[0])
    paid += [row for n in range(count) for row in _paid(f"A{n}", "QUIET SHOP", FLAGGED)]
    tiers = _tiers(inputs, [innocent, *copies], paid, "r")
    assert tiers["400001/A0"] in {"T1", "T2"}
    assert tiers.get("400001/INNOCENT", "watch") == "watch"


def test_a_crowd_around_one_identifier_hides_no_seller(tmp_path: Path) -> None:
    """Ten thousand decoys that share a seller's contact data or settlement account leave it in its tier."""
    inputs = Inputs.good(tmp_path)
    contact = ("owner@mail.example", "+999 1111 2222", "9 Mill Lane Eastmere")
    seller = _merchant("SELLER", FLAGGED, contact, "acct-seller")
    decoys = [_merchant(f"D{n}", "", contact, "acct-seller") for n in range(10_000)]
    alone = _tiers(inputs, [seller], _paid("SELLER", "SHOP", FLAGGED), "alone")
    crowd = _tiers(inputs, [seller, *decoys], _paid("SELLER", "SHOP", FLAGGED), "crowd")
    assert alone["400001/SELLER"] == crowd["400001/SELLER"] == "T1"
    assert {tier for account, tier in crowd.items() if account != "400001/SELLER"} <= {"watch"}
