"""Who is linked to which flagged domain, and whether the link falls into the referral's validity.

The first scan of every screen. Distinct hosts and descriptors are matched once and
compactly; then one aggregation per column finds the accounts behind those that
matched. The whole-data steps are Narwhals and run on any engine.

Rules kept here:
* a host matches by equality of labels, never by likeness;
* on a shared or undedicated host only the exact host counts;
* activity outside the validity window is listed apart, as counter-evidence, and never dropped.

Source: matching hazards of the card-network domain (private suffixes, shared hosts,
re-registered domains); link columns EMV 3DS, ISO 20022 CAIN, ISO 8583 DE 43, VMSS webAddresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import narwhals.stable.v2 as nw
import polars as pl

from merchantscreen.domains import DomainKey, domain_key
from merchantscreen.engines import Engine, Frame
from merchantscreen.policy.model import EvidenceModel
from merchantscreen.tables import AccountLinks, LinkDegrees, conform
from merchantscreen.traffic import Traffic, has_sign
from merchantscreen.vocabulary import CounterEvidence, Dedicated, HostMatch, MatchScope

_MATCH_ORDER: Final = (HostMatch.EXACT.value, HostMatch.CLOSE.value, HostMatch.LABEL.value)
_MOST_LABELS: Final = 127
"""Labels a name of 253 octets can have. Source: RFC 1035."""
_NAME_IN_TEXT: Final = re.compile(r"[A-Z0-9](?:[A-Z0-9-]*[A-Z0-9])?(?:\.[A-Z0-9](?:[A-Z0-9-]*[A-Z0-9])?)+")
_KEY: Final = ["account_id", "domain", "kind", "in_window"]
_MOST_SIGNS: Final = 1_000
"""Texts up to which looking for them in every name is cheaper than listing all names."""
_SEEN: Final = ("account_id", "occurred_at", "transaction_id")
_PRICED: Final = ("account_id", "occurred_at", "amount_minor", "currency", "transaction_id")


@dataclass(frozen=True, slots=True)
class FlaggedNames:
    """The referral side of the search: what to look for, and when it counts.

    Attributes:
        domains: tables.FlaggedDomains.
        clues: tables.PaymentClues.
        free_mail_domains: Mail providers whose domain says nothing about the account.
    """

    domains: pl.DataFrame
    clues: pl.DataFrame
    free_mail_domains: frozenset[str]

    def signs(self) -> list[str]:
        """List texts of which every host that can match a flagged domain contains one; none if they are too many.

        A host inside of a domain or its registrable domain contains the label before the public suffix, and so
        does the same name under another suffix.
        """
        signs = self.domains.select(pl.coalesce("label", "registrable", "domain")).to_series().unique().sort()
        return signs.to_list() if signs.len() <= _MOST_SIGNS else []


def find_links(
    traffic: Traffic,
    declared: Frame,
    accounts: pl.DataFrame,
    names: FlaggedNames,
    as_of: datetime,
    model: EvidenceModel,
) -> pl.DataFrame:
    """Find every link between an account and a flagged domain.

    Args:
        traffic: The transactions up to `as_of`.
        declared: tables.DeclaredIdentifiers, on the same engine.
        accounts: tables.Accounts, for the life of each account.
        names: What to look for.
        as_of: The moment the screen looks from; open windows end there.
        model: The numbers of rules/evidence.yml.

    Returns:
        tables.AccountLinks, sorted by key.
    """
    windows = _windows(names.domains, as_of)
    found = [
        *_observed(traffic, names, windows),
        _in_descriptors(traffic, names, windows),
        *_declared(traffic.engine, declared, accounts, names, windows, as_of),
        *_from_clues(traffic, accounts, names, windows, as_of),
    ]
    linked = _best(pl.concat([conform(part, AccountLinks) for part in found]))
    prices = _near_prices(traffic, linked, names.clues, model)
    return _best(pl.concat([linked, conform(prices, AccountLinks)])).sort(_KEY)


def count_links(links: pl.DataFrame) -> pl.DataFrame:
    """Count the accounts per domain and kind inside the window: the frozen link degrees."""
    inside = links.filter("in_window")
    counted = inside.group_by("domain", "kind").agg(linked_count=pl.col("account_id").n_unique().cast(pl.Int64))
    return conform(counted, LinkDegrees).sort("domain", "kind")


# --------------------------------------------------------------------------- hosts against flagged domains


def match_hosts(hosts: pl.Series, domains: pl.DataFrame) -> pl.DataFrame:
    """Match distinct hosts against the flagged domains.

    Args:
        hosts: A-label hosts.
        domains: tables.FlaggedDomains.

    Returns:
        One row per (host, domain) that meet: `host, domain, match`, the best match only.
    """
    names = pl.DataFrame({"host": hosts.drop_nulls().unique()}, schema={"host": pl.String})
    by_scope = domains.filter(pl.col("match_scope") == MatchScope.REGISTRABLE_DOMAIN)
    by_host = domains.filter(pl.col("match_scope") == MatchScope.HOST)
    siblings = _only_dedicated(by_host).filter(pl.col("registrable").is_not_null())
    found = pl.concat(
        [
            _matched(_inside(names, by_scope["domain"]), HostMatch.EXACT),
            _matched(
                names.filter(pl.col("host").is_in(by_host["domain"].implode())).with_columns(domain="host"),
                HostMatch.EXACT,
            ),
            _matched(
                _inside(names, siblings["registrable"])
                .join(siblings.select("registrable", flagged="domain"), left_on="domain", right_on="registrable")
                .select("host", domain="flagged"),
                HostMatch.CLOSE,
            ),
            _matched(_same_label(names, domains), HostMatch.LABEL),
        ]
    )
    return found.sort(_best_first(), "host", "domain").unique(["host", "domain"], keep="first", maintain_order=True)


def _best_first() -> pl.Expr:
    """Order rows by how well the host meets the domain."""
    return pl.col("match").replace_strict({name: i for i, name in enumerate(_MATCH_ORDER)}, return_dtype=pl.Int8)


def _only_dedicated(domains: pl.DataFrame) -> pl.DataFrame:
    """Keep domains where a neighbouring host can be meant: never on shared or undedicated ones."""
    shared = pl.col("caveats").list.contains(CounterEvidence.SHARED_HOST.value)
    return domains.filter((pl.col("dedicated") != Dedicated.NO) & ~shared)


def _matched(pairs: pl.DataFrame, match: HostMatch) -> pl.DataFrame:
    return pairs.select("host", "domain", match=pl.lit(match.value))


def _inside(names: pl.DataFrame, keys: pl.Series) -> pl.DataFrame:
    """Pair hosts with the keys they equal or end with, label by label; no suffix list is needed."""
    wanted = pl.DataFrame({"domain": keys.unique()}, schema={"domain": pl.String})
    rest = names.with_columns(domain="host")
    found = []
    for _ in range(_MOST_LABELS):
        if rest.is_empty() or wanted.is_empty():
            break
        found.append(rest.join(wanted, on="domain", how="semi"))
        rest = rest.filter(pl.col("domain").str.contains(".", literal=True)).with_columns(
            pl.col("domain").str.replace(r"^[^.]*\.", "")
        )
    return pl.concat(found) if found else rest.clear()


def _same_label(names: pl.DataFrame, domains: pl.DataFrame) -> pl.DataFrame:
    """Pair hosts with flagged domains of the same name under another public suffix."""
    labelled = domains.filter(pl.col("label").is_not_null()).select("label", "registrable", "domain")
    if labelled.is_empty():
        return names.clear().with_columns(domain=pl.lit(None, pl.String))
    hopeful = names.filter(
        pl.col("host").str.split(".").list.eval(pl.element().is_in(labelled["label"].implode())).list.any()
    )
    keys = [(host, key) for host in hopeful["host"] if isinstance(key := domain_key(host), DomainKey)]
    known = pl.DataFrame(
        {"host": [h for h, _ in keys], "label": [k.label for _, k in keys], "own": [k.registrable for _, k in keys]},
        schema={"host": pl.String, "label": pl.String, "own": pl.String},
    )
    return known.join(labelled, on="label").filter(pl.col("own") != pl.col("registrable")).select("host", "domain")


def names_in_text(text: str) -> Iterator[str]:
    """Find the host names written in a normalised descriptor, as lower-case A-labels."""
    for name in _NAME_IN_TEXT.findall(text):
        key = domain_key(name)
        if isinstance(key, DomainKey) and not key.is_ip:
            yield key.host


# --------------------------------------------------------------------------- scans of the transactions


def _observed(traffic: Traffic, names: FlaggedNames, windows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Find flagged hosts in 3-D Secure and payment messages."""
    kinds = {"requestor_host": "observed_requestor_url", "acceptor_host": "observed_acceptor_url"}
    # most hosts are in both columns, and a host that is not in one of them finds nothing there
    hosts = pl.concat([traffic.values(column, names.signs()).alias("host") for column in kinds])
    matched = match_hosts(hosts, names.domains).rename({"host": "seen_as"})
    for column, kind in kinds.items():
        yield _activity(traffic, column, matched, windows, kind)


