"""Links: which accounts touch a flagged domain, how, and whether inside its validity."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from evidence_worlds import model
from frames import AS_OF, accounts, clues, declared, flagged, traffic, transactions

from merchantscreen.engines.polars import PolarsEngine
from merchantscreen.links import FlaggedNames, count_links, find_links, match_hosts, names_in_text

SHOP = {"account_id": "ACQ1/001"}


def found(
    tmp_path: Path,
    domains: pl.DataFrame,
    *,
    rows: pl.DataFrame | None = None,
    stated: pl.DataFrame | None = None,
    merchants: pl.DataFrame | None = None,
    seen: pl.DataFrame | None = None,
) -> list[dict[str, Any]]:
    """Run the search over small frames and return its rows."""
    engine = PolarsEngine(tmp_path)
    names = FlaggedNames(domains, clues() if seen is None else seen, frozenset({"mail.example"}))
    table = find_links(
        traffic(engine, transactions() if rows is None else rows),
        engine.load(declared() if stated is None else stated),
        accounts(SHOP) if merchants is None else merchants,
        names,
        AS_OF,
        model(),
    )
    return table.to_dicts()


# --------------------------------------------------------------------------- hosts


@pytest.mark.parametrize(
    ("host", "match"),
    [
        ("amber-lamps.example", "exact"),
        ("www.amber-lamps.example", "exact"),
        ("a.b.c.amber-lamps.example", "exact"),
        ("notamber-lamps.example", None),
        ("amber-lamps.example.test", None),
        ("amber-lamps.test", "label"),
        ("shop.amber-lamps.invalid", "label"),
        ("lamps.example", None),
    ],
)
def test_hosts_meet_a_registrable_domain_label_by_label(host: str, match: str | None) -> None:
    """Sub-hosts are inside, look-alikes are not, the same name under another suffix is a weak match."""
    domains = flagged({"domain": "amber-lamps.example", "label": "amber-lamps"})
    got = match_hosts(pl.Series([host]), domains)
    assert got["match"].to_list() == ([match] if match else [])


def test_a_host_referral_meets_its_own_host_and_weakly_its_neighbours() -> None:
    """With host scope the confirmed host is exact; another host of the same domain is only close."""
    domains = flagged({"domain": "shop.amber.example", "match_scope": "host", "registrable": "amber.example"})
    got = match_hosts(pl.Series(["shop.amber.example", "www.amber.example", "amber.example"]), domains)
    assert dict(got.select("host", "match").iter_rows()) == {
        "shop.amber.example": "exact", "www.amber.example": "close", "amber.example": "close",
    }  # fmt: skip


@pytest.mark.parametrize("guard", [{"dedicated": "no"}, {"caveats": ["shared_host"]}])
def test_tenants_next_door_on_a_shared_host_are_left_alone(guard: dict[str, Any]) -> None:
    """On a shared or undedicated domain nothing but the exact host matches."""
    row = {"domain": "bad.freehost.example", "match_scope": "host", "registrable": "freehost.example", **guard}
    got = match_hosts(pl.Series(["good.freehost.example", "bad.freehost.example"]), flagged(row))
    assert got["host"].to_list() == ["bad.freehost.example"]


def test_the_best_match_of_a_host_wins() -> None:
    """A host that meets a domain in two ways is listed once, by the better one."""
    row = {"domain": "amber-lamps.example", "label": "amber-lamps"}
    got = match_hosts(pl.Series(["amber-lamps.example"] * 3), flagged(row))
    assert got.to_dicts() == [{"host": "amber-lamps.example", "domain": "amber-lamps.example", "match": "exact"}]


def test_names_are_read_out_of_descriptors() -> None:
    """Host names in a descriptor are found between its other parts."""
    assert list(names_in_text("PAY*WWW.AMBER-LAMPS.EXAMPLE +32 BE")) == ["www.amber-lamps.example"]
    assert list(names_in_text("ACME LTD. BRUSSELS 12.50")) != ["12.50"]


# --------------------------------------------------------------------------- each way to be linked


def test_the_requestor_url_of_a_payment_links_its_account(tmp_path: Path) -> None:
    """Payments under a flagged host link the account, with count, dates and one reference."""
    rows = transactions(
        {"account_id": "ACQ1/001", "requestor_host": "pay.amber.example", "occurred_at": datetime(2026, 9, 1)},
        {"account_id": "ACQ1/001", "requestor_host": "pay.amber.example", "occurred_at": datetime(2026, 9, 5)},
        {"account_id": "ACQ1/002", "requestor_host": "other.example"},
    )
    (link,) = found(tmp_path, flagged({"domain": "amber.example"}), rows=rows)
    assert link["account_id"] == "ACQ1/001"
    assert link["kind"] == "observed_requestor_url"
    assert link["transaction_count"] == 2
    assert (link["first_at"], link["last_at"]) == (datetime(2026, 9, 1), datetime(2026, 9, 5))
    assert link["example_transaction_id"] == "t0000"


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("acceptor_host", "amber.example", "observed_acceptor_url"),
        ("descriptor", "AMBER.EXAMPLE BRUSSELS", "descriptor_domain"),
    ],
)
def test_acceptor_urls_and_descriptors_link_too(tmp_path: Path, column: str, value: str, kind: str) -> None:
    """The acceptor's own URL and a domain written in the descriptor are links of their own kinds."""
    rows = transactions({"account_id": "ACQ1/001", column: value})
    (link,) = found(tmp_path, flagged({"domain": "amber.example"}), rows=rows)
    assert (link["kind"], link["seen_as"]) == (kind, value)


