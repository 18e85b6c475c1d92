"""The schema, unit, key and source of every frame that passes from one module to the next.

Each table is a dataframely schema: it validates, it documents (docs/data-dictionary.md
is generated from it), and it is the type in our signatures. Rules kept here:

* codes are text, so `0742` stays `0742`; amounts are integers in minor units;
* times are microseconds without zone and mean UTC; names end in `_at`, dates in `_on`;
* evidence amounts are integers in nano-units (1e-9) and end in `_nano`;
* a null means "not known", never zero and never clean.

The first two tables are what files bring in; the rest is what we make of it.
"""

from __future__ import annotations

from typing import Any, Final

import dataframely as dy
import polars as pl

from merchantscreen.vocabulary import (
    COUNTRIES,
    CURRENCIES,
    ApprovalState,
    Assurance,
    BlindSpot,
    CardProduct,
    ColumnType,
    Dedicated,
    DomainLinkKind,
    EvidenceFamily,
    ExceptionState,
    HostMatch,
    MatchScope,
    MerchantStatus,
    RuleOutcome,
    RuleRole,
    RuleStatus,
    Tier,
    TransactionOutcome,
    TransactionType,
)

ID_PATTERN: Final = r"^[\x21-\x7E](?:[\x20-\x7E]{0,62}[\x21-\x7E])?$"
"""Printable ASCII, no edge spaces: ISO 8583 `ans` as DE 41 and DE 42 use it, with room for longer ids."""
TOKEN_PATTERN: Final = r"^[\x21-\x7E]{1,128}$"
"""A token: opaque, printable, without spaces. What it stands for is the sender's secret."""
MCC_PATTERN: Final = r"^[0-9]{4}$"
"""ISO 18245: four digits, leading zeros kept."""


MOST_MINOR: Final = 10**13
"""Largest amount of one transaction or month: beyond any real one, and half a million of them add up in 64 bits."""


def _about(meaning: str, *, unit: str | None = None, source: str | None = None) -> dict[str, Any]:
    """Describe a column for the data dictionary."""
    return {"meaning": meaning, "unit": unit, "source": source}


def _one_of(values: Any) -> Any:
    """Build a column check: the text is one of a closed set."""
    allowed = sorted(str(value) for value in values)
    return {"one_of": lambda column: column.is_in(allowed)}


def _text(meaning: str, **options: Any) -> dy.String:
    unit, source = options.pop("unit", None), options.pop("source", None)
    options.setdefault("nullable", True)
    return dy.String(metadata=_about(meaning, unit=unit, source=source), **options)


def _count(meaning: str, **options: Any) -> dy.Int64:
    options.setdefault("nullable", True)
    return dy.Int64(min=0, metadata=_about(meaning, unit="count"), **options)


def _nano(meaning: str, **options: Any) -> dy.Int64:
    options.setdefault("nullable", True)
    return dy.Int64(metadata=_about(meaning, unit="1e-9"), **options)


def _share(meaning: str) -> dy.Float64:
    return dy.Float64(nullable=False, metadata=_about(meaning, unit="share 0-1"))


def _moment(meaning: str, **options: Any) -> dy.Datetime:
    options.setdefault("nullable", True)
    return dy.Datetime(time_unit="us", metadata=_about(meaning, unit="UTC"), **options)


def _day(meaning: str, **options: Any) -> dy.Date:
    options.setdefault("nullable", True)
    return dy.Date(metadata=_about(meaning, unit="date"), **options)


def _texts(meaning: str, **options: Any) -> dy.List:
    options.setdefault("nullable", True)
    return dy.List(dy.String(), metadata=_about(meaning), **options)


# --------------------------------------------------------------------------- what files bring in