def _in_descriptors(traffic: Traffic, names: FlaggedNames, windows: pl.DataFrame) -> pl.DataFrame:
    """Find flagged domains written out in descriptors."""
    signs = [sign.upper() for sign in names.signs()] or ["."]
    texts = traffic.values("descriptor", signs)
    pairs = [(text, host) for text in texts for host in names_in_text(text)]
    written = pl.DataFrame(pairs, schema={"seen_as": pl.String, "host": pl.String}, orient="row").unique()
    matched = written.join(match_hosts(written["host"], names.domains), on="host").drop("host")
    best = matched.sort(_best_first()).unique(["seen_as", "domain"], keep="first", maintain_order=True)
    return _activity(traffic, "descriptor", best, windows, "descriptor_domain")


def activity(transactions: Frame, column: str, wanted: Frame) -> Frame:
    """Count what each account did under wanted values of a column, inside and outside the window.

    Args:
        transactions: tables.Transactions.
        column: Column that holds the value.
        wanted: `seen_as, domain, match, window_from_at, window_until_at`, compact.

    Returns:
        One row per (account_id, domain, match, seen_as, in_window) with counts and dates.
    """
    moment = nw.col("occurred_at")
    touched = transactions.select(*_SEEN, column).join(wanted, left_on=column, right_on="seen_as", how="inner")
    timed = touched.with_columns(
        in_window=(moment >= nw.col("window_from_at")) & (moment <= nw.col("window_until_at")),
        seen_as=nw.col(column),
    )
    return timed.group_by("account_id", "domain", "match", "seen_as", "in_window").agg(
        nw.len().alias("transaction_count"),
        moment.min().alias("first_at"),
        moment.max().alias("last_at"),
        nw.col("transaction_id").min().alias("example_transaction_id"),
    )


