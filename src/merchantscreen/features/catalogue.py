"""The feature catalogue: everything rules may ask about an account, in one table.

One row per feature: name, type, unit, how it follows from the measures of the other modules
here, which columns it needs, and in one sentence what it says and when it is not known.

Rules kept here:

* null means "not known", never zero: an account without transactions has no counts, while one
  that has some, only not in the last week, has zero in that week;
* "the last N days" are the N calendar days, in UTC, up to and including the day of the run;
* amounts are added within one currency: the account's own, or the only one seen (`volume`).

Thresholds and periods are not here but in rules/; windows of 7, 30 and 90 days, and the month
of 30 days, are units of a feature and stand in its name or meaning.
Source: each feature names its own, a public document or "design".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from merchantscreen.features.definition import (
    ACQUIRER,
    CODE,
    COUNT,
    DAYS,
    MINOR,
    NETWORK,
    RATIO,
    ROBUST_Z,
    SHARE,
    YES_NO,
    Feature,
    Profile,
    as_measured,
    ratio,
    whole_ratio,
)
from merchantscreen.vocabulary import ColumnType

BOOLEAN, INTEGER, NUMBER, TEXT = ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.TEXT

WINDOWS: Final = (7, 30, 90)
"""Days that a window feature looks back. Source: design; 90 days after Ballerine on new accounts."""

_TX: Final = ("transactions.transaction_type", "transactions.outcome")
_WHEN: Final = ("transactions.occurred_at",)
_AMOUNT: Final = ("transactions.amount_minor", "transactions.currency")
_ISSUER: Final = ("transactions.issuer_country",)
_HOME: Final = ("merchants.country or transactions.merchant_country",)
_URLS: Final = ("transactions.requestor_url or transactions.acceptor_url",)
_HARD: Final = ("merchants.settlement_account_token or merchants.tax_id_token or merchants.principal_tokens",)
_CONTACTS: Final = "merchants.email or merchants.phone or merchants.website_urls"
_MEDIUM: Final = (f"{_CONTACTS} or transactions.device_token or transactions.terminal_id",)
_DOMAIN: Final = ("referrals.domain",)
_CONFIRMED: Final = ("referrals.domain", "referrals.confirmed_at")
_LISTING: Final = ("merchants.listing_codes",)

_AMOUNTS: Final = "Ballerine on laundering through new accounts"
_PRICES: Final = "USA Today, 26 May 2006 (fixed monthly prices)"
_FATF: Final = "FATF 2025, as summarised by Luxembourg's FIU"
_FINTRAC: Final = "FINTRAC operational alert, November 2025"
_FINCEN: Final = "FinCEN FIN-2012-A010"
_VMSS: Final = "VMSS inquiry fields"
_GREEN_SHEET: Final = "The Green Sheet, article 5044"
_CODE_04: Final = "MATCH reason code 04"
_LISTINGS: Final = "MATCH and VMSS reason codes"


def _count(
    name: str, meaning: str, needs: tuple[str, ...], source: str = "design", profile: Profile = NETWORK
) -> Feature:
    return Feature(name, INTEGER, COUNT, as_measured(name), needs, profile, meaning, source)


def _days(name: str, meaning: str, needs: tuple[str, ...], source: str, profile: Profile = NETWORK) -> Feature:
    return Feature(name, INTEGER, DAYS, as_measured(name), needs, profile, meaning, source)


# --------------------------------------------------------------------------- counts


def _windowed() -> Iterator[Feature]:
    """Build the counts and volumes of the last days, one set per window."""
    for days in WINDOWS:
        ending = f"in the last {days} days; null for an account without any transaction."
        yield _count(f"purchase_count_{days}d", f"Approved purchases {ending}", (*_TX, *_WHEN))
        yield _count(f"refund_count_{days}d", f"Refunds {ending}", (*_TX, *_WHEN), _FINCEN)
        yield _count(f"chargeback_count_{days}d", f"Chargebacks {ending}", (*_TX, *_WHEN), _CODE_04)
        yield _count(f"declined_count_{days}d", f"Declined purchases {ending}", (*_TX, *_WHEN))
        name = f"volume_minor_{days}d"
        yield Feature(
            name, INTEGER, MINOR, as_measured(name), (*_TX, *_WHEN, *_AMOUNT), NETWORK,
            f"Sum of approved purchases in the last {days} days, in the account's currency or in the only one seen; "
            "null without transactions, or where all purchases were in others.",
            _AMOUNTS,
        )  # fmt: skip


_COUNTS: Final = (
    _count("purchase_count", "Approved purchases up to the moment of the run; null without transactions.", _TX),
    _count("refund_count", "Refunds; null without transactions.", _TX, _FINCEN),
    _count("chargeback_count", "Chargebacks; null without transactions.", _TX, _CODE_04),
    _count("declined_count", "Purchases the issuer declined; null without transactions.", _TX),
    *_windowed(),
    Feature("chargeback_share", NUMBER, SHARE, ratio("chargeback_count", "purchase_count"), _TX, NETWORK,
            "Chargebacks per approved purchase; null without approved purchases.", _CODE_04),
    Feature("chargeback_share_90d", NUMBER, SHARE, ratio("chargeback_count_90d", "purchase_count_90d"),
            (*_TX, *_WHEN), NETWORK,
            "Chargebacks of the last 90 days per approved purchase of these days; null without such purchases.",
            _CODE_04),
    Feature("refund_share", NUMBER, SHARE, ratio("refund_count", "purchase_count"), _TX, NETWORK,
            "Refunds per approved purchase; null without approved purchases.", _FINCEN),
    Feature("refund_share_90d", NUMBER, SHARE, ratio("refund_count_90d", "purchase_count_90d"), (*_TX, *_WHEN), NETWORK,
            "Refunds of the last 90 days per approved purchase of these days; null without such purchases.", _FINCEN),
    Feature("declined_share", NUMBER, SHARE, ratio("declined_count", "attempt_count"), _TX, NETWORK,
            "Declined purchases, of all approved and declined ones; null without either.", "design"),
    Feature("declined_share_7d", NUMBER, SHARE, ratio("declined_count_7d", "attempt_count_7d"), (*_TX, *_WHEN), NETWORK,
            "The same over the last 7 days; null where there were neither in these days.", "design"),
    Feature("declined_share_30d", NUMBER, SHARE, ratio("declined_count_30d", "attempt_count_30d"),
            (*_TX, *_WHEN), NETWORK,
            "The same over the last 30 days; null where there were neither in these days.", "design"),
    Feature("prepaid_share", NUMBER, SHARE, ratio("prepaid_count", "product_known_count"),
            ("transactions.card_product",), NETWORK,
            "Approved purchases with a prepaid card, of those whose kind of card is known; null where none is.",
            "design"),
)  # fmt: skip

# --------------------------------------------------------------------------- prices

_PRICED: Final = (
    Feature("top3_price_share", NUMBER, SHARE, ratio("top3_price_count", "priced_count"), _TX, NETWORK,
            "Approved purchases at the three most frequent exact prices; null without approved purchases.", _PRICES),
    _count("distinct_price_count", "Different exact prices, currency included; null without approved purchases.",
           _TX, _PRICES),
    Feature("average_ticket_minor", INTEGER, MINOR, whole_ratio("volume_minor", "volume_count"), _TX, NETWORK,
            "Mean approved purchase, rounded down, in the account's currency, or in the only currency seen; "
            "null otherwise.", _AMOUNTS),
    Feature("average_ticket_minor_30d", INTEGER, MINOR, as_measured("average_ticket_minor_30d"), (*_TX, *_WHEN),
            NETWORK, "The same over the last 30 days; null without purchases in these days.", _AMOUNTS),
    Feature("even_amount_share", NUMBER, SHARE, ratio("even_amount_count", "unit_price_count"), (*_TX, *_AMOUNT),
            NETWORK,
            "Approved purchases of even amounts (multiples of even_amount_step_units between two bounds), of those in "
            "unit_currencies; null where none is.", _FATF),
    Feature("low_value_share", NUMBER, SHARE, ratio("low_value_count", "unit_price_count"), (*_TX, *_AMOUNT), NETWORK,
            "Approved purchases below low_value_below_units, of those in unit_currencies; null where none is.",
            "AUSTRAC on low-value payments"),
    _count("micro_burst_count",
           "Most attempts below micro_amount_below_units, approved or declined, on one day; null without any attempt "
           "in unit_currencies.", (*_TX, *_WHEN, *_AMOUNT), "Payabli on test payments"),
    Feature("micro_burst_ramp_ratio", NUMBER, RATIO, ratio("purchases_after_burst", "purchases_until_burst"),
            (*_TX, *_WHEN, *_AMOUNT), NETWORK,
            "Approved purchases in the 30 days after that day (the first of several), per purchase in the 30 days up "
            "to and including it; days after the run are missing; null without a burst or without purchases until it.",
            "Payabli on test payments"),
    Feature("volume_to_declared_ratio", NUMBER, RATIO, ratio("monthly_volume_minor", "declared_monthly_volume_minor"),
            (*_TX, "merchants.declared_monthly_volume_minor", "merchants.currency"), ACQUIRER,
            "Purchase volume per 30 days over the period seen (at least 30 days), against the declared monthly "
            "volume; null where none is declared.", _AMOUNTS),
    Feature("ticket_to_declared_ratio", NUMBER, RATIO, ratio("own_ticket_minor", "declared_average_ticket_minor"),
            (*_TX, "merchants.declared_average_ticket_minor", "merchants.currency"), ACQUIRER,
            "Mean purchase in the declared currency against the declared average ticket; null where none is declared.",
            _AMOUNTS),
)  # fmt: skip

# --------------------------------------------------------------------------- compared with the same trade

_PEERS: Final = (
    Feature("cross_border_peer_z", NUMBER, ROBUST_Z, as_measured("cross_border_peer_z"),
            (*_ISSUER, "merchants.mcc"), NETWORK,
            "How far cross_border_share lies from the median of a sample of accounts with the same MCC, in scaled "
            "median absolute deviations (peer_scale_floor at least); null with too few peers.",
            f"design, after {_FINTRAC}"),
    Feature("average_ticket_peer_z", NUMBER, ROBUST_Z, as_measured("average_ticket_peer_z"),
            (*_TX, *_AMOUNT, "merchants.mcc"), NETWORK,
            "The same for average_ticket_minor, among peers of the same currency too; the scale is at least "
            "peer_ticket_scale_floor of the median.", "EverCompliant on merchants unlike their category"),
    Feature("refund_share_peer_z", NUMBER, ROBUST_Z, as_measured("refund_share_peer_z"),
            (*_TX, "merchants.mcc"), NETWORK, "The same for refund_share.", _FINCEN),
    Feature("even_amount_peer_z", NUMBER, ROBUST_Z, as_measured("even_amount_peer_z"),
            (*_TX, *_AMOUNT, "merchants.mcc"), NETWORK, "The same for even_amount_share.", _FATF),
    Feature("night_share_peer_z", NUMBER, ROBUST_Z, as_measured("night_share_peer_z"),
            (*_ISSUER, *_WHEN, "merchants.mcc"), NETWORK, "The same for night_share.", _FATF),
)  # fmt: skip

# --------------------------------------------------------------------------- where the cards come from

_PAYERS: Final = (
    Feature("cross_border_share", NUMBER, SHARE, ratio("cross_border_count", "cross_border_known_count"),
            (*_ISSUER, *_HOME), NETWORK,
            "Approved purchases whose issuer is in another country than the account, of those where both are known; "
            "null where none is.", _FINTRAC),
    Feature("home_issuer_share", NUMBER, SHARE, ratio("home_issuer_count", "cross_border_known_count"),
            (*_ISSUER, *_HOME), NETWORK,
            "Approved purchases whose issuer is in the account's country, of those where both are known; null where "
            "none is.", "Austreme on a footprint unlike the stated market"),
    _count("issuer_country_count", "Different issuer countries of approved purchases; null where none is known.",
           _ISSUER, "Austreme on a footprint unlike the stated market"),
    Feature("top_issuer_country_share", NUMBER, SHARE, ratio("top_issuer_country_count", "issuer_known_count"),
            _ISSUER, NETWORK,
            "Approved purchases from the most frequent issuer country, of those where it is known; null where it "
            "never is.", "Austreme on a footprint unlike the stated market"),
    Feature("foreign_currency_share", NUMBER, SHARE, ratio("foreign_currency_count", "own_currency_known_count"),
            ("transactions.currency", "merchants.currency"), ACQUIRER,
            "Approved purchases in another currency than the account's; null where that is not known, or without "
            "purchases.", "Austreme on a footprint unlike the stated market"),
    Feature("night_share", NUMBER, SHARE, ratio("night_count", "clocked_count"), (*_ISSUER, *_WHEN), NETWORK,
            "Approved purchases made when it was night (night_from_hour to night_until_hour) everywhere in the "
            "issuer's country, by the quarter of an hour, of those from countries in payer_clocks; null where none is.",
            _FATF),
    Feature("card_present_share", NUMBER, SHARE, ratio("card_present_count", "entry_known_count"),
            ("transactions.entry_mode",), NETWORK,
            "Approved purchases with the card or device there, of those whose entry mode is known; null where none is.",
            "ISO 8583 DE 22"),
    Feature("ecommerce_share", NUMBER, SHARE, ratio("ecommerce_count", "ecommerce_known_count"),
            ("transactions.entry_mode or transactions.eci",), NETWORK,
            "Approved purchases that entry mode or indicator call electronic commerce, of those with either; null "
            "where none has.", "ISO 8583 DE 22"),
)  # fmt: skip

# --------------------------------------------------------------------------- age and time

_TIMES: Final = (
    _days("account_age_days",
          "Days from the account's opening to the moment of the run; null if not known or not yet open.",
          ("merchants.opened_on",), _AMOUNTS, ACQUIRER),
    _days("days_first_to_last", "Whole days from the first to the last transaction; null without transactions.",
          _WHEN, _AMOUNTS),
    _days("longest_gap_days",
          "Longest run of days without any transaction between two days with one; null without transactions.",
          _WHEN, "Visa guide to acquirer risk monitoring (dormant accounts)"),
    _count("purchase_count_since_gap",
           "Approved purchases since the end of that gap (the latest of several as long); null where longest_gap_days "
           "is 0, so rules ask for that first.",
           (*_TX, *_WHEN), "Visa guide to acquirer risk monitoring (dormant accounts)"),
    Feature("ticket_drift_ratio", NUMBER, RATIO, ratio("drifted_ticket_minor", "first_ticket_minor"),
            (*_TX, *_WHEN, *_AMOUNT), NETWORK,
            "Average ticket of the last 30 days against that of the first 30 days seen, both rounded down; null where "
            "these overlap or one has no purchase.", _AMOUNTS),
    Feature("volume_ramp_ratio", NUMBER, RATIO, ratio("volume_minor_30d", "volume_minor_30d_before"),
            (*_TX, *_WHEN, *_AMOUNT), NETWORK,
            "Purchase volume of the last 30 days against the 30 days before; null where that is 0.", _AMOUNTS),
)  # fmt: skip

# --------------------------------------------------------------------------- websites

_SITES: Final = (
    _count("undeclared_host_count",
           "Registrable domains in payment messages that are not among the declared websites; hosts on the caution "
           "list, such as payment pages, are passed over. Null where no URL was observed or no website is declared.",
           (*_URLS, "merchants.website_urls"), "Web Shield on undisclosed websites", ACQUIRER),
    _count("observed_site_count",
           "Registrable domains in payment messages; hosts on the caution list are passed over. Null where no URL was "
           "observed.", _URLS, "Web Shield on undisclosed websites"),
)  # fmt: skip

# --------------------------------------------------------------------------- accounts of the same business

_SIBLINGS: Final = (
    _count("sibling_count",
           "Other accounts with the same settlement account, tax id or principal; widely shared values tie "
           "nobody. Null where the account has none of the three.", _HARD, _VMSS, ACQUIRER),
    _count("sibling_acquirer_change_count",
           "Other acquirers or facilitators at which siblings opened accounts in the sibling_opening_days before; "
           "null if no sibling's opening is known.", (*_HARD, "merchants.opened_on"), _FINCEN, ACQUIRER),
    _count("sibling_opening_count",
           "Siblings opened within sibling_opening_window_days before or after this account; null if its opening is "
           "not known, or no sibling's is.",
           (*_HARD, "merchants.opened_on"), "G2 on accounts opened together as standby", ACQUIRER),
    _count("closed_sibling_count", "Siblings that had closed by the day this account opened.",
           (*_HARD, "merchants.opened_on", "merchants.closed_on"), _GREEN_SHEET, ACQUIRER),
    _days("days_since_sibling_closed",
          "Days from the last such closing to this account's opening; null where closed_sibling_count is 0, so rules "
          "ask for that first.",
          (*_HARD, "merchants.opened_on", "merchants.closed_on"), _GREEN_SHEET, ACQUIRER),
    _count("stopped_sibling_count",
           "Siblings whose last transaction came before this account's first; null without transactions of its own, or "
           "where no sibling's are known.", (*_HARD, *_WHEN), _GREEN_SHEET, ACQUIRER),
    _days("days_since_sibling_stopped",
          "Days from the last transaction of the sibling that stopped last, before this account began, to this "
          "account's first; null where stopped_sibling_count is 0, so rules ask for that first.",
          (*_HARD, *_WHEN), _GREEN_SHEET, ACQUIRER),
    Feature("sibling_price_overlap_share", NUMBER, SHARE, ratio("overlapping_count", "priced_count"),
            (*_HARD, *_TX, *_AMOUNT), ACQUIRER,
            "Approved purchases at one of the compared_price_count most frequent prices of a sibling that stopped "
            "before this account began, the largest such share; null without such a sibling with prices.",
            _GREEN_SHEET),
    _count("sibling_listing_count",
           "Siblings with any listing code; null where there are siblings and no sibling's listing is known.",
           (*_HARD, *_LISTING), _LISTINGS, ACQUIRER),
)  # fmt: skip

# --------------------------------------------------------------------------- listings

_LISTED: Final = (
    _count("listing_count", "Different listing codes of the account; null where none is given.",
           _LISTING, _LISTINGS, ACQUIRER),
    _count("listing_laundering_count", "Those for laundering or similar; null where no code is given.",
           _LISTING, _LISTINGS, ACQUIRER),
    _count("listing_illegal_count", "Those for illegal transactions; null where no code is given.",
           _LISTING, _LISTINGS, ACQUIRER),
    _count("listing_fraud_count", "Those for fraud; null where no code is given.", _LISTING, _LISTINGS, ACQUIRER),
    _count("listing_other_count", "All others, codes of no class in listing_codes.yml included; null where no code "
           "is given.", _LISTING, _LISTINGS, ACQUIRER),
)  # fmt: skip

# --------------------------------------------------------------------------- linked accounts around it

_AROUND: Final = (
    _count("linked_sibling_count",
           "Siblings with a link to a confirmed domain inside its validity; null where sibling_count is.",
           (*_HARD, *_DOMAIN), _VMSS, ACQUIRER),
    _count("linked_contact_count",
           "Other accounts with such a link that share an e-mail, phone, website, device or terminal; widely shared "
           "values tie nobody. Null where the account has none of these.", (*_MEDIUM, *_DOMAIN), _VMSS),
    _count("facilitator_linked_count",
           "Other accounts of the same payment facilitator with such a link; null without facilitator.",
           ("merchants.payment_facilitator_id", *_DOMAIN), "design"),
    Feature("facilitator_linked_share", NUMBER, SHARE, as_measured("facilitator_linked_share"),
            ("merchants.payment_facilitator_id", *_DOMAIN), NETWORK,
            "Share of accounts with such a link among the facilitator's other accounts; null without facilitator or "
            "other accounts of it.", "design"),
    _count("agent_linked_count", "Other accounts of the same agent with such a link; null without agent.",
           ("merchants.agent_id", *_DOMAIN), "design", ACQUIRER),
    Feature("agent_linked_share", NUMBER, SHARE, as_measured("agent_linked_share"),
            ("merchants.agent_id", *_DOMAIN), ACQUIRER,
            "Share of accounts with such a link among the agent's other accounts; null without agent or other accounts "
            "of it.", "design"),
)  # fmt: skip

# --------------------------------------------------------------------------- links to referred domains

_REFERRED: Final = (
    _count("referred_declared_count",
           "Confirmed domains that a declared website lies in, inside their validity; null where no website is "
           "declared.", ("merchants.website_urls", *_DOMAIN), "MATCH exact match of URLs", ACQUIRER),
    _count("referred_observed_count",
           "Confirmed domains that a URL in payment messages lies in, inside their validity; null where no URL was "
           "observed.", (*_URLS, *_DOMAIN), "EMV 3DS, ISO 20022 CAIN"),
    _count("referred_descriptor_count",
           "Confirmed domains that a descriptor spells out, inside their validity; null where no descriptor was seen.",
           ("transactions.descriptor", *_DOMAIN), "ISO 8583 DE 43"),
    _count("referred_email_domain_count",
           "Confirmed domains that the contact e-mail's domain lies in, free mail aside, inside their validity; null "
           "where no e-mail is known.", ("merchants.email", *_DOMAIN), "IWF Payment Brand Alerts", ACQUIRER),
    _count("referred_close_count",
           "Confirmed domains of which another host of the same registrable domain was declared or seen; null where "
           "no host of the account is known.", (*_DOMAIN,), "MATCH close match of URLs"),
    _count("referred_label_count",
           "Confirmed domains whose name was declared or seen under another public suffix; null where no host of the "
           "account is known.", (*_DOMAIN,), "CircleID on hopping between top-level domains"),
    _count("referred_linked_domain_count",
           "Domains, not confirmed themselves, that a hotline says a referred site leads to and that the account is "
           "linked to; null where no host of the account is known.",
           ("referrals.domain_links or referrals.moved_to_domain",), "IWF annual report 2019 on disguised sites"),
    _count("clue_merchant_id_count",
           "Confirmed domains on which a hotline saw this account's merchant id; null where no hotline gave any, or "
           "the account has no merchant row.",
           ("referrals.payment_clues",), "IWF Payment Brand Alerts"),
    _count("clue_descriptor_count",
           "Confirmed domains on which a hotline saw this account's descriptor; null where no hotline gave any, or no "
           "descriptor was seen.",
           ("referrals.payment_clues", "transactions.descriptor"), "IWF Payment Brand Alerts"),
    _count("clue_amount_count",
           "Confirmed domains the account is linked to where a price seen by a hotline was paid near that time; null "
           "where no hotline gave any, or without transactions.", ("referrals.payment_clues",),
           "IWF Payment Brand Alerts"),
)  # fmt: skip

# --------------------------------------------------------------------------- what changed after a referral

_CHANGES: Final = (
    _days("referral_age_days",
          "Days from the earliest confirmation of a domain the account is linked to, to the moment of the run; null "
          "without such a link.", _CONFIRMED, "design"),
    Feature("purchase_change_ratio", NUMBER, RATIO, ratio("purchases_after_referral", "purchases_before_referral"),
            (*_CONFIRMED, *_TX, *_WHEN), NETWORK,
            "Approved purchases in the referral_change_days from that day on, against as many days before it; null "
            "where there were none before, or the days after are not over.", "design"),
    _count("new_site_after_referral_count",
           "Registrable domains first seen in payment messages within referral_change_days after that confirmation; "
           "caution hosts are passed over. Null where no site was seen before it.", (*_CONFIRMED, *_URLS), "design"),
    _count("new_mcc_after_referral_count",
           "MCCs first seen in payment messages in the same days; null where none was seen before.",
           (*_CONFIRMED, "transactions.mcc"), "design"),
    _count("new_descriptor_after_referral_count",
           "Descriptors first seen in the same days; null where none was seen before.",
           (*_CONFIRMED, "transactions.descriptor"), "design"),
)  # fmt: skip

# --------------------------------------------------------------------------- what the account says it is

_PROFILE: Final = (
    Feature("mcc", TEXT, CODE, as_measured("mcc"), ("merchants.mcc",), NETWORK,
            "Merchant category code of the account; never enough for a hit.", "ISO 18245"),
    Feature("country", TEXT, CODE, as_measured("country"), ("merchants.country",), NETWORK,
            "Country of the account; never enough for a hit.", "ISO 3166-1"),
    Feature("status", TEXT, CODE, as_measured("status"), ("merchants.status",), ACQUIRER,
            "State at the acquirer: active, suspended or closed.", "VMSS contract fields"),
    Feature("under_facilitator", BOOLEAN, YES_NO, as_measured("under_facilitator"),
            ("merchants.payment_facilitator_id",), NETWORK,
            "Whether a payment facilitator stands between the account and its acquirer; null where no account of the "
            "run names one.", "FinCEN FIN-2021-NTC3"),
)  # fmt: skip

# --------------------------------------------------------------------------- the table

_GROUPS: Final = {
    "How much of what": _COUNTS,
    "Prices": _PRICED,
    "Compared with the same trade": _PEERS,
    "Where and how cards are used": _PAYERS,
    "Age and time": _TIMES,
    "Websites": _SITES,
    "Accounts of the same business": _SIBLINGS,
    "Listings": _LISTED,
    "Linked accounts around it": _AROUND,
    "Links to referred domains": _REFERRED,
    "What changed after a referral": _CHANGES,
    "What the account says it is": _PROFILE,
}

CATALOGUE: Final[tuple[Feature, ...]] = tuple(
    replace(feature, group=group) for group, features in _GROUPS.items() for feature in features
)
FEATURE_TYPES: Final[dict[str, ColumnType]] = {feature.name: feature.type for feature in CATALOGUE}
"""The columns that rules may read."""

LINK_FEATURES: Final[frozenset[str]] = frozenset(
    {feature.name for feature in _REFERRED} | {"linked_sibling_count", "linked_contact_count"}
)
"""What a rule of role gate has to rest on: each is 1 or more only for accounts tied to a referral."""
