"""Sites, links to referred domains, linked accounts around, and what changed after a referral."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from feature_worlds import A1, DAY, NO_CROWDS, ago, features, merchants, of_one, payments
from frames import AS_OF, account_links, clues, declared, flagged, frame

from merchantscreen.features import LINK_FEATURES, Crowds, direct_links
from merchantscreen.tables import Holdings

AMBER = {"domain": "amber.example"}
LINKED = {**A1, **AMBER}
SEEN = {"requestor_host": "a.example"}


# --------------------------------------------------------------------------- sites


def test_an_observed_site_that_was_not_declared_is_counted_once() -> None:
    """Hosts of one site count once; declared sites, under any host, and cautioned hosts do not count."""
    transactions = payments(
        {"requestor_host": "www.amber-shop.example"},
        {"requestor_host": "other.example", "acceptor_host": "pay.other.example"},
        {"acceptor_host": "shop7.paypage.example"},
        {"requestor_host": "192.0.2.7"},
    )
    stated = declared(("website", "amber-shop.example", "A/1"))
    row = of_one(transactions, declared=stated, caution=frozenset({"paypage.example"}))
    assert (row["undeclared_host_count"], row["observed_site_count"]) == (2, 3)
    row = of_one(transactions, declared=stated)
    assert (row["undeclared_host_count"], row["observed_site_count"]) == (3, 4)


def test_undeclared_sites_are_not_known_without_both_sides() -> None:
    """Without an observed URL, or without any declared website, there is nothing to compare."""
    stated = declared(("website", "a.example", "A/1"))
    names = ("undeclared_host_count", "observed_site_count")
    assert [of_one(payments(SEEN))[name] for name in names] == [None, 1]
    assert [of_one(payments({}), declared=stated)[name] for name in names] == [None, None]
    assert [of_one(payments(SEEN), declared=stated)[name] for name in names] == [0, 1]


def test_only_cautioned_hosts_are_no_sites() -> None:
    """An account that shows nothing but a payment page shows no site of its own."""
    row = of_one(payments(SEEN), declared=declared(("website", "b.example", "A/1")), caution=frozenset({"a.example"}))
    assert (row["undeclared_host_count"], row["observed_site_count"]) == (0, 0)


# --------------------------------------------------------------------------- links to referred domains


def test_links_are_counted_by_what_they_were_found_in() -> None:
    """One domain found twice in payment messages is one; each kind of data has its own count."""
    links = account_links(
        {**LINKED, "kind": "declared_website"}, {**LINKED, "kind": "observed_requestor_url"},
        {**LINKED, "kind": "observed_acceptor_url"}, {**A1, "domain": "b.example", "kind": "observed_acceptor_url"},
        {**LINKED, "kind": "descriptor_domain"}, {**LINKED, "kind": "email_domain"},
        {**LINKED, "kind": "clue_merchant_id"}, {**LINKED, "kind": "clue_descriptor"},
        {**LINKED, "kind": "clue_amount"},
    )  # fmt: skip
    given = clues({**AMBER, "card_acceptor_id": "1", "descriptor": "A", "amount_minor": 1, "currency": "EUR",
                   "seen_at": AS_OF})  # fmt: skip
    row = of_one(payments({**SEEN, "descriptor": "AMBER.EXAMPLE"}), links=links, clues=given,
                 domains=flagged(AMBER, {"domain": "b.example"}))  # fmt: skip
    counts = {name: row[name] for name in LINK_FEATURES if name.startswith(("referred", "clue"))}
    assert counts == {
        "referred_declared_count": 1, "referred_observed_count": 2, "referred_descriptor_count": 1,
        "referred_email_domain_count": 1, "referred_close_count": 0, "referred_label_count": 0,
        "referred_linked_domain_count": 0, "clue_merchant_id_count": 1, "clue_descriptor_count": 1,
        "clue_amount_count": 1,
    }  # fmt: skip


def test_a_near_match_is_counted_as_what_it_is() -> None:
    """Close and label matches are counted apart from exact ones, over all hosts."""
    links = account_links(
        {**LINKED, "match": "close"}, {**LINKED, "match": "close", "kind": "email_domain"},
        {**A1, "domain": "b.example", "match": "label", "kind": "observed_requestor_url"},
    )  # fmt: skip
    row = of_one(links=links, domains=flagged(AMBER, {"domain": "b.example"}),
                 declared=declared(("website", "x.amber.example", "A/1")))  # fmt: skip
    assert (row["referred_close_count"], row["referred_label_count"], row["referred_declared_count"]) == (1, 1, 0)


def test_domains_that_are_only_linked_are_counted_apart() -> None:
    """What a hotline's domain link reaches is not confirmed, and never counts as that."""
    domains = flagged({**AMBER, "confirmed": False})
    row = of_one(links=account_links(LINKED), domains=domains, declared=declared(("website", "amber.example", "A/1")))
    assert (row["referred_linked_domain_count"], row["referred_declared_count"]) == (1, 0)
    assert row["referral_age_days"] is None