class MerchantRows(dy.Schema):
    """One row per merchant account, as an acquirer or network sends it.

    Key: acquirer_id, card_acceptor_id, with network, payment_facilitator_id and
    sub_merchant_id where given: a card acceptor id alone is not unique.
    Lists (website_urls, principal_tokens, listing_codes) are split at `;` in CSV.
    """

    network = _text("Card network, where one file covers several.", regex=ID_PATTERN)
    acquirer_id = _text("Acquirer (BIN or BID).", nullable=False, regex=ID_PATTERN, source="ISO 8583 DE 32")
    card_acceptor_id = _text("Card acceptor id.", nullable=False, regex=ID_PATTERN, source="ISO 8583 DE 42")
    payment_facilitator_id = _text("Payment facilitator.", regex=ID_PATTERN, source="VMSS paymentFacilitatorBID")
    sub_merchant_id = _text("Sub-merchant under the facilitator.", regex=ID_PATTERN, source="TC33 sub-merchant id")
    legal_name = _text("Legal name.", max_length=200, source="MATCH Name")
    dba_name = _text("Trading name.", max_length=200, source="MATCH DoingBusinessAsName")
    mcc = _text("Merchant category code.", regex=MCC_PATTERN, source="ISO 18245")
    country = _text("Country of the account.", check=_one_of(COUNTRIES), source="ISO 3166-1 alpha-2")
    opened_on = _day("Agreement start.")
    closed_on = _day("Agreement end.")
    status = _text("State at the acquirer.", check=_one_of(MerchantStatus))
    website_urls = _texts("Declared websites; reduced to hosts at intake.")
    email = _text("Contact e-mail; becomes a keyed token and a domain at intake.", max_length=254)
    phone = _text("Contact phone; becomes a keyed token at intake.", max_length=40)
    address = _text("Postal address; becomes a keyed token at intake.", max_length=300)
    settlement_account_token = _text("Token of the settlement account.", regex=TOKEN_PATTERN)
    tax_id_token = _text("Token of the tax id.", regex=TOKEN_PATTERN)
    principal_tokens = _texts("Tokens of owners and directors.")
    agent_id = _text("Agent or independent sales organisation.", regex=ID_PATTERN)
    declared_monthly_volume_minor = dy.Int64(
        nullable=True, min=0, max=MOST_MINOR, metadata=_about("Declared monthly volume.", unit="minor units")
    )
    declared_average_ticket_minor = dy.Int64(
        nullable=True, min=0, max=MOST_MINOR, metadata=_about("Declared average ticket.", unit="minor units")
    )
    currency = _text("Currency of the declared amounts.", check=_one_of(CURRENCIES), source="ISO 4217")
    listing_codes = _texts("MATCH or VMSS reason codes of earlier listings.")
    natural_person = dy.Bool(
        nullable=True, metadata=_about("Whether the account holder is a sole trader (personal data).")
    )


class TransactionRows(dy.Schema):
    """One row per transaction, metadata only. Key: the account's key and transaction_id where given."""

    transaction_id = _text("Sender's reference, unique within the account.", regex=TOKEN_PATTERN)
    occurred_at = _moment("When it happened.", nullable=False)
    network = _text("Card network, where one file covers several.", regex=ID_PATTERN)
    acquirer_id = _text("Acquirer (BIN or BID).", nullable=False, regex=ID_PATTERN, source="ISO 8583 DE 32")
    card_acceptor_id = _text("Card acceptor id.", nullable=False, regex=ID_PATTERN, source="ISO 8583 DE 42")
    payment_facilitator_id = _text("Payment facilitator.", regex=ID_PATTERN)
    sub_merchant_id = _text("Sub-merchant under the facilitator.", regex=ID_PATTERN)
    amount_minor = dy.Int64(
        nullable=False,
        min=0,
        max=MOST_MINOR,
        metadata=_about("Amount; direction is in transaction_type.", unit="minor units"),
    )
    currency = _text("Currency of the amount.", nullable=False, check=_one_of(CURRENCIES), source="ISO 4217")
    transaction_type = _text("Purchase when absent.", check=_one_of(TransactionType))
    outcome = _text("Approved when absent.", check=_one_of(TransactionOutcome))
    card_token = _text("Token of the card; checked and then dropped, nothing needs it.", regex=TOKEN_PATTERN)
    card_product = _text("Kind of card.", check=_one_of(CardProduct))
    issuer_country = _text("Country of the issuer.", check=_one_of(COUNTRIES), source="ISO 3166-1 alpha-2")
    merchant_country = _text("Country in the message.", check=_one_of(COUNTRIES), source="ISO 8583 DE 43")
    mcc = _text("Merchant category code in the message.", regex=MCC_PATTERN, source="ISO 8583 DE 18")
    entry_mode = _text("Point-of-service entry mode.", max_length=4, source="ISO 8583 DE 22")
    eci = _text("Electronic commerce indicator.", max_length=4)
    descriptor = _text("Name and location as the cardholder sees it.", max_length=99, source="ISO 8583 DE 43")
    requestor_url = _text("3DS requestor URL; reduced to its host at intake.", source="EMV 3DS threeDSRequestorURL")
    acceptor_url = _text("Acceptor URL; reduced to its host at intake.", source="ISO 20022 CAIN Accptr/URL")
    terminal_id = _text("Terminal, unique within its acquirer.", regex=ID_PATTERN, source="ISO 8583 DE 41")
    device_token = _text("Token of the merchant-side device.", regex=TOKEN_PATTERN)
    ip_token = _text("Token of the merchant-side network address.", regex=TOKEN_PATTERN)