def _activity(traffic: Traffic, column: str, matched: pl.DataFrame, windows: pl.DataFrame, kind: str) -> pl.DataFrame:
    wanted = matched.select("seen_as", "domain", "match").join(windows, on="domain")
    if wanted.is_empty():
        return AccountLinks.create_empty()
    engine, rows = traffic.engine, traffic.rows_with(column, wanted["seen_as"], [*_SEEN, column])
    counted = engine.collect(activity(rows, column, engine.load(wanted)))
    return counted.with_columns(kind=pl.lit(kind))


# --------------------------------------------------------------------------- the merchant file


def _declared(
    engine: Engine,
    declared: Frame,
    accounts: pl.DataFrame,
    names: FlaggedNames,
    windows: pl.DataFrame,
    as_of: datetime,
) -> Iterator[pl.DataFrame]:
    """Find flagged domains among declared websites and e-mail domains."""
    could_match = has_sign("value", names.signs())
    for source, kind in (("website", "declared_website"), ("email_domain", "email_domain")):
        of_kind = declared.filter(nw.col("kind") == source, *could_match).select("value", "account_id")
        if could_match:  # few rows are left: fetched once, as a scan for their holders would be as long as this one
            of_kind = engine.load(engine.collect(of_kind))
        hosts = engine.collect(of_kind.select("value").unique())["value"]
        if kind == "email_domain":
            hosts = hosts.filter(~hosts.is_in(sorted(names.free_mail_domains)))
        matched = match_hosts(hosts, names.domains)
        holders = engine.collect(
            of_kind.join(engine.load(matched.select(value="host").unique()), on="value", how="semi")
        )
        pairs = holders.join(matched, left_on="value", right_on="host").rename({"value": "seen_as"})
        yield _over_lifetime(pairs, accounts, windows, as_of).with_columns(kind=pl.lit(kind))


