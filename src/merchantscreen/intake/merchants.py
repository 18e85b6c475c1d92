"""Accepted merchant rows become accounts and their declared identifiers, as two files.

Rules kept here:
* one row per account: identical rows count once, rows that differ are all rejected, as nobody
  can know which is right;
* contact data leaves as keyed tokens and domains, websites as hosts, also those that somebody
  wrote into the trading name; no raw value is returned or written;
* the result does not depend on the order of rows or files.

A million accounts take more than a gigabyte here for a short time, so many are made in a process that ends then
(`reading`), and nothing of them stays but the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

from merchantscreen.identifiers import without_contacts_expression
from merchantscreen.intake import pseudonyms
from merchantscreen.intake.hosts import Losses, each_host
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.transactions import ROW_GROUP_ROWS, account_ids
from merchantscreen.tables import Accounts, DeclaredIdentifiers, MerchantRows, conform, schema_of

IDENTICAL, CONFLICTING = "MS-KEY-002", "MS-KEY-001"
SOURCE_FILE: Final = "(file)"
_SCHEMA: Final = pl.Schema({**schema_of(MerchantRows), LINE: pl.Int64(), SOURCE_FILE: pl.Int32()})
_NO_REFUSALS: Final = pl.DataFrame(schema={SOURCE_FILE: pl.Int32(), LINE: pl.Int64(), "code": pl.String()})

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
        accounts: Parquet of tables.Accounts, sorted by account_id.
        declared: Parquet of tables.DeclaredIdentifiers, kind by kind.
        repeated: Rejected rows: `SOURCE_FILE`, `LINE`, code.
        losses: Fields cut to hosts, and fields that could not be read.
        key_id: Which key the contact tokens were made with.
    """

    accounts: Path
    declared: Path
    repeated: pl.DataFrame
    losses: Losses
    key_id: str


class MerchantRowsRead:
    """Collects the accepted rows of all files, in memory alone, until they are combined.

    Attributes:
        size_bytes: How much memory they take.
    """

    def __init__(self) -> None:
        self._frames = [pl.DataFrame(schema=_SCHEMA)]
        self.size_bytes = 0

    def add(self, accepted: pl.DataFrame, file_index: int) -> None:
        """Take accepted rows (`LINE` and tables.MerchantRows) of one of the files."""
        place = pl.lit(file_index, pl.Int32).alias(SOURCE_FILE)
        self._frames.append(accepted.with_columns(place).select(_SCHEMA.names()))
        self.size_bytes += int(accepted.estimated_size())

    def take(self) -> pl.DataFrame:
        """Give all rows: tables.MerchantRows with `LINE` and `SOURCE_FILE`; none are kept."""
        rows = pl.concat(self._frames, rechunk=True)
        self._frames, self.size_bytes = self._frames[:1], 0
        return rows


def combine(rows: pl.DataFrame, key: bytes | None, folder: Path) -> Merchants:
    """Turn the accepted rows of all files into accounts and what they declare.

    A million accounts declare some eight million identifiers; only one kind is in memory at a time.

    Args:
        rows: See `MerchantRowsRead.take`.
        key: Key of the contact tokens; derived from the data when None.
        folder: Where the two files go.
    """
    ordered, repeated = _in_order(rows)
    losses = Losses()
    contacts = {kind: pseudonyms.normalised(ordered.rows[kind.name], kind) for kind in pseudonyms.CONTACT_KINDS}
    used = key or pseudonyms.derive_key(contacts.items())
    websites = _once(_websites(ordered.rows, losses))
    makers: dict[str, Callable[[], pl.DataFrame]] = {
        "email_domain": lambda: _email_domains(ordered, losses),
        "principal": lambda: _once(_principals(ordered.rows)),
        "website": lambda: websites,
        **{kind: partial(_plain, kind, ordered, column) for kind, column in _PLAIN_KINDS.items()},
        **{kind.name: partial(_contacts, ordered, kind, contacts[kind], used, losses) for kind in contacts},
    }
    tables = folder / "accounts.parquet", folder / "declared.parquet"
    _write_declared(tables[1], (makers[kind]() for kind in sorted(makers)))
    accounts = _accounts(ordered, websites, losses)
    accounts.write_parquet(tables[0], compression="lz4", row_group_size=ROW_GROUP_ROWS)
    return Merchants(*tables, repeated, losses, pseudonyms.key_id(used))


def _write_declared(path: Path, kinds: Iterator[pl.DataFrame]) -> None:
    """Write tables.DeclaredIdentifiers kind by kind, in order; light compression, as they are read within the run."""
    rows = register_io_source(
        lambda *_: (conform(kind, DeclaredIdentifiers) for kind in kinds), schema=schema_of(DeclaredIdentifiers)
    )
    rows.sink_parquet(path, compression="lz4", row_group_size=ROW_GROUP_ROWS, maintain_order=True)


# --------------------------------------------------------------------------- one row per account


