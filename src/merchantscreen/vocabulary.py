"""The closed value sets of the payments and hotline worlds, one term for one meaning.

Every set that a file, a rule or a person may use is an enumeration here, so a
value outside it is refused at the boundary and mypy finds the forgotten branch.
Imports nothing of ours.
"""

from __future__ import annotations

from enum import StrEnum


class ReferralEventKind(StrEnum):
    """What a hotline says has happened to a referral. Source: DESIGN 2, after ICCAM actions."""

    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    AMENDED = "amended"
    RETRACTED = "retracted"
    SITE_DOWN = "site_down"
    MOVED = "moved"
    DISPUTED = "disputed"
    HEARTBEAT = "heartbeat"


class MatchScope(StrEnum):
    """How much of the name the hotline confirmed."""

    HOST = "host"
    REGISTRABLE_DOMAIN = "registrable_domain"


class Dedicated(StrEnum):
    """Whether the whole domain serves the referred purpose, or shares it with lawful tenants."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class SiteType(StrEnum):
    """ICCAM site types, as found in the open-source SCART hotline software."""

    WEBSITE = "website"
    FILE_HOST = "file_host"
    IMAGE_STORE = "image_store"
    IMAGE_BOARD = "image_board"
    FORUM = "forum"
    BANNER_SITE = "banner_site"
    LINK_SITE = "link_site"
    SOCIAL_NETWORKING = "social_networking"
    REDIRECTOR = "redirector"
    WEB_ARCHIVE = "web_archive"
    SEARCH_PROVIDER = "search_provider"
    IMAGE_HOST = "image_host"
    BLOG = "blog"
    NOT_APPLICABLE = "not_applicable"


class Commerciality(StrEnum):
    """ICCAM commerciality. `NOT_DETERMINED` means unknown, never non-commercial."""

    COMMERCIAL = "commercial"
    NON_COMMERCIAL = "non_commercial"
    NOT_DETERMINED = "not_determined"


class PaymentMethod(StrEnum):
    """ICCAM payment methods, reduced to what a card network can act on."""

    AMEX = "amex"
    DINERS = "diners"
    MASTERCARD = "mastercard"
    VISA = "visa"
    PAYPAL = "paypal"
    CRYPTO = "crypto"
    SMS = "sms"
    OTHER = "other"
    NONE = "none"
    NOT_DETERMINED = "not_determined"


class Classification(StrEnum):
    """Outcome of the hotline's assessment; `BASELINE` is illegal by INTERPOL criteria."""

    BASELINE = "baseline"
    NATIONAL = "national"
    IGNORE = "ignore"


class ReferralStatus(StrEnum):
    """Last known state of the site. Removed or unavailable does not clear an account."""

    ACTIVE = "active"
    REMOVED = "removed"
    UNAVAILABLE = "unavailable"
    MOVED = "moved"
    NOT_ILLEGAL = "not_illegal"


class ReferralState(StrEnum):
    """State of a referral in the register: the fold of its events as of a moment."""

    AWAITING_CONFIRMATION = "awaiting_confirmation"
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    EXPIRED = "expired"
    RETRACTED = "retracted"
    NOT_MATCHABLE = "not_matchable"


class Tlp(StrEnum):
    """Traffic Light Protocol 2.0 labels. Source: FIRST."""

    RED = "red"
    AMBER_STRICT = "amber+strict"
    AMBER = "amber"
    GREEN = "green"
    CLEAR = "clear"


class Assurance(StrEnum):
    """How well the origin of a referral is proven, strongest first."""

    SIGNED_2ORG = "signed-2org"
    SIGNED = "signed"
    TRANSCRIBED = "transcribed"
    UNSIGNED = "unsigned"


class MerchantStatus(StrEnum):
    """State of a merchant account at its acquirer."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class TransactionType(StrEnum):
    """What a transaction row records."""

    PURCHASE = "purchase"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    CREDIT = "credit"


class TransactionOutcome(StrEnum):
    """Whether the issuer approved."""

    APPROVED = "approved"
    DECLINED = "declined"


class CardProduct(StrEnum):
    """Kind of card behind the token."""

    CREDIT = "credit"
    DEBIT = "debit"
    PREPAID = "prepaid"


class HostMatch(StrEnum):
    """How an account's host meets a flagged domain, best first.

    `EXACT`: inside the scope the hotline confirmed. `CLOSE`: the same registrable
    domain, but another host than the one confirmed. `LABEL`: the same name under
    another top-level domain.
    """

    EXACT = "exact"
    CLOSE = "close"
    LABEL = "label"


class DomainLinkKind(StrEnum):
    """How a hotline says two domains belong together."""

    MOVED_TO = "moved_to"
    REDIRECT = "redirect"
    SHARED_PAYMENT_PAGE = "shared_payment_page"


class EvidenceFamily(StrEnum):
    """The three families of ledger items; they add up differently (method EVID-2)."""

    LINK = "link"
    IDENTIFIER = "identifier"
    TYPOLOGY = "typology"


class Specificity(StrEnum):
    """How far an identifier singles out one business."""

    HARD = "hard"
    MEDIUM = "medium"
    SOFT = "soft"


class SetBy(StrEnum):
    """Who can bring a value about, and so who could forge a link with it.

    Ordered from hardest to easiest to forge against an innocent account.
    """

    HOTLINE = "hotline"
    ACQUIRER = "acquirer"
    NETWORK = "network"
    ACCOUNT_HOLDER = "account_holder"
    ANYONE = "anyone"


class Tier(StrEnum):
    """Review order. `WATCH` is shown, but is not a case."""

    T1 = "T1"
    T2 = "T2"
    T3 = "T3"
    WATCH = "watch"


class RuleOutcome(StrEnum):
    """Three values, because a rule without data has said nothing."""

    HIT = "hit"
    NO_HIT = "no_hit"
    NOT_EVALUATED = "not_evaluated"


class RuleRole(StrEnum):
    """What a rule may do: `RANK` adds points, `CONTEXT` only informs, `GATE` opens a case."""

    GATE = "gate"
    RANK = "rank"
    CONTEXT = "context"


class RuleStatus(StrEnum):
    """Life of a rule file. Drafts are evaluated but never counted."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