def _over_lifetime(pairs: pl.DataFrame, accounts: pl.DataFrame, windows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Date a declared link by the life of its account, and hold it against the window.

    An unknown opening date counts as open all along: what is not known is no excuse.
    """
    life = accounts.join(pairs, on="account_id", how="semi").select(
        "account_id",
        first_at=pl.col("opened_on").cast(pl.Datetime("us")),
        last_at=pl.col("closed_on").cast(pl.Datetime("us")) + pl.duration(days=1, microseconds=-1),
    )
    dated = pairs.join(life, on="account_id", how="left").join(windows, on="domain")
    began = pl.col("first_at").fill_null(pl.col("window_from_at")) <= pl.col("window_until_at")
    lasted = pl.col("last_at").fill_null(pl.lit(as_of, pl.Datetime("us"))) >= pl.col("window_from_at")
    return dated.with_columns(in_window=began & lasted)


# --------------------------------------------------------------------------- what the hotline saw of the payment


def _from_clues(
    traffic: Traffic, accounts: pl.DataFrame, names: FlaggedNames, windows: pl.DataFrame, as_of: datetime
) -> Iterator[pl.DataFrame]:
    """Find the accounts behind merchant ids and descriptors that hotlines saw."""
    ids = names.clues.select("domain", seen_as="card_acceptor_id").drop_nulls().unique()
    seen = pl.concat(
        accounts.select("account_id", seen_as=column).join(ids, on="seen_as", how="semi")
        for column in ("card_acceptor_id", "sub_merchant_id")
    )
    pairs = seen.unique().join(ids, on="seen_as").with_columns(match=pl.lit(HostMatch.EXACT.value))
    yield _over_lifetime(pairs, accounts, windows, as_of).with_columns(kind=pl.lit("clue_merchant_id"))
    texts = names.clues.select("domain", seen_as="descriptor").drop_nulls().unique()
    exact = texts.with_columns(match=pl.lit(HostMatch.EXACT.value))
    yield _activity(traffic, "descriptor", exact, windows, "clue_descriptor")


def _near_prices(traffic: Traffic, linked: pl.DataFrame, clues: pl.DataFrame, model: EvidenceModel) -> pl.DataFrame:
    """Find the price a hotline saw, near that time, at accounts that are linked already.

    Prices coincide; for accounts without any other link to the domain they say nothing.
    """
    near = timedelta(days=model.clue_days)
    prices = clues.filter(pl.col("amount_minor").is_not_null() & pl.col("seen_at").is_not_null()).select(
        "domain", "amount_minor", "currency", from_at=pl.col("seen_at") - near, until_at=pl.col("seen_at") + near
    )
    wanted = linked.filter("in_window").select("account_id", "domain").unique().join(prices, on="domain")
    if wanted.is_empty():
        return AccountLinks.create_empty()
    engine, rows = traffic.engine, traffic.rows_of(wanted["account_id"], _PRICED)
    found = engine.collect(purchases_at(rows, engine.load(wanted)))
    return found.with_columns(
        kind=pl.lit("clue_amount"), match=pl.lit(HostMatch.EXACT.value), in_window=pl.lit(value=True)
    )


def purchases_at(transactions: Frame, wanted: Frame) -> Frame:
    """Count transactions at wanted prices: `account_id, domain, amount_minor, currency, from_at, until_at`."""
    moment = nw.col("occurred_at")
    hits = transactions.select(*_PRICED).join(wanted, on=["account_id", "amount_minor", "currency"], how="inner")
    timed = hits.filter((moment >= nw.col("from_at")) & (moment <= nw.col("until_at")))
    priced = timed.with_columns(
        seen_as=nw.concat_str([nw.col("amount_minor").cast(nw.String), nw.col("currency")], separator=" ")
    )
    return priced.group_by("account_id", "domain", "seen_as").agg(
        nw.len().alias("transaction_count"),
        moment.min().alias("first_at"),
        moment.max().alias("last_at"),
        nw.col("transaction_id").min().alias("example_transaction_id"),
    )


# --------------------------------------------------------------------------- one row per key


def _windows(domains: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Give every flagged domain a closed window; open ones end at `as_of`."""
    until = pl.min_horizontal(pl.col("window_until_at").fill_null(as_of), pl.lit(as_of, pl.Datetime("us")))
    return domains.select("domain", "window_from_at", window_until_at=until)


def _best(links: pl.DataFrame) -> pl.DataFrame:
    """Merge rows of one key: the best match gives the name, counts add up, dates span all."""
    ordered = links.sort(_best_first(), "seen_as")
    best = pl.col("match") == pl.col("match").first()
    merged = ordered.group_by(_KEY, maintain_order=True).agg(
        pl.col("match").first(),
        pl.col("seen_as").first(),
        pl.col("transaction_count").filter(best).sum(),
        pl.col("first_at").filter(best).min(),
        pl.col("last_at").filter(best).max(),
        pl.col("example_transaction_id").filter(best).min(),
    )
    counted = pl.when(pl.col("transaction_count") > 0).then(pl.col("transaction_count"))
    return conform(merged.with_columns(transaction_count=counted), AccountLinks)
