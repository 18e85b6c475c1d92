"""The checks of the intake in DuckDB SQL: every field of every row, and repeated transactions and accounts.

Run by `duckdb_plan.py --checks`, so that a plan that judges its input can be set beside ours, which always does.
Rules kept here:

* the rules are those of tables.TransactionRows and tables.MerchantRows, and of cards.py and contacts.py; a test breaks
  them field by field, and both must refuse the same rows;
* of an account's repeated transactions one is kept where all are alike and none where they differ; accounts likewise;
* written for speed: one query per column, whose condition is on this column alone and by functions that DuckDB
  evaluates once per dictionary entry (`regexp_extract`, not `regexp_matches`: measured, 0.02 s for 0.46 s on 10 million
  rows); what passes one cheap pattern is not looked at again; repetitions are found by hashes of eight bytes.

Left out, as SQL cannot say it shortly: card numbers in other digits than ASCII, and digests that look like one by
chance, which ours lets pass. Left out as well, in favour of DuckDB: the reason of each refusal, and the empty text
that means null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from merchantscreen.cards import ISSUER_RANGES, MAX_DIGITS, MIN_DIGITS, IssuerRange
from merchantscreen.contacts import IN_IDENTIFIER, IN_TOKEN
from merchantscreen.vocabulary import (
    COUNTRIES,
    CURRENCIES,
    CardProduct,
    MerchantStatus,
    TransactionOutcome,
    TransactionType,
)

ID: Final = r"^[\x21-\x7E](?:[\x20-\x7E]{0,62}[\x21-\x7E])?$"
TOKEN: Final = r"^[\x21-\x7E]{1,128}$"
MCC: Final = "^[0-9]{4}$"
SURE: Final = "^(?:[0-9-]{0,12}[A-Za-z_])*[0-9-]{0,12}$"
SURE_BYTES: Final = 64
CONTROL: Final = r"[\x00-\x08\x0A-\x1F\x7F]"
MOST_MINOR: Final = 10**13
"""As in tables.py and the intake; written out, as loading these would cost DuckDB a second."""
CARD_LIKE: Final = r"[0-9][0-9 .\-]{11,}[0-9]"
"""Lets through every text that could hold a card number."""
_UUID: Final = r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of one column, in SQL; COLUMN stands for its name.

    Attributes:
        closer: Holds for every value that could be refused: cheap, and seldom true.
        broken: Holds for those that are, cards apart.
        text: The value as one text, for the card-number guard.
    """

    closer: str
    broken: str = "true"
    text: str = "COLUMN"


def _has(pattern: str, text: str = "COLUMN") -> str:
    return f"regexp_extract({text}, '{pattern}') <> ''"


def _shaped(pattern: str, contact: str) -> Rule:
    """Ask for a shape, and for no contact data."""
    unsure = f"COLUMN <> '' AND (NOT {_has(SURE)} OR strlen(COLUMN) > {SURE_BYTES} OR NOT {_has(pattern)})"
    return Rule(unsure, f"NOT {_has(pattern)} OR {_has(contact)}")


def _text(most_bytes: int = 2**31) -> Rule:
    """Ask for a length, and for no control characters."""
    is_long = f"strlen(COLUMN) > {most_bytes}"
    return Rule(f"{_has(f'{CONTROL}|{CARD_LIKE}')} OR {is_long}", f"{_has(CONTROL)} OR {is_long}")


def _one_of(values: Iterable[str]) -> Rule:
    quoted = ", ".join(f"'{value}'" for value in sorted(values))
    return Rule(f"COLUMN <> '' AND COLUMN NOT IN ({quoted})")


def _items(contact: str | None) -> Rule:
    """Ask that no item of a list is contact data."""
    text = "array_to_string(COLUMN, chr(10))"
    broken = _has(contact, text) if contact else "false"
    return Rule(f"{_has(CARD_LIKE, text)} OR {broken}", broken, text)