# --------------------------------------------------------------------------- what intake makes of it


class Accounts(dy.Schema):
    """One row per accepted merchant account, without names of people and without raw contact data."""

    account_id = _text("Account key as one text, see identifiers.account_id.", primary_key=True, nullable=False)
    network = _text("Card network.")
    acquirer_id = _text("Acquirer.", nullable=False)
    card_acceptor_id = _text("Card acceptor id.", nullable=False)
    payment_facilitator_id = _text("Payment facilitator.")
    sub_merchant_id = _text("Sub-merchant.")
    legal_name = _text("Legal name.")
    dba_name = _text("Trading name.")
    mcc = _text("Merchant category code.")
    country = _text("Country of the account.")
    opened_on = _day("Agreement start.")
    closed_on = _day("Agreement end.")
    status = _text("State at the acquirer.")
    declared_monthly_volume_minor = dy.Int64(nullable=True, metadata=_about("Declared.", unit="minor units"))
    declared_average_ticket_minor = dy.Int64(nullable=True, metadata=_about("Declared.", unit="minor units"))
    currency = _text("Currency of the declared amounts.")
    listing_codes = _text("MATCH or VMSS reason codes, joined by `;`.")
    natural_person = dy.Bool(nullable=True, metadata=_about("Sole trader."))
    website_count = _count("Declared websites that could be read.", nullable=False)


class DeclaredIdentifiers(dy.Schema):
    """One row per (kind, value, account): what the merchant file says an account has.

    `website` and `email_domain` values are hosts; e-mail, phone and address are keyed tokens.
    """

    kind = _text("Row of the identifier table.", primary_key=True, nullable=False)
    value = _text("Normalised value or token.", primary_key=True, nullable=False)
    account_id = _text("Account.", primary_key=True, nullable=False)


class Transactions(dy.Schema):
    """Accepted transactions as staged for the engine: URLs reduced to hosts, no card token."""

    account_id = _text("Account key as one text.", nullable=False)
    transaction_id = _text("Sender's reference.")
    occurred_at = _moment("When it happened.", nullable=False)
    amount_minor = dy.Int64(nullable=False, metadata=_about("Amount.", unit="minor units"))
    currency = _text("Currency.", nullable=False)
    transaction_type = _text("Purchase, refund, chargeback, credit.", nullable=False)
    outcome = _text("Approved or declined.", nullable=False)
    card_product = _text("Kind of card.")
    issuer_country = _text("Country of the issuer.")
    merchant_country = _text("Country in the message.")
    mcc = _text("Merchant category code in the message.")
    entry_mode = _text("Entry mode.")
    eci = _text("Electronic commerce indicator.")
    descriptor = _text("Name and location.")
    requestor_host = _text("Host of the 3DS requestor URL, as an A-label.")
    acceptor_host = _text("Host of the acceptor URL, as an A-label.")
    terminal = _text("Terminal with its acquirer: `acquirer_id/terminal_id`.")
    device_token = _text("Merchant-side device.")
    ip_token = _text("Merchant-side network address.")


