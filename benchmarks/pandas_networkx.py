"""What a user would write instead: pandas for the tables, networkx for the neighbourhood.

    python benchmarks/pandas_networkx.py WORLD --out DIR

Read everything, cut URLs to hosts, look every distinct host up by the endings of its labels, build a graph of linked
accounts, their identifiers and the accounts that share these, walk two steps past no hub, and count what the accounts
found did with group-bys. Written as one would who knows both libraries: no loop over transactions, categories where
values repeat, columns named when reading, distinct pairs before edges. The whole input is in memory.

It leaves out what `duckdb_plan.py` leaves out, and the sample of trades and the siblings besides.
`linked.parquet` holds the accounts with a link inside the window, to be compared with ours.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import networkx as nx
import pandas as pd
from worlds import AS_OF, World

HUB: Final = 500
LOOKBACK: Final = pd.Timedelta(days=180)
KEY: Final = ["acquirer_id", "card_acceptor_id", "payment_facilitator_id", "sub_merchant_id"]
SEEN: Final = ["device_token", "terminal_id", "ip_token", "descriptor"]
DECLARED: Final = [
    "settlement_account_token", "tax_id_token", "email", "phone", "address", "agent_id", "payment_facilitator_id",
    "principal_tokens", "website_urls",
]  # fmt: skip
MEASURED: Final = [
    "transaction_id", "occurred_at", "amount_minor", "currency", "transaction_type", "outcome", "card_product",
    "issuer_country", "merchant_country", "mcc", "entry_mode", "eci", "requestor_url", "acceptor_url",
]  # fmt: skip
CATEGORIES: Final = [
    "currency", "transaction_type", "outcome", "card_product", "issuer_country", "merchant_country", "mcc",
    "entry_mode", "eci",
]  # fmt: skip
HOST_OF_URL: Final = re.compile(r"^(?:[a-z]+://)?([^/:?#]+).*", re.IGNORECASE)
NAME_IN_TEXT: Final = re.compile(r"[A-Z0-9](?:[A-Z0-9-]*[A-Z0-9])?(?:\.[A-Z0-9](?:[A-Z0-9-]*[A-Z0-9])?)+")


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that was read.

    Attributes:
        transactions: Rows up to the moment of the run, with `account_id`.
        merchants: One row per account, with `account_id`.
        windows: `from_at, until_at` by flagged domain.
    """

    transactions: pd.DataFrame
    merchants: pd.DataFrame
    windows: pd.DataFrame


def read(world: World) -> Tables:
    """Read a world whole, and number its accounts' keys as categories."""
    transactions = pd.read_parquet(world.transactions, columns=[*KEY, *SEEN, *MEASURED])
    transactions = transactions[transactions["occurred_at"] <= pd.Timestamp(AS_OF)]
    for name in CATEGORIES:
        transactions[name] = transactions[name].astype("category")
    transactions["account_id"] = _key(transactions).astype("category")
    transactions["terminal_id"] = transactions["acquirer_id"] + "/" + transactions["terminal_id"]
    merchants = pd.read_parquet(world.merchants)
    merchants["account_id"] = _key(merchants)
    referrals = pd.read_json(world.referrals, lines=True)
    moments = ["valid_from", "observed_at", "confirmed_at", "valid_until"]
    for name in moments:
        referrals[name] = pd.to_datetime(referrals[name], utc=True).dt.tz_localize(None)
    referrals["from_at"] = referrals[moments[:3]].min(axis=1) - LOOKBACK
    referrals["until_at"] = referrals["valid_until"].clip(upper=pd.Timestamp(AS_OF))
    windows = referrals.groupby("domain").agg(from_at=("from_at", "min"), until_at=("until_at", "max"))
    return Tables(transactions, merchants, windows)


def _key(rows: pd.DataFrame) -> pd.Series[str]:
    parts = [rows["acquirer_id"] + "/" + rows["card_acceptor_id"]]
    parts += [("/" + rows[name]).fillna("") for name in KEY[2:]]
    return parts[0] + parts[1] + parts[2]


# --------------------------------------------------------------------------- direct links


def linked_accounts(tables: Tables) -> set[str]:
    """Find the accounts with a link inside the window."""
    found: set[str] = set()
    for column in ("requestor_url", "acceptor_url", "descriptor"):
        rows = tables.transactions
        domains = _domains(rows[column].drop_duplicates().dropna(), tables.windows.index)
        hits = rows.loc[rows[column].isin(domains), ["account_id", "occurred_at", column]]
        dated = hits.assign(domain=hits[column].map(domains)).join(tables.windows, on="domain")
        inside = dated["occurred_at"].between(dated["from_at"], dated["until_at"])
        found.update(dated.loc[inside, "account_id"].unique())
    websites = tables.merchants.set_index("account_id")["website_urls"].explode().dropna()
    mail = tables.merchants.set_index("account_id")["email"].str.split("@").str[1].dropna()
    for declared in (websites, mail):
        domains = _domains(declared.drop_duplicates(), tables.windows.index)
        found.update(declared.index[declared.isin(domains)])
    return found


