"""The feature catalogue: everything rules may ask about an account, in one table.

Three steps. `aggregates` measures transactions in small stages, written once in
Narwhals, so the same definition runs on every engine. `assemble` joins the compact
stages with what merchants declare, in Polars. `CATALOGUE` says what each feature
is, in terms of those measures.

Rules kept here:

* exact integers first, one division last: no float is ever summed, so no order matters;
* null means "not known", never zero: an account without transactions has no counts;
* nothing after `as_of` is seen, and the clock is an argument;
* no quantile, median or list inside a whole-table group_by: those stages stream.

Thresholds and periods are not here but in rules/; the month of 30 days is the unit of a
feature and stands in its meaning.
Source: each feature names its own; what streams was read off the engines' physical plans.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen.domains import registrable_domain
from merchantscreen.identifiers import kinds_of
from merchantscreen.policy.model import NANO, EvidenceModel
from merchantscreen.tables import COLUMN_DTYPES
from merchantscreen.vocabulary import CardProduct, ColumnType, Specificity, TransactionOutcome, TransactionType

Frame = nw.LazyFrame[Any]
Profile = Literal["network", "network+acquirer"]

BOOLEAN, INTEGER, NUMBER, TEXT = ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.TEXT
COUNT, DAYS, SHARE, RATIO, MINOR, CODE = "count", "days", "share 0-1", "ratio", "minor units", "code"

NORMAL_CONSISTENCY: Final = 1.4826
"""Makes the median absolute deviation comparable with a standard deviation. Source: Rousseeuw and Croux 1993."""
MONTH_DAYS: Final = 30
_MICROSECONDS_PER_DAY: Final = 86_400_000_000


# --------------------------------------------------------------------------- ways to build a feature


def _as_measured(column: str) -> pl.Expr:
    """Take a measure as it is."""
    return pl.col(column)


def _ratio(part: str, whole: str) -> pl.Expr:
    """Divide two exact integers once; null where the whole is 0 or not known."""
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def _whole_ratio(part: str, whole: str) -> pl.Expr:
    """Divide two exact integers, rounding down; null where the whole is 0 or not known."""
    return pl.when(pl.col(whole) > 0).then(pl.col(part) // pl.col(whole))


# --------------------------------------------------------------------------- the catalogue


@dataclass(frozen=True, slots=True)
class Feature:
    """One row of the catalogue.

    Attributes:
        name: As rules write it.
        type: What it holds.
        unit: Unit, also used to write it for people.
        value: How it follows from the measures below.
        needs: Input columns without which it is not known.
        profile: The least an input must hold: what a network sees, or also what its acquirers know.
        meaning: What it says, and when it is null.
        source: Where the idea comes from.
    """

    name: str
    type: ColumnType
    unit: str
    value: pl.Expr = field(compare=False, repr=False)
    needs: tuple[str, ...]
    profile: Profile
    meaning: str
    source: str


_TX: Final = ("transactions.transaction_type", "transactions.outcome")
_NETWORK: Final = "network"
_ACQUIRER: Final = "network+acquirer"
_HARD_COLUMNS: Final = (
    "merchants.settlement_account_token", "merchants.tax_id_token", "merchants.principal_tokens",
)  # fmt: skip

CATALOGUE: Final[tuple[Feature, ...]] = (
    # --- how much of what -------------------------------------------------------------------
    Feature("purchase_count", INTEGER, COUNT, _as_measured("purchase_count"), _TX, _NETWORK,
            "Approved purchases up to the moment of the run; null without transactions.", "design"),
    Feature("refund_count", INTEGER, COUNT, _as_measured("refund_count"), _TX, _NETWORK,
            "Refunds; null without transactions.", "FinCEN FIN-2012-A010"),
    Feature("chargeback_count", INTEGER, COUNT, _as_measured("chargeback_count"), _TX, _NETWORK,
            "Chargebacks; null without transactions.", "MATCH reason code 04"),
    Feature("declined_count", INTEGER, COUNT, _as_measured("declined_count"), _TX, _NETWORK,
            "Purchases the issuer declined; null without transactions.", "design"),
    Feature("chargeback_share", NUMBER, SHARE, _ratio("chargeback_count", "purchase_count"), _TX, _NETWORK,
            "Chargebacks per approved purchase; null without approved purchases.", "MATCH reason code 04"),
    Feature("refund_share", NUMBER, SHARE, _ratio("refund_count", "purchase_count"), _TX, _NETWORK,
            "Refunds per approved purchase; null without approved purchases.", "FinCEN FIN-2012-A010"),
    Feature("prepaid_share", NUMBER, SHARE, _ratio("prepaid_count", "product_known_count"),
            ("transactions.card_product",), _NETWORK,
            "Approved purchases with a prepaid card, of those whose kind of card is known; null where none is.",
            "design"),
    # --- prices -----------------------------------------------------------------------------
    Feature("top3_price_share", NUMBER, SHARE, _ratio("top3_price_count", "priced_count"), _TX, _NETWORK,
            "Approved purchases at the three most frequent exact prices; null without approved purchases.",
            "USA Today, 26 May 2006 (fixed monthly prices)"),
    Feature("distinct_price_count", INTEGER, COUNT, _as_measured("distinct_price_count"), _TX, _NETWORK,
            "Different exact prices, currency included; null without approved purchases.",
            "USA Today, 26 May 2006 (fixed monthly prices)"),
    Feature("average_ticket_minor", INTEGER, MINOR, _whole_ratio("volume_minor", "volume_count"), _TX, _NETWORK,
            "Mean approved purchase, rounded down, in the account's currency, or in the only currency seen; "
            "null otherwise.",
            "Ballerine on laundering through new accounts"),
    Feature("volume_to_declared_ratio", NUMBER, RATIO, _ratio("monthly_volume_minor", "declared_monthly_volume_minor"),
            (*_TX, "merchants.declared_monthly_volume_minor", "merchants.currency"), _ACQUIRER,
            "Purchase volume per 30 days over the period seen (at least 30 days), against the declared monthly "
            "volume; null where none is declared.",
            "Ballerine on laundering through new accounts"),
    # --- where the cards come from -----------------------------------------------------------
    Feature("cross_border_share", NUMBER, SHARE, _ratio("cross_border_count", "cross_border_known_count"),
            ("transactions.issuer_country", "merchants.country or transactions.merchant_country"), _NETWORK,
            "Approved purchases whose issuer is in another country than the account, of those where both are known.",
            "FINTRAC operational alert, November 2025"),
    Feature("cross_border_peer_z", NUMBER, "robust z", _as_measured("cross_border_peer_z"),
            ("transactions.issuer_country", "merchants.mcc"), _NETWORK,
            "How far cross_border_share lies from the median of a sample of accounts with the same MCC, in scaled "
            "median absolute deviations (peer_scale_floor at least); null with too few peers.",
            "design, after FINTRAC operational alert, November 2025"),
    # --- age and time ------------------------------------------------------------------------
    Feature("account_age_days", INTEGER, DAYS, _as_measured("account_age_days"), ("merchants.opened_on",), _ACQUIRER,
            "Days from the account's opening to the moment of the run; null if not known or not yet open.",
            "Ballerine on laundering through new accounts"),
    Feature("days_first_to_last", INTEGER, DAYS, _as_measured("days_first_to_last"),
            ("transactions.occurred_at",), _NETWORK,
            "Whole days from the first to the last transaction; null without transactions.",
            "Ballerine on laundering through new accounts"),
    # --- websites ----------------------------------------------------------------------------
    Feature("undeclared_host_count", INTEGER, COUNT, _as_measured("undeclared_host_count"),
            ("transactions.requestor_url or transactions.acceptor_url", "merchants.website_urls"), _ACQUIRER,
            "Registrable domains in payment messages that are not among the declared websites; hosts on the caution "
            "list, such as payment pages, are passed over. Null where no URL was observed or no website is declared.",
            "Web Shield on undisclosed websites"),
    # --- accounts of the same business -------------------------------------------------------
    Feature("sibling_count", INTEGER, COUNT, _as_measured("sibling_count"), _HARD_COLUMNS, _ACQUIRER,
            "Other accounts with the same settlement account, tax id or principal; widely shared values tie "
            "nobody. Null where the account has none of the three.", "VMSS inquiry fields"),
    Feature("sibling_acquirer_change_count", INTEGER, COUNT, _as_measured("sibling_acquirer_change_count"),
            (*_HARD_COLUMNS, "merchants.opened_on"), _ACQUIRER,
            "Other acquirers or facilitators at which siblings opened accounts in the sibling_opening_days before; "
            "null if no sibling's opening is known.", "FinCEN FIN-2012-A010"),
    Feature("closed_sibling_count", INTEGER, COUNT, _as_measured("closed_sibling_count"),
            (*_HARD_COLUMNS, "merchants.opened_on", "merchants.closed_on"), _ACQUIRER,
            "Siblings that had closed by the day this account opened.", "The Green Sheet, article 5044"),
    Feature("days_since_sibling_closed", INTEGER, DAYS, _as_measured("days_since_sibling_closed"),
            (*_HARD_COLUMNS, "merchants.opened_on", "merchants.closed_on"), _ACQUIRER,
            "Days from the last such closing to this account's opening; null where closed_sibling_count is 0, "
            "so rules ask for that first.", "The Green Sheet, article 5044"),
    # --- what the account says it is -----------------------------------------------------------
    Feature("mcc", TEXT, CODE, _as_measured("mcc"), ("merchants.mcc",), _NETWORK,
            "Merchant category code of the account; never enough for a hit.", "ISO 18245"),
    Feature("country", TEXT, CODE, _as_measured("country"), ("merchants.country",), _NETWORK,
            "Country of the account; never enough for a hit.", "ISO 3166-1"),
    Feature("status", TEXT, CODE, _as_measured("status"), ("merchants.status",), _ACQUIRER,
            "State at the acquirer: active, suspended or closed.", "VMSS contract fields"),
)  # fmt: skip

FEATURE_TYPES: Final[dict[str, ColumnType]] = {feature.name: feature.type for feature in CATALOGUE}
"""The columns that rules may read."""


# --------------------------------------------------------------------------- the facts of tiers.yml


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the ledger establishes about an account, for rules/tiers.yml; never null.

    Attributes:
        name: As rules/tiers.yml writes it.
        type: What it holds.
        meaning: What it says, and what it is where there is nothing.
    """

    name: str
    type: ColumnType
    meaning: str


