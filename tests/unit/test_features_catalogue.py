"""The catalogue as a whole: one typed column each, null without data, and no meaning in the order of rows."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from feature_worlds import A1, ago, features, merchants, payments, stages, table
from frames import AS_OF, account_links, clues, declared, flagged

from merchantscreen.features import CATALOGUE, FEATURE_TYPES, LINK_FEATURES
from merchantscreen.tables import COLUMN_DTYPES, MerchantRows, TransactionRows

HOLDS_WITHOUT_DATA = {"clue_merchant_id_count"}
"""Known for every merchant row as soon as a hotline gave such a clue."""


def test_the_table_has_one_typed_column_per_catalogue_entry() -> None:
    """What is assembled is the catalogue: its names, its types, its order."""
    expected = {"account_id": pl.String(), **{feature.name: COLUMN_DTYPES[feature.type] for feature in CATALOGUE}}
    assert dict(table().schema) == expected
    assert len(FEATURE_TYPES) == len(CATALOGUE)


def test_every_entry_says_when_it_is_null_and_names_columns_that_exist() -> None:
    """A reader learns from the catalogue alone what an empty cell means and which column would fill it."""
    inputs = {"merchants": MerchantRows.column_names(), "transactions": TransactionRows.column_names()}
    for feature in CATALOGUE:
        assert feature.group
        assert feature.meaning.endswith(".")
        for need in feature.needs:
            for column in need.split(" or "):
                role, _, name = column.partition(".")
                assert role == "referrals" or name in inputs[role], (feature.name, need)


def test_link_features_are_in_the_catalogue() -> None:
    """Rules that state a link to a referral have something to rest on."""
    assert set(FEATURE_TYPES) >= LINK_FEATURES
    assert {name for name in FEATURE_TYPES if name.startswith(("referred_", "clue_"))} < LINK_FEATURES


def test_of_an_account_without_data_nothing_is_known() -> None:
    """Nothing seen and nothing declared is not known, and never zero."""
    row = features()["A/1"]
    assert {name for name, value in row.items() if value is not None} == {"account_id"}


def test_of_an_account_without_data_nothing_is_known_beside_busy_ones() -> None:
    """What others show, and what hotlines say, tells nothing of an account without data."""
    busy = {"account_id": "B/1", "issuer_country": "NL", "requestor_host": "b.example", "descriptor": "B SHOP",
            "mcc": "5411", "entry_mode": "81", "card_product": "credit", "terminal": "T1"}  # fmt: skip
    row = features(
        payments(busy, {**busy, "occurred_at": ago(1)}),
        merchants(A1, {"account_id": "B/1", "mcc": "5411", "country": "NL", "currency": "EUR"}),
        declared=declared(("tax_id", "t1", "B/1"), ("website", "b.example", "B/1")),
        links=account_links({"account_id": "B/1", "domain": "b.example"}),
        domains=flagged({"domain": "b.example"}),
        clues=clues({"domain": "b.example", "card_acceptor_id": "x", "descriptor": "y", "amount_minor": 1,
                     "currency": "EUR", "seen_at": AS_OF}),
    )["A/1"]  # fmt: skip
    known = {name for name, value in row.items() if value is not None}
    assert known == {"account_id"} | HOLDS_WITHOUT_DATA


def test_an_account_that_only_transactions_know_has_its_counts() -> None:
    """Where the merchant row is missing, what the payments say is still known."""
    rows = table(payments({}), merchants({"account_id": "A/2"}), wanted=["A/1"])
    assert rows.select("account_id", "purchase_count").rows() == [("A/1", 1), ("A/2", None)]


def test_nothing_after_the_moment_is_seen() -> None:
    """A transaction a microsecond later changes no feature, whatever it carries."""
    now = {"occurred_at": AS_OF, "issuer_country": "NL"}
    later = {**now, "occurred_at": AS_OF + timedelta(microseconds=1), "amount_minor": 1, "requestor_host": "a.example"}
    assert features(payments(now)) == features(payments(now, later))


def test_no_number_is_infinite_or_none_at_all() -> None:
    """A share of nothing is null, never NaN."""
    transactions = payments({"outcome": "declined", "amount_minor": 0}, {"amount_minor": 0, "account_id": "A/2"})
    own = merchants({**A1, "currency": "EUR", "declared_average_ticket_minor": 0}, {"account_id": "A/2"})
    numbers = table(transactions, own).select(pl.col(pl.Float64))
    assert numbers.fill_null(0).select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width


def test_the_order_of_rows_says_nothing() -> None:
    """Shuffled transactions, accounts and everything else give the same table, to the last bit."""
    transactions = payments(
        *(
            {"account_id": f"A/{n % 7}", "amount_minor": 100 + n % 5, "issuer_country": ("NL", "US", "DE")[n % 3],
             "card_product": ("prepaid", "credit", None)[n % 3], "requestor_host": f"s{n % 4}.example",
             "occurred_at": ago(n % 80), "mcc": ("5411", "5816")[n % 2], "descriptor": f"SHOP {n % 6}",
             "outcome": ("approved", "approved", "declined")[n % 3], "currency": ("EUR", "EUR", "USD", "EUR")[n % 4]}
            for n in range(300)
        )
    )  # fmt: skip
    accounts = merchants(*({"account_id": f"A/{n}", "mcc": "5411", "country": "NL"} for n in range(7)))
    stated = declared(*(("tax_id", f"t{n % 3}", f"A/{n}") for n in range(7)), ("website", "s1.example", "A/1"))
    links = account_links(*({"account_id": f"A/{n}", "domain": f"s{n % 2}.example"} for n in range(4)))
    domains = flagged({"domain": "s0.example"}, {"domain": "s1.example"})

    def measured(*frames: pl.DataFrame) -> pl.DataFrame:
        rows, own, said, tied, named = frames
        return table(rows, own, declared=said, links=tied, domains=named)

    ordered = (transactions, accounts, stated, links, domains)
    shuffled = [part.sample(fraction=1, shuffle=True, seed=9) for part in ordered]
    assert measured(*ordered).equals(measured(*shuffled), null_equal=True)


def test_whole_table_stages_stream() -> None:
    """No stage over transactions falls back to memory: its aggregates all stream."""
    accounts = merchants(A1)
    for stage in stages(payments({}), accounts, accounts, AS_OF).values():
        native: pl.LazyFrame = stage.to_native()
        plan = native.show_graph(engine="streaming", plan_stage="physical", raw_output=True)
        assert plan is not None
        assert "in-memory-map" not in plan