class Rejects(dy.Schema):
    """One row per rejected record. There is no column for the value, on purpose."""

    role = _text("merchants, transactions or referrals.", nullable=False)
    file = _text("File name.", nullable=False)
    line = dy.Int64(
        nullable=True,
        metadata=_about("Line of a text file, row of a Parquet file or of a partition that Spark read, from 1."),
    )
    column = _text("Field, where one is to blame.")
    code = _text("Problem code, see docs/errors.md.", nullable=False)
    found = _text("What was found, described and not quoted.", nullable=False)
    expected = _text("What was expected.", nullable=False)
    fix = _text("What to do now.", nullable=False)


# --------------------------------------------------------------------------- referrals, as of a moment


class FlaggedDomains(dy.Schema):
    """One row per domain that counts at `as_of`: confirmed by a hotline, or named in its domain links."""

    domain = _text("Key: host or registrable domain, A-label.", primary_key=True, nullable=False)
    match_scope = _text("How much of the name counts.", nullable=False, check=_one_of(MatchScope))
    registrable = _text("Registrable domain, private suffixes included.")
    label = _text("Name left of the public suffix, for matches under another suffix.")
    confidence_nano = _nano("c: the hotlines' confidence, 0 when only linked.", nullable=False, primary_key=False)
    confirmed = dy.Bool(nullable=False, metadata=_about("Whether a hotline confirmed this very domain."))
    dedicated = _text("Whether the domain serves only the referred purpose.", nullable=False, check=_one_of(Dedicated))
    window_from_at = _moment("Start of the period in which activity counts.", nullable=False)
    window_until_at = _moment("End of it; null while it lasts.")
    referral_ids = _texts("Referrals behind it, sorted.", nullable=False)
    hotlines = _texts("Hotlines behind it, sorted.", nullable=False)
    assurance = _text("Best proof of origin among them.", nullable=False, check=_one_of(Assurance))
    caveats = _texts("CounterEvidence values that hold for the domain, sorted.", nullable=False)
    held = dy.Bool(nullable=False, metadata=_about("Under a law-enforcement hold."))
    first_confirmed_at = _moment("Earliest confirmation among its referrals; null for a domain that is only linked.")


class DomainLinks(dy.Schema):
    """One row per statement of a hotline that two domains belong together."""

    from_domain = _text("Domain the referral is about.", primary_key=True, nullable=False)
    to_domain = _text("Domain it leads to.", primary_key=True, nullable=False)
    kind = _text("How.", primary_key=True, nullable=False, check=_one_of(DomainLinkKind))
    referral_ids = _texts("Referrals that say so, sorted.", nullable=False)


class PaymentClues(dy.Schema):
    """One row per payment detail a hotline saw on the site."""

    domain = _text("Flagged domain.", nullable=False)
    referral_id = _text("Referral that brought it.", nullable=False)
    card_acceptor_id = _text("Merchant id seen.")
    descriptor = _text("Descriptor seen, normalised.")
    amount_minor = dy.Int64(nullable=True, metadata=_about("Price seen.", unit="minor units"))
    currency = _text("Currency of the price.")
    seen_at = _moment("When it was seen.")


# --------------------------------------------------------------------------- links and identifiers


class AccountLinks(dy.Schema):
    """One row per (account, domain, kind, in_window): how an account touches a flagged domain.

    Rows with `in_window` false are counter-evidence: activity outside the referral's validity.
    """

    account_id = _text("Account.", primary_key=True, nullable=False)
    domain = _text("Flagged domain.", primary_key=True, nullable=False)
    kind = _text("Row of the identifier table, family link.", primary_key=True, nullable=False)
    in_window = dy.Bool(primary_key=True, nullable=False, metadata=_about("Overlaps the validity window."))
    match = _text("How the host meets the domain.", nullable=False, check=_one_of(HostMatch))
    seen_as = _text("Host, descriptor or id as seen, normalised.", nullable=False)
    transaction_count = _count("Transactions behind it; null for a declared link.")
    first_at = _moment("First seen.")
    last_at = _moment("Last seen.")
    example_transaction_id = _text("Reference of one transaction behind it, the lowest.")


