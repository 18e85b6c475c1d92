"""Prices, cards and hours: what the single payments of an account have in common."""

from __future__ import annotations

from datetime import datetime

import pytest
from feature_worlds import A1, features, merchants, of_one, payments

from merchantscreen.vocabulary import CURRENCIES, CURRENCY_EXPONENTS, minor_per_unit


def test_the_three_most_frequent_prices_are_exact_prices() -> None:
    """A price is an amount in a currency; equal amounts in two currencies are two prices."""
    amounts = [2900] * 5 + [4900] * 3 + [9900] * 2 + [1234, 1235]
    row = of_one(payments(*({"amount_minor": amount} for amount in amounts), {"amount_minor": 1000, "currency": "USD"}))
    assert row["distinct_price_count"] == 6
    assert row["top3_price_share"] == pytest.approx(10 / 13)
    assert of_one(payments({"outcome": "declined"}))["top3_price_share"] is None


def test_even_amounts_are_multiples_between_two_bounds() -> None:
    """Ten and two hundred are even, the next step beyond them is not; other currencies are left out."""
    amounts = [1000, 20000, 15000, 999, 1500, 21000, 0]
    row = of_one(payments(*({"amount_minor": amount} for amount in amounts), {"currency": "JPY"}))
    assert row["even_amount_share"] == 3 / 7


def test_low_amounts_are_below_the_bound() -> None:
    """499.99 is low and 500 is not."""
    row = of_one(payments({"amount_minor": 49999}, {"amount_minor": 50000}, {"amount_minor": 1, "currency": "KWD"}))
    assert row["low_value_share"] == 0.5


def test_other_currencies_say_nothing_about_even_or_low_amounts() -> None:
    """Ten yen are no even amount in the sense of the sources, and not an uneven one either."""
    row = of_one(payments({"currency": "JPY"}))
    assert (row["even_amount_share"], row["low_value_share"]) == (None, None)


def test_minor_units_follow_the_currency() -> None:
    """A dinar has a thousand of them, a yen is its own, most units have a hundred."""
    assert [minor_per_unit(currency) for currency in ("KWD", "JPY", "EUR")] == [1000, 1, 100]
    assert set(CURRENCY_EXPONENTS) <= CURRENCIES


# --------------------------------------------------------------------------- where the cards come from