def test_links_outside_the_validity_do_not_count() -> None:
    """They are counter-evidence, and shown as such elsewhere."""
    links = account_links({**LINKED, "in_window": False})
    row = of_one(links=links, domains=flagged(AMBER), declared=declared(("website", "amber.example", "A/1")))
    assert (row["referred_declared_count"], row["referral_age_days"]) == (0, None)
    assert direct_links(links, flagged(AMBER)).is_empty()


@pytest.mark.parametrize(
    ("known", "names"),
    [
        ({"declared": declared(("website", "c.example", "A/1"))}, {"referred_declared_count"}),
        ({"declared": declared(("email_domain", "c.example", "A/1"))}, {"referred_email_domain_count"}),
        ({"transactions": payments(SEEN)}, {"referred_observed_count"}),
    ],
)
def test_a_count_is_known_where_there_is_something_to_compare(known: dict[str, Any], names: set[str]) -> None:
    """One host of any kind makes near matches known, too; nothing makes the rest."""
    hosts = {"referred_close_count", "referred_label_count", "referred_linked_domain_count"}
    row = of_one(domains=flagged(AMBER), **known)
    assert {name for name in LINK_FEATURES if name.startswith("referred") and row[name] == 0} == names | hosts


def test_a_descriptor_is_compared_but_is_no_host() -> None:
    """An account whose descriptor was seen could have named a domain there."""
    row = of_one(payments({"descriptor": "AMBER LAMPS"}), domains=flagged(AMBER))
    assert (row["referred_descriptor_count"], row["referred_close_count"]) == (0, None)


def test_clues_that_no_hotline_gave_are_not_missing() -> None:
    """Each kind of clue is known from the first that was given; a price without a time is none."""
    transactions = payments({"descriptor": "AMBER"})
    names = ("clue_merchant_id_count", "clue_descriptor_count", "clue_amount_count")
    assert [of_one(transactions)[name] for name in names] == [None] * 3
    price = {**AMBER, "amount_minor": 1990, "currency": "EUR"}
    for given, expected in (
        ({**AMBER, "card_acceptor_id": "X"}, [0, None, None]), ({**AMBER, "descriptor": "X"}, [None, 0, None]),
        (price, [None, None, None]), ({**price, "seen_at": AS_OF}, [None, None, 0]),
    ):  # fmt: skip
        assert [of_one(transactions, clues=clues(given))[name] for name in names] == expected


def test_clues_need_something_to_compare_with() -> None:
    """No descriptor, no transaction, no merchant row: nothing that could have matched."""
    given = clues({**AMBER, "card_acceptor_id": "X", "descriptor": "X", "amount_minor": 1, "currency": "EUR",
                   "seen_at": AS_OF})  # fmt: skip
    names = ("clue_merchant_id_count", "clue_descriptor_count", "clue_amount_count")
    assert [of_one(clues=given)[name] for name in names] == [0, None, None]
    unknown = features(payments({"account_id": "B/1"}), wanted=["B/1"], clues=given)["B/1"]
    assert [unknown[name] for name in names] == [None, None, 0]


# --------------------------------------------------------------------------- linked accounts around


def owners(*rows: tuple[str, str, str]) -> dict[str, Any]:
    """Link A/2 to a referred domain, and declare what ties it to others."""
    return {
        "accounts": merchants(*({"account_id": f"A/{n}"} for n in range(1, 5))), "declared": declared(*rows),
        "links": account_links({"account_id": "A/2", **AMBER}), "domains": flagged(AMBER),
    }  # fmt: skip


def test_linked_siblings_do_not_include_the_account_itself() -> None:
    """The sibling sees the linked account; the linked account sees none; without identifiers nothing is known."""
    rows = features(**owners(("tax_id", "t", "A/1"), ("tax_id", "t", "A/2"), ("tax_id", "u", "A/3")))
    assert [rows[f"A/{n}"]["linked_sibling_count"] for n in (1, 2, 3, 4)] == [1, 0, 0, None]


def test_linked_contacts_share_a_medium_identifier() -> None:
    """A shared phone and a shared device are one contact; an unshared e-mail is none; nothing is not known."""
    contacts = frame(Holdings, [
        {"kind": kind, "value": "x", "account_id": account}
        for kind in ("phone", "device") for account in ("A/1", "A/2")
    ])  # fmt: skip
    world = owners(("phone", "x", "A/1"), ("phone", "x", "A/2"), ("email", "y", "A/3"))
    rows = features(**world, contacts=contacts)
    assert [rows[f"A/{n}"]["linked_contact_count"] for n in (1, 2, 3, 4)] == [1, 0, 0, None]
    seen = features(payments({"account_id": "A/4", "terminal": "A/T1"}), **world)
    assert seen["A/4"]["linked_contact_count"] == 0


