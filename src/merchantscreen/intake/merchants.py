"""Accepted merchant rows become accounts and their declared identifiers, as two files.

Rules kept here:
* one row per account: identical rows count once, rows that differ are all rejected, as nobody
  can know which is right;
* contact data leaves as keyed tokens and domains, websites as hosts, also those that somebody
  wrote into the trading name; no raw value is returned or written;
* the result does not depend on the order of rows or files.

A million accounts take 0.7 GB here for a short time, so many are made in a process that ends then (`reading`), and
nothing of them stays but the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from merchantscreen.identifiers import KEY_COLUMNS, without_contacts_expression
from merchantscreen.intake import pseudonyms
from merchantscreen.intake.hosts import Losses, each_host
from merchantscreen.intake.lines import LINE
from merchantscreen.intake.transactions import ROW_GROUP_ROWS, account_ids
from merchantscreen.tables import Accounts, DeclaredIdentifiers, MerchantRows, conform, schema_of

IDENTICAL, CONFLICTING = "MS-KEY-002", "MS-KEY-001"
SOURCE_FILE: Final = "(file)"
_SCHEMA: Final = pl.Schema({**schema_of(MerchantRows), LINE: pl.Int64(), SOURCE_FILE: pl.Int32()})
_SLICE_ROWS: Final = 500_000
"""Rows whose keys are put together at once: what lies between the parts and the key is ten times the key."""
_NO_REFUSALS: Final = pl.DataFrame(schema={SOURCE_FILE: pl.Int32(), LINE: pl.Int64(), "code": pl.String()})

_PLAIN_KINDS: Final = {
    "settlement_account": "settlement_account_token",
    "tax_id": "tax_id_token",
    "agent": "agent_id",
    "payment_facilitator": "payment_facilitator_id",
}
"""Declared identifiers that are taken as they are, and their columns."""

_TOUCHED: Final = r"^ | $|^$|[@＠/\\?#]|[0-9](?:[ ()./-]{0,2}[0-9]){6}"
"""What a trading name has in it of which something may be taken: see contacts.STEPS."""


@dataclass(frozen=True, slots=True)
class Merchants:
    """What the merchant files say, once each.

    Attributes:
        accounts: Parquet of tables.Accounts, sorted by account_id.
        declared: Parquet of tables.DeclaredIdentifiers, kind by kind.
        repeated: Rejected rows: `SOURCE_FILE`, `LINE`, code.
        losses: Fields cut to hosts, and fields that could not be read.
        key_id: Which key the contact tokens were made with.
        lots: The lot of each account by which it stands for its trade, see features.peers, where they were drawn.
    """

    accounts: Path
    declared: Path
    repeated: pl.DataFrame
    losses: Losses
    key_id: str
    lots: pl.Series | None = None


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
        """Give all rows: tables.MerchantRows with `LINE` and `SOURCE_FILE`; none are kept.

        In as many pieces as they came in: in one piece they would be in memory twice.
        """
        rows = pl.concat(self._frames, rechunk=False)
        self._frames, self.size_bytes = self._frames[:1], 0
        return rows


def combine(
    rows: pl.DataFrame, key: bytes | None, folder: Path, written: Callable[[Path], None] | None = None
) -> Merchants:
    """Turn the accepted rows of all files into accounts and what they declare.

    A million accounts declare some eight million identifiers; only one kind is in memory at a time, and what a column
    came to takes its place.

    Args:
        rows: See `MerchantRowsRead.take`.
        key: Key of the contact tokens; derived from the data when None.
        folder: Where the two files go.
        written: Told of the file of accounts once it is there; the tokens take several times as long.
    """
    ordered, repeated = _in_order(rows)
    del rows  # ordered lets go of the columns that are done with
    losses, account_id = Losses(), ordered.account_id
    websites = _websites(ordered, losses)
    tables = folder / "accounts.parquet", folder / "declared.parquet"
    _write_accounts(tables[0], ordered, websites, losses)
    if written:
        written(tables[0])
    contacts = {kind: _normalised(ordered, kind, losses) for kind in pseudonyms.CONTACT_KINDS}
    used = key or pseudonyms.derive_key(contacts.items())
    makers: dict[str, Callable[[], pl.DataFrame]] = {
        "email_domain": lambda: _long("email_domain", _email_domains(ordered.take("email"), losses), account_id),
        "principal": lambda: _listed("principal", _once(ordered.take_items("principal_tokens")), account_id),
        "website": lambda: _listed("website", websites, account_id),
        **{kind: partial(_plain, kind, ordered, column) for kind, column in _PLAIN_KINDS.items()},
        **{kind.name: partial(_tokens, kind, contacts, used, account_id) for kind in pseudonyms.CONTACT_KINDS},
    }
    _write_declared(tables[1], (makers[kind]() for kind in sorted(makers)))
    return Merchants(*tables, repeated, losses, pseudonyms.key_id(used))


def _write_declared(path: Path, kinds: Iterator[pl.DataFrame]) -> None:
    """Write tables.DeclaredIdentifiers kind by kind, in order; light compression, as they are read within the run."""
    rows = register_io_source(
        lambda *_: (conform(kind, DeclaredIdentifiers) for kind in kinds), schema=schema_of(DeclaredIdentifiers)
    )
    rows.sink_parquet(path, compression="lz4", row_group_size=ROW_GROUP_ROWS, maintain_order=True)


# --------------------------------------------------------------------------- one row per account


class _Ordered:
    """Rows in the order of their accounts, brought into it column by column: all at once would be all of them twice.

    Args:
        rows: tables.MerchantRows as they were read.
        order: Place of each account's row.
        account_id: The accounts in alphabetical order, once each.
    """

    def __init__(self, rows: pl.DataFrame, order: pl.Series, account_id: pl.Series) -> None:
        # a selection would copy the rows, to have them in one piece
        self._columns = {name: rows[name] for name in MerchantRows.column_names()}
        self._order = order
        self.account_id = account_id

    def column(self, name: str) -> pl.Series:
        """Return one column in order."""
        return self._columns[name].rechunk().gather(self._order)

    def take(self, name: str) -> pl.Series:
        """Return one column in order for the last time."""
        return self._columns.pop(name).rechunk().gather(self._order)

    def take_items(self, name: str) -> pl.DataFrame:
        """Return a column of lists item by item, for the last time: `value`, and `place`, of its account in the order.

        Not in order, as lists are slow to bring into it.
        """
        lists = self._columns.pop(name).alias("value")
        numbers = pl.int_range(self._order.len(), dtype=pl.UInt32, eager=True)
        places = pl.Series("place", [None], pl.UInt32).new_from_index(0, lists.len()).scatter(self._order, numbers)
        return pl.DataFrame([places, lists]).explode("value").drop_nulls()


def _in_order(rows: pl.DataFrame) -> tuple[_Ordered, pl.DataFrame]:
    """Put rows into order, one per account; return also those rejected for repeating or contradicting another."""
    keys = pl.DataFrame([rows[name] for name in KEY_COLUMNS])
    ids = pl.concat([account_ids(some) for some in keys.iter_slices(_SLICE_ROWS)] or [account_ids(keys)])
    # by two columns, as the engine takes twice the time to sort texts alone
    ordered = ids.to_frame().with_row_index("place").sort("account_id", "place")
    account_id, order = ordered["account_id"], ordered["place"]
    is_next = account_id.eq_missing(account_id.shift())
    if not is_next.any():
        return _Ordered(rows, order, account_id), _NO_REFUSALS
    is_one_of_several = is_next | is_next.shift(-1, fill_value=False)
    several = pl.DataFrame([rows[name].rechunk().gather(order.filter(is_one_of_several)) for name in rows.columns])
    refused = _refusals(
        several.with_columns(account_id.filter(is_one_of_several), place=order.filter(is_one_of_several))
    )
    is_kept = ~order.is_in(refused["place"].implode())
    return _Ordered(rows, order.filter(is_kept), account_id.filter(is_kept)), refused.drop("place")


def _refusals(several: pl.DataFrame) -> pl.DataFrame:
    """Find the rows that repeat or contradict another row of their account: `place`, `SOURCE_FILE`, `LINE`, code."""
    content = pl.struct(MerchantRows.column_names())
    judged = several.sort("account_id", SOURCE_FILE, LINE).with_columns(
        alike=content.n_unique().over("account_id") == 1, first=pl.int_range(pl.len()).over("account_id") == 0
    )
    return judged.filter(~(pl.col("alike") & pl.col("first"))).select(
        "place", SOURCE_FILE, LINE, code=pl.when("alike").then(pl.lit(IDENTICAL)).otherwise(pl.lit(CONFLICTING))
    )


# --------------------------------------------------------------------------- accounts


def _write_accounts(path: Path, ordered: _Ordered, websites: pl.DataFrame, losses: Losses) -> None:
    """Write tables.Accounts."""
    own = [name for name in schema_of(Accounts) if name in MerchantRows.column_names()]
    still_needed = _PLAIN_KINDS.values()
    columns = {name: ordered.column(name) if name in still_needed else ordered.take(name) for name in own}
    columns["dba_name"] = trading_names(columns["dba_name"], losses)
    columns["listing_codes"] = columns["listing_codes"].list.unique().list.sort().list.join(";")
    columns["website_count"] = _counts(websites["place"], ordered.account_id.len())
    accounts = conform(pl.DataFrame({"account_id": ordered.account_id, **columns}), Accounts)
    accounts.write_parquet(path, compression="lz4", row_group_size=ROW_GROUP_ROWS)


def trading_names(names: pl.Series, losses: Losses) -> pl.Series:
    """Take contact data and web addresses out of trading names, which every result shows."""
    touched = names.str.contains(_TOUCHED).fill_null(value=False).arg_true()
    if not touched.len():
        return names
    before = names.gather(touched)
    folded = without_contacts_expression(pl.first()).str.strip_chars(" ")
    found = before.to_frame().lazy().select(pl.when(folded != "").then(folded))
    cleaned = found.collect().to_series()
    lost = int(cleaned.ne_missing(before.str.strip_chars(" ")).sum())
    losses.stripped.update({names.name: lost} if lost else {})
    return names.scatter(touched, cleaned)


def _counts(places: pl.Series, rows: int) -> pl.Series:
    """Count how often each row is named."""
    return pl.Series(np.bincount(places.to_numpy(), minlength=rows))


# --------------------------------------------------------------------------- what accounts declare


def _long(kind: str, values: pl.Series, account_id: pl.Series) -> pl.DataFrame:
    """Write one identifier in the long form, without nulls."""
    frame = pl.DataFrame({"value": values, "account_id": account_id}).drop_nulls()
    return frame.select(pl.lit(kind).alias("kind"), pl.col("value").cast(pl.String), "account_id")


def _plain(kind: str, ordered: _Ordered, column: str) -> pl.DataFrame:
    return _long(kind, ordered.take(column), ordered.account_id)


def _once(items: pl.DataFrame) -> pl.DataFrame:
    """Sort items by value and account, and keep each once, where an account can name it several times."""
    ordered = items.sort("value", "place")
    is_new = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in ("place", "value"))
    return ordered.filter(is_new)


def _listed(kind: str, items: pl.DataFrame, account_id: pl.Series) -> pl.DataFrame:
    return _long(kind, items["value"], account_id.gather(items["place"]))


def _websites(ordered: _Ordered, losses: Losses) -> pl.DataFrame:
    """Return the hosts of the websites as items."""
    urls = ordered.take_items("website_urls")
    hosts = each_host(urls["value"].alias("website_urls"), losses)
    return _once(urls.with_columns(hosts.alias("value")).drop_nulls())


def _normalised(ordered: _Ordered, kind: pseudonyms.ContactKind, losses: Losses) -> pl.Series:
    """Return the normal forms of one kind of contact data."""
    values = ordered.column(kind.name) if kind.name == "email" else ordered.take(kind.name)
    normal = pseudonyms.normalised(values, kind)
    lost = normal.null_count() - values.null_count()
    losses.unreadable.update({kind.name: lost} if lost else {})
    return normal


def _tokens(
    kind: pseudonyms.ContactKind,
    contacts: dict[pseudonyms.ContactKind, pl.Series],
    key: bytes,
    account_id: pl.Series,
) -> pl.DataFrame:
    """Return the tokens of one kind of contact data."""
    return _long(kind.name, pseudonyms.tokens(key, kind, contacts.pop(kind)), account_id)


def _email_domains(email: pl.Series, losses: Losses) -> pl.Series:
    """Return the hosts of e-mail addresses; free mail providers are left to the policy."""
    after_at = email.str.strip_chars().str.extract(r"^[^@]+@([^@/?#:\\]+)$")
    marked = after_at.to_frame().select(pl.when(email.is_not_null()).then(pl.first().fill_null("@"))).to_series()
    return each_host(marked.alias("email"), losses)
