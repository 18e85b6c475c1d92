"""What transactions say about some accounts, counted in small stages that run on any engine.

`payment_stages` counts them per day, price, corridor and quarter of an hour, `name_stages` lists their hosts,
MCCs and descriptors. All else about transactions follows from these compact frames, at home.

Rules kept here:

* counts and sums of exact integers only, so no order matters;
* no quantile, median, list or distinct count inside a group_by: every stage streams.

Source: what streams was read off the engines' physical plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any, Final

import narwhals.stable.v2 as nw

from merchantscreen.policy.model import Measures
from merchantscreen.vocabulary import CardProduct, TransactionOutcome, TransactionType, minor_per_unit

Frame = nw.LazyFrame[Any]

QUARTER_MINUTES: Final = 15
"""Offsets from UTC are whole quarters of an hour, so no quarter lies in day and night at once."""
_UNSPECIFIED_ENTRY: Final = "00"
"""Entry mode that says nothing. Source: ISO 8583 DE 22."""
_ENTRY_DIGITS: Final = 2
"""Digits of the entry mode that say how the card was read; the rest is about the PIN. Source: ISO 8583 DE 22."""

PAYMENTS: Final = (
    "account_id", "occurred_at", "amount_minor", "currency", "transaction_type", "outcome", "card_product",
    "issuer_country", "merchant_country", "entry_mode", "eci",
)  # fmt: skip
HOSTS: Final = ("account_id", "occurred_at", "requestor_host", "acceptor_host")
CHANGES: Final = ("account_id", "occurred_at", "mcc", "descriptor")
CONTACTS: Final = ("terminal", "device_token")
NAMES: Final = tuple(dict.fromkeys((*HOSTS, *CHANGES, *CONTACTS)))
"""Columns of tables.Transactions that are measured: PAYMENTS and NAMES, and parts of these."""

COMPARED: Final = {
    "totals": ("account_id", "currency"),
    "prices": ("account_id", "amount_minor", "currency"),
    "corridors": ("account_id", "issuer_country", "merchant_country"),
    "quarters": ("account_id", "issuer_country", "quarter"),
}
"""What a row of each of the `compared_stages` is about; all its other columns are counts and sums."""


def payment_stages(rows: Frame, measures: Measures) -> dict[str, Frame]:
    """Count the payments of some accounts in stages that stream.

    Args:
        rows: All their transactions, with PAYMENTS.
        measures: Which amounts, codes and countries are counted.

    Returns:
        `days`: one row per (account_id, occurred_on, currency). Of approved purchases: `prices`, one per
        (account_id, amount_minor, currency); `corridors`, one per (account_id, issuer_country,
        merchant_country); `quarters`, one per (account_id, issuer_country, quarter of the day in UTC).
    """
    return {
        "days": _days(rows, measures),
        **_spreads(rows),
    }


def compared_stages(rows: Frame) -> dict[str, Frame]:
    """Count the payments of accounts that others are only compared with: their days do not matter.

    Nothing in a policy or in the moment of a run shapes these counts, so they can be kept.

    Args:
        rows: All their transactions, with PAYMENTS.

    Returns:
        `totals`: one row per (account_id, currency); `prices`, `corridors` and `quarters` as `payment_stages` counts.
    """
    return {"totals": _totals(rows), **_spreads(rows)}


def added(parts: Sequence[Mapping[str, Frame]]) -> dict[str, Frame]:
    """Add up the `compared_stages` of rows that were counted apart: the same as counting them together."""
    return {stage: _added([part[stage] for part in parts], key) for stage, key in COMPARED.items()}


def name_stages(rows: Frame, of_linked: Frame, described: Frame, met: Frame) -> dict[str, Frame]:
    """List what accounts named in their transactions, in stages that stream.

    Args:
        rows: All transactions of some accounts, with HOSTS.
        of_linked: Those of accounts that are linked to a referral, with CHANGES.
        described: `account_id` of the transactions that name a descriptor.
        met: `account_id` of the transactions that name one of CONTACTS.

    Returns:
        With the moment first seen: `hosts`, one row per (account_id, host), from either column; `mccs` and
        `descriptors` likewise, of linked accounts. `described` and `met`, each account once.
    """
    return {
        "hosts": _hosts(rows),
        "mccs": _first_seen(of_linked, "mcc"),
        "descriptors": _first_seen(of_linked, "descriptor"),
        "described": described.select("account_id").unique(),
        "met": met.select("account_id").unique(),
    }


def naive_utc(moment: datetime) -> datetime:
    """Write a moment as frames do: UTC without zone."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def moment_literal(moment: datetime) -> nw.Expr:
    """Write a moment into a plan; one without zone would be read in the zone of the machine on some engines."""
    return nw.lit(naive_utc(moment).replace(tzinfo=UTC)).dt.replace_time_zone(None)


# --------------------------------------------------------------------------- conditions on one transaction


def _is_attempt() -> nw.Expr:
    return nw.col("transaction_type") == TransactionType.PURCHASE.value


def _is_approved() -> nw.Expr:
    return nw.col("outcome") == TransactionOutcome.APPROVED.value


def _is_purchase() -> nw.Expr:
    return _is_attempt() & _is_approved()


def _is_known(column: str) -> nw.Expr:
    return ~nw.col(column).is_null()


def _is_micro(measures: Measures) -> nw.Expr:
    """Tell amounts below the bound, in the currencies it is meant for."""
    currencies: dict[int, list[str]] = {}
    for currency in sorted(measures.unit_currencies):
        currencies.setdefault(minor_per_unit(currency), []).append(currency)
    parts = (
        nw.col("currency").is_in(group) & (nw.col("amount_minor") < measures.micro_amount_below_units * minor)
        for minor, group in currencies.items()
    )
    return reduce(or_, parts, nw.lit(value=False))


