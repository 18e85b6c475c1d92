"""Skew: where cases fall beside where accounts are, exact, with what is not known as a row of its own."""

from __future__ import annotations

import polars as pl
from frames import accounts

from merchantscreen.nano import NANO
from merchantscreen.skew import skew
from merchantscreen.tables import Ranking, conform

EVERYONE = accounts(
    *({"account_id": f"A/{number}", "mcc": "5732" if number < 3 else "5411", "country": "NL"} for number in range(12))
)


def _ranking(*rows: dict[str, str | None]) -> pl.DataFrame:
    return conform(pl.DataFrame(list(rows), schema_overrides={"mcc": pl.String, "country": pl.String}), Ranking)


def test_cases_are_counted_beside_the_accounts() -> None:
    """Two of three cases in a quarter of the accounts is a lift of eight thirds, rounded once."""
    ranking = _ranking(
        {"account_id": "A/0", "tier": "T1", "mcc": "5732", "country": "NL"},
        {"account_id": "A/1", "tier": "T3", "mcc": "5732", "country": "NL"},
        {"account_id": "A/5", "tier": "T2", "mcc": "5411", "country": "NL"},
        {"account_id": "A/6", "tier": "watch", "mcc": "5411", "country": "NL"},
    )
    first, second = skew(EVERYONE, ranking).filter(dimension="mcc").to_dicts()
    assert (first["value"], first["case_count"], first["account_count"]) == ("5732", 2, 3)
    assert (first["account_share_nano"], first["case_share_nano"]) == (250_000_000, 666_666_667)
    assert (first["expected_count_nano"], first["lift_nano"]) == (750_000_000, 2_666_666_667)
    assert (second["case_count"], second["account_count"], second["lift_nano"]) == (1, 9, 444_444_444)


def test_accounts_without_a_value_are_a_row_of_their_own() -> None:
    """A case of which nothing is known but its transactions is counted, and has no lift where no account is so."""
    ranking = _ranking({"account_id": "B/9", "tier": "T1", "mcc": None, "country": None})
    table = skew(EVERYONE, ranking)
    unknown = table.filter(pl.col("dimension") == "mcc").to_dicts()
    assert [(row["value"], row["case_count"], row["lift_nano"]) for row in unknown] == [(None, 1, None)]
    facilitators = table.filter(pl.col("dimension") == "payment_facilitator_id").to_dicts()
    assert [(row["value"], row["lift_nano"]) for row in facilitators] == [(None, NANO)]


def test_no_case_is_no_row() -> None:
    """Accounts on watch are no cases, and nothing is divided by nothing."""
    ranking = _ranking({"account_id": "A/0", "tier": "watch", "mcc": "5732", "country": "NL"})
    assert skew(EVERYONE, ranking).is_empty()
    assert skew(EVERYONE.clear(), ranking).is_empty()