FACTS: Final[tuple[Fact, ...]] = (
    Fact("clue_merchant_id", BOOLEAN, "A hotline saw this account's merchant id on a confirmed, undisputed domain."),
    Fact("direct_dedicated_certainty", NUMBER,
         "Largest weight x reliability x match factor x risk over links to confirmed, dedicated, undisputed domains, "
         "of kinds that not just anyone can set; 0 if none."),
    Fact("direct_certainty", NUMBER, "The same over all links to confirmed domains; 0 if none."),
    Fact("linked_domain_certainty", NUMBER,
         "The same over links to domains that only a hotline's domain link reaches; 0 if none."),
    Fact("direct_kind_count", INTEGER,
         "Different kinds of links to confirmed domains, of kinds that not just anyone can set."),
    Fact("direct_linked_count", INTEGER,
         "Accounts linked in the same way to the domain of its surest link (dedicated first, then by certainty); "
         "0 if none."),
    Fact("direct_forgeable", BOOLEAN, "Whether every direct link is of a kind that anyone can set."),
    Fact("hard_strength", NUMBER, "Strongest item over a settlement account, tax id or principal; 0 if none."),
    Fact("medium_strength", NUMBER, "Strongest item over an e-mail, phone, website, device or terminal; 0 if none."),
    Fact("soft_strength", NUMBER, "Strongest item over an address, network address, descriptor or agent; 0 if none."),
    Fact("identifier_kind_count", INTEGER, "Different kinds of shared identifiers among the items."),
    Fact("rule_hit_count", INTEGER, "Rules of role rank that hit."),
    Fact("not_evaluated_count", INTEGER, "Rules that could not be evaluated."),
    Fact("hotline_count", INTEGER, "Hotlines behind the referrals."),
    Fact("disputed", BOOLEAN, "Whether every referral behind it is disputed."),
    Fact("expired", BOOLEAN, "Whether every referral behind it has expired."),
    Fact("assurance", TEXT, "Best proof of origin among its referrals; 'unsigned' if none."),
)  # fmt: skip