_AMOUNT: Final = Rule(
    f"COLUMN < 0 OR COLUMN >= {10 ** (MIN_DIGITS - 1)}",
    f"COLUMN NOT BETWEEN 0 AND {MOST_MINOR}",
    "COLUMN::VARCHAR",
)
_DAY: Final = Rule("COLUMN NOT BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'", text="NULL")
_MOMENT: Final = Rule(
    "COLUMN NOT BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'", text="NULL"
)
_IDENTIFIER, _TOKEN, _CODE = _shaped(ID, IN_IDENTIFIER), _shaped(TOKEN, IN_TOKEN), _shaped(MCC, IN_IDENTIFIER)
_KEY_COLUMNS: Final = (
    "network", "acquirer_id", "card_acceptor_id", "payment_facilitator_id", "sub_merchant_id",
)  # fmt: skip
_KEY: Final = dict.fromkeys(_KEY_COLUMNS, _IDENTIFIER)
TRANSACTIONS: Final[Mapping[str, Rule]] = {
    **_KEY,
    "transaction_id": _TOKEN,
    "occurred_at": _MOMENT,
    "amount_minor": _AMOUNT,
    "currency": _one_of(CURRENCIES),
    "transaction_type": _one_of(TransactionType),
    "outcome": _one_of(TransactionOutcome),
    "card_token": _TOKEN,
    "card_product": _one_of(CardProduct),
    "issuer_country": _one_of(COUNTRIES),
    "merchant_country": _one_of(COUNTRIES),
    "mcc": _CODE,
    "entry_mode": _text(4),
    "eci": _text(4),
    "descriptor": _text(99),
    "requestor_url": _text(),
    "acceptor_url": _text(),
    "terminal_id": _IDENTIFIER,
    "device_token": _TOKEN,
    "ip_token": _TOKEN,
}
MERCHANTS: Final[Mapping[str, Rule]] = {
    **_KEY,
    "legal_name": _text(200),
    "dba_name": _text(200),
    "mcc": _CODE,
    "country": _one_of(COUNTRIES),
    "opened_on": _DAY,
    "closed_on": _DAY,
    "status": _one_of(MerchantStatus),
    "website_urls": _items(None),
    "email": _text(254),
    "phone": _text(40),
    "address": _text(300),
    "settlement_account_token": _TOKEN,
    "tax_id_token": _TOKEN,
    "principal_tokens": _items(IN_TOKEN),
    "agent_id": _IDENTIFIER,
    "declared_monthly_volume_minor": _AMOUNT,
    "declared_average_ticket_minor": _AMOUNT,
    "currency": _one_of(CURRENCIES),
    "listing_codes": _items(IN_IDENTIFIER),
}
"""Every column but `natural_person`, which is true or false."""
REQUIRED_KEY: Final = frozenset({"acquirer_id", "card_acceptor_id"})
REQUIRED: Final = REQUIRED_KEY | {"occurred_at", "amount_minor", "currency"}
"""Columns that no merchant, and no transaction, can be without."""

PLACE: Final = "filename, file_row_number"
"""Where a row is; DuckDB gives both columns to every Parquet file."""
TABLES: Final = f"""
CREATE TABLE found (filename VARCHAR, file_row_number BIGINT, value VARCHAR, is_broken BOOLEAN);
CREATE TABLE refused AS SELECT {PLACE} FROM found;
"""
LOOK: Final = f"INSERT INTO found SELECT {PLACE}, {{text}}, {{broken}} FROM {{rows}} WHERE {{closer}}"
_STRETCHES: Final = rf"""
WITH runs AS (
    SELECT value, unnest(regexp_extract_all(
           regexp_replace(value, '{_UUID}', '#', 'g'), '[+]?[0-9]+(?:[ .-][0-9]+)*')) AS run
    FROM (SELECT DISTINCT value FROM found WHERE NOT is_broken)),
split AS (SELECT value, starts_with(run, '+') AS has_plus,
                 string_split_regex(ltrim(run, '+'), '[ .-]') AS parts FROM runs),
begun AS (SELECT *, unnest(range(1, len(parts) + 1)) AS first FROM split),
ended AS (SELECT *, unnest(range(first, len(parts) + 1)) AS last FROM begun)
SELECT value, array_to_string(parts[first:last], '') AS digits, has_plus AND first = 1 AS is_phone FROM ended
"""
"""Every stretch of whole groups of digits. Source: cards.py."""
_DIGIT: Final = "substr(digits, -place, 1)::INTEGER"
_LUHN: Final = f"""
list_sum(list_transform(range(1, len(digits) + 1), lambda place:
    CASE WHEN place % 2 = 1 THEN {_DIGIT} ELSE {_DIGIT} * 2 - CASE WHEN {_DIGIT} > 4 THEN 9 ELSE 0 END END)) % 10 = 0
"""