def test_clients_of_one_intermediary_are_counted_without_the_account_itself() -> None:
    """One of the facilitator's three accounts is linked, two of the agent's five; none is evidence of itself."""
    crowds = Crowds(
        members=pl.DataFrame(
            [("payment_facilitator", "F", 3, 1), ("agent", "F", 5, 2), ("payment_facilitator", "G", 1, 0)],
            schema=NO_CROWDS.members.schema, orient="row",
        ),
        names_facilitators=True,
    )  # fmt: skip
    world = owners(("agent", "F", "A/1"), ("agent", "F", "A/2"))
    named = {"A/1": "F", "A/2": "F", "A/3": "G"}
    own = merchants(*({"account_id": f"A/{n}", "payment_facilitator_id": named.get(f"A/{n}")} for n in range(1, 5)))
    rows = features(**(world | {"accounts": own}), crowds=crowds)
    assert [rows[f"A/{n}"]["facilitator_linked_count"] for n in (1, 2, 3, 4)] == [1, 0, 0, None]
    assert [rows[f"A/{n}"]["facilitator_linked_share"] for n in (1, 2, 3, 4)] == [0.5, 0.0, None, None]
    assert [rows[f"A/{n}"]["agent_linked_count"] for n in (1, 2, 3, 4)] == [2, 1, None, None]
    assert [rows[f"A/{n}"]["agent_linked_share"] for n in (1, 2, 3)] == [0.5, 0.25, None]
    assert [rows[f"A/{n}"]["under_facilitator"] for n in (1, 3, 4)] == [True, True, False]


def test_without_any_link_the_share_is_nothing() -> None:
    """Where no account is linked the share is 0; where nobody names a facilitator, nobody is known without."""
    members = pl.DataFrame([("agent", "F", 3, 0)], schema=NO_CROWDS.members.schema, orient="row")
    crowds = Crowds(members, names_facilitators=False)
    row = of_one(declared=declared(("agent", "F", "A/1")), crowds=crowds)
    assert (row["agent_linked_count"], row["agent_linked_share"], row["under_facilitator"]) == (0, 0.0, None)


# --------------------------------------------------------------------------- what changed after a referral


CONFIRMED = datetime(2026, 9, 1, 12)


def changed(*rows: dict[str, Any], at: datetime = CONFIRMED, **more: Any) -> dict[str, Any]:
    """Return the features of A/1, linked to a domain confirmed at a moment."""
    domains = flagged({**AMBER, "first_confirmed_at": at}, {"domain": "b.example", "first_confirmed_at": at + 40 * DAY})
    links = account_links(LINKED, {**A1, "domain": "b.example"})
    return of_one(payments(*rows), links=links, domains=domains, **more)


def on(days: int, **about: Any) -> dict[str, Any]:
    """Build a purchase so many days after the confirmation."""
    return {"occurred_at": CONFIRMED + days * DAY, **about}


def test_the_age_of_a_referral_is_that_of_the_earliest() -> None:
    """Of two domains the one confirmed first counts; a confirmation after the run is none yet."""
    assert changed()["referral_age_days"] == 61
    assert changed(at=AS_OF + DAY)["referral_age_days"] is None
    assert of_one()["referral_age_days"] is None


def test_purchases_are_compared_over_as_many_days() -> None:
    """Thirty days before the day of the confirmation, and thirty from that day on."""
    row = changed(on(-31), on(-30), on(-1), on(0), on(29), on(29), on(30))
    assert row["purchase_change_ratio"] == 1.5
    assert changed(on(0))["purchase_change_ratio"] is None


def test_purchases_are_compared_only_once_the_time_is_over() -> None:
    """On the thirtieth day after it the days are over; one day earlier they are not."""
    early = [{"occurred_at": ago(35)}, {"occurred_at": ago(25)}]
    assert changed(*early, at=ago(30) + timedelta(hours=3))["purchase_change_ratio"] == 1.0
    assert changed(*early, at=ago(29))["purchase_change_ratio"] is None


def test_what_is_first_seen_soon_after_is_new() -> None:
    """New within thirty days counts; what was there before, or came later, does not."""
    old = {"requestor_host": "old.example", "mcc": "5411", "descriptor": "OLD"}
    new = {"requestor_host": "new.example", "mcc": "5816", "descriptor": "NEW"}
    late = {"requestor_host": "late.example", "mcc": "7273", "descriptor": "LATE"}
    row = changed(on(0, **old), on(1, **old), on(30, **new), on(31, **late), on(40, **new))
    names = [f"new_{what}_after_referral_count" for what in ("site", "mcc", "descriptor")]
    assert [row[name] for name in names] == [1, 1, 1]
    assert [changed(on(0, **old), on(1, **old))[name] for name in names] == [0, 0, 0]
    assert [changed(on(1, **new))[name] for name in names] == [None] * 3
    assert [of_one(payments(on(0, **old), on(1, **new)))[name] for name in names] == [None] * 3


def test_a_new_payment_page_is_no_new_site() -> None:
    """Hosts that many parties share are passed over, before and after."""
    caution = frozenset({"paypage.example"})
    row = changed(on(-1, **SEEN), on(1, requestor_host="x.paypage.example"), caution=caution)
    assert row["new_site_after_referral_count"] == 0
    row = changed(on(-1, requestor_host="x.paypage.example"), on(1, **SEEN), caution=caution)
    assert row["new_site_after_referral_count"] is None
