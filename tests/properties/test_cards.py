"""Properties of the card-number guard, and that nothing it stops is ever seen again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_files import card_number, merchant, transaction, write_csv

from merchantscreen.cards import ISSUER_RANGES, looks_like_card_number
from merchantscreen.intake import take_in
from merchantscreen.intake.cards import card_number_expression

NUMBERS = st.builds(
    lambda row, pick, seed: card_number(row, sorted(row.lengths)[pick % len(row.lengths)], seed),
    st.sampled_from(ISSUER_RANGES),
    st.integers(0, 4),
    st.integers(0, 2**32),
)
NOISE = st.text(alphabet="0123456789 .-+abcXé٣\u2007", max_size=30)
TEXT_FIELDS = ("transaction_id", "descriptor", "card_token", "requestor_url", "device_token", "currency", "mcc", "eci")


@settings(max_examples=100, deadline=None)
@given(st.lists(NOISE | NUMBERS | st.from_regex(r"[0-9]{12,20}", fullmatch=True), min_size=1, max_size=20))
def test_the_expression_gives_the_answers_of_the_definition(texts: list[str]) -> None:
    """The vectorised check and the definition agree on any text."""
    seen = pl.DataFrame({"text": texts}).select(card_number_expression(pl.col("text"))).to_series().to_list()
    assert seen == [looks_like_card_number(text) for text in texts]


@settings(max_examples=15, deadline=None)
@given(NUMBERS, st.sampled_from(TEXT_FIELDS), st.sampled_from(["", " ", "-"]))
def test_a_card_number_in_any_field_is_refused_and_never_written(number: str, field: str, separator: str) -> None:
    """Whatever field it is in, the row is refused, and neither rejects nor staged files hold the number."""
    written = separator.join(number[start : start + 4] for start in range(0, len(number), 4))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        merchants = write_csv(work / "m.csv", [merchant(), merchant(card_acceptor_id="C2", address=written)])
        rows = [transaction(), transaction(**{"transaction_id": "tx-2", field: written})]
        intake = take_in([merchants], [write_csv(work / "t.csv", rows)], work / "run")
        assert intake.rejects["code"].to_list() == ["MS-CARD-001", "MS-CARD-001"]
        assert intake.rejects["column"].to_list() == ["address", field]
        staged = [pl.read_parquet(path).write_json() for path in (work / "run").rglob("*") if path.is_file()]
        told = intake.rejects.write_json() + intake.blind_spots.write_json() + "".join(staged)
        assert len(staged) == 3
        assert number not in told
        assert written not in told
