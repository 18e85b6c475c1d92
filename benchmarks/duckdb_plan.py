"""The plan of `merchantscreen screen` written in DuckDB SQL, straight from the same Parquet files.

    python benchmarks/duckdb_plan.py WORLD --out DIR [--checks]

Candidates first, as ours: distinct hosts, the flagged ones among them by the endings of their labels, direct links
inside and outside the window, the neighbourhood by semi-joins on shared identifiers with the hub cap, and then the
counts of features/stages.py for the accounts of the neighbourhood, their siblings and the sample of their trades.
`linked.parquet` holds the accounts with a link inside the window, to be compared with ours.

Left out, all in favour of DuckDB: checks of the intake (card numbers, contact data, shapes, repeated rows and ids,
rejects), which `--checks` adds as far as SQL can say them (duckdb_checks.py), keyed tokens, internationalised hosts and
public suffixes, matches under another suffix, clues of hotlines, the evidence, its ledger and ranking, rules, blind
spots, and the bundle.

What is written for speed: a URL is cut to its host once per distinct URL; an account's key is built for rows that
survived a semi-join only; every scan names its columns.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import duckdb
import duckdb_checks
from worlds import AS_OF, World

HUB: Final = 500
WIDELY_SHARED: Final = 50
PEERS: Final = 200
LOOKBACK_DAYS: Final = 180
"""As in rules/evidence.yml; written out, as reading the policy would cost DuckDB a second."""

KEY: Final = "concat_ws('/', acquirer_id, card_acceptor_id, payment_facilitator_id, sub_merchant_id)"
"""As identifiers.account_id, for worlds of one network in which a sub-merchant has a facilitator."""
HOST: Final = r"lower(regexp_extract({}, '^(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/?#@]*@)?([^/:?#]+)', 1))"
NAME_IN_TEXT: Final = r"[A-Z0-9](?:[A-Z0-9-]*[A-Z0-9])?(?:\.[A-Z0-9](?:[A-Z0-9-]*[A-Z0-9])?)+"

INPUT: Final = """
CREATE VIEW tx AS SELECT * FROM {transactions} WHERE occurred_at <= TIMESTAMP '{as_of}';
CREATE TABLE merchants AS SELECT *, {key} AS account_id FROM {merchants};
CREATE TABLE flagged AS
SELECT domain, min(least(valid_from, observed_at, confirmed_at)) - INTERVAL {lookback} DAY AS from_at,
       least(max(valid_until), TIMESTAMP '{as_of}') AS until_at
FROM read_json('{referrals}', format = 'newline_delimited', columns = {{domain: 'VARCHAR', event: 'VARCHAR',
     valid_from: 'TIMESTAMP', observed_at: 'TIMESTAMP', confirmed_at: 'TIMESTAMP', valid_until: 'TIMESTAMP'}})
WHERE event = 'confirmed' GROUP BY domain;
"""

MATCHED: Final = """
CREATE TABLE {name}_matched AS
WITH named AS (SELECT value, string_split(host, '.') AS labels FROM ({hosts})),
     endings AS (SELECT value, array_to_string(labels[part:], '.') AS domain
                 FROM (SELECT value, labels, unnest(range(1, len(labels) + 1)) AS part FROM named))
SELECT DISTINCT value, domain, from_at, until_at FROM endings JOIN flagged USING (domain);
"""
URLS: Final = f"""
SELECT {{column}} AS value, {HOST.format("{column}")} AS host
FROM (SELECT DISTINCT {{column}} FROM tx WHERE {{column}} IS NOT NULL)
"""
TEXTS: Final = f"""
SELECT descriptor AS value, unnest(list_transform(
       regexp_extract_all(upper(descriptor), '{NAME_IN_TEXT}'), lambda name: lower(name))) AS host
FROM (SELECT DISTINCT descriptor FROM tx WHERE contains(descriptor, '.'))
"""
OBSERVED: Final = """
SELECT {key} AS account_id, domain, '{column}' AS kind, occurred_at BETWEEN from_at AND until_at AS in_window,
       count(*) AS transaction_count, min(occurred_at) AS first_at, max(occurred_at) AS last_at,
       min(transaction_id) AS example_transaction_id