@dataclass(frozen=True, slots=True)
class _Ordered:
    """Rows in the order of their accounts, brought into it column by column: all at once would be all of them twice.

    Attributes:
        rows: tables.MerchantRows and `account_id`, as they were read, one row per account.
        order: Place of each account's row, accounts in alphabetical order.
        account_id: The accounts in that order.
    """

    rows: pl.DataFrame
    order: pl.Series
    account_id: pl.Series

    def column(self, name: str) -> pl.Series:
        """Return one column in order."""
        return self.rows[name].gather(self.order)


def _in_order(rows: pl.DataFrame) -> tuple[_Ordered, pl.DataFrame]:
    """Put rows into order, one per account; return also those rejected for repeating or contradicting another."""
    ids = account_ids(rows)
    order = ids.arg_sort()
    account_id = ids.gather(order)
    if not account_id.eq_missing(account_id.shift()).any():
        return _Ordered(rows.with_columns(ids), order, account_id), _NO_REFUSALS
    refused = _refusals(rows.with_columns(ids))
    return _in_order(rows.join(refused, on=[SOURCE_FILE, LINE], how="anti"))[0], refused


def _refusals(rows: pl.DataFrame) -> pl.DataFrame:
    """Find the rows that repeat or contradict another row of their account: `SOURCE_FILE`, `LINE`, code."""
    several = rows.filter(pl.col("account_id").is_duplicated()).sort("account_id", SOURCE_FILE, LINE)
    content = pl.struct(MerchantRows.column_names())
    judged = several.with_columns(
        alike=content.n_unique().over("account_id") == 1, first=pl.int_range(pl.len()).over("account_id") == 0
    )
    return judged.filter(~(pl.col("alike") & pl.col("first"))).select(
        SOURCE_FILE, LINE, code=pl.when("alike").then(pl.lit(IDENTICAL)).otherwise(pl.lit(CONFLICTING))
    )


# --------------------------------------------------------------------------- the tables


def _trading_names(names: pl.Series, losses: Losses) -> pl.Series:
    """Take contact data and web addresses out of trading names, which every result shows."""
    folded = without_contacts_expression(pl.first()).str.strip_chars(" ")
    found = names.to_frame().lazy().select(pl.when(folded != "").then(folded).alias(names.name))
    cleaned = found.collect().to_series()
    lost = int(cleaned.ne_missing(names.str.strip_chars(" ")).sum())
    losses.stripped.update({names.name: lost} if lost else {})
    return cleaned


def _accounts(ordered: _Ordered, websites: pl.DataFrame, losses: Losses) -> pl.DataFrame:
    """Make tables.Accounts."""
    counted = websites.group_by("place").agg(count=pl.len().cast(pl.Int64))
    none = pl.zeros(ordered.rows.height, pl.Int64, eager=True)
    website_count = none.scatter(counted["place"], counted["count"]).gather(ordered.order)
    own = [name for name in schema_of(Accounts) if name in MerchantRows.column_names()]
    columns = {name: ordered.column(name) for name in own}
    filled = pl.DataFrame(columns).with_columns(
        ordered.account_id,
        website_count.alias("website_count"),
        _trading_names(columns["dba_name"], losses),
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


def _plain(kind: str, ordered: _Ordered, column: str) -> pl.DataFrame:
    return _long(kind, ordered.column(column), ordered.account_id)


def _principals(rows: pl.DataFrame) -> pl.DataFrame:
    each = rows.select("account_id", "principal_tokens").explode("principal_tokens")
    return _long("principal", each["principal_tokens"], each["account_id"])


def _websites(rows: pl.DataFrame, losses: Losses) -> pl.DataFrame:
    """Return the hosts of the websites; `place` is the row of the account, which is quicker to count by."""
    each = rows.select("account_id", "website_urls").with_row_index("place").explode("website_urls")
    hosts = each_host(each["website_urls"], losses)
    return each.select(pl.lit("website").alias("kind"), hosts.alias("value"), "account_id", "place").drop_nulls("value")


def _contacts(
    ordered: _Ordered, kind: pseudonyms.ContactKind, normal: pl.Series, key: bytes, losses: Losses
) -> pl.DataFrame:
    """Return the tokens of one kind of contact data."""
    lost = normal.null_count() - ordered.rows[kind.name].null_count()
    losses.unreadable.update({kind.name: lost} if lost else {})
    return _long(kind.name, pseudonyms.tokens(key, kind, normal.gather(ordered.order)), ordered.account_id)


def _email_domains(ordered: _Ordered, losses: Losses) -> pl.DataFrame:
    """Return the hosts of e-mail addresses; free mail providers are left to the policy."""
    email = ordered.column("email")
    after_at = email.str.strip_chars().str.extract(r"^[^@]+@([^@/?#:\\]+)$")
    marked = after_at.to_frame().select(pl.when(email.is_not_null()).then(pl.first().fill_null("@"))).to_series()
    return _long("email_domain", each_host(marked.alias("email"), losses), ordered.account_id)