FACT_TYPES: Final[dict[str, ColumnType]] = {fact.name: fact.type for fact in FACTS}
"""The columns that tier conditions may read."""


# --------------------------------------------------------------------------- measuring transactions


def aggregates(transactions: Frame, accounts: Frame, as_of: datetime) -> dict[str, Frame]:
    """Measure the transactions of some accounts, in stages that stream.

    Args:
        transactions: tables.Transactions.
        accounts: The accounts to measure, by account_id.
        as_of: Nothing later is seen.

    Returns:
        `activity`: one row per account. `prices`: one row per (account_id, amount_minor, currency)
        and `corridors`: one per (account_id, issuer_country, merchant_country), both of approved
        purchases. `hosts`: one row per (account_id, host) observed.
    """
    seen = transactions.filter(nw.col("occurred_at") <= nw.lit(_naive_utc(as_of)))
    seen = seen.join(accounts.select("account_id"), on="account_id", how="semi")
    return {
        "activity": _activity(seen),
        "prices": _prices(seen),
        "corridors": _corridors(seen),
        "hosts": _hosts(seen),
    }


def _is_purchase() -> nw.Expr:
    return (nw.col("transaction_type") == TransactionType.PURCHASE.value) & _is_approved()


def _is_approved() -> nw.Expr:
    return nw.col("outcome") == TransactionOutcome.APPROVED.value