def test_declared_websites_and_e_mail_domains_link(tmp_path: Path) -> None:
    """What the merchant file says links as well, without transactions."""
    stated = declared(("website", "www.amber.example", "ACQ1/001"), ("email_domain", "amber.example", "ACQ1/001"))
    links = found(tmp_path, flagged({"domain": "amber.example"}), stated=stated)
    assert [link["kind"] for link in links] == ["declared_website", "email_domain"]
    assert [link["transaction_count"] for link in links] == [None, None]


def test_a_free_mail_domain_says_nothing(tmp_path: Path) -> None:
    """Accounts are not linked through a mail provider that everyone uses."""
    stated = declared(("email_domain", "mail.example", "ACQ1/001"))
    assert found(tmp_path, flagged({"domain": "mail.example"}), stated=stated) == []


def test_a_merchant_id_seen_by_the_hotline_links(tmp_path: Path) -> None:
    """The card acceptor id on the payment page is the strongest clue."""
    seen = clues({"domain": "amber.example", "card_acceptor_id": "001"})
    (link,) = found(tmp_path, flagged({"domain": "amber.example"}), seen=seen)
    assert (link["kind"], link["account_id"]) == ("clue_merchant_id", "ACQ1/001")


def test_a_price_counts_only_for_accounts_linked_already_and_near_the_time(tmp_path: Path) -> None:
    """A coincidence of prices links nobody; beside another link and near the date it is listed."""
    domains = flagged({"domain": "amber.example"})
    seen = clues(
        {"domain": "amber.example", "amount_minor": 2995, "currency": "EUR", "seen_at": datetime(2026, 10, 10)}
    )
    rows = transactions(
        {"account_id": "ACQ1/001", "requestor_host": "amber.example", "amount_minor": 2995},
        {"account_id": "ACQ1/001", "requestor_host": "amber.example", "amount_minor": 2995,
         "occurred_at": datetime(2026, 7, 1)},
        {"account_id": "ACQ1/002", "amount_minor": 2995},
    )  # fmt: skip
    links = found(tmp_path, domains, rows=rows, seen=seen)
    assert [(link["account_id"], link["kind"]) for link in links] == [
        ("ACQ1/001", "clue_amount"), ("ACQ1/001", "observed_requestor_url"),
    ]  # fmt: skip
    assert links[0]["transaction_count"] == 1


# --------------------------------------------------------------------------- validity


def test_activity_outside_the_validity_is_listed_apart(tmp_path: Path) -> None:
    """Payments before and after the window are counter-evidence, not evidence, and not lost."""
    window = {"window_from_at": datetime(2026, 9, 1), "window_until_at": datetime(2026, 9, 30)}
    rows = transactions(
        *({"account_id": "ACQ1/001", "requestor_host": "amber.example", "occurred_at": datetime(2026, month, 15)}
          for month in (8, 9, 10))
    )  # fmt: skip
    links = found(tmp_path, flagged({"domain": "amber.example", **window}), rows=rows)
    assert [(link["in_window"], link["transaction_count"]) for link in links] == [(False, 2), (True, 1)]


@pytest.mark.parametrize(
    ("opened", "closed", "inside"),
    [
        (date(2026, 6, 1), None, False),
        (date(2025, 6, 1), None, True),
        (date(2024, 1, 1), date(2025, 1, 31), False),
        (None, None, True),
    ],
)
def test_a_declared_site_counts_only_if_the_account_lived_in_the_window(
    tmp_path: Path, opened: date | None, closed: date | None, *, inside: bool
) -> None:
    """A domain bought after the referral lapsed is somebody else's; an unknown date is no excuse."""
    window = {"window_from_at": datetime(2025, 3, 1), "window_until_at": datetime(2026, 3, 1)}
    merchants = accounts({"account_id": "ACQ1/001", "opened_on": opened, "closed_on": closed})
    stated = declared(("website", "amber.example", "ACQ1/001"))
    (link,) = found(tmp_path, flagged({"domain": "amber.example", **window}), stated=stated, merchants=merchants)
    assert link["in_window"] is inside


def test_link_degrees_count_accounts_inside_the_window(tmp_path: Path) -> None:
    """The damping of a link counts distinct accounts per domain and kind."""
    rows = transactions(*({"account_id": f"ACQ1/{i}", "requestor_host": "amber.example"} for i in (1, 2, 2, 3)))
    engine = PolarsEngine(tmp_path)
    names = FlaggedNames(flagged({"domain": "amber.example"}), clues(), frozenset())
    links = find_links(traffic(engine, rows), engine.load(declared()), accounts(SHOP), names, AS_OF, model())
    assert count_links(links).to_dicts() == [
        {"domain": "amber.example", "kind": "observed_requestor_url", "linked_count": 3}
    ]