FROM tx JOIN {column}_matched ON {column} = value GROUP BY ALL
"""
DECLARED: Final = """
SELECT DISTINCT account_id, domain, kind, coalesce(opened_on, from_at) <= until_at
       AND coalesce(closed_on, TIMESTAMP '{as_of}') >= from_at AS in_window, NULL, NULL, NULL, NULL
FROM declared JOIN declared_matched USING (value) JOIN merchants USING (account_id)
WHERE kind IN ('website', 'email_domain')
"""
_OBSERVED_COLUMNS: Final = ("requestor_url", "acceptor_url", "descriptor")

_DECLARED_COLUMNS: Final = {
    "settlement_account": "settlement_account_token",
    "tax_id": "tax_id_token",
    "email": "lower(trim(email))",
    "phone": "regexp_replace(phone, '[^0-9+]', '', 'g')",
    "address": "lower(trim(address))",
    "agent": "agent_id",
    "payment_facilitator": "payment_facilitator_id",
    "email_domain": "lower(split_part(email, '@', 2))",
    "principal": "unnest(principal_tokens)",
    "website": HOST.format("unnest(website_urls)"),
}
_HARD: Final = ("settlement_account", "tax_id", "principal")
_SEEN_COLUMNS: Final = {
    "device": "device_token",
    "terminal": "acquirer_id || '/' || terminal_id",
    "ip": "ip_token",
    "descriptor": "descriptor",
}
OF_ACCOUNTS: Final = """
SELECT {columns} FROM (SELECT *, {key} AS account_id FROM tx
       WHERE (acquirer_id, card_acceptor_id) IN (SELECT acquirer_id, card_acceptor_id FROM {accounts}))
WHERE account_id IN (SELECT account_id FROM {accounts})
"""
"""Rows of some accounts: by the two columns that nearly tell them apart, then by the whole key."""

NEIGHBOURHOOD: Final = """
CREATE TABLE linked AS SELECT account_id, acquirer_id, card_acceptor_id FROM merchants
WHERE account_id IN (SELECT account_id FROM links WHERE in_window);
CREATE TABLE held AS
SELECT DISTINCT kind, value FROM declared WHERE kind <> 'email_domain' AND account_id IN (SELECT account_id FROM linked)
UNION SELECT DISTINCT kind, value FROM (UNPIVOT (SELECT DISTINCT * EXCLUDE (account_id) FROM ({seen}))
      ON COLUMNS(*) INTO NAME kind VALUE value);
CREATE TABLE holders AS
SELECT kind, value, account_id FROM declared WHERE (kind, value) IN (SELECT (kind, value) FROM held)
{holders};
CREATE TABLE near AS
SELECT DISTINCT account_id FROM holders
JOIN (SELECT kind, value FROM holders GROUP BY ALL HAVING count(*) BETWEEN 2 AND {hub}) USING (kind, value)
UNION SELECT account_id FROM linked;
"""
SEEN_HOLDERS: Final = """
UNION ALL SELECT DISTINCT '{kind}', value, {key} FROM (SELECT *, {column} AS value FROM tx)
WHERE value IN (SELECT value FROM held WHERE kind = '{kind}')
"""
MEASURED: Final = """
CREATE TABLE measured_accounts AS
WITH hard AS (SELECT kind, value, account_id FROM declared WHERE kind IN {hard}),
     own AS (SELECT DISTINCT kind, value FROM hard WHERE account_id IN (SELECT account_id FROM near)),
     narrow AS (SELECT kind, value FROM hard JOIN own USING (kind, value)
                GROUP BY ALL HAVING count(*) < {widely_shared}),
     trades AS (SELECT DISTINCT mcc FROM merchants WHERE account_id IN (SELECT account_id FROM near)),
     peers AS (SELECT account_id FROM merchants JOIN trades USING (mcc)
               QUALIFY row_number() OVER (PARTITION BY mcc ORDER BY hash(account_id)) <= {peers})