class RetroLinks(dy.Schema):
    """One row per (account, domain, kind, seen_as) that a referral would have found in indexed transactions."""

    account_id = _text("Account.", primary_key=True, nullable=False)
    domain = _text("Flagged domain.", primary_key=True, nullable=False)
    kind = _text("Row of the identifier table, family link.", primary_key=True, nullable=False)
    seen_as = _text("Host or descriptor as seen, normalised.", primary_key=True, nullable=False)
    match = _text("How the host meets the domain.", nullable=False, check=_one_of(HostMatch))
    referral_ids = _texts("Referrals behind the domain, sorted.", nullable=False)
    transaction_count = _count("Transactions behind it.")
    first_at = _moment("First seen inside the period and the validity of the referral.")
    last_at = _moment("Last seen.")
    run_id = _text("Earliest run that had read a file in which it shows; null if there is none.")
    run_as_of = _moment("Moment of that run.")
    run_tier = _text("Tier of the account in that run; null if it was not ranked there.")


class Holdings(dy.Schema):
    """One row per (kind, value, account): the identifiers of the accounts in the neighbourhood."""

    kind = _text("Row of the identifier table, family identifier.", primary_key=True, nullable=False)
    value = _text("Normalised value or token.", primary_key=True, nullable=False)
    account_id = _text("Account that holds it.", primary_key=True, nullable=False)


class Degrees(dy.Schema):
    """Full-data number of accounts per identifier, frozen for the run."""

    kind = _text("Row of the identifier table.", primary_key=True, nullable=False)
    value = _text("Identifier.", primary_key=True, nullable=False)
    holder_count = _count("Accounts that hold it, in the full data.", nullable=False)


class Breadths(dy.Schema):
    """Number of identifiers of one kind that an account shares with anyone, full data, frozen for the run."""

    kind = _text("Row of the identifier table.", primary_key=True, nullable=False)
    account_id = _text("Account.", primary_key=True, nullable=False)
    breadth_count = _count("d: its identifiers of this kind with two holders or more.", nullable=False)


class LinkDegrees(dy.Schema):
    """Full-data number of accounts per flagged domain and link kind, frozen for the run."""

    domain = _text("Flagged domain.", primary_key=True, nullable=False)
    kind = _text("Link kind.", primary_key=True, nullable=False)
    linked_count = _count("Accounts linked this way, in the full data.", nullable=False)


# --------------------------------------------------------------------------- evidence and results


class Contributions(dy.Schema):
    """One row per (round, kind, value, holder) with risk to pass on: the terms of every k."""

    round = _count("Round in which it is read.", primary_key=True, nullable=False)
    kind = _text("Identifier kind.", primary_key=True, nullable=False)
    value = _text("Identifier.", primary_key=True, nullable=False)
    account_id = _text("Holder.", primary_key=True, nullable=False)
    risk_nano = _nano("rho: risk the holder carries from the round before.", nullable=False)
    breadth_count = _count("d: identifiers of this kind it shares with anyone.", nullable=False)
    contribution_nano = _nano("a = rho / d.", nullable=False)