def _flag(condition: nw.Expr) -> nw.Expr:
    """Turn a condition into 1 or 0: booleans do not add up on every engine."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int64)


def _activity(seen: Frame) -> Frame:
    """Count per account what happened, in one pass."""
    kind = nw.col("transaction_type")
    flags = {
        "purchase_count": _is_purchase(),
        "refund_count": kind == TransactionType.REFUND.value,
        "chargeback_count": kind == TransactionType.CHARGEBACK.value,
        "declined_count": (kind == TransactionType.PURCHASE.value) & ~_is_approved(),
        "product_known_count": _is_purchase() & ~nw.col("card_product").is_null(),
        "prepaid_count": _is_purchase() & (nw.col("card_product") == CardProduct.PREPAID.value),
    }
    flagged = seen.select(
        "account_id", "occurred_at", *(_flag(condition).alias(name) for name, condition in flags.items())
    )
    return flagged.group_by("account_id").agg(
        nw.len().cast(nw.Int64).alias("transaction_count"),
        nw.col("occurred_at").min().alias("first_at"),
        nw.col("occurred_at").max().alias("last_at"),
        *(nw.col(name).sum() for name in flags),
    )


def _prices(seen: Frame) -> Frame:
    """Count per account and exact price."""
    prices = seen.filter(_is_purchase()).group_by("account_id", "amount_minor", "currency")
    return prices.agg(nw.len().cast(nw.Int64).alias("price_count"))


def _corridors(seen: Frame) -> Frame:
    """Count per account, issuer country and country in the message, where the issuer's is known."""
    known = seen.filter(_is_purchase() & ~nw.col("issuer_country").is_null())
    corridors = known.group_by("account_id", "issuer_country", "merchant_country")
    return corridors.agg(nw.len().cast(nw.Int64).alias("corridor_count"))


def _hosts(seen: Frame) -> Frame:
    """List per account the hosts its payment messages named."""
    columns = ("requestor_host", "acceptor_host")
    parts = [
        seen.filter(~nw.col(column).is_null()).select("account_id", nw.col(column).alias("host")) for column in columns
    ]
    return nw.concat(parts).unique(subset=["account_id", "host"])


