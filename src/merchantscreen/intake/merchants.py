"""Accepted merchant rows become accounts and their declared identifiers.

Rules kept here:
* one row per account: identical rows count once, rows that differ are all rejected, as nobody
  can know which is right;
* contact data leaves as keyed tokens and domains, websites as hosts, also those that somebody
  wrote into the trading name; no raw value is returned;
* the result does not depend on the order of rows or files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from merchantscreen.identifiers import without_contacts_expression
from merchantscreen.intake import pseudonyms
from merchantscreen.intake.hosts import Losses, to_hosts
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.transactions import account_ids
from merchantscreen.tables import Accounts, MerchantRows, conform

IDENTICAL, CONFLICTING = "MS-KEY-002", "MS-KEY-001"
SOURCE_FILE: Final = "(file)"

_PLAIN_KINDS: Final = {
    "settlement_account": "settlement_account_token",
    "tax_id": "tax_id_token",
    "agent": "agent_id",
    "payment_facilitator": "payment_facilitator_id",
}
"""Declared identifiers that are taken as they are, and their columns."""


@dataclass(frozen=True, slots=True)
class Merchants:
    """What the merchant files say, once each.

    Attributes:
        accounts: tables.Accounts, sorted by account_id.
        repeated: Rejected rows: `SOURCE_FILE`, `LINE`, code.
        losses: Fields cut to hosts, and fields that could not be read.
        key_id: Which key the contact tokens were made with.
    """

    accounts: pl.DataFrame
    repeated: pl.DataFrame
    losses: Losses
    key_id: str


Keep = Callable[[pl.DataFrame], None]
"""Takes the declared identifiers of one kind (tables.DeclaredIdentifiers) and puts them away."""


def combine(rows: pl.DataFrame, key: bytes | None, keep: Keep) -> Merchants:
    """Turn the accepted rows of all files into accounts, and hand their identifiers on, kind by kind.

    A million accounts declare some eight million identifiers; only one kind is in memory at a time.

    Args:
        rows: tables.MerchantRows with `SOURCE_FILE` and `LINE`.
        key: Key of the contact tokens; derived from the data when None.
        keep: Called once per kind, kinds in alphabetical order.
    """
    single, repeated = _without_repeated(rows.with_columns(account_ids(rows)))
    rows = single.sort("account_id")
    losses = Losses()
    used = key or pseudonyms.derive_key(
        (kind, pseudonyms.normalised(rows[kind.name], kind)) for kind in pseudonyms.CONTACT_KINDS
    )
    websites = _once(_websites(rows, losses))
    makers: dict[str, Callable[[], pl.DataFrame]] = {
        "email_domain": lambda: _email_domains(rows, losses),
        "principal": lambda: _once(_principals(rows)),
        "website": lambda: websites,
        **{kind: partial(_plain, kind, rows, column) for kind, column in _PLAIN_KINDS.items()},
        **{kind.name: partial(_contacts, rows, kind, used, losses) for kind in pseudonyms.CONTACT_KINDS},
    }
    for kind in sorted(makers):
        keep(makers[kind]())
    named = rows.with_columns(_trading_names(rows["dba_name"], losses))
    return Merchants(_accounts(named, websites), repeated, losses, pseudonyms.key_id(used))


def _without_repeated(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into one per account and those rejected for repeating or contradicting another."""
    several = rows.filter(pl.col("account_id").is_duplicated()).sort("account_id", SOURCE_FILE, LINE)
    content = pl.struct(MerchantRows.column_names())
    judged = several.with_columns(
        alike=content.n_unique().over("account_id") == 1, first=pl.int_range(pl.len()).over("account_id") == 0
    )
    refused = judged.filter(~(pl.col("alike") & pl.col("first"))).select(
        SOURCE_FILE, LINE, code=pl.when("alike").then(pl.lit(IDENTICAL)).otherwise(pl.lit(CONFLICTING))
    )
    kept = rows.join(refused, on=[SOURCE_FILE, LINE], how="anti") if refused.height else rows
    return kept, refused


def _trading_names(names: pl.Series, losses: Losses) -> pl.Series:
    """Take contact data and web addresses out of trading names, which every result shows."""
    folded = without_contacts_expression(pl.first()).str.strip_chars(" ")
    cleaned = names.to_frame().select(pl.when(folded != "").then(folded).alias(names.name)).to_series()
    lost = int(cleaned.ne_missing(names.str.strip_chars(" ")).sum())
    losses.stripped.update({names.name: lost} if lost else {})
    return cleaned


def _accounts(rows: pl.DataFrame, websites: pl.DataFrame) -> pl.DataFrame:
    counted = websites.group_by("place").agg(count=pl.len().cast(pl.Int64))
    none = pl.zeros(rows.height, pl.Int64, eager=True)
    filled = rows.with_columns(
        none.scatter(counted["place"], counted["count"]).alias("website_count"),
        pl.col("listing_codes").list.unique().list.sort().list.join(";"),
    )
    return conform(filled, Accounts)


def _long(kind: str, values: pl.Series, account_id: pl.Series) -> pl.DataFrame:
    """Write one identifier in the long form, without nulls."""
    frame = pl.DataFrame({"value": values, "account_id": account_id}).drop_nulls()
    return frame.select(pl.lit(kind).alias("kind"), pl.col("value").cast(pl.String), "account_id")


def _once(declared: pl.DataFrame) -> pl.DataFrame:
    """Keep each identifier of a kind once, where an account can name it several times."""
    ordered = declared.sort("value", "account_id")
    is_new = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in ("value", "account_id"))
    return ordered.filter(is_new)


def _plain(kind: str, rows: pl.DataFrame, column: str) -> pl.DataFrame:
    return _long(kind, rows[column], rows["account_id"])


def _principals(rows: pl.DataFrame) -> pl.DataFrame:
    each = rows.select("account_id", "principal_tokens").explode("principal_tokens")
    return _long("principal", each["principal_tokens"], each["account_id"])


def _websites(rows: pl.DataFrame, losses: Losses) -> pl.DataFrame:
    """Return the hosts of the websites; `place` is the row of the account, which is quicker to count by."""
    each = rows.select("account_id", "website_urls").with_row_index("place").explode("website_urls")
    hosts = to_hosts(each["website_urls"], losses)
    return each.select(pl.lit("website").alias("kind"), hosts.alias("value"), "account_id", "place").drop_nulls("value")


def _contacts(rows: pl.DataFrame, kind: pseudonyms.ContactKind, key: bytes, losses: Losses) -> pl.DataFrame:
    """Return the tokens of one kind of contact data."""
    values = rows[kind.name]
    normal = pseudonyms.normalised(values, kind)
    lost = normal.null_count() - values.null_count()
    losses.unreadable.update({kind.name: lost} if lost else {})
    return _long(kind.name, pseudonyms.tokens(key, kind, normal), rows["account_id"])


def _email_domains(rows: pl.DataFrame, losses: Losses) -> pl.DataFrame:
    """Return the hosts of e-mail addresses; free mail providers are left to the policy."""
    after_at = rows.select(pl.when(pl.col("email").is_not_null()).then(
        pl.col("email").str.strip_chars().str.extract(r"^[^@]+@([^@/?#:\\]+)$").fill_null("@")
    )).to_series()  # fmt: skip
    return _long("email_domain", to_hosts(after_at, losses, "email"), rows["account_id"])