def _domains(values: pd.Series[str], flagged: pd.Index[str]) -> dict[str, str]:
    """Map every distinct URL or text that names a flagged domain to it."""
    wanted = frozenset(flagged)
    return {value: domain for value in values for host in _hosts(value) for domain in _endings(host) & wanted}


def _hosts(value: str) -> Iterator[str]:
    """Take the host out of a URL, or the names out of a descriptor."""
    if " " in value or "*" in value or value.isupper():
        yield from (name.lower() for name in NAME_IN_TEXT.findall(value))
    else:
        yield HOST_OF_URL.sub(r"\1", value).lower()


def _endings(host: str) -> set[str]:
    labels = host.split(".")
    return {".".join(labels[start:]) for start in range(len(labels))}


# --------------------------------------------------------------------------- neighbourhood and features


def neighbourhood(tables: Tables, linked: set[str]) -> set[str]:
    """Walk from linked accounts over identifiers that are no hubs to the accounts that share them."""
    graph = nx.Graph()
    graph.add_nodes_from(linked)
    for name in DECLARED:
        pairs = tables.merchants[["account_id", name]]
        pairs = pairs.explode(name) if name in {"principal_tokens", "website_urls"} else pairs
        _add(graph, name, pairs)
    for name in SEEN:
        _add(graph, name, tables.transactions[["account_id", name]])
    reached = set(linked)
    for account in linked:
        for identifier in graph.neighbors(account):
            if graph.degree(identifier) <= HUB:
                reached.update(graph.neighbors(identifier))
    return reached


def _add(graph: nx.Graph, name: str, pairs: pd.DataFrame) -> None:
    """Add the distinct (account, identifier) pairs of one kind as edges."""
    known = pairs.dropna().drop_duplicates()
    graph.add_edges_from((account, (name, value)) for account, value in zip(*_columns(known), strict=True))


def _columns(pairs: pd.DataFrame) -> tuple[list[str], list[str]]:
    return pairs["account_id"].tolist(), pairs[pairs.columns[1]].tolist()


def features(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Count what accounts did per day, price, corridor, quarter of an hour and host, as features/stages.py."""
    purchase = (rows["transaction_type"] == "purchase") & (rows["outcome"] == "approved")
    flagged = rows.assign(
        occurred_on=rows["occurred_at"].dt.floor("D"),
        quarter=(rows["occurred_at"].dt.hour * 60 + rows["occurred_at"].dt.minute) // 15,
        purchase_minor=rows["amount_minor"].where(purchase, 0),
        is_purchase=purchase,
        is_refund=rows["transaction_type"] == "refund",
        is_chargeback=rows["transaction_type"] == "chargeback",
        is_declined=(rows["transaction_type"] == "purchase") & (rows["outcome"] != "approved"),
        is_prepaid=purchase & (rows["card_product"] == "prepaid"),
        is_present=purchase & rows["entry_mode"].isin(["02", "05", "07", "90", "91", "95"]),
        is_ecommerce=purchase & (rows["entry_mode"].isin(["09", "10", "81"]) | rows["eci"].isin(["05", "06", "07"])),
    )
    flags = {name: (name, "sum") for name in flagged.columns if name.startswith(("is_", "purchase_"))}
    days = _grouped(flagged, "account_id", "occurred_on", "currency").agg(
        transaction_count=("occurred_at", "size"),
        first_at=("occurred_at", "min"),
        last_at=("occurred_at", "max"),
        **flags,
    )
    bought = flagged[purchase]
    return {
        "days": days.reset_index(),
        "prices": _counted(bought, "account_id", "amount_minor", "currency"),
        "corridors": _counted(bought, "account_id", "issuer_country", "merchant_country"),
        "quarters": _counted(bought, "account_id", "issuer_country", "quarter"),
        "hosts": _first_seen(rows, "requestor_url", "acceptor_url"),
        "names": _first_seen(rows, "mcc", "descriptor"),
    }


def _grouped(rows: pd.DataFrame, *key: str) -> pd.api.typing.DataFrameGroupBy[tuple[object, ...]]:
    return rows.groupby(list(key), observed=True, sort=False)


def _counted(rows: pd.DataFrame, *key: str) -> pd.DataFrame:
    return _grouped(rows, *key).size().reset_index(name="count")


def _first_seen(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    parts = [rows[["account_id", "occurred_at", column]].rename(columns={column: "value"}) for column in columns]
    long = pd.concat([part.astype({"value": "str"}) for part in parts]).dropna()
    return _grouped(long, "account_id", "value")["occurred_at"].min().reset_index()


def main() -> None:
    """Do it all for a world."""
    parser = argparse.ArgumentParser(description="Find linked accounts and their features with pandas and networkx.")
    parser.add_argument("world", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tables = read(World(options.world))
    linked = linked_accounts(tables)
    near = neighbourhood(tables, linked)
    rows = tables.transactions[tables.transactions["account_id"].isin(near)]
    found = {name: pd.DataFrame({"account_id": sorted(ids)}) for name, ids in (("linked", linked), ("near", near))}
    for name, table in {**found, **features(rows)}.items():
        table.to_parquet(options.out / f"{name}.parquet")


if __name__ == "__main__":
    main()