def peer_sample(accounts: pl.DataFrame, mccs: Iterable[str], sample_count: int) -> pl.Series:
    """Choose the accounts that stand for their MCC: those with the lowest SHA-256 of their id.

    Deterministic, and the same from any part of the data that contains the sample.

    Args:
        accounts: account_id and mcc (tables.Accounts fits).
        mccs: Codes to choose for.
        sample_count: Most accounts per code.

    Returns:
        Account ids, sorted.
    """
    members = accounts.filter(pl.col("mcc").is_in(sorted(set(mccs)))).select("account_id", "mcc")
    order = pl.Series("_order", [_draw(account) for account in members.get_column("account_id")], dtype=pl.UInt64)
    ranked = members.with_columns(order).sort("mcc", "_order", "account_id")
    chosen = ranked.group_by("mcc", maintain_order=True).head(sample_count)
    return chosen.get_column("account_id").sort()


def _draw(account: str) -> int:
    return int.from_bytes(hashlib.sha256(account.encode()).digest()[:8], "big")


# --------------------------------------------------------------------------- assembling


def assemble(
    measured: Mapping[str, pl.DataFrame],
    accounts: pl.DataFrame,
    declared: pl.DataFrame,
    as_of: datetime,
    model: EvidenceModel,
    *,
    caution_hosts: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Join the measures of an account with what it declares.

    Args:
        measured: The collected stages of `aggregates`.
        accounts: tables.Accounts: the wanted accounts, their siblings and the peer sample.
        declared: tables.DeclaredIdentifiers of the same accounts.
        as_of: Moment of the run.
        model: Peer counts, and from which number of holders an identifier ties nobody.
        caution_hosts: Hosts that many parties share; observing them or a host below them says nothing.

    Returns:
        One row per account declared or measured, sorted: account_id and a column per catalogue entry.
        Sibling features hold for accounts whose siblings are all present, so for the wanted ones.
    """
    day = _naive_utc(as_of).date()
    base = accounts.join(measured["activity"], on="account_id", how="full", coalesce=True)
    base = base.join(_corridor_measures(measured["corridors"], base), on="account_id", how="left")
    parts = [
        _price_measures(measured["prices"], base),
        _host_measures(measured["hosts"], declared, caution_hosts),
        _sibling_measures(base, declared, day, model),
        _peer_measures(base, model),
    ]
    for part in parts:
        base = base.join(part, on="account_id", how="left")
    base = base.with_columns(_time_measures(day)).with_columns(_monthly_volume())
    features = [feature.value.cast(COLUMN_DTYPES[feature.type]).alias(feature.name) for feature in CATALOGUE]
    return base.select("account_id", *features).sort("account_id")


def _naive_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _time_measures(day: date) -> list[pl.Expr]:
    age = (pl.lit(day) - pl.col("opened_on")).dt.total_days()
    span = (pl.col("last_at") - pl.col("first_at")).dt.total_microseconds() // _MICROSECONDS_PER_DAY
    return [pl.when(age >= 0).then(age).alias("account_age_days"), span.alias("days_first_to_last")]


def _monthly_volume() -> pl.Expr:
    """Scale the volume in the declared currency to 30 days; periods under 30 days are not scaled up."""
    period = pl.max_horizontal(pl.col("days_first_to_last") + 1, pl.lit(MONTH_DAYS))
    return (pl.col("declared_currency_volume_minor") * MONTH_DAYS // period).alias("monthly_volume_minor")


# --------------------------------------------------------------------------- prices


def _price_measures(prices: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Measure how prices spread, and the volume in the currency that can be compared."""
    ordered = prices.sort(
        "account_id", "price_count", "amount_minor", "currency", descending=[False, True, False, False]
    )
    spread = ordered.group_by("account_id", maintain_order=True).agg(
        pl.col("price_count").sum().alias("priced_count"),
        pl.col("price_count").head(3).sum().alias("top3_price_count"),
        pl.len().cast(pl.Int64).alias("distinct_price_count"),
    )
    return spread.join(_volumes(prices, accounts), on="account_id", how="left")


def _volumes(prices: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Add up amounts per account in its own currency, or in the only one seen; never across currencies."""
    own = accounts.select("account_id", pl.col("currency").alias("own_currency"))
    per_currency = prices.group_by("account_id", "currency").agg(
        (pl.col("amount_minor") * pl.col("price_count")).sum().alias("volume_minor"),
        pl.col("price_count").sum().alias("volume_count"),
    )
    joined = per_currency.join(own, on="account_id", how="left")
    is_own = pl.col("currency") == pl.col("own_currency")
    is_only = pl.col("own_currency").is_null() & (pl.len().over("account_id") == 1)
    return joined.filter(is_own.fill_null(value=False) | is_only).select(
        "account_id",
        "volume_minor",
        "volume_count",
        pl.when(is_own).then("volume_minor").alias("declared_currency_volume_minor"),
    )


# --------------------------------------------------------------------------- where the cards come from


def _corridor_measures(corridors: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Count purchases across a border, seen from the account's country, or the message's where it is not known."""
    home = pl.coalesce("country", "merchant_country")
    homes = corridors.join(accounts.select("account_id", "country"), on="account_id", how="left")
    known = homes.with_columns(home.alias("home")).filter(pl.col("home").is_not_null())
    return known.group_by("account_id").agg(
        pl.col("corridor_count").sum().alias("cross_border_known_count"),
        pl.col("corridor_count").filter(pl.col("issuer_country") != pl.col("home")).sum().alias("cross_border_count"),
    )


# --------------------------------------------------------------------------- websites


def _host_measures(hosts: pl.DataFrame, declared: pl.DataFrame, caution_hosts: frozenset[str]) -> pl.DataFrame:
    """Count per account the observed sites it never declared; accounts with nothing to compare are left out."""
    websites = declared.filter(pl.col("kind") == "website").select("account_id", pl.col("value").alias("host"))
    declared_sites, observed_sites = _sites(websites, frozenset()), _sites(hosts, caution_hosts)
    undeclared = observed_sites.filter(pl.col("counts")).join(declared_sites, on=["account_id", "site"], how="anti")
    counts = undeclared.group_by("account_id").agg(pl.len().cast(pl.Int64).alias("undeclared_host_count"))
    comparable = observed_sites.select("account_id").unique().join(declared_sites, on="account_id", how="semi")
    return comparable.join(counts, on="account_id", how="left").with_columns(
        pl.col("undeclared_host_count").fill_null(0)
    )


def _sites(hosts: pl.DataFrame, caution_hosts: frozenset[str]) -> pl.DataFrame:
    """Reduce hosts to registrable domains; a host without one, such as an IP, stands for itself."""
    distinct = hosts.get_column("host").unique().sort().to_list()
    sites = [registrable_domain(host) or host for host in distinct]
    counts = [caution_hosts.isdisjoint(_with_parents(host)) for host in distinct]
    known = pl.DataFrame(
        {"host": distinct, "site": sites, "counts": counts},
        schema={"host": pl.String, "site": pl.String, "counts": pl.Boolean},
    )
    joined = hosts.join(known, on="host", how="inner")
    return joined.group_by("account_id", "site").agg(pl.col("counts").any())


def _with_parents(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[position:]) for position in range(len(labels))]


# --------------------------------------------------------------------------- siblings


def _sibling_measures(accounts: pl.DataFrame, declared: pl.DataFrame, day: date, model: EvidenceModel) -> pl.DataFrame:
    """Compare an account with the others of the same business."""
    hard = declared.filter(pl.col("kind").is_in(kinds_of(Specificity.HARD)))
    details = accounts.select("account_id", "opened_on", "closed_on", processor=_processor())
    pairs = _sibling_pairs(hard, model.widely_shared_count).join(details, on="account_id", how="inner")
    pairs = pairs.join(details, left_on="sibling_id", right_on="account_id", how="inner", suffix="_sibling")
    holders = hard.select("account_id").unique().join(details, on="account_id", how="inner")
    measures = pairs.group_by("account_id").agg(*_sibling_counts(day, model.sibling_opening_days))
    return holders.join(measures, on="account_id", how="left").select(
        "account_id",
        pl.col("sibling_count").fill_null(0),
        _null_if_all_unknown("sibling_acquirer_change_count", "dated_count"),
        pl.when(pl.col("opened_on").is_not_null())
        .then(pl.col("closed_sibling_count").fill_null(0))
        .alias("closed_sibling_count"),
        (pl.col("opened_on") - pl.col("last_closed_on")).dt.total_days().alias("days_since_sibling_closed"),
    )


def _processor() -> pl.Expr:
    """Name who processes for an account: its acquirer, and its facilitator where it has one."""
    facilitator = pl.col("payment_facilitator_id").fill_null("")
    return pl.concat_str([pl.col("acquirer_id"), facilitator], separator="\x1f")


def _sibling_pairs(hard: pl.DataFrame, widely_shared: int) -> pl.DataFrame:
    """Pair the holders of a hard identifier; widely shared ones, such as a nominee's, pair nobody."""
    narrow = hard.filter(pl.len().over("kind", "value") < widely_shared)
    others = narrow.select("kind", "value", pl.col("account_id").alias("sibling_id"))
    pairs = narrow.join(others, on=["kind", "value"], how="inner")
    return pairs.filter(pl.col("account_id") != pl.col("sibling_id")).select("account_id", "sibling_id").unique()


def _sibling_counts(day: date, opening_days: int) -> list[pl.Expr]:
    opened, closed = pl.col("opened_on_sibling"), pl.col("closed_on_sibling")
    is_recent = opened.is_between(pl.lit(day - timedelta(days=opening_days)), pl.lit(day))
    is_elsewhere = pl.col("processor_sibling") != pl.col("processor")
    had_closed = (closed <= pl.col("opened_on")) & (closed <= pl.lit(day))
    return [
        pl.len().cast(pl.Int64).alias("sibling_count"),
        opened.count().cast(pl.Int64).alias("dated_count"),
        pl.col("processor_sibling")
        .filter(is_recent & is_elsewhere)
        .n_unique()
        .cast(pl.Int64)
        .alias("sibling_acquirer_change_count"),
        had_closed.sum().cast(pl.Int64).alias("closed_sibling_count"),
        closed.filter(had_closed).max().alias("last_closed_on"),
    ]


def _null_if_all_unknown(column: str, known_count: str) -> pl.Expr:
    """Keep a count unless siblings exist and nothing is known of any; no sibling makes it 0."""
    some_known = pl.col(known_count).is_null() | (pl.col(known_count) > 0)
    return pl.when(some_known).then(pl.col(column).fill_null(0)).alias(column)


# --------------------------------------------------------------------------- peers


def _peer_measures(accounts: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """Compare an account's cross-border share with a sample of its MCC."""
    share = _ratio("cross_border_count", "cross_border_known_count").alias("share")
    shares = accounts.select("account_id", "mcc", share).drop_nulls()
    mccs = shares.get_column("mcc").unique().to_list()
    sample = peer_sample(accounts, mccs, model.peer_sample_count)
    peers = shares.join(sample.to_frame(), on="account_id", how="semi")
    centre = peers.group_by("mcc").agg(pl.col("share").median().alias("median"), pl.len().alias("peer_count"))
    deviation = (pl.col("share") - pl.col("median")).abs().median()
    scale = peers.join(centre, on="mcc", how="inner").group_by("mcc").agg(deviation.alias("mad"))
    compared = shares.join(centre, on="mcc", how="inner").join(scale, on="mcc", how="inner")
    floored = NORMAL_CONSISTENCY * pl.max_horizontal(pl.col("mad"), pl.lit(model.peer_scale_floor_nano / NANO))
    z = (pl.col("share") - pl.col("median")) / floored
    enough = pl.col("peer_count") >= model.peer_minimum_count
    return compared.select("account_id", pl.when(enough).then(z).alias("cross_border_peer_z"))