def _is_of(row: IssuerRange) -> str:
    """Tell whether digits begin as an issuer's do, at one of its lengths."""
    lengths = ", ".join(map(str, sorted(row.lengths)))
    return f"(len(digits) IN ({lengths}) AND left(digits, {len(str(row.low))})::INT BETWEEN {row.low} AND {row.high})"


_RANGES: Final = " OR ".join(map(_is_of, ISSUER_RANGES))
REFUSE: Final = f"""
INSERT INTO refused
SELECT DISTINCT {PLACE} FROM found WHERE is_broken OR value IN (
    SELECT value FROM ({_STRETCHES})
    WHERE len(digits) BETWEEN {MIN_DIGITS} AND {MAX_DIGITS} AND NOT (is_phone AND len(digits) <= 15)
      AND ({_RANGES}) AND {_LUHN})
"""
HASHES: Final = """
CREATE OR REPLACE TABLE repeated AS
SELECT hash({key}) AS key FROM {rows} WHERE {named} GROUP BY ALL HAVING count(*) > 1
"""
REFUSE_REPEATED: Final = f"""
INSERT INTO refused SELECT {PLACE} FROM {{rows}} WHERE {{named}} AND hash({{key}}) IN (SELECT key FROM repeated)
WINDOW own AS (PARTITION BY {{key}}), ordered AS (PARTITION BY {{key}} ORDER BY {PLACE})
QUALIFY count(*) OVER own > 1
    AND NOT (count(DISTINCT row({{content}})) OVER own = 1 AND row_number() OVER ordered = 1)
"""


def check(connection: duckdb.DuckDBPyConnection, transactions: str, merchants: str) -> tuple[str, str]:
    """Put the rows that break a rule, and those that repeat another, into a table `refused` of `PLACE`.

    Args:
        connection: Where that table is made.
        transactions: The rows, as what stands after FROM.
        merchants: Likewise.

    Returns:
        Both again, without the refused rows.
    """
    connection.execute(TABLES)
    for rows, rules, required in ((transactions, TRANSACTIONS, REQUIRED), (merchants, MERCHANTS, REQUIRED_KEY)):
        for column, rule in rules.items():
            connection.execute(_look(rows, column, rule, is_required=column in required))
    connection.execute(REFUSE)
    _refuse_repeated(connection, _kept(connection, transactions), [*_KEY, "transaction_id"], TRANSACTIONS)
    _refuse_repeated(connection, _kept(connection, merchants), list(_KEY), [*MERCHANTS, "natural_person"])
    return _kept(connection, transactions), _kept(connection, merchants)


def _look(rows: str, column: str, rule: Rule, *, is_required: bool) -> str:
    """Write the query that looks at one column."""
    missing = "COLUMN IS NULL OR COLUMN::VARCHAR = '' OR " if is_required else ""
    query = LOOK.format(rows=rows, text=rule.text, broken=f"{missing}{rule.broken}", closer=f"{missing}{rule.closer}")
    return query.replace("COLUMN", column)


def _refuse_repeated(
    connection: duckdb.DuckDBPyConnection, rows: str, key: Sequence[str], columns: Iterable[str]
) -> None:
    """Refuse what repeats or contradicts another row of the same key; rows without the whole key are not compared."""
    parts = {
        "rows": rows,
        "key": ", ".join(key),
        "named": f"{key[-1]} IS NOT NULL" if key[-1] == "transaction_id" else "true",
        "content": ", ".join(name for name in columns if name not in {*key, "card_token"}),
    }
    connection.execute(HASHES.format(**parts))
    if _count(connection, "repeated"):
        connection.execute(REFUSE_REPEATED.format(**parts))


def _kept(connection: duckdb.DuckDBPyConnection, rows: str) -> str:
    """Leave out the refused rows, if there are any."""
    if not _count(connection, "refused"):
        return rows
    return f"(SELECT *, {PLACE} FROM {rows} WHERE ({PLACE}) NOT IN (SELECT ({PLACE}) FROM refused))"


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return int(count)