class Level(StrEnum):
    """Three steps for severity (how bad) and confidence (how sure), kept apart."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ThresholdOrigin(StrEnum):
    """Where a threshold comes from: a published document, tuning on data, or our design."""

    PUBLISHED = "published"
    TUNED = "tuned"
    DESIGN = "design"


class Measurable(StrEnum):
    """Whether an indicator can be seen in the metadata of merchant accounts at all."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"


class ListingClass(StrEnum):
    """What a MATCH or VMSS listing was for, as far as it matters here."""

    LAUNDERING = "laundering"
    ILLEGAL = "illegal"
    FRAUD = "fraud"
    OTHER = "other"


class ExceptionState(StrEnum):
    """What became of an exception in a run."""

    APPLIED = "applied"
    UNUSED = "unused"
    EXPIRED = "expired"
    NOT_YET = "not_yet"


class ApprovalState(StrEnum):
    """Whether somebody other than the author approved the policy as it is, byte for byte."""

    APPROVED = "approved"
    UNAPPROVED = "unapproved"


class ColumnType(StrEnum):
    """What a feature or a fact holds, as rules see it."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"


class CounterEvidence(StrEnum):
    """What speaks against a link, shown beside it and never hidden."""

    OUTSIDE_VALIDITY = "outside_validity"
    SHARED_HOST = "shared_host"
    NOT_DEDICATED = "not_dedicated"
    SINGLE_HOTLINE = "single_hotline"
    DISPUTED = "disputed"
    EXPIRED = "expired"
    SITE_DOWN = "site_down"
    NEAR_MATCH_ONLY = "near_match_only"
    WIDELY_SHARED_IDENTIFIER = "widely_shared_identifier"
    MIXED_SCRIPT = "mixed_script"


class Disposition(StrEnum):
    """What a reviewer decides about a case; meanings in `cases.model.MEANINGS`. Source: domain reference 5."""

    REFER_TO_ACQUIRER = "refer_to_acquirer"
    REQUEST_INFORMATION = "request_information"
    NO_LINK_FOUND = "no_link_found"
    SHARED_HOST = "shared_host"
    FALSE_MATCH = "false_match"
    REFERRAL_WITHDRAWN = "referral_withdrawn"
    LE_HOLD = "le_hold"
    DUPLICATE = "duplicate"
    NO_ACTION = "no_action"


class CaseState(StrEnum):
    """Where a case stands against a run; those that want somebody's work first come first."""

    REVISIT = "revisit"
    REOPENED = "reopened"
    NEW = "new"
    ASSIGNED = "assigned"
    PROPOSED = "proposed"
    WAITING = "waiting"
    HELD = "held"
    DECIDED = "decided"


class BlindSpot(StrEnum):
    """Why something could not be tested. A blind spot is never a clean result."""

    REFERRAL_NOT_CONFIRMED = "referral_not_confirmed"
    REFERRAL_RETRACTED = "referral_retracted"
    REFERRAL_NOT_MATCHABLE = "referral_not_matchable"
    REFERRAL_AFTER_AS_OF = "referral_after_as_of"
    REFERRAL_WITHOUT_LINK_DATA = "referral_without_link_data"
    SCOPE_NARROWED_TO_HOST = "scope_narrowed_to_host"
    COLUMN_ABSENT = "column_absent"
    FIELD_UNREADABLE = "field_unreadable"
    FIELD_STRIPPED = "field_stripped"
    ACCOUNT_WITHOUT_MERCHANT_ROW = "account_without_merchant_row"
    ACCOUNT_WITHOUT_TRANSACTIONS = "account_without_transactions"
    FACILITATOR_WITHOUT_SUB_MERCHANTS = "facilitator_without_sub_merchants"
    RULE_NOT_EVALUATED = "rule_not_evaluated"
    TRANSACTION_AFTER_AS_OF = "transaction_after_as_of"
    HELD_FOR_LAW_ENFORCEMENT = "held_for_law_enforcement"


CURRENCIES: frozenset[str] = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL
    GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF
    KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
    MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH
    UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG""".split()
)
"""Currencies a card transaction may carry. Source: ISO 4217 list one, without fund and metal codes."""

CURRENCY_EXPONENTS: dict[str, int] = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
"""Currencies whose minor unit is not a hundredth, with its decimal places. Source: ISO 4217 list one."""


def minor_per_unit(currency: str) -> int:
    """Return how many minor units make one unit of a currency."""
    places = CURRENCY_EXPONENTS.get(currency, 2)
    return int(10**places)


COUNTRIES: frozenset[str] = frozenset(
    """AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ
    BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO
    DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU
    GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW
    KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU
    MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT
    ZA ZM ZW""".split()
)
"""Country codes. Source: ISO 3166-1 alpha-2, with XK as card networks use it."""