def test_the_country_of_the_message_stands_in_for_the_account() -> None:
    """Without a country of the account, the one in the message decides what is foreign."""
    transactions = payments(
        {"issuer_country": "US", "merchant_country": "US"},
        {"issuer_country": "NL", "merchant_country": "US"},
        {"issuer_country": "NL", "merchant_country": None},
        {},
    )
    row = of_one(transactions)
    assert (row["cross_border_share"], row["home_issuer_share"]) == (0.5, 0.5)
    own = features(transactions, merchants({**A1, "country": "NL"}))["A/1"]
    assert (own["cross_border_share"], own["home_issuer_share"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_issuer_countries_are_counted_also_where_the_account_has_none() -> None:
    """Three cards from two countries; without a known issuer nothing is known."""
    row = of_one(payments({"issuer_country": "US"}, {"issuer_country": "NL"}, {"issuer_country": "NL"}, {}))
    assert (row["issuer_country_count"], row["top_issuer_country_share"]) == (2, pytest.approx(2 / 3))
    assert row["home_issuer_share"] is None
    row = of_one(payments({}))
    names = ("issuer_country_count", "top_issuer_country_share", "cross_border_share", "home_issuer_share")
    assert [row[name] for name in names] == [None] * 4


def test_foreign_currencies_are_told_by_the_accounts_own() -> None:
    """One of four purchases in dollars; without an own currency none is foreign."""
    transactions = payments({}, {}, {}, {"currency": "USD"})
    assert features(transactions, merchants({**A1, "currency": "EUR"}))["A/1"]["foreign_currency_share"] == 0.25
    assert features(transactions, merchants({**A1, "currency": "GBP"}))["A/1"]["foreign_currency_share"] == 1.0
    assert of_one(transactions)["foreign_currency_share"] is None


@pytest.mark.parametrize(
    ("country", "hour", "minute", "share"),
    [
        ("NL", 20, 45, 0.0),  # 21:45 in winter
        ("NL", 21, 0, 1.0),  # 22:00 in winter, 23:00 in summer
        ("NL", 3, 59, 1.0),  # 5:59 in summer
        ("NL", 4, 0, 0.0),  # 6:00 in summer
        ("IN", 16, 15, 0.0),  # 21:45
        ("IN", 16, 30, 1.0),  # 22:00
        ("IN", 0, 29, 1.0),  # 5:59
        ("IN", 0, 30, 0.0),  # 6:00
        ("US", 8, 0, 1.0),  # 22:00 in Hawaii, 4:00 in the east
        ("US", 7, 59, 0.0),  # 21:59 in Hawaii
        ("US", 9, 59, 1.0),  # 5:59 in the east
        ("US", 10, 0, 0.0),  # 6:00 in the east
    ],
)
def test_night_is_night_everywhere_in_the_country(country: str, hour: int, minute: int, share: float) -> None:
    """A purchase counts only if it was night for every clock of the payer's country."""
    about = {"issuer_country": country, "occurred_at": datetime(2026, 10, 1, hour, minute)}
    assert of_one(payments(about))["night_share"] == share


def test_countries_without_a_clock_are_passed_over() -> None:
    """Where no payer's country has a clock, the share is not known."""
    night = {"occurred_at": datetime(2026, 10, 1, 23)}
    row = of_one(payments({**night, "issuer_country": "NL"}, {**night, "issuer_country": "AQ"}, night))
    assert row["night_share"] == 1.0
    assert of_one(payments({**night, "issuer_country": "AQ"}, night))["night_share"] is None


# --------------------------------------------------------------------------- how cards are used


def test_entry_modes_tell_cards_that_were_there() -> None:
    """The first two digits count; an unspecified mode is no mode."""
    modes = ["05", "071", "8100", "01", "00", None]
    row = of_one(payments(*({"entry_mode": mode} for mode in modes)))
    assert (row["card_present_share"], row["ecommerce_share"]) == (0.5, 0.25)


def test_electronic_commerce_is_told_by_mode_or_indicator() -> None:
    """Either is enough, also without the indicator's leading zero; with neither nothing is known."""
    told = [{"entry_mode": "81"}, {"eci": "05"}, {"eci": "7"}, {"eci": "01"}, {"entry_mode": "05"}, {}]
    assert of_one(payments(*told))["ecommerce_share"] == 0.6
    row = of_one(payments({}, {"entry_mode": "00"}))
    assert (row["card_present_share"], row["ecommerce_share"]) == (None, None)


# --------------------------------------------------------------------------- listings and profile


def test_listing_codes_are_counted_by_class() -> None:
    """A code counts once; one of no class is among the others; none given is not known."""
    rows = features(None, merchants(
        {**A1, "listing_codes": "MATCH-03;VMSS-23;match-13;MATCH-04;MATCH-04;HOUSE-1"}, {"account_id": "A/2"},
    ))  # fmt: skip
    names = [f"listing_{group}count" for group in ("", "laundering_", "illegal_", "fraud_", "other_")]
    assert [rows["A/1"][name] for name in names] == [5, 2, 1, 1, 1]
    assert [rows["A/2"][name] for name in names] == [None] * 5


def test_what_the_account_says_it_is_passes_through() -> None:
    """Category, country and state stand as the merchant file has them."""
    row = features(None, merchants({**A1, "mcc": "0742", "country": "NL", "status": "active"}))["A/1"]
    assert (row["mcc"], row["country"], row["status"]) == ("0742", "NL", "active")