def _entry() -> nw.Expr:
    return nw.col("entry_mode").str.slice(0, _ENTRY_DIGITS)


def _is_entry_known() -> nw.Expr:
    return _is_known("entry_mode") & (_entry() != _UNSPECIFIED_ENTRY)


def _is_ecommerce(measures: Measures) -> nw.Expr:
    """Tell electronic commerce by entry mode or by indicator; some senders drop the indicator's leading zero."""
    indicators = measures.ecommerce_ecis | {code.removeprefix("0") for code in measures.ecommerce_ecis}
    by_entry = _is_known("entry_mode") & _entry().is_in(sorted(measures.ecommerce_entry_modes))
    return by_entry | (_is_known("eci") & nw.col("eci").is_in(sorted(indicators)))


def _flag(condition: nw.Expr) -> nw.Expr:
    """Turn a condition into 1 or 0: booleans do not add up on every engine."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int64)


# --------------------------------------------------------------------------- stages


def _days(rows: Frame, measures: Measures) -> Frame:
    """Count per account, day and currency what happened, in one pass."""
    kind = nw.col("transaction_type")
    present = _entry().is_in(sorted(measures.card_present_entry_modes))
    flags = {
        "purchase_count": _is_purchase(),
        "refund_count": kind == TransactionType.REFUND.value,
        "chargeback_count": kind == TransactionType.CHARGEBACK.value,
        "declined_count": _is_attempt() & ~_is_approved(),
        "micro_count": _is_attempt() & _is_micro(measures),
        "product_known_count": _is_purchase() & _is_known("card_product"),
        "prepaid_count": _is_purchase() & (nw.col("card_product") == CardProduct.PREPAID.value),
        "entry_known_count": _is_purchase() & _is_entry_known(),
        "card_present_count": _is_purchase() & _is_entry_known() & present,
        "ecommerce_known_count": _is_purchase() & (_is_entry_known() | _is_known("eci")),
        "ecommerce_count": _is_purchase() & _is_ecommerce(measures),
    }
    flagged = rows.select(
        "account_id",
        "occurred_at",
        "currency",
        nw.col("occurred_at").dt.date().alias("occurred_on"),
        _spent().alias("purchase_minor"),
        *(_flag(condition).alias(name) for name, condition in flags.items()),
    )
    return flagged.group_by("account_id", "occurred_on", "currency").agg(
        nw.len().cast(nw.Int64).alias("transaction_count"),
        nw.col("occurred_at").min().alias("first_at"),
        nw.col("occurred_at").max().alias("last_at"),
        nw.col("purchase_minor").sum(),
        *(nw.col(name).sum() for name in flags),
    )


def _spent() -> nw.Expr:
    return nw.when(_is_purchase()).then(nw.col("amount_minor")).otherwise(nw.lit(0)).cast(nw.Int64)


def _totals(rows: Frame) -> Frame:
    """Count per account and currency what is compared."""
    flags = {
        "purchase_count": _is_purchase(),
        "refund_count": nw.col("transaction_type") == TransactionType.REFUND.value,
    }
    counted = (_flag(condition).alias(name) for name, condition in flags.items())
    flagged = rows.select("account_id", "currency", _spent().alias("purchase_minor"), *counted)
    return flagged.group_by(*COMPARED["totals"]).agg(nw.col("purchase_minor", *flags).sum())


def _added(parts: Sequence[Frame], key: Sequence[str]) -> Frame:
    if len(parts) == 1:
        return parts[0]
    counts = [name for name in parts[0].collect_schema().names() if name not in key]
    return nw.concat([part.select(*key, *counts) for part in parts]).group_by(*key).agg(nw.col(*counts).sum())


def _spreads(rows: Frame) -> dict[str, Frame]:
    """Count approved purchases by what they cost, where they came from and when."""
    return {"prices": _prices(rows), "corridors": _corridors(rows), "quarters": _quarters(rows)}


def _prices(rows: Frame) -> Frame:
    return _counted(rows.filter(_is_purchase()), COMPARED["prices"], "price_count")


def _corridors(rows: Frame) -> Frame:
    """Count per account, issuer country and country in the message, where the issuer's is known."""
    known = rows.filter(_is_purchase() & _is_known("issuer_country"))
    return _counted(known, COMPARED["corridors"], "corridor_count")


def _quarters(rows: Frame) -> Frame:
    """Count per account, issuer country and quarter of the day, where the country is known."""
    timed = rows.filter(_is_purchase() & _is_known("issuer_country"))
    moment = nw.col("occurred_at").dt
    minutes = moment.hour().cast(nw.Int64) * 60 + moment.minute().cast(nw.Int64)
    keyed = timed.select("account_id", "issuer_country", (minutes // QUARTER_MINUTES).alias("quarter"))
    return _counted(keyed, COMPARED["quarters"], "quarter_count")


def _counted(rows: Frame, key: Iterable[str], name: str) -> Frame:
    return rows.group_by(*key).agg(nw.len().cast(nw.Int64).alias(name))


def _hosts(rows: Frame) -> Frame:
    """List per account the hosts its payment messages named."""
    parts = [rows.select("account_id", "occurred_at", nw.col(column).alias("host")) for column in HOSTS[2:]]
    return _first_seen(nw.concat(parts), "host")


def _first_seen(rows: Frame, column: str) -> Frame:
    known = rows.filter(_is_known(column))
    return known.group_by("account_id", column).agg(nw.col("occurred_at").min().alias("first_at"))
