"""Whole columns written at once give the lines that Python's own JSON gives, byte for byte."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naughty import NAUGHTY

from merchantscreen.outputs.jsonlines import json_lines

EVERY_CHARACTER = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x11000), 0x1F600, 0x10FFFF]))
SCHEMA = pl.Schema(
    {
        "text": pl.String(),
        "first": pl.Float64(),
        "second": pl.Float64(),
        "list": pl.List(pl.String()),
        "number": pl.Int64(),
        "truth": pl.Boolean(),
        "day": pl.Date(),
        "moment": pl.Datetime("us"),
        "third": pl.Float64(),
    }
)
_texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(NAUGHTY)
_floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [-0.0, 0.0, 1e-05, 1.5e-07, 1e16, 1e22, 0.1, 5e-324, sys.float_info.max]
)
_rows = st.fixed_dictionaries(
    {
        "text": st.none() | _texts,
        "first": st.none() | _floats,
        "second": _floats,
        "list": st.none() | st.lists(st.none() | _texts, max_size=3),
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "truth": st.none() | st.booleans(),
        "day": st.none() | st.dates(date(1000, 1, 1)),
        "moment": st.none() | st.datetimes(datetime(1000, 1, 1)),
        "third": st.none() | _floats,
    }
)
_NOTHING: dict[str, Any] = dict.fromkeys(SCHEMA)


def _strictly(row: dict[str, Any]) -> bytes:
    """Write one row as the form is defined: the oracle."""
    moment = row["moment"]
    written = row | {
        "day": row["day"] and row["day"].isoformat(),
        "moment": moment and moment.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z"),
    }
    ordered = {name: written[name] for name in SCHEMA}
    text = json.dumps(ordered, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


@settings(max_examples=100, deadline=None)
@given(st.lists(_rows, max_size=4))
@example([_NOTHING | {"text": EVERY_CHARACTER, "list": [EVERY_CHARACTER, None, ""]}])
@example([_NOTHING | {"text": '{"a":"}"}', "list": []}, _NOTHING | {"text": "{}"}, _NOTHING | {"text": ""}])
@example([_NOTHING | {"first": 0.0}, _NOTHING | {"first": -0.0}])
def test_every_line_is_what_python_writes(rows: list[dict[str, Any]]) -> None:
    """Escapes, floats, nulls, braces inside texts and the order of columns are those of the strict writer."""
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    assert b"".join(json_lines(frame)) == b"".join(map(_strictly, rows))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_has_no_word_for_is_refused(number: float) -> None:
    """No line is written for it: a reader elsewhere would choke on it, or make null of it."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        list(json_lines(pl.DataFrame({"text": ["a"], "number": [number]})))