class Ledger(dy.Schema):
    """One row per evidence item: everything a score is made of, with all it takes to recompute it.

    Round 0 carries risk from domain to domain; rounds 1 to R are the accounts'; the
    ranking reads round R. Formula: EVID-2, docs/method.md.
    """

    round = _count("Round.", primary_key=True, nullable=False)
    subject = _text("Account, or domain in round 0.", primary_key=True, nullable=False)
    family = _text("Link, identifier or typology.", nullable=False, check=_one_of(EvidenceFamily))
    kind = _text("Row of the identifier table, or typology.", primary_key=True, nullable=False)
    counterpart = _text("Domain, identifier value or rule id.", primary_key=True, nullable=False)
    match = _text("How the host meets the domain (links).")
    seen_as = _text("Host, descriptor or id as seen (links).")
    weight_nano = _nano("w: ceiling of this kind, or strength of the rule.", nullable=False)
    reliability_nano = _nano("g: counted reliability of this kind.", nullable=False)
    match_factor_nano = _nano("f: factor for the kind of host match (links).")
    risk_nano = _nano("rho: risk of the domain (links).")
    linked_count = _count("deg: accounts linked to that domain this way, full data (links).")
    shared_risk_nano = _nano("k: sum of the others' contributions (identifiers).")
    others_count = _count("n: other holders in the full data (identifiers).")
    base_rate_nano = _nano("pi: contribution expected by chance (identifiers).")
    kappa_nano = _nano("kappa: damping for small groups (identifiers).")
    strength_nano = _nano("s: strength of the item.", nullable=False)
    points_nano = _nano("e = -ln(1 - s).", nullable=False)
    kind_points_nano = _nano("E of all items of this kind for this subject, capped.", nullable=False)
    share_nano = _nano("This item's part of kind_points_nano; parts add up exactly.", nullable=False)
    from_confirmed = dy.Bool(nullable=True, metadata=_about("Whether the domain itself is confirmed (links)."))
    transaction_count = _count("Transactions behind it.")
    first_at = _moment("First seen.")
    last_at = _moment("Last seen.")
    example_transaction_id = _text("Reference of one transaction behind it, the lowest.")
    referral_ids = _texts("Referrals behind it, sorted.", nullable=False)
    contributor_count = _count("Holders that pass risk on (identifiers).")
    contributors = _texts("The first of them by contribution; all are in `contributions`.", nullable=False)


class RuleOutcomes(dy.Schema):
    """One row per (account, rule): what came out. An exception stands beside the hit it sets aside."""

    account_id = _text("Account.", primary_key=True, nullable=False)
    rule_id = _text("Rule.", primary_key=True, nullable=False)
    rule_version = _text("Version of the rule.", nullable=False)
    status = _text("Active, or draft: evaluated beside the run and never counted.", check=_one_of(RuleStatus))
    typology = _text("Folder of the rule.", nullable=False)
    role = _text("What the rule may do.", nullable=False, check=_one_of(RuleRole))
    severity = _text("How bad.", nullable=False)
    outcome = _text("Hit, no hit, not evaluated.", nullable=False, check=_one_of(RuleOutcome))
    exception_id = _text("Exception that sets the hit aside; it then counts nothing and stays visible.")


class RuleResults(RuleOutcomes):
    """One row per (account, rule): the outcome with the values it was decided on."""

    observed = _text("Feature values as JSON, sorted by name.", nullable=False)
    missing = _texts("Features that were not known.", nullable=False)
    reason = _text("What was seen, in a sentence.", nullable=False)


class ExceptionTargets(dy.Schema):
    """One row per (exception, rule, account) for which an exception is in force."""

    exception_id = _text("Exception.", primary_key=True, nullable=False)
    rule_id = _text("Rule whose hits it sets aside.", primary_key=True, nullable=False)
    account_id = _text("Account.", primary_key=True, nullable=False)


class ExceptionResults(dy.Schema):
    """One row per exception of the policy: who answers for it, and what became of it in the run."""

    exception_id = _text("Exception.", primary_key=True, nullable=False)
    state = _text("Applied, unused, expired, or not yet in force.", nullable=False, check=_one_of(ExceptionState))
    rule_ids = _texts("Rules whose hits it sets aside, sorted.", nullable=False)
    subject = _text("The account, or the kind of identifier whose holders are meant.", nullable=False)
    account_count = _count("Accounts of the neighbourhood it is about.", nullable=False)
    hit_count = _count("Hits it set aside.", nullable=False)
    owner = _text("Who answers for it.", nullable=False)
    reason = _text("Why.", nullable=False)
    effective_from = _day("First day.", nullable=False)
    expires_on = _day("Last day.", nullable=False)


