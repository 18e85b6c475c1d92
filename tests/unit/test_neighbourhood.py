"""The cut: full-data degrees, hubs that cost a count, and nothing lost that could hold evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from evidence_worlds import model
from frames import declared, traffic, transactions

from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.identifiers import identifier_kinds
from merchantscreen.neighbourhood import Neighbourhood, cut


def around(
    tmp_path: Path, linked: list[str], stated: pl.DataFrame, rows: pl.DataFrame | None = None, **changes: Any
) -> Neighbourhood:
    """Cut around linked accounts in small frames."""
    engine = PolarsEngine(tmp_path)
    moved = transactions() if rows is None else rows
    carried = pl.DataFrame({"account_id": linked, "risk_nano": [760_000_000] * len(linked)})
    return cut(traffic(engine, moved), engine.load(stated), carried, model(**changes))


def reached(near: Neighbourhood) -> dict[str, int]:
    """Return the accounts with the hop in which they were reached."""
    return dict(near.accounts.iter_rows())


def test_accounts_that_share_an_identifier_are_reached_in_one_hop(tmp_path: Path) -> None:
    """Sister accounts by settlement account join the cut; strangers do not."""
    stated = declared(
        ("settlement_account", "S1", "A/1"), ("settlement_account", "S1", "A/2"), ("settlement_account", "S2", "A/3")
    )
    assert reached(around(tmp_path, ["A/1"], stated)) == {"A/1": 0, "A/2": 1}


def test_a_third_round_reaches_one_identifier_further(tmp_path: Path) -> None:
    """The number of rounds in the policy decides how far the cut goes."""
    stated = declared(("tax_id", "T", "A/1"), ("tax_id", "T", "A/2"), ("phone", "P", "A/2"), ("phone", "P", "A/3"))
    assert reached(around(tmp_path, ["A/1"], stated)) == {"A/1": 0, "A/2": 1}
    assert reached(around(tmp_path, ["A/1"], stated, account_rounds=3)) == {"A/1": 0, "A/2": 1, "A/3": 2}


def test_what_several_hops_find_comes_once_and_in_order(tmp_path: Path) -> None:
    """An identifier that is met from both of its sides gives each of its holders once."""
    stated = declared(
        ("tax_id", "T", "A/3"), ("tax_id", "T", "A/2"), ("phone", "P", "A/2"), ("phone", "P", "A/1"),
        ("tax_id", "U", "A/1"), ("tax_id", "U", "A/3"),
    )  # fmt: skip
    near = around(tmp_path, ["A/2"], stated, account_rounds=3)
    assert near.accounts.rows() == [("A/1", 1), ("A/2", 0), ("A/3", 1)]
    assert near.holdings.select("account_id", "kind", "value").rows() == [
        ("A/1", "phone", "P"), ("A/1", "tax_id", "U"), ("A/2", "phone", "P"), ("A/2", "tax_id", "T"),
        ("A/3", "tax_id", "T"), ("A/3", "tax_id", "U"),
    ]  # fmt: skip


def test_identifiers_seen_in_transactions_count_as_well(tmp_path: Path) -> None:
    """Devices, terminals, addresses and descriptors tie accounts by what they did."""
    rows = transactions(
        {"account_id": "A/1", "device_token": "D"}, {"account_id": "A/2", "device_token": "D"},
        {"account_id": "A/1", "terminal": "A/T1"}, {"account_id": "A/3", "terminal": "A/T1"},
        {"account_id": "A/3", "terminal": "A/T1"},
    )  # fmt: skip
    near = around(tmp_path, ["A/1"], declared(), rows)
    assert reached(near) == {"A/1": 0, "A/2": 1, "A/3": 1}
    assert near.degrees.to_dicts() == [
        {"kind": "device", "value": "D", "holder_count": 2},
        {"kind": "terminal", "value": "A/T1", "holder_count": 2},
    ]


def test_a_hub_is_counted_and_not_followed(tmp_path: Path) -> None:
    """An identifier that very many accounts hold adds its count, and none of them."""
    stated = declared(*(("agent", "HUB", f"A/{i}") for i in range(20_000)))
    near = around(tmp_path, ["A/1"], stated)
    assert reached(near) == {"A/1": 0}
    assert near.degrees.to_dicts() == [{"kind": "agent", "value": "HUB", "holder_count": 20_000}]
    assert near.holdings["account_id"].to_list() == ["A/1"]


def test_degrees_are_counted_over_the_full_data(tmp_path: Path) -> None:
    """A sister's identifier counts every holder, also those outside the cut."""
    stated = declared(("phone", "P", "A/1"), *(("phone", "P", f"A/{i}") for i in range(2, 9)))
    near = around(tmp_path, ["A/1"], stated)
    assert near.degrees.filter(pl.col("value") == "P")["holder_count"].item() == 8


def test_breadth_counts_only_identifiers_that_somebody_shares(tmp_path: Path) -> None:
    """Identifiers of its own do not spread what an account passes on."""
    stated = declared(
        ("principal", "X", "A/1"), ("principal", "X", "A/2"), ("principal", "Y", "A/1"), ("principal", "Y", "A/3"),
        ("principal", "own", "A/1"),
    )  # fmt: skip
    near = around(tmp_path, ["A/1"], stated)
    assert near.breadths.to_dicts() == [{"kind": "principal", "account_id": "A/1", "breadth_count": 2}]


def test_many_linked_holders_of_one_identifier_do_not_hide_it(tmp_path: Path) -> None:
    """However many linked accounts hold an identifier, its other holders are reached."""
    stated = declared(*(("phone", "P", f"A/{i}") for i in range(10)))
    assert len(reached(around(tmp_path, [f"A/{i}" for i in range(8)], stated))) == 10


def test_a_hub_beyond_the_limit_is_not_followed_however_many_are_linked(tmp_path: Path) -> None:
    """An identifier with more holders than the policy allows is counted, and none of them is looked at."""
    stated = declared(*(("phone", "HUB", f"A/{i}") for i in range(2_000)))
    linked = [f"A/{i}" for i in range(500)]
    assert around(tmp_path, linked, stated, hub_holder_count=2_000).accounts.height == 2_000
    assert around(tmp_path, linked, stated, hub_holder_count=1_999).accounts.height == 500


def test_what_merchants_declare_is_named_as_in_the_table() -> None:
    """Kinds in tables.DeclaredIdentifiers are looked for by the names that weights and degrees have."""
    assert all(kind.column == kind.name for kind in identifier_kinds("merchants"))