SELECT account_id, acquirer_id, card_acceptor_id FROM merchants WHERE account_id IN (
    SELECT account_id FROM near UNION SELECT account_id FROM peers
    UNION SELECT account_id FROM hard JOIN narrow USING (kind, value));
CREATE TABLE rows_of AS {rows};
"""
_ROWS: Final = (
    "account_id, occurred_at, amount_minor, currency, coalesce(transaction_type, 'purchase') AS transaction_type, "
    "coalesce(outcome, 'approved') AS outcome, card_product, issuer_country, merchant_country, entry_mode, eci, "
    "mcc, descriptor, requestor_url, acceptor_url, terminal_id, device_token"
)
_PURCHASE: Final = "transaction_type = 'purchase' AND outcome = 'approved'"
_ENTRY: Final = "substr(entry_mode, 1, 2)"
_UNITS: Final = "('AUD', 'CAD', 'CHF', 'EUR', 'GBP', 'NZD', 'SGD', 'USD')"
STAGES: Final = {
    "days": f"""
        SELECT account_id, occurred_at::DATE AS occurred_on, currency, count(*) AS transaction_count,
               min(occurred_at) AS first_at, max(occurred_at) AS last_at,
               coalesce(sum(amount_minor) FILTER ({_PURCHASE}), 0) AS purchase_minor,
               count(*) FILTER ({_PURCHASE}) AS purchase_count,
               count(*) FILTER (transaction_type = 'refund') AS refund_count,
               count(*) FILTER (transaction_type = 'chargeback') AS chargeback_count,
               count(*) FILTER (transaction_type = 'purchase' AND outcome <> 'approved') AS declined_count,
               count(*) FILTER (transaction_type = 'purchase' AND currency IN {_UNITS} AND amount_minor < 200)
                   AS micro_count,
               count(*) FILTER ({_PURCHASE} AND card_product IS NOT NULL) AS product_known_count,
               count(*) FILTER ({_PURCHASE} AND card_product = 'prepaid') AS prepaid_count,
               count(*) FILTER ({_PURCHASE} AND {_ENTRY} <> '00') AS entry_known_count,
               count(*) FILTER ({_PURCHASE} AND {_ENTRY} IN ('02', '05', '07', '90', '91', '95'))
                   AS card_present_count,
               count(*) FILTER ({_PURCHASE} AND ({_ENTRY} <> '00' OR eci IS NOT NULL)) AS ecommerce_known_count,
               count(*) FILTER ({_PURCHASE} AND ({_ENTRY} IN ('09', '10', '81')
                   OR eci IN ('05', '06', '07', '5', '6', '7'))) AS ecommerce_count
        FROM rows_of GROUP BY ALL""",
    "prices": f"""
        SELECT account_id, amount_minor, currency, count(*) AS price_count
        FROM rows_of WHERE {_PURCHASE} GROUP BY ALL""",
    "corridors": f"""
        SELECT account_id, issuer_country, merchant_country, count(*) AS corridor_count
        FROM rows_of WHERE {_PURCHASE} AND issuer_country IS NOT NULL GROUP BY ALL""",
    "quarters": f"""
        SELECT account_id, issuer_country, (hour(occurred_at) * 60 + minute(occurred_at)) // 15 AS quarter,
               count(*) AS quarter_count
        FROM rows_of WHERE {_PURCHASE} AND issuer_country IS NOT NULL GROUP BY ALL""",
    "traces": """
        SELECT account_id, count(descriptor) AS descriptor_known_count,
               count(*) FILTER (terminal_id IS NOT NULL OR device_token IS NOT NULL) AS contact_known_count
        FROM rows_of GROUP BY ALL""",
    "hosts": f"""
        SELECT account_id, {HOST.format("url")} AS host, min(first_at) AS first_at FROM (
            SELECT account_id, requestor_url AS url, min(occurred_at) AS first_at FROM rows_of GROUP BY ALL
            UNION ALL SELECT account_id, acceptor_url, min(occurred_at) FROM rows_of GROUP BY ALL)
        WHERE url IS NOT NULL GROUP BY ALL""",
    "mccs": """
        SELECT account_id, mcc, min(occurred_at) AS first_at FROM rows_of
        WHERE mcc IS NOT NULL AND account_id IN (SELECT account_id FROM linked) GROUP BY ALL""",
    "descriptors": """
        SELECT account_id, descriptor, min(occurred_at) AS first_at FROM rows_of
        WHERE descriptor IS NOT NULL AND account_id IN (SELECT account_id FROM linked) GROUP BY ALL""",
}
"""As features/stages.py counts, with the numbers of rules/measures.yml written out."""


def run(world: World, out: Path, *, checks: bool) -> None:
    """Run the whole plan.

    Args:
        world: What to read.
        out: Folder for the results; spilled data goes there too.
        checks: Judge every field of every row before, and leave out the rows that are refused.
    """
    out.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(config={"temp_directory": str(out / "spill"), "preserve_insertion_order": False})
    transactions, merchants = f"read_parquet('{world.transactions}/*.parquet')", f"read_parquet('{world.merchants}')"
    if checks:
        transactions, merchants = duckdb_checks.check(connection, transactions, merchants)
    tables = {"transactions": transactions, "merchants": merchants, "referrals": world.referrals}
    connection.execute(INPUT.format(**tables, as_of=AS_OF, key=KEY, lookback=LOOKBACK_DAYS))
    _find_links(connection)
    _cut(connection)
    rows = OF_ACCOUNTS.format(columns=_ROWS, key=KEY, accounts="measured_accounts")
    connection.execute(MEASURED.format(hard=_HARD, widely_shared=WIDELY_SHARED, peers=PEERS, rows=rows))
    results = {"linked": "SELECT account_id FROM linked", "links": "FROM links", "near": "FROM near", **STAGES}
    results |= {"refused": "FROM refused"} if checks else {}
    for name, query in results.items():
        connection.execute(f"COPY ({query}) TO '{out / name}.parquet' (FORMAT parquet)")


def _find_links(connection: duckdb.DuckDBPyConnection) -> None:
    """Match hosts, texts and declared names once each, then look for the accounts behind those that matched."""
    declared = (
        f"SELECT '{kind}' AS kind, {column} AS value, account_id FROM merchants"
        for kind, column in _DECLARED_COLUMNS.items()
    )
    union = " UNION ALL ".join(declared)
    connection.execute(f"CREATE TABLE declared AS SELECT DISTINCT * FROM ({union}) WHERE value IS NOT NULL")
    names = "SELECT DISTINCT value, value AS host FROM declared WHERE kind IN ('website', 'email_domain')"
    hosts = {column: URLS.format(column=column) for column in ("requestor_url", "acceptor_url")}
    for name, query in {**hosts, "descriptor": TEXTS, "declared": names}.items():
        connection.execute(MATCHED.format(name=name, hosts=query))
    parts = [OBSERVED.format(column=column, key=KEY) for column in _OBSERVED_COLUMNS]
    connection.execute("CREATE TABLE links AS " + " UNION ALL ".join([*parts, DECLARED.format(as_of=AS_OF)]))


def _cut(connection: duckdb.DuckDBPyConnection) -> None:
    """Find the accounts that share an identifier with a linked one, one scan per kind."""
    columns = ", ".join(("account_id", *(f"{column} AS {kind}" for kind, column in _SEEN_COLUMNS.items())))
    seen = OF_ACCOUNTS.format(columns=columns, key=KEY, accounts="linked")
    holders = (SEEN_HOLDERS.format(kind=kind, column=column, key=KEY) for kind, column in _SEEN_COLUMNS.items())
    connection.execute(NEIGHBOURHOOD.format(seen=seen, holders="".join(holders), hub=HUB))


def main() -> None:
    """Run the plan over a world."""
    parser = argparse.ArgumentParser(description="Run the plan of a screen in DuckDB.")
    parser.add_argument("world", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checks", action="store_true", help="judge every field of every row first, as screen does")
    options = parser.parse_args()
    run(World(options.world), options.out, checks=options.checks)


if __name__ == "__main__":
    main()