class AccountFacts(dy.Schema):
    """One row per ranked account: what rules/tiers.yml was decided on. Meanings: docs/features.md."""

    account_id = _text("Account.", primary_key=True, nullable=False)
    clue_merchant_id = dy.Bool(nullable=False, metadata=_about("A hotline saw its merchant id."))
    direct_dedicated_certainty = _share("Surest link to a dedicated domain.")
    direct_certainty = _share("Surest link to a confirmed domain.")
    linked_domain_certainty = _share("Surest link to a domain that is linked to a confirmed one.")
    direct_kind_count = _count("Kinds of links to confirmed domains.", nullable=False)
    direct_linked_count = _count("Accounts linked in the same way.", nullable=False)
    direct_forgeable = dy.Bool(nullable=False, metadata=_about("Whether anyone could set every direct link."))
    hard_strength = _share("Strongest hard identifier.")
    medium_strength = _share("Strongest medium identifier.")
    soft_strength = _share("Strongest soft identifier.")
    identifier_kind_count = _count("Kinds of shared identifiers.", nullable=False)
    rule_hit_count = _count("Hits of rules of role rank.", nullable=False)
    behaviour_hit_count = _count("Those about transactions, networks and time.", nullable=False)
    gate_hit_count = _count("Hits of rules of role gate.", nullable=False)
    not_evaluated_count = _count("Rules not evaluated.", nullable=False)
    hotline_count = _count("Hotlines behind the referrals.", nullable=False)
    disputed = dy.Bool(nullable=False, metadata=_about("Whether every referral is disputed."))
    expired = dy.Bool(nullable=False, metadata=_about("Whether every referral has expired."))
    assurance = _text("Best proof of origin.", nullable=False, check=_one_of(Assurance))


class Skew(dy.Schema):
    """One row per (dimension, value): its part of the cases beside its part of all accounts.

    Told so that a policy that falls on one trade, country or facilitator is seen to do so.
    """

    dimension = _text("mcc, country or payment_facilitator_id.", primary_key=True, nullable=False)
    value = _text("Value; null for accounts where it is not known.")
    account_count = _count("Accounts read.", nullable=False)
    case_count = _count("Of these, accounts in T1 to T3.", nullable=False)
    account_share_nano = _nano("Share of all accounts.", nullable=False)
    case_share_nano = _nano("Share of all cases.", nullable=False)
    expected_count_nano = _nano("Cases there would be if cases fell like accounts.", nullable=False)
    lift_nano = _nano("case_share / account_share; null where no account has the value.")


class PolicyFiles(dy.Schema):
    """One row per file of the rule folder a run worked with, so that a run can be replayed and explained."""

    name = _text("Name within the folder.", primary_key=True, nullable=False)
    sha256 = _text("Digest of its bytes.", nullable=False)
    text = _text("The file.", nullable=False)


class Ranking(dy.Schema):
    """One row per account with any evidence, in review order. Linked, for review: never a verdict."""

    rank = _count("Place; equal accounts share it.", nullable=False)
    tier = _text("Review tier.", nullable=False, check=_one_of(Tier))
    tied_with = _count("Other accounts at the same place.", nullable=False)
    account_id = _text("Account.", primary_key=True, nullable=False)
    acquirer_id = _text("Acquirer.")
    card_acceptor_id = _text("Card acceptor id.")
    payment_facilitator_id = _text("Payment facilitator.")
    sub_merchant_id = _text("Sub-merchant.")
    dba_name = _text("Trading name.")
    mcc = _text("Merchant category code.")
    country = _text("Country.")
    points = dy.Float64(nullable=False, metadata=_about("E, does not saturate; points_nano / 1e9."))
    score = dy.Float64(nullable=False, metadata=_about("100 * (1 - exp(-E)), for the eye."))
    points_nano = _nano("E, exact.", nullable=False)
    tier_reason = _text("The condition of rules/tiers.yml that placed it.", nullable=False)
    strongest_link = _text("Kind and counterpart of the strongest item.", nullable=False)
    hops = _count("Steps from a confirmed domain.", nullable=False)
    referral_ids = _texts("Referrals behind it, sorted.", nullable=False)
    hotlines = _texts("Hotlines behind it, sorted.", nullable=False)
    assurance = _text("Best proof of origin among its referrals.", nullable=False)
    gate_hits = _texts("Rules that state a link, sorted.", nullable=False)
    rule_hits = _texts("Rules about behaviour that hit, sorted.", nullable=False)
    excepted_hits = _texts("Rules whose hit an exception sets aside, sorted.", nullable=False)
    not_evaluated = _texts("Rules that could not be evaluated, sorted.", nullable=False)
    counter_evidence = _texts("What speaks against it, sorted.", nullable=False)
    policy_state = _text("Whether the policy it rests on was approved.", nullable=False, check=_one_of(ApprovalState))


class CaseHistory(dy.Schema):
    """One row per decision about a ranked account, oldest first, as the log stood at the run.

    An account whose case holds no decision yet has one row whose columns about a decision are null.
    The written reason of a decision is personal data that must stay erasable: it is in the log, never here.
    """

    account_id = _text("Account.", nullable=False)
    number = _text("Number of the case, `C-000001`.", nullable=False)
    log_index = _count("Place of the decision in the log.")
    decided_at = _moment("When it was decided, by the log.")
    actor = _text("Who decided.")
    disposition = _text("What was decided.")
    run_id = _text("Run that was looked at.")
    tier = _text("Tier the account was in then.")
    confirmed_by = _text("Second person who confirmed it; null where nobody had to, or nobody has.")
    state = _text("State of the case against this run; the same in all rows of an account.", nullable=False)
    new_items = _texts(
        "Items of the ledger that the latest decision had not seen, as `kind counterpart`; the same in all rows.",
        nullable=False,
    )


class RunChanges(dy.Schema):
    """What changed since the run the manifest names in `compared_with`; empty where there is none.

    Per account one row without `family`, about the account itself, whose points are its E; then one row
    per item of its ledger that appeared, disappeared or changed, whose points are those of the item.
    Where tokens were made with another key, one row per kind whose counterpart is empty.
    """

    account_id = _text("Account; it may no longer be ranked.", nullable=False)
    move = _text("What became of the account: entered, left, moved, or stayed with other evidence.", nullable=False)
    tier_before = _text("Tier in the run before; null where it was not ranked.")
    tier_after = _text("Tier in this run; null where it is not ranked.")
    family = _text("Family of the item; null in the row about the account itself.")
    kind = _text("Kind of the item.")
    counterpart = _text("Domain, identifier value or rule id of the item.")
    state = _text("Appeared, disappeared, changed, or not comparable; null in the row about the account itself.")
    points_before_nano = _nano("Points before; null where it was not there.")
    points_after_nano = _nano("Points now; null where it is not there.")


class BlindSpots(dy.Schema):
    """One row per thing that could not be tested, and why."""

    kind = _text("Why.", nullable=False, check=_one_of(BlindSpot))
    subject = _text("Referral, account, column or rule.", nullable=False)
    count = _count("How many rows or accounts it concerns.", nullable=False)
    detail = _text("What it means for the result, in a sentence.", nullable=False)


COLUMN_DTYPES: Final[dict[ColumnType, pl.DataType]] = {
    ColumnType.INTEGER: pl.Int64(),
    ColumnType.NUMBER: pl.Float64(),
    ColumnType.TEXT: pl.String(),
    ColumnType.BOOLEAN: pl.Boolean(),
}
"""How features and facts are carried in frames."""

INPUT_TABLES: Final[dict[str, type[dy.Schema]]] = {"merchants": MerchantRows, "transactions": TransactionRows}
"""The two tables a mapping file may fill."""


def schema_of(table: type[dy.Schema]) -> pl.Schema:
    """Return the column types of a table, in order."""
    return table.create_empty().schema


def empty(table: type[dy.Schema]) -> pl.DataFrame:
    """Return a frame of the table without rows."""
    return pl.DataFrame(schema=schema_of(table))


def conform(frame: pl.DataFrame, table: type[dy.Schema]) -> pl.DataFrame:
    """Put the columns of a frame into the table's order and types, filling absent ones with null."""
    schema = schema_of(table)
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
